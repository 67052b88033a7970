"""An XLSForm workbook made a form of ours: what agronomists write, in what the node understands.

Groups become sections, repeats are refused.  Numbers of answers (wire) are kept from the form's
earlier versions, and a number once given is never given to another answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from field_data.errors import PersonError, PublisherError
from field_data.forms.definition import Form, Type
from field_data.forms.expressions import Tree, show
from field_data.forms.loading import parse_form
from field_data.forms.workbooks import Workbook, read_workbook
from field_data.forms.writing import form_toml
from field_data.forms.xpath import Known, NotUnderstood, ends_of, translate

_TYPES = {
    "integer": Type.INTEGER,
    "decimal": Type.DECIMAL,
    "text": Type.TEXT,
    "string": Type.TEXT,
    "select one": Type.CHOICE,
    "select all that apply": Type.MULTI,
    "date": Type.DATE,
    "geopoint": Type.PLACE,
    "photo": Type.PHOTO,
    "image": Type.PHOTO,
    "note": Type.NOTE,
    "calculate": Type.CALCULATED,
    "acknowledge": Type.BOOLEAN,
    "trigger": Type.BOOLEAN,
}
# What the node records anyway: who, when, on which device.
_METADATA = frozenset(
    {
        *("start", "end", "today", "deviceid", "username", "simserial", "phonenumber", "email"),
        *("audit", "start-geopoint"),
    }
)
_LANG_NAMES = {"english": "en", "french": "fr", "français": "fr", "arabic": "ar", "العربية": "ar"}
_NEEDED = ("en", "fr", "ar")


@dataclass(frozen=True, slots=True)
class Imported:
    """A form, its TOML, and what the workbook said that ours leaves out (``row name: what``)."""

    form: Form
    toml: str
    left_out: tuple[str, ...]


def import_xlsform(data: bytes, earlier: Sequence[Form] = ()) -> Imported:
    """The form of a workbook (.xlsx).

    ``earlier`` are the versions of this form that exist; the new one is numbered after them.

    Raises:
        PersonError: ``bad_xlsform`` with everything that cannot be taken over, by row and name.
    """
    book = read_workbook(data)
    return import_read(book, earlier)


def import_read(book: Workbook, earlier: Sequence[Form] = ()) -> Imported:
    """As `import_xlsform`, from what pyxform has read."""
    form_id = _identifier(str(book.form.get("id_string") or "form"))
    same = [form for form in earlier if form.id == form_id]
    converter = _Converter(book, same)
    table = converter.table(form_id)
    if converter.refused:
        raise PersonError("bad_xlsform", "; ".join(converter.refused), problems=converter.refused)
    last = max(same, key=lambda form: form.version, default=None)
    form, toml = _parsed(table)
    if last is not None:
        # The same workbook twice is not a new version.
        unchanged, text = _parsed({**table, "version": last.version})
        form, toml = (unchanged, text) if unchanged.digest == last.digest else (form, toml)
    return Imported(form, toml, tuple(converter.left_out))


def _parsed(table: Mapping[str, Any]) -> tuple[Form, str]:
    toml = form_toml(table)
    try:
        return parse_form(toml.encode(), table["id"]), toml
    except PublisherError as error:
        raise PersonError("bad_xlsform", f"not a usable XLSForm: {error}") from error


def _identifier(name: str) -> str:
    """A name as our ids are: Latin small letters, digits, underscores, a letter first."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return (plain if plain[:1].isalpha() else f"q_{plain}")[:40]


def _key(name: str) -> str:
    plain = re.sub(r"[^a-z0-9_.-]+", "_", name.lower()).strip("_.-")
    return plain[:40] or "choice"


