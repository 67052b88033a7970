"""The four languages of the pages, and what to read when a text is missing in one of them."""

from __future__ import annotations

LANGS = ("ar", "fr", "zgh", "en")
RTL = frozenset({"ar"})

# A speaker of Amazigh who meets a gap most often reads Arabic, then French.
FALLBACK = {
    "ar": ("ar", "fr", "en"),
    "fr": ("fr", "en", "ar"),
    "zgh": ("zgh", "ar", "fr", "en"),
    "en": ("en", "fr", "ar"),
}
