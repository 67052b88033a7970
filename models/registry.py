"""Which models are on this node, which one speaks, and how that changes.

Installed versions live in HOME/models/NAME/VERSION/; the shipped ones stay in the software and are
the fallback, called ``builtin``.  HOME/models/state.json says which version speaks
(:mod:`models.life`).  It is a file of its own, not a row in the store: it must be readable when the
store is damaged, it is replaced in one step, and its time stamp tells a running node that something
changed.

Changes of the state exclude each other for a moment (HOME/models/state.lock).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from field_data.errors import KeeperError, PublisherError
from field_data.files import exclusive, make_folder, write_atomic
from field_data.types import HORIZONS
from models import life as steps
from models.counting_manifest import KIND as DETECTOR
from models.counting_manifest import read_counting_manifest
from models.life import BUILTIN, Life
from models.manifest import (
    LEAF_CLASSIFIER,
    ModelHeader,
    checked_bytes,
    is_version,
    read_header,
    read_manifest,
    version_key,
)
from models.yield_manifest import KIND as YIELD
from models.yield_manifest import read_yield_manifest

HERE = Path(__file__).parent
STATE = "state.json"
Change = Callable[[Life], Life]


def models_folder(home: Path) -> Path:
    """Where a home keeps what was installed."""
    return home / "models"


def state_file(home: Path) -> Path:
    """The file whose change tells a running node to look again."""
    return models_folder(home) / STATE


def lives(home: Path) -> dict[str, Life]:
    """Every model that was ever touched in this home.

    Raises:
        KeeperError: ``model_state_damaged``, saying how to go on.
    """
    path = state_file(home)
    try:
        return steps.from_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except KeeperError as error:
        raise KeeperError(
            error.code, f"{path}: {error}; the shipped models speak. Delete it to begin anew"
        ) from error


def life_of(home: Path, name: str) -> Life:
    """Where one model stands; raises as :func:`lives`."""
    return lives(home).get(name, Life())


def change(home: Path, name: str, step: Change) -> Life:
    """Take one step, durably, and give the new state; nothing is written where nothing changes.

    Raises:
        KeeperError: ``disk_full`` or ``model_state_damaged``; the old state then stays.
    """
    if not models_folder(home).is_dir() and step(Life()) == Life():
        return Life()
    make_folder(models_folder(home))
    with exclusive(models_folder(home) / "state.lock"):
        known = lives(home)
        before = known.get(name, Life())
        after = step(before)
        if after != before:
            write_atomic(state_file(home), steps.to_json({**known, name: after}))
        return after


def shipped_names(shipped: Path = HERE) -> list[str]:
    """The names this software has a use for."""
    return [path.parent.name for path in sorted(shipped.glob("*/manifest.json"))]


def folder_of(home: Path, name: str, version: str, shipped: Path = HERE) -> Path:
    """The folder of one version; ``builtin`` is in the software."""
    return shipped / name if version == BUILTIN else models_folder(home) / name / version


def active_folder(home: Path, name: str, shipped: Path = HERE) -> Path:
    """The folder of the version that speaks; the shipped one where the state cannot be read."""
    try:
        return folder_of(home, name, life_of(home, name).active, shipped)
    except (KeeperError, OSError):
        return shipped / name


def installed(home: Path, name: str) -> list[str]:
    """Installed versions, oldest first."""
    found = (path.parent.name for path in (models_folder(home) / name).glob("*/manifest.json"))
    return sorted((each for each in found if is_version(each)), key=version_key)


def _claims(header: ModelHeader) -> dict[str, Any]:
    """Accuracy, macro-F1 and photos of each test set, where the metrics have this shape."""
    shown, claims = ("accuracy", "macro_f1", "photos"), {}
    tests = header.metrics.get("tests")
    for split, said in tests.items() if isinstance(tests, dict) else ():
        figures = said.get("all") if isinstance(said, dict) else None
        if isinstance(figures, dict) and set(shown) <= set(figures):
            claims[split] = {key: figures[key] for key in shown}
    return claims


def _facts(folder: Path, header: ModelHeader) -> dict[str, Any]:
    """What this kind of model knows."""
    if header.kind == DETECTOR:
        return {"traps": list(read_counting_manifest(folder).thresholds.traps)}
    if header.kind == YIELD:
        crops = read_yield_manifest(folder).crops
        return {"crops": sorted(crops), "horizons": list(HORIZONS)}
    if header.kind != LEAF_CLASSIFIER:
        return {}
    manifest = read_manifest(folder)
    return {"crops": sorted(manifest.crops), "conditions": len(manifest.labels)}


def model_entry(name: str, folder: Path) -> dict[str, Any]:
    """One version: what it knows and claims, and whether it is sound."""
    entry: dict[str, Any] = {"name": name, "ok": True, "problem": None}
    try:
        header = read_header(folder)
        entry |= {
            "version": header.version,
            "kind": header.kind,
            **_facts(folder, header),
            "files": {key: part.sha256 for key, part in header.files.items()},
            "claims": _claims(header),
        }
        for part in header.files.values():
            checked_bytes(folder, part)
    except PublisherError as error:
        entry |= {"ok": False, "problem": f"{error.code}: {error}"}
    return entry


def list_models(shipped: Path = HERE) -> list[dict[str, Any]]:
    """Every shipped model: name, version, kind, crops, claims, and whether it is sound."""
    return [model_entry(name, shipped / name) for name in shipped_names(shipped)]


def _state(life: Life, version: str) -> str:
    if version == life.active:
        return "active" if life.confirmed else "trial"
    if version in life.refused:
        return "refused"
    return "previous" if version == life.previous else "installed"


def list_home(home: Path, shipped: Path = HERE) -> list[dict[str, Any]]:
    """Every version, shipped or installed, with its ``state`` in this home.

    state: active, trial (active, has not answered a photo yet), previous, refused (``reason`` says
    why) or installed.  Raises as :func:`lives`.
    """
    known, found = lives(home), []
    for name in shipped_names(shipped):
        life = known.get(name, Life())
        for version in (BUILTIN, *installed(home, name)):
            why = life.refused.get(version)
            found.append(
                model_entry(name, folder_of(home, name, version, shipped))
                | {"builtin": version == BUILTIN, "state": _state(life, version)}
                | {"reason": f"{why.code}: {why.reason}" if why else None}
            )
    return found
