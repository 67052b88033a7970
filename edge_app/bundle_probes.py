"""Does what a bundle brings work here?  One probe for each kind that is put in a slot.

A probe reads the staged folder beside everything else that is in use, as the node itself would.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_app.advice import AUDIO_TYPES, load_advice
from edge_app.home_forms import forms_of
from edge_app.i18n import OWN
from edge_app.languages import LANGS
from edge_app.settings import FILE, check_bundled
from field_data.errors import PublisherError
from sync.slots import Slots

_MOST_TEXT = 4_000_000
_MOST_SOUND = 20_000_000
MESSAGES = "LC_MESSAGES/messages.mo"
_PLACE = re.compile(r"%(?:\(\w+\))?[sd]|%%|%")
_TAG = re.compile(r"<[^>]*>?")
# A sentence borrowed from another language (edge_app.webassets).
_SPAN = re.compile(r'<span lang="(ar|fr|en)" dir="(rtl|ltr)">|</span>')
_CARDS = re.compile(r"(crops|common)\.toml|cards/[\w-]+\.toml")
_SOUND = re.compile(rf"audio/[\w.-]+\.({'|'.join(AUDIO_TYPES)})")
# Where a catalogue says none.
_GETTEXTS_OWN = "nplurals=2; plural=(n != 1)"
_FORM = re.compile(r"(old/)?[\w-]+\.toml")


def beside(home: Path, kind: str, folder: Path, name: str) -> list[Path]:
    """The folders of a kind as they would be with ``folder`` in the place of ``name``."""
    others = {path.parent.name: path for path in Slots(home).in_use(kind)}
    return [path for _, path in sorted({**others, name: folder}.items())]


def _named(folder: Path, *allowed: re.Pattern[str]) -> Iterator[tuple[str, Path]]:
    """The files of a folder, none of another name, none too large."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if not any(pattern.fullmatch(name) for pattern in allowed):
            raise PublisherError("bundle_other_file", f"{name} has no place in such a bundle")
        most = _MOST_SOUND if _SOUND.fullmatch(name) else _MOST_TEXT
        if path.stat().st_size > most:
            raise PublisherError("bundle_too_large", f"{name} has more than {most} bytes")
        yield name, path


def probe_advice(home: Path, folder: Path, name: str) -> None:
    """All cards, ours and those brought, are sound together."""
    list(_named(folder, _CARDS, _SOUND))
    load_advice(over=beside(home, "advice", folder, name))


def probe_forms(home: Path, folder: Path, name: str) -> None:
    """All forms are sound together; those that were left out before do not count."""
    list(_named(folder, _FORM))
    _, before = forms_of(home)
    _, after = forms_of(home, beside(home, "forms", folder, name))
    new = [each for each in after if str(each) not in {str(old) for old in before}]
    if new:
        raise new[0]


def probe_settings(home: Path, folder: Path, name: str) -> None:
    """Only what may be set from afar, with values that work."""
    for _, path in _named(folder, re.compile(re.escape(FILE))):
        check_bundled(path)


def probe_translations(home: Path, folder: Path, name: str) -> None:
    """Every sentence keeps its places to fill in, and brings no markup of its own."""
    langs = "|".join(LANGS)
    for file, path in _named(folder, re.compile(rf"({langs})/{MESSAGES}")):
        check_catalogue(path, file)


def check_catalogue(path: Path, file: str) -> None:
    """One compiled catalogue.

    Raises:
        PublisherError: ``bad_catalogue``.
    """
    try:
        with path.open("rb") as opened:
            catalogue = gettext.GNUTranslations(opened)
        said = dict(catalogue._catalog)  # type: ignore[attr-defined]
        rule = _rule(catalogue)
        forms = {catalogue.plural(n) for n in range(200)}  # type: ignore[attr-defined]
    except Exception as error:  # the parser of the standard library raises a dozen types
        raise PublisherError("bad_catalogue", f"{file}: no catalogue: {error}") from error
    # It would stand for our own, and count the things in all our sentences.
    if rule != _own_rule(file.split("/", maxsplit=1)[0]):
        raise PublisherError("bad_catalogue", f"{file}: another rule of plurals: {rule[:200]}")
    for key, text in said.items():
        english, form = key if isinstance(key, tuple) else (key, 0)
        allowed = forms if isinstance(key, tuple) else {0}
        wrong = _wrong(english, text) if form in allowed and form < 6 else "no such plural"
        if wrong:
            raise PublisherError("bad_catalogue", f"{file}: {english[:80]!r}: {wrong}")


def probe_weather(home: Path, folder: Path, name: str) -> None:
    """Packs whose every place can be read and holds weather that can be."""
    from edge_app import weather_packs  # loads numpy

    weather_packs.probe_weather(home, folder, name)


def _rule(catalogue: gettext.NullTranslations) -> str:
    """How a catalogue counts, without spaces."""
    return re.sub(r"[\s;]", "", catalogue.info().get("plural-forms", _GETTEXTS_OWN))


def _own_rule(lang: str) -> str:
    return _rule(gettext.translation("messages", OWN, [lang], fallback=True))


def _wrong(english: str, text: str) -> str | None:
    """Why a text cannot stand for its English sentence."""
    if not english:
        return None  # the header
    places = set(_PLACE.findall(text))
    if "%" in places or not places <= {*_PLACE.findall(english), "%%"}:
        return "it has other places to fill in"
    if sorted(_TAG.findall(_SPAN.sub("", text))) != sorted(_TAG.findall(english)):
        return "it has other markup"
    return None


PROBES: dict[str, Callable[[Path, Path, str], None]] = {
    "advice": probe_advice,
    "forms": probe_forms,
    "settings": probe_settings,
    "translations": probe_translations,
    "weather": probe_weather,
}
