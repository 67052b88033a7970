"""What the pages show of a field's yield: one sentence, one picture, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import current_app
from markupsafe import Markup

from edge_app import forecast_words as words
from edge_app.chart import Chart, Curve, svg
from edge_app.forecast_maths import INDEX, Outlook, State
from edge_app.forecast_skill import Score, Skill
from edge_app.ground import Ground
from edge_app.i18n import plain
from edge_app.sky import DAMAGED
from edge_app.sky_words import day_text, month_text
from edge_app.yield_picture import balance, months, sacks
from field_data.days import date_of, day_of, season_year
from field_data.errors import KeeperError
from field_data.types import HORIZONS, Field, IndexSeries, YieldForecast
from sat_ingest.ramps import RAMPS
from sat_ingest.series import read_series


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


def month_chart(ground: Ground, field: Field, year: int) -> Markup:
    """The last forecast of each month of a season, and the harvest; empty without one in t/ha."""
    last = {
        each.forecast.horizon: each.forecast
        for each in ground.forecasts.of(field)
        if each.forecast.season_year == year and each.forecast.t_ha_p50 is not None
    }
    said = [last[h] for h in HORIZONS if h in last]
    if not said:
        return Markup()
    given = [h.t_ha for h in ground.forecasts.harvests(field).kept if h.season_year == year]

    def name(horizon: str) -> str:
        return month_text(date(year, int(horizon), 1))

    text = plain("Forecasts of the season by month, in quintals a hectare")
    return months(said, given[0] if given else None, name, text)


def season_chart(ground: Ground, field: Field, day: date) -> Markup:
    """The green cover of the season of a day over that of earlier seasons; empty without both."""
    series = ground.sky.series(field, INDEX, day_of(day))
    curve = read_series(series).curve if series is not None and series.days else None
    if series is None or curve is None:
        return Markup()
    year = season_year(day)
    values = [None if v != v else float(v) for v in curve.values[:, 0]]
    points = list(zip(map(int, curve.days), values, strict=True))
    chart = Chart(
        since=day_of(date(year - 1, 10, 1)),
        until=day_of(date(year, 7, 10)),
        low=RAMPS[INDEX].low,
        high=RAMPS[INDEX].high,
        clear=_clear(series, year),
        curve=_curve(points, year, year),
        others=[_curve(points, y, year) for y in _years(points) if y < year],
    )
    return svg(
        chart, plain("Green cover of this season, and of earlier seasons in grey"), month_text
    )


def _years(points: Sequence[tuple[int, float | None]]) -> list[int]:
    return sorted({season_year(date_of(day)) for day, _ in points})


def _curve(points: Sequence[tuple[int, float | None]], year: int, onto: int) -> Curve:
    """A season from October to July, moved to the days of another."""
    since, until = day_of(date(year - 1, 10, 1)), day_of(date(year, 7, 10))
    moved = day_of(date(onto, 3, 1)) - day_of(date(year, 3, 1))
    kept = [(day + moved, value) for day, value in points if since <= day <= until]
    return Curve([day for day, _ in kept], [value for _, value in kept])


def _clear(series: IndexSeries, year: int) -> list[tuple[int, float]]:
    since = day_of(date(year - 1, 10, 1))
    pairs = zip(series.days, series.values, strict=True)
    return [(day, value) for day, value in pairs if day >= since and value == value]


def figures(skill: Skill) -> dict[str, Any]:
    """The figures of a skill in quintals a hectare, as the pages write them."""
    return {
        "n": skill.n,
        "rmse": f"{10 * skill.rmse_t_ha:.1f}" if skill.n else "–",
        "usual": f"{10 * skill.usual_rmse_t_ha:.1f}" if skill.n else "–",
        "coverage": f"{100 * skill.coverage:.0f} %" if skill.n else "–",
    }
