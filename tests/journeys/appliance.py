"""A box from nothing: ``python -m tests.journeys.appliance --release DIR``.

A Debian system is made, and boots in a container without any network but its loopback.  Ghalla is
installed into it from the release folder, a photo becomes advice, the power is cut, the box comes
back under the limits of a small board, and so on; each step is printed with its seconds, and each
goal with what was measured.  Needs root, mmdebstrap and systemd-nspawn; a photo is a drawn one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from edge_app.appliance.release_folder import seal, sha256_of
from tests.builders import leaf_jpeg, phone_jpeg
from tests.machines import BOOTED, Limit, Machine, copied, debian, unpack

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024
SMALL = Limit(cores=0.5, memory_bytes=1024 * MIB)
NODE = "http://127.0.0.1:8080"
PAGE = f"{NODE}/ar/"
DIAGNOSE = f"{NODE}/api/v1/diagnose?crop=LYPES&lang=en"
GOAL_INSTALL_S, GOAL_PAGE_S, GOAL_IDLE, GOAL_BUSY = 300.0, 20.0, 250 * MIB, 600 * MIB
_PHONES = 10
_IDLE_S = 20.0
_NODE_OF_UNIT = ("systemctl", "kill", "--kill-whom=main", "ghalla.service", "-s")


@dataclass
class Transcript:
    """What was done and measured, printed as it happens."""

    began: float = field(default_factory=time.monotonic)
    missed: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """One step: its name, and how long it took."""
        begun = time.monotonic()
        yield
        now = time.monotonic()
        print(f"{now - self.began:7.1f} s  {what}  [{now - begun:.1f} s]", flush=True)

    def told(self, text: str) -> None:
        """Words of the box itself."""
        for line in text.strip().splitlines():
            print(f"           | {line}", flush=True)

    def goal(self, what: str, measured: float, most: float, unit: str) -> None:
        """A goal beside what was measured."""
        held = measured <= most
        word = "held" if held else "MISSED"
        print(f"           {what}: {measured:.1f} {unit}, goal {most:.0f}: {word}", flush=True)
        if not held:
            self.missed.append(what)


@dataclass
class Journey:
    """One box through its days."""

    root: Path
    release: Path
    key: Path
    work: Path
    say: Transcript

    def boot(self, limit: Limit | None = None) -> Machine:
        """Power on."""
        stick = f"{self.release}:/media/usb"
        others = [f"{self.work / each}:/media/{each}" for each in ("spoilt", "broken")]
        return Machine(self.root, limit, [stick, *others])

    def install(self, machine: Machine, *words: str) -> str:
        """Run the installer from the stick."""
        return machine.run("sh", "/media/usb/install.sh", *words)

    def page_after(self, machine: Machine, since: float) -> float:
        """Seconds from ``since`` to the first page; both ends read the same clock."""
        at: float = machine.ask("wait", PAGE, "180")["at"]
        return at - since

    def diagnose(self, machine: Machine, photo: str = "leaf.jpg") -> tuple[str, dict[str, Any]]:
        """Where the answer for a photo is read, and the answer."""
        answer = machine.ask("post", DIAGNOSE, str(self.work / photo))
        assert answer["status"] in (200, 201), answer
        return answer["headers"]["Content-Location"], json.loads(answer["text"])

    def still_there(self, machine: Machine, page: str) -> None:
        """The answer of before is read again."""
        answer = machine.ask("get", NODE + page)
        assert answer["status"] == 200, (page, answer["status"])


def main() -> None:
    """Go through it; exit code 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", type=Path, required=True, help="folder made by make release")
    parser.add_argument("--key", type=Path, required=True, help="public key that signed it")
    parser.add_argument("--suite", default="bookworm", help="bookworm or trixie")
    parser.add_argument("--roots", type=Path, default=ROOT / ".build" / "roots")
    said = parser.parse_args()
    say = Transcript()
    with tempfile.TemporaryDirectory(prefix="ghalla-box-") as name:
        work = Path(name)
        with say.step(f"a Debian {said.suite} system, amd64, {', '.join(BOOTED)}"):
            unpack(debian(said.suite, "amd64", BOOTED, said.roots), work / "root")
        (work / "leaf.jpg").write_bytes(leaf_jpeg())
        (work / "phone.jpg").write_bytes(phone_jpeg())
        _spoil(said.release, work / "spoilt")
        _break(said.release, work / "broken")
        shutil.copy2(said.key, work / "root/root/publisher.pub")
        go_through(Journey(work / "root", said.release.resolve(), said.key, work, say))
    print(f"Goals missed: {', '.join(say.missed) or 'none'}")
    sys.exit(bool(say.missed))


