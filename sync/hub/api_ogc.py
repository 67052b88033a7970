"""OGC API – Features, Part 1 (17-069r4): what QGIS, ArcGIS and ``ogrinfo`` open directly."""

from __future__ import annotations

import datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify
from sqlalchemy import func, select

from sync.hub.api_common import GEOJSON, address, as_json, asked_of, guarded, parameters, what_of
from sync.hub.api_openapi import CONFORMANCE, openapi
from sync.hub.app import this_hub
from sync.hub.export_query import What, Wish, conditions, one, wish_of
from sync.hub.export_streams import cursor_after, feature
from sync.hub.export_tables import batch_of, batches, cols, shown
from sync.hub.people_web import must_be_known
from sync.hub.tables import EVENTS, NODES

OGC = Blueprint("ogc", __name__, url_prefix="/ogc")
guarded(OGC)
_USUAL = "100"
_OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
_TITLES = {
    What.OBSERVATIONS: ("Observations", "What was seen and recorded in the field, all forms"),
    What.REVIEWS: ("Reviews", "What people said of the model's answers"),
    What.YIELDS: ("Yields", "Harvests and crop cuts, t/ha"),
    What.FIELDS: ("Fields", "Boundaries; a cell where the exact place may not leave the farm"),
    What.PHOTOS: ("Photos", "Photos of records, with what they show"),
}


def _link(rel: str, path: str, type: str = "application/json", title: str = "") -> dict[str, str]:
    return {"rel": rel, "href": address(path), "type": type, "title": title or rel}


@OGC.get("", strict_slashes=False)
@OGC.get("/", strict_slashes=False)
def landing() -> Response:
    """Where everything is."""
    parameters(())
    links = [
        _link("self", "/ogc/", title="This page"),
        _link("service-desc", "/ogc/api", _OPENAPI, "The API, for programs"),
        _link("conformance", "/ogc/conformance", title="What it conforms to"),
        _link("data", "/ogc/collections", title="The collections"),
    ]
    return jsonify(
        {
            "title": "Ghalla hub",
            "description": "Observations, reviews, yields, fields and photos of field nodes",
            "links": links,
        }
    )


@OGC.get("/conformance")
def conformance() -> Response:
    """Which requirements are met."""
    parameters(())
    return jsonify({"conformsTo": list(CONFORMANCE)})


@OGC.get("/api")
def api() -> Response:
    """The OpenAPI 3.0 document."""
    parameters(())
    return as_json(openapi(address("/ogc")), _OPENAPI)


@OGC.get("/collections")
def collections() -> Response:
    """All collections."""
    parameters(())
    found = [_collection(what) for what in What]
    return jsonify({"links": [_link("self", "/ogc/collections")], "collections": found})


@OGC.get("/collections/<name>")
def collection(name: str) -> Response:
    """One collection."""
    parameters(())
    return jsonify(_collection(_there(name)))


def _there(name: str) -> What:
    return what_of(name) or abort(404, "no such collection")


def _collection(what: What) -> dict[str, Any]:
    title, description = _TITLES[what]
    return {
        "id": str(what),
        "title": title,
        "description": description,
        "itemType": "feature",
        "crs": ["http://www.opengis.net/def/crs/OGC/1.3/CRS84"],
        "extent": _extent(what),
        "links": [
            _link("self", f"/ogc/collections/{what}"),
            _link("items", f"/ogc/collections/{what}/items", GEOJSON, title),
            _link("describedby", f"/export/{what}.dictionary.json", title="What the columns mean"),
        ],
    }


def _extent(what: What) -> dict[str, Any]:
    """Box and time of what the person may see; nothing of what others have."""
    # That of photos is that of the records they hang on.
    wish = Wish(What.OBSERVATIONS if what is What.PHOTOS else what)
    e = EVENTS.c
    columns = (e.lon, e.lat, e.at_s)
    edges = select(*map(func.min, columns), *map(func.max, columns))
    tables = EVENTS.join(NODES, NODES.c.id == e.node)
    asked = edges.select_from(tables).where(*conditions(wish, must_be_known().grants))
    with this_hub().database.reading() as db:
        west, south, first, east, north, last = db.execute(asked).one()
    box = [-180.0, -90.0, 180.0, 90.0] if west is None else [west, south, east, north]
    crs = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    times = [shown(first, "moment"), shown(last, "moment")]
    return {
        "spatial": {"bbox": [box], "crs": crs},
        "temporal": {"interval": [times]},
    }


@OGC.get("/collections/<name>/items")
def items(name: str) -> Response:
    """The features, a page at a time; ``next`` leads on."""
    what = _there(name)
    said = {"limit": _USUAL} | asked_of(what, "limit", "after")
    wish = wish_of(what, said)
    features, last = _page(wish)
    links = [_link("self", f"/ogc/collections/{what}/items", GEOJSON)]
    links[0]["href"] = address(f"/ogc/collections/{what}/items", said)
    links.append(_link("collection", f"/ogc/collections/{what}"))
    if len(features) == wish.limit:
        following = address(f"/ogc/collections/{what}/items", said | {"after": last})
        links.append({"rel": "next", "href": following, "type": GEOJSON, "title": "next"})
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    page = {"type": "FeatureCollection", "features": features, "numberReturned": len(features),
            "timeStamp": now, "links": links}  # fmt: skip
    return as_json(page, GEOJSON)


def _page(wish: Wish) -> tuple[list[dict[str, Any]], str]:
    """The features, and the cursor after them."""
    columns, last = cols(wish), ""
    features: list[dict[str, Any]] = []
    for batch in batches(this_hub().database, wish, must_be_known().grants):
        rows = zip(batch.geometry, batch.rows(), strict=True)
        features += [feature(columns, place, row) for place, row in rows]
        last = cursor_after(batch.last).text(wish.what)
    return features, last


@OGC.get("/collections/<name>/items/<id>")
def item(name: str, id: str) -> Response:
    """One feature."""
    parameters(())
    what = _there(name)
    asked = one(what, id, must_be_known().grants)
    if asked is None:
        abort(404, "no such feature")
    with this_hub().database.reading() as db:
        row = db.execute(asked).first()
    if row is None:
        abort(404, "no such feature")
    columns = cols(Wish(what))
    batch = batch_of([row], what, columns)
    made = feature(columns, batch.geometry[0], next(batch.rows()))
    path = f"/ogc/collections/{what}"
    links = [_link("self", f"{path}/items/{id}", GEOJSON), _link("collection", path)]
    return as_json(made | {"links": links}, GEOJSON)
