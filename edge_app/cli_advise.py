"""``ghalla advise``: what to do this week, on one field or on all; a village's sheet; how good it
was."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import EXIT, HOME, JSON, guarded
from edge_app.cli_scenes import DATE
from edge_app.cli_series import named
from edge_app.languages import LANGS
from field_data.errors import KeeperError

if TYPE_CHECKING:
    from edge_app.week.desk import FieldWeek
    from edge_app.week.view import ItemView, WeekView
    from field_data.advice_log import KeptAdvice

AS_OF = click.option("--as-of", type=DATE, help="As on that day, YYYY-MM-DD (default: today).")
LANG = click.option("--lang", type=click.Choice(LANGS), default="en", show_default=True)


class _Verbs(click.Group):
    """What is no verb is a field: ``ghalla advise FIELD``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["field", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Verbs)
def advise() -> None:
    """What to do this week: `advise FIELD`, `advise all`, `advise sheet`, `advise outcomes`.

    FIELD is the id or the name of a field.  One thing about water, one about a pest, one about work
    or weather; each with its source, and whether an agronomist has reviewed it.
    """


@advise.command("field")
@HOME
@AS_OF
@LANG
@JSON
@click.argument("field")
def of_field(home: Path, as_of: datetime | None, lang: str, as_json: bool, field: str) -> None:
    """The week of FIELD; exit code 3 when the box does not know what day it is."""

    def action() -> None:
        _tell(home, as_of, lang, as_json, field)

    guarded(as_json, action)


@advise.command("all")
@HOME
@AS_OF
@LANG
@JSON
def of_all(home: Path, as_of: datetime | None, lang: str, as_json: bool) -> None:
    """The weeks of all fields, the most urgent first; with --json one line a field."""

    def action() -> None:
        _tell(home, as_of, lang, as_json, None)

    guarded(as_json, action)


