"""Does the model look at the leaf?  ``python -m models.training.shortcuts --help``.

Photos with a plain backdrop are shown three times: as they are; with the leaf painted over, when
the backdrop alone must tell hardly more than always naming the commonest condition would; and with
the leaf before real grounds (the ``negative`` field photos of the split), when most answers must
stay.  It is the classifier's choice within the crop that counts, whatever the photo gate would say
of such a picture: a gate that refuses would hide a shortcut.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from field_data.errors import PersonError
from models import preprocess
from models.diagnosis import Diagnoser, gate_fault
from models.labelled import NEGATIVE, Row, check_photos, of_split, read_rows
from models.training import augment, dataset
from models.training.dataset import Image

# With the leaf gone accuracy may lie this far above the commonest condition's share; with another
# background it must keep this share.
MAY_EXCEED, MUST_KEEP = 0.10, 0.90
GROUNDS_EACH = 3
FEWEST = 20
SEED = 20261124


@dataclass(frozen=True, slots=True)
class Trial:
    """One photo: its label, whether it was named rightly as it is and without the leaf, how often
    (0 to 1) before other grounds, and whether the gate refused it without the leaf."""

    crop: str
    condition: str
    plain: bool
    leafless: bool
    swapped: float
    gated: bool


def views(image: Image, mask: augment.Mask, grounds: Sequence[Image]) -> list[Image]:
    """The photo, the photo without its leaf, then its leaf before every ground; RGB."""
    swapped = [augment.replace_background(image, mask, ground) for ground in grounds]
    return [image, augment.remove_leaf(image, mask), *swapped]


def _squares(images: Sequence[Image], px: int) -> NDArray[np.uint8]:
    return np.stack([preprocess.model_input(image[..., ::-1].copy(), px) for image in images])


def trial(model: Diagnoser, row: Row, image: Image, mask: augment.Mask,
          grounds: Sequence[Image]) -> Trial:  # fmt: skip
    """Show one photo, uint8 [height, width, 3] RGB, in all its views."""
    manifest = model.manifest
    outputs = model.run(_squares(views(image, mask, grounds), manifest.px))
    own = np.array([crop == row.crop for crop, _ in manifest.labels])
    best = np.where(own, outputs.logits, -np.inf).argmax(axis=1)
    right = [manifest.labels[int(i)] == row.label for i in best]
    gated = gate_fault(outputs.gate[1], manifest.thresholds) is not None
    return Trial(*row.label, right[0], right[1], sum(right[2:]) / len(grounds), gated)


def judged(trials: Sequence[Trial]) -> dict[str, Any]:
    """Accuracies of the three views, the commonest condition's share, and the two verdicts."""
    n = len(trials)
    plain = sum(t.plain for t in trials) / n
    leafless = sum(t.leafless for t in trials) / n
    swapped = sum(t.swapped for t in trials) / n
    commonest: Counter[tuple[str, str]] = Counter((t.crop, t.condition) for t in trials)
    crops = {t.crop for t in trials}
    # The crop is given, so over several crops the best guess is each crop's own.
    majority = sum(max(k for (c, _), k in commonest.items() if c == crop) for crop in crops) / n
    return {
        "photos": n,
        "as_is": round(plain, 4),
        "leaf_removed": round(leafless, 4),
        "commonest_condition": round(majority, 4),
        "backdrop_tells_little": leafless <= majority + MAY_EXCEED,
        "background_swapped": round(swapped, 4),
        "kept": round(swapped / plain, 4) if plain else None,
        "leaf_carries": plain > 0 and swapped >= MUST_KEEP * plain,
        "refused_without_leaf": round(sum(t.gated for t in trials) / n, 4),
    }


def probe(model: Diagnoser, folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    """Figures over all crops and for each.

    Raises:
        PersonError: ``bad_dataset`` without grounds or without a photo that has a plain backdrop.
    """
    check_photos(folder, rows)
    ground = [r for r in rows if r.crop == NEGATIVE and r.setting == "field"]
    known = [r for r in rows if r.label in set(model.manifest.labels)]
    if not ground or not known:
        raise PersonError("bad_dataset", "needs known leaves, and negative field photos as grounds")
    grounds = [dataset.load(folder, row) for row in ground]
    rng = np.random.default_rng(SEED)
    trials = []
    for row in tqdm(known, unit="photo", mininterval=5):
        image = dataset.load(folder, row)
        mask = augment.leaf_mask(image)
        picked = rng.choice(len(grounds), min(GROUNDS_EACH, len(grounds)), replace=False)
        if mask is not None:
            trials.append(trial(model, row, image, mask, [grounds[i] for i in picked]))
    if not trials:
        raise PersonError("bad_dataset", "no leaf before a plain backdrop")
    crops = sorted({t.crop for t in trials})
    return {
        "variant": model.variant,
        "photos_known": len(known),
        "all": judged(trials),
        "by_crop": {crop: judged([t for t in trials if t.crop == crop]) for crop in crops},
    }


def sheet(folder: Path, rows: Sequence[Row], out: Path, *, across: int = 8, most: int = 40) -> None:
    """A contact sheet of leaves with everything else in magenta, to see what the masks are worth.

    Photos without a mask are crossed out.
    """
    rng = np.random.default_rng(SEED)
    leaves = [r for r in rows if r.crop != NEGATIVE]
    tiles = []
    for i in rng.choice(len(leaves), min(most, len(leaves)), replace=False):
        image = dataset.load(folder, leaves[i])
        mask = augment.leaf_mask(image)
        if mask is None:
            tile = cv2.resize(image, (160, 160))
            cv2.line(tile, (0, 0), (159, 159), (255, 0, 0), 4)
        else:
            magenta = np.full_like(image, (255, 0, 255))
            tile = cv2.resize(augment.replace_background(image, mask, magenta), (160, 160))
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % across)
    lines = [np.hstack(tiles[i : i + across]) for i in range(0, len(tiles), across)]
    cv2.imwrite(str(out), np.vstack(lines)[..., ::-1])


def told(figures: dict[str, Any]) -> str:
    """The figures of :func:`probe` as a table; no verdict on fewer than twenty photos."""
    lines = [f"{'':8} photos  as is  no leaf (commonest)  swapped (kept)"]
    for name, said in [("all", figures["all"]), *figures["by_crop"].items()]:
        verdict = "  too few photos for a verdict"
        if said["photos"] >= FEWEST:
            verdict = "" if said["backdrop_tells_little"] else "  the backdrop tells too much"
            verdict += "" if said["leaf_carries"] else "  the background carries the answer"
        lines.append(
            f"{name:8} {said['photos']:6} {said['as_is']:6.3f} {said['leaf_removed']:8.3f} "
            f"({said['commonest_condition']:.3f}) {said['background_swapped']:11.3f} "
            f"({said['kept'] or 0:.2f}){verdict}"
        )
    return "\n".join(lines)


def main() -> None:
    """Command line of the probe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", required=True)
    parser.add_argument("--model", type=Path, default=Path(__file__).parents[1] / "leaf_health")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of the masks (PNG)")
    given = parser.parse_args()
    rows = of_split(read_rows(given.data), given.split)
    if given.sheet:
        sheet(given.data, rows, given.sheet)
    figures = probe(Diagnoser(given.model), given.data, rows)
    print(json.dumps(figures) if given.json else told(figures))


if __name__ == "__main__":
    main()
