"""Updates and rollbacks of one box while the power fails: there is always a node that works.

    python -m tests.journeys.updates --updates 100 --seed 1

Each update brings a release that is good, adds to the store's layout, or fails in one of five ways.
The power fails at a random operation on files of the updater, often again while the box boots as
systemd would.  After every step a node must answer, of the release
before or of the new one, and know all that was acknowledged.  The table at the end counts.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_app.appliance.releases import ReleaseStore
from tests.little_boxes import LittleBox, refuse_unless
from tests.power import Cut, Power

WORDS = ("good", "good", "good", "slow", "slow", "dead", "mute", "dies", "unfit", "torn")
GOOD = ("good", "slow")
_LONGEST, _MOST_CUTS = 60, 4


@dataclass
class Journey:
    """What happened so far."""

    box: LittleBox
    chance: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    n: int = 0

    def update(self, number: int) -> None:
        """One release, with as many cuts as chance wants; at the end it is in use or refused."""
        word, before = self.chance.choice(WORDS), self.box.running
        self.box.hand(self.box.bundle(number, word))
        version = f"1.{number}.0"
        for cut in range(_MOST_CUTS + 1):
            last = cut == _MOST_CUTS
            if self._run(self.chance.randrange(_LONGEST) if not last else None):
                break
            self._check({before, version})
        if self.box.running != version and version not in self._refused():
            self.box.hand(self.box.bundle(number, word))  # its node asks again
            self._run(None)
        good = word in GOOD and not self._cut_too_often(version)
        self._check({version} if good else {before})
        self.counts[f"{word}: {'in use' if self.box.running == version else 'refused'}"] += 1

    def back(self) -> None:
        """The keeper goes back to the release before, if there is one."""
        state = ReleaseStore(self.box.layout).read()
        if not state.previous:
            return
        (self.box.layout.requests / "update.json").write_text(json.dumps({"verb": "back"}))
        if not self._run(self.chance.randrange(12)):
            self._check({state.active, state.previous})
            (self.box.layout.requests / "update.json").write_text(json.dumps({"verb": "back"}))
            if self.box.running == state.active:
                self._run(None)
        self._check({state.previous})
        self.counts["gone back by the keeper"] += 1

    def _run(self, cut_at: int | None) -> bool:
        """One run of the updater; False when the power failed and the box booted again."""
        if self._whole(self.box.update, cut_at):
            return True
        while not self._whole(self.box.boot, self.chance.randrange(20)):
            pass
        return False

    def _whole(self, action: Callable[[], object], cut_at: int | None) -> bool:
        """Do something until the power fails at that operation; whether it came to its end."""
        with pytest.MonkeyPatch.context() as patch:
            Power(patch, 1 << 30 if cut_at is None else cut_at)
            try:
                action()
            except Cut:
                self.counts["power cuts"] += 1
                return False
        return True

    def _cut_too_often(self, version: str) -> bool:
        """Three starts that the power cut short look like a release that cannot stand."""
        why = ReleaseStore(self.box.layout).read().refused.get(version)
        return why is not None and why.code == "release_crashed"

    def _refused(self) -> frozenset[str]:
        return frozenset(ReleaseStore(self.box.layout).read().refused)

    def _check(self, allowed: set[str]) -> None:
        """A node works, knows everything, and takes more."""
        box = self.box
        refuse_unless(box.running in allowed, f"{box.running} runs, not one of {allowed}")
        self.n += 1
        box.record(self.n)
        refuse_unless(box.kept() == box.said, "something acknowledged is lost or doubled")
        self.counts["checks: a node that works"] += 1


def travel(folder: Path, updates: int, seed: int) -> Counter[str]:
    """That many updates; what happened, by name.

    Raises:
        KeeperError: ``journey``: a box without a working node, or something lost.
    """
    journey = Journey(LittleBox(folder).make(), random.Random(seed))
    for number in range(1, updates + 1):
        journey.update(number)
        if journey.chance.random() < 0.2:
            journey.back()
    state = ReleaseStore(journey.box.layout).settle()
    there = {path.name for path in journey.box.layout.releases.iterdir()}
    refuse_unless(len(there) <= 4, f"releases are left over: {there}, wanted {state.kept}")
    return journey.counts


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = travel(Path(folder), asked.updates, asked.seed)
    print(f"{asked.updates} updates, seed {asked.seed}")
    for name, count in sorted(counts.items()):
        print(f"{count:6}  {name}")


if __name__ == "__main__":
    main()
