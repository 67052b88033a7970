"""The registry: what is said of land is checked, kept as events, and read as it stands now."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from field_data.document_store import DocumentStore
from field_data.errors import PersonError
from field_data.events import REFUSED, EventLog, Kind, standing
from field_data.geometry import Plane, Ring, area_ha, outline
from field_data.ids import new_id
from field_data.land import Decision
from field_data.registry import Registry
from field_data.sharing import PRIVATE_KEYS, coarse, coarse_field, travelling
from field_data.types import Farm, Field, Instant, Trust
from tests.land import HERE, box, degrees, record

WHO = "agent-1"
TODAY = datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    with DocumentStore(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def log(store: DocumentStore) -> EventLog:
    return EventLog(store, "node-1")


@pytest.fixture
def registry(store: DocumentStore, log: EventLog) -> Registry:
    return Registry(store, log, now=lambda: Instant(TODAY.timestamp(), Trust.NTP))


@pytest.fixture
def farm(registry: Registry) -> Farm:
    return registry.add_farm(WHO, "Ferme du Saïs", commune="Aïn Taoujdate")


def field_body(farm: str, ring: Ring | None = None, **more: Any) -> dict[str, Any]:
    return {"farm": farm, "boundary": [list(point) for point in ring or box()], **more}


def added(registry: Registry, farm: Farm, ring: Ring | None = None, name: str = "x") -> Field:
    return registry.add_field(WHO, farm.id, name, outline(ring or box()))[0]


def refusal(registry: Registry, kind: Kind, body: dict[str, Any], **more: Any) -> str:
    """The code with which a record is refused; nothing may have been kept."""
    before = len(registry.farms()), len(registry.fields())
    with pytest.raises(PersonError) as error:
        registry.append(record(kind, body, **more))
    assert (len(registry.farms()), len(registry.fields())) == before
    return error.value.code


# --- reading -------------------------------------------------------------------------------------


def test_what_was_added_is_read_back_and_is_an_event(
    registry: Registry, farm: Farm, log: EventLog
) -> None:
    field, notes = registry.add_field(WHO, farm.id, "Nord", outline(box()), crop="TRZAX")
    season = registry.add_season(WHO, field.id, "TRZAX", sown=datetime.date(2026, 11, 5))
    assert notes == ()
    assert (registry.farms(), registry.fields(farm.id)) == ([farm], [field])
    assert (registry.farm(farm.id), registry.field(field.id)) == (farm, field)
    assert registry.seasons(field.id) == [season]
    assert field.area_ha == pytest.approx(1.0, rel=1e-3)
    assert [event.kind for event in log.since(0)] == [Kind.FARM, Kind.FIELD, Kind.SEASON]
    asked = registry.field("nobody"), registry.farm("nobody"), registry.season("nobody")
    assert asked == (None, None, None)


def test_a_correction_is_what_counts_and_the_first_word_stays(
    registry: Registry, farm: Farm, log: EventLog
) -> None:
    field = added(registry, farm)
    wider = [list(point) for point in box(200, 100)]
    registry.correct(WHO, field.id, {"boundary": wider, "name": "Sud"})
    now = registry.field(field.id)
    assert now is not None
    assert now.name == "Sud"
    assert now.area_ha == pytest.approx(2.0, rel=1e-3)
    assert len(log.about(field.id)) == 2
    assert [event.id for event in standing(log.about(field.id))] == [now.event]


def test_what_is_retired_is_listed_only_when_asked_for_and_may_come_back(
    registry: Registry, farm: Farm
) -> None:
    field = added(registry, farm)
    registry.retire(WHO, field.id)
    assert registry.fields() == []
    assert [each.id for each in registry.fields(retired=True)] == [field.id]
    assert registry.add_field(WHO, farm.id, "again", outline(box()))[1] == ()
    registry.correct(WHO, field.id, {"retired": False})
    assert len(registry.fields()) == 2


def test_the_season_of_a_day_is_the_one_sown_last(registry: Registry, farm: Farm) -> None:
    field, day = added(registry, farm), datetime.date
    trees = registry.add_season(WHO, field.id, "OLVEU")
    wheat = registry.add_season(
        WHO, field.id, "TRZAX", sown=day(2024, 11, 1), harvested=day(2025, 6, 1)
    )
    beans = registry.add_season(WHO, field.id, "VICFX", sown=day(2025, 11, 1))
    wrong = registry.add_season(WHO, field.id, "ZEAMX", sown=day(2025, 12, 1))
    registry.retire(WHO, wrong.id)
    assert registry.seasons(field.id) == [trees, wheat, beans]
    found = [registry.season_on(field.id, d) for d in (day(2020, 1, 1), day(2025, 6, 1))]
    assert found == [trees, wheat]
    assert registry.season_on(field.id, day(2025, 7, 1)) == trees
    assert registry.season_on(field.id, day(2026, 1, 1)) == beans


# --- the projection ------------------------------------------------------------------------------

WORDS = st.sampled_from(["farm", "field", "move", "retire", "back", "undone", "unseen"])


def undone(registry: Registry, farm: Farm, ring: Ring) -> None:
    """Add a field and see it, in a transaction that fails."""
    with suppress(ZeroDivisionError), registry.transaction():
        assert added(registry, farm, ring) in registry.fields()
        raise ZeroDivisionError


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(WORDS, st.integers(0, 99)), max_size=25))
def test_the_projection_is_what_the_events_say_whatever_happened(
    tmp_path_factory: pytest.TempPathFactory, words: list[tuple[str, int]]
) -> None:
    with DocumentStore(tmp_path_factory.mktemp("land") / "store.db") as store:
        log = EventLog(store, "node-1")
        registry = Registry(store, log)
        farms = [registry.add_farm(WHO, "first")]
        for word, n in words:
            one_of = registry.fields(retired=True)
            farm = farms[n % len(farms)]
            ring = box(50 + n, 80, (HERE[0] + n / 50, HERE[1]))
            if word == "farm":
                farms.append(registry.add_farm(WHO, f"farm {n}"))
            elif word == "field":
                added(registry, farm, ring)
            elif word == "undone":
                undone(registry, farm, ring)
            elif word == "unseen":
                log.append(record(Kind.FIELD, field_body(farm.id, ring)))
            elif one_of:
                changed: dict[str, dict[str, Any]] = {
                    "move": {"boundary": [list(p) for p in ring], "farm": farm.id},
                    "retire": {"retired": True},
                    "back": {"retired": False},
                }
                registry.correct(WHO, one_of[n % len(one_of)].id, changed[word])

        def seen(by: Registry) -> object:
            farms_and_fields = by.farms(retired=True), by.fields(retired=True)
            near = [sorted(by._neighbours.near(f.boundary)) for f in farms_and_fields[1]]
            boxes = [by._neighbours.farm_box(f.id) for f in farms_and_fields[0]]
            return farms_and_fields, near, boxes

        before = seen(registry)
        latest: dict[str, str] = {event.subject: event.id for event in log.since(0)}
        things: list[Farm | Field] = [*registry.farms(retired=True)]
        things += registry.fields(retired=True)
        assert {each.id: each.event for each in things} == latest
        registry.rebuild()
        assert seen(registry) == before == seen(Registry(store, EventLog(store, "node-1")))


def test_what_was_erased_is_gone_from_the_projection(
    registry: Registry, farm: Farm, store: DocumentStore, log: EventLog
) -> None:
    field = added(registry, farm, name="Champ de Hassan")
    with store.transaction():
        rows = store.table("events")
        rows.remove(doc_ids=[event.seq for event in log.about(field.id)])
        log.append(record(Kind.ERASURE, {"events": [field.event], "photos": []}))
    assert registry.field(field.id) is None
    everything = [row for name in store.tables() for row in store.table(name).all()]
    assert "Hassan" not in json.dumps(everything, ensure_ascii=False)


def test_an_emptied_event_says_nothing(registry: Registry, farm: Farm, log: EventLog) -> None:
    log.append(record(Kind.FIELD, {}))
    log.append(record(Kind.SEASON, {"field": 3}))
    assert registry.fields() == []
    assert registry.farms() == [farm]


def test_a_field_is_found_without_reading_the_others(
    registry: Registry, farm: Farm, store: DocumentStore
) -> None:
    """Counted in documents read, not in seconds."""
    with registry.transaction():
        for n in range(60):
            added(registry, farm, box(60, 60, (HERE[0] + n / 30, HERE[1])))
    wanted = registry.fields()[30]
    read: list[object] = []
    loads = json.loads

    def counted(body: str) -> Any:
        read.append(body)
        return loads(body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("field_data.document_store.json.loads", counted)
        assert registry.field(wanted.id) == wanted
        assert len(read) <= 2
        read.clear()
        registry.check(record(Kind.FIELD, field_body(farm.id, box(50, 50, wanted.boundary[0]))))
        assert len(read) < 25


# --- what comes from tablets ---------------------------------------------------------------------


def test_a_replay_is_a_success_and_a_taken_id_is_refused_with_both_kept(
    registry: Registry, farm: Farm, store: DocumentStore
) -> None:
    draft = record(Kind.FIELD, field_body(farm.id, name="Nord"))
    first = registry.append(draft)
    assert registry.append(draft).receipt.replayed
    assert registry.append(draft).receipt.event == first.receipt.event
    other = record(Kind.FIELD, field_body(farm.id, name="Sud"), id=draft.id, subject=draft.subject)
    with pytest.raises(PersonError) as error:
        registry.append(other)
    assert error.value.code == "id_taken"
    assert [field.name for field in registry.fields()] == ["Nord"]
    assert [row["body"]["name"] for row in store.table(REFUSED)] == ["Sud"]


def test_two_corrections_of_the_same_record_are_both_kept_and_the_later_counts(
    registry: Registry, farm: Farm, log: EventLog
) -> None:
    field = added(registry, farm)
    for name in ("tablet one", "tablet two"):
        body = field_body(farm.id, name=name)
        registry.append(record(Kind.FIELD, body, subject=field.id, supersedes=field.event))
    assert [event.body["name"] for event in log.about(field.id)] == [
        "x",
        "tablet one",
        "tablet two",
    ]
    assert [each.name for each in registry.fields()] == ["tablet two"]


LONG = "ا" * 121
GOOD = {"name": "x"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_key"),
        ({"name": None}, "missing_key"),
        ({"name": ""}, "bad_text"),
        ({"name": "  "}, "bad_text"),
        ({"name": LONG}, "bad_text"),
        ({"name": ["x"]}, "bad_text"),
        ({"name": "a\nb"}, "bad_text"),
        ({"name": "a\u202eb"}, "bad_text"),
        ({"name": "\ud800"}, "bad_text"),
        ({**GOOD, "commune": 7}, "bad_text"),
        ({**GOOD, "owner": "Hassan"}, "bad_id"),
        ({**GOOD, "phone": "0612345678"}, "unknown_key"),
        ({**GOOD, "retired": 1}, "bad_value"),
    ],
)
def test_a_bad_farm_is_refused_by_name(registry: Registry, body: dict[str, Any], code: str) -> None:
    assert refusal(registry, Kind.FARM, body) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"farm": None}, "missing_key"),
        ({"farm": "../x"}, "bad_id"),
        ({"farm": new_id()}, "unknown_farm"),
        ({"boundary": []}, "boundary_empty"),
        ({"boundary": "POLYGON"}, "boundary_not_numbers"),
        ({"boundary": [[lat, lon] for lon, lat in box()]}, "axes_swapped"),
        ({"boundary": [[-180, -90], [180, -90], [180, 90], [-180, 90]]}, "boundary_too_large"),
        ({"boundary": degrees([(0, 0), (90, 90), (90, 0), (0, 90)])}, "self_crossing"),
        ({"area_ha": -1}, "bad_value"),
        ({"area_ha": "1,5"}, "bad_value"),
        ({"source": "guessed"}, "bad_value"),
        ({"source": ["drawn"]}, "bad_value"),
        ({"crop": "wheat"}, "bad_crop"),
        ({"crop": {"a": 1}}, "bad_crop"),
        ({"colour": "red"}, "unknown_key"),
    ],
)
def test_a_bad_field_is_refused_by_name(
    registry: Registry, farm: Farm, changes: dict[str, Any], code: str
) -> None:
    assert refusal(registry, Kind.FIELD, {**field_body(farm.id), **changes}) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"field": new_id()}, "unknown_field"),
        ({"crop": None}, "missing_key"),
        ({"crop": "trzax"}, "bad_crop"),
        ({"sown": "1970-01-01"}, "date_unlikely"),
        ({"sown": "2028-12-01"}, "date_unlikely"),
        ({"sown": "9999-12-31"}, "date_unlikely"),
        ({"sown": "20261105"}, "bad_date"),
        ({"sown": "2026-W45-1"}, "bad_date"),
        ({"sown": "٢٠٢٦-١١-٠٥"}, "bad_date"),
        ({"sown": "2026-02-30"}, "bad_date"),
        ({"sown": 20261105}, "bad_date"),
        ({"sown": "2026-11-05", "harvested": "2026-06-01"}, "dates_swapped"),
        ({"variety": "x" * 121}, "bad_text"),
    ],
)
def test_a_bad_season_is_refused_by_name(
    registry: Registry, farm: Farm, changes: dict[str, Any], code: str
) -> None:
    body = {"field": added(registry, farm).id, "crop": "TRZAX", **changes}
    assert refusal(registry, Kind.SEASON, body) == code


def test_a_clock_at_1970_does_not_refuse_this_year(store: DocumentStore, log: EventLog) -> None:
    asleep = Registry(store, log, now=lambda: Instant(0.0, Trust.UNKNOWN))
    field = added(asleep, asleep.add_farm(WHO, "x"))
    assert asleep.add_season(WHO, field.id, "TRZAX", sown=datetime.date(2026, 11, 5))


def test_corrections_are_about_the_same_known_thing(registry: Registry, farm: Farm) -> None:
    other = registry.add_farm(WHO, "other")
    about = {"subject": farm.id}
    assert refusal(registry, Kind.FARM, GOOD, **about) == "must_correct"
    assert refusal(registry, Kind.FARM, GOOD, **about, supersedes=new_id()) == "nothing_to_correct"
    assert (
        refusal(registry, Kind.FARM, GOOD, **about, supersedes=other.event) == "correction_of_other"
    )
    assert refusal(registry, Kind.FARM, GOOD, subject="farm-1") == "bad_id"
    assert refusal(registry, Kind.FARM, GOOD, author="") == "bad_author"
    with pytest.raises(PersonError, match="no farm, field or season"):
        registry.correct(WHO, new_id(), {})
    with pytest.raises(ValueError, match="nothing of observation"):
        registry.check(record(Kind.OBSERVATION, {}))


def test_what_looks_odd_is_told_and_not_refused(registry: Registry, farm: Farm) -> None:
    first = added(registry, farm)
    place = Plane(*HERE)

    def told(ring: Ring, **more: Any) -> dict[str, Any]:
        draft = record(Kind.FIELD, field_body(farm.id, ring, **more))
        return {note.code: note.details for note in registry.check(draft)}

    half = box(place=place.degrees([(50, 0)])[0])
    assert told(half)["overlap"] == {"field": first.id, "ha": 0.5, "share": 0.5}
    assert told(box(place=place.degrees([(95, 0)])[0])) == {}
    assert told(half, area_ha=3.0).keys() == {"overlap", "area_differs"}
    assert told(box(place=(-7.0, 31.5)))["far_from_farm"]["km"] == pytest.approx(319, abs=2)
    assert told(box(5, 5, place.degrees([(300, 0)])[0])).keys() == {"area_unusual"}
    assert told(box(place=(2.3, 48.8))).keys() == {"outside_region", "far_from_farm"}


def test_ten_thousand_corners_are_kept_as_said_and_read_simplified(
    registry: Registry, farm: Farm, log: EventLog
) -> None:
    side = [(x / 10, 0.0) for x in range(10_000)]
    taken = registry.append(record(Kind.FIELD, field_body(farm.id, degrees([*side, (500, 400)]))))
    assert "simplified" in [note.code for note in taken.notes]
    [field] = registry.fields()
    assert len(field.boundary) == 4
    [event] = log.about(field.id)
    assert len(event.body["boundary"]) == 10_002


# --- consent -------------------------------------------------------------------------------------


def decision(given_: bool, purpose: str = "photos") -> Decision:
    return Decision(purpose, "2026-11", "ar", given_)


def test_consent_is_silent_until_given_and_ends_when_withdrawn(registry: Registry) -> None:
    person = new_id()
    assert not registry.allows(person, "photos")
    registry.add_consent(WHO, person, decision(True))
    assert registry.allows(person, "photos")
    assert not registry.allows(person, "research")
    assert not registry.allows(new_id(), "photos")
    registry.add_consent(WHO, person, decision(False))
    assert not registry.allows(person, "photos")
    registry.add_consent(WHO, person, decision(True))
    assert registry.allows(person, "photos")
    kept = [(e.body["given"], e.body["wording"], e.body["lang"]) for e in registry.consents(person)]
    assert kept == [(given_, "2026-11", "ar") for given_ in (True, False, True)]


def test_a_withdrawal_that_arrived_too_early_still_counts(registry: Registry) -> None:
    """Two tablets come home in the wrong order; in doubt the answer is no."""
    person = new_id()

    def arrives(given_: bool, utc_s: float) -> None:
        body = {"purpose": "photos", "wording": "1", "lang": "fr", "given": given_}
        at = Instant(utc_s, Trust.TABLET)
        registry.append(record(Kind.CONSENT, body, subject=person, at=at))

    arrives(False, 2_000.0)
    arrives(True, 1_000.0)
    assert not registry.allows(person, "photos")
    arrives(True, 3_000.0)
    assert registry.allows(person, "photos")
    arrives(False, 9e12)  # a clock far ahead: a decision made here still undoes it
    registry.add_consent(WHO, person, decision(True))
    assert registry.allows(person, "photos")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"given": "yes"}, "bad_value"),
        ({"given": None}, "missing_key"),
        ({"purpose": "Photos of me"}, "bad_value"),
        ({"lang": 5}, "bad_value"),
        ({"note": "x"}, "unknown_key"),
    ],
)
def test_a_bad_consent_is_refused_by_name(
    registry: Registry, changes: dict[str, Any], code: str
) -> None:
    body = {"purpose": "photos", "wording": "1", "lang": "fr", "given": True, **changes}
    assert refusal(registry, Kind.CONSENT, body) == code


# --- what leaves the node ------------------------------------------------------------------------


def test_names_stay_and_everything_else_travels(
    registry: Registry, farm: Farm, log: EventLog
) -> None:
    field = added(registry, farm, name="Champ de Hassan")
    registry.add_season(WHO, field.id, "TRZAX", variety="Karim")
    for event in log.since(0):
        gone = travelling(event)
        private = PRIVATE_KEYS.get(event.kind, frozenset())
        assert gone.body == {k: v for k, v in event.body.items() if k not in private}
        assert (gone.id, gone.seq, gone.subject) == (event.id, event.seq, event.subject)
        assert not {"Saïs", "Hassan"} & set(" ".join(map(str, gone.body.values())).split())


@settings(deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90))
def test_a_coarse_place_is_the_same_for_a_whole_cell(lon: float, lat: float) -> None:
    x, y = coarse(lon, lat)
    assert abs(x - lon) <= 0.005 + 1e-9
    assert abs(y - lat) <= 0.005 + 1e-9
    assert coarse(x, y) == (x, y)
    assert abs(x) < 180 > 90 > abs(y)


def test_a_coarse_field_shows_neither_name_nor_place_nor_area(
    registry: Registry, farm: Farm
) -> None:
    field = added(registry, farm, box(123, 107), name="Nord")
    shown = coarse_field(field)
    assert (shown.name, shown.area_ha) == ("", 1.0)
    assert shown.boundary == (
        (-5.1, 33.9),
        (-5.09, 33.9),
        (-5.09, 33.91),
        (-5.1, 33.91),
        (-5.1, 33.9),
    )
    assert area_ha(shown.boundary) > 100
