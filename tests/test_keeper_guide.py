"""The keeper's one page: one page, as its text says, naming what the pages are really called."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from deploy.guide import KEEPER, page
from edge_app import webassets

SAID: dict[str, Any] = tomllib.loads((KEEPER / "guide.toml").read_text(encoding="utf-8"))
# Quoted, but what a telephone says.
_ELSEWHERE = {"pas d'internet", "لا يوجد إنترنت"}


@pytest.mark.parametrize("lang", SAID)
def test_pages_are_called_as_they_are(lang: str) -> None:
    catalogue = webassets.read_catalogue(lang)
    known = {message.string for message in catalogue if isinstance(message.string, str)}
    texts = " ".join(step["text"] for step in SAID[lang]["steps"])
    quoted = set(re.findall(r"[«]\s?([^»]+?)\s?[»]", texts)) - _ELSEWHERE
    assert len(quoted) >= 4
    assert quoted <= known


@pytest.mark.parametrize("lang", SAID)
def test_both_languages_have_the_same_steps_with_pictures(lang: str) -> None:
    steps = SAID[lang]["steps"]
    assert [each["picture"] for each in steps] == [each["picture"] for each in SAID["fr"]["steps"]]
    assert page(lang, SAID[lang]).count("<svg") == len(steps) + 1


@pytest.mark.parametrize("lang", SAID)
def test_the_printed_page_is_one_and_says_what_its_text_says(lang: str) -> None:
    pdf: Path = KEEPER / f"guide-{lang}.pdf"
    told = subprocess.run(["pdfinfo", str(pdf)], capture_output=True, text=True, check=True).stdout
    assert re.search(r"Pages:\s+1\n", told)
    assert "A4" in told
    text = subprocess.run(["pdftotext", str(pdf), "-"], capture_output=True, text=True, check=True)
    words = bare(text.stdout)
    if lang == "fr":  # Arabic comes out of a PDF in the order in which it was drawn
        for step in SAID[lang]["steps"]:
            assert bare(step["text"]) in words
    assert "http://ghalla.local" in words


def bare(text: str) -> str:
    """Without blanks and hyphens: where a line ends is not what is said."""
    return re.sub(r"[\s\u2011-]", "", text)
