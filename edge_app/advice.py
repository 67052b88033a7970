"""Crops and advice cards, read from TOML files written by people.

The loader is strict: whatever it does not know it refuses, naming the file and the card, because a
misspelt key would otherwise silently lose a warning.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from edge_app.languages import FALLBACK, LANGS
from field_data.errors import PublisherError
from field_data.types import HEALTHY

CONTENT = Path(__file__).parent / "content"
EVERY_CROP = "*"
SECTIONS = (
    "see",
    "lookalike",
    "confirm",
    "season",
    "scout",
    "threshold",
    "prevent",
    "monitor",
    "act",
    "chemical",
    "safety",
    "do_not",
    "call",
    "report",
    "after",
)
PRIORITIES = ("P1", "P1-alert", "P2", "P3")
KINDS = (
    "fungus",
    "oomycete",
    "bacterium",
    "virus",
    "insect",
    "mite",
    "nematode",
    "parasitic plant",
    "abiotic",
    "healthy",
)
STATUSES = ("sourced", "unreviewed")
AUDIO_TYPES = ("mp3", "ogg")

Texts = Mapping[str, str]
_Shape = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Localised:
    """A text and the language it is really in (for ``lang=`` and ``dir=``)."""

    text: str
    lang: str


def localise(texts: Texts, lang: str) -> Localised:
    """The text in ``lang``, else in the next language its speakers read; ``texts`` is not empty."""
    chain = (*FALLBACK.get(lang, ()), *LANGS)
    best = next(known for known in chain if known in texts)
    return Localised(texts[best], best)


@dataclass(frozen=True, slots=True)
class Crop:
    """A crop; the first of ``sci`` is the name that the models use."""

    code: str
    sci: tuple[str, ...]
    aliases: tuple[str, ...]
    icon: str
    name: Texts


@dataclass(frozen=True, slots=True)
class Fact:
    """One sentence with its provenance; the last four fields belong to thresholds.

    ``condition`` is what a look-alike could be (an EPPO code), where there is a code.
    """

    section: str
    text: Texts
    source: str
    status: str
    reviewed_by: str = ""
    condition: str | None = None
    value: float | None = None
    unit: str | None = None
    region: str | None = None
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """What to know and do about one condition; ``facts`` are in the order of ``SECTIONS``."""

    id: str
    crops: tuple[str, ...]
    condition: str
    sci: str
    kind: str
    priority: str
    alert: bool
    expires: date
    complete: tuple[str, ...]
    name: Texts
    facts: tuple[Fact, ...]

    def section(self, name: str) -> tuple[Fact, ...]:
        """The facts of one section; empty when the card says nothing there."""
        return tuple(fact for fact in self.facts if fact.section == name)

    @property
    def reviewed(self) -> bool:
        """Whether a person has signed every fact."""
        return all(fact.reviewed_by for fact in self.facts)


class Advice:
    """Every crop and card, with look-ups."""

    def __init__(self, crops: Sequence[Crop], cards: Sequence[Card], *folders: Path) -> None:
        self.crops = tuple(crops)
        self.cards = tuple(cards)
        self._folders = folders or (CONTENT,)
        self._by_code = {crop.code: crop for crop in crops}
        self._by_name = {key: crop for crop in crops for key in _crop_keys(crop)}
        self._by_pair = {(code, card.condition): card for card in cards for code in card.crops}

    def crop(self, code: str) -> Crop | None:
        """The crop of an EPPO code, or None."""
        return self._by_code.get(code)

    def find_crop(self, text: str) -> Crop | None:
        """The crop a person means: EPPO code, scientific or everyday name, any case or accent."""
        return self._by_name.get(_key(text))

    def card(self, crop: str, condition: str) -> Card | None:
        """The card for ``condition`` on ``crop``, else the one for every crop, else None."""
        pairs = self._by_pair
        return pairs.get((crop, condition)) or pairs.get((EVERY_CROP, condition))

    def cards_for(self, crop: str) -> tuple[Card, ...]:
        """What can go wrong with ``crop``, most important first; the healthy card is not in it."""
        mine = (card for card in self.cards if {crop, EVERY_CROP} & set(card.crops))
        problems = (card for card in mine if card.condition != HEALTHY)
        return tuple(sorted(problems, key=lambda card: PRIORITIES.index(card.priority)))

    def condition_name(self, crop: str, condition: str, lang: str) -> Localised:
        """What to call ``condition``; its bare code when no card names it on any crop."""
        elsewhere = (card for card in self.cards if card.condition == condition)
        card = self.card(crop, condition) or next(elsewhere, None)
        return localise(card.name, lang) if card else Localised(condition, "en")

    def audio(self, card_id: str, lang: str) -> Path | None:
        """The recording of a card somebody has read aloud in ``lang``, or None."""
        # Only known names reach the disk, so that a card id taken from an address cannot wander.
        if lang not in LANGS or all(card.id != card_id for card in self.cards):
            return None
        return self.recording(card_id, lang)

    def recording(self, stem: str, lang: str) -> Path | None:
        """A file of people's voices by its name, which must not come from outside."""
        names = [f"{stem}.{lang}.{kind}" for kind in AUDIO_TYPES]
        files = (folder / "audio" / name for folder in reversed(self._folders) for name in names)
        return next((file for file in files if file.is_file()), None)


