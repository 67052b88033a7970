"""Segments made hostile: by whoever is on the line, and by a node that signs what it made up.

``python -m tests.hostile_segments --seconds 600`` goes on for as long as one likes.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from field_data.errors import PublisherError
from sync.cbor import ABSENT, dump, load
from sync.columns import id_bytes
from sync.dictionaries import dictionary
from sync.keys import SecretKey
from sync.segments import open_segment, seal
from sync.types import RecordBatch, Refusal
from sync.wire import encode
from tests.scouting_rounds import scouting_batch

KEY = SecretKey(b"k" * 32)
HEAD, SIGNED = 21, 85
PURPOSE = b"ghalla segment 1\n"
# A payload of no ids and no hashes whose columns are stored as they are.
BARE = b"\x00\x00\x00tokentok"


def outcome(data: bytes) -> RecordBatch | Refusal:
    """What comes of a segment; anything else than a batch or a reason goes through and fails."""
    try:
        batch = open_segment(data, lambda _: KEY.public)
    except PublisherError as error:
        return Refusal(error.code)
    # What is let in is JSON, of whole numbers in order, and could be sent again.
    json.dumps([*(record.body for record in batch.records), batch.health], allow_nan=False)
    seqs = [record.seq for record in batch.records]
    assert seqs == sorted(set(seqs))
    assert all(0 < seq < 1 << 63 for seq in seqs)
    encode(batch, dictionary(0))
    return batch


def resigned(payload: bytes, node: str = "a" * 26, schema: int = 1, known: int = 0) -> bytes:
    """A segment of any payload, rightly signed."""
    head = b"GHS" + bytes([schema, known]) + id_bytes(node)
    return head + KEY.sign(PURPOSE + head + payload) + payload


def payload_of(items: Any) -> bytes:
    """Columns as a payload, stored."""
    return BARE + dump(items)


def cut_up(rng: random.Random, data: bytes) -> bytes:
    """Bytes with a few bits, bytes or stretches changed, taken out or put in."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(4):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                out[at:at] = rng.randbytes(rng.choice((1, 2, 9)))
            case 2:
                del out[at : at + rng.choice((1, 2, 30))]
            case _:
                out[at : at + 1] = bytes([rng.choice((0, 1, 0x7F, 0x80, 0x9F, 0xF7, 0xFB, 0xFF))])
    return bytes(out)


def twisted(rng: random.Random, items: Any) -> Any:
    """CBOR items with one of them, somewhere, made another."""
    if isinstance(items, list) and items and rng.random() < 0.85:
        at = rng.randrange(len(items))
        return [*items[:at], twisted(rng, items[at]), *items[at + 1 :]]
    if isinstance(items, dict) and items and rng.random() < 0.8:
        key = rng.choice(list(items))
        return {**items, key: twisted(rng, items[key])}
    if isinstance(items, bytes) and items and rng.random() < 0.8:
        return cut_up(rng, items)
    if isinstance(items, int) and rng.random() < 0.6:
        return rng.choice((items + 1, items - 1, -1 - items, items * 256 % (1 << 63)))
    return rng.choice(_ODD)(rng)


_ODD: tuple[Callable[[random.Random], Any], ...] = (
    lambda _: None,
    lambda _: True,
    lambda _: ABSENT,
    lambda _: 1.5,
    lambda _: -(1 << 63),
    lambda _: (1 << 64) - 1,
    lambda _: "x" * 70,
    lambda _: {},
    lambda _: {"form": 1},
    lambda rng: rng.randbytes(9),
    lambda rng: [rng.randrange(14), *rng.sample((0, 1, 7, b"\x01", "a", None, [1], {}), 2)],
    lambda rng: [rng.randrange(14), rng.randrange(9)],
    lambda rng: list(range(rng.randrange(5))),
)


def hostile(rng: random.Random, whole: bytes, plain: bytes, items: Any) -> tuple[str, bytes]:
    """One way to do harm, and the segment that does it."""
    match rng.randrange(4):
        case 0:
            return "on the line", cut_up(rng, whole)
        case 1:
            return "signed payload", resigned(cut_up(rng, whole[SIGNED:]), known=whole[4])
        case 2:
            return "signed columns", resigned(cut_up(rng, plain), known=whole[4])
    front = plain[: len(plain) - len(dump(items))]
    return "signed items", resigned(front + dump(twisted(rng, items)), known=whole[4])


def parts(n: int, seed: int, version: int) -> tuple[bytes, bytes, Any]:
    """A real segment, its payload with the columns stored, and the columns."""
    from sync import wire

    whole = seal(scouting_batch(n, seed), KEY, dictionary(version))
    payload = whole[SIGNED:]
    ids, at = wire._read_count(payload, 1)
    hashes, at = wire._read_count(payload, at)
    at += wire.TOKEN_BYTES + 16 * ids + 32 * hashes
    rest = payload[at:]
    columns = rest if payload[0] == 0 else wire._unzipped(rest, dictionary(version))
    return whole, b"\x00" + payload[1:at] + columns, load(columns)


def main(arguments: Sequence[str]) -> int:
    """Harm segments until the time is over; counts by way and outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    chosen = parser.parse_args(arguments)
    rng = random.Random(chosen.seed)
    print("seed", chosen.seed)
    counts: dict[tuple[str, str], int] = {}
    real = [parts(n, n, version) for n in (1, 3, 12) for version in (0, 1)]
    end, slowest = time.monotonic() + chosen.seconds, 0.0
    while time.monotonic() < end:
        way, data = hostile(rng, *rng.choice(real))
        began = time.monotonic()
        came = outcome(data)
        slowest = max(slowest, time.monotonic() - began)
        key = way, str(came) if isinstance(came, Refusal) else "a batch"
        counts[key] = counts.get(key, 0) + 1
    for (way, end_of_it), count in sorted(counts.items()):
        print(f"{way:16} {end_of_it:20} {count}")
    print(f"slowest {1000 * slowest:.1f} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
