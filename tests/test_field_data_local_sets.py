"""Local sets: versions, the way back, what belongs to which model, kill -9 in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from field_data.document_store import DocumentStore
from field_data.errors import KeeperError, PersonError
from field_data.local_sets import LocalSets
from field_data.photos import PhotoStore, photo_of
from field_data.types import Instant, Trust
from tests.test_field_data_diagnoses import jpeg

AT = Instant(1_790_000_000.0, Trust.NTP)
RUST = ("TRZAX", "PUCCST")

TEACH = """
import sys
from pathlib import Path
from field_data.document_store import DocumentStore
from field_data.local_sets import LocalSets
from field_data.photos import PhotoStore
from tests.test_field_data_diagnoses import jpeg
from tests.test_field_data_local_sets import AT, RUST
home = Path(sys.argv[1])
sets = LocalSets(DocumentStore(home / "store.db"), PhotoStore(home / "photos"))
n = 0
while True:
    before = sets.current(*RUST)
    n = len(before.photos) if before else 0
    sets.teach(*RUST, "", AT, [jpeg(n + k, 3000) for k in range(5)])
    print(n + 5, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    with DocumentStore(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def photos(tmp_path: Path) -> PhotoStore:
    return PhotoStore(tmp_path / "photos")


@pytest.fixture
def sets(store: DocumentStore, photos: PhotoStore) -> LocalSets:
    return LocalSets(store, photos)


def test_a_lesson_adds_to_the_photos_before(sets: LocalSets, photos: PhotoStore) -> None:
    first = sets.teach(*RUST, "صدأ", AT, [jpeg(1), jpeg(2)])
    second = sets.teach(*RUST, "", AT, [jpeg(2), jpeg(3)])
    assert (first.version, second.version) == (1, 2)
    assert second.photos == tuple(photo_of(jpeg(n)).sha256 for n in (1, 2, 3))
    assert second.name == "صدأ", "the name stays"
    assert sets.history(*RUST) == [first, second]
    assert sets.all_current() == [second]
    assert all(photos.has(photo) for photo in second.photos)


def test_forgetting_and_going_back_are_versions_too(sets: LocalSets) -> None:
    one = sets.teach(*RUST, "", AT, [jpeg(1)])
    two = sets.teach(*RUST, "", AT, [jpeg(2)])
    gone = sets.forget(*RUST, AT)
    assert (gone.version, gone.photos, sets.current(*RUST), sets.all_current()) == (3, (), None, [])
    assert sets.restore(*RUST, AT).photos == two.photos
    assert sets.restore(*RUST, AT).photos == (), "undoing the way back forgets again"
    assert sets.restore(*RUST, AT, version=1).photos == one.photos
    assert sets.restore(*RUST, AT, version=0).photos == ()
    assert [each.version for each in sets.history(*RUST)] == [1, 2, 3, 4, 5, 6, 7]


def test_the_first_lesson_can_be_undone(sets: LocalSets) -> None:
    sets.teach(*RUST, "", AT, [jpeg(1)])
    assert sets.restore(*RUST, AT).photos == ()
    assert sets.all_current() == []


def test_what_was_never_taught_cannot_be_forgotten_or_restored(sets: LocalSets) -> None:
    for act in (sets.forget, sets.restore):
        with pytest.raises(PersonError) as caught:
            act(*RUST, AT)
        assert caught.value.code == "unknown_local_class"
    sets.teach(*RUST, "", AT, [jpeg(1)])
    with pytest.raises(PersonError):
        sets.restore(*RUST, AT, version=9)
    with pytest.raises(PersonError):
        sets.forget("TRZAX", "OTHER", AT)


def test_what_is_erased_is_gone_with_its_photos_and_has_no_way_back(
    sets: LocalSets, photos: PhotoStore, store: DocumentStore
) -> None:
    sets.teach(*RUST, "", AT, [jpeg(1), jpeg(2)])
    sets.teach("OLVEU", "CYCLOL", "", AT, [jpeg(2), jpeg(3)])
    sets.keep_vectors("m", {photo_of(jpeg(n)).sha256: b"v" for n in (1, 2, 3)})
    sets.forget(*RUST, AT)  # a version without photos still holds on to the earlier ones
    assert sets.erase(*RUST) == 1
    assert [photos.has(photo_of(jpeg(n)).sha256) for n in (1, 2, 3)] == [False, True, True]
    assert photo_of(jpeg(1)).sha256 not in sets.vectors("m")
    assert sets.history(*RUST) == []
    with pytest.raises(PersonError):
        sets.restore(*RUST, AT, 1)
    with pytest.raises(PersonError):
        sets.erase(*RUST)
    assert sets.current("OLVEU", "CYCLOL") is not None


def test_taught_photos_outlive_the_tidying_of_the_log(
    sets: LocalSets, store: DocumentStore, photos: PhotoStore
) -> None:
    from field_data.diagnoses import DiagnosisLog

    sets.teach(*RUST, "", AT, [jpeg(1)])
    sets.forget(*RUST, AT)
    photos.put(jpeg(2))
    DiagnosisLog(store, photos).tidy()
    assert photos.has(photo_of(jpeg(1)).sha256), "the way back needs it"
    assert not photos.has(photo_of(jpeg(2)).sha256)


def test_vectors_belong_to_one_model(sets: LocalSets) -> None:
    sets.keep_vectors("a", {"p": b"\x00\x01", "q": b"\x02"})
    sets.keep_vectors("a", {"q": b"\x03"})
    assert sets.vectors("a") == {"p": b"\x00\x01", "q": b"\x03"}
    sets.keep_vectors("b", {"p": b"\x09"})
    assert (sets.vectors("a"), sets.vectors("b")) == ({}, {"p": b"\x09"})


def test_disk_full_keeps_the_old_version_and_no_new_photo(
    sets: LocalSets, photos: PhotoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sets.teach(*RUST, "", AT, [jpeg(1)])

    def full(*_: object) -> None:
        raise KeeperError("disk_full")

    monkeypatch.setattr(LocalSets, "_append", full)
    with pytest.raises(KeeperError):
        sets.teach(*RUST, "", AT, [jpeg(2)])
    monkeypatch.undo()
    assert sets.current(*RUST) == before
    assert list(photos.names()) == list(before.photos)


def test_kill_9_while_teaching_leaves_the_old_or_the_new_version(tmp_path: Path) -> None:
    for pause_s in (0.03, 0.11, 0.07):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", TEACH, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(pause_s)
        process.send_signal(signal.SIGKILL)
        said = process.stdout.read().split()
        process.wait(20)
        process.stdout.close()
        with DocumentStore(tmp_path / "store.db") as store:
            photos = PhotoStore(tmp_path / "photos")
            sets = LocalSets(store, photos)
            [found] = sets.all_current()
            assert len(found.photos) % 5 == 0
            assert len(found.photos) >= int(said[-1] if said else 5)
            assert all(photos.get(photo) for photo in found.photos)
            versions = [each.version for each in sets.history(*RUST)]
            assert versions == list(range(1, len(versions) + 1))
