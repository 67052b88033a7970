"""Forms read from TOML, strictly: what is unknown, missing or misspelt is refused by name.

A misspelt key would otherwise silently lose a range or a translation.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from field_data.forms.definition import (
    CHOSEN,
    Check,
    Choice,
    Form,
    Question,
    Section,
    Type,
)
from field_data.forms.expressions import (
    ExpressionError,
    Tree,
    comparisons,
    parse,
    references,
)
from field_data.forms.problems import bad_form
from field_data.forms.shapes import (
    CHECK,
    CHOICE,
    FORM,
    FORM_MORE,
    ONLY,
    QUESTION,
    QUESTION_MORE,
    SECTION,
    Shape,
    is_bool,
    is_list,
    is_text,
)

MAX_BYTES = 500_000
MAX_QUESTIONS = 200


def read_form(file: Path) -> Form:
    """The form of one file.

    Raises:
        PublisherError: ``bad_form`` with ``file`` and ``item`` (the place) and the reason.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise bad_form(file.name, "file", error.strerror or str(error)) from error
    return parse_form(data, file.name)


def parse_form(data: bytes, name: str) -> Form:
    """As `read_form`, from bytes; ``name`` is for the messages."""
    if len(data) > MAX_BYTES:
        raise bad_form(name, "file", f"larger than {MAX_BYTES} bytes")
    try:
        content = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise bad_form(name, "file", str(error)) from error
    return _Reader(name).form(content)


