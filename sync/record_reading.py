"""The list of items of `sync.record_columns` read again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from field_data.types import Instant
from sync.cbor import LEAST, Unfit
from sync.columns import Code, Item
from sync.dictionaries import Dictionary
from sync.layouts import unpack_bodies, whole
from sync.numbers import MAX_DIGITS
from sync.record_columns import (
    ALWAYS,
    BATCH,
    HEAD,
    KINDS,
    LONGEST_NAME,
    MAX_RECORDS,
    MS_DIGITS,
    TRUSTS,
    USUAL,
)
from sync.types import ERASED_REV, Record, RecordBatch, Stream
from sync.unpacking import Read, flat_ints, unpack


def batch_of(
    items: Item, node: str, token: bytes, dictionary: Dictionary, read: Read
) -> RecordBatch:
    """The batch that `items_of` wrote.

    Raises:
        Unfit, ValueError: Anything else.
    """
    if type(items) is not list or len(items) < HEAD:
        raise Unfit("not a list of columns")
    bits, n, first, sent = items[:HEAD]
    if type(sent) not in (int, float):
        raise Unfit("a batch without a time")
    start = HEAD + ALWAYS * bool(whole(n, 0, MAX_RECORDS))
    limit = len(USUAL) if n else BATCH
    present = [key for place, key in enumerate(USUAL) if whole(bits, 0) >> place & 1]
    if bits >> limit or len(items) < start + len(present):
        raise Unfit("columns are missing, or stand where none should")
    rare = {**USUAL, **dict(zip(present, items[start : start + len(present)], strict=True))}
    at = Instant(float(sent), TRUSTS[whole(rare["sent_trust"], 0, len(TRUSTS) - 1)])
    bodies = items[start + len(present) :]
    if bool(n) != bool(bodies):
        raise Unfit("bodies without records, or records without")
    always = items[HEAD:start]
    records = _records(always, rare, bodies, n, whole(first, 1), at.utc_s, dictionary, read)
    health = {} if rare["health"] is None else unpack(rare["health"], 1, read)[0]
    if type(health) is not dict:
        raise Unfit("health that is no map")
    last = records[-1].seq if records else first - 1
    stream = Stream(node, whole(rare["epoch"], 0), token, whole(rare["base"], 0))
    latest = whole(last + whole(rare["behind"]), 0)
    return RecordBatch(
        stream, latest, whole(first - 1 - whole(rare["ahead"]), 0), at, records, health
    )


def _records(
    always: list[Item],
    rare: Mapping[str, Item],
    groups: list[Item],
    n: int,
    first: int,
    sent: float,
    dictionary: Dictionary,
    read: Read,
) -> tuple[Record, ...]:
    if not n:
        return ()
    subjects, authors = (_unpack_names(item, n, read) for item in always[:2])
    at, received = (_unpack_times(item, n, sent, read) for item in always[2:])
    gaps = flat_ints(rare["gap"], max(1, n - 1), read)
    seqs = list(accumulate(gaps[: n - 1], lambda seq, gap: seq + gap + 1, initial=first))
    whole(seqs[-1], 1)
    revs = flat_ints(rare["rev"], n, read, 0, ERASED_REV)
    kinds = flat_ints(rare["kind"], n, read, 0, len(KINDS) - 1)
    at_trusts = flat_ints(rare["at_trust"], n, read, 0, len(TRUSTS) - 1)
    received_trusts = flat_ints(rare["received_trust"], n, read, 0, len(TRUSTS) - 1)
    photos = _unpack_photos(rare["photos"], rare["places"], n, read)
    earlier = _unpack_back(rare["back"], seqs, read)
    coarse = unpack(rare["coarse"], n, read)
    if any(type(each) is not bool for each in coarse):
        raise Unfit("coarse is neither yes nor no")
    bodies = _unpack_groups(groups, rare["group"], photos, dictionary, read)
    return tuple(
        Record(
            seqs[i],
            KINDS[kinds[i]],
            subjects[i],
            authors[i],
            Instant(at[i], TRUSTS[at_trusts[i]]),
            Instant(received[i], TRUSTS[received_trusts[i]]),
            bodies[i],
            photos[i],
            earlier[i],
            revs[i],
            coarse[i],
        )
        for i in range(n)
    )


def _unpack_names(item: Item, n: int, read: Read) -> list[str]:
    if type(item) is list and item and item[0] == Code.OTHER:
        names = unpack(item[1], n, read) if len(item) == 2 else []
        if len(names) != n or any(map(_is_no_name, names)):
            raise Unfit("a name that is none")
        return names
    return [read.ids[place] for place in flat_ints(item, n, read, 0, len(read.ids) - 1)]


def _is_no_name(name: Any) -> bool:
    return type(name) is not str or len(name) > LONGEST_NAME or any(map(_is_control, name))


def _is_control(letter: str) -> bool:
    return letter < " " or letter == "\x7f"


def _unpack_times(item: Item, n: int, sent: float, read: Read) -> list[float]:
    digits = MS_DIGITS
    if type(item) is list and item and item[0] == Code.FLOATS:
        return unpack(item, n, read)
    if type(item) is list and item and item[0] == Code.OTHER:
        if len(item) != 3:
            raise Unfit("times with other parts")
        digits, item = whole(item[1], MS_DIGITS, MAX_DIGITS), item[2]
    scale = 10**digits
    origin = math.floor(sent) * scale
    return [(origin + offset) / scale for offset in flat_ints(item, n, read, LEAST)]


def _unpack_photos(counts: Item, places: Item, n: int, read: Read) -> list[tuple[str, ...]]:
    lengths = flat_ints(counts, n, read)
    total = sum(lengths)
    read.spend(64 * total)
    found = range(total) if places is None else flat_ints(places, total, read)
    if total and max(found) >= len(read.hashes):
        raise Unfit("a photo without a hash")
    ends = list(accumulate(lengths, initial=0))
    return [tuple(read.hashes[at] for at in found[a:b]) for a, b in pairwise(ends)]


def _unpack_back(item: Item, seqs: Sequence[int], read: Read) -> list[int | None]:
    steps = unpack(item, len(seqs), read)
    pairs = zip(seqs, steps, strict=True)
    return [None if step is None else whole(seq - whole(step), 1) for seq, step in pairs]


def _unpack_groups(
    items: list[Item],
    column: Item,
    photos: Sequence[tuple[str, ...]],
    dictionary: Dictionary,
    read: Read,
) -> list[dict[str, Any]]:
    group_of = flat_ints(column, len(photos), read, 0, len(items) - 1)
    members: list[list[int]] = [[] for _ in items]
    for at, group in enumerate(group_of):
        members[group].append(at)
    bodies: dict[int, dict[str, Any]] = {}
    for item, own in zip(items, members, strict=True):
        found = _unpack_group(item, [photos[at] for at in own], dictionary, read)
        bodies.update(zip(own, found, strict=True))
    return [bodies[at] for at in range(len(photos))]


def _unpack_group(
    item: Item, photos: Sequence[tuple[str, ...]], known: Dictionary, read: Read
) -> list[dict[str, Any]]:
    if type(item) is not list or not item or not photos:
        raise Unfit("bodies that are none")
    place = whole(item[0], 0, len(known.layouts)) - 1
    if place >= 0:
        layout = known.layouts[place]
        return unpack_bodies(layout, known.codes, item[1:], photos, read)
    bodies = unpack(item[1], len(photos), read) if len(item) == 2 else []
    if len(bodies) != len(photos) or any(type(body) is not dict for body in bodies):
        raise Unfit("a body that is no map")
    return bodies
