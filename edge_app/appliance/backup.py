"""A node's home as one encrypted file, and back: the format is docs/backup.md, for anybody to read.

Stores are copied by SQLite's own backup, so a node may run meanwhile; photos and the rest are
written once and never changed.  On the stick a backup has its name when it is whole and durable, so
that one that is full, or pulled out, keeps the backups it had.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

from field_data.errors import KeeperError, PersonError
from field_data.files import disk_full_named, free_bytes, make_folder, replacing, sync_folder

MAGIC = b"ghalla backup 1\n"
SUFFIX = ".ghk"
KEPT = 3
LEAST_LETTERS = 12
CHUNK = 1 << 20
_TAG = 16
_MOST_HEAD = 4096
_MOST_MEMBERS = 5_000_000
# scrypt as RFC 7914 gives it for files: 128 MiB and about half a second on a Raspberry Pi 4.
_SCRYPT = {"n": 1 << 17, "r": 8, "p": 1}
_SQLITE = b"SQLite format 3\0"
# What is made again by itself, or belongs to a process that runs.
_LEFT = re.compile(
    r"(uploads|sat/scenes|restoring-[^/]*)/.*|sat/tiles\.mbtiles"
    r"|.*(-wal|-shm|-journal|\.tmp|\.reserve)|(.*/)?(\w+\.)?lock"
)
_NAME = re.compile(r"ghalla-[a-z0-9-]+-\d{8}T\d{6}Z" + re.escape(SUFFIX))
Say = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class About:
    """The head of a backup, which anybody can read and only the key can vouch for."""

    node: str
    created: str
    software: str
    files: int
    bytes: int


def _quiet(_done: int, _all: int) -> None:
    """For who does not watch."""


def _bad(why: str) -> PersonError:
    return PersonError("bad_backup", f"not a usable backup: {why}")


# --- the key and the chunks -------------------------------------------------------------------


def _key(passphrase: str, head: dict[str, Any]) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(
        salt=bytes.fromhex(head["salt"]), length=32, n=head["n"], r=head["r"], p=head["p"]
    ).derive(passphrase.encode())


class _Sealing:
    """A file to write plain bytes into; each full chunk is sealed and goes to ``out``."""

    def __init__(self, out: IO[bytes], key: bytes, head: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        self._out, self._head, self._count = out, head, 0
        self._cipher = ChaCha20Poly1305(key)
        self._kept = bytearray()

    def write(self, data: bytes) -> int:
        """Take plain bytes."""
        self._kept += data
        while len(self._kept) > CHUNK:  # the last one is sealed by `close`, as the last
            self._seal(bytes(self._kept[:CHUNK]), last=False)
            del self._kept[:CHUNK]
        return len(data)

    def close(self) -> None:
        """Seal the rest, as the last chunk."""
        self._seal(bytes(self._kept), last=True)

    def _seal(self, plain: bytes, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._count, last), plain, self._head)
        self._out.write(len(sealed).to_bytes(4, "big") + sealed)
        self._count += 1


class _Opening:
    """The plain bytes of a backup, chunk by chunk; nothing that was not vouched for is given out.

    Raises:
        PersonError: ``bad_backup`` for a cut or changed file, ``wrong_passphrase`` where not even
            the first chunk opens.
    """

    def __init__(self, file: IO[bytes], key: bytes, head: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        self._file, self._head, self._count = file, head, 0
        self._cipher = ChaCha20Poly1305(key)
        self._kept, self._ended = b"", False

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes; fewer only at the end."""
        parts, left = [], size if size >= 0 else 1 << 62
        while left and (self._kept or not self._ended):
            if not self._kept:
                self._kept = self._next()
            parts.append(self._kept[:left])
            self._kept, left = self._kept[left:], left - len(parts[-1])
        return b"".join(parts)

    def _next(self) -> bytes:
        from cryptography.exceptions import InvalidTag

        length = int.from_bytes(self._exactly(4), "big")
        if not _TAG <= length <= CHUNK + _TAG:
            raise _bad("a chunk of a strange size")
        sealed = self._exactly(length)
        last = not self._file.peek(1)  # type: ignore[attr-defined]
        try:
            plain: bytes = self._cipher.decrypt(_nonce(self._count, last), sealed, self._head)
        except InvalidTag as error:
            if self._count == 0:
                raise PersonError(
                    "wrong_passphrase", "another passphrase, or a damaged backup"
                ) from error
            raise _bad("cut off, or changed") from error
        self._count, self._ended = self._count + 1, last
        return plain

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise _bad("cut off")
        return data


def _nonce(count: int, last: bool) -> bytes:
    return count.to_bytes(11, "big") + bytes([last])


# --- to make one ------------------------------------------------------------------------------


