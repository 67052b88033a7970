"""``ghalla hub export`` and ``import``: what the hub has, as files, and all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import JSON, guarded
from edge_app.cli_hub import BLOBS, DATABASE, hub, opened
from field_data.errors import PersonError

if TYPE_CHECKING:
    from sync.hub.app import Hub
    from sync.hub.export_query import Wish

_WHAT = ("observations", "reviews", "yields", "fields", "photos")
_FORMATS = ("csv", "geojson", "gpkg", "geoparquet", "coco")
_FILE = click.Path(path_type=Path)


@hub.command()
@DATABASE
@BLOBS
@click.option("--what", type=click.Choice(_WHAT))
@click.option("--format", "kind", type=click.Choice(_FORMATS), default="csv", show_default=True)
@click.option("-o", "--out", type=_FILE, help="File; of coco a folder.")
@click.option("--since", help="Recorded from this day or moment on (2026-05-01).")
@click.option("--until", help="Recorded until the end of this day, or this moment.")
@click.option("--organisation", help="Of the nodes.")
@click.option("--region", help="Of the nodes.")
@click.option("--form", help="Observations of this form, with its questions as columns.")
@click.option(
    "--cursor-file",
    type=_FILE,
    help="Only what came, changed or went since the export that wrote this file.",
)
@click.option(
    "--all",
    "everything",
    type=_FILE,
    metavar="DIR",
    help="Everything that the hub has, in open formats: the way out.",
)
@JSON
def export(
    database: str, blobs: str, what: str | None, kind: str, out: Path | None,
    cursor_file: Path | None, everything: Path | None, as_json: bool, **said: str | None,
) -> None:  # fmt: skip
    """Write what the hub has into a file, with a dictionary of its columns beside it."""

    def action() -> None:
        if (everything is None) == (what is None or out is None):
            raise click.UsageError("say --what and -o, or --all DIR")
        parts = opened(database, blobs)
        try:
            if everything is not None:
                from sync.hub.export_all import write_all

                _tell(as_json, {"out": str(everything), **write_all(parts, everything)})
            elif what is not None and out is not None:
                _tell(as_json, _export(parts, what, kind, out, cursor_file, said))
        finally:
            parts.database.close()

    guarded(as_json, action)


def _export(
    parts: Hub,
    what: str,
    kind: str,
    out: Path,
    cursor_file: Path | None,
    said: Mapping[str, str | None],
) -> dict[str, Any]:
    from field_data.files import write_atomic
    from sync.hub.export import FORMATS, write_export
    from sync.hub.export_tables import about
    from sync.hub.people import People
    from sync.hub.people_grants import EVERYTHING

    wish = _wish(what, kind, cursor_file, {k: v for k, v in said.items() if v})
    rows, last = write_export(parts, wish, EVERYTHING, FORMATS[kind], out)
    People(parts.database).note("", "export", {"what": what, "format": kind})
    told = {"out": str(out), "rows": rows}
    if out.is_file():
        beside = out.with_name(f"{out.name}.dictionary.json")
        write_atomic(beside, json.dumps(about(wish), ensure_ascii=False, indent=1).encode())
        told["dictionary"] = str(beside)
    # After the export is durable: what was not written is not skipped the next time.
    if cursor_file is not None and last is not None:
        write_atomic(cursor_file, last.text(wish.what).encode())
    return told


def _wish(what: str, kind: str, cursor_file: Path | None, said: dict[str, str]) -> Wish:
    from sync.hub.export_query import What, filters, wish_of

    table = What(what)
    if strange := sorted(said.keys() - {"since", "until", *filters(table)}):
        raise PersonError("bad_parameter", f"{what} cannot be asked for by {', '.join(strange)}")
    if cursor_file is None:
        return wish_of(table, said)
    if kind == "coco" or said.keys() & {"form", "since", "until"}:
        raise PersonError("bad_parameter", "a cursor goes with no form, no dates and not with coco")
    if cursor_file.exists():
        said = said | {"after": cursor_file.read_text(encoding="utf-8").strip()}
    return wish_of(table, said, changes=True)


@hub.command("import")
@DATABASE
@BLOBS
@click.argument("folder", type=_FILE)
@JSON
def import_all(database: str, blobs: str, folder: Path, as_json: bool) -> None:
    """Read what `export --all` wrote into this empty hub; people need new passwords here."""

    def action() -> None:
        parts = opened(database, blobs)
        from sync.hub.export_all import read_all

        try:
            _tell(as_json, read_all(parts, folder))
        finally:
            parts.database.close()

    guarded(as_json, action)


def _tell(as_json: bool, said: Mapping[str, Any]) -> None:
    if as_json:
        click.echo(json.dumps(said, ensure_ascii=False))
    else:
        click.echo("  ".join(f"{key} {value}" for key, value in said.items()))
