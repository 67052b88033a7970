"""``ghalla forecast``: the yield of a field, of all fields, and how good that was so far."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import EXIT, HOME, JSON, guarded
from edge_app.cli_scenes import DATE
from edge_app.cli_series import named
from field_data.errors import PersonError, PublisherError

if TYPE_CHECKING:
    from edge_app.forecast_maths import Outlook
    from edge_app.forecast_skill import Skill
    from field_data.types import Evidence, YieldForecast


class _Verbs(click.Group):
    """What is no verb is a field: ``ghalla forecast FIELD``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["field", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Verbs)
def forecast() -> None:
    """Yield forecasts: `forecast FIELD`, `forecast --all`, `forecast skill`.

    FIELD is the id or the name of a field.  Where nobody said what a field usually gives, only
    better or worse than usual is told.  Not for credit, insurance or tax.
    """


@forecast.command("field")
@HOME
@click.option("--as-of", type=DATE, help="Forecast as on that day, YYYY-MM-DD (default: today).")
@click.option("--all", "every", is_flag=True, help="All fields; exit code 0 whatever is said.")
@JSON
@click.argument("field", required=False)
def of_field(
    home: Path, as_of: datetime | None, every: bool, as_json: bool, field: str | None
) -> None:
    """The forecast of FIELD; exit code 1 with the reason where there is none, 4 without a model."""

    def action() -> None:
        from edge_app.home import open_ground

        if every == (field is not None):
            raise click.UsageError("say either a field or --all")
        day = as_of.date() if as_of else None
        with open_ground(home) as ground:
            known = ground.registry.fields()
            chosen = known if every else [named(field or "", known)]
            found = [ground.forecasts.outlook(each, day) for each in chosen]
            validated = ground.forecasts.skill().validated
        for told in found:
            _say(told, validated, as_json)
        if not every:
            _leave(found[0])

    guarded(as_json, action)


@forecast.command()
@HOME
@JSON
def skill(home: Path, as_json: bool) -> None:
    """How good this node's forecasts were, by month, beside what is usual; only those made before
    the harvest count."""

    def action() -> None:
        from edge_app.forecast_skill import LEAST_PAIRS, LEAST_SEASONS, by_horizon, running
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            scored = ground.forecasts.scores()
        all_of_it, months = running(scored), by_horizon(scored)
        late = sum(not each.foresight for each in scored)
        if as_json:
            said = {"validated": all_of_it.validated, **_plain(all_of_it)}
            said |= {"made_after_harvest": late}
            said |= {"by_horizon": {h: _plain(each) for h, each in months.items()}}
            click.echo(json.dumps(said))
            return
        click.echo(f"all     {_line(all_of_it)}")
        for horizon, each in months.items():
            click.echo(f"end {horizon}  {_line(each)}")
        if late:
            click.echo(f"{late} more were made after the harvest: they do not count.")
        if not all_of_it.validated:
            click.echo(f"Not validated at field level: that takes {LEAST_PAIRS} pairs from "
                       f"{LEAST_SEASONS} seasons.")  # fmt: skip

    guarded(as_json, action)


def _say(told: Outlook, validated: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(as_plain(told, validated), ensure_ascii=False))
        return
    name = told.field.name or told.field.id
    for line in _lines(told, validated):
        click.echo(f"{name}: {line}")


def _leave(told: Outlook) -> None:
    from edge_app.forecast_maths import State

    if told.state is State.NO_MODEL:
        sys.exit(EXIT[PublisherError])
    if told.forecast is None:
        sys.exit(EXIT[PersonError])


def as_plain(told: Outlook, validated: bool) -> dict[str, Any]:
    """What is said for programs; null where nothing can be said, with the reason in ``state``."""
    said: dict[str, Any] = {
        "field": told.field.id,
        "state": told.state.value,
        "as_of": _iso(told.as_of),
        "season_year": told.season_year,
        "crop": told.crop,
        "t_ha_p10": None,
        "t_ha_p50": None,
        "t_ha_p90": None,
        "horizon": None,
        "level_source": None,
        "evidence": None,
        "model": None,
        "clear_dates": told.clear_dates,
        "last_seen": _iso(told.seen),
        "validated": validated,
    }
    if told.forecast is not None:
        said |= asdict(told.forecast) | {"as_of": _iso(told.forecast.as_of)}
    if told.harvest is not None:
        said["harvest_t_ha"] = told.harvest.t_ha
    return said


def _lines(told: Outlook, validated: bool) -> Iterator[str]:
    from edge_app.forecast_words import STATES

    said = told.forecast
    if said is None:
        yield STATES[told.state] + (f" Last seen {told.seen}." if told.seen else "")
        return
    yield f"{_range(said)} (season {said.season_year}, end of month {said.horizon})"
    if told.wanted != said.horizon:
        yield f"  clouds since {told.seen}: what could be said earlier"
    yield f"  {_rests_on(said.evidence)}; model {said.model.name} {said.model.version}"
    for driver in said.drivers:
        yield f"  {driver.name}: {100 * driver.relative:+.0f} %"
    if not validated:
        yield "  not validated at field level; not for credit, insurance or tax"


def _range(said: YieldForecast) -> str:
    if said.t_ha_p50 is None:
        low, high = 100 * said.relative_p10, 100 * said.relative_p90
        return (
            f"{100 * said.relative:+.0f} % against usual ({low:+.0f} to {high:+.0f} %); "
            "say what is usual here: ghalla fields season"
        )
    return (
        f"{said.t_ha_p50:.1f} t/ha ({said.t_ha_p10:.1f} to {said.t_ha_p90:.1f}), usual "
        f"{said.level_t_ha:.1f} ({said.level_source})"
    )


def _rests_on(evidence: Evidence) -> str:
    return (
        f"{evidence.harvests} local harvests, {evidence.clear_dates} clear dates, archive of "
        f"{evidence.archive_seasons} seasons"
    )


def _plain(skill: Skill) -> dict[str, Any]:
    return {key: _number(value) for key, value in asdict(skill).items()}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _line(skill: Skill) -> str:
    if not skill.n:
        return "no pair yet"
    return (
        f"{skill.n} pairs, {skill.seasons} seasons: RMSE {skill.rmse_t_ha:.2f} t/ha, usual alone "
        f"{skill.usual_rmse_t_ha:.2f}; {skill.coverage:.0%} inside ranges of {skill.width_t_ha:.2f}"
    )


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
