"""What a bundle says of itself: whom it is for, what is in it, and who signed that.

Only these signed words name files, so nothing in a bundle can name a file that its publisher did
not.  A signature never runs out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from field_data.errors import PublisherError
from sync.keys import SecretKey
from sync.roots import KINDS, Root

_PURPOSE = b"ghalla bundle file 1\n"
MOST_HEAD = 1 << 20
MOST_BYTES = 2_000_000_000
MOST_FILES = 2000
_MOST_VERSION = 1 << 53
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SOFTWARE = re.compile(r"\d{1,4}(\.\d{1,4}){0,3}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: its bytes and SHA-256; ``stored`` bytes lie in the bundle (packed if fewer)."""

    path: str
    bytes: int
    sha256: str
    stored: int


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a bundle is for; an empty list is everybody."""

    organisations: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    hardware: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """What a node knows of itself; None where nobody has told it yet."""

    node: str
    hardware: str
    software: str
    organisation: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is signed.

    ``version`` only grows among the bundles of a ``kind`` and ``name``; ``created`` is for people.
    ``rollout``: share of the nodes (0 to 100) that take it by themselves.  ``total``: the sum of
    the bytes of all files.
    """

    kind: str
    name: str
    version: int
    created: str
    files: tuple[Entry, ...]
    total: int
    target: Target = field(default_factory=Target)
    rollout: int = 100
    min_software: str = "0"
    note: str = ""

    @property
    def text(self) -> str:
        """The words that are signed."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @property
    def stored(self) -> int:
        """Bytes of all files as they lie in the bundle."""
        return sum(each.stored for each in self.files)


@dataclass(frozen=True, slots=True)
class Signed:
    """A manifest, the very words, and their signature (empty: not signed yet)."""

    manifest: Manifest
    text: str
    key: str = ""
    signature: bytes = b""

    @property
    def id(self) -> str:
        """SHA-256 of the signed words, in hex: what these words are called."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def as_json(self) -> dict[str, str]:
        """As it stands at the head of a bundle."""
        signature = base64.b64encode(self.signature).decode()
        return {"manifest": self.text, "key": self.key, "signature": signature}


def sign_manifest(signed: Signed, key: SecretKey) -> Signed:
    """The same words, signed."""
    signature = key.sign(_PURPOSE + signed.text.encode())
    return Signed(signed.manifest, signed.text, key.public.id, signature)


def verify_manifest(signed: Signed, root: Root) -> None:
    """Whether a publisher of that kind has signed these words.

    Raises:
        PublisherError: ``bundle_unsigned``, ``bundle_untrusted`` (a key that the root does not
            know), ``bundle_wrong_role`` (one that may sign other kinds only) or ``bad_signature``.
    """
    if not signed.signature:
        raise PublisherError("bundle_unsigned", "nobody has signed this bundle")
    kind = signed.manifest.kind
    known = root.roles.get(kind, {})
    if signed.key not in known:
        elsewhere = any(signed.key in keys for keys in root.roles.values())
        code = "bundle_wrong_role" if elsewhere else "bundle_untrusted"
        raise PublisherError(code, f"key {signed.key[:16]!r} may not sign bundles of {kind}")
    known[signed.key].check(_PURPOSE + signed.text.encode(), signed.signature)


def parse_head(data: bytes) -> Signed:
    """The head of a bundle; nothing about its signature is believed.

    Raises:
        PublisherError: ``bundle_damaged``, ``bundle_bad_path``, ``bundle_too_large`` or
            ``bundle_unknown_kind``.
    """
    try:
        said = json.loads(data)
        if set(said) != {"manifest", "key", "signature"}:
            raise ValueError("missing or unknown words")
        text, key = said["manifest"], said["key"]
        if not isinstance(text, str) or not isinstance(key, str):
            raise ValueError("not text")
        signature = base64.b64decode(said["signature"], validate=True)
        return Signed(_manifest(json.loads(text)), text, key, signature)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PublisherError("bundle_damaged", f"not the head of a bundle: {error}") from error


def _manifest(said: Mapping[str, Any]) -> Manifest:
    _exactly(Manifest, said)
    _exactly(Target, said["target"])
    if not isinstance(said["files"], list):
        raise ValueError("files is no list")
    if len(said["files"]) > MOST_FILES:
        raise PublisherError("bundle_too_large", f"{len(said['files'])} files")
    entries = tuple(_entry(each) for each in said["files"])
    target = Target(**{key: _words(value) for key, value in said["target"].items()})
    manifest = Manifest(**{**said, "files": entries, "target": target})
    _check_words(manifest)
    _check_files(manifest)
    return manifest


