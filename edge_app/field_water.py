"""The water of a field on one day: its balance, what to give, and what we do not know of it.

What is missing is asked (`WaterOutlook.asked`), and what is taken instead is said with it.  The
codes of `FieldWater.items`, all about `Topic.WATER`; every item carries the evidence below.

* ``water_give``: the crop will suffer within a week.  ``amount`` in mm as it must leave the pump,
  ``last_day`` the last day before it suffers; facts net_mm, later_mm (beyond what can
  be given at once: look again next week), m3, low_m3, high_m3, where known pump_hours, turns,
  turn_days.
* ``water_wait``: it would, but rain is on its way and may do.
* ``water_none_needed``: it will not suffer within a week, or it ripens (ripening 1).
* ``water_rainfed_stress``: a crop that has rain alone gets less than it wants (stress_percent).
* ``water_unknown``: fact why: no_weather, no_day, no_season, crop_not_known, season_over,
  weather_gaps.

All but the last have the facts days_left until the crop suffers (99: beyond the forecast), rainfed
(0 or 1), ripening (0 or 1), rain_mm expected in seven days, stress_percent.

Common facts: crop (EPPO), ask (what to ask, joined by commas: texture, sown, method, two_sowings,
irrigation_too_much, irrigation_twice, irrigation_area, irrigation_no_figure, rain), and for each of
the first three asked ``default_…`` with what was taken instead.  Evidence: depletion_mm, raw_mm,
taw_mm, kcb, et0_mm (the mean of seven days), rain_7d_mm (to come), irrigation_30d_mm, ndvi_share,
et0_by, weather_state, texture, method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Protocol

from edge_app.sky import DAMAGED, Sky
from edge_app.water_items import items_of
from edge_app.water_outlook import Asked, WaterOutlook, Why
from edge_app.water_reading import outlook_of
from field_data.days import day_of
from field_data.errors import KeeperError
from field_data.events import EventLog
from field_data.registry import Registry
from field_data.season_advice import AdviceItem
from field_data.types import Field, Season
from field_data.waterings import RAINFED, FieldWaterings, Setup, waterings_of
from field_data.weather import Weather

if TYPE_CHECKING:
    from models.water.crops import Crop
    from models.water.season import Case
    from models.water.soils import Method

INDEX = "ndvi"
# Weather of so many days back: an open season of trees, or a winter crop from before its sowing.
PAST_DAYS, AHEAD_DAYS = 400, 10
# With more days than this share without any temperature, a balance is no balance.
MOST_GAPS = 0.25


class KnownWeather(Protocol):
    """What a desk knows of a field's weather."""

    @property
    def state(self) -> str:
        """fresh, old, climatology, none or no_day."""

    @property
    def weather(self) -> Weather | None:
        """The days, None where nothing is known."""

    @property
    def missing_rain_days(self) -> int:
        """Past days whose rain nobody measured."""


class Desk(Protocol):
    """Who knows the weather: `edge_app.weather_desk.WeatherDesk`, or another in tests."""

    def of(
        self, field: Field, as_of: date, *, past_days: int = 400, ahead_days: int = 10
    ) -> KnownWeather:
        """What was known on a day."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What people said of the field, with what is taken for the rest."""

    case: Case
    setup: Setup
    season: Season | None
    efficiencies: tuple[float, float, float] | None
    asked: tuple[Asked, ...]