@advise.command()
@HOME
@AS_OF
@click.option("--commune", default="", help="Village or commune of the farms (default: none).")
@click.option("--lang", type=click.Choice(["ar", "fr", "en"]), default="ar", show_default=True)
@click.option("-o", "out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@JSON
def sheet(
    home: Path, as_of: datetime | None, commune: str, lang: str, out: Path, as_json: bool
) -> None:
    """Print the week of a village into a PDF file, to hang up or hand out."""

    def action() -> None:
        from edge_app.home import open_ground
        from edge_app.home_advice import advice_of
        from edge_app.week.pdf import Sheet
        from edge_app.week.sheet import of_commune
        from edge_app.week.speaking import speaking
        from field_data.files import write_atomic

        with open_ground(home) as ground, speaking(lang):
            advice = advice_of(home)
            views = of_commune(ground, advice, commune, _day(as_of))
            data = Sheet(lang, advice).write(commune, views)
        write_atomic(out.absolute(), data)
        said = {"file": str(out), "fields": len(views), "bytes": len(data)}
        click.echo(json.dumps(said) if as_json else f"{len(views)} fields in {out}")

    guarded(as_json, action)


@advise.command()
@HOME
@JSON
@click.argument("field", required=False)
def outcomes(home: Path, as_json: bool, field: str | None) -> None:
    """What came of the advice: pests found where we said to look, water given against advised."""

    def action() -> None:
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            chosen = [named(field, ground.registry.fields(retired=True))] if field else None
            judged = ground.week.judged(chosen)
        seen, water = judged.scouted, judged.watered
        if as_json:
            scouting = asdict(seen) | {"looked": seen.looked, "hit_rate": seen.hit_rate}
            click.echo(json.dumps({"scouting": scouting, "water": asdict(water)}))
            return
        rate = "" if seen.hit_rate is None else f" ({seen.hit_rate:.0%})"
        click.echo(
            f"scouting: {seen.advised} advised, {seen.looked} looked at, {seen.found} found{rate}; "
            f"{seen.missed} found without advice"
        )
        more = f": {water.given_mm} of {water.advised_mm} mm on average" if water.followed else ""
        click.echo(f"water: {water.advised} advised, {water.followed} followed{more}")

    guarded(as_json, action)


@advise.command("log")
@HOME
@JSON
@click.argument("field")
def log_of(home: Path, as_json: bool, field: str) -> None:
    """All advice that was given for FIELD, with what was known then."""

    def action() -> None:
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            kept = ground.week.log.of(named(field, ground.registry.fields(retired=True)).id)
        for each in kept:
            said = _kept(each)
            click.echo(
                json.dumps(said, ensure_ascii=False)
                if as_json
                else f"{said['said_on']} {each.id} {each.item.code} {each.item.pest}".rstrip()
            )

    guarded(as_json, action)


def _tell(home: Path, as_of: datetime | None, lang: str, as_json: bool, field: str | None) -> None:
    from edge_app.home import open_ground
    from edge_app.home_advice import advice_of
    from edge_app.week.speaking import speaking
    from edge_app.week.view import Viewer

    day = _day(as_of)
    with open_ground(home) as ground, speaking(lang):
        known = ground.registry.fields()
        week = ground.week
        told = week.all(day) if field is None else [week.of(named(field, known), day)]
        viewer = Viewer(ground, advice_of(home))
        views = [viewer.of(each) for each in told]
    for view in views:
        click.echo(
            json.dumps(as_plain(view), ensure_ascii=False) if as_json else "\n".join(_lines(view))
        )
    if field is not None and told[0].as_of is None:
        sys.exit(EXIT[KeeperError])


def as_plain(view: WeekView) -> dict[str, Any]:
    """A week for programs: ``items`` are the three, ``data`` what is said of the weather itself,
    ``others`` what was not chosen."""
    told: FieldWeek = view.told
    return {
        "field": told.field.id,
        "name": told.field.name,
        "as_of": told.as_of.isoformat() if told.as_of else None,
        "urgency": int(view.urgency),
        "items": [_item(each) for each in view.items],
        "data": [_item(each) for each in view.data],
        "others": [_item(each) for each in view.others],
        "silent": list(told.silent),
    }


def _item(view: ItemView) -> dict[str, Any]:
    from field_data.advice_log import name_of, plain

    said, item = plain(view.item), view.item
    return {
        "id": name_of(item),
        "what": item.code,
        "topic": said["topic"],
        "sentence": view.text.text,
        "when": _when(item.first_day, item.last_day),
        "urgency": int(item.urgency),
        **{key: said[key] for key in ("amount", "low", "high", "unit")},
        "confidence": said["confidence"],
        "pest": item.pest or None,
        "card": item.card or None,
        "form": item.form or None,
        "facts": said["facts"],
        "evidence": said["evidence"],
        "source": {"text": item.source.text, "url": item.source.url or None},
        "reviewed": item.source.reviewed,
    }


def _when(first: int | None, last: int | None) -> list[str] | None:
    from field_data.days import date_of

    if first is None or last is None:
        return None
    return [date_of(first).isoformat(), date_of(last).isoformat()]


def _kept(kept: KeptAdvice) -> dict[str, Any]:
    from field_data.advice_log import plain
    from field_data.days import date_of

    item = plain(kept.item)
    when = _when(item.pop("first_day"), item.pop("last_day"))
    about = {"id": kept.id, "inputs": kept.inputs, "said_on": date_of(kept.day).isoformat()}
    return about | {"when": when} | item


def _lines(view: WeekView) -> list[str]:
    name = view.field.name or view.field.id
    if view.told.as_of is None:
        return [f"{name}: this box does not know what day it is"]
    lines = [f"{name} ({view.told.as_of}):"]
    for each in (*view.data, *view.items):
        more = f" ({each.more.text})" if each.more else ""
        lines.append(f"  {each.text.text}{more}")
    lines += [f"  cannot be read: {part}" for part in view.told.silent]
    return lines if len(lines) > 1 else [f"{lines[0]} nothing to do this week"]


def _day(as_of: datetime | None) -> date | None:
    return as_of.date() if as_of else None
