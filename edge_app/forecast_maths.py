"""From a field's season to a forecast: what may be said on a day, and the numbers.  Pure.

The model says how the season compares with usual; what is usual is the level of the field; the
range is wider for what was not seen.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from field_data.days import day_of
from field_data.harvests import Harvest
from field_data.types import (
    HORIZONS,
    Driver,
    Evidence,
    Field,
    IndexSeries,
    LevelSource,
    YieldForecast,
)
from models.yield_intervals import Range, range_of, relative_range, stretch_of
from models.yield_levels import Level, Prior
from sat_ingest import yield_features

if TYPE_CHECKING:
    from models.yield_model import YieldModel

INDEX = "ndvi"
# Fewer clear dates in a season are no season.
LEAST_DATES = 3
# A crop that never got greener than this is none, or has failed.
LEAST_GREEN = 0.25
# A horizon needs a clear date this near its end, else an earlier one is told.
LAST_SEEN_DAYS = 30
# What a farmer calls usual is believed within this share (a choice of ours).
DECLARED_SHARE = 0.25
# How far usual yields of fields of one place lie apart, a share (a choice of ours).
PLACE_SHARE = 0.30
MOST_DRIVERS = 3
LEAST_DRIVER = 0.01


class State(StrEnum):
    """Whether there is a forecast, and if not, why."""

    FORECAST = "forecast"
    OVER = "over"  # harvested: what was forecast is scored
    NO_CROP = "no_crop"
    OTHER_CROP = "other_crop"
    TOO_EARLY = "too_early"
    NO_SCENES = "no_scenes"
    TOO_FEW = "too_few"  # clear dates
    CLOUDY = "cloudy"  # since before the end of February
    NOT_GREEN = "not_green"  # not sown, or failed
    NO_ARCHIVE = "no_archive"  # neither an earlier season nor a usual yield
    NO_MODEL = "no_model"
    NO_DAY = "no_day"  # the clock cannot be believed, and nothing else says the day


@dataclass(frozen=True, slots=True)
class Outlook:
    """What can be said of a field on a day.

    ``seen`` is the last clear day that counted; ``wanted`` the horizon that the day would allow,
    later than the forecast's where clouds hid the field since.
    """

    field: Field
    state: State
    as_of: date | None = None
    season_year: int | None = None
    crop: str | None = None
    wanted: str | None = None
    clear_dates: int = 0
    seen: date | None = None
    forecast: YieldForecast | None = None
    harvest: Harvest | None = None


def finished(year: int, day: date) -> str | None:
    """The last horizon whose month is over on a day of the season of a year."""
    done = [h for h in HORIZONS if yield_features.last_day(year, h) <= day]
    return done[-1] if done else None


def seen_days(series: IndexSeries, year: int, horizon: str) -> dict[int, float]:
    """What was seen of a season up to a horizon, by day."""
    since, until = day_of(date(year - 1, 10, 1)), day_of(yield_features.last_day(year, horizon))
    pairs = zip(series.days, series.values, strict=True)
    return {day: v for day, v in pairs if since <= day <= until and math.isfinite(v)}


def reached(year: int, wanted: str, last: int) -> str | None:
    """The last horizon up to ``wanted`` at whose end the field had been seen not long before."""
    ends = {h: day_of(yield_features.last_day(year, h)) for h in HORIZONS if h <= wanted}
    near = [h for h, end in ends.items() if end - last <= LAST_SEEN_DAYS]
    return near[-1] if near else None


def shift_of(model: YieldModel, series: IndexSeries | None, year: int) -> float | None:
    """How a past season looked at its end; None where nothing was seen, or nothing to compare."""
    if series is None:
        return None
    row = yield_features.features({INDEX: series}, year, "05")
    return None if np.isnan(row).all() else float(model.shift(row[None], "05")[0])


def place_prior(prior: Prior, around: Sequence[Level]) -> Prior:
    """What fields around say of one that was never harvested: their mean, and how fields differ."""
    weights = [1 / (each.sd_t_ha**2 + (PLACE_SHARE * each.mean_t_ha) ** 2) for each in around]
    weights = [w for w in weights if math.isfinite(w)]
    own = 1 / prior.sd_t_ha**2
    total = own * prior.mean_t_ha
    total += sum(w * each.mean_t_ha for w, each in zip(weights, around, strict=True))
    mean = total / (own + sum(weights))
    sd = math.hypot(1 / math.sqrt(own + sum(weights)), PLACE_SHARE * mean)
    return replace(prior, mean_t_ha=mean, sd_t_ha=min(sd, prior.sd_t_ha))


def worked_out(
    told: Outlook,
    model: YieldModel,
    horizon: str,
    row: NDArray[np.float32],
    usual: tuple[LevelSource, Level | None],
    evidence: Evidence,
) -> YieldForecast:
    """The forecast from one row of features; without any, the season counts as usual and the
    range is that of years in which no satellite looked."""
    source, level = usual
    seen = not np.isnan(row).all()
    shift = max(float(model.shift(row[None], horizon)[0]), -1.0) if seen else 0.0
    relative, tonnes = _ranges(model, horizon, row, shift, level)
    moved = model.drivers(row, horizon) if seen else {}
    drivers = [
        Driver(name, share, None if level is None else share * level.mean_t_ha)
        for name, share in moved.items()
        if abs(share) >= LEAST_DRIVER
    ]
    return YieldForecast(
        field=told.field.id,
        crop=told.crop or "",
        season_year=told.season_year or 0,
        horizon=horizon,
        as_of=told.as_of or date.min,
        t_ha_p10=_rounded(None if tonnes is None else tonnes.low),
        t_ha_p50=_rounded(None if tonnes is None else tonnes.middle),
        t_ha_p90=_rounded(None if tonnes is None else tonnes.high),
        relative=round(relative.middle, 4),
        relative_p10=round(relative.low, 4),
        relative_p90=round(relative.high, 4),
        level_t_ha=_rounded(None if level is None else level.mean_t_ha),
        level_source=source,
        evidence=evidence,
        drivers=tuple(drivers[:MOST_DRIVERS]),
        model=model.ref,
    )


def _ranges(
    model: YieldModel, horizon: str, row: NDArray[np.float32], shift: float, level: Level | None
) -> tuple[Range, Range | None]:
    """Against usual and in t/ha; wider by what was not seen of the season and what lies outside
    the training."""
    known = model.manifest.horizons[horizon]
    share = _share_seen(row, horizon)
    season = math.sqrt(
        share * known.season_sd**2
        + (1 - share) * max(model.manifest.unseen_sd, known.season_sd) ** 2
    )
    known = replace(known, season_sd=season)
    stretch = stretch_of(float(model.outside(row[None])[0]))
    tonnes = None if level is None else range_of(shift, level, known, stretch)
    return relative_range(shift, known, stretch), tonnes


def _share_seen(row: NDArray[np.float32], horizon: str) -> float:
    """How much of a season up to a horizon was seen and can be compared."""
    upto = 2 * yield_features.MONTHS.index(horizon) + 2
    at = yield_features.NAMES.index(f"{INDEX}_{yield_features.HALVES[0]}")
    return float(np.isfinite(row[at : at + upto]).mean())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def inputs_of(made: YieldForecast, row: NDArray[np.float32], level: Level | None) -> str:
    """SHA-256 over all that a forecast was worked out from; the day changes no number."""
    said: dict[str, Any] = {
        "of": [made.field, made.crop, made.season_year, made.horizon],
        "features": row.tobytes().hex(),
        "level": None if level is None else asdict(level),
        "source": made.level_source,
        "evidence": asdict(made.evidence),
        "model": asdict(made.model),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
