"""Words about bundles, chosen by a code."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from sync.bundle_reports import CONFIRMED, INSTALLED, REFUSED, ROLLED_BACK

ERRORS: dict[str, LazyString] = {
    "nothing_to_roll_back": _l("There is no version before this one."),
}

KINDS: dict[str, LazyString] = {
    "model": _l("Model for photos"),
    "advice": _l("Advice cards"),
    "translations": _l("Words of the pages"),
    "forms": _l("Forms"),
    "windows": _l("Satellite pictures"),
    "settings": _l("Settings"),
    "weather": _l("Weather"),
    "software": _l("Ghalla itself"),
}

OUTCOMES: dict[str, LazyString] = {
    INSTALLED: _l("in use, on trial"),
    CONFIRMED: _l("has stood its trial"),
    REFUSED: _l("refused"),
    ROLLED_BACK: _l("taken back"),
}

_NOT_BELIEVED = _l("Nobody whom this box believes has signed it.")
_DAMAGED = _l("It was damaged or changed on the way.")
_WORKS_NOT = _l("It does not work on this box. The version before goes on.")
_WHY: dict[str, LazyString] = {
    "bundle_unsigned": _NOT_BELIEVED,
    "bundle_untrusted": _NOT_BELIEVED,
    "bundle_wrong_role": _NOT_BELIEVED,
    "bad_signature": _NOT_BELIEVED,
    "root_unsigned": _NOT_BELIEVED,
    "not_a_bundle": _DAMAGED,
    "bundle_damaged": _DAMAGED,
    "bundle_truncated": _DAMAGED,
    "bundle_old": _l("A later one was here before."),
    "bundle_same_version": _l("A later one was here before."),
    "bundle_not_for_us": _l("It is for other boxes."),
    "bundle_needs_newer": _l("It needs a newer Ghalla."),
    "by_keeper": _l("A person wished it."),
}


def why(code: str) -> LazyString | None:
    """What a code means for people; None where there is none."""
    return _WHY.get(code, _WORKS_NOT) if code else None
