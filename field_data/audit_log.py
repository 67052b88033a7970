"""The audit log: who did what that others must be able to look into, as a chain of hashes.

Every entry holds the hash of the one before it, so none can be changed, left out or put in between
without breaking the chain.  The hash of the last entry is also kept in a file of its own, so that
entries cut off at the end are missed.  Entries hold ids and codes, never names or contents.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tinydb import where
from tinydb.table import Document

from field_data.clock import now
from field_data.document_store import DocumentStore
from field_data.files import exclusive, make_folder, write_atomic
from field_data.types import Instant, Trust

TABLE = "audit"
HEAD_FILE = "audit.head"
NODE = "node"  # the actor of what the node does by itself
STRANGER = ""  # the actor of what somebody does who is not logged in
_BEGIN = "0" * 64


class Action(StrEnum):
    """What is written down."""

    SETUP = "setup"
    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGOUT = "logout"
    SESSION_ENDED = "session_ended"
    SECRET_CHANGED = "secret_changed"  # noqa: S105
    INVITED = "invited"
    PAIRED = "paired"
    PERSON_ADDED = "person_added"
    PERSON_RENAMED = "person_renamed"
    ROLE_CHANGED = "role_changed"
    PERSON_DEACTIVATED = "person_deactivated"
    PERSON_REACTIVATED = "person_reactivated"
    VIEWED_PRIVATE = "viewed_private"
    EXPORTED = "exported"
    ERASED = "erased"
    RETENTION = "retention"
    TRIMMED = "trimmed"
    LOSS_ACCEPTED = "loss_accepted"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; ``actor`` and ``subject`` are ids of persons (or `NODE`, `STRANGER`)."""

    seq: int
    at: Instant
    actor: str
    action: str
    subject: str
    details: Mapping[str, Any]
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What :meth:`AuditLog.verify` found: how many entries, the last hash, the first fault."""

    entries: int
    head: str
    broken_at: int | None = None
    problem: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing was changed or is missing."""
        return self.broken_at is None


