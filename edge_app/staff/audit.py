"""The audit log, for the keeper: who did what, and whether the chain is whole."""

from __future__ import annotations

from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.guard import ground
from edge_app.staff.blueprint import blueprint
from edge_app.staff.page import page

_SHOWN = 200


@blueprint.get("/audit")
def audit() -> AnyResponse:
    """The latest entries; names are looked up now, the log itself holds none."""
    log = ground().audit
    names = {person.id: person.name for person in ground().people.all()}
    return page("staff/audit.html", chain=log.verify(), entries=log.latest(_SHOWN), names=names)
