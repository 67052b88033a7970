"""What agents are told of seasons and harvests: refusals, how one is known, what is set aside."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from field_data.harvests import How

ERRORS: dict[str, LazyString] = {
    "yield_unlikely": _l("No field gives that. Look at the number and its unit."),
    "not_a_number": _l("Write a number, for instance 25."),
    "bad_date": _l("Write the date in full."),
    "date_unlikely": _l("This date cannot be right."),
    "dates_swapped": _l("The harvest lies before the sowing."),
    "bad_crop": _l("Choose the crop."),
    "unknown_season": _l("There is nothing here. It may have been erased."),
}
HOWS: dict[How, LazyString] = {
    How.DECLARED: _l("as the farmer counted it"),
    How.CUT: _l("squares cut in the field"),
    How.BOTH: _l("a part counted, squares cut"),
}
ASIDE: dict[str, LazyString] = {
    "other_crop": _l("another crop"),
    "no_date": _l("the date is not known"),
    "not_grain": _l("not threshed grain"),
    "unchecked": _l("a form that this box does not know"),
    "no_figure": _l("no yield in it"),
    "too_high": _l("higher than any field gives: look at the unit"),
    "too_low": _l("lower than what anybody harvests: look at the unit"),
    "area_too_large": _l("the area is larger than the field"),
}
