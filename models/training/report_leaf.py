"""Measure the shipped model and write its card: ``python -m models.training.report_leaf --help``.

The only command that shows ``test-public`` to the model; run it once, when everything has been
chosen.  Answers come from the node's own :class:`models.diagnosis.Diagnoser`, photo by photo, from
the file's bytes.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from field_data.types import Status
from models.diagnosis import Diagnoser, Reading
from models.evaluation import Answer, report, summary
from models.manifest import read_manifest
from models.training import dataset
from models.training.card import card_text
from models.training.dataset import NEGATIVE, Row


def to_answer(row: Row, reading: Reading) -> Answer:
    """What was said of one labelled photo."""
    top = reading.candidates[0] if reading.candidates else None
    return Answer(
        crop=row.crop,
        truth=row.condition,
        setting=row.setting,
        source=row.source,
        status=reading.status,
        said=(top.crop, top.condition) if top else None,
        probability=top.probability if top else 0.0,
    )


def ask(model: Diagnoser, folder: Path, rows: Sequence[Row], *, crop_given: bool) -> list[Answer]:
    """Every photo as a plant of its own."""
    bar = tqdm(rows, unit="photo", mininterval=5, desc="crop given" if crop_given else "no crop")
    return [
        to_answer(
            row,
            model.read(
                [(row.file, (folder / row.file).read_bytes())],
                row.crop if crop_given else None,
                keep=False,
            ),
        )
        for row in bar
    ]


def negatives(model: Diagnoser, folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    """What is said of photos that show no crop leaf: by kind, how often each status."""
    said: dict[str, Counter[str]] = {}
    for row in rows:
        photo = (row.file, (folder / row.file).read_bytes())
        reading = model.read([photo], None, keep=False)
        said.setdefault(row.condition, Counter())[reading.status.value] += 1
    wrong = sum(counts[Status.CONFIDENT.value] for counts in said.values())
    by_kind = {kind: dict(sorted(counts.items())) for kind, counts in sorted(said.items())}
    return {"photos": len(rows), "confident_errors": wrong, "by_kind": by_kind}


def measure(folder: Path, model: Diagnoser, split: str) -> dict[str, Any]:
    """All figures of a split."""
    rows = dataset.of_split(dataset.read_rows(folder), split)
    leaves = [r for r in rows if r.crop != NEGATIVE]
    given = ask(model, folder, leaves, crop_given=True)
    return {
        "variant": model.variant,
        **report(given),
        "crop_not_given": summary(ask(model, folder, leaves, crop_given=False)),
        "not_a_crop": negatives(model, folder, [r for r in rows if r.crop == NEGATIVE]),
    }


def main() -> None:
    """Measure, write the figures into the manifest, and write CARD.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path(__file__).parents[1] / "leaf_health")
    parser.add_argument("--split", choices=dataset.SPLITS, default="test-public")
    parser.add_argument("--print-only", action="store_true", help="change no file")
    given = parser.parse_args()
    figures = measure(given.data, Diagnoser(given.model), given.split)
    print(json.dumps(figures["all"] | {"crop_not_given": figures["crop_not_given"],
          "not_a_crop": figures["not_a_crop"], "by_setting": figures["by_setting"],
          "by_crop": figures["by_crop"]}, indent=1))  # fmt: skip
    if given.print_only:
        return
    path = given.model / "manifest.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["metrics"].setdefault("tests", {})[given.split] = figures
    path.write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (given.model / "CARD.md").write_text(card_text(read_manifest(given.model)), encoding="utf-8")


if __name__ == "__main__":
    main()
