"""When work can be done on a field, and which days hurt: spraying, sowing, harvest, frost, heat.

The codes of `FieldWindows.items`; thresholds and sources are in ``models/risks/windows.toml`` and
``models/risks/calendars``.

* ``spray_best`` (SPRAY): the best hours of the first day that has some.  Facts: start_utc_s, hours,
  from_hour and to_hour (of clocks in Morocco, UTC+1), bees (1: bees fly then; not on flowers),
  basis (``steps``).  Evidence: wind_2m_ms, delta_t_c.
* ``spray_not_rain``, ``spray_not_wind``, ``spray_not_heat``, ``spray_not_inversion``,
  ``spray_not_damp`` (dew or fog): no good hours from first_day to last_day.  Facts: basis.
  Evidence: wind_2m_ms where known.
* ``spray_unknown``: no wind by the hour is known.  Facts: basis.
* ``sow_window``, ``sow_wait_rain``, ``sow_too_late`` (SOW): days are those of the calendar from
  today on.  Facts: zone, crop, best (1: still in the best part).  ``sow_wait_rain``: amount is the
  rain still missing, mm.  Evidence: rain_mm (fallen), asked_mm, rain_7d_mm (to come), water (share
  of what the soil can hold).
* ``harvest_window``, ``harvest_rain_coming`` (HARVEST): dry days; the first day with rain.  Facts:
  zone, crop.  Evidence: rain_mm.
* ``frost_night``, ``heat_day``, ``chergui_days`` (FROST, HEAT, CHERGUI): amount is the worst
  temperature, °C (unit "C"), with the error of the forecast around it.  Facts: crop.  Evidence:
  limit_c, rh_percent (of the afternoon).
* ``weather_old``, ``weather_climatology``, ``weather_none`` (WEATHER): what the others rest on.
  Facts: days_ago, years.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edge_app.weather_desk import FieldWeather
from edge_app.weather_desk import State as WeatherState
from edge_app.window_items import items_of
from field_data.days import day_of
from field_data.events import EventLog
from field_data.geometry import centre
from field_data.registry import Registry
from field_data.season_advice import AdviceItem
from field_data.types import Field, Season

if TYPE_CHECKING:
    from edge_app.weather_desk import WeatherDesk
    from models.risks.calendars import Calendar, Zone
    from models.risks.extremes import Alert
    from models.risks.field_work import HarvestAdvice, SowAdvice
    from models.risks.spraying import SprayDay

PAST_DAYS, AHEAD_DAYS = 70, 10
SPRAY_DAYS = 5
ALERT_DAYS = 7
# A season that nobody closed is over after so many days: no crop of the calendar stands longer.
LONGEST_SEASON = 300
# So long after a harvest the same crop is not ripe again.
CUT_DAYS = 150


# The folder of a home in which people keep calendars of their own.
CALENDARS = "calendars"


class SoilDay(Protocol):
    """One day of a field's water balance, mm."""

    @property
    def day(self) -> int:
        """Days since 1970-01-01."""

    @property
    def depletion(self) -> float:
        """Water missing to field capacity."""

    @property
    def taw(self) -> float:
        """All that plants can take."""


class SoilWater(Protocol):
    """What is known of a field's water."""

    @property
    def days(self) -> Sequence[SoilDay]:
        """The balance; empty where there is none."""


class Water(Protocol):
    """Who knows the water of fields: `edge_app.field_water.FieldWater`."""

    def of(self, field: Field, as_of: date) -> SoilWater:
        """The water of a field on a day."""


@dataclass(frozen=True, slots=True)
class WindowsOutlook:
    """The windows of one field: ``crop`` "" and ``zone`` None where not known; ``spray`` by day,
    empty without a crop; ``sow`` and ``harvest`` None out of season.  ``standing``: a crop grows.
    """

    field: Field
    as_of: date
    sky: FieldWeather
    crop: str = ""
    standing: bool = False
    zone: Zone | None = None
    calendar: Calendar | None = None
    spray: tuple[SprayDay, ...] = ()
    alerts: tuple[Alert, ...] = ()
    sow: SowAdvice | None = None
    harvest: HarvestAdvice | None = None


