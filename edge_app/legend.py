"""The legend of a map: its colours with their values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from markupsafe import Markup

from sat_ingest.ramps import Ramp

_WIDTH, _BAR, _HEIGHT = 300, 18, 40
_STEPS = 30


def legend(ramp: Ramp) -> Markup:
    """An SVG bar from low to high; low is left in every language."""
    parts = "".join((*_bar(ramp), *_values(ramp)))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
    head += 'class="legend" aria-hidden="true" direction="ltr" font-size="13" fill="#333">'
    return Markup(head + parts + "</svg>")  # noqa: S704 - numbers and colours of ours


def _bar(ramp: Ramp) -> Iterator[str]:
    step = _WIDTH / _STEPS
    for number in range(_STEPS):
        value = ramp.low + (ramp.high - ramp.low) * (number + 0.5) / _STEPS
        yield (
            f'<rect x="{number * step:.1f}" y="0" width="{step + 0.5:.1f}" height="{_BAR}" '
            f'fill="{ramp.colour(value)}"/>'
        )


def _values(ramp: Ramp) -> Iterator[str]:
    for number, value in enumerate(np.linspace(ramp.low, ramp.high, 4)):
        anchor = ("start", "middle", "middle", "end")[number]
        x = _WIDTH * number / 3
        yield f'<text x="{x:.0f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{value:.1f}</text>'
