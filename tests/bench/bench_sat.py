"""Everything that is measured of the satellite's side: bytes, figures, maps and a country.

Run ``python -m tests.bench.bench_sat [--json]``; each part also runs by itself, with options of its
own: `bench_sat_bytes`, `bench_sat_pixels`, `bench_sat_map`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tests.bench import bench_sat_bytes, bench_sat_map, bench_sat_pixels

PARTS = {"bytes": bench_sat_bytes, "pixels": bench_sat_pixels, "map": bench_sat_map}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", action="append", choices=list(PARTS))
    given = parser.parse_args(arguments)
    for name in given.part or PARTS:
        if not given.json:
            print(f"\n== {name} ==", flush=True)
        PARTS[name].main(["--json"] if given.json else [])


if __name__ == "__main__":
    main()
