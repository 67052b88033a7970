"""A form's table written as TOML, the way people write forms: one choice a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_TABLES = ("title", "section", "check", "choices", "question", "choice")


def form_toml(table: Mapping[str, Any]) -> str:
    """The text of a form file; what `field_data.forms.loading.parse_form` reads back alike."""
    head = [*_pairs(table), f"title = {_value(table['title'])}"]
    lists = [_choices(f"choices.{name}", rows) for name, rows in table.get("choices", {}).items()]
    sections = [text for section in table.get("section", ()) for text in _section(section)]
    checks = ["[[check]]\n" + "\n".join(_pairs(check)) for check in table.get("check", ())]
    return "\n\n".join(["\n".join(head), *lists, *sections, *checks]) + "\n"


def _section(section: Mapping[str, Any]) -> list[str]:
    head = ["[[section]]", *_pairs(section), f"title = {_value(section['title'])}"]
    return ["\n".join(head), *map(_question, section["question"])]


def _question(question: Mapping[str, Any]) -> str:
    lines = ["[[section.question]]", *_pairs(question)]
    if "choices" in question:
        lines.append(f"choices = {_value(question['choices'])}")
    if "choice" in question:
        lines.append(_choices("choice", question["choice"]))
    return "\n".join(lines)


def _choices(name: str, rows: Any) -> str:
    return "\n".join([f"{name} = [", *(f"  {_value(row)}," for row in rows), "]"])


def _pairs(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in table.items() if key not in _TABLES]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    # JSON's texts, numbers and booleans are TOML's too, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