class AuditLog:
    """The audit log in ``store``; ``folder`` holds the file with the last hash."""

    def __init__(self, store: DocumentStore, folder: Path) -> None:
        self._store = store
        self._table = store.table(TABLE)
        self._head = folder / HEAD_FILE
        self._lock = folder / "audit.lock"
        make_folder(folder)
        store.index(TABLE, "subject")
        store.index(TABLE, "actor")

    def append(
        self, actor: str, action: Action, subject: str = "", details: Mapping[str, Any] = {}
    ) -> Entry:
        """Add an entry, durably.  Not to be called inside a transaction of the store.

        Raises KeeperError ``disk_full``.
        """
        said = {"actor": actor, "action": str(action), "subject": subject, "details": dict(details)}
        with exclusive(self._lock):
            if self._last() is None and not self._head.exists():
                self._anchor(0, _BEGIN)  # from the first entry on the file is there
            with self._store.transaction():
                last = self._last()
                prev = _BEGIN if last is None else last.hash
                seq = self._table.insert({})
                plain = {"at": asdict(now()), **said, "prev": prev}
                hash = link({"seq": seq, **plain})
                self._table.update({**plain, "hash": hash}, doc_ids=[seq])
            if action is Action.LOSS_ACCEPTED or self._anchored(prev):
                self._anchor(seq, hash)
        return _entry(Document({**plain, "hash": hash}, seq))

    def _anchored(self, prev: str) -> bool:
        """Whether the file may move on: it must name an entry that is there.

        Otherwise it stays as it is, so that the next entry does not hide that others are missing.
        """
        try:
            seq, hash = self._told()
        except (ValueError, TypeError, KeyError, OSError):
            return False
        row = self._table.get(doc_id=seq)
        return hash in (prev, _BEGIN) or (isinstance(row, Document) and row["hash"] == hash)

    def _anchor(self, seq: int, hash: str) -> None:
        write_atomic(self._head, json.dumps({"seq": seq, "hash": hash}).encode())

    def _told(self) -> tuple[int, str]:
        """The last entry as the file names it."""
        told = json.loads(self._head.read_bytes())
        return int(told["seq"]), str(told["hash"])

    def accept_loss(self, actor: str) -> Entry:
        """Begin to watch the end anew, after a damaged store was set aside; the log says so."""
        return self.append(actor, Action.LOSS_ACCEPTED, details={"problem": self.verify().problem})

    def latest(self, limit: int = 200) -> list[Entry]:
        """The last entries, newest first."""
        first = max(0, self._table.last_id() - limit)
        return [_entry(row) for row in reversed(self._table.after(first, limit))]

    def all(self) -> list[Entry]:
        """Every entry, oldest first."""
        return [_entry(row) for row in self._table.all()]

    def about(self, person: str) -> list[Entry]:
        """What a person did or had done to them, oldest first."""
        mine = (where("actor") == person, where("subject") == person)
        rows = {row.doc_id: row for part in mine for row in self._table.search(part)}
        return [_entry(rows[seq]) for seq in sorted(rows)]

    def verify(self, last: int | None = None) -> Chain:
        """Walk the chain (or its ``last`` entries); names the first that is not what it was."""
        whole = last is None
        entries = self.all() if last is None else self.latest(last)[::-1]
        head = entries[-1].hash if entries else _BEGIN
        fault = _first_fault(entries, whole=whole)
        fault = fault or self._cut_off({entry.seq: entry for entry in entries})
        return Chain(len(self._table), head, *(fault or ()))

    def _cut_off(self, entries: Mapping[int, Entry]) -> tuple[int, str] | None:
        """Whether the entry that the file names is missing.

        The file may be an entry behind after a power cut; it is never ahead.
        """
        try:
            seq, hash = self._told()
        except FileNotFoundError:
            return (min(entries), "the file with the last hash is missing") if entries else None
        except (ValueError, TypeError, KeyError, OSError):
            return 0, "the file with the last hash cannot be read"
        if hash == _BEGIN or (seq in entries and entries[seq].hash == hash):
            return None
        return seq, "entries at the end are missing"

    def trim(self, before_utc_s: float, actor: str = NODE) -> int:
        """Remove the entries made before that moment (by a trusted clock); how many.

        Only from the beginning, and the chain says so: the next entry names the last one removed.
        """
        if old := self._older_than(before_utc_s):
            details = {"up_to": old[-1].seq, "hash": old[-1].hash, "removed": len(old)}
            self.append(actor, Action.TRIMMED, details=details)
            self._table.remove(doc_ids=[entry.seq for entry in old])
        return len(old)

    def older_than(self, utc_s: float) -> int:
        """How many entries :meth:`trim` would remove."""
        return len(self._older_than(utc_s))

    def _older_than(self, utc_s: float) -> list[Entry]:
        """Up to the last entry whose date can be trusted and is older; those before it are too."""

        def dated(entry: Entry) -> bool:
            return entry.at.trust is not Trust.UNKNOWN

        first = list(itertools.takewhile(lambda e: not dated(e) or e.at.utc_s < utc_s, self.all()))
        while first and not dated(first[-1]):
            first.pop()
        return first

    def _last(self) -> Entry | None:
        found = self._table.after(self._table.last_id() - 1, 1)
        return _entry(found[0]) if found else None


def link(said: Mapping[str, Any]) -> str:
    """SHA-256 of an entry without its hash, as canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _first_fault(entries: list[Entry], *, whole: bool) -> tuple[int, str] | None:
    if not entries:
        return None
    first = entries[0]
    if whole and first.prev != _BEGIN and not _trimmed_before(first, entries):
        return first.seq, "entries at the beginning are missing"
    prev = first.prev
    for entry in entries:
        if entry.prev != prev:
            return entry.seq, "an entry before this one is missing or was changed"
        said = {key: value for key, value in asdict(entry).items() if key != "hash"}
        if link(said) != entry.hash:
            return entry.seq, "this entry was changed"
        prev = entry.hash
    return None


def _trimmed_before(first: Entry, entries: list[Entry]) -> bool:
    """Whether the chain says itself that what came before ``first`` was removed by the rules."""
    return any(
        entry.action == Action.TRIMMED
        and (entry.details.get("hash"), entry.details.get("up_to")) == (first.prev, first.seq - 1)
        for entry in entries
    )


def _entry(row: Document) -> Entry:
    at = Instant(row["at"]["utc_s"], Trust(row["at"]["trust"]))
    fields = ("actor", "action", "subject", "details", "prev", "hash")
    return Entry(row.doc_id, at, *(row[field] for field in fields))
