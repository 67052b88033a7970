"""What an update does with a real box: environments, a node on a copy, systemd.

What belongs to the node is done as the node's user, also by root: its files are hostile.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import pwd
import selectors
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edge_app.appliance.layout import USER, Layout, python_of
from edge_app.appliance.requests import open_plain
from edge_app.settings import FILE, Settings
from field_data.errors import KeeperError, PersonError, PublisherError
from field_data.files import make_folder

_BUILD_S, _PROBE_S, _ASK_S, _WAIT_S = 1200, 180, 10, 2.0
_SAID, _MOST_BYTES = 2000, 65_536
UNIT = "ghalla.service"
# A probe speaks with nobody: neither with a hub nor with tablets.
_ALONE = {"GHALLA_HUB_EVERY_MINUTES": "0", "GHALLA_HTTPS_PORT": "0"}


class Box:
    """Implements :class:`edge_app.appliance.updating.Machine` with systemd."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.user: str | None = USER if os.geteuid() == 0 and _known(USER) else None

    # --- building -----------------------------------------------------------------------------

    def build(self, folder: Path, wheels: Path) -> None:
        """Make ``folder/venv`` of the wheels alone, with the box's own Python."""
        listed = sorted(wheels.glob("*.whl"))
        pip = [str(w / "pip") for w in listed if w.name.startswith("pip-")]
        base = getattr(sys, "_base_executable", "") or sys.executable
        self._must([base, "-m", "venv", "--without-pip", str(folder / "venv")])
        python = str(python_of(folder))
        # Without pip's own wheel the pip of this very environment does it.
        program = [python, *pip[:1]] if pip else [sys.executable, "-m", "pip", "--python", python]
        rest = [str(w) for w in listed if not w.name.startswith("pip-")]
        self._must(
            [*program, "install", "--quiet", "--no-index", "--no-deps", "--no-cache-dir",
             "--disable-pip-version-check", "--root-user-action=ignore", *rest]
        )  # fmt: skip

    @staticmethod
    def _must(command: Sequence[str]) -> None:
        try:
            done = subprocess.run(  # noqa: S603 - programs of our own
                command,
                capture_output=True,
                text=True,
                timeout=_BUILD_S,
                check=False,
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PublisherError("release_broken", f"it cannot be installed: {error}") from error
        if done.returncode:
            why = done.stderr.strip()[-_SAID:]
            raise PublisherError("release_broken", f"it cannot be installed: {why}")

    # --- probing ------------------------------------------------------------------------------

    def probe(self, folder: Path, version: str) -> None:
        """Serve a copy of the store with that release; ask it how it is."""
        with self._copy() as home:
            problem = self._try(folder, home, version)
        if problem:
            raise PublisherError("release_broken", f"it does not work on a copy: {problem}")

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        """A home with a copy of the store, as the node's user made it."""
        home = self.layout.data / "trial-home"
        shutil.rmtree(home, ignore_errors=True)
        make_folder(home)
        if self.user:
            shutil.chown(home, self.user)
        command = [sys.executable, "-m", "edge_app.appliance.copying", self.layout.home, home]
        try:
            done = subprocess.run(  # noqa: S603
                [str(each) for each in command],
                capture_output=True, text=True, timeout=_BUILD_S, check=False, user=self.user,
                env=self._environ(), cwd="/",
            )  # fmt: skip
            if done.returncode:
                raise KeeperError("no_copy", f"the store cannot be copied: {done.stderr[-_SAID:]}")
            yield home
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def _environ(self) -> dict[str, str]:
        found = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONSAFEPATH": "1"}
        if "PYTHONPATH" in os.environ:
            found["PYTHONPATH"] = os.environ["PYTHONPATH"]
        return found

    def _try(self, folder: Path, home: Path, version: str) -> str:
        """What is wrong with a release, "" for nothing."""
        command = [str(python_of(folder)), "-m", "edge_app.cli", "serve", "--json",
                   "--home", str(home), "--host", "127.0.0.1", "--port", "0"]  # fmt: skip
        try:
            node = subprocess.Popen(  # noqa: S603
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=self.user,
                env=self._environ() | _ALONE, cwd="/",
            )  # fmt: skip
        except OSError as error:
            return str(error)
        try:
            said = _first_line(node)
            if not said:
                node.kill()
                return f"it did not start: {node.communicate(timeout=30)[1][-_SAID:].decode()}"
            port = int(json.loads(said)["addresses"][0].rsplit(":", 1)[1])
            return _trouble(port, version)
        except (ValueError, LookupError, TypeError) as error:
            return f"it says nothing that can be read: {error}"
        finally:
            node.kill()
            with suppress(subprocess.TimeoutExpired):
                node.communicate(timeout=30)

    # --- the node -----------------------------------------------------------------------------

    def busy(self) -> str:
        """What the node does that a restart would cut off."""
        return next((n for n in ("sync", "bundles") if _held(self.layout.home / n / "lock")), "")

    def restart(self) -> None:
        """Let systemd start the node anew; what it was doing it finishes first."""
        if not self.layout.has_systemd:
            raise KeeperError(
                "no_systemd", f"systemd does not run here: restart the node yourself ({UNIT})"
            )
        for verb in (("reset-failed",), ("--no-block", "restart")):
            subprocess.run(["systemctl", *verb, UNIT], check=False, timeout=60)  # noqa: S603, S607

    def answers(self, version: str) -> bool:
        """Whether it is there, is that version, and has its store."""
        return not _trouble(_port(self.layout.home), version)

    def wait(self) -> None:
        """Two seconds."""
        time.sleep(_WAIT_S)


def _held(lock: Path) -> bool:
    """Whether somebody holds a lock of `field_data.files.HomeLock`; nothing is written there."""
    try:
        with open_plain(lock) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (PersonError, OSError):
        return False
    return False


def _port(home: Path) -> int:
    """Of the farmer pages; the node's own settings may hold anything."""
    try:
        with open_plain(home / FILE) as file:
            port = tomllib.loads(file.read(_MOST_BYTES).decode()).get("port")
    except (PersonError, OSError, ValueError, RecursionError):
        port = None
    return port if type(port) is int and 0 < port < 65536 else Settings().port


def _known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _first_line(node: subprocess.Popen[bytes]) -> bytes:
    """What it says first, empty when it says nothing in time."""
    if node.stdout is None:
        return b""
    with selectors.DefaultSelector() as ready:
        ready.register(node.stdout, selectors.EVENT_READ)
        return node.stdout.readline(_SAID) if ready.select(_PROBE_S) else b""


def _trouble(port: int, version: str) -> str:
    """What is wrong with the node on that port of this machine, "" for nothing."""
    try:
        said = json.loads(_asked(port, "/health"))
        if said["software"] != version:
            return f"{said['software']} answers, not {version}"
        parts = {part["name"]: part for part in said["parts"]}
        if not parts["store"]["ok"]:
            return f"its store: {parts['store']['code']}: {parts['store']['detail']}"[:_SAID]
        for page in ("/ar/", "/en/staff/login"):
            _asked(port, page)
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _asked(port: int, path: str) -> bytes:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=_ASK_S)
    try:
        line.request("GET", path)
        answer = line.getresponse()
        body: Any = answer.read(1 << 20)
        if answer.status != 200:
            raise ValueError(f"{path} answers {answer.status}")
        return bytes(body)
    finally:
        line.close()
