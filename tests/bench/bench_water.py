"""The water balance of many fields: ``python -m tests.bench.bench_water``.

One thread, a season of 240 days: reference evapotranspiration, course of the crop and balance.
`pyfao56` computes a season of 200 days field by field; a few are timed, its own tables being filled
before the clock starts not counted out: a node would have to fill them too.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc

import numpy as np

from models.water.balance import Balance, Canopy, Forcing, Start, balance
from models.water.crops import crops, curve, height_of, roots_of
from models.water.reference import reference
from models.water.soils import ground_of, soils
from tests.bench.memory import most_mib
from tests.test_models_water_balance import theirs, weather

DAYS = 240


def season(count: int) -> Balance:
    """The season of so many fields with weather, soil, crop and sowing of their own."""
    rng = np.random.default_rng(count)
    day = np.arange(DAYS)
    tmin = 7 + 5 * np.sin((day - 110) / 58) + rng.normal(0, 2, (count, DAYS))
    tmax = tmin + rng.uniform(6, 16, (count, DAYS))
    rain = np.where(rng.random((count, DAYS)) < 0.18, rng.gamma(0.9, 9, (count, DAYS)), 0)
    found = reference(
        tmin, tmax, latitude=rng.uniform(28, 36, (count, 1)),
        elevation=rng.uniform(0, 1500, (count, 1)), day=(day + 300) % 365 + 1, dew=tmin - 2,
        wind=rng.uniform(0.5, 5, (count, DAYS)), radiation=8 + day / 15,
    )  # fmt: skip
    kinds, textures = list(crops().values()), list(soils().values())
    grown = [kinds[n % len(kinds)] for n in range(count)]
    after = [day - n % 60 for n in range(count)]
    pairs = list(zip(grown, after, strict=True))
    canopy = Canopy(
        np.array([curve(crop, at) for crop, at in pairs]),
        np.array([roots_of(crop, at, crop.roots_rainfed_m) for crop, at in pairs]),
        np.array([height_of(crop, at) for crop, at in pairs]),
        np.array([crop.p for crop in grown]),
        np.full(count, 0.15),
        np.array([crop.roots_rainfed_m for crop in grown]),
    )
    watered = np.where(day % 20 == 0, 20.0, 0.0) * np.ones((count, 1))
    forcing = Forcing(found.et0, rain, watered, np.ones_like(rain), found.wind, found.rh_min)
    ground = ground_of([textures[n % len(textures)] for n in range(count)])
    return balance(ground, canopy, forcing, Start(*(np.zeros(count) for _ in range(3))))


def main() -> None:
    """Print seconds and memory by number of fields, then the library's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library-fields", type=int, default=5)
    alone: int = parser.parse_args().library_fields
    season(10)
    each_ms = {}
    for count in (250, 500, 1000, 2000, 4000):
        took = min(_timed(count) for _ in range(3))
        each_ms[count] = 1000 * took / count
        print(f"{count} fields, {DAYS} days: {took:.3f} s, {each_ms[count]:.3f} ms a field")
    tracemalloc.start()
    season(1000)
    print(f"1000 fields hold {tracemalloc.get_traced_memory()[1] / 2**20:.0f} MiB at most")
    tracemalloc.stop()
    print(f"resident at most {most_mib():.0f} MiB, with 4000 fields")
    sky = weather()
    theirs(sky, layered=False)
    start = time.perf_counter()
    for _ in range(alone):
        theirs(sky, layered=False)
    library_ms = 1000 * (time.perf_counter() - start) / alone
    print(f"pyfao56, 200 days: {library_ms:.0f} ms a field, "
          f"{library_ms / each_ms[1000]:.0f} times as long")  # fmt: skip


def _timed(count: int) -> float:
    start = time.perf_counter()
    season(count)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
