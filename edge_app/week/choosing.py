"""Three things for one week out of all that could be said: water, one pest, one work or alert.

Pure.  Nobody acts on ten sentences, so the most urgent and surest of each kind speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from field_data.season_advice import AdviceItem, Confidence, Topic, Urgency

MOST = 3
_SURENESS = {Confidence.HIGH: 0, Confidence.MEDIUM: 1, Confidence.LOW: 2}
_FAR = 10**9
T = TypeVar("T")


class Kind(StrEnum):
    """What a week has one of."""

    WATER = "water"
    PEST = "pest"
    WORK = "work"


_KINDS = {Topic.WATER: Kind.WATER, Topic.SCOUT: Kind.PEST}


@dataclass(frozen=True, slots=True)
class Week:
    """At most `MOST` ``items``, the most urgent first; ``data`` is about the weather itself, which
    is said above them; ``others`` are what else there is."""

    items: tuple[AdviceItem, ...] = ()
    data: tuple[AdviceItem, ...] = ()
    others: tuple[AdviceItem, ...] = ()

    @property
    def urgency(self) -> Urgency:
        """Of what is most urgent."""
        return max((each.urgency for each in self.items), default=Urgency.NONE)


def choose(items: Iterable[AdviceItem]) -> Week:
    """The week of one field; places of a kind that has nothing to say go to the next in order."""
    ranked = sorted(items, key=_order)
    data = tuple(_one_of_each([each for each in ranked if each.topic is Topic.WEATHER]))
    rest = [each for each in ranked if each.topic is not Topic.WEATHER]
    first = {kind_of(each): each for each in reversed(rest)}
    chosen = list(first.values())
    chosen += [each for each in rest if each not in chosen and _adds(each, chosen)]
    chosen = sorted(chosen[:MOST], key=_order)
    others = tuple(each for each in rest if each not in chosen)
    return Week(tuple(chosen), data, others)


def kind_of(item: AdviceItem) -> Kind:
    """Of water, of a pest, or anything else."""
    return _KINDS.get(item.topic, Kind.WORK)


def by_urgency(weeks: Sequence[tuple[T, Week]]) -> list[tuple[T, Week]]:
    """Fields with their weeks, the most urgent first, then the surer and the sooner."""
    return sorted(weeks, key=lambda each: _week_order(each[1]))


def _week_order(week: Week) -> tuple[int, ...]:
    if not week.items:
        return (1,)
    return (0, *_order(week.items[0])[:3], -sum(each.urgency for each in week.items))


def _order(item: AdviceItem) -> tuple[int, int, int, str, str]:
    """Urgent, sure and soon come first; the code last, so that the order is always the same."""
    day = _FAR if item.first_day is None else item.first_day
    return -item.urgency, _SURENESS[item.confidence], day, item.code, item.pest


def _one_of_each(items: Sequence[AdviceItem]) -> list[AdviceItem]:
    seen: dict[str, AdviceItem] = {}
    for each in items:
        seen.setdefault(each.code, each)
    return list(seen.values())


def _adds(item: AdviceItem, chosen: Sequence[AdviceItem]) -> bool:
    """Whether an item is worth a place that its kind does not have: it is to be acted on, and no
    other of its topic speaks."""
    return item.urgency > Urgency.NONE and item.topic not in {each.topic for each in chosen}
