"""The figures of the yield model as pictures: forecast, range, skill, and what harvests teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from field_data.files import make_folder
from field_data.types import HORIZONS
from models.plots import BLUE, GREEN, GREY, ORANGE, PURPLE, empty_figure, percent, plain
from models.yield_evaluation import Judged

_MONTHS = dict(zip(HORIZONS, ("February", "March", "April", "May"), strict=True))


def draw_yield(figures: Mapping[str, Any], may: Sequence[Judged], folder: Path) -> list[Path]:
    """Draw every picture into a folder; the paths."""
    make_folder(folder)
    drawn = {
        "yield-observed": observed(may),
        "yield-coverage": covered(figures["leave_one_year_out"]),
        "yield-skill": skilful(figures),
        "yield-learning": learning(figures["new_place"]),
    }
    paths = []
    for name, figure in drawn.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1])
    return paths


def observed(judged: Sequence[Judged]) -> Any:
    """Observed against forecast, a panel a year."""
    years = sorted({one.year for one in judged})
    rows = -(-len(years) // 5)
    figure = empty_figure(10, 2.1 * rows + 0.6)
    grid = figure.subplots(rows, 5, sharex=True, sharey=True, squeeze=False)
    top = 1.05 * max(max(one.t_ha, one.forecast) for one in judged)
    for axes in grid.flat:
        axes.set_visible(False)
    for axes, year in zip(grid.flat, years, strict=False):
        own = [one for one in judged if one.year == year]
        axes.set_visible(True)
        axes.plot([0, top], [0, top], color=GREY, linewidth=1)
        axes.scatter([o.level_t_ha for o in own], [o.t_ha for o in own], s=9, color=ORANGE,
                     marker="x", label="usual yield", linewidth=0.8)  # fmt: skip
        axes.scatter([o.forecast for o in own], [o.t_ha for o in own], s=12, color=BLUE,
                     label="forecast of end of May")  # fmt: skip
        axes.set(xlim=(0, top), ylim=(0, top))
        axes.set_title(str(year), loc="left", fontsize=10)
        plain(axes)
    figure.supxlabel("said before, t/ha (that year left out of everything)")
    figure.supylabel("harvested, t/ha")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
    return figure


def covered(year_out: Mapping[str, Any]) -> Any:
    """How often the 80 % range held, by year; May, NDVI alone and with FPAR."""
    figure = empty_figure(8, 4)
    axes = figure.subplots()
    for shift, (arm, words, colour) in enumerate(
        (("ndvi", "NDVI alone, as on a node", BLUE), ("both", "NDVI and FPAR", GREEN))
    ):
        said = year_out[arm]["05"]["ranges"]["80"]
        years = list(said["by_year"])
        places = np.arange(len(years)) + 0.4 * shift - 0.2
        whole = f"{words}: {100 * said['coverage']:.1f} % overall"
        axes.bar(places, list(said["by_year"].values()), 0.38, color=colour, label=whole)
    axes.axhline(0.8, color=ORANGE, linewidth=1.5)
    axes.set_xticks(range(len(years)), [str(year) for year in years])
    axes.set(ylim=(0, 1.18), ylabel="harvests inside the 80 % range")
    axes.set_title("End of May, the range's ends learnt from the other years", loc="left")
    axes.legend(frameon=False, ncols=2, loc="upper left", fontsize=9)
    plain(axes)
    percent(axes.yaxis)
    return figure


def skilful(figures: Mapping[str, Any]) -> Any:
    """RMSE by month beside the rules, and skill with its interval."""
    figure = empty_figure(9.5, 4)
    left, right = figure.subplots(1, 2)
    year_out = figures["leave_one_year_out"]
    names = list(_MONTHS.values())
    for arm, words, colour in (("ndvi", "NDVI alone", BLUE), ("both", "NDVI and FPAR", GREEN)):
        own = [year_out[arm][h] for h in HORIZONS]
        left.plot(names, [one["rmse"] for one in own], "o-", color=colour, label=words)
        skills = [one["skill"]["mean"] for one in own]
        middle = np.array([one["skill"] for one in skills])
        ends = np.array([one["interval"] for one in skills]).T
        at = np.arange(len(names)) + (0.08 if arm == "both" else -0.08)
        right.errorbar(at, middle, yerr=np.abs(ends - middle), fmt="o-", color=colour, capsize=3)
    for name, colour in (("mean", ORANGE), ("trend", PURPLE)):
        left.axhline(year_out["rules"][name]["rmse"], color=colour, linestyle="--", label=name)
    left.set(ylabel="RMSE, t/ha", ylim=(0, None))
    left.legend(frameon=False, loc="lower left")
    right.axhline(0, color=GREY)
    right.set_xticks(range(len(names)), names)
    right.set(ylabel="better than the province's mean by")
    right.set_title("bars: 95 % interval, years drawn anew", loc="left", fontsize=9)
    percent(right.yaxis)
    left.set_title("Leave-one-year-out", loc="left")
    for axes in (left, right):
        plain(axes)
    return figure


def learning(new_place: Mapping[str, Any]) -> Any:
    """RMSE of a province that nothing was learnt from, over its own harvests."""
    figure = empty_figure(7, 4)
    axes = figure.subplots()
    shown = (
        ("place_out", "model", "model, place left out", BLUE, "o-"),
        ("place_and_year_out", "model", "model, place and year left out", GREEN, "o-"),
        ("place_out", "level", "the same harvests, no model", ORANGE, "s--"),
    )
    for protocol, kind, words, colour, style in shown:
        said = new_place[protocol][kind]
        axes.plot([int(k) for k in said], list(said.values()), style, color=colour, label=words)
    axes.set(xlabel="harvests of its own", ylabel="RMSE at the end of May, t/ha", ylim=(0, None))
    axes.legend(frameon=False)
    axes.set_title("A new province: what each harvest teaches", loc="left")
    plain(axes)
    return figure
