"""``ghalla review`` and what the reviewed photos are good for, as a stranger runs them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edge_app.advice import load_advice
from edge_app.answer import spoken_code
from edge_app.ground import Ground
from edge_app.home import open_ground
from edge_app.local_photos import newest, reviewed_photos
from edge_app.node import FarmNode
from edge_app.settings import read_settings
from field_data.diagnoses import DiagnosisLog
from field_data.people import Person, Role
from field_data.photos import photo_of
from field_data.review_queue import Shares, sampled
from field_data.reviews import Label
from field_data.types import Diagnosis, PhotoFault, Status
from models.labelled import read_rows
from tests.builders import leaf_jpeg
from tests.reviewing import keep, person, plant
from tests.test_edge_app_cli import ghalla, said
from tests.test_edge_app_teaching import all_fit, lesson

__all__ = ["all_fit"]  # the fixture: drawings need not pass the gate

LATE: Label = ("LYPES", "PHYTIN")
EARLY: Label = ("LYPES", "ALTESO")
RUST: Label = ("TRZAX", "PUCCST")
ANN, BEN, EVA = person(), person(), person(Role.AGRONOMIST)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert ghalla("init", "--home", tmp_path / "home").exit_code == 0
    return tmp_path / "home"


@contextmanager
def opened(home: Path) -> Iterator[tuple[Ground, DiagnosisLog]]:
    with open_ground(home) as ground:
        yield ground, DiagnosisLog(ground.store, ground.photos)


def reviewed(
    home: Path, made: Diagnosis, *words: tuple[Person, Label | None], photos: tuple[bytes, ...] = ()
) -> Diagnosis:
    """A plant with its reviews; the third word decides."""
    with opened(home) as (ground, log):
        kept = keep(log, made, photos)
        for number, (who, label) in enumerate(words):
            ground.reviews.submit(kept.id, who, label, informed=number == 2)
    return kept


@pytest.mark.parametrize("verb", ["status", "agreement", "export"])
def test_every_verb_has_help_and_json(verb: str, home: Path) -> None:
    shown = ghalla("review", verb, "--help").stdout
    assert "--home" in shown
    assert "--json" in shown
    out = ("--out", home.parent / "out") if verb == "export" else ()
    missing = ghalla("review", verb, "--home", home.parent / "none", "--json", *out)
    assert (missing.exit_code, said(missing)[0]["error"]) == (3, "no_home")


def test_what_waits_and_what_came_of_it(home: Path) -> None:
    reviewed(home, plant(alert=True))
    reviewed(home, plant())
    reviewed(home, plant(), (ANN, LATE), (BEN, EARLY))
    reviewed(home, plant(), (ANN, LATE), (BEN, LATE))
    reviewed(home, plant(), (ANN, LATE), (BEN, EARLY), (EVA, None))
    reviewed(home, plant(consent=None))
    [found] = said(ghalla("review", "status", "--home", home, "--json"))
    waiting = {why: number for why, number in found["waiting"].items() if number}
    assert waiting == {"disputed": 1, "alert": 1, "uncertain": 1}
    ends = {state: number for state, number in found["reviewed"].items() if number}
    assert ends == {"disputed": 1, "agreed": 1, "cannot_tell": 1}
    shown = ghalla("review", "status", "--home", home).stdout
    assert "Waiting: 3\n  disputed     1\n  alert        1" in shown
    assert "Reviewed: 3" in shown


def test_the_agents_list_leads_to_the_photos_and_not_to_the_answer(home: Path) -> None:
    made, without = reviewed(home, plant()), reviewed(home, plant(consent=None))
    with opened(home) as (_, log):
        for each in (made, without):
            log.ask_agent(each.id)
    pages = [each["page"] for each in said(ghalla("asked", "--home", home, "--json"))]
    assert pages == [f"/fr/staff/review/plant/{made.id}", f"/fr/result/{without.id}"]
    with opened(home) as (ground, _):
        ground.reviews.submit(made.id, ANN, LATE)
    assert len(said(ghalla("asked", "--home", home, "--json"))) == 1


def test_agreement_and_the_figure_without_bias(home: Path) -> None:
    """Sampled plants are answered rightly, the alerts and doubts beside them are not."""
    shares = share(home, 30)
    made = [plant(Status.CONFIDENT) for _ in range(60)]
    drawn = [each for each in made if sampled(each.id, shares)]
    others = [replace(each, status=Status.UNCERTAIN) for each in made if each not in drawn]
    for each in drawn[:-1]:
        reviewed(home, each, (ANN, LATE), (BEN, LATE))
    reviewed(home, drawn[-1])
    for each in others:
        reviewed(home, each, (ANN, EARLY), (BEN, EARLY))
    [found] = said(ghalla("review", "agreement", "--home", home, "--json"))
    people, model = found["people"], found["model"]
    assert people["all"]["kappa"] == 1.0
    assert people["all"]["pairs"] == 59
    assert [set(each["people"]) for each in people["by_pair"]] == [{ANN.id, BEN.id}]
    assert {each["label"] for each in people["by_label"]} == {"LYPES PHYTIN", "LYPES ALTESO"}
    assert (model["sample"]["plants"], model["sample"]["waiting"]) == (len(drawn), 1)
    assert model["sample"]["confident"]["hits"] == model["sample"]["confident"]["n"]
    assert model["sample"]["named"]["share"] == 1.0
    assert model["everything"]["named"]["hits"] == len(drawn) - 1
    assert model["everything"]["named"]["n"] == 59
    shown = ghalla("review", "agreement", "--home", home).stdout
    assert "kappa 1.00" in shown
    assert "not reviewed yet 1, undecided 0\n  right when confident: 1.00" in shown


def share(home: Path, percent: int) -> Shares:
    """Let the node of ``home`` draw that share at random."""
    file = home / "settings.toml"
    file.write_text(file.read_text() + f"\nreview_sample_percent = {percent}\n")
    return read_settings(home).shares


class TestExport:
    def test_a_set_that_the_model_can_be_measured_on(self, home: Path, tmp_path: Path) -> None:
        agreed = reviewed(home, plant(), (ANN, LATE), (BEN, LATE), photos=leaves(1, 2))
        single = reviewed(home, plant(), (ANN, ("LYPES", "healthy")), photos=leaves(3))
        settled = reviewed(home, plant(), (ANN, EARLY), (BEN, LATE), (EVA, EARLY), photos=leaves(4))
        for words in ([(ANN, LATE), (BEN, EARLY)], [(ANN, None)], [(ANN, ("LYPES", None))]):
            reviewed(home, plant(), *words, photos=leaves(5 + len(words)))
        out = tmp_path / "set"
        [done] = said(ghalla("review", "export", "--home", home, "--out", out, "--json"))
        assert (done["photos"], done["split"]) == (4, "reviewed")
        rows = read_rows(out)
        assert [row.label for row in rows] == [LATE, LATE, ("LYPES", "healthy"), EARLY]
        assert len({row.series for row in rows[:2]}) == 1
        assert len({row.series for row in rows}) == 3
        for row, made in zip(rows[1:], (agreed, single, settled), strict=True):
            jpeg = (out / row.file).read_bytes()
            assert photo_of(jpeg).sha256 == made.photos[-1].sha256
        result = ghalla("model", "eval", "leaf_health", "--data", out, "--split", "reviewed",
                        "--json")  # fmt: skip
        assert result.exit_code == 0, result.output
        assert said(result)[0]["all"]["photos"] == 4
        again = ghalla("review", "export", "--home", home, "--out", out)
        assert (again.exit_code, "not empty" in again.stderr) == (1, True)

    def test_the_history_is_whole_and_opens_nothing(self, home: Path, tmp_path: Path) -> None:
        made = reviewed(home, plant(), (ANN, LATE), (BEN, EARLY), (EVA, EARLY))
        with opened(home) as (ground, _):
            ground.reviews.correct(made.id, ANN, EARLY)
        out = tmp_path / "set"
        ghalla("review", "export", "--home", home, "--out", out)
        text = "".join(path.read_text() for path in out.glob("*.*"))
        assert made.id not in text  # whoever has it can open and erase the farmer's answer
        [told] = json.loads((out / "history.json").read_text())["plants"]
        assert told["model"]["version"] == "1.0.0"
        assert told["said"]["candidates"][0]["condition"] == "PHYTIN"
        assert told["outcome"] == {"state": "settled", "crop": "LYPES", "condition": "ALTESO"}
        words = [(w["by"], w["round"], w["blind"], w["condition"]) for w in told["reviews"]]
        assert words == [
            (ANN.id, 1, True, "PHYTIN"),
            (BEN.id, 2, True, "ALTESO"),
            (EVA.id, 3, False, "ALTESO"),
            (ANN.id, 1, False, "ALTESO"),
        ]
        assert [w["correction"] for w in told["reviews"]] == [False, False, False, True]
        [row] = csv.DictReader((out / "classification.csv").read_text().splitlines())
        assert row["note"].startswith(f"series {told['plant']}")

    def test_what_was_erased_is_in_no_set_and_no_figure(self, home: Path, tmp_path: Path) -> None:
        made = reviewed(home, plant(), (ANN, LATE), (BEN, LATE))
        with opened(home) as (_, log):
            log.forget([made.id])
        [done] = said(ghalla("review", "export", "--home", home, "--out", tmp_path / "o", "--json"))
        assert done["photos"] == 0
        assert json.loads((tmp_path / "o" / "history.json").read_text())["plants"] == []
        assert not any((tmp_path / "o" / "images").iterdir())
        [found] = said(ghalla("review", "agreement", "--home", home, "--json"))
        assert found["people"]["all"]["pairs"] == found["model"]["everything"]["plants"] == 0


def leaves(*seeds: int) -> tuple[bytes, ...]:
    return tuple(leaf_jpeg(320, 240, seed=seed) for seed in seeds)


class TestReviewedPhotos:
    def test_they_are_what_a_new_model_must_pass(self, home: Path) -> None:
        assert reviewed_photos(home) == []
        reviewed(home, plant(), (ANN, LATE), photos=leaves(1))
        reviewed(home, plant(), (ANN, EARLY), (BEN, LATE), photos=leaves(2))
        [(jpeg, crop, condition)] = reviewed_photos(home)
        assert (jpeg, crop, condition) == (leaves(1)[0], "LYPES", "PHYTIN")

    def test_a_photo_that_two_plants_share_has_one_name_or_none(self, home: Path) -> None:
        reviewed(home, plant(), (ANN, LATE), photos=leaves(1, 2))
        reviewed(home, plant(), (ANN, LATE), photos=leaves(2, 3))
        assert len(reviewed_photos(home)) == 3
        reviewed(home, plant(), (ANN, EARLY), photos=leaves(3))
        assert [jpeg for jpeg, _, _ in reviewed_photos(home)] == list(leaves(1, 2))

    def test_a_hand_among_the_leaves_is_no_example(self, home: Path) -> None:
        with opened(home) as (ground, log):
            made = plant(photos=2)
            hand = replace(made.photos[0], fault=PhotoFault.NOT_A_PLANT, sha256=None)
            two = replace(made, photos=(hand, replace(made.photos[1], sha256=None)))
            log.record(two, dict(enumerate(leaves(1, 2))))
            ground.reviews.submit(made.id, ANN, LATE)
        assert [jpeg for jpeg, _, _ in reviewed_photos(home)] == [leaves(2)[0]]


class TestTeach:
    def test_reviewed_photos_teach_only_when_asked_and_go_when_erased(self, home: Path) -> None:
        wheat = ("--home", home, "--crop", "wheat", "--condition", "PUCCST")
        kept = [
            reviewed(home, plant(Status.NO_MODEL, RUST), (ANN, RUST), photos=(jpeg,))
            for _, jpeg in lesson(0, 8)
        ]
        assert said(ghalla("model", "local", "--home", home, "--json")) == []
        both = ghalla("model", "teach", *wheat, "--from-reviews", __file__)
        neither = ghalla("model", "teach", *wheat)
        assert (both.exit_code, neither.exit_code) == (2, 2)
        [taught] = said(ghalla("model", "teach", *wheat, "--from-reviews", "--json"))
        assert taught["photos"] == len(taught["taken"]) >= 5
        files = len(list((home / "photos").glob("??/*.jpg")))
        gone = ghalla("forget", "--home", home, "--code", spoken_code(kept[0].id))
        assert gone.exit_code == 0
        [left] = said(ghalla("model", "local", "--home", home, "--json"))
        number = int(taught["taken"][0] == "reviewed-1")
        assert left["photos"] == taught["photos"] - number
        assert len(list((home / "photos").glob("??/*.jpg"))) == files - 1 - number
        restored = said(ghalla("model", "restore", *wheat, "--version", "1", "--json"))[0]
        assert restored["photos"] == left["photos"]  # no way back to an erased photo

    def test_a_running_node_unlearns_what_is_erased(self, home: Path) -> None:
        with FarmNode(home, load_advice()) as node:
            photos = lesson(0, 7)
            made = [node.diagnose([each], "TRZAX", consent="1") for each in photos]
            for each in made:
                node.ground.reviews.submit(each.id, ANN, RUST)
            found = newest(node.ground, RUST)
            origins = {shot.photo: shot.case.diagnosis.id for shot, _ in found}
            given = [(shot.photo, jpeg) for shot, jpeg in found]
            taught = node.teach(*RUST, "", given, origins)  # type: ignore[arg-type]
            first = origins[taught.taken[0]]
            before = node.diagnose([photos[-1]], "TRZAX", consent=None).candidates[0]
            node.forget([first])
            [left] = node.local_sets()
            after = node.diagnose([photos[-1]], "TRZAX", consent=None).candidates[0]
            assert before.local_photos == len(taught.taken)
            assert after.local_photos == len(left.photos) == len(taught.taken) - 1

    def test_too_few_reviewed_photos_teach_nothing(self, home: Path) -> None:
        wheat = ("--home", home, "--crop", "wheat", "--condition", "PUCCST")
        result = ghalla("model", "teach", *wheat, "--from-reviews", "--json")
        assert (result.exit_code, said(result)[0]["error"]) == (1, "no_photo")
