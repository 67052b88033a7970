"""A field's season as a drawing: dots for clear days, a curve, and gaps where clouds hid the field.

SVG inside the page, so that it is written in the page's own letters and needs no script.  Time runs
from left to right in every language.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from markupsafe import Markup, escape

from field_data.days import date_of, day_of

WIDTH, HEIGHT = 360, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 32, 12, 10, 44
_PLOT_W, _PLOT_H = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
_INK, _FAINT, _GAP = "#333", "#ccc", "#e6e6e6"
# Okabe and Ito's colours, which colour-blind people tell apart.
_LINE, _DOT, _OTHER, _MARK = "#009E73", "#005a41", "#999999", "#D55E00"
_MOST_LABELS = 6


@dataclass(frozen=True, slots=True)
class Curve:
    """Values of days in order; None where there is no saying (a gap in the line)."""

    days: Sequence[int]
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn; days count from 1970-01-01, values have the unit of the index.

    ``clear`` are measured (day, value); ``hidden`` days on which clouds covered the field;
    ``curve`` the smoothed line, ``usual`` what other seasons were like, ``others`` those seasons
    one by one, moved to these days; ``marks`` days with a name.
    """

    since: int
    until: int
    low: float
    high: float
    clear: Sequence[tuple[int, float]] = ()
    hidden: Sequence[int] = ()
    curve: Curve = field(default_factory=lambda: Curve((), ()))
    usual: Curve = field(default_factory=lambda: Curve((), ()))
    others: Sequence[Curve] = ()
    marks: Sequence[tuple[int, str]] = ()

    def __post_init__(self) -> None:
        if self.until <= self.since or self.high <= self.low:
            raise ValueError("a chart needs some days and some values")

    def x(self, day: float) -> float:
        """Where a day is, in pixels from the left."""
        return _LEFT + _PLOT_W * (day - self.since) / (self.until - self.since)

    def y(self, value: float) -> float:
        """Where a value is, in pixels from the top; beyond the axis it stays at its end."""
        inside = min(max(value, self.low), self.high)
        return _TOP + _PLOT_H * (self.high - inside) / (self.high - self.low)


def svg(chart: Chart, said: str, month: Callable[[dt.date], str]) -> Markup:
    """The drawing; ``said`` tells its content in a sentence, ``month`` names a month shortly."""
    parts = [
        *_gaps(chart),
        *_value_axis(chart),
        *_time_axis(chart, month),
        *(part for other in chart.others for part in _line(chart, other, _OTHER, "1.5", "")),
        *_line(chart, chart.usual, _OTHER, "2", "5 4"),
        *_line(chart, chart.curve, _LINE, "3", ""),
        *_dots(chart),
        *_hidden(chart),
        *_marks(chart),
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" class="chart" '
        f'role="img" direction="ltr" font-size="14" fill="{_INK}"><title>{escape(said)}</title>'
    )
    return Markup(head + "".join(parts) + "</svg>")  # noqa: S704 - every text in it is escaped


def _gaps(chart: Chart) -> Iterator[str]:
    """Grey bands where the curve has no value between its first and last."""
    known = [day for day, value in _pairs(chart.curve) if value is not None]
    for before, after in pairwise(known):
        between = [day for day, value in _pairs(chart.curve) if before < day < after]
        if between:
            left, right = chart.x(before), chart.x(after)
            yield (
                f'<rect class="gap" x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" '
                f'height="{_PLOT_H}" fill="{_GAP}"/>'
            )


def _value_axis(chart: Chart) -> Iterator[str]:
    for value in _steps(chart.low, chart.high):
        y = chart.y(value)
        yield f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" stroke="{_FAINT}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.1f}</text>'


def _steps(low: float, high: float) -> list[float]:
    """Round tenths between two values, at most eight of them."""
    lowest, highest = math.ceil(low * 10 - 1e-6), math.floor(high * 10 + 1e-6)
    step = next((size for size in (1, 2, 5, 10) if highest - lowest <= 7 * size), 20)
    return [tenth / 10 for tenth in range(lowest - lowest % -step, highest + 1, step)]


def _time_axis(chart: Chart, month: Callable[[dt.date], str]) -> Iterator[str]:
    starts = list(_months(chart.since, chart.until))
    every = -(-len(starts) // _MOST_LABELS) or 1
    year = 0
    for number, start in enumerate(starts):
        x = chart.x(day_of(start))
        yield f'<path d="M{x:.1f} {HEIGHT - _BOTTOM}v5" stroke="{_INK}"/>'
        if number % every:
            continue
        y = HEIGHT - _BOTTOM + 20
        yield f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{escape(month(start))}</text>'
        if start.year != year:
            year = start.year
            yield f'<text x="{x:.1f}" y="{y + 16}" text-anchor="middle">{year}</text>'


def _months(since: int, until: int) -> Iterator[dt.date]:
    day = date_of(since).replace(day=1)
    while day_of(day) <= until:
        if day_of(day) >= since:
            yield day
        day = (day + dt.timedelta(days=32)).replace(day=1)


def _line(chart: Chart, curve: Curve, colour: str, width: str, dashes: str) -> Iterator[str]:
    for run in _runs(curve):
        path = "L".join(f"{chart.x(day):.1f} {chart.y(value):.1f}" for day, value in run)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}/>'


def _runs(curve: Curve) -> Iterator[list[tuple[int, float]]]:
    """Stretches of the curve without a gap."""
    run: list[tuple[int, float]] = []
    for day, value in _pairs(curve):
        if value is not None:
            run.append((day, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _pairs(curve: Curve) -> Iterable[tuple[int, float | None]]:
    return zip(curve.days, curve.values, strict=True)


def _dots(chart: Chart) -> Iterator[str]:
    for day, value in chart.clear:
        yield f'<circle cx="{chart.x(day):.1f}" cy="{chart.y(value):.1f}" r="3.5" fill="{_DOT}"/>'


def _hidden(chart: Chart) -> Iterator[str]:
    """A cross at the foot for each day that clouds took."""
    y = HEIGHT - _BOTTOM - 7
    for day in chart.hidden:
        x = chart.x(day)
        yield (
            f'<path class="hidden" d="M{x - 3:.1f} {y - 3}l6 6m0 -6l-6 6" stroke="#767676" '
            'stroke-width="1.5"/>'
        )


def _marks(chart: Chart) -> Iterator[str]:
    for day, name in chart.marks:
        x = chart.x(day)
        yield (
            f'<path d="M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}" stroke="{_MARK}" stroke-width="2" '
            'stroke-dasharray="2 3"/>'
        )
        # Near the right edge the name stands on the other side of its line.
        end = x > WIDTH - 110
        anchor, at = ("end", x - 5) if end else ("start", x + 5)
        yield f'<text x="{at:.1f}" y="{_TOP + 13}" text-anchor="{anchor}">{escape(name)}</text>'
