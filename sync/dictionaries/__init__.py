"""Dictionaries: what both ends know beforehand, so that it need not travel.

Version ``N`` is ``N.zdict`` (a zstd dictionary) and ``N.json`` (layouts of forms, codes of crops
and conditions, how it was made).  A version is never changed and never removed: a segment on a
forgotten stick must open years later.  Version 0 is none, and every reader has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import zstandard

from field_data.errors import PublisherError
from sync.layouts import Codes, Layout, Question
from sync.types import Refusal

FOLDER = Path(__file__).parent
MOST_VERSIONS = 255


@dataclass(frozen=True, eq=False)
class Dictionary:
    """``zstd`` is the trained dictionary, empty for version 0."""

    version: int
    zstd: bytes
    layouts: tuple[Layout, ...]
    codes: Codes

    @cached_property
    def trained(self) -> zstandard.ZstdCompressionDict | None:
        """What zstd wants."""
        return zstandard.ZstdCompressionDict(self.zstd) if self.zstd else None


@cache
def versions() -> tuple[int, ...]:
    """What this software can read, newest first; 0 is always the last."""
    found = (int(path.stem) for path in FOLDER.glob("*.zdict"))
    return (*sorted(found, reverse=True), 0)


@cache
def dictionary(version: int) -> Dictionary:
    """The dictionary of that version.

    Raises:
        PublisherError: ``unknown_dictionary``.
    """
    if version not in versions():
        raise PublisherError(Refusal.UNKNOWN_DICTIONARY, f"no dictionary {version} here")
    if not version:
        return Dictionary(0, b"", (), codes_of(()))
    told = json.loads((FOLDER / f"{version}.json").read_bytes())
    zstd = (FOLDER / f"{version}.zdict").read_bytes()
    layouts = tuple(map(layout_of, told["layouts"]))
    return Dictionary(version, zstd, layouts, codes_of(told["codes"]))


def best(readable: Iterable[int]) -> Dictionary:
    """The newest that is here and among those that the other end says it can read."""
    return dictionary(max({0, *versions()} & {0, *readable}))


def codes_of(names: Iterable[str]) -> Codes:
    """Codes by place."""
    known = tuple(names)
    return Codes(known, {name: place for place, name in enumerate(known)})


def layout_of(told: dict[str, Any]) -> Layout:
    """A layout from ``{"form", "version", "questions": [[id, type, {key: wire}], …]}``."""
    questions = (Question(id, type, choices) for id, type, choices in told["questions"])
    return Layout(told["form"], told["version"], tuple(questions))
