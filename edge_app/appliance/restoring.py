"""A home put back from a stick, on a new card; the node goes on, under a new epoch.

The home is built beside its place and gets its name when it is whole: a cut leaves what was there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edge_app.appliance.backup import read_piece, room_for
from edge_app.appliance.backup_keys import BackupKey, keep_key
from edge_app.appliance.backup_list import MOST_BYTES, Backup, Saved, read_list
from edge_app.appliance.backup_stick import Stick, sets_on
from edge_app.settings import MB
from field_data.errors import GhallaError, KeeperError, PersonError
from field_data.files import HomeLock, make_folder, sync_folder
from field_data.ids import new_id

_KEEP_FREE = 50 * MB


@dataclass(frozen=True, slots=True)
class Found:
    """A backup on a stick that could be opened."""

    stick: Stick
    key: BackupKey
    backup: Backup


def find(
    mount: Path,
    passphrase: str | None,
    secret: bytes | None = None,
    *,
    number: int | None = None,
    node: str = "",
) -> Found:
    """The newest backup (or that number) that the passphrase or key opens; ``node``: of that set.

    Raises:
        PersonError: ``no_backup``, ``wrong_passphrase``, or ``which_node``: several nodes' open.
        KeeperError: ``backup_damaged``: those that could be opened are damaged.
    """
    sets = [each for each in sets_on(mount) if node in ("", each)]
    if not sets:
        raise PersonError("no_backup", f"no backup lies on {mount}")
    found: list[Found] = []
    trouble: GhallaError | None = None
    for each in sets:
        try:
            found.append(_newest(Stick(mount, each), passphrase, secret, number))
        except (PersonError, KeeperError) as error:
            damaged = isinstance(trouble, KeeperError)
            trouble = trouble if damaged else error
    if len(found) > 1:
        nodes = ", ".join(f"{each.stick.set_name} (node {each.backup.node})" for each in found)
        raise PersonError("which_node", f"several nodes' backups open: {nodes}")
    if not found:
        raise trouble or PersonError("no_backup", f"no backup lies on {mount}")
    return found[0]


def _newest(
    stick: Stick, passphrase: str | None, secret: bytes | None, number: int | None
) -> Found:
    trouble: GhallaError | None = None
    key: BackupKey | None = None
    for each in reversed([n for n in stick.numbers() if number in (None, n)]):
        try:
            data = stick.read_list(each, MOST_BYTES)
            backup, key = read_list(data, key=key, passphrase=passphrase, secret=secret)
            return Found(stick, key, backup)
        except (KeeperError, PersonError) as error:  # the one before may be whole
            trouble = trouble or error
    raise trouble or PersonError("no_backup", f"no backup of that number is in {stick.set_name}")


def restore(
    found: Found,
    home: Path,
    *,
    replace: bool = False,
    say: Callable[[int], None] = lambda _n: None,
) -> Path | None:
    """Put a backup back as ``home``; returns where the former home went, if there was one.

    Raises:
        PersonError: ``home_there``: something lies there and ``replace`` was not said.
        KeeperError: ``home_in_use`` by a running node, ``disk_full``, ``backup_damaged``.
    """
    there = home.is_dir() and any(home.iterdir())
    if there and not replace:
        raise PersonError("home_there", f"{home} is not empty; --replace sets it aside")
    make_folder(home.parent)
    free = room_for(home.parent)
    if free < found.backup.bytes + _KEEP_FREE:
        raise KeeperError(
            "disk_full", f"{found.backup.bytes // MB} MB are to be written, {free // MB} are free"
        )
    with ExitStack() as opened:
        if there:
            opened.enter_context(HomeLock(home))
        for left in home.parent.glob(f".{home.name}.*.tmp"):
            shutil.rmtree(left, ignore_errors=True)
        fresh = home.with_name(f".{home.name}.{new_id()}.tmp")
        try:
            _fill(fresh, found, say)
            return _exchange(fresh, home, there)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _fill(fresh: Path, found: Found, say: Callable[[int], None]) -> None:
    from edge_app.uplink_renewal import begin_epochs

    make_folder(fresh)
    fresh.chmod(0o700)
    for each in found.backup.files:
        _file(fresh, each, found, say)
    keep_key(fresh, found.key)
    begin_epochs(fresh)
    os.sync()


def _file(fresh: Path, saved: Saved, found: Found, say: Callable[[int], None]) -> None:
    path = fresh / saved.path
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = hashlib.sha256()
    with path.open("xb") as file:
        path.chmod(0o600)
        for name in saved.objects:
            data = read_piece(found.stick, found.key, name)
            digest.update(data)
            file.write(data)
            say(len(data))
    if digest.hexdigest() != saved.sha256:
        raise KeeperError("backup_damaged", f"{saved.path} is not what was saved")
    os.utime(path, ns=(saved.mtime_ns, saved.mtime_ns))


def _exchange(fresh: Path, home: Path, there: bool) -> Path | None:
    aside = home.with_name(f"{home.name}.before-{new_id()[-8:]}") if there else None
    if aside is not None:
        home.rename(aside)
    elif home.is_dir():
        home.rmdir()
    fresh.rename(home)
    sync_folder(home.parent)
    return aside
