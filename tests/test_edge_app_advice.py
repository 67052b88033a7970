"""The loader of crops and cards, and the look-ups that the pages use."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from edge_app.advice import SECTIONS, Advice, Localised, load_advice, localise
from edge_app.languages import FALLBACK, LANGS, RTL
from field_data.errors import PublisherError

CROPS = """
[[crop]]
code = "LYPES"
sci = ["Solanum lycopersicum"]
aliases = ["tomatoes"]
icon = "LYPES.svg"
[crop.name]
en = "Tomato"
fr = "Tomate"
ar = "الطماطم"
[[crop]]
code = "TRZAX"
sci = ["Triticum aestivum", "Triticum durum"]
icon = "TRZAX.svg"
[crop.name]
en = "Wheat"
fr = "Blé"
zgh = "ⵉⵔⴷⵏ"
"""
COMMON = """
[[fact]]
id = "ask"
section = "threshold"
source = "a book"
status = "unreviewed"
[fact.text]
en = "Ask."
"""
CARD = """
[[card]]
id = "LYPES.PHYTIN"
crops = ["LYPES"]
condition = "PHYTIN"
sci = "Phytophthora infestans"
kind = "oomycete"
priority = "P1"
alert = false
expires = 2028-11-01
complete = ["en"]
use = ["ask"]
[card.name]
en = "Late blight"
ar = "اللفحة"
[[card.fact]]
section = "act"
source = "a book"
status = "sourced"
reviewed_by = "a person"
[card.fact.text]
en = "Cut it out."
[[card.fact]]
section = "see"
source = "a book"
status = "unreviewed"
[card.fact.text]
en = "Dark spots."
"""
HEALTHY = """
[[card]]
id = "healthy"
crops = ["*"]
condition = "healthy"
sci = "Plantae"
kind = "healthy"
priority = "P3"
alert = false
expires = 2028-11-01
complete = []
[card.name]
en = "No problem seen"
"""


def second(condition: str, priority: str, crop: str = "LYPES") -> str:
    return (
        CARD.replace("LYPES.PHYTIN", f"{crop}.{condition}")
        .replace('["LYPES"]', f'["{crop}"]')
        .replace('"PHYTIN"', f'"{condition}"')
        .replace('"P1"', f'"{priority}"')
        .replace("Late blight", condition)
    )


def write(folder: Path, crops: str = CROPS, common: str = COMMON, **cards: str) -> Path:
    (folder / "cards").mkdir()
    (folder / "crops.toml").write_text(crops, encoding="utf-8")
    (folder / "common.toml").write_text(common, encoding="utf-8")
    for name, text in (cards or {"tomato": CARD + HEALTHY}).items():
        (folder / "cards" / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Advice:
    return load_advice(write(tmp_path))


@pytest.fixture(scope="module")
def real() -> Advice:
    return load_advice()


def test_every_language_falls_back_to_every_reader_of_the_pages() -> None:
    assert FALLBACK.keys() == set(LANGS)
    assert all(chain[0] == lang and "en" in chain for lang, chain in FALLBACK.items())
    assert RTL.issubset(LANGS)


@pytest.mark.parametrize(
    ("lang", "texts", "expected"),
    [
        ("zgh", {"en": "e", "fr": "f", "ar": "a", "zgh": "z"}, ("z", "zgh")),
        ("zgh", {"en": "e", "fr": "f", "ar": "a"}, ("a", "ar")),
        ("zgh", {"en": "e", "fr": "f"}, ("f", "fr")),
        ("zgh", {"en": "e"}, ("e", "en")),
        ("ar", {"en": "e", "fr": "f"}, ("f", "fr")),
        ("en", {"ar": "a", "fr": "f"}, ("f", "fr")),
        ("fr", {"zgh": "z"}, ("z", "zgh")),
        ("xx", {"fr": "f", "en": "e"}, ("f", "fr")),
    ],
)
def test_localise_says_which_language_it_found(
    lang: str, texts: dict[str, str], expected: tuple[str, str]
) -> None:
    assert localise(texts, lang) == Localised(*expected)


def test_a_card_holds_own_and_common_facts_in_reading_order(small: Advice) -> None:
    card = small.card("LYPES", "PHYTIN")
    assert card is not None
    assert [fact.section for fact in card.facts] == ["see", "threshold", "act"]
    assert [fact.text["en"] for fact in card.section("threshold")] == ["Ask."]
    assert card.section("report") == ()
    assert card.expires == date(2028, 11, 1)


def test_a_card_is_reviewed_only_when_every_fact_is_signed(tmp_path: Path) -> None:
    signed = CARD.replace(
        'status = "unreviewed"', 'status = "unreviewed"\nreviewed_by = "a person"'
    )
    half = load_advice(write(tmp_path))
    (tmp_path / "cards" / "tomato.toml").write_text(signed.replace('use = ["ask"]', ""))
    whole = load_advice(tmp_path)
    assert [half.cards[0].reviewed, whole.cards[0].reviewed] == [False, True]


def test_the_healthy_card_serves_every_crop_but_is_no_problem(small: Advice) -> None:
    assert small.card("TRZAX", "healthy") is small.card("LYPES", "healthy") is not None
    assert [card.condition for card in small.cards_for("LYPES")] == ["PHYTIN"]
    assert small.cards_for("TRZAX") == ()
    assert small.card("TRZAX", "PHYTIN") is None


def test_problems_come_most_important_first(tmp_path: Path) -> None:
    cards = second("C", "P3") + second("B", "P1-alert") + second("A", "P2") + CARD
    advice = load_advice(write(tmp_path, tomato=cards, wheat=second("W", "P1", "TRZAX")))
    assert [card.condition for card in advice.cards_for("LYPES")] == ["PHYTIN", "B", "A", "C"]


def test_condition_names_borrow_from_another_crop_and_end_at_the_code(small: Advice) -> None:
    assert small.condition_name("LYPES", "PHYTIN", "zgh") == Localised("اللفحة", "ar")
    assert small.condition_name("TRZAX", "PHYTIN", "en") == Localised("Late blight", "en")
    assert small.condition_name("TRZAX", "NEVER", "ar") == Localised("NEVER", "en")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("lypes", "LYPES"),
        ("  SOLANUM  lycopersicum ", "LYPES"),
        ("Tomatoes", "LYPES"),
        ("الطماطم", "LYPES"),
        ("ble", "TRZAX"),
        ("BLÉ", "TRZAX"),
        ("triticum durum", "TRZAX"),
        ("ⵉⵔⴷⵏ", "TRZAX"),
    ],
)
def test_a_crop_is_found_by_any_of_its_names(small: Advice, text: str, code: str) -> None:
    assert small.find_crop(text) == small.crop(code) is not None


@pytest.mark.parametrize("text", ["", "moon dust", "tom"])
def test_what_is_no_crop_is_not_found(small: Advice, text: str) -> None:
    assert small.find_crop(text) is None
    assert small.crop("tomato") is None


def test_audio_is_found_only_for_known_cards_and_languages(tmp_path: Path) -> None:
    advice = load_advice(write(tmp_path))
    (tmp_path / "audio").mkdir()
    for name in ("LYPES.PHYTIN.ar.ogg", "LYPES.PHYTIN.xx.mp3", "secret.ar.mp3"):
        (tmp_path / "audio" / name).touch()
    assert advice.audio("LYPES.PHYTIN", "ar") == tmp_path / "audio" / "LYPES.PHYTIN.ar.ogg"
    assert advice.audio("LYPES.PHYTIN", "fr") is None
    assert advice.audio("LYPES.PHYTIN", "xx") is None
    assert advice.audio("secret", "ar") is None
    assert advice.audio("../audio/secret", "ar") is None


THRESHOLD = CARD.replace('section = "act"', 'section = "threshold"')


@pytest.mark.parametrize("day", ["2014-06-01", '"2014-06-01"'])
def test_a_threshold_keeps_its_number_unit_place_and_date(tmp_path: Path, day: str) -> None:
    more = f'value = 0.5\nunit = "flies"\nregion = "France"\ndate = {day}\nsource ='
    write(tmp_path, tomato=THRESHOLD.replace("source =", more, 1).replace('use = ["ask"]', ""))
    fact = load_advice(tmp_path).cards[0].section("threshold")[0]
    assert (fact.value, fact.unit, fact.region, fact.date) == (
        0.5,
        "flies",
        "France",
        "2014-06-01",
    )


BAD_CARDS = [
    ("", "[[cards]]\n", "card is missing"),
    ("[[card]]", "extra = 1\n[[card]]", "unknown key extra"),
    ("[[card]]", "[[card]]\ncolour = 'red'", "unknown key colour"),
    ('section = "act"', 'section = "act"\nregion = "France"', "a threshold's key"),
    ('section = "act"', 'section = "act"\ncondition = "ALTESO"', "a look-alike's key"),
    ('section = "act"', 'section = "act"\nsauce = "x"', "unknown key sauce"),
    ('section = "act"', 'section = "action"', "bad section"),
    ('section = "act"', "", "section is missing"),
    ('source = "a book"', 'source = " "', "bad source"),
    ('source = "a book"', "", "source is missing"),
    ('status = "sourced"', 'status = "true"', "bad status"),
    ('en = "Cut it out."', 'en = ""', "bad text"),
    ('en = "Cut it out."', 'de = "Abschneiden."', "bad text"),
    ('en = "Cut it out."', "", "bad text"),
    ("expires = 2028-11-01", 'expires = "soon"', "bad expires"),
    ("expires = 2028-11-01", "expires = 2028-11-01T00:00:00", "bad expires"),
    ("expires = 2028-11-01", "", "expires is missing"),
    ('use = ["ask"]', 'use = ["aks"]', "unknown common fact aks"),
    ('crops = ["LYPES"]', 'crops = ["LYPES", "MOON"]', "unknown crop MOON"),
    ('crops = ["LYPES"]', "crops = []", "bad crops"),
    ('complete = ["en"]', 'complete = ["english"]', "bad complete"),
    ('complete = ["en"]', "complete = [[1]]", "bad complete"),
    ("alert = false", 'alert = "no"', "bad alert"),
    ('kind = "oomycete"', 'kind = "beast"', "bad kind"),
    ('kind = "oomycete"', 'kind = ["oomycete"]', "bad kind"),
    ('"P1"', '"P0"', "bad priority"),
    ("LYPES.PHYTIN", "../LYPES", "bad id"),
    ("[[card.fact]]", "[card.fact]", ""),
]


@pytest.mark.parametrize(("old", "new", "why"), BAD_CARDS)
def test_a_wrong_card_is_refused_with_its_file_and_name(
    tmp_path: Path, old: str, new: str, why: str
) -> None:
    text = CARD.replace(old, new, 1) if old else new
    with pytest.raises(PublisherError, match=f"tomato.toml: .*{why}") as refusal:
        load_advice(write(tmp_path, tomato=text))
    assert refusal.value.code == "bad_content"
    assert refusal.value.details["file"] == "tomato.toml"


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (CARD, "b.toml: LYPES.PHYTIN: this id is used twice"),
        (CARD.replace("LYPES.PHYTIN", "X"), "b.toml: X: another card serves PHYTIN on LYPES"),
    ],
)
def test_cards_that_clash_across_files_are_refused(tmp_path: Path, other: str, why: str) -> None:
    with pytest.raises(PublisherError, match=why):
        load_advice(write(tmp_path, a=CARD, b=other))


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("crops.toml", CROPS + CROPS, "crops.toml: LYPES: names another crop too: .*lypes"),
        ("crops.toml", CROPS.replace("tomatoes", "BLE"), "TRZAX: names another crop too: ble"),
        ("crops.toml", CROPS.replace("LYPES.svg", "a/b.svg"), "LYPES: bad icon"),
        ("common.toml", COMMON + COMMON, "common.toml: ask: this id is used twice"),
        ("common.toml", COMMON.replace("threshold", "weather"), "ask: bad section"),
        ("common.toml", "[[fact]", "common.toml: "),
    ],
)
def test_wrong_crops_and_common_facts_are_refused(
    tmp_path: Path, file: str, text: str, why: str
) -> None:
    write(tmp_path)
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(PublisherError, match=why):
        load_advice(tmp_path)


def test_a_missing_or_garbled_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublisherError, match=r"crops\.toml"):
        load_advice(tmp_path)
    write(tmp_path)
    (tmp_path / "cards" / "tomato.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PublisherError, match=r"tomato\.toml"):
        load_advice(tmp_path)


def test_the_shipped_content_loads_with_sections_in_order(real: Advice) -> None:
    places = [[SECTIONS.index(fact.section) for fact in card.facts] for card in real.cards]
    assert places == [sorted(numbers) for numbers in places]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Citrus", "1CIDG"),
        ("citrus spp.", "1CIDG"),
        ("oranges", "1CIDG"),
        ("Capsicum annuum", "CPSAN"),
        ("Malus domestica", "MABSD"),
        ("Phaseolus vulgaris", "PHSVX"),
        ("Solanum tuberosum", "SOLTU"),
        ("Zea mays", "ZEAMX"),
        ("corn", "ZEAMX"),
        ("T. durum", "TRZDU"),
        ("wheat", "TRZAX"),
        ("Olives", "OLVEU"),
        ("date palm", "PHXDA"),
        ("broad beans", "VICFX"),
        ("beans", "PHSVX"),
        ("Prunus spp.", "PRNPS"),
        ("watermelon", "CUUPE"),
        ("cactus", "OPUFI"),
        ("pomme de terre", "SOLTU"),
    ],
)
def test_shipped_crops_are_found_by_the_names_people_use(
    real: Advice, text: str, code: str
) -> None:
    crop = real.find_crop(text)
    assert crop is not None
    assert crop.code == code
