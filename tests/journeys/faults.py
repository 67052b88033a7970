"""Breaks a serving node in every way that is known, and prints what people saw of it.

``python -m tests.journeys.faults``: the table, as Markdown; exit code 1 when a page did not answer,
the health page did not name the fault, or the node did not recover.  ``--only NAME`` replays one;
``--out docs/faults.md`` writes the table into that file.  Faults of the disk need root and loop
devices, and are left out where there are none.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from edge_app.health_words import note
from edge_app.node import MODEL_FOLDER, init_home
from edge_app.seam import Part
from field_data import clock
from sync.hub.app import create_hub, hub_of
from sync.hub.settings import HubSettings
from tests.bad_line import BadLine
from tests.boxes import Box
from tests.builders import leaf_jpeg
from tests.couriers import Courier
from tests.journeys.served_at import by
from tests.powercut.disk_full import Trial
from tests.powercut.disks import MIB, make_image, mounted, run
from tests.serving import ServedNode

YEAR_S = 365.25 * 86_400
_PATIENCE_S = 40.0
_DISK = 64 * MIB
PHOTO = leaf_jpeg()


class Served(ServedNode):
    """A node that lives by the files of the folder beside its home."""

    @classmethod
    def command(cls, home: Path) -> list[str]:
        """What stands before the verb."""
        return [sys.executable, "-m", "tests.journeys.served_at", str(home.parent)]


@dataclass
class Place:
    """A home, what its node is told of clock and models, and the node itself while it runs."""

    folder: Path
    point: Path | None = None
    home: Path = field(init=False)
    node: Served | None = None
    port: int = 0
    stay: bool = False
    opened: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.home = (self.point or self.folder) / "home"
        (self.home.parent / "chip").touch()
        self.clock(0)
        init_home(self.home)
        (self.home / "settings.toml").write_text("min_free_mb = 20\n")

    def clock(self, ahead_s: float) -> None:
        """The box's clock goes so many seconds ahead of the right one, from this moment."""
        (self.home.parent / "clock").write_text(f"{ahead_s}")

    def start(self) -> None:
        """Switch the box on."""
        self.node = Served(self.home, self.port, *(("--stay",) if self.stay else ()))

    def stop(self) -> None:
        """Switch it off."""
        if self.node is not None:
            self.node.stop()
            self.node = None

    def again(self) -> None:
        """Off and on."""
        self.stop()
        self.start()

    def page(self) -> int:
        """The status of the farmers' first page."""
        assert self.node is not None
        return self.node.request("GET", "/ar/")[0]

    def diagnosis(self) -> str:
        """What came of a photo that is to be kept: the answer's status, or the error."""
        assert self.node is not None
        said = self.node.diagnose(PHOTO, "crop=LYPES&lang=en&keep=1")
        return str(said.get("status") if said["http"] == 200 else said.get("code", said["http"]))

    def broken(self) -> dict[str, str]:
        """Parts that need somebody, and their codes."""
        assert self.node is not None
        told = json.loads(self.node.request("GET", "/health")[2])
        usual = {"fonts_missing"}  # a node whose letters were not built
        return {
            part["name"]: part["code"]
            for part in told["parts"]
            if not part["ok"] and part["code"] not in usual
        }


@dataclass(frozen=True)
class Fault:
    """``cause`` breaks a node that serves (and may restart it), ``cure`` takes the cause away.

    ``code`` is what the health page must name; ``way`` how the node comes back.  ``page`` is the
    status of what phones get (503 of the one page of a node that could not start), ``stays`` what
    the health page still says when the cause is gone.
    """

    name: str
    code: str
    cause: Callable[[Place], None]
    cure: Callable[[Place], None]
    way: str = "by itself"
    prepare: Callable[[Place], None] = lambda _: None
    page: int = 200
    stays: frozenset[str] = frozenset()
    disk: bool = False


@dataclass(frozen=True)
class Seen:
    """What was seen of one fault."""

    fault: Fault
    page: int
    diagnosis: str
    codes: frozenset[str]
    recovered_s: float | None
    after: str

    @property
    def sound(self) -> bool:
        """Whether it went as it must."""
        named = self.fault.code in self.codes
        return self.page == self.fault.page and named and self.recovered_s is not None


# --- causes and cures -----------------------------------------------------------------------------


def _fill(place: Place) -> None:
    assert place.point is not None
    Trial(place.point, None, set()).fill(0)  # type: ignore[arg-type]  # no chance in it


def _loosen(place: Place) -> None:
    assert place.point is not None
    (place.point / "junk").unlink()


