"""A `RecordBatch` as a list of CBOR items and back.

``[bits, n, first, sent, subjects, authors, at, received, rare …, bodies …]``: ``bits`` says which
of the rare items stand there, those of `USUAL` in order; the others hold what is usual.  Without
records (``n`` 0) the list goes from ``sent`` to the rare items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from field_data.events import Kind
from field_data.types import Trust
from sync.cbor import MOST
from sync.columns import Code, Item, Pool, is_hash, names_bytes, pack
from sync.dictionaries import Dictionary
from sync.layouts import pack_bodies
from sync.numbers import decimals, pack_floats
from sync.types import Record, RecordBatch

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
USUAL: Mapping[str, Item] = {
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
BATCH = 6
HEAD, ALWAYS = 4, 4
MS_DIGITS = 3


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
    kept = [key for key, item in rare.items() if not _same(item, USUAL[key])]
    ordered = [key for key in USUAL if key in kept]
    bits = sum(1 << place for place, key in enumerate(USUAL) if key in kept)
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
    digits = MS_DIGITS if found is None else max(found[0], MS_DIGITS)
    scaled = [] if found is None else [each * 10 ** (digits - found[0]) for each in found[1]]
    if found is None or any(abs(each) >> 62 for each in scaled):
        return [Code.FLOATS, pack_floats(times)]
    offsets = pack([each - scaled[-1] for each in scaled[:-1]], pool)
    return offsets if digits == MS_DIGITS else [Code.OTHER, digits, offsets]


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
