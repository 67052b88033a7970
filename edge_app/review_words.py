"""Every word the review pages choose by a code."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from field_data.review_queue import Why
from field_data.reviews import State

ERRORS: dict[str, LazyString] = {
    "not_a_reviewer": _l("This page is not for your role."),
    "reviewed_by_you": _l("You have answered for this plant already. You can change your answer."),
    "reviewed_enough": _l("This plant needs no other look. Take the next one."),
    "not_reviewed_by_you": _l("You have not answered for this plant yet."),
    "no_choice": _l("Choose what the photos show, or that you cannot tell."),
}

WHY: dict[Why, LazyString] = {
    Why.DISPUTED: _l("Two people differ: an agronomist decides"),
    Why.ALERT: _l("Could be a pest that must be reported"),
    Why.ASKED: _l("The farmer asked"),
    Why.UNCERTAIN: _l("The plant doctor was not sure"),
    Why.SECOND: _l("Second look by another person"),
    Why.SAMPLE: _l("Random check"),
    Why.RARE: _l("Seldom seen, few checks so far"),
}

STATES: dict[State, LazyString] = {
    State.SINGLE: _l("One person has looked"),
    State.AGREED: _l("Two people agree"),
    State.DISPUTED: _l("Two people differ"),
    State.SETTLED: _l("An agronomist decided"),
    State.CANNOT_TELL: _l("Nobody can tell from the photos"),
}

NOT_LISTED = _l("something that is not in the list")
