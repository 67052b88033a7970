"""From the data to the shipped yield model: ``python -m models.training.train_yield --data DIR``.

Judges first (`yield_report`), then fits on everything, exports one graph, holds it against the
library on every row, and writes manifest and card.  Seeds are fixed: the same data give the same
bytes.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from field_data.files import make_folder, write_atomic
from field_data.types import HORIZONS
from models.manifest import CARD, MANIFEST, SCHEMA
from models.training import yield_fit, yield_morocco
from models.training.card_yield import card_text
from models.training.yield_data import FILES_READ, YieldSet, read_morocco, read_spain
from models.training.yield_export import least_and_most, to_onnx
from models.training.yield_judge import all_seasons
from models.training.yield_report import Findings, report
from models.training.yield_shipped import trained_rows
from models.yield_evaluation import horizon_of
from models.yield_manifest import KIND, parse_yield_manifest
from models.yield_model import FOLDER, NAME, YieldModel
from models.yield_plots import draw_yield
from sat_ingest.yield_features import GROUPS, NAMES, members

VERSION = "1.0.0"
CROPS = ("TRZAX", "TRZDU")
# The graph computes in float32, the library in float64.
MOST_OFF = 1e-5
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx")


def data_hash(folder: Path) -> str:
    """SHA-256 over names and bytes of every file that was read."""
    digest = hashlib.sha256()
    for name in FILES_READ:
        digest.update(name.encode() + b"\0" + hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()


def rows_of(data: YieldSet) -> dict[str, NDArray[np.float32]]:
    """Features of every harvest that a satellite saw, by horizon."""
    seen = [row for row in data.rows if data.looked_at(row)]
    archive = all_seasons(data)
    return {h: yield_fit.features_of(data, seen, h, archive) for h in HORIZONS}


def farthest(fold: yield_fit.Fold, model: YieldModel, data: YieldSet) -> float:
    """The largest difference between graph and library, with FPAR and without, all rows."""
    off = [0.0]
    for horizon, features in rows_of(data).items():
        alone = features.copy()
        alone[:, np.setdiff1d(np.arange(len(NAMES)), yield_fit.columns_of("ndvi"))] = np.nan
        for arm, rows in (("both", features), ("ndvi", alone)):
            library = fold.arms[arm, horizon].shift(rows)
            off.append(float(np.abs(model.shift(rows, horizon) - library).max()))
    return max(off)


def manifest_of(
    folder: Path, fold: yield_fit.Fold, findings: Findings, graph: bytes
) -> dict[str, Any]:
    """The manifest as plain JSON; the ranges are those of NDVI alone, as on a node."""
    data = read_spain(folder)
    slopes = yield_morocco.slopes(fold, read_morocco(folder))
    least, most = least_and_most(rows_of(data))
    horizons = {}
    for horizon in HORIZONS:
        known = horizon_of(findings.year_out["ndvi", horizon])
        horizons[horizon] = {
            "season_sd": round(known.season_sd, 5),
            **{end: round(getattr(known, end), 5) for end in ("low", "high", "low90", "high90")},
            "at_t_ha": round(known.at_t_ha, 5),
            "slope": round(slopes[horizon], 5),
        }
    return {
        "schema": SCHEMA, "kind": KIND, "name": NAME, "version": VERSION,
        "created": datetime.date.today().isoformat(),
        "crops": CROPS, "features": NAMES,
        "groups": {group: [NAMES[i] for i in members(group)] for group in GROUPS},
        "least": least, "most": most,
        "prior_mean_t_ha": round(fold.prior.mean_t_ha, 5),
        "prior_sd_t_ha": round(fold.prior.sd_t_ha, 5),
        "unseen_sd": fold.prior.unseen_sd, "drift": fold.prior.drift,
        "horizons": horizons,
        "files": {"fp32": {"file": "model.onnx", "bytes": len(graph),
                           "sha256": hashlib.sha256(graph).hexdigest()}},
        "training": {
            "commands": ["make train-yield DATA=<folder>"],
            "data_sha256": data_hash(folder),
            "rows": trained_rows(data),
            "config": {"alpha": yield_fit.ALPHA, "trees": yield_fit.TREES,
                       "leaf": yield_fit.LEAF, "share": yield_fit.SHARE,
                       "season_sd": yield_fit.SEASON_SD, "seed": yield_fit.SEED,
                       "slope_sd": yield_morocco.SLOPE_SD},
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in _LIBRARIES},
        },
        "metrics": findings.figures,
    }  # fmt: skip


def train(folder: Path, out: Path, plots: Path | None = None) -> float:
    """Judge, fit, export, check, write and draw; how far the graph is from the library."""
    findings = report(folder, watch=lambda step: print(step, file=sys.stderr, flush=True))
    data = read_spain(folder)
    fold = yield_fit.fit(data, data.rows, all_seasons(data), tuple(yield_fit.ARMS))
    graph = to_onnx(fold)
    raw = manifest_of(folder, fold, findings, graph)
    text = json.dumps(raw, indent=1, ensure_ascii=False) + "\n"
    manifest = parse_yield_manifest(text)
    make_folder(out)
    write_atomic(out / "model.onnx", graph)
    write_atomic(out / MANIFEST, text.encode())
    off = farthest(fold, YieldModel.load(out, at_home=False), data)
    if off > MOST_OFF:
        raise SystemExit(f"the graph is {off:.2g} from the library")
    write_atomic(out / CARD, card_text(manifest, off).encode())
    if plots is not None:
        draw_yield(findings.figures, findings.year_out["both", "05"], plots)
    return off


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--plots", type=Path)
    given = parser.parse_args(arguments)
    yield_fit.need_sklearn()
    off = train(given.data, given.out, given.plots)
    print(f"graph and library differ by at most {off:.2g}")


if __name__ == "__main__":
    main()
