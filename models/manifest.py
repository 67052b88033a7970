"""The manifest beside every model: what it knows, how to feed it, when to believe it.

Parsed strictly: an unknown or missing key is the publisher's error, never a silent default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from field_data.errors import PublisherError

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of the model: name in the model's folder, SHA-256 in hex, size in bytes."""

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where each "yes" begins.  All were chosen on the ``val`` split by the training code.

    confident: calibrated probability of the likeliest class, crop given.
    confident_any_crop: the same when nobody said which crop it is.
    familiar: least mean cosine similarity to the five nearest training photos of the crop.
    candidate: probability from which a class is worth naming beside the likeliest (conformal: the
        true one is among those named for nearly all photos of val, crop given).
    not_a_plant, far: probability of that gate class.
    blur: largest blur effect (0 sharp to 1); dark: least mean luma (0 to 255);
    glare: largest share of blown-out pixels.
    """

    confident: float
    confident_any_crop: float
    familiar: float
    candidate: float
    not_a_plant: float
    far: float
    blur: float
    dark: float
    glare: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """A validated manifest.

    ``labels`` are (crop, condition) EPPO codes in the order of the logits; ``px`` the side of the
    square input; ``temperature`` divides the logits before softmax (Guo et al. 2017);
    ``alert`` lists conditions that are regulated or absent from Morocco.
    """

    schema: int
    name: str
    version: str
    created: str
    labels: tuple[tuple[str, str], ...]
    px: int
    temperature: float
    thresholds: Thresholds
    alert: frozenset[str]
    files: Mapping[str, ModelFile]
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]

    @property
    def crops(self) -> frozenset[str]:
        """Crops with at least one label."""
        return frozenset(crop for crop, _ in self.labels)


def _exactly(kind: type, raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    wanted = {f.name for f in fields(kind)}
    if not isinstance(raw, dict) or set(raw) != wanted:
        odd = sorted(wanted.symmetric_difference(raw)) if isinstance(raw, dict) else "not a table"
        raise PublisherError("bad_manifest", f"{where}: missing or unknown keys {odd}")
    return dict(raw)


def parse_manifest(text: str, where: str = "manifest") -> Manifest:
    """Manifest from JSON text.

    Raises:
        PublisherError: ``bad_manifest``, saying which key.
    """
    try:
        raw = _exactly(Manifest, json.loads(text), where)
        raw["labels"] = tuple((str(crop), str(condition)) for crop, condition in raw["labels"])
        raw["thresholds"] = Thresholds(**_exactly(Thresholds, raw["thresholds"], where))
        raw["alert"] = frozenset(raw["alert"])
        raw["files"] = {
            key: ModelFile(**_exactly(ModelFile, value, where))
            for key, value in raw["files"].items()
        }
        manifest = Manifest(**raw)
        _check(manifest, where)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PublisherError("bad_manifest", f"{where}: {error}") from error
    return manifest


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(manifest: Manifest, where: str) -> None:
    limits = [getattr(manifest.thresholds, each.name) for each in fields(Thresholds)]
    files = manifest.files.values()
    texts = [manifest.name, manifest.version, *(part.file for part in files)]
    problems = {
        "a temperature or threshold is no number": not all(
            _is_number(value) for value in (manifest.temperature, *limits)
        ),
        "px is no whole number": type(manifest.px) is not int,
        "name, version or a file is no text": not all(isinstance(text, str) for text in texts),
        f"schema {manifest.schema} is not {SCHEMA}": manifest.schema != SCHEMA,
        "no labels or the same label twice": not manifest.labels
        or len(set(manifest.labels)) < len(manifest.labels),
        "px outside 32..1024": not 32 <= manifest.px <= 1024,
        "temperature must be positive": not manifest.temperature > 0,
        "no fp32 and no int8 file": not {"fp32", "int8"} & set(manifest.files),
        "no neighbours": "neighbours" not in manifest.files,
        "a file name with a folder": any(Path(part.file).name != part.file for part in files),
    }
    for problem, found in problems.items():
        if found:
            raise PublisherError("bad_manifest", f"{where}: {problem}")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a model folder.

    Raises:
        PublisherError: ``model_missing`` or ``bad_manifest``.
    """
    path = folder / "manifest.json"
    try:
        return parse_manifest(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise PublisherError("model_missing", f"{path}: {error}") from error