def create(
    home: Path, folder: Path, passphrase: str, say: Say = _quiet, *, keep: int = KEPT
) -> Path:
    """Write a backup of ``home`` into ``folder``, a stick's; the ``keep`` newest stay there.

    Raises:
        PersonError: ``weak_passphrase``.
        KeeperError: ``no_home``, ``no_stick``, ``disk_full``, ``stick_failed``.
    """
    refuse_weak(passphrase)
    if not (home / "store.sqlite").is_file():
        raise KeeperError("no_home", f"{home} is no home of a node")
    if not folder.is_dir():
        raise KeeperError("no_stick", f"{folder} is no folder: is the stick in?")
    with tempfile.TemporaryDirectory(prefix="restoring-", dir=home) as spare:
        sources = dict(_sources(home, Path(spare)))
        about = _about(sources)
        path = folder / f"ghalla-{about.node[:12]}-{about.created}{SUFFIX}"
        _check_space(folder, about.bytes)
        try:
            with replacing(path) as out:
                _write(out, sources, about, passphrase, say)
        except OSError as error:
            raise KeeperError("stick_failed", f"{folder}: {error}") from error
    for old in backups(folder, about.node)[keep:]:
        old.unlink(missing_ok=True)
    return path


def refuse_weak(passphrase: str) -> None:
    """Raise PersonError ``weak_passphrase`` for one that a thief of the stick would guess."""
    if len(passphrase) < LEAST_LETTERS or len(set(passphrase)) < 6:
        raise PersonError("weak_passphrase", f"{LEAST_LETTERS} letters or more, six different ones")


def backups(folder: Path, node: str) -> list[Path]:
    """The whole backups of a node in a folder, newest first by their names."""
    mine = f"ghalla-{node[:12]}-"
    found = [p for p in folder.iterdir() if _NAME.fullmatch(p.name) and p.name.startswith(mine)]
    return sorted((p for p in found if p.is_file() and not p.is_symlink()), reverse=True)


