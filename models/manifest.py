"""The manifest beside every model: what it knows, how to feed it, when to believe it.

Parsed strictly: an unknown or missing key is the publisher's error, never a silent default.  Every
kind of model shares the keys of :class:`ModelHeader`; the rest belongs to its kind.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from field_data.errors import PublisherError
from field_data.files import write_atomic

SCHEMA = 1
LEAF_CLASSIFIER = "leaf_classifier"
MANIFEST, CARD = "manifest.json", "CARD.md"
# What a leaf classifier may bring along; "golden" is optional in the package, not at installation.
_LEAF_FILES = frozenset({"fp32", "int8", "neighbours", "golden"})
# Keys that shape no answer; neither do the golden samples.
_SAYS_NOTHING = frozenset({"version", "created", "training", "metrics"})
_MAX_FILES = 12
_MAX_FILE_BYTES = 100_000_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_VERSION = re.compile(r"(?:0|[1-9][0-9]{0,5})(?:\.(?:0|[1-9][0-9]{0,5})){2}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of the model: name in the model's folder, SHA-256 in hex, size in bytes."""

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ModelHeader:
    """What the manifest of every kind of model says.

    ``kind`` chooses the class that reads the rest and the probe; ``version`` is three numbers;
    ``content`` is a SHA-256 over all that shapes an answer: files, labels, thresholds …, but not
    version, date, training record, figures and golden samples.
    """

    schema: int
    kind: str
    name: str
    version: str
    created: str
    files: Mapping[str, ModelFile]
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]
    content: str

    @property
    def bytes(self) -> int:
        """All files of the manifest together."""
        return sum(part.bytes for part in self.files.values())


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
    kind: str = LEAF_CLASSIFIER

    @property
    def crops(self) -> frozenset[str]:
        """Crops with at least one label."""
        return frozenset(crop for crop, _ in self.labels)


