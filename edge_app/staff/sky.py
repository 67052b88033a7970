"""Fields from above: the map with its days, and the season of one field."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    g,
    jsonify,
    make_response,
    render_template,
    request,
    url_for,
)
from flask_babel import lazy_gettext as _l

from edge_app.access.guard import ground, looked_at
from edge_app.chart import Chart, Curve, svg
from edge_app.i18n import plain, without_markup
from edge_app.legend import legend
from edge_app.sky import DAMAGED, Sky, View, nearest
from edge_app.sky_words import (
    INDICES,
    SIGHTS,
    alert_text,
    day_text,
    month_text,
    neighbours_text,
    own_text,
)
from edge_app.staff.blueprint import blueprint
from edge_app.staff.home import ENTRIES, Entry
from field_data.days import date_of, day_of
from field_data.errors import KeeperError, PersonError
from field_data.types import Field, Sight
from sat_ingest.field_report import FieldReport
from sat_ingest.mercator import Tile
from sat_ingest.ramps import CHANGE, RAMPS
from sat_ingest.series import usual_curve

# Two seasons are shown, or all that is known on a new node.
_SHOWN_DAYS = 500
# Files that the deployer puts into the home, shown as outlines (province, commune, perimeter).
BOUNDARIES = "boundaries"
_MOST_BOUNDARY_BYTES = 5_000_000

tiles = Blueprint("sky", __name__, url_prefix="/sky")
ENTRIES.append(Entry("staff.sky_map", _l("Fields from above"), "search"))


def _sky() -> Sky:
    return ground().sky


@blueprint.get("/map")
def sky_map() -> str:
    """The map of a day; with JavaScript it is moved by hand, without it is a list of fields."""
    g.picture_inside = True  # Leaflet's empty picture in place of a tile that it gives up
    index = _index()
    days, damaged = _days()
    shown = nearest(days, _asked("day", days[-1] if days else 0))
    told = {
        "index": index,
        "indices": {name: str(label) for name, label in INDICES.items()},
        "days": [date_of(day).isoformat() for day in days],
        "day": None if shown is None else date_of(shown).isoformat(),
        "tiles": _tiles() if days else "",
        "fields": url_for("sky.fields"),
        "boundaries": [url_for("sky.boundary", name=name) for name in _boundary_names()],
        "closer": plain("Closer"),
        "farther": plain("Farther"),
    }
    return render_template(
        "staff/map.html",
        told=json.dumps(told, ensure_ascii=False),
        index=index,
        indices=INDICES,
        damaged=damaged,
        days=[date_of(day) for day in days],
        shown=None if shown is None else date_of(shown),
        fields=_sky().fields(),
        legends={name: legend(ramp) for name, ramp in RAMPS.items()},
        change_legend=legend(CHANGE),
        day_text=day_text,
    )


def _index() -> str:
    index = request.args.get("index", "ndvi")
    if index not in INDICES:
        raise PersonError("unknown_index", f"no index {index}")
    return index


def _days() -> tuple[list[int], bool]:
    """Days with a picture, and whether the archive is damaged: then the page says so."""
    try:
        return _sky().days(), False
    except KeeperError as error:
        _must_be_damage(error)
        return [], True


def _must_be_damage(error: KeeperError) -> None:
    if error.code not in DAMAGED:
        raise error
    current_app.logger.error("%s: %s", error.code, error)


def _tiles() -> str:
    """The address of tiles; it changes whenever what they are drawn from does."""
    return url_for("sky.tile", index="INDEX", when="WHEN", z=0, x=0, y=0, v=_sky().edition())


def _asked(name: str, otherwise: int) -> int:
    said = request.args.get(name, "")
    try:
        return day_of(dt.date.fromisoformat(said)) if said else otherwise
    except ValueError:
        raise PersonError("bad_dates", f"{said!r} is no date") from None


@blueprint.get("/field/<id>")
def sky_field(id: str) -> str:
    """One field: chart, comparison, alert, two pictures."""
    field = field_or_404(id)
    index = _index()
    looked_at(field.id)
    shown: dict[str, Any] = {"field": field, "index": index, "indices": INDICES}
    try:
        report = _sky().report(field, index)
    except PersonError as error:
        if error.code != "no_scenes":
            raise
        return render_template("staff/field.html", report=None, **shown)
    except KeeperError as error:
        _must_be_damage(error)
        return render_template("staff/field.html", report=None, damaged=True, **shown)
    return render_template("staff/field.html", report=report, **shown, **_said(report, index))


def _said(report: FieldReport, index: str) -> dict[str, Any]:
    change = report.alert.change
    before, after = (change.before_day, change.after_day) if change else (0, 0)
    return {
        "chart": _chart(report, index),
        "alert": alert_text(report.alert, date_of(before), date_of(after)),
        "own": own_text(report.own),
        "neighbours": neighbours_text(report.neighbours),
        "pictures": [_shot(day) for day in _clear_days(report)[-2:]],
        "rows": list(_rows(report)),
        "edition": _sky().edition(),
        "key": legend(RAMPS[index]),
        "sights": SIGHTS,
    }


@dataclass(frozen=True, slots=True)
class _Row:
    day: str
    value: str
    sight: Sight


def _rows(report: FieldReport) -> Iterator[_Row]:
    series = report.reading.series
    newest = list(zip(series.days, series.values, series.sights, strict=True))[::-1]
    for day, value, sight in newest[:60]:
        figure = f"{value:.2f}" if math.isfinite(value) else ""
        yield _Row(day_text(date_of(day)), figure, sight)


def _shot(day: int) -> tuple[str, str]:
    return date_of(day).isoformat(), day_text(date_of(day))


def _clear_days(report: FieldReport) -> list[int]:
    series = report.reading.series
    return [day for day, s in zip(series.days, series.sights, strict=True) if s is Sight.CLEAR]


def _chart(report: FieldReport, index: str) -> str:
    series, curve = report.reading.series, report.reading.curve
    last = series.days[-1]
    since = max(series.days[0] - 5, last - _SHOWN_DAYS)
    observed = list(zip(series.days, series.values, series.sights, strict=True))
    drawn, usual = Curve((), ()), Curve((), ())
    if curve is not None:
        kept = [(int(d), float(v)) for d, v in zip(curve.days, curve.values[:, 0], strict=True)]
        drawn = _curve([(d, v if math.isfinite(v) else None) for d, v in kept if d >= since])
        others = usual_curve(curve, since, last)
        usual = _curve([(day, each.median if each else None) for day, each in others])
    chart = Chart(
        since=since,
        until=last + 5,
        low=RAMPS[index].low,
        high=RAMPS[index].high,
        clear=[(d, v) for d, v, _ in observed if d >= since and math.isfinite(v)],
        hidden=[d for d, _, sight in observed if d >= since and sight is Sight.HIDDEN],
        curve=drawn,
        usual=usual,
    )
    told = f"{without_markup(str(INDICES[index]))}: {own_text(report.own)}"
    return svg(chart, told, month_text)


def _curve(points: list[tuple[int, float | None]]) -> Curve:
    return Curve([day for day, _ in points], [value for _, value in points])


@blueprint.get("/field/<id>/<index>/<when>.png")
def sky_picture(id: str, index: str, when: str) -> Response:
    """A field in its own pixels."""
    picture = _sky().picture(field_or_404(id), View.named(index, when))
    if picture is None:
        abort(404)
    return _png(picture)


@tiles.get("/tiles/<index>/<when>/<int:z>/<int:x>/<int:y>.png")
def tile(index: str, when: str, z: int, x: int, y: int) -> Response:
    """A map tile (XYZ, EPSG:3857); 204 where nothing is.

    ``when`` is a date, or two with ``..`` between for the change from the first to the second.
    """
    try:
        place = Tile(z, x, y)
    except ValueError:
        abort(404)
    picture = _sky().tile(View.named(index, when), place)
    return _png(picture) if picture else make_response("", 204)


def _png(data: bytes) -> Response:
    response = make_response(data)
    response.mimetype = "image/png"
    # On this device only.  An address of another edition may have changed meanwhile.
    kept = request.args.get("v") == _sky().edition()
    response.headers["Cache-Control"] = "private, max-age=86400" if kept else "private, no-cache"
    return response


@tiles.get("/fields.geojson")
def fields() -> Response:
    """The outlines of all fields (RFC 7946)."""
    features = [
        {
            "type": "Feature",
            "id": field.id,
            "geometry": {"type": "Polygon", "coordinates": [field.boundary]},
            "properties": {
                "name": field.name,
                "crop": field.crop,
                "page": url_for("staff.sky_field", id=field.id),
            },
        }
        for field in _sky().fields()
    ]
    return jsonify({"type": "FeatureCollection", "features": features})


@tiles.get("/boundaries/<name>.geojson")
def boundary(name: str) -> Response:
    """A file of outlines that the deployer put into the home."""
    if name not in _boundary_names():
        abort(404)
    response = make_response((_boundary_folder() / f"{name}.geojson").read_bytes())
    response.mimetype = "application/geo+json"
    return response


def _boundary_folder() -> Path:
    return ground().photos.folder.parent / BOUNDARIES


def _boundary_names() -> list[str]:
    """Names of the files that are small and sound enough to be shown."""
    return sorted(path.stem for path in _boundary_folder().glob("*.geojson") if _is_sound(path))


def _is_sound(path: Path) -> bool:
    try:
        if path.stat().st_size > _MOST_BOUNDARY_BYTES:
            return False
        said = json.loads(path.read_bytes())
        return isinstance(said, dict) and said.get("type") == "FeatureCollection"
    except (OSError, ValueError, RecursionError):
        return False


def field_or_404(id: str) -> Field:
    """The field of an address.

    Raises:
        PersonError: ``unknown_field``.
    """
    found = ground().registry.field(id)
    if found is None:
        raise PersonError("unknown_field", f"no field {id}")
    return found
