"""Weather packs taken into the archive of a home, by hand or out of a bundle, and taken back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from field_data.clock import now
from field_data.errors import PublisherError
from field_data.types import Instant, Trust
from field_data.weather import Weather
from sat_ingest.weather.archive import ARCHIVE, WeatherArchive
from sat_ingest.weather.packs import SUFFIX, places_of, read_file
from sat_ingest.weather.quality import Doubt, sound, together

# A forecast made later than that from now was made by a clock that is wrong.
_AHEAD_S = 2 * 86_400.0
# Where so many values are impossible the pack was made wrongly.
_MOST_DOUBTS = 0.2


@dataclass(frozen=True, slots=True)
class Taken:
    """What a pack brought: places and days, the latest forecast, and what was not believed."""

    places: int
    days: int
    issued: Instant | None
    doubts: tuple[Doubt, ...]


def check_pack(path: Path) -> bytes:
    """The bytes of a pack that may be taken in as a whole.

    Raises:
        PublisherError: ``bad_weather_pack``, ``weather_from_the_future``, ``weather_impossible``.
        PersonError: ``no_pack``.
    """
    data = read_file(path)
    for weather in places_of(data):
        _check(weather)
    return data


def import_pack(home: Path, path: Path, tag: str = "") -> Taken:
    """Take a pack into the archive, all or nothing; durable when it returns.

    Raises:
        PublisherError, PersonError: as `check_pack`.  KeeperError: the archive's.
    """
    data = check_pack(path)
    places, days, issued = 0, 0, None
    doubts: list[Doubt] = []
    with WeatherArchive(home / ARCHIVE) as archive, archive.transaction():
        for weather in places_of(data):
            good, wrong = sound(weather)
            archive.put(good, tag)
            places, days = places + 1, days + len(good.days)
            doubts = together([*doubts, *wrong])
            issued = _later(issued, good.issued)
    return Taken(places, days, issued, tuple(doubts))


def probe_weather(home: Path, folder: Path, name: str) -> None:
    """What a bundle of weather brings: packs, and nothing else."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        if path.suffix != SUFFIX or path.parent != folder:
            raise PublisherError("bundle_other_file", f"{path.name} has no place in such a bundle")
        check_pack(path)
    if not files:
        raise PublisherError("bundle_other_file", "there is no weather in it")


def import_folder(home: Path, folder: Path, name: str, version: int) -> None:
    """Take the packs of a bundle into the archive."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        import_pack(home, path, tag_of(name, version))


def take_back(home: Path, name: str, version: int, before: Path) -> None:
    """Take the forecasts of a bundle out again; those of the version before count once more."""
    with WeatherArchive(home / ARCHIVE) as archive:
        archive.forget(tag_of(name, version))
    for path in sorted(before.glob(f"*{SUFFIX}")):
        import_pack(home, path, tag_of(name, int(before.name)))


def tag_of(name: str, version: int) -> str:
    """What the forecasts of a bundle are marked with."""
    return f"{name}/{version}"


def _check(weather: Weather) -> None:
    at, issued = now(), weather.issued
    if issued and at.trust is not Trust.UNKNOWN and issued.utc_s > at.utc_s + _AHEAD_S:
        raise PublisherError("weather_from_the_future", "it was made by a clock that is wrong")
    values = [value for day in weather.days for value in (day.tmin_c, day.tmax_c, day.rain_mm)]
    known = sum(map(math.isfinite, values))
    if sum(each.count for each in sound(weather)[1]) > _MOST_DOUBTS * max(known, 1):
        raise PublisherError("weather_impossible", f"{weather.place.id}: figures that cannot be")


def _later(one: Instant | None, other: Instant | None) -> Instant | None:
    both = [each for each in (one, other) if each is not None]
    return max(both, key=lambda each: each.utc_s, default=None)
