"""The log of diagnoses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from field_data.diagnoses import DiagnosisLog, from_json, to_json
from field_data.document_store import DocumentStore
from field_data.errors import BusyError, KeeperError, PersonError
from field_data.ids import new_id
from field_data.photos import PhotoStore
from field_data.types import (
    Candidate,
    Diagnosis,
    Instant,
    ModelRef,
    PhotoFault,
    PhotoVerdict,
    Status,
    Timing,
    Trust,
)


def one(photos: int = 1) -> Diagnosis:
    return Diagnosis(
        id=new_id(),
        at=Instant(0.0, Trust.UNKNOWN),
        status=Status.CONFIDENT,
        crop="LYPES",
        candidates=(Candidate("LYPES", "PHYTIN", 0.875), Candidate("LYPES", "ALTESO", 0.125)),
        alert=False,
        model=ModelRef("leaf_health", "1", "0" * 64),
        photos=tuple(PhotoVerdict(f"{n}.jpg", top="PHYTIN") for n in range(photos)),
        timing=Timing(20.0, 5.0, 26.5),
    )


def jpeg(n: int, size: int = 400) -> bytes:
    """The smallest thing that the photo store takes for a picture: one scan of ``size`` bytes."""
    return b"\xff\xd8\xff\xda\x00\x02" + f"{n:+d}".encode().ljust(size, b"\0") + b"\xff\xd9"


@pytest.fixture
def photos(tmp_path: Path) -> PhotoStore:
    return PhotoStore(tmp_path / "photos")


@pytest.fixture
def log(tmp_path: Path, photos: PhotoStore) -> Iterator[DiagnosisLog]:
    with DocumentStore(tmp_path / "store.db") as store:
        yield DiagnosisLog(store, photos)


def test_a_diagnosis_is_kept_with_the_photos_that_may_be(
    log: DiagnosisLog, photos: PhotoStore
) -> None:
    given = one(photos=3)
    recorded = log.record(given, {2: jpeg(2), 0: jpeg(0)})
    first, second, third = recorded.photos
    assert replace(recorded, photos=given.photos) == given
    assert second == given.photos[1]
    assert first.sha256 is not None
    assert third.sha256 is not None
    assert photos.get(first.sha256) == jpeg(0)
    assert photos.get(third.sha256) == jpeg(2)
    assert log.get(given.id) == recorded
    assert log.count() == 1
    assert log.get("nobody") is None


def test_without_consent_no_photo_is_kept(log: DiagnosisLog, photos: PhotoStore) -> None:
    given = one()
    assert log.record(given) == log.get(given.id) == given
    assert list(photos.names()) == []


def test_it_is_there_after_kill_9(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tests.test_field_data_diagnoses import *\n"
        "home = Path(sys.argv[1])\n"
        "log = DiagnosisLog(DocumentStore(home / 'store.db'), PhotoStore(home / 'photos'))\n"
        "print(json.dumps(to_json(log.record(one(), {0: jpeg(0)}))), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    shown = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    answered = from_json(json.loads(shown.stdout))
    with DocumentStore(tmp_path / "store.db") as store:
        photos = PhotoStore(tmp_path / "photos")
        log = DiagnosisLog(store, photos)
        log.tidy()
        assert log.get(answered.id) == answered
        assert photos.get(str(answered.photos[0].sha256)) == jpeg(0)


def test_forgetting_removes_the_photos_that_no_other_record_uses(
    log: DiagnosisLog, photos: PhotoStore
) -> None:
    both, alone = jpeg(1), jpeg(2)
    first = log.record(one(photos=2), {0: both, 1: alone})
    second = log.record(one(photos=2), {0: both, 1: both})
    log.ask_agent(first.id)
    log.forget([first.id, "nobody"])
    assert log.get(first.id) is None
    assert not log.asked_agent(first.id)
    assert [photos.get(name) for name in photos.names()] == [both]
    log.forget([second.id])
    assert list(photos.names()) == []
    assert log.count() == 0


def test_the_agents_list_is_in_the_order_of_asking(log: DiagnosisLog) -> None:
    first, second, third = (log.record(one()) for _ in range(3))
    for diagnosis in (third, first, third):
        log.ask_agent(diagnosis.id)
    assert log.asked() == [third, first]
    assert log.asked_agent(first.id)
    assert not log.asked_agent(second.id)
    with pytest.raises(PersonError) as caught:
        log.ask_agent("nobody")
    assert caught.value.code == "unknown_diagnosis"


def test_the_same_id_is_not_recorded_twice(log: DiagnosisLog, photos: PhotoStore) -> None:
    given = one()
    log.record(given)
    with pytest.raises(ValueError, match="already recorded"):
        log.record(given, {0: jpeg(0)})
    assert log.count() == 1
    assert list(photos.names()) == []


def test_a_photo_without_a_place_is_refused(log: DiagnosisLog, photos: PhotoStore) -> None:
    for place in (1, -1):
        with pytest.raises(ValueError, match="no place"):
            log.record(one(), {place: jpeg(0)})
    assert list(photos.names()) == []
    assert log.count() == 0


def test_when_the_record_does_not_fit_its_photos_go_too(tmp_path: Path, photos: PhotoStore) -> None:
    with DocumentStore(tmp_path / "store.db") as store:
        log = DiagnosisLog(store, photos)
        before = log.record(one(), {0: jpeg(0)})
        store._rows._session().con.execute("PRAGMA max_page_count=10")
        huge = replace(one(), photos=(PhotoVerdict("x" * 100_000), PhotoVerdict("same.jpg")))
        with pytest.raises(KeeperError) as caught:
            log.record(huge, {0: jpeg(1), 1: jpeg(0)})
        assert caught.value.code == "disk_full"
        assert log.count() == 1
        assert list(photos.names()) == [before.photos[0].sha256]


def test_tidying_removes_photos_without_a_record(log: DiagnosisLog, photos: PhotoStore) -> None:
    kept = log.record(one(), {0: jpeg(0)}).photos[0].sha256
    photos.put(jpeg(1))
    log.tidy()
    assert list(photos.names()) == [kept]


def test_no_one_can_begin_to_use_a_photo_while_it_is_removed(
    log: DiagnosisLog, photos: PhotoStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = photos.remove

    def watch(sha256: str) -> None:
        with DocumentStore(tmp_path / "store.db", busy_s=0.02) as other, pytest.raises(BusyError):
            other.table("photo_uses").insert({"photo": sha256})
        remove(sha256)

    monkeypatch.setattr(photos, "remove", watch)
    photos.put(jpeg(1))
    log.tidy()
    assert list(photos.names()) == []


def test_a_photo_is_never_missing_while_others_forget_it(
    log: DiagnosisLog, photos: PhotoStore
) -> None:
    def keep_and_forget(_: int) -> bool:
        recorded = log.record(one(), {0: jpeg(0)})
        there = photos.get(str(recorded.photos[0].sha256)) == jpeg(0)
        log.forget([recorded.id])
        return there

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(keep_and_forget, range(48)))
    assert list(photos.names()) == []


text = st.text(max_size=12)
number = st.floats(allow_nan=False, allow_infinity=False)
diagnoses = st.builds(
    Diagnosis,
    id=text,
    at=st.builds(Instant, number, st.sampled_from(Trust)),
    status=st.sampled_from(Status),
    crop=st.none() | text,
    candidates=st.lists(st.builds(Candidate, text, text, st.floats(0, 1)), max_size=5).map(tuple),
    alert=st.booleans(),
    model=st.none() | st.builds(ModelRef, text, text, text),
    photos=st.lists(
        st.builds(
            PhotoVerdict,
            text,
            st.none() | st.sampled_from(PhotoFault),
            st.none() | text,
            st.none() | text,
        ),
        max_size=6,
    ).map(tuple),
    timing=st.builds(Timing, number, number, number),
)


@settings(deadline=None)
@given(diagnoses)
def test_json_brings_back_exactly_the_same(diagnosis: Diagnosis) -> None:
    plain = json.loads(json.dumps(to_json(diagnosis)))
    again = from_json(plain)
    assert repr(again) == repr(diagnosis)
    assert again == diagnosis


@pytest.mark.parametrize("spoil", [{"status": "sure"}, {"photos": [{}]}, {"at": {"utc_s": 1}}])
def test_what_is_not_a_diagnosis_is_refused(spoil: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError)):
        from_json({**json.loads(json.dumps(to_json(one()))), **spoil})
