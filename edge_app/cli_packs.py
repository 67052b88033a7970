"""``ghalla scenes pack`` and ``import``, and ``ghalla keys``: scenes that travel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from edge_app.cli_common import HOME, JSON, guarded, progress
from edge_app.cli_scenes import (
    BANDS,
    DATE,
    FIELDS,
    day_number,
    fields_of,
    pulled,
    scenes,
    wished,
)
from field_data.errors import NetworkError, PersonError, PublisherError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from field_data.types import Field
    from sat_ingest.archive import Archive
    from sat_ingest.window_packs import PackedField, PackSource
    from sync.bundles import BundleManifest
    from sync.keys import SecretKey

_FIRST_DAY, _LAST_DAY = 0, 100_000
_FILE = click.Path(path_type=Path, dir_okay=False)


QUANTUM = click.option(
    "--quantum",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="Step of the values kept, in 0.0001 of reflectance; 1 loses nothing.",
)


@scenes.command()
@HOME
@FIELDS
@click.option("--catalog", help="Pull from it into HOME first, as ghalla scenes pull does.")
@click.option("--bands", default=",".join(BANDS), show_default=True, help="Those to pull.")
@click.option("--since", type=DATE, help="First day, YYYY-MM-DD (default: all).")
@click.option("--until", type=DATE, help="Last day (default: all).")
@click.option("--out", type=_FILE, required=True, help="The file to write.")
@click.option("--key", type=_FILE, help="Sign it with this key (ghalla keys new).")
@click.option("--name", help="Packs of one name follow each other (default: the file's name).")
@click.option("--version", type=click.IntRange(1), help="Only grows (default: the time in s).")
@QUANTUM
@JSON
def pack(
    home: Path,
    fields: Path | None,
    catalog: str | None,
    bands: str,
    since: datetime | None,
    until: datetime | None,
    out: Path,
    key: Path | None,
    name: str | None,
    version: int | None,
    quantum: int,
    as_json: bool,
) -> None:
    """Cut the windows of all fields that HOME keeps into one file for another node.

    With --catalog the home is filled first; a pull that stopped early stops the packing too, and
    goes on where it was when this is run again.
    """

    def action() -> None:
        from sat_ingest.window_packs import write_pack
        from sync.keys import read_secret

        secret = read_secret(key) if key else None
        chosen = fields_of(home, fields)
        if catalog:
            _fill(home, catalog, since, until, bands, chosen)
        first = day_number(since) if since else _FIRST_DAY
        last = day_number(until) if until else _LAST_DAY
        with archive_of(home) as archive:
            windows = write_pack(out, archive, progress(chosen, "field"), quantum, (first, last))
        if secret:
            sign_pack(out, secret, name, version)
        size = out.stat().st_size
        said = {"file": str(out), "bytes": size, "windows": windows, "signed": bool(secret)}
        per = size // windows
        click.echo(
            json.dumps(said)
            if as_json
            else f"{out}: {windows} windows, {size} bytes ({per} each)"
            f"{'' if secret else '; not signed'}"
        )

    guarded(as_json, action)


def sign_pack(
    path: Path, secret: SecretKey, name: str | None = None, version: int | None = None
) -> None:
    """Sign a pack; by default it is called as its file, and its version is the time."""
    from sync.bundles import WINDOWS, sign

    at = datetime.now(UTC)
    number = version or int(at.timestamp())
    sign(path, secret, WINDOWS, name or path.stem, number, at.isoformat(timespec="seconds"))


def _fill(
    home: Path,
    catalog: str,
    since: datetime | None,
    until: datetime | None,
    bands: str,
    chosen: Sequence[Field],
) -> None:
    if since is None:
        raise click.UsageError("with --catalog say --since")
    report = pulled(home, wished(catalog, since, until, bands, None), chosen)
    if report.stopped:
        raise NetworkError(report.stopped, report.message)


@scenes.command("import")
@HOME
@FIELDS
@click.option("--unsigned", is_flag=True, help="Take a pack that nobody signed.")
@click.option("--older", is_flag=True, help="Take one that is older than one seen before.")
@JSON
@click.argument("file", type=_FILE)
def import_(
    home: Path, fields: Path | None, unsigned: bool, older: bool, as_json: bool, file: Path
) -> None:
    """Take a pack's windows of the fields that this node knows into its archive.

    The pack must be signed by a key in HOME/trust/*.pub.  Field by field, each kept whole or not at
    all; what was stopped goes on where it was when it is run again.
    """

    def action() -> None:
        from sync.bundles import must_not_be_older, note_taken

        try:
            handle = file.open("rb")
        except OSError as error:
            raise PersonError("no_pack", f"cannot read {file}: {error.strerror}") from error
        with handle:
            manifest = None if unsigned else _verified(home, file, handle)
            if manifest and not older:
                must_not_be_older(home, manifest)
            said = import_windows(home, handle, fields)
        if manifest:
            note_taken(home, manifest)
        click.echo(json.dumps(said) if as_json else _sentence(said))

    guarded(as_json, action)


def import_windows(home: Path, file: IO[bytes], fields: Path | None = None) -> dict[str, int]:
    """Take the windows of an open pack into the archive of a home; counts of what was done."""
    from edge_app.settings import MB, read_settings
    from sat_ingest.archive import ARCHIVE, Archive
    from sat_ingest.window_packs import PackSource

    known = fields_of(home, fields)
    source = PackSource(file)
    with Archive(home / ARCHIVE, read_settings(home).sat_archive_mb * MB) as archive:
        taken = _take(archive, source, known)
    return _counts(source, known, taken)


def _verified(home: Path, path: Path, handle: Any) -> BundleManifest:
    from sync.bundles import WINDOWS, verify
    from sync.keys import trusted_keys
    from sync.roots import root_of

    signed = root_of(home)
    publishers = signed.root.roles.get(WINDOWS, {}) if signed else {}
    try:
        return verify(path, handle, WINDOWS, {**trusted_keys(home), **publishers})
    except PublisherError as error:
        if error.code == "bundle_unsigned":
            message = f"{error}; --unsigned takes it nevertheless"
            raise PublisherError(error.code, message) from error
        raise


def _take(archive: Archive, source: PackSource, known: Sequence[Field]) -> int:
    """How many windows were new.  Figures are drawn at once: then the windows may give way."""
    from sat_ingest.archive import outline_key
    from sat_ingest.figures import draw

    boundaries, taken = {each.id: each for each in known}, 0
    for packed in progress(source.matching(known), "field"):
        outline = outline_key(boundaries[packed.id].boundary)
        if _complete(archive, packed, outline):
            continue
        with archive.transaction():
            archive.fit(packed.id, packed.grid)
            for day in packed.hidden:
                archive.hide(packed.id, outline, day)
            for window in source.all_of(packed):
                if not archive.has(packed.id, window.scene):
                    taken += archive.put(window)
            draw(archive, boundaries[packed.id])
    return taken


def _complete(archive: Archive, packed: PackedField, outline: str) -> bool:
    names = {scene for stack in packed.stacks for scene in stack.scenes}
    return (
        archive.grid(packed.id) == packed.grid
        and all(archive.has(packed.id, scene) for scene in names)
        and set(packed.hidden) <= set(archive.hidden(packed.id, outline))
    )


def _counts(source: PackSource, known: Sequence[Field], taken: int) -> dict[str, int]:
    ids = {each.id for each in known}
    matching = source.matching(known)
    mine = [each for each in source.fields if each.id in ids]
    return {
        "windows": sum(len(s.days) for each in source.fields for s in each.stacks),
        "taken": taken,
        "fields": len(matching),
        "unknown_fields": len(source.fields) - len(mine),
        "other_boundary": len(mine) - len(matching),
    }


def _sentence(said: dict[str, int]) -> str:
    return (
        f"{said['taken']} new of {said['windows']} windows, {said['fields']} fields; "
        f"{said['unknown_fields']} fields not known here, {said['other_boundary']} with another "
        "boundary"
    )


@contextmanager
def archive_of(home: Path) -> Iterator[Archive]:
    """The archive of a home that has one.

    Raises:
        PersonError: ``no_scenes``.
    """
    from sat_ingest.archive import ARCHIVE, Archive

    if not (home / ARCHIVE).is_file():
        raise PersonError("no_scenes", f"no scenes are kept in {home}: ghalla scenes pull")
    with Archive(home / ARCHIVE) as archive:
        yield archive


@click.group()
def keys() -> None:
    """Keys that sign what travels to nodes."""


@keys.command()
@click.option("--out", type=_FILE, required=True, help="The secret half; .pub is added for trust.")
@JSON
def new(out: Path, as_json: bool) -> None:
    """Make a signing key.  Copy OUT.pub into HOME/trust/ of the nodes that shall believe it."""

    def action() -> None:
        from sync.keys import new_keys

        public = new_keys(out)
        said = {"key": public.id, "secret": str(out), "public": f"{out}.pub"}
        click.echo(
            json.dumps(said)
            if as_json
            else f"Key {public.id}: keep {out} to yourself, give {out}.pub to nodes (HOME/trust/)."
        )

    guarded(as_json, action)
