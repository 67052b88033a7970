"""Takes out of a text what is nobody's business: secrets, links, numbers of phones, places, names.

For lines of a log and for what goes into a support file.  It would rather take too much.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

GONE = "[gone]"
# A name of fewer letters is a word of many lines.
_SHORTEST_NAME = 3

_PATTERNS = (
    # What stands after a word that announces a secret: code=…, "pin": …, passphrase is ….
    re.compile(
        r"(?i)((?:pass(?:word|phrase)?|secret|pin|psk|token|csrf|cookie|ssid|authorization|"
        r"bearer|code(?==))[\"']?\s*(?:[=:]|\bis\b)\s*)(\"[^\"]*\"|'[^']*'|[^\s&;,\"']+)"
    ),
    # What comes after a ? in an address.
    re.compile(r"()(?<=[\w/])\?\S+"),
    # E-mail.
    re.compile(r"()[\w.+-]+@[\w-]+\.[\w.-]+"),
    # Addresses of phones on the Wi-Fi.
    re.compile(r"()\b(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\b"),
    re.compile(r"()\b(?!127\.|0\.0\.0\.0)(?:\d{1,3}\.){3}\d{1,3}\b"),
    # An id, a token, a hash: long, of letters and digits together, or of one base32 alphabet.
    re.compile(r"()(?<![\w/.-])(?=[\w-]*\d)[A-Za-z0-9_-]{16,}(?![\w.])"),
    re.compile(r"()(?<=/)(?=[\w-]*\d)[A-Za-z0-9_-]{16,}"),
    re.compile(r"()\b[a-z2-7]{26}\b"),
    # Degrees with three digits or more: nearer than a hundred metres.
    re.compile(r"()(?<![\w.])[-+]?\d{1,3}\.\d{3,}(?![\w.])"),
    # Eight digits and more in one run or with the usual marks between: a number of a phone.
    re.compile(r"()(?<![\w.:-])(?!\d{4}-\d\d-\d\d)\+?\d(?:[\s().-]?\d){7,}(?![\w:])"),
)


def scrub(text: str, names: Iterable[str] = ()) -> str:
    """The text without secrets, and without ``names`` (of people, farms, networks …)."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{GONE}", text)
    known = sorted({name for name in names if len(name) >= _SHORTEST_NAME}, key=len, reverse=True)
    if not known:
        return text
    return re.sub("|".join(map(re.escape, known)), GONE, text, flags=re.IGNORECASE)


class Scrubbed(logging.Formatter):
    """A formatter whose lines, tracebacks too, are scrubbed."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return scrub(super().format(record))
