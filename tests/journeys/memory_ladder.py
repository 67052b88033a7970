"""A node under limits of memory: what it takes at rest and when everything is wanted at once.

``python -m tests.journeys.memory_ladder``: in a control group of its own (version 1 of the memory
controller, root) a node serves; phones send photos, a tablet's map asks for tiles, records go to a
hub, and ``ghalla scenes pull`` fetches scenes beside it.  On the upper step the box has 1 GiB and
the group may take 600 MiB; on the lower one the box has 512 MiB, of which the group may take 368
(what the unit allows of the 460 that such a box shows).  Exit code 1 when something was killed,
an answer was a fault, or a step took more than it may.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from edge_app import webassets
from edge_app.access.gate import csrf_of
from edge_app.access.guard import COOKIE
from edge_app.metrics import resident_bytes
from edge_app.uplink import Uplinks
from field_data.days import date_of
from field_data.geometry import outline
from field_data.people import Role
from sat_ingest.grid import field_grid
from sat_ingest.mercator import tiles_over
from sync.hub.app import create_hub, open_hub
from sync.hub.enrolment import new_code
from sync.hub.settings import HubSettings
from sync.transport import HubAddress
from tests.builders import leaf_jpeg, phone_jpeg
from tests.journeys.soak import MIB, Phone
from tests.people import Staff
from tests.sat_catalogues import bands_of, field_at, write_catalogue, write_scene
from tests.serving import ServedNode, listening
from tests.skies import DAY, five_fields, spring, square
from tests.village import Village

CONTROLLER = Path("/sys/fs/cgroup/memory")
IDLE_MIB, BUSY_MIB = 250, 600
_BUSY_S = 25.0
_SENDERS, _MAPS = 4, 2
_GRIDS = [field_grid(outline(square(n)).ring) for n in range(5)]
_TILES = sorted(
    {tile for zoom in range(13, 18) for grid in _GRIDS for tile in tiles_over(grid, zoom)}, key=str
)


@dataclass(frozen=True)
class Step:
    """A box: what it is said to have, what the group may take, what it must stay under."""

    name: str
    box_mib: int
    group_mib: int
    pulls: bool


STEPS = (Step("1 GiB", 920, BUSY_MIB, True), Step("512 MiB", 460, 368, False))


@dataclass
class Taken:
    """What one step took, in MiB, and what happened."""

    step: Step
    idle_mib: float = 0.0
    busy_mib: float = 0.0
    group_mib: float = 0.0
    killed: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    off: str = ""
    pull: str = ""
    alive: bool = False

    @property
    def wrong(self) -> list[str]:
        """Nothing where all is well."""
        faults = sum(n for what, n in self.answers.items() if what.endswith(("500", "502")))
        some = all(any(what == f"{k} 200" for what in self.answers) for k in ("photo", "tile"))
        problems = {
            f"{self.step.name}: {self.killed} processes were killed": self.killed > 0,
            f"{self.step.name}: the node does not answer any more": not self.alive,
            f"{self.step.name}: {faults} answers were faults": faults > 0,
            f"{self.step.name}: not everything was asked": not some,
            f"{self.step.name}: {self.idle_mib:.0f} MiB at rest": self.idle_mib > IDLE_MIB,
            f"{self.step.name}: {self.busy_mib:.0f} MiB": self.busy_mib > self.step.group_mib,
        }
        return [problem for problem, there in problems.items() if there]


@dataclass
class Group:
    """A control group: what its processes take."""

    folder: Path

    def in_it(self, command: Sequence[str]) -> list[str]:
        """The command, so that it begins inside."""
        enter = f'echo $$ > {self.folder}/cgroup.procs; exec "$@"'
        return ["sh", "-c", enter, "sh", *command]

    def rss(self) -> int:
        """Bytes of all processes inside, what two share counted twice: more than is taken."""
        total = 0
        for process in (self.folder / "cgroup.procs").read_text().split():
            with suppress(OSError, IndexError):  # it has just ended
                total += resident_bytes(Path("/proc") / process)
        return total

    def most(self) -> int:
        """The most bytes that it ever had, cache and all."""
        return int((self.folder / "memory.max_usage_in_bytes").read_text())

    def killed(self) -> int:
        """Processes that were killed for want of memory."""
        words = (self.folder / "memory.oom_control").read_text().split()
        return int(words[words.index("oom_kill") + 1])


def can_group() -> bool:
    """Whether this machine lets us limit memory."""
    return os.geteuid() == 0 and os.access(CONTROLLER / "cgroup.procs", os.W_OK)


@contextmanager
def grouped(limit: int) -> Iterator[Group]:
    """A group that may take ``limit`` bytes."""
    folder = CONTROLLER / f"ghalla-ladder-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "memory.limit_in_bytes").write_text(str(limit))
        yield Group(folder)
    finally:
        for _ in range(100):
            try:
                folder.rmdir()
                break
            except OSError:  # its processes are ending
                time.sleep(0.1)


class Grouped(ServedNode):
    """A served node in a group."""

    group: Group

    @classmethod
    def command(cls, home: Path) -> list[str]:
        """Through a shell that enters the group first."""
        return cls.group.in_it(super().command(home))


@dataclass(frozen=True)
class World:
    """A home with fields from above, records for a hub, an agent's session; scenes to be pulled."""

    home: Path
    session: str
    catalogue: Path
    fields: Path


