"""The catalogues say everything the pages say, in every language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages import Catalog, Message
from flask import Flask, render_template_string
from flask_babel import gettext, ngettext
from fontTools.ttLib import TTFont

from edge_app import webassets
from edge_app.i18n import init_i18n, plain, request_lang
from edge_app.languages import LANGS
from edge_app.webassets import TRANSLATED

_PLACEHOLDER = re.compile(r"%\(\w+\)s")
# Wordings nobody is sure of stay empty: those of the trap, yield and week pages and of the portal
# are still to be told.  What was told once stays told, however many texts are added.
_AMAZIGH_AT_LEAST = 204
_FOR_STAFF = re.compile(
    r"(^|/)(access|agent|appliance|first|staff)/|person_export"
    r"|(bundle|health|review|sky|staff|uplink)_words|trust"
)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    webassets.compile_catalogues()


@pytest.fixture(scope="module")
def extracted() -> Catalog:
    return webassets.extract()


@pytest.fixture
def app() -> Flask:
    app = Flask("edge_app")
    init_i18n(app)
    return app


def messages(catalogue: Catalog) -> Iterator[Message]:
    return (message for message in catalogue if message.id)


def strings(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string)


@pytest.mark.parametrize("lang", TRANSLATED)
def test_catalogue_holds_exactly_the_texts_of_the_code(lang: str, extracted: Catalog) -> None:
    catalogue = webassets.read_catalogue(lang)
    assert len(extracted) > 100
    assert {m.id for m in messages(catalogue)} == {m.id for m in messages(extracted)}
    assert not catalogue.obsolete
    assert not [m.id for m in messages(catalogue) if m.fuzzy]


@pytest.mark.parametrize("lang", ["ar", "fr"])
def test_every_text_is_translated(lang: str) -> None:
    catalogue = webassets.read_catalogue(lang)
    assert [m.id for m in messages(catalogue) if not all(strings(m))] == []


def _for_farmers(extracted: Catalog) -> set[object]:
    """Texts of the pages that need no login; keepers and who logs in read Arabic or French too."""
    return {
        message.id
        for message in messages(extracted)
        if not all(_FOR_STAFF.search(file) for file, _ in message.locations)
    }


def test_amazigh_is_as_complete_for_farmers_as_it_was(extracted: Catalog) -> None:
    farmers = _for_farmers(extracted)
    told = [all(strings(m)) for m in messages(webassets.read_catalogue("zgh")) if m.id in farmers]
    print(f"zgh: {sum(told)} of {len(told)} texts for farmers")
    assert sum(told) >= _AMAZIGH_AT_LEAST
    assert "Which plant is sick?" in farmers


@pytest.mark.parametrize("lang", TRANSLATED)
def test_plurals_are_complete(lang: str) -> None:
    """A plural cannot be borrowed: the forms of two languages do not match."""
    forms = {"ar": 6, "fr": 2, "zgh": 2}[lang]
    catalogue = webassets.read_catalogue(lang)
    plurals = [m for m in messages(catalogue) if isinstance(m.id, tuple)]
    assert catalogue.num_plurals == forms
    assert plurals
    assert all(len(strings(m)) == forms and all(strings(m)) for m in plurals)


@pytest.mark.parametrize("lang", TRANSLATED)
def test_placeholders_survive_translation(lang: str) -> None:
    for message in messages(webassets.read_catalogue(lang)):
        single = isinstance(message.id, str)
        wanted = set(_PLACEHOLDER.findall(message.id if single else message.id[1]))
        for string in filter(None, strings(message)):
            found = set(_PLACEHOLDER.findall(string))
            # "in two seconds" needs no number in Arabic.
            assert found == wanted if single else found <= wanted, message.id
        if not single:
            assert set(_PLACEHOLDER.findall(strings(message)[-1])) == wanted


@pytest.mark.parametrize("lang", TRANSLATED)
def test_translations_carry_no_markup(lang: str) -> None:
    """They are put into pages as they are."""
    for message in messages(webassets.read_catalogue(lang)):
        assert not any(set("<>&\"'`") & set(s.replace("'", "")) for s in strings(message))


def test_arabic_has_six_plurals(app: Flask) -> None:
    said = {}
    for number in (0, 1, 2, 3, 11, 100):
        with app.test_request_context("/ar/"):
            one, many = "Try again in %(num)s second.", "Try again in %(num)s seconds."
            said[number] = ngettext(one, many, number)
    assert said[2] != said[3] != said[11]
    assert "ثانيتين" in said[2]
    assert "3 ثوان" in said[3]
    assert "11 ثانية" in said[11]


def test_amazigh_has_a_plural_although_cldr_knows_none(app: Flask) -> None:
    with app.test_request_context("/zgh/"):
        one, many = "Try again in %(num)s second.", "Try again in %(num)s seconds."
        assert ngettext(one, many, 1).endswith("ⵜⵙⵉⵏⵜ.")
        assert ngettext(one, many, 5).endswith("ⵜⵙⵉⵏⵉⵏ.")


def test_a_gap_in_amazigh_is_filled_in_arabic_and_says_so(app: Flask) -> None:
    with app.test_request_context("/zgh/"):
        page = render_template_string('{{ _("Text of this agreement:") }}|{{ _("Erase") }}')
        attribute = plain("Text of this agreement:")
    assert page == '<span lang="ar" dir="rtl">نص هذه الموافقة:</span>|ⵙⴼⴹ'
    assert attribute == "نص هذه الموافقة:"


def test_values_in_a_text_are_escaped(app: Flask) -> None:
    with app.test_request_context("/fr/"):
        page = render_template_string('{{ _("reviewed by %(name)s", name="<b>") }}')
    assert page == "relu par &lt;b&gt;"


@pytest.mark.parametrize(
    ("path", "cookie", "accept", "lang"),
    [
        ("/fr/", "ar", "en", "fr"),
        ("/", "zgh", "fr", "zgh"),
        ("/", "", "fr-MA,fr;q=0.9", "fr"),
        ("/", "", "ar-MA", "ar"),
        ("/", "", "tzm-Latn-MA", "zgh"),
        ("/", "", "shi", "zgh"),
        ("/", "", "de", "ar"),
        ("/", "", "", "ar"),
        ("/", "<x>", "en", "en"),
        ("/api/v1/diagnose?lang=fr", "ar", "en", "fr"),
    ],
)
def test_language_of_a_request(app: Flask, path: str, cookie: str, accept: str, lang: str) -> None:
    headers = {"Accept-Language": accept, "Cookie": f"lang={cookie}"}
    with app.test_request_context(path, headers=headers):
        assert request_lang() == lang
        assert gettext("Erase") == {
            "ar": "امح",
            "fr": "Effacer",
            "zgh": "ⵙⴼⴹ",
            "en": "Erase",
        }.get(lang)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vendor")
    assert webassets.build_fonts(target=folder), "run npm ci first"
    return folder


class TestFonts:
    @pytest.mark.parametrize(
        ("script", "files"),
        [
            ("ARABIC", ["ghalla-arabic-arabic-400", "ghalla-arabic-arabic-700"]),
            ("TIFINAGH", ["ghalla-tifinagh-tifinagh-400"]),
        ],
    )
    def test_every_letter_of_every_text_is_in_the_font(
        self, folder: Path, script: str, files: list[str]
    ) -> None:
        letters = {letter for text in webassets.texts() for letter in text}
        mine = {ord(x) for x in letters if unicodedata.name(x, "").startswith(script)}
        assert len(mine) > 20
        for file in files:
            with TTFont(folder / f"{file}.woff2") as font:
                assert mine <= font.getBestCmap().keys()

    def test_fonts_are_small(self, folder: Path) -> None:
        assert sum(file.stat().st_size for file in folder.glob("*.woff2")) < 36_000

    def test_style_sheet_names_files_that_are_there(self, folder: Path) -> None:
        names = re.findall(r'url\("(.+?)"\)', (folder / "fonts.css").read_text())
        assert len(names) == 5
        assert all((folder / name).is_file() for name in names)

    def test_without_node_modules_nothing_is_written(self, tmp_path: Path) -> None:
        assert not webassets.build_fonts(tmp_path, tmp_path / "vendor")
        assert not (tmp_path / "vendor").exists()


def test_every_language_names_itself() -> None:
    from edge_app.i18n import OWN_NAMES

    assert tuple(OWN_NAMES) == LANGS
