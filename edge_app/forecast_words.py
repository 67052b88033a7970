"""What people are told of yield forecasts: sentences for states, sources, drivers and harvests.

Yields are told in quintals (100 kg, a sack) a hectare, as farmers in Morocco say them.
"""

from __future__ import annotations

import datetime as dt

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from edge_app.forecast_maths import State
from edge_app.i18n import plain, without_markup
from edge_app.sky_words import month_name
from field_data.types import Driver, Evidence, LevelSource, YieldForecast


def _mark(text: str) -> str:
    """Mark a text for the catalogues that is translated where it is used."""
    return text


# Within this share of usual, a season is as usual.
AS_USUAL = 0.08

# The command line says these in English.
STATES: dict[State, str] = {
    State.OVER: _mark("This season is harvested."),
    State.NO_CROP: _mark("Nobody said what grows here. Add the season first."),
    State.OTHER_CROP: _mark("There is a forecast for wheat only."),
    State.TOO_EARLY: _mark("It is too early: the first forecast comes at the end of February."),
    State.NO_SCENES: _mark("No satellite picture of this field has arrived yet."),
    State.TOO_FEW: _mark("Too few clear pictures of this season to forecast from."),
    State.CLOUDY: _mark("Clouds have hidden this field for too long to forecast."),
    State.NOT_GREEN: _mark("This field has not turned green: not sown, or failed. Go and look."),
    State.NO_ARCHIVE: _mark(
        "There is nothing to compare this season with. Say what this field usually gives."
    ),
    State.NO_MODEL: _mark("There is no yield model on this box."),
    State.NO_DAY: _mark("This box does not know what day it is."),
}
_SOURCES: dict[LevelSource, LazyString] = {
    LevelSource.HARVESTS: _l("learnt from the harvests of this field"),
    LevelSource.DECLARED: _l("as its farmer says"),
    LevelSource.PLACE: _l("as fields around gave"),
}
_PARTS: dict[str, LazyString] = {
    "autumn": _l("October and November"),
    "winter": _l("December and January"),
    "early_spring": _l("February and March"),
    "late_spring": _l("April and May"),
}


def state_text(state: State) -> str:
    """Why there is no forecast."""
    return plain(STATES[state])


def quintals(t_ha: float) -> str:
    """A yield in whole quintals a hectare."""
    return f"{10 * t_ha:.0f}"


def sentence(said: YieldForecast) -> str:
    """The forecast in one sentence, without markup."""
    if said.t_ha_p10 is None or said.t_ha_p50 is None or said.t_ha_p90 is None:
        return f"{_against_usual(said.relative)} {_between(said)}"
    return plain(
        "We expect %(low)s to %(high)s quintals a hectare, most likely %(middle)s.",
        low=quintals(said.t_ha_p10),
        middle=quintals(said.t_ha_p50),
        high=quintals(said.t_ha_p90),
    )


def _against_usual(relative: float) -> str:
    if relative > AS_USUAL:
        return plain("This season looks better than usual.")
    if relative < -AS_USUAL:
        return plain("This season looks worse than usual.")
    return plain("This season looks about as usual.")


def _between(said: YieldForecast) -> str:
    return plain(
        "It may end between %(low)s %% and %(high)s %% against usual.",
        low=f"{100 * said.relative_p10:+.0f}",
        high=f"{100 * said.relative_p90:+.0f}",
    )


def level_text(said: YieldForecast) -> str:
    """What is usual, and who says so."""
    if said.level_t_ha is None:
        return plain("What this field usually gives is not known: tell the agent.")
    return plain(
        "Usual here: %(level)s quintals a hectare, %(source)s.",
        level=quintals(said.level_t_ha),
        source=without_markup(str(_SOURCES[said.level_source])),
    )


def driver_text(driver: Driver) -> str:
    """What one part of the season did to the forecast."""
    amount = f"{100 * driver.relative:+.0f} %"
    if driver.effect_t_ha is not None:
        amount = plain("%(amount)s quintals", amount=f"{10 * driver.effect_t_ha:+.1f}")
    when = without_markup(str(_PARTS.get(driver.name, driver.name)))
    return plain("Seen in %(when)s: %(amount)s", when=when, amount=amount)


def evidence_text(evidence: Evidence) -> str:
    """What a forecast rests on."""
    parts = (
        plain("local harvests: %(num)s", num=evidence.harvests),
        plain("clear dates: %(num)s", num=evidence.clear_dates),
        plain("earlier seasons in the archive: %(num)s", num=evidence.archive_seasons),
    )
    return " · ".join(parts)


def horizon_text(horizon: str) -> str:
    """The month whose end closed what was looked at."""
    day = dt.date(2000, int(horizon), 1)  # of any year
    return plain("end of %(month)s", month=month_name(day, "LLLL"))
