"""CARD.md of the trap counter: every figure in it was measured and is recorded in the manifest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.counting_manifest import CountingManifest

_HEAD = """# Model card: {name} {version}

Finds insects on photos of traps, so that a node can count them. Written by
`python -m models.training.report_trap` from `manifest.json`; every figure here was printed by that
command.

- **Network:** the first eleven blocks of EfficientNet-Lite0 with a light top-down path; a
  centre-point detector at stride 4 (heat per label, reach of the box, kind of trap), ReLU6, batch
  normalisation folded; {px} x {px} px tiles.
- **Labels:** {labels}. `MOTH-UNSPEC` (larger moths, species not stated) is learnt so that it is not
  taken for *Tuta*; it is not counted.
- **Files:** {files}. The node keeps the faster of the two.
- **Started from:** {start}; the stem and the first three blocks stay frozen.
- **Data hash (SHA-256):** `{data}`; seed {seed}; {steps} steps of {batch} views.{note}
- **Made with:** {versions}.

## What it is for

A first count of *Tuta absoluta* on the sticky floor of a white pheromone trap (`tuta`), or of all
insects on a yellow sticky card (`yellow`), from one photo that the trap fills, always with its
interval, the annotated photo and the words "check by eye". **Not for** naming species on a sticky
card, for counting whitefly, thrips or anything smaller than about a sixtieth of the photo, for
quarantine or export decisions, or for deciding a treatment without a person: the threshold is the
advice card's business, and no Moroccan one is known to us.

## How a photo is read

{reading}

Sizes, thresholds and intervals were chosen on `val` with the int8 file. The interval is split
conformal: the count plus or minus `spread` x sqrt(count + 1), made to hold the count by hand in
{interval:.0%} of photos like those of `val`.
"""

_STRANGERS = """Photos without a trap, to learn and to check refusal: {counts},
from the negatives, crops and box photos of the same set. Pairs that look alike across splits
(difference hash): {twins}.
"""

_HOW = """## Figures

Each with a 95 % bootstrap interval over photos. AP and F1 at IoU 0.5, on the photos of the label's
kind of trap. Count errors on photos with at least one counted insect. *Right side*: no card gives a
threshold, so every count from 5 to 100 in steps of 5 is taken for one in turn; the share of (photo,
threshold) pairs on the side of the truth.
"""

_LIMITS = """## Limits

- *Tuta* photos come from one project (BioIn), one kind of trap: white, with a printed grid. Red
  delta traps, water traps and blue cards were never seen.
- Yellow cards come from one project, cut to 512 px pieces of larger photos: a whole card is read in
  tiles at that scale, which no whole card in the data confirms. The labels leave out debris and the
  smallest insects, so "all insects" means those a person would mark.
- Moths that overlap, wings alone and dirt are where people disagree too; the boxes of the data miss
  some moths, so part of the "false" detections are real.
- No photo comes from Morocco.
- `val` holds {tuta_val} photos with *Tuta* and {yellow_val} of sticky cards: thresholds and
  intervals chosen on so few are rough, and the intervals beside the figures say how rough.
- `MOTH-UNSPEC` was learnt from 15 photos of what looks like one place.
- **What holds on `val` need not hold on other days and traps.** Where the interval of a test split
  above holds the truth less often than promised, believe the test split: thresholds and intervals
  were not changed after it was read, but a trap whose interval clearly failed there is never sure:
  the node says "uncertain". Every count is to be checked by eye.
- int8 and fp32 agree on the quality of the counts, less often on the very number (see above).
- Wanted were mAP50 0.80, a median count error of 10 % and 95 % on the right side of a threshold;
  the tables say which were reached. Tried on val: reading photos larger, other limits of overlap
  (mAP50 by size, `tuta`: {sizes_tuta}; `yellow`: {sizes_yellow}; by overlap: {overlaps}), and a
  finish of the training on larger insects. Not tried for want of computing time: a longer run, a
  backbone that trains from its first block, and labels of the sticky cards made again by hand.
