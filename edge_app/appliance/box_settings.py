"""``/etc/ghalla/box.toml``: what root's tools know of a box, read strictly.

The passphrase of the Wi-Fi is not in it: it lies beside it in a file that only root reads.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from edge_app.appliance.layout import Layout
from edge_app.languages import LANGS
from field_data.errors import KeeperError, PersonError
from field_data.files import make_folder, write_atomic
from field_data.ids import CODE_LETTERS

_MOST_BYTES = 16_384
_SSID_BYTES = 32
# A name of an interface as the kernel allows it, without what means something to others.
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}", re.ASCII)
_CODE = re.compile(rf"([{CODE_LETTERS}]{{6}})?", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
# 8 to 63 letters that every phone can type (IEEE 802.11, Annex J.4.1: ASCII 32 to 126).
_PASSPHRASE = re.compile(r"[ -~]{8,63}", re.ASCII)


class Security(StrEnum):
    """Who may come into the Wi-Fi."""

    WPA2 = "wpa2"
    WPA3 = "wpa3"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class BoxSettings:
    """The settings of one box; the defaults make a box that comes up by itself.

    ``code`` is the short code of the node (empty: not known yet), for a name of its very own.
    ``cable`` is the interface that leads outside (empty: none); on it the pages are served when
    ``cable_pages`` says so, and ssh when ``cable_ssh`` does.  ``http_port`` and ``https_port`` are
    where the node listens; phones always come to 80 and 443.  ssh is never open to the Wi-Fi.
    """

    language: str = "fr"
    code: str = ""
    ssid: str = "Ghalla"
    security: Security = Security.WPA2
    country: str = "MA"
    channel: int = 6
    wifi: str = "wlan0"
    cable: str = "eth0"
    cable_pages: bool = True
    cable_ssh: bool = True
    http_port: int = 8080
    https_port: int = 8443

    def __post_init__(self) -> None:
        ports = (self.http_port, self.https_port)
        wrong = {
            f"language must be one of {', '.join(LANGS)}": self.language not in LANGS,
            "code must be six letters of a node's code": not _CODE.fullmatch(self.code),
            "ssid must have 1 to 32 bytes and no control letters": not good_ssid(self.ssid),
            "country must be two capital letters": not _COUNTRY.fullmatch(self.country),
            "channel must be 1 to 13": not 1 <= self.channel <= 13,
            "wifi must be the name of an interface": not _INTERFACE.fullmatch(self.wifi),
            "cable must be the name of an interface or empty": bool(self.cable)
            and not _INTERFACE.fullmatch(self.cable),
            "wifi and cable must differ": self.wifi == self.cable,
            "ports must be 1 to 65535 and differ": not all(0 < port < 65536 for port in ports)
            or len(set(ports)) < 2,
        }
        for problem, found in wrong.items():
            if found:
                raise KeeperError("bad_box_settings", problem)


def good_ssid(text: str) -> bool:
    """Whether a Wi-Fi can be called so: Arabic and quotes are fine, 32 bytes of UTF-8 at most."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return 1 <= size <= _SSID_BYTES and text.isprintable() and text == text.strip()


def refuse_wifi(ssid: str, security: Security, passphrase: str) -> None:
    """Raise PersonError ``bad_ssid`` or ``bad_wifi_passphrase``; an open Wi-Fi has none."""
    if not good_ssid(ssid):
        raise PersonError("bad_ssid", "the name of a Wi-Fi has 1 to 32 bytes")
    if security is Security.OPEN:
        if passphrase:
            raise PersonError("bad_wifi_passphrase", "an open Wi-Fi has no passphrase")
    elif not _PASSPHRASE.fullmatch(passphrase) or passphrase != passphrase.strip():
        raise PersonError("bad_wifi_passphrase", "8 to 63 Latin letters, digits and signs")


def settings_from(given: Mapping[str, Any], where: str) -> BoxSettings:
    """Settings from a table; unknown keys and wrong types are refused.

    Raises:
        KeeperError: ``bad_box_settings``.
    """
    kinds: dict[str, Any] = {each.name: type(each.default) for each in fields(BoxSettings)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        kind = kinds.get(name)
        if kind is None:
            raise KeeperError("bad_box_settings", f"{where}: unknown setting {name!r}")
        plain = str if kind is Security else kind
        if type(value) is not plain:
            raise KeeperError("bad_box_settings", f"{where}: {name} must be {plain.__name__}")
        try:
            values[name] = kind(value)
        except ValueError as error:
            raise KeeperError("bad_box_settings", f"{where}: {error}") from error
    return BoxSettings(**values)


def read_box(layout: Layout) -> BoxSettings:
    """The settings of a box; the defaults where it has none yet.

    Raises:
        KeeperError: ``bad_box_settings``.
    """
    path = layout.settings
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return BoxSettings()
    try:
        return settings_from(tomllib.loads(raw.decode()), str(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KeeperError("bad_box_settings", f"{path}: {error}") from error


def written(settings: BoxSettings) -> bytes:
    """``settings`` as TOML, which `read_box` reads back."""
    lines = [f"{name} = {_toml(value)}" for name, value in asdict(settings).items()]
    return ("# Settings of this box; `ghalla box network apply` makes them so.\n"
            + "\n".join(lines) + "\n").encode()  # fmt: skip


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')  # no control letters are let in
    return f'"{text}"'


def passphrase_file(layout: Layout) -> Path:
    """Where the passphrase of the Wi-Fi is, for root alone."""
    return layout.etc / "wifi.passphrase"


def read_passphrase(layout: Layout, settings: BoxSettings) -> str:
    """The passphrase of the Wi-Fi; empty for an open one.

    Raises:
        KeeperError: ``no_wifi_passphrase``.
    """
    if settings.security is Security.OPEN:
        return ""
    path = passphrase_file(layout)
    try:
        said = path.read_text(encoding="ascii").rstrip("\n")
        refuse_wifi(settings.ssid, settings.security, said)
    except (OSError, ValueError, PersonError) as error:
        raise KeeperError(
            "no_wifi_passphrase", f"{path} holds no passphrase of 8 to 63 letters: {error}"
        ) from error
    return said


def keep_box(layout: Layout, settings: BoxSettings, passphrase: str) -> None:
    """Write settings and passphrase.  Raises KeeperError ``disk_full``."""
    make_folder(layout.etc)
    write_atomic(layout.settings, written(settings))
    layout.settings.chmod(0o644)
    path = passphrase_file(layout)
    if settings.security is Security.OPEN:
        path.unlink(missing_ok=True)
    else:
        write_private(path, f"{passphrase}\n".encode())


def write_private(path: Path, data: bytes) -> None:
    """As `write_atomic`; nobody else ever may read the file, not even for a moment."""
    # The temporary file takes the umask; /etc/ghalla itself is open to everybody.

    before = os.umask(0o077)
    try:
        write_atomic(path, data)
    finally:
        os.umask(before)
