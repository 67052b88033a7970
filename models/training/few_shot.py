"""How well a few photos teach: ``python -m models.training.few_shot --data DIR --json``.

One crop is left out as if the model had never seen it; 1, 5, 10, 20 or 40 photos of each of its
conditions teach the head of :mod:`models.local_classes`, its other photos are the test; 20 draws.
The features are those of plain ImageNet weights, or of a checkpoint of :mod:`train_leaf` that was
trained without ``--crops``.  Photos of ``test-public`` are not read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from models import preprocess
from models.local_classes import CropHead, Taught
from models.neighbours import unit
from models.training import dataset
from models.training.dataset import NEGATIVE, Row
from models.training.network import LeafNet

Floats = NDArray[np.float32]
SHOTS = (1, 5, 10, 20, 40)
DRAWS = 20
# A class is tested only where so many photos are left for it.
LEFT = 5
# Photos read of each class (drawn once): 40 to teach and ten to test, so that a slow machine can.
MOST = 50
# Photos of other crops that stand for the model's own, as many a class as the model ships.
_BANK_PER_CLASS = 40


@dataclass(frozen=True, slots=True)
class Features:
    """Embeddings [n, d] of photos, and the crop and condition of each [n]."""

    vectors: Floats
    crops: NDArray[np.str_]
    conditions: NDArray[np.str_]


def network(checkpoint: Path | None) -> LeafNet:
    """Plain ImageNet weights, or those of a checkpoint."""
    if checkpoint is None:
        return LeafNet(2).eval()
    saved = torch.load(checkpoint, weights_only=True)
    net = LeafNet(len(saved["labels"]))
    net.load_state_dict(saved["net"])
    return net.eval()


@torch.inference_mode()
def embed(net: LeafNet, folder: Path, rows: Sequence[Row], px: int, batch: int = 32) -> Floats:
    """Embeddings [n, d] of the photos, each squeezed to the square the node would see."""
    parts = []
    for start in tqdm(range(0, len(rows), batch), unit="batch"):
        photos = [dataset.load(folder, row) for row in rows[start : start + batch]]
        squares = [preprocess.model_input(np.ascontiguousarray(p[..., ::-1]), px) for p in photos]
        parts.append(net.embed(torch.from_numpy(np.stack(squares))).numpy())
    return np.concatenate(parts)


def chosen(rows: Iterable[Row]) -> list[Row]:
    """At most :data:`MOST` photos of each class, none of ``test-public``, always the same."""
    usable = [r for r in rows if r.split != "test-public" and r.crop != NEGATIVE]
    random.Random(20).shuffle(usable)  # noqa: S311
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for row in usable:
        seen[row.label] += 1
        if seen[row.label] <= MOST:
            found.append(row)
    return found


def features(folder: Path, checkpoint: Path | None, px: int, cache: Path | None) -> Features:
    """Embeddings of the chosen photos, from ``cache`` if they are there."""
    rows = chosen(dataset.read_rows(folder))
    crops, conditions = (np.array([getattr(r, key) for r in rows]) for key in ("crop", "condition"))
    weights = hashlib.sha256(checkpoint.read_bytes() if checkpoint else b"imagenet").hexdigest()
    kept = cache / f"few-shot-{weights[:12]}-{px}-{len(rows)}.npy" if cache else None
    if kept is not None and kept.is_file():
        return Features(np.load(kept), crops, conditions)
    vectors = embed(network(checkpoint), folder, rows, px)
    if kept is not None:
        np.save(kept, vectors)
    return Features(vectors, crops, conditions)


def bank_of(known: Features, without: str, rng: np.random.Generator) -> Floats:
    """Unit embeddings of photos of the other crops: what the model's neighbours would be."""
    own = []
    for crop, condition in sorted(set(zip(known.crops, known.conditions, strict=True))):
        if crop != without:
            found = np.flatnonzero((known.crops == crop) & (known.conditions == condition))
            own.append(rng.permutation(found)[:_BANK_PER_CLASS])
    return unit(known.vectors[np.concatenate(own)])


@dataclass(frozen=True, slots=True)
class Draw:
    """One lesson and its test: share right; of all, share trusted; right among the trusted.

    ``stranger`` is the share of photos of an untaught condition that were called confidently.
    """

    accuracy: float
    plain: float
    trusted: int
    trusted_right: int
    tested: int
    stranger_trusted: int
    strangers: int


