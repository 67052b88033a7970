"""``ghalla water FIELD``: the balance of a field's water day by day, and what to give."""

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
from field_data.days import date_of
from field_data.errors import PersonError

if TYPE_CHECKING:
    from edge_app.water_outlook import WaterDay, WaterOutlook

_LATELY = 10


@click.command()
@HOME
@click.option("--as-of", type=DATE, help="As known on that day, YYYY-MM-DD (default: today).")
@click.option("--all-days", is_flag=True, help="Print every day of the balance.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw it as PNG.")
@JSON
@click.argument("field")
def water(
    home: Path,
    as_of: datetime | None,
    all_days: bool,
    plot: Path | None,
    as_json: bool,
    field: str,
) -> None:
    """The water of FIELD (its id or name): what its roots lack, day by day, and what to give.

    By FAO-56, from the node's weather, the field's own NDVI and what people wrote down.  What
    nobody has said is asked, and what was taken instead is told.  Exit code 1 where there is
    nothing to reckon by.
    """

    def action() -> None:
        outlook = _outlook(home, field, as_of.date() if as_of else None)
        if plot is not None and outlook.days:
            from edge_app.water_plot import draw_water

            draw_water(outlook, plot)
        shown = [day for day in outlook.days if all_days or _near(day, outlook)]
        if as_json:
            click.echo(json.dumps(as_plain(outlook, shown), ensure_ascii=False))
        else:
            click.echo("\n".join(_lines(outlook, shown)))
        if outlook.why is not None:
            sys.exit(EXIT[PersonError])

    guarded(as_json, action)


def _outlook(home: Path, field: str, as_of: date | None) -> WaterOutlook:
    from edge_app.field_water import FieldWater
    from edge_app.home import open_ground
    from edge_app.weather_desk import WeatherDesk

    with open_ground(home) as ground:
        chosen = named(field, ground.registry.fields())
        day = as_of or ground.forecasts.today(chosen)
        if day is None:
            raise PersonError("clock_unknown", "this machine does not know the date: say --as-of")
        desk = WeatherDesk(home, ground.registry, ground.events, ground.settings)
        try:
            return FieldWater(ground.registry, ground.events, ground.sky, desk).of(chosen, day)
        finally:
            desk.close()
            ground.sky.close()


def _near(day: WaterDay, outlook: WaterOutlook) -> bool:
    return day.day >= outlook.as_of - _LATELY


def as_plain(outlook: WaterOutlook, days: list[WaterDay]) -> dict[str, Any]:
    """The outlook for programs: ISO dates, null where nothing is known."""
    said: dict[str, Any] = _plain(asdict(outlook))
    said["as_of"] = _iso(outlook.as_of)
    said["days"] = [_plain(asdict(day)) | {"day": _iso(day.day)} for day in days]
    for key in ("by_day", "first_by_day"):
        if said["advice"] and said["advice"][key] is not None:
            said["advice"][key] = _iso(said["advice"][key])
    return said


def _plain(value: Any) -> Any:
    """Without NaN, figures rounded to what they are worth."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    return value


def _iso(day: int) -> str:
    return date_of(day).isoformat()


def _lines(outlook: WaterOutlook, days: list[WaterDay]) -> Iterator[str]:
    if outlook.why is not None:
        yield f"{outlook.field}: nothing to reckon by: {outlook.why}"
    else:
        yield (
            f"{outlook.field}: {outlook.crop} on {outlook.texture}, {outlook.method}; "
            f"ET0 by {outlook.et0_by}, weather {outlook.weather_state}, "
            f"coefficient {100 * outlook.ndvi_share:.0f} % from NDVI"
        )
        yield "  day          ET0   ETc  rain given  lacks (range)      stress at  Ks    Kcb"
    for day in days:
        yield (
            f"  {_iso(day.day)}{'*' if day.ahead else ' '} {day.et0:5.1f} {day.etc:5.1f} "
            f"{day.rain:5.1f} {day.irrigation:5.0f}  {day.depletion:5.0f} "
            f"({day.depletion_low:.0f}-{day.depletion_high:.0f})".ljust(60)
            + f"{day.raw:5.0f}    {day.ks:4.2f}  {day.kcb:4.2f}"
        )
    yield from _advice(outlook)
    for each in outlook.asked:
        taken = f"; taken: {each.default}" if each.default else ""
        yield f"  asked: {each.what}{taken}"
    yield from (f"  source: {each}" for each in outlook.sources)


def _advice(outlook: WaterOutlook) -> Iterator[str]:
    advice, amount = outlook.advice, outlook.amount
    if advice is None:
        return
    by = "beyond the forecast" if advice.by_day is None else _iso(advice.by_day)
    yield f"  {advice.verdict}: stress from {by}; rain expected in 7 days {advice.rain_mm:.0f} mm"
    if amount is None:
        return
    yield (
        f"  give {advice.mm:.0f} mm ({advice.low_mm:.0f}-{advice.high_mm:.0f}), of which the roots "
        f"get {advice.net_mm:.0f}: {amount.m3:.0f} m3 ({amount.low_m3:.0f}-{amount.high_m3:.0f})"
    )
    if advice.later_mm >= 1:
        yield f"  the roots lack {advice.later_mm:.0f} mm more: in parts, look again next week"
    if math.isfinite(amount.pump_hours):
        yield f"  pump: {amount.pump_hours:.1f} hours"
    if math.isfinite(amount.turns):
        yield f"  canal: {amount.turns:.1f} turns, one every {amount.turn_days:.0f} days"
