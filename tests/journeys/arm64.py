"""A release on another kind of machine: ``python -m tests.journeys.arm64 --release DIR``.

A Debian system of arm64 (run by qemu-user) and one of amd64 are made.  In each, without any
network, the release is installed from its folder, the node is started as its unit says, photos are
diagnosed over HTTP and a field is forecast; the answers of the two are laid side by side.  The
seconds of arm64 are those of the emulator and tell nothing of a board.  Needs root, mmdebstrap and
qemu-user-static; photos are drawn, or public ones where those are.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edge_app.node import make_home
from tests.builders import leaf_jpeg
from tests.conftest import PHOTO_SET
from tests.journeys.appliance import NODE, PAGE, ROOT, Transcript
from tests.machines import CHROOTED, asked, chroot, debian, unpack
from tests.people import Staff
from tests.yielding import grown, squares_cut, wheat_field

HOME = "var/lib/ghalla/home"
AS_OF = "2025-06-02"
# int8 kernels of the two processors round differently; a forecast is rounded to 0.01 t/ha.
MOST_APART, MOST_T_HA = 0.02, 0.01
_DRAWN, _PUBLIC = 4, 12


@dataclass
class Answers:
    """What one machine said: diagnoses by photo, the forecast, seconds by step."""

    model: str = ""
    diagnoses: dict[str, dict[str, Any]] = field(default_factory=dict)
    forecast: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Keep how long it took."""
        begun = time.monotonic()
        yield
        self.seconds[what] = time.monotonic() - begun


def main() -> None:
    """Both machines, then the table; exit code 1 where they disagree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", type=Path, required=True, help="folder made by make release")
    parser.add_argument("--suite", default="bookworm", help="bookworm or trixie")
    parser.add_argument("--roots", type=Path, default=ROOT / ".build" / "roots")
    said = parser.parse_args()
    say, told = Transcript(), dict[str, Answers]()
    with tempfile.TemporaryDirectory(prefix="ghalla-arm-") as name:
        work = Path(name)
        photos = _photos(work / "photos")
        _prepared(work / "home")
        for arch in ("amd64", "arm64"):
            with say.step(f"a Debian {said.suite} system, {arch}"):
                unpack(debian(said.suite, arch, CHROOTED, said.roots), work / arch)
            with say.step(f"{arch}: installed, served, asked"):
                told[arch] = _through(work / arch, said.release, photos, work / "home")
    sys.exit(not _compared(told["amd64"], told["arm64"]))


def _photos(folder: Path) -> dict[str, tuple[Path, str]]:
    """Photos by name, each with its crop."""
    folder.mkdir()
    chosen: dict[str, tuple[Path, str]] = {}
    for seed in range(_DRAWN):
        path = folder / f"drawn-{seed}.jpg"
        path.write_bytes(leaf_jpeg(1200, 900, seed=seed + 1))
        chosen[path.name] = path, "LYPES"
    if (PHOTO_SET / "classification.csv").is_file():
        with (PHOTO_SET / "classification.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "test-public"]
        for row in rows[:: max(1, len(rows) // _PUBLIC)][:_PUBLIC]:
            chosen[Path(row["file"]).name] = PHOTO_SET / row["file"], row["crop"]
    return chosen


def _prepared(home: Path) -> None:
    """A home with one wheat field of six seasons, the last greener, and a crop cut."""
    make_home(home)
    with Staff(home) as staff:
        land = wheat_field(staff)
        grown(staff, land, dict.fromkeys(range(2020, 2025), 0.6) | {2025: 0.66})
        squares_cut(staff.ground, land, 2024, 2.4)


def _through(
    root: Path, release: Path, photos: Mapping[str, tuple[Path, str]], home: Path
) -> Answers:
    """One machine, from the stick to the answers."""
    told = Answers()
    with chroot(root, release.resolve()) as inside:
        with told.timed("install"):
            print(_run(inside, "sh", "/mnt/install.sh"), end="")
        told.forecast = _forecast(inside, root, home, told)
        with told.timed("start to page"):
            node = subprocess.Popen([*inside, *_exec_start(root)], stdout=subprocess.DEVNULL)
            _ask(inside, "wait", PAGE, "600")
        try:
            health = _json(_run(inside, "ghalla", "check", "--json", check=False))
            told.model = next(p["detail"] for p in health["parts"] if p["name"] == "model")
            with told.timed(f"{len(photos)} photos"):
                told.diagnoses = {n: _diagnosed(inside, *each) for n, each in photos.items()}
        finally:
            node.terminate()
            node.wait(60)
    return told


def _run(inside: Sequence[str], *words: str, check: bool = True) -> str:
    done = subprocess.run(
        [*inside, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=3000, check=False, env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.returncode}: {done.stdout[-2000:]}")
    return done.stdout


def _forecast(inside: Sequence[str], root: Path, home: Path, told: Answers) -> dict[str, Any]:
    """The prepared home takes the place of the new one, and its field is forecast."""
    shutil.rmtree(root / HOME)
    shutil.copytree(home, root / HOME)
    _run(inside, "chown", "-R", "ghalla:ghalla", f"/{HOME}")
    with told.timed("forecast"):
        said = _run(inside, "ghalla", "forecast", "Bled 1", "--as-of", AS_OF, "--json")
    return _json(said)


def _json(said: str) -> dict[str, Any]:
    """The line of JSON among what a library says of an emulated processor."""
    line = next(line for line in said.splitlines() if line.startswith("{"))
    return dict(json.loads(line))


def _exec_start(root: Path) -> list[str]:
    """The unit's own command, as its own user; nothing else starts it without systemd."""
    unit = (root / "etc/systemd/system/ghalla.service").read_text()
    command = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    user = ["setpriv", "--reuid=ghalla", "--regid=ghalla", "--init-groups"]
    return [*user, *command.removeprefix("ExecStart=").split()]


