"""A bundle as one file, ``.ghb``: its signed head, then the files one after the other.

::

    ghalla bundle file 1\\n
    0000001234\\n                  length of the head, ten digits
    {"manifest": …, "key": …, "signature": …}
    the stored bytes of each file, in the order of the manifest

There is no list of names beside the signed one, so there is nothing to disagree with it.  A file
that zstd makes smaller is stored so; it is unpacked up to its signed length and not a byte more.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

from field_data.errors import PersonError, PublisherError
from field_data.files import make_folder, replacing
from sync.bundle_manifest import (
    MOST_BYTES,
    MOST_FILES,
    MOST_HEAD,
    Entry,
    Manifest,
    Signed,
    is_safe_path,
    parse_head,
    sign_manifest,
)
from sync.keys import SecretKey

SUFFIX = ".ghb"
_MAGIC = b"ghalla bundle file 1\n"
_DIGITS = 10
_START = len(_MAGIC) + _DIGITS + 1
_CHUNK = 1 << 20
# A window larger than this is refused: unpacking never takes more memory.
_WINDOW = 1 << 23


@dataclass(frozen=True, slots=True)
class BundleFile:
    """An open bundle whose length fits its head; the contents are read later."""

    signed: Signed
    file: IO[bytes]
    start: int

    @property
    def manifest(self) -> Manifest:
        """What its head says."""
        return self.signed.manifest

    def extract(self, folder: Path) -> None:
        """Write every file into ``folder``, durably; ``folder`` is new and ours.

        Raises:
            PublisherError: ``bundle_damaged``: a file is not the one that was signed.
            KeeperError: ``disk_full``.
        """
        at = self.start
        for entry in self.manifest.files:
            self.file.seek(at)
            place = folder / entry.path
            make_folder(place.parent)
            with replacing(place) as out:
                _copy(self.file, entry, out)
            at += entry.stored

    def read(self, path: str, most: int) -> bytes:
        """The bytes of one small file.

        Raises:
            PublisherError: ``bundle_damaged``: it is not there, larger than ``most`` bytes, or not
                the one that was signed.
        """
        at = self.start
        for entry in self.manifest.files:
            if entry.path == path and entry.bytes <= most:
                self.file.seek(at)
                data = io.BytesIO()
                _copy(self.file, entry, data)
                return data.getvalue()
            at += entry.stored
        raise PublisherError("bundle_damaged", f"no {path} of at most {most} bytes is in it")

    def check(self) -> None:
        """Whether every file is the one that was signed; nothing is written.

        Raises:
            PublisherError: ``bundle_damaged``.
        """
        at = self.start
        with Path(os.devnull).open("wb") as nowhere:
            for entry in self.manifest.files:
                self.file.seek(at)
                _copy(self.file, entry, nowhere)
                at += entry.stored


def _copy(file: IO[bytes], entry: Entry, out: IO[bytes]) -> None:
    digest, length = hashlib.sha256(), 0
    for chunk in _plain(file, entry):
        length += len(chunk)
        if length > entry.bytes:
            raise PublisherError("bundle_damaged", f"{entry.path} unpacks to more than was signed")
        digest.update(chunk)
        out.write(chunk)
    if (length, digest.hexdigest()) != (entry.bytes, entry.sha256):
        raise PublisherError("bundle_damaged", f"{entry.path} is not the file that was signed")


def _plain(file: IO[bytes], entry: Entry) -> Iterator[bytes]:
    """The bytes of one file; exactly ``entry.stored`` are read, also when they are wrong."""
    stored = io.BufferedReader(_Part(file, entry.stored))
    if entry.stored == entry.bytes:
        yield from iter(lambda: stored.read(_CHUNK), b"")
        return
    unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    try:
        with unpacker.stream_reader(stored, read_across_frames=True) as reader:
            yield from iter(lambda: reader.read(_CHUNK), b"")
    except zstandard.ZstdError as error:
        raise PublisherError("bundle_damaged", f"{entry.path}: {error}") from error


class _Part(io.RawIOBase):
    """The next ``length`` bytes of a file."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file, self._left = file, length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def open_bundle(path: Path) -> Iterator[BundleFile]:
    """Open a bundle and read its head; nothing about its signature is believed.

    Raises:
        PersonError: ``no_such_file``.
        PublisherError: ``not_a_bundle``, ``bundle_truncated``, or what
            :func:`sync.bundle_manifest.parse_head` says.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise PersonError("no_such_file", f"cannot read {path}: {error.strerror}") from error
    with file:
        yield read_head(file)


def read_head(file: IO[bytes]) -> BundleFile:
    """As :func:`open_bundle`, from an open file."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(len(_MAGIC)) != _MAGIC:
        raise PublisherError("not_a_bundle", "not a bundle of Ghalla")
    digits = file.read(_DIGITS + 1)
    if len(digits) <= _DIGITS:
        raise PublisherError("bundle_truncated", "the bundle ends within its head")
    if not (digits[:_DIGITS].isdigit() and digits[_DIGITS:] == b"\n"):
        raise PublisherError("not_a_bundle", "not a bundle of Ghalla")
    length = int(digits)
    if length > MOST_HEAD:
        raise PublisherError("bundle_too_large", f"a head of {length} bytes")
    data = file.read(length)
    if len(data) < length:
        raise PublisherError("bundle_truncated", "the bundle ends within its head")
    bundle = BundleFile(parse_head(data), file, _START + length)
    wanted = bundle.start + bundle.manifest.stored
    if size != wanted:
        code = "bundle_truncated" if size < wanted else "bundle_damaged"
        raise PublisherError(code, f"{size} bytes, {wanted} were signed")
    return bundle