def load_advice(folder: Path = CONTENT, over: Sequence[Path] = ()) -> Advice:
    """Read ``crops.toml``, ``common.toml`` and ``cards/*.toml``.

    Folders in ``over`` have the same layout and need not be complete: a file in one of them stands
    for the one of that name before it, others are added.

    Raises PublisherError("bad_content") with ``file`` and ``item`` for anything missing, unknown,
    doubled or of the wrong type.
    """
    folders = (folder, *over)
    crops = _read_crops(_latest(folders, "crops.toml"))
    common = _read_common(_latest(folders, "common.toml"))
    reader = _CardReader(frozenset(crop.code for crop in crops), common)
    names = {file.name for each in folders for file in (each / "cards").glob("*.toml")}
    for name in sorted(names):
        reader.read(_latest(folders, f"cards/{name}"))
    return Advice(crops, reader.cards, *folders)


def _latest(folders: Sequence[Path], name: str) -> Path:
    """That file in the last folder that has it; in the first where none has."""
    found = [folder / name for folder in folders if (folder / name).is_file()]
    return found[-1] if found else folders[0] / name


def _key(text: str) -> str:
    """Fold case, accents and spaces, so that "  Blé " and "ble" are one."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).split())


def _crop_keys(crop: Crop) -> set[str]:
    return {_key(word) for word in (crop.code, *crop.sci, *crop.aliases, *crop.name.values())}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the loader is, for the message when it refuses."""

    file: Path
    item: str = ""

    def refuse(self, why: str) -> PublisherError:
        message = f"{self.file.name}: {self.item}: {why}"
        return PublisherError("bad_content", message, file=self.file.name, item=self.item)

    def check(self, table: Any, required: _Shape, optional: _Shape | None = None) -> None:
        """Refuse missing keys, unknown keys and values of the wrong type."""
        if not isinstance(table, dict):
            raise self.refuse("a table is expected")
        shape = {**required, **(optional or {})}
        for key in required.keys() - table.keys():
            raise self.refuse(f"{key} is missing")
        for key, value in table.items():
            if key not in shape:
                raise self.refuse(f"unknown key {key}")
            if not shape[key](value):
                raise self.refuse(f"bad {key}: {value!r}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value == value.strip()


def _is_text_or_empty(value: object) -> bool:
    return value == "" or _is_text(value)


def _is_words(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_texts(value: object) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and value.keys() <= set(LANGS)
        and all(map(_is_text, value.values()))
    )


def _is_langs(value: object) -> bool:
    return isinstance(value, list) and all(lang in LANGS for lang in value)


def _is_day(value: object) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_file_stem(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\w[\w-]*(\.[\w-]+)*", value) is not None


def _is_list(value: object) -> bool:
    return isinstance(value, list)


_CROP = {
    "code": _is_file_stem,
    "sci": _is_words,
    "icon": _is_file_stem,
    "name": _is_texts,
}
_CROP_MORE = {"aliases": _is_words}
_FACT = {
    "section": SECTIONS.__contains__,
    "source": _is_text,
    "status": STATUSES.__contains__,
    "text": _is_texts,
}
_FACT_MORE = {"reviewed_by": _is_text_or_empty, "condition": _is_text}
_THRESHOLD = {
    "value": _is_number,
    "unit": _is_text,
    "region": _is_text,
    "date": lambda value: _is_text(value) or _is_day(value),
}
_CARD = {
    "id": _is_file_stem,
    "crops": _is_words,
    "condition": _is_text,
    "sci": _is_text,
    "kind": KINDS.__contains__,
    "priority": PRIORITIES.__contains__,
    "alert": _is_bool,
    "expires": _is_day,
    "complete": _is_langs,
    "name": _is_texts,
}
_CARD_MORE = {"use": _is_words, "fact": _is_list}


def _items(file: Path, kind: str, label: str) -> Iterable[tuple[_Place, Any]]:
    """The ``[[kind]]`` tables of a file, each with its place (named by its key ``label``)."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise _Place(file).refuse(str(problem)) from problem
    _Place(file).check(content, {kind: _is_list})
    for number, table in enumerate(content[kind], 1):
        name = table.get(label) if isinstance(table, dict) else None
        yield _Place(file, str(name or f"{kind} {number}")), table


def _read_crops(file: Path) -> list[Crop]:
    crops: list[Crop] = []
    taken: set[str] = set()
    for place, table in _items(file, "crop", "code"):
        place.check(table, _CROP, _CROP_MORE)
        aliases = tuple(table.get("aliases", ()))
        crop = Crop(table["code"], tuple(table["sci"]), aliases, table["icon"], table["name"])
        keys = _crop_keys(crop)
        if keys & taken:
            raise place.refuse(f"names another crop too: {', '.join(sorted(keys & taken))}")
        taken |= keys
        crops.append(crop)
    return crops


def _read_common(file: Path) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for place, table in _items(file, "fact", "id"):
        place.check(table, {"id": _is_text, **_FACT}, {**_FACT_MORE, **_THRESHOLD})
        if table["id"] in facts:
            raise place.refuse("this id is used twice")
        facts[table["id"]] = _fact(place, {key: table[key] for key in table if key != "id"})
    return facts


def _fact(place: _Place, table: Any) -> Fact:
    place.check(table, _FACT, {**_FACT_MORE, **_THRESHOLD})
    if table["section"] != "threshold" and table.keys() & _THRESHOLD.keys():
        raise place.refuse(f"a threshold's keys in section {table['section']}")
    if table["section"] != "lookalike" and "condition" in table:
        raise place.refuse(f"a look-alike's key in section {table['section']}")
    day = {"date": str(table["date"])} if "date" in table else {}
    return Fact(**{**table, **day})


class _CardReader:
    """Gathers cards over all files and refuses what clashes between them."""

    def __init__(self, crops: frozenset[str], common: Mapping[str, Fact]) -> None:
        self.cards: list[Card] = []
        self._crops = crops | {EVERY_CROP}
        self._common = common
        self._pairs: set[tuple[str, str]] = set()

    def read(self, file: Path) -> None:
        for place, table in _items(file, "card", "id"):
            place.check(table, _CARD, _CARD_MORE)
            self._refuse_clashes(place, table)
            self.cards.append(self._card(place, table))

    def _refuse_clashes(self, place: _Place, table: Any) -> None:
        if any(card.id == table["id"] for card in self.cards):
            raise place.refuse("this id is used twice")
        for crop in table["crops"]:
            if crop not in self._crops:
                raise place.refuse(f"unknown crop {crop}")
            if (crop, table["condition"]) in self._pairs:
                raise place.refuse(f"another card serves {table['condition']} on {crop}")
            self._pairs.add((crop, table["condition"]))

    def _card(self, place: _Place, table: Any) -> Card:
        own = [_fact(place, fact) for fact in table.get("fact", ())]
        facts = own + [self._shared(place, name) for name in table.get("use", ())]
        facts.sort(key=lambda fact: SECTIONS.index(fact.section))
        lists = {key: tuple(table[key]) for key in ("crops", "complete")}
        fields: dict[str, Any] = {**{key: table[key] for key in _CARD}, **lists}
        return Card(**fields, facts=tuple(facts))

    def _shared(self, place: _Place, name: str) -> Fact:
        if name not in self._common:
            raise place.refuse(f"unknown common fact {name}")
        return self._common[name]
