"""The exit plan: everything that a hub has, in open formats, and back into an empty hub.

Tables are JSON Lines (one object a row; bytes in base64), photos are files, the exports that people
use are CSV and GeoParquet, and ``SHA256SUMS`` names every file.  Secrets stay: the hub's key,
passwords, tokens, codes.  A person who is brought in gets a new password there.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import LargeBinary, Table, func, insert, select

from field_data.errors import PersonError
from field_data.files import make_folder, replacing, write_atomic
from sync.hub.app import Hub
from sync.hub.bundle_tables import BUNDLES
from sync.hub.database import Database
from sync.hub.export import FORMATS, write_export
from sync.hub.export_query import What, Wish
from sync.hub.export_tables import about
from sync.hub.people_grants import EVERYTHING
from sync.hub.people_tables import PEOPLE
from sync.hub.photos import blob_name
from sync.hub.tables import METADATA, NODES, PHOTOS

# What is not written out: secrets, and what is on its way or only of use to this very hub.
# Bundles are with their publishers, who offer them at another hub again.
LEFT = frozenset(
    {
        "hub",
        "enrolments",
        "hub_tokens",
        "hub_ended_sessions",
        "hub_pauses",
        "photo_parts",
        "doomed",
        BUNDLES.name,
    }
)
_HIDDEN: Mapping[Table, frozenset[str]] = {PEOPLE: frozenset({"secret"})}
_SUMS = "SHA256SUMS"
_FORM = "ghalla hub export 1"
_AT_ONCE = 2000
_LONGEST_LINE = 8 << 20
_README = """# Everything of a Ghalla hub

Written by `ghalla hub export --all`. Nothing here needs Ghalla to be read.

- `tables/*.jsonl`: every table of the hub, one JSON object a line. Bytes are base64. Times are
  seconds since 1970-01-01 UTC. `events` holds what nodes sent, corrected (`superseded`) and erased
  (`rev` 255, empty) records among it.
- `photos/<node>/<sha256>`: the photos, AVIF or JPEG, named by the SHA-256 of their bytes;
  `tables/photos.jsonl` says which photo of which node each one is.
- `exports/`: the standing records as people use them, CSV and GeoParquet, each with a
  `*.dictionary.json` that explains its columns, its licence and the consent it rests on.
- `SHA256SUMS`: of all files; check with `sha256sum -c SHA256SUMS`.

Not here: the hub's signing key, passwords, tokens, enrolment codes, and the bundles for nodes,
which their publishers offer again. Nodes that are to send to another hub enrol there again.
`ghalla hub import DIR` reads this folder into an empty hub.
"""


def tables() -> list[Table]:
    """The tables that are written out and read in, in a fixed order."""
    return [table for table in METADATA.sorted_tables if table.name not in LEFT]


def write_all(hub: Hub, out: Path) -> dict[str, int]:
    """Write everything into an empty folder; rows by table, and ``photos`` as files.

    Raises:
        PersonError: ``folder_in_use``.
        KeeperError: ``disk_full``.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PersonError("folder_in_use", f"{out} is not an empty folder")
    for folder in (out, out / "tables", out / "exports", out / "photos"):
        make_folder(folder)
    write_atomic(out / "README.md", _README.encode())
    done = {table.name: _write_table(hub.database, table, out) for table in tables()}
    done["photo_files"] = _write_photos(hub, out)
    for what in What:
        _write_exports(hub, what, out / "exports")
    write_atomic(out / "about.json", json.dumps({"form": _FORM, "rows": done}, indent=1).encode())
    # Last: without it the export is not whole.
    lines = [f"{_digest(out / name)}  {name}\n" for name in _names(out)]
    write_atomic(out / _SUMS, "".join(lines).encode())
    return done


def _names(out: Path) -> list[str]:
    files = (path for path in out.rglob("*") if path.is_file() and path.name != _SUMS)
    return sorted(str(path.relative_to(out)) for path in files)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_table(database: Database, table: Table, out: Path) -> int:
    hidden = _HIDDEN.get(table, frozenset())
    columns = [column for column in table.c if column.name not in hidden]
    rows = 0
    asked = select(*columns).order_by(*table.primary_key)
    if table is PHOTOS:
        asked = asked.where(PHOTOS.c.whole_s.isnot(None))
    with database.reading() as db, replacing(out / "tables" / f"{table.name}.jsonl") as file:
        streamed = db.execution_options(stream_results=True, yield_per=_AT_ONCE)
        for row in streamed.execute(asked).mappings():
            plain = {key: _plain(value) for key, value in row.items()}
            file.write(json.dumps(plain, ensure_ascii=False).encode() + b"\n")
            rows += 1
    return rows


