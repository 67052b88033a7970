"""Daily water balance of the root zone with two crop coefficients, for many fields at once.

The numbers in brackets are equations of FAO-56 (see `models.water.et0`).  Arrays are float64: of a
field alone ``(fields,)``, of its days ``(fields, days)``; water in mm over the field.  A day begins
with what the day before left; rain and irrigation arrive early in it, evaporation and the stress of
the crop are those of the soil in the morning, as the equations are printed.

Below the roots lies soil down to their final depth.  FAO-56 takes it to be at field capacity when
roots reach it; where summers are dry that gives water that is not there, so its depletion is kept
as well (ASCE Manual 70, 2nd edition, 2016, describes the two layers).  ``below`` = 0 at the start
is FAO-56 to the letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# mm: rain from here on wets the whole surface again (FAO-56, chapter 7, "fraction of soil wetted").
WETTING_RAIN = 3.0
LEAST_EXPOSED, MOST_COVERED = 0.01, 0.99
TALLEST_EFFECT_M = 3.0


@dataclass(frozen=True, slots=True)
class Ground:
    """Soil, (fields,): water content at field capacity ``fc`` and wilting point ``wp`` in m3/m3;
    readily and totally evaporable water ``rew`` and ``tew`` in mm (Table 19); ``cn2`` the curve
    number of runoff, NaN for none."""

    fc: Floats
    wp: Floats
    rew: Floats
    tew: Floats
    cn2: Floats


@dataclass(frozen=True, slots=True)
class Canopy:
    """The crop: basal coefficient ``kcb``, rooting depth ``roots`` and ``height`` in m, all
    (fields, days); ``p`` the share of water it takes without stress at 5 mm/day, ``kc_min`` the
    coefficient of dry bare soil, ``roots_max`` in m, all (fields,)."""

    kcb: Floats
    roots: Floats
    height: Floats
    p: Floats
    kc_min: Floats
    roots_max: Floats


@dataclass(frozen=True, slots=True)
class Forcing:
    """What comes from outside, (fields, days), nothing missing: ``et0``, ``rain`` and what
    reaches the soil of ``irrigation`` in mm, ``wetted`` the share of the surface it wets,
    ``wind`` at 2 m in m/s, least relative humidity ``rh_min`` in %."""

    et0: Floats
    rain: Floats
    irrigation: Floats
    wetted: Floats
    wind: Floats
    rh_min: Floats


@dataclass(frozen=True, slots=True)
class Start:
    """Depletion in mm the evening before, (fields,): of the root zone, of the soil ``below`` it
    down to the final depth of roots, and of the ``surface`` that evaporates."""

    roots: Floats
    below: Floats
    surface: Floats


@dataclass(frozen=True, slots=True)
class Balance:
    """Day by day, (fields, days), mm but for ``ks`` (1: no stress): ``etc`` of a crop that lacks
    nothing, ``eta`` what it took, ``evaporation`` from the soil, ``depletion``, ``taw`` and
    ``raw`` of the root zone in the evening, ``percolation`` below all roots, ``runoff``;
    ``below`` and ``surface`` are depletions as in `Start`."""

    etc: Floats
    eta: Floats
    evaporation: Floats
    ks: Floats
    depletion: Floats
    taw: Floats
    raw: Floats
    percolation: Floats
    runoff: Floats
    below: Floats
    surface: Floats


def balance(ground: Ground, canopy: Canopy, forcing: Forcing, start: Start) -> Balance:
    """The balance of every field through all days; fields do not touch one another."""
    kc_max, cover = ceiling(canopy, forcing)
    taw = _available(ground, canopy.roots)
    # Days first: a day of all fields lies together in memory.
    seasons = _Day(*(np.ascontiguousarray(each.T) for each in (
        canopy.kcb, kc_max, cover, taw, forcing.et0, forcing.rain, forcing.irrigation,
        forcing.wetted)))  # fmt: skip
    state = _State(start, _available(ground, canopy.roots_max[:, None])[:, 0])
    out = np.empty((len(_OUT), taw.shape[1], taw.shape[0]))
    for day in range(taw.shape[1]):
        state.advance(ground, canopy.p, _Day(*(each[day] for each in seasons)), out[:, day])
    return Balance(**{name: out[place].T for place, name in enumerate(_OUT)})


class _Day(NamedTuple):
    """What is given of one day, (fields,), or of all days, (days, fields)."""

    kcb: Floats
    kc_max: Floats
    cover: Floats
    taw: Floats
    et0: Floats
    rain: Floats
    irrigation: Floats
    wetted: Floats


_OUT = ("etc", "eta", "evaporation", "ks", "depletion", "taw", "raw", "percolation", "runoff",
        "below", "surface")  # fmt: skip


def ceiling(canopy: Canopy, forcing: Forcing) -> tuple[Floats, Floats]:
    """The largest coefficient (72) and the share of ground that leaves cover (76)."""
    climate = climate_term(forcing.wind, forcing.rh_min, canopy.height)
    kc_max = np.maximum(1.2 + climate, canopy.kcb + 0.05)
    least = canopy.kc_min[:, None]
    share = np.maximum(canopy.kcb - least, 0) / (kc_max - least)
    return kc_max, np.clip(share ** (1 + 0.5 * canopy.height), 0, MOST_COVERED)


def climate_term(wind: Floats, rh_min: Floats, height: Floats) -> Floats:
    """What dry and windy air adds to a coefficient, as in (62), (70) and (72)."""
    dry = 0.04 * (np.clip(wind, 1, 6) - 2) - 0.004 * (np.clip(rh_min, 20, 80) - 45)
    tall: Floats = dry * (height / TALLEST_EFFECT_M) ** 0.3
    return tall


def _available(ground: Ground, roots: Floats) -> Floats:
    """Total available water (82)."""
    return 1000 * (ground.fc - ground.wp)[:, None] * roots


def runoff(rain: Floats, surface: Floats, ground: Ground) -> Floats:
    """Rain that runs off, mm, by the curve number of a surface that is so dry.

    USDA NRCS, National Engineering Handbook 630, chapter 10; between wet and dry as in ASCE
    Manual 70 (2016), equations 14-12 to 14-20.  A NaN curve number gives none.
    """
    dry = ground.cn2 / (2.281 - 0.01281 * ground.cn2)
    wet = ground.cn2 / (0.427 + 0.00573 * ground.cn2)
    first = 0.5 * ground.rew
    last = 0.7 * ground.rew + 0.3 * ground.tew
    number = wet + np.clip((surface - first) / (last - first), 0, 1) * (dry - wet)
    storage = 250 * (100 / number - 1)
    beyond = np.maximum(rain - 0.2 * storage, 0)
    return np.nan_to_num(np.minimum(beyond**2 / (rain + 0.8 * storage), rain))


class _State:
    """What one day hands to the next; all (fields,)."""

    def __init__(self, start: Start, whole: Floats) -> None:
        self.roots, self.surface = start.roots.copy(), start.surface.copy()
        self.all = start.roots + start.below
        self.whole = whole
        self.below = start.below.copy()
        self.room_below: Floats | None = None
        self.wetted = np.ones_like(whole)

    def advance(self, ground: Ground, p: Floats, day: _Day, out: Floats) -> None:
        """One day; ``out`` (quantities, fields) takes its figures in the order of `_OUT`."""
        lost = runoff(day.rain, self.surface, ground)
        rain = day.rain - lost
        evaporation = self._evaporate(ground, day, rain)
        etc = day.kcb * day.et0 + evaporation  # (69)
        raw = np.clip(p + 0.04 * (5 - etc), 0.1, 0.8) * day.taw  # (83), p as under Table 22
        ks = np.clip((day.taw - self.roots) / (day.taw - raw), 0, 1)  # (84)
        eta = ks * day.kcb * day.et0 + evaporation  # (80)
        gone = self._drain(day.taw, rain + day.irrigation - eta)
        figures = (etc, eta, evaporation, ks, self.roots, day.taw, raw, gone, lost, self.below,
                   self.surface)  # fmt: skip
        for place, each in enumerate(figures):
            out[place] = each

    def _evaporate(self, ground: Ground, day: _Day, rain: Floats) -> Floats:
        """Evaporation from the soil (71), (74), (75); the surface's depletion after it (77)."""
        soaked = np.where(day.rain >= WETTING_RAIN, 1.0, self.wetted)
        self.wetted = np.where(day.irrigation > 0, day.wetted, soaked)
        exposed = np.maximum(np.minimum(1 - day.cover, self.wetted), LEAST_EXPOSED)
        left = np.clip((ground.tew - self.surface) / (ground.tew - ground.rew), 0, 1)
        ke = np.minimum(left * (day.kc_max - day.kcb), exposed * day.kc_max)
        evaporation = ke * day.et0
        came = rain + day.irrigation / self.wetted
        through = np.maximum(came - self.surface, 0)  # (79)
        depleted = self.surface - came + evaporation / exposed + through
        self.surface = np.clip(depleted, 0, ground.tew)
        return evaporation

    def _drain(self, taw: Floats, gain: Floats) -> Floats:
        """Depletions after a net ``gain`` (85), (88); what percolates below all roots."""
        room = np.maximum(self.whole - taw, 0)
        before = room if self.room_below is None else self.room_below
        reached = np.divide(before - room, before, out=np.zeros_like(room), where=before > 0)
        met = self.below * np.maximum(reached, 0)  # dry soil that roots grew into
        gone = np.maximum(gain - self.all, 0)
        self.all = np.clip(self.all - gain + gone, 0, self.whole)
        self.roots = np.clip(self.roots - gain + met, 0, taw)
        self.below = np.clip(self.all - self.roots, 0, room)
        self.room_below = room
        return gone
