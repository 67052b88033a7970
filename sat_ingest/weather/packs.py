"""Weather packs: the weather of one place or many in one small file, cut where bandwidth is cheap.

Layout: a mark, then one zstd frame with its size and checksum that holds the places, one after the
other (`sat_ingest.weather.codec`).  Whoever made the file may be hostile: its size and what it says
to hold are checked before anything is inflated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import zstandard

from field_data.errors import PersonError
from field_data.files import write_atomic
from field_data.weather import Weather
from sat_ingest.weather.codec import Reader, Writer, bad, read_weather, write_weather

SUFFIX = ".ghy"
MOST_PLACES = 5_000
MOST_BYTES = 16 << 20
# 5,000 places of a week take about 10 MB: much more is a bomb.
_MOST_INFLATED = 24 << 20
_MARK = b"GHALLA-WEATHER-1"
_LEVEL = 19


def encode_pack(places: Sequence[Weather]) -> bytes:
    """A pack of the weather of some places.

    Raises:
        PersonError: ``pack_too_large``.
        ValueError: as `sat_ingest.weather.codec.write_weather`.
    """
    if len(places) > MOST_PLACES:
        raise PersonError("pack_too_large", f"{len(places)} places are too many for one pack")
    out = Writer()
    out.count(len(places))
    for each in places:
        write_weather(out, each)
    packed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(bytes(out.data))
    if len(out.data) > _MOST_INFLATED or len(packed) > MOST_BYTES - len(_MARK):
        raise PersonError("pack_too_large", "too much for one pack: take fewer places or days")
    return _MARK + packed


def places_of(data: bytes) -> Iterator[Weather]:
    """The inverse, one place after the other: a large pack is never in memory as a whole.

    Raises:
        PublisherError: ``bad_weather_pack``, perhaps after some places: look at all before any is
            used.
    """
    source = Reader(_inflated(data))
    known: set[str] = set()
    for _ in range(source.count(MOST_PLACES)):
        found = read_weather(source)
        if found.place.id in known:
            raise bad(f"{found.place.id} is there twice")
        known.add(found.place.id)
        yield found
    if source.at != len(source.data):
        raise bad("something follows the last place")


def write_pack(path: Path, places: Sequence[Weather]) -> int:
    """Write a pack, whole or not at all; its size in bytes."""
    data = encode_pack(places)
    write_atomic(path, data)
    return len(data)


def read_file(path: Path) -> bytes:
    """The bytes of a pack.

    Raises:
        PublisherError: ``bad_weather_pack`` when there are too many.
        PersonError: ``no_pack``.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise bad("it is too large")
        return path.read_bytes()
    except OSError as error:
        raise PersonError("no_pack", f"cannot read {path}: {error.strerror}") from error


def _inflated(data: bytes) -> bytes:
    if not data.startswith(_MARK) or len(data) > MOST_BYTES:
        raise bad("it does not begin like one, or is too large")
    frame = data[len(_MARK) :]
    try:
        size = zstandard.frame_content_size(frame)
        if not 0 < size <= _MOST_INFLATED:
            raise bad("it does not say what it holds, or too much")
        return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompress(
            frame, max_output_size=size, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise bad(str(error)[:200]) from error
