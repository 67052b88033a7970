"""Forecasts of a whole village: ``python -m tests.bench.bench_forecast``.

One thread, the store on this disk.  ``first`` draws the figures from the pixels, ``again`` finds
them drawn, as every day after.  The graph is that of the tests: the model's own time is not in it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import date
from pathlib import Path

from edge_app.forecast_maths import State
from tests.people import Staff
from tests.yielding import forecasting, grown, harvested, wheat_field

DAY = date(2025, 6, 2)
PEAKS = {2022: 0.6, 2023: 0.5, 2024: 0.6, 2025: 0.7}


def main() -> None:
    """Make a village, forecast twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=200)
    count: int = parser.parse_args().fields
    with tempfile.TemporaryDirectory() as home, Staff(Path(home)) as staff:
        forecasting(staff, DAY)
        fields = [wheat_field(staff, f"field {n}", n) for n in range(count)]
        for each in fields:
            grown(staff, each, PEAKS, every=30)
        for each in fields[:10]:
            harvested(staff.ground, each, 2024, 2.0)
        for name in ("first", "again"):
            start = time.perf_counter()
            told = staff.ground.forecasts.all(DAY)
            took = time.perf_counter() - start
            said = sum(each.state is State.FORECAST for each in told)
            each_ms = 1000 * took / count
            print(f"{name}: {said} forecasts of {count} fields, {each_ms:.2f} ms a field")


if __name__ == "__main__":
    main()
