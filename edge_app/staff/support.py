"""The support file, with one tap of the keeper."""

from __future__ import annotations

from typing import cast

from flask import Response, abort, current_app, make_response, render_template
from flask_babel import lazy_gettext as _l

from edge_app.node import FarmNode
from edge_app.staff.blueprint import blueprint
from edge_app.staff.home import ENTRIES, Entry
from edge_app.support import support_file, told_by

ENTRIES.append(Entry("staff.support", _l("Help from afar"), "heart"))


@blueprint.get("/support")
def support() -> str:
    """What is in the file, and a button."""
    return render_template("staff/support.html", parts=_node().health())


@blueprint.post("/support")
def support_take() -> Response:
    """The file."""
    response = make_response(support_file(told_by(_node())))
    response.mimetype = "application/zip"
    response.headers["Content-Disposition"] = 'attachment; filename="ghalla-support.zip"'
    return response


def _node() -> FarmNode:
    node = current_app.extensions["ghalla_node"]
    if not hasattr(node, "logbook"):
        abort(404)
    return cast("FarmNode", node)
