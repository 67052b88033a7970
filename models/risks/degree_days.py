"""Degree-days: how much warmth a day brings to an animal that grows between two temperatures.

All three methods cut off horizontally: above ``upper`` growth goes on as fast as at ``upper``.  The
two of sines integrate a curve through the day's lowest and highest temperature (Baskerville & Emin
1969, Ecology 50:514-517; Allen 1976, Environmental Entomology 5:388-396).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def warmth_above(tmin: Floats, tmax: Floats, threshold: float) -> Floats:
    """The mean of max(0, T - threshold) over a day whose T is a sine from ``tmin`` to ``tmax``.

    Closed form: with the middle M, the half range W and u = (threshold - M) / W inside -1..1 it is
    ((M - threshold) (pi/2 - asin u) + W cos(asin u)) / pi.  Arrays of one shape, °C; NaN stays NaN.
    """
    middle, half = (tmax + tmin) / 2, (tmax - tmin) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        turn = np.arcsin(np.clip((threshold - middle) / half, -1.0, 1.0))
    inside = ((middle - threshold) * (np.pi / 2 - turn) + half * np.cos(turn)) / np.pi
    whole = np.where(tmin >= threshold, middle - threshold, inside)
    known = np.isfinite(tmin) & np.isfinite(tmax)
    return np.where(known, np.where(tmax <= threshold, 0.0, whole), np.nan)


def single_sine(tmin: Floats, tmax: Floats, lower: float, upper: float) -> Floats:
    """Degree-days of each day, one sine a day."""
    return warmth_above(tmin, tmax, lower) - warmth_above(tmin, tmax, upper)


def double_sine(tmin: Floats, tmax: Floats, lower: float, upper: float) -> Floats:
    """The second half of each day cools down to the next day's lowest temperature; the last day,
    and one before an unknown, to its own.  Days run along the last axis."""
    following = np.concatenate([tmin[..., 1:], tmin[..., -1:]], axis=-1)
    following = np.where(np.isfinite(following), np.minimum(following, tmax), tmin)
    rising, falling = (single_sine(low, tmax, lower, upper) for low in (tmin, following))
    return (rising + falling) / 2


def average(tmin: Floats, tmax: Floats, lower: float, upper: float) -> Floats:
    """The mean of both extremes, each first brought between the thresholds (method 2 of McMaster &
    Wilhelm 1997, Agricultural and Forest Meteorology 87:291-300)."""
    return (np.clip(tmin, lower, upper) + np.clip(tmax, lower, upper)) / 2 - lower


METHODS: dict[str, Callable[[Any, Any, float, float], Floats]] = {
    "single_sine": single_sine,
    "double_sine": double_sine,
    "average": average,
}


def degree_days(
    tmin: ArrayLike, tmax: ArrayLike, lower: float, upper: float, method: str = "single_sine"
) -> Floats:
    """Degree-days (°C d) of each day.

    ``tmin`` and ``tmax``: °C, one shape, days along the last axis; the result has that shape and is
    NaN where one of them is.  ``method`` is one of `METHODS`.

    Raises:
        ValueError: thresholds in the wrong order, or ``tmin`` above ``tmax``.
    """
    low, high = np.asarray(tmin, float), np.asarray(tmax, float)
    if not lower < upper:
        raise ValueError("the lower threshold lies below the upper one")
    if np.any(low > high):
        raise ValueError("a day's lowest temperature is not above its highest")
    return METHODS[method](low, high, lower, upper)