def made(folder: Path, hub_url: str, code: str, step: Step) -> World:
    """Everything that the node will be asked for."""
    home = folder / "home"
    home.mkdir()
    with Staff(home) as staff:
        spring(staff, five_fields(staff))
        Village(staff.ground)
        token = staff.ground.gate.open_session(staff.person(Role.AGENT), "test")
        uplinks = Uplinks(staff.ground)
        uplinks.enrol(HubAddress(hub_url, insecure=True), code, "ladder")
    (home / "settings.toml").write_text(f"memory_mb = {step.box_mib}\nsat_weekly_mb = 0\n")
    scenes = folder / "scenes"
    names = [f"S2A_{n}" for n in range(4)]
    for n, name in enumerate(names):
        write_scene(scenes, name, f"2025-03-{n * 5 + 1:02}T11:00:00", bands_of(1000, n))
    catalogue = write_catalogue(scenes, *names)
    fields = folder / "fields.geojson"
    fields.write_text(_geojson())
    return World(home, token, catalogue, fields)


def _geojson() -> str:
    import json

    shapes = []
    for n in range(6):
        each = field_at(f"f{n}", 40 + 60 * n, 40, 40, 40)
        ring = [list(point) for point in each.boundary]
        ring += [] if ring[0] == ring[-1] else [ring[0]]
        shape = {"type": "Polygon", "coordinates": [ring]}
        properties = {"crop": "TRZAX"}
        shapes.append({"type": "Feature", "id": each.id, "properties": properties,
                       "geometry": shape})  # fmt: skip
    return json.dumps({"type": "FeatureCollection", "features": shapes})


@contextmanager
def _sampled(group: Group) -> Iterator[list[int]]:
    """What the group takes, twenty times a second."""
    found, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            found.append(group.rss())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def climbed(step: Step, busy_s: float = _BUSY_S) -> Taken:
    """One step of the ladder."""
    taken = Taken(step)
    with (
        TemporaryDirectory(prefix="ladder-") as name,
        grouped(step.group_mib * MIB) as group,
    ):
        folder = Path(name)
        settings = HubSettings(f"sqlite:///{folder}/hub.sqlite", f"{folder}/blobs", spare_bytes=0)
        hub = open_hub(settings)
        with listening(create_hub(settings)) as url:
            world = made(folder, url, new_code(hub.database, "Coop", "Meknes"), step)
            Grouped.group = group
            with Grouped(world.home) as node:
                _climb(taken, node, world, group, busy_s)
        hub.database.close()
        hub.blobs.close()
    return taken


