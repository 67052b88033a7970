"""The farmer's page of one field's yield: behind a link that nobody guesses, without a login."""

from __future__ import annotations

from flask import render_template

from edge_app.access.guard import ground
from edge_app.farmer.pages import blueprint
from edge_app.yield_view import yield_view
from field_data.errors import PersonError


@blueprint.get("/yield/<token>")
def field_yield(token: str) -> str:
    """What a field is expected to give; neither where it lies nor who owns it."""
    id = ground().links.field(token)
    field = ground().registry.field(id) if id else None
    if field is None:
        raise PersonError("unknown_field", "no field behind that link")
    return render_template("yield.html", field=field, view=yield_view(ground(), field), token=token)
