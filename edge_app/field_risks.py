"""Which pests and diseases are about to come to a field, and when to look for them.

The codes of `FieldRisks.items`, all about `Topic.SCOUT`, with ``pest`` (EPPO), ``card`` (id of the
advice card) and ``form`` (in which to write down what was seen).  No item has an amount.

* ``scout_stage``: a stage of an insect comes; days are those in which to look.  Facts: model,
  stage, generation, how (``trap``, ``sighting``, ``sowing``, ``date``: what the count of warmth
  begins with), needs.  Evidence: warmth_dd, stage_dd, lower_c, upper_c, day (the likeliest),
  range_days.
* ``scout_risk``: the weather suits a disease.  Facts: model, phase (``signs``: days in which an
  infection would show; ``infection``: days in which it may happen), basis (``steps``, ``daily``),
  needs, seen (1: it was seen here within three weeks).  Evidence: share (1: all that the rule asks
  for), wet_hours, infection_day.
* ``scout_trap``: a trap caught the pest.  Facts: model, count, days, days_ago.  Evidence: per_day.
* ``scout_trap_read``: hang or read a trap, the count of warmth waits for it.  Facts: model, traps
  (keys of the form, joined by commas), days_ago (-1: never).

Common evidence: weather_state, diagnoses_21d (reviewed ones of this pest on the node).  No item is
surer than ``medium``: no model is reviewed by an agronomist yet; one whose numbers nobody saw in a
source, or whose count begins with a date, is ``low``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Protocol

from edge_app.field_signs import Sighting, Signs, days_seen, reviewed_sightings, signs_of
from edge_app.risk_items import items_of
from edge_app.risk_outlook import ModelOutlook, RiskOutlook, State
from edge_app.weather_desk import State as WeatherState
from field_data.days import date_of, day_of
from field_data.events import EventLog, Kind
from field_data.registry import Registry
from field_data.reviews import Case
from field_data.season_advice import AdviceItem
from field_data.types import Field, Season
from field_data.weather import DayWeather, Origin, Weather

if TYPE_CHECKING:
    from edge_app.weather_desk import FieldWeather, WeatherDesk
    from models.risks.definition import RiskModel

# Warmth is added up from the first of January at the earliest.
PAST_DAYS, AHEAD_DAYS = 400, 45
WEEK = 7
# How long a sighting speaks of what may come next.
RECENT_DAYS = 21


class Reviews(Protocol):
    """Who knows what people made of photos: `field_data.review_desk.ReviewDesk`."""

    def cases(self) -> Iterable[Case]:
        """Every diagnosis with its reviews."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is the same for all models of a field on a day."""

    today: int
    crop: str
    season: Season | None
    weather: Weather
    signs: Signs
    reviewed: Sequence[Sighting]


class FieldRisks:
    """The pests to come of the fields of one node; threads may share it."""

    def __init__(
        self,
        registry: Registry,
        events: EventLog,
        reviews: Reviews | None,
        desk: WeatherDesk,
        models: Sequence[RiskModel] | None = None,
    ) -> None:
        self._registry, self._events, self._reviews = registry, events, reviews
        self._desk, self._models = desk, models
        self._read: tuple[object, tuple[Sighting, ...]] = (None, ())

    def of(self, field: Field, as_of: date) -> RiskOutlook:
        """What was known on a day of the pests to come.

        Raises:
            KeeperError: the weather archive's.
            PublisherError: ``bad_risk_model``.
        """
        season = self._registry.season_on(field.id, as_of)
        crop = season.crop if season else field.crop
        told = RiskOutlook(field, as_of, State.NO_CROP, crop or "")
        if crop is None:
            return told
        models = [model for model in self._all() if crop in model.crops]
        if not models:
            return told.but(state=State.NO_MODEL)
        sky = self._desk.of(field, as_of, past_days=PAST_DAYS, ahead_days=AHEAD_DAYS)
        if sky.weather is None:
            wrong = sky.state is WeatherState.NO_DAY
            return told.but(state=State.NO_DAY if wrong else State.NO_WEATHER)
        known = self._known(field, as_of, crop, season, sky)
        found = tuple(_outlook(model, known) for model in models)
        return told.but(state=State.KNOWN, weather_state=str(sky.state), models=found)

    def items(self, field: Field, as_of: date) -> tuple[AdviceItem, ...]:
        """When to look for what; see the table above."""
        return items_of(self.of(field, as_of))

    def _all(self) -> Sequence[RiskModel]:
        from models.risks.loading import shipped_models

        return shipped_models() if self._models is None else self._models

    def _known(
        self, field: Field, as_of: date, crop: str, season: Season | None, sky: FieldWeather
    ) -> _Known:
        about = [each for each in self._events.about(field.id) if each.kind is Kind.OBSERVATION]
        standing = [each for each in about if not self._events.corrected(each.id)]
        today = day_of(as_of)
        if sky.weather is None:
            raise ValueError("no weather")
        signs = signs_of(standing, today)
        return _Known(today, crop, season, sky.weather, signs, self._reviewed())

    def _reviewed(self) -> tuple[Sighting, ...]:
        """What people made of photos; read again when there is a new event."""
        if self._reviews is None:
            return ()
        key = self._events.last_seq()
        if self._read[0] != key:
            self._read = (key, reviewed_sightings(self._reviews.cases()))
        return self._read[1]


def _outlook(model: RiskModel, known: _Known) -> ModelOutlook:
    since = known.today - RECENT_DAYS
    told = ModelOutlook(
        model,
        speaks=date_of(known.today).month in model.months,
        seen_here=tuple(days_seen(known.signs.seen, model.pest, since, known.today)),
        diagnoses=len(days_seen(known.reviewed, model.pest, since, known.today)),
    )
    return _stages(told, known) if model.warmth else _infection(told, known)


def _stages(told: ModelOutlook, known: _Known) -> ModelOutlook:
    from models.risks.beginnings import beginning_of, readings_for
    from models.risks.phenology import heat_of, stage_dates, warmth_since

    model, signs = told.model, known.signs
    heat = heat_of(known.weather.days)
    sown = day_of(known.season.sown) if known.season and known.season.sown else None
    seen = [each.day for each in signs.seen if each.pest == model.pest]
    start = beginning_of(model, known.today, signs.traps, sown, seen, heat)
    readings = readings_for(model, signs.traps)
    return told.but(
        beginning=start,
        stages=stage_dates(model, heat, start),
        warmth_dd=warmth_since(model, heat, start.day, known.today),
        trap=readings[-1] if readings else None,
    )


def _infection(told: ModelOutlook, known: _Known) -> ModelOutlook:
    from models.risks.infection import risk_by_day
    from models.risks.wetness import air_of

    rule = told.model.rule
    if rule is None:
        return told
    first = known.today - told.model.signs_days[1] - 1
    span = [each for each in known.weather.days if first <= each.day <= known.today + WEEK]
    days = [_real(each) for each in span]
    return told.but(risk=risk_by_day(rule, air_of(days, known.weather.steps)))


def _real(day: DayWeather) -> DayWeather:
    """Without what is only usual: the mean of many years rains a little every day."""
    if day.origin is Origin.CLIMATOLOGY:
        return DayWeather(day.day)
    return replace(day, rain_mm=math.nan) if day.rain_origin is Origin.CLIMATOLOGY else day
