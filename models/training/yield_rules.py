"""The simple rules that a yield model must beat, learnt from the same harvests as the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.training.yield_data import SPAIN, Row, number, tables

Floats = NDArray[np.float64]
LAST, LEAST_FOR_TREND = 3, 5
_RAIN_MONTHS = ("10", "11", "12", "01", "02", "03", "04", "05")
# Sum of a season's rain up to each horizon, mm, by (place, year), where every month is known.
Rain = Mapping[tuple[str, int], float]


def province_mean(known: Sequence[Row], row: Row) -> float:
    """Mean of the place's harvests; of all places where it has none."""
    own = [one.t_ha for one in known if one.place == row.place]
    return float(np.mean(own or [one.t_ha for one in known]))


def trend(known: Sequence[Row], row: Row) -> float:
    """The straight line through the place's harvests; its mean where there are few."""
    own = [one for one in known if one.place == row.place]
    if len(own) < LEAST_FOR_TREND:
        return province_mean(known, row)
    line = np.polyfit([one.year - row.year for one in own], [one.t_ha for one in own], 1)
    return max(float(line[1]), 0.0)


def last_harvests(known: Sequence[Row], row: Row) -> float:
    """Mean of the three harvests before; the place's mean where there is none before."""
    own = [one.t_ha for one in known if one.place == row.place and one.year < row.year][-LAST:]
    return float(np.mean(own)) if own else province_mean(known, row)


def read_rain(folders: Sequence[Path], horizon: str) -> Rain:
    """Rain from October to the horizon's month, mm; places and years with a gap are left out.

    Raises:
        PersonError: ``no_data``.
    """
    months = _RAIN_MONTHS[: _RAIN_MONTHS.index(horizon) + 1]
    found = {}
    for row in tables(folders, f"{SPAIN}/es_panel_features.csv"):
        fallen = sum(number(row[f"rain_{month}"]) for month in months)
        if np.isfinite(fallen):
            found[row["adm_id"], int(row["harvest_year"])] = fallen
    return found


def rain_rule(known: Sequence[Row], rows: Sequence[Row], rain: Rain) -> list[float]:
    """The place's mean, more after a wet season and less after a dry one; NaN without rain.

    One slope for all places: share of the usual harvest per share of the usual rain.
    """
    usual: dict[str, float] = {}
    for place in {row.place for row in [*known, *rows]}:
        fallen = [rain[place, r.year] for r in known
                  if r.place == place and (place, r.year) in rain]  # fmt: skip
        if fallen:
            usual[place] = float(np.mean(fallen))
    pairs = [
        (rain[r.place, r.year] / usual[r.place] - 1, r.t_ha / province_mean(known, r) - 1)
        for r in known
        if (r.place, r.year) in rain
    ]
    if len(pairs) < 2:
        return [float("nan")] * len(rows)
    wet, more = np.array(pairs).T
    slope, lift = np.polyfit(wet, more, 1)

    def said(row: Row) -> float:
        if (row.place, row.year) not in rain or row.place not in usual:
            return float("nan")
        wetter = rain[row.place, row.year] / usual[row.place] - 1
        return float(max(province_mean(known, row) * (1 + lift + slope * wetter), 0.0))

    return [said(row) for row in rows]


def ruled(rows: Sequence[Row], kept: Mapping[int, Sequence[Row]], rain: Rain) -> dict[str, Floats]:
    """What each rule says of ``rows``, t/ha; ``kept`` are the harvests known for each year."""
    plain = {"mean": province_mean, "trend": trend, f"last_{LAST}": last_harvests}
    found = {
        name: np.array([rule(kept[row.year], row) for row in rows]) for name, rule in plain.items()
    }
    wet: dict[Row, float] = {}
    for year in {row.year for row in rows}:
        own = [row for row in rows if row.year == year]
        wet |= dict(zip(own, rain_rule(kept[year], own, rain), strict=True))
    return found | {"rain": np.array([wet[row] for row in rows])}
