"""The people of a hub: names, passwords, tokens, grants, and what is written down of them.

Everything is durable when a method returns, and holds between several processes on one database.
"""

from __future__ import annotations

import hashlib
import secrets as random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from field_data.errors import PersonError
from field_data.ids import new_id
from field_data.login_failures import OF_A_NAME, OF_THE_BOX, Patience
from field_data.people import MOST_NAME_LETTERS, name_key
from sync.hub import people_secrets
from sync.hub.database import Database
from sync.hub.people_grants import Grant, Role
from sync.hub.people_tables import AUDIT, ENDED, GRANTS, PAUSES, PEOPLE, TOKENS

TOKEN_DAYS = 365
_DAY_S = 86_400.0
_HUB = "hub"


@dataclass(frozen=True, slots=True)
class HubPerson:
    """Somebody with a name here; ``mark`` changes with the password and ends old sessions."""

    id: str
    name: str
    grants: tuple[Grant, ...]
    mark: str = ""

    def may(self, least: Role) -> bool:
        """Whether any grant allows so much."""
        return any(grant.role.rank >= least.rank for grant in self.grants)


class People:
    """The people in ``database``; ``clock`` gives seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    # --- who there is ------------------------------------------------------------------------

    def add(self, name: str, password: str | None = None) -> HubPerson:
        """Somebody new, who sees nothing yet.

        Raises:
            PersonError: ``bad_name``, ``name_taken``, ``weak_password``.
        """
        clean = " ".join(name.split())
        if not 1 <= len(clean) <= MOST_NAME_LETTERS or not clean.isprintable():
            raise PersonError("bad_name", f"a name has 1 to {MOST_NAME_LETTERS} letters")
        secret = None if password is None else people_secrets.hashed(password, clean)
        id = new_id()
        row = {"id": id, "name": clean, "key": name_key(clean)[:80], "secret": secret,
               "since_s": self._clock()}  # fmt: skip
        try:
            with self._database.writing() as db:
                db.execute(insert(PEOPLE).values(row))
                self._note(db, "", "person_added", {"person": id})
        except IntegrityError as error:
            raise PersonError("name_taken", f"somebody is called {clean!r} already") from error
        return HubPerson(id, clean, ())

    def set_password(self, name: str, password: str) -> None:
        """Another password; sessions made with the old one end.  Raises as `add`."""
        person = self.named(name)
        secret = people_secrets.hashed(password, person.name)
        with self._database.writing() as db:
            db.execute(update(PEOPLE).where(PEOPLE.c.id == person.id).values(secret=secret))
            self._note(db, "", "password_set", {"person": person.id})

    def listed(self) -> list[HubPerson]:
        """Everybody who may still log in, by name."""
        with self._database.reading() as db:
            rows = db.execute(select(PEOPLE).where(PEOPLE.c.ended_s.is_(None)).order_by("key"))
            return [_person(db, row) for row in rows.all()]

    def named(self, name: str) -> HubPerson:
        """The person of that name.  Raises PersonError ``unknown_person``."""
        with self._database.reading() as db:
            found = _row_named(db, name)
            if found is None:
                raise PersonError("unknown_person", f"nobody here is called {name!r}")
            return _person(db, found)

    def by_id(self, id: str) -> HubPerson | None:
        """The person, None when gone."""
        with self._database.reading() as db:
            here = (PEOPLE.c.id == id) & PEOPLE.c.ended_s.is_(None)
            found = db.execute(select(PEOPLE).where(here)).one_or_none()
            return None if found is None else _person(db, found)

    def revoke(self, name: str) -> None:
        """Nobody logs in by that name again; tokens and sessions end."""
        person, now = self.named(name), self._clock()
        with self._database.writing() as db:
            # The name is free again; what the person did keeps the id.
            gone = {"ended_s": now, "secret": None, "key": f"{person.id} ended"}
            db.execute(update(PEOPLE).where(PEOPLE.c.id == person.id).values(gone))
            db.execute(delete(GRANTS).where(GRANTS.c.person == person.id))
            db.execute(update(TOKENS).where(TOKENS.c.person == person.id).values(revoked_s=now))
            self._note(db, "", "person_revoked", {"person": person.id})

    # --- what they may see -------------------------------------------------------------------

    def grant(self, name: str, grant: Grant) -> None:
        """Let a person see an organisation's region; another role there is replaced."""
        if not all(0 < len(text) <= 80 for text in (grant.organisation, grant.region)):
            raise PersonError("bad_grant", "organisation and region have 1 to 80 letters")
        person = self.named(name)
        with self._database.writing() as db:
            _drop_grant(db, person.id, grant.organisation, grant.region)
            row = {"person": person.id, "organisation": grant.organisation, "region": grant.region,
                   "role": str(grant.role)}  # fmt: skip
            db.execute(insert(GRANTS).values(row))
            self._note(db, "", "granted", row)

    def take_back(self, name: str, organisation: str, region: str) -> None:
        """Take a grant back; one that is not there is no error."""
        person = self.named(name)
        with self._database.writing() as db:
            _drop_grant(db, person.id, organisation, region)
            detail = {"person": person.id, "organisation": organisation, "region": region}
            self._note(db, "", "grant_taken_back", detail)

    # --- tokens ------------------------------------------------------------------------------

    def new_token(self, name: str, purpose: str, days: int = TOKEN_DAYS) -> str:
        """A token for a program, shown this once."""
        person, now = self.named(name), self._clock()
        token = f"ghalla_{random.token_urlsafe(32)}"
        digest = _digest(token)
        row = {"sha256": digest, "person": person.id, "made_s": now,
               "name": purpose[:80].replace("\0", " "),
               "expires_s": now + days * _DAY_S}  # fmt: skip
        with self._database.writing() as db:
            db.execute(insert(TOKENS).values(row))
            self._note(db, "", "token_made", {"person": person.id, "token": digest[:12]})
        return token

    def tokens(self, name: str) -> list[dict[str, Any]]:
        """A person's tokens by the first 12 letters of their SHA-256."""
        mine = TOKENS.c.person == self.named(name).id
        with self._database.reading() as db:
            rows = db.execute(select(TOKENS).where(mine).order_by(TOKENS.c.made_s)).mappings()
            return [{**row, "sha256": row["sha256"][:12]} for row in rows]

    def revoke_token(self, start: str) -> int:
        """End the tokens whose SHA-256 begins so (12 letters or more); how many."""
        if len(start) < 12 or not set(start) <= set("0123456789abcdef"):
            raise PersonError("unknown_token", "a token is named by 12 letters of its SHA-256")
        here = TOKENS.c.sha256.startswith(start) & TOKENS.c.revoked_s.is_(None)
        with self._database.writing() as db:
            done = db.execute(update(TOKENS).where(here).values(revoked_s=self._clock())).rowcount
            self._note(db, "", "token_revoked", {"token": start, "ended": done})
        return int(done)

    def of_token(self, token: str) -> HubPerson | None:
        """Whose token it is; None for an unknown, revoked or expired one."""
        with self._database.reading() as db:
            row = db.execute(select(TOKENS).where(TOKENS.c.sha256 == _digest(token))).one_or_none()
        if row is None or row.revoked_s is not None or row.expires_s < self._clock():
            return None
        return self.by_id(row.person)

    # --- login -------------------------------------------------------------------------------

    def login(self, name: str, password: str) -> HubPerson:
        """The person of that name and password.

        A try is counted before it is looked at: many at once cost as much as one after another.

        Raises:
            PersonError: ``wrong_login``, or ``login_paused`` with ``wait_s``.
        """
        key = _digest(name_key(name))
        try:
            with self._database.writing() as db:
                wait_s = max(self._charge(db, key, OF_A_NAME), self._charge(db, _HUB, OF_THE_BOX))
                found = _row_named(db, name)
        except IntegrityError:  # the very first try, twice at once
            wait_s, found = 1.0, None
        if wait_s > 0:
            raise PersonError("login_paused", f"wait {wait_s:.0f} s", wait_s=round(wait_s))
        right = people_secrets.matches(found.secret if found else None, password)
        with self._database.writing() as db:
            person = _person(db, found) if found and right else None
            self._note(db, person.id if person else "", "login" if person else "wrong_login", {})
            if person:
                self._forgive(db, key)
        if person is None:
            raise PersonError("wrong_login", "no such name and password")
        return person

    def _charge(self, db: Connection, key: str, patience: Patience) -> float:
        """Count a try; how long to wait first, in seconds (then it is not counted)."""
        now, here = self._clock(), PAUSES.c.key == key
        row = db.execute(select(PAUSES).where(here).with_for_update()).one_or_none()
        fresh = row is None or now - row.last_s > patience.forgotten_s
        wrong = 0 if row is None or fresh else row.wrong
        wait_s = 0.0 if row is None or fresh else row.last_s + patience.pause_s(wrong) - now
        if wait_s > 0:
            return wait_s
        if row is None:
            db.execute(insert(PAUSES).values(key=key, wrong=1, last_s=now))
        else:
            db.execute(update(PAUSES).where(here).values(wrong=wrong + 1, last_s=now))
        return 0.0

    def _forgive(self, db: Connection, key: str) -> None:
        db.execute(delete(PAUSES).where(PAUSES.c.key == key))
        hub = PAUSES.c.key == _HUB
        db.execute(update(PAUSES).where(hub).values(wrong=PAUSES.c.wrong - 1))

    def end_session(self, session: str, until_s: float) -> None:
        """Let nobody in by that session any more, which would have ended at ``until_s``; the word
        is its secret, of which the SHA-256 is kept."""
        row = {"sha256": hashlib.sha256(session.encode()).hexdigest(), "until_s": until_s}
        with self._database.writing() as db:
            db.execute(delete(ENDED).where(ENDED.c.until_s < self._clock()))
        with suppress(IntegrityError), self._database.writing() as db:  # ended twice: it has ended
            db.execute(insert(ENDED).values(row))

    def has_ended(self, session: str) -> bool:
        """Whether somebody logged out of that session."""
        here = ENDED.c.sha256 == hashlib.sha256(session.encode()).hexdigest()
        with self._database.reading() as db:
            return db.execute(select(ENDED.c.sha256).where(here)).one_or_none() is not None

    # --- what was done -----------------------------------------------------------------------

    def note(self, person: str, action: str, detail: Mapping[str, Any]) -> None:
        """Write down what a person did."""
        with self._database.writing() as db:
            self._note(db, person, action, detail)

    def _note(self, db: Connection, person: str, action: str, detail: Mapping[str, Any]) -> None:
        row = {"at_s": self._clock(), "person": person, "action": action, "detail": dict(detail)}
        db.execute(insert(AUDIT).values(row))

    def audit(self, limit: int = 200) -> list[dict[str, Any]]:
        """What was done last, latest first."""
        with self._database.reading() as db:
            rows = db.execute(select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)).mappings()
            return [dict(row) for row in rows]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _row_named(db: Connection, name: str) -> Any:
    key = name_key(name)[:80].replace("\0", " ")  # which PostgreSQL keeps in no text
    here = (PEOPLE.c.key == key) & PEOPLE.c.ended_s.is_(None)
    return db.execute(select(PEOPLE).where(here)).one_or_none()


def _drop_grant(db: Connection, person: str, organisation: str, region: str) -> None:
    db.execute(
        delete(GRANTS).where(
            GRANTS.c.person == person,
            GRANTS.c.organisation == organisation,
            GRANTS.c.region == region,
        )
    )


def _person(db: Connection, row: Any) -> HubPerson:
    mine = select(GRANTS).where(GRANTS.c.person == row.id).order_by("organisation", "region")
    grants = tuple(Grant(g.organisation, g.region, Role(g.role)) for g in db.execute(mine))
    return HubPerson(row.id, row.name, grants, _digest(row.secret or "")[:16])