def _remount(place: Place, how: str) -> None:
    assert place.point is not None
    run("mount", "-o", f"remount,{how}", place.point)


def _boot(place: Place) -> None:
    """Off and on: the system checks the card before the node starts, as systemd does."""
    assert place.point is not None
    place.stop()
    run("umount", place.point)
    subprocess.run(["e2fsck", "-fy", place.folder / "image"], check=False, capture_output=True)
    run("mount", "-o", "loop,noatime", place.folder / "image", place.point)
    place.start()


def _own_model(place: Place) -> None:
    shutil.copytree(MODEL_FOLDER, place.home.parent / "leaf_health")


def _model_file(place: Place) -> Path:
    return place.home.parent / "leaf_health" / "manifest.json"


def _lose_model(place: Place) -> None:
    for each in (place.home.parent / "leaf_health").glob("*.onnx"):
        each.unlink()
    place.again()


def _spoil_model(place: Place) -> None:
    for each in (place.home.parent / "leaf_health").glob("*.onnx"):
        each.write_bytes(each.read_bytes()[:-1000] + bytes(1000))
    place.again()


def _mend_model(place: Place) -> None:
    for each in MODEL_FOLDER.glob("*.onnx"):
        shutil.copyfile(each, place.home.parent / "leaf_health" / each.name)


def _damage_store(place: Place) -> None:
    assert place.node is not None
    place.node.kill()
    path = place.home / "store.sqlite"
    for each in place.home.glob("store.sqlite-*"):
        each.unlink()
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
    place.start()


def _take_aside(place: Place) -> None:
    """The keeper has looked at the damaged file, and takes it away."""
    for each in place.home.glob("store.sqlite.damaged-*"):
        each.unlink()


def _with_hub(place: Place) -> None:
    """A hub that let the node in and had its records; then others came."""
    folder = place.opened.enter_context(TemporaryDirectory())
    shutil.rmtree(place.home)
    place.home.mkdir()
    settings = HubSettings(f"sqlite:///{folder}/hub.sqlite", f"{folder}/blobs", spare_bytes=0)
    line = BadLine(lambda: create_hub(settings))
    place.opened.callback(line.stop)
    box = Box(place.home)
    courier = Courier(box, line)
    courier.enrol(hub_of(line.app))
    box.consent(box.farmers[0], "photos", True)
    assert courier.run() == ""
    box.visit(box.farmers[0], photos=[box.photo()])
    box.close()
    place.opened.callback(setattr, place, "_line", None)
    place._line = line  # type: ignore[attr-defined]


def _network_back(place: Place) -> None:
    """The hub is heard again, a year later."""
    before = clock._system
    by(place.home.parent)
    box = Box(place.home)
    try:
        assert Courier(box, place._line).run() == ""  # type: ignore[attr-defined]
    finally:
        box.close()
        clock._system = before


def _https(place: Place) -> None:
    with (place.home / "settings.toml").open("a") as settings:
        settings.write(f"https_port = {_free_port()}\n")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _spoil_settings(place: Place) -> None:
    place.stop()
    with (place.home / "settings.toml").open("a") as settings:
        settings.write("prot = 80\n")
    place.start()


def _mend_settings(place: Place) -> None:
    path = place.home / "settings.toml"
    path.write_text(path.read_text().replace("prot = 80\n", ""))


def _start_read_only(place: Place) -> None:
    place.stop()
    _remount(place, "ro")
    place.start()


def _start_full(place: Place) -> None:
    place.stop()
    _fill(place)
    place.start()


def _staying(place: Place) -> None:
    place.port, place.stay = _free_port(), True


