"""Install, activate, roll back: what changes which model speaks, step by step and undoable.

A version is checked, unpacked beside the others and probed; only then does its folder get its name.
Activation probes again, lets the local photos judge, and writes the new state in one step.  Nothing
needs the home's lock: a running node sees the new state and switches by itself.  Installations
exclude each other (HOME/models/lock).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from field_data.errors import KeeperError, PersonError, PublisherError
from field_data.files import HomeLock, disk_full_named, free_bytes, make_folder, sync_folder
from field_data.ids import new_id
from models import life as steps
from models.life import BUILTIN, Life, Refusal
from models.manifest import ModelHeader, read_header, version_key
from models.package import Package, open_package
from models.probe import Findings, probe_apart
from models.registry import (
    HERE,
    change,
    folder_of,
    installed,
    life_of,
    model_entry,
    models_folder,
    shipped_names,
)

# Judges a sound version against the one that speaks, by their folders; None where there is nothing
# against it.
Judge = Callable[[Path, Path], Refusal | None]


def _known(name: str, shipped: Path) -> None:
    if name not in shipped_names(shipped):
        known = ", ".join(shipped_names(shipped))
        raise PersonError("unknown_model", f"unknown model {name!r}; known are: {known}")


def _resolve(home: Path, name: str, version: str, shipped: Path) -> str:
    """``version`` as the state calls it."""
    _known(name, shipped)
    there = installed(home, name)
    if version in (BUILTIN, *there):
        return version
    if version == read_header(shipped / name).version:
        return BUILTIN
    shown = ", ".join((BUILTIN, *there))
    raise PersonError("unknown_version", f"no version {version!r} of {name}; there are: {shown}")


def _twins(home: Path, header: ModelHeader, shipped: Path) -> Iterator[str]:
    """Versions here with the same content."""
    for version in (BUILTIN, *installed(home, header.name)):
        try:
            other = read_header(folder_of(home, header.name, version, shipped))
        except PublisherError:  # a broken one is nobody's twin
            continue
        if other.content == header.content:
            yield version


def _check_new(home: Path, header: ModelHeader, shipped: Path) -> bool:
    """False when this very version is here already; one that is damaged may be replaced."""
    if header.name not in shipped_names(shipped):
        raise PublisherError("model_unknown", f"this node has no use for a model {header.name!r}")
    twins = list(_twins(home, header, shipped))
    here = folder_of(home, header.name, header.version, shipped)
    damaged = not model_entry(header.name, here)["ok"]
    if header.version in twins:
        return damaged
    if twins:
        raise PublisherError(
            "model_twice",
            f"{header.name} {header.version} is the same as version {twins[0]} that is here",
        )
    if header.version in installed(home, header.name) and not damaged:
        raise PublisherError(
            "version_taken", f"another {header.name} {header.version} is installed already"
        )
    return True


def _check_space(home: Path, package: Package, keep_free: int) -> None:
    free = free_bytes(home)
    if free - package.bytes < keep_free:
        raise KeeperError(
            "disk_full",
            f"{package.bytes} bytes are to be written, {free} are free, {keep_free} must stay free",
        )


@contextmanager
def _fresh_folder(parent: Path) -> Iterator[Path]:
    """A folder to fill, gone in the end unless it was moved; clears what a power cut left."""
    make_folder(parent)
    for left in parent.glob(".*.tmp"):
        shutil.rmtree(left, ignore_errors=True)
    folder = parent / f".{new_id()}.tmp"
    make_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(folder: Path, place: Path) -> None:
    """Give a folder its name, durably; what is there is damaged and goes."""
    if place.exists():
        aside = place.with_name(f".{new_id()}.tmp")  # cleared next time if the power fails here
        place.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
    folder.rename(place)
    sync_folder(place.parent)


def install(
    home: Path,
    file: Path,
    *,
    keep_free: int = 0,
    shipped: Path = HERE,
    probe: Callable[[Path], Findings] = probe_apart,
    vouch: Callable[[IO[bytes]], None] = lambda _: None,
) -> dict[str, Any]:
    """Check, unpack and probe a package; the version is then there, and does not speak yet.

    ``keep_free`` bytes of the disk must stay free; ``vouch`` sees the open file before anything is
    read and raises where nobody signed it.  A version that is here already is no error;
    where it is damaged it is replaced.

    Raises:
        PersonError: ``no_such_file``.
        PublisherError: what is wrong with the package, or what the probe says; nothing is left.
        KeeperError: ``disk_full``, or ``home_in_use`` by another installation.
    """
    if not file.is_file():
        raise PersonError("no_such_file", f"{file} is no file")
    with HomeLock(models_folder(home)), open_package(file, vouch) as package:
        header = package.header
        said = {"name": header.name, "version": header.version, "already": True}
        if not _check_new(home, header, shipped):
            return said
        _check_space(home, package, keep_free)
        parent = models_folder(home) / header.name
        with _fresh_folder(parent) as folder:
            package.unpack(folder)
            findings = probe(folder)
            with disk_full_named(parent):
                _put(folder, parent / header.version)
        return said | {"already": False, "probe": findings}


def activate(
    home: Path,
    name: str,
    version: str,
    *,
    downgrade: bool = False,
    again: bool = False,
    shipped: Path = HERE,
    probe: Callable[[Path], Findings] = probe_apart,
    judge: Judge = lambda _old, _new: None,
) -> Life:
    """Probe a version once more, let the local photos judge it, and let it speak, on trial.

    Raises:
        PersonError: ``unknown_model`` or ``unknown_version``.
        KeeperError: ``model_older`` (without ``downgrade``).
        PublisherError: ``model_refused`` (it failed here before; ``again`` tries once more), what
            the probe says or the judge's refusal: both are remembered, the active one stays.
    """
    version = _resolve(home, name, version, shipped)
    before = life_of(home, name)
    old, new = (folder_of(home, name, v, shipped) for v in (before.active, version))
    if version == before.active:
        return change(home, name, partial(steps.activated, version=version))
    _check_wanted(before, version, old, new, downgrade=downgrade, again=again)
    try:
        probe(new)
    except PublisherError as error:
        _refuse(home, name, version, Refusal(error.code, str(error)))
        raise
    why = judge(old, new)
    if why is not None:
        _refuse(home, name, version, why)
        raise PublisherError(why.code, why.reason)
    return change(home, name, partial(steps.activated, version=version))


def _refuse(home: Path, name: str, version: str, why: Refusal) -> None:
    change(home, name, partial(steps.refused, version=version, why=why))


def _check_wanted(
    life: Life, version: str, old: Path, new: Path, *, downgrade: bool, again: bool
) -> None:
    failed = life.refused.get(version)
    if failed and not again:
        raise PublisherError(
            "model_refused", f"it failed here before: {failed.reason} (--again tries once more)"
        )
    try:
        was, will_be = read_header(old).version, read_header(new).version
    except PublisherError:  # anything is better than a version that cannot be read
        return
    if version_key(will_be) < version_key(was) and not downgrade:
        raise KeeperError(
            "model_older", f"{will_be} is older than {was}, which speaks (--downgrade allows it)"
        )


def rollback(home: Path, name: str, shipped: Path = HERE) -> Life:
    """Let the version before the active one speak again.

    Raises:
        PersonError: ``unknown_model``, or ``nothing_to_roll_back``.
    """
    _known(name, shipped)
    life = life_of(home, name)
    if life.active == BUILTIN and life.previous is None:
        raise PersonError("nothing_to_roll_back", f"no version of {name} spoke before this one")
    return change(home, name, steps.rolled_back)
