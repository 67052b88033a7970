"""What the advice may say: every rule runs over the shipped cards and over a bad sample each.

The loader already refuses unknown keys, crops and sections and facts without a source; the rules
here are about meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_app.advice import CONTENT, EVERY_CROP, Advice, Card, Fact, load_advice
from field_data.errors import PublisherError
from field_data.types import HEALTHY

GENERAL = "general plant-protection literature"
MUST_SPEAK = {"en", "fr", "ar"}

MODELLED = {
    "CPSAN": "ABIOTIC-NUTR CERCCP LEVETA MURDA XANTEU healthy",
    "1CIDG": "DIAPCI ELSIFA GUIGCI LIBEAS XANTCI healthy",
    "MABSD": "BOTSOB GYMNJV VENTIN healthy",
    "PHSVX": "PHAIGR UROMAP healthy",
    "LYPES": "ALTESO CORYCA FULVFU GNORAB PHYTIN SEPTLY TETRUR TOMV00 TYLCV0 XANTEU healthy",
    "SOLTU": "ALTESO PHYTIN healthy",
    "ZEAMX": "CERCZM PUCCSO SETOTU healthy",
}
FIRST_PRIORITY = {
    "TRZAX": "PUCCST PUCCRT PUCCGT SEPTTR MAYEDE DESERT-LOCUST",
    "HORVX": "DESERT-LOCUST",
    "VICFX": "ORACR",
    "CIEAR": "MYCORA",
    "OLVEU": "DACUOL CYCLOL XYLEFA",
    "1CIDG": "CERTCA LIBEAS DACUDO",
    "PHXDA": "FUSAAL OLIGAF RHYCFE",
    "MABSD": "CARPPO ERWIAM",
    "PYUCO": "ERWIAM",
    "CYDOB": "ERWIAM",
    "VITVI": "PLASVI UNCINE",
    "LYPES": "GNORAB TYLCV0 BEMITA TOBRFV PHYTIN",
    "SOLTU": "PHYTIN",
    "OPUFI": "DACLOP",
    "ZEAMX": "LAPHFR DESERT-LOCUST",
}
# Regulated or absent from Morocco: never left to the node alone.
ALERTS = {
    "LIBEAS",
    "XANTCI",
    "GUIGCI",
    "ELSIFA",
    "GYMNJV",
    "XYLEFA",
    "LAPHFR",
    "DACUDO",
    "TOBRFV",
    "FUSAAL",
    "RHYCFE",
    "ERWIAM",
    "DESERT-LOCUST",
}

EVERY_HEALTHY = ["see", "lookalike", "scout", "monitor", "do_not", "call", "after"]
EVERY_PROBLEM = [*EVERY_HEALTHY, "confirm", "season", "threshold", "prevent", "act"]
# Kinds that no spray helps: a chemical section may still say so.
NO_SPRAY = {"virus", "abiotic", "parasitic plant"}

BRANDS = re.compile(
    r"\b(roundup|ridomil|vertimec|coragen|confidor|lannate|decis|aliette|ortiva|amistar|dithane"
    r"|antracol|mospilan|actara|evisect|avaunt|exirel|fastac|dursban|dipel|delfin|xentari|teldor"
    r"|previcur|infinito|curzate|kocide|thiovit|kumulus|microthiol|folicur|prosaro|spintor"
    r"|oberon|envidor|nissorun|floramite|talstar|trigard|ampligo|sivanto|benevia|verimark"
    r"|movento|ranman|zorvec|serenade|syllit|delan|karat[eé] zeon|applaud|cosaide|pegasus"
    r"|agrimec|basta|gramoxone|goal 2|tamaron|mesurol|nemacur|vydate|bulldock|cypermax"
    r"|راوند ?أب|راوندوب|ديسيس|لانيت|كونفيدور|ريدوميل|فيرتيميك|دورسبان)\b"
    # Everyday words that are also brands: only with a capital inside a sentence.
    r"|(?-i:(?<=[a-zé,] )(Switch|Score|Match|Tracer|Success|Pirate|Karate|Bravo|Opus|Tilt|Topas"
    r"|Proclaim|Steward|Belt|Affirm|Radiant|Closer|Transform|Revus|Luna|Flint|Signum|Acrobat"
    r"|Falcon|Admiral|Borneo|Bellis|Chorus|Pallas)\b)"
    r"|[®™©]"
    # "50 WP", "25EC": how a trade name ends.
    r"|\b\d+ ?(EC|SC|WP|WG|SL|SP|WDG|EW|OD|CS|DP|GR)\b",
    re.IGNORECASE,
)


def texts_of(card: Card) -> Iterator[tuple[str, str, str]]:
    """(where, language, text) of the name and of every fact."""
    for lang, text in card.name.items():
        yield "name", lang, text
    for fact in card.facts:
        for lang, text in fact.text.items():
            yield fact.section, lang, text


SCRIPTS = {
    "arabic": re.compile(r"[\u0621-\u064a\u066e-\u06d3]"),
    "latin": re.compile(r"[A-Za-z\u00c0-\u024f]"),
    "tifinagh": re.compile(r"[\u2d30-\u2d7f]"),
}


def brand(card: Card) -> Iterator[str]:
    for where, _, text in texts_of(card):
        if found := BRANDS.search(text):
            yield f"{where} names a brand: {found.group()}"


def provenance(card: Card) -> Iterator[str]:
    for fact in card.facts:
        if not fact.source:
            yield f"{fact.section} has no source"
        if fact.status == "sourced" and fact.source == GENERAL:
            yield f"{fact.section} is called sourced but names no source"


def threshold(card: Card) -> Iterator[str]:
    for fact in card.section("threshold"):
        digits = any(char.isdigit() for text in fact.text.values() for char in text)
        if not digits and fact.value is None:
            continue
        if fact.status != "sourced" or fact.source == GENERAL:
            yield "threshold has a number without a source"
        if fact.value is None or not fact.unit or not fact.region:
            yield "threshold has a number without value, unit or region"
        elif not any(word in fact.text["en"] for word in re.findall(r"\w{4,}", fact.region)):
            yield "threshold does not say where it comes from"


def languages(card: Card) -> Iterator[str]:
    if missing := MUST_SPEAK - set(card.complete):
        yield f"is not declared complete in {sorted(missing)}"
    for lang in card.complete:
        silent = [fact.section for fact in card.facts if lang not in fact.text]
        if silent or lang not in card.name:
            yield f"is declared complete in {lang} but lacks {silent or 'its name'}"


def translated(card: Card) -> Iterator[str]:
    for fact in card.facts:
        if len(set(fact.text.values())) < len(fact.text):
            yield f"{fact.section} says the same in two languages"


def alphabet(card: Card) -> Iterator[str]:
    for where, lang, text in texts_of(card):
        arabic, latin, tifinagh = (len(letter.findall(text)) for letter in SCRIPTS.values())
        if lang == "ar" and (arabic <= latin or tifinagh):
            yield f"{where} is not written in Arabic letters"
        if lang == "zgh" and (arabic or latin or not tifinagh):
            yield f"{where} is not written in Tifinagh letters"
        if lang in ("en", "fr") and (arabic or tifinagh):
            yield f"{where} is not written in Latin letters"


def alert(card: Card) -> Iterator[str]:
    if not card.alert and (card.condition in ALERTS or card.priority == "P1-alert"):
        yield "is not flagged as an alert"
    if card.alert and not card.section("report"):
        yield "does not say to report it"
    if card.alert and not card.section("do_not"):
        yield "does not say what not to do"


def sections(card: Card) -> Iterator[str]:
    needed = list(EVERY_HEALTHY if card.condition == HEALTHY else EVERY_PROBLEM)
    if card.condition != HEALTHY and not card.alert and card.kind not in NO_SPRAY:
        needed += ["chemical", "safety"]
    if missing := [name for name in needed if not card.section(name)]:
        yield f"lacks {', '.join(missing)}"
    if len(card.section("lookalike")) < 2 and card.kind != "parasitic plant":
        yield "has fewer than two look-alikes"


RULES: tuple[Callable[[Card], Iterator[str]], ...] = (
    brand,
    provenance,
    threshold,
    languages,
    translated,
    alphabet,
    alert,
    sections,
)


def whole(advice: Advice, today: date) -> Iterator[str]:
    """What only the cards together, or the calendar, can show."""
    known = {card.condition for card in advice.cards}
    for card in advice.cards:
        if card.expires <= today:
            yield f"{card.id} has expired: look at it again"
        for fact in card.section("lookalike"):
            if fact.condition and fact.condition not in known:
                yield f"{card.id} names a look-alike without a card: {fact.condition}"
    for code, conditions in [*MODELLED.items(), *FIRST_PRIORITY.items()]:
        for condition in conditions.split():
            if advice.card(code, condition) is None:
                yield f"no card for {condition} on {code}"
    for crop in advice.crops:
        if not advice.card(crop.code, HEALTHY):
            yield f"no card for healthy on {crop.code}"
        if MUST_SPEAK - crop.name.keys():
            yield f"{crop.code} lacks a name"


def alone(card: Card) -> list[str]:
    return [f"{card.id} {said}" for rule in RULES for said in rule(card)]


def problems(advice: Advice, today: date) -> list[str]:
    return [said for card in advice.cards for said in alone(card)] + list(whole(advice, today))


def now() -> date:
    return datetime.now(UTC).date()


@pytest.fixture(scope="module")
def advice() -> Advice:
    return load_advice()


def test_the_shipped_content_keeps_every_rule(advice: Advice) -> None:
    assert problems(advice, now()) == []


def test_crops_of_the_models_keep_the_models_names(advice: Advice) -> None:
    names = {crop.sci[0]: crop.code for crop in advice.crops}
    assert names.items() >= {
        ("Capsicum annuum", "CPSAN"),
        ("Citrus", "1CIDG"),
        ("Malus domestica", "MABSD"),
        ("Phaseolus vulgaris", "PHSVX"),
        ("Solanum lycopersicum", "LYPES"),
        ("Solanum tuberosum", "SOLTU"),
        ("Zea mays", "ZEAMX"),
    }


# ---- each rule must bite: one bad sample each ----

Change = Callable[[Card], Card]


def fields(**changes: Any) -> Change:
    return lambda card: replace(card, **changes)


def add(section: str, **changes: Any) -> Change:
    text = {"en": "One.", "fr": "Deux.", "ar": "ثلاثة"}
    fact = Fact(section=section, text=text, source="a book", status="sourced")
    return lambda card: replace(card, facts=(*card.facts, replace(fact, **changes)))


def say(section: str, **text: str) -> Change:
    return add(section, text={"en": "One.", "fr": "Deux.", "ar": "ثلاثة", **text})


def drop(section: str) -> Change:
    def without(card: Card) -> Card:
        return replace(card, facts=tuple(f for f in card.facts if f.section != section))

    return without


def found_after(advice: Advice, card_id: str, change: Change, today: date) -> list[str]:
    """The problems that a change to one card brings."""
    old = next(card for card in advice.cards if card.id == card_id)
    new = change(old)
    changed = Advice(advice.crops, [new if card is old else card for card in advice.cards])
    before = [*alone(old), *whole(advice, today)]
    return [said for said in [*alone(new), *whole(changed, today)] if said not in before]


NUMBER: dict[str, Any] = {
    "text": {"en": "France: 5 eggs.", "fr": "France : 5 œufs.", "ar": "فرنسا: خمس بيضات"},
    "value": 5,
    "unit": "eggs",
    "region": "France",
}
BAD = [
    (say("chemical", en="Use Roundup."), "names a brand"),
    (say("chemical", fr="Prenez du Karate Zeon."), "names a brand"),
    (say("chemical", en="Spray with Switch."), "names a brand"),
    (say("chemical", en="Curex 50 WP, twice."), "names a brand"),
    (say("chemical", en="Curex® works."), "names a brand"),
    (say("chemical", ar="استعمل لانيت في الصباح"), "names a brand"),
    (fields(name={"en": "Decis", "fr": "Deux", "ar": "ثلاثة"}), "name names a brand"),
    (add("see", source=""), "see has no source"),
    (add("see", source=GENERAL), "is called sourced but names no source"),
    (add("threshold", **{**NUMBER, "status": "unreviewed"}), "number without a source"),
    (add("threshold", **{**NUMBER, "source": GENERAL}), "number without a source"),
    (add("threshold", **{**NUMBER, "unit": None}), "without value, unit or region"),
    (add("threshold", **{**NUMBER, "region": None}), "without value, unit or region"),
    (add("threshold", text=NUMBER["text"]), "without value, unit or region"),
    (say("threshold", ar="عالج عند ٥ بيضات"), "without value, unit or region"),
    (add("threshold", value=5.0), "without value, unit or region"),
    (add("threshold", **{**NUMBER, "region": "Argentina"}), "does not say where it comes from"),
    (add("see", text={"en": "One.", "fr": "Deux."}), "declared complete in ar but lacks"),
    (fields(name={"en": "One", "fr": "Deux"}), "declared complete in ar but lacks its name"),
    (fields(complete=("en", "fr", "ar", "zgh")), "declared complete in zgh but lacks"),
    (fields(complete=("en", "ar")), "is not declared complete in"),
    (say("see", fr="One."), "says the same in two languages"),
    (say("see", ar="Spots"), "see is not written in Arabic letters"),
    (say("see", ar="بقع Phytophthora infestans"), "see is not written in Arabic letters"),
    (say("see", zgh="ⵉⵔⴷⵏ wheat"), "see is not written in Tifinagh letters"),
    (say("see", zgh="القمح"), "see is not written in Tifinagh letters"),
    (say("see", en="One القمح."), "see is not written in Latin letters"),
    (fields(condition="XYLEFA"), "is not flagged as an alert"),
    (fields(priority="P1-alert"), "is not flagged as an alert"),
    (fields(alert=True), "does not say to report it"),
    (lambda card: drop("do_not")(replace(card, alert=True)), "does not say what not to do"),
    (drop("season"), "lacks season"),
    (drop("threshold"), "lacks threshold"),
    (drop("safety"), "lacks safety"),
    (drop("lookalike"), "fewer than two look-alikes"),
    (add("lookalike", condition="NOCARD"), "look-alike without a card: NOCARD"),
    (fields(crops=("TRZAX",)), "no card for PHYTIN on LYPES"),
]


@pytest.mark.parametrize(("change", "expected"), BAD)
def test_a_bad_card_is_found(advice: Advice, change: Change, expected: str) -> None:
    said = found_after(advice, "LYPES.PHYTIN", change, now())
    assert any(expected in one for one in said), said


GOOD = [
    add("threshold", **NUMBER),
    say("see", en="Scores of spots switch colour; the match is a success."),
    say("chemical", ar="بكتيريا نافعة ضد الدود الصغير Bacillus (IRAC 11A)"),
    say("see", zgh="ⵉⵔⴷⵏ, 3."),
    add("lookalike", condition="ALTESO"),
]


@pytest.mark.parametrize("change", GOOD)
def test_a_good_card_is_left_alone(advice: Advice, change: Change) -> None:
    assert found_after(advice, "LYPES.PHYTIN", change, now()) == []


@pytest.mark.parametrize(("section", "lacking"), [("see", True), ("season", False)])
def test_the_healthy_card_has_its_own_sections(advice: Advice, section: str, lacking: bool) -> None:
    said = found_after(advice, "healthy", drop(section), now())
    assert (f"healthy lacks {section}" in said) is lacking


def test_without_a_healthy_card_every_crop_is_missed(advice: Advice) -> None:
    said = found_after(advice, "healthy", fields(crops=("MABSD",)), now())
    assert "no card for healthy on LYPES" in said
    assert "no card for healthy on MABSD" not in said


def test_a_crop_without_a_name_is_found(advice: Advice) -> None:
    nameless = [replace(crop, name={"en": crop.name["en"]}) for crop in advice.crops]
    assert "LYPES lacks a name" in problems(Advice(nameless, advice.cards), now())


def test_an_expired_card_is_found(advice: Advice) -> None:
    assert found_after(advice, "LYPES.PHYTIN", fields(expires=now()), now())
    tomorrow = fields(expires=now() + timedelta(days=1))
    assert found_after(advice, "LYPES.PHYTIN", tomorrow, now()) == []


SAMPLE = "cards/healthy.toml"


def shipped_with(folder: Path, edits: Sequence[tuple[str, str]]) -> Path:
    """The shipped crops and common facts with one card file, edited."""
    (folder / "cards").mkdir()
    for name in ("crops.toml", "common.toml", SAMPLE):
        (folder / name).write_bytes((CONTENT / name).read_bytes())
    text = (folder / SAMPLE).read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / SAMPLE).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (f'source = "{GENERAL}"\n', "", "source is missing"),
        ('status = "unreviewed"\n', "", "status is missing"),
        ("expires = 2028-11-01\n", "", "expires is missing"),
        (f'crops = ["{EVERY_CROP}"]', 'crops = ["MOON"]', "unknown crop MOON"),
    ],
)
def test_what_the_loader_already_refuses(tmp_path: Path, old: str, new: str, why: str) -> None:
    assert load_advice(shipped_with(tmp_path, [])).cards
    (tmp_path / "bad").mkdir()
    with pytest.raises(PublisherError, match=why):
        load_advice(shipped_with(tmp_path / "bad", [(old, new)]))
