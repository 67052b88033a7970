"""Backups of a home on a stick: closed, each piece once, the former one whole whatever happens.

The store is copied as of one moment first, then everything else, so that every photo that the copy
names is there (photos come before their records).  Files are cut into pieces of 1 MiB that are
named by their content: what did not change since an earlier backup is not written again.  The list
comes last; a stick that is pulled out, full or torn leaves the backups before.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from edge_app.appliance.backup_keys import BackupKey, closed, derived, kept_key, opened
from edge_app.appliance.backup_list import MOST_BYTES, Backup, Saved, read_list, write_list
from edge_app.appliance.backup_stick import Stick
from edge_app.appliance.outcomes import read_outcome_file
from edge_app.health import store_of
from field_data.clock import now
from field_data.errors import GhallaError, KeeperError
from field_data.files import HomeLock, make_folder, write_atomic
from field_data.node_identity import node_id
from field_data.schema import MIGRATIONS, open_store
from field_data.snapshots import is_sqlite, snapshot

PIECE = 1 << 20
_SALT = 16
MOST_PIECE = _SALT + 1 + PIECE + 1024 + 16
KEEP = 7
# Shares of the pieces that are read back each time: all within a month of nights.
_CHECKED = 30
# Nobody makes so many: what is above was put there.
_MOST_NUMBER = 900_000
# What can be had again, is nobody's, or would harm where it is put back.
_LEFT_OUT = ("backup", "uploads", "trial-home", "sat/scenes", "sat/tiles.mbtiles",
             "bundles/incoming")  # fmt: skip
_LEFT_NAMES = ("lock", "reserve")
_LEFT_ENDS = (".tmp", ".lock", "-wal", "-shm", "-journal", ".seg", ".avif", ".reserve")


@dataclass(frozen=True, slots=True)
class Made:
    """What a backup came to: ``read`` bytes of the home, ``written`` pieces of ``bytes`` bytes."""

    number: int
    files: int
    read: int
    written: int
    bytes: int
    removed: int
    repaired: int


def files_of(home: Path) -> Iterator[tuple[str, Path]]:
    """The files of a home that are saved; links are not followed.

    Databases first; the others are looked for when these were copied, so that they are newer.
    """
    for databases in (True, False):
        found = [each for each in _walked(home) if _is_database(each[1]) is databases]
        yield from sorted(found)


def _walked(home: Path) -> Iterator[tuple[str, Path]]:
    for folder, folders, names in os.walk(home):
        inside = Path(folder).relative_to(home)
        folders[:] = [each for each in folders if _wanted((inside / each).as_posix())]
        for name in names:
            path, inner = Path(folder) / name, (inside / name).as_posix()
            if _kept(name) and _wanted(inner) and path.is_file() and not path.is_symlink():
                yield inner, path


def _is_database(path: Path) -> bool:
    try:
        return is_sqlite(path)
    except FileNotFoundError:  # removed meanwhile
        return False


def _wanted(inner: str) -> bool:
    return not any(inner == each or inner.startswith(f"{each}/") for each in _LEFT_OUT)


def _kept(name: str) -> bool:
    return name not in _LEFT_NAMES and not name.endswith(_LEFT_ENDS)


class Backups:
    """The backups of one home on one stick."""

    def __init__(self, home: Path, mount: Path, key: BackupKey | None = None) -> None:
        """Raises KeeperError ``no_backup_key``: nobody set a passphrase yet."""
        found = key or kept_key(home)
        if found is None:
            raise KeeperError("no_backup_key", "set a passphrase first: ghalla box backup setup")
        self.home, self.key, self.stick = home, found, Stick(mount, found.set)

    # --- making -------------------------------------------------------------------------------

    def create(self, keep: int = KEEP, say: Callable[[int], None] = lambda _n: None) -> Made:
        """Save the home.

        Raises:
            KeeperError: ``stick_full``, ``stick_gone``, ``stick_read_only``, ``stick_hostile``,
                ``disk_full``, ``home_in_use`` by another backup, or the store's own.
        """
        folder = self.home / "backup"
        make_folder(folder)
        with HomeLock(folder):
            try:
                made = self._create(keep, say)
            except GhallaError as error:
                self._note({"code": error.code, "reason": str(error)})
                raise
            self._note({"code": "", **asdict(made)})
            return made

    def _create(self, keep: int, say: Callable[[int], None]) -> Made:
        before = self.all()
        repaired = self._look_at_some(before)
        number = max([n for n in self.stick.numbers() if n < _MOST_NUMBER], default=0) + 1
        write = _Writing(self.stick, self.key, say)
        try:
            backup = self._save(number, write, before[-1] if before else None)
        except KeeperError as error:
            if error.code != "stick_full" or len(before) < 2:
                raise
            self._rotate(1)  # the newest stays whatever happens
            backup = self._save(number, write, before[-1])
        self.stick.write_list(number, write_list(backup, self.key))
        removed = self._rotate(keep)
        return Made(number, len(backup.files), backup.bytes, write.pieces, write.bytes, removed,
                    repaired)  # fmt: skip

    def _save(self, number: int, write: _Writing, before: Backup | None) -> Backup:
        known = {each.path: each for each in before.files} if before else {}
        files = [self._file(inner, path, write, known) for inner, path in files_of(self.home)]
        with open_store(store_of(self.home), set_aside=False) as store:
            node = node_id(store)
        at = now()
        return Backup(
            number, node, at.utc_s, str(at.trust), version("ghalla"), len(MIGRATIONS),
            tuple(each for each in files if each is not None),
        )  # fmt: skip

    def _file(
        self, inner: str, path: Path, write: _Writing, known: Mapping[str, Saved]
    ) -> Saved | None:
        """A file in pieces; None where it was removed meanwhile."""
        try:
            about = path.stat()
            same = known.get(inner)
            if same and self._unchanged(path, about, same):
                return same
            with self._still(path) as file:
                saved = write.file(inner, file)
        except FileNotFoundError:
            return None
        return replace(saved, mtime_ns=about.st_mtime_ns)

    def _unchanged(self, path: Path, about: os.stat_result, saved: Saved) -> bool:
        """Whether a file needs not be read again; a database's log may hold what it does not."""
        same = (saved.bytes, saved.mtime_ns) == (about.st_size, about.st_mtime_ns)
        return same and not is_sqlite(path) and all(map(self.stick.has, saved.objects))

    @contextmanager
    def _still(self, path: Path) -> Iterator[IO[bytes]]:
        """A file that does not change while it is read."""
        if not is_sqlite(path):
            with path.open("rb") as file:
                yield file
            return
        copy = self.home / "backup" / "copy.tmp"
        copy.unlink(missing_ok=True)
        try:
            snapshot(path, copy)
            with copy.open("rb") as file:
                yield file
        finally:
            copy.unlink(missing_ok=True)

    # --- rotation and checks ------------------------------------------------------------------

    def all(self) -> list[Backup]:
        """The backups that can be read, oldest first."""
        found = []
        for number in self.stick.numbers():
            try:
                found.append(self.read(number))
            except KeeperError as error:
                if error.code == "stick_gone":
                    raise
        return found

    def read(self, number: int) -> Backup:
        """One backup.  Raises KeeperError ``backup_damaged``."""
        return read_list(self.stick.read_list(number, MOST_BYTES), key=self.key)[0]

    def _rotate(self, keep: int) -> int:
        """Keep the newest ``keep``; pieces go when no list names them.

        A list that cannot be read may name any piece: then none goes.
        """
        kept = self.all()
        for each in kept[: max(0, len(kept) - max(1, keep))]:
            self.stick.remove_list(each.number)
        kept = kept[-max(1, keep) :]
        if {each.number for each in kept} != set(self.stick.numbers()):
            return 0
        return self.stick.sweep(set().union(*(each.objects for each in kept)))

    def verify(self, backup: Backup, names: set[str] | None = None) -> list[str]:
        """Read pieces of a backup back (all by default); the names of those that are damaged."""
        wrong = []
        for name in sorted(backup.objects if names is None else names):
            try:
                read_piece(self.stick, self.key, name)
            except KeeperError as error:
                if error.code != "backup_damaged":
                    raise
                wrong.append(name)
        return wrong

    def _look_at_some(self, before: list[Backup]) -> int:
        """Read a share of the pieces back; damaged ones go, so that they are written anew."""
        if not before:
            return 0
        newest = before[-1]
        turn = newest.number % _CHECKED
        part = {name for name in newest.objects if int(name[:8], 16) % _CHECKED == turn}
        wrong = self.verify(newest, part)
        for name in wrong:
            self.stick.remove(name)
        return len(wrong)

    def _note(self, said: Mapping[str, Any]) -> None:
        data = json.dumps({"at_s": now().utc_s, "set": self.key.set, **said}).encode()
        write_atomic(self.home / "backup" / "last.json", data)