@dataclass
class _Converter:
    """Walks the workbook once, in order, gathering everything that is wrong with it."""

    book: Workbook
    earlier: Sequence[Form]
    refused: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    names: dict[str, Known] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)
    filled: set[str] = field(default_factory=set)

    def table(self, form_id: str) -> dict[str, Any]:
        title = self._texts(self.book.form.get("title") or form_id)
        sections = list(self._sections(self.book.form.get("children", ()), title, None, "main"))
        for number, section in enumerate(sections, 1):
            section["id"] = f"s{number}_{section['id']}"[:40]
        if self.filled:
            langs = ", ".join(sorted(self.filled))
            self.left_out.append(f"some texts lack {langs}: what there is stands in")
        plain = {"id": form_id, "version": self._version(), "title": title}
        return {**plain, "section": sections, "check": self.checks}

    def _version(self) -> int:
        said = str(self.book.form.get("version") or "")
        number = int(said) if re.fullmatch(r"[0-9]{1,9}", said) else 1
        return max([max(number, 1), *(form.version + 1 for form in self.earlier)])

    def _where(self, item: Mapping[str, Any]) -> str:
        name = str(item.get("name", ""))
        row = self.book.rows.get(name)
        return f"row {row} {name}" if row else name

    def _sections(
        self, children: Any, title: dict[str, str], shown_if: Tree | None, name: str
    ) -> Iterator[dict[str, Any]]:
        """The questions of a group as sections: a group inside begins a new one."""
        questions: list[dict[str, Any]] = []

        def gathered() -> Iterator[dict[str, Any]]:
            if questions:
                head = {"id": _identifier(name), "title": title}
                condition = {} if shown_if is None else {"shown_if": show(shown_if)}
                yield {**head, **condition, "question": questions.copy()}
                questions.clear()

        for item in children:
            kind = item.get("type")
            if kind == "group" and item.get("name") == "meta":
                continue
            if kind == "repeat":
                self.refused.append(f"{self._where(item)}: repeats are not supported")
            elif kind == "group":
                yield from gathered()
                own = self._condition(item, "relevant")
                both = own if shown_if is None or own is None else ["and", shown_if, own]
                inner = self._texts(item["label"]) if item.get("label") else title
                yield from self._sections(
                    item.get("children", ()), inner, both or shown_if, item["name"]
                )
            else:
                questions += self._question(item)
        yield from gathered()

    def _question(self, item: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The question's table; none for what the node records by itself or cannot take."""
        kind = _TYPES.get(item["type"])
        if kind is None:
            if item["type"] not in _METADATA:
                self.refused.append(f"{self._where(item)}: type {item['type']} is not supported")
            return []
        known = self._known(item, kind)
        condition = self._condition(item, "relevant")
        table: dict[str, Any] = {"id": known.id, "type": str(kind)}
        if kind is Type.CALCULATED:
            calculation = self._condition(item, "calculate")
            if calculation is None:
                self.refused.append(f"{self._where(item)}: nothing is calculated")
                return []
            table["calculate"] = show(calculation)
        if self._required(item) and kind not in (Type.NOTE, Type.CALCULATED):
            table["required"] = True
        if condition is not None:
            table["shown_if"] = show(condition)
        if kind is not Type.NOTE:
            self.names[item["name"]] = known
        table |= self._constraint(item, kind, known)
        table["label"] = self._texts(item.get("label") or item["name"])
        if isinstance(item.get("label"), str):
            self.filled.update(_NEEDED)
        if item.get("hint"):
            table["hint"] = self._texts(item["hint"])
        if known.keys:
            table["choice"] = self._choices(item, known)
        self._remark(item)
        return [table]

    def _known(self, item: Mapping[str, Any], kind: Type) -> Known:
        id = _identifier(item["name"])
        if any(known.id == id for known in self.names.values()):
            self.refused.append(f"{self._where(item)}: another question is called {id} too")
        keys = {str(choice["name"]): _key(str(choice["name"])) for choice in self._offered(item)}
        if len(set(keys.values())) < len(keys):
            self.refused.append(f"{self._where(item)}: two choices have nearly the same name")
        if kind in (Type.CHOICE, Type.MULTI) and not keys:
            self.refused.append(f"{self._where(item)}: choices from outside are not supported")
        return Known(id, keys, kind is Type.MULTI)

    def _offered(self, item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        return item.get("choices") or ()

    def _choices(self, item: Mapping[str, Any], known: Known) -> list[dict[str, Any]]:
        """The choices, with the numbers that earlier versions gave them, or new ones."""
        before = [form.questions[known.id] for form in self.earlier if known.id in form.questions]
        wires = {choice.key: choice.wire for question in before for choice in question.choices}
        last = max(wires.values(), default=0)
        table = []
        for choice in self._offered(item):
            key = known.keys[str(choice["name"])]
            if key not in wires:
                last += 1
                wires[key] = last
            label = self._texts(choice.get("label") or str(choice["name"]))
            table.append({"key": key, "wire": wires[key], "label": label})
        return table

    def _condition(self, item: Mapping[str, Any], key: str) -> Tree | None:
        text = _bind(item).get(key)
        if not text:
            return None
        try:
            return translate(str(text), self.names)
        except NotUnderstood as why:
            self.refused.append(f"{self._where(item)}: {key}: {why}")
            return None

    def _required(self, item: Mapping[str, Any]) -> bool:
        said = str(_bind(item).get("required", "")).lower()
        if said not in ("", "yes", "no", "true", "false", "true()", "false()"):
            self.left_out.append(f"{self._where(item)}: required only sometimes: {said}")
        return said in ("yes", "true", "true()")

    def _constraint(self, item: Mapping[str, Any], kind: Type, known: Known) -> dict[str, Any]:
        """A range where the constraint is one, else a check over the answer."""
        text = str(_bind(item).get("constraint") or "")
        if not text or (kind is Type.DATE and re.fullmatch(r"\.\s*<=\s*today\(\)", text)):
            return {}
        try:
            tree = translate(text, self.names, item["name"])
        except NotUnderstood as why:
            self.left_out.append(f"{self._where(item)}: constraint {text}: {why}")
            return {}
        ends = ends_of(tree, known.id, whole=kind is Type.INTEGER)
        if ends is not None and kind in (Type.INTEGER, Type.DECIMAL):
            return {"range": ["" if end is None else end for end in ends]}
        said = _bind(item).get("jr:constraintMsg") or text
        message = self._texts(said)
        self.checks.append(
            {"id": f"c_{known.id}"[:40], "that": show(tree), "refuse": True, "message": message}
        )
        return {}

    def _remark(self, item: Mapping[str, Any]) -> None:
        """What is understood by nobody here, but changes what people see."""
        for key in ("choice_filter", "default", "parameters"):
            if item.get(key):
                self.left_out.append(f"{self._where(item)}: {key}")

    def _texts(self, said: Any) -> dict[str, str]:
        """Texts by language; a needed language that is missing repeats another one."""
        named = said if isinstance(said, Mapping) else {"": str(said)}
        texts: dict[str, str] = {}
        plain = ""
        for name, text in named.items():
            text = re.sub(r"\$\{([^}]*)\}", r"[\1]", str(text)).strip()
            lang = _lang(name)
            plain = plain or text
            if text and lang:
                texts[lang] = text
        fallback = next((texts[lang] for lang in _NEEDED if lang in texts), plain) or "?"
        self.filled |= {lang for lang in _NEEDED if lang not in texts} if texts else set()
        return {lang: texts.get(lang, fallback) for lang in _NEEDED} | (
            {"zgh": texts["zgh"]} if "zgh" in texts else {}
        )


def _bind(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return item.get("bind") or {}


def _lang(name: str) -> str | None:
    """``French (fr)`` -> fr."""
    code = re.search(r"\(([a-z]{2,3})[^)]*\)\s*$", name)
    if code and code[1] in (*_NEEDED, "zgh"):
        return code[1]
    return name if name in (*_NEEDED, "zgh") else _LANG_NAMES.get(name.strip().lower())
