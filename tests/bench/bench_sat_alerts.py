"""How often an alert cries wolf, and how often it finds a loss that was put in, on real patches.

Part of ``python -m tests.bench.bench_sat_pixels``.  Blocks of 8 x 8 pixels play the fields.  On the
Castilla patch they have one crop and every alert is false; in Belgium they have many, which is
harder than the node's own comparison within a crop, and some alerts are harvests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from field_data.types import IndexSeries, Sight
from sat_ingest.alerts import change_alert
from sat_ingest.field_report import MOST_NEIGHBOURS
from sat_ingest.smoothing import noise

# Put in: a hailstorm, or a herd.  Only where there is something to lose.
LOST, GREEN = 0.25, 0.4
Row = dict[str, Any]
Blocks = tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]


def alert_rows(places: dict[str, Blocks]) -> list[Row]:
    """Alerts for each field and year, and the share of losses found at the first picture."""
    found = []
    for place, (days, values, shares) in places.items():
        fields = _fields(days, values, shares)
        raised, confirmed = _false(fields)
        years = len(fields) * (days[-1] - days[0]) / 365.25
        hits, tried = _put_in(fields)
        found.append(
            {
                "what": f"alerts, {place}, {len(fields)} blocks",
                "way": f"loss of {LOST} put in",
                "alerts a field and year without it": raised / years,
                "of them confirmed": confirmed / years,
                "found %": 100 * hits / tried,
                "tried": tried,
            }
        )
    return found


def _fields(
    days: NDArray[np.int32], values: NDArray[np.float64], shares: NDArray[np.float64]
) -> list[IndexSeries]:
    found = []
    for k in np.flatnonzero(np.isfinite(values).sum(0) > 10):
        seen = np.isfinite(values[:, k])
        sights = tuple(Sight.CLEAR if each else Sight.HIDDEN for each in seen)
        parts = (tuple(map(int, days)), tuple(values[:, k]), tuple(shares[:, k]), sights)
        level = float(noise(days, values[:, k : k + 1])[0])
        found.append(IndexSeries(f"{k}", "ndvi", *parts, noise=level))
    return found


def _false(fields: Sequence[IndexSeries]) -> tuple[int, int]:
    """Distinct alerts, and those of them that were confirmed at any time."""
    raised, confirmed = set(), set()
    for field in fields:
        others = [each for each in fields if each.field != field.field][:MOST_NEIGHBOURS]
        for day in field.days:
            alert = change_alert(field, others, day)
            if alert.raised and alert.change and alert.change.after_day == day:
                begun = field.field, alert.change.before_day
                raised.add(begun)
                if alert.change.confirmed:
                    confirmed.add(begun)
    return len(raised), len(confirmed)


def _put_in(fields: Sequence[IndexSeries]) -> tuple[int, int]:
    """Losses found on the very picture, and losses put in: one field at a time, each green day."""
    hits = tried = 0
    for field in fields:
        others = [each for each in fields if each.field != field.field][:MOST_NEIGHBOURS]
        for i, day in enumerate(field.days):
            if not (field.values[i] >= GREEN and field.valid[i] >= 0.6) or i < 2:
                continue
            hurt = (*field.values[:i], *(value - LOST for value in field.values[i:]))
            tried += 1
            alert = change_alert(replace(field, values=hurt), others, day)
            hits += alert.raised
    return hits, tried
