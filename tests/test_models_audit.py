"""Promises and slices, on answers made up so that the verdict is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from field_data.errors import PersonError, PublisherError
from field_data.types import Status
from models import audit
from models.audit import BROKEN, DOUBT, FEW, KEPT, Case
from models.evaluation import Answer, report
from models.labelled import Row
from models.manifest import Manifest, read_manifest
from models.photo_quality import Quality

FOLDER = Path(__file__).parents[1] / "models" / "leaf_health"
PROMISE = {"right_when_confident": 0.9}


def case(
    number: int, right: bool, setting: str = "lab", phone: str = "", luma: float = 100
) -> Case:
    row = Row(f"{number}.jpg", "A", "x", "src", setting, "val", phone=phone)
    said = ("A", "x" if right else "y")
    answer = Answer("A", "x", setting, "src", Status.CONFIDENT, said, 0.9, file=row.file)
    return Case(row, answer, Quality(0.3, luma, 0.0))


def cases(right: int, wrong: int, setting: str, start: int = 0, phone: str = "") -> list[Case]:
    return [case(start + n, n < right, setting, phone) for n in range(right + wrong)]


def verdicts(found: list[audit.Slice]) -> dict[str, str]:
    return {f"{s.by} {s.name}": s.verdict for s in found}


def test_a_slice_that_hides_in_the_average_breaks_the_promise() -> None:
    set_ = cases(200, 0, "lab") + cases(20, 10, "field", 1000, "phone B")
    found = audit.audit(set_, PROMISE)
    said = verdicts(found)
    assert said["all all"] == said["setting lab"] == KEPT
    assert said["setting field"] == said["phone phone B"] == BROKEN
    worst = audit.worst_of(found)
    assert worst is not None
    assert worst.value == pytest.approx(2 / 3, abs=1e-4)
    assert worst.judged == 30


def test_chance_does_not_condemn() -> None:
    # 26 of 30 is 0.867, below 0.9, but the interval reaches above it; 5 of 10 is too few to judge.
    set_ = cases(26, 4, "field") + cases(5, 5, "mixed", 1000)
    said = verdicts(audit.audit(set_, PROMISE))
    assert said["setting field"] == DOUBT
    assert said["setting mixed"] == FEW


def test_unsure_answers_do_not_count_for_what_is_promised_of_sure_ones() -> None:
    silent = [
        replace(c, answer=replace(c.answer, status=Status.UNCERTAIN))
        for c in cases(0, 100, "lab", 1000)
    ]
    found = audit.audit(cases(25, 0, "lab") + silent, {**PROMISE, "accuracy": 0.5})
    said = {s.figure: s.verdict for s in found if s.by == "setting"}
    assert said == {"right_when_confident": KEPT, "accuracy": BROKEN}


def test_thirds() -> None:
    names = ("low", "mid", "high")
    assert audit.thirds([1, 2, 3, 4, 5, 6], names) == ["low"] * 2 + ["mid"] * 2 + ["high"] * 2
    assert audit.thirds([5, 5, 5], names) == ["low"] * 3


def shipped(**metrics: object) -> Manifest:
    return replace(read_manifest(FOLDER), metrics=metrics)


def test_the_promise_is_the_manifests() -> None:
    assert audit.promise_of(shipped()) == audit.DEFAULT_PROMISE
    assert audit.promise_of(shipped(promise={"accuracy": 0.8})) == {"accuracy": 0.8}
    for bad in ({"beauty": 0.9}, {"accuracy": "0.9"}, {"accuracy": 2}, {"accuracy": True}, {}, 0.9):
        with pytest.raises(PublisherError, match="not a promise"):
            audit.promise_of(shipped(promise=bad))


def test_recorded_slices_are_judged_without_photos() -> None:
    answers = [c.answer for c in cases(200, 0, "lab") + cases(20, 10, "field", 1000)]
    manifest = shipped(tests={"val": report(answers)})
    said = verdicts(audit.recorded(manifest, PROMISE))
    assert said["val setting field"] == BROKEN
    assert said["val setting lab"] == KEPT
    with pytest.raises(PersonError, match="--data"):
        audit.recorded(shipped(), PROMISE)
