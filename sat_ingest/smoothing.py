"""Whittaker's smoother over many series at once, gaps left as gaps.

Eilers, P. H. C. (2003), A perfect smoother, Analytical Chemistry 75(14), 3631-3636: the series z
that minimises sum(w (y - z)^2) + lambda sum((second differences of z)^2) solves a linear system
with five diagonals.  It is solved along time for all series together (Cholesky-like, L D L^T), so
that numpy's cost per step is shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Chosen by leaving observations out on Belgian and Slovenian fields (docs/satellite-series.md).
LAMBDA = 1000.0
STEP_DAYS = 5
# Between observations further apart than this nothing is drawn: a field can be cut and green again.
MAX_GAP_DAYS = 40
# A day is supported when it was observed this near.
NEAR_DAYS = 10
# Neighbours of an observation further apart than this say nothing about its noise.
NOISE_SPAN_DAYS = 30
MIN_OBSERVATIONS = 4
# The standard deviation of a normal variable is this many times its median absolute deviation.
MAD_TO_SIGMA = 1.4826

Floats = NDArray[np.float64]


class Support(IntEnum):
    """How far a smoothed day can be believed."""

    NONE = 0  # in a long gap, or outside what was observed: the value is NaN
    BRIDGED = 1  # between observations that are no neighbours
    NEAR = 2  # observed within `NEAR_DAYS`


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """``days`` int32 [n] since 1970-01-01, evenly spaced; ``values`` float64 [n, series], NaN where
    ``support`` (uint8 [n, series], see `Support`) is NONE; ``noise`` float64 [series], one standard
    deviation of an observation, NaN when too few."""

    days: NDArray[np.int32]
    values: Floats
    support: NDArray[np.uint8]
    noise: Floats


def smooth(
    days: NDArray[np.int32],
    values: Floats,
    weights: Floats | None = None,
    *,
    lam: float = LAMBDA,
    step: int = STEP_DAYS,
    max_gap: int = MAX_GAP_DAYS,
    envelope: int = 0,
) -> Smooth:
    """Smooth series onto the days that are multiples of ``step`` since 1970-01-01.

    ``days`` int [n], increasing; ``values`` float [n, series], NaN where not observed; ``weights``
    the same shape, 0 to 1 (the share of the field that was seen), or None for ones.  The curve is
    straight between two days of the grid, so each observation counts at its own day.  ``lam`` is
    for a daily grid; it is scaled by step**-3, which keeps the curve as stiff in days.

    ``envelope`` fits again that many times with observations below the curve raised to it (Chen et
    al. 2004, Remote Sensing of Environment 91, 332-344), for indices that cloud always lowers.  It
    is off by default, because it also hides a real loss.
    """
    y = np.where(np.isfinite(values), values, 0.0)
    w = np.where(np.isfinite(values), 1.0 if weights is None else weights, 0.0)
    grid = np.arange(days[0] // step * step, days[-1] + step, step, dtype=np.int32)
    # The smoother needs three days.
    grid = np.arange(grid[0], max(grid[-1], grid[0] + 2 * step) + 1, step, dtype=np.int32)
    at, share = np.divmod(days - grid[0], step)
    share = share / step
    enough = (w > 0).sum(axis=0) >= MIN_OBSERVATIONS
    # Too few observations leave the system without one answer; theirs is thrown away below.
    fit = np.where(enough, w, 1.0)
    curve = _fit(at, share, y, fit, len(grid), lam / step**3)
    for _ in range(envelope):
        raised = np.maximum(y, _between(curve, at, share))
        curve = _fit(at, share, raised, fit, len(grid), lam / step**3)
    support = _support(days, w > 0, grid, max_gap) * enough.astype(np.uint8)
    curve[support == Support.NONE] = np.nan
    return Smooth(grid, curve, support, noise(days, values))


def whittaker(y: Floats, w: Floats, lam: float) -> Floats:
    """Smooth values on an even grid: ``y`` and ``w`` float64 [n, series], n >= 3, w = 0 where none.

    Every series needs weight on two days at least.
    """
    at = np.arange(len(y))
    return _fit(at, np.zeros(len(y)), y, w, len(y), lam)


def _fit(at: NDArray[Any], share: Floats, y: Floats, w: Floats, nodes: int, lam: float) -> Floats:
    """Normal equations of straight lines between nodes, plus the penalty; [nodes, series].

    Observation k lies at node at[k] + share[k]: its weight falls on two nodes and on their product,
    which is inside the five diagonals that the penalty has.
    """
    main, first, second = (np.repeat(row[:, None], y.shape[1], 1) for row in _penalty(nodes, lam))
    right = np.zeros_like(main)
    for i, s, y_row, w_row in zip(at, share, y, w, strict=True):
        near = w_row * (1 - s)
        main[i] += near * (1 - s)
        right[i] += near * y_row
        if s > 0:
            far = w_row * s
            first[i] += near * s
            main[i + 1] += far * s
            right[i + 1] += far * y_row
    return _solved(main, first, second[:, :1], right)


def _solved(main: Floats, first: Floats, second: Floats, z: Floats) -> Floats:
    """Solve symmetric five-diagonal systems, all series at once; overwrites its arguments.

    L D L^T without pivots: the systems are positive definite.  ``second`` is the same for all.
    """
    outer = np.empty_like(main)
    for i in range(len(z)):
        if i > 1:
            main[i] -= second[i - 2] * outer[i - 2]
            z[i] -= outer[i - 2] * z[i - 2]
        if i > 0:
            over = first[i - 1] / main[i - 1]
            main[i] -= over * first[i - 1]
            first[i] -= over * second[i - 1]
            z[i] -= over * z[i - 1]
            first[i - 1] = over
        np.divide(second[i], main[i], out=outer[i])
    z /= main
    z[-2] -= first[-2] * z[-1]
    for i in range(len(z) - 3, -1, -1):
        z[i] -= first[i] * z[i + 1] + outer[i] * z[i + 2]
    return z


def _penalty(n: int, lam: float) -> tuple[Floats, Floats, Floats]:
    """Diagonals of lambda D'D, D the second differences: main, first and second, each [n]."""
    main, first, second = np.zeros(n), np.zeros(n), np.zeros(n)
    for start, weight in ((0, 1), (1, 4), (2, 1)):
        main[start : n - 2 + start] += weight
    first[:-2] -= 2
    first[1:-1] -= 2
    second[:-2] += 1
    return lam * main, lam * first, lam * second