def is_name(text: str) -> bool:
    """Whether it can name a model; ask before using one that came from outside in a path."""
    return _NAME.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Whether it is a version: three numbers, ``1.2.0``."""
    return _VERSION.fullmatch(text) is not None


def version_key(version: str) -> tuple[int, ...]:
    """What versions are sorted by."""
    return tuple(map(int, version.split(".")))


def _exactly(kind: type, raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    known = {f.name for f in fields(kind)}
    wanted = {f.name for f in fields(kind) if f.default is MISSING}
    if not isinstance(raw, dict) or not wanted <= set(raw) <= known:
        odd = "not a table"
        if isinstance(raw, dict):
            odd = str(sorted((wanted - set(raw)) | (set(raw) - known)))
        raise PublisherError("bad_manifest", f"{where}: missing or unknown keys {odd}")
    return dict(raw)


def _refuse_any(problems: Mapping[str, bool], where: str) -> None:
    for problem, found in problems.items():
        if found:
            raise PublisherError("bad_manifest", f"{where}: {problem}")


def _sound_file(part: ModelFile) -> bool:
    return bool(
        _FILE.fullmatch(part.file)
        and part.file not in (MANIFEST, CARD)
        and _SHA256.fullmatch(part.sha256)
        and type(part.bytes) is int
        and 0 < part.bytes <= _MAX_FILE_BYTES
    )


def parse_header(text: str, where: str = "manifest") -> ModelHeader:
    """The keys that every kind of model has; those of the kind are not looked at.

    Raises:
        PublisherError: ``bad_manifest``, saying which key.
    """
    try:
        raw = json.loads(text)
        files = {
            str(key): ModelFile(**_exactly(ModelFile, value, where))
            for key, value in raw["files"].items()
        }
        shapes = {k: v for k, v in raw.items() if k not in _SAYS_NOTHING}
        shapes["files"] = {k: part.sha256 for k, part in files.items() if k != "golden"}
        plain = json.dumps(shapes, sort_keys=True).encode()
        header = ModelHeader(
            raw["schema"], raw.get("kind", LEAF_CLASSIFIER), raw["name"], raw["version"],
            raw["created"], files, raw["training"], raw["metrics"],
            hashlib.sha256(plain).hexdigest(),
        )  # fmt: skip
        names = [part.file for part in files.values()]
        problems = {
            f"schema {header.schema} is not {SCHEMA}": header.schema != SCHEMA,
            "name is none": not is_name(header.name),
            "version is not three numbers": not is_version(header.version),
            "created is no text": not isinstance(header.created, str),
            "a kind that is no word": not is_name(header.kind),
            "training or metrics is no table": not isinstance(header.training, dict)
            or not isinstance(header.metrics, dict),
            "no file or too many": not 0 < len(files) <= _MAX_FILES,
            "a file with a bad name, hash or size": not all(map(_sound_file, files.values())),
            "two files with one name": len(set(names)) < len(names),
        }
        _refuse_any(problems, where)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PublisherError("bad_manifest", f"{where}: {error!r}") from error
    return header


def parse_manifest(text: str, where: str = "manifest") -> Manifest:
    """Manifest from JSON text.

    Raises:
        PublisherError: ``bad_manifest``, saying which key.
    """
    header = parse_header(text, where)
    try:
        raw = _exactly(Manifest, json.loads(text), where)
        raw["labels"] = tuple((str(crop), str(condition)) for crop, condition in raw["labels"])
        raw["thresholds"] = Thresholds(**_exactly(Thresholds, raw["thresholds"], where))
        raw["alert"] = frozenset(raw["alert"])
        raw["files"] = header.files
        manifest = Manifest(**raw)
        _check(manifest, where)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PublisherError("bad_manifest", f"{where}: {error}") from error
    return manifest


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(manifest: Manifest, where: str) -> None:
    limits = [getattr(manifest.thresholds, each.name) for each in fields(Thresholds)]
    problems = {
        f"a {manifest.kind} is no {LEAF_CLASSIFIER}": manifest.kind != LEAF_CLASSIFIER,
        "a temperature or threshold is no number": not all(
            _is_number(value) for value in (manifest.temperature, *limits)
        ),
        "px is no whole number": type(manifest.px) is not int,
        "no labels or the same label twice": not manifest.labels
        or len(set(manifest.labels)) < len(manifest.labels),
        "px outside 32..1024": not 32 <= manifest.px <= 1024,
        "temperature must be positive": not manifest.temperature > 0,
        "no fp32 and no int8 file": not {"fp32", "int8"} & set(manifest.files),
        "no neighbours": "neighbours" not in manifest.files,
        "a file of an unknown kind": not set(manifest.files) <= _LEAF_FILES,
    }
    _refuse_any(problems, where)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a model folder.

    Raises:
        PublisherError: ``model_missing`` or ``bad_manifest``.
    """
    return parse_manifest(_text(folder), str(folder / MANIFEST))


def read_header(folder: Path) -> ModelHeader:
    """The header of a model folder of any kind; raises as :func:`read_manifest`."""
    return parse_header(_text(folder), str(folder / MANIFEST))


def _text(folder: Path) -> str:
    path = folder / MANIFEST
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PublisherError("model_missing", f"{path}: {error}") from error


@contextmanager
def amended(folder: Path) -> Iterator[dict[str, Any]]:
    """The manifest as plain JSON, to be changed in place; written whole when the block ends well.

    For publishers: figures and files are added step by step.  Raises as :func:`read_manifest`.
    """
    raw = json.loads(_text(folder))
    yield raw
    text = json.dumps(raw, indent=1, ensure_ascii=False) + "\n"
    write_atomic(folder / MANIFEST, text.encode())


def checked_bytes(folder: Path, part: ModelFile) -> bytes:
    """The bytes of one file of a model.

    Raises:
        PublisherError: ``model_missing`` or ``model_corrupt`` (size or SHA-256 differs).
    """
    path = folder / part.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PublisherError("model_missing", f"{path}: {error}") from error
    if len(data) != part.bytes or hashlib.sha256(data).hexdigest() != part.sha256:
        raise PublisherError("model_corrupt", f"{path} is not the file of the manifest")
    return data