def _exactly(kind: type, said: Any) -> None:
    if not isinstance(said, dict) or set(said) != {each.name for each in fields(kind)}:
        raise ValueError(f"not the words of a {kind.__name__.lower()}")


def _entry(said: Any) -> Entry:
    _exactly(Entry, said)
    entry = Entry(**said)
    for number in (entry.bytes, entry.stored):
        _whole(number, 0, _MOST_VERSION)
    if not isinstance(entry.sha256, str) or not _SHA256.fullmatch(entry.sha256):
        raise ValueError("no SHA-256")
    if not isinstance(entry.path, str):
        raise ValueError("no path")
    return entry


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > 10_000:
        raise ValueError("a list of words is expected")
    if not all(isinstance(each, str) and 0 < len(each) <= 80 for each in value):
        raise ValueError("a word is missing or too long")
    return tuple(value)


def _whole(value: Any, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r} is no number from {least} to {most}")


def _check_words(manifest: Manifest) -> None:
    texts = (manifest.kind, manifest.name, manifest.created, manifest.min_software, manifest.note)
    if not all(isinstance(each, str) and len(each) <= 2000 for each in texts):
        raise ValueError("a text is missing or too long")
    _whole(manifest.version, 1, _MOST_VERSION)
    _whole(manifest.rollout, 0, 100)
    _whole(manifest.total, 0, _MOST_VERSION)
    if not is_name(manifest.name):
        raise PublisherError("bundle_bad_path", f"{manifest.name[:80]!r} is no name")
    if manifest.kind not in KINDS:
        raise PublisherError("bundle_unknown_kind", f"no use for a {manifest.kind[:80]!r}")
    if not _SOFTWARE.fullmatch(manifest.min_software):
        raise ValueError("min_software is no version")


def _check_files(manifest: Manifest) -> None:
    for entry in manifest.files:
        if not is_safe_path(entry.path):
            raise PublisherError("bundle_bad_path", f"{entry.path[:200]!r} is no name of a file")
        if entry.stored > entry.bytes:
            raise ValueError(f"{entry.path} takes more room than it has")
    # A card with a FAT file system has one case, and no file is a folder too.
    paths = [entry.path.lower() for entry in manifest.files]
    folders = {
        "/".join(path.split("/")[:n]) for path in paths for n in range(1, path.count("/") + 1)
    }
    if len(set(paths)) < len(paths) or folders & set(paths):
        raise PublisherError("bundle_bad_path", "two files have one name")
    if manifest.total != sum(entry.bytes for entry in manifest.files):
        raise ValueError("total is not the sum of its files")
    if manifest.total > MOST_BYTES:
        raise PublisherError("bundle_too_large", f"{manifest.total} bytes")


def is_safe_path(path: str) -> bool:
    """Whether it names a file inside, on every file system: ASCII, no dots in front."""
    parts = path.split("/")
    return len(parts) <= 6 and all(_PART.fullmatch(part) and part[-1] != "." for part in parts)


def is_name(text: str) -> bool:
    """Whether bundles can be called so; ask before using one that came from outside in a path."""
    return _NAME.fullmatch(text) is not None


def check_for(manifest: Manifest, place: Place) -> None:
    """Whether a bundle is for this node.

    Raises:
        PublisherError: ``bundle_needs_newer`` or ``bundle_not_for_us``.
    """
    if _numbers(place.software) < _numbers(manifest.min_software):
        raise PublisherError(
            "bundle_needs_newer", f"it needs Ghalla {manifest.min_software}, not {place.software}"
        )
    target = manifest.target
    asked = (
        (target.organisations, place.organisation),
        (target.regions, place.region),
        (target.nodes, place.node),
        (target.hardware, place.hardware),
    )
    for wanted, mine in asked:
        if wanted and mine not in wanted:
            raise PublisherError("bundle_not_for_us", f"it is for {', '.join(wanted[:5])}")


def _numbers(version: str) -> tuple[int, ...]:
    """``0.1.0`` as numbers, without zeros at its end; other signs end it."""
    parts = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(each) for each in parts[0].split(".")] if parts else [0]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def in_share(manifest: Manifest, node: str, share: int) -> bool:
    """Whether a node belongs to the first ``share`` percent.

    Decided by a hash of the node and the bundle's name and version: stable, and not always the
    same nodes that go first.  A larger share holds every node of a smaller one.
    """
    said = f"{node}\n{manifest.kind}/{manifest.name}\n{manifest.version}"
    number = int.from_bytes(hashlib.sha256(said.encode()).digest()[:4], "big")
    return number * 100 < share << 32
