"""Weather fetched from a service: a few places a request, kept as they arrive, within a budget.

What is kept is not asked for again the same morning, so that a pull that was cut goes on where it
was.  A service learns cells of 0.1° (`sat_ingest.weather.cells`), never a field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlencode

from field_data.errors import GhallaError, NetworkError, PublisherError
from field_data.types import Instant, Trust
from field_data.weather import Origin, WeatherPlace
from sat_ingest.ranges import Ranges
from sat_ingest.weather.archive import WeatherArchive
from sat_ingest.weather.quality import Doubt, together
from sat_ingest.weather.reading import read_answer
from sat_ingest.weather.sources import WeatherSource

# Models run every six hours; two pulls of a morning get the same.
FRESH_S = 4 * 3600.0
# Days of a reanalysis that come in one answer; a year is some 30 kB.
_MOST_DAYS_ASKED = 3653


@dataclass(frozen=True, slots=True)
class Span:
    """Days of the past that are asked for, both included."""

    since: date
    until: date


@dataclass(slots=True)
class Pulled:
    """What a pull did: places fetched, and those that were fresh; ``stopped`` is the code of what
    ended it early ("" for nothing), ``bytes`` what arrived."""

    fetched: int = 0
    fresh: int = 0
    bytes: int = 0
    stopped: str = ""
    message: str = ""
    doubts: list[Doubt] = field(default_factory=list)


def pull_weather(
    ranges: Ranges,
    source: WeatherSource,
    places: Sequence[WeatherPlace],
    archive: WeatherArchive,
    now: Instant,
    span: Span | None = None,
    each: Callable[[int], None] = lambda _done: None,
) -> Pulled:
    """Fetch the weather of places into the archive; ``each`` hears how many more are there.

    A span is for sources of the past, which need one.  What stops it is in the report: all that
    arrived before is kept.

    Raises:
        PublisherError: ``bad_weather_source`` for a span with a forecast, or none without.
        KeeperError: the archive's.
    """
    if (span is None) != (source.origin is Origin.FORECAST):
        raise PublisherError("bad_weather_source", "days are asked for of the past, and only there")
    told = Pulled()
    wanted = [place for place in places if span or not _is_fresh(archive, place, now)]
    told.fresh = len(places) - len(wanted)
    before = ranges.budget.spent
    try:
        for start in range(0, len(wanted), source.places):
            some = wanted[start : start + source.places]
            for url in requests(source, some, span):
                _fetch(told, url, ranges, source, some, archive, now)
            told.fetched += len(some)
            each(len(some))
    except (NetworkError, PublisherError) as error:
        _stop(told, error)
    told.bytes = ranges.budget.spent - before
    return told


def _fetch(
    told: Pulled,
    url: str,
    ranges: Ranges,
    source: WeatherSource,
    places: Sequence[WeatherPlace],
    archive: WeatherArchive,
    now: Instant,
) -> None:
    read = read_answer(source, ranges.document(url), places, now)
    with archive.transaction():
        for weather, doubts in read:
            archive.put(weather)
            told.doubts = together([*told.doubts, *doubts])


def requests(source: WeatherSource, places: Sequence[WeatherPlace], span: Span | None) -> list[str]:
    """Addresses to ask for the weather of a few places."""
    parts = [None] if span is None else list(_parts(span))
    asked = (urlencode(_query(source, places, part), safe=",/") for part in parts)
    return [f"{source.url}?{query}" for query in asked]


def _query(
    source: WeatherSource, places: Sequence[WeatherPlace], span: Span | None
) -> dict[str, str]:
    lats = ",".join(f"{place.lat:g}" for place in places)
    lons = ",".join(f"{place.lon:g}" for place in places)
    daily = ",".join(dict.fromkeys(source.daily.values()))
    if source.kind == "power":
        days = {"start": f"{span.since:%Y%m%d}", "end": f"{span.until:%Y%m%d}"} if span else {}
        return {"latitude": lats, "longitude": lons, "parameters": daily, **days, **source.query}
    asked = {"latitude": lats, "longitude": lons, "daily": daily}
    if hourly := ",".join(dict.fromkeys([*source.hourly.values(), *source.means.values()])):
        asked["hourly"] = hourly
    if span is not None:
        asked |= {"start_date": span.since.isoformat(), "end_date": span.until.isoformat()}
    else:
        asked["past_days"] = str(source.past_days)
        asked["forecast_days"] = str(source.forecast_days)
    return asked | dict(source.query)


def _parts(span: Span) -> Iterator[Span]:
    first, last = span.since.toordinal(), span.until.toordinal()
    for start in range(first, last + 1, _MOST_DAYS_ASKED):
        stop = min(start + _MOST_DAYS_ASKED - 1, last)
        yield Span(date.fromordinal(start), date.fromordinal(stop))


def _is_fresh(archive: WeatherArchive, place: WeatherPlace, now: Instant) -> bool:
    """Not judged while the clock is unknown."""
    if now.trust is Trust.UNKNOWN:
        return False
    issued = archive.issued(place.id)
    return issued is not None and 0 <= now.utc_s - issued < FRESH_S


def _stop(told: Pulled, error: GhallaError) -> None:
    told.stopped, told.message = error.code, str(error)
