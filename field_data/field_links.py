"""Links by which a farmer sees one field without a login: unguessable, and taken back at any time.

Whoever holds a link may see what its page shows, as with the address of an answer; nobody can tell
the field's id from it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from tinydb import where

from field_data.document_store import DocumentStore

TABLE = "field_links"
# 128 bits: nobody guesses one.
_BYTES = 16


class FieldLinks:
    """The links of the node whose records are in ``store``; a field has one or none."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._rows = store.table(TABLE)
        for key in ("token", "field"):
            store.index(TABLE, key)

    def of(self, field: str) -> str | None:
        """The link of a field."""
        row = self._rows.get(where("field") == field)
        return None if row is None else str(row["token"])

    def give(self, field: str) -> str:
        """The link of a field, made when there is none."""
        with self._store.transaction():
            token = self.of(field)
            if token is None:
                token = secrets.token_urlsafe(_BYTES)
                self._rows.insert({"token": token, "field": field})
        return token

    def field(self, token: str) -> str | None:
        """The id of the field behind a link."""
        row = self._rows.get(where("token") == token)
        return None if row is None else str(row["field"])

    def forget(self, fields: Sequence[str]) -> None:
        """Take the links of these fields back; ids of other things do no harm."""
        for field in fields:
            if self._rows.contains(where("field") == field):
                with self._store.erasing():
                    self._rows.remove(where("field") == field)
