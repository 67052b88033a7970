"""The seasons of a field: what grew, when, and what the field usually gives of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from flask import redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.guard import ground, looked_at, the_person
from edge_app.farmer.context import advice
from edge_app.staff.blueprint import blueprint
from edge_app.staff.page import page
from edge_app.staff.sky import field_or_404
from field_data.errors import PersonError
from field_data.types import Field, Season
from field_data.yields import Unit, number_in, usual_t_ha

_TEXTS = ("crop", "sown", "harvested", "variety", "usual", "unit")


@blueprint.route("/field/<id>/seasons", methods=["GET", "POST"])
def seasons(id: str) -> AnyResponse:
    """All seasons of a field, and a form for a new one."""
    field = field_or_404(id)
    looked_at(field.id)
    if request.method == "GET":
        return _page(field)
    try:
        body = _body(request.form)
        days = {key: _day(body[key]) for key in ("sown", "harvested")}
        ground().registry.add_season(the_person().id, field.id, **(body | days))
    except PersonError as error:
        return _page(field, error)
    return redirect(url_for("staff.seasons", id=field.id), 303)


@blueprint.post("/field/<id>/seasons/<season>")
def season(id: str, season: str) -> AnyResponse:
    """Correct a season, or work with it no longer."""
    field = field_or_404(id)
    registry = ground().registry
    known = registry.season(season)
    if known is None or known.field != field.id:
        raise PersonError("unknown_season", "no such season of that field")
    try:
        if "retire" in request.form:
            registry.retire(the_person().id, season)
        else:
            registry.correct(the_person().id, season, _body(request.form))
    except PersonError as error:
        return _page(field, error, season)
    return redirect(url_for("staff.seasons", id=field.id), 303)


def _page(field: Field, error: PersonError | None = None, season: str = "") -> AnyResponse:
    """``season`` is the one that a form was sent for; "" for a new one."""
    known = ground().registry.seasons(field.id)[::-1]
    return page(
        "staff/seasons.html",
        error,
        field=field,
        seasons=known,
        said={each.id: _said(each) for each in known} | ({season: _sent()} if error else {}),
        wrong=season if error else None,
        meant=error.details.get("meant", ()) if error else (),
        crops=advice().crops,
        units=list(Unit),
    )


def _sent() -> dict[str, str]:
    return {key: request.form.get(key, "") for key in _TEXTS}


def _said(season: Season) -> dict[str, str]:
    """A season as its form holds it."""
    usual = "" if season.usual_t_ha is None else f"{10 * season.usual_t_ha:g}"
    return {
        "crop": season.crop,
        "sown": season.sown.isoformat() if season.sown else "",
        "harvested": season.harvested.isoformat() if season.harvested else "",
        "variety": season.variety,
        "usual": usual,
        "unit": Unit.Q_HA,
    }


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise PersonError("bad_date", f"{text!r:.40} is no date") from None


def _body(form: Mapping[str, str]) -> dict[str, Any]:
    """What the form says of a season, as its record holds it.

    Raises:
        PersonError: ``not_a_number``, ``yield_unlikely``; the registry looks at the rest.
    """
    crop = form.get("crop", "")
    usual = form.get("usual", "").strip()
    unit = form.get("as") or form.get("unit", "")  # "as": the answer to what was asked back
    if unit not in set(Unit):
        raise PersonError("not_a_number", "no unit of a yield")
    return {
        "crop": crop,
        "sown": form.get("sown") or None,
        "harvested": form.get("harvested") or None,
        "variety": form.get("variety", "").strip(),
        "usual_t_ha": usual_t_ha(number_in(usual), Unit(unit), crop) if usual else None,
    }
