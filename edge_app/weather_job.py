"""Weather fetched for the fields of a home: by hand, or by itself once a day."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from edge_app.settings import MB, Settings
from field_data.clock import now as machine_now
from field_data.errors import GhallaError
from field_data.geometry import centre
from field_data.types import Field, Instant, Trust
from field_data.weather import WeatherPlace
from sat_ingest.ranges import Budget, Patience, Ranges
from sat_ingest.weather.archive import ARCHIVE, WeatherArchive
from sat_ingest.weather.asking import Pulled, Span, pull_weather
from sat_ingest.weather.cells import cell_of
from sat_ingest.weather.sources import find_source


def cells_of(fields: Iterable[Field]) -> list[WeatherPlace]:
    """The cells of 0.1° that fields lie in, each once, by id."""
    cells = (cell_of(*centre(field.boundary)) for field in fields if not field.retired)
    return sorted({cell.id: cell for cell in cells}.values(), key=lambda cell: cell.id)


def pull_places(
    home: Path,
    source: str,
    places: Sequence[WeatherPlace],
    *,
    span: Span | None = None,
    limit: int | None = None,
    each: Callable[[int], None] = lambda _done: None,
    now: Callable[[], Instant] = machine_now,
    patience: Patience | None = None,
) -> Pulled:
    """Fetch the weather of places into the archive of a home; ``limit`` bytes at most.

    Raises:
        PublisherError: ``unknown_weather_source``, ``bad_weather_source``.
        KeeperError: the archive's.
    """
    found = find_source(source)
    ranges = Ranges(Budget(limit), patience=patience)
    try:
        with WeatherArchive(home / ARCHIVE) as archive:
            told = pull_weather(ranges, found, places, archive, now(), span, each)
            archive.spend(month_of(now()), told.bytes)
            return told
    finally:
        ranges.close()


def daily_weather(
    home: Path,
    settings: Settings,
    fields: Sequence[Field],
    now: Callable[[], Instant] = machine_now,
    patience: Patience | None = None,
) -> Pulled | None:
    """What a node does once a day, where its keeper named a source: fetch, and let old go.

    None where there is no source or nothing to fetch.  What fails is logged: the weather on the
    pages then says how old it is.

    Raises:
        KeeperError: the archive's.
    """
    places = cells_of(fields)
    if not settings.weather_source or not places:
        return None
    with WeatherArchive(home / ARCHIVE) as archive:
        spent = archive.spent(month_of(now()))
        if now().trust is not Trust.UNKNOWN:
            archive.tidy(now().utc_s)
    limit = (
        max(0, settings.weather_monthly_mb * MB - spent) if settings.weather_monthly_mb else None
    )
    try:
        told = pull_places(
            home, settings.weather_source, places, limit=limit, now=now, patience=patience
        )
    except GhallaError as error:
        told = Pulled(stopped=error.code, message=str(error))
    if told.stopped:
        logging.getLogger(__name__).warning("weather: %s: %s", told.stopped, told.message)
    return told


def month_of(at: Instant) -> str:
    """The month that a pull is counted in; all those by a clock that is wrong are one."""
    if at.trust is Trust.UNKNOWN:
        return "unknown"
    return f"{datetime.fromtimestamp(at.utc_s, UTC):%Y-%m}"
