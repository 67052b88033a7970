"""Models that come in bundles: installed and activated like any other, and watched afterwards.

The model itself lies in ``home/models`` and has a life of its own (:mod:`models.life`); beside the
head of its bundle only its name and version are kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from edge_app.settings import MB, read_settings
from field_data.errors import KeeperError, PublisherError
from field_data.files import write_atomic
from sync.bundle_reports import ROLLED_BACK
from sync.slots import Slot, Why, rolled_back

if TYPE_CHECKING:
    from edge_app.bundles_node import NodeBundles

_MODEL = "model.json"


def install_model(home: Path, folder: Path) -> None:
    """Install and activate the package in a folder; its name and version stay there.

    Raises:
        PublisherError, KeeperError: as `models.installation.install` and ``activate``.
    """
    from edge_app.local_photos import LocalJudge, reviewed_photos
    from models.installation import activate, install

    package = only_file(folder, ".ghm")
    keep = read_settings(home).min_free_mb * MB
    header = install(home, package, keep_free=keep)
    name, version = str(header["name"]), str(header["version"])
    judge = LocalJudge(reviewed_photos(home))
    # The number of the bundle only grows: its publisher may go back to an older model.
    activate(home, name, version, downgrade=True, again=True, judge=judge)
    package.unlink()
    write_atomic(folder / _MODEL, json.dumps({"name": name, "version": version}).encode())


def only_file(folder: Path, suffix: str) -> Path:
    """The one file of a folder.

    Raises:
        PublisherError: ``bundle_other_file``.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    if len(files) != 1 or files[0].suffix != suffix:
        raise PublisherError("bundle_other_file", f"such a bundle holds one file, *{suffix}")
    return files[0]


def model_in(folder: Path) -> tuple[str, str]:
    """Name and version of the model that a kept bundle brought.

    Raises:
        KeeperError: ``bundle_state_damaged``.
    """
    path = folder / _MODEL
    try:
        said = json.loads(path.read_bytes())
        return str(said["name"]), str(said["version"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise KeeperError("bundle_state_damaged", f"{path}: {error}") from error


def settle_models(bundles: NodeBundles) -> None:
    """Note what became of models that bundles brought: switched off by themselves, or by hand."""
    for (kind, name), slot in bundles.slots.all().items():
        if kind == "model" and slot.active:
            _settle(bundles, name, slot)


def _settle(bundles: NodeBundles, name: str, slot: Slot) -> None:
    from models.registry import life_of

    try:
        model, version = model_in(bundles.slots.folder_of("model", name, slot.active))
    except KeeperError as error:  # the model itself speaks on; its bundle is not known any more
        bundles.fall("model", name, slot.active, Why("bundle_damaged", str(error)))
        return
    life = life_of(bundles.home, model)
    if life.active == version:
        return
    why = life.refused.get(version)
    if why is not None:
        bundles.fall("model", name, slot.active, Why(why.code, why.reason))
    else:  # the keeper chose another one
        bundles.slots.change("model", name, rolled_back)
        bundles.reports.add(ROLLED_BACK, "model", name, slot.active, slot.digest, "by_keeper")


def has_answered(bundles: NodeBundles, name: str) -> bool:
    """Whether the model of that bundle, which is in use, has answered a person."""
    from models.registry import life_of

    slot = bundles.slots.get("model", name)
    model, version = model_in(bundles.slots.folder_of("model", name, slot.active))
    life = life_of(bundles.home, model)
    return life.active == version and life.confirmed