def _plain(value: Any) -> Any:
    is_bytes = isinstance(value, bytes | memoryview)
    return base64.b64encode(value).decode() if is_bytes else value


def _write_photos(hub: Hub, out: Path) -> int:
    asked = select(PHOTOS.c.node, PHOTOS.c.sha256).where(PHOTOS.c.whole_s.isnot(None))
    with hub.database.reading() as db:
        listed = db.execute(asked).all()
    done = 0
    for node, sha256 in listed:
        data = hub.blobs.get(blob_name(node, sha256))
        if data is not None:
            make_folder(out / "photos" / node)
            write_atomic(out / "photos" / node / sha256, data)
            done += 1
    return done


def _write_exports(hub: Hub, what: What, out: Path) -> None:
    wish = Wish(what)
    for name in ("csv", "geoparquet"):
        kind = FORMATS[name]
        write_export(hub, wish, EVERYTHING, kind, out / f"{what}.{kind.ending}")
    text = json.dumps(about(wish), ensure_ascii=False, indent=1)
    write_atomic(out / f"{what}.dictionary.json", text.encode())


# --- back -----------------------------------------------------------------------------------


def read_all(hub: Hub, folder: Path) -> dict[str, int]:
    """Read what `write_all` wrote into an empty hub: all of it, or nothing but photos.

    Raises:
        PersonError: ``bad_export``: not such a folder, a file that is missing, added or changed;
            ``hub_not_empty``.
    """
    _check(folder)
    done = {}
    with hub.database.reading() as db:
        if any(db.execute(select(func.count()).select_from(t)).scalar() for t in (NODES, PEOPLE)):
            raise PersonError("hub_not_empty", "this hub has nodes or people already")
    done["photo_files"] = _read_photos(hub, folder)
    with hub.database.writing() as db:
        for table in tables():
            done[table.name] = 0
            # What a new hub begins with (its counter of arrivals, what its log says of us).
            db.execute(table.delete())
            for rows in _pieces(_lines(folder / "tables" / f"{table.name}.jsonl", table)):
                db.execute(insert(table), rows)
                done[table.name] += len(rows)
        if hub.database.postgresql:
            _catch_up(db)
    return done


def _check(folder: Path) -> None:
    """Every file that is named is there and as it was, and no other."""
    try:
        said = json.loads((folder / "about.json").read_bytes())
        lines = (folder / _SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise PersonError("bad_export", f"{folder} is no whole export of a hub") from error
    if not isinstance(said, dict) or said.get("form") != _FORM:
        raise PersonError("bad_export", f"{folder} is of another version")
    named = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if sorted(named) != _names(folder):
        raise PersonError("bad_export", f"{folder}: files are missing, or were added")
    changed = [name for name, digest in named.items() if _digest(folder / name) != digest]
    if changed:
        raise PersonError("bad_export", f"{len(changed)} files have changed: {changed[0]}")


def _lines(path: Path, table: Table) -> Iterator[dict[str, Any]]:
    """The rows of a table; bytes are bytes again."""
    known = {column.name: isinstance(column.type, LargeBinary) for column in table.c}
    try:
        with path.open("rb") as file:
            while line := file.readline(_LONGEST_LINE):
                row = json.loads(line)
                yield {key: base64.b64decode(value) if known[key] and value is not None else value
                       for key, value in row.items()}  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PersonError("bad_export", f"{path.name} is not of this version") from error


def _pieces(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    piece: list[dict[str, Any]] = []
    for row in rows:
        piece.append(row)
        if len(piece) == _AT_ONCE:
            yield piece
            piece = []
    if piece:
        yield piece


def _read_photos(hub: Hub, folder: Path) -> int:
    done = 0
    for path in sorted((folder / "photos").glob("*/*")):
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != path.name:
            raise PersonError("bad_export", f"{path.name} is another photo")
        hub.blobs.put(blob_name(path.parent.name, path.name), data)
        done += 1
    return done


def _catch_up(db: Any) -> None:
    """PostgreSQL's counters go on after the highest number that was brought in."""
    for table in tables():
        key = table.autoincrement_column
        if key is not None and key.name == "id":
            top = db.execute(select(func.max(key))).scalar()
            if top:
                db.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), top)))