def _between(curve: Floats, at: NDArray[Any], share: Floats) -> Floats:
    """The curve [nodes, series] at ``at + share``, [n, series]."""
    after = np.minimum(at + 1, len(curve) - 1)
    part = share[:, None]
    values: Floats = (1 - part) * curve[at] + part * curve[after]
    return values


def _support(
    days: NDArray[np.int32], seen: NDArray[np.bool_], grid: NDArray[np.int32], max_gap: int
) -> NDArray[np.uint8]:
    """`Support` of each day of the grid from the observations before and after it."""
    never = 10**7
    last = np.maximum.accumulate(np.where(seen, days[:, None], -never), axis=0)
    following = np.minimum.accumulate(np.where(seen, days[:, None], never)[::-1], axis=0)[::-1]
    edge = np.full((1, seen.shape[1]), never)
    before = np.vstack([-edge, last])[np.searchsorted(days, grid, "right")]
    after = np.vstack([following, edge])[np.searchsorted(days, grid, "left")]
    inside = after - before <= max_gap
    near = np.minimum(grid[:, None] - before, after - grid[:, None]) <= NEAR_DAYS
    support: NDArray[np.uint8] = (inside * (1 + near)).astype(np.uint8)
    return support


def noise(days: NDArray[np.int32], values: Floats) -> Floats:
    """Standard deviation of one observation, [series], from ``values`` [n, series] with NaN.

    Each observation is held against the line through its two neighbours in time; the median of
    these misses, scaled for what the neighbours' own noise adds, is not moved by single clouds.
    NaN with fewer than two such triples.
    """
    seen = np.isfinite(values)
    count = len(days)
    # The rows of the observation before and after each, per series; the borders stand for none.
    rows = np.where(seen, np.arange(count)[:, None], -1)
    before = np.vstack([np.full((1, values.shape[1]), -1), np.maximum.accumulate(rows)[:-1]])
    rows = np.where(seen, np.arange(count)[:, None], count)
    after = np.minimum.accumulate(rows[::-1])[::-1]
    after = np.vstack([after[1:], np.full((1, values.shape[1]), count)])
    whole = seen & (before >= 0) & (after < count)
    before, after = np.where(whole, before, 0), np.where(whole, after, count - 1)
    span = np.maximum(days[after] - days[before], 1)
    share = (days[:, None] - days[before]) / span
    filled = np.where(seen, values, 0.0)
    left = np.take_along_axis(filled, before, axis=0)
    right = np.take_along_axis(filled, after, axis=0)
    miss = filled - (1 - share) * left - share * right
    scaled = np.abs(miss) / np.sqrt(1 + share**2 + (1 - share) ** 2)
    return MAD_TO_SIGMA * _median(scaled, whole & (span <= NOISE_SPAN_DAYS))


def _median(values: Floats, counted: NDArray[np.bool_]) -> Floats:
    """Median of the counted values of each column, NaN with fewer than two."""
    count = counted.sum(axis=0)
    ordered = np.sort(np.where(counted, values, np.inf), axis=0)
    low, high = np.maximum(count - 1, 0) // 2, np.maximum(count // 2, 0)
    pair = np.take_along_axis(ordered, np.stack([low, np.minimum(high, len(ordered) - 1)]), axis=0)
    return np.where(count > 1, pair.mean(axis=0), np.nan)


def v_curve(days: NDArray[np.int32], values: Floats, weights: Floats | None = None) -> Floats:
    """Lambda of each series, [series], by the V-curve: where fit and stiffness trade most slowly.

    Frasso, G. and Eilers, P. H. C. (2015), L- and V-curves for optimal smoothing, Statistical
    Modelling 15(1), 91-111.  Searched from 10 to 10^6 in half decades; it costs eleven fits, so it
    is for studies, not for a node's every day.
    """
    tries = 10 ** np.arange(1, 6.01, 0.5)
    share = np.ones_like(values) if weights is None else weights
    fits, roughs = [], []
    for lam in tries:
        found = smooth(days, values, weights, lam=float(lam), max_gap=10**6)
        at, part = np.divmod(days - found.days[0], STEP_DAYS)
        misses = values - _between(found.values, at, part / STEP_DAYS)
        fits.append(np.log(np.nansum(share * misses**2, axis=0) + 1e-12))
        roughs.append(np.log(np.nansum(np.diff(found.values, 2, axis=0) ** 2, axis=0) + 1e-12))
    moved = np.hypot(np.diff(fits, axis=0), np.diff(roughs, axis=0))
    between: Floats = np.sqrt(tries[1:] * tries[:-1])[np.argmin(moved, axis=0)]
    return between
