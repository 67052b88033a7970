"""``ghalla fields import | list`` and ``ghalla farms list``: the land that a node knows.

Whoever may use the command line is the keeper: what is added here has the author `AUTHOR`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import EXIT, HOME, JSON, guarded
from field_data.errors import PersonError

if TYPE_CHECKING:
    from field_data.boundary_files import Imported, Part
    from field_data.geometry import Note
    from field_data.registry import Registry
    from field_data.types import Field

AUTHOR = "keeper-cli"
# What each note says; docs/registry.md lists them.
SAID = {
    "area_differs": "the file said {said_ha} ha",
    "area_unusual": "an unusual size for a field",
    "crs_assumed": "no .prj: taken for degrees on WGS 84",
    "far_from_farm": "{km} km from the farm's other fields",
    "hole_filled": "{holes} hole(s) filled, {ha} ha counted in",
    "loops_cut": "loops of the walk cut off",
    "outside_region": "not where this node's fields are expected",
    "overlap": "shares {ha} ha with field {field}",
    "part_of_many": "part {part} of {of} of one feature",
    "points_repeated": "{points} repeated points left out",
    "poor_fixes_dropped": "{points} poor positions left out",
    "simplified": "{before} corners made {after}, none off by more than {tolerance_m} m",
    "spikes_dropped": "{points} spikes left out",
    "walk_open": "the ends of the walk lie {gap_m} m apart",
}


@click.group()
def fields() -> None:
    """Fields: import them from a file, list them."""


@click.group()
def farms() -> None:
    """Farms: list them."""


@fields.command("import")
@HOME
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--farm", help="Id of the farm that they belong to.")
@click.option("--new-farm", metavar="NAME", help="Make a farm of that name for them.")
@click.option("--dry-run", is_flag=True, help="Check and say, keep nothing.")
@JSON
def import_file(
    home: Path, file: Path, farm: str | None, new_farm: str | None, dry_run: bool, as_json: bool
) -> None:
    """Import boundaries: GeoJSON, KML, KMZ, GeoPackage or a zip with a Shapefile.

    All that pass are kept in one step; exit code 1 when some did not.
    """

    def action() -> None:
        from edge_app.home import open_ground
        from field_data.boundary_files import read_boundaries

        if (farm is None) == (new_farm is None):
            raise click.UsageError("say either --farm or --new-farm")
        found = read_boundaries(_bytes(file))
        with open_ground(home) as ground:
            added = _add(ground.registry, found.parts, farm, new_farm, dry_run)
        _say(added, found, dry_run, as_json)
        if found.refused:
            sys.exit(EXIT[PersonError])

    guarded(as_json, action)


@fields.command("list")
@HOME
@click.option("--farm", help="Only those of the farm with this id.")
@click.option("--geojson", is_flag=True, help="Print a GeoJSON feature collection.")
@JSON
def list_fields(home: Path, farm: str | None, geojson: bool, as_json: bool) -> None:
    """List the fields that are worked with."""

    def action() -> None:
        from edge_app.home import open_ground
        from field_data.boundary_files import to_geojson

        with open_ground(home) as ground:
            known = ground.registry.fields(farm)
        if geojson:
            click.echo(to_geojson(known))
            return
        for each in known:
            line = f"{each.id}  {each.area_ha:9.2f} ha  {each.crop or '?':6} {each.name}"
            click.echo(json.dumps(_listed(each), ensure_ascii=False) if as_json else line)

    guarded(as_json, action)


@farms.command("list")
@HOME
@JSON
def list_farms(home: Path, as_json: bool) -> None:
    """List the farms that are worked with, and how many fields each has."""

    def action() -> None:
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            known = [
                (each, len(ground.registry.fields(each.id))) for each in ground.registry.farms()
            ]
        for farm, count in known:
            said = {"farm": farm.id, "name": farm.name, "commune": farm.commune, "fields": count}
            line = f"{farm.id}  {count:4} fields  {farm.name}  {farm.commune}".rstrip()
            click.echo(json.dumps(said, ensure_ascii=False) if as_json else line)

    guarded(as_json, action)


@dataclass(frozen=True, slots=True)
class _Added:
    """The farm (None when nothing was to be added), and each part with its field and notes."""

    farm: str | None
    fields: list[tuple[Part, Field, tuple[Note, ...]]]


class _UndoError(Exception):
    """Ends a dry run's transaction."""


def _add(
    registry: Registry,
    parts: Iterable[Part],
    farm: str | None,
    new_farm: str | None,
    dry_run: bool,
) -> _Added:
    """Add the parts, all or none; a dry run does the same and takes it back."""
    added = _Added(None, [])
    with suppress(_UndoError), registry.transaction():
        for part in parts:
            if added.farm is None:
                made = farm or registry.add_farm(AUTHOR, new_farm or "").id
                added = _Added(made, [])
            field, notes = registry.add_field(
                AUTHOR, added.farm or "", part.name, part.outline, source="imported"
            )
            added.fields.append((part, field, notes))
        if dry_run:
            raise _UndoError
    return added


def _say(added: _Added, found: Imported, dry_run: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_as_json(added, found, dry_run), ensure_ascii=False))
        return
    for note in found.notes:
        click.echo(f"The file: {_sentence(note)}")
    for part, field, notes in added.fields:
        told = "".join(f"; {_sentence(note)}" for note in notes)
        click.echo(f"  {part.place:4}  {part.name or '(no name)'}: {field.area_ha:.2f} ha{told}")
    for each in found.refused:
        click.echo(f"  {each.place:4}  not taken: {each.name or '(no name)'}: {each.error}")
    verb = "Would be taken" if dry_run else "Taken"
    click.echo(f"{verb}: {len(added.fields)}.  Not taken: {len(found.refused)}.")
    if added.farm and not dry_run:
        click.echo(f"Farm {added.farm}")


def _as_json(added: _Added, found: Imported, dry_run: bool) -> dict[str, Any]:
    """Ids of a dry run name nothing: they are left out."""
    taken = [
        {
            "feature": part.place,
            **({} if dry_run else {"field": field.id}),
            "name": part.name,
            "area_ha": field.area_ha,
            "notes": [_note(note) for note in notes],
        }
        for part, field, notes in added.fields
    ]
    refused = [
        {"feature": r.place, "name": r.name, "error": r.error.code, "message": str(r.error)}
        for r in found.refused
    ]
    return {
        "dry_run": dry_run,
        "farm": None if dry_run else added.farm,
        "taken": taken,
        "refused": refused,
        "notes": [_note(note) for note in found.notes],
    }


def _note(note: Note) -> dict[str, Any]:
    return {"code": note.code, **note.details}


def _sentence(note: Note) -> str:
    return SAID[note.code].format(**note.details)


def _listed(field: Field) -> dict[str, Any]:
    return {
        "field": field.id,
        "farm": field.farm,
        "name": field.name,
        "area_ha": field.area_ha,
        "crop": field.crop,
        "source": field.source,
    }


def _bytes(file: Path) -> bytes:
    """A file that is not too large; that is asked before it is read."""
    from field_data.boundary_files import MAX_FILE, too_large

    try:
        if file.stat().st_size > MAX_FILE:
            raise too_large(MAX_FILE)
        return file.read_bytes()
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise PersonError("unreadable_file", message) from error
