"""A support file: what somebody far away needs to help this box, and nothing of anybody.

What is put in is chosen one by one, never a folder; every text is scrubbed beside, of what looks
like a secret, a number or a place and of all names that the box knows.
"""

from __future__ import annotations

import http.client
import io
import json
import platform
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_app.appliance.layout import Layout
from edge_app.scrub import scrub
from edge_app.seam import Part
from edge_app.settings import Settings, read_settings
from field_data.document_store import DocumentStore
from field_data.errors import GhallaError, KeeperError
from field_data.events import EventLog, Kind
from field_data.people import TABLE as PEOPLE
from field_data.photos import PhotoStore
from field_data.schema import open_store

if TYPE_CHECKING:
    from edge_app.node import FarmNode

# Words in the settings that say nothing of anybody.
_SHOWN = frozenset({"hub_hours"})
_LINES = 300
_WAIT_S = 10
_MOST_BYTES = 1_000_000
# Of a name each word; shorter ones are too many.
_SHORTEST_WORD = 4
_ABOUT = """\
What is in this file: versions, the health of each part, figures, settings without secrets, the
last lines of the log, and the list of packages.  Names, numbers of phones, places, photos,
answers, links and passwords are not in it.
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What goes in, before it is scrubbed; ``names`` is None where nobody can tell which to hide.

    Then the words of the log stay out.
    """

    parts: Sequence[Part]
    settings: Settings
    metrics: str
    log: Sequence[str]
    names: Iterable[str] | None


def support_file(told: Told) -> bytes:
    """The ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _contents(told):
            # One time for all: a clock may lie before ZIP's first year.
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text)
    return out.getvalue()


def _contents(told: Told) -> Iterator[tuple[str, str]]:
    names = list(told.names or ())
    parts = [asdict(part) | {"detail": scrub(part.detail, names)} for part in told.parts]
    lines = told.log if told.names is not None else [line.split(": ")[0] for line in told.log]
    yield "about.txt", _ABOUT
    yield "versions.json", _json(versions())
    yield "health.json", _json(parts)
    yield "metrics.txt", told.metrics
    yield "settings.json", _json(shown_settings(told.settings))
    yield "log.txt", scrub("\n".join(lines), names) + "\n"
    yield "packages.txt", "\n".join(packages()) + "\n"


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def versions() -> dict[str, str]:
    """Of the software under ours; ours is among the packages."""
    return {
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "system": platform.release(),
        "libc": " ".join(platform.libc_ver()),
    }


def packages() -> list[str]:
    """Every installed package with its version."""
    return sorted({f"{each.name}=={each.version}" for each in distributions()}, key=str.lower)


def shown_settings(settings: Settings) -> dict[str, object]:
    """Numbers as they are; of words only whether they were set."""
    said = {each.name: getattr(settings, each.name) for each in fields(settings)}
    return {
        name: value if isinstance(value, int) or name in _SHOWN else ("set" if value else "")
        for name, value in said.items()
    }


def told_by(node: FarmNode) -> Told:
    """What a running node tells."""
    from edge_app.metrics import node_metrics, rendered

    return Told(
        parts=node.health(),
        settings=node.settings,
        metrics=rendered(node_metrics(node)),
        log=node.logbook.lines,
        names=names_in(node.ground.store, node.home),
    )


def told_of(home: Path, layout: Layout | None = None) -> Told:
    """What a home and its box tell, beside a node that may be running or not.

    Raises:
        KeeperError: ``no_home``, ``bad_settings``.
    """
    from edge_app.health import STORE, check_home

    parts, settings = check_home(home), read_settings(home)
    names: list[str] | None = None
    with suppress(GhallaError), open_store(home / STORE, set_aside=False) as store:
        names = names_in(store, home, layout)
    return Told(parts, settings, _scraped(settings.port), _journal(), names)


def names_in(store: DocumentStore, home: Path, layout: Layout | None = None) -> list[str]:
    """Every name that the box knows: of people, farms, fields, what was taught, and its Wi-Fi.

    Of people also each word of their names.
    """
    events = EventLog(store, "", PhotoStore(home / "photos"))
    land = [event for kind in (Kind.FARM, Kind.FIELD) for event in events.of_kind(kind)]
    named = [event.body.get(key) for event in land for key in ("name", "commune")]
    named += [row.get("name") for row in store.table("local_sets")]
    people = [str(row.get("name") or "") for row in store.table(PEOPLE)]
    words = [word for name in people for word in name.split() if len(word) >= _SHORTEST_WORD]
    network = [str(each) for each in _box_settings(layout or Layout())]
    return [*people, *words, *network, *(str(name) for name in named if name)]


def _box_settings(layout: Layout) -> Iterator[Any]:
    """Words in the box's settings, at any depth but two-letter codes; none where it has none."""
    try:
        kept = tomllib.loads(layout.settings.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    todo: list[Any] = [kept]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            todo += each.values()
        elif isinstance(each, list):
            todo += each
        elif isinstance(each, str):
            yield each


def _scraped(port: int) -> str:
    """The figures of the node that serves here; empty when none does."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=_WAIT_S)
    try:
        line.request("GET", "/metrics")
        answer = line.getresponse()
        return answer.read(_MOST_BYTES).decode() if answer.status == 200 else ""
    except (OSError, ValueError, http.client.HTTPException):
        return ""
    finally:
        line.close()


def _journal() -> list[str]:
    """The last lines of the unit; none where there is no journal or no right to read it."""
    asked = ["journalctl", "--unit=ghalla", f"--lines={_LINES}", "--output=cat", "--no-pager", "-q"]
    try:
        said = subprocess.run(  # noqa: S603 - words of our own
            asked, capture_output=True, text=True, errors="replace", timeout=_WAIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return said.stdout.splitlines()


def write_support(home: Path, out: Path) -> int:
    """Write the support file of ``home``; its bytes.

    Raises:
        KeeperError: ``no_home``, ``bad_settings``, ``disk_full``.
        OSError: it cannot be written there.
    """
    from field_data.files import write_atomic

    data = support_file(told_of(home))
    if not out.absolute().parent.is_dir():
        raise KeeperError("no_folder", f"there is no folder {out.absolute().parent}")
    write_atomic(out, data)
    return len(data)
