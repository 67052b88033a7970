"""Everything that is kept about a person, in one ZIP: to read, and for programs."""

from __future__ import annotations

import gettext
import json
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from edge_app.access.words import KINDS, ROLES
from edge_app.ground import Ground
from edge_app.languages import RTL
from field_data.belongings import Belongings
from field_data.clock import now
from field_data.diagnoses import DiagnosisLog, to_json
from field_data.errors import PersonError
from field_data.events import Event
from field_data.people import Person
from field_data.types import Instant, Trust

_HERE = Path(__file__).parent
# A ZIP above this waits in a file.
_IN_MEMORY_BYTES = 1024 * 1024


def person_zip(ground: Ground, id: str, answers: Sequence[str] = ()) -> IO[bytes]:
    """``data.json``, ``photos/*.jpg`` and ``index.html`` in the person's language, from the start.

    ``answers`` are ids of diagnoses that the person shows to be theirs.  The secret and what the
    log of others says are not in it.

    Raises:
        PersonError: ``unknown_person``.
    """
    person = ground.people.get(id)
    if person is None or not person.name:
        raise PersonError("unknown_person", f"nobody here has the id {id}", id=id)
    found = ground.privacy.belongings(id)
    data = {**_data(ground, person, found), "answers": _answers(ground, answers)}
    photos = sorted(found.photos | {p for a in data["answers"] for p in _photos_of(a)})
    with ExitStack() as unfinished:
        out = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 (handed on)
        unfinished.callback(out.close)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
            kept = [sha256 for sha256 in photos if _add_photo(file, ground, sha256)]
            file.writestr("data.json", json.dumps(data, ensure_ascii=False, indent=1))
            file.writestr("index.html", _summary(person, found, data, frozenset(kept)))
        out.seek(0)
        unfinished.pop_all()
    return out


def _add_photo(file: zipfile.ZipFile, ground: Ground, sha256: str) -> bool:
    jpeg = ground.photos.get(sha256)
    if jpeg is not None:
        file.writestr(zipfile.ZipInfo(f"photos/{sha256}.jpg"), jpeg)  # a JPEG is packed already
    return jpeg is not None


def _data(ground: Ground, person: Person, found: Belongings) -> dict[str, Any]:
    return {
        "made": asdict(now()),
        "node": ground.node,
        "person": {**asdict(person), "code": person.code},
        "about": [asdict(event) for event in found.about],
        "recorded": [asdict(event) for event in found.authored],
        "sessions": [
            {
                "device": each.device,
                "started": asdict(each.started.at),
                "seen": asdict(each.seen.at),
            }
            for each in ground.gate.sessions.of(person.id)
        ],
        "forecasts": [
            {**asdict(each.forecast), "as_of": each.forecast.as_of.isoformat()}
            for subject in sorted(found.subjects)
            for each in ground.forecasts.log.of(subject)
        ],
        "audit": [asdict(entry) for entry in ground.audit.about(person.id)],
    }


def _answers(ground: Ground, ids: Iterable[str]) -> list[dict[str, Any]]:
    log = DiagnosisLog(ground.store, ground.photos)
    return [to_json(each) for each in map(log.get, ids) if each is not None]


def _photos_of(answer: dict[str, Any]) -> list[str]:
    return [photo["sha256"] for photo in answer["photos"] if photo["sha256"]]


def _summary(person: Person, found: Belongings, data: dict[str, Any], kept: frozenset[str]) -> str:
    words = gettext.translation("messages", _HERE / "translations", [person.lang], fallback=True)
    say = partial(_say, words)
    pages = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True)
    pages.globals.update(_=say, lang=person.lang, dir="rtl" if person.lang in RTL else "ltr")
    pages.filters.update(day=_day, lines=_lines)
    return pages.get_template("person_export.html").render(
        person=person,
        role=say(ROLES[person.role]),
        kinds={kind: say(name) for kind, name in KINDS.items()},
        found=found,
        data=data,
        kept=kept,
    )


def _say(words: gettext.NullTranslations, text: str) -> str:
    return Markup(words.gettext(text)).striptags()  # noqa: S704 (our own texts)


def _day(at: Instant) -> str:
    if at.trust is Trust.UNKNOWN:
        return ""
    return datetime.fromtimestamp(at.utc_s, UTC).strftime("%d/%m/%Y %H:%M UTC")


def _lines(event: Event) -> list[tuple[str, str]]:
    """The body of an event, flat: what is inside something is ``outer.inner``."""
    return list(_flat("", event.body))


def _flat(path: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}" if path else str(key), inner)
    elif value is not None:
        yield path, json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
