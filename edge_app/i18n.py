"""Which language a request is in, and how a text says which language it is in.

The catalogues are gettext's.  A gap in the Tifinagh catalogue is filled when it is compiled
(``edge_app.webassets``) with the Arabic sentence inside ``<span lang="ar" dir="rtl">``, so nothing
special happens here; ``plain`` takes the span off where markup cannot stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flask import Blueprint, Flask, g, request
from flask_babel import Babel, gettext
from markupsafe import Markup

from edge_app.advice import Localised
from edge_app.languages import LANGS, RTL

OWN_NAMES = {"ar": "العربية", "fr": "Français", "zgh": "ⵜⴰⵎⴰⵣⵉⵖⵜ", "en": "English"}
LANG_COOKIE = "lang"
OWN = Path(__file__).parent / "translations"
# What phones call the Amazigh languages spoken in Morocco.
_AMAZIGH = ("tzm", "shi", "rif", "ber")


def init_i18n(app: Flask, over: Sequence[Path] = ()) -> None:
    """Translate the pages of ``app`` into the language of each request.

    What catalogues in ``over`` (``<lang>/LC_MESSAGES/messages.mo``) say stands for our own.
    """
    folders = ";".join(map(str, (OWN, *over)))
    Babel(
        app,
        locale_selector=request_lang,
        default_locale="en",
        default_translation_directories=folders,
    )
    app.jinja_env.globals.update(
        lang=request_lang, langs=OWN_NAMES, direction=direction, plain=plain
    )


def request_lang() -> str:
    """The language of this request: its address, else the last one read, else the phone's."""
    if "lang" not in g:
        g.lang = _lang_of_request()
    return str(g.lang)


def _lang_of_request() -> str:
    last = request.cookies.get(LANG_COOKIE)
    for wish in (request.path.strip("/").split("/")[0], request.args.get("lang"), last):
        if wish in LANGS:
            return wish
    match = request.accept_languages.best_match((*LANGS, *_AMAZIGH), LANGS[0])
    return "zgh" if match in _AMAZIGH else str(match)


def language_in_path(blueprint: Blueprint) -> None:
    """Let the views of a blueprint under ``/<lang>/…`` neither take nor give the language."""

    @blueprint.url_value_preprocessor
    def take(_endpoint: str | None, values: dict[str, str] | None) -> None:
        # ``request_lang`` reads it from the path; no page needs it twice.
        (values or {}).pop("lang", None)

    @blueprint.url_defaults
    def add(_endpoint: str, values: dict[str, str]) -> None:
        values.setdefault("lang", request_lang())


def direction(lang: str) -> str:
    """``rtl`` or ``ltr``."""
    return "rtl" if lang in RTL else "ltr"


def plain(message: str, **values: object) -> str:
    """A translated text without markup, for attributes, titles and JSON."""
    text = without_markup(gettext(message))
    return text % values if values else text


def without_markup(text: str) -> str:
    """``text`` without the span of a sentence borrowed from another language."""
    return Markup(text).striptags()


def spoken(text: Localised) -> Markup:
    """A text of the advice, marked with its language where that is not the page's."""
    if text.lang == request_lang():
        return Markup("{}").format(text.text)
    return Markup('<span lang="{0}" dir="{1}">{2}</span>').format(
        text.lang, direction(text.lang), text.text
    )
