"""The fields of one village with their weeks, the most urgent first: for paper."""

from __future__ import annotations

from datetime import date

from edge_app.advice import Advice
from edge_app.ground import Ground
from edge_app.week.view import Viewer, WeekView
from field_data.errors import PersonError


def communes(ground: Ground) -> list[str]:
    """The villages or communes that a field lies in, by name; ``""`` for farms that say none."""
    farms = {field.farm for field in ground.registry.fields()}
    known = (ground.registry.farm(id) for id in farms)
    return sorted({farm.commune for farm in known if farm})


def of_commune(
    ground: Ground, advice: Advice, commune: str, as_of: date | None = None
) -> list[WeekView]:
    """The weeks of its fields; letters' case does not count.

    Raises:
        PersonError: ``unknown_commune``.
    """
    names = {name.casefold(): name for name in communes(ground)}
    if commune.casefold() not in names:
        known = ", ".join(name or '""' for name in names.values())
        raise PersonError("unknown_commune", f"no field in {commune!r}; known are: {known}")
    fields = [f for f in ground.registry.fields() if _commune(ground, f.farm) == commune.casefold()]
    viewer = Viewer(ground, advice)
    return [viewer.of(told) for told in ground.week.all(as_of, fields)]


def _commune(ground: Ground, farm: str) -> str:
    known = ground.registry.farm(farm)
    return known.commune.casefold() if known else ""
