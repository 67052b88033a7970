"""What the page of updates and backups says, chosen by a code."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from edge_app.bundle_words import why

ERRORS: dict[str, LazyString] = {
    "no_box": _l("This Ghalla was not installed as a box: it is updated and saved by hand."),
    "short_passphrase": _l("The passphrase is too short: twelve letters or more."),
}

_BACK = _l("The new Ghalla did not work on this box. The one before is in use again.")
_TRY = _l("The stick cannot be used. Try another one.")
UPDATES: dict[str, LazyString] = {
    "updated": _l("The new Ghalla is in use and works."),
    "rolled_back": _l("The Ghalla before is in use again."),
    "by_keeper": _l("The Ghalla before is in use again."),
    "release_unhealthy": _BACK,
    "release_crashed": _BACK,
    "release_broken": _l("The new Ghalla does not work on this box. Nothing was changed."),
    "release_no_way_back": _l("It cannot be taken back from: the one in between comes first."),
    "release_there": _l("That Ghalla is here already."),
    "update_waits": _l("The new Ghalla waits until the box is not sending."),
    "disk_full": _l("The disk of the box is full."),
    "no_root": _l("This box believes nobody's new Ghalla yet. Ask who set it up."),
    "nothing_to_roll_back": _l("There is no version before this one."),
}
BACKUPS: dict[str, LazyString] = {
    "": _l("The last backup went well."),
    "no_stick": _l("No USB stick was plugged in."),
    "which_stick": _l("Several sticks are plugged in. Leave one."),
    "no_backup_key": _l("Choose a passphrase first."),
    "stick_full": _l("The stick is full. The backups on it are whole. Use a larger one."),
    "stick_read_only": _l("The stick can only be read. Is its switch on “lock”?"),
    "stick_gone": _l("The stick was pulled out, or does not work. The backups before are whole."),
    "stick_hostile": _l("There is something strange on the stick. Use another one."),
    "disk_full": _l("The disk of the box is full."),
}


def updated(code: str) -> LazyString | None:
    """What an update came to, in words."""
    return UPDATES.get(code) or why(code)


def saved(code: str) -> LazyString:
    """What a backup came to, in words."""
    return BACKUPS.get(code, _TRY)
