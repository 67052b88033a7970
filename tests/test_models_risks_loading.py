"""Models of pests, work rules and calendars: what is not sound is refused at load."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_app.advice import load_advice
from field_data.errors import KeeperError, PublisherError
from field_data.forms.library import shipped_forms
from models.risks import calendars, loading, work_rules
from models.risks.calendars import load_calendars, read_calendar
from models.risks.loading import load_models, read_model, shipped_models
from models.risks.tables import models_table, renewed
from models.risks.work_rules import read_rules

ROOT = Path(__file__).parents[1]
MOTH = (loading.FOLDER / "codling_moth.toml").read_text()
RUST = (loading.FOLDER / "wheat_brown_rust.toml").read_text()
RULES = work_rules.FILE.read_text()
MOROCCO = (calendars.FOLDER / "morocco.toml").read_text()


def changed(text: str, old: str, new: str) -> bytes:
    assert old in text
    return text.replace(old, new, 1).encode()


def test_the_shipped_models_lead_to_cards_and_forms_that_are_there() -> None:
    advice, forms = load_advice(), shipped_forms()
    asked = {"GNORAB", "CARPPO", "DACUOL", "CERTCA", "PHYTIN", "PUCCST", "PUCCRT", "PLASVI"}
    models = shipped_models()
    assert asked <= {model.pest for model in models}
    for model in models:
        assert forms.get(model.form) is not None, model.id
        for crop in model.crops:
            card = advice.card(crop, model.pest)
            assert card is not None, (model.id, crop)
        assert model.card(model.crops[0]) in {card.id for card in advice.cards_for(model.crops[0])}


def test_no_model_claims_a_review_that_nobody_made() -> None:
    assert not any(model.reviewed or model.reviewed_by for model in shipped_models())
    assert not any(calendar.reviewed for calendar in load_calendars())


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('after = "biofix"', 'after = "next_moths"', "loop"),
        ('after = "first_hatch"', 'after = "third_hatch"', "no stage third_hatch"),
        ('source = "thresholds"', 'source = "hearsay"', "no source called hearsay"),
        ('source = "msu"\n\n[[stage]]', "\n[[stage]]", "source is missing"),
        ('key = "msu"', 'key = "other"', "no source called msu"),
        ("lower_c = 10.0", "lower_c = 45.0", "lower_c is a number"),
        ("upper_c = 31.1", "upper_c = 15.0\nfactor = 2", "unknown key factor"),
        ("lower_c = 10.0\nupper_c = 31.1", "lower_c = 20.0\nupper_c = 18.0", "at least 5 °C"),
        ("lower_c = 10.0", "lower_c = nan", "lower_c is a number"),
        ("lower_c = 10.0", "lower_c = true", "lower_c is a number"),
        ('method = "single_sine"', 'method = "guess"', "method is one of"),
        ("generation = 588.9", "generation = 100.0", "a generation is not over"),
        ("degree_days = 138.9", "degree_days = -1", "degree_days is a number"),
        ('traps = ["pheromone"]', 'traps = ["bottle"]', "traps are among"),
        ("reviewed = false", "reviewed = true", "name of who reviewed"),
        ('pest = "CARPPO"', "", "pest is missing"),
        ('id = "codling_moth"', 'id = "codling_moth"\ncolour = "red"', "unknown key colour"),
        ('url = "https://enviroweather', 'url = "enviroweather', "an address"),
        ('seen = "seen"', 'seen = "sworn"', "seen is one of"),
        ("months = [3,", "months = [13,", "months is a number"),
        ('id = "codling_moth"', "id = ", "codling_moth.toml"),
    ],
)
def test_an_unsound_model_of_an_insect_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(PublisherError, match=why) as caught:
        read_model(changed(MOTH, old, new), "codling_moth.toml")
    assert caught.value.code == "bad_risk_model"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("[[2.0, 24.0], [10.0, 12.0]", "[[10.0, 24.0], [2.0, 12.0]", "increase"),
        ("[2.0, 24.0]", "[2.0, 0.0]", "can be"),
        ("[2.0, 24.0]", "[2.0]", "pairs"),
        ("signs_days = [10, 14]", "signs_days = [14, 10]", "first and a last"),
        ("signs_days = [10, 14]", "signs_days = [10]", "first and a last"),
        ("rh_percent = 90.0", "rh_percent = 190.0", "rh_percent is a number"),
        ('kind = "wet_spell"', 'kind = "moon"', "kind is one of"),
        ('signs_source = "cimmyt"', 'signs_source = "season"', "nothing rests on source cimmyt"),
    ],
)
def test_an_unsound_model_of_a_disease_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(PublisherError, match=why):
        read_model(changed(RUST, old, new), "wheat_brown_rust.toml")


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(MOTH)
    with pytest.raises(PublisherError, match="two models"):
        load_models(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("wind_least_ms = 1.3", "wind_least_ms = 4.0", "least lies below"),
        ("tmax_c = 32.0", "tmax_c = 320.0", "tmax_c is a number"),
        ('sources = ["frost"]', 'sources = ["hail"]', "hail"),
        ("[chergui]", "[chergui]\ndirection = 90", "unknown key direction"),
    ],
)
def test_unsound_work_rules_are_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(PublisherError, match=why):
        read_rules(changed(RULES, old, new))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('from = "10-15"', 'from = "31-15"', "a day like"),
        ('best_to = "11-30"', 'best_to = "03-30"', "between from and to"),
        ("box = [30.0, -10.0, 35.5, -2.0]", "box = [36.0, -10.0, 35.5, -2.0]", "south-west"),
        ("box = [30.0, -10.0, 35.5, -2.0]", "box = [30.0, -10.0]", "4 numbers"),
        ('source = "usage"', 'source = "neighbour"', "no source called neighbour"),
        ("reviewed = false", "reviewed = true", "reviewed needs a name"),
        ("[[zone.sow]]", "[[zone.sow]]\nmoon = 1", "unknown key moon"),
    ],
)
def test_an_unsound_calendar_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(PublisherError, match=why):
        read_calendar(changed(MOROCCO, old, new), "morocco.toml")


def test_a_calendar_of_the_home_replaces_the_one_of_that_name(tmp_path: Path) -> None:
    own = tmp_path / "calendars"
    own.mkdir()
    (own / "morocco.toml").write_bytes(changed(MOROCCO, 'id = "mountain"', 'id = "our_valley"'))
    (told,) = load_calendars(own)
    assert told.zones[0].id == "our_valley"
    (own / "morocco.toml").write_text("zone = 3")
    with pytest.raises(KeeperError, match=r"morocco\.toml"):
        load_calendars(own)


@pytest.mark.parametrize(
    ("lat", "lon", "height", "zone"),
    [
        (33.9, -5.5, 550, "rainy_plains"),
        (32.4, -7.5, 400, "dry_plains"),
        (33.5, -5.1, 1600, "mountain"),
        (30.4, -9.5, 30, "south"),
        (48.0, 2.0, 100, None),
    ],
)
def test_places_lie_in_zones(lat: float, lon: float, height: float, zone: str | None) -> None:
    found = load_calendars()[0].zone(lat, lon, height)
    assert (found.id if found else None) == zone


def test_the_tables_of_the_documentation_are_those_of_the_models() -> None:
    text = (ROOT / "docs" / "pests-to-come.md").read_text()
    assert renewed(text, shipped_models()) == text
    assert models_table(shipped_models()) in text
