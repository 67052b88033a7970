"""What a form is: sections of questions, with texts in four languages and stable wire numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from field_data.forms.expressions import Tree

LANGS = ("en", "fr", "ar", "zgh")
# Amazigh may be missing: its speakers then read Arabic.
FALLBACK = {"zgh": ("zgh", "ar", "fr", "en"), "ar": ("ar", "fr", "en"), "fr": ("fr", "en", "ar")}

Texts = Mapping[str, str]


class Type(StrEnum):
    """What kind of answer a question takes."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    COUNT = "count"
    TEXT = "text"
    CHOICE = "choice"
    MULTI = "multi"
    BOOLEAN = "boolean"
    DATE = "date"
    PHOTO = "photo"
    PLACE = "place"
    CROP = "crop"
    CONDITION = "condition"
    CALCULATED = "calculated"
    NOTE = "note"


NUMBERS = frozenset({Type.INTEGER, Type.DECIMAL, Type.COUNT, Type.CALCULATED})
WHOLE = frozenset({Type.INTEGER, Type.COUNT})
CHOSEN = frozenset({Type.CHOICE, Type.MULTI})


def said(texts: Texts, lang: str) -> str:
    """A text in ``lang``, else in the next language its speakers read."""
    chain = (*FALLBACK.get(lang, (lang,)), *LANGS)
    return next((texts[known] for known in chain if known in texts), "")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers offered: ``wire`` is its number when it travels, never used for another.

    ``retired`` answers are understood but no longer offered.
    """

    key: str
    wire: int
    label: Texts
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One question; its ``id`` is unique in the form and is the key of its answer.

    ``range`` is refused outside, ``unusual`` only remarked (numbers, both ends included; for
    photos, how many).  ``of`` names what a condition's crop, or what a model's count, comes from;
    ``filled_by`` the model that answers instead of the person, ``prefill`` what to suggest.
    ``private`` answers stay on the node.
    """

    id: str
    type: Type
    label: Texts
    hint: Texts
    required: bool = False
    unit: str = ""
    range: tuple[float | None, float | None] = (None, None)
    unusual: tuple[float | None, float | None] = (None, None)
    max_chars: int = 500
    choices: tuple[Choice, ...] = ()
    shown_if: Tree | None = None
    calculate: Tree | None = None
    prefill: Tree | None = None
    of: tuple[str, ...] = ()
    filled_by: str = ""
    private: bool = False

    @property
    def least_photos(self) -> int:
        """How many photos a visible photo question wants."""
        return int(self.range[0] or 0) if self.range[0] else int(self.required)

    def choice(self, key: str) -> Choice | None:
        """The choice of that key."""
        return next((choice for choice in self.choices if choice.key == key), None)


@dataclass(frozen=True, slots=True)
class Section:
    """A page of questions, skipped as one when ``shown_if`` does not hold."""

    id: str
    title: Texts
    questions: tuple[Question, ...]
    shown_if: Tree | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """What must hold between answers once all of them are there; ``refuse`` or else only warn."""

    id: str
    that: Tree
    message: Texts
    refuse: bool


@dataclass(frozen=True)
class Form:
    """One version of a form."""

    id: str
    version: int
    title: Texts
    sections: tuple[Section, ...]
    checks: tuple[Check, ...] = ()
    sources: tuple[str, ...] = ()

    @cached_property
    def questions(self) -> dict[str, Question]:
        """Every question by id, in order."""
        return {q.id: q for section in self.sections for q in section.questions}

    def placed(self) -> Iterator[tuple[Section, Question]]:
        """Every question with its section, in order."""
        return ((section, q) for section in self.sections for q in section.questions)

    def public(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The answers that may leave the node: those to questions that are not private."""
        hidden = {q.id for q in self.questions.values() if q.private}
        return {key: value for key, value in values.items() if key not in hidden}

    def as_json(self) -> dict[str, Any]:
        """All that a tablet needs to show, check and calculate; what is not set is left out."""
        return {
            "id": self.id,
            "version": self.version,
            "title": dict(self.title),
            "sections": [_section_json(section) for section in self.sections],
            "checks": [_check_json(check) for check in self.checks],
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex of `as_json`: changes when anything that a tablet shows does."""
        return digest_of(self.as_json())


def digest_of(plain: Any) -> str:
    """SHA-256 in hex of JSON with sorted keys."""
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _section_json(section: Section) -> dict[str, Any]:
    plain = {"id": section.id, "title": dict(section.title)}
    questions = [_question_json(question) for question in section.questions]
    return _set({**plain, "shown_if": section.shown_if, "questions": questions})


def _check_json(check: Check) -> dict[str, Any]:
    message = dict(check.message)
    return {"id": check.id, "that": check.that, "message": message, "refuse": check.refuse}


def _question_json(question: Question) -> dict[str, Any]:
    q = question
    return _set(
        {
            "id": q.id,
            "type": str(q.type),
            "label": dict(q.label),
            "hint": dict(q.hint),
            "required": q.required,
            "unit": q.unit,
            "range": _bounds(q.range),
            "unusual": _bounds(q.unusual),
            "max_chars": q.max_chars if q.type is Type.TEXT else None,
            "choices": [_choice_json(choice) for choice in q.choices],
            "shown_if": q.shown_if,
            "calculate": q.calculate,
            "prefill": q.prefill,
            "of": list(q.of),
            "filled_by": q.filled_by,
            "private": q.private,
        }
    )


def _choice_json(choice: Choice) -> dict[str, Any]:
    plain = {"key": choice.key, "wire": choice.wire, "label": dict(choice.label)}
    return {**plain, "retired": True} if choice.retired else plain


def _bounds(pair: tuple[float | None, float | None]) -> list[float | None] | None:
    return None if pair == (None, None) else list(pair)


def _set(plain: dict[str, Any]) -> dict[str, Any]:
    """Without what is not set; zero is a value."""
    return {
        k: v for k, v in plain.items() if v is not None and v is not False and v not in ("", [], {})
    }
