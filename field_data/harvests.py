"""What a field gave, season by season, out of the observations on it.

A harvest of most of the field counts more than squares cut in it; squares and parts are averaged by
their noise.  What cannot be right is set aside with the reason, for a person to correct.  Pure.

Noise is one standard deviation.  The shares below are choices of ours, on the safe side of what is
published for small fields, and no measurements of this node's.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from field_data.events import Event, Kind
from field_data.observations import believed_at
from field_data.types import Field, Trust
from field_data.yields import LEAST_HARVEST, MOST_HARVEST, Meant, other_readings

WHEAT = frozenset({"TRZAX", "TRZDU"})
# A farmer's count of all that a field gave, and of a part of it.
NOISE_WHOLE, NOISE_PART = 0.10, 0.20
# Of one square of grain, and what all squares of a field share (edges, scales, losses).
NOISE_SQUARE, NOISE_CUTTING = 0.35, 0.08
# What grain of unknown moisture may differ from grain at the standard one.
NOISE_MOISTURE = 0.05
LEAST_NOISE_T_HA = 0.1
# From this share of a field on, a harvest is one of the field.
WHOLE_SHARE = 0.5
# Areas walked and told never agree.
AREA_SLACK = 1.3
# Further apart than this many standard deviations, two figures contradict each other.
CONTRADICTION = 3.0


class How(StrEnum):
    """How a harvest is known."""

    DECLARED = "declared"
    CUT = "cut"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Harvest:
    """What a field gave in one season: ``t_ha`` at standard moisture where that is known,
    ``sd_t_ha`` its noise; ``day`` the last day it was cut; ``events`` say so.  ``contradicted``:
    the figures lie too far apart to be about the same field."""

    field: str
    crop: str
    season_year: int
    t_ha: float
    sd_t_ha: float
    how: How
    day: date
    events: tuple[str, ...]
    contradicted: bool = False


@dataclass(frozen=True, slots=True)
class SetAside:
    """An observation that says nothing of the yield, and why: ``other_crop``, ``no_date``,
    ``not_grain``, ``unchecked``, ``no_figure``, ``too_high``, ``too_low``, ``area_too_large``.

    ``meant`` are units in which the figure would make sense.
    """

    event: str
    reason: str
    t_ha: float | None = None
    meant: tuple[Meant, ...] = ()


@dataclass(frozen=True, slots=True)
class Harvests:
    """Of one field: a harvest a season, by time, and what was set aside."""

    kept: tuple[Harvest, ...]
    aside: tuple[SetAside, ...]


@dataclass(frozen=True, slots=True)
class _Figure:
    """One observation: ``area_ha`` is None for squares."""

    event: str
    crop: str
    day: date
    t_ha: float
    sd: float
    area_ha: float | None = None


def harvests_of(field: Field, events: Iterable[Event], crops: Collection[str] = WHEAT) -> Harvests:
    """The harvests of ``crops`` on a field, from the observations on it that stand."""
    figures: dict[int, list[_Figure]] = defaultdict(list)
    aside = []
    for event in events:
        if event.kind is Kind.OBSERVATION and event.body.get("form") in _READERS:
            read = _figure(field, event, crops)
            if isinstance(read, SetAside):
                aside.append(read)
            else:
                figures[season_of_harvest(read.day)].append(read)
    kept = tuple(_harvest(field, year, figures[year]) for year in sorted(figures))
    return Harvests(kept, tuple(aside))


def season_of_harvest(day: date) -> int:
    """The season of wheat cut on a day: sown in autumn, it is cut before the next autumn's end,
    high in the mountains when the next season has begun."""
    return day.year


def _figure(field: Field, event: Event, crops: Collection[str]) -> _Figure | SetAside:
    values = event.body.get("values")
    if event.body.get("unchecked") or not isinstance(values, Mapping):
        return SetAside(event.id, "unchecked")
    if values.get("crop") not in crops:
        return SetAside(event.id, "other_crop")
    found = _READERS[event.body["form"]](field, event, values)
    if isinstance(found, SetAside) or LEAST_HARVEST <= found.t_ha <= MOST_HARVEST:
        return found
    if found.t_ha == 0:
        return found
    reason = "too_high" if found.t_ha > MOST_HARVEST else "too_low"
    meant = _meant(found) if reason == "too_high" else ()
    return SetAside(event.id, reason, found.t_ha, meant)


def _meant(figure: _Figure) -> tuple[Meant, ...]:
    return tuple(other_readings(figure.t_ha, figure.crop, LEAST_HARVEST, MOST_HARVEST))


def _declared(field: Field, event: Event, values: Mapping[str, Any]) -> _Figure | SetAside:
    """A harvest as the farmer counts it."""
    area, t_ha = _number(values, "area"), _number(values, "std_t_ha")
    dry = t_ha is not None
    t_ha = t_ha if dry else _number(values, "fresh_t_ha")
    if t_ha is None or area is None:
        return SetAside(event.id, "no_figure")
    if area > AREA_SLACK * field.area_ha:
        return SetAside(event.id, "area_too_large", t_ha)
    day = _day(values.get("day"))
    if day is None:
        return SetAside(event.id, "no_date", t_ha)
    share = NOISE_WHOLE if _is_whole(area, field) else NOISE_PART
    noise = _noise(t_ha, share, 0.0 if dry else NOISE_MOISTURE)
    return _Figure(event.id, str(values["crop"]), day, t_ha, noise, area)


def _cut(field: Field, event: Event, values: Mapping[str, Any]) -> _Figure | SetAside:
    """Squares cut in the field; the form does not ask for the day, its own counts."""
    if values.get("weighed") != "grain":
        return SetAside(event.id, "not_grain")
    t_ha, plots = _number(values, "std_t_ha"), _number(values, "plots")
    dry = t_ha is not None
    t_ha = t_ha if dry else _number(values, "fresh_t_ha")
    if t_ha is None or not plots:
        return SetAside(event.id, "no_figure")
    at = believed_at(event)
    if at.trust is Trust.UNKNOWN:
        return SetAside(event.id, "no_date", t_ha)
    day = datetime.fromtimestamp(at.utc_s, UTC).date()
    shares = (NOISE_SQUARE / math.sqrt(plots), NOISE_CUTTING, 0.0 if dry else NOISE_MOISTURE)
    return _Figure(event.id, str(values["crop"]), day, t_ha, _noise(t_ha, *shares))


_READERS = {"harvest": _declared, "crop_cut": _cut}


def _harvest(field: Field, year: int, figures: list[_Figure]) -> Harvest:
    """One harvest of all that is known of a season."""
    parts = [each for each in figures if each.area_ha is not None]
    squares = [each for each in figures if each.area_ha is None]
    told = list(_together(field, parts))
    beats = any(each.area_ha and _is_whole(each.area_ha, field) for each in told)
    counted = told if beats else told + squares
    t_ha, sd = _combined(counted, alike=beats)
    how = How.BOTH if told and squares and not beats else How.DECLARED if told else How.CUT
    return Harvest(
        field=field.id,
        crop=figures[-1].crop,
        season_year=year,
        t_ha=round(t_ha, 3),
        sd_t_ha=round(sd, 3),
        how=how,
        day=max(each.day for each in figures),
        events=tuple(each.event for each in figures),
        contradicted=_contradict(told + squares),
    )


def _together(field: Field, parts: list[_Figure]) -> Iterator[_Figure]:
    """Parts of a field that do not overlap are one harvest; else each speaks for itself."""
    area = sum(each.area_ha or 0.0 for each in parts)
    if len(parts) < 2 or area > AREA_SLACK * field.area_ha:
        yield from parts
        return
    t_ha = sum(each.t_ha * (each.area_ha or 0.0) for each in parts) / area
    share = NOISE_WHOLE if _is_whole(area, field) else NOISE_PART
    last = max(parts, key=lambda each: each.day)
    yield _Figure(last.event, last.crop, last.day, t_ha, _noise(t_ha, share), area)


def _combined(figures: list[_Figure], *, alike: bool) -> tuple[float, float]:
    """Mean by weights and its standard deviation, widened where the figures scatter more than
    their noise says (Birge's ratio, Physical Review 40, 207, 1932).

    What the same people said twice (``alike``) is no better known than what they said once.
    """
    weights = [1 / each.sd**2 for each in figures]
    mean = sum(w * each.t_ha for w, each in zip(weights, figures, strict=True)) / sum(weights)
    sd = min(each.sd for each in figures) if alike else 1 / math.sqrt(sum(weights))
    if len(figures) > 1:
        scatter = sum(((each.t_ha - mean) / each.sd) ** 2 for each in figures)
        sd *= max(1.0, math.sqrt(scatter / (len(figures) - 1)))
    return mean, max(sd, LEAST_NOISE_T_HA)


def _contradict(figures: list[_Figure]) -> bool:
    return any(
        abs(one.t_ha - other.t_ha) > CONTRADICTION * math.hypot(one.sd, other.sd)
        for place, one in enumerate(figures)
        for other in figures[:place]
    )


def _is_whole(area_ha: float, field: Field) -> bool:
    return area_ha >= WHOLE_SHARE * field.area_ha


def _noise(t_ha: float, *shares: float) -> float:
    return max(LEAST_NOISE_T_HA, t_ha * math.hypot(*shares))


def _number(values: Mapping[str, Any], key: str) -> float | None:
    value = values.get(key)
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None  # type: ignore[arg-type]


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return None
