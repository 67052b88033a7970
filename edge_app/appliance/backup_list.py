"""The list of a backup: which files, in which pieces; closed in chunks behind a signed head.

::

    ghalla backup 1\\n
    {"keys": [who can open it], "salt": …}\\n
    HMAC-SHA256 of the two lines above, 64 hex digits\\n
    chunks of 65,536 bytes of zlib'ed JSON, each closed with ChaCha20-Poly1305
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from edge_app.appliance.backup_keys import MAGIC, BackupKey, closed, derived, opened, unlock
from field_data.errors import GhallaError, KeeperError

CHUNK = 65_536
MOST_BYTES = 64 << 20
_MOST_PLAIN = 256 << 20
_TAG = 16
_MOST_HEAD = 65_536
_MOST_FILES = 1_000_000
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Saved:
    """One file: where in the home, bytes, SHA-256, time of change in ns, its pieces in order."""

    path: str
    bytes: int
    sha256: str
    mtime_ns: int
    objects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup: of which node, when (and how far to be trusted), ``layout`` of its store."""

    number: int
    node: str
    at_s: float
    trust: str
    software: str
    layout: int
    files: tuple[Saved, ...]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(each.bytes for each in self.files)

    @property
    def objects(self) -> set[str]:
        """The pieces that it needs."""
        return {name for each in self.files for name in each.objects}


def write_list(backup: Backup, key: BackupKey) -> bytes:
    """A backup's list as it lies on the stick."""
    salt = os.urandom(16)
    head = json.dumps({"keys": list(key.stanzas), "salt": base64.b64encode(salt).decode()})
    lines = f"{MAGIC}\n{head}\n".encode()
    plain = zlib.compress(json.dumps(asdict(backup)).encode())
    return lines + _seal(key, lines) + _closed_chunks(derived(key.raw, "list", salt), plain)


def _seal(key: BackupKey, lines: bytes) -> bytes:
    seal = hmac.digest(derived(key.raw, "head"), lines, hashlib.sha256).hex()
    return f"{seal}\n".encode()


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _closed_chunks(key: bytes, plain: bytes) -> bytes:
    parts = [plain[at : at + CHUNK] for at in range(0, len(plain), CHUNK)] or [b""]
    last = len(parts) - 1
    return b"".join(closed(key, p, nonce=_nonce(n, n == last)) for n, p in enumerate(parts))


def read_list(
    data: bytes, *, key: BackupKey | None = None, passphrase: str | None = None,
    secret: bytes | None = None,
) -> tuple[Backup, BackupKey]:  # fmt: skip
    """A list, with the key at hand or by what opens it; nothing in it is believed before.

    Raises:
        KeeperError: ``backup_damaged``.
        PersonError: ``wrong_passphrase``.
    """
    try:
        magic, head, seal, rest = data.split(b"\n", 3)
        if magic.decode() != MAGIC or len(head) > _MOST_HEAD:
            raise ValueError("no backup")
        said = json.loads(head)
        salt = base64.b64decode(said["salt"], validate=True)
        key = key or unlock(said["keys"], passphrase, secret)
        if not hmac.compare_digest(_seal(key, magic + b"\n" + head + b"\n"), seal + b"\n"):
            raise ValueError("its head was changed")
        plain = _opened_chunks(derived(key.raw, "list", salt), rest)
        return _backup(json.loads(_inflated(plain))), key
    except GhallaError:
        raise
    except (ValueError, KeyError, TypeError, zlib.error, RecursionError) as error:
        raise KeeperError("backup_damaged", f"a backup's list cannot be read: {error!r}") from error


def _opened_chunks(key: bytes, data: bytes) -> bytes:
    size = CHUNK + _TAG
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    last = len(parts) - 1
    return b"".join(opened(key, p, nonce=_nonce(n, n == last)) for n, p in enumerate(parts))


def _inflated(plain: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(plain, _MOST_PLAIN)
    if not unpacker.eof:
        raise ValueError("it is longer than any list")
    return data


def _backup(said: Mapping[str, Any]) -> Backup:
    _exactly(Backup, said)
    files = said["files"]
    if not isinstance(files, list) or len(files) > _MOST_FILES:
        raise ValueError("no list of files")
    return Backup(**{**said, "files": tuple(map(_saved, files))})


def _saved(said: Mapping[str, Any]) -> Saved:
    _exactly(Saved, said)
    saved = Saved(**{**said, "objects": tuple(said["objects"])})
    if not is_safe(saved.path) or not _NAME.fullmatch(saved.sha256):
        raise ValueError(f"{saved.path[:200]!r} is no file of a home")
    if type(saved.bytes) is not int or saved.bytes < 0 or type(saved.mtime_ns) is not int:
        raise ValueError("a number is none")
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in saved.objects):
        raise ValueError("a piece has no name")
    return saved


def _exactly(kind: type, said: Mapping[str, Any]) -> None:
    if not isinstance(said, dict) or set(said) != {each.name for each in fields(kind)}:
        raise ValueError(f"not the words of a {kind.__name__.lower()}")


def is_safe(path: Any) -> bool:
    """Whether it names a file inside a home."""
    if not isinstance(path, str) or not 0 < len(path) <= 1000 or "\0" in path or "\\" in path:
        return False
    parts: Sequence[str] = path.split("/")
    return len(parts) <= 12 and not any(p in ("", ".", "..") or len(p) > 200 for p in parts)
