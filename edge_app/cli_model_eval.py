"""``ghalla model eval`` and ``ghalla model audit``: figures on labelled photos, and a verdict."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import EXIT, JSON, guarded, progress
from edge_app.cli_model_yield import eval_shipped, eval_yield
from field_data.errors import PersonError, PublisherError
from models.manifest import read_header
from models.yield_manifest import KIND as YIELD

if TYPE_CHECKING:
    from edge_app.advice import Advice
    from models.audit import Slice
    from models.examine import Examination
    from models.labelled import Row
    from models.manifest import Manifest
    from models.plots import Names

_FOLDER = click.Path(path_type=Path, file_okay=False)
_DATA_HELP = "Folder with classification.csv and the photos that it names."
_SPLIT_HELP = "Rows of this split; 'all' for every row."
_COLUMNS = ("photos", "accuracy", "macro_f1", "coverage", "right_when_confident", "refused", "ece")
_HEADS = ("photos", "right", "macro-F1", "dares", "right then", "refused", "ECE")
_APART = {
    "not_a_crop": "photos without a leaf of a crop",
    "unknown_crops": "photos of crops that the model does not know",
    "unknown_conditions": "photos of conditions that it does not know",
}


def _folder_of(name: str) -> Path:
    """The folder of a model by name, or a folder itself.

    Raises:
        PersonError: ``unknown_model``.
    """
    from edge_app.node import MODEL_FOLDER

    home = MODEL_FOLDER.parent
    found = MODEL_FOLDER if name == "leaf_health" else home / name
    if Path(name).name == name and found.is_dir():
        return found
    if (Path(name) / "manifest.json").is_file():
        return Path(name)
    known = ", ".join(sorted(path.parent.name for path in home.glob("*/manifest.json")))
    raise PersonError("unknown_model", f"no model {name!r}; there are: {known}")


def _rows(advice: Advice, data: Path, split: str) -> list[Row]:
    from models.labelled import of_split, read_rows

    codes = {name: crop.code for crop in advice.crops for name in crop.sci}
    return of_split(read_rows(data, codes, strangers=True), split)


def _watch(rows: Sequence[Row]) -> Iterable[Row]:
    bar: Iterable[Row] = progress(rows, unit="photo")
    return bar


@click.command("eval")
@click.argument("name")
@click.option(
    "--data",
    "folders",
    type=_FOLDER,
    required=True,
    multiple=True,
    help=_DATA_HELP + "  Harvests: say it again to read several as one.",
)
@click.option(
    "--shipped",
    is_flag=True,
    help="Yield: the shipped graph on harvests that it was not fitted to.",
)
@click.option("--split", help=_SPLIT_HELP + "  Needed for photos, not for yield.")
@click.option("--plots", type=_FOLDER, help="Draw the figures as PNG files into this folder.")
@click.option("--each", type=click.Path(path_type=Path, dir_okay=False), help="Write every answer.")
@JSON
def model_eval(
    name: str,
    folders: tuple[Path, ...],
    shipped: bool,
    split: str | None,
    plots: Path | None,
    each: Path | None,
    as_json: bool,
) -> None:
    """Measure a model on labelled photos, as the node itself would answer them.

    Every photo is read as a plant of its own, with the crop given and without.  What the model
    cannot know (other crops, other conditions, no leaf at all) is counted apart.

    A yield model is fitted anew to the harvests in --data, every year and place left out in turn;
    with --shipped nothing is fitted.
    """

    def action() -> None:
        if read_header(_folder_of(name)).kind == YIELD:
            if shipped:
                eval_shipped(_folder_of(name), folders, as_json)
            else:
                eval_yield(_folder_of(name), folders, plots, as_json)
        elif shipped or len(folders) > 1:
            raise click.UsageError("--shipped and a second --data are for yield models")
        elif split is None:
            raise PersonError("no_split", "say which photos: --split NAME, or --split all")
        else:
            photos(split)

    def photos(split: str) -> None:
        from edge_app.advice import load_advice
        from models.diagnosis import Diagnoser
        from models.examine import examine, report_of

        advice = load_advice()
        (data,) = folders
        rows = _rows(advice, data, split)
        model = Diagnoser(_folder_of(name))
        if plots is not None:
            from models.plots import need_matplotlib

            need_matplotlib()
        found = examine(model, data, rows, _watch)
        manifest = model.manifest
        figures = {"model": manifest.name, "version": manifest.version, "variant": model.variant,
                   "split": split, **report_of(found)}  # fmt: skip
        if each is not None:
            _write_each(each, found)
        if plots is not None:
            from models.plots import draw_all

            drawn = draw_all(found, data, _names(advice, found, manifest), plots)
            figures["plots"] = [str(path) for path in drawn]
        if as_json:
            click.echo(json.dumps(figures, ensure_ascii=False))
        else:
            click.echo("\n".join(_told(figures)))

    guarded(as_json, action)


def _names(advice: Advice, found: Examination, manifest: Manifest) -> Names:
    from edge_app.advice import localise
    from models.plots import Names

    pairs = {*manifest.labels, *((a.crop, a.truth) for a in found.given)}
    crops = {crop: advice.crop(crop) for crop, _ in pairs}
    return Names(
        crops={code: localise(crop.name, "en").text if crop else code
               for code, crop in crops.items()},
        conditions={pair: advice.condition_name(*pair, "en").text for pair in pairs},
    )  # fmt: skip


def _write_each(path: Path, found: Examination) -> None:
    from field_data.files import make_folder, write_atomic
    from models.examine import each_line

    asked = {"crop given": found.given + found.strange_conditions,
             "no crop": found.open + found.strange_crops + found.negatives}  # fmt: skip
    lines = [
        json.dumps({"asked": how, **each_line(answer)}, ensure_ascii=False) + "\n"
        for how, answers in asked.items()
        for answer in answers
    ]
    make_folder(path.resolve().parent)
    write_atomic(path.resolve(), "".join(lines).encode())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _line(name: str, said: Mapping[str, Any]) -> str:
    cells = [f"{_cell(said.get(column)):>10}" for column in _COLUMNS]
    return f"{name[:44]:44}" + " ".join(cells)


def _span(said: Mapping[str, Any], figure: str) -> str:
    bounds = said["interval"][figure]
    return f"{_cell(said[figure])} [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else "-"


def _told(figures: Mapping[str, Any]) -> Iterable[str]:
    """The figures for people: one line a slice, intervals for the whole, what was set apart."""
    yield "{model} {version} ({variant}), split {split}".format(**figures)
    yield " " * 44 + " ".join(f"{head:>10}" for head in _HEADS)
    if "all" in figures:
        yield _line("all, crop given", figures["all"])
        yield _line("all, crop not given", figures["crop_not_given"])
        for kind in ("setting", "crop", "source", "series"):
            yield f"by {kind}"
            yield from (_line(f"  {n}", said) for n, said in figures[f"by_{kind}"].items())
        yield "95 % intervals, resampled by photo"
        yield from (f"  {f}: {_span(figures['all'], f)}" for f in figures["all"]["interval"])
        yield "most frequent confusions"
        for one in figures["most_confused"]:
            said = " ".join(one["said"])
            sure = f", {one['confident']} of them confident" if one["confident"] else ""
            yield f"  {one['crop']} {one['truth']} taken for {said}: {one['photos']}{sure}"
    else:
        yield "no photo of a condition that the model knows"
    for key, words in _APART.items():
        said = figures[key]
        yield f"{words}: {said['photos']}, confidently diagnosed: {said['confident_errors']}"
        yield from (f"  {kind}: {_counts(n)}" for kind, n in said["by_kind"].items())
    yield f"unreadable photos: {len(figures['unreadable'])}"
    for key, value in figures["familiarity_auroc"].items():
        yield f"familiarity tells known photos from {key.replace('_', ' ')}: AUROC {_cell(value)}"
    yield from (f"drawn: {path}" for path in figures.get("plots", ()))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {status}" for status, n in counts.items())


@click.command("audit")
@click.argument("name")
@click.option("--data", type=_FOLDER, help=_DATA_HELP)
@click.option("--split", default="all", show_default=True, help=_SPLIT_HELP)
@JSON
def model_audit(name: str, data: Path | None, split: str, as_json: bool) -> None:
    """Refuse a model that breaks its card's promise on some slice of the photos.

    Slices: crop, setting, source, brightness, blur, and phone, region, language where the set
    tells.  Without --data the slices that the manifest records are judged.  Exit code 4 when the
    promise is broken.
    """

    def action() -> None:
        from models.audit import BROKEN, promise_of, worst_of
        from models.manifest import read_manifest

        folder = _folder_of(name)
        manifest = read_manifest(folder)
        promise = promise_of(manifest)
        slices = _slices(folder, manifest, promise, data, split)
        broken = [s for s in slices if s.verdict == BROKEN]
        worst = worst_of(slices)
        if as_json:
            click.echo(json.dumps({
                "model": manifest.name, "version": manifest.version, "promise": promise,
                "ok": not broken, "worst": _told_slice(worst) if worst else None,
                "slices": [_told_slice(s) for s in slices],
            }, ensure_ascii=False))  # fmt: skip
        else:
            click.echo("\n".join(_verdicts(slices)))
        if broken and worst is not None:
            click.echo(f"ghalla: {_why(broken, worst)}", err=True)
            sys.exit(EXIT[PublisherError])

    guarded(as_json, action)


def _slices(
    folder: Path, manifest: Manifest, promise: Mapping[str, float], data: Path | None, split: str
) -> list[Slice]:
    from edge_app.advice import load_advice
    from models.audit import audit, cases_of, recorded
    from models.diagnosis import Diagnoser

    if data is None:
        return recorded(manifest, promise)
    rows = _rows(load_advice(), data, split)
    return audit(cases_of(Diagnoser(folder), data, rows, _watch), promise)


def _told_slice(one: Slice) -> dict[str, Any]:
    return {
        "by": one.by,
        "name": one.name,
        "figure": one.figure,
        "photos": one.photos,
        "judged": one.judged,
        "value": one.value,
        "interval": one.interval,
        "promised": one.promised,
        "verdict": one.verdict,
    }


def _verdicts(slices: Sequence[Slice]) -> Iterable[str]:
    for one in slices:
        span = "[{:.3f}, {:.3f}]".format(*one.interval) if one.interval else "-"
        name = f"{one.by}: {one.name}"[:52]
        yield (
            f"{one.verdict:9} {name:52} {one.figure} {_cell(one.value)} {span} "
            f"of {one.judged}, promised {one.promised}"
        )


def _why(broken: Sequence[Slice], worst: Slice) -> str:
    named = "; ".join(f"{s.by} {s.name} ({s.figure} {_cell(s.value)})" for s in broken)
    return f"breaks its promise on {named}; worst slice: {worst.by} {worst.name}"
