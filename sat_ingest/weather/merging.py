"""One series out of several: for each figure of each day the most trusted that is known.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from field_data.weather import DAY_FIGURES, DayWeather, Origin
from sat_ingest.weather.quanta import Floats, day_from

ORIGINS = tuple(Origin)
RAIN = DAY_FIGURES.index("rain_mm")
CHANCE = DAY_FIGURES.index("rain_chance")
HEAT = [DAY_FIGURES.index("tmin_c"), DAY_FIGURES.index("tmax_c")]
# What is bridged between the days around; rain is never drawn as a line.
_SMOOTH = tuple(
    DAY_FIGURES.index(name)
    for name in ("tmin_c", "tmax_c", "dew_c", "wind_2m_ms", "radiation_mj_m2")
)
# Longer gaps are left to climatology.
LONGEST_GAP = 3
# A day with less counts as dry.
DRY_MM = 0.2

Whence = NDArray[np.int8]


def merged(tables: Sequence[tuple[Origin, Floats]]) -> tuple[Floats, Whence]:
    """Tables [days, `DAY_FIGURES`], the most trusted first, as one; and places in `ORIGINS`.

    Minimum and maximum of a day come from one table where one has both: of two, the minimum might
    lie above the maximum.
    """
    figures = np.full_like(tables[0][1], np.nan)
    whence = np.full(figures.shape, ORIGINS.index(Origin.NONE), np.int8)
    for origin, table in tables:
        take = np.isnan(figures) & ~np.isnan(table)
        whole, half = _both(table), ~_both(figures)
        take[:, HEAT] |= (whole & half)[:, None]
        figures[take] = table[take]
        whence[take] = ORIGINS.index(origin)
    return figures, whence


def _both(table: Floats) -> NDArray[np.bool_]:
    """On which days minimum and maximum are known."""
    return np.asarray(~np.isnan(table[:, HEAT]).any(axis=1))


def bridge(figures: Floats, whence: Whence) -> None:
    """Fill gaps of up to `LONGEST_GAP` days in place, from the days around.

    Rain only as none, between two dry days and for two days at most: what fell on a day that nobody
    measured is not known.
    """
    bridged = ORIGINS.index(Origin.BRIDGED)
    for column in _SMOOTH:
        for start, stop in gaps(figures[:, column], LONGEST_GAP):
            before, after = figures[start - 1, column], figures[stop, column]
            share = np.arange(1, stop - start + 1) / (stop - start + 1)
            figures[start:stop, column] = before + (after - before) * share
            whence[start:stop, column] = bridged
    for start, stop in gaps(figures[:, RAIN], 2):
        if max(figures[start - 1, RAIN], figures[stop, RAIN]) < DRY_MM:
            figures[start:stop, RAIN] = 0.0
            whence[start:stop, RAIN] = bridged


def straighten(figures: Floats, whence: Whence) -> None:
    """Where what was filled in puts the minimum above the maximum, the less trusted gives way.

    It then lies as far from the other as the two lie apart on the middle day.
    """
    low, high = HEAT
    apart = figures[:, high] - figures[:, low]
    wrong = apart < 0
    if not wrong.any():
        return
    good = apart[apart >= 0]
    usual = float(np.median(good)) if good.size else 0.0
    move_high = wrong & (whence[:, high] >= whence[:, low])
    figures[move_high, high] = figures[move_high, low] + usual
    move_low = wrong & ~move_high
    figures[move_low, low] = figures[move_low, high] - usual


def gaps(column: Floats, longest: int) -> list[tuple[int, int]]:
    """Runs [start, stop) of NaN that are no longer than that, with known values at both sides."""
    edges = np.diff(np.isnan(column).astype(np.int8))
    starts, stops = np.flatnonzero(edges == 1) + 1, np.flatnonzero(edges == -1) + 1
    if len(column) and np.isnan(column[0]):
        stops = stops[1:]
    pairs = zip(starts.tolist(), stops.tolist(), strict=False)
    return [(start, stop) for start, stop in pairs if stop - start <= longest]


def days_of(first: int, figures: Floats, whence: Whence) -> tuple[DayWeather, ...]:
    """Days; the origin of a day is that of its temperatures, the less trusted of the two."""
    none = ORIGINS.index(Origin.NONE)
    heat = whence[:, HEAT].max(axis=1)
    # A day of which only other things are known is called after them.
    known = np.where(whence == none, -1, whence).max(axis=1)
    rest = np.where((heat == none) & (known >= 0), known, heat)
    return tuple(
        day_from(first + i, row, ORIGINS[rest[i]], ORIGINS[whence[i, RAIN]])
        for i, row in enumerate(figures)
    )


def shifted(figures: Floats, degrees: float) -> Floats:
    """The same weather at another height: temperatures and the dew point plus ``degrees``."""
    columns: Mapping[str, float] = {"tmin_c": degrees, "tmax_c": degrees, "dew_c": degrees}
    moved: Floats = figures + np.array([columns.get(name, 0.0) for name in DAY_FIGURES])
    return moved
