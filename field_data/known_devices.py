"""Devices on which a person has logged in before, so that strangers cannot keep that person out."""

from __future__ import annotations

import secrets

from tinydb import where

from field_data.document_store import DocumentStore
from field_data.sessions import digest

TABLE = "known_devices"
MOST_OF_ONE_PERSON = 10


class KnownDevices:
    """The known devices in ``store``: the SHA-256 of what each holds, and whose it is."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._devices = store.table(TABLE)
        for field in ("token", "person"):
            store.index(TABLE, field)

    def add(self, person: str) -> str:
        """Know one more; returns what it must hold.  The oldest of many is forgotten."""
        token = secrets.token_urlsafe(32)
        with self._store.transaction():
            rows = self._devices.search(where("person") == person)
            spare = [row.doc_id for row in rows[: max(0, len(rows) - MOST_OF_ONE_PERSON + 1)]]
            self._devices.remove(doc_ids=spare)
            self._devices.insert({"token": digest(token), "person": person})
        return token

    def knows(self, token: str | None, person: str) -> bool:
        """Whether the device has logged that person in before."""
        mine = (where("token") == digest(token or "")) & (where("person") == person)
        return self._devices.contains(mine)

    def forget(self, person: str) -> None:
        """Know no device of a person any more."""
        self._devices.remove(where("person") == person)
