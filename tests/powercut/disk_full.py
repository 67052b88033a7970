"""A disk that is full at any moment: records, photos, erasures and migrations go on being tried."""

from __future__ import annotations

import os
import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from field_data.errors import GhallaError, KeeperError
from field_data.files import free_bytes
from field_data.photos import photo_of
from tests.powercut.cuts import IMAGE_BYTES, Tally
from tests.powercut.disks import make_image, mounted, workshop
from tests.powercut.workloads import Home, Migrations, Verdict, draft, id_of, opened, picture, same

BEFORE, STEPS, HOMES = 20, 40, 4
_PIECE = 4096


@dataclass(slots=True)
class Trial:
    """One disk: what was acknowledged on it, and the junk that others fill it with."""

    folder: Path
    chance: random.Random
    kept: set[int] = field(default_factory=lambda: set(range(BEFORE)))
    erased: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    migrated: set[int] = field(default_factory=set)
    refused: int = 0

    def fill(self, leave: int) -> None:
        """Let others take all but about ``leave`` bytes."""
        with (self.folder / "junk").open("ab") as junk:
            while (more := free_bytes(self.folder) - leave) >= _PIECE:
                try:
                    os.posix_fallocate(junk.fileno(), os.fstat(junk.fileno()).st_size, more)
                except OSError:  # the file system needs some itself: take less
                    leave += _PIECE

    def loosen(self) -> None:
        """Let others give everything back."""
        (self.folder / "junk").unlink(missing_ok=True)

    def step(self, node: Home, n: int) -> None:
        """Try one thing; a refusal must be ``disk_full`` and nothing else."""
        work = self.chance.choice((self.insert, self.insert, self.erase, self.migrate))
        try:
            work(node, n)
        except KeeperError as error:
            if error.code != "disk_full":
                raise
            self.refused += 1

    def insert(self, node: Home, n: int) -> None:
        """A record with its photo."""
        photo = node.photos.put(picture(n)).sha256
        node.events.append(draft(n, (photo,)))
        self.kept.add(n)

    def erase(self, node: Home, n: int) -> None:
        """One of those that are there."""
        chosen = self.chance.choice(sorted(self.kept))
        self.kept.discard(chosen)
        self.unsure.add(chosen)
        node.events.erase([id_of(chosen)])
        self.unsure.discard(chosen)
        self.erased.add(chosen)

    def migrate(self, node: Home, n: int) -> None:
        """A store of the old layout."""
        number = n % HOMES
        Migrations().migrate(self.folder, number)
        self.migrated.add(number)

    def check(self, node: Home, verdict: Verdict) -> None:
        """All that was acknowledged, and nothing that was erased."""
        for n in self.kept:
            photo = photo_of(picture(n)).sha256
            whole = node.photos.get(photo) == picture(n)
            verdict.want(
                f"event {n}", whole and same(node.events.get(id_of(n)), draft(n, (photo,)))
            )
        for n in self.erased:
            event = node.events.get(id_of(n))
            verdict.want(f"number of event {n}", event is not None)
            if event is None or event.body or node.photos.has(photo_of(picture(n)).sha256):
                verdict.back.append(f"event {n}")
        numbers = [event.seq for event in node.events.since(0, 10_000)]
        verdict.want("numbers", numbers == list(range(1, len(numbers) + 1)))
        for number in range(HOMES):
            Migrations().check_one(self.folder, number, number in self.migrated, verdict)


def fill_many(runs: int, seed: int) -> Tally:
    """So many disks, each full at other moments."""
    begin, tally = time.perf_counter(), Tally("disk full", True)
    with workshop() as folder:
        template, image = folder / "template", folder / "image"
        make_image(template, IMAGE_BYTES)
        with mounted(template, folder / "mount") as point:
            _prepare(point)
        for number in range(runs):
            shutil.copyfile(template, image)
            with mounted(image, folder / "mount") as point:
                tally.count(_try(Trial(point, random.Random(f"{seed} {number}"))))
    tally.seconds = time.perf_counter() - begin
    return tally


def _prepare(folder: Path) -> None:
    with opened(folder) as node:
        for n in range(BEFORE):
            node.events.append(draft(n, (node.photos.put(picture(n)).sha256,)))
    Migrations().prepare(folder, HOMES)


def _try(trial: Trial) -> Verdict:
    verdict = Verdict()
    try:
        with opened(trial.folder) as node:
            _work(trial, node, verdict)
        trial.fill(0)
        with opened(trial.folder) as node:  # a node starts on a full disk, and erases there
            trial.erase(node, 0)
        trial.loosen()
        with opened(trial.folder) as node:
            trial.check(node, verdict)
    except (GhallaError, OSError) as error:
        verdict.unreadable.append(f"disk full: {error!r}")
    return verdict


def _work(trial: Trial, node: Home, verdict: Verdict) -> None:
    for n in range(BEFORE, BEFORE + STEPS):
        if trial.chance.random() < 0.3:
            trial.loosen()
        if trial.chance.random() < 0.7:
            trial.fill(trial.chance.choice((0, trial.chance.randrange(200_000))))
        trial.step(node, n)
    for _ in range(3):
        trial.fill(0)
        try:
            trial.erase(node, 0)
        except KeeperError as error:
            verdict.lost.append(f"erasing on a full disk: {error}")
    if not trial.refused:
        verdict.unreadable.append("the disk was never full: this run tells nothing")