def _ask(inside: Sequence[str], *words: str) -> dict[str, Any]:
    """The client runs out here, in their network."""
    return asked([*inside[: inside.index("-n")], "-n"], words, 900)


def _diagnosed(inside: Sequence[str], photo: Path, crop: str) -> dict[str, Any]:
    url = f"{NODE}/api/v1/diagnose?crop={quote(crop)}&lang=en"
    answer = _ask(inside, "post", url, str(photo))
    return {"http": answer["status"], **json.loads(answer["text"])}


def _compared(amd: Answers, arm: Answers) -> bool:
    """Print the table; whether the two agree."""
    print(f"\nmodel: amd64 {amd.model}; arm64 {arm.model}")
    print(f"{'photo':16} {'amd64':12} {'arm64':12} {'first candidate':44} {'apart':>7}")
    same, worst = True, 0.0
    for name, one in amd.diagnoses.items():
        other = arm.diagnoses[name]
        apart = _apart(one, other)
        worst = max(worst, apart)
        same &= one["status"] == other["status"] and _first(one)[0] == _first(other)[0]
        first = f"{_first(one)[0]} {_first(one)[1]:.4f} / {_first(other)[0]} {_first(other)[1]:.4f}"
        print(f"{name:16} {one['status']:12} {other['status']:12} {first:44} {apart:7.4f}")
    print(f"probabilities: at most {worst:.4f} apart, tolerance {MOST_APART}")
    yields = ("t_ha_p10", "t_ha_p50", "t_ha_p90")
    shift = max(abs(amd.forecast[key] - arm.forecast[key]) for key in yields)
    for arch, told in (("amd64", amd), ("arm64", arm)):
        said = " / ".join(f"{told.forecast[key]:.3f}" for key in yields)
        print(f"forecast {arch}: {told.forecast['state']}, {said} t/ha")
    print(f"forecast: at most {shift:.4f} t/ha apart, tolerance {MOST_T_HA}")
    for what in amd.seconds:
        print(
            f"{what:16} amd64 {amd.seconds[what]:7.1f} s, arm64 (qemu) {arm.seconds[what]:7.1f} s"
        )
    agreed = same and worst <= MOST_APART and shift <= MOST_T_HA
    print("The two agree." if agreed else "THE TWO DISAGREE.")
    return agreed


def _first(answer: Mapping[str, Any]) -> tuple[str, float]:
    listed = answer["candidates"]
    return (listed[0]["condition"], listed[0]["probability"]) if listed else ("none", 0.0)


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """The largest difference of a probability; infinite where one names what the other does not."""
    mine, theirs = (
        {each["condition"]: each["probability"] for each in answer["candidates"]}
        for answer in (one, other)
    )
    if mine.keys() != theirs.keys():
        return math.inf
    return max((abs(mine[key] - theirs[key]) for key in mine), default=0.0)


if __name__ == "__main__":
    main()