class FieldWater:
    """The water of the fields of one node; threads may share it."""

    def __init__(self, registry: Registry, events: EventLog, sky: Sky, desk: Desk) -> None:
        self._registry, self._events, self._sky, self._desk = registry, events, sky, desk

    def of(self, field: Field, as_of: date) -> WaterOutlook:
        """What is known of a field's water on the evening before ``as_of``, and what to do.

        Raises:
            KeeperError: the archives'.
        """
        from models.water.advice import advise
        from models.water.season import season_water

        told = self._told(field, as_of)
        if isinstance(told, WaterOutlook):
            return told
        sky = self._desk.of(field, as_of, past_days=PAST_DAYS, ahead_days=AHEAD_DAYS)
        if sky.weather is None:
            why = Why.NO_DAY if sky.state == "no_day" else Why.NO_WEATHER
            return _unknown(field, as_of, why, told.asked, told.case.crop.code)
        found = season_water(told.case, sky.weather, day_of(as_of))
        if found is None or found.unknown_et0_days > MOST_GAPS * len(found.days):
            return _unknown(field, as_of, Why.WEATHER_GAPS, told.asked, told.case.crop.code)
        advice = advise(found, efficiencies=told.efficiencies)
        known = outlook_of(field, found, advice, told.setup)
        return replace(
            known,
            asked=told.asked + _weather_asked(sky),
            season=told.season.id if told.season else "",
            weather_state=str(sky.state),
            missing_rain_days=sky.missing_rain_days,
        )

    def items(self, field: Field, as_of: date) -> tuple[AdviceItem, ...]:
        """What to do about it; one item, see the table above."""
        return items_of(field, self.of(field, as_of))

    def _told(self, field: Field, as_of: date) -> _Told | WaterOutlook:
        """What people and the satellite said, or why that is not enough."""
        from models.water.crops import crops
        from models.water.season import Case

        season = self._registry.season_on(field.id, as_of)
        code = season.crop if season else field.crop
        if code is None:
            return _unknown(field, as_of, Why.NO_SEASON, (Asked("sown"),))
        crop = crops().get(code)
        if crop is None:
            return _unknown(field, as_of, Why.CROP_NOT_KNOWN, (), code)
        start, asked = _start_day(crop, season, as_of)
        asked += self._other_sowings(field, season, as_of)
        if _over(crop, start, as_of) or self._harvested(field, season, start, as_of):
            return _unknown(field, as_of, Why.SEASON_OVER, asked, code)
        waterings = self._waterings(field, as_of)
        method, efficiencies, more = _method(crop, waterings)
        asked += more + _ground_asked(waterings) + _unused_asked(waterings)
        days, values, noise = self._seen(field, as_of)
        case = Case(crop, start, waterings.texture, method, waterings.by_day(), days, values, noise)
        return _Told(case, waterings.setup, season, efficiencies, asked)

    def _harvested(self, field: Field, season: Season | None, start: int, as_of: date) -> bool:
        """Whether what would have been sown at ``start`` is cut already."""
        return season is None and any(
            each.harvested is not None and start <= day_of(each.harvested) < day_of(as_of)
            for each in self._registry.seasons(field.id)
        )

    def _waterings(self, field: Field, as_of: date) -> FieldWaterings:
        about = [e for e in self._events.about(field.id) if not self._events.corrected(e.id)]
        return waterings_of(field, about, as_of)

    def _other_sowings(self, field: Field, season: Season | None, as_of: date) -> tuple[Asked, ...]:
        """Two crops that both grow on the field today: the one sown last is taken."""
        if season is None or season.sown is None:
            return ()
        for each in self._registry.seasons(field.id):
            open_still = each.harvested is None or each.harvested >= as_of
            sown = each.sown is not None and each.sown <= as_of
            near = each.sown is not None and (season.sown - each.sown).days < 200
            if each.id != season.id and open_still and sown and near:
                return (Asked("two_sowings", f"{season.crop} {season.sown.isoformat()}"),)
        return ()

    def _seen(self, field: Field, as_of: date) -> tuple[tuple[int, ...], tuple[float, ...], float]:
        """Clear days of the last year with their NDVI, and the noise of one."""
        try:
            series = self._sky.series(field, INDEX, day_of(as_of))
        except KeeperError as error:
            if error.code not in DAMAGED:
                raise
            series = None  # the calendar speaks alone; health tells of the archive
        if series is None:
            return (), (), math.nan
        pairs = [
            (day, value)
            for day, value in zip(series.days, series.values, strict=True)
            if math.isfinite(value) and 0 <= day_of(as_of) - day <= PAST_DAYS
        ]
        return tuple(day for day, _ in pairs), tuple(value for _, value in pairs), series.noise


def _unknown(
    field: Field, as_of: date, why: Why, asked: tuple[Asked, ...], crop: str = ""
) -> WaterOutlook:
    return WaterOutlook(field.id, day_of(as_of), asked, why, crop)


def _start_day(crop: Crop, season: Season | None, as_of: date) -> tuple[int, tuple[Asked, ...]]:
    """The day of sowing, else the usual one before ``as_of``; of trees that of this year."""
    if season is not None and season.sown is not None and not crop.perennial:
        return day_of(season.sown), ()
    month, day = crop.usual_start
    usual = date(as_of.year, month, day)
    if usual > as_of:
        usual = date(as_of.year - 1, month, day)
    asked = () if crop.perennial else (Asked("sown", usual.isoformat()),)
    return day_of(usual), asked


def _over(crop: Crop, start: int, as_of: date) -> bool:
    from models.water.season import OVERTIME_DAYS

    return not crop.perennial and day_of(as_of) > start + crop.season_days + OVERTIME_DAYS


def _method(
    crop: Crop, waterings: FieldWaterings
) -> tuple[Method | None, tuple[float, float, float] | None, tuple[Asked, ...]]:
    """How the field is watered, None for rain alone; efficiencies where it is not known; asked."""
    from models.water.soils import methods

    known, said = methods(), waterings.setup.method
    if said == RAINFED:
        return None, None, ()
    if said in known:
        return known[said], None, ()
    if crop.rainfed:
        return None, None, (Asked("method", RAINFED),)
    all_of = [each.efficiency for each in known.values()]
    taken = known["surface"]
    return taken, (taken.efficiency, max(all_of), min(all_of)), (Asked("method", taken.id),)


def _ground_asked(waterings: FieldWaterings) -> tuple[Asked, ...]:
    from models.water.soils import unknown

    return () if waterings.texture else (Asked("texture", unknown()[0]),)


def _unused_asked(waterings: FieldWaterings) -> tuple[Asked, ...]:
    reasons = {f"irrigation_{each.reason}" for each in waterings.unused}
    if any(each.larger_than_field for each in waterings.given):
        reasons.add("irrigation_area")
    return tuple(Asked(each) for each in sorted(reasons))


def _weather_asked(sky: KnownWeather) -> tuple[Asked, ...]:
    return (Asked("rain"),) if sky.missing_rain_days else ()
