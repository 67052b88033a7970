"""Measure the shipped trap counter: ``python -m models.training.report_trap --data --split``.

Prints every figure of a split, for both variants.  For ``test-public`` they are also written into
the manifest, and CARD.md is written anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.counting import OUTPUTS
from models.counting_manifest import CountingManifest, read_counting_manifest
from models.manifest import amended
from models.runtime import Graph, checked_bytes
from models.training import dataset, trap_data
from models.training.card_trap import card_text
from models.training.detection_metrics import bootstrap
from models.training.trap_evaluation import (
    Judged,
    figures,
    judge_all,
    refusal_counts,
    stranger_chances,
)

# Crop photos beside the negatives that must be refused; boxed ones besides.
LEAVES = 15
HERE = Path(__file__).parents[1] / "trap_insects"


def same_count(pairs: Sequence[tuple[Judged, Judged]]) -> float:
    """Share of photos for which both variants count the same."""
    return float(np.mean([a.count == b.count for a, b in pairs]))


def measure(folder: Path, model: Path, manifest: CountingManifest, split: str) -> dict[str, Any]:
    """All figures of a split, by variant, and how often the variants agree."""
    photos = trap_data.on_traps(trap_data.read_photos(folder, split))
    strangers = trap_data.read_strangers(folder, split, LEAVES)
    said: dict[str, Any] = {}
    judged = {}
    for variant in ("fp32", "int8"):
        graph = Graph(checked_bytes(model, manifest.files[variant]), manifest.px, OUTPUTS)
        judged[variant] = judge_all(graph.outputs, manifest, folder, photos)
        said[variant] = figures(judged[variant], manifest)
    strange = stranger_chances(graph.outputs, manifest, folder, strangers)
    said["without_trap"] = refusal_counts(manifest, strange)
    pairs = list(zip(judged["fp32"], judged["int8"], strict=True))
    return said | {"same_count": [round(part, 4) for part in bootstrap(same_count, pairs)]}


def disproved(said: dict[str, Any], promised: float) -> list[str]:
    """Traps whose interval clearly holds the truth less often than ``promised``, in any variant.

    Clearly: the upper end of its 95 % interval lies below.  Such counts are never called sure; it
    is the one thing that a test split may change, and only towards less.
    """
    broken = {
        trap
        for variant in {"fp32", "int8"} & set(said)
        for trap, each in said[variant]["traps"].items()
        if each["interval_covers"][2] < promised
    }
    return sorted(broken)


def record(model: Path, split: str, said: dict[str, Any]) -> None:
    """Put the figures of a test split into the manifest, and write the card."""
    with amended(model) as raw:
        raw["metrics"].setdefault("tests", {})[split] = said
        for trap in disproved(said, raw["metrics"]["val"]["interval"]):
            raw["thresholds"]["traps"][trap]["most"] = 0
    (model / "CARD.md").write_text(card_text(read_counting_manifest(model)), encoding="utf-8")


def main() -> None:
    """Measure and print; record what was measured on ``test-public``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=HERE)
    parser.add_argument("--split", choices=dataset.SPLITS, default="test-public")
    parser.add_argument("--json", action="store_true", help="one line for programs")
    parser.add_argument("--print-only", action="store_true", help="change no file")
    given = parser.parse_args()
    said = measure(given.data, given.model, read_counting_manifest(given.model), given.split)
    print(json.dumps(said, indent=None if given.json else 1))
    if given.split == "test-public" and not given.print_only:
        record(given.model, given.split, said)


if __name__ == "__main__":
    main()
