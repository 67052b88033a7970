"""Bundles: files that come down to a node with a signed slip beside them.

The slip ``FILE.sig`` says what the file is (kind, name, a version that only grows, length, SHA-256,
when it was made) and carries an Ed25519 signature of exactly those words.  A signature never runs
out: a node may be without a clock and without a link for months.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from field_data.errors import PersonError, PublisherError
from field_data.files import exclusive, make_folder, write_atomic
from sync.keys import TRUST, PublicKey, SecretKey

SLIP = ".sig"
WINDOWS = "windows"
_PURPOSE = b"ghalla bundle 1\n"
_MOST_SLIP = 16_384
_CHUNK = 1 << 20
_SEEN = "seen.json"


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """What a slip says.  ``version`` only grows among bundles of a ``kind`` and ``name``;
    ``created`` is an ISO date and time for people, never compared."""

    kind: str
    name: str
    version: int
    created: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        texts = (self.kind, self.name, self.created, self.sha256)
        if not all(isinstance(each, str) and 0 < len(each) <= 200 for each in texts):
            raise ValueError("a text is missing or too long")
        if any(type(each) is not int or each < 0 for each in (self.version, self.bytes)):
            raise ValueError("a number is missing or negative")


def slip_of(path: Path) -> Path:
    """Where the slip of a bundle lies."""
    return path.with_name(path.name + SLIP)


def sign(path: Path, key: SecretKey, kind: str, name: str, version: int, created: str) -> None:
    """Write the slip of the file at ``path``."""
    with path.open("rb") as file:
        length, digest = _weigh(file)
    manifest = BundleManifest(kind, name, version, created, length, digest)
    text = json.dumps(asdict(manifest), ensure_ascii=False)
    signature = base64.b64encode(key.sign(_PURPOSE + text.encode())).decode()
    slip = {"manifest": text, "key": key.public.id, "signature": signature}
    write_atomic(slip_of(path), json.dumps(slip).encode())


def verify(
    path: Path, file: IO[bytes], kind: str, trusted: Mapping[str, PublicKey]
) -> BundleManifest:
    """Hold the open ``file`` against the slip beside ``path``; read on from the same handle.

    Raises:
        PublisherError: ``bundle_unsigned`` (no slip), ``bundle_untrusted`` (a key that this node
            does not trust), ``bad_signature``, ``bundle_damaged`` (slip or file), or
            ``bundle_other`` (of another kind).
    """
    text, name, signature = _slip(path)
    if name not in trusted:
        raise PublisherError("bundle_untrusted", f"{path}: signed by key {name}, not trusted here")
    trusted[name].check(_PURPOSE + text.encode(), signature)
    try:
        manifest = BundleManifest(**json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise PublisherError("bundle_damaged", f"{slip_of(path)}: {error}") from error
    if manifest.kind != kind:
        raise PublisherError("bundle_other", f"{path} is a bundle of {manifest.kind}, not {kind}")
    if _weigh(file) != (manifest.bytes, manifest.sha256):
        raise PublisherError("bundle_damaged", f"{path} is not the file that was signed")
    return manifest


def _slip(path: Path) -> tuple[str, str, bytes]:
    slip = slip_of(path)
    try:
        with slip.open("rb") as file:
            data = file.read(_MOST_SLIP + 1)
    except FileNotFoundError:
        raise PublisherError("bundle_unsigned", f"{path} has no slip {slip.name}") from None
    try:
        if len(data) > _MOST_SLIP:
            raise ValueError("too long")
        said = json.loads(data)
        parts = said["manifest"], said["key"], said["signature"]
        if not all(isinstance(each, str) for each in parts):
            raise ValueError("not text")
        return parts[0], parts[1], base64.b64decode(parts[2], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PublisherError("bundle_damaged", f"{slip}: not a slip: {error}") from error


def _weigh(file: IO[bytes]) -> tuple[int, str]:
    """Length and SHA-256 of an open file, from its start."""
    file.seek(0)
    digest, length = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        length += len(chunk)
    return length, digest.hexdigest()


def must_not_be_older(home: Path, manifest: BundleManifest) -> None:
    """Raises ``PersonError("bundle_old")`` when a later one of its name was taken in before."""
    seen = _seen(home).get(_series(manifest), 0)
    if manifest.version < seen:
        raise PersonError(
            "bundle_old", f"{manifest.name} {manifest.version} is older than {seen}, seen before"
        )


def note_taken(home: Path, manifest: BundleManifest) -> None:
    """Remember the version that was taken in; durable when it returns."""
    folder = home / TRUST
    make_folder(folder)
    with exclusive(folder / f"{_SEEN}.lock"):
        seen = _seen(home)
        series = _series(manifest)
        seen[series] = max(seen.get(series, 0), manifest.version)
        write_atomic(folder / _SEEN, json.dumps(seen).encode())


def _series(manifest: BundleManifest) -> str:
    return f"{manifest.kind}/{manifest.name}"


def _seen(home: Path) -> dict[str, int]:
    path = home / TRUST / _SEEN
    if not path.exists():
        return {}
    said: Any = json.loads(path.read_bytes())
    return {str(key): int(value) for key, value in said.items()}
