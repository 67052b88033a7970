"""Who can read a backup, and how it is closed; docs/backup.md says the same for other programs.

One key of 32 random bytes closes all backups of a node.  It is made once, lies in the home for the
nightly backup, and stands at the head of each backup closed again: with a passphrase (scrypt), and
for other holders with X25519.  Whoever opens one of these holds the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from field_data.errors import KeeperError, PersonError
from field_data.files import make_folder, write_atomic

MAGIC = "ghalla backup 1"
KEYS = Path("backup") / "keys.json"
LEAST_LETTERS = 12
_SECRET, _PUBLIC = "ghalla-backup-secret-1", "ghalla-backup-public-1"
# Costs 64 MiB and about a second on a Raspberry Pi; more than 1 GiB is asked for by nobody honest.
_LOG_N, _MOST_LOG_N, _R = 16, 20, 8
_ONCE = bytes(12)
_MOST_STANZAS = 20


def derived(key: bytes, info: str, salt: bytes = b"") -> bytes:
    """A key of 32 bytes for one purpose: HKDF-SHA256."""
    return HKDF(SHA256(), 32, salt, f"{MAGIC} {info}".encode()).derive(key)


def closed(key: bytes, data: bytes, more: bytes = b"", nonce: bytes = _ONCE) -> bytes:
    """ChaCha20-Poly1305; a key is used once, or with a nonce of its own each time."""
    return ChaCha20Poly1305(key).encrypt(nonce, data, more)


def opened(key: bytes, data: bytes, more: bytes = b"", nonce: bytes = _ONCE) -> bytes:
    """What :func:`closed` closed.

    Raises:
        KeeperError: ``backup_damaged``.
    """
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, data, more)
    except (InvalidTag, ValueError) as error:
        raise KeeperError("backup_damaged", "the backup was damaged or changed") from error


@dataclass(frozen=True, slots=True)
class BackupKey:
    """The key of a node's backups, and who can open it (``stanzas`` as they stand in a head)."""

    raw: bytes
    stanzas: tuple[Mapping[str, Any], ...]

    def __repr__(self) -> str:
        return f"BackupKey({self.set})"

    @property
    def set(self) -> str:
        """What its backups are called on a stick: 16 hex digits."""
        return hmac.digest(self.raw, f"{MAGIC} set".encode(), hashlib.sha256).hex()[:16]

    def name(self, data: bytes) -> str:
        """What a piece is called: the same bytes have the same name, only for who has the key."""
        return hmac.digest(derived(self.raw, "names"), data, hashlib.sha256).hex()


# --- making and keeping -----------------------------------------------------------------------


def make_key(passphrase: str | None, recipients: Sequence[bytes] = ()) -> BackupKey:
    """A new key that the passphrase and the holders of those X25519 keys open.

    Raises:
        PersonError: ``short_passphrase`` or ``no_holder``.
    """
    return reclosed(os.urandom(32), passphrase, recipients)


def reclosed(raw: bytes, passphrase: str | None, recipients: Sequence[bytes]) -> BackupKey:
    """The same key for other holders; backups that are there keep theirs."""
    stanzas = [_for_recipient(raw, each) for each in recipients]
    if passphrase is not None:
        if len(passphrase) < LEAST_LETTERS:
            raise PersonError("short_passphrase", f"at least {LEAST_LETTERS} letters are needed")
        stanzas.insert(0, _for_passphrase(raw, passphrase))
    if not stanzas:
        raise PersonError("no_holder", "nobody could open such a backup")
    return BackupKey(raw, tuple(stanzas))


def _for_passphrase(raw: bytes, passphrase: str) -> dict[str, Any]:
    salt = os.urandom(16)
    key = closed(_stretched(passphrase, salt, _LOG_N), raw)
    return {"type": "scrypt", "salt": _b64(salt), "log_n": _LOG_N, "key": _b64(key)}


def _for_recipient(raw: bytes, recipient: bytes) -> dict[str, Any]:
    ours = X25519PrivateKey.generate()
    public = ours.public_key().public_bytes_raw()
    key = _shared(ours.exchange(X25519PublicKey.from_public_bytes(recipient)), public, recipient)
    words = {"to": _b64(recipient), "from": _b64(public), "key": _b64(closed(key, raw))}
    return {"type": "x25519", **words}


def _stretched(passphrase: str, salt: bytes, log_n: int) -> bytes:
    words = unicodedata.normalize("NFC", passphrase).encode()
    return Scrypt(salt, 32, 1 << log_n, _R, 1).derive(words)


def _shared(secret: bytes, public: bytes, recipient: bytes) -> bytes:
    return derived(secret, "x25519", public + recipient)