def _climb(taken: Taken, node: Grouped, world: World, group: Group, busy_s: float) -> None:
    address = node.address.removeprefix("http://")
    photos = [leaf_jpeg(1600, 1200), phone_jpeg()]
    Phone(address, random.Random(1), photos).ask("GET", "/ar/")
    time.sleep(2)
    taken.idle_mib = group.rss() / MIB
    until, lock = time.monotonic() + busy_s, threading.Lock()

    def again(kind: str, act: Callable[[Phone], int], seed: int) -> None:
        phone = Phone(address, random.Random(seed), photos, {COOKIE: world.session})
        while time.monotonic() < until:
            status = act(phone)
            with lock:
                taken.answers[f"{kind} {status}"] = taken.answers.get(f"{kind} {status}", 0) + 1

    with _sampled(group) as found:
        workers = [
            threading.Thread(target=again, args=("photo", _send, n)) for n in range(_SENDERS)
        ]
        workers += [threading.Thread(target=again, args=("tile", _tile, n)) for n in range(_MAPS)]
        workers.append(threading.Thread(target=again, args=("sync", _sync, 1)))
        for worker in workers:
            worker.start()
        taken.pull = _pull(world, group)
        for worker in workers:
            worker.join()
    taken.busy_mib, taken.group_mib = max(found) / MIB, group.most() / MIB
    taken.killed = group.killed()
    taken.alive = node.request("GET", "/ar/")[0] == 200
    told = node.request("GET", "/health")[2].decode()
    taken.off = "memory_small" if "memory_small" in told else "nothing"


def _send(phone: Phone) -> int:
    photo = phone.chance.choice(phone.photos)
    kind = {"Content-Type": "image/jpeg"}
    return phone.ask("POST", "/api/v1/diagnose?crop=LYPES&lang=fr&keep=1", photo, **kind)[0]


def _tile(phone: Phone) -> int:
    """Another one each time, as what was drawn is kept: how much one day changed since another."""
    place, before = phone.chance.choice(_TILES), phone.chance.randrange(10, 50)
    after = before + phone.chance.randrange(1, 12)
    when = f"{date_of(DAY + before)}..{date_of(DAY + after)}"
    return phone.ask("GET", f"/sky/tiles/ndvi/{when}/{place.z}/{place.x}/{place.y}.png")[0]


def _sync(phone: Phone) -> int:
    time.sleep(1)
    body = f"csrf={csrf_of(phone.cookies[COOKIE])}".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return phone.ask("POST", "/fr/staff/sync", body, **kind)[0]


def _pull(world: World, group: Group) -> str:
    """Scenes come beside all that; what the verb said."""
    command = [
        sys.executable, "-m", "edge_app.cli", "scenes", "pull", "--home", str(world.home),
        "--catalog", str(world.catalogue), "--fields", str(world.fields),
        "--since", "2025-03-01", "--until", "2025-03-30", "--json",
    ]  # fmt: skip
    done = subprocess.run(group.in_it(command), capture_output=True, text=True, check=False)
    return "pulled" if done.returncode == 0 else (done.stdout + done.stderr).strip()[-300:]


def table(steps: Sequence[Taken]) -> str:
    """What each step took, as Markdown."""
    rows = [
        "| Box | Group may take | At rest MiB | Busy MiB | With the disk's cache MiB | Killed |"
        " Off | Scenes | Answers |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in steps:
        answers = ", ".join(f"{what}: {n}" for what, n in sorted(each.answers.items()))
        pull = "refused: `memory_small`" if "memory_small" in each.pull else each.pull
        rows.append(
            f"| {each.step.name} | {each.step.group_mib} | {each.idle_mib:.0f} |"
            f" {each.busy_mib:.0f} | {each.group_mib:.0f} | {each.killed} | {each.off} | {pull} |"
            f" {answers} |"
        )
    return "\n".join(rows)


def main(arguments: Sequence[str]) -> int:
    """Climb, print, judge."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.journeys.memory_ladder", description=__doc__
    )
    parser.add_argument("--seconds", type=float, default=_BUSY_S, help="everything at once")
    options = parser.parse_args(arguments)
    if not can_group():
        print("memory ladder: no memory controller of version 1, or not root", file=sys.stderr)
        return 2
    webassets.compile_catalogues()
    steps = [climbed(step, options.seconds) for step in STEPS]
    print(table(steps))
    wrong = [problem for each in steps for problem in each.wrong]
    print("\n".join(wrong) or "sound")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
