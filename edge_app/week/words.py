"""What people are told of advice for the season: plain sentences for codes, days and figures.

All wording is here.  ``models`` and the other advisers give codes and figures only; a code that
this file does not know becomes a sentence for its topic.  A sentence is whole in one language:
where Tifinagh has a gap, the day in it is Arabic like the rest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from flask_babel import LazyString, force_locale, get_locale, gettext, ngettext
from flask_babel import lazy_gettext as _l

from edge_app.advice import Localised
from edge_app.i18n import plain, without_markup
from field_data.days import date_of
from field_data.season_advice import AdviceItem, Confidence, Topic, Urgency


def _mark(text: str) -> str:
    """Mark a text for the catalogues that is translated where it is used."""
    return text


class Saying(NamedTuple):
    """How a code is said: ``when`` is one of ``on``, ``by``, ``until`` and empty."""

    what: str
    when: str = ""


# The name of a pest in a language.
Names = Callable[[str, str], str]

SAYINGS: dict[str, Saying] = {
    "water_give": Saying(_mark("water %(amount)s"), "by"),
    "water_wait": Saying(_mark("do not water, the soil holds enough"), "until"),
    "water_none_needed": Saying(_mark("no water is needed"), "until"),
    "water_rainfed_stress": Saying(
        _mark("the crop is thirsty. If you have water, now it helps most")
    ),
    "water_unknown": Saying(
        _mark("we cannot count the water of this field. Tell the agent what grows and since when")
    ),
    "scout_stage": Saying(_mark("look at the plants, %(pest)s may begin"), "on"),
    "scout_risk": Saying(_mark("look under the leaves, the weather suits %(pest)s"), "on"),
    "scout_trap": Saying(_mark("look at the plants, the trap caught %(pest)s"), "on"),
    "scout_trap_read": Saying(_mark("hang a trap, or read it and write the count down"), "on"),
    "spray_best": Saying(_mark("the best time if you must spray%(hours)s"), "on"),
    "spray_not_wind": Saying(_mark("do not spray, too much wind"), "on"),
    "spray_not_rain": Saying(_mark("do not spray, rain washes it off"), "on"),
    "spray_not_damp": Saying(_mark("do not spray, the leaves are wet"), "on"),
    "spray_not_heat": Saying(_mark("do not spray, too hot"), "on"),
    "spray_not_inversion": Saying(_mark("do not spray, the still air carries it away"), "on"),
    "spray_unknown": Saying(_mark("we do not know the wind. Look before you spray")),
    "sow_window": Saying(_mark("good days to sow"), "on"),
    "sow_wait_rain": Saying(_mark("wait with sowing until the soil is wet"), "until"),
    "sow_too_late": Saying(_mark("it is late to sow this crop. Ask the agent")),
    "harvest_window": Saying(_mark("dry days, good for the harvest"), "on"),
    "harvest_rain_coming": Saying(_mark("rain is coming. Bring the harvest in before"), "on"),
    "frost_night": Saying(_mark("frost at night. Protect the plants"), "on"),
    "heat_day": Saying(_mark("great heat. Water in the cool hours, work early"), "on"),
    "chergui_days": Saying(_mark("chergui, hot dry wind. The soil dries fast"), "on"),
    "weather_old": Saying(_mark("the weather forecast is old. Look at the sky as well")),
    "weather_none": Saying(_mark("there is no weather for this place. Ask the agent")),
    "weather_climatology": Saying(
        _mark("there is no new forecast. This is what the weather is in other years")
    ),
}
_TOPICS: dict[Topic, str] = {
    Topic.WATER: _mark("water: ask the agent"),
    Topic.SCOUT: _mark("look at the plants"),
    Topic.SPRAY: _mark("spraying: ask the agent"),
    Topic.SOW: _mark("sowing: ask the agent"),
    Topic.HARVEST: _mark("harvest: ask the agent"),
    Topic.FROST: _mark("frost"),
    Topic.HEAT: _mark("heat"),
    Topic.CHERGUI: _mark("chergui"),
    Topic.WEATHER: _mark("the weather is not known well"),
}
TOPICS: dict[Topic, LazyString] = {
    Topic.WATER: _l("Water"),
    Topic.SCOUT: _l("Pests and diseases"),
    Topic.SPRAY: _l("Spraying"),
    Topic.SOW: _l("Sowing"),
    Topic.HARVEST: _l("Harvest"),
    Topic.FROST: _l("Frost"),
    Topic.HEAT: _l("Heat"),
    Topic.CHERGUI: _l("Chergui"),
    Topic.WEATHER: _l("Weather"),
}
URGENCIES: dict[Urgency, LazyString] = {
    Urgency.NOW: _l("today or tomorrow"),
    Urgency.SOON: _l("within three days"),
    Urgency.WEEK: _l("this week"),
    Urgency.NONE: _l("nothing to do"),
}
CONFIDENCES: dict[Confidence, LazyString] = {
    Confidence.HIGH: _l("The figures are good."),
    Confidence.MEDIUM: _l("The figures are fair."),
    Confidence.LOW: _l("The figures are weak. Look in the field first."),
}
# As many dots as the figures deserve.
DOTS = {Confidence.HIGH: 3, Confidence.MEDIUM: 2, Confidence.LOW: 1}
# The drawing of a code: ``icons/ui/<name>.svg``.
_PICTURES: dict[str, str] = {
    "scout_stage": "scout",
    "scout_risk": "scout",
    "scout_trap": "trap_tuta",
    "scout_trap_read": "trap_tuta",
    "spray_not_damp": "spray_not_rain",
}
_OF_TOPIC: dict[Topic, str] = {
    Topic.WATER: "water_unknown",
    Topic.SCOUT: "scout",
    Topic.SPRAY: "spray_unknown",
    Topic.SOW: "sow_window",
    Topic.HARVEST: "harvest_window",
    Topic.FROST: "frost_night",
    Topic.HEAT: "heat_day",
    Topic.CHERGUI: "chergui_days",
    Topic.WEATHER: "weather_none",
}
_UNITS: dict[str, str] = {
    "mm": _mark("%(n)s mm"),
    "m3": _mark("%(n)s m³"),
    "h": _mark("%(n)s h"),
    "C": _mark("%(n)s °C"),
}
_BORROWED = re.compile(r'<span lang="(\w+)"')
_WEEK = 7


def picture_of(item: AdviceItem) -> str:
    """The drawing that says it without words."""
    if item.code in SAYINGS:
        return _PICTURES.get(item.code, item.code)
    return _OF_TOPIC[item.topic]


def sentence(item: AdviceItem, today: int, names: Names) -> Localised:
    """One sentence with its day and amount; in the language of the request or the one it borrows.

    ``today`` counts from 1970-01-01; ``names`` gives the name of a pest by EPPO code and language.
    """
    saying = SAYINGS.get(item.code) or Saying(_TOPICS[item.topic], "on")
    lang = _language(saying.what)
    with force_locale(lang):
        values = {
            "amount": amount_text(item.amount, item.unit),
            "pest": names(item.pest, lang) if item.pest else "",
            "hours": _hours(item),
        }
        what = plain(saying.what, **values)
        when = when_text(item, today, saying.when)
        text = plain("%(when)s: %(what)s", when=when, what=what) if when else what
        return Localised(text[:1].upper() + text[1:] + ".", lang)


def details(item: AdviceItem) -> Localised | None:
    """What else helps to do it: the range, cubic metres, hours of the pump, turns of the canal."""
    facts = item.facts
    lang = _language(_UNITS["m3"])
    with force_locale(lang):
        parts = [_range(item)] if item.high > item.low else []
        if volume := _fact(facts.get("volume_m3")):
            parts.append(amount_text(volume, "m3"))
        if hours := _fact(facts.get("pump_hours")):
            parts.append(hours_text(hours))
        if turns := _fact(facts.get("turns")):
            parts.append(
                without_markup(
                    ngettext(
                        "%(num)s turn of the canal", "%(num)s turns of the canal", math.ceil(turns)
                    )
                )
            )
        return Localised(" · ".join(parts), lang) if parts else None


def when_text(item: AdviceItem, today: int, how: str) -> str:
    """The days of an item as people say them, empty where it has none or needs none."""
    if item.first_day is None or item.last_day is None or not how:
        return ""
    last = day_name(item.last_day, today)
    if how == "by":
        return last if item.last_day <= today else plain("by %(day)s", day=last)
    if how == "until":
        return plain("until %(day)s", day=last)
    if item.first_day == item.last_day:
        return last
    return plain("%(first)s to %(last)s", first=day_name(item.first_day, today), last=last)


def day_name(day: int, today: int) -> str:
    """``today``, ``tomorrow``, the weekday within a week, else with its date."""
    if day in (today, today + 1):
        return plain("today") if day == today else plain("tomorrow")
    return _date_text(date_of(day), "EEEE" if 0 < day - today < _WEEK else "EEEE d MMMM")


def weekday_letter(day: int) -> str:
    """The shortest name of a weekday in the language of the page."""
    return _date_text(date_of(day), "EEEEE")


def _date_text(day: date, pattern: str) -> str:
    from babel.dates import format_date

    lang = str(get_locale())
    return str(format_date(day, pattern, locale="ar_MA" if lang == "ar" else lang))


def amount_text(amount: float, unit: str) -> str:
    """A number with its unit: whole, but for small ones; empty where nothing is measured out."""
    if not math.isfinite(amount):
        return ""
    number = f"{amount:.1f}" if amount < 3 and amount % 1 else f"{amount:.0f}"
    return plain(_UNITS[unit], n=number) if unit in _UNITS else f"{number} {unit}"


def hours_text(hours: float) -> str:
    """Hours of a pump, to the half."""
    half = round(2 * hours) / 2
    if half < 1:
        return plain("%(num)s minutes of the pump", num=max(5, round(hours * 12) * 5))
    return without_markup(
        ngettext("%(num)s hour of the pump", "%(num)s hours of the pump", math.ceil(half))
        if half == int(half)
        else gettext("%(hours)s hours of the pump", hours=f"{half:.1f}")
    )


def _range(item: AdviceItem) -> str:
    low, high = f"{item.low:.0f}", amount_text(item.high, item.unit)
    return plain("between %(low)s and %(high)s", low=low, high=high)


def _hours(item: AdviceItem) -> str:
    """The hours of a work window: `` from 6 to 9`` with facts ``from_hour`` and ``to_hour``."""
    first, last = _fact(item.facts.get("from_hour")), _fact(item.facts.get("to_hour"))
    if first is None or last is None:
        return ""
    return ", " + plain("from %(first)s to %(last)s o'clock", first=f"{first:g}", last=f"{last:g}")


def _fact(value: object) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None  # type: ignore[arg-type]


def _language(message: str) -> str:
    """The language that a text really is in: the page's, or the one that fills its gap."""
    found = _BORROWED.search(gettext(message))
    return found[1] if found else str(get_locale())
