"""The power fails, the disk is full: a short run of ``python -m tests.powercut``."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import KERNEL_REFUSES
from tests.powercut.recorder import Entry, Flush, Mark, Write
from tests.powercut.replay import PIECE, Disk, places, said_before

A, B, C = (bytes([letter]) * PIECE for letter in b"ABC")


def test_what_was_flushed_is_there_and_the_rest_by_chance() -> None:
    entries: list[Entry] = [Write(0, A + A), Flush(), Write(0, B + B), Write(PIECE, C)]
    found = {
        bytes(Disk(bytearray(2 * PIECE), entries).at(4, random.Random(seed))) for seed in range(100)
    }
    first, second = zip(*((disk[:PIECE], disk[PIECE:]) for disk in found), strict=True)
    assert set(first) == {A, B}
    assert set(second) == {A, B, C}
    early = [Disk(bytearray(PIECE), entries).at(1, random.Random(n)) for n in range(20)]
    assert {bytes(disk[:PIECE]) for disk in early} == {A, bytes(PIECE)}  # nothing was flushed yet


def test_only_what_was_said_before_the_cut_counts() -> None:
    entries: list[Entry] = [Write(0, A), Mark("begin 1"), Flush(), Mark("done 1"), Mark("begin 2")]
    said = said_before(entries, 4)
    assert (said.begun, said.done) == (frozenset("1"), frozenset("1"))
    assert said_before(entries, 3).done == set()
    assert set(places(entries, 200, random.Random(1))) == {2, 3, 4, 5}


def cannot_here() -> str:
    """Why this machine cannot cut the power of a disk of its own; empty if it can."""
    if os.geteuid() != 0:
        return "only root may make disks to cut the power of"
    missing = [name for name in ("fusermount3", "mkfs.ext4") if shutil.which(name) is None]
    if missing:
        return f"no {' and '.join(missing)} on this machine"
    wanted = (Path("/dev/fuse"), Path("/dev/loop-control"))
    alone = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True)
    if alone.returncode or not all(path.exists() for path in wanted):
        return KERNEL_REFUSES
    return ""


def test_power_cuts_and_full_disks_lose_nothing() -> None:
    if why := cannot_here():
        pytest.skip(why)
    command = [
        sys.executable,
        "-m",
        "tests.powercut",
        "--cuts",
        "60",
        "--disk-full",
        "10",
        "--json",
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert shown.stdout, shown.stderr
    figures = json.loads(shown.stdout)
    assert figures["sound"], figures
    assert shown.returncode == 0
    tallies = {each["workload"]: each for each in figures["workloads"]}
    assert {name: each["cuts"] for name, each in tallies.items()} == {
        **dict.fromkeys(("insert", "photo", "migration", "erase", "hub", "sync", "disk full"), 10),
        "tinydb": 20,
    }
    assert all(each["asked"] > 100 for each in tallies.values())


def test_a_node_starts_after_a_cut_of_its_day_and_has_all_that_it_acknowledged() -> None:
    if why := cannot_here():
        pytest.skip(why)
    command = [sys.executable, "-m", "tests.powercut", "--workload", "day", "--cuts", "4", "--json"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    [day] = json.loads(shown.stdout)["workloads"]
    assert (day["workload"], day["cuts"]) == ("day", 4)
    assert day["asked"] > 40