def _spoil(release: Path, folder: Path) -> None:
    """A stick with one byte changed."""
    copied(release, folder)
    victim = sorted((folder / "wheels").glob("ghalla-*.whl"))[0]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.unlink()
    victim.write_bytes(bytes(data))


def _break(release: Path, folder: Path) -> None:
    """A stick that is whole, of a release whose server ends at once; nobody has signed it."""
    copied(release, folder)
    wheel = sorted((folder / "wheels").glob("ghalla-*.whl"))[0]
    before = sha256_of(wheel)
    with ZipFile(wheel) as old:
        files = {name: old.read(name) for name in old.namelist()}
    wheel.unlink()
    with ZipFile(wheel, "w") as new:
        for name, data in files.items():
            new.writestr(name, b"raise SystemExit(9)\n" if name == "edge_app/server.py" else data)
    texts = {"VERSION": "0.1.0+broken\n"}
    for target in (folder / "targets").iterdir():
        texts[f"targets/{target.name}"] = target.read_text().replace(before, sha256_of(wheel))
    for name, text in texts.items():
        (folder / name).unlink()
        (folder / name).write_text(text)
    seal(folder, None)


def go_through(journey: Journey) -> None:
    """Every step, in order."""
    say = journey.say
    with journey.boot() as machine:
        with say.step("first boot, without any network"):
            machine.booted()
        _refuse(journey, machine)
        _first_installation(journey, machine)
        page = _photo(journey, machine)
        _killed(journey, machine)
        _hung(journey, machine)
        _rests(journey, machine)
        _goes_back(journey, machine)
        with say.step("the power is cut right after an answer"):
            last, _ = journey.diagnose(machine)
            machine.pull_the_plug()
    _small_board(journey, (page, last))
    _away_and_back(journey, last)


def _refuse(journey: Journey, machine: Machine) -> None:
    with journey.say.step("a stick with one byte changed is refused, nothing is touched"):
        said = machine.run("sh", "/media/spoilt/install.sh", check=False)
        assert "damaged or was changed" in said, said
        machine.run("test", "!", "-e", "/opt/ghalla")
    journey.say.told(said)


def _first_installation(journey: Journey, machine: Machine) -> None:
    say, begun = journey.say, time.monotonic()
    with say.step("installed from the stick, offline, trusting the publisher's key"):
        said = journey.install(machine, "--trust", "/root/publisher.pub")
    say.told(said)
    say.goal("installation", time.monotonic() - begun, GOAL_INSTALL_S, "s")
    own = ("sh", "/opt/ghalla/install.sh", "--from")
    with say.step("installed again, by the box's own script: nothing to do"):
        assert "installed already" in machine.run(*own, "/media/usb")
    with say.step("by which a stick that nobody signed is refused, though it is whole"):
        said = machine.run(*own, "/media/broken", check=False)
        assert "is not signed" in said, said
    say.told(machine.run("ghalla", "box", "status"))
    with say.step("ghalla check"):
        said = machine.run("ghalla", "check", check=False)
    say.told(said)
    verdicts = machine.run("systemd-analyze", "security", "--no-pager", check=False)
    say.told("\n".join(line for line in verdicts.splitlines() if "ghalla" in line))


def _photo(journey: Journey, machine: Machine) -> str:
    with journey.say.step("a photo becomes advice, over HTTP"):
        page, answer = journey.diagnose(machine)
        journey.still_there(machine, page)
    journey.say.told(f"{answer['status']}: {json.dumps(answer)[:160]} …")
    return page


def _killed(journey: Journey, machine: Machine) -> None:
    begun = time.monotonic()
    with journey.say.step("the node is killed (-9): systemd starts it again"):
        machine.run(*_NODE_OF_UNIT, "SIGKILL")
        time.sleep(0.2)
        journey.page_after(machine, begun)


def _hung(journey: Journey, machine: Machine) -> None:
    """The unit's two minutes, made six seconds so that nobody waits."""
    _drop_in(machine, "ghalla.service", "[Service]\\nWatchdogSec=6\\n")
    machine.run("systemctl", "restart", "ghalla.service")
    with journey.say.step("the node is stopped in its tracks: the watchdog (6 s here) notices"):
        machine.run(*_NODE_OF_UNIT, "SIGSTOP")
        _until(lambda: _restarts(machine) > 0, 60)
        journey.page_after(machine, time.monotonic())


