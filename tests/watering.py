"""Fields with weather, soil and irrigation made up for tests of water."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field, replace
from typing import Any

from edge_app.field_water import FieldWater
from field_data.days import date_of, day_of
from field_data.events import Draft, Kind
from field_data.forms.checking import check
from field_data.forms.library import shipped_forms
from field_data.ids import new_id
from field_data.types import Field, Season
from field_data.weather import DayWeather, Origin, Weather, WeatherPlace
from tests.people import Staff
from tests.yielding import instant, wheat_field

MEKNES = WeatherPlace("meknes", "Meknes", 33.89, -5.55, 550.0)
DAY = dt.date(2026, 4, 10)
SOWN = dt.date(2025, 11, 20)


def spring(day: int, **more: Any) -> DayWeather:
    """A day of a dry spring after a winter with 16 mm of rain every eighth day."""
    at = date_of(day)
    wet = at.month in (11, 12, 1, 2) and day % 8 == 0
    warm = 10 - 8 * math.cos((at.timetuple().tm_yday - 15) / 58)
    made = DayWeather(
        day, tmin_c=warm - 3, tmax_c=warm + 11, rain_mm=16.0 if wet else 0.0, dew_c=warm - 3,
        wind_2m_ms=2.0, radiation_mj_m2=14 + warm / 2, rain_chance=0.1,
        origin=Origin.REANALYSIS, rain_origin=Origin.REANALYSIS,
    )  # fmt: skip
    return replace(made, **more)


@dataclass(frozen=True)
class Told:
    """What `WeatherDesk.of` gives, as far as water looks at it."""

    state: str
    weather: Weather | None
    missing_rain_days: int = 0


@dataclass
class FakeDesk:
    """Weather made up day by day; ``changes`` are figures of certain days."""

    state: str = "fresh"
    missing: int = 0
    changes: dict[int, dict[str, Any]] = field(default_factory=dict)

    def of(
        self, field: Field, as_of: dt.date, *, past_days: int = 400, ahead_days: int = 10
    ) -> Told:
        """As the desk does."""
        if self.state in ("none", "no_day"):
            return Told(self.state, None)
        today = day_of(as_of)
        days = []
        for day in range(today - past_days, today + ahead_days + 1):
            ahead = {"origin": Origin.FORECAST, "rain_origin": Origin.FORECAST}
            said = (ahead if day >= today else {}) | self.changes.get(day, {})
            days.append(spring(day, **said))
        return Told(self.state, Weather(MEKNES, tuple(days)), self.missing)

    def rains(self, since: dt.date, mm: float, chance: float, days: int = 1) -> None:
        """Let a forecast hold rain."""
        for day in range(day_of(since), day_of(since) + days):
            self.changes[day] = {"rain_mm": mm, "rain_chance": chance}


@dataclass
class Watered:
    """A wheat field of some 9 ha at Meknes with a desk of its own."""

    staff: Staff
    desk: FakeDesk = field(default_factory=FakeDesk)
    crop: str = "TRZAX"
    field: Field = field(init=False)

    def __post_init__(self) -> None:
        self.field = wheat_field(self.staff, crop=self.crop)
        ground = self.staff.ground
        self.water = FieldWater(ground.registry, ground.events, ground.sky, self.desk)

    def sown(self, day: dt.date | None = SOWN, crop: str | None = None, **more: Any) -> Season:
        """A season of the field."""
        registry = self.staff.ground.registry
        return registry.add_season("keeper", self.field.id, crop or self.crop, sown=day, **more)

    def told(self, form: str, at: dt.date = SOWN, /, **values: Any) -> str:
        """An observation on the field; the id of its event."""
        known = shipped_forms().named(form)
        said = check(known, {key: value for key, value in values.items() if value is not None})
        body = {"form": form, "version": known.version, "values": said.values, "place": None}
        draft = Draft(new_id(), Kind.OBSERVATION, self.field.id, "agent", instant(at), body)
        return self.staff.ground.events.append(draft).event.id

    def set_up(self, method: str = "surface", texture: str | None = "loam", **more: Any) -> str:
        """How it is watered."""
        return self.told("water_setup", method=method, texture=texture, **more)

    def watered(self, day: dt.date, mm: float, **more: Any) -> str:
        """An irrigation of the whole field."""
        said = {"method": "surface", "area": self.field.area_ha, "measured": "mm", "depth": mm}
        return self.told("irrigation", day, day=day.isoformat(), **(said | more))