def _sources(home: Path, spare: Path) -> Iterator[tuple[str, Path]]:
    """Files by their place in the home: copies of the stores first, then what they speak of."""
    files = {
        path.relative_to(home).as_posix(): path
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    wanted = {name: path for name, path in files.items() if not _LEFT.fullmatch(name)}
    stores = [name for name, path in wanted.items() if _is_store(path)]
    for number, name in enumerate(sorted(stores, key=lambda n: n != "store.sqlite")):
        copy = spare / f"{number}.sqlite"
        _copy_store(wanted[name], copy)
        yield name, copy
    yield from ((name, path) for name, path in wanted.items() if name not in stores)


def _is_store(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _copy_store(source: Path, copy: Path) -> None:
    with disk_full_named(copy):
        try:
            with (
                closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as store,
                closing(sqlite3.connect(copy)) as out,
            ):
                store.backup(out)
        except sqlite3.DatabaseError as error:
            raise KeeperError("store_damaged", f"{source}: {error}") from error


def _about(sources: dict[str, Path]) -> About:
    from importlib.metadata import version

    from field_data.node_identity import node_id
    from field_data.schema import open_store

    with open_store(sources["store.sqlite"], set_aside=False) as store:
        node = node_id(store)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    size = sum(path.stat().st_size for path in sources.values())
    return About(node, now, version("ghalla"), len(sources), size)


def _check_space(folder: Path, size: int) -> None:
    free = free_bytes(folder)
    if free < size * 1.02 + 4 * CHUNK:
        raise KeeperError("disk_full", f"{size} bytes are to be written, {free} are free")


def _write(
    out: IO[bytes], sources: dict[str, Path], about: About, passphrase: str, say: Say
) -> None:
    head = {"kdf": "scrypt", **_SCRYPT, "salt": secrets.token_hex(16), "node": about.node,
            "created": about.created, "software": about.software, "files": about.files,
            "bytes": about.bytes}  # fmt: skip
    told = MAGIC + json.dumps(head).encode() + b"\n"
    out.write(told)
    sealing = _Sealing(out, _key(passphrase, head), told)
    done = 0
    stream: Any = sealing  # tarfile asks for a write alone
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, path in sources.items():
            try:
                size = _add(tar, name, path)
            except FileNotFoundError:  # erased, or its turn to go, since the list was made
                continue
            done += size
            say(done, about.bytes)
    sealing.close()


def _add(tar: tarfile.TarFile, name: str, path: Path) -> int:
    """One file as it is now: what grows meanwhile is taken up to where it was."""
    with path.open("rb") as file:
        info = tarfile.TarInfo(name)
        info.size, info.mode = os.fstat(file.fileno()).st_size, 0o600
        tar.addfile(info, file)
        return info.size


# --- to read one ------------------------------------------------------------------------------


def about(path: Path) -> About:
    """The head of a backup, as it says of itself.

    Raises:
        PersonError: ``bad_backup``, ``no_such_file``.
    """
    with _opened(path) as file:
        head, _ = _head(file)
    return About(*(head[key] for key in ("node", "created", "software", "files", "bytes")))


def verify(path: Path, passphrase: str, say: Say = _quiet) -> int:
    """Read all of it, and say how many files are in it; raises as `restore`."""
    count = 0
    for _name, file, size in _members(path, passphrase, say):
        left = size
        while left:
            data = file.read(min(left, CHUNK))
            if not data:
                raise _bad("a file in it is cut off")
            left -= len(data)
        count += 1
    return count


def restore(path: Path, home: Path, passphrase: str, say: Say = _quiet) -> int:
    """Make ``home``, which must not be there or be empty, of a backup; how many files it has.

    Every hub that the node knows gets a new epoch: what the old card sent after the backup and
    what the new one records never meet under one number (docs/sync.md).

    Raises:
        PersonError: ``bad_backup``, ``wrong_passphrase``, ``no_such_file``.
        KeeperError: ``home_not_empty``, ``disk_full``.
    """
    if home.exists() and any(home.iterdir()):
        raise KeeperError("home_not_empty", f"{home} holds something: move it away first")
    made = home.with_name(f".restoring-{secrets.token_hex(4)}")
    make_folder(made)
    try:
        count = _unpack(path, made, passphrase, say)
        if not (made / "store.sqlite").is_file():
            raise _bad("there is no store in it")
        _begin_epochs(made)
        if home.exists():
            home.rmdir()
        made.rename(home)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    sync_folder(home.parent)
    return count


def _unpack(path: Path, made: Path, passphrase: str, say: Say) -> int:
    count = 0
    for name, file, size in _members(path, passphrase, say):
        if free_bytes(made) < size + 4 * CHUNK:
            raise KeeperError("disk_full", f"{name} has {size} bytes, {free_bytes(made)} are free")
        target = made / name
        make_folder(target.parent)
        with replacing(target) as out:
            shutil.copyfileobj(file, out, CHUNK)
        if target.stat().st_size != size:
            raise _bad("a file in it is cut off")
        count += 1
    return count


def _begin_epochs(home: Path) -> None:
    from edge_app.home import open_ground
    from edge_app.uplink import Uplinks
    from field_data.uplinks import Uplink, known_hubs

    with open_ground(home) as ground:
        uplink = Uplinks(ground)
        for hub in known_hubs(ground.store):
            uplink.departures(Uplink(ground.store, hub)).new_epoch()


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise PersonError("no_such_file", f"cannot read {path}: {error.strerror}") from error


def _head(file: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    told = file.readline(len(MAGIC)) + file.readline(_MOST_HEAD)
    try:
        if not told.startswith(MAGIC) or not told.endswith(b"\n"):
            raise ValueError("another kind of file")
        head = json.loads(told[len(MAGIC) :])
        # Only our own parameters: larger ones would cost memory before anything is vouched for.
        if head["kdf"] != "scrypt" or any(head[key] != value for key, value in _SCRYPT.items()):
            raise ValueError("another way to the key")
        if len(bytes.fromhex(head["salt"])) != 16:
            raise ValueError("another salt")
        kinds = {"node": str, "created": str, "software": str, "files": int, "bytes": int}
        if any(type(head[key]) is not kind for key, kind in kinds.items()):
            raise ValueError("its head is of another shape")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _bad(str(error)) from error
    return head, told


def _members(path: Path, passphrase: str, say: Say) -> Iterator[tuple[str, IO[bytes], int]]:
    """Name, content and size of each file in a backup, in its order; all of it is read."""
    with _opened(path) as file:
        head, told = _head(file)
        opening: Any = _Opening(file, _key(passphrase, head), told)
        done, count = 0, 0
        try:
            with tarfile.open(fileobj=opening, mode="r|") as tar:
                for info in tar:
                    count += 1
                    content = tar.extractfile(info) if _is_plain(info) else None
                    if content is None or count > _MOST_MEMBERS:
                        raise _bad(f"{info.name!r} has no place in it")
                    yield info.name, content, info.size
                    done += info.size
                    say(done, head["bytes"])
        except tarfile.TarError as error:
            raise _bad(str(error)) from error
        while opening.read(CHUNK):  # to the chunk that says it is the last
            pass


def _is_plain(info: tarfile.TarInfo) -> bool:
    """A file with a name inside: no link, no device, no way up."""
    name = PurePosixPath(info.name)
    inside = not name.is_absolute() and ".." not in name.parts and "\0" not in info.name
    return info.isreg() and inside and str(name) == info.name and info.name != "."
