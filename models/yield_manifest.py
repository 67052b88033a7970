"""The manifest beside a yield model: its numbers, what it expects, and how wide its ranges are.

Parsed strictly, like that of the leaf model: an unknown or missing key is the publisher's error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from field_data.errors import PublisherError
from field_data.types import HORIZONS
from models.manifest import MANIFEST, ModelFile, parse_header

KIND = "yield"


@dataclass(frozen=True, slots=True)
class Horizon:
    """One month at whose end a forecast is made.

    season_sd: what seasons still vary once the model spoke, a share of the usual yield where that
        is ``at_t_ha``.
    low, high: how far the ends of the 80 % range lie from its middle, in standard deviations
        (conformal); low90, high90: the same of the 90 % range.
    slope: what the graph's shift is multiplied with in Morocco.
    """

    season_sd: float
    low: float
    high: float
    low90: float
    high90: float
    at_t_ha: float = 2.9
    slope: float = 1.0


@dataclass(frozen=True, slots=True)
class YieldManifest:
    """A validated manifest.

    ``crops`` are EPPO codes; ``features`` the names of the graph's columns in order; ``groups``
    what they are called together when a forecast is explained; ``least`` and ``most`` the range of
    each column in training; ``prior`` the usual yields of the training's places, t/ha;
    ``unseen_sd`` what seasons vary where no satellite looked and ``drift`` how far a usual yield
    wanders in a year, shares.
    """

    schema: int
    kind: str
    name: str
    version: str
    created: str
    crops: tuple[str, ...]
    features: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    least: tuple[float, ...]
    most: tuple[float, ...]
    prior_mean_t_ha: float
    prior_sd_t_ha: float
    unseen_sd: float
    horizons: Mapping[str, Horizon]
    files: Mapping[str, ModelFile]
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]
    drift: float = 0.0


def _exactly(kind: type, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ValueError(f"{kind.__name__} is no table")
    odd = {f.name for f in fields(kind)}.symmetric_difference(raw)
    if odd:
        raise ValueError(f"missing or unknown keys {sorted(odd)}")
    return dict(raw)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{values!r} is no list of texts")
    return tuple(values)


def _horizon(raw: Any) -> Horizon:
    return Horizon(**{key: _number(value) for key, value in _exactly(Horizon, raw).items()})


def parse_yield_manifest(text: str, where: str = MANIFEST) -> YieldManifest:
    """Manifest from JSON text.

    Raises:
        PublisherError: ``bad_manifest``, saying which key.
    """
    header = parse_header(text, where)
    try:
        raw = _exactly(YieldManifest, json.loads(text))
        raw |= {key: _texts(raw[key]) for key in ("crops", "features")}
        raw |= {key: tuple(map(_number, raw[key])) for key in ("least", "most")}
        raw |= {key: _number(raw[key])
                for key in ("prior_mean_t_ha", "prior_sd_t_ha", "unseen_sd", "drift")}  # fmt: skip
        raw["groups"] = {name: _texts(names) for name, names in raw["groups"].items()}
        raw["horizons"] = {name: _horizon(each) for name, each in raw["horizons"].items()}
        raw["files"] = header.files
        manifest = YieldManifest(**raw)
        _check(manifest)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PublisherError("bad_manifest", f"{where}: {error}") from error
    return manifest


def _check(manifest: YieldManifest) -> None:
    width = len(manifest.features)
    horizons = manifest.horizons.values()
    problems = {
        f"kind is not {KIND}": manifest.kind != KIND,
        "no crop": not manifest.crops,
        "no feature or one twice": not width or len(set(manifest.features)) < width,
        "least and most do not fit the features": {len(manifest.least), len(manifest.most)}
        != {width},
        "a group of unknown features": not {n for g in manifest.groups.values() for n in g}
        <= set(manifest.features),
        f"horizons are not {HORIZONS}": tuple(sorted(manifest.horizons)) != HORIZONS,
        "a spread or slope that is not positive": min(
            manifest.prior_mean_t_ha, manifest.prior_sd_t_ha, manifest.unseen_sd,
            *(min(h.season_sd, h.low, h.high, h.at_t_ha, h.slope) for h in horizons),
        ) <= 0,
        "a drift that is negative": manifest.drift < 0,
        "a 90 % range narrower than the 80 % one": any(
            h.low90 < h.low or h.high90 < h.high for h in horizons
        ),
        "files are not fp32": set(manifest.files) != {"fp32"},
    }  # fmt: skip
    for problem, found in problems.items():
        if found:
            raise ValueError(problem)


def read_yield_manifest(folder: Path) -> YieldManifest:
    """The manifest of a model folder.

    Raises:
        PublisherError: ``model_missing`` or ``bad_manifest``.
    """
    path = folder / MANIFEST
    try:
        return parse_yield_manifest(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise PublisherError("model_missing", f"{path}: {error}") from error
