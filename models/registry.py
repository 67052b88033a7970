"""Which models are on this node, and whether each is sound."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from field_data.errors import PublisherError
from models.counting_manifest import KIND, read_counting_manifest
from models.manifest import Manifest, ModelFile, read_manifest
from models.runtime import checked_bytes

HERE = Path(__file__).parent


def _claims(manifest: Manifest) -> dict[str, Any]:
    shown = ("accuracy", "macro_f1", "photos")
    by_split = manifest.metrics.get("tests", {})
    return {split: {k: said["all"][k] for k in shown} for split, said in by_split.items()}


def _kind(folder: Path) -> object:
    """The kind a manifest claims; None where it says none, and whatever is wrong is said later."""
    try:
        raw = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return raw.get("kind") if isinstance(raw, dict) else None


def _detector(folder: Path) -> tuple[dict[str, Any], Mapping[str, ModelFile]]:
    manifest = read_counting_manifest(folder)
    return {"version": manifest.version, "traps": list(manifest.thresholds.traps)}, manifest.files


def _classifier(folder: Path) -> tuple[dict[str, Any], Mapping[str, ModelFile]]:
    manifest = read_manifest(folder)
    said = {
        "version": manifest.version,
        "crops": sorted(manifest.crops),
        "conditions": len(manifest.labels),
        "claims": _claims(manifest),
    }
    return said, manifest.files


def model_entry(folder: Path) -> dict[str, Any]:
    """One model: name, version, what it knows and claims, and whether it is sound."""
    entry: dict[str, Any] = {"name": folder.name, "ok": True, "problem": None}
    try:
        said, files = (_detector if _kind(folder) == KIND else _classifier)(folder)
        entry |= said | {"files": {key: part.sha256 for key, part in files.items()}}
        for part in files.values():
            checked_bytes(folder, part)
    except PublisherError as error:
        entry |= {"ok": False, "problem": f"{error.code}: {error}"}
    return entry


def list_models(folder: Path = HERE) -> list[dict[str, Any]]:
    """Every model below ``folder``: name, version, crops, claims, and whether it is sound."""
    return [model_entry(path.parent) for path in sorted(folder.glob("*/manifest.json"))]
