"""Local acceptance: a new model that is worse on the photos reviewed here is found out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_app.local_photos import LocalJudge, reviewed_photos
from field_data.errors import PublisherError
from models.acceptance import MIN_PHOTOS, Decision, Labelled, compare, judge, sign_test
from models.diagnosis import Diagnoser
from tests.builders import encoded
from tests.small_models import graph, make_model

RIGHT, WRONG, BOLD = (True, False), (False, False), (False, True)


@pytest.mark.parametrize(
    ("worse", "better", "p"),
    [(0, 0, 1.0), (4, 0, 1 / 16), (0, 4, 1.0), (3, 1, 5 / 16), (1, 0, 0.5)],
)
def test_sign_test(worse: int, better: int, p: float) -> None:
    assert sign_test(worse, better) == pytest.approx(p)


def test_too_few_photos_judge_nothing() -> None:
    said = judge([RIGHT] * (MIN_PHOTOS - 1), [WRONG] * (MIN_PHOTOS - 1))
    assert said.decision is Decision.TOO_FEW
    assert said.sentence() == "not enough local photos to judge (19 of 20)"


@pytest.mark.parametrize(
    ("now", "decision"),
    [
        ([RIGHT] * 20, Decision.ACCEPT),
        ([WRONG] * 3 + [RIGHT] * 17, Decision.ACCEPT),
        ([WRONG] * 4 + [RIGHT] * 16, Decision.WORSE),
    ],
)
def test_photos_that_were_lost_count(now: list[tuple[bool, bool]], decision: Decision) -> None:
    assert judge([RIGHT] * 20, now).decision is decision


def test_what_was_won_weighs_against_what_was_lost() -> None:
    before = [RIGHT] * 6 + [WRONG] * 14
    now = [WRONG] * 4 + [RIGHT] * 6 + [WRONG] * 10
    said = judge(before, now)
    assert (said.decision, said.broken, said.mended) == (Decision.ACCEPT, 4, 4)
    assert said.right == (6, 6)


def test_bolder_errors_are_worse_even_when_as_much_is_right() -> None:
    before, now = [WRONG] * 4 + [RIGHT] * 16, [BOLD] * 4 + [RIGHT] * 16
    said = judge(before, now)
    assert (said.decision, said.bold) == (Decision.WORSE, (0, 4))
    assert "confident errors 0 before, 4 now" in said.sentence()
    assert judge(now, before).decision is Decision.ACCEPT


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("models")
    return make_model(root / "old"), make_model(root / "new", "1.1.0", graph(seed=5))


@pytest.fixture(scope="module")
def photos(folders: tuple[Path, Path]) -> list[Labelled]:
    """Photos that the old model has right: reviewed as it said."""
    old = Diagnoser(folders[0])
    colours = np.random.default_rng(3).integers(0, 255, (30, 2, 2, 3), dtype=np.uint8)
    made = [encoded(c.repeat(40, 0).repeat(40, 1), "PNG") for c in colours]
    tops = [old.read([("x", data)], "LYPES", keep=False).candidates[0].condition for data in made]
    return [(data, "LYPES", top) for data, top in zip(made, tops, strict=True)]


def test_both_read_the_same_photos(folders: tuple[Path, Path], photos: list[Labelled]) -> None:
    old, new = map(Diagnoser, folders)
    said = compare(old, new, [*photos, (b"no photo", "LYPES", "PHYTIN")])
    assert (said.photos, said.right[0], said.bold[0]) == (30, 30, 0)
    assert said.decision is Decision.WORSE
    assert said.broken == 30 - said.right[1]
    assert compare(old, old, photos).decision is Decision.ACCEPT


def test_the_judge_speaks_against_a_worse_model(
    folders: tuple[Path, Path], photos: list[Labelled]
) -> None:
    why = LocalJudge(photos)(*folders)
    assert why is not None
    assert why.code == "model_worse_here"
    assert why.reason.startswith("worse on 30 photos reviewed here: right 30 before")
    assert LocalJudge(photos)(folders[0], folders[0]) is None


def test_the_judge_says_when_there_is_too_little_to_judge(folders: tuple[Path, Path]) -> None:
    few = LocalJudge([])
    assert few(*folders) is None
    assert few.verdict is not None
    assert few.verdict.sentence() == "not enough local photos to judge (0 of 20)"


def test_anything_is_better_than_no_model(
    folders: tuple[Path, Path], photos: list[Labelled], tmp_path: Path
) -> None:
    assert LocalJudge(photos)(tmp_path, folders[1]) is None
    (tmp_path / "broken").mkdir()
    with pytest.raises(PublisherError):
        LocalJudge(photos)(folders[0], tmp_path / "broken")


def test_no_photo_is_reviewed_yet(tmp_path: Path) -> None:
    assert reviewed_photos(tmp_path) == []
