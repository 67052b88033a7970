"""A model in one file, ``.ghm``: a zip of manifest.json, the files it names and CARD.md.

Whoever sends one may be hostile.  So the end of the archive is read before zipfile sees it (which
would read a directory of any length), nothing is believed that the manifest does not say, nothing
is extracted beyond its sizes, and the names in the archive never become paths on their own.

``python -m models.package pack FOLDER OUT`` makes one.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from field_data.errors import PublisherError
from field_data.files import write_atomic
from models.manifest import (
    CARD,
    MANIFEST,
    ModelHeader,
    checked_bytes,
    parse_header,
    read_header,
)

_MAX_BYTES = 150_000_000
_MAX_TEXT = 1_000_000
_MAX_MEMBERS = 16
_MAX_DIRECTORY = 16_384
# "End of central directory" of the zip format (APPNOTE 6.3.10, 4.3.16), with an empty comment.
_END = struct.Struct("<4sHHHHIIH")
_MARK = b"PK\x05\x06"
# "Zip64 locator" (4.3.15), before the end: zipfile would follow it to a directory of any length.
_LOCATOR = struct.Struct("<4sIQI")
_LOCATOR_MARK = b"PK\x06\x07"
_DATE = (2026, 1, 1, 0, 0, 0)
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, slots=True)
class Package:
    """An archive whose members are known to fit its manifest; the contents are read later."""

    header: ModelHeader
    manifest: bytes
    card: bytes
    archive: zipfile.ZipFile

    @property
    def bytes(self) -> int:
        """Bytes on disk once unpacked."""
        return self.header.bytes + len(self.manifest) + len(self.card)

    def unpack(self, folder: Path) -> None:
        """Write every file into ``folder``, durably; the manifest last.

        Raises:
            PublisherError: ``package_bad`` or ``model_corrupt``.
            KeeperError: ``disk_full``.
        """
        for part in self.header.files.values():
            data = _member(self.archive, part.file, part.bytes)
            if len(data) != part.bytes or hashlib.sha256(data).hexdigest() != part.sha256:
                raise PublisherError("model_corrupt", f"{part.file} is not the manifest's file")
            write_atomic(folder / part.file, data)
        write_atomic(folder / CARD, self.card)
        write_atomic(folder / MANIFEST, self.manifest)


def _bad(message: str) -> PublisherError:
    return PublisherError("package_bad", f"not a model package: {message}")


def _check_end(file: IO[bytes]) -> None:
    """Refuse an archive with another end than :func:`pack` writes."""
    size = file.seek(0, io.SEEK_END)
    if not _LOCATOR.size + _END.size < size <= _MAX_BYTES:
        raise _bad(f"{size} bytes")
    file.seek(-_LOCATOR.size - _END.size, io.SEEK_END)
    if file.read(_LOCATOR.size).startswith(_LOCATOR_MARK):
        raise _bad("a large archive (zip64)")
    mark, disk, first, here, count, length, start, comment = _END.unpack(file.read(_END.size))
    if mark != _MARK or (disk, first, comment) != (0, 0, 0) or here != count:
        raise _bad("no zip, or one with something behind it")
    if count > _MAX_MEMBERS or length > _MAX_DIRECTORY or start + length + _END.size != size:
        raise _bad("too many members, or a directory in a strange place")
    file.seek(0)


def _check_member(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if not info.filename or info.is_dir() or kind not in (0, stat.S_IFREG):
        raise _bad(f"{info.filename!r} is no plain file")
    if info.flag_bits & 0x1 or info.compress_type not in _PACKINGS:
        raise _bad(f"{info.filename!r} is packed in a way that is not allowed")


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """The bytes of one member, at most ``most``; its CRC is checked at its end."""
    try:
        with archive.open(name) as file:
            data = file.read(most + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError,
            NotImplementedError, struct.error, OSError) as error:  # fmt: skip
        raise _bad(f"{name}: {error}") from error
    if len(data) > most:
        raise _bad(f"{name} is larger than it may be")
    return data


def _anyone(_: IO[bytes]) -> None:
    """For who does not ask where a package comes from."""


@contextmanager
def open_package(path: Path, vouch: Callable[[IO[bytes]], None] = _anyone) -> Iterator[Package]:
    """Open an archive and hold its list of members against its manifest.

    ``vouch`` sees the open file first, and raises where it is not to be believed.

    Raises:
        PublisherError: ``package_bad`` or ``bad_manifest``.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        vouch(file)
        _check_end(file)
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError) as error:
            raise _bad(str(error)) from error
        with archive:
            yield _package(archive, str(path))


def _package(archive: zipfile.ZipFile, where: str) -> Package:
    members = archive.infolist()
    for info in members:
        _check_member(info)
    names = [info.filename for info in members]
    if len(set(names)) < len(names):
        raise _bad("two members with one name")
    manifest = _member(archive, MANIFEST, _MAX_TEXT)
    try:
        header = parse_header(manifest.decode(), f"{where}: {MANIFEST}")
    except UnicodeDecodeError as error:
        raise PublisherError("bad_manifest", f"{where}: {error}") from error
    wanted = {MANIFEST, CARD, *(part.file for part in header.files.values())}
    if set(names) != wanted:
        raise _bad(f"missing or unknown members {sorted(wanted.symmetric_difference(names))}")
    if header.bytes > _MAX_BYTES:
        raise _bad(f"{header.bytes} bytes unpacked")
    return Package(header, manifest, _member(archive, CARD, _MAX_TEXT), archive)


def pack(folder: Path, out: Path) -> ModelHeader:
    """Write the package of a sound model folder; the same folder gives the same bytes.

    Raises:
        PublisherError: the model is not sound, or has no card.
    """
    header = read_header(folder)
    contents = {MANIFEST: (folder / MANIFEST).read_bytes()}
    try:
        contents[CARD] = (folder / CARD).read_bytes()
    except OSError as error:
        raise PublisherError("model_missing", f"no card: {error}") from error
    contents |= {part.file: checked_bytes(folder, part) for part in header.files.values()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    write_atomic(out, buffer.getvalue())
    return header


def main() -> None:
    """Command line: ``python -m models.package pack FOLDER OUT``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["pack"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    header = pack(given.folder, given.out)
    print(f"{given.out}: {header.name} {header.version}, {given.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
