"""Pictures of `tests.journeys.water_season`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_app.water_plot import draw_days
from edge_app.water_reading import days_of
from field_data.days import date_of
from field_data.files import make_folder
from models.plots import BLUE, GREEN, GREY, ORANGE, PURPLE, empty_figure, plain
from tests.journeys.water_season import WHEAT, Arm, Followed, Place, Season

COLOURS = dict(zip(Arm, (ORANGE, PURPLE, BLUE, GREEN), strict=True))
SHOWN = 2005


def draw(
    folder: Path, place: Place, found: dict[int, dict[Arm, Followed]], months: Mapping[str, Any]
) -> None:
    """Draw all into a folder."""
    make_folder(folder)
    seasons = {year: Season(place, year, place.usual(year)) for year in found}
    one_season(seasons[SHOWN], found[SHOWN][Arm.NODE]).savefig(folder / "water-season.png")
    all_seasons(seasons, found).savefig(folder / "water-seasons.png")
    misjudged(found, months).savefig(folder / "water-misjudged.png")


def one_season(season: Season, followed: Followed) -> Any:
    """A season in which the advice was followed, with the advice of each Monday."""
    last = season.sown + WHEAT.season_days
    figure = empty_figure(11, 7.5)
    above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=[1, 2, 1])
    whole = season.truth(followed.given, last, last + 1, True)
    draw_days(above, middle, below, days_of(whole))
    for monday, advice in followed.advices:
        if advice.mm > 0:
            above.annotate(
                f"{advice.mm:.0f}\n({advice.low_mm:.0f}-{advice.high_mm:.0f})",
                (date_of(monday), advice.mm), fontsize=8, color=PURPLE, ha="right", va="top",
            )  # fmt: skip
    above.set_title(
        f"Wheat, Sevilla, {season.year}: advice of each Monday followed; mm given (range)",
        loc="left",
    )
    return figure


def all_seasons(seasons: Mapping[int, Season], found: Mapping[int, Mapping[Arm, Followed]]) -> Any:
    """What the roots lacked in every season, following the node and following what is usual."""
    figure = empty_figure(11, 9)
    grid = figure.subplots(5, 2, sharey=True)
    for axes, (year, season) in zip(grid.flat, seasons.items(), strict=True):
        last = season.sown + WHEAT.season_days
        for arm in (Arm.CLIMATOLOGY, Arm.NODE):
            followed = found[year][arm]
            whole = season.truth(followed.given, last, last + 1, True)
            own = whole.days >= season.sown
            at: Any = [date_of(int(day)) for day in whole.days[own]]
            total = sum(followed.given.values())
            axes.plot(at, -whole.balance.depletion[0, own], color=COLOURS[arm], linewidth=1.1,
                      label=f"{arm}: {total:.0f} mm given")  # fmt: skip
            for day, mm in followed.given.items():
                axes.plot(date_of(day), 6, marker="v", color=COLOURS[arm], markersize=mm / 25)
        axes.plot(at, -whole.balance.raw[0, own], color=GREY, linewidth=0.8, linestyle="--")
        axes.set(ylim=(-155, 18))
        axes.set_title(str(year), loc="left", fontsize=10)
        axes.tick_params(labelsize=7)
        axes.legend(frameon=False, fontsize=7, loc="lower left")
        plain(axes)
    words = "water lacking in the root zone, mm; dashed: stress begins; triangles: given"
    figure.supylabel(words, fontsize=10)
    return figure


def misjudged(found: Mapping[int, Mapping[Arm, Followed]], months: Mapping[str, Any]) -> Any:
    """How far off each arm was by month, what it gave by season, and ET0 beside that of Tunis."""
    figure = empty_figure(12, 4)
    left, middle, right = figure.subplots(1, 3)
    names = {12: "Dec", 1: "Jan", 2: "Feb", 3: "Mar", 4: "Apr", 5: "May"}
    for place, arm in enumerate(Arm):
        shift = 0.2 * place - 0.3
        by_month: dict[int, list[float]] = {month: [] for month in names}
        for arms in found.values():
            for day, value in arms[arm].misjudged.items():
                by_month[date_of(day).month].append(abs(value))
        means = [float(np.mean(values)) for values in by_month.values()]
        left.bar(np.arange(len(names)) + shift, means, 0.2, color=COLOURS[arm], label=str(arm))
        given = [sum(arms[arm].given.values()) for arms in found.values()]
        middle.bar(np.arange(len(found)) + shift, given, 0.2, color=COLOURS[arm])
    left.set_xticks(range(len(names)), list(names.values()))
    left.set_title("Misjudged a week ahead, mm", loc="left", fontsize=10)
    left.legend(frameon=False, fontsize=8)
    middle.set_xticks(range(len(found)), [str(year)[2:] for year in found])
    middle.set_title("Given in a season, mm", loc="left", fontsize=10)
    right.plot(range(1, 13), months["said"], color=GREY, marker="o", label="Tunis, as published")
    right.plot(range(1, 13), months["ours"], color=BLUE, marker="o", label="Hargreaves here")
    right.set_title("ET0 by month, mm/day, 1979-2002", loc="left", fontsize=10)
    right.legend(frameon=False, fontsize=8)
    for axes in (left, middle, right):
        plain(axes)
    return figure
