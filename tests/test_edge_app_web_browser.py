"""The pages in a real Chromium, on a real server, as a farmer meets them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import (
    Browser,
    BrowserContext,
    FilePayload,
    Page,
)

from edge_app import pictures, webassets
from edge_app.advice import load_advice
from edge_app.farmer.uploads import CONSENT_VERSION
from edge_app.languages import LANGS
from edge_app.pin import PinGuard
from edge_app.web import create_app
from field_data.errors import BusyError
from tests.browsers import PHONE, TABLET
from tests.fakes import FakeNode, one_of_each, verdict
from tests.serving import listening

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[1]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
FIRST_LOAD_BYTES = 60_000
SENT_PHOTO_BYTES = 250_000
PAGES = ["/", "/photo/LYPES", "/photo/OLVEU", "/photo/any", "/crop/TRZAX", "/history", "/privacy",
         "/health", "/card/LYPES.PHYTIN", "/card/1CIDG.LIBEAS", "/nothing-here",
         "/trap", "/trap/tuta", "/trap/yellow", "/teach", "/teach/TRZAX"]  # fmt: skip


@pytest.fixture(scope="module")
def node() -> FakeNode:
    made = FakeNode()
    made.pin = PinGuard("246810")  # so that the teaching pages are there
    return made


@pytest.fixture(scope="module")
def address(node: FakeNode) -> Iterator[str]:
    webassets.compile_catalogues()
    assert webassets.build_fonts(), "run npm ci first"
    with listening(create_app(node, load_advice())) as address:
        yield address


class Watched:
    """A page that remembers whatever went wrong in it and whatever it asked of other hosts."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address = address
        self.wrong: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self._watch(request.url))

    def _watch(self, url: str) -> None:
        if not url.startswith(self.address):
            self.wrong.append(f"asked for {url}")

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page


@pytest.fixture
def farmer(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Watched]:
    options: dict[str, Any] = {"viewport": PHONE, **getattr(request, "param", {})}
    context = browser.new_context(**options)
    watched = Watched(context, address)
    yield watched
    context.close()
    assert watched.wrong == []


