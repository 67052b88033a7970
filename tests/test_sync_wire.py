"""Records as bytes: what comes back is what went, whatever it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from field_data.events import Kind
from field_data.forms.library import shipped_forms
from field_data.types import Instant, Trust
from sync.columns import id_text
from sync.dictionaries import dictionary, versions
from sync.types import Record, RecordBatch, Stream
from sync.wire import decode, encode

NODE = "a" * 26
STREAM = Stream(NODE, 3, b"tokentok", 40)
SENT = Instant(1_790_000_000.0, Trust.NTP)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.integers(-40, 300),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-180, 180, places=7).map(float),
)
ids = st.binary(min_size=16, max_size=16).map(id_text)
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts, ids, hashes)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
names = ids | st.sampled_from(["", "agent 7", "فلاح"])
instants = st.builds(
    Instant,
    st.integers(0, 10**13).map(lambda ms: ms / 1000)
    | st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(list(Trust)),
)


def answers(form: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Mostly what the form asks for, sometimes anything."""
    questions = {}
    for question in form.questions.values():
        fitting: Any = json_values
        if question.choices:
            fitting = st.sampled_from([choice.key for choice in question.choices])
        if question.type == "multi":
            fitting = st.lists(fitting, max_size=3)
        if question.type in ("crop", "condition"):
            fitting = st.sampled_from(["LYPES", "TRZAX", "healthy", "PHYTIN", "XXXXX"])
        if question.type == "date":
            fitting = st.dates().map(str)
        if question.type in ("integer", "count", "decimal", "calculated"):
            fitting = numbers
        questions[question.id] = fitting
    return st.fixed_dictionaries({}, optional=questions)


def observation(form: Any) -> st.SearchStrategy[dict[str, Any]]:
    place = st.fixed_dictionaries({"lon": numbers, "lat": numbers, "accuracy_m": scalars})
    said = {
        "form": st.just(form.id),
        "version": st.sampled_from([1, 1, 1, 2, True, 1.0]),
        "values": answers(form),
        "place": st.none() | place,
    }
    return st.fixed_dictionaries(said, optional={"raw": json_values, "unchecked": texts})


bodies = st.one_of(
    st.dictionaries(texts, json_values, max_size=4),
    *(observation(form) for form in shipped_forms().current()),
)


@st.composite
def batches(draw: st.DrawFn) -> RecordBatch:
    gaps = draw(st.lists(st.integers(1, 3) | st.integers(1, 10**9), max_size=7))
    kinds = st.sampled_from(list(Kind)) | st.just(Kind.OBSERVATION)
    seq, records = 0, []
    for gap in gaps:
        seq += gap
        photos = tuple(draw(st.lists(hashes | st.just("0" * 64), max_size=2)))
        body = draw(bodies)
        if draw(st.booleans()) and isinstance(body.get("values"), dict):
            body["values"]["photos"] = list(photos)
        earlier = draw(st.none() | st.integers(1, seq))
        rest = (earlier, draw(st.integers(0, 255)), draw(st.booleans()))
        who = draw(kinds), draw(names), draw(names), draw(instants), draw(instants)
        records.append(Record(seq, *who, body, photos, *rest))
    last, acknowledged = seq + draw(st.integers(0, 99)), draw(st.integers(0, 1 << 40))
    health = draw(st.dictionaries(texts, scalars, max_size=3))
    return RecordBatch(STREAM, last, acknowledged, draw(instants), tuple(records), health)


def strictly(value: Any) -> Any:
    """JSON as something that differs where types do: 1, 1.0 and true; 0.0 and -0.0."""
    if isinstance(value, dict):
        return {key: strictly(inner) for key, inner in value.items()}
    return [strictly(inner) for inner in value] if isinstance(value, list) else repr(value)


@pytest.mark.parametrize("version", versions())
@settings(deadline=None)
@given(batch=batches())
def test_any_batch_comes_back_exactly(version: int, batch: RecordBatch) -> None:
    known = dictionary(version)
    back = decode(encode(batch, known), NODE, known)
    assert back == batch
    for here, there in zip(batch.records, back.records, strict=True):
        assert strictly(here.body) == strictly(there.body)
        assert type(there.at.utc_s) is float
