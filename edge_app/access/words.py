"""Words chosen by a code: why the door does not open, roles, kinds of records, audited actions."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from field_data.audit_log import Action
from field_data.events import Kind
from field_data.people import Role


def _mark(text: str) -> str:
    """Mark a text for the catalogues that is translated where it is used."""
    return text


ERRORS: dict[str, LazyString] = {
    "login_needed": _l("Log in first."),
    "wrong_login": _l("The name or the PIN is wrong."),
    "login_paused": _l("Too many wrong tries. Wait, then try again."),
    "wrong_secret": _l("This is not your PIN or passphrase."),
    "not_allowed": _l("This page is not for your role."),
    "stale_form": _l("This page was open too long. Open it again and retry."),
    "not_twice": _l("The two are not the same. Write the same twice."),
    "bad_code": _l("This code is wrong, used already or too old. Ask for a new one."),
    "weak_pin": _l("Choose six digits or more that nobody guesses: no row, no birthday."),
    "weak_passphrase": _l("Choose ten letters or more, for instance four words."),
    "bad_name": _l("Write a name, at most 80 letters."),
    "name_taken": _l("Somebody here has that name. Add another name to it."),
    "last_keeper": _l("This box must have a keeper. Make another person the keeper first."),
    "no_tablet_for_role": _l("Tablets are for agents and agronomists."),
    "needs_https": _l("Open the secure address (https) of this box for that."),
    "being_set_up": _l(
        "Another phone is setting this box up. Wait, or pull its plug and try again."
    ),
    "only_near": _l("Come into the Wi-Fi of the box for that."),
    "bad_ssid": _l("A Wi-Fi name has 1 to 32 letters; Arabic letters count twice."),
    "bad_wifi_passphrase": _l(
        "8 to 63 letters without accents, digits or signs: no Arabic letters."
    ),
    "hub_away": _l("The hub does not answer now. Go on without it, and join it later."),
    "bad_hub": _l("Write the address of the hub, beginning with https://, and its code."),
    "unknown_person": _l("Nobody here is called like that."),
}

ROLES: dict[Role, str] = {
    Role.FARMER: _mark("farmer"),
    Role.AGENT: _mark("agent"),
    Role.AGRONOMIST: _mark("agronomist"),
    Role.KEEPER: _mark("keeper of the box"),
}

KINDS: dict[Kind, str] = {
    Kind.OBSERVATION: _mark("Observation"),
    Kind.FARM: _mark("Farm"),
    Kind.FIELD: _mark("Field"),
    Kind.SEASON: _mark("Season"),
    Kind.CONSENT: _mark("Consent"),
    Kind.REVIEW: _mark("Review"),
    Kind.ERASURE: _mark("Erasure"),
}

ACTIONS: dict[Action, LazyString] = {
    Action.SETUP: _l("became the first keeper"),
    Action.LOGIN: _l("logged in"),
    Action.LOGIN_FAILED: _l("wrong login"),
    Action.LOGOUT: _l("logged out"),
    Action.SESSION_ENDED: _l("devices logged out"),
    Action.SECRET_CHANGED: _l("PIN changed"),
    Action.INVITED: _l("got a code"),
    Action.PAIRED: _l("paired a tablet"),
    Action.PERSON_ADDED: _l("was added"),
    Action.PERSON_RENAMED: _l("got another name"),
    Action.ROLE_CHANGED: _l("got another role"),
    Action.PERSON_DEACTIVATED: _l("may log in no longer"),
    Action.PERSON_REACTIVATED: _l("may log in again"),
    Action.VIEWED_PRIVATE: _l("private data looked at"),
    Action.EXPORTED: _l("data exported"),
    Action.ERASED: _l("data erased"),
    Action.RETENTION: _l("old things removed"),
    Action.TRIMMED: _l("old entries of this log removed"),
    Action.ROLLED_BACK: _l("went back to the version before"),
    Action.LOSS_ACCEPTED: _l("loss of entries accepted"),
}
