"""What can be wrong with answers, and with a form itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from field_data.errors import PersonError, PublisherError

# Every code that an answer can be refused with; whoever shows them has words for all of these.
REFUSALS = frozenset(
    {
        *("required", "unknown_question", "wrong_type", "out_of_range", "check_failed"),
        *("not_a_number", "not_whole", "not_finite", "not_a_date", "too_old", "in_future"),
        *("too_long", "not_yes_or_no", "not_a_choice", "not_a_code", "not_a_place"),
        *("not_photos", "photo_count", "photo_not_sent"),
    }
)
# What is only remarked: the answer is kept (`hidden_dropped` and `recalculated` ones as ``raw``).
WARNINGS = frozenset(
    {
        *("unusual", "check_failed", "read_as_decimal", "hidden_dropped", "recalculated"),
        *("unknown_code", "not_on_this_crop", "imprecise_place", "place_swapped"),
        *("place_far_away", "photo_unnamed", "at_too_old", "at_in_future"),
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with, or remarkable about, the answer to ``question`` ("" for the whole)."""

    question: str
    code: str
    details: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"question": self.question, "code": self.code, "details": dict(self.details)}


class FormError(PersonError):
    """Answers that a form refuses: every problem at once, in the order of the questions."""

    def __init__(self, form: str, problems: Sequence[Problem]) -> None:
        listed = "; ".join(f"{p.question or form}: {p.code}" for p in problems)
        super().__init__(
            "form_refused", f"{form}: {listed}", problems=[p.as_json() for p in problems]
        )
        self.problems = tuple(problems)


def bad_form(file: str, place: str, why: str) -> PublisherError:
    """The error for a definition that is not sound."""
    return PublisherError("bad_form", f"{file}: {place}: {why}", file=file, item=place)
