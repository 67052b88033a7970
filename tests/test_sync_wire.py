"""Records as bytes: what comes back is what went, whatever it was."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from field_data.events import Kind
from field_data.forms.library import shipped_forms
from field_data.types import Instant, Trust
from sync import train_dictionary
from sync.columns import id_text
from sync.dictionaries import FOLDER, dictionary, versions
from sync.keys import SecretKey
from sync.segments import open_segment, seal
from sync.training.samples import sample_batches
from sync.types import Record, RecordBatch, Stream
from sync.wire import decode, encode, why_not
from tests.another_reader import as_json, read
from tests.scouting_rounds import as_event, scouting_batch

NODE = "a" * 26
CONTENT = Path(__file__).parents[1] / "edge_app" / "content"
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
    # No moment is minus zero: adding zero takes that sign away.
    st.integers(0, 10**13).map(lambda ms: ms / 1000)
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda s: s + 0.0),
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


@pytest.mark.parametrize("version", versions())
@settings(deadline=None)
@given(batch=batches())
def test_a_reader_written_from_the_document_reads_the_same(
    version: int, batch: RecordBatch
) -> None:
    key = SecretKey(b"k" * 32)
    segment = seal(batch, key, dictionary(version))
    assert strictly(read(segment, key.public.raw, FOLDER)) == strictly(as_json(batch))


def test_a_reader_written_from_the_document_reads_what_agents_and_trainers_bring() -> None:
    key = SecretKey(b"k" * 32)
    forms, codes = shipped_forms().current(), dictionary(1).codes.names
    for batch in (scouting_batch(300), *islice(sample_batches(forms, codes, seed=8), 40)):
        segment = seal(batch, key, dictionary(1))
        assert strictly(read(segment, key.public.raw, FOLDER)) == strictly(as_json(batch))


def test_a_segment_of_the_first_day_is_read_for_ever() -> None:
    folder = Path(__file__).parent / "data" / "segments"
    told = json.loads((folder / "first.json").read_text("utf-8"))
    key = SecretKey(b"k" * 32)
    for version in (0, 1):
        segment = (folder / f"first-{version}.ghs").read_bytes()
        assert as_json(open_segment(segment, lambda _: key.public)) == told


def test_what_cannot_travel_is_named_and_the_rest_goes_without_it() -> None:
    whole = scouting_batch(3)
    good, known = whole.records[0], dictionary(1)
    for odd, why in (
        ("\ud800", "surrogates"),
        (1 << 63, "64 bits"),
        (float("nan"), "not finite"),
        ((1, 2), "tuple"),
        (b"x", "bytes"),
    ):
        bad = replace(good, body={**good.body, "values": {"incidence": odd}})
        with pytest.raises(ValueError, match=why):
            encode(replace(whole, records=(bad, *whole.records[1:])), known)
        assert why in why_not(bad, whole, known)
    assert why_not(replace(good, author="a\nb"), whole, known)
    assert why_not(replace(good, photos=("AB" * 32,)), whole, known)
    assert not why_not(good, whole, known)


def test_records_out_of_order_do_not_travel() -> None:
    whole = scouting_batch(3)
    with pytest.raises(ValueError, match="whole numbers of a range"):
        encode(replace(whole, records=whole.records[::-1]), dictionary(0))


@pytest.mark.parametrize(("n", "most"), [(1, 125), (10, 100), (100, 85), (1000, 60)])
def test_a_record_of_27_fields_takes_few_bytes(n: int, most: int) -> None:
    """The signature and the node's id are among them where records share them."""
    batch = scouting_batch(n)
    event = as_event(batch.records[0], NODE)
    assert sum(1 for _ in leaves(event)) + ("remarks" not in event["body"]["values"]) == 27
    known = dictionary(1)
    size = len(encode(batch, known) if n == 1 else seal(batch, SecretKey(b"k" * 32), known))
    assert size / n <= most


def leaves(value: Any) -> Any:
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    else:
        yield value


def test_a_form_that_the_dictionary_does_not_know_costs_more_and_travels() -> None:
    batch = scouting_batch(20)
    later = tuple(replace(r, body={**r.body, "version": 2}) for r in batch.records)
    other = replace(batch, records=later)
    known = dictionary(1)
    payload = encode(other, known)
    assert decode(payload, batch.stream.node, known) == other
    assert len(payload) > len(encode(batch, known))


def test_dictionaries_never_change() -> None:
    sums = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in FOLDER.glob("*.*")
        if path.suffix in (".json", ".zdict")
    }
    assert sums.items() >= {"1.json": "cd3c72410f306bad", "1.zdict": "087a86152d032581"}.items()


def test_what_a_dictionary_calls_an_answer_is_what_the_form_calls_it() -> None:
    """A form may say more than an older dictionary, never something else."""
    for version in versions():
        for known in dictionary(version).layouts:
            form = shipped_forms().get(known.form, known.version)
            assert form is not None
            for question in known.questions:
                now = form.questions[question.id]
                assert question.type == now.type
                assert not now.private
                wires = {choice.key: choice.wire for choice in now.choices}
                assert question.choices.items() <= wires.items()


def test_a_dictionary_is_made_again_from_its_sources_and_never_over_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_dictionary, "SAMPLES", 300)
    told = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        arguments = ["--content", str(CONTENT), "--version", "7", "--out", str(tmp_path / name)]
        assert train_dictionary.main(arguments) == 0
        told.append([(tmp_path / name / f"7.{end}").read_bytes() for end in ("json", "zdict")])
    assert told[0] == told[1]
    assert len(told[0][1]) <= 4096
    with pytest.raises(SystemExit):
        train_dictionary.main(arguments)
    assert "version 7 is there" in capsys.readouterr().err
