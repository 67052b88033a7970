"""Which letters the bytes of an old table mean: UTF-8, Western or Arabic Windows."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

_DIGITS = re.compile(r"\d+")
_DECLARED = {
    "65001": "utf-8",
    "8": "utf-8",
    "1252": "cp1252",
    "1256": "cp1256",
    "88591": "latin-1",
    "88596": "iso8859-6",
    "720": "cp720",
    "850": "cp850",
}
_ARABIC = "[\u0600-\u06ff]"
# Arabic and Latin letters in one word: the wrong page.
_MIXED = re.compile(f"{_ARABIC}[A-Za-z]|[A-Za-z]{_ARABIC}")


def code_page(texts: Sequence[bytes], cpg: bytes | None = None) -> str:
    """The encoding of a table's texts: declared in ``.cpg``, else judged.

    French accents in small letters have the same bytes in Windows-1252 and -1256.  What tells the
    pages apart are words: read as Arabic, "École" begins with an Arabic letter, which no word does.
    """
    declared = "".join(_DIGITS.findall((cpg or b"")[:40].decode("ascii", "ignore")))
    if declared in _DECLARED:
        return _DECLARED[declared]
    if all(map(_is_utf8, texts)):
        return "utf-8"
    arabic = b"\n".join(texts).decode("cp1256")
    return "cp1256" if re.search(_ARABIC, arabic) and not _MIXED.search(arabic) else "cp1252"


def _is_utf8(text: bytes) -> bool:
    """Whether it is, perhaps cut in its last letter: columns have a width in bytes."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError:
        return False
    return True