class FieldWindows:
    """The work windows of the fields of one node; threads may share it.

    ``calendars`` is the folder of the home in which people keep calendars of their own.
    """

    def __init__(
        self,
        registry: Registry,
        events: EventLog,
        desk: WeatherDesk,
        water: Water | None = None,
        calendars: Path | None = None,
    ) -> None:
        self._registry, self._events, self._desk = registry, events, desk
        self._water, self._folder = water, calendars
        self._read: tuple[object, tuple[Calendar, ...]] = (None, ())

    def of(self, field: Field, as_of: date) -> WindowsOutlook:
        """What was known on a day.

        Raises:
            KeeperError: the weather archive's; ``bad_calendar``: one of the home's own.
            PublisherError: ``bad_work_rules``, ``bad_calendar``.
        """
        sky = self._desk.of(field, as_of, past_days=PAST_DAYS, ahead_days=AHEAD_DAYS)
        season = self._registry.season_on(field.id, as_of)
        crop = (season.crop if season else field.crop) or ""
        standing = bool(crop) and _stands(season, as_of)
        told = self._placed(WindowsOutlook(field, as_of, sky, crop, standing))
        told = self._farmed(told) if told.zone and crop else told
        return _weathered(told) if sky.weather and crop else told

    def items(self, field: Field, as_of: date) -> tuple[AdviceItem, ...]:
        """What to do when; see the table above."""
        from models.risks.work_rules import work_rules

        return items_of(self.of(field, as_of), work_rules())

    def calendars(self) -> tuple[Calendar, ...]:
        """The home's own calendars, then those that come with Ghalla; read when a file changed."""
        from models.risks.calendars import load_calendars

        files = sorted(self._folder.glob("*.toml")) if self._folder else []
        key = tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in files)
        if self._read[0] != key:
            self._read = (key, load_calendars(self._folder))
        return self._read[1]

    def _placed(self, told: WindowsOutlook) -> WindowsOutlook:
        """With the zone of its place; heights are the weather's, 0 m where there is none."""
        lon, lat = centre(told.field.boundary)
        height = told.sky.weather.place.elevation_m if told.sky.weather else 0.0
        for calendar in self.calendars():
            zone = calendar.zone(lat, lon, height)
            if zone:
                return replace(told, zone=zone, calendar=calendar)
        return told

    def _farmed(self, told: WindowsOutlook) -> WindowsOutlook:
        """With sowing where nothing stands, and harvest where something does."""
        from models.risks.calendars import rule_for
        from models.risks.field_work import harvesting, sowing
        from models.risks.work_rules import work_rules

        zone, today = told.zone, day_of(told.as_of)
        if zone is None:
            return told
        sow, cut = rule_for(zone.sow, told.crop), rule_for(zone.harvest, told.crop)
        weather = told.sky.weather
        if cut and weather and not self._cut_lately(told):
            told = replace(told, harvest=harvesting(cut, weather, today, work_rules().harvest))
        if sow and not self._sown_lately(told):
            water = self._soil(told)
            return replace(told, sow=sowing(sow, weather, today, water))
        return told

    def _sown_lately(self, told: WindowsOutlook) -> bool:
        """Whether the crop of this season is in the ground already."""
        season = self._registry.season_on(told.field.id, told.as_of)
        return _stands(season, told.as_of) and season is not None and season.sown is not None

    def _cut_lately(self, told: WindowsOutlook) -> bool:
        """Whether this year's crop is in already."""
        cut = [each.harvested for each in self._registry.seasons(told.field.id) if each.harvested]
        return any(0 <= (told.as_of - day).days <= CUT_DAYS for day in cut)

    def _soil(self, told: WindowsOutlook) -> float:
        """The share of the water that plants can take which is there; NaN where nobody knows."""
        days = self._water.of(told.field, told.as_of).days if self._water else ()
        today = day_of(told.as_of)
        known = [each for each in days if each.day == today and each.taw > 0]
        return 1 - known[0].depletion / known[0].taw if known else float("nan")


def _stands(season: Season | None, as_of: date) -> bool:
    """Whether a crop stands: no season and no date say nothing against it."""
    if season is None or season.sown is None:
        return season is not None
    return (as_of - season.sown).days <= LONGEST_SEASON


def _weathered(told: WindowsOutlook) -> WindowsOutlook:
    """With spraying and alerts; the mean of many years gives neither."""
    from models.risks.extremes import alerts
    from models.risks.spraying import spray_days
    from models.risks.work_rules import work_rules

    weather, today, rules = told.sky.weather, day_of(told.as_of), work_rules()
    if weather is None:
        return told
    fresh = told.sky.state in (WeatherState.FRESH, WeatherState.OLD)
    spray = spray_days(weather, today, today + SPRAY_DAYS - 1, rules.spray) if fresh else []
    found = alerts(weather, told.crop, today, today + ALERT_DAYS, rules)
    return replace(told, spray=tuple(spray), alerts=tuple(found))