class _Reader:
    """Reads one form; knows the questions read so far, which are those one may refer to."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lists: dict[str, tuple[Choice, ...]] = {}
        self._questions: dict[str, Question] = {}

    def _check(self, place: str, table: Any, required: Shape, more: Shape | None = None) -> None:
        if not isinstance(table, dict):
            raise bad_form(self._file, place, "a table is expected")
        shape = {**required, **(more or {})}
        for key in required:
            if key not in table:
                raise bad_form(self._file, place, f"{key} is missing")
        for key, value in table.items():
            if key not in shape:
                raise bad_form(self._file, place, f"unknown key {key}")
            if not shape[key](value):
                raise bad_form(self._file, place, f"bad {key}: {value!r:.200}")

    def form(self, content: Any) -> Form:
        self._check("form", content, FORM, FORM_MORE)
        for name, tables in content.get("choices", {}).items():
            self._lists[name] = self._choices(f"choices {name}", tables)
        sections = tuple(self._sections(content.get("section", ())))
        if not any(q.type is not Type.NOTE for q in self._questions.values()):
            raise bad_form(self._file, "form", "no question")
        checks = tuple(map(self._constraint, content.get("check", ())))
        self._unique("check", [check.id for check in checks])
        return Form(
            content["id"],
            content["version"],
            content["title"],
            sections,
            checks,
            tuple(content.get("sources", ())),
        )

    def _unique(self, place: str, names: Iterable[Any]) -> None:
        seen: set[Any] = set()
        for name in names:
            if name in seen:
                raise bad_form(self._file, place, f"{name} is there twice")
            seen.add(name)

    def _sections(self, tables: Any) -> Iterable[Section]:
        self._unique("section", [t.get("id") for t in tables if isinstance(t, dict)])
        for number, table in enumerate(tables, 1):
            place = _place("section", table, number)
            self._check(place, table, SECTION, {"shown_if": is_text})
            condition = self._tree(place, table, "shown_if")
            questions = tuple(
                self._question(_place("question", each, at), each)
                for at, each in enumerate(table["question"], 1)
            )
            yield Section(table["id"], table["title"], questions, condition)

    def _question(self, place: str, table: Any) -> Question:
        self._check(place, table, QUESTION, QUESTION_MORE)
        self._refuse_misfits(place, table)
        plain = {k: table[k] for k in ("required", "unit", "max_chars", "private") if k in table}
        question = Question(
            table["id"],
            Type(table["type"]),
            table["label"],
            table.get("hint", {}),
            **plain,
            range=_ends(table.get("range")),
            unusual=_ends(table.get("unusual")),
            choices=self._choices_of(place, table),
            shown_if=self._tree(place, table, "shown_if"),
            calculate=self._tree(place, table, "calculate"),
            prefill=self._tree(place, table, "prefill"),
            of=self._of(place, table),
            filled_by=table.get("filled_by", ""),
        )
        self._questions[question.id] = question
        return question

    def _refuse_misfits(self, place: str, table: Any) -> None:
        kind = Type(table["type"])
        if table["id"] in self._questions:
            raise bad_form(self._file, place, "this id is used twice")
        if len(self._questions) >= MAX_QUESTIONS:
            raise bad_form(self._file, place, f"more than {MAX_QUESTIONS} questions")
        for key, kinds in ONLY.items():
            if key in table and kind not in kinds:
                raise bad_form(self._file, place, f"{key} makes no sense for a {kind}")
        if (kind is Type.CALCULATED) != ("calculate" in table):
            raise bad_form(self._file, place, "calculate is missing")
        if (kind in CHOSEN) != ("choice" in table or "choices" in table):
            raise bad_form(self._file, place, "choices are missing")
        if (table.get("filled_by") is not None) != (kind is Type.COUNT and "of" in table):
            raise bad_form(self._file, place, "filled_by goes with of: the trap and the photo")
        if kind is Type.PHOTO and not _is_photo_range(table.get("range", [0, 1])):
            raise bad_form(self._file, place, "range of photos: whole numbers from 0 to 12")

    def _of(self, place: str, table: Any) -> tuple[str, ...]:
        """What the answer hangs on: [crop] for a condition, [trap, photo] for a model's count."""
        names = tuple(table.get("of", ()))
        kinds = tuple(self._questions[n].type if n in self._questions else None for n in names)
        counted = (Type.CHOICE, Type.PHOTO) if table["type"] == Type.COUNT else (Type.CROP,)
        if names and kinds != counted:
            raise bad_form(self._file, place, f"of names earlier questions: {list(counted)}")
        return names

    def _choices_of(self, place: str, table: Any) -> tuple[Choice, ...]:
        if "choices" not in table:
            return self._choices(place, table["choice"]) if "choice" in table else ()
        if table["choices"] not in self._lists or "choice" in table:
            raise bad_form(self._file, place, f"no list of choices {table['choices']}")
        return self._lists[table["choices"]]

    def _choices(self, place: str, tables: Any) -> tuple[Choice, ...]:
        if not is_list(tables):
            raise bad_form(self._file, place, "a list of choices is expected")
        choices = []
        for number, table in enumerate(tables, 1):
            here = f"{place}, {_place('choice', table, number, 'key')}"
            self._check(here, table, CHOICE, {"retired": is_bool})
            choices.append(
                Choice(table["key"], table["wire"], table["label"], table.get("retired", False))
            )
        self._unique(place, [choice.key for choice in choices])
        self._unique(place, [f"wire {choice.wire}" for choice in choices])
        return tuple(choices)

    def _constraint(self, table: Any) -> Check:
        place = _place("check", table, 0)
        self._check(place, table, CHECK)
        that = self._tree(place, table, "that")
        if that is None or not list(references(that)):
            raise bad_form(self._file, place, "that asks for no question")
        return Check(table["id"], that, table["message"], table["refuse"])

    def _tree(self, place: str, table: Any, key: str) -> Tree | None:
        if key not in table:
            return None
        try:
            tree = parse(table[key])
        except ExpressionError as error:
            raise bad_form(self._file, place, f"{key}: {error}") from error
        for name in references(tree):
            if name not in self._questions:
                raise bad_form(self._file, place, f"{key}: no earlier question {name}")
            if self._questions[name].type is Type.NOTE:
                raise bad_form(self._file, place, f"{key}: {name} takes no answer")
        for name, literal in comparisons(tree):
            question = self._questions.get(name)
            offered = [choice.key for choice in question.choices] if question else []
            if offered and isinstance(literal, str) and literal not in offered:
                raise bad_form(self._file, place, f"{key}: {name} has no choice {literal}")
        return tree


def _place(kind: str, table: Any, number: int, key: str = "id") -> str:
    name = table.get(key) if isinstance(table, dict) else None
    return f"{kind} {name or number}"


def _ends(value: Any) -> tuple[float | None, float | None]:
    if value is None:
        return None, None
    low, high = (None if end == "" else end for end in value)
    return low, high


def _is_photo_range(value: Any) -> bool:
    return all(type(end) is int and 0 <= end <= 12 for end in value)
