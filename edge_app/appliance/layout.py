"""Where everything of a box lies.  ``root`` is ``/`` on a box, another folder in tests."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from field_data.errors import KeeperError

USER = "ghalla"
_MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and files of one box; nothing here is made or read, except by the functions."""

    root: Path = Path("/")

    @property
    def code(self) -> Path:
        """``/opt/ghalla``: programs, one folder a release."""
        return self.root / "opt/ghalla"

    @property
    def releases(self) -> Path:
        """Releases by their name; each holds ``venv/`` and ``release.json``."""
        return self.code / "releases"

    @property
    def current(self) -> Path:
        """A link to the release in use; it is exchanged in one step."""
        return self.code / "current"

    def release(self, version: str) -> Path:
        """The folder of one release."""
        return self.releases / version

    @property
    def data(self) -> Path:
        """``/var/lib/ghalla``: all that an update or a new installation keeps."""
        return self.root / "var/lib/ghalla"

    @property
    def home(self) -> Path:
        """The home of the node: what ``ghalla serve --home`` is given."""
        return self.data / "home"

    @property
    def box(self) -> Path:
        """The box's own state, beside the node's."""
        return self.data / "box"

    @property
    def requests(self) -> Path:
        """What the node, without rights, asks root's small services to do; hostile to them."""
        return self.box / "requests"

    @property
    def etc(self) -> Path:
        """``/etc/ghalla``: what root's tools read."""
        return self.root / "etc/ghalla"

    @property
    def settings(self) -> Path:
        """``box.toml``: language, name of the Wi-Fi, country, the way to the internet."""
        return self.etc / "box.toml"

    @property
    def trust(self) -> Path:
        """Public keys (``*.pub``) whose releases this box installs."""
        return self.etc / "trust"

    @property
    def units(self) -> Path:
        """Where the units of systemd are put."""
        return self.root / "etc/systemd/system"

    @property
    def installed_units(self) -> list[str]:
        """Names of the units of this box, in order."""
        return sorted(path.name for path in self.units.glob("ghalla*.*") if path.is_file())

    @property
    def has_systemd(self) -> bool:
        """Whether systemd runs there (not in most containers)."""
        return (self.root / "run/systemd/system").is_dir()

    @property
    def installed(self) -> bool:
        """Whether the installer has been here."""
        return self.current.is_symlink()


def python_of(release: Path) -> Path:
    """The interpreter of a release, in its own virtual environment."""
    return release / "venv/bin/python"


def read_release(folder: Path) -> dict[str, Any]:
    """The ``release.json`` of a release: ``version``, ``python`` ("3.11"), ``arch`` ("x86_64").

    Raises:
        KeeperError: ``bad_release``.
    """
    path = folder / "release.json"
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(_MOST_BYTES))
        if not all(isinstance(said[key], str) for key in ("version", "python", "arch")):
            raise TypeError("version, python and arch are words")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeeperError("bad_release", f"{path} tells no release: {error}") from error
    return dict(said)


def release_here() -> str:
    """The name of the release that this program belongs to; its version where it is in no box."""
    folder = Path(sys.prefix).parent
    return folder.name if (folder / "release.json").is_file() else version("ghalla")