FAULTS = (
    Fault(
        "clock ten years behind", "clock_past",
        lambda p: p.clock(-10 * YEAR_S), lambda p: p.clock(0),
    ),
    Fault(
        "clock ten years ahead", "clock_future",
        lambda p: p.clock(10 * YEAR_S), lambda p: p.clock(0),
    ),
    Fault(
        "a year without network", "hub_silent",
        lambda p: p.clock(YEAR_S), _network_back, prepare=_with_hub,
        way="by itself, at the next sending",
        # Newer cards come with the next bundle.
        stays=frozenset({"advice_expired"}),
    ),
    Fault(
        "certificate run out", "certificate_expired",
        lambda p: p.clock(3 * YEAR_S), Place.again, prepare=_https, way="at the next start",
        stays=frozenset({"advice_expired"}),
    ),
    Fault("model missing", "model_missing", _lose_model, _mend_model, prepare=_own_model),
    Fault("model damaged", "model_corrupt", _spoil_model, _mend_model, prepare=_own_model),
    Fault(
        "store damaged", "store_damaged", _damage_store, _take_aside,
        way="by itself with a new store; red until the keeper took the old one away",
    ),
    Fault(
        "settings spoilt at the start", "bad_settings", _spoil_settings, _mend_settings,
        prepare=_staying, page=503,
    ),
    Fault("disk full to the last byte", "disk_low", _fill, _loosen, disk=True),
    Fault(
        "card read-only while serving", "card_read_only", lambda p: _remount(p, "abort"), _boot,
        way="at the next start, which checks the card", disk=True,
    ),
    Fault(
        "card read-only at the start", "card_failed",
        _start_read_only, lambda p: _remount(p, "rw"), prepare=_staying, page=503,
        disk=True,
    ),
    Fault(
        "disk full at the start", "disk_low",
        _start_full, _loosen, prepare=_staying, disk=True,
    ),
)  # fmt: skip


# --- one fault ------------------------------------------------------------------------------------


@contextmanager
def _place(fault: Fault) -> Iterator[Place]:
    with TemporaryDirectory(prefix="fault-") as name, ExitStack() as opened:
        folder, point = Path(name), None
        if fault.disk:
            make_image(folder / "image", _DISK)
            point = opened.enter_context(mounted(folder / "image", folder / "disk"))
        place = Place(folder, point)
        opened.callback(place.opened.close)
        opened.callback(place.stop)
        yield place


def tried(fault: Fault) -> Seen:
    """Break one node and look."""
    with _place(fault) as place:
        fault.prepare(place)
        place.start()
        usual = set(place.broken().values())
        assert place.page() == 200, "it did not even begin"
        fault.cause(place)
        codes = frozenset(place.broken().values())
        page, diagnosis = place.page(), place.diagnosis()
        fault.cure(place)
        begun = time.monotonic()
        spent = _recovered(place, usual | fault.stays, begun)
        return Seen(fault, page, diagnosis, codes, spent, place.diagnosis())


def _recovered(place: Place, usual: set[str], begun: float) -> float | None:
    """Seconds until nothing is broken that was not before; None when that did not come."""
    while (spent := time.monotonic() - begun) < _PATIENCE_S:
        try:
            new = set(place.broken().values()) - usual
            if not new and place.page() == 200:
                return spent
        except OSError:  # between the page of a start that failed and the node
            pass
        time.sleep(0.2)
    return None


def can_make_disks() -> bool:
    """Whether this machine lets us have a disk of our own."""
    return os.geteuid() == 0 and Path("/dev/loop-control").exists()


def table(seen: Sequence[Seen]) -> str:
    """What people saw, as Markdown."""
    rows = [
        "| Fault | First page | A photo meanwhile | Health says | What it tells the keeper |"
        " Comes back | A photo after | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in seen:
        told = note(Part("", False, each.fault.code, ""))
        back = "no" if each.recovered_s is None else f"{each.fault.way}, {each.recovered_s:.0f} s"
        codes = ", ".join(f"`{code}`" for code in sorted(each.codes)) or "nothing"
        word = "sound" if each.sound else "NOT SOUND"
        cells = (
            each.fault.name, str(each.page), each.diagnosis, codes, str(told), back, each.after,
            word,
        )  # fmt: skip
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


HEAD = """# What breaks, and what people see of it

Made by `python -m tests.journeys.faults --out docs/faults.md` on a serving node, in a process of
its own; `python -m tests.journeys.faults --only "clock ten years ahead"` replays one. Faults of the
disk happen on an ext4 file system of 64 MiB on a loop device, and need root.

"A photo" is a tomato leaf sent to the node to be kept: the answer, or the error's code. The
sentence is that of the health page in English; the pages say it in all four languages.
"Comes back" counts from the moment at which the cause is gone.

"""


def main(arguments: Sequence[str]) -> int:
    """Break, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.journeys.faults", description=__doc__)
    parser.add_argument("--only", choices=[fault.name for fault in FAULTS])
    parser.add_argument("--out", type=Path, help="write the table there as well")
    options = parser.parse_args(arguments)
    chosen = [fault for fault in FAULTS if options.only in (None, fault.name)]
    seen = []
    for fault in chosen:
        if can_make_disks() or not fault.disk:
            seen.append(tried(fault))
            print(table(seen[-1:]).splitlines()[-1], file=sys.stderr)
    print(table(seen))
    if options.out:
        options.out.write_text(HEAD + table(seen))
    return 0 if seen and all(each.sound for each in seen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
