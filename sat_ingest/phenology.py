"""When a season begins, peaks and ends, read off a smoothed series.

Thresholds of amplitude after TIMESAT (Jonsson, P. and Eklundh, L. 2004, Computers & Geosciences
30(8), 833-845): the start is where the curve has climbed a share of the way from the valley before
the peak to the peak, the end where it has come down to that share above the valley behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# TIMESAT's usual share.
SHARE = 0.2
# The feet are where a climb sets in and a fall comes to rest: the valleys themselves, but for this
# much, since a flat valley has no clear lowest day.
FOOT_SHARE = 0.005
# Rises and falls smaller than this are no seasons but weather, weeds and noise.
MIN_AMPLITUDE = 0.15

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Season:
    """One rise and fall; days since 1970-01-01, fractions where the curve is crossed between days.

    ``start`` and ``end`` are at the share of amplitude, ``foot_start`` and ``foot_end`` at the
    foot.  ``started`` is False when the series begins within the rise, ``ended`` when it stops
    before the fall is over: those days are then the first and last of the series, not the season's.
    ``integral`` is the area above zero from start to end, in index x days.
    """

    start: float
    foot_start: float
    peak: float
    peak_value: float
    end: float
    foot_end: float
    amplitude: float
    integral: float
    started: bool
    ended: bool


def seasons(
    days: NDArray[np.int32],
    values: Floats,
    *,
    share: float = SHARE,
    min_amplitude: float = MIN_AMPLITUDE,
) -> list[Season]:
    """Seasons of one smoothed series, by time.

    ``days`` int [n], increasing; ``values`` float [n].  NaN (a long gap) ends a stretch: a season
    is never drawn across it.
    """
    found = []
    for stretch in _stretches(values):
        t, v = days[stretch].astype(np.float64), values[stretch]
        turns = turning_points(v, min_amplitude)
        for k, (at, is_peak) in enumerate(turns):
            if is_peak:
                left = turns[k - 1][0] if k else 0
                right = turns[k + 1][0] if k + 1 < len(turns) else len(v) - 1
                found.append(_season(t, v, (left, at, right), share))
    return found


def turning_points(values: Floats, least: float) -> list[tuple[int, bool]]:
    """Valleys and peaks in turn, (index, is a peak), where the series changes by ``least`` or more.

    A turn counts once the series has gone back by ``least`` from it; the last one is where it
    stands highest or lowest so far.  Empty when nothing changes that much.
    """
    turns: list[tuple[int, bool]] = []
    low = high = way = 0
    for i, value in enumerate(values):
        low = i if value < values[low] else low
        high = i if value > values[high] else high
        if way <= 0 and value - values[low] >= least:
            turns.append((low, False))
            way, high = 1, i
        elif way >= 0 and values[high] - value >= least:
            turns.append((high, True))
            way, low = -1, i
    if way:
        turns.append((high, True) if way > 0 else (low, False))
    return turns


def _season(t: Floats, v: Floats, turns: tuple[int, int, int], share: float) -> Season:
    left, peak, right = turns
    up, down = v[peak] - v[left], v[peak] - v[right]
    start, foot_start = (_crossing(t, v, peak, left, part) for part in (share, FOOT_SHARE))
    end, foot_end = (_crossing(t, v, peak, right, part) for part in (share, FOOT_SHARE))
    return Season(
        start=start,
        foot_start=foot_start,
        peak=float(t[peak]),
        peak_value=float(v[peak]),
        end=end,
        foot_end=foot_end,
        amplitude=float(max(up, down)),
        integral=_area(t, v, start, end),
        # A series that begins or stops on the way has no valley there, unless it lies as low as
        # the other one.
        started=bool(left > 0 or v[left] <= v[right] + share * down),
        ended=bool(right < len(v) - 1 or v[right] <= v[left] + share * up),
    )


def _crossing(t: Floats, v: Floats, peak: int, valley: int, share: float) -> float:
    """The day nearest the peak on which the curve is at ``share`` of the way from the valley."""
    level = v[valley] + share * (v[peak] - v[valley])
    side = 1 if valley > peak else -1
    for i in range(peak, valley, side):
        here, beyond = v[i], v[i + side]
        if here > level >= beyond:
            return float(t[i] + (t[i + side] - t[i]) * (here - level) / (here - beyond))
    return float(t[valley])


def _area(t: Floats, v: Floats, since: float, until: float) -> float:
    inside = (t > since) & (t < until)
    days = np.concatenate(([since], t[inside], [until]))
    return float(np.trapezoid(np.interp(days, t, v), days))


def _stretches(values: Floats) -> list[slice]:
    """The runs of numbers between NaN, those of three days and more."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.isfinite(values), [0]))))
    runs = zip(edges[::2], edges[1::2], strict=True)
    return [slice(int(a), int(b)) for a, b in runs if b - a >= 3]