def head_bytes(signed: Signed) -> bytes:
    """All that stands before the files."""
    head = json.dumps(signed.as_json()).encode()
    return _MAGIC + b"%010d\n" % len(head) + head


def build(
    out: Path,
    sources: Mapping[str, Path],
    kind: str,
    name: str,
    version: int,
    created: str,
    **more: object,
) -> Manifest:
    """Write an unsigned bundle of files, by their paths inside.

    ``more`` are the other words of a manifest: ``target``, ``rollout``, ``min_software``, ``note``.
    The same sources give the same bytes.

    Raises:
        PublisherError: what a node would say of it.
    """
    if len(sources) > MOST_FILES:
        raise PublisherError("bundle_too_large", f"{len(sources)} files")
    packed = [_packed(path, source) for path, source in sorted(sources.items())]
    entries = tuple(entry for entry, _ in packed)
    total = sum(entry.bytes for entry in entries)
    manifest = Manifest(kind, name, version, created, entries, total, **more)  # type: ignore[arg-type]
    head = head_bytes(Signed(manifest, manifest.text))
    parse_head(head[_START:])
    with replacing(out) as file:
        file.write(head)
        for _, data in packed:
            file.write(data)
    return manifest


def _packed(path: str, source: Path) -> tuple[Entry, bytes]:
    if not is_safe_path(path):
        raise PublisherError("bundle_bad_path", f"{path!r} cannot be a name in a bundle")
    if source.stat().st_size > MOST_BYTES:
        raise PublisherError("bundle_too_large", f"{source}")
    data = source.read_bytes()
    smaller = zstandard.ZstdCompressor(level=19, write_content_size=True).compress(data)
    stored = smaller if len(smaller) < len(data) else data
    return Entry(path, len(data), hashlib.sha256(data).hexdigest(), len(stored)), stored


def sign_file(path: Path, key: SecretKey) -> Signed:
    """Put a signature at the head of a bundle; what was signed before is signed anew.

    Raises:
        PublisherError: as :func:`open_bundle`.
    """
    with open_bundle(path) as bundle:
        signed = sign_manifest(bundle.signed, key)
        bundle.file.seek(bundle.start)
        with replacing(path) as out:
            out.write(head_bytes(signed))
            for chunk in iter(lambda: bundle.file.read(_CHUNK), b""):
                out.write(chunk)
    return signed


def files_in(source: Path) -> dict[str, Path]:
    """A file alone, or all files of a folder, by the paths that they get inside.

    Raises:
        PersonError: ``no_such_file``, or ``bundle_link``: a link is never followed.
    """
    if source.is_file() and not source.is_symlink():
        return {source.name: source}
    found: dict[str, Path] = {}
    for path in sorted(source.rglob("*")):
        if path.is_symlink():
            raise PersonError("bundle_link", f"{path} is a link")
        if path.is_file():
            found[path.relative_to(source).as_posix()] = path
    if not found:
        raise PersonError("no_such_file", f"nothing to pack in {source}")
    return found
