"""A USB stick on a box: found, mounted where nobody else sees it, given back.

Root does this alone; what is done with the files is the node's user's to do.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_app.appliance.backup_stick import FOLDER, stick_errors
from edge_app.appliance.identity import owner_of_node
from field_data.errors import KeeperError

# File systems that the kernel's own drivers know and that people's sticks have.
_OWNERLESS = ("vfat", "exfat")
_KINDS = (*_OWNERLESS, "ext4", "ext3", "ext2")
_SAFE = "nosuid,nodev,noexec,noatime"
MOUNT = Path("/run/ghalla-stick")
_WAIT_S = 60


@dataclass(frozen=True, slots=True)
class Partition:
    """A file system on something that can be pulled out; ``mounts``: where it is mounted."""

    device: str
    kind: str
    mounts: tuple[str, ...]


def removable(listing: str) -> list[Partition]:
    """What ``lsblk --json`` says can be pulled out and holds files that we can use.

    Never the disk that the system runs from, even where it is a stick itself.
    """
    try:
        devices = list(json.loads(listing)["blockdevices"])
    except (ValueError, KeyError, TypeError) as error:
        raise KeeperError("no_stick", f"lsblk says nothing that can be read: {error}") from error
    found: list[Partition] = []
    for disk in devices:
        parts = list(_all(disk))
        pulled = disk.get("tran") == "usb" or disk.get("rm") is True or disk.get("hotplug") is True
        system = any(mount.startswith("/boot") or mount in ("/", "/usr", "/var", "[SWAP]")
                     for part in parts for mount in _mounts(part))  # fmt: skip
        if pulled and not system:
            found += [
                Partition(part["path"], part["fstype"], tuple(_mounts(part)))
                for part in parts
                if part.get("fstype") in _KINDS and str(part.get("path", "")).startswith("/dev/")
            ]
    return found


def _all(device: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield device
    for child in device.get("children", ()):
        yield from _all(child)


def _mounts(part: Mapping[str, Any]) -> list[str]:
    return [mount for mount in part.get("mountpoints") or () if mount]


@contextmanager
def plugged_in() -> Iterator[Path]:
    """The stick that is plugged in, mounted for a while; an empty one will do.

    Raises:
        KeeperError: ``no_stick``, ``which_stick`` (several), or ``stick_gone``: it cannot be
            mounted.
    """
    asked = ["lsblk", "--json", "--output", "PATH,TYPE,FSTYPE,TRAN,RM,HOTPLUG,MOUNTPOINTS"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=_WAIT_S, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise KeeperError("no_stick", f"sticks cannot be looked for: {error}") from error
    partitions = removable(done.stdout)
    if not partitions:
        raise KeeperError("no_stick", "no USB stick is plugged in that holds files")
    if len(partitions) > 1:
        listed = ", ".join(each.device for each in partitions)
        raise KeeperError("which_stick", f"several sticks are plugged in: {listed}")
    with mounted(partitions[0]) as folder:
        yield folder


@contextmanager
def mounted(partition: Partition) -> Iterator[Path]:
    """A partition of a stick, mounted; what others mounted is used where it is."""
    if partition.mounts:
        yield Path(partition.mounts[0])
        return
    MOUNT.mkdir(mode=0o755, exist_ok=True)
    options = _SAFE
    if partition.kind in _OWNERLESS and (owner := owner_of_node()):
        options += f",uid={owner[0]},gid={owner[1]},umask=077"
    _must(["mount", "-t", partition.kind, "-o", options, partition.device, str(MOUNT)])
    try:
        if partition.kind not in _OWNERLESS:
            _make_room(MOUNT)
        yield MOUNT
    finally:
        with suppress(KeeperError):  # pulled out already
            _must(["umount", str(MOUNT)])


def _must(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=_WAIT_S, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        why = getattr(error, "stderr", "") or error
        raise KeeperError("stick_gone", f"the stick cannot be mounted: {why}") from error


def _make_room(mount: Path) -> None:
    """The folder of the backups, the node's own; a link in its place stays what it is."""
    owner = owner_of_node()
    with suppress(FileExistsError), stick_errors():
        (mount / FOLDER).mkdir(mode=0o700)
    if owner:
        with stick_errors():
            os.chown(mount / FOLDER, *owner, follow_symlinks=False)


def give_to_node(folder: Path) -> None:
    """Let the node's user have a folder that root has just made, with all that is in it."""
    owner = owner_of_node()
    if owner is None or os.geteuid() != 0:
        return
    for here, _, names in os.walk(folder):
        for each in (Path(here), *(Path(here) / name for name in names)):
            os.chown(each, *owner, follow_symlinks=False)
