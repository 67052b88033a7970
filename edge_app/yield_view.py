"""What the pages show of a field's yield: one sentence, one picture, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flask import current_app
from markupsafe import Markup

from edge_app import forecast_words as words
from edge_app.forecast_maths import Outlook, State
from edge_app.forecast_skill import Score
from edge_app.ground import Ground
from edge_app.i18n import plain
from edge_app.sky import DAMAGED
from edge_app.sky_words import day_text
from edge_app.yield_picture import balance, sacks
from field_data.errors import KeeperError
from field_data.types import Field, YieldForecast


@dataclass(frozen=True, slots=True)
class YieldView:
    """One field, ready to show; ``picture`` is empty and ``text`` says why where nothing can be
    forecast."""

    outlook: Outlook
    text: str
    picture: Markup
    notes: tuple[str, ...]
    drivers: tuple[str, ...]
    evidence: str
    validated: bool

    @property
    def known(self) -> bool:
        """Whether the forecast is in sacks, not only better or worse than usual."""
        said = self.outlook.forecast
        return said is not None and said.t_ha_p50 is not None

    @property
    def asks_usual(self) -> bool:
        """Whether the usual yield of the field would help."""
        return self.outlook.state is State.NO_ARCHIVE or (
            self.outlook.forecast is not None and not self.known
        )


def yield_view(ground: Ground, field: Field, as_of: date | None = None) -> YieldView:
    """What is said of a field today, or as on a day; a damaged archive is a sentence, too."""
    validated = ground.forecasts.skill().validated
    try:
        told = ground.forecasts.outlook(field, as_of)
    except KeeperError as error:
        if error.code not in DAMAGED:
            raise
        current_app.logger.error("%s: %s", error.code, error)
        told = Outlook(field, State.NO_SCENES)
    said = told.forecast
    if said is None:
        text = words.state_text(told.state)
        return YieldView(told, text, Markup(), tuple(_why(ground, told)), (), "", validated)
    text = words.sentence(said)
    return YieldView(
        outlook=told,
        text=text,
        picture=balance(said, text) if said.t_ha_p50 is None else sacks(said, text),
        notes=tuple(_notes(told, said)),
        drivers=tuple(map(words.driver_text, said.drivers)),
        evidence=words.evidence_text(said.evidence),
        validated=validated,
    )


def _notes(told: Outlook, said: YieldForecast) -> list[str]:
    notes = [words.level_text(said)]
    if said.t_ha_p50 is not None:
        notes += [_from_the_field(told.field, said)]
    if told.wanted != said.horizon and told.seen is not None:
        clouds = plain(
            "Clouds have hidden the field since %(day)s. This is as of the %(month)s.",
            day=day_text(told.seen),
            month=words.horizon_text(said.horizon),
        )
        notes += [clouds]
    if not said.evidence.archive_seasons:
        notes += [plain("No earlier season to compare with: this is little more than usual.")]
    return notes


def _from_the_field(field: Field, said: YieldForecast) -> str:
    low, high = (10 * (t or 0.0) * field.area_ha for t in (said.t_ha_p10, said.t_ha_p90))
    return plain(
        "From this field of %(area)s ha: %(low)s to %(high)s sacks of 100 kg.",
        area=f"{field.area_ha:.1f}",
        low=f"{low:.0f}",
        high=f"{high:.0f}",
    )


def _why(ground: Ground, told: Outlook) -> list[str]:
    """What else there is to say where there is no forecast."""
    if told.state is State.OVER and told.harvest is not None:
        gave = plain("It gave %(t)s quintals a hectare.", t=words.quintals(told.harvest.t_ha))
        scored = [s for s in ground.forecasts.scores([told.field]) if s.harvest == told.harvest]
        return [gave, *(score_text(s) for s in scored[-1:])]
    if told.seen is not None:
        return [plain("Last seen: %(day)s", day=day_text(told.seen))]
    return []


def score_text(score: Score) -> str:
    """What was said of a harvest, and whether it held."""
    values = {
        "low": words.quintals(score.forecast.t_ha_p10 or 0.0),
        "high": words.quintals(score.forecast.t_ha_p90 or 0.0),
    }
    if score.inside:
        return plain("We had said %(low)s to %(high)s: it held.", **values)
    return plain("We had said %(low)s to %(high)s: it did not hold.", **values)
