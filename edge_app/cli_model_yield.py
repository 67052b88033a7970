"""``ghalla model eval wheat_yield``: figures of the yield model on a folder of real harvests."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

_MONTHS = {"02": "February", "03": "March", "04": "April", "05": "May"}
_ARMS = {"both": "model, NDVI and FPAR", "ndvi": "model, NDVI alone (a node)"}
_HEADS = ("RMSE", "NRMSE %", "MAPE %", "R2")
_FIGURES = ("rmse", "nrmse_percent", "mape_percent", "r2")


def eval_shipped(folder: Path, data: Sequence[Path], as_json: bool) -> None:
    """Print what the shipped graph is worth on harvests that it was not fitted to.

    Raises:
        PersonError: ``no_data``.  PublisherError: the model's.
    """
    from models.training.yield_shipped import report_shipped
    from models.yield_manifest import read_yield_manifest

    manifest = read_yield_manifest(folder)
    figures = report_shipped(folder, *data)
    head = {"model": manifest.name, "version": manifest.version}
    figures = {**head, "sha256": manifest.files["fp32"].sha256, "shipped": True, **figures}
    click.echo(json.dumps(figures) if as_json else "\n".join(_shipped(figures)))


def eval_yield(folder: Path, data: Sequence[Path], plots: Path | None, as_json: bool) -> None:
    """Print what the yield model is worth, and draw it; ``data`` are read as one folder.

    Raises:
        KeeperError: ``no_sklearn`` or ``no_matplotlib``.  PersonError: ``no_data``.
    """
    from models.training.yield_fit import need_sklearn
    from models.yield_manifest import read_yield_manifest

    need_sklearn()
    from models.training.yield_report import report

    if plots is not None:
        from models.plots import need_matplotlib

        need_matplotlib()
    manifest = read_yield_manifest(folder)
    found = report(*data, watch=_watch)
    figures = {"model": manifest.name, "version": manifest.version, **found.figures}
    if plots is not None:
        from models.yield_plots import draw_yield

        drawn = draw_yield(found.figures, found.year_out["both", "05"], plots)
        figures["plots"] = [str(path) for path in drawn]
    click.echo(json.dumps(figures) if as_json else "\n".join(_told(figures)))


def _watch(step: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"… {step}", err=True)


def _told(figures: Mapping[str, Any]) -> Iterable[str]:
    """The figures for people, scheme by scheme."""
    yield "{model} {version}: {harvests} harvests of {places} provinces".format(**figures)
    for scheme in ("leave_one_year_out", "rolling_origin"):
        said = figures[scheme]
        yield f"{scheme.replace('_', ' ')}, n = {said['both']['05']['n']}; t/ha"
        yield " " * 44 + " ".join(f"{head:>9}" for head in _HEADS)
        for arm, words in _ARMS.items():
            yield from (_line(f"  {words}, {month}", said[arm][h]) for h, month in _MONTHS.items())
        yield from (_line(f"  {rule} (n = {of['n']})", of) for rule, of in said["rules"].items())
    yield from _ranges(figures["leave_one_year_out"])
    for protocol, kinds in figures["new_place"].items():
        yield f"new place, {protocol.replace('_', ' ')}, May: RMSE by its own harvests"
        yield from (f"  {kind:6} {_pairs(of)}" for kind, of in kinds.items())
    yield f"April with fewer seasons learnt from: {_pairs(figures['learning_curve_april'])}"
    for crop, by_horizon in figures["morocco"].items():
        yield f"Morocco, {crop}, national, each year from the others: RMSE"
        for horizon, month in _MONTHS.items():
            yield f"  {month:9} {_pairs(_errors(by_horizon[horizon]))}"
        yield f"Morocco, {crop}, national, each year from those before it: RMSE"
        for horizon, month in _MONTHS.items():
            yield f"  {month:9} {_pairs(_errors(by_horizon['rolling_origin'][horizon]))}"
    yield from (f"drawn: {path}" for path in figures.get("plots", ()))


def _shipped(figures: Mapping[str, Any]) -> Iterable[str]:
    """The figures on unseen harvests for people."""
    yield "{model} {version} as shipped: {harvests} harvests it was not fitted to".format(**figures)
    if figures["without_satellite"]:
        yield f"{figures['without_satellite']} more have no satellite data: not scored"
    for scheme in ("earlier", "trained"):
        said = figures.get(scheme)
        if said is not None:
            yield f"usual yields from {scheme} harvests; t/ha"
            yield " " * 44 + " ".join(f"{head:>9}" for head in _HEADS)
            for arm, words in _ARMS.items():
                yield from (_line(f"  {words}, {m}", said[arm][h]) for h, m in _MONTHS.items())
            yield from (_line(f"  {rule}", of) for rule, of in said["rules"].items())
            yield from _ranges(said)
            for year, of in said["ndvi"]["05"]["by_year"].items():
                yield f"  {year}, NDVI alone, May: {of['n']} harvests; {_pairs(_errors(of))}"
    morocco = figures["morocco"]
    for horizon in _MONTHS if morocco["years"] else ():
        yield f"Morocco, {_MONTHS[horizon]}: {_pairs(_errors(morocco[horizon]))}"


def _errors(said: Mapping[str, Any]) -> Mapping[str, float]:
    return {key: value for key, value in said.items() if key not in ("years", "n")}


def _line(name: str, said: Mapping[str, float]) -> str:
    return f"{name:44}" + " ".join(f"{said[figure]:9.3f}" for figure in _FIGURES)


def _ranges(year_out: Mapping[str, Any]) -> Iterable[str]:
    yield "ranges, and skill against the province's mean"
    for arm, words in _ARMS.items():
        for horizon, month in _MONTHS.items():
            of = year_out[arm][horizon]
            skill, span = of["skill"]["mean"]["skill"], of["skill"]["mean"]["interval"]
            held = "; ".join(
                f"{share} %: {100 * one['coverage']:.1f} % held, worst year "
                f"{100 * one['worst_year']:.0f} %, width {one['mean_width']:.2f}"
                for share, one in of.get("ranges", {}).items()
            )
            yield f"  {words}, {month}: {held}; skill {skill:.2f} [{span[0]:.2f}, {span[1]:.2f}]"


def _pairs(values: Mapping[str, float]) -> str:
    return ", ".join(f"{key}: {value:.3f}" for key, value in values.items())
