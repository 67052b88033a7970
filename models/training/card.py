"""CARD.md from the manifest: every figure in it is one that was measured and recorded there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from models.manifest import Manifest

_HEAD = """# Model card: {name} {version}

Leaf photos of seven crops to {classes} (crop, condition) pairs, an embedding, and a gate (leaf /
too far / not a plant). Written by `python -m models.training.report_leaf` from `manifest.json`;
every figure here was printed by that command.

- **Network:** EfficientNet-Lite0, {px} x {px} px, one graph with logits, gate and embedding.
- **Files:** {files}. The node times both variants at start and keeps the faster.
- **Started from:** {start}; fine-tuned with batch normalisation folded,
  heads first, stem and first blocks frozen.
- **Data hash (SHA-256):** `{data}`; seed {seed}; temperature {temperature}.
- **Made with:** {versions}.

## What it is for

First advice to farmers and agents from one to six photos of one plant, with the crop given, always
beside its look-alikes and the words "how sure". **Not for** certifying plants, for export or
quarantine decisions, for choosing or dosing a pesticide without a person, for insurance, or for
crops and conditions that are not listed below.

Never confirmed by the node alone, whatever the probability (regulated, or not known in Morocco):
{alert}.
"""

_LIMITS = """## Limits

- **Most diseases were learnt from laboratory photos** (single leaf, plain backdrop; marked *lab* in
  the table). On photos from fields such models lose much; no field figure exists for these classes,
  so their laboratory figure must not be read as a promise for the field.
- No photo comes from Morocco. Local figures begin with the first reviewed local photos.
- `val` comes from the same afternoons as the training photos; `test-public` from other runs of the
  camera, but the same sources: both are **in-source**. What happens elsewhere stands above.
- Citrus: labels of huanglongbing, black spot and melanose are doubtful in the source; classes with
  fewer than 20 photos promise nothing.
- One leaf shows one problem: mixed infections, roots, stems and viruses without leaf signs are not
  seen. Deficiencies other than those of pepper are not known to the model.
