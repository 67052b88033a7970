"""TinyDB's programming interface over SQLite rows: one document written costs one document.

TinyDB's own file storage rewrites everything for every document and loses everything at a power
cut.  Here a document is a row.  What differs from TinyDB, on purpose:

- documents come in the order of their ids, and are copies: changing one changes nothing stored;
- there is no query cache (another process may write); `Table.clear_cache` does nothing;
- ids are 53-bit integers and are never given twice, except after ``truncate`` or ``drop_table``;
- values must be JSON: keys become text, tuples become lists, NaN and infinity are refused;
- every call is all or nothing, `DocumentStore.transaction` joins several.

Of the 152 tests that TinyDB 4.9 publishes 140 hold for it.  The others look at the query cache (5),
at the names of TinyDB's own classes (4) or give options to ``json.dump`` (3).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

from tinydb import TinyDB
from tinydb.queries import QueryLike
from tinydb.storages import Storage
from tinydb.table import Document, Table

from field_data.errors import KeeperError
from field_data.pushdown import field_path, narrowing
from field_data.sqlite_storage import SqliteStorage, sql_name, to_json

# ruff: noqa: S608 (table names are made harmless by `sql_name`)

Fields = Mapping[str, Any] | Callable[[MutableMapping[str, Any]], None]
Migration = Callable[["DocumentStore"], None]

_MAX_ID = 2**53
# The table of one row in which code leaves word for older code.
_LAYOUT = "layout"


class DocumentTable(Table):
    """One table of a `DocumentStore`; the methods are those of TinyDB 4."""

    default_query_cache_capacity = 0

    def __init__(
        self, storage: SqliteStorage, name: str, cache_size: int = 0, persist_empty: bool = False
    ) -> None:
        super().__init__(storage, name, cache_size=0)
        self._rows = storage
        self._sql = sql_name(name)
        if persist_empty:
            with storage.transaction():
                storage.create(name)

    # --- writing -----------------------------------------------------------------------------

    def insert(self, document: Mapping[str, Any]) -> int:
        """Add one document; returns its id."""
        return self.insert_multiple((document,))[0]

    def insert_multiple(self, documents: Iterable[Mapping[str, Any]]) -> list[int]:
        """Add documents, all or none; returns their ids."""
        with self._rows.transaction():
            self._rows.create(self.name)
            return [self._insert(document) for document in documents]

    def _insert(self, document: Mapping[str, Any]) -> int:
        if not isinstance(document, Mapping):
            raise ValueError("Document is not a Mapping")
        row = _checked_id(document.doc_id) if isinstance(document, self.document_class) else None
        sql = f"INSERT INTO {self._sql}(id, body) VALUES(?, ?)"
        try:
            return cast(int, self._rows.execute(sql, (row, to_json(document))).lastrowid)
        except sqlite3.IntegrityError:
            raise ValueError(f"Document with ID {row} already exists") from None

    def update(
        self,
        fields: Fields,
        cond: QueryLike | None = None,
        doc_ids: Iterable[int] | None = None,
    ) -> list[int]:
        """Set fields of (or call a function on) the documents meant; all if nothing is said."""
        with self._rows.transaction():
            found = self._ids(cond, doc_ids)
            for row in found:
                self._change(row, (fields,))
        return found

    def update_multiple(self, updates: Iterable[tuple[Fields, QueryLike]]) -> list[int]:
        """Try each pair on each document; an id is returned once for every pair that matched."""
        pairs = list(updates)
        changed: list[int] = []
        with self._rows.transaction():
            for row in self._ids(None, None):
                changed += [row] * self._change_where(row, pairs)
        return changed

    def upsert(self, document: Mapping[str, Any], cond: QueryLike | None = None) -> list[int]:
        """Update what matches, else insert, as one step."""
        with self._rows.transaction():
            return super().upsert(document, cond)

    def remove(
        self, cond: QueryLike | None = None, doc_ids: Iterable[int] | None = None
    ) -> list[int]:
        """Remove the documents meant; returns their ids."""
        if cond is None and doc_ids is None:
            raise RuntimeError("Use truncate() to remove all documents")
        with self._rows.transaction():
            found = list(dict.fromkeys(self._ids(cond, doc_ids)))
            for row in found:
                self._rows.execute(f"DELETE FROM {self._sql} WHERE id=?", (row,))
        return found

    def truncate(self) -> None:
        """Remove all documents; ids start at 1 again."""
        with self._rows.transaction():
            self._rows.create(self.name)
            self._rows.execute(f"DELETE FROM {self._sql}")
            self._rows.execute("DELETE FROM sqlite_sequence WHERE name=?", (self._sql,))

    def _change(self, row: int, changes: Iterable[Fields]) -> None:
        document = self._one(row)
        if document is None:  # removed by a function called for an earlier document
            return
        for fields in changes:
            _apply(fields, document)
        self._put(row, document)

    def _change_where(self, row: int, pairs: Sequence[tuple[Fields, QueryLike]]) -> int:
        document = self._one(row)
        matched = 0
        for fields, cond in pairs:
            if document is not None and cond(document):
                _apply(fields, document)
                matched += 1
        if document is not None and matched:
            self._put(row, document)
        return matched

    def _put(self, row: int, document: Mapping[str, Any]) -> None:
        self._rows.execute(f"UPDATE {self._sql} SET body=? WHERE id=?", (to_json(document), row))

    # --- reading -----------------------------------------------------------------------------

    def search(self, cond: QueryLike) -> list[Document]:
        """All documents for which ``cond`` holds."""
        return [self.document_class(document, row) for row, document in self._scan(cond)]

    def all(self) -> list[Document]:
        """All documents, as of one moment."""
        return [self.document_class(document, row) for row, document in self._scan(None)]

    def get(
        self,
        cond: QueryLike | None = None,
        doc_id: int | None = None,
        doc_ids: Iterable[int] | None = None,
    ) -> Any:
        """One document or None; with ``doc_ids`` a list of those that exist."""
        if doc_id is not None:
            document = self._one(_row_id(doc_id))
            return None if document is None else self.document_class(document, doc_id)
        if doc_ids is not None:
            wanted = sorted({row for row in map(_row_id, doc_ids) if row is not None})
            found = ((row, self._one(row)) for row in wanted)
            return [self.document_class(body, row) for row, body in found if body is not None]
        if cond is not None:
            first = next(self._scan(cond), None)
            return None if first is None else self.document_class(first[1], first[0])
        raise RuntimeError("You have to pass either cond or doc_id or doc_ids")

    def after(self, doc_id: int, limit: int) -> list[Document]:
        """Up to ``limit`` documents with ids above ``doc_id``, in order: what came since."""
        sql = f"SELECT id, body FROM {self._sql} WHERE id > ? ORDER BY id LIMIT ?"
        found = self._rows.rows(sql, (doc_id, limit))
        return [self.document_class(json.loads(body), row) for row, body in found]

    def last_id(self) -> int:
        """The largest id of a document, 0 when there is none."""
        return next((n or 0 for (n,) in self._rows.rows(f"SELECT max(id) FROM {self._sql}")), 0)

    def count(self, cond: QueryLike) -> int:
        """How many documents match."""
        return sum(1 for _ in self._scan(cond))

    def __len__(self) -> int:
        return next((n for (n,) in self._rows.rows(f"SELECT count(*) FROM {self._sql}")), 0)

    def __iter__(self) -> Iterator[Document]:
        """Each document that was there at the start and still is; changing the table is safe."""
        for row in self._ids(None, None):
            document = self._one(row)
            if document is not None:
                yield self.document_class(document, row)

    def _scan(self, cond: QueryLike | None) -> Iterator[tuple[int, dict[str, Any]]]:
        where, values = narrowing(cond, self._rows.indexes.get(self.name, ()))
        sql = f"SELECT id, body FROM {self._sql}{where} ORDER BY id"
        for row, body in self._rows.rows(sql, values):
            document = json.loads(body)
            if cond is None or cond(document):
                yield row, document

    def _ids(self, cond: QueryLike | None, doc_ids: Iterable[int] | None) -> list[int]:
        if doc_ids is not None:
            rows = [row for row in map(_row_id, doc_ids) if row is not None]
            return [row for row in rows if self._one(row) is not None]
        if cond is not None:
            return [row for row, _ in self._scan(cond)]
        return [row for (row,) in self._rows.rows(f"SELECT id FROM {self._sql} ORDER BY id")]

    def _one(self, row: int | None) -> dict[str, Any] | None:
        sql = f"SELECT body FROM {self._sql} WHERE id=?"
        return next((json.loads(body) for (body,) in self._rows.rows(sql, (row,))), None)


class DocumentStore(TinyDB):
    """A TinyDB kept in the SQLite file ``path`` (made with its folder if need be).

    ``migrations`` run in order, each once in the life of the file, each in a transaction of its
    own; a fresh file runs them all.  A file that has seen more of them than are given here was
    written by newer code.  Such code leaves word (``works_from``) of how many migrations older code
    must know to work on with what it leaves: where these are enough, the file's number is put back
    to them, so that newer code, once it returns, runs its migrations again; else the file is
    refused with ``KeeperError("store_newer")``.  A file that SQLite
    cannot read is moved aside: `damaged` names it, and the store is fresh.  Only who holds the
    home's lock may do that; anybody else says ``set_aside=False`` and gets
    ``KeeperError("store_damaged")``.  ``reserve_bytes`` are kept beside the file, so that erasing
    works on a full disk.
    """

    table_class: type[Table] = DocumentTable
    default_storage_class: type[Storage] = SqliteStorage  # type: ignore[assignment]

    def __init__(
        self,
        path: Path | str,
        *,
        migrations: Sequence[Migration] = (),
        busy_s: float = 30.0,
        set_aside: bool = True,
        reserve_bytes: int = 0,
        works_from: int | None = None,
    ) -> None:
        super().__init__(path, busy_s=busy_s, set_aside=set_aside, reserve_bytes=reserve_bytes)
        self._rows = cast(SqliteStorage, self.storage)
        try:
            self._step_back(len(migrations))
            self._migrate(migrations)
            self._say_works_from(works_from)
        except BaseException:
            self.close()
            raise

    @property
    def damaged(self) -> Path | None:
        """The unreadable file that was moved aside at the start, None if all was well."""
        return self._rows.damaged

    @property
    def version(self) -> int:
        """How many migrations the file has been through."""
        return self._rows.version

    def transaction(self) -> AbstractContextManager[None]:
        """Join what is done inside, in all tables, into one durable step; see `SqliteStorage`."""
        return self._rows.transaction()

    def erasing(self) -> AbstractContextManager[None]:
        """A `transaction` after which nothing of what it removed is left; see `SqliteStorage`."""
        return self._rows.erasing()

    def index(self, table: str, field: str) -> None:
        """Let ``==`` on ``field`` ("crop", "at.trust") of ``table`` be found without a search.

        To be said once after opening; the index itself stays in the file.
        """
        paths = self._rows.indexes.setdefault(table, [])
        path = field_path(field)
        if path not in paths:
            paths.append(path)
            with self.transaction():
                self._rows.create(table)

    def table(self, name: str, **kwargs: Any) -> DocumentTable:
        """The table ``name``; it is made at the first document."""
        return cast(DocumentTable, super().table(name, **kwargs))

    def tables(self) -> set[str]:
        """Names of the tables that exist."""
        return self._rows.names()

    def drop_table(self, name: str) -> None:
        """Drop one table and all in it."""
        self._tables.pop(name, None)
        with self.transaction():
            self._rows.drop(name)

    def _step_back(self, known: int) -> None:
        """What newer code left becomes ours again, where that code said that it may."""
        if self.version <= known:
            return
        with self.transaction():
            if self.version > known:  # asked again inside, as below
                least = self._works_from()
                if least is None or known < least:
                    message = f"{self._rows.path} was written by a newer version of this program"
                    raise KeeperError("store_newer", message, path=str(self._rows.path))
                self._rows.set_version(known)

    def _works_from(self) -> int | None:
        row = self.table(_LAYOUT).get(doc_id=1)
        return None if row is None else int(row["works_from"])

    def _say_works_from(self, works_from: int | None) -> None:
        if works_from is None or self._works_from() == works_from:
            return
        try:
            with self.transaction():
                table = self.table(_LAYOUT)
                table.truncate()
                table.insert({"works_from": works_from})
        except KeeperError as error:
            if error.code != "disk_full":  # said at the next start: a full disk opens all the same
                raise

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        for number, migration in enumerate(migrations, start=1):
            with self.transaction():
                if self.version < number:  # asked again inside: another process may be as early
                    migration(self)
                    self._rows.set_version(number)


def _apply(fields: Fields, document: dict[str, Any]) -> None:
    if callable(fields):
        fields(document)
    else:
        document.update(fields)


def _checked_id(doc_id: object) -> int:
    if type(doc_id) is not int or abs(doc_id) > _MAX_ID:
        raise ValueError(f"{doc_id!r} cannot be a document ID")
    return doc_id


def _row_id(doc_id: object) -> int | None:
    """TinyDB looks ids up as text: what is not an integer in text is simply not there."""
    try:
        row = int(str(doc_id))
    except ValueError:
        return None
    return row if abs(row) <= _MAX_ID else None
