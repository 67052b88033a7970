"""Everything that is measured of the satellite's side: bytes, figures, maps and a country.

Run ``python -m tests.bench.bench_sat [--json]``; each part also runs by itself, with options of its
own: `bench_sat_bytes`, `bench_sat_pixels`, `bench_sat_map`.
"""

from __future__ import annotations

import subprocess
import sys

PARTS = tuple(f"tests.bench.bench_sat_{part}" for part in ("bytes", "pixels", "map"))


def main() -> None:
    """Run each part in a process of its own: their memory and caches stay apart."""
    for part in PARTS:
        print(part, flush=True)
        subprocess.run([sys.executable, "-m", part, *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
