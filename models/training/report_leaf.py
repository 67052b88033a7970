"""Measure the shipped model and write its card: ``python -m models.training.report_leaf --help``.

The only command that shows ``test-public`` to the model; run it once, when everything has been
chosen.  Answers come from the node's own :class:`models.diagnosis.Diagnoser`, photo by photo, from
the file's bytes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from models.diagnosis import Diagnoser
from models.examine import examine, report_of
from models.labelled import Row, of_split, read_rows
from models.manifest import amended, read_manifest
from models.training import dataset
from models.training.card import card_text


def measure(folder: Path, model: Diagnoser, split: str) -> dict[str, Any]:
    """All figures of a split."""
    rows = of_split(read_rows(folder), split)

    def bar(rows: Sequence[Row]) -> Iterable[Row]:
        return tqdm(rows, unit="photo", mininterval=5)

    return {"variant": model.variant, **report_of(examine(model, folder, rows, bar))}


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
    with amended(given.model) as raw:
        raw["metrics"].setdefault("tests", {})[given.split] = figures
    (given.model / "CARD.md").write_text(card_text(read_manifest(given.model)), encoding="utf-8")


if __name__ == "__main__":
    main()
