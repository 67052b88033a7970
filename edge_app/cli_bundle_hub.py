"""``ghalla bundle publish`` and ``rollout``: what a hub offers to nodes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import JSON, guarded
from field_data.errors import PersonError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sync.hub.blobs import Blobs
    from sync.hub.bundle_store import Published

_FILE = click.Path(path_type=Path, dir_okay=False)
_DATABASE = click.option("--database", envvar="GHALLA_HUB_DATABASE", help="The hub's database.")
_BLOBS = click.option("--blobs", envvar="GHALLA_HUB_BLOBS", help="Where the hub keeps photos.")


@contextmanager
def _opened(database: str | None, blobs: str | None) -> Iterator[tuple[Connection, Blobs]]:
    from sync.hub.blobs import Blobs as Opened
    from sync.hub.database import Database

    if not database or not blobs:
        raise click.UsageError("say --database and --blobs of the hub")
    here = Database(database)
    try:
        here.migrate()
        with here.writing() as connection:
            yield connection, Opened(blobs)
    finally:
        here.close()


@click.command()
@_DATABASE
@_BLOBS
@click.option("--share", type=click.IntRange(0, 100), default=10, show_default=True,
              help="Percent of the nodes that are offered it now.")  # fmt: skip
@click.option("--stick", type=click.Path(path_type=Path, file_okay=False),
              help="Put them on a USB stick instead (ghalla-down/bundles).")  # fmt: skip
@JSON
@click.argument("files", nargs=-1, required=True, type=_FILE)
def publish(
    database: str | None,
    blobs: str | None,
    share: int,
    stick: Path | None,
    as_json: bool,
    files: tuple[Path, ...],
) -> None:
    """Offer signed bundles (.ghb) to nodes, or give the hub newer roots (.json)."""

    def action() -> None:
        if stick is not None:
            _copy(files, stick, as_json)
            return
        from sync.hub.bundle_store import add_roots
        from sync.hub.bundle_store import publish as offer
        from sync.roots import read_chain

        with _opened(database, blobs) as (connection, store):
            for path in files:
                if path.suffix == ".json":
                    _say({"root": add_roots(connection, read_chain(path))}, as_json)
                else:
                    _say(_said(offer(connection, store, path, share)), as_json)

    guarded(as_json, action)


def _copy(files: tuple[Path, ...], stick: Path, as_json: bool) -> None:
    from field_data.files import make_folder, replacing

    folder = stick / "ghalla-down" / "bundles"
    make_folder(folder)
    for path in files:
        with path.open("rb") as source, replacing(folder / path.name) as out:
            shutil.copyfileobj(source, out)
        _say({"file": str(folder / path.name)}, as_json)


@click.command()
@_DATABASE
@_BLOBS
@click.option("--share", type=click.IntRange(0, 100), help="Raise the share of nodes to this.")
@click.option("--pause/--resume", default=None, help="Stop offering it, or go on.")
@JSON
@click.argument("sha256", required=False)
def rollout(
    database: str | None,
    blobs: str | None,
    share: int | None,
    pause: bool | None,
    as_json: bool,
    sha256: str | None,
) -> None:
    """List what the hub offers and what nodes report, or change one bundle's rollout."""

    def action() -> None:
        from sync.hub.bundle_store import published, set_rollout, tally

        if sha256 is None and (share is not None or pause is not None):
            raise PersonError("unknown_bundle", "say which bundle: its SHA-256")
        with _opened(database, blobs) as (connection, _):
            chosen = (
                published(connection)
                if sha256 is None
                else [set_rollout(connection, sha256, share, pause)]
            )
            for each in chosen:
                tried, bad = tally(connection, each.signed.id)
                _say(_said(each) | {"tried": tried, "failed": bad}, as_json)

    guarded(as_json, action)


def _said(each: Published) -> dict[str, Any]:
    manifest = each.signed.manifest
    return {
        "sha256": each.sha256,
        "kind": manifest.kind,
        "name": manifest.name,
        "version": manifest.version,
        "bytes": each.bytes,
        "share": each.share,
        "paused": each.paused,
        "why": each.paused_why,
    }


def _say(said: dict[str, Any], as_json: bool) -> None:
    words = "  ".join(f"{key} {value}" for key, value in said.items())
    click.echo(json.dumps(said) if as_json else words)
