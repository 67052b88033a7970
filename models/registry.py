"""Which models are on this node, and whether each is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from field_data.errors import PublisherError
from models.manifest import Manifest, read_manifest
from models.runtime import checked_bytes

HERE = Path(__file__).parent


def _claims(manifest: Manifest) -> dict[str, Any]:
    shown = ("accuracy", "macro_f1", "photos")
    by_split = manifest.metrics.get("tests", {})
    return {split: {k: said["all"][k] for k in shown} for split, said in by_split.items()}


def _entry(folder: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": folder.name, "ok": True, "problem": None}
    try:
        manifest = read_manifest(folder)
        entry |= {
            "version": manifest.version,
            "crops": sorted(manifest.crops),
            "conditions": len(manifest.labels),
            "files": {key: part.sha256 for key, part in manifest.files.items()},
            "claims": _claims(manifest),
        }
        for part in manifest.files.values():
            checked_bytes(folder, part)
    except PublisherError as error:
        entry |= {"ok": False, "problem": f"{error.code}: {error}"}
    return entry


def list_models(folder: Path = HERE) -> list[dict[str, Any]]:
    """Every model below ``folder``: name, version, crops, claims, and whether it is sound."""
    return [_entry(path.parent) for path in sorted(folder.glob("*/manifest.json"))]
