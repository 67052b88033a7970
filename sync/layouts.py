"""Bodies of observations by form: a column a question, choices as their ``wire`` numbers.

A layout belongs to a dictionary and is as unchangeable: what it says of a version of a form is what
those numbers mean, whatever forms the reader has.  A body that fits none travels as plain JSON
columns, a column that fits its layout not as `Code.OTHER`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from field_data.days import date_of, day_of
from sync.cbor import ABSENT, LEAST, MOST, Unfit
from sync.columns import Code, Item, Pool, Read, from_decimals, maps, pack, unpack
from sync.numbers import decimals

Photos = Sequence[tuple[str, ...]]
_BODY = frozenset({"form", "version", "values", "place"})
_PLACE = ("lon", "lat", "accuracy_m")
# Degrees in ten-millionths, about 1 cm: what tablets say.
_PLACE_DIGITS = 7
_FIRST_DAY, _LAST_DAY = day_of(date.min), day_of(date.max)


@dataclass(frozen=True, slots=True)
class Question:
    """``type`` as in `field_data.forms.definition.Type`; ``choices`` are wire numbers by key."""

    id: str
    type: str
    choices: Mapping[str, int]


@dataclass(frozen=True)
class Layout:
    """The questions of one version of a form, in the order of their columns."""

    form: str
    version: int
    questions: tuple[Question, ...]

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The ids of the questions."""
        return tuple(question.id for question in self.questions)

    def fits(self, body: Mapping[str, Any]) -> bool:
        """Whether the body is one of this form and has no answer that the layout does not know."""
        values, place = body.get("values"), body.get("place", ABSENT)
        named = body.get("form"), body.get("version")
        return (
            named == (self.form, self.version)
            and type(named[1]) is int
            and isinstance(values, dict)
            and values.keys() <= set(self.ids)
            and (place is None or (isinstance(place, dict) and place.keys() == set(_PLACE)))
        )


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of crops and conditions that have numbers: their places in ``names``."""

    names: tuple[str, ...]
    places: Mapping[str, int]


# --- whole bodies --------------------------------------------------------------------------------


def pack_bodies(
    layout: Layout, codes: Codes, bodies: Sequence[Mapping[str, Any]], photos: Photos, pool: Pool
) -> list[Item]:
    """Columns of bodies that the layout fits: place (3 or null), the rest of the body, answers."""
    places = [body["place"] for body in bodies]
    rest = [{key: body[key] for key in body.keys() - _BODY} for body in bodies]
    answers = []
    for question in layout.questions:
        column = [body["values"].get(question.id, ABSENT) for body in bodies]
        answers.append(_pack_answers(question, codes, column, photos, pool))
    while answers and answers[-1] is ABSENT:
        del answers[-1]
    return [_pack_places(places, pool), pack(rest, pool) if any(rest) else None, *answers]


def unpack_bodies(
    layout: Layout, codes: Codes, items: list[Item], photos: Photos, read: Read
) -> list[dict[str, Any]]:
    """The bodies of as many records as ``photos`` has entries.

    Raises:
        Unfit: not written by `pack_bodies`.
    """
    n = len(photos)
    silent = 2 + len(layout.questions) - len(items)
    if len(items) < 2 or silent < 0:
        raise Unfit("a body with other columns than its form has")
    places = _unpack_places(items[0], n, read)
    rest = [{}] * n if items[1] is None else unpack(items[1], n, read)
    if any(type(each) is not dict or each.keys() & _BODY for each in rest):
        raise Unfit("a body that says something twice")
    pairs = zip(layout.questions, [*items[2:], *[ABSENT] * silent], strict=True)
    columns = [_unpack_answers(q, codes, item, photos, read) for q, item in pairs]
    values = maps(layout.ids, columns, n)
    head = {"form": layout.form, "version": layout.version}
    triples = zip(values, places, rest, strict=True)
    return [{**head, "values": v, "place": p, **r} for v, p, r in triples]


# --- places --------------------------------------------------------------------------------------


def _pack_places(places: Sequence[Any], pool: Pool) -> Item:
    if not any(places):
        return None
    columns = [[ABSENT if place is None else place[key] for place in places] for key in _PLACE]
    return [*(_pack_degrees(column, pool) for column in columns[:2]), pack(columns[2], pool)]


def _pack_degrees(values: Sequence[Any], pool: Pool) -> Item:
    """Ten-millionths of a degree where that is exact."""
    known = [value for value in values if value is not ABSENT]
    found = decimals(map(float, known)) if all(type(v) in (int, float) for v in known) else None
    if found is None or found[0] > _PLACE_DIGITS:
        return [Code.OTHER, pack(values, pool)]
    wholes = [whole * 10 ** (_PLACE_DIGITS - found[0]) for whole in found[1]]
    back = from_decimals(Code.NUMBERS, _PLACE_DIGITS, wholes)
    if any(abs(whole) >> 62 for whole in wholes) or list(map(repr, back)) != list(map(repr, known)):
        return [Code.OTHER, pack(values, pool)]
    ready = iter(wholes)
    return pack([ABSENT if value is ABSENT else next(ready) for value in values], pool)


def _unpack_places(item: Item, n: int, read: Read) -> list[dict[str, Any] | None]:
    if item is None:
        return [None] * n
    if type(item) is not list or len(item) != len(_PLACE):
        raise Unfit("a place has three columns")
    columns = [*(_unpack_degrees(each, n, read) for each in item[:2]), unpack(item[2], n, read)]
    rows = zip(*columns, strict=True)
    return [_place(row) for row in rows]


def _place(row: tuple[Any, ...]) -> dict[str, Any] | None:
    absent = sum(value is ABSENT for value in row)
    if absent not in (0, len(_PLACE)):
        raise Unfit("half a place")
    return None if absent else dict(zip(_PLACE, row, strict=True))


def _unpack_degrees(item: Item, n: int, read: Read) -> list[Any]:
    if (other := _other(item)) is not None:
        return unpack(other[0], n, read)
    return [_mapped(value, _degrees) for value in unpack(item, n, read)]


def _degrees(value: Any) -> float:
    return from_decimals(Code.NUMBERS, _PLACE_DIGITS, [whole(value)])[0]


# --- answers -------------------------------------------------------------------------------------


def _pack_answers(
    question: Question, codes: Codes, values: Sequence[Any], photos: Photos, pool: Pool
) -> Item:
    if question.type == "photo":
        same = all(value == list(own) for value, own in zip(values, photos, strict=True))
        return True if same else [Code.OTHER, pack(values, pool)]
    writer = _writer(question, codes)
    if writer is None:
        return pack(values, pool)
    try:
        return pack([_mapped(value, writer) for value in values], pool)
    except (KeyError, ValueError, TypeError, Unfit):
        return [Code.OTHER, pack(values, pool)]


def _unpack_answers(
    question: Question, codes: Codes, item: Item, photos: Photos, read: Read
) -> list[Any]:
    n = len(photos)
    if (other := _other(item)) is not None:
        return unpack(other[0], n, read)
    if question.type == "photo":
        if item is not True:
            raise Unfit("photos that are no photos")
        read.spend(65 * sum(map(len, photos)))
        return [list(own) for own in photos]
    reader = _reader(question, codes)
    values = unpack(item, n, read)
    return values if reader is None else [_mapped(value, reader) for value in values]


def _other(item: Item) -> list[Item] | None:
    if type(item) is not list or not item or item[0] != Code.OTHER:
        return None
    if len(item) != 2:
        raise Unfit("a column with other parts")
    return item[1:]


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    return value if value is None or value is ABSENT else change(value)


def _writer(question: Question, codes: Codes) -> Callable[[Any], Any] | None:
    """From an answer to what stands for it, None where it stands for itself."""
    match question.type:
        case "choice":
            return question.choices.__getitem__
        case "multi":
            return lambda keys: [question.choices[key] for key in _list(keys)]
        case "crop" | "condition":
            return codes.places.__getitem__
        case "date":
            return _day_number
    return None


def _reader(question: Question, codes: Codes) -> Callable[[Any], Any] | None:
    """The way back from `_writer`."""
    keys = {number: key for key, number in question.choices.items()}
    match question.type:
        case "choice":
            return lambda number: _found(keys, number)
        case "multi":
            return lambda numbers: [_found(keys, number) for number in _list(numbers)]
        case "crop" | "condition":
            return lambda place: codes.names[whole(place, 0, len(codes.names) - 1)]
        case "date":
            return _day_text
    return None


def _found(keys: Mapping[int, str], number: Any) -> str:
    if type(number) is not int or number not in keys:
        raise Unfit("a choice that the form does not have")
    return keys[number]


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Unfit("not several answers")
    return value


def whole(value: Any, least: int = LEAST, most: int = MOST) -> int:
    """The value if it is a whole number between both, else raises `Unfit`."""
    if type(value) is not int or not least <= value <= most:
        raise Unfit("not a whole number of a range")
    return value


def _day_number(text: Any) -> int:
    day = date.fromisoformat(text)
    if day.isoformat() != text:
        raise ValueError("written in another way")
    return day_of(day)


def _day_text(number: Any) -> str:
    return date_of(whole(number, _FIRST_DAY, _LAST_DAY)).isoformat()
