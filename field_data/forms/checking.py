"""Answers against a form: normalised, or refused with every problem at once.

Pure: the same answers, day and vocabulary give the same result.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from field_data.forms import normalising
from field_data.forms.definition import NUMBERS, WHOLE, Check, Form, Question, Section, Type
from field_data.forms.evaluation import evaluate, is_true
from field_data.forms.expressions import references
from field_data.forms.normalising import MOST, Refused, Remark
from field_data.forms.problems import FormError, Problem
from field_data.types import HEALTHY

_CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{2,19}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CLOSE = 1e-9
MOST_PHOTOS = 12


class Vocabulary(Protocol):
    """Which crops and conditions have a name here; the roof knows them."""

    def has_crop(self, code: str) -> bool:
        """Whether this EPPO code names a crop."""
        ...

    def has_condition(self, code: str, crop: str | None) -> bool:
        """Whether the code names a condition of ``crop`` (of any crop for None)."""
        ...


@dataclass(frozen=True, slots=True)
class Checked:
    """Normalised answers in the form's order, and what is remarkable about them."""

    values: dict[str, Any]
    warnings: tuple[Problem, ...]


def check(
    form: Form,
    values: Any,
    today: datetime.date | None = None,
    vocabulary: Vocabulary | None = None,
) -> Checked:
    """Answers by question id, as JSON gives them, made what is kept.

    Hidden answers are dropped with a warning; calculated ones are calculated anew.  Codes that the
    vocabulary does not know are kept with a warning: a tablet's advice may be newer than the
    node's.  ``today`` is None when no clock can be believed.

    Raises:
        FormError: every problem at once.
    """
    run = _Run(form, today, vocabulary)
    run.answer(values)
    if run.problems:
        raise FormError(form.id, run.problems)
    return Checked(run.kept, tuple(run.warnings))


class _Run:
    """One pass over the questions, in order: conditions only look back."""

    def __init__(
        self, form: Form, today: datetime.date | None, vocabulary: Vocabulary | None
    ) -> None:
        self._form = form
        self._today = today
        self._vocabulary = vocabulary
        self.kept: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._refused: set[str] = set()

    def answer(self, values: Any) -> None:
        if not isinstance(values, Mapping):
            self.problems.append(Problem("", "wrong_type", {}))
            return
        for section, question in self._form.placed():
            if question.type is not Type.NOTE:
                self._one(section, question, values.get(question.id))
        for key in values:
            question_of = self._form.questions.get(key)
            if question_of is None or question_of.type is Type.NOTE:
                self.problems.append(Problem(str(key)[:40], "unknown_question", {}))
        for each in self._form.checks:
            self._check(each)

    def _one(self, section: Section, question: Question, given: Any) -> None:
        absent = given is None or given in ("", [])
        if self._unclear(section, question):
            return
        if not (is_true(section.shown_if, self.kept) and is_true(question.shown_if, self.kept)):
            if not absent:
                self._warn(question, "hidden_dropped")
            return
        if question.calculate is not None:
            self._calculate(question, given)
        elif not absent:
            self._accept(question, given)
        if question.id not in self.kept and question.id not in self._refused and question.required:
            self._refuse(question, "required")

    def _unclear(self, section: Section, question: Question) -> bool:
        """Whether an answer that was refused decides if this question is shown."""
        trees = [tree for tree in (section.shown_if, question.shown_if) if tree is not None]
        return any(name in self._refused for tree in trees for name in references(tree))

    def _refuse(self, question: Question, code: str, **details: Any) -> None:
        self._refused.add(question.id)
        self.problems.append(Problem(question.id, code, details))

    def _warn(self, question: Question, code: str, **details: Any) -> None:
        self.warnings.append(Problem(question.id, code, details))

    def _calculate(self, question: Question, given: Any) -> None:
        if question.calculate is None:
            return
        value = evaluate(question.calculate, self.kept)
        if isinstance(value, float):
            value = normalising.plain_number(value)
        if value is not None:
            self.kept[question.id] = value
            self._bounds(question, value)
        if given is not None and not _is_close(given, value):
            self._warn(question, "recalculated", given=_brief(given))

    def _accept(self, question: Question, given: Any) -> None:
        def remark(code: str, **details: Any) -> None:
            self._warn(question, code, **details)

        try:
            value = self._value(question, given, remark)
        except Refused as refused:
            self._refuse(question, refused.code, **refused.details)
            return
        if value not in ("", []):
            self.kept[question.id] = value
            self._bounds(question, value)

    def _bounds(self, question: Question, value: Any) -> None:
        if question.type not in NUMBERS or not isinstance(value, int | float):
            return
        low, high = question.range
        if question.type is Type.COUNT and low is None:
            low = 0
        if not _within(value, low, high):
            del self.kept[question.id]
            self._refuse(question, "out_of_range", given=value, low=low, high=high)
        elif not _within(value, *question.unusual):
            low, high = question.unusual
            self._warn(question, "unusual", given=value, low=low, high=high)

    def _value(self, question: Question, given: Any, remark: Remark) -> Any:
        kind = question.type
        if kind in NUMBERS:
            read: Callable[..., Any] = normalising.whole if kind in WHOLE else normalising.number
            return read(given, remark)
        if kind is Type.TEXT:
            return normalising.text(given, question.max_chars)
        if kind is Type.DATE:
            return normalising.date(given, self._today)
        if kind is Type.PLACE:
            return normalising.place(given, remark)
        if kind is Type.BOOLEAN:
            return _boolean(given)
        if kind is Type.PHOTO:
            return _photos(question, given)
        if kind is Type.CHOICE:
            return _chosen(question, given)
        if kind is Type.MULTI:
            return _several(question, given)
        return self._code(question, given, remark)

    def _code(self, question: Question, given: Any, remark: Remark) -> str:
        code = given.strip() if isinstance(given, str) and len(given) < 40 else None
        healthy = code == HEALTHY and question.type is Type.CONDITION
        if code is None or not (healthy or _CODE.fullmatch(code)):
            raise Refused("not_a_code", given=_brief(given))
        if self._vocabulary is None or healthy:
            return code
        crop = self.kept.get(question.of[0]) if question.of else None
        if question.type is Type.CROP:
            known, elsewhere = self._vocabulary.has_crop(code), False
        else:
            known = self._vocabulary.has_condition(code, crop)
            elsewhere = self._vocabulary.has_condition(code, None)
        if not known:
            remark("not_on_this_crop" if elsewhere else "unknown_code", given=code)
        return code

    def _check(self, check: Check) -> None:
        names = list(references(check.that))
        if all(name in self.kept for name in names) and not is_true(check.that, self.kept):
            found = Problem(names[-1], "check_failed", {"check": check.id})
            (self.problems if check.refuse else self.warnings).append(found)


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _boolean(given: Any) -> bool:
    if not isinstance(given, bool):
        raise Refused("not_yes_or_no", given=_brief(given))
    return given