- Non-plants were few in training: the gate is checked on weeds, ground, fruit plants and screens.
"""


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join("–" if c is None else str(c) for c in cells) + " |"


def _table(head: list[str], rows: Iterable[Iterable[object]]) -> str:
    return "\n".join([_row(head), _row(["---"] * len(head)), *map(_row, rows)])


def _figures(name: str, said: Mapping[str, Any]) -> list[object]:
    keys = ("photos", "accuracy", "macro_f1", "coverage", "right_when_confident", "refused", "ece")
    return [name, *(said[k] for k in keys)]


_HEADINGS = [
    "",
    "photos",
    "accuracy",
    "macro-F1",
    "confident",
    "right when confident",
    "refused",
    "ECE",
]


def _classes(manifest: Manifest, tests: Mapping[str, Any]) -> str:
    trained: dict[str, int] = defaultdict(int)
    settings: dict[str, set[str]] = defaultdict(set)
    for entry in manifest.training["classes"]:
        key = f"{entry['crop']} {entry['condition']}"
        settings[key].add(entry["setting"])
        trained[key] += entry["photos"] if entry["split"] == "train" else 0
    rows = []
    for crop, condition in manifest.labels:
        key = f"{crop} {condition}"
        said = tests["by_class"].get(key, {})
        rows.append([key, "+".join(sorted(settings[key])), trained[key],
                     said.get("photos"), said.get("accuracy")])  # fmt: skip
    return _table(["crop condition", "setting", "trained on", "tested on", "right"], rows)


def _sources(manifest: Manifest) -> str:
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    for entry in manifest.training["photos"]:
        counts[entry["source"], entry["licence"], entry["setting"]] += entry["photos"]
    rows = [[*key, n] for key, n in sorted(counts.items())]
    return _table(["source", "licence as stated", "setting", "photos"], rows)


def _gate(manifest: Manifest, tests: Mapping[str, Any]) -> str:
    sweep = manifest.metrics["val"]["photo_gate"]
    limits = manifest.thresholds
    lines = [
        "## The photo gate",
        "",
        "Limits were found on `val`: real photos were blurred, darkened and overexposed in steps;",
        "a photo is refused where the model keeps less than 80 % of its accuracy, and at most 0.5 %"
        f" of the untouched photos may be refused. Blur effect > {limits.blur}, mean luma <"
        f" {limits.dark}, blown-out share > {limits.glare}.",
        "",
    ]
    for name, unit in (("blur", "sigma in px at 224 px"), ("dark", "gain"), ("glare", "gain")):
        steps = sweep[f"accuracy_by_{name}"]
        lines.append(
            f"- accuracy by {name} ({unit}): " + ", ".join(f"{k}: {v}" for k, v in steps.items())
        )
    strange = tests["not_a_crop"]
    lines += [
        "",
        f"Of {strange['photos']} photos that show no leaf of a known crop, "
        f"{strange['confident_errors']} got a confident diagnosis (no crop given):",
        "",
        _table(["kind", "answers"], [[k, v] for k, v in strange["by_kind"].items()]),
    ]
    return "\n".join(lines)


_PARTS = {
    "val": "same afternoons (the rest of `val`)",
    "run": "other runs of the same cameras, every class",
    "series": "tomato photo series never trained on",
    "source": "beans of a source never trained on (leaves cut from boxes)",
}


def _left_out(manifest: Manifest) -> str:
    """The leave-out figures, when they were measured."""
    found = manifest.metrics.get("left_out")
    if found is None:
        return ""
    config, parts = found["config"], found["left_out"]
    rows = [
        [_PARTS[name], *(parts[name][k] for k in
         ("photos", "accuracy", "coverage_before_alerts", "right_when_confident"))]
        for name in _PARTS if name in parts
    ]  # fmt: skip
    return "\n".join([
        "## Where no photo was taken\n",
        f"The same recipe, {config['epochs']} epochs at {config['px']} px instead of the shipped "
        f"schedule, trained without series {', '.join(found['series'])}, without boxes and without "
        "a run of photos of every class (`python -m models.training.leave_out`). Thresholds from "
        "`val`, crop given.\n",
        _table(["photos from", "photos", "accuracy", "confident", "right when confident"], rows),
        "",
    ])  # fmt: skip


def card_text(manifest: Manifest) -> str:
    """The whole card, Markdown."""
    training, tests = manifest.training, manifest.metrics["tests"]["test-public"]
    val = manifest.metrics["val"]
    head = _HEAD.format(
        name=manifest.name,
        version=manifest.version,
        classes=len(manifest.labels),
        px=manifest.px,
        files=", ".join(f"`{f.file}` {f.bytes / 1e6:.1f} MB" for f in manifest.files.values()),
        start=training["start"],
        data=training["data_sha256"],
        seed=training["config"]["seed"],
        temperature=manifest.temperature,
        versions=", ".join(f"{k} {v}" for k, v in training["versions"].items()),
        alert=", ".join(sorted(manifest.alert)),
    )
    figures = [
        _figures("**all, crop given**", tests["all"]),
        *(_figures(f"{name} photos", said) for name, said in tests["by_setting"].items()),
        *(_figures(name, said) for name, said in tests["by_crop"].items()),
        _figures("all, crop not given", tests["crop_not_given"]),
    ]
    parts = [
        head,
        f"## Figures on `test-public` (in-source, {tests['variant']})\n",
        _table(_HEADINGS, figures),
        "\nA refused photo counts as wrong. *Confident* leaves out the alert classes by design.",
        f"int8 gives the answer of float32 for {val['int8_same_answer']:.1%} of `val`.\n",
        _left_out(manifest),
        _LIMITS,
        "## Classes\n",
        _classes(manifest, tests),
        "",
        _gate(manifest, tests),
        "\n## Data\n",
        _sources(manifest),
        "\nLicences are those stated at the copies used. The photos are not part of this project.",
        "`make train-leaf DATA=<folder>` trains such a model; this one was made by:\n",
        "\n".join(f"    {command}" for command in training["commands"]),
        "",
    ]
    return "\n".join(parts)
