"""How the training recipe does where no photo was taken: ``python -m models.training.leave_out``.

Trains once, smaller and shorter than the shipped model, without

* ``series``: whole tomato photo series whose conditions other series also show;
* ``source``: every leaf cut from photos with boxes (beans of another source);
* ``run``: a run of consecutive photos of every class.

and asks about exactly these.  Temperature and thresholds come from the rest of ``val``, as for the
shipped model.  What is printed is about the recipe; the shipped model has seen more.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.diagnosis import softmax
from models.manifest import amended
from models.neighbours import Neighbours, read_neighbours
from models.runtime import Outputs
from models.training import dataset
from models.training.dataset import NEGATIVE, Row
from models.training.export_leaf import Split, choose_bank, confidence, own_crop, resemblance
from models.training.network import LeafNet
from models.training.train_leaf import predict, squares, train
from models.training.views import Config

# Series of PlantVillage whose condition at least one other series shows too.
SERIES = ("JR_Sept.L.S", "YLCV_GCREC")
_RUN_SHARE = 0.12


def ask(net: LeafNet, folder: Path, rows: Sequence[Row], px: int) -> Outputs:
    """The network's outputs for photos at ``px``."""
    return Outputs(*predict(net, squares(folder, rows, px)))


def figures(
    outputs: Outputs, rows: Sequence[Row], labels: Sequence[tuple[str, str]], bank: Neighbours,
    temperature: float, limits: dict[str, float],
) -> dict[str, Any]:  # fmt: skip
    """Accuracy, coverage (alert classes counted in) and accuracy when confident, crop given."""
    within = np.where(own_crop(labels, rows), outputs.logits.astype(np.float64), -np.inf)
    chance = softmax(within / temperature)
    right = np.array([labels[b] == r.label for b, r in zip(chance.argmax(1), rows, strict=True)])
    near = resemblance(bank, outputs, [r.crop for r in rows])
    sure: NDArray[np.bool_] = (near >= limits["familiar"]) & (chance.max(1) >= limits["confident"])
    return {
        "photos": len(rows),
        "accuracy": round(float(right.mean()), 4),
        "coverage_before_alerts": round(float(sure.mean()), 4),
        "right_when_confident": round(float(right[sure].mean()), 4) if sure.any() else None,
    }


def run(folder: Path, work: Path, config: Config, series: Sequence[str]) -> dict[str, Any]:
    """Train without the parts, then ask about them."""
    kept, val, left_out = dataset.leave_out(folder, series, _RUN_SHARE)
    saved = train(folder, work, config, kept, val)
    labels = [(str(a), str(b)) for a, b in saved["labels"]]
    net = LeafNet(len(labels)).to(memory_format=torch.channels_last)
    net.load_state_dict(saved["net"])
    px = config.finish_px
    leaves = [r for r in kept if r.crop != NEGATIVE]
    known = Split(leaves, squares(folder, leaves, px))
    packed = choose_bank(known, predict(net, known.images)[2], config.seed)
    bank = read_neighbours(packed)
    watched = [r for r in val if r.crop != NEGATIVE]
    on_val = ask(net, folder, watched, px)
    temperature, limits, _ = confidence(on_val, Split(watched, np.empty(0, np.uint8)), labels, bank)
    found = {
        name: figures(ask(net, folder, rows, px), rows, labels, bank, temperature, limits)
        for name, rows in left_out.items() if rows
    }  # fmt: skip
    found["val"] = figures(on_val, watched, labels, bank, temperature, limits)
    return {"config": saved["config"], "series": list(series), "left_out": found}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--px", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--series", nargs="*", default=SERIES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=Path, help="write the figures into this model's manifest")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    config = Config(
        px=given.px, epochs=given.epochs, finish_px=int(given.px * 1.15) // 16 * 16, finish_epochs=0
    )
    found = run(given.data, given.run, config, given.series)
    print(json.dumps(found, indent=1))
    if given.model is not None:
        with amended(given.model) as raw:
            raw["metrics"]["left_out"] = found


if __name__ == "__main__":
    main()
