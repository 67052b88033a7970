"""Updates and backups of the box, for its keeper: how they are, and buttons that ask for them.

The page has no rights: what it wants is written down for root's small services.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import redirect, request, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from edge_app import upkeep_words
from edge_app.access.guard import ground, must_know, the_person
from edge_app.appliance.layout import Layout, release_here
from edge_app.appliance.releases import Releases, ReleaseStore
from edge_app.appliance.requests import ask, box_of, layout_of, waits
from edge_app.farmer.view import when
from edge_app.staff.blueprint import blueprint
from edge_app.staff.home import ENTRIES, Entry
from edge_app.staff.page import page
from field_data.audit_log import Action
from field_data.clock import BUILT_UTC_S
from field_data.errors import BusyError, GhallaError, KeeperError, PersonError
from field_data.types import Instant, Trust

ENTRIES.append(Entry("staff.upkeep", _l("Updates and backups"), "shield"))


@blueprint.get("/upkeep")
def upkeep() -> AnyResponse:
    """What is in use, what waits, the last backup."""
    return _page()


@blueprint.post("/upkeep/update")
def upkeep_update() -> AnyResponse:
    """Let the updater try what waits (``verb`` install), or go back (``back``)."""
    verb = request.form.get("verb", "")
    try:
        layout = box_of(_home())
        if verb == "back" and not ReleaseStore(layout).read().previous:
            raise PersonError("nothing_to_roll_back")
        if verb in ("back", "install"):
            ask(layout, "update", verb=verb)
    except GhallaError as error:
        return _page(error)
    if verb == "back":
        ground().audit.append(the_person().id, Action.ROLLED_BACK, "", {"bundle": "software"})
    return redirect(url_for("staff.upkeep"), 303)


@blueprint.post("/upkeep/backup")
def upkeep_backup() -> AnyResponse:
    """Let the service back the box up now."""
    try:
        ask(box_of(_home()), "backup")
    except GhallaError as error:
        return _page(error)
    return redirect(url_for("staff.upkeep"), 303)


@blueprint.post("/upkeep/passphrase")
def upkeep_passphrase() -> AnyResponse:
    """Choose what opens backups from now on; the keeper's own passphrase allows it."""
    from edge_app.appliance.backup_keys import set_passphrase

    form = request.form
    try:
        must_know(form.get("own", ""))
        if form.get("secret", "") != form.get("again", ""):
            raise PersonError("not_twice")
        set_passphrase(_home(), form.get("secret", ""))
    except (PersonError, BusyError, KeeperError) as error:
        return _page(error)
    person = the_person().id
    ground().audit.append(person, Action.SECRET_CHANGED, "", {"of": "backup"})
    return redirect(url_for("staff.upkeep"), 303)


def _home() -> Path:
    return ground().photos.folder.parent


def _page(error: GhallaError | None = None) -> AnyResponse:
    layout = layout_of(_home())
    return page(
        "staff/upkeep.html",
        error,
        box=layout is not None,
        here=release_here(),
        update=_update(layout) if layout else None,
        backup=_backup(layout) if layout else None,
    )


def _update(layout: Layout) -> dict[str, Any]:
    from edge_app.appliance.software import REQUEST, read_outcome

    last, damaged = read_outcome(layout), None
    try:
        state = ReleaseStore(layout).read()
    except KeeperError as error:
        state, damaged = Releases(), error
    return {
        "state": state,
        "damaged": damaged,
        "asked": waits(layout, REQUEST),
        "said": upkeep_words.updated(str(last.get("code", ""))) if last else None,
        "reason": str(last.get("reason", ""))[:300],
        "version": str(last.get("version", "")),
        "at": _moment(last.get("at_s")),
    }


def _backup(layout: Layout) -> dict[str, Any]:
    from edge_app.appliance.backup import last_backup
    from edge_app.appliance.backup_keys import KEYS
    from edge_app.appliance.saving import REQUEST, last_save

    good, last = last_backup(layout.home), last_save(layout)
    code = str(last.get("code", good.get("code", "")))
    return {
        "key": (layout.home / KEYS).is_file(),
        "asked": waits(layout, REQUEST),
        "said": upkeep_words.saved(code) if last or good else None,
        "well": not code,
        "at": _moment(last.get("at_s", good.get("at_s"))),
        "good": _moment(good.get("at_s")) if good and not good.get("code") else "",
    }


def _moment(at_s: Any) -> str:
    """For people; empty where a clock that was not set said it."""
    if not isinstance(at_s, int | float) or at_s < BUILT_UTC_S:
        return ""
    return when(Instant(float(at_s), Trust.NTP))