"""


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join("–" if c is None else str(c) for c in cells) + " |"


def _table(head: list[str], rows: Iterable[Iterable[object]]) -> str:
    return "\n".join([_row(head), _row(["---"] * len(head)), *map(_row, rows)])


def _span(value: Sequence[float], *, percent: bool = False) -> str:
    if percent:
        middle, low, high = (f"{100 * part:.0f}" for part in value)
        return f"{middle} % ({low}–{high})"
    middle, low, high = (f"{part:.2f}" for part in value)
    return f"{middle} ({low}–{high})"


def _tried(found: Mapping[str, float]) -> str:
    return ", ".join(f"{each}: {ap:.2f}" for each, ap in found.items())


def _sources(photos: Iterable[Mapping[str, Any]]) -> str:
    rows: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for each in photos:
        key = (each["source"], each["licence"], each["label"])
        rows[key][each["split"]] = f"{each['photos']} / {each['insects']}"
    splits = ("train", "val", "test-public")
    head = ["source", "licence", "label", *(f"{s}: photos / insects" for s in splits)]
    return _table(head, ([*key, *(said.get(s) for s in splits)] for key, said in rows.items()))


def _trusted(most: int) -> str:
    return f"checked up to {most} insects" if most else "**never sure** (see the limits)"


def _reading(manifest: CountingManifest) -> str:
    lines = []
    for trap, rule in manifest.thresholds.traps.items():
        lines.append(
            f"- `{trap}`: long side {rule.long_px} px, enlarged at most {rule.enlarge:g} times; "
            f"counts `{rule.label}` from a chance of {rule.score}; spread {rule.spread}; "
            f"{_trusted(rule.most)}; refused when blur > {rule.blur}, "
            f"luma < {rule.dark} or glare > {rule.glare}."
        )
    limits = manifest.thresholds
    lines.append(
        f"- A photo is `not_a_trap` below a chance of {limits.no_trap} that it shows this kind of "
        f"trap, and at most `uncertain` below {limits.sure}."
    )
    return "\n".join(lines)


def _figures(said: Mapping[str, Any]) -> str:
    rows = []
    variants = [variant for variant in ("fp32", "int8") if variant in said]
    for variant in variants:
        own = said[variant]
        for trap, each in own["traps"].items():
            rows.append(
                [
                    variant,
                    f"`{trap}` ({each['photos_with_insects']} photos, {each['insects']} insects)",
                    "; ".join(f"{label} {_span(ap)}" for label, ap in each["ap50"].items()),
                    _span(each["f1"]),
                    _span(each["count_error_median"], percent=True),
                    _span(each["count_error_mean"], percent=True),
                    _span(each["right_side"], percent=True),
                    _span(each["interval_covers"], percent=True),
                ]
            )
    head = [
        "file",
        "trap",
        "AP50",
        "F1",
        "count error, median",
        "mean",
        "right side of a threshold",
        "interval holds the truth",
    ]
    lines = [_table(head, rows), ""]
    for variant in variants:
        lines.append(f"- {variant}: mAP50 {_span(said[variant]['map50'])}.")
    for trap, each in said["without_trap"].items():
        lines.append(
            f"- Photos without a trap sent as `{trap}`: {each['refused']} of {each['photos']} "
            f"refused, {each['surely_counted']} given a count as sure (int8)."
        )
    if "same_count" in said:
        lines.append(f"- Same count by fp32 and int8: {_span(said['same_count'], percent=True)}.")
    return "\n".join(lines)


def card_text(manifest: CountingManifest) -> str:
    """The card of a manifest; figures of a split that was not measured are left out."""
    training, metrics = manifest.training, manifest.metrics
    val = metrics["val"]
    parts = [
        _HEAD.format(
            name=manifest.name,
            version=manifest.version,
            px=manifest.px,
            labels=", ".join(f"`{label}`" for label in manifest.labels),
            files=", ".join(
                f"{key} `{part.file}` {part.bytes / 1e6:.2f} MB"
                for key, part in manifest.files.items()
            ),
            start=training["start"],
            data=training["data_sha256"],
            seed=training["config"]["seed"],
            steps=training["config"]["steps_done"],
            batch=training["config"]["batch"],
            note=f" {training['config']['note']}".rstrip(),
            versions=", ".join(f"{k} {v}" for k, v in training["versions"].items()),
            reading=_reading(manifest),
            interval=val["interval"],
        ),
        "## Data\n\n" + _sources(training["photos"]) + "\n",
        _STRANGERS.format(
            counts=", ".join(f"{n} ({split})" for split, n in training["without_trap"].items()),
            twins=len(training["near_duplicates_across_splits"]),
        ),
        _HOW,
        "### val (thresholds were chosen on it)\n\n" + _figures(val) + "\n",
    ]
    for split, said in metrics.get("tests", {}).items():
        parts.append(f"### {split} (read once, at the end)\n\n" + _figures(said) + "\n")
    parts.append(
        _LIMITS.format(
            tuta_val=val["int8"]["traps"]["tuta"]["photos_with_insects"],
            yellow_val=val["int8"]["traps"]["yellow"]["photos_with_insects"],
            sizes_tuta=_tried(val["chosen_by"]["tuta_size"]),
            sizes_yellow=_tried(val["chosen_by"]["yellow_size"]),
            overlaps=_tried(val["chosen_by"]["overlap"]),
        )
    )
    return "\n".join(parts)
