"""Out of the windows of a field: what to do when. Pure; the codes are listed in `field_windows`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edge_app.weather_desk import State as WeatherState
from field_data.days import day_of
from field_data.season_advice import AdviceItem, Confidence, Source, Topic, Urgency

if TYPE_CHECKING:
    from edge_app.field_windows import WindowsOutlook
    from models.risks.extremes import Alert
    from models.risks.spraying import SprayDay
    from models.risks.work_rules import WorkRules

# How far a forecast temperature may lie from what comes, °C: a choice of ours.
FORECAST_ERROR_C = 2.0
# Further ahead, an alert is weaker.
NEAR_DAYS = 3
_DANGERS = {
    "frost": (Topic.FROST, "frost_night"),
    "heat": (Topic.HEAT, "heat_day"),
    "chergui": (Topic.CHERGUI, "chergui_days"),
}
_SPRAY_KEYS = {
    "rain": ("ours",),
    "wind": ("wind",),
    "heat": ("delta_t",),
    "inversion": ("layers", "wind"),
    "damp": ("delta_t",),
    "unknown": ("wind",),
    None: ("wind", "delta_t", "layers", "bees"),
}
_DAY_H, _LOCAL_H = 24, 1


def items_of(told: WindowsOutlook, rules: WorkRules) -> tuple[AdviceItem, ...]:
    """All that is worth saying, the most urgent first."""
    found = [*_data(told), *_alerts(told, rules), *_spray(told, rules), *_sow(told), *_cut(told)]
    return tuple(sorted(found, key=lambda item: (-item.urgency, item.first_day or 0, item.code)))


def _data(told: WindowsOutlook) -> Iterator[AdviceItem]:
    """What the weather rests on, where that is not a fresh forecast."""
    code = {
        WeatherState.OLD: "weather_old",
        WeatherState.CLIMATOLOGY: "weather_climatology",
        WeatherState.NONE: "weather_none",
    }.get(told.sky.state)
    if code:
        ago, years = told.sky.issued_days_ago, told.sky.climatology_years
        facts = {"years": years} | ({} if math.isnan(ago) else {"days_ago": int(ago)})
        yield AdviceItem(
            told.field.id,
            Topic.WEATHER,
            code,
            Urgency.NONE,
            Confidence.HIGH,
            Source(told.sky.weather.source if told.sky.weather else ""),
            facts=facts,
        )


def _source(rules: WorkRules, keys: tuple[str, ...]) -> Source:
    first = rules.sources[keys[0]]
    return Source(rules.said_by(keys), first.url, False)


def _soon(days: int) -> Urgency:
    return Urgency.NOW if days <= 1 else Urgency.SOON if days <= NEAR_DAYS else Urgency.WEEK


def _told(**figures: float | str) -> dict[str, float | str]:
    """The figures that are known, rounded."""
    return {
        key: round(value, 2) if isinstance(value, float) else value
        for key, value in figures.items()
        if not (isinstance(value, float) and math.isnan(value))
    }


def _alerts(told: WindowsOutlook, rules: WorkRules) -> Iterator[AdviceItem]:
    for one in told.alerts:
        topic, code = _DANGERS[str(one.danger)]
        yield _alert(told, rules, one, topic, code)


def _alert(
    told: WindowsOutlook, rules: WorkRules, one: Alert, topic: Topic, code: str
) -> AdviceItem:
    ahead = one.first - day_of(told.as_of)
    old = told.sky.state is not WeatherState.FRESH
    return AdviceItem(
        told.field.id,
        topic,
        code,
        _soon(ahead),
        Confidence.LOW if old or ahead > NEAR_DAYS else Confidence.MEDIUM,
        _source(rules, one.sources),
        one.first,
        one.last,
        one.worst_c,
        one.worst_c - FORECAST_ERROR_C,
        one.worst_c + FORECAST_ERROR_C,
        "C",
        facts={"crop": told.crop},
        evidence=_told(limit_c=one.limit_c, rh_percent=one.rh_percent),
    )


def _spray(told: WindowsOutlook, rules: WorkRules) -> Iterator[AdviceItem]:
    """The first good hours, and before them the days without, by reason; nothing where no crop
    stands."""
    if not told.standing and told.sow is not None:
        return
    ahead = list(told.spray)
    good = next((each for each in ahead if each.why is None), None)
    bad = ahead[: ahead.index(good)] if good else ahead[: NEAR_DAYS + 1]
    for reason, days in _grouped(bad):
        code = "spray_unknown" if reason == "unknown" else f"spray_not_{reason}"
        yield _spray_item(told, rules, code, days)
    if good:
        yield _spray_item(told, rules, "spray_best", [good])


def _grouped(days: list[SprayDay]) -> Iterator[tuple[str, list[SprayDay]]]:
    """Days in a row with one reason."""
    group: list[SprayDay] = []
    for day in days:
        if group and (day.why != group[-1].why or day.day != group[-1].day + 1):
            yield str(group[-1].why), group
            group = []
        group.append(day)
    if group:
        yield str(group[-1].why), group


def _spray_item(
    told: WindowsOutlook, rules: WorkRules, code: str, days: list[SprayDay]
) -> AdviceItem:
    first, last = days[0], days[-1]
    facts: dict[str, str | float | int] = {"basis": str(first.basis)}
    if first.why is None:
        hour = first.start_utc_s // 3600 % _DAY_H + _LOCAL_H
        facts |= {"start_utc_s": first.start_utc_s, "hours": first.hours, "bees": int(first.bees)}
        facts |= {"from_hour": hour, "to_hour": hour + first.hours}
    ahead = first.day - day_of(told.as_of)
    known = code != "spray_unknown" and first.basis == "steps"
    steady = known and told.sky.state is WeatherState.FRESH and ahead <= NEAR_DAYS
    return AdviceItem(
        told.field.id,
        Topic.SPRAY,
        code,
        Urgency.WEEK if ahead <= 1 else Urgency.NONE,
        Confidence.MEDIUM if steady else Confidence.LOW,
        _source(rules, _SPRAY_KEYS[None if first.why is None else str(first.why)]),
        first.day,
        last.day,
        facts=facts,
        evidence=_told(wind_2m_ms=first.wind_2m_ms, delta_t_c=first.delta_t_c),
    )


def _sow(told: WindowsOutlook) -> Iterator[AdviceItem]:
    one = told.sow
    if one is None or told.zone is None:
        return
    code = {"now": "sow_window", "wait_rain": "sow_wait_rain", "too_late": "sow_too_late"}[one.say]
    missing = one.asked_mm - (0.0 if math.isnan(one.rain_mm) else one.rain_mm)
    waits = code == "sow_wait_rain" and missing > 0
    yield AdviceItem(
        told.field.id,
        Topic.SOW,
        code,
        Urgency.SOON if code == "sow_window" and one.best else Urgency.WEEK,
        Confidence.LOW if math.isnan(one.water) else Confidence.MEDIUM,
        _calendar_source(told, sow=True),
        one.first,
        one.last,
        missing if waits else math.nan,
        missing if waits else math.nan,
        missing if waits else math.nan,
        "mm" if waits else "",
        facts={"zone": told.zone.id, "crop": told.crop, "best": int(one.best)},
        evidence=_told(
            rain_mm=one.rain_mm, asked_mm=one.asked_mm, rain_7d_mm=one.coming_mm, water=one.water
        ),
    )


def _cut(told: WindowsOutlook) -> Iterator[AdviceItem]:
    """Rain that comes is told before the dry days."""
    one, today = told.harvest, day_of(told.as_of)
    if one is None or told.zone is None:
        return
    facts = {"zone": told.zone.id, "crop": told.crop}
    spans: list[tuple[str, int, int, dict[str, Any]]] = []
    if one.rain_day is not None:
        spans.append(
            ("harvest_rain_coming", one.rain_day, one.rain_day, _told(rain_mm=one.rain_mm))
        )
    if one.dry_first is not None and one.dry_last is not None:
        spans.append(("harvest_window", one.dry_first, one.dry_last, {}))
    for code, first, last, evidence in spans:
        yield AdviceItem(
            told.field.id,
            Topic.HARVEST,
            code,
            _soon(first - today) if code == "harvest_rain_coming" else Urgency.WEEK,
            Confidence.LOW,
            _calendar_source(told, sow=False),
            first,
            last,
            facts=facts,
            evidence=evidence,
        )


def _calendar_source(told: WindowsOutlook, *, sow: bool) -> Source:
    """Where the dates of the zone come from."""
    calendar, zone = told.calendar, told.zone
    rules = (zone.sow if sow else zone.harvest) if zone else ()
    rule = next((each for each in rules if told.crop in each.crops), None)
    if calendar is None or zone is None or rule is None:
        return Source("")
    said = calendar.sources[rule.source]
    return Source(f"{said.text} ({zone.calendar}, {zone.id})", said.url, calendar.reviewed)
