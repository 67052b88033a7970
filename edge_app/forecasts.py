"""The yield forecast of a field: what the satellite saw, what was harvested, one honest number.

Each call looks at what was known on one day: scenes up to it, harvests of earlier seasons, what the
farmer calls usual.  Where there is nothing to say, `Outlook.state` says why.  What is said is kept,
and scored when the harvest comes (`edge_app.forecast_skill`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from edge_app.forecast_maths import (
    DECLARED_SHARE,
    INDEX,
    LEAST_DATES,
    LEAST_GREEN,
    Outlook,
    State,
    finished,
    inputs_of,
    place_prior,
    reached,
    seen_days,
    shift_of,
    worked_out,
)
from edge_app.forecast_skill import Score, Skill, running, scores
from edge_app.sky import Sky
from field_data import clock
from field_data.days import date_of, day_of, season_year
from field_data.document_store import DocumentStore
from field_data.errors import PublisherError
from field_data.events import EventLog, Kind
from field_data.forecast_log import ForecastLog, Kept
from field_data.harvests import WHEAT, Harvest, Harvests, harvests_of, season_of_harvest
from field_data.registry import Registry
from field_data.types import Evidence, Field, IndexSeries, Instant, LevelSource, Trust
from models import yield_levels
from models.yield_levels import Level
from sat_ingest import yield_features
from sat_ingest.field_report import alike

if TYPE_CHECKING:
    from models.yield_model import YieldModel


@dataclass(slots=True)
class _Known:
    """What costs reading and is asked for again; ``givers`` are fields with a harvest."""

    harvests: dict[Field, Harvests] = dataclass_field(default_factory=dict)
    levels: dict[tuple[str, int, str], Level] = dataclass_field(default_factory=dict)
    givers: list[Field] | None = None


def shipped_model() -> YieldModel:
    """The model that comes with Ghalla.

    Raises:
        PublisherError: ``model_missing``, ``model_corrupt`` or ``bad_manifest``.
    """
    from models.yield_model import YieldModel

    return YieldModel.load()


class Forecasts:
    """The forecasts of one node; threads may share it."""

    def __init__(
        self,
        store: DocumentStore,
        registry: Registry,
        events: EventLog,
        sky: Sky,
        *,
        load: Callable[[], YieldModel] = shipped_model,
        now: Callable[[], Instant] = clock.now,
    ) -> None:
        self.log = ForecastLog(store)
        self._registry, self._events, self._sky = registry, events, sky
        self._load, self._now = load, now
        self._model: YieldModel | None = None
        self._broken = False
        self._scored: tuple[object, Skill] | None = None
        self._known: tuple[object, _Known] | None = None

    def model(self) -> YieldModel | None:
        """The model, loaded when first asked for; None where there is no sound one, which is tried
        again once a day."""
        if self._model is None and not self._broken:
            try:
                self._model = self._load()
            except PublisherError as error:
                self._broken = True
                logging.getLogger(__name__).warning("%s: %s", error.code, error)
        return self._model

    def harvests(self, field: Field) -> Harvests:
        """What a field gave so far, by season, and what was set aside."""
        known = self._now_known().harvests
        if field not in known:
            known[field] = self._read_harvests(field)
        return known[field]

    def _read_harvests(self, field: Field) -> Harvests:
        about = self._events.about(field.id)
        observed = [event for event in about if event.kind is Kind.OBSERVATION]
        return harvests_of(field, [e for e in observed if not self._events.corrected(e.id)])

    def _now_known(self) -> _Known:
        """What was worked out of events and archive; begun anew when either changed."""
        key = (self._registry.revision(), self._sky.revision())
        known = self._known
        if known is None or known[0] != key:
            known = self._known = (key, _Known())
        return known[1]

    def today(self, field: Field | None = None) -> date | None:
        """The day by this machine's clock.

        One that nothing vouches for may have stood still while the box was off, so the field's last
        picture may be later; one before this software was written is not asked at all.
        """
        moment = self._now()
        told = datetime.fromtimestamp(moment.utc_s, UTC).date()
        if moment.trust is not Trust.UNKNOWN:
            return told
        series = self._sky.series(field, INDEX) if field else None
        seen = [date_of(series.days[-1])] if series and series.days else []
        return max([*seen, *([told] if moment.utc_s >= clock.BUILT_UTC_S else [])], default=None)

    def outlook(self, field: Field, as_of: date | None = None) -> Outlook:
        """What can be said of a field on a day (None: today); a forecast is kept.

        Raises:
            KeeperError: the archive's or the store's.
        """
        day = as_of or self.today(field)
        if day is None:
            return Outlook(field, State.NO_DAY)
        crop = self._crop(field, day)
        told = Outlook(field, State.NO_MODEL, day, season_year(day), crop)
        model = self.model()
        if model is None:
            return told
        if crop is None or crop not in model.manifest.crops:
            return replace(told, state=State.OTHER_CROP if crop else State.NO_CROP)
        return self._of_crop(told, model, day)

    def all(self, as_of: date | None = None) -> list[Outlook]:
        """What can be said of every field that is worked with."""
        return [self.outlook(field, as_of) for field in self._registry.fields()]

    def daily(self) -> None:
        """Make today's forecasts, so that each horizon's is kept whether somebody looks or not."""
        self._broken = False
        self.all()

    def of(self, field: Field) -> list[Kept]:
        """All that was ever forecast of a field, as it was made."""
        return self.log.of(field.id)

    def scores(self, fields: Sequence[Field] | None = None) -> list[Score]:
        """What was forecast of these fields (None: of all) beside what they gave."""
        known = self._registry.fields(retired=True) if fields is None else fields
        kept = self.log.all() if fields is None else [k for f in known for k in self.of(f)]
        ended = {each.forecast.field for each in kept}
        given = [h for f in known if f.id in ended for h in self.harvests(f).kept]
        return scores(kept, given)

    def skill(self) -> Skill:
        """How good the last forecasts before each harvest were; worked out when something new
        came."""
        key = (self._registry.revision(), self.log.changes)
        known = self._scored
        if known is None or known[0] != key:
            known = self._scored = (key, running(self.scores()))
        return known[1]

    def forget(self, ids: Sequence[str]) -> None:
        """Erase what is kept of these fields."""
        self.log.forget(ids)

    def _crop(self, field: Field, day: date) -> str | None:
        season = self._registry.season_on(field.id, day)
        return season.crop if season else field.crop

    def _of_crop(self, told: Outlook, model: YieldModel, day: date) -> Outlook:
        year = season_year(day)
        over, harvest = self._over(told.field, day)
        if over:
            return replace(told, state=State.OVER, harvest=harvest)
        wanted = finished(year, day)
        if wanted is None:
            return replace(told, state=State.TOO_EARLY)
        series = self._sky.series(told.field, INDEX, day_of(day))
        if series is None or not series.days:
            return replace(told, state=State.NO_SCENES, wanted=wanted)
        seen = seen_days(series, year, wanted)
        told = replace(
            told,
            wanted=wanted,
            clear_dates=len(seen),
            seen=date_of(max(seen)) if seen else None,
        )
        if len(seen) < LEAST_DATES:
            return replace(told, state=State.TOO_FEW)
        horizon = reached(year, wanted, max(seen))
        if horizon is None:
            return replace(told, state=State.CLOUDY)
        if max(seen.values()) < LEAST_GREEN:
            return replace(told, state=State.NOT_GREEN)
        return self._forecast(told, model, series, horizon)

    def _over(self, field: Field, day: date) -> tuple[bool, Harvest | None]:
        """Whether the season was harvested by that day, and what it gave."""
        year = season_year(day)
        given = [h for h in self.harvests(field).kept if h.season_year == year and h.day <= day]
        seasons = self._registry.seasons(field.id)
        cut = [s.harvested for s in seasons if s.harvested and s.crop in WHEAT]
        told = any(season_of_harvest(at) == year and at <= day for at in cut)
        return bool(given) or told, given[-1] if given else None

    def _forecast(
        self, told: Outlook, model: YieldModel, series: IndexSeries, horizon: str
    ) -> Outlook:
        year = season_year(told.as_of or date.min)
        row = yield_features.features({INDEX: series}, year, horizon)
        archive = yield_features.archive_seasons({INDEX: series}, year, horizon)
        source, level, count = self._level(told.field, model, series, year)
        if archive == 0 and level is None:
            return replace(told, state=State.NO_ARCHIVE)
        clear = yield_features.clear_dates(series, year, horizon)
        made = worked_out(
            told, model, horizon, row, (source, level), Evidence(count, clear, archive)
        )
        self.log.keep(inputs_of(made, row, level), self._now(), made)
        return replace(told, state=State.FORECAST, forecast=made)

    def _level(
        self, field: Field, model: YieldModel, series: IndexSeries, year: int
    ) -> tuple[LevelSource, Level | None, int]:
        """The usual yield, where that is from, and how many harvests speak in it."""
        prior, source, count = model.prior(), LevelSource.NONE, 0
        around = self._around(field, model, year)
        if around:
            prior, source, count = (
                place_prior(prior, around),
                LevelSource.PLACE,
                sum(each.n for each in around),
            )
        usual = self._declared(field, model)
        if usual is not None:
            prior = yield_levels.declared(prior, usual, DECLARED_SHARE)
            source, count = LevelSource.DECLARED, 0
        own = self._own(field, model, series, year)
        if own:
            source, count = LevelSource.HARVESTS, len(own)
        if source is LevelSource.NONE:
            return source, None, 0
        return source, yield_levels.level(prior, own), count

    def _own(
        self, field: Field, model: YieldModel, series: IndexSeries | None, year: int
    ) -> list[yield_levels.Harvest]:
        """Harvests of earlier seasons, each with how its season looked from above."""
        return [
            yield_levels.Harvest(
                h.t_ha,
                h.sd_t_ha,
                shift_of(model, series, h.season_year),
                apart=year - h.season_year,
            )
            for h in self.harvests(field).kept
            if h.season_year < year
        ]

    def _around(self, field: Field, model: YieldModel, year: int) -> list[Level]:
        """Levels of fields around with the same crop that were harvested before."""
        known = self._now_known()
        if known.givers is None:
            known.givers = [f for f in self._registry.fields() if self.harvests(f).kept]
        near = alike(field, known.givers)
        before = [f for f in near if self.harvests(f).kept[0].season_year < year]
        return [self._level_of(known, each, model, year) for each in before]

    def _level_of(self, known: _Known, field: Field, model: YieldModel, year: int) -> Level:
        """What a field usually gives by its own harvests before a season."""
        key = (field.id, year, model.ref.sha256)
        if key not in known.levels:
            own = self._own(field, model, self._sky.series(field, INDEX), year)
            known.levels[key] = yield_levels.level(model.prior(), own)
        return known.levels[key]

    def _declared(self, field: Field, model: YieldModel) -> float | None:
        """What was said last of the usual yield, of a crop that the model knows."""
        said = [
            each.usual_t_ha
            for each in self._registry.seasons(field.id)
            if each.usual_t_ha is not None and each.crop in model.manifest.crops
        ]
        return said[-1] if said else None
