"""Water advice on real seasons: ``python -m tests.journeys.water_season [--plots docs/plots]``.

Ten seasons of wheat around Sevilla (ES618), the driest of the wheat provinces with a whole record:
temperatures and rain of AEMET stations, NDVI of the province's wheat by MODIS.  Each Monday one
asks for advice and does what it says.  What then happens is worked out by the same balance with
everything known afterwards: this measures what weather and NDVI are worth, not whether FAO-56 is
right.  No archive of forecasts is open, so the week ahead is either what is usual or, as a bound,
what came.

Then the reference evapotranspiration beside that of Tunis, and a Moroccan station whose rain is
missing on three days of ten.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from field_data.days import date_of, day_of
from field_data.weather import DayWeather, Origin, Weather, WeatherPlace
from models.water.advice import RANGE, Verdict, WaterAdvice, advise
from models.water.crops import named_crop
from models.water.reference import reference
from models.water.season import Case, SeasonWater, season_water, weighted
from models.water.soils import methods
from tests.conftest import PHOTO_SET

SET = PHOTO_SET.parent / "yield"
PROVINCE, TEXTURE, SOWN = "ES618", "clay_loam", (11, 20)
SEASONS = range(2002, 2012)
WHEAT = named_crop("TRZAX")
AHEAD = 10


class Arm(StrEnum):
    """What one knows on a Monday."""

    CLIMATOLOGY = "what is usual, calendar"  # means of the other years alone
    CALENDAR = "weather so far, calendar"
    NODE = "weather so far, NDVI"  # what a node knows without a forecast
    PERFECT = "and the week ahead"  # the same, if forecasts were perfect


@dataclass(frozen=True)
class Place:
    """A place with its record: day -> (tmin, tmax, rain), and NDVI by day."""

    place: WeatherPlace
    record: dict[int, tuple[float, float, float]]
    ndvi: dict[int, float]

    def usual(self, without: int) -> dict[int, tuple[float, float, float]]:
        """Means by day of the year (1 to 366) of all seasons but one, over 15 days around."""
        rows: dict[int, list[tuple[float, float, float]]] = {n: [] for n in range(1, 367)}
        for day, figures in self.record.items():
            at = date_of(day)
            if at.year + (at.month >= 9) != without and not any(map(math.isnan, figures)):
                rows[at.timetuple().tm_yday].append(figures)
        means = np.array([np.mean(rows[n], axis=0) if rows[n] else [np.nan] * 3 for n in rows])
        wide = np.vstack([means[-7:], means, means[:7]])
        smooth = [tuple(np.nanmean(wide[n : n + 15], axis=0)) for n in range(366)]
        return {n + 1: (float(a), float(b), float(c)) for n, (a, b, c) in enumerate(smooth)}


@dataclass
class Season:
    """A season as it went, and what an arm would have done: day -> mm."""

    place: Place
    year: int
    usual: dict[int, tuple[float, float, float]]

    @property
    def sown(self) -> int:
        return day_of(dt.date(self.year - 1, *SOWN))

    def weather(self, today: int, last: int, arm: Arm) -> Weather:
        """The days up to ``last``: measured before ``today``, then as the arm has it."""
        days = []
        for day in range(self.sown - 60, last + 1):
            known = arm is Arm.PERFECT or (day < today and arm is not Arm.CLIMATOLOGY)
            row = self.place.record.get(day) if known else None
            origin = Origin.OBSERVED if row else Origin.CLIMATOLOGY
            low, high, rain = row or self.usual[date_of(day).timetuple().tm_yday]
            days.append(DayWeather(day, low, high, rain, origin=origin, rain_origin=origin))
        return Weather(self.place.place, tuple(days))

    def case(self, given: dict[int, float], until: int, *, seen: bool, watered: bool) -> Case:
        """The field as it is known on a day."""
        days = [day for day in self.place.ndvi if self.sown - 60 <= day <= until] if seen else []
        return Case(
            WHEAT, self.sown, TEXTURE, methods()["surface"] if watered else None, dict(given),
            tuple(days), tuple(self.place.ndvi[day] for day in days), 0.02,
        )  # fmt: skip

    def asked(self, arm: Arm, given: dict[int, float], today: int, watered: bool) -> SeasonWater:
        """The season as the arm sees it on a day."""
        seen = arm in (Arm.NODE, Arm.PERFECT)
        case = self.case(given, today, seen=seen, watered=watered)
        found = season_water(case, self.weather(today, today + AHEAD, arm), today)
        if found is None:
            raise RuntimeError("no weather")
        return found

    def truth(self, given: dict[int, float], today: int, last: int, watered: bool) -> SeasonWater:
        """The season with everything that is known afterwards."""
        case = self.case(given, last + 30, seen=True, watered=watered)
        found = season_water(case, self.weather(today, last, Arm.PERFECT), today)
        if found is None:
            raise RuntimeError("no weather")
        return found

    def mondays(self) -> Iterator[int]:
        """From a month after sowing to the usual harvest."""
        for day in range(self.sown + 30, self.sown + WHEAT.season_days - 7):
            if date_of(day).weekday() == 0:
                yield day


@dataclass
class Followed:
    """What came of following an arm through a season, mm."""

    arm: Arm
    given: dict[int, float]
    misjudged: dict[int, float]
    covered: list[bool]
    advices: list[tuple[int, WaterAdvice]]
    stress: float
    lost: float


def follow(season: Season, arm: Arm, *, watered: bool = True) -> Followed:
    """Ask every Monday, do as told.

    ``misjudged`` is how far the depletion of six days ahead, which is what one would refill, is
    from the truth on the same field."""
    given: dict[int, float] = {}
    misjudged, advices, covered = {}, [], []
    for monday in season.mondays():
        seen = season.asked(arm, given, monday, watered)
        real = season.truth(given, monday, monday + AHEAD, watered)
        at = seen.today + 6
        came = float(real.balance.depletion[0, at])
        low, high = weighted(seen.balance.depletion[:, at], seen.weights, RANGE)
        misjudged[monday] = float(seen.balance.depletion[0, at]) - came
        covered.append(bool(low <= came <= high))
        advice = advise(seen)
        advices.append((monday, advice))
        if advice.verdict is Verdict.GIVE and advice.by_day is not None:
            given[advice.by_day] = advice.mm
    last = season.sown + WHEAT.season_days
    whole = season.truth(given, last, last + 1, watered)
    own = whole.days >= season.sown
    balance = whole.balance
    wasted = 0.4 * sum(given.values()) if watered else 0.0
    return Followed(
        arm, given, misjudged, covered, advices,
        float((balance.etc - balance.eta)[0, own].sum()),
        float((balance.percolation + balance.runoff)[0, own].sum()) + wasted,
    )  # fmt: skip


def spanish(name: str) -> Place:
    """A province of the data set."""
    weather = pd.read_parquet(SET / "spain" / "es_weather_daily.parquet")
    weather = weather[weather.adm_id == name]
    rows = zip(weather.date, weather.tmin, weather.tmax, weather.rain, strict=True)
    ndvi = pd.read_csv(SET / "spain" / "es_ndvi_8day.csv", parse_dates=["date"])
    ndvi = ndvi[ndvi.adm_id == name].dropna().sort_values("date")
    about = pd.read_csv(SET / "spain" / "es_provinces.csv").set_index("adm_id").loc[name]
    return Place(
        WeatherPlace(name, name, float(about.latitude), float(about.longitude), 100.0),
        {day_of(at.date()): (float(a), float(b), float(c)) for at, a, b, c in rows},
        {day_of(at.date()): float(v) for at, v in zip(ndvi.date, ndvi.ndvi, strict=True)},
    )


def back_test(place: Place) -> dict[int, dict[Arm, Followed]]:
    """All seasons by all arms."""
    found: dict[int, dict[Arm, Followed]] = {}
    for year in SEASONS:
        season = Season(place, year, place.usual(year))
        found[year] = {arm: follow(season, arm) for arm in Arm}
    return found


def print_back_test(found: dict[int, dict[Arm, Followed]]) -> None:
    """By season and arm, then the means."""
    print(f"wheat at {PROVINCE} on {TEXTURE}, basins (60 %), asked every Monday, mm")
    print(f"{'season':8}{'arm':28}{'misjudged/week':>15}{'given':>8}{'lost':>8}{'missed':>8}")
    sums: dict[Arm, list[tuple[float, ...]]] = {arm: [] for arm in Arm}
    for year, arms in found.items():
        for arm, each in arms.items():
            off = float(np.mean(np.abs(list(each.misjudged.values()))))
            row = (off, sum(each.given.values()), each.lost, each.stress)
            sums[arm].append(row)
            print(f"{year:<8}{arm:28}{row[0]:15.1f}{row[1]:8.0f}{row[2]:8.0f}{row[3]:8.0f}")
    for arm, rows in sums.items():
        mean = np.mean(rows, axis=0)
        print(f"{'mean':8}{arm:28}{mean[0]:15.1f}{mean[1]:8.0f}{mean[2]:8.0f}{mean[3]:8.0f}")
    for arm in (Arm.CALENDAR, Arm.NODE):
        held = [each for arms in found.values() for each in arms[arm].covered]
        print(f"the range of {arm!s} held {100 * np.mean(held):.0f} % of {len(held)} Mondays")


def compare_et0() -> dict[str, Any]:
    """Hargreaves here beside the figures that came with the data."""
    weather = pd.read_parquet(SET / "spain" / "es_weather_daily.parquet")
    about = pd.read_csv(SET / "spain" / "es_provinces.csv").set_index("adm_id")
    weather = weather[weather.adm_id.isin(about.index)]
    mine = reference(
        weather.tmin.to_numpy(), weather.tmax.to_numpy(), elevation=100.0,
        latitude=about.latitude.loc[weather.adm_id].to_numpy(),
        day=weather.date.dt.day_of_year.to_numpy(),
    ).et0  # fmt: skip
    apart = mine - weather.et0_hargreaves.to_numpy()
    print(
        f"ET0, {len(apart)} days of Spain: by Hargreaves here and in the data set, mean difference "
        f"{np.nanmean(apart):+.3f}, largest {np.nanmax(np.abs(apart)):.3f} mm/day"
    )
    tunis = pd.read_csv(SET / "process_model" / "tunis_climate_1979_2002.csv")
    dates = pd.to_datetime(tunis[["Year", "Month", "Day"]])
    said = tunis["Et0(mm)"].to_numpy()
    ours = reference(
        tunis["Tmin(C)"].to_numpy(), tunis["Tmax(C)"].to_numpy(), elevation=4.0, latitude=36.83,
        day=dates.dt.day_of_year.to_numpy(),
    ).et0  # fmt: skip
    off = ours - said
    months = pd.DataFrame({"m": dates.dt.month, "ours": ours, "said": said}).groupby("m").mean()
    print(
        f"ET0, {len(off)} days of Tunis: {ours.mean():.2f} by Hargreaves, {said.mean():.2f} as "
        f"published; mean difference {off.mean():+.2f}, RMSE {np.sqrt(np.mean(off**2)):.2f}, "
        f"correlation {np.corrcoef(ours, said)[0, 1]:.3f}"
    )
    print("  by month:", " ".join(f"{a:.1f}/{b:.1f}" for a, b in months.to_numpy()))
    return {"ours": months.ours, "said": months.said}


def moroccan_station() -> None:
    """Rainfed wheat at a station with holes: what the holes do to the range on 1 April."""
    read = pd.read_csv(SET / "morocco" / "ma_station_daily.csv", parse_dates=["date"])
    rows = zip(read.date, read.tmin, read.tmax, read.prcp, strict=True)
    record = {day_of(at.date()): (float(a), float(b), float(c)) for at, a, b, c in rows}
    place = WeatherPlace("ma", "a coastal station", 33.37, -7.58, 200.0)
    print("rainfed wheat at a Moroccan station, 1 April; rain and temperatures missing, % of days")
    for year in range(1991, 2021):
        first, today = day_of(dt.date(year - 1, 9, 21)), day_of(dt.date(year, 4, 1))
        days = []
        for day in range(first, today + 1):
            low, high, rain = record.get(day, (math.nan,) * 3)
            days.append(DayWeather(day, low, high, rain))
        case = Case(WHEAT, day_of(dt.date(year - 1, *SOWN)), "clay_loam")
        found = season_water(case, Weather(place, tuple(days)), today)
        no_rain = 100 * float(np.mean([math.isnan(day.rain_mm) for day in days]))
        no_heat = 100 * float(np.mean([math.isnan(day.tmin_c + day.tmax_c) for day in days]))
        if found is None or found.unknown_et0_days > 0.25 * len(days):
            print(f"  {year}: rain {no_rain:3.0f}, temperatures {no_heat:3.0f}: no balance, asked")
            continue
        fell = float(found.rain[0, : found.today].sum())
        lacks = found.balance.depletion[:, found.today - 1]
        low, high = weighted(lacks, found.weights, RANGE)
        print(
            f"  {year}: rain {no_rain:3.0f}, temperatures {no_heat:3.0f}: {fell:4.0f} mm fell, "
            f"lacks {lacks[0]:4.0f} ({low:.0f}-{high:.0f})"
        )


def main() -> None:
    """Print all, and draw it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plots", type=Path, help="Draw PNG files into this folder.")
    folder: Path | None = parser.parse_args().plots
    place = spanish(PROVINCE)
    found = back_test(place)
    print_back_test(found)
    months = compare_et0()
    moroccan_station()
    if folder is not None:
        from tests.journeys.water_pictures import draw

        draw(folder, place, found, months)


if __name__ == "__main__":
    main()
