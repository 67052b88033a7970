"""One recording of a workload, cut many times."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from field_data.errors import GhallaError
from tests.powercut.catalogue import WORKLOADS
from tests.powercut.disks import MIB, child, make_image, mounted, recorded, workshop
from tests.powercut.recorder import Entry, read_log
from tests.powercut.replay import Disk, Said, places, said_before
from tests.powercut.workloads import Verdict, Workload

IMAGE_BYTES = 32 * MIB
_EXAMPLES = 5


@dataclass(slots=True)
class Tally:
    """What many cuts (or full disks) did to one workload."""

    workload: str
    ours: bool
    cuts: int = 0
    asked: int = 0
    lost: int = 0
    cuts_with_loss: int = 0
    back: int = 0
    unreadable: int = 0
    no_file_system: int = 0
    seconds: float = 0.0
    examples: list[str] = field(default_factory=list)

    def count(self, verdict: Verdict) -> None:
        """Add one cut."""
        self.cuts += 1
        self.asked += verdict.asked
        self.lost += len(verdict.lost)
        self.cuts_with_loss += bool(verdict.lost)
        self.back += len(verdict.back)
        self.unreadable += bool(verdict.unreadable)
        complaints = (*verdict.unreadable, *verdict.lost, *verdict.back)
        self.examples = [*self.examples, *complaints][:_EXAMPLES]

    def add(self, other: Tally) -> None:
        """Add what another recording of the same workload gave."""
        for name, value in asdict(other).items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                setattr(self, name, getattr(self, name) + value)
        self.examples = [*self.examples, *other.examples][:_EXAMPLES]

    @property
    def sound(self) -> bool:
        """Nothing lost, nothing unreadable, nothing back; of the control, that it did lose."""
        if not self.ours:
            return bool(self.lost or self.unreadable)
        return self.cuts > 0 and not (
            self.lost or self.back or self.unreadable or self.no_file_system
        )


def cut_many(name: str, cuts: int, seed: int) -> Tally:
    """Record the workload once and cut it ``cuts`` times."""
    begin = time.perf_counter()
    workload = WORKLOADS[name]
    tally = Tally(name, workload.ours)
    with workshop() as folder:
        start, entries = record(workload, folder)
        disk = Disk(bytearray(start), entries)
        chance = random.Random(f"{name} {seed}")
        for cut in places(entries, cuts, chance):
            _one(tally, workload, disk.at(cut, chance), said_before(entries, cut), folder)
    tally.seconds = time.perf_counter() - begin
    return tally


def record(workload: Workload, folder: Path) -> tuple[bytes, list[Entry]]:
    """The image before, and everything that was written while the workload ran on it."""
    image, start, log = folder / "image", folder / "start", folder / "log"
    make_image(image, IMAGE_BYTES)
    with mounted(image, folder / "mount") as point:
        child("tests.powercut.child", ["prepare", workload.name, point / "home"])
    shutil.copyfile(image, start)
    with recorded(image, log, folder) as (point, marks):
        child("tests.powercut.child", ["run", workload.name, point / "home", marks])
    found = start.read_bytes(), list(read_log(log))
    for path in (image, start, log):
        path.unlink()
    return found


def _one(tally: Tally, workload: Workload, disk: bytearray, said: Said, folder: Path) -> None:
    image, verdict = folder / "cut", Verdict()
    image.write_bytes(disk)
    try:
        with mounted(image, folder / "mount") as point:
            try:
                workload.check(point / "home", said, verdict)
            except (GhallaError, OSError) as error:
                verdict.unreadable.append(f"{workload.name}: {error}")
    except RuntimeError as error:
        tally.no_file_system += 1
        verdict.unreadable.append(str(error))
    tally.count(verdict)


def summed(tallies: Iterable[Tally]) -> list[Tally]:
    """One tally a workload, in the order of their first appearance."""
    found: dict[str, Tally] = {}
    for tally in tallies:
        found.setdefault(tally.workload, Tally(tally.workload, tally.ours)).add(tally)
    return list(found.values())
