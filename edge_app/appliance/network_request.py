"""What the node asks root's small service to do with the Wi-Fi, as a file; hostile to its reader.

The node has no rights: it writes ``requests/network.json``, systemd sees it and starts the service,
which checks every byte of it again.  ``requests/network-confirmed`` says that a page was opened
over the new Wi-Fi.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edge_app.appliance.box_settings import BoxSettings, Security, refuse_wifi, write_private
from edge_app.appliance.layout import Layout
from field_data.errors import GhallaError, KeeperError
from field_data.files import make_folder
from field_data.ids import is_id, new_id

_MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Wi-Fi that the keeper wants; ``id`` names the request (see `new_id`)."""

    id: str
    ssid: str
    security: Security
    passphrase: str
    language: str
    code: str

    def over(self, settings: BoxSettings) -> BoxSettings:
        """``settings`` with what is wanted.  Raises KeeperError ``bad_box_settings``."""
        return replace(
            settings,
            ssid=self.ssid,
            security=self.security,
            language=self.language,
            code=self.code,
        )


def request_file(layout: Layout) -> Path:
    """Where the node asks for another Wi-Fi."""
    return layout.requests / "network.json"


def confirmed_file(layout: Layout) -> Path:
    """Where the node says that somebody came in over the new one."""
    return layout.requests / "network-confirmed"


def trial_file(layout: Layout) -> Path:
    """Root's: the id of the request whose Wi-Fi is up and waits for its first visitor."""
    return layout.etc / "network/trial"


def ask(layout: Layout, wanted: Wanted) -> None:
    """Write the request, for nobody else to read.  Raises KeeperError ``disk_full``."""
    make_folder(layout.requests)
    write_private(request_file(layout), json.dumps(asdict(wanted)).encode())


def wanted_wifi(ssid: str, security: Security, passphrase: str, lang: str, code: str) -> Wanted:
    """A checked request.  Raises PersonError ``bad_ssid``, ``bad_wifi_passphrase``."""
    refuse_wifi(ssid, security, passphrase)
    return Wanted(new_id(), ssid, security, passphrase, lang, code)


def read_request(layout: Layout) -> Wanted:
    """The request that waits, checked as what a stranger wrote.

    Raises:
        KeeperError: ``bad_request_file``.
    """
    try:
        said = json.loads(small_file(request_file(layout)))
        wanted = _wanted(said)
        refuse_wifi(wanted.ssid, wanted.security, wanted.passphrase)
        wanted.over(BoxSettings())
    except (OSError, ValueError, TypeError, RecursionError, GhallaError) as error:
        # Not the error's own words: they could hold the passphrase.
        kind = type(error).__name__
        raise KeeperError("bad_request_file", f"no sound request for a Wi-Fi: {kind}") from None
    return wanted


def _wanted(said: Any) -> Wanted:
    names = Wanted.__dataclass_fields__
    if not isinstance(said, dict) or said.keys() != names.keys():
        raise ValueError("other keys")
    if not all(isinstance(value, str) for value in said.values()) or not is_id(said["id"]):
        raise ValueError("other values")
    return Wanted(**said | {"security": Security(said["security"])})


def small_file(path: Path) -> bytes:
    """The bytes of a small ordinary file; a link, a device or a large one raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_BYTES or about.st_nlink > 1:
            raise OSError(f"{path} is no small file")
        return os.read(handle, _MOST_BYTES + 1)
    finally:
        os.close(handle)


def on_trial(layout: Layout) -> str:
    """The id of the request whose Wi-Fi waits to be confirmed; empty when none does."""
    try:
        return trial_file(layout).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def confirm(layout: Layout, id: str) -> None:
    """Say that somebody came in over the Wi-Fi of that request."""
    write_private(confirmed_file(layout), id.encode())