def _chosen(question: Question, given: Any) -> str:
    choice = question.choice(given) if isinstance(given, str) else None
    if choice is None:
        raise Refused("not_a_choice", given=_brief(given))
    return choice.key


def _several(question: Question, given: Any) -> list[str]:
    """The chosen keys, in the form's order, each once."""
    if not isinstance(given, list):
        raise Refused("wrong_type")
    chosen = {_chosen(question, each) for each in given[: len(question.choices) + 1]}
    if len(given) > len(question.choices):
        raise Refused("not_a_choice", given="more answers than choices")
    return [choice.key for choice in question.choices if choice.key in chosen]


def _photos(question: Question, given: Any) -> list[str]:
    """SHA-256 in hex of photos, each once."""
    if not isinstance(given, list) or len(given) > MOST_PHOTOS:
        raise Refused("not_photos", most=MOST_PHOTOS)
    if not all(isinstance(sha, str) and _SHA256.fullmatch(sha) for sha in given):
        raise Refused("not_photos", most=MOST_PHOTOS)
    photos = list(dict.fromkeys(given))
    most = question.range[1] or MOST_PHOTOS
    if not question.least_photos <= len(photos) <= most:
        raise Refused("photo_count", least=question.least_photos, most=int(most))
    return photos


def _is_close(given: Any, value: Any) -> bool:
    """Whether a tablet calculated the same, but for the last digits of a double."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return type(given) is type(value) and bool(given == value)
    if type(given) not in (int, float) or not abs(given) <= MOST:
        return False
    return bool(abs(given - value) <= _CLOSE * max(1.0, abs(value)))


def _brief(given: Any) -> str:
    """What was given, short enough for a message."""
    if isinstance(given, int) and abs(given) > MOST:
        return "a huge number"
    return str(given)[:60] if isinstance(given, str | int | float) else type(given).__name__
