"""Three things a week: which, in which words, kept how long, and what came of them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from edge_app.languages import LANGS
from edge_app.week import words
from edge_app.week.choosing import by_urgency, choose
from edge_app.week.outcomes import (
    Answer,
    Found,
    Given,
    Known,
    Sight,
    asked,
    became,
    episodes,
    scouted,
    watered,
)
from edge_app.week.speaking import speaking
from field_data.advice_log import KeptAdvice, inputs_of, name_of
from field_data.season_advice import AdviceItem, Confidence, Topic, Urgency
from tests.weeks import DAY, instant, item, no_spraying, scouting, watering

# Choosing.


def test_a_week_is_one_water_one_pest_and_one_work_the_most_urgent_first() -> None:
    dull = item("water_wait", urgency=Urgency.NONE)
    late = scouting(pest="PHYTIN", urgency=Urgency.NONE)
    frost = item("frost_night", urgency=Urgency.SOON)
    items = [dull, late, frost, scouting(), watering(), no_spraying()]
    week = choose(items)
    assert [each.code for each in week.items] == ["spray_not_wind", "water_give", "scout_stage"]
    assert week.items[2].pest == "GNORAB"
    assert week.urgency is Urgency.NOW
    assert choose(items[::-1]) == week
    assert {each.code for each in week.others} == {"water_wait", "frost_night", "scout_stage"}


def test_the_surer_speaks_where_two_are_as_urgent() -> None:
    unsure = scouting(pest="PHYTIN", confidence=Confidence.LOW)
    sure = scouting(day=DAY + 2, confidence=Confidence.HIGH)
    assert choose([unsure, sure]).items == (sure,)


def test_a_place_left_free_goes_to_another_topic_that_needs_a_hand() -> None:
    frost, heat = item("frost_night"), item("heat_day", urgency=Urgency.NONE)
    week = choose([frost, heat, no_spraying(), no_spraying(DAY + 1), watering()])
    assert [each.topic for each in week.items] == [Topic.SPRAY, Topic.WATER, Topic.FROST]


def test_the_age_of_the_weather_takes_no_place_and_is_said_once() -> None:
    old = item("weather_old", urgency=Urgency.NOW)
    week = choose([old, old, watering()])
    assert ([each.code for each in week.data], len(week.items)) == (["weather_old"], 1)
    assert choose([]).items == ()


def test_fields_are_sorted_by_what_is_most_urgent_and_silent_ones_come_last() -> None:
    weeks = [(name, choose(items)) for name, items in {
        "silent": [],
        "calm": [item("water_none_needed", urgency=Urgency.NONE)],
        "soon": [watering()],
        "now": [no_spraying()],
        "soon and more": [watering(), scouting()],
    }.items()]  # fmt: skip
    order = [name for name, _ in by_urgency(weeks)]
    assert order == ["now", "soon and more", "soon", "calm", "silent"]


# Words.


def name(pest: str, lang: str) -> str:
    return {"fr": "mineuse", "ar": "حافرة"}.get(lang, "leafminer")


def said(lang: str, *items: AdviceItem) -> list[str]:
    with speaking(lang):
        return [words.sentence(each, DAY, name).text for each in items]


def test_sentences_name_weekdays_amounts_and_pests() -> None:
    assert said("en", watering(), scouting(), no_spraying()) == [
        "By Thursday: water 25 mm.",
        "Saturday: look at the plants, leafminer may begin.",
        "Tomorrow: do not spray, too much wind.",
    ]
    assert said("fr", watering(), scouting(), no_spraying()) == [
        "D'ici jeudi : arrosez 25 mm.",
        "Samedi : regardez les plantes, mineuse peut commencer.",
        "Demain : ne traitez pas, trop de vent.",
    ]
    arabic = said("ar", watering(), scouting(), no_spraying())
    assert "الخميس" in arabic[0]
    assert "25 مم" in arabic[0]
    assert "حافرة" in arabic[1]
    far = item("sow_window", first_day=DAY + 20, last_day=DAY + 24)
    assert said("en", far) == ["Monday 23 March to Friday 27 March: good days to sow."]
    assert said("en", watering(DAY - 2)) == ["Today: water 25 mm."]


def test_where_tifinagh_has_a_gap_the_whole_sentence_is_arabic() -> None:
    with speaking("zgh"):
        told = words.sentence(watering(), DAY, name)
    assert told.lang == "ar"
    assert "الخميس" in told.text


@pytest.mark.parametrize("lang", LANGS)
def test_every_code_has_a_sentence_a_drawing_and_no_hole(lang: str) -> None:
    from edge_app.pictures import STATIC

    every = [item(code, first_day=DAY, last_day=DAY + 1, pest="GNORAB") for code in words.SAYINGS]
    every += [replace(item(), topic=topic, code="brand_new") for topic in Topic]
    told = said(lang, *every)
    assert not any("%" in text or "(" in text or not text.strip(". ") for text in told)
    assert len(set(told)) == len(told)
    for each in every:
        assert (STATIC / "icons" / "ui" / f"{words.picture_of(each)}.svg").is_file()


def test_numbers_follow_the_plural_rules() -> None:
    with speaking("ar"):
        assert words.hours_text(2) != words.hours_text(3)
        assert "2" not in words.hours_text(2)  # the dual
    with speaking("en"):
        assert words.hours_text(1) == "1 hour of the pump"
        assert words.hours_text(3.4) == "3.5 hours of the pump"
        assert words.hours_text(0.4) == "25 minutes of the pump"
        told = words.details(watering())
    assert told is not None
    assert told.text == (
        "between 20 and 30 mm · 2250 m³ · 3 hours of the pump · 2 turns of the canal"
    )


# What is kept.


def kept(advice: AdviceItem, day: int = DAY) -> KeptAdvice:
    return KeptAdvice(name_of(advice), inputs_of(advice), day, instant(day), advice)


def test_the_same_words_from_other_figures_are_the_same_advice() -> None:
    one, other = watering(), watering(evidence={"depletion_mm": 25.3})
    assert name_of(one) == name_of(other)
    assert inputs_of(one) != inputs_of(other)
    assert len({name_of(each) for each in (one, watering(mm=31), watering(DAY + 1))}) == 3


# What came of it.


def test_one_question_is_asked_after_a_week_until_it_is_answered() -> None:
    log = [kept(watering(DAY + n, 25 + n), DAY + n) for n in range(3)]
    log += [kept(scouting(), DAY), kept(item("water_none_needed"), DAY)]
    assert asked(log, [], DAY + 6) is None
    first = asked(log, [], DAY + 8)
    assert first is not None
    assert (first.item.code, first.day) == ("water_give", DAY + 2)
    answers = [Answer(first.id, "water", DAY + 8, "yes")]
    second = asked(log, answers, DAY + 8)
    assert second is not None
    assert second.item.code == "scout_stage"
    answers += [Answer(second.id, "scout", DAY + 8, "yes", "no")]
    assert asked(log, answers, DAY + 8) is None
    assert asked(log, [], DAY + 40) is None


def test_scouting_advice_is_right_when_somebody_looked_and_found() -> None:
    advice = kept(scouting())
    [episode] = episodes([advice, kept(scouting(DAY + 1), DAY + 1)])
    found = Known(sights=(Sight(DAY + 5, "GNORAB", True),))
    other = Known(sights=(Sight(DAY + 5, "PHYTIN", True),))
    late = Known(sights=(Sight(DAY + 40, "GNORAB", True),))
    tapped = Known(answers=(Answer(advice.id, "scout", DAY + 8, "yes", "yes"),))
    cases = [found, other, late, tapped, Known()]
    assert [became(episode, each) for each in cases] == [
        *(Found.FOUND, Found.NOT_FOUND, Found.NOT_LOOKED, Found.FOUND, Found.NOT_LOOKED)
    ]
    judged = scouted([([advice], each) for each in cases])
    assert (judged.advised, judged.found, judged.not_found, judged.looked) == (5, 2, 1, 3)
    assert judged.hit_rate == pytest.approx(2 / 3)
    # Found on the fortieth day without a word before, and PHYTIN, of which no rule speaks.
    assert judged.missed == 1


def test_water_given_is_compared_with_what_stood_that_day() -> None:
    log = [kept(watering(DAY, 20), DAY), kept(watering(DAY + 1, 24), DAY + 1)]
    log += [kept(watering(DAY + 30, 40), DAY + 30)]
    known = Known(given=(Given(DAY + 1, 12.0), Given(DAY + 3, 6.0), Given(DAY + 20, 99.0)))
    judged = watered([(log, known)])
    assert (judged.advised, judged.followed) == (2, 1)
    assert (judged.advised_mm, judged.given_mm, judged.median_ratio) == (24.0, 18.0, 0.75)
    assert watered([(log, Known())]).median_ratio is None


def test_days_are_what_the_calendar_says() -> None:
    assert date(1970, 1, 1).toordinal() + DAY == date(2026, 3, 3).toordinal()


def test_every_word_that_an_adviser_says_has_a_sentence_of_its_own() -> None:
    """A topic's general words would turn "do not spray" into "spraying"."""
    folder = Path(words.__file__).parents[1]
    sources = [folder / f"{name}_items.py" for name in ("water", "risk", "window")]
    text = "\n".join(p.read_text("utf-8") for p in [*sources, folder / "field_windows.py"])
    topics = "water|scout|spray|sow|harvest|frost|heat|chergui|weather"
    said = set(re.findall(rf'"((?:{topics})_[a-z_]+)"', text)) - {"weather_state"}
    said |= set(re.findall(r"``(spray_not_[a-z]+)``", text))
    assert len(said) > 20
    assert said <= set(words.SAYINGS), said - set(words.SAYINGS)
