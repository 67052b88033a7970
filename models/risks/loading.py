"""Models of pests to come, read from TOML strictly: what is not understood is refused at load.

An unknown key, a number without a source, a source that nothing names, thresholds that cannot be,
stages that wait for each other: each is a `PublisherError` that says which file and what.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from field_data.errors import PublisherError
from models.risks.definition import (
    Biofix,
    HumidDays,
    Kind,
    RainEvent,
    RiskModel,
    Rule,
    Stage,
    Warmth,
    WetSpell,
)
from models.risks.degree_days import METHODS
from models.risks.reading import Table, read_sources

FOLDER = Path(__file__).parent / "models"
BIOFIX = "biofix"
TRAPS = frozenset({"tuta", "yellow", "blue", "pheromone", "fruit_fly", "other"})


@cache
def shipped_models() -> tuple[RiskModel, ...]:
    """The models that come with Ghalla, by id.

    Raises:
        PublisherError: ``bad_risk_model``.
    """
    return load_models(FOLDER)


def load_models(folder: Path) -> tuple[RiskModel, ...]:
    """All models of a folder, by id.

    Raises:
        PublisherError: ``bad_risk_model``: one is not sound, or two share an id.
    """
    found = [read_model(path.read_bytes(), path.name) for path in sorted(folder.glob("*.toml"))]
    ids = [model.id for model in found]
    if len(ids) != len(set(ids)):
        raise PublisherError("bad_risk_model", f"two models of one id in {folder}")
    return tuple(sorted(found, key=lambda model: model.id))


def read_model(data: bytes, name: str) -> RiskModel:
    """One model from the bytes of a TOML file called ``name``.

    Raises:
        PublisherError: ``bad_risk_model``.
    """
    try:
        content = tomllib.loads(data.decode())
    except ValueError as error:
        raise PublisherError("bad_risk_model", f"{name}: {error}") from error
    return _model(Table(content, name))


def _model(table: Table) -> RiskModel:
    sources = read_sources(table)
    kind = Kind(table.one_of("kind", tuple(Kind)))
    read = _degree_days if kind is Kind.DEGREE_DAYS else _infection
    reviewed, by = table.flag("reviewed"), table.text("reviewed_by", empty=True)
    if reviewed != bool(by):
        raise table.bad("reviewed needs the name of who reviewed it, and only then")
    months, said_by = table.integers("months", 1, 12), table.text("months_source")
    parts = read(table)
    model = RiskModel(
        id=table.text("id"),
        pest=table.text("pest"),
        name=table.text("name"),
        kind=kind,
        crops=table.texts("crops"),
        months=months,
        form=table.text("form"),
        crop_stage=table.text("crop_stage"),
        validity=table.text("validity"),
        needs=table.text("needs", empty=True),
        reviewed=reviewed,
        reviewed_by=by,
        sources=sources,
        other_sources=(said_by, *parts.pop("other_sources")),
        **parts,
    )
    table.end()
    _all_used(table, model)
    return model


def _degree_days(table: Table) -> dict[str, Any]:
    part = table.table("warmth")
    warmth = Warmth(
        part.number("lower_c", -5, 25),
        part.number("upper_c", 15, 50),
        part.one_of("method", tuple(METHODS)),
        part.text("source"),
        part.text("upper_source"),
    )
    part.end()
    if warmth.lower_c + 5 > warmth.upper_c:
        raise part.bad("thresholds must lie at least 5 °C apart, the lower one below")
    stages = _stages(table)
    generation = table.number("generation", 0, 5000)
    if generation and generation < max(stage.total for stage in stages):
        raise table.bad("a generation is not over before its last stage")
    return {
        "warmth": warmth,
        "biofix": _biofix(table.table("biofix")),
        "stages": stages,
        "generation": generation,
        "generations": int(table.number("generations", 1, 15)),
        "spread": table.number("spread", 0, 0.5),
        "other_sources": (table.text("spread_source"),),
    }


def _biofix(part: Table) -> Biofix:
    traps = part.texts("traps", empty=True)
    if set(traps) - TRAPS:
        raise part.bad(f"traps are among {', '.join(sorted(TRAPS))}")
    made = Biofix(
        month=int(part.number("month", 1, 12)),
        day=int(part.number("day", 1, 28)),
        sowing=part.flag("sowing"),
        traps=traps,
        readings=int(part.number("readings", 1, 5)),
        latest_month=int(part.number("latest_month", 1, 12)),
        source=part.text("source"),
    )
    part.end()
    return made


def _stages(table: Table) -> tuple[Stage, ...]:
    """The stages by the sum from the beginning; none waits for itself, even by way of others."""
    parts = {part.text("id"): part for part in table.tables("stage")}
    after = {id: part.text("after") for id, part in parts.items()}
    step = {id: part.number("degree_days", 0, 5000) for id, part in parts.items()}
    if not parts or BIOFIX in parts or len(parts) != len(table.tables("stage")):
        raise table.bad("stages have names of their own, none is the biofix, and there is one")
    found = []
    for id, part in parts.items():
        total = sum(step[each] for each in _way(table, id, after))
        scout, signs = part.flag("scout"), part.flag("signs")
        source = part.text("source")
        found.append(Stage(id, after[id], step[id], total, scout, signs, source))
        part.end()
    return tuple(sorted(found, key=lambda stage: stage.total))


def _way(table: Table, id: str, after: Mapping[str, str]) -> list[str]:
    """The stages from one back to the beginning."""
    way: list[str] = []
    while id != BIOFIX:
        if id in way:
            raise table.bad(f"stages wait for each other in a loop: {' -> '.join([*way, id])}")
        if id not in after:
            raise table.bad(f"no stage {id}")
        way.append(id)
        id = after[id]
    return way


def _infection(table: Table) -> dict[str, Any]:
    part = table.table("rule")
    read = RULES[part.one_of("kind", tuple(RULES))]
    rule = read(part)
    part.end()
    signs = table.integers("signs_days", 1, 60)
    first, last = signs[0], signs[-1]
    if len(signs) != 2 or not first <= last:
        raise table.bad("signs_days are a first and a last day")
    said_by = (table.text("signs_source"),)
    return {"rule": rule, "signs_days": (first, last), "other_sources": said_by}


def _humid_days(part: Table) -> HumidDays:
    return HumidDays(
        int(part.number("days", 1, 7)),
        part.number("tmin_c", -5, 25),
        part.number("rh_percent", 50, 100),
        part.number("hours", 1, 24),
        part.text("source"),
    )


def _wet_spell(part: Table) -> WetSpell:
    points = part.pairs("points")
    if len(points) < 2 or any(a[0] >= b[0] for a, b in itertools.pairwise(points)):
        raise part.bad("points are at least two, their temperatures increase")
    if not all(-5 <= t <= 45 and 0 < h <= 120 and math.isfinite(t) for t, h in points):
        raise part.bad("points are (°C, hours) that can be")
    return WetSpell(
        points,
        part.number("rh_percent", 50, 100),
        part.number("dry_hours", 0, 48),
        part.text("source"),
    )


def _rain_event(part: Table) -> RainEvent:
    return RainEvent(
        part.number("rain_mm", 0.1, 200),
        int(part.number("days", 1, 7)),
        part.number("tmin_c", -5, 25),
        part.text("source"),
    )


RULES: dict[str, Callable[[Table], Rule]] = {
    "humid_days": _humid_days,
    "wet_spell": _wet_spell,
    "rain_event": _rain_event,
}


def _all_used(table: Table, model: RiskModel) -> None:
    """Every number names a source that is there, and every source carries a number."""
    parts = [model.warmth, model.biofix, model.rule, *model.stages]
    named = {part.source for part in parts if part is not None} | set(model.other_sources)
    named |= {model.warmth.upper_source} if model.warmth else set()
    missing, idle = named - set(model.sources), set(model.sources) - named
    if missing:
        raise table.bad(f"no source called {', '.join(sorted(missing))}")
    if idle:
        raise table.bad(f"nothing rests on source {', '.join(sorted(idle))}")
