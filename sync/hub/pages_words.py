"""The languages of the hub's pages."""

from __future__ import annotations

from flask import Flask, Response, g, request
from flask_babel import Babel, gettext

OWN_NAMES = {"ar": "العربية", "fr": "Français", "en": "English"}
_COOKIE = "ghalla_hub_lang"
_YEAR_S = 365 * 86_400


def init_words(app: Flask) -> None:
    """Translate the pages of ``app`` into the language of each request."""
    Babel(app, locale_selector=request_lang, default_locale="en")
    app.jinja_env.globals.update(lang=request_lang, langs=OWN_NAMES)
    app.after_request(_remember)


def request_lang() -> str:
    """What the address asks for, else what was asked for last, else the browser's."""
    if "lang" not in g:
        wishes = (request.args.get("lang"), request.cookies.get(_COOKIE))
        chosen = next((wish for wish in wishes if wish in OWN_NAMES), None)
        g.lang = chosen or request.accept_languages.best_match([*OWN_NAMES]) or "ar"
    return str(g.lang)


def _remember(response: Response) -> Response:
    wish = request.args.get("lang")
    if wish in OWN_NAMES:
        response.set_cookie(_COOKIE, wish, max_age=_YEAR_S, samesite="Lax", httponly=True)
    return response


def table_names() -> dict[str, str]:
    """What the tables are called."""
    return {
        "observations": gettext("Observations"),
        "reviews": gettext("Reviews"),
        "yields": gettext("Yields"),
        "fields": gettext("Fields"),
        "photos": gettext("Photos"),
    }


def count_names() -> dict[str, str]:
    """What the counts of the overview are by."""
    return {
        "node": gettext("By node"),
        "form": gettext("By form"),
        "crop": gettext("By crop"),
        "condition": gettext("By condition"),
    }
