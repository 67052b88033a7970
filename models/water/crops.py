"""Crops as FAO-56 prints them, their course through a season, and what NDVI says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.water.tables import bad_table, number, table

Floats = NDArray[np.float64]
# m, of what has just been sown or planted; a choice of ours (FAO-56, annex 8: 0.15 to 0.20).
SOWN_ROOTS_M = 0.20
SOWN_HEIGHT_M = 0.05
# Largest and smallest basal coefficient that any field is believed to have.
KCB_MOST = 1.25
YEAR = 365
# Crops whose coefficient ends no higher are cut dry: grain and dry pulses, not vegetables.
DRY_KCB = 0.25


@dataclass(frozen=True, slots=True)
class NdviRule:
    """Basal coefficient ``slope`` (ndvi - ``bare``), wrong by ``sd`` (a choice of ours)."""

    id: str
    slope: float
    bare: float
    sd: float
    text: str
    url: str
    status: str

    def kcb(self, ndvi: ArrayLike) -> Floats:
        """The coefficient; none below bare soil."""
        return np.clip(self.slope * (np.asarray(ndvi, np.float64) - self.bare), 0, KCB_MOST)


@dataclass(frozen=True, slots=True)
class Crop:
    """A row: ``code`` EPPO, ``stages`` four lengths in days, ``kcb`` initial, mid, end; lengths in
    m; ``usual_start`` (month, day) of sowing, of a year's growth for a ``perennial``; ``rainfed``:
    mostly not watered in Morocco.  ``rows`` names the rows of FAO-56 that were taken."""

    code: str
    name: str
    stages: tuple[int, int, int, int]
    kcb: tuple[float, float, float]
    height_m: float
    roots_irrigated_m: float
    roots_rainfed_m: float
    p: float
    usual_start: tuple[int, int]
    perennial: bool
    rainfed: bool
    ndvi: NdviRule
    rows: Mapping[str, str]
    reviewed_by: str

    @property
    def roots_at_sowing_m(self) -> float:
        """Rooting depth on the first day."""
        return self.roots_irrigated_m if self.perennial else SOWN_ROOTS_M

    @property
    def ripe_after(self) -> float:
        """Days after sowing from which water no longer pays: the middle of the late season of a
        crop that is harvested dry, a choice of ours; never for others."""
        dry = not self.perennial and self.kcb[2] <= DRY_KCB
        return self.season_days - self.stages[3] / 2 if dry else math.inf

    @property
    def season_days(self) -> int:
        """From sowing to harvest."""
        return sum(self.stages)


@cache
def crops() -> Mapping[str, Crop]:
    """All crops by code.

    Raises:
        PublisherError: ``bad_water_table``.
    """
    return read_crops(table("crops.toml"))


def read_crops(read: Mapping[str, Any]) -> Mapping[str, Crop]:
    """The crops of a table that was read; errors as `crops`."""
    rules = {row.get("id"): _rule(row) for row in read.get("ndvi", ())}
    found = [_crop(row, rules) for row in read.get("crop", ())]
    by_code = {each.code: each for each in found}
    if len(by_code) != len(found) or not found:
        raise bad_table("crops.toml", "a crop is there twice, or none at all")
    return by_code


def named_crop(code: str) -> Crop:
    """The crop of an EPPO code; KeyError where the table has no row."""
    return crops()[code]


def _rule(row: Mapping[str, Any]) -> NdviRule:
    name = f"ndvi {row.get('id')}"
    words = [row.get(key) for key in ("id", "text", "url", "status")]
    if not all(isinstance(each, str) and each for each in words):
        raise bad_table(name, "needs id, text, url and status")
    slope, bare = number(row, "slope", 0.5, 3, name), number(row, "bare", 0, 0.3, name)
    sd = number(row, "sd", 0, 0.5, name)
    id, text, url, status = (str(each) for each in words)
    return NdviRule(id, slope, bare, sd, text, url, status)


def _crop(row: Mapping[str, Any], rules: Mapping[Any, NdviRule]) -> Crop:
    name = str(row.get("code", "?"))
    if row.get("ndvi") not in rules:
        raise bad_table(name, "has no rule for NDVI")
    if not isinstance(row.get("rows"), Mapping) or set(row["rows"]) != {"stages", "kcb", "roots"}:
        raise bad_table(name, "does not say which rows of FAO-56 it is")
    stages, kcb, roots = (row.get(key, ()) for key in ("stages", "kcb", "roots_m"))
    if [len(each) for each in (stages, kcb, roots)] != [4, 3, 2]:
        raise bad_table(name, "needs four stages, three kcb, two depths")
    days = [int(number({"stage": each}, "stage", 0, YEAR, name)) for each in stages]
    values = [number({"kcb": each}, "kcb", 0, 1.3, name) for each in kcb]
    depths = [number({"roots_m": each}, "roots_m", 0.1, 4, name) for each in roots]
    month, _, day = str(row.get("usual_start", "")).partition("-")
    if not (month.isdigit() and day.isdigit() and sum(days) <= YEAR and depths[0] <= depths[1]):
        raise bad_table(name, "needs usual_start MM-DD, at most a year, the lesser depth first")
    return Crop(
        name, str(row.get("name", name)), (days[0], days[1], days[2], days[3]),
        (values[0], values[1], values[2]), number(row, "height_m", 0.05, 20, name),
        depths[0], depths[1], number(row, "p", 0.1, 0.8, name), (int(month), int(day)),
        bool(row.get("perennial")), bool(row.get("rainfed")), rules[row["ndvi"]], dict(row["rows"]),
        str(row.get("reviewed_by", "")),
    )  # fmt: skip


def curve(crop: Crop, day: ArrayLike) -> Floats:
    """Basal coefficient ``day`` days after sowing (FAO-56, Figure 34): nothing before, the last
    value after the season; of a perennial, through the year."""
    at = np.asarray(day, np.float64)
    ends = np.cumsum(crop.stages)
    ini, mid, end = crop.kcb
    if crop.perennial:
        return np.interp(at % YEAR, [*ends, YEAR], [ini, mid, mid, end, ini], left=ini)
    return np.where(at < 0, 0.0, np.interp(at, ends, [ini, mid, mid, end]))


def roots_of(crop: Crop, day: ArrayLike, deepest_m: float) -> Floats:
    """Rooting depth in m: grows with the coefficient until mid-season, then stays."""
    at = np.asarray(day, np.float64)
    if crop.perennial:
        return np.full(at.shape, deepest_m)
    ini, dev, *_ = crop.stages
    return np.interp(at, [ini, ini + dev], [SOWN_ROOTS_M, deepest_m])


def height_of(crop: Crop, day: ArrayLike) -> Floats:
    """Height in m, which grows as roots do."""
    at = np.asarray(day, np.float64)
    if crop.perennial:
        return np.full(at.shape, crop.height_m)
    ini, dev, *_ = crop.stages
    return np.interp(at, [ini, ini + dev], [SOWN_HEIGHT_M, crop.height_m])


# An observation of NDVI speaks for its own days, and ever less until this many days away.
SPEAKS_FOR, FORGOTTEN_AFTER = 10, 40


def steered(
    calendar: Floats, days: NDArray[np.int64], seen: ArrayLike, kcb: ArrayLike
) -> tuple[Floats, Floats]:
    """The calendar's coefficient drawn to what was seen; ``calendar`` and ``days`` are (days,).

    ``seen`` are days with a coefficient ``kcb`` from NDVI, increasing.  Between two of them their
    difference to the calendar is drawn out in a line; far from any, the calendar holds again.
    Gives the coefficient, and the share 0 to 1 that NDVI has in each day, both (days,).
    """
    at = np.asarray(seen, np.int64)
    if not len(at):
        return calendar, np.zeros(len(days))
    there = np.interp(at, days, calendar)
    apart = np.interp(days, at, np.asarray(kcb, np.float64) - there)
    place = np.clip(np.searchsorted(at, days), 1, len(at) - 1) if len(at) > 1 else None
    nearest = (
        np.abs(days - at[0])
        if place is None
        else np.minimum(np.abs(days - at[place - 1]), np.abs(days - at[place]))
    )
    share = np.clip((FORGOTTEN_AFTER - nearest) / (FORGOTTEN_AFTER - SPEAKS_FOR), 0, 1)
    return np.clip(calendar + share * apart, 0, KCB_MOST), share
