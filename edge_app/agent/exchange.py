"""The file that a tablet writes when its storage is at risk, read line by line.

JSON Lines: ``{"ghalla": "tablet-export", "version": 1}``, then ``{"photo": sha256, "jpeg":
base64}`` and ``{"event": {…}}`` in any number, photos before the events that show them.  A file
that was cut off gives what is whole in it, and any piece of it that starts at a line can be read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, BinaryIO

from edge_app.agent.drafts import draft_of
from edge_app.agent.intake import MAX_PHOTO_BYTES, receipt_json, take_event, take_photo
from edge_app.agent.strict_json import parse
from edge_app.ground import Ground
from edge_app.vocabulary import CardVocabulary
from field_data.errors import PersonError
from field_data.people import Person

FORMAT, VERSION = "tablet-export", 1
_MAX_PHOTO_LINE = MAX_PHOTO_BYTES * 4 // 3 + 256
# More is no damaged file but one of another kind; each line would cost room for its answer.
_TIMES_IN_VAIN, _MOST_REFUSED = 50, 5000
_NOTHING_IN_IT = frozenset({"bad_json", "not_an_export"})

Item = dict[str, Any]


def take_file(
    ground: Ground, person: Person, file: BinaryIO, words: CardVocabulary
) -> Iterator[Item]:
    """Keep what is in an export file; one item a line, in order, each durable when it comes.

    ``{"event" | "photo": name, "ok": True, "replayed": bool, …}``, or ``"ok": False`` with
    ``code`` and ``problems``.  Reading the same file again changes nothing.

    Raises:
        PersonError: ``not_an_export`` when too much of it is not understood.
        KeeperError: ``disk_full``; what came before is kept.
    """
    in_vain, refused, empty = 0, 0, True
    for line in filter(None, _lines(file)):
        item, empty = _take_line(ground, person, line, words), False
        if item is not None:
            refused += not item["ok"]
            in_vain += item.get("code") in _NOTHING_IN_IT
            if in_vain > _TIMES_IN_VAIN or refused > _MOST_REFUSED:
                raise PersonError("not_an_export", "this file does not come from a tablet")
            yield item
    if empty:
        raise PersonError("not_an_export", "this file is empty")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines; one that is longer than a photo can be comes cut, and the rest of it is gone."""
    while line := file.readline(_MAX_PHOTO_LINE):
        if not line.endswith(b"\n") and len(line) == _MAX_PHOTO_LINE:
            while (rest := file.readline(_MAX_PHOTO_LINE)) and not rest.endswith(b"\n"):
                pass
        yield line.strip()


def _take_line(ground: Ground, person: Person, line: bytes, words: CardVocabulary) -> Item | None:
    name: Item = {}
    try:
        said = parse(line)
        if not isinstance(said, dict):
            raise PersonError("not_an_export", "a line that is no object")
        if "ghalla" in said:
            _known_format(said)
            return None
        name = _named(said)
        return {**name, "ok": True, **_take(ground, person, said, words)}
    except PersonError as error:
        problems = error.details.get("problems", [])
        return {**name, "ok": False, "code": error.code, "problems": problems}


def _known_format(said: Item) -> None:
    if said.get("ghalla") != FORMAT or said.get("version") != VERSION:
        raise PersonError("not_an_export", "a file of another format or version")


def _named(said: Item) -> Item:
    """What the line is about, as far as it says: for the answer only."""
    if "photo" in said:
        return {"photo": str(said["photo"])[:64]}
    event = said.get("event")
    return {"event": str(event.get("id", ""))[:26]} if isinstance(event, dict) else {}


def _take(ground: Ground, person: Person, said: Item, words: CardVocabulary) -> Item:
    if said.keys() == {"photo", "jpeg"}:
        new = take_photo(ground, str(said["photo"]), _decoded(said["jpeg"]))
        return {"replayed": not new}
    if said.keys() == {"event"}:
        kept = take_event(ground, person, draft_of(said["event"]), words)
        return receipt_json(ground, kept)
    raise PersonError("not_an_export", "a line that is neither photo nor event")


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise PersonError("photo_damaged", "not a photo in base64") from error
