"""Codes that open one thing once, for a short time: a tablet's pairing, an invitation, the setup.

48 random bits and minutes of life leave nothing to guess, so nobody needs to be locked out.
"""

from __future__ import annotations

import secrets
from enum import StrEnum

from tinydb import where

from field_data.document_store import DocumentStore
from field_data.ids import CODE_LETTERS
from field_data.running_time import RunningTime
from field_data.sessions import digest

TABLE = "one_time_codes"
_LETTERS, _GROUP = 12, 4


class Purpose(StrEnum):
    """What a code opens."""

    SETUP = "setup"
    INVITATION = "invitation"
    PAIRING = "pairing"


class OneTimeCodes:
    """The codes that are open, in ``store``; only their SHA-256 is kept."""

    def __init__(self, store: DocumentStore, running: RunningTime) -> None:
        self._store = store
        self._codes = store.table(TABLE)
        self._running = running
        for field in ("code", "person"):
            store.index(TABLE, field)

    def issue(self, purpose: Purpose, person: str, valid_s: float) -> str:
        """A new code for a person; an earlier one for the same purpose opens nothing any more."""
        code = "".join(secrets.choice(CODE_LETTERS) for _ in range(_LETTERS))
        with self._store.transaction():
            self.revoke(person, purpose)
            ends_s = self._running.keep() + valid_s
            row = {"code": digest(code), "purpose": str(purpose), "person": person}
            self._codes.insert({**row, "ends_s": ends_s})
        return "-".join(code[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP))

    def person_of(self, code: str, purpose: Purpose) -> str | None:
        """Whom the code was given for, None if it opens nothing (now)."""
        row = self._codes.get(where("code") == digest(_typed(code)))
        good = row is not None and row["purpose"] == purpose
        return str(row["person"]) if good and row["ends_s"] > self._running.now_s() else None

    def take(self, code: str, purpose: Purpose) -> str | None:
        """As :meth:`person_of`, and the code is used up: of two at once only one gets it."""
        with self._store.transaction():
            person = self.person_of(code, purpose)
            if person is not None:
                self._codes.remove(where("code") == digest(_typed(code)))
            return person

    def revoke(self, person: str, purpose: Purpose | None = None) -> None:
        """Let the person's codes (of one purpose) open nothing any more; old ones go too."""
        now_s = self._running.now_s()
        with self._store.transaction():
            for row in self._codes.all():
                mine = row["person"] == person and purpose in (None, row["purpose"])
                if mine or row["ends_s"] <= now_s:
                    self._codes.remove(doc_ids=[row.doc_id])


def _typed(code: str) -> str:
    """A code as people type it: small letters, spaces and dashes anywhere."""
    return "".join(letter for letter in code.upper() if letter in CODE_LETTERS)
