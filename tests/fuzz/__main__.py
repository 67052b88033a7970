"""``python -m tests.fuzz [--cases N] [--corpus DIR] [TARGET ...]``: the table of all targets."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.targets import TARGETS

KEPT = Path(__file__).parent / "corpus"
_RUNS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--corpus", type=Path, help="where cases are kept; else nowhere")
    asked = parser.parse_args()
    chosen = asked.targets or list(TARGETS)
    whole = sum(TARGETS[name].share for name in chosen)
    with tempfile.TemporaryDirectory() as spare:
        corpus = asked.corpus or Path(spare)
        print(f"{'target':<14}{'cases':>10}{'kept':>7}{'seconds':>9}  outcome")
        ran = failed = 0
        for name in chosen:
            cases = max(1, round(asked.cases * TARGETS[name].share / whole))
            count, sound = one(name, cases, corpus)
            ran, failed = ran + count, failed + (not sound)
    print(f"{ran:,} cases, {failed} targets failed")
    return 1 if failed or ran < asked.cases * 0.99 else 0


def one(name: str, cases: int, corpus: Path) -> tuple[int, bool]:
    """Cases that ran, and whether none failed; prints its line."""
    folder = corpus / name
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((KEPT / name).glob("*")):
        shutil.copy(path, folder / path.name)
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(cases), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    found = _RUNS.search(done.stderr)
    count = int(found[1]) if found else 0
    sound = done.returncode == 0 and count > 0
    seconds, kept = time.monotonic() - began, len(list(folder.iterdir()))
    outcome = "sound" if sound else f"FAILED ({done.returncode})"
    print(f"{name:<14}{count:>10,}{kept:>7}{seconds:>9.0f}  {outcome}", flush=True)
    if not sound:
        print(done.stdout[-4000:], done.stderr[-2000:], file=sys.stderr)
    return count, sound


if __name__ == "__main__":
    sys.exit(main())
