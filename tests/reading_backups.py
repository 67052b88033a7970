"""Another reader of backups, written from docs/backup.md alone: nothing of Ghalla is in it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ZERO = bytes(12)


def hkdf(key: bytes, purpose: str, salt: bytes = b"") -> bytes:
    """The document's H(key, purpose, salt)."""
    return HKDF(SHA256(), 32, salt, b"ghalla backup 1 " + purpose.encode()).derive(key)


def open_key(stanza: dict[str, Any], passphrase: str, secret: bytes) -> bytes:
    """K from one stanza."""
    if stanza["type"] == "scrypt":
        salt = base64.b64decode(stanza["salt"])
        n = 2 ** stanza["log_n"]
        wrap = hashlib.scrypt(
            passphrase.encode(), salt=salt, n=n, r=8, p=1, maxmem=200 * n * 8, dklen=32
        )
    else:
        mine = X25519PrivateKey.from_private_bytes(secret)
        theirs = base64.b64decode(stanza["from"])
        shared = mine.exchange(X25519PublicKey.from_public_bytes(theirs))
        wrap = hkdf(shared, "x25519", theirs + base64.b64decode(stanza["to"]))
    return ChaCha20Poly1305(wrap).decrypt(ZERO, base64.b64decode(stanza["key"]), b"")


def read_backup(
    folder: Path, number: int, kind: str = "scrypt", passphrase: str = "", secret: bytes = b""
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The list of a backup, and its files by path."""
    magic, head, seal, body = (folder / f"{number:06d}.gbk").read_bytes().split(b"\n", 3)
    said = json.loads(head)
    [stanza] = [each for each in said["keys"] if each["type"] == kind]
    key = open_key(stanza, passphrase, secret)
    mac = hmac.new(hkdf(key, "head"), magic + b"\n" + head + b"\n", hashlib.sha256)
    assert mac.hexdigest().encode() == seal
    chunk_key = ChaCha20Poly1305(hkdf(key, "list", base64.b64decode(said["salt"])))
    plain, size = b"", 65_536 + 16
    for n, at in enumerate(range(0, len(body), size)):
        last = at + size >= len(body)
        plain += chunk_key.decrypt(
            n.to_bytes(11, "big") + (b"\1" if last else b"\0"), body[at : at + size], b""
        )
    listed = json.loads(zlib.decompress(plain))
    files = {}
    for file in listed["files"]:
        data = b"".join(_piece(folder, key, name) for name in file["objects"])
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
        files[file["path"]] = data
    return listed, files


def _piece(folder: Path, key: bytes, name: str) -> bytes:
    data = (folder / "objects" / name[:2] / name).read_bytes()
    plain = ChaCha20Poly1305(hkdf(key, "piece", data[:16])).decrypt(ZERO, data[16:], name.encode())
    return zlib.decompress(plain[1:]) if plain[0] else plain[1:]
