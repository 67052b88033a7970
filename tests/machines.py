"""Debian systems made from nothing, and booted: what a box is, without a box.

A system is made by mmdebstrap and kept as a tar.  Booted it is a container of systemd-nspawn whose
only network is its own loopback, so nothing in it can reach the internet; a chroot of another
machine's system runs through qemu-user.  All of it needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

BOOTED = ("python3", "systemd", "systemd-sysv", "dbus", "openssl")
CHROOTED = ("python3", "openssl")
_ENVIRON = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_CGROUPS = Path("/sys/fs/cgroup")
# What talks to a node from inside its network: a library of Python's own, so no program is needed.
_CLIENT = Path(__file__).with_name("machine_client.py")


def debian(suite: str, arch: str, packages: Sequence[str], cache: Path) -> Path:
    """The tar of a minimal Debian; made once.  ``arch`` is Debian's word (amd64, arm64)."""
    tar = cache / f"{suite}-{arch}.tar"
    if not tar.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        half = tar.with_suffix(".half.tar")
        subprocess.run(
            ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--arch={arch}",
             "--skip=check/qemu", f"--include={','.join(packages)}", suite, str(half)],
            check=True,
        )  # fmt: skip
        half.rename(tar)
    return tar


def unpack(tar: Path, root: Path) -> None:
    """Lay a system out as a folder; devices come from the machine that boots it."""
    root.mkdir(parents=True)
    subprocess.run(["tar", "-C", str(root), "--exclude=./dev/*", "-xf", str(tar)], check=True)


@dataclass(frozen=True, slots=True)
class Limit:
    """What a machine may have: a share of one core, and bytes of memory."""

    cores: float
    memory_bytes: int


class Machine:
    """``with Machine(root) as machine:`` — a booted system; leaving it pulls the plug."""

    def __init__(self, root: Path, limit: Limit | None = None, bind: Sequence[str] = ()) -> None:
        self._root, self._limit = root, limit
        self._groups = _groups(limit) if limit else []
        command = [
            *("systemd-nspawn", "--quiet", f"--directory={root}", "--boot", "--private-network"),
            *("--register=no", "--keep-unit", "--machine=ghalla", "--console=pipe"),
            *(f"--bind-ro={each}" for each in bind),
        ]
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=self._enter,
        )
        self.leader = self._first_process()
        if limit and self._groups[0].name not in Path(f"/proc/{self.leader}/cgroup").read_text():
            raise RuntimeError("the limits of the machine do not hold in there")

    def _enter(self) -> None:
        for group in self._groups:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def _first_process(self) -> int:
        """The number, out here, of the process that is number 1 in there."""
        for _ in range(600):
            for pid in _below(self._process.pid):
                with suppress(OSError):
                    words = Path(f"/proc/{pid}/status").read_text().split("NSpid:")[1].split("\n")
                    if len(words[0].split()) > 1 and words[0].split()[-1] == "1":
                        return pid
            if self._process.poll() is not None:
                raise RuntimeError("systemd-nspawn ended; is this root, and is it installed?")
            time.sleep(0.05)
        raise RuntimeError("nothing boots in there")

    def run(self, *words: str, check: bool = True, timeout_s: float = 900) -> str:
        """The output (both streams) of a command in there."""
        inside = ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-r", "--"]
        done = subprocess.run(
            [*inside, "env", "-C", "/", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=timeout_s, check=False, env=_ENVIRON,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.returncode}: {done.stdout[-2000:]}")
        return done.stdout

    def booted(self, timeout_s: float = 120) -> None:
        """Wait until its systemd takes commands."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            said = self.run("systemctl", "is-system-running", check=False)
            if said.strip() in ("running", "degraded"):
                return
            time.sleep(0.2)
        raise RuntimeError(f"it does not come up: {said}")

    def ask(self, *words: str, timeout_s: float = 300) -> dict[str, Any]:
        """What the client of :mod:`tests.machine_client` says from inside the network."""
        return asked(["nsenter", "-t", str(self.leader), "-n"], words, timeout_s)

    def memory_bytes(self, unit: str) -> tuple[int, int]:
        """Of a unit's main process: its share of memory now (PSS), and the most it ever held."""
        pid = self.run("systemctl", "show", "-p", "MainPID", "--value", unit).strip()
        now = _kilobytes(self.run("cat", f"/proc/{pid}/smaps_rollup"), "Pss:")
        return now, _kilobytes(self.run("cat", f"/proc/{pid}/status"), "VmHWM:")

    def pull_the_plug(self) -> None:
        """Every process ends at once; nothing is told."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.leader, signal.SIGKILL)
            self._process.wait(60)
        for group in self._groups:
            with suppress(OSError):
                group.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.pull_the_plug()


def asked(prefix: Sequence[str], words: Sequence[str], timeout_s: float) -> dict[str, Any]:
    """The JSON line of the client, run behind ``prefix``."""
    done = subprocess.run(
        [*prefix, sys.executable, "-I", str(_CLIENT), *words],
        capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr[-1000:]}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def _kilobytes(table: str, name: str) -> int:
    line = next(line for line in table.splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def _below(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(child)
            yield from _below(int(child))


def _groups(limit: Limit) -> list[Path]:
    """Groups of the kernel (either version) that hold what runs in them to ``limit``."""
    name = f"ghalla-{os.getpid()}-{time.monotonic_ns()}"
    quota = int(limit.cores * 100_000)
    if (_CGROUPS / "cgroup.controllers").is_file():
        wanted = {name: {"cpu.max": f"{quota} 100000", "memory.max": str(limit.memory_bytes)}}
    else:
        wanted = {
            f"cpu/{name}": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": str(quota)},
            f"memory/{name}": {"memory.limit_in_bytes": str(limit.memory_bytes)},
        }
    return [_group(_CGROUPS / path, files) for path, files in wanted.items()]


def _group(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir()
    for name, value in files.items():
        (folder / name).write_text(value)
    return folder


@contextmanager
def chroot(root: Path, stick: Path) -> Iterator[list[str]]:
    """What to put before a command to run it in ``root``, without any network, ``stick`` at /mnt.

    No /sys: what it tells of the processors out here ends onnxruntime under another machine's.
    """
    for name in ("proc", "dev", "tmp"):
        (root / name).mkdir(exist_ok=True)
    script = (
        f"ip link set lo up; mount -t proc proc {root}/proc; mount --rbind /dev {root}/dev; "
        f"mount --bind -o ro {stick} {root}/mnt; echo ready; exec sleep infinity"
    )
    holder = subprocess.Popen(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "ready"
    inside = next(pid for pid in _below(holder.pid))
    try:
        yield ["nsenter", "-t", str(inside), "-n", "-m", "-p", "--", *_inside(root)]
    finally:
        holder.kill()
        holder.wait(30)
        holder.stdout.close()


def _inside(root: Path) -> list[str]:
    """Behind `nsenter`, whose own way into a root would not see what is mounted there."""
    return ["chroot", str(root), "env", "-C", "/"]


def copied(stick: Path, to: Path) -> Path:
    """A copy of a release folder, to be spoilt: large files are links to the same bytes."""
    shutil.copytree(stick, to, copy_function=_linked)
    return to


def _linked(source: str, target: str) -> None:
    os.link(source, target)
