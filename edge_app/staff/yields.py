"""The yield of fields for staff: forecasts, harvests, scores, and the farmer's link."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from edge_app import forecast_words as words
from edge_app.access.guard import ground, looked_at
from edge_app.forecast_skill import LEAST_PAIRS, LEAST_SEASONS, by_horizon, running
from edge_app.staff.blueprint import blueprint
from edge_app.staff.home import ENTRIES, Entry
from edge_app.staff.page import page
from edge_app.staff.qr import qr
from edge_app.staff.sky import field_or_404
from edge_app.staff.yield_charts import figures, month_chart, season_chart
from edge_app.yield_staff_words import ASIDE, HOWS
from edge_app.yield_view import score_text, yield_view
from field_data.types import Field, YieldForecast

ENTRIES.append(Entry("staff.yields", _l("Yield"), "scale"))


@blueprint.get("/yields")
def yields() -> AnyResponse:
    """All fields with what was forecast of them last."""
    last = {each.forecast.field: each.forecast for each in ground().forecasts.log.all()}
    rows = [(field, _short(last.get(field.id))) for field in ground().registry.fields()]
    return page("staff/yields.html", rows=rows)


def _short(said: YieldForecast | None) -> str:
    if said is None:
        return ""
    return f"{said.season_year} · {words.sentence(said)}"


@blueprint.get("/field/<id>/yield")
def yield_field(id: str) -> AnyResponse:
    """One field: forecast, season, months, harvests."""
    field = field_or_404(id)
    looked_at(field.id)
    forecasts = ground().forecasts
    view = yield_view(ground(), field)
    day, year = view.outlook.as_of, view.outlook.season_year
    harvests = forecasts.harvests(field)
    return page(
        "staff/yield.html",
        field=field,
        view=view,
        season=season_chart(ground(), field, day) if day and view.outlook.clear_dates else "",
        months=month_chart(ground(), field, year) if year else "",
        harvests=[(each, _scores(field, each.season_year)) for each in harvests.kept[::-1]],
        aside=harvests.aside,
        hows=HOWS,
        reasons=ASIDE,
        q=words.quintals,
    )


def _scores(field: Field, year: int) -> list[tuple[str, str]]:
    """What was said of a harvest, by month."""
    found = [s for s in ground().forecasts.scores([field]) if s.harvest.season_year == year]
    return [(words.horizon_text(s.forecast.horizon), score_text(s)) for s in found]


@blueprint.route("/field/<id>/card", methods=["GET", "POST"])
def yield_card(id: str) -> AnyResponse:
    """The link by which the farmer sees this field: made, shown as a card to print, taken back."""
    field = field_or_404(id)
    looked_at(field.id)
    links = ground().links
    if request.method == "POST":
        if "take" in request.form:
            links.forget([field.id])
        else:
            links.give(field.id)
        return redirect(url_for("staff.yield_card", id=field.id), 303)
    token = links.of(field.id)
    link = url_for("pages.field_yield", token=token, _external=True) if token else ""
    picture = qr(link) if link else ""
    view = yield_view(ground(), field)
    return page("staff/yield_card.html", field=field, link=link, picture=picture, view=view)


@blueprint.get("/yields/skill")
def yield_skill() -> AnyResponse:
    """How good this node's forecasts were, judged by its own harvests."""
    scored = ground().forecasts.scores()
    all_of_it = running(scored)
    months = [
        (words.horizon_text(horizon), figures(each)) for horizon, each in by_horizon(scored).items()
    ]
    return page(
        "staff/yield_skill.html",
        all=figures(all_of_it),
        validated=all_of_it.validated,
        months=months,
        late=sum(not each.foresight for each in scored),
        pairs=LEAST_PAIRS,
        seasons=LEAST_SEASONS,
    )
