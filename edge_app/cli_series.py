"""``ghalla series``: a field's season as numbers."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import HOME, JSON, guarded
from edge_app.cli_packs import archive_of
from edge_app.cli_scenes import DATE, FIELDS, day_number, fields_of, iso, last_day
from field_data.errors import PersonError

if TYPE_CHECKING:
    from field_data.types import Field
    from sat_ingest.field_report import FieldReport
    from sat_ingest.phenology import Season
    from sat_ingest.series import Anomaly

# As sat_ingest.indices.INDICES; written again so that --help does not load numpy.
INDICES = ("ndvi", "evi2", "ndre", "ndmi", "ndwi", "msavi")
_SUPPORT = ("none", "bridged", "near")


@click.command()
@HOME
@click.option("--index", type=click.Choice(INDICES), default="ndvi", show_default=True)
@click.option("--since", type=DATE, help="First day to print, YYYY-MM-DD.")
@click.option("--until", type=DATE, help="Last day to print and to judge by (default: today).")
@FIELDS
@click.option("--csv", "as_csv", is_flag=True, help="Print observations and curve as CSV.")
@JSON
@click.argument("field")
def series(
    home: Path,
    index: str,
    since: datetime | None,
    until: datetime | None,
    fields: Path | None,
    as_csv: bool,
    as_json: bool,
    field: str,
) -> None:
    """The season of FIELD (its id or name), from the scenes that this node keeps.

    Observations with the share of the field that was seen, the smoothed curve with its gaps, start,
    peak and end of seasons, how the field stands against its own earlier seasons and against
    neighbours with the same crop, and whether it lost something that they did not.
    """

    def action() -> None:
        from sat_ingest.field_report import field_report

        known = fields_of(home, fields)
        chosen = named(field, known)
        with archive_of(home) as archive:
            report = field_report(archive, chosen, known, index, _today(until))
        first = day_number(since) if since else report.reading.series.days[0]
        if as_json:
            click.echo(json.dumps(as_plain(report, first), ensure_ascii=False))
        elif as_csv:
            click.echo(_table(report, first), nl=False)
        else:
            click.echo("\n".join(_lines(report)))

    if as_csv and as_json:
        raise click.UsageError("say either --csv or --json")
    guarded(as_json, action)


def _today(until: datetime | None) -> int | None:
    """The day to judge by; None, the last that is kept, where the clock cannot be believed."""
    from field_data.clock import now
    from field_data.types import Trust

    if until is not None:
        return day_number(until)
    return None if now().trust is Trust.UNKNOWN else last_day(None)


def named(wish: str, known: Sequence[Field]) -> Field:
    """The field of that id, else the only one of that name.

    Raises:
        PersonError: ``unknown_field`` or ``many_fields``.
    """
    for each in known:
        if each.id == wish:
            return each
    found = [each for each in known if each.name and each.name == wish]
    if not found:
        raise PersonError("unknown_field", f"no field {wish!r} is known here")
    if len(found) > 1:
        ids = ", ".join(each.id for each in found)
        raise PersonError("many_fields", f"several fields are called {wish!r}: {ids}")
    return found[0]


def as_plain(report: FieldReport, first: int) -> dict[str, Any]:
    """The report for programs: ISO dates, null where there is no saying."""
    series = report.reading.series
    return {
        "field": series.field,
        "index": series.index,
        "noise": _number(series.noise),
        "observations": list(_observations(report, first)),
        "curve": list(_curve(report, first)),
        "seasons": [_season(each) for each in report.reading.seasons],
        "compared": {
            "day": iso(report.day),
            "own_seasons": _anomaly(report.own),
            "neighbours": _anomaly(report.neighbours),
        },
        "alert": _alert(report),
    }


def _observations(report: FieldReport, first: int) -> Iterator[dict[str, Any]]:
    series = report.reading.series
    parts = zip(series.days, series.values, series.valid, series.sights, strict=True)
    for day, value, valid, sight in parts:
        if day >= first:
            seen = {"value": _number(value), "valid": _number(valid), "sight": sight.value}
            yield {"day": iso(day), **seen}


def _curve(report: FieldReport, first: int) -> Iterator[dict[str, Any]]:
    curve = report.reading.curve
    if curve is None:
        return
    rows = zip(curve.days.tolist(), curve.values[:, 0].tolist(), curve.support[:, 0], strict=True)
    for day, value, support in rows:
        if first <= day:
            yield {"day": iso(day), "value": _number(value), "support": _SUPPORT[support]}


def _season(season: Season) -> dict[str, Any]:
    days = ("start", "foot_start", "peak", "end", "foot_end")
    said = {
        key: iso(round(value)) if key in days else _plain(value)
        for key, value in asdict(season).items()
    }
    # What is not over has no end yet.
    unknown = (*(() if season.started else days[:2]), *(() if season.ended else days[3:]))
    return said | dict.fromkeys(unknown)


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool) else _number(value)


def _anomaly(anomaly: Anomaly) -> dict[str, Any]:
    usual = anomaly.usual
    return {
        "value": _number(anomaly.value),
        "usual": _number(usual.median) if usual else None,
        "spread": _number(usual.spread) if usual else None,
        "count": usual.count if usual else 0,
        "difference": _number(anomaly.difference),
        "score": _number(anomaly.score),
        "reason": anomaly.reason or None,
    }


def _alert(report: FieldReport) -> dict[str, Any]:
    alert = report.alert
    said: dict[str, Any] = {"raised": alert.raised, "verdict": alert.verdict.value}
    if alert.change is None:
        return said
    change = alert.change
    return said | {
        "before_day": iso(change.before_day),
        "after_day": iso(change.after_day),
        "before": _number(change.before),
        "after": _number(change.after),
        "change": _number(change.change),
        "needed": _number(change.needed),
        "neighbours": _number(change.neighbours),
        "compared": change.compared,
        "confirmed": change.confirmed,
    }


def _number(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None


def _table(report: FieldReport, first: int) -> str:
    out = io.StringIO()
    columns = ("kind", "day", "value", "valid", "sight", "support")
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for kind, rows in (
        ("observed", _observations(report, first)),
        ("curve", _curve(report, first)),
    ):
        writer.writerows({"kind": kind, **row} for row in rows)
    return out.getvalue()


def _lines(report: FieldReport) -> Iterator[str]:
    series = report.reading.series
    clear = sum(math.isfinite(value) for value in series.values)
    yield (
        f"{series.field}: {series.index}, {len(series.days)} days from {iso(series.days[0])} to "
        f"{iso(series.days[-1])}, {clear} clear, noise {_said(series.noise)}"
    )
    for each in report.reading.seasons:
        start = iso(round(each.start)) if each.started else "before the series"
        end = iso(round(each.end)) if each.ended else "not yet"
        yield f"  season: start {start}, peak {iso(round(each.peak))}, end {end}"
    for name, anomaly in (("own seasons", report.own), ("neighbours", report.neighbours)):
        usual = anomaly.usual
        if usual is None:
            yield f"  against {name}: {anomaly.reason}"
        else:
            yield (
                f"  against {name}: {_said(anomaly.value)} on {iso(report.day)}, usual "
                f"{_said(usual.median)} (of {usual.count}), {anomaly.score:+.1f} spreads"
            )
    yield f"  {_change(report)}"


def _change(report: FieldReport) -> str:
    alert = report.alert
    if alert.change is None:
        return f"no alert: {alert.verdict}"
    change = alert.change
    sentence = (
        f"{'ALERT' if alert.raised else 'no alert'} ({alert.verdict}): {change.change:+.2f} from "
        f"{iso(change.before_day)} to {iso(change.after_day)}; {change.compared} neighbours "
        f"{_said(change.neighbours)}"
    )
    if not alert.raised:
        return sentence
    return sentence + ("" if change.confirmed else "; one picture only, look at the next")


def _said(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "unknown"
