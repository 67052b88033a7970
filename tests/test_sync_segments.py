"""Signed segments and receipts: what was sealed is opened, and nothing else."""

from __future__ import annotations

import random
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from field_data.errors import PersonError, PublisherError
from sync import receipts
from sync.cbor import dump
from sync.dictionaries import best, dictionary, versions
from sync.keys import PublicKey, SecretKey
from sync.segments import MAX_BYTES, open_segment, peek, seal
from sync.types import Receipt, RecordBatch, Refusal, Refused
from tests.hostile_segments import BARE, KEY, hostile, outcome, parts, payload_of, resigned
from tests.scouting_rounds import scouting_batch

OTHER = SecretKey(b"o" * 32)


@pytest.fixture(scope="module")
def real() -> list[tuple[bytes, bytes, Any]]:
    return [parts(n, seed=n, version=version) for n in (1, 9) for version in (0, 1)]


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("n", [1, 40])
def test_a_sealed_batch_is_opened_and_names_its_node(version: int, n: int) -> None:
    batch = scouting_batch(n)
    segment = seal(batch, KEY, dictionary(version))
    assert peek(segment).node == batch.stream.node
    assert peek(segment).dictionary == version
    assert open_segment(segment, {batch.stream.node: KEY.public}.__getitem__) == batch


def test_the_same_batch_gives_the_same_bytes() -> None:
    assert seal(scouting_batch(30), KEY, best([1])) == seal(scouting_batch(30), KEY, best([1]))


def test_a_batch_without_records_says_that_the_node_is_there() -> None:
    empty = replace(scouting_batch(3), records=(), health={"version": "1", "waiting": 3})
    segment = seal(empty, KEY, dictionary(0))
    assert len(segment) < 140
    assert outcome(segment) == empty


def test_the_newest_dictionary_that_both_know_is_taken() -> None:
    assert best([1, 200, 0]).version == 1
    assert best([]).version == best([200]).version == 0


