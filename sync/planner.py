"""What goes first, how much of it goes next under what a run may still cost, and what all costs.

Pure.  Alerts go first, then records, small pictures, larger pictures, what comes down; originals go
by USB alone.  Costs are bytes as the link counts them and are guesses that rather say too much.
``left`` is what a run may still cost, None for no limit; ``opening`` what a connection costs that
has to be opened for it, 0 for an open one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

# Of one segment, measured (tests/bench/bench_wire.py): what its records share, what a record adds
# for a byte of its body as JSON, at least, and for a photo that it names.
SEGMENT_BYTES, PER_JSON_BYTE, LEAST_RECORD_BYTES, HASH_BYTES = 180, 0.12, 16, 32
# A record of which nothing is known but that it waits.
RECORD_BYTES = 120
# Heads of a request and its reply, packets and acknowledgements among them; with a signature in
# the head; a receipt.
REQUEST_BYTES, SIGNED_BYTES, RECEIPT_BYTES = 700, 1_300, 400
# IP, TCP and TLS on top of a body, and the acknowledgements of the other side.
ON_TOP = 1.12
MOST_RECORDS = 1_000
# A smaller part of a photo is not worth its request, unless it is the last one.
LEAST_PART = 512


def is_alert(form: str, values: Mapping[str, Any], conditions: Collection[str]) -> bool:
    """Whether an observation cannot wait: harm by a pesticide, or a condition to be reported."""
    return form == "adverse_effect" or values.get("condition") in conditions


def record_bytes(body_json_bytes: int, photos: int) -> int:
    """About how many bytes of a segment a record takes."""
    return max(LEAST_RECORD_BYTES, round(PER_JSON_BYTE * body_json_bytes)) + HASH_BYTES * photos


def whole_cost(records: Sequence[int], photos: Sequence[int]) -> int:
    """What it costs to send records and photos of so many bytes each, on an open connection."""
    segments = math.ceil(len(records) / MOST_RECORDS)
    bodies = segments * SEGMENT_BYTES + sum(records) + sum(photos)
    heads = segments * (REQUEST_BYTES + RECEIPT_BYTES) + len(photos) * SIGNED_BYTES
    return math.ceil(heads + ON_TOP * bodies)


def records_next(most: int, left: int | None, opening: int) -> int:
    """How many records the next segment may have: 1 to ``most``."""
    if left is None:
        return most
    room = left - opening - REQUEST_BYTES - RECEIPT_BYTES
    return min(most, max(1, room // RECORD_BYTES))


def fits(body: int, left: int | None, opening: int) -> bool:
    """Whether a request with its reply, ``body`` bytes together without heads, may be begun."""
    return left is None or left >= opening + REQUEST_BYTES + body * ON_TOP


def part_next(wanted: int, left: int | None, opening: int) -> int:
    """How many of the ``wanted`` bytes of a photo go next; 0: it is not worth its request."""
    if left is None:
        return wanted
    room = int((left - opening - SIGNED_BYTES) / ON_TOP)
    return min(room, wanted) if room >= min(wanted, LEAST_PART) else 0
