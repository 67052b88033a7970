"""Root's side of the Wi-Fi: check, keep what was, put in place, bring up, go back when it fails.

A Wi-Fi that nobody can use locks the keeper out.  So what was before is kept until a page was
opened over the new one; if none is in `WAIT_S`, if the access point does not come up, or if the
power fails meanwhile, it comes back.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from edge_app.appliance.box_settings import (
    BoxSettings,
    Security,
    keep_box,
    passphrase_file,
    read_box,
    read_passphrase,
)
from edge_app.appliance.layout import Layout
from edge_app.appliance.network import (
    DNS_FILE,
    FIREWALL_FILE,
    MDNS_FILE,
    MDNS_UNIT_FILE,
    PROFILE,
    PROFILE_FILE,
    RADIO_FILE,
    File,
    rendered,
)
from edge_app.appliance.network_request import (
    Wanted,
    confirmed_file,
    read_request,
    request_file,
    small_file,
    trial_file,
)
from field_data.errors import KeeperError
from field_data.files import make_folder, sync_folder, write_atomic

WAIT_S = 600.0
_STEP_S = 2.0
_COMMAND_S = 90
_PATHS = (PROFILE_FILE, DNS_FILE, FIREWALL_FILE, MDNS_FILE, MDNS_UNIT_FILE, RADIO_FILE)
# Nothing that looks like something else on a label.
_LABEL_LETTERS = "abcdefghkmnprstwxyz23456789"

Run = Callable[[Sequence[str]], None]


def run_command(command: Sequence[str]) -> None:
    """Run a program of the system.

    Raises:
        KeeperError: ``no_network_tools`` when it is not there, ``network_refused`` when it fails.
    """
    try:
        done = subprocess.run(  # noqa: S603 - commands of our own
            command, capture_output=True, text=True, timeout=_COMMAND_S, check=False
        )
    except FileNotFoundError as error:
        raise KeeperError(
            "no_network_tools",
            f"{command[0]} is not on this system: the Wi-Fi needs network-manager, dnsmasq-base "
            "and nftables",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise KeeperError("network_refused", f"{command[0]} did not answer") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[:400]
        raise KeeperError("network_refused", f"{' '.join(command[:3])}: {said}")


def make_ready(layout: Layout) -> tuple[BoxSettings, str]:
    """Settings and passphrase; at the first time a passphrase is made up for the label.

    Raises:
        KeeperError: ``bad_box_settings``, ``no_wifi_passphrase`` when the file is there but bad.
    """
    settings = read_box(layout)
    if settings.security is not Security.OPEN and not passphrase_file(layout).exists():
        letters = [secrets.choice(_LABEL_LETTERS) for _ in range(12)]
        made = "-".join("".join(letters[at : at + 4]) for at in range(0, 12, 4))
        keep_box(layout, settings, made)
    return settings, read_passphrase(layout, settings)


def check(files: Sequence[File], run: Run = run_command) -> None:
    """Let the programs that will read the files read them first.

    Raises:
        KeeperError: ``network_refused``, ``no_network_tools``.
    """
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            (Path(folder) / file.path.name).write_text(file.text, encoding="utf-8")
        run(["nft", "-c", "-f", f"{folder}/{FIREWALL_FILE.name}"])
        run(["dnsmasq", "--test", "-C", f"{folder}/{DNS_FILE.name}"])


def put(layout: Layout, files: Sequence[File]) -> None:
    """Write the files to their places, each whole or not at all."""
    for file in files:
        path = layout.root / file.path
        make_folder(path.parent)
        before = os.umask(0o777 & ~file.mode)
        try:
            write_atomic(path, file.text.encode())
        finally:
            os.umask(before)


def bring_up(layout: Layout, run: Run = run_command) -> None:
    """Make the system read its files.

    Raises:
        KeeperError: ``network_refused`` when the access point does not come up.
    """
    country = read_box(layout).country
    run(["nft", "-f", str(layout.root / FIREWALL_FILE)])
    for command in (["rfkill", "unblock", "wifi"], ["iw", "reg", "set", country]):
        _try(run, command)  # not on every system, and what counts is the next step
    run(["nmcli", "connection", "reload"])
    run(["nmcli", "--wait", "60", "connection", "up", PROFILE])
    run(["systemctl", "restart", "ghalla-dns.service"])
    _try(run, ["systemctl", "daemon-reload"])
    _try(run, ["systemctl", "--no-block", "try-restart", "avahi-daemon.service"])


def _try(run: Run, command: Sequence[str]) -> None:
    try:
        run(command)
    except KeeperError:
        return


def start(layout: Layout, run: Run = run_command) -> BoxSettings:
    """At every boot: back from a change that the power cut, then all files anew, then up.

    Raises:
        KeeperError: as `make_ready`, `check` and `bring_up`.
    """
    restore(layout)
    settings, passphrase = make_ready(layout)
    files = rendered(settings, passphrase)
    check(files, run)
    put(layout, files)
    bring_up(layout, run)
    return settings


def change(
    layout: Layout,
    run: Run = run_command,
    *,
    wait_s: float = WAIT_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Wanted:
    """Do what the request asks, and go back unless somebody comes in over the new Wi-Fi.

    Raises:
        KeeperError: ``bad_request_file``, ``network_refused``, ``wifi_not_confirmed``, and as
            `check`; what was before is in place again.
    """
    try:
        wanted = read_request(layout)
    finally:  # a request is asked once; it holds a passphrase
        request_file(layout).unlink(missing_ok=True)
    restore(layout)
    settings = wanted.over(read_box(layout))
    files = rendered(settings, wanted.passphrase)
    check(files, run)
    _keep_before(layout)
    try:
        keep_box(layout, settings, wanted.passphrase)
        put(layout, files)
        bring_up(layout, run)
        _await(layout, wanted.id, wait_s, sleep)
    except BaseException:
        if restore(layout):
            _try_up(layout, run)
        raise
    _forget_before(layout)
    return wanted


def _try_up(layout: Layout, run: Run) -> None:
    try:
        bring_up(layout, run)
    except KeeperError:
        return  # the error that led here is the one to tell


def _await(layout: Layout, id: str, wait_s: float, sleep: Callable[[float], None]) -> None:
    confirmed_file(layout).unlink(missing_ok=True)
    write_atomic(trial_file(layout), id.encode())
    trial_file(layout).chmod(0o644)
    try:
        for _ in range(max(1, round(wait_s / _STEP_S))):
            sleep(_STEP_S)
            if _said(layout) == id:
                return
    finally:
        trial_file(layout).unlink(missing_ok=True)
        confirmed_file(layout).unlink(missing_ok=True)
    raise KeeperError(
        "wifi_not_confirmed", "nobody came in over the new Wi-Fi: the old one is back"
    )


def _said(layout: Layout) -> str:
    try:
        return small_file(confirmed_file(layout)).decode("ascii").strip()
    except (OSError, ValueError):
        return ""


# --- what was before ------------------------------------------------------------------------------


def _before(layout: Layout) -> Path:
    return layout.etc / "network-before"


def _kept(layout: Layout) -> Iterator[tuple[Path, str]]:
    """Every file that a change touches, and its name among those that are kept."""
    paths = [layout.root / path for path in _PATHS]
    for path in (layout.settings, passphrase_file(layout), *paths):
        yield path, str(PurePosixPath(path.relative_to(layout.root))).replace("/", "%")


def _keep_before(layout: Layout) -> None:
    making = _before(layout).with_name("network-before.part")
    shutil.rmtree(making, ignore_errors=True)
    make_folder(making)
    making.chmod(0o700)
    for path, name in _kept(layout):
        if path.exists():
            shutil.copy2(path, making / name)
            with (making / name).open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(making)
    making.replace(_before(layout))
    sync_folder(layout.etc)


def restore(layout: Layout) -> bool:
    """Put back what was before a change that did not end well; False if there was none.

    It may be cut at any place: doing it again ends at the same.
    """
    before = _before(layout)
    trial_file(layout).unlink(missing_ok=True)
    if not before.is_dir():
        return False
    for path, name in _kept(layout):
        kept = before / name
        if not kept.exists():
            path.unlink(missing_ok=True)
            continue
        put(layout, [_as_file(path.relative_to(layout.root), kept)])
    _forget_before(layout)
    return True


def _as_file(path: Path, kept: Path) -> File:
    text = kept.read_text(encoding="utf-8")
    return File(PurePosixPath(path), text, kept.stat().st_mode & 0o777)


def _forget_before(layout: Layout) -> None:
    """In one step, since a folder that lost half of its files must not be restored."""
    before, gone = _before(layout), _before(layout).with_name("network-before.part")
    shutil.rmtree(gone, ignore_errors=True)
    before.replace(gone)
    sync_folder(layout.etc)
    shutil.rmtree(gone, ignore_errors=True)
