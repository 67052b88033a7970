"""What the pages say of the way to the hub: why something waits, why a run stopped."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

# By the code of what stopped a run.
STOPPED: dict[str, LazyString] = {
    "": _l("Everything was sent."),
    "budget_spent": _l("The time or the data allowed for one run were used up. It goes on later."),
    "month_spent": _l("The data allowed for this month is used up."),
    "link_failed": _l("The connection broke. The box tries again by itself."),
    "no_headway": _l("The connection broke. The box tries again by itself."),
    "no_hub": _l("Something else than the hub answered. Does the Wi-Fi ask for a login?"),
    "hub_busy": _l("The hub is busy and asked us to come back. The box tries again by itself."),
    "hub_full": _l("The hub is full. Its keeper must make room."),
    "cloned": _l(
        "Another box has the same name, because both were made from one copy. The keeper must make "
        "one of them a new box: ghalla sync renew."
    ),
    "revoked": _l("The hub does not accept this box any more. Ask the hub's keeper."),
    "unknown_node": _l("The hub does not know this box. It must be let in again with a new code."),
    "bad_signature": _l("The hub does not know this box. It must be let in again with a new code."),
    "no_node_key": _l("The key of this box is missing. It must be let in again with a new code."),
    "hub_untrusted": _l(
        "What answered could not prove that it is the hub. Is the clock of the box right?"
    ),
    "newer_schema": _l("The hub's software is too old for this box. Its keeper must update it."),
    "other_hub": _l("Another hub answered than the one this box belongs to."),
    "disk_full": _l("The disk of the box is full."),
}
OTHER_STOP = _l("Something went wrong. The keeper finds more on this page.")
# By the reason for which a record is held back, up to a colon.
HELD: dict[str, LazyString] = {
    "unknown_form": _l("The form is not on this box, so nobody can tell what is private in it."),
    "unfit": _l("It cannot be written for the hub."),
    "refused": _l("The hub did not take it."),
    "unreadable": _l("The photo cannot be read."),
}
RENDITIONS: dict[str, LazyString] = {
    "thumb": _l("Small photos"),
    "view": _l("Photos to look at"),
}
# Only the keeper can mend these; all else mends itself or waits for the link.
KEEPER_MUST = frozenset(
    {
        "cloned",
        "revoked",
        "unknown_node",
        "bad_signature",
        "no_node_key",
        "hub_untrusted",
        "newer_schema",
        "other_hub",
    }
)


def stopped(reason: str) -> LazyString:
    """Why a run stopped, in words."""
    return STOPPED.get(reason, OTHER_STOP)


def held(reason: str) -> LazyString:
    """Why a record waits, in words."""
    return HELD.get(reason.split(":", maxsplit=1)[0], HELD["refused"])
