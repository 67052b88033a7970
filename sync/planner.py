"""What is sent next, in which order, and what it costs, before a byte is sent.

Pure.  Alerts go first, then records, small pictures, larger pictures, what comes down; originals go
by USB alone.  A photo follows its record.  What was set aside stays in the plan with its reason and
holds nothing up.  Costs are bytes as the link counts them and are guesses that rather say too much.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

# Of one segment, measured (tests/bench/bench_wire.py): what its records share, what a record adds
# for a byte of its body as JSON, at least, and for a photo that it names.
SEGMENT_BYTES, PER_JSON_BYTE, LEAST_RECORD_BYTES, HASH_BYTES = 180, 0.12, 16, 32
# Head of a request, its answer and receipt; IP, TCP and TLS on top of a body.
REQUEST_BYTES, ON_TOP = 1_100, 1.12
# The other end's answer has to come before the next step.
ROUND_TRIP_S = 1.5
MOST_RECORDS = 1_000
# A smaller part of a photo is not worth its request.
LEAST_PART = 2_048


class Rank(IntEnum):
    """What goes before what."""

    ALERT = 0
    RECORD = 1
    THUMB = 2
    VIEW = 3
    BUNDLE = 4
    ORIGINAL = 5


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits.

    ``name``: the ``seq`` of a record, the SHA-256 of a photo, the name of a bundle.  ``bytes``:
    what is left of it to move, without requests.  ``seq``: of the record that a photo belongs to,
    0 for one that the hub has.  ``aside``: why it cannot go, empty when it can.
    """

    rank: Rank
    name: int | str
    bytes: int
    seq: int = 0
    aside: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may cost, None for no limit; ``bytes_per_s`` as measured, 0 when it is not known.

    ``stick``: it goes onto a USB stick, where originals may travel and nothing takes requests.
    """

    bytes: int | None = None
    seconds: float | None = None
    bytes_per_s: float = 0.0
    stick: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One request: records of one segment, or one photo or bundle, ``part`` of it if not all.

    ``bytes`` and ``seconds`` are what it costs on the link.
    """

    rank: Rank
    names: tuple[int | str, ...]
    bytes: int
    seconds: float
    part: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order, and what does not go and why.

    Reasons: ``budget`` (bytes or seconds), ``usb_only``, ``record_first`` (its record does not go
    either), or the reason for which it was set aside.
    """

    steps: tuple[Step, ...] = ()
    left: Mapping[int | str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """What all steps cost."""
        return sum(step.bytes for step in self.steps)

    @property
    def seconds(self) -> float:
        """How long all steps take."""
        return sum(step.seconds for step in self.steps)


def record_bytes(body_json_bytes: int, photos: int) -> int:
    """About how many bytes of a segment a record takes."""
    return max(LEAST_RECORD_BYTES, round(PER_JSON_BYTE * body_json_bytes)) + HASH_BYTES * photos


def is_alert(form: str, values: Mapping[str, Any], conditions: Collection[str]) -> bool:
    """Whether an observation cannot wait: harm by a pesticide, or a condition to be reported."""
    return form == "adverse_effect" or values.get("condition") in conditions


def plan(waiting: Iterable[Waiting], budget: Budget) -> Plan:
    """The steps that fit into the budget, most urgent first, oldest first among equals."""
    left: dict[int | str, str] = {}
    fit: list[Waiting] = []
    for item in sorted(waiting, key=_order):
        reason = item.aside or (
            "usb_only" if item.rank is Rank.ORIGINAL and not budget.stick else ""
        )
        if reason:
            left[item.name] = reason
        else:
            fit.append(item)
    steps: list[Step] = []
    for item_or_segment in _segments(fit):
        _take(item_or_segment, budget, steps, left)
    return Plan(tuple(steps), left)


def _order(item: Waiting) -> tuple[int, int, str]:
    seq = item.name if isinstance(item.name, int) else item.seq
    return item.rank, seq, str(item.name)


def _segments(items: Sequence[Waiting]) -> Iterable[list[Waiting]]:
    """Records of one rank together, everything else alone."""
    together: list[Waiting] = []
    for item in items:
        is_record = item.rank in (Rank.ALERT, Rank.RECORD)
        other = together and (not is_record or together[0].rank is not item.rank)
        if together and (other or len(together) == MOST_RECORDS):
            yield together
            together = []
        if is_record:
            together.append(item)
        else:
            yield [item]
    if together:
        yield together


def _take(
    items: list[Waiting], budget: Budget, steps: list[Step], left: dict[int | str, str]
) -> None:
    """Add the step of these items, or of as many as the rest of the budget allows."""
    room = _room(budget, steps)
    if isinstance(items[0].name, int):
        going = _records_within(items, room)
        if going:
            size = SEGMENT_BYTES + sum(item.bytes for item in going)
            steps.append(_step(going[0].rank, [item.name for item in going], size, budget))
        left.update({item.name: "budget" for item in items[len(going) :]})
        return
    item = items[0]
    if item.seq and not any(item.seq in step.names for step in steps):
        left[item.name] = "record_first"
        return
    size = math.floor(min(room, item.bytes))
    if size < min(item.bytes, LEAST_PART):
        left[item.name] = "budget"
        return
    step = _step(item.rank, [item.name], size, budget)
    steps.append(replace(step, part=0 if size == item.bytes else size))
    if size < item.bytes:
        left[item.name] = "budget"


def _records_within(items: list[Waiting], room: float) -> list[Waiting]:
    total = float(SEGMENT_BYTES)
    for place, item in enumerate(items):
        total += item.bytes
        if total > room:
            return items[:place]
    return items


def _room(budget: Budget, steps: Sequence[Step]) -> float:
    """Bytes that the body of the next step may have."""
    by_bytes = by_time = math.inf
    if budget.bytes is not None:
        by_bytes = budget.bytes - sum(step.bytes for step in steps)
    if budget.seconds is not None and budget.bytes_per_s > 0 and not budget.stick:
        rest = budget.seconds - sum(step.seconds for step in steps) - ROUND_TRIP_S
        by_time = rest * budget.bytes_per_s
    whole = min(by_bytes, by_time)
    return whole if budget.stick else (whole - REQUEST_BYTES) / ON_TOP


def _step(rank: Rank, names: Sequence[int | str], size: int, budget: Budget) -> Step:
    cost = size if budget.stick else math.ceil(REQUEST_BYTES + ON_TOP * size)
    timed = budget.bytes_per_s > 0 and not budget.stick
    return Step(
        rank, tuple(names), cost, ROUND_TRIP_S + cost / budget.bytes_per_s if timed else 0.0
    )
