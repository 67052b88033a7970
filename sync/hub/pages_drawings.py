"""Drawings of the pages as plain numbers for SVG: bars of weeks, and a map without tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720.0, 200.0
MAP = 720.0
_LEFT, _BOTTOM = 40.0, 22.0
_LINES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 45)
_LEAST_DEGREES = 0.02


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of ``n`` (its top-left corner, width and height in px); ``label`` where it is told."""

    name: str
    n: int
    x: float
    y: float
    width: float
    height: float
    label: str


def bars(counts: Sequence[tuple[str, int]]) -> list[Bar]:
    """One bar a count, side by side in `WIDTH` x `HEIGHT`; every few are labelled."""
    most = max((n for _, n in counts), default=1)
    step = (WIDTH - _LEFT) / max(len(counts), 8)
    room = HEIGHT - _BOTTOM - 12
    told = max(1, math.ceil(len(counts) * 80 / WIDTH))
    return [
        Bar(name, n, round(_LEFT + at * step, 1), round(12 + room * (1 - n / most), 1),
            round(step * 0.8, 1), round(room * n / most, 1), "" if at % told else name)
        for at, (name, n) in enumerate(counts)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the graticule at ``at`` px, ``name`` in degrees; upright for a longitude."""

    at: float
    name: str
    upright: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """A map of ``width`` x ``height`` px: ``dots`` are (x, y, coarse, id)."""

    width: float
    height: float
    dots: list[tuple[float, float, bool, str]]
    lines: list[Line]


def sheet(points: Sequence[tuple[float, float, bool, str]]) -> Sheet:
    """Points (longitude, latitude, coarse, id) on a sheet, equirectangular."""
    if not points:
        return Sheet(MAP, MAP / 2, [], [])
    west, east = _room([p[0] for p in points], 360)
    south, north = _room([p[1] for p in points], 180)
    squeeze = max(0.1, math.cos(math.radians((south + north) / 2)))
    # No sheet is more than twice as high as wide, or the other way.
    scale = min(MAP / ((east - west) * squeeze), MAP / (north - south))
    width, height = (east - west) * squeeze * scale, (north - south) * scale
    dots = [
        (round((lon - west) * squeeze * scale, 1), round((north - lat) * scale, 1), coarse, id)
        for lon, lat, coarse, id in points
    ]
    upright = [Line(round((d - west) * squeeze * scale, 1), n, True) for d, n in _lines(west, east)]
    flat = [Line(round((north - d) * scale, 1), n, False) for d, n in _lines(south, north)]
    return Sheet(round(width, 1), round(height, 1), dots, upright + flat)


def _room(values: Sequence[float], most: float) -> tuple[float, float]:
    """From and to, with some room around."""
    low, high = min(values), max(values)
    room = max((high - low) * 0.06, _LEAST_DEGREES / 2)
    low, high = low - room, high + room
    return (-most / 2, most / 2) if high - low > most else (low, high)


def _lines(low: float, high: float) -> list[tuple[float, str]]:
    step = next((each for each in _LINES if (high - low) / each <= 6), _LINES[-1])
    digits = max(0, -math.floor(math.log10(step)))
    first, last = math.ceil(low / step), math.floor(high / step)
    return [(at * step, f"{at * step:.{digits}f}°") for at in range(first, last + 1)]