def last_backup(home: Path) -> dict[str, Any]:
    """What the last backup came to; ``code`` is "" where it went well; empty before the first."""
    return read_outcome_file(home / "backup" / "last.json")


class _Writing:
    """Pieces on their way to the stick."""

    def __init__(self, stick: Stick, key: BackupKey, say: Callable[[int], None]) -> None:
        self._stick, self._key, self._say = stick, key, say
        self.pieces = self.bytes = self.read = 0

    def file(self, inner: str, file: IO[bytes]) -> Saved:
        digest, length, names = hashlib.sha256(), 0, []
        while data := file.read(PIECE):
            digest.update(data)
            length += len(data)
            names.append(self._piece(data))
            self._say(len(data))
        return Saved(inner, length, digest.hexdigest(), 0, tuple(names))

    def _piece(self, data: bytes) -> str:
        name = self._key.name(data)
        if not self._stick.has(name):
            stored = write_piece(self._key, name, data)
            self._stick.write(name, stored)
            self.pieces += 1
            self.bytes += len(stored)
        return name


def write_piece(key: BackupKey, name: str, data: bytes) -> bytes:
    """A piece as it lies on the stick: a salt, then what is closed: a byte (1: zlib), the bytes."""
    salt, smaller = os.urandom(_SALT), zlib.compress(data, 1)
    plain = b"\1" + smaller if len(smaller) < len(data) else b"\0" + data
    return salt + closed(derived(key.raw, "piece", salt), plain, name.encode())


def read_piece(stick: Stick, key: BackupKey, name: str) -> bytes:
    """The bytes of a piece.

    Raises:
        KeeperError: ``backup_damaged``, or the stick's own.
    """
    data = stick.read(name, MOST_PIECE)
    plain = opened(derived(key.raw, "piece", data[:_SALT]), data[_SALT:], name.encode())
    if plain[:1] == b"\1":
        unpacker = zlib.decompressobj()
        try:
            plain = b"\0" + unpacker.decompress(plain[1:], PIECE)
        except zlib.error as error:
            raise KeeperError("backup_damaged", f"{name}: {error}") from error
    if key.name(plain[1:]) != name:
        raise KeeperError("backup_damaged", f"{name} is another piece")
    return plain[1:]


def room_for(folder: Path) -> int:
    """Bytes free where a home is to be put back."""
    return shutil.disk_usage(folder).free
