"""A thousand fields' forecasts on one thread: ``python -m tests.bench.bench_yield``."""

from __future__ import annotations

import json
import time

import numpy as np

from models.yield_levels import Harvest, level
from models.yield_model import YieldModel

FIELDS = 1000


def main() -> None:
    """Print the seconds of each step, features cached: shift, level, range, drivers."""
    started = time.perf_counter()
    model = YieldModel.load()
    loaded = time.perf_counter()
    width = len(model.manifest.features)
    rng = np.random.default_rng(1)
    rows = rng.normal(0, 0.2, (FIELDS, width)).astype(np.float32)
    rows[:, width // 2 :] = np.nan
    times = {"load_s": loaded - started}
    begun = time.perf_counter()
    shifts, outside = model.shift(rows, "05"), model.outside(rows)
    times["shift_s"] = time.perf_counter() - begun
    prior, harvests = model.prior(), [Harvest(2.0, 0.2, 0.1), Harvest(1.2, 0.2, -0.3)]
    for shift, far in zip(shifts, outside, strict=True):
        model.interval(float(shift), level(prior, harvests), "05", float(far))
    times["forecast_s"] = time.perf_counter() - begun
    for row in rows:
        model.drivers(row, "05")
    times["with_drivers_s"] = time.perf_counter() - begun
    print(json.dumps({"fields": FIELDS, **{k: round(v, 3) for k, v in times.items()}}))


if __name__ == "__main__":
    main()
