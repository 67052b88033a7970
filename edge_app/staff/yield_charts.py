"""Drawings of a field's season and of its forecasts by month, and the figures of a node's skill."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from markupsafe import Markup

from edge_app.chart import Chart, Curve, svg
from edge_app.forecast_maths import INDEX
from edge_app.forecast_skill import Skill
from edge_app.ground import Ground
from edge_app.i18n import plain
from edge_app.sky_words import month_text
from edge_app.yield_picture import months
from field_data.days import date_of, day_of, season_year
from field_data.types import HORIZONS, Field, IndexSeries
from sat_ingest.ramps import RAMPS
from sat_ingest.series import read_series


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
