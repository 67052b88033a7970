"""A diagnosis in a few lines of text, for the terminal."""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from pathlib import Path

from flask_babel import LazyString
from markupsafe import Markup

from edge_app.advice import Advice, localise
from edge_app.answer import advised, candidate_name
from edge_app.farmer.words import FAULTS, HEADINGS, LOCAL_MARK, SECTIONS, sureness
from field_data.types import Diagnosis, Status

TRANSLATIONS = Path(__file__).parent / "translations"
_SHOWN = 3
_SPOKEN_SECTIONS = ("act", "do_not", "call")


class _Words:
    """The page's own catalogue, outside a request: there a lazy string is its English source."""

    def __init__(self, lang: str) -> None:
        self._catalogue = gettext.translation("messages", TRANSLATIONS, [lang], fallback=True)

    def __call__(self, words: LazyString) -> str:
        return Markup(self._catalogue.gettext(str(words))).striptags()

    def counted(self, words: tuple[str, str], number: int) -> str:
        """A text with a number in it, in brackets."""
        text = self._catalogue.ngettext(*words, number) % {"num": number}
        return f"  [{Markup(text).striptags()}]"


def sentences(diagnosis: Diagnosis, advice: Advice, lang: str, photo: str) -> str:
    """What the result page says, in short."""
    return "\n".join([f"{photo}:", *(f"  {line}" for line in _lines(diagnosis, advice, lang))])


def _lines(diagnosis: Diagnosis, advice: Advice, lang: str) -> Iterator[str]:
    say = _Words(lang)
    crop = advice.crop(diagnosis.crop) if diagnosis.crop else None
    if diagnosis.status in HEADINGS:
        yield say(HEADINGS[diagnosis.status])
    for verdict in diagnosis.photos:
        if verdict.fault:
            yield f"{verdict.name}: {say(FAULTS[verdict.fault])}"
    for candidate in diagnosis.candidates[:_SHOWN]:
        name = candidate_name(candidate, advice, lang).text
        mark = say.counted(LOCAL_MARK, candidate.local_photos) if candidate.local_photos else ""
        yield f"{candidate.probability:4.0%}  {name} ({candidate.condition}){mark}"
    if diagnosis.candidates:
        yield f"{localise(crop.name, lang).text if crop else '?'}: {say(sureness(diagnosis)[1])}"
    if diagnosis.status is Status.NO_MODEL and diagnosis.crop:
        for card in advice.cards_for(diagnosis.crop):
            yield f"- {advice.condition_name(diagnosis.crop, card.condition, lang).text}"
    advised_card = advised(diagnosis, advice)
    for section in _SPOKEN_SECTIONS:
        for fact in advised_card.section(section) if advised_card else ():
            yield f"{say(SECTIONS[section])}: {localise(fact.text, lang).text}"
