"""What satellite scenes cost, on the wire and in the processor: all tables of both benchmarks.

Run ``python -m tests.bench.bench_sat [--json]``; see `tests.bench.bench_sat_bytes` and
`tests.bench.bench_sat_pixels`.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

PARTS = ("tests.bench.bench_sat_bytes", "tests.bench.bench_sat_pixels")


def main() -> None:
    """Run each part in a process of its own: their memory and caches stay apart."""
    for part in PARTS:
        if importlib.util.find_spec(part) is not None:
            print(part, flush=True)
            subprocess.run([sys.executable, "-m", part, *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
