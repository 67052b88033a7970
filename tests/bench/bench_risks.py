"""Back-test of the models of pests to come on real daily weather of several seasons.

``python -m tests.bench.bench_risks DATA [--plots docs/plots]`` prints, for each place and model of
degree-days, how many days off a stage is foretold 30 and 14 days before, beside what a calendar of
other years says; how often the range holds; and how many days of each season are alerts.

What is foretold is judged by the same model on the weather that came: this measures what knowing
the weather so far is worth, not whether the insect keeps to the model.  No forecast is used: after
the day on which it is foretold, each day is the mean of the other years.  The years judged are left
out of every mean.  Alerts rest on daily figures (there are no steps and no dew points).
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from field_data.days import date_of
from field_data.weather import DayWeather, Origin, Weather, WeatherPlace
from models.plots import BLUE, GREEN, GREY, ORANGE, empty_figure, plain
from models.risks.beginnings import beginning_of
from models.risks.definition import RiskModel
from models.risks.extremes import alerts
from models.risks.infection import Level, risk_by_day
from models.risks.loading import shipped_models
from models.risks.phenology import Beginning, heat_of, stage_dates
from models.risks.wetness import air_of
from models.risks.work_rules import work_rules
from tests.bench.risk_weather import places

LEADS = (30, 14)
LEAST_YEARS = 8
MOST_MISSING = 15
COLOURS = dict(zip(LEADS, (ORANGE, GREEN), strict=True))


@dataclass(frozen=True, slots=True)
class Foretold:
    """One stage of one year: the day it came, and what was said ``lead`` days before; all count
    from the first of January.  ``low`` to ``high`` is the range without the spread of populations.
    """

    place: str
    model: str
    stage: str
    year: int
    came: int
    usual: int
    lead: int
    said: int
    low: int
    high: int


def years_of(days: Sequence[DayWeather]) -> dict[int, list[DayWeather]]:
    """Whole years with few temperatures missing but for short gaps, which are bridged."""
    found: dict[int, list[DayWeather]] = defaultdict(list)
    for each in days:
        found[date_of(each.day).year].append(each)
    return {
        year: own
        for year, own in found.items()
        if len(own) >= 365 and np.isnan(heat_of(own).tmax).sum() < MOST_MISSING
    }


def usual_day(years: dict[int, list[DayWeather]], but: int) -> list[tuple[float, float]]:
    """The mean lowest and highest temperature of each day of the year in other years, over 15
    days around it."""
    others = [own for year, own in years.items() if year != but]
    table = np.array([[(d.tmin_c, d.tmax_c) for d in own[:365]] for own in others])
    daily = np.nanmean(table, axis=0)
    around = np.concatenate([daily[-7:], daily, daily[:7]])
    smooth = np.array([around[n : n + 15].mean(axis=0) for n in range(365)])
    return [(float(low), float(high)) for low, high in smooth]


def came_on(model: RiskModel, own: Sequence[DayWeather]) -> dict[tuple[str, int], int]:
    """The day of each scouting stage on the weather that came, from the first of January."""
    first = own[0].day
    start = beginning_of(model, first + 364)
    exact = Beginning(start.day, start.day, start.day, start.how)
    return {
        (each.stage.id, each.generation): each.day - first
        for each in stage_dates(model, heat_of(own), exact)
        if each.day is not None and each.stage.scout and each.generation <= 2
    }


def foretell(
    place: str, model: RiskModel, years: dict[int, list[DayWeather]]
) -> Iterator[Foretold]:
    """Every stage of every year, judged by the weather that came."""
    came = {year: came_on(model, own) for year, own in years.items()}
    plain_model = replace(model, spread=0.0)
    for year, own in years.items():
        usual = usual_day(years, year)
        for key, day in came[year].items():
            others = [told[key] for other, told in came.items() if other != year and key in told]
            if len(others) < LEAST_YEARS - 1:
                continue
            for lead in LEADS:
                told = _said(plain_model, own, usual, key, day - lead)
                if told:
                    stage = f"{key[0]} {key[1]}"
                    yield Foretold(
                        place, model.id, stage, year, day, round(median(others)), lead, *told
                    )


def _said(
    model: RiskModel,
    own: Sequence[DayWeather],
    usual: Sequence[tuple[float, float]],
    key: tuple[str, int],
    as_of: int,
) -> tuple[int, int, int] | None:
    """What was said on a day of the year; None where the count had not begun."""
    first = own[0].day
    begins = beginning_of(model, first + 364).day - first
    if as_of <= begins:
        return None
    days = list(own[:as_of]) + [
        DayWeather(first + n, low, high, origin=Origin.CLIMATOLOGY)
        for n, (low, high) in enumerate(usual)
        if n >= as_of
    ]
    start = Beginning(first + begins, first + begins, first + begins, "date")
    for each in stage_dates(model, heat_of(days), start):
        if (each.stage.id, each.generation) == key and each.day is not None:
            if each.low is None or each.high is None:
                return None
            return each.day - first, each.low - first, each.high - first
    return None


def season_alerts(name: str, years: dict[int, list[DayWeather]]) -> dict[str, dict[int, int]]:
    """How many days of each year each model of infection is HIGH, and how many hurt wheat."""
    counted: dict[str, dict[int, int]] = defaultdict(dict)
    place = WeatherPlace(name, name, 33.0, -7.0, 100.0)
    for year, own in years.items():
        if sum(not math.isfinite(d.rain_mm) for d in own) > MOST_MISSING:
            continue
        air = air_of(own, [])
        for model in shipped_models():
            if model.rule is not None:
                risk = risk_by_day(model.rule, air)
                counted[model.id][year] = sum(
                    each.level is Level.HIGH and date_of(each.day).month in model.months
                    for each in risk
                )
        known = Weather(place, tuple(own))
        for one in ("frost", "heat", "chergui"):
            found = alerts(known, "TRZAX", own[0].day, own[-1].day, work_rules())
            counted[one][year] = sum(a.last - a.first + 1 for a in found if a.danger == one)
    return counted


def figures(told: Sequence[Foretold]) -> dict[str, Any]:
    """Mean error in days of the calendar and of the model, and how often its range holds."""
    if not told:
        return {}
    usual = mean(abs(each.usual - each.came) for each in told if each.lead == LEADS[-1])
    made: dict[str, Any] = {
        "years": len({each.year for each in told}),
        "calendar_days": round(usual, 1),
    }
    for lead in LEADS:
        own = [each for each in told if each.lead == lead]
        if own:
            made[f"model_{lead}d_days"] = round(mean(abs(e.said - e.came) for e in own), 1)
            made[f"calendar_{lead}d_days"] = round(mean(abs(e.usual - e.came) for e in own), 1)
            made[f"range_{lead}d_holds"] = round(mean(e.low <= e.came <= e.high for e in own), 2)
            made[f"range_{lead}d_width"] = round(mean(e.high - e.low for e in own), 1)
    return made


def main() -> None:
    """Print a line of JSON for each place and model, one for all, and the alerts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--plots", type=Path)
    asked = parser.parse_args()
    told: list[Foretold] = []
    counted = {}
    for name, days in places(asked.data).items():
        years = years_of(days)
        if len(years) < LEAST_YEARS:
            continue
        for model in shipped_models():
            if model.warmth is not None:
                own = list(foretell(name, model, years))
                told += own
                print(
                    json.dumps(
                        {"place": name, "model": model.id, **figures(own)}, ensure_ascii=False
                    )
                )
        counted[name] = season_alerts(name, years)
        for one, by_year in counted[name].items():
            if by_year:
                said = {"place": name, "alerts": one, "years": len(by_year)}
                said |= {"days_a_year": round(mean(by_year.values()), 1)}
                said |= {"least": min(by_year.values()), "most": max(by_year.values())}
                print(json.dumps(said, ensure_ascii=False))
    print(json.dumps({"all": figures(told), "dates": len(told)}))
    if asked.plots:
        for path in (draw_errors(told, asked.plots), draw_season(told, counted, asked.plots)):
            print(path)