def test_any_one_bit_changed_is_noticed() -> None:
    segment = seal(scouting_batch(2), KEY, dictionary(1))
    for at in range(8 * len(segment)):
        harmed = bytearray(segment)
        harmed[at // 8] ^= 1 << at % 8
        assert isinstance(outcome(bytes(harmed)), Refusal), at


def test_cut_lengthened_foreign_and_replayed_under_another_name_is_refused() -> None:
    segment = seal(scouting_batch(3), KEY, dictionary(1))
    for end in range(len(segment)):
        assert isinstance(outcome(segment[:end]), Refusal)
    assert outcome(segment + b"\0") is Refusal.BAD_SIGNATURE
    with pytest.raises(PublisherError, match="not signed") as error:
        open_segment(segment, lambda _: OTHER.public)
    assert error.value.code == Refusal.BAD_SIGNATURE
    renamed = segment[:5] + bytes(16) + segment[21:]
    assert outcome(renamed) is Refusal.BAD_SIGNATURE
    assert outcome(bytes(MAX_BYTES + 1)) is Refusal.TOO_LARGE
    assert outcome(segment[:3] + b"\x02" + segment[4:]) is Refusal.NEWER_SCHEMA
    assert outcome(resigned(segment[85:], known=200)) is Refusal.UNKNOWN_DICTIONARY


def test_a_signature_of_another_purpose_does_not_open_a_segment() -> None:
    segment = seal(scouting_batch(3), KEY, dictionary(0))
    body = segment[:21] + segment[85:]
    forged = segment[:21] + KEY.sign(b"ghalla bundle 1\n" + body) + segment[85:]
    assert outcome(forged) is Refusal.BAD_SIGNATURE


def test_a_refused_node_is_refused_in_its_own_words() -> None:
    def revoked(node: str) -> PublicKey:
        raise PersonError(Refusal.REVOKED, node)

    with pytest.raises(PersonError) as error:
        open_segment(seal(scouting_batch(1), KEY, dictionary(0)), revoked)
    assert error.value.code == Refusal.REVOKED


def zipped(plain: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_checksum=False
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(plain)


def with_one_record(body: Any, **changes: Any) -> bytes:
    """A payload of one record written by hand, ``body`` being a column."""
    said = {"bits": 64, "n": 1, "first": 1, "sent": 1_790_000_000, "subject": [12, "s"], **changes}
    return payload_of([*said.values(), [12, "a"], 0, 0, 0, [0, body]])


def deep(levels: int) -> Any:
    item: Any = 1
    for _ in range(levels):
        item = [8, ["k"], item]
    return item


def test_the_bare_record_that_the_hostile_ones_are_made_of_is_fit() -> None:
    batch = outcome(resigned(with_one_record(deep(3))))
    assert isinstance(batch, RecordBatch)
    assert batch.records[0].body == {"k": {"k": {"k": 1}}}


HOSTILE = {
    "one byte that unfolds to gigabytes": b"\x01" + BARE[1:] + zipped(bytes(200 << 20)),
    "a frame without its size": b"\x01" + BARE[1:] + b"\x00\x58" + zipped(b"a" * 999)[3:],
    "two frames": b"\x01" + BARE[1:] + 2 * zipped(dump([0, 0, 1, 0])),
    "no frame": b"\x01" + BARE[1:] + b"\xff" * 30,
    "an unknown way": b"\x02" + BARE[1:] + dump([0, 0, 1, 0]),
    "more ids than bytes": b"\x00\xff\xff\xff\x7f\x00" + BARE[3:],
    "a count without an end": b"\x00\xff\xff\xff\xff\xff\xff" + BARE,
    "columns of columns of columns": BARE + b"\x81" * 5000 + b"\x00",
    "a list that says it is huge": BARE + b"\x9b\x00\x00\x00\xff\xff\xff\xff\xff",
    "a text that says it is huge": BARE + b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
    "something after the end": payload_of([0, 0, 1, 0]) + b"\x00",
    "a tag": BARE + b"\x84\x00\x00\x01\xc1\x00",
    "a bignum": BARE + b"\x84\x00\x00\xc2\x49" + b"\xff" * 9 + b"\x00",
    "a list without a length": BARE + b"\x9f\x00\x00\x01\x00\xff",
    "no list": payload_of({"a": 1}),
    "bits beyond the last column": payload_of([1 << 40, 0, 1, 0]),
    "too many records": with_one_record(deep(1), n=5001),
    "a number of records that is none": with_one_record(deep(1), n=True),
    "number 0": with_one_record(deep(1), first=0),
    "a number beyond 63 bits": with_one_record(deep(1), first=(1 << 63)),
    "a negative number": with_one_record(deep(1), first=-5),
    "a time that is none": with_one_record(deep(1), sent="now"),
    "a name of many letters": with_one_record(deep(1), subject=[12, "s" * 65]),
    "a photo that is not there": payload_of([0, 1, 1, 0, [12, "s"], [12, "a"], 0, 0, [0, deep(1)]]),
    "a name that breaks the line": with_one_record(deep(1), subject=[12, "s\n"]),
    "a name of no text": with_one_record(deep(1), subject=[12, 5]),
    "an id that is not there": with_one_record(deep(1), subject=0),
    "a body that is no map": with_one_record(5),
    "a body of bytes": with_one_record([8, ["k"], [0, b"raw"]]),
    "a body with holes": with_one_record([8, ["k"], [9, 1, [0, b""]]]),
    "a key twice": with_one_record([8, ["k", "k"], 1, 2]),
    "a key that is no text": with_one_record([8, [1], 1]),
    "a map as a column": with_one_record([8, ["k"], {"a": 1}]),
    "a code that nobody knows": with_one_record([8, ["k"], [99, 1]]),
    "a table without that word": with_one_record([8, ["k"], [1, ["a"], 1]]),
    "lists of a huge length": with_one_record([8, ["k"], [9, 1 << 40, 1]]),
    "lists of lists of lists": with_one_record([8, ["k"], [9, 4000, [9, 4000, [9, 4000, 1]]]]),
    "a long text many times": with_one_record([8, ["k"], [9, 4999, "x" * 100_000]]),
    "a hash that is not there": with_one_record([8, ["k"], [11, 0]]),
    "decimals of a million digits": with_one_record([8, ["k"], [5, 1_000_000, 1]]),
    "a layout that the dictionary lacks": payload_of(
        [64, 1, 1, 0, [12, "s"], [12, "a"], 0, 0, 0, [1]]
    ),
    "one record, two bodies": payload_of(
        [64, 1, 1, 0, [12, "s"], [12, "a"], 0, 0, 0, [0, deep(1)], [0, deep(1)]]
    ),
    "not finite": with_one_record([8, ["k"], [7, b"\x00\x00\x00\x00\x00\x00\xf8\x7f"]]),
    "not finite, in CBOR": BARE + b"\x84\x00\x00\x01\xf9\x7e\x00",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_a_node_signed_and_is_no_batch_is_refused_cheaply(what: str) -> None:
    segment = resigned(HOSTILE[what])
    tracemalloc.start()
    try:
        assert outcome(segment) is Refusal.BAD_SEGMENT
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_segments_harmed_in_any_way_end_in_a_batch_or_a_reason(
    real: list[tuple[bytes, bytes, Any]],
) -> None:
    rng = random.Random(5)
    refused = 0
    for _ in range(4000):
        whole, plain, items = rng.choice(real)
        way, data = hostile(rng, whole, plain, items)
        came = outcome(data)
        refused += isinstance(came, Refusal)
        assert isinstance(came, Refusal) or way != "on the line" or data == whole
    assert refused > 2000


@settings(deadline=None, max_examples=300)
@given(payload=st.binary(max_size=200))
def test_any_signed_bytes_end_in_a_batch_or_a_reason(payload: bytes) -> None:
    outcome(resigned(payload))
    outcome(resigned(BARE + payload))
    outcome(payload)


# --- receipts ------------------------------------------------------------------------------------

counts = st.integers(0, (1 << 63) - 1)
some_receipts = st.builds(
    Receipt,
    hub=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64),
    node=st.just(scouting_batch(1).stream.node),
    epoch=st.integers(0, 65_535),
    seq=counts,
    refused=st.lists(
        st.builds(Refused, st.integers(1, 1 << 40), st.sampled_from(list(Refusal)), st.just("why")),
        max_size=3,
    ).map(tuple),
    photos=st.lists(st.binary(min_size=32, max_size=32).map(bytes.hex), max_size=3).map(tuple),
    dictionaries=st.sampled_from([(), (0,), (2, 1, 0)]),
    time_s=st.floats(0, 1e11),
)


@given(receipt=some_receipts)
def test_a_receipt_comes_back_plain_and_signed(receipt: Receipt) -> None:
    assert receipts.decode(receipts.encode(receipt)) == receipt
    assert receipts.open_receipt(receipts.sign(receipt, KEY), KEY.public) == receipt


def test_a_receipt_of_a_later_hub_is_read_as_far_as_it_is_known() -> None:
    node = scouting_batch(1).stream.node
    later = dump({"h": "hub", "n": node, "s": 7, "zz": [1], "r": [[3, "moon_phase", "full"]]})
    assert receipts.decode(later) == Receipt(
        "hub", node, 0, 7, (Refused(3, Refusal.CONFLICT, "moon_phase: full"),)
    )


def reason(data: bytes) -> str:
    with pytest.raises(PublisherError) as error:
        receipts.open_receipt(data, KEY.public)
    return error.value.code


def test_a_changed_foreign_or_odd_receipt_is_refused() -> None:
    receipt = Receipt("hub", scouting_batch(1).stream.node, 0, 7, photos=("ab" * 32,))
    signed = receipts.sign(receipt, KEY)
    for at in range(8 * len(signed)):
        harmed = bytearray(signed)
        harmed[at // 8] ^= 1 << at % 8
        assert reason(bytes(harmed)) in ("damaged", "bad_signature", "newer_schema")
    for end in range(len(signed)):
        assert reason(signed[:end]) in ("damaged", "bad_signature")
    assert reason(receipts.sign(receipt, OTHER)) == "bad_signature"
    assert reason(signed + b"\0") == "bad_signature"
    assert reason(bytes((1 << 20) + 1)) == "too_large"


@settings(deadline=None, max_examples=300)
@given(data=st.binary(max_size=100), at=st.integers(0, 60), byte=st.integers(0, 255))
def test_any_bytes_are_a_receipt_or_damaged(data: bytes, at: int, byte: int) -> None:
    good = receipts.encode(Receipt("h", scouting_batch(1).stream.node, 1, 9, time_s=3.0))
    for each in (data, good[:at] + bytes([byte]) + good[at + 1 :]):
        with suppress(PublisherError):
            receipts.decode(each)
