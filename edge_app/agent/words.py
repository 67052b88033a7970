"""What the tablets' API says when it refuses, by code."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

RECORD_REFUSED = _l("The box cannot keep this record as it is.")

REFUSALS: dict[str, LazyString] = {
    "bad_json": _l("The tablet sent something that cannot be read."),
    "bad_query": _l("The tablet asked for something that cannot be understood."),
    "unknown_trap": _l("The box cannot count in this kind of trap."),
    "bad_event": _l("Something is missing in this record, or not as it should be."),
    "bad_observation": _l("Something is missing in this record, or not as it should be."),
    "form_refused": _l("Some answers cannot be right. Look at them again."),
    "id_taken": _l("The box has another record under this name. Both are kept: tell its keeper."),
    "nothing_to_correct": _l("The record that this one corrects is not on the box."),
    "not_yours": _l("This record belongs to another person."),
    "photo_missing": _l("Photos of this record are not on the box yet."),
    "photo_hash": _l("The photo was changed on its way. Send it again."),
    "photo_metadata": _l("The photo holds more than a picture. Take it again in this app."),
    "photo_too_large": _l("The photo is too heavy. Take it again in this app."),
    "too_large": _l("This is more than the box can take at once."),
    "too_deep": _l("The tablet sent something that cannot be read."),
    "not_an_export": _l("This file was not made by the tablets' app."),
    "must_correct": _l("The box knows this already. Fetch it again, then correct it."),
    "unknown_farm": _l("The farm of this field is not on the box."),
    "unknown_field": _l("The field of this record is not on the box."),
    "self_crossing": _l("The sides of the field cross each other. Draw it again."),
    "boundary_too_large": _l("This field is too large. Draw it again."),
    "boundary_too_small": _l("This field is too small. Draw it again."),
    "too_few_points": _l("A field has three corners or more."),
    "axes_swapped": _l("Longitude and latitude seem to be swapped."),
}
