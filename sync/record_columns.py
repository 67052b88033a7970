"""A `RecordBatch` as a list of CBOR items and back: a head, then a column a field."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from field_data.events import Kind
from field_data.types import Instant, Trust
from sync.cbor import Unfit
from sync.columns import Code, Item, Pool, Read, flat_ints, is_hash, names_bytes, pack, unpack
from sync.dictionaries import Dictionary
from sync.layouts import pack_bodies, unpack_bodies, whole
from sync.numbers import LEAST, MAX_DIGITS, MOST, decimals, pack_floats
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
# Columns that mostly hold one value, which then does not travel.
_USUAL: Mapping[str, Item] = {
    "gap": 0,
    "rev": 0,
    "kind": 0,
    "at_trust": 0,
    "received_trust": 1,
    "photos": 1,
    "places": None,
    "back": None,
    "coarse": False,
    "group": 0,
}
_HEAD, _ALWAYS = 10, 5
_MS_DIGITS = 3


# --- writing -------------------------------------------------------------------------------------


def items_of(batch: RecordBatch, dictionary: Dictionary, pool: Pool) -> list[Item]:
    """The head (10 items) and, if there are records, their columns.

    Raises:
        ValueError: What cannot travel.
    """
    records, stream, sent = batch.records, batch.stream, float(batch.sent.utc_s)
    if len(records) > MAX_RECORDS:
        raise ValueError(f"{len(records)} records, {MAX_RECORDS} are allowed")
    first = records[0].seq if records else batch.acknowledged + 1
    last = records[-1].seq if records else batch.acknowledged
    head = [
        *(stream.epoch, stream.token, stream.base),
        *(len(records), first, first - 1 - batch.acknowledged, batch.last - last),
        int(sent) if sent.is_integer() and abs(sent) < MOST else sent,
        TRUSTS.index(batch.sent.trust),
        pack([dict(batch.health)], pool) if batch.health else None,
    ]
    return [*head, *_columns(records, sent, dictionary, pool)] if records else head


def _columns(
    records: Sequence[Record], sent: float, dictionary: Dictionary, pool: Pool
) -> list[Item]:
    """Which rare columns stand here (a bit each), the columns that always do, the rare, bodies."""
    rare = {"places": _pack_photos(records, pool), **_rare(records, pool)}
    groups = _groups(records, dictionary)
    of = {at: place for place, members in enumerate(groups.values()) for at in members}
    rare["group"] = pack([of[at] for at in range(len(records))], pool)
    kept = [key for key, usual in _USUAL.items() if not _same(rare[key], usual)]
    return [
        sum(1 << place for place, key in enumerate(_USUAL) if key in kept),
        _pack_names([record.subject for record in records], pool),
        _pack_names([record.author for record in records], pool),
        _pack_times([float(record.at.utc_s) for record in records], sent, pool),
        _pack_times([float(record.received.utc_s) for record in records], sent, pool),
        *(rare[key] for key in kept),
        *(
            _pack_group(key, [records[at] for at in members], dictionary, pool)
            for key, members in groups.items()
        ),
    ]


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


def _groups(records: Sequence[Record], dictionary: Dictionary) -> dict[Any, list[int]]:
    """Places of the records whose bodies are written together: of one layout, or alike.

    Keys are the place of a layout, or else anything that tells bodies of other keys apart.
    """
    layouts = {(each.form, each.version): at for at, each in enumerate(dictionary.layouts)}
    groups: dict[Any, list[int]] = {}
    for at, record in enumerate(records):
        named = str(record.body.get("form")), str(record.body.get("version"))
        place = None if record.kind is not Kind.OBSERVATION else _layout_of(record, layouts)
        fits = place is not None and dictionary.layouts[place].fits(record.body)
        key = place if fits else (record.kind, record.erased, *named)
        groups.setdefault(key, []).append(at)
    return groups


def _layout_of(record: Record, layouts: Mapping[tuple[str, int], int]) -> int | None:
    form, version = record.body.get("form"), record.body.get("version")
    if type(form) is not str or type(version) is not int:
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


def batch_of(items: Item, node: str, dictionary: Dictionary, read: Read) -> RecordBatch:
    """The batch that `items_of` wrote.

    Raises:
        Unfit, ValueError: Anything else.
    """
    if type(items) is not list or len(items) < _HEAD:
        raise Unfit("not a list of columns")
    epoch, token, base, n, first, ahead, behind, sent, trust, health = items[:_HEAD]
    for number in (epoch, base, first, ahead, behind):
        whole(number)
    if type(token) is not bytes or type(sent) not in (int, float):
        raise Unfit("a batch without a token or a time")
    if (whole(n, 0, MAX_RECORDS) == 0) != (len(items) == _HEAD):
        raise Unfit("columns without records, or records without columns")
    at = Instant(float(sent), TRUSTS[whole(trust, 0, len(TRUSTS) - 1)])
    records = _records(items[_HEAD:], n, first, at.utc_s, dictionary, read) if n else ()
    last = (records[-1].seq if records else first - 1) + behind
    said = {} if health is None else unpack(health, 1, read)[0]
    if type(said) is not dict:
        raise Unfit("health that is no map")
    acknowledged = whole(first - 1 - ahead, 0)
    stream = Stream(node, epoch, token, whole(base, 0))
    return RecordBatch(stream, whole(last, 0), acknowledged, at, records, said)


def _records(
    items: list[Item], n: int, first: int, sent: float, dictionary: Dictionary, read: Read
) -> tuple[Record, ...]:
    if len(items) < _ALWAYS:
        raise Unfit("columns are missing")
    bits = whole(items[0], 0, (1 << len(_USUAL)) - 1)
    present = [key for place, key in enumerate(_USUAL) if bits >> place & 1]
    rare = {**_USUAL, **dict(zip(present, items[_ALWAYS:], strict=False))}
    subjects, authors = (_unpack_names(item, n, read) for item in items[1:3])
    at, received = (_unpack_times(item, n, sent, read) for item in items[3:5])
    gaps = flat_ints(rare["gap"], max(1, n - 1), read)
    seqs = list(accumulate(gaps[: n - 1], lambda seq, gap: seq + gap + 1, initial=whole(first, 1)))
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
    groups = items[_ALWAYS + len(present) :]
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
