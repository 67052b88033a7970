"""Cut the power many times, print what was lost; exit code 1 when it was anything of ours."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict

from tqdm import tqdm

from tests.powercut.catalogue import DAY, WORKLOADS
from tests.powercut.cuts import Tally, cut_many, summed
from tests.powercut.disk_full import fill_many

# What to call with what, then how often and with which seed.
Job = tuple[Callable[..., Tally], tuple[str, ...], int, int]
# So many cuts of one recording: another one has other moments.
_PER_RECORDING = 25
_CONTROL = 20
_ALONE = "POWERCUT_ALONE"
_PR_SET_PDEATHSIG = 1


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.powercut", description=__doc__)
    parser.add_argument("--cuts", type=int, default=200, help="power cuts, of all but the day")
    parser.add_argument(
        "--workload", choices=sorted(WORKLOADS), help="only this one (day: a whole day of a node)"
    )
    parser.add_argument("--disk-full", type=int, default=0, metavar="RUNS", help="full disks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--json", action="store_true", help="figures for programs")
    return parser.parse_args(arguments)


def shares(total: int, size: int) -> list[int]:
    """``total`` in pieces of ``size`` and a rest."""
    return [size] * (total // size) + ([total % size] if total % size else [])


def jobs(options: argparse.Namespace) -> list[Job]:
    """What is to be done, a recording each."""
    usual = [name for name in WORKLOADS if name != DAY.name]
    ours = [name for name in usual if WORKLOADS[name].ours]
    each = -(-options.cuts // len(ours))
    cuts = {name: each if name in ours else max(_CONTROL, each // 4) for name in usual}
    if options.workload:
        cuts = {options.workload: options.cuts}
    wanted: list[tuple[Callable[..., Tally], tuple[str, ...], int]] = [
        *((cut_many, (name,), n) for name, n in cuts.items() if options.cuts),
        (fill_many, (), options.disk_full),
    ]
    return [
        (work, values, share, options.seed * 1000 + number)
        for work, values, n in wanted
        for number, share in enumerate(shares(n, _PER_RECORDING))
    ]


def done(todo: Sequence[Job], workers: int) -> list[Tally]:
    """The tallies, in the order of the jobs; with a bar when it takes longer than two seconds."""
    with (
        ProcessPoolExecutor(workers, initializer=_end_with_parent) as pool,
        tqdm(total=sum(n for _, _, n, _ in todo), unit="cut", delay=2, disable=None) as bar,
    ):
        futures = {pool.submit(work, *values, n, seed): n for work, values, n, seed in todo}
        try:
            for future in as_completed(futures):
                future.result()
                bar.update(futures[future])
        except BaseException:
            pool.shutdown(cancel_futures=True)  # what runs takes its disks down first
            raise
        return [future.result() for future in futures]


def _end_with_parent() -> None:
    def end(*_: object) -> None:
        signal.alarm(20)  # the pool itself would wait for ever; so long to take disks down
        sys.exit(1)

    signal.signal(signal.SIGTERM, end)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def report(tallies: Sequence[Tally]) -> str:
    """A table for people."""
    head = ("workload", "cuts", "asked for", "lost", "came back", "unreadable", "s/cut", "")
    rows: list[tuple[str, ...]] = [head]
    for t in tallies:
        pace = f"{t.seconds / max(1, t.cuts):.2f}"
        word = "sound" if t.sound else "NOT SOUND"
        control = f"control: {t.unreadable + t.cuts_with_loss} of {t.cuts} cuts lost something"
        figures = map(str, (t.cuts, t.asked, t.lost, t.back, t.unreadable))
        rows.append((t.workload, *figures, pace, word if t.ours else control))
    lines = ["".join(f"{cell:>11}" for cell in row[:-1]) + f"  {row[-1]}" for row in rows]
    lines += [f"  {t.workload}: {example}" for t in tallies if t.ours for example in t.examples]
    return "\n".join(line.rstrip() for line in lines)


def main(arguments: Sequence[str]) -> int:
    """Run, print, judge."""
    options = parsed(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tallies = summed(done(jobs(options), options.jobs))
    sound = bool(tallies) and all(tally.sound for tally in tallies)
    if options.json:
        plain = [{**asdict(tally), "sound": tally.sound} for tally in tallies]
        print(json.dumps({"sound": sound, "workloads": plain}, indent=2))
    else:
        print(report(tallies))
    return 0 if sound else 1


def alone(arguments: Sequence[str]) -> None:
    """Begin again with mounts of its own: whatever happens, they go with the last process."""
    os.environ[_ALONE] = "1"
    command = ["unshare", "--mount", "--propagation", "private", sys.executable]
    os.execvp(command[0], [*command, "-m", "tests.powercut", *arguments])


if __name__ == "__main__":
    parsed(sys.argv[1:])
    if _ALONE not in os.environ:
        alone(sys.argv[1:])
    sys.exit(main(sys.argv[1:]))
