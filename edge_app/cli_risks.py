"""``ghalla risks`` and ``ghalla windows``: pests to come and work windows of a field."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import HOME, JSON, guarded
from edge_app.cli_scenes import DATE
from edge_app.cli_series import named
from field_data.days import date_of
from field_data.errors import KeeperError

if TYPE_CHECKING:
    from edge_app.field_windows import WindowsOutlook
    from edge_app.ground import Ground
    from edge_app.risk_outlook import ModelOutlook, RiskOutlook
    from edge_app.weather_desk import WeatherDesk
    from field_data.season_advice import AdviceItem
    from field_data.types import Field
    from models.risks.definition import RiskModel

AS_OF = click.option("--as-of", type=DATE, help="As on that day, YYYY-MM-DD (default: today).")


@click.command()
@HOME
@AS_OF
@click.option("--models", "list_models", is_flag=True, help="The models: thresholds and sources.")
@JSON
@click.argument("field", required=False)
def risks(
    home: Path, as_of: datetime | None, list_models: bool, as_json: bool, field: str | None
) -> None:
    """Pests and diseases to come to FIELD (its id or name), and when to look for them."""

    def action() -> None:
        if list_models == (field is not None):
            raise click.UsageError("say either a field or --models")
        if list_models:
            _models(as_json)
            return
        from edge_app.field_risks import FieldRisks
        from edge_app.home import open_ground
        from edge_app.risk_items import items_of

        with open_ground(home) as ground:
            desk, chosen, day = _asked(home, ground, field or "", as_of)
            told = FieldRisks(ground.registry, ground.events, ground.reviews, desk).of(chosen, day)
            desk.close()
        _say(_risks_plain(told), _risk_lines(told), items_of(told), as_json)

    guarded(as_json, action)


@click.command()
@HOME
@AS_OF
@JSON
@click.argument("field")
def windows(home: Path, as_of: datetime | None, as_json: bool, field: str) -> None:
    """When FIELD (its id or name) can be sprayed, sown and cut; frost, heat and chergui to come."""

    def action() -> None:
        from edge_app.field_windows import CALENDARS, FieldWindows
        from edge_app.home import open_ground
        from edge_app.window_items import items_of
        from models.risks.work_rules import work_rules

        with open_ground(home) as ground:
            desk, chosen, day = _asked(home, ground, field, as_of)
            asked = FieldWindows(ground.registry, ground.events, desk, None, home / CALENDARS)
            told = asked.of(chosen, day)
            desk.close()
        _say(_windows_plain(told), _window_lines(told), items_of(told, work_rules()), as_json)

    guarded(as_json, action)


def _asked(
    home: Path, ground: Ground, field: str, as_of: datetime | None
) -> tuple[WeatherDesk, Field, date]:
    """The weather desk of the home, the field meant, and the day."""
    from edge_app.weather_desk import WeatherDesk

    chosen = named(field, ground.registry.fields())
    day = as_of.date() if as_of else ground.forecasts.today(chosen)
    if day is None:
        raise KeeperError("no_day", "this box does not know what day it is: say --as-of")
    desk = WeatherDesk(home, ground.registry, ground.events, ground.settings)
    return desk, chosen, day


def _say(
    plain: dict[str, Any], lines: Iterator[str], items: tuple[AdviceItem, ...], as_json: bool
) -> None:
    if as_json:
        told = plain | {"items": [_sound(asdict(item)) for item in items]}
        click.echo(json.dumps(told, ensure_ascii=False, default=str))
        return
    for line in lines:
        click.echo(line)
    for item in items:
        click.echo(f"{_span(item)}  {item.code}  {item.pest or ''}".rstrip())
        facts = ", ".join(
            f"{key} {value}" for key, value in {**item.facts, **item.evidence}.items()
        )
        click.echo(f"    {facts}" if facts else "    -")
        signed = "reviewed" if item.source.reviewed else "not reviewed"
        click.echo(f"    {item.confidence}; {signed}; {item.source.text}")
    if not items:
        click.echo("Nothing to say.")


def _span(item: AdviceItem) -> str:
    if item.first_day is None or item.last_day is None:
        return "          "
    first, last = date_of(item.first_day), date_of(item.last_day)
    return str(first) if first == last else f"{first} to {last}"


def _sound(value: Any) -> Any:
    """Plain values; what is not known is null."""
    if isinstance(value, dict):
        return {key: _sound(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


# --- pests --------------------------------------------------------------------------------------


def _risks_plain(told: RiskOutlook) -> dict[str, Any]:
    return {
        "field": told.field.id,
        "as_of": told.as_of.isoformat(),
        "state": str(told.state),
        "crop": told.crop or None,
        "weather": told.weather_state or None,
        "models": [_model_plain(one) for one in told.models],
    }


def _model_plain(one: ModelOutlook) -> dict[str, Any]:
    said: dict[str, Any] = {
        "model": one.model.id,
        "pest": one.model.pest,
        "speaks": one.speaks,
        "reviewed": one.model.reviewed,
        "seen_here": [_iso(day) for day in one.seen_here],
        "diagnoses_21d": one.diagnoses,
    }
    if one.beginning:
        said["beginning"] = {"day": _iso(one.beginning.day), "how": one.beginning.how}
        said["warmth_dd"] = None if math.isnan(one.warmth_dd) else round(one.warmth_dd, 1)
    said["stages"] = [
        {
            "stage": each.stage.id,
            "generation": each.generation,
            "day": _iso(each.day),
            "low": _iso(each.low),
            "high": _iso(each.high),
        }
        for each in one.stages
    ]
    said["risk"] = [
        {
            "day": _iso(each.day),
            "level": each.level.name.lower(),
            "share": round(each.share, 2),
            "wet_hours": each.hours,
            "basis": str(each.basis),
        }
        for each in one.risk
    ]
    return said


def _iso(day: int | None) -> str | None:
    return None if day is None else date_of(day).isoformat()


def _risk_lines(told: RiskOutlook) -> Iterator[str]:
    words = {
        "no_crop": "Nobody said what grows there: ghalla fields season",
        "no_model": f"No model speaks of {told.crop}.",
        "no_weather": "No weather of this place is known: ghalla weather",
        "no_day": "This box does not know what day it is.",
    }
    name = told.field.name or told.field.id
    yield f"{name}: {words.get(told.state, f'{told.crop}, weather {told.weather_state}')}"
    for one in told.models:
        if one.speaks:
            yield f"  {one.model.name}"
        if one.speaks and one.beginning:
            yield (f"    {one.warmth_dd:.0f} degree-days since {_iso(one.beginning.day)} "
                   f"({one.beginning.how})")  # fmt: skip
        if one.speaks and one.risk:
            yield "    " + " ".join(
                f"{date_of(each.day):%m-%d}:{each.level.name.lower()}" for each in one.risk[-8:]
            )


def _models(as_json: bool) -> None:
    from models.risks.loading import shipped_models

    for model in shipped_models():
        if as_json:
            click.echo(json.dumps(asdict(model), ensure_ascii=False, default=str))
        else:
            click.echo("\n".join(_model_lines(model)))


def _model_lines(model: RiskModel) -> Iterator[str]:
    from models.risks.tables import thresholds

    main = model.main_source()
    yield f"{model.id}  {model.name}  {', '.join(model.crops)}"
    yield f"    {thresholds(model)}"
    yield f"    valid: {model.validity}"
    signed = f"reviewed by {model.reviewed_by}" if model.reviewed else "not reviewed"
    yield f"    {main.text} [{main.seen}]; {signed}"


# --- windows ------------------------------------------------------------------------------------


def _windows_plain(told: WindowsOutlook) -> dict[str, Any]:
    return {
        "field": told.field.id,
        "as_of": told.as_of.isoformat(),
        "crop": told.crop or None,
        "zone": told.zone.id if told.zone else None,
        "calendar": told.zone.calendar if told.zone else None,
        "weather": str(told.sky.state),
        "spray": [_sound(asdict(each)) | {"day": _iso(each.day)} for each in told.spray],
    }


def _window_lines(told: WindowsOutlook) -> Iterator[str]:
    name, zone = told.field.name or told.field.id, told.zone.id if told.zone else "no zone"
    yield f"{name}: {told.crop or 'no crop'}, {zone}, weather {told.sky.state}"
    for each in told.spray:
        good = (
            f"{each.hours} h good, wind {each.wind_2m_ms:.1f} m/s" if each.why is None else each.why
        )
        yield f"  {_iso(each.day)} spraying: {good} ({each.basis})"
