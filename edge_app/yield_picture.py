"""A yield and its range as drawings that need no reading: sacks, a balance, months.

SVG inside the page, without script or style; left is less in every language.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from markupsafe import Markup, escape

from field_data.types import HORIZONS, YieldForecast

_A_ROW, _STEP, _TALL = 10, 34, 42
_SACK = "M6 12Q1 26 5 36H27Q31 26 26 12ZM9 4Q16 9 23 4L21 12H11Z"
_SURE, _LIKELY, _LINE, _INK, _FAINT = "#7a4a12", "#e3b96f", "#7a4a12", "#333", "#ccc"
_MARK, _RANGE = "#D55E00", "#009E73"
# More sacks than this are drawn by twos.
_MOST_SACKS = 60


def sacks(said: YieldForecast, text: str) -> Markup:
    """Sacks of 100 kg from one hectare: full up to the 10th percentile, pale up to the middle,
    dashed up to the 90th.  For a forecast in t/ha."""
    low, middle, high = (10 * (t or 0) for t in (said.t_ha_p10, said.t_ha_p50, said.t_ha_p90))
    each = 1 if high <= _MOST_SACKS else 2
    sure, likely, possible = (round(value / each) for value in (low, middle, high))
    count = max(possible, 1)
    rows = math.ceil(count / _A_ROW)
    parts = "".join(_sacks(count, sure, likely))
    return _svg(_A_ROW * _STEP, rows * _TALL, parts, text, "sacks")


def _sacks(count: int, sure: int, likely: int) -> Iterator[str]:
    for place in range(count):
        x, y = place % _A_ROW * _STEP, place // _A_ROW * _TALL
        kind = "sure" if place < sure else "likely" if place < likely else "possible"
        yield f'<path class="{kind}" transform="translate({x} {y})" d="{_SACK}" {_LOOK[kind]}/>'


_LOOK = {
    "sure": f'fill="{_SURE}"',
    "likely": f'fill="{_LIKELY}" stroke="{_LINE}" stroke-width="1.5"',
    "possible": f'fill="#fff" stroke="{_LINE}" stroke-width="1.5" stroke-dasharray="3 3"',
}

_EAR = "M0 0V-{0}M0 -{0}l-6 -8M0 -{0}l6 -8M0 -{1}l-6 -8M0 -{1}l6 -8M0 -{2}l-6 -8M0 -{2}l6 -8"


def balance(said: YieldForecast, text: str) -> Markup:
    """Worse to better than usual: a small, a middling and a tall ear, the range and its middle."""
    ends = [_along(v) for v in (said.relative_p10, said.relative, said.relative_p90)]
    parts = [
        f'<path d="M20 96H340M180 86v20" stroke="{_INK}" stroke-width="2"/>',
        f'<path d="M{ends[0]:.0f} 96H{ends[2]:.0f}" stroke="{_RANGE}" stroke-width="16" '
        'stroke-linecap="round"/>',
        f'<circle cx="{ends[1]:.0f}" cy="96" r="10" fill="{_MARK}" stroke="#fff" '
        'stroke-width="3"/>',
        *(_ear(x, tall) for x, tall in ((40, 18), (180, 32), (320, 52))),
    ]
    return _svg(360, 120, "".join(parts), text, "balance")


def _along(relative: float) -> float:
    """Half as much to half as much again, in pixels."""
    return 180 + 280 * min(max(relative, -0.5), 0.5)


def _ear(x: int, tall: int) -> str:
    path = _EAR.format(tall, tall - 6, tall - 12)
    return (
        f'<path transform="translate({x} 80)" d="{path}" fill="none" stroke="{_SURE}" '
        'stroke-width="3" stroke-linecap="round"/>'
    )


def months(
    said: Sequence[YieldForecast],
    harvest_t_ha: float | None,
    name: Callable[[str], str],
    text: str,
) -> Markup:
    """The forecasts of a season by month, quintals a hectare: range, middle, dashed what is usual,
    and a line for the harvest.  For forecasts in t/ha."""
    values = [t or 0.0 for each in said for t in (each.t_ha_p90, each.level_t_ha)]
    top = 10 * max([*values, harvest_t_ha or 0.0, 0.1])
    step = next((s for s in (2, 5, 10, 20) if top <= 5 * s), 40)
    high = step * math.ceil(top / step)

    def y(quintals: float) -> float:
        return 12 + 170 * (1 - quintals / high)

    parts = [*_scale(high, step, y)]
    for each in said:
        parts += _month(each, y, name(each.horizon))
    if harvest_t_ha is not None:
        at = y(10 * harvest_t_ha)
        parts.append(f'<path d="M36 {at:.1f}H348" stroke="{_MARK}" stroke-width="3"/>')
    return _svg(360, 216, "".join(parts), text, "chart")


def _scale(high: int, step: int, y: Callable[[float], float]) -> Iterator[str]:
    for value in range(0, high + 1, step):
        at = y(value)
        yield f'<path d="M36 {at:.1f}H348" stroke="{_FAINT}"/>'
        yield f'<text x="30" y="{at + 5:.1f}" text-anchor="end">{value}</text>'


def _month(each: YieldForecast, y: Callable[[float], float], name: str) -> Iterator[str]:
    x = 75 + 78 * HORIZONS.index(each.horizon)
    low, middle, high, usual = (
        y(10 * (t or 0.0)) for t in (each.t_ha_p10, each.t_ha_p50, each.t_ha_p90, each.level_t_ha)
    )
    yield (
        f'<path d="M{x} {low:.1f}V{high:.1f}" stroke="{_RANGE}" stroke-width="18"/>'
        f'<circle cx="{x}" cy="{middle:.1f}" r="7" fill="{_INK}"/>'
        f'<path d="M{x - 30} {usual:.1f}h60" stroke="{_INK}" stroke-width="2" '
        'stroke-dasharray="5 4"/>'
        f'<text x="{x}" y="204" text-anchor="middle">{escape(name)}</text>'
    )


def _svg(width: int, height: int, parts: str, text: str, kind: str) -> Markup:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" class="{kind}" '
        f'role="img" direction="ltr" font-size="14" fill="{_INK}"><title>{escape(text)}</title>'
    )
    return Markup(head + parts + "</svg>")  # noqa: S704 - every text in it is escaped