def draw_errors(told: Sequence[Foretold], folder: Path) -> Path:
    """Days off by model, each place a dot: the calendar, and the model twice."""
    figure = empty_figure(8.6, 4.6)
    axes = figure.subplots()
    models = sorted({each.model for each in told})
    names = {model.id: model.name.split(" (")[0] for model in shipped_models()}
    for row, model in enumerate(models):
        for place in sorted({each.place for each in told}):
            own = [each for each in told if (each.model, each.place) == (model, place)]
            if not own:
                continue
            made = figures(own)
            axes.scatter(made["calendar_days"], row + 0.18, color=GREY, marker="x", s=34)
            for lead, up in zip(LEADS, (0.0, -0.18), strict=True):
                if f"model_{lead}d_days" in made:
                    axes.scatter(made[f"model_{lead}d_days"], row + up, color=COLOURS[lead], s=26)
    axes.scatter([], [], color=GREY, marker="x", label="calendar of other years")
    for lead in LEADS:
        axes.scatter([], [], color=COLOURS[lead], label=f"degree-days, {lead} days before")
    axes.set_yticks(range(len(models)), [names[model] for model in models])
    axes.set(xlabel="mean error of the date, days (a dot is a place)", xlim=(0, None))
    axes.set_title("How far off is the day on which to look?", loc="left", weight="bold")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.4, -0.14), ncols=3)
    plain(axes)
    path = folder / "risks-errors.png"
    figure.savefig(path)
    return path


