"""What the door says when it does not open, in words."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

ERRORS: dict[str, LazyString] = {
    "login_needed": _l("Log in first."),
    "wrong_login": _l("The name or the PIN is wrong."),
    "login_paused": _l("Too many wrong tries. Wait, then try again."),
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
    "unknown_person": _l("Nobody here is called like that."),
}
