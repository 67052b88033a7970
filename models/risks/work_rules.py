"""Thresholds of field work, read strictly from ``windows.toml``: each table names its sources."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from field_data.errors import PublisherError
from models.risks.definition import Citation
from models.risks.reading import Table, read_sources

FILE = Path(__file__).parent / "windows.toml"
CODE = "bad_work_rules"


@dataclass(frozen=True, slots=True)
class SprayRules:
    """Wind m/s at 2 m, °C, mm, hours; as ``windows.toml`` explains each."""

    wind_least_ms: float
    wind_most_ms: float
    rain_step_mm: float
    rain_after_mm: float
    rain_after_hours: float
    temp_most_c: float
    delta_t_least_c: float
    delta_t_most_c: float
    layers_before_sunset_h: float
    layers_after_sunrise_h: float
    bees_temp_c: float
    bees_rest_h: float
    day_rain_mm: float
    day_gust_ms: float


@dataclass(frozen=True, slots=True)
class CherguiRules:
    """Hot from ``tmax_c`` on; dry to ``rh_percent``, or ``jump_c`` above the mean of the
    ``jump_days`` before where humidity is not known."""

    tmax_c: float
    rh_percent: float
    jump_c: float
    jump_days: float


@dataclass(frozen=True, slots=True)
class Limit:
    """A temperature (°C) that hurts these crops in these months."""

    crops: tuple[str, ...]
    months: tuple[int, ...]
    temp_c: float
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HarvestRules:
    """``dry_days`` in a row with less than ``rain_mm`` and a chance below ``rain_chance``; from
    ``rain_coming_mm`` on a day's rain is told before."""

    rain_mm: float
    rain_chance: float
    dry_days: float
    rain_coming_mm: float


@dataclass(frozen=True, slots=True)
class WorkRules:
    """All thresholds; ``named`` gives the sources of a table."""

    spray: SprayRules
    chergui: CherguiRules
    frost: tuple[Limit, ...]
    heat: tuple[Limit, ...]
    harvest: HarvestRules
    named: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, Citation]

    def said_by(self, keys: tuple[str, ...]) -> str:
        """The texts of some sources, joined."""
        return "; ".join(self.sources[key].text for key in keys)


_SPANS = {  # what can be, where 0 to 100 is not it
    "temp_most_c": (10, 50),
    "delta_t_most_c": (1, 30),
    "tmax_c": (20, 50),
    "rh_percent": (1, 60),
    "air_c": (-15, 10),
    "rain_chance": (0, 1),
}


@cache
def work_rules() -> WorkRules:
    """The thresholds that come with Ghalla.

    Raises:
        PublisherError: ``bad_work_rules``.
    """
    return read_rules(FILE.read_bytes())


def read_rules(data: bytes) -> WorkRules:
    """The thresholds of a file's bytes.

    Raises:
        PublisherError: ``bad_work_rules``.
    """
    try:
        table = Table(tomllib.loads(data.decode()), FILE.name, CODE)
    except ValueError as error:
        raise PublisherError(CODE, f"{FILE.name}: {error}") from error
    named: dict[str, tuple[str, ...]] = {}
    made = WorkRules(
        spray=SprayRules(**_numbers(table, "spray", SprayRules, named)),
        chergui=CherguiRules(**_numbers(table, "chergui", CherguiRules, named)),
        frost=_limits(table, "frost", "air_c"),
        heat=_limits(table, "heat", "tmax_c"),
        harvest=HarvestRules(**_numbers(table, "harvest", HarvestRules, named)),
        named=named,
        sources=read_sources(table),
    )
    table.end()
    _sound(table, made)
    return made


def _numbers(
    table: Table, name: str, kind: Any, named: dict[str, tuple[str, ...]]
) -> dict[str, float]:
    part = table.table(name)
    fields = kind.__dataclass_fields__
    found = {key: part.number(key, *_SPANS.get(key, (0, 100))) for key in fields}
    named[name] = part.texts("sources")
    part.end()
    return found


def _limits(table: Table, name: str, key: str) -> tuple[Limit, ...]:
    found = []
    for part in table.tables(name):
        crops, months = part.texts("crops"), part.integers("months", 1, 12)
        limit = Limit(crops, months, part.number(key, *_SPANS[key]), part.texts("sources"))
        found.append(limit)
        part.end()
    return tuple(found)


def _sound(table: Table, rules: WorkRules) -> None:
    limits = [*rules.frost, *rules.heat]
    named = {key for keys in rules.named.values() for key in keys}
    named |= {key for limit in limits for key in limit.sources}
    if named != set(rules.sources):
        raise table.bad(f"sources and what names them differ: {named ^ set(rules.sources)}")
    spray = rules.spray
    if spray.wind_least_ms >= spray.wind_most_ms or spray.delta_t_least_c >= spray.delta_t_most_c:
        raise table.bad("the least lies below the most")
