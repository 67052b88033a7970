"""Everything that a page or a verb says of one field's season, from what the archive keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from field_data.errors import PersonError
from field_data.types import Field, IndexSeries
from sat_ingest.alerts import Alert, change_alert
from sat_ingest.archive import Archive
from sat_ingest.figures import draw, read
from sat_ingest.indices import index_named
from sat_ingest.series import (
    Anomaly,
    Reading,
    against_neighbours,
    against_own_seasons,
    observed,
    read_series,
)

NEIGHBOURS_WITHIN_KM = 15.0
MOST_NEIGHBOURS = 30
_KM_PER_DEGREE = 111.2


@dataclass(frozen=True, slots=True)
class FieldReport:
    """``reading`` over all that is kept; ``day`` is the last clear one, at which the field is
    held against its own seasons and its neighbours' (``compared`` of them have figures)."""

    reading: Reading
    day: int
    own: Anomaly
    neighbours: Anomaly
    compared: int
    alert: Alert


def field_report(
    archive: Archive, field: Field, others: Sequence[Field], index: str, today: int | None
) -> FieldReport:
    """Draw what is due of a field and its neighbours, and read the season up to ``today``.

    Where nobody knows the date, None stands for the last day that is kept of the field.

    Raises:
        PersonError: ``unknown_index``, or ``no_scenes`` when nothing of the field is kept.
    """
    index_named(index)
    if today is None:
        today = max(archive.days(field.id), default=0)
    reading = _reading(archive, field, index, today)
    near = [_reading(archive, each, index, today) for each in alike(field, others)]
    near = [each for each in near if each.series.days]
    if not reading.series.days:
        raise PersonError("no_scenes", f"no scene shows field {field.id}: ghalla scenes pull")
    day = _last_clear(reading.series)
    return FieldReport(
        reading=reading,
        day=day,
        own=against_own_seasons(reading.curve, day),
        neighbours=against_neighbours(reading.curve, [each.curve for each in near], day),
        compared=len(near),
        alert=change_alert(reading.series, [each.series for each in near], today),
    )


def _reading(archive: Archive, field: Field, index: str, today: int) -> Reading:
    return read_series(series_of(archive, field, index, today))


def series_of(archive: Archive, field: Field, index: str, until: int) -> IndexSeries:
    """What was observed of a field up to a day; what is due of it is drawn first.

    Raises:
        KeeperError: the archive's.
    """
    draw(archive, field)
    return _until(observed(field.id, read(archive, field), index), until)


def _until(series: IndexSeries, today: int) -> IndexSeries:
    """The series without what lies after ``today``."""
    count = sum(day <= today for day in series.days)
    return replace(
        series,
        days=series.days[:count],
        values=series.values[:count],
        valid=series.valid[:count],
        sights=series.sights[:count],
    )


def _last_clear(series: IndexSeries) -> int:
    seen = [d for d, v in zip(series.days, series.values, strict=True) if math.isfinite(v)]
    return seen[-1] if seen else series.days[-1]


def alike(field: Field, others: Sequence[Field]) -> list[Field]:
    """The nearest other fields of the same crop, at most `MOST_NEIGHBOURS`.

    Distances are between middles on a sphere, good enough for a few kilometres.
    """
    same = [(_km(field, each), each) for each in others if each.id != field.id]
    close = [
        (km, each) for km, each in same if each.crop == field.crop and km <= NEIGHBOURS_WITHIN_KM
    ]
    return [each for _, each in sorted(close, key=lambda pair: pair[0])[:MOST_NEIGHBOURS]]


def _km(one: Field, other: Field) -> float:
    (lon, lat), (other_lon, other_lat) = _middle(one), _middle(other)
    east = (other_lon - lon) * math.cos(math.radians(lat))
    return _KM_PER_DEGREE * math.hypot(east, other_lat - lat)


def _middle(field: Field) -> tuple[float, float]:
    lons, lats = zip(*field.boundary, strict=True)
    return (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2