def _rests(journey: Journey, machine: Machine) -> None:
    """Ten failures and ten minutes, made two and two seconds."""
    _drop_in(machine, "ghalla.service", "[Unit]\\nStartLimitBurst=2\\n[Service]\\nRestartSec=1\\n")
    fast = "[Service]\\nExecStart=\\nExecStart=/bin/sleep 2\\n"
    _drop_in(
        machine,
        "ghalla-again.service",
        f"{fast}ExecStart=/bin/systemctl --no-block start ghalla\\n",
    )
    with journey.say.step("its home is gone: it fails, rests, and comes back with the home"):
        machine.run("mv", "/var/lib/ghalla/home", "/var/lib/ghalla/away")
        machine.run("systemctl", "kill", "ghalla.service", "-s", "SIGKILL")
        _until(lambda: _state(machine, "ghalla-again.service") == "activating", 60)
        machine.run("mv", "/var/lib/ghalla/away", "/var/lib/ghalla/home")
        machine.run("systemctl", "reset-failed", "ghalla.service")
        journey.page_after(machine, time.monotonic())
    machine.run("rm", "-r", "/run/systemd/system/ghalla.service.d")
    machine.run("rm", "-r", "/run/systemd/system/ghalla-again.service.d")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "ghalla.service")


def _state(machine: Machine, unit: str) -> str:
    return machine.run("systemctl", "is-active", unit, check=False).strip()


def _drop_in(machine: Machine, unit: str, text: str) -> None:
    folder = f"/run/systemd/system/{unit}.d"
    machine.run("mkdir", "-p", folder)
    machine.run("sh", "-c", f"printf '{text}' > {folder}/journey.conf")
    machine.run("systemctl", "daemon-reload")


def _goes_back(journey: Journey, machine: Machine) -> None:
    """The keeper trusts nobody for a moment, and installs what does not work."""
    machine.run("mv", "/etc/ghalla/trust", "/etc/ghalla/kept")
    with journey.say.step("a release that does not start gives way to the one before"):
        said = machine.run("sh", "/media/broken/install.sh", check=False)
        assert "is in use again" in said, said
        journey.page_after(machine, time.monotonic())
    machine.run("rm", "-r", "/etc/ghalla/trust")
    machine.run("mv", "/etc/ghalla/kept", "/etc/ghalla/trust")
    journey.say.told(said)


def _restarts(machine: Machine) -> int:
    show = ("systemctl", "show", "ghalla.service", "--value", "-p")
    return int(machine.run(*show, "NRestarts").strip() or 0)


def _until(true: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise RuntimeError(f"not within {seconds:.0f} s")
        time.sleep(0.2)


def _small_board(journey: Journey, pages: tuple[str, ...]) -> None:
    say = journey.say
    with journey.boot(SMALL) as machine:
        with say.step("power on again: half a core, 1 GiB"):
            seconds = journey.page_after(machine, machine.started)
        say.goal("from power to the page", seconds, GOAL_PAGE_S, "s")
        with say.step("what was answered before the cut is there"):
            for page in pages:
                journey.still_there(machine, page)
        with say.step(f"left alone for {_IDLE_S:.0f} s"):
            time.sleep(_IDLE_S)
        idle, _ = machine.memory_bytes("ghalla.service")
        say.goal("memory of the idle node", idle / MIB, GOAL_IDLE / MIB, "MiB")
        sent = say.step(f"{_PHONES} phones send 12 megapixels at once")
        with sent, ThreadPoolExecutor(_PHONES) as phones:
            list(phones.map(lambda _: journey.diagnose(machine, "phone.jpg"), range(_PHONES)))
        _, most = machine.memory_bytes("ghalla.service")
        say.goal("most memory the node ever held", most / MIB, GOAL_BUSY / MIB, "MiB")


def _away_and_back(journey: Journey, page: str) -> None:
    say = journey.say
    with journey.boot() as machine:
        machine.booted()
        with say.step("uninstalled: what was recorded stays"):
            said = machine.run("sh", "/media/usb/uninstall.sh")
            machine.run("test", "-f", "/var/lib/ghalla/home/store.sqlite")
            machine.run("test", "!", "-e", "/opt/ghalla")
        say.told(said)
        with say.step("installed again: the answers are there, and the key is still asked for"):
            assert "Signed by" in journey.install(machine)
            journey.still_there(machine, page)
        with say.step("uninstalled with --erase-data: nothing is left"):
            machine.run("sh", "/media/usb/uninstall.sh", "--erase-data")
            left = machine.run(
                "find", "/", "-xdev", "-name", "*ghalla*", "-not", "-path", "/media/*"
            )
            assert not left.replace("/var/log/journal", "").strip(), left


if __name__ == "__main__":
    main()
