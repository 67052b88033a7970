"""Signing keys: Ed25519 by PyNaCl, which has its only door here and is loaded when it is needed.

A key file is one line of text, so that it can be read out and pasted.  A node trusts the public
keys in ``home/trust/*.pub``; whoever may write there may say what the node believes.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from field_data.errors import KeeperError, PersonError, PublisherError
from field_data.files import make_folder, write_atomic

TRUST = "trust"
_SECRET, _PUBLIC = "ghalla-secret-1", "ghalla-public-1"
_BYTES = 32
_MOST = 200


@dataclass(frozen=True, slots=True)
class PublicKey:
    """32 bytes that check signatures."""

    raw: bytes

    @property
    def id(self) -> str:
        """A short name for people and files: the first 16 hex digits of its SHA-256."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def line(self) -> str:
        """The text of a key file."""
        return f"{_PUBLIC} {base64.b64encode(self.raw).decode()}"

    def check(self, message: bytes, signature: bytes) -> None:
        """Raises ``PublisherError("bad_signature")`` unless this key signed ``message``."""
        from nacl.exceptions import BadSignatureError
        from nacl.signing import VerifyKey

        try:
            VerifyKey(self.raw).verify(message, signature)
        except (BadSignatureError, ValueError) as error:
            raise PublisherError("bad_signature", f"not signed by key {self.id}") from error


@dataclass(frozen=True, slots=True)
class SecretKey:
    """The 32 bytes from which a key signs (RFC 8032's seed)."""

    raw: bytes

    def __repr__(self) -> str:
        return f"SecretKey({self.public.id})"

    @property
    def public(self) -> PublicKey:
        """Its other half."""
        from nacl.signing import SigningKey

        return PublicKey(bytes(SigningKey(self.raw).verify_key))

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        from nacl.signing import SigningKey

        return bytes(SigningKey(self.raw).sign(message).signature)


def new_keys(out: Path) -> PublicKey:
    """Make a key: the secret half at ``out`` (for its owner's eyes), the public at ``out``.pub.

    Raises:
        PersonError: ``key_exists``: nothing is ever overwritten.
    """
    public_path = out.with_name(f"{out.name}.pub")
    key = SecretKey(os.urandom(_BYTES))
    if public_path.exists():
        raise PersonError("key_exists", f"{public_path} is there already")
    make_folder(out.parent)
    text = f"{_SECRET} {base64.b64encode(key.raw).decode()}\n".encode()
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise PersonError("key_exists", f"{out} is there already") from None
    with os.fdopen(handle, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    write_atomic(public_path, f"{key.public.line}\n".encode())
    return key.public


def read_secret(path: Path) -> SecretKey:
    """The key of a file.

    Raises:
        PersonError: ``bad_key``.
    """
    return SecretKey(_read(path, _SECRET))


def trusted_keys(home: Path) -> dict[str, PublicKey]:
    """Public keys that a node trusts, by id.

    Raises:
        KeeperError: ``bad_trust`` when a file in the folder is no public key.
    """
    keys = []
    for path in sorted((home / TRUST).glob("*.pub")):
        try:
            keys.append(PublicKey(_read(path, _PUBLIC)))
        except PersonError as error:
            raise KeeperError("bad_trust", str(error), path=str(path)) from error
    return {key.id: key for key in keys}


def read_public(path: Path) -> PublicKey:
    """The public key of a file.

    Raises:
        PersonError: ``bad_key``.
    """
    return PublicKey(_read(path, _PUBLIC))


def public_from_line(line: str) -> PublicKey:
    """The key that :attr:`PublicKey.line` wrote.

    Raises:
        ValueError: it is none.
    """
    return PublicKey(_parse(line, _PUBLIC))


def _parse(text: str, kind: str) -> bytes:
    words = text.split()
    raw = base64.b64decode(words[1], validate=True) if len(words) > 1 else b""
    if words[:1] != [kind] or len(raw) != _BYTES:
        raise ValueError(f"no key of the kind {kind}")
    return raw


def _read(path: Path, kind: str) -> bytes:
    try:
        with path.open("rb") as file:
            return _parse(file.read(_MOST).decode("ascii"), kind)
    except (OSError, ValueError) as error:
        raise PersonError("bad_key", f"{path} is no key: {error}") from error
