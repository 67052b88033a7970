"""What leaves a node and what does not: names, private answers, places, photos; and revisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_app.agent.consent_words import WORDING
from field_data.events import Draft, Event, Kind
from field_data.ids import new_id
from field_data.land import Decision
from field_data.people import Person, Role
from field_data.types import Candidate, Diagnosis, ModelRef, PhotoVerdict, Status, Timing
from field_data.uplinks import Uplink
from sync.departures import Departures
from sync.outgoing import Outgoing, coarse_body
from sync.types import ERASED_REV, Receipt, Record
from tests.land import AT, box
from tests.sending import BODY, SendingNode, node_in
from tests.village import jpeg

HUB = new_id()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SendingNode]:
    with node_in(tmp_path / "home") as made:
        made.uplinks._key(make=True)
        Uplink(made.ground.store, HUB).keep(url="https://hub.example.org")
        yield made


class Farm:
    """A farm with an owner, a field, and an observation with a photo on it."""

    def __init__(self, node: SendingNode) -> None:
        ground = node.ground
        self.node, self.registry = node, ground.registry
        self.owner: Person = ground.people.add("Zineb Belkacem", Role.FARMER, "ar")
        self.farm = self.registry.add_farm("agent-1", "Dar Belkacem", owner=self.owner.id)
        body = {"farm": self.farm.id, "name": "By the well", "boundary": box(), "source": "drawn"}
        self.field = new_id()
        said = Draft(new_id(), Kind.FIELD, self.field, "agent-1", AT, body)
        self.registry.append(said)
        self.photo = ground.photos.put(jpeg(50)).sha256
        self.seen = node.see(self.field, self.photo)

    def agree(self, purpose: str, given: bool = True, wording: str = WORDING) -> Event:
        decision = Decision(purpose, wording, "ar", given)
        event: Event = self.registry.add_consent("agent-1", self.owner.id, decision)
        return event

    def records(self) -> dict[int, Record]:
        """What the next segment says, by number; the hub then has it."""
        departures: Departures = self.node.uplinks.departures(self.node.uplinks.uplink())
        segment = departures.next(100)
        if segment is None:
            return {}
        ground = self.node.ground
        departures.arrived(segment, Receipt(HUB, ground.node, 0, ground.events.last_seq()))
        return {record.seq: record for record in segment.batch.records}

    def leaving(self) -> set[str]:
        return {parcel.photo for parcel in self.node.uplinks.uplink().parcels()}


def test_without_a_yes_places_are_coarse_photos_stay_and_names_never_go(node: SendingNode) -> None:
    farm = Farm(node)
    records = farm.records()
    assert [record.kind for record in records.values()] == ["farm", "field", "observation"]
    text = str(records)
    assert all(name not in text for name in ("Belkacem", "By the well"))
    seen, field = records[3], records[2]
    assert seen.body["place"] == {"lon": -5.095, "lat": 33.905}
    assert (seen.coarse, seen.photos, seen.rev) == (True, (), 0)
    assert field.coarse
    assert field.body["boundary"][0] == [-5.1, 33.9]
    assert len(field.body["boundary"]) == 5
    assert field.body.get("area_ha") is None
    assert farm.leaving() == set()
    assert farm.records() == {}


def test_a_yes_sends_the_same_records_again_and_a_no_takes_it_back(node: SendingNode) -> None:
    farm = Farm(node)
    farm.records()
    farm.agree("location")
    farm.agree("photos")
    assert set(farm.records()) == {4, 5}  # the decisions themselves
    again = farm.records()
    assert set(again) == {2, 3}  # the farm tells no place
    assert {record.rev for record in again.values()} == {1}
    assert again[3].body["place"] == BODY["place"]
    assert (again[3].photos, again[3].coarse) == ((farm.photo,), False)
    assert farm.leaving() == {farm.photo}
    assert farm.records() == {}
    farm.agree("photos", given=False)
    farm.records()
    last = farm.records()
    assert set(last) == {3}
    assert (last[3].rev, last[3].photos, last[3].coarse) == (2, (), False)
    assert farm.leaving() == set()


def test_a_yes_to_a_wording_that_did_not_name_the_hub_does_not_count(node: SendingNode) -> None:
    farm = Farm(node)
    farm.agree("location", wording="2026-1")
    farm.agree("photos", wording="2026-1")
    record = farm.records()[3]
    assert (record.coarse, record.photos) == (True, ())


def test_with_a_yes_from_the_start_nothing_is_remembered_of_revisions(node: SendingNode) -> None:
    farm = Farm(node)
    farm.agree("location")
    farm.agree("photos")
    records = farm.records()
    assert (records[3].coarse, records[3].photos) == (False, (farm.photo,))
    assert len(node.ground.store.table("revisions_sent")) == 0


def test_an_observation_on_no_field_goes_with_its_photos_but_without_its_exact_place(
    node: SendingNode,
) -> None:
    photo = node.ground.photos.put(jpeg(3)).sha256
    event = node.see("", photo)
    record = outgoing(node).record(event)
    assert isinstance(record, Record)
    assert (record.photos, record.coarse) == ((photo,), True)


def test_a_farm_that_changes_hands_follows_its_new_owner(node: SendingNode) -> None:
    farm = Farm(node)
    farm.agree("location")
    assert not farm.records()[3].coarse
    other = node.ground.people.add("Another", Role.FARMER, "ar")
    farm.registry.correct("agent-1", farm.farm.id, {"owner": other.id})
    farm.records()
    again = farm.records()
    assert set(again) == {2, 3}
    assert all(record.coarse for record in again.values())


def test_private_answers_and_ids_stay_and_an_erasure_names_numbers(node: SendingNode) -> None:
    draft = Draft(new_id(), Kind.OBSERVATION, "", "agent-1", AT, _harvest())
    first = node.ground.events.append(draft).event
    body = {**_harvest(), "values": {**_harvest()["values"], "crop": "HORVX"}}
    second = Draft(new_id(), Kind.OBSERVATION, "", "agent-1", AT, body, supersedes=first.id)
    corrected = node.ground.events.append(second).event
    private = _private_question(node)
    record = outgoing(node).record(corrected)
    assert isinstance(record, Record)
    assert record.supersedes == first.seq
    assert private in corrected.body["values"]
    assert private not in record.body["values"]
    assert first.id not in str(record)
    node.ground.events.erase([first.id])
    said = {"events": [first.id, corrected.id], "photos": []}
    erasure = node.ground.events.append(
        Draft(new_id(), Kind.ERASURE, "person-1", "agent-1", AT, said)
    ).event
    told = outgoing(node).record(erasure)
    assert isinstance(told, Record)
    assert told.body == {"seqs": [first.seq, corrected.seq], "photos": []}
    gone = outgoing(node).record(node.ground.events.since(0)[0])
    assert isinstance(gone, Record)
    assert (gone.rev, gone.body, gone.author) == (ERASED_REV, {}, "")


def _harvest() -> dict[str, Any]:
    values = {"crop": "TRZAX", "stage": "bbch3", "secret_note": "the neighbour's debts"}
    return {"form": "scouting", "version": 1, "values": values, "place": None}


def _private_question(node: SendingNode) -> str:
    """Let the form call one answer private."""
    forms = node.ground.forms
    (form, *rest) = forms.versions("scouting")
    question = replace(next(iter(form.questions.values())), id="secret_note", private=True)
    section = replace(form.sections[0], questions=(*form.sections[0].questions, question))
    more = replace(form, sections=(section, *form.sections[1:]))
    forms.versions = lambda _id: [more, *rest]
    return "secret_note"


def outgoing(node: SendingNode) -> Outgoing:
    ground = node.ground
    return Outgoing(ground.events, ground.registry, ground.forms, ground.diagnoses)


@pytest.mark.parametrize(("wording", "travels"), [("2026-2", True), ("2026-1", False)])
def test_a_review_tells_the_answer_and_brings_the_photos_that_were_agreed_to(
    node: SendingNode, wording: str, travels: bool
) -> None:
    shown = jpeg(70)
    diagnosis = Diagnosis(
        new_id(), AT, Status.CONFIDENT, "LYPES", (Candidate("LYPES", "PHYTIN", 0.91234),), False,
        ModelRef("leaf_health", "3", "0" * 64), (PhotoVerdict("p"),), Timing(1, 1, 2), wording,
    )  # fmt: skip
    kept = node.ground.diagnoses.record(diagnosis, {0: shown})
    body = {"verdict": "confirm", "crop": "LYPES", "condition": "PHYTIN", "round": 1, "blind": True}
    said = Draft(new_id(), Kind.REVIEW, diagnosis.id, "agent-1", AT, body)
    record = outgoing(node).record(node.ground.events.append(said).event)
    assert isinstance(record, Record)
    assert record.body["answer"] == {
        "model": "leaf_health",
        "version": "3",
        "status": "confident",
        "crop": "LYPES",
        "condition": "PHYTIN",
        "probability": 0.9123,
    }
    assert record.photos == ((kept.photos[0].sha256,) if travels else ())
    assert not record.coarse


def test_every_place_in_a_body_is_made_coarse_wherever_it_stands() -> None:
    exact = {"lon": -5.0983, "lat": 33.9012, "accuracy_m": 3.0}
    body = {
        "place": exact,
        "values": {"well": exact, "row": [exact], "corner": "33.9012,-5.0983", "crop": "TRZAX"},
        "raw": {"well": "33.9012 -5.0983", "n": 2},
    }
    rough = coarse_body(body, {"well", "corner"})
    cell = {"lon": -5.095, "lat": 33.905}
    assert rough == {
        "place": cell,
        "values": {"well": cell, "row": [cell], "crop": "TRZAX"},
        "raw": {"n": 2},
    }
    assert coarse_body({"place": {"lon": "x", "lat": None}}) == {"place": None}


def test_a_hub_that_lost_records_is_sent_them_again(node: SendingNode) -> None:
    for n in range(4):
        node.see(note=str(n))
    departures = node.uplinks.departures(node.uplinks.uplink())
    for seq in (4, 2):  # the second answer comes from a backup that was put back
        node.see()
        segment = departures.next(2 if seq == 2 else 100)
        assert segment is not None
        departures.arrived(segment, Receipt(HUB, node.ground.node, 0, seq))
    again = departures.next(100)
    assert again is not None
    assert [record.seq for record in again.batch.records][:2] == [3, 4]
    departures.arrived(again, Receipt(HUB, node.ground.node, 0, 2))
    assert departures.next(100) is None  # asked for once, not for ever


def test_an_alert_goes_before_its_turn_and_only_once(node: SendingNode) -> None:
    events = [node.see(note=str(n)) for n in range(20)]
    urgent = events[17]
    departures = node.uplinks.departures(node.uplinks.uplink())
    departures.alert = lambda event: event.id == urgent.id
    sent: list[tuple[int, int]] = []
    while (segment := departures.next(5)) is not None:
        records = [(record.seq, record.rev) for record in segment.batch.records]
        if not sent:
            assert (urgent.seq, 0) in records
        sent += records
        departures.arrived(segment, Receipt(HUB, node.ground.node, 0, 20))
    assert sorted(sent) == [(event.seq, 0) for event in events]
    assert node.uplinks.uplink().state()["ahead"] in ([], [urgent.seq])


def test_an_alert_that_was_erased_before_its_turn_is_emptied_there(node: SendingNode) -> None:
    events = [node.see(note=str(n)) for n in range(12)]
    departures = node.uplinks.departures(node.uplinks.uplink())
    departures.alert = lambda event: event.id == events[9].id
    first = departures.next(3)
    assert first is not None
    assert 10 in [record.seq for record in first.batch.records]
    departures.arrived(first, Receipt(HUB, node.ground.node, 0, 12))
    node.ground.events.erase([events[9].id])
    rest: dict[int, int] = {}
    while (segment := departures.next(3)) is not None:
        rest |= {record.seq: record.rev for record in segment.batch.records}
        departures.arrived(segment, Receipt(HUB, node.ground.node, 0, 12))
    assert rest[10] == ERASED_REV
    assert set(rest.values()) == {0, ERASED_REV}


def test_pesticide_harm_and_pests_to_be_reported_are_alerts(node: SendingNode) -> None:
    from edge_app.uplink import _is_alert, _to_report

    assert "LIBEAS" in _to_report()
    assert _is_alert(node.see(condition="LIBEAS"))
    assert not _is_alert(node.see(condition="PHYTIN"))


def test_times_travel_no_finer_than_clocks_are(node: SendingNode) -> None:
    node.see()
    segment = node.uplinks.departures(node.uplinks.uplink()).next(10)
    assert segment is not None
    (record,) = segment.batch.records
    assert record.received.utc_s == round(record.received.utc_s, 3)
    assert segment.batch.sent.utc_s.is_integer()
