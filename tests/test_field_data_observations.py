"""Observations that arrive: checked, normalised, never changed silently, the same when repeated."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from field_data.clock import Clock
from field_data.document_store import DocumentStore
from field_data.errors import PersonError
from field_data.events import Draft, Event, EventLog, Kind
from field_data.forms import FormError, Forms, shipped_forms
from field_data.ids import new_id
from field_data.observations import Arrival, believed_at, check_observation, public_body
from field_data.photos import PhotoStore
from field_data.types import Instant, Trust
from tests.builders import leaf_jpeg
from tests.test_field_data_forms import Words, form, question

NOON = 1_795_520_000.0
FORMS = Forms(
    [
        form(question("n", "decimal"), question("day", "date"), question("pic", "photo")),
        form(question("n", "decimal"), version=3),
    ]
)
AT = {"lon": -7.5, "lat": 33.1, "accuracy_m": 5}


def clock(tmp_path: Path, utc_s: float = NOON, *, trusted: bool = True) -> Clock:
    marker = tmp_path / "synchronized"
    if trusted:
        marker.touch()
    return Clock(lambda: utc_s, marker, tmp_path / "no-chip")


def draft(values: Any, photos: tuple[str, ...] = (), **more: Any) -> Draft:
    body = {"form": "f", "version": 1, "values": values, "place": AT, **more}
    at = Instant(NOON, Trust.TABLET)
    return Draft(new_id(), Kind.OBSERVATION, "field", "agent", at, body, photos)


def arrive(sent: Draft, tmp_path: Path, known: Event | None = None) -> Arrival:
    return check_observation(sent, FORMS, Words(), clock(tmp_path), known)


def codes(arrival: Arrival) -> list[tuple[str, str]]:
    return [(warning.question, warning.code) for warning in arrival.warnings]


def test_what_was_sent_stays_beside_what_was_understood(tmp_path: Path) -> None:
    body = arrive(draft({"n": "٢٫٥"}), tmp_path).draft.body
    assert body["values"] == {"n": 2.5}
    assert body["raw"] == {"n": "٢٫٥"}
    assert "raw" not in arrive(draft({"n": 2.5}), tmp_path).draft.body


@pytest.mark.parametrize("body", [{"form": "g"}, {"version": 2}])
def test_a_form_that_is_not_here_loses_nothing(tmp_path: Path, body: dict[str, Any]) -> None:
    sent = draft({"n": "؟", "pages": [1, {"x": None}]}, **body)
    arrival = arrive(sent, tmp_path)
    assert arrival.draft.body["values"] == sent.body["values"]
    assert arrival.unchecked == ("unknown_form" if "form" in body else "unknown_version")
    assert arrival.draft.body["unchecked"] == arrival.unchecked


@pytest.mark.parametrize(
    "body",
    [
        {"form": "Not a form"},
        {"form": None},
        {"version": "1"},
        {"version": True},
        {"version": -1},
        {"values": [1]},
        {"values": None},
        {"surprise": 1},
        {"raw": {}},
        {"values": {"n": math.nan}},
        {"form": "unknown", "values": {"n": "x" * 300_000}},
        {"form": "unknown", "values": {"n": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}},
    ],
)
def test_a_body_of_another_shape_is_refused(tmp_path: Path, body: dict[str, Any]) -> None:
    with pytest.raises(PersonError):
        arrive(draft(body.get("values", {}), **{k: v for k, v in body.items() if k != "values"}),
               tmp_path)  # fmt: skip


def test_problems_of_place_photos_and_answers_come_together(tmp_path: Path) -> None:
    wrong = draft({"n": "x", "day": "2031-01-01"}, place={"lon": 999, "lat": 0})
    with pytest.raises(FormError) as caught:
        arrive(wrong, tmp_path)
    found = [(problem.question, problem.code) for problem in caught.value.problems]
    assert found == [
        ("place", "out_of_range"),
        ("n", "not_a_number"),
        ("day", "in_future"),
    ]


def test_a_photo_that_an_answer_names_must_be_sent(tmp_path: Path) -> None:
    with pytest.raises(FormError, match="photo_not_sent"):
        arrive(draft({"pic": ["a" * 64]}), tmp_path)
    assert codes(arrive(draft({}, ("b" * 64,)), tmp_path)) == [("", "photo_unnamed")]
    assert not codes(arrive(draft({"pic": ["b" * 64]}, ("b" * 64,)), tmp_path))


def test_a_shipped_form_wants_its_photos(tmp_path: Path) -> None:
    values = {"crop": "TRZAX", "stage": "bbch3", "condition": "healthy", "plants": 20}
    sent = draft(values, form="scouting")
    with pytest.raises(FormError, match="photos: required"):
        check_observation(sent, shipped_forms(), None, clock(tmp_path))


def test_a_wrong_clock_costs_trust_but_not_the_record(tmp_path: Path) -> None:
    old = replace(draft({"n": 1}), at=Instant(1000.0, Trust.TABLET))
    arrival = arrive(old, tmp_path)
    assert arrival.draft.at == Instant(1000.0, Trust.UNKNOWN)
    assert codes(arrival) == [("", "at_too_old")]
    late = replace(draft({"n": 1}), at=Instant(NOON + 2 * 86400, Trust.TABLET))
    assert codes(arrive(late, tmp_path)) == [("", "at_in_future")]
    assert arrive(late, tmp_path).draft.at == late.at


def test_a_node_without_a_clock_judges_days_by_the_tablet(tmp_path: Path) -> None:
    sent = draft({"day": "2026-11-24"})
    arrival = check_observation(sent, FORMS, None, clock(tmp_path, 0.0, trusted=False))
    assert arrival.draft.body["values"] == {"day": "2026-11-24"}
    with pytest.raises(FormError, match="in_future"):
        check_observation(
            draft({"day": "2027-11-24"}), FORMS, None, clock(tmp_path, 0.0, trusted=False)
        )


def test_what_is_stored_depends_on_the_draft_alone(tmp_path: Path) -> None:
    sent = replace(draft({"n": "1,5", "day": "24/11/2026"}), at=Instant(NOON + 9e5, Trust.TABLET))
    moments = [clock(tmp_path, NOON + days * 86400) for days in (0, 1, 400)]
    stored = [check_observation(sent, FORMS, None, moment).draft for moment in moments]
    assert stored[0] == stored[1] == stored[2]


@pytest.fixture
def log(tmp_path: Path) -> Any:
    with DocumentStore(tmp_path / "store.sqlite") as store:
        photos = PhotoStore(tmp_path / "photos")
        yield EventLog(store, new_id(), photos)


def test_a_draft_sent_again_is_the_same_record_though_the_node_learnt_its_form(
    tmp_path: Path, log: EventLog
) -> None:
    sent = draft({"n": "1,5"})
    nothing = check_observation(sent, Forms([]), None, clock(tmp_path))
    assert not log.append(nothing.draft).replayed
    again = check_observation(sent, FORMS, None, clock(tmp_path), log.get(sent.id))
    receipt = log.append(again.draft)
    assert receipt.replayed
    assert again.unchecked == "unknown_form"
    other = replace(sent, body={**sent.body, "values": {"n": "9"}})
    with pytest.raises(PersonError, match="already called"):
        log.append(check_observation(other, FORMS, None, clock(tmp_path), log.get(sent.id)).draft)


def test_a_draft_whose_answers_were_normalised_may_come_again(
    tmp_path: Path, log: EventLog
) -> None:
    sent = draft({"n": "1,5"}, place={"lon": "-7,5", "lat": 33})
    for replayed in (False, True):
        arrival = check_observation(sent, FORMS, None, clock(tmp_path), log.get(sent.id))
        assert log.append(arrival.draft).replayed is replayed


def test_private_answers_stay_on_the_node_also_as_they_were_sent() -> None:
    old = form(question("who", "text", private=True), question("n", "decimal"))
    new = form(question("n", "decimal"), version=2)
    body = {"form": "f", "version": 3, "values": {"who": "X", "n": 1}, "raw": {"who": " X"}}
    travelling = public_body(body, Forms([old, new]))
    assert travelling == {**body, "values": {"n": 1}, "raw": {}}
    assert public_body(body, Forms([])) is None


def test_photos_travel_with_the_record(tmp_path: Path, log: EventLog) -> None:
    sha = PhotoStore(tmp_path / "photos").put(leaf_jpeg()).sha256
    arrival = arrive(draft({"pic": [sha]}, (sha,)), tmp_path)
    assert log.append(arrival.draft).event.photos == (sha,)


def test_a_moment_after_the_node_received_it_is_not_believed(log: EventLog) -> None:
    event = log.append(draft({"n": 1})).event
    late = replace(event, at=Instant(event.received.utc_s + 2 * 86400, Trust.TABLET))
    trusted = replace(late, received=Instant(event.received.utc_s, Trust.NTP))
    assert believed_at(trusted).trust is Trust.UNKNOWN
    assert believed_at(replace(trusted, received=Instant(0.0, Trust.UNKNOWN))) == late.at