def keep_key(home: Path, key: BackupKey) -> None:
    """Keep a key in the home, for the node's own eyes."""
    make_folder((home / KEYS).parent)
    (home / KEYS).parent.chmod(0o700)
    said = {"key": _b64(key.raw), "stanzas": list(key.stanzas)}
    write_atomic(home / KEYS, json.dumps(said).encode())
    (home / KEYS).chmod(0o600)


def kept_key(home: Path) -> BackupKey | None:
    """The key of a home, None where none was made.

    Raises:
        KeeperError: ``backup_keys_damaged``.
    """
    try:
        said = json.loads((home / KEYS).read_bytes())
        raw = base64.b64decode(said["key"], validate=True)
        if len(raw) != 32:
            raise ValueError("no key")
        return BackupKey(raw, tuple(said["stanzas"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{home / KEYS}: {error!r}; delete it and set a passphrase anew"
        raise KeeperError("backup_keys_damaged", message) from error


def set_passphrase(home: Path, passphrase: str | None, recipients: Sequence[bytes] = ()) -> None:
    """Backups from now on open with that; the pieces on a stick are used on.

    Raises:
        PersonError: as :func:`make_key`.
    """
    before = kept_key(home)
    raw = before.raw if before else os.urandom(32)
    keep_key(home, reclosed(raw, passphrase, recipients))


# --- opening ----------------------------------------------------------------------------------


def unlock(
    stanzas: Sequence[Mapping[str, Any]], passphrase: str | None, secret: bytes | None
) -> BackupKey:
    """The key of a backup, by one of its stanzas; what they say may be hostile.

    Raises:
        PersonError: ``wrong_passphrase``: nothing given opens it.
        KeeperError: ``backup_damaged``.
    """
    try:
        for stanza in stanzas[:_MOST_STANZAS]:
            raw = _try(stanza, passphrase, secret)
            if raw is not None:
                return BackupKey(raw, tuple(stanzas))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeeperError("backup_damaged", f"its head cannot be read: {error!r}") from error
    raise PersonError("wrong_passphrase", "that does not open this backup")


def _try(stanza: Mapping[str, Any], passphrase: str | None, secret: bytes | None) -> bytes | None:
    if stanza["type"] == "scrypt" and passphrase is not None:
        log_n = stanza["log_n"]
        if type(log_n) is not int or not 1 <= log_n <= _MOST_LOG_N:
            raise ValueError("scrypt asks for too much")
        key = _stretched(passphrase, _raw(stanza["salt"], 16), log_n)
    elif stanza["type"] == "x25519" and secret is not None:
        mine = X25519PrivateKey.from_private_bytes(secret)
        to, public = mine.public_key().public_bytes_raw(), _raw(stanza["from"], 32)
        if to != _raw(stanza["to"], 32):
            return None
        key = _shared(mine.exchange(X25519PublicKey.from_public_bytes(public)), public, to)
    else:
        return None
    try:
        raw = opened(key, _raw(stanza["key"], 48))
    except KeeperError:
        return None
    return raw if len(raw) == 32 else None


def new_holder(out: Path) -> str:
    """Make an X25519 key: the secret half at ``out``, for its owner alone; gives the public line.

    Raises:
        PersonError: ``key_exists``.
    """
    secret = X25519PrivateKey.generate()
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise PersonError("key_exists", f"{out} is there already") from None
    with os.fdopen(handle, "w") as file:
        file.write(f"{_SECRET} {_b64(secret.private_bytes_raw())}\n")
        file.flush()
        os.fsync(file.fileno())
    return f"{_PUBLIC} {_b64(secret.public_key().public_bytes_raw())}"


def read_secret(path: Path) -> bytes:
    """The 32 bytes of a holder's secret key.  Raises PersonError ``bad_key``."""
    try:
        return _line(path.read_text(encoding="ascii"), _SECRET)
    except (OSError, ValueError) as error:
        raise PersonError("bad_key", f"{path}: {error}") from error


def public_line(text: str) -> bytes:
    """The 32 bytes of a holder's public key.  Raises PersonError ``bad_key``."""
    try:
        return _line(text, _PUBLIC)
    except ValueError as error:
        raise PersonError("bad_key", f"{text[:80]!r}: {error}") from error


def _line(text: str, kind: str) -> bytes:
    words = text.split()
    if len(words) != 2 or words[0] != kind:
        raise ValueError(f"no key of the kind {kind}")
    return _raw(words[1], 32)


def _raw(text: str, length: int) -> bytes:
    data = base64.b64decode(text, validate=True)
    if len(data) != length:
        raise ValueError(f"{length} bytes are expected")
    return data


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
