"""When to sow and to harvest, by agro-ecological zone: TOML that people may edit.

What lies in the home's folder ``calendars`` replaces the file of the same name that comes with
Ghalla; it is read just as strictly.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from field_data.days import date_of, day_of
from field_data.errors import GhallaError, KeeperError, PublisherError
from models.risks.definition import Citation
from models.risks.reading import Table, read_sources

FOLDER = Path(__file__).parent / "calendars"
LARGEST = 200_000
LANGS = frozenset({"en", "fr", "ar", "zgh"})


@dataclass(frozen=True, slots=True)
class Span:
    """From one (month, day) to another, over the new year where the second is earlier."""

    start: tuple[int, int]
    end: tuple[int, int]

    def around(self, day: int) -> tuple[int, int]:
        """The span nearest to a day: its first and last day since 1970-01-01."""
        year = date_of(day).year
        spans = [self._in(each) for each in (year - 1, year, year + 1)]
        return min(spans, key=lambda span: max(span[0] - day, day - span[1], 0))

    def _in(self, year: int) -> tuple[int, int]:
        over = year + (self.end < self.start)
        return day_of(date(year, *self.start)), day_of(date(over, *self.end))


@dataclass(frozen=True, slots=True)
class Sowing:
    """When crops are sown: ``span``, best up to ``best_to``, once ``rain_mm`` fell within
    ``rain_days`` (0: water is at hand)."""

    crops: tuple[str, ...]
    span: Span
    best_to: tuple[int, int]
    rain_mm: float
    rain_days: int
    source: str


@dataclass(frozen=True, slots=True)
class Harvesting:
    """When crops are usually ripe."""

    crops: tuple[str, ...]
    span: Span
    source: str


@dataclass(frozen=True, slots=True)
class Zone:
    """``box``: south, west, north, east in degrees; ``elevation_m`` from and to."""

    id: str
    name: Mapping[str, str]
    box: tuple[float, float, float, float]
    elevation_m: tuple[float, float]
    sow: tuple[Sowing, ...]
    harvest: tuple[Harvesting, ...]
    calendar: str

    def holds(self, lat: float, lon: float, elevation_m: float) -> bool:
        """Whether a place lies in it."""
        south, west, north, east = self.box
        low, high = self.elevation_m
        return south <= lat <= north and west <= lon <= east and low <= elevation_m <= high


@dataclass(frozen=True, slots=True)
class Calendar:
    """Zones in the order in which they are looked at."""

    zones: tuple[Zone, ...]
    sources: Mapping[str, Citation]
    reviewed: bool

    def zone(self, lat: float, lon: float, elevation_m: float) -> Zone | None:
        """The first zone that holds a place (degrees, m)."""
        return next((each for each in self.zones if each.holds(lat, lon, elevation_m)), None)


_Rule = TypeVar("_Rule", Sowing, Harvesting)


def rule_for(rules: Sequence[_Rule], crop: str) -> _Rule | None:
    """The rule for a crop."""
    return next((each for each in rules if crop in each.crops), None)


def load_calendars(own: Path | None = None) -> tuple[Calendar, ...]:
    """The calendars of the folder ``own`` (may be absent), then those that come with Ghalla.

    Raises:
        KeeperError: ``bad_calendar``: one of the home's own is not sound.
        PublisherError: ``bad_calendar``: one of Ghalla's.
    """
    local = {path.name: path for path in sorted(own.glob("*.toml"))} if own else {}
    shipped = {path.name: path for path in sorted(FOLDER.glob("*.toml")) if path.name not in local}
    return (
        *(_read(path, KeeperError) for path in local.values()),
        *(_read(path, PublisherError) for path in shipped.values()),
    )


def _read(path: Path, kind: type[GhallaError]) -> Calendar:
    if path.stat().st_size > LARGEST:
        raise kind("bad_calendar", f"{path.name}: larger than {LARGEST} bytes")
    try:
        return read_calendar(path.read_bytes(), path.name)
    except PublisherError as error:
        raise kind(error.code, str(error)) from error


def read_calendar(data: bytes, name: str) -> Calendar:
    """A calendar from the bytes of a TOML file called ``name``.

    Raises:
        PublisherError: ``bad_calendar``.
    """
    try:
        table = Table(tomllib.loads(data.decode()), name, "bad_calendar")
    except ValueError as error:
        raise PublisherError("bad_calendar", f"{name}: {error}") from error
    sources = read_sources(table)
    reviewed, by = table.flag("reviewed"), table.text("reviewed_by", empty=True)
    zones = tuple(_zone(part, sources, name) for part in table.tables("zone"))
    table.end()
    if reviewed != bool(by) or not zones:
        raise table.bad("at least one zone; reviewed needs a name, and only then")
    return Calendar(zones, sources, reviewed)


def _zone(part: Table, sources: Mapping[str, Citation], name: str) -> Zone:
    id, named = part.text("id"), part.table("name")
    texts = {lang: named.text(lang) for lang in sorted(LANGS) if named.has(lang)}
    named.end()
    south, west, north, east = part.numbers("box", 4, -180, 180)
    low, high = part.numbers("elevation_m", 2, -500, 9000)
    if not (south < north and west < east and low < high):
        raise part.bad("a box runs from south-west to north-east, heights from low to high")
    sow = tuple(_sowing(each, sources) for each in part.tables("sow"))
    harvest = tuple(_harvesting(each, sources) for each in part.tables("harvest"))
    part.end()
    return Zone(id, texts, (south, west, north, east), (low, high), sow, harvest, name)


def _sowing(part: Table, sources: Mapping[str, Citation]) -> Sowing:
    span, best = _span(part), _month_day(part, "best_to")
    made = Sowing(
        part.texts("crops"),
        span,
        best,
        part.number("rain_mm", 0, 200),
        int(part.number("rain_days", 1, 60)),
        _source(part, sources),
    )
    part.end()
    first, last = span.around(day_of(date(2001, *span.start)))
    if not first <= Span(span.start, best).around(first)[1] <= last:
        raise part.bad("best_to lies between from and to")
    return made


def _harvesting(part: Table, sources: Mapping[str, Citation]) -> Harvesting:
    made = Harvesting(part.texts("crops"), _span(part), _source(part, sources))
    part.end()
    return made


def _source(part: Table, sources: Mapping[str, Citation]) -> str:
    key = part.text("source")
    if key not in sources:
        raise part.bad(f"no source called {key}")
    return key


def _span(part: Table) -> Span:
    return Span(_month_day(part, "from"), _month_day(part, "to"))


def _month_day(part: Table, key: str) -> tuple[int, int]:
    text = part.text(key)
    try:
        day = date.fromisoformat(f"2001-{text}")
    except ValueError as error:
        raise part.bad(f"{key} is a day like 11-15") from error
    return day.month, day.day
