"""How long things are kept, and that a wrong clock never erases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_app.ground import Ground
from edge_app.settings import Settings
from field_data import audit_log, events
from field_data.audit_log import Action
from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.photos import PhotoStore
from field_data.retention import Due
from field_data.types import Instant, Trust
from tests.fakes import AT, verdict
from tests.village import Village, jpeg

DAY_S = 86400.0
LATER = Instant(AT.utc_s + 40 * DAY_S, Trust.NTP)


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    for module in (events, audit_log):
        monkeypatch.setattr(module, "now", lambda: AT)
    rules = Settings(keep_answers_days=30, keep_observation_photos_days=30, keep_audit_days=30)
    with DocumentStore(tmp_path / "store.sqlite") as store:
        yield Ground(store, PhotoStore(tmp_path / "photos"), "node", rules)


def test_what_is_too_old_goes_and_the_rest_stays(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    village = Village(ground)
    log = DiagnosisLog(ground.store, ground.photos)
    old = log.record(verdict(), {0: jpeg(40)})
    new = log.record(verdict(at=LATER), {0: jpeg(50)})
    ground.audit.append("a", Action.LOGIN)
    due = Due(diagnoses=1, observation_photos=3, audit_entries=1)
    assert ground.retention.run(LATER, dry=True) == due
    assert log.get(old.id) is not None
    monkeypatch.setattr(audit_log, "now", lambda: LATER)
    assert ground.retention.run(LATER) == due
    assert log.ids() == [new.id]
    assert ground.photos.get(new.photos[0].sha256 or "") is not None
    assert list(ground.photos.names()) == [new.photos[0].sha256]
    assert village.left() == set(village.events)  # what was recorded stays, without the pictures
    assert [e.action for e in ground.audit.all()] == [Action.RETENTION, Action.TRIMMED]
    assert ground.audit.verify().sound
    assert ground.retention.run(LATER) == Due(0, 0, 0)


def test_a_photo_that_something_else_uses_stays(ground: Ground) -> None:
    village = Village(ground)
    log = DiagnosisLog(ground.store, ground.photos)
    log.record(verdict(at=LATER), {0: ground.photos.get(village.photo) or b""})
    ground.retention.run(LATER)
    assert set(ground.photos.names()) == {village.photo}


def test_a_clock_that_cannot_be_trusted_erases_nothing(ground: Ground) -> None:
    Village(ground)
    DiagnosisLog(ground.store, ground.photos).record(verdict())
    assert ground.retention.run(Instant(4e9, Trust.UNKNOWN)) == Due(0, 0, 0)


def test_what_was_dated_by_a_wrong_clock_stays(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Instant(100.0, Trust.UNKNOWN)
    for module in (events, audit_log):
        monkeypatch.setattr(module, "now", lambda: wrong)
    Village(ground)
    DiagnosisLog(ground.store, ground.photos).record(verdict(at=wrong))
    ground.audit.append("a", Action.LOGIN)
    assert ground.retention.run(LATER) == Due(0, 0, 0)


def test_without_rules_everything_stays(tmp_path: Path) -> None:
    with DocumentStore(tmp_path / "store.sqlite") as store:
        ground = Ground(store, PhotoStore(tmp_path / "photos"), "node")
        Village(ground)
        far = Instant(4e9, Trust.NTP)
        assert ground.retention.run(far) == Due(0, 0, 0)
