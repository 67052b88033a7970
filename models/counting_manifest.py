"""The manifest beside a model that counts: how to read a photo, what counts, when to believe it.

Parsed strictly, like that of the leaf model: an unknown or missing key is the publisher's error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any

from field_data.errors import PublisherError
from models.manifest import ModelFile

SCHEMA = 1
KIND = "detector"
_PLAIN: dict[object, type | UnionType] = {
    "float": int | float,
    "int": int,
    "str": str,
    "bool": bool,
}


@dataclass(frozen=True, slots=True)
class TrapRule:
    """How one kind of trap is read; every number was chosen on ``val``.

    label: what is counted there.
    long_px: the photo's long side is brought to this, made larger at most ``enlarge`` times.
    score: chance from which a detection counts.
    spread: half the width of the interval, in units of sqrt(count + 1).
    blur: largest blur effect (0 sharp to 1) of the photo as it is read; dark: least mean luma
        (0 to 255); glare: largest share of blown-out pixels.
    most: the largest count that was checked against a count by hand.
    """

    label: str
    long_px: int
    enlarge: float
    score: float
    spread: float
    blur: float
    dark: float
    glare: float
    most: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for every trap.

    sure: chance that the photo shows this kind of trap from which a count is believed.
    no_trap: the chance below which nothing is counted.
    doubtful: largest ratio of detections of half the needed chance to counted ones.
    overlap: largest IoU of two insects.
    traps: name of a kind of trap -> how it is read, in the order of the scene output.
    """

    sure: float
    no_trap: float
    doubtful: float
    overlap: float
    traps: Mapping[str, TrapRule]


@dataclass(frozen=True, slots=True)
class CountingManifest:
    """A validated manifest; ``labels`` in the order of the heat maps, ``px`` the side of a tile."""

    schema: int
    kind: str
    name: str
    version: str
    created: str
    labels: tuple[str, ...]
    px: int
    thresholds: Limits
    files: Mapping[str, ModelFile]
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]


def _exactly(kind: type, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ValueError(f"{kind.__name__} is no table")
    odd = {f.name for f in fields(kind)}.symmetric_difference(raw)
    if odd:
        raise ValueError(f"missing or unknown keys {sorted(odd)}")
    for field in fields(kind):
        value = raw[field.name]
        if field.type in _PLAIN and not _is(str(field.type), value):
            raise ValueError(f"{field.name} is no {field.type}")
    return dict(raw)


def _is(kind: str, value: object) -> bool:
    if isinstance(value, bool):
        return kind == "bool"
    return kind in _PLAIN and isinstance(value, _PLAIN[kind])


def parse_counting_manifest(text: str, where: str = "manifest") -> CountingManifest:
    """Manifest from JSON text.

    Raises:
        PublisherError: ``bad_manifest``, saying which key.
    """
    try:
        raw = _exactly(CountingManifest, json.loads(text))
        limits = _exactly(Limits, raw["thresholds"])
        limits["traps"] = {k: TrapRule(**_exactly(TrapRule, v)) for k, v in limits["traps"].items()}
        raw["thresholds"] = Limits(**limits)
        raw["labels"] = tuple(raw["labels"])
        raw["files"] = {k: ModelFile(**_exactly(ModelFile, v)) for k, v in raw["files"].items()}
        manifest = CountingManifest(**raw)
        _check(manifest)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PublisherError("bad_manifest", f"{where}: {error}") from error
    return manifest


def _check(manifest: CountingManifest) -> None:
    labels, rules = manifest.labels, manifest.thresholds.traps
    problems = {
        f"schema is not {SCHEMA}": manifest.schema != SCHEMA,
        f"kind is not {KIND}": manifest.kind != KIND,
        "no labels or one twice": not labels or len(set(labels)) < len(labels),
        "px is no multiple of 16 in 64..1024": not 64 <= manifest.px <= 1024 or manifest.px % 16,
        "no traps": not rules,
        "a trap counts an unknown label": {r.label for r in rules.values()} - set(labels),
        "a long_px outside 64..4096": any(not 64 <= r.long_px <= 4096 for r in rules.values()),
        "a score outside 0..1": any(not 0 < r.score < 1 for r in rules.values()),
        "files are not fp32 and int8": set(manifest.files) != {"fp32", "int8"},
        "a file name with a folder": any(
            Path(part.file).name != part.file for part in manifest.files.values()
        ),
    }
    for problem, found in problems.items():
        if found:
            raise ValueError(problem)


def read_counting_manifest(folder: Path) -> CountingManifest:
    """The manifest of a model folder.

    Raises:
        PublisherError: ``model_missing`` or ``bad_manifest``.
    """
    path = folder / "manifest.json"
    try:
        return parse_counting_manifest(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise PublisherError("model_missing", f"{path}: {error}") from error
