"""How far people agree with each other, and with a model: Cohen's kappa and shares with intervals.

kappa = (p_o - p_e) / (1 - p_e), where p_o is the share of things that two people named alike and
p_e the share to be expected if each named at random as often as they did (Cohen 1960, Educational
and Psychological Measurement 20, 37-46).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from models.intervals import score_interval

# Below this many pairs a kappa says next to nothing (its interval is half the scale wide).
MIN_PAIRS = 20
MIN_SAID = 5
L = TypeVar("L", bound=Hashable)
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of ``pairs`` things judged by two people, ``alike`` were named the same.

    ``kappa`` with ``low`` and ``high``, its 95 % interval, is None where the things are too few and
    where both always gave one and the same answer (then chance alone explains everything).
    """

    pairs: int
    alike: int
    kappa: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``n`` with the 95 % score interval (Wilson 1927); all None for n = 0."""

    n: int
    hits: int
    share: float | None
    low: float | None
    high: float | None


def expected(pairs: Sequence[tuple[L, L]]) -> float:
    """p_e: the share that two people with these habits would name alike by chance."""
    left, right = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    return sum(count * right[label] for label, count in left.items()) / len(pairs) ** 2


def agreement(pairs: Sequence[tuple[L, L]]) -> Agreement:
    """Cohen's kappa of (first, second) labels.

    The interval takes p_e as known, as Cohen's own standard error does, and puts Wilson's score
    interval of p_o in its place: unlike the standard error it stays open at full agreement.
    """
    n, alike = len(pairs), sum(a == b for a, b in pairs)
    chance = expected(pairs) if n >= MIN_PAIRS else 1.0
    if chance == 1.0:
        return Agreement(n, alike)
    values = ((p - chance) / (1 - chance) for p in (alike / n, *score_interval(alike, n)))
    kappa, low, high = (round(max(-1.0, value), 4) for value in values)
    return Agreement(n, alike, kappa, low, high)


def by_label(pairs: Sequence[tuple[L, L]]) -> dict[L, Agreement]:
    """One against the rest: for every label, whether both said it or both did not.

    Without kappa where the label was said about fewer than `MIN_SAID` things.
    """
    said = Counter(label for pair in pairs for label in dict.fromkeys(pair))
    found = {label: agreement([(a == label, b == label) for a, b in pairs]) for label in said}
    return {
        label: each if said[label] >= MIN_SAID else Agreement(each.pairs, each.alike)
        for label, each in found.items()
    }


def by_group(pairs: Iterable[tuple[K, tuple[L, L]]]) -> dict[K, Agreement]:
    """The agreement within every group of (group, pair)."""
    groups: dict[K, list[tuple[L, L]]] = defaultdict(list)
    for key, pair in pairs:
        groups[key].append(pair)
    return {key: agreement(found) for key, found in groups.items()}


def share(hits: Sequence[bool]) -> Share:
    """The share of true ones."""
    n, count = len(hits), sum(hits)
    if not n:
        return Share(0, 0, None, None, None)
    low, high = score_interval(count, n)
    return Share(n, count, round(count / n, 4), round(low, 4), round(high, 4))
