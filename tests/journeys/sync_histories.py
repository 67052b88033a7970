"""Long histories of nodes and a hub: ``python -m tests.journeys.sync_histories --steps 10000``.

Chance decides what people record, correct, allow and erase, what the line loses, cuts, doubles and
delays, when the hub dies and when a node is written from an old image.  After every run over the
line, and when all has settled, the world is looked at (`tests.histories`): nothing lost, nothing
doubled, the order of each node kept, nothing at the hub that must not be.  A failure names its
seed and step; the same command tells it again.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from tests.bad_line import Fault
from tests.boxes import PURPOSES
from tests.histories import World

# A world that grows old is slow to look at, and a young one has seen little.
STEPS_OF_ONE = 125
_TROUBLE = [fault for fault in Fault if fault is not Fault.NONE]
_MEMORY = Path("/dev/shm")


@dataclass
class Report:
    """What happened in all worlds, and what is wrong with them, empty for nothing."""

    steps: int = 0
    worlds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    wrong: str = ""
    seconds: float = 0.0

    def add(self, world: World) -> None:
        """Count a world that came to its end."""
        self.worlds += 1
        self.counts += world.counts
        self.faults += Counter(
            {str(fault): n for fault, n in world.line.happened.items() if fault is not Fault.NONE}
        )

    def __str__(self) -> str:
        told = ", ".join(f"{n} {what}" for what, n in sorted(self.counts.items()))
        faults = ", ".join(f"{n} × {what}" for what, n in sorted(self.faults.items()))
        verdict = self.wrong or "0 lost, 0 doubled, order kept, nothing at the hub that must not be"
        return (
            f"{self.steps} steps in {self.worlds} worlds, {self.seconds:.0f} s\n"
            f"  happened: {told}\n  on the line: {faults}\n  {verdict}"
        )


def step(world: World, chance: random.Random) -> None:
    """One thing happens."""
    village = chance.choice(world.villages)
    folk = chance.choice(village.folk)
    faults = chance.choices([Fault.NONE, *_TROUBLE], [6, *[1] * len(_TROUBLE)], k=6)
    budget = chance.choice((None, None, 900, 2_500, 8_000))
    ways: dict[Callable[[], object], int] = {
        lambda: world.visit(village, folk, chance.choice((0, 0, 0, 1, 2))): 30,
        lambda: world.correct(village, folk, chance.randrange(100)): 8,
        lambda: world.accident(village, folk): 2,
        lambda: world.review(village): 3,
        lambda: world.consent(village, folk, chance.choice(PURPOSES), chance.random() < 0.6): 8,
        lambda: world.erase(village, folk): 2,
        lambda: world.sync(village, faults, budget): 30,
        lambda: world.fill_stick(village): 4,
        lambda: world.bring_stick(village, chance.choice((1, 1, 2))): 4,
        lambda: world.return_stick(village): 3,
        lambda: world.take_image(village): 2,
        lambda: world.restore(village): 2,
        world.line.restart: 2,
        world.settle: 2,
    }
    chance.choices(list(ways), list(ways.values()))[0]()


def run(steps: int, seed: int) -> Report:
    """So many steps, in worlds of `STEPS_OF_ONE`; stops at the first thing that is wrong."""
    report, begun = Report(), time.monotonic()
    where = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as folder, tqdm(total=steps, delay=2) as bar:
        first = World(Path(folder) / "first")
        first.close()
        while report.steps < steps and not report.wrong:
            number = seed * 1000 + report.worlds
            world = World(Path(folder) / f"world{report.worlds}", like=first)
            wanted = min(STEPS_OF_ONE, steps - report.steps)
            report.wrong = _tell(world, random.Random(number), wanted, report, bar)
            report.add(world)
            world.close()
    report.seconds = time.monotonic() - begun
    return report


def _tell(
    world: World, chance: random.Random, steps: int, report: Report, bar: tqdm[NoReturn]
) -> str:
    for _ in range(steps):
        report.steps += 1
        bar.update()
        try:
            step(world, chance)
        except AssertionError as error:
            return f"WRONG at step {report.steps}: {error}"
    try:
        world.settle()
    except AssertionError as error:
        return f"WRONG after step {report.steps}: {error}"
    return ""


def main() -> None:
    """Run once and print; exit code 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    report = run(chosen.steps, chosen.seed)
    print(report)
    raise SystemExit(bool(report.wrong))


if __name__ == "__main__":
    main()
