"""``ghalla fields season | seasons``: what grew on a field, and what it usually gives."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import HOME, JSON, guarded
from edge_app.cli_fields import AUTHOR, fields
from edge_app.cli_scenes import DATE
from edge_app.cli_series import named
from field_data.errors import PersonError

if TYPE_CHECKING:
    from field_data.registry import Registry
    from field_data.types import Season


@fields.command()
@HOME
@click.option("--crop", help="The crop: EPPO code (TRZAX), scientific or common English name.")
@click.option("--sown", type=DATE, help="Day of sowing, YYYY-MM-DD.")
@click.option("--harvested", type=DATE, help="Day of harvest, YYYY-MM-DD.")
@click.option("--variety", help="Name of the variety.")
@click.option("--usual", metavar="'25 q/ha'", help="What the field usually gives, with its unit.")
@click.option("--correct", metavar="SEASON", help="Correct the season with this id.")
@JSON
@click.argument("field")
def season(
    home: Path,
    crop: str | None,
    sown: datetime | None,
    harvested: datetime | None,
    variety: str | None,
    usual: str | None,
    correct: str | None,
    as_json: bool,
    field: str,
) -> None:
    """Add a season of FIELD (its id or name), or correct one; what is not said stays."""

    def action() -> None:
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            registry = ground.registry
            chosen = named(field, registry.fields())
            before = _of(registry, chosen.id, correct) if correct else None
            code = _crop(crop) if crop else before.crop if before else chosen.crop
            if code is None:
                raise PersonError("bad_crop", "say which crop: --crop TRZAX")
            said: dict[str, Any] = {"crop": crop and code, "variety": variety}
            said |= {"sown": sown and sown.date(), "harvested": harvested and harvested.date()}
            said |= {"usual_t_ha": _usual(usual, code) if usual else None}
            kept = _keep(registry, chosen.id, code, before, said)
        click.echo(json.dumps(_plain(kept), ensure_ascii=False) if as_json else _line(kept))

    guarded(as_json, action)


def _crop(said: str) -> str:
    """The code of what a person calls a crop; codes that no advice knows pass as they are."""
    from edge_app.advice import load_advice

    found = load_advice().find_crop(said)
    return found.code if found else said


@fields.command()
@HOME
@JSON
@click.argument("field")
def seasons(home: Path, as_json: bool, field: str) -> None:
    """List the seasons of FIELD (its id or name), by date of sowing."""

    def action() -> None:
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            chosen = named(field, ground.registry.fields())
            known = ground.registry.seasons(chosen.id)
        for each in known:
            click.echo(json.dumps(_plain(each), ensure_ascii=False) if as_json else _line(each))

    guarded(as_json, action)


def _of(registry: Registry, field: str, id: str) -> Season:
    found = registry.season(id)
    if found is None or found.field != field:
        raise PersonError("unknown_season", f"no season {id} of that field")
    return found


def _usual(text: str, crop: str) -> float:
    from field_data.yields import Unit, number_in, usual_t_ha

    value, _, unit = text.strip().partition(" ")
    if unit.strip() not in set(Unit):
        units = ", ".join(Unit)
        raise PersonError("no_unit", f"{text!r:.40}: say a number and its unit, one of {units}")
    return usual_t_ha(number_in(value), Unit(unit.strip()), crop)


def _keep(
    registry: Registry, field: str, crop: str, before: Season | None, said: dict[str, Any]
) -> Season:
    if before is None:
        more = {key: value for key, value in said.items() if value is not None and key != "crop"}
        return registry.add_season(AUTHOR, field, crop, **more)
    changes = {
        key: value.isoformat() if key in ("sown", "harvested") else value
        for key, value in said.items()
        if value is not None
    }
    registry.correct(AUTHOR, before.id, changes)
    return _of(registry, field, before.id)


def _plain(season: Season) -> dict[str, Any]:
    return {
        "season": season.id,
        "crop": season.crop,
        "sown": season.sown and season.sown.isoformat(),
        "harvested": season.harvested and season.harvested.isoformat(),
        "variety": season.variety,
        "usual_t_ha": season.usual_t_ha,
    }


def _line(season: Season) -> str:
    usual = "?" if season.usual_t_ha is None else f"{season.usual_t_ha:g} t/ha"
    dates = f"{season.sown or '?'} to {season.harvested or '?'}"
    return f"{season.id}  {season.crop:6} {dates}  usual {usual}  {season.variety}".rstrip()
