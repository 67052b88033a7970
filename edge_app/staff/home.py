"""The first page after the login: what this role can do here."""

from __future__ import annotations

from dataclasses import dataclass

from flask import render_template
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from edge_app.access.guard import box, the_person
from edge_app.access.routes import allowed
from edge_app.staff.blueprint import blueprint


@dataclass(frozen=True, slots=True)
class Entry:
    """A tile of the home page: shown to the roles that may use its endpoint.

    ``on_box``: only where there is a box around the node.
    """

    endpoint: str
    label: LazyString
    icon: str
    on_box: bool = False


# Pages of other packages add theirs.
ENTRIES: list[Entry] = [
    Entry("staff.account", _l("My account"), "lock"),
    Entry("staff.pair", _l("Pair a tablet"), "near"),
    Entry("staff.people", _l("People"), "person"),
    Entry("staff.audit", _l("Audit log"), "search"),
    Entry("staff.bundles", _l("What came down"), "again"),
]


@blueprint.get("/")
def home() -> str:
    """What this person can do."""
    person = the_person()
    here = [entry for entry in ENTRIES if box() is not None or not entry.on_box]
    mine = [entry for entry in here if allowed(entry.endpoint, person.role)]
    return render_template("staff/home.html", person=person, entries=mine)
