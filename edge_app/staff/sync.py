"""What waits for the hub, and why; somebody with a link may say "send now"."""

from __future__ import annotations

from flask import redirect, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from edge_app import uplink_words
from edge_app.access import words
from edge_app.access.guard import ground, the_person
from edge_app.staff.blueprint import blueprint
from edge_app.staff.home import ENTRIES, Entry
from edge_app.staff.page import page
from field_data.clock import BUILT_UTC_S
from field_data.people import Role
from field_data.types import Instant, Trust
from field_data.uplinks import known_hubs

ENTRIES.append(Entry("staff.sync", _l("Sending to the hub"), "send"))


@blueprint.get("/sync")
def sync() -> AnyResponse:
    """What waits, the last contact, the month's data."""
    if not known_hubs(ground().store):
        return page("staff/sync.html", told=None)
    from edge_app.uplink import Uplinks

    told = Uplinks(ground()).status()
    return page(
        "staff/sync.html",
        told=told,
        bell=ground().bell,
        reason=uplink_words.stopped(str(told.last.get("reason", ""))) if told.last else "",
        tried=_moment(told.last.get("at_s")),
        heard=_moment(told.heard_s),
        held=uplink_words.held,
        renditions=uplink_words.RENDITIONS,
        kinds={str(kind): gettext(name) for kind, name in words.KINDS.items()},
        may_retry=the_person().role is Role.KEEPER,
        megabytes=_megabytes,
        refused=len(ground().store.table("events_refused")),
    )


def _moment(utc_s: float | None) -> Instant | None:
    """As `when` shows it; a time before this software was written comes from no clock."""
    if utc_s is None:
        return None
    return Instant(utc_s, Trust.NTP if utc_s > BUILT_UTC_S else Trust.UNKNOWN)


def _megabytes(bytes: int) -> str:
    return f"{bytes / 1e6:.2f}" if bytes < 1e6 else f"{bytes / 1e6:.1f}"


@blueprint.post("/sync")
def sync_now() -> AnyResponse:
    """Let the job run now; the page is shown again."""
    ground().bell.wanted.set()
    return redirect(url_for("staff.sync"), 303)


@blueprint.post("/sync/retry")
def sync_retry() -> AnyResponse:
    """Send again what was set aside."""
    if known_hubs(ground().store):
        from edge_app.uplink import Uplinks

        uplinks = Uplinks(ground())
        uplinks.retry([each["seq"] for each in uplinks.status().aside])
        ground().bell.wanted.set()
    return redirect(url_for("staff.sync"), 303)
