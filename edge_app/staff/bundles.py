"""What came down to this box, for its keeper: which version is in use, what was refused and why."""

from __future__ import annotations

from flask import redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from edge_app import bundle_words
from edge_app.access.guard import ground, the_person
from edge_app.bundle_place import place_of
from edge_app.bundles_node import NodeBundles
from edge_app.staff.blueprint import blueprint
from edge_app.staff.page import page
from field_data.audit_log import Action
from field_data.errors import GhallaError, KeeperError
from field_data.types import Instant, Trust
from sync.bundle_reports import Report
from sync.slots import manifest_in

_SHOWN = 50


@blueprint.get("/bundles")
def bundles() -> AnyResponse:
    """What is here, what came, and a button to go back."""
    return _page()


@blueprint.post("/bundles/back")
def bundles_back() -> AnyResponse:
    """Use the version before again."""
    kind, name = request.form.get("kind", ""), request.form.get("name", "")
    try:
        _here().roll_back(kind, name)
    except GhallaError as error:
        return _page(error)
    ground().audit.append(the_person().id, Action.ROLLED_BACK, "", {"bundle": f"{kind}/{name}"})
    return redirect(url_for("staff.bundles"), 303)


def _here() -> NodeBundles:
    home = ground().photos.folder.parent
    return NodeBundles(home, place_of(home, ground().node))


def _page(error: GhallaError | None = None) -> AnyResponse:
    found, damaged = _here(), None
    try:
        said = found.status()
    except KeeperError as problem:
        said, damaged = {"root": None, "bundles": []}, problem
    for each in said["bundles"]:
        folder = found.slots.folder_of(each["kind"], each["name"], each["version"])
        manifest = manifest_in(folder) if each["version"] else None
        each["note"] = manifest.note if manifest else ""
    return page(
        "staff/bundles.html",
        error,
        root=said["root"],
        slots=said["bundles"],
        damaged=damaged,
        reports=[(each, _at(each)) for each in reversed(found.reports.all())][:_SHOWN],
        kind_names=bundle_words.KINDS,
        outcome_names=bundle_words.OUTCOMES,
        why=bundle_words.why,
    )


def _at(report: Report) -> Instant:
    return Instant(report.at_s, Trust(report.trust))