def draw_season(
    told: Sequence[Foretold], counted: dict[str, dict[str, dict[int, int]]], folder: Path
) -> Path:
    """One stage at Tunis year by year with what was said before, and alerts a season."""
    figure = empty_figure(9.6, 7.4)
    top, below = figure.subplots(2, 1)
    own = sorted(
        (e for e in told if (e.place, e.model, e.lead) == ("Tunis", "tuta", LEADS[0])
         and e.stage.endswith(" 1")), key=lambda e: e.year,
    )  # fmt: skip
    years = [each.year for each in own]
    spread = [[e.said - e.low for e in own], [e.high - e.said for e in own]]
    top.errorbar(years, [e.said for e in own], yerr=spread, fmt="o", color=BLUE, capsize=3,
                 label=f"said {LEADS[0]} days before, with range")  # fmt: skip
    top.scatter(
        years, [e.came for e in own], color=ORANGE, zorder=3, label="by the weather that came"
    )
    top.scatter(years, [e.usual for e in own], color=GREY, marker="x", label="calendar")
    ticks = [60, 74, 91, 105, 121]
    top.set_yticks(
        ticks, [f"{date.fromordinal(date(2001, 1, 1).toordinal() + t):%d %b}" for t in ticks]
    )
    top.set_title("Tomato leafminer at Tunis: the first generation of the year is over", loc="left")
    top.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3)
    shown = {"late_blight": BLUE, "wheat_brown_rust": ORANGE, "chergui": GREEN}
    for shift, (one, colour) in enumerate(shown.items()):
        by_year = counted.get("Tunis", {}).get(one, {})
        x = [year + (shift - 1) * 0.27 for year in by_year]
        below.bar(x, list(by_year.values()), width=0.26, color=colour, label=one.replace("_", " "))
    below.set_title("Days of alert a year at Tunis, by daily figures alone", loc="left")
    below.set(ylabel="days")
    below.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3)
    for axes in (top, below):
        plain(axes)
    path = folder / "risks-seasons.png"
    figure.savefig(path)
    return path


if __name__ == "__main__":
    main()
