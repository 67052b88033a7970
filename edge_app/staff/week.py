"""The week of all fields for staff: list and map by urgency, one field, a village's sheet, and how
good the advice was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from flask import Response, abort, g, jsonify, redirect, render_template, request, url_for
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.guard import csrf_token, ground, looked_at, the_person
from edge_app.farmer.context import advice
from edge_app.farmer.week import TAPS, take_answer
from edge_app.i18n import plain
from edge_app.staff.blueprint import blueprint
from edge_app.staff.home import ENTRIES, Entry
from edge_app.staff.page import page
from edge_app.staff.sky import field_or_404
from edge_app.week import words
from edge_app.week.desk import FieldWeek
from edge_app.week.sheet import communes, of_commune
from edge_app.week.view import Viewer, WeekView
from field_data.season_advice import Urgency

ENTRIES.append(Entry("staff.weeks", _l("This week"), "calendar"))

SORTS: dict[str, Any] = {
    "urgency": _l("by urgency"),
    "name": _l("by name"),
    "village": _l("by village"),
}


@blueprint.get("/weeks")
def weeks() -> str:
    """All fields with their most urgent thing, sortable; a map with the same colours."""
    g.picture_inside = True  # Leaflet's empty picture
    sort = request.args.get("sort", "urgency")
    told = ground().week.all()
    viewer = Viewer(ground(), advice())
    rows = [viewer.of(each) for each in _sorted(told, sort)]
    map_told = {
        "fields": url_for("staff.week_map"),
        "closer": plain("Closer"),
        "farther": plain("Farther"),
    }
    return render_template(
        "staff/weeks.html",
        rows=rows,
        counts=[(level, sum(r.urgency is level for r in rows)) for level in reversed(Urgency)],
        sort=sort if sort in SORTS else "urgency",
        sorts=SORTS,
        urgencies=words.URGENCIES,
        villages=communes(ground()),
        village_of=_village,
        told=json.dumps(map_told, ensure_ascii=False),
    )


def _sorted(told: Sequence[FieldWeek], sort: str) -> list[FieldWeek]:
    """By urgency they come sorted already; other orders keep it among equals."""
    keys: dict[str, Callable[[FieldWeek], str]] = {
        "name": lambda each: each.field.name.casefold(),
        "village": lambda each: _village(each).casefold(),
    }
    return sorted(told, key=keys[sort]) if sort in keys else list(told)


def _village(each: FieldWeek | WeekView) -> str:
    farm = ground().registry.farm(each.field.farm)
    return farm.commune if farm else ""


@blueprint.get("/weeks.geojson")
def week_map() -> Response:
    """The outlines of all fields with their urgency (RFC 7946)."""
    viewer = Viewer(ground(), advice())
    features = [
        {
            "type": "Feature",
            "id": view.field.id,
            "geometry": {"type": "Polygon", "coordinates": [view.field.boundary]},
            "properties": {
                "name": view.field.name,
                "urgency": int(view.urgency),
                "says": view.items[0].text.text if view.items else "",
                "page": url_for("staff.week_field", id=view.field.id),
            },
        }
        for view in map(viewer.of, ground().week.all())
    ]
    return jsonify({"type": "FeatureCollection", "features": features})


@blueprint.route("/field/<id>/week", methods=["GET", "POST"])
def week_field(id: str) -> AnyResponse:
    """One field: the three things, what else there is, and what became of last week's."""
    field = field_or_404(id)
    looked_at(field.id)
    desk = ground().week
    if request.method == "POST":
        take_answer(field, the_person().id)
        return redirect(url_for("staff.week_field", id=field.id), 303)
    view = Viewer(ground(), advice()).of(desk.of(field), ask=True)
    sealed = Markup('<input type="hidden" name="csrf" value="{}">').format(csrf_token())
    return page("staff/week.html", view=view, taps=TAPS, sealed=sealed, judged=desk.judged([field]))


@blueprint.get("/weeks/sheet")
def week_sheet() -> AnyResponse:
    """The week of a village on paper, from the browser."""
    commune = request.args.get("commune", "")
    if commune.casefold() not in map(str.casefold, communes(ground())):
        abort(404)
    views = of_commune(ground(), advice(), commune)
    return page("staff/week_sheet.html", commune=commune, views=views)


@blueprint.get("/weeks/outcomes")
def week_outcomes() -> AnyResponse:
    """Was the advice any good: scouting that found, water given against advised."""
    return page("staff/week_outcomes.html", judged=ground().week.judged())
