"""A `RecordBatch` as a list of CBOR items and back.

``[bits, n, first, sent, subjects, authors, at, received, rare …, bodies …]``: ``bits`` says which
of the rare items stand there, those of `_USUAL` in order; the others hold what is usual.  Without
records (``n`` 0) the list goes from ``sent`` to the rare items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from field_data.events import Kind
from field_data.types import Instant, Trust
from sync.cbor import LEAST, MOST, Unfit
from sync.columns import Code, Item, Pool, Read, flat_ints, is_hash, names_bytes, pack, unpack
from sync.dictionaries import Dictionary
from sync.layouts import pack_bodies, unpack_bodies, whole
from sync.numbers import MAX_DIGITS, decimals, pack_floats
from sync.types import ERASED_REV, Record, RecordBatch, Stream

MAX_RECORDS = 5_000
LONGEST_NAME = 64
# Their places are their numbers: only ever append.
KINDS = (
    Kind.OBSERVATION,
    Kind.FARM,
    Kind.FIELD,
    Kind.SEASON,
    Kind.CONSENT,
    Kind.REVIEW,
    Kind.ERASURE,
)
TRUSTS = (Trust.TABLET, Trust.NTP, Trust.RTC, Trust.UNKNOWN)
# What mostly holds one value, which then does not travel; first of the batch, then of its records.
_USUAL: Mapping[str, Item] = {
    "health": None,
    "behind": 0,
    "ahead": 0,
    "epoch": 0,
    "base": 0,
    "sent_trust": 1,
    "photos": 1,
    "gap": 0,
    "kind": 0,
    "back": None,
    "coarse": False,
    "rev": 0,
    "at_trust": 0,
    "received_trust": 1,
    "places": None,
    "group": 0,
}
_BATCH = 6
_HEAD, _ALWAYS = 4, 4
_MS_DIGITS = 3


# --- writing -------------------------------------------------------------------------------------


def items_of(batch: RecordBatch, dictionary: Dictionary, pool: Pool) -> list[Item]:
    """The items of a batch, all but its node and token.

    Raises:
        ValueError: What cannot travel.
    """
    records, sent = batch.records, float(batch.sent.utc_s)
    if len(records) > MAX_RECORDS:
        raise ValueError(f"{len(records)} records, {MAX_RECORDS} are allowed")
    first = records[0].seq if records else batch.acknowledged + 1
    rare = _rare_of_batch(batch, first, pool)
    always: list[Item] = []
    bodies: list[Item] = []
    if records:
        photos = _pack_photos(records, pool)
        always = [
            _pack_names([record.subject for record in records], pool),
            _pack_names([record.author for record in records], pool),
            _pack_times([float(record.at.utc_s) for record in records], sent, pool),
            _pack_times([float(record.received.utc_s) for record in records], sent, pool),
        ]
        group_of, bodies = _pack_groups(records, dictionary, pool)
        rare |= {**_rare(records, pool), "places": photos, "group": pack(group_of, pool)}
    kept = [key for key, item in rare.items() if not _same(item, _USUAL[key])]
    ordered = [key for key in _USUAL if key in kept]
    bits = sum(1 << place for place, key in enumerate(_USUAL) if key in kept)
    short = int(sent) if sent.is_integer() and abs(sent) < MOST else sent
    head = [bits, len(records), first, short]
    return [*head, *always, *(rare[key] for key in ordered), *bodies]


def _rare_of_batch(batch: RecordBatch, first: int, pool: Pool) -> dict[str, Item]:
    last = batch.records[-1].seq if batch.records else batch.acknowledged
    return {
        "health": pack([dict(batch.health)], pool) if batch.health else None,
        "behind": batch.last - last,
        "ahead": first - 1 - batch.acknowledged,
        "epoch": batch.stream.epoch,
        "base": batch.stream.base,
        "sent_trust": TRUSTS.index(batch.sent.trust),
    }


def _rare(records: Sequence[Record], pool: Pool) -> dict[str, Item]:
    columns: dict[str, list[Any]] = {
        "gap": [after.seq - before.seq - 1 for before, after in pairwise(records)] or [0],
        "rev": [record.rev for record in records],
        "kind": [KINDS.index(record.kind) for record in records],
        "at_trust": [TRUSTS.index(record.at.trust) for record in records],
        "received_trust": [TRUSTS.index(record.received.trust) for record in records],
        "photos": [len(record.photos) for record in records],
        "back": [None if r.supersedes is None else r.seq - r.supersedes for r in records],
        "coarse": [record.coarse for record in records],
    }
    return {key: pack(column, pool) for key, column in columns.items()}


def _same(item: Item, usual: Item) -> bool:
    return type(item) is type(usual) and bool(item == usual)


def _pack_photos(records: Sequence[Record], pool: Pool) -> Item:
    """Places of all photos among the hashes; null when they are 0, 1, 2 …"""
    names = [name for record in records for name in record.photos]
    if not all(map(is_hash, names)):
        raise ValueError("a photo is named by its SHA-256 in hex")
    places = [pool.hash(name) for name in names]
    return None if places == list(range(len(names))) else pack(places, pool)


def _pack_names(names: Sequence[str], pool: Pool) -> Item:
    if all(map(names_bytes, names)):
        return pack([pool.id(name) for name in names], pool)
    return [Code.OTHER, pack(names, pool)]


def _pack_times(times: Sequence[float], sent: float, pool: Pool) -> Item:
    """Milliseconds from the whole second of ``sent``; in a finer unit where that is not exact."""
    found = decimals((*times, float(math.floor(sent))))
    digits = _MS_DIGITS if found is None else max(found[0], _MS_DIGITS)
    scaled = [] if found is None else [each * 10 ** (digits - found[0]) for each in found[1]]
    if found is None or any(abs(each) >> 62 for each in scaled):
        return [Code.FLOATS, pack_floats(times)]
    offsets = pack([each - scaled[-1] for each in scaled[:-1]], pool)
    return offsets if digits == _MS_DIGITS else [Code.OTHER, digits, offsets]


def _pack_groups(
    records: Sequence[Record], known: Dictionary, pool: Pool
) -> tuple[list[int], list[Item]]:
    """The group of each record, and the bodies of each group, written together.

    A group is of one layout, or of records that look alike.
    """
    layouts = {(each.form, each.version): at for at, each in enumerate(known.layouts)}
    members: dict[Any, list[Record]] = {}
    places: dict[Any, int] = {}
    group_of = []
    for record in records:
        named = str(record.body.get("form")), str(record.body.get("version"))
        place = _layout_of(record, layouts)
        fits = place is not None and known.layouts[place].fits(record.body)
        key = place if fits else (record.kind, record.erased, *named)
        group_of.append(places.setdefault(key, len(places)))
        members.setdefault(key, []).append(record)
    return group_of, [_pack_group(key, own, known, pool) for key, own in members.items()]


def _layout_of(record: Record, layouts: Mapping[tuple[str, int], int]) -> int | None:
    form, version = record.body.get("form"), record.body.get("version")
    if record.kind is not Kind.OBSERVATION or type(form) is not str or type(version) is not int:
        return None
    return layouts.get((form, version))


def _pack_group(key: Any, records: Sequence[Record], known: Dictionary, pool: Pool) -> Item:
    """``[0, column of JSON]`` or ``[1 + place of the layout, columns …]``."""
    bodies = [dict(record.body) for record in records]
    if type(key) is not int:
        return [0, pack(bodies, pool)]
    photos = [record.photos for record in records]
    return [1 + key, *pack_bodies(known.layouts[key], known.codes, bodies, photos, pool)]


# --- reading -------------------------------------------------------------------------------------


def batch_of(
    items: Item, node: str, token: bytes, dictionary: Dictionary, read: Read
) -> RecordBatch:
    """The batch that `items_of` wrote.

    Raises:
        Unfit, ValueError: Anything else.
    """
    if type(items) is not list or len(items) < _HEAD:
        raise Unfit("not a list of columns")
    bits, n, first, sent = items[:_HEAD]
    if type(sent) not in (int, float):
        raise Unfit("a batch without a time")
    start = _HEAD + _ALWAYS * bool(whole(n, 0, MAX_RECORDS))
    limit = len(_USUAL) if n else _BATCH
    present = [key for place, key in enumerate(_USUAL) if whole(bits, 0) >> place & 1]
    if bits >> limit or len(items) < start + len(present):
        raise Unfit("columns are missing, or stand where none should")
    rare = {**_USUAL, **dict(zip(present, items[start : start + len(present)], strict=True))}
    at = Instant(float(sent), TRUSTS[whole(rare["sent_trust"], 0, len(TRUSTS) - 1)])
    bodies = items[start + len(present) :]
    if bool(n) != bool(bodies):
        raise Unfit("bodies without records, or records without")
    always = items[_HEAD:start]
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
    return type(name) is not str or len(name) > LONGEST_NAME or not (name + "x").isprintable()


def _unpack_times(item: Item, n: int, sent: float, read: Read) -> list[float]:
    digits = _MS_DIGITS
    if type(item) is list and item and item[0] == Code.FLOATS:
        return unpack(item, n, read)
    if type(item) is list and item and item[0] == Code.OTHER:
        if len(item) != 3:
            raise Unfit("times with other parts")
        digits, item = whole(item[1], _MS_DIGITS, MAX_DIGITS), item[2]
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
