"""The four languages of the pages, and what to read when a text is missing in one of them."""

from __future__ import annotations

LANGS = ("ar", "fr", "zgh", "en")
RTL = frozenset({"ar"})
_SCRIPTS = {"ar": range(0x0600, 0x0700), "zgh": range(0x2D30, 0x2D80)}

# A speaker of Amazigh who meets a gap most often reads Arabic, then French.
FALLBACK = {
    "ar": ("ar", "fr", "en"),
    "fr": ("fr", "en", "ar"),
    "zgh": ("zgh", "ar", "fr", "en"),
    "en": ("en", "fr", "ar"),
}


def language_of(text: str) -> str:
    """The language a short text that people wrote is shown in: by its letters, else French."""
    for lang, letters in _SCRIPTS.items():
        if any(ord(letter) in letters for letter in text):
            return lang
    return "fr"