def photo(width: int = 4000, height: int = 3000) -> bytes:
    """A sharp, detailed JPEG well above 250 kB: noise does not compress."""
    leaf = Image.effect_noise((width // 4, height // 4), 90).resize((width, height)).convert("RGB")
    ImageDraw.Draw(leaf).ellipse((width // 4, height // 4, width // 2, height // 2), fill="green")
    out = io.BytesIO()
    leaf.save(out, "JPEG", quality=92)
    return out.getvalue()


def jpeg(name: str, data: bytes) -> FilePayload:
    return FilePayload(name=name, mimeType="image/jpeg", buffer=data)


@pytest.fixture(scope="module")
def leaf() -> FilePayload:
    return jpeg("IMG_0001.jpg", photo())


def night() -> FilePayload:
    out = io.BytesIO()
    Image.new("RGB", (800, 600), (8, 9, 8)).save(out, "JPEG")
    return jpeg("night.jpg", out.getvalue())


WITHOUT_JS = pytest.mark.parametrize("farmer", [{"java_script_enabled": False}], indirect=True)


class TestJourney:
    @pytest.mark.parametrize("lang", ["ar", "fr"])
    def test_with_javascript(
        self, farmer: Watched, node: FakeNode, leaf: FilePayload, lang: str
    ) -> None:
        node.next, node.asks = verdict(), []
        page = farmer.open(f"/{lang}/")
        page.click("a[href$='/photo/LYPES']")
        page.set_input_files("#camera", leaf)
        page.wait_for_selector("#photos li")
        page.set_input_files("#gallery", [leaf, leaf])
        page.wait_for_selector("#photos li:nth-child(3)")
        page.click("#photos li:first-child button")
        assert page.locator("#photos li").count() == 2
        page.click("#go")
        page.wait_for_url(re.compile("/result/"))
        [(photos, crop, keep)] = node.asks
        assert (len(photos), crop, keep) == (2, "LYPES", None)
        assert all(len(data) <= SENT_PHOTO_BYTES for _, data in photos)
        assert max(Image.open(io.BytesIO(photos[0][1])).size) <= 1600
        assert page.locator("h1").inner_text() == {
            "ar": "اللفحة المتأخرة (الميلديو)",
            "fr": "Mildiou",
        }.get(lang)
        page.click("form[action$='/agent'] button")
        assert re.fullmatch(r"\d{3} \d{3}", page.locator(".code").inner_text())
        page.click("footer a[href$='/history']")
        assert page.locator(".past li").count() == 1
        page.click(".past form button")
        assert page.locator(".past li").count() == 0

    @WITHOUT_JS
    @pytest.mark.parametrize("lang", ["ar", "fr"])
    def test_without_javascript(
        self, farmer: Watched, node: FakeNode, leaf: FilePayload, lang: str
    ) -> None:
        node.next, node.asks = verdict(), []
        page = farmer.open(f"/{lang}/")
        page.click("a[href$='/photo/LYPES']")
        page.set_input_files("#camera", leaf)
        page.click("summary:has(+ .field)")
        page.set_input_files("#camera2", leaf)
        page.set_input_files("#gallery", [leaf, leaf])
        page.check("input[name=keep]")
        page.click("#go")
        assert "/result/" in page.url
        [(photos, crop, keep)] = node.asks
        assert [len(data) for _, data in photos] == [len(leaf["buffer"])] * 4
        assert (crop, keep) == ("LYPES", CONSENT_VERSION)
        assert page.locator(".kept img").count() == 4
        page.click("details.last summary")
        assert page.locator("details.last .only").is_visible()
        page.click("form[action$='/agent'] button")
        assert page.locator(".code").is_visible()

    def test_a_failed_upload_keeps_the_photos(
        self, farmer: Watched, node: FakeNode, leaf: FilePayload
    ) -> None:
        node.next = BusyError(7)
        page = farmer.open("/fr/photo/LYPES")
        page.set_input_files("#camera", leaf)
        page.wait_for_selector("#photos li")
        page.click("#go")
        page.wait_for_selector("#status.bad")
        assert "Réessayez dans 7 secondes" in page.locator("#status").inner_text()
        page.context.set_offline(True)
        page.click("#go")
        page.locator("#status", has_text="L'envoi a échoué").wait_for()
        page.context.set_offline(False)
        assert page.locator("#photos li").count() == 1
        # The browser itself reports both failures; nothing else may be there.
        assert [w for w in farmer.wrong if "503" not in w and "INTERNET" not in w] == []
        farmer.wrong.clear()
        node.next = verdict()
        page.click("#go")
        page.wait_for_url(re.compile("/result/"))

    def test_hints_and_limits(self, farmer: Watched) -> None:
        leaf = jpeg("leaf.jpg", photo(800, 600))
        page = farmer.open("/en/photo/any")
        page.click("#go")
        assert "No photo arrived" in page.locator("#status").inner_text()
        page.set_input_files("#gallery", [night(), *[leaf] * 6])
        page.wait_for_selector("#photos li:nth-child(6)")
        page.wait_for_selector("#status.bad")
        assert page.locator("#status").inner_text() == "Six photos are enough."
        assert page.locator("#photos li p").all_inner_texts() == ["This photo is too dark."]
        broken = jpeg("a.jpg", b"%PDF-1.4")
        page.click("#photos li:first-child button")
        page.set_input_files("#camera", broken)
        page.locator("#status", has_text="not a photo").wait_for()
        assert page.locator("#photos li").count() == 5

    def test_two_taps_send_once(self, farmer: Watched, node: FakeNode, leaf: FilePayload) -> None:
        node.next, node.asks = verdict(), []
        page = farmer.open("/fr/photo/LYPES")
        page.set_input_files("#camera", leaf)
        page.wait_for_selector("#photos li")
        page.evaluate(
            "() => { for (let i = 0; i < 3; i++) document.querySelector('#go').click(); }"
        )
        page.wait_for_url(re.compile("/result/"))
        assert len(node.asks) == 1


@pytest.fixture(scope="module")
def paths(node: FakeNode) -> list[str]:
    results = [f"/result/{node.put(diagnosis)}" for diagnosis in one_of_each().values()]
    node.ask_agent(results[0].rsplit("/", 1)[1])
    return [*PAGES, *results, f"{results[0]}/agent"]


class TestEveryPage:
    @pytest.mark.parametrize("lang", LANGS)
    def test_nothing_for_axe_to_say(
        self, browser: Browser, address: str, paths: list[str], lang: str
    ) -> None:
        # axe is injected by the test: the page's own policy would rightly refuse it.
        context = browser.new_context(viewport=PHONE, bypass_csp=True)
        context.add_init_script(path=AXE)
        page = context.new_page()
        found: dict[str, list[str]] = {}
        for path in paths:
            page.goto(f"{address}/{lang}{path}")
            page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
            told = page.evaluate("axe.run()")
            if told["violations"]:
                found[path] = [
                    f"{rule['id']}: {node['html'][:150]}"
                    for rule in told["violations"]
                    for node in rule["nodes"]
                ]
            assert len(told["passes"]) > 10
        context.close()
        assert found == {}, json.dumps(found, indent=1, ensure_ascii=False)

    @pytest.mark.parametrize("lang", LANGS)
    def test_fits_the_screen_and_the_finger(
        self, farmer: Watched, paths: list[str], lang: str
    ) -> None:
        for viewport in (PHONE, TABLET):
            farmer.page.set_viewport_size(viewport)
            for path in paths:
                page = farmer.open(f"/{lang}{path}")
                wide, small = page.evaluate(_MEASURE)
                assert wide <= viewport["width"], path
                assert small == [], path
        # The page that is not there says so in the console too.
        farmer.wrong = [w for w in farmer.wrong if "404" not in w]

    def test_focus_is_seen(self, farmer: Watched) -> None:
        page = farmer.open("/fr/")
        for _ in range(12):
            page.keyboard.press("Tab")
            width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
            assert float(width.removesuffix("px")) >= 3


# How wide the page is, and the things to tap that are lower than 48 px; a link inside a sentence
# may be as low as its text.
_MEASURE = """() => [document.documentElement.scrollWidth,
  [...document.querySelectorAll('a, button, summary, input:not([type=hidden]), label')]
    .filter((e) => e.offsetParent && !e.closest('p') && !e.matches('.skip, .consent input'))
    .filter((e) => e.getBoundingClientRect().height < 47.5)
    .map((e) => e.outerHTML.slice(0, 120))]"""


class TestWeight:
    @pytest.mark.parametrize("lang", LANGS)
    def test_first_load(self, browser: Browser, address: str, lang: str) -> None:
        context = browser.new_context(viewport=PHONE)
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        sizes: list[float] = []
        session.on(
            "Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"])
        )
        page.goto(f"{address}/{lang}/", wait_until="networkidle")
        context.close()
        print(f"first load {lang}: {sum(sizes):.0f} bytes in {len(sizes)} requests")
        assert len(sizes) >= 3
        assert sum(sizes) <= FIRST_LOAD_BYTES


class TestLetters:
    """Our own fonts draw Arabic and Tifinagh, whatever the phone has."""

    @pytest.mark.parametrize(
        ("lang", "wanted", "unwanted"),
        [
            ("ar", {"Ghalla Arabic"}, {"Ghalla Tifinagh"}),
            ("zgh", {"Ghalla Tifinagh", "Ghalla Arabic"}, set()),
            ("fr", {"Ghalla Names"}, {"Ghalla Arabic", "Ghalla Tifinagh"}),
            ("en", {"Ghalla Names"}, {"Ghalla Arabic", "Ghalla Tifinagh"}),
        ],
    )
    def test_fonts_where_they_are_needed(
        self, farmer: Watched, lang: str, wanted: set[str], unwanted: set[str]
    ) -> None:
        page = farmer.open(f"/{lang}/")
        page.evaluate("document.fonts.ready.then(() => true)")
        loaded = set(page.evaluate(_LOADED))
        assert wanted <= loaded
        assert not unwanted & loaded

    @pytest.mark.parametrize(
        ("lang", "family", "text"),
        [("ar", "Ghalla Arabic", "النبتة مريضة"), ("zgh", "Ghalla Tifinagh", "ⵉⵎⵖⵉ ⵢⵓⴹⵏⵏ")],
    )
    def test_letters_are_drawn_by_our_font(
        self, farmer: Watched, lang: str, family: str, text: str
    ) -> None:
        """CDP names the font that really drew the heading; widths differ from the fallback's."""
        page = farmer.open(f"/{lang}/")
        page.evaluate("document.fonts.ready.then(() => true)")
        ours, system = page.evaluate(_WIDTHS, [family, text])
        assert ours > 0
        assert abs(ours - system) > 1
        fonts = drawn_with(page, "h1")
        heading = page.locator("h1").inner_text()
        # Spaces and a Latin question mark may come from elsewhere.
        others = sum(letter.isascii() for letter in heading)
        by_system = sum(font["glyphCount"] for font in fonts if not font["isCustomFont"])
        by_us = sum(font["glyphCount"] for font in fonts if font["isCustomFont"])
        assert by_us >= len(heading) - others - 3  # two letters may be one glyph
        assert by_system <= others

    def test_pages_work_without_the_fonts(
        self, farmer: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pictures, "VENDOR_CSS", "vendor/missing.css")
        page = farmer.open("/ar/")
        assert page.locator("h1").inner_text() == "أي نبتة مريضة؟"


_LOADED = """[...document.fonts]
  .filter((face) => face.status === 'loaded')
  .map((face) => face.family.replaceAll('"', ''))"""
_WIDTHS = """([family, text]) => {
  const pen = document.createElement('canvas').getContext('2d');
  return [`40px "${family}"`, '40px sans-serif'].map((font) => {
    pen.font = font;
    return pen.measureText(text).width;
  });
}"""


def drawn_with(page: Page, selector: str) -> list[dict[str, Any]]:
    """The fonts that Chromium really used for the text of an element."""
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    found = session.send("DOM.querySelector", {"nodeId": root, "selector": selector})
    used = session.send("CSS.getPlatformFontsForNode", {"nodeId": found["nodeId"]})
    fonts: list[dict[str, Any]] = used["fonts"]
    return fonts