def trial(photos: Mapping[str, Floats], shots: int, bank: Floats, rng: np.random.Generator,
          confident: float) -> Draw:  # fmt: skip
    """Teach ``shots`` photos of each condition, test on the others."""
    order = {name: vectors[rng.permutation(len(vectors))] for name, vectors in photos.items()}
    names = sorted(order)
    head = _head({name: order[name][:shots] for name in names}, bank)
    test = np.concatenate([order[name][shots:] for name in names])
    truth = np.repeat(np.arange(len(names)), [len(order[name]) - shots for name in names])
    guess, sure = answers(head, test, confident)
    means = np.stack([unit(order[name][:shots]).mean(axis=0) for name in names])
    plain = (unit(test) @ unit(means).T).argmax(axis=1)
    hidden = names[int(rng.integers(len(names)))]
    fewer = _head({name: order[name][:shots] for name in names if name != hidden}, bank)
    _, fooled = answers(fewer, order[hidden], confident)
    return Draw(
        float((guess == truth).mean()), float((plain == truth).mean()), int(sure.sum()),
        int((sure & (guess == truth)).sum()), len(truth), int(fooled.sum()), len(fooled),
    )  # fmt: skip


def answers(
    head: CropHead, vectors: Floats, confident: float
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Likeliest class [n] of photos [n, d], each a plant of its own, and whether it is trusted."""
    chance = head.chance(vectors)
    guess = chance.argmax(axis=1)
    believed = head.shares(vectors)[1].max(axis=1) >= confident
    own = np.arange(len(guess)), guess
    return guess, believed & (head.margins(vectors)[own] >= 0)


def _head(photos: Mapping[str, Floats], bank: Floats) -> CropHead:
    taught = [Taught("left-out", name, "", vectors) for name, vectors in photos.items()]
    return CropHead(taught, bank[:0], bank, bank.mean(axis=0), frozenset())


def protocol(
    known: Features, crops: Sequence[str], confident: float, shots_list: Sequence[int] = SHOTS
) -> dict[str, Any]:
    """Figures by number of shots, each crop and the mean of the crops."""
    found: dict[str, Any] = {}
    for shots in shots_list:
        each = {crop: _crop(known, crop, shots, confident) for crop in crops}
        usable = {crop: figures for crop, figures in each.items() if figures}
        keys = ("accuracy", "plain_means")
        mean = {k: round(float(np.mean([f[k] for f in usable.values()])), 3) for k in keys}
        found[str(shots)] = {"mean": mean, "crops": usable}
    return found


def _crop(known: Features, crop: str, shots: int, confident: float) -> dict[str, float] | None:
    own = known.crops == crop
    photos = {
        str(name): known.vectors[own & (known.conditions == name)]
        for name in np.unique(known.conditions[own])
    }
    photos = {name: v for name, v in photos.items() if len(v) >= shots + LEFT}
    if len(photos) < 2:
        return None
    rng = np.random.default_rng(20)
    bank = bank_of(known, crop, rng)
    draws = [trial(photos, shots, bank, rng, confident) for _ in range(DRAWS)]
    trusted, tested = sum(d.trusted for d in draws), sum(d.tested for d in draws)
    return {
        "classes": len(photos),
        "accuracy": round(float(np.mean([d.accuracy for d in draws])), 3),
        "spread": round(float(np.std([d.accuracy for d in draws])), 3),
        "plain_means": round(float(np.mean([d.plain for d in draws])), 3),
        "confident": round(trusted / tested, 3),
        "right_when_confident": round(sum(d.trusted_right for d in draws) / max(trusted, 1), 3),
        "untaught_called_confidently": round(
            sum(d.stranger_trusted for d in draws) / sum(d.strangers for d in draws), 3
        ),
    }


def _print(found: Mapping[str, Any]) -> None:
    for shots, figures in found.items():
        mean = figures["mean"]
        print(f"{shots:>3} shots: mean {mean['accuracy']:.3f} (plain means {mean['plain_means']})")
        for crop, f in figures["crops"].items():
            print(
                f"    {crop} ({f['classes']} classes) {f['accuracy']:.3f} ± {f['spread']:.3f}"
                f"  confident {f['confident']:.0%}, then right {f['right_when_confident']:.0%};"
                f" untaught called confidently {f['untaught_called_confidently']:.1%}"
            )


def main() -> None:
    """Command line of the protocol."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with classification.csv")
    parser.add_argument("--features", choices=("imagenet",), default="imagenet")
    parser.add_argument("--checkpoint", type=Path, help="of train_leaf, trained without --crops")
    parser.add_argument("--crops", default="", help="EPPO codes, by comma (default: all seven)")
    parser.add_argument("--px", type=int, default=224)
    parser.add_argument("--cache", type=Path, help="folder to keep the features in")
    parser.add_argument("--confident", type=float, default=0.7, help="as in the manifest")
    parser.add_argument("--shots", default=",".join(map(str, SHOTS)), help="numbers, by comma")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.checkpoint and not given.crops:
        parser.error("--checkpoint needs --crops: those it was trained without")
    torch.set_num_threads(1)
    known = features(given.data, given.checkpoint, given.px, given.cache)
    crops = given.crops.split(",") if given.crops else sorted(set(map(str, known.crops)))
    found = protocol(known, crops, given.confident, [int(n) for n in given.shots.split(",")])
    if given.json:
        print(json.dumps({"px": given.px, "shots": found}))
    else:
        _print(found)


if __name__ == "__main__":
    main()
