"""The hub's pages: what they say, in three languages, and in a real Chromium."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page

from edge_app import webassets
from sync.hub.app import create_hub, hub_of
from sync.hub.pages_drawings import HEIGHT, WIDTH, bars, sheet
from sync.hub.pages_words import OWN_NAMES
from sync.hub.people import People
from sync.hub.people_grants import Role
from sync.hub.tables import REFUSED
from tests.browsers import PHONE, TABLET
from tests.hub_records import MAY_S, PASSWORD, Records, client_of, everything
from tests.hubs import settings_in
from tests.serving import listening

AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
SCREENS = os.environ.get("GHALLA_SCREENS")
WEEK_S = 7 * 86_400


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    webassets.compile_catalogues()
    made = create_hub(settings_in(tmp_path_factory.mktemp("hub")))
    yield made
    hub_of(made).database.close()


class Village:
    """Two nodes with a season of records, reviews that differ, and an agronomist."""

    def __init__(self, app: Flask) -> None:
        self.records = records = Records(hub_of(app))
        health = {"version": "1.4.0", "backlog": 12}
        self.node = records.node("Coop", "Gharb", "Sidi Slimane", health=health,
                                 heard_s=time.time() - 3600, clock_off_s=4.0)  # fmt: skip
        self.silent = records.node("Coop", "Souss", "Taroudant", heard_s=time.time() - 20 * 86_400)
        self.shot = records.photo(self.node, 1)
        self.first = records.scouting(self.node, photos=[self.shot, "e" * 64])
        for n in range(60):
            node = (self.node, self.silent)[n % 2]
            records.scouting(node, ("LYPES", "TRZAX")[n % 2], ("PHYTIN", "healthy")[n % 3 > 0],
                             -6 - n / 50, 34.2 - n / 40, coarse=n % 4 == 0,
                             at_s=MAY_S + n % 9 * WEEK_S)  # fmt: skip
        self.harvest = records.harvest(self.node)
        records.field(self.node)
        for n in range(24):
            records.review(self.node, f"plant-{n}", "a", ("PHYTIN", "ALTESO")[n % 2])
            records.review(self.node, f"plant-{n}", "b", ("PHYTIN", "ALTESO")[n % 2 and n > 3])
        with hub_of(app).database.writing() as db:
            db.execute(REFUSED.insert().values(node=self.node, epoch=0, seq=9, digest=b"1",
                                               reason="conflict", detail="", content={},
                                               received_s=MAY_S))  # fmt: skip
        people = People(hub_of(app).database)
        people.add("Salma", PASSWORD)
        people.grant("Salma", everything())


@pytest.fixture(scope="module")
def village(app: Flask) -> Village:
    return Village(app)


@pytest.fixture(scope="module")
def client(app: Flask, village: Village) -> FlaskClient:
    return client_of(app, everything(), name="Program")


def paths(village: Village) -> list[str]:
    return [
        "/", "/?crop=LYPES&since=2026-05-01", "/?since=yesterday", "/map", "/map?form=harvest",
        "/records", "/records?what=yields", "/records?what=photos", f"/records/{village.first}",
        f"/records/{village.harvest}", "/agreement", "/nodes", "/downloads",
    ]  # fmt: skip


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_overview_counts_what_is_there(client: FlaskClient) -> None:
    said = plain(client.get("/?lang=en").text)
    assert "Number of observations: 62" in said
    assert re.search(r"By node .*Sidi Slimane 32 .*Taroudant 30", said)
    assert re.search(r"By crop .*(LYPES 31 TRZAX 31|TRZAX 31 LYPES 31)", said)
    assert "2026-04-27 9" in said  # the week of 1 May, from its Monday
    only = plain(client.get("/?lang=en&crop=LYPES&condition=PHYTIN").text)
    assert "Number of observations: 11" in only
    assert "This filter cannot be read:" in plain(client.get("/?since=yesterday&lang=en").text)


def test_a_record_shows_its_answers_and_photos(client: FlaskClient, village: Village) -> None:
    page = client.get(f"/records/{village.first}?lang=fr").text
    assert "Plantes atteintes" in page  # the form's own words
    assert "Enregistré" in page
    assert "12.5 %" in page
    assert "Photos encore sur leur nœud : 1" in page
    photo = client.get(f"/records/{village.first}/photos/{village.shot}")
    assert photo.mimetype == "image/avif"
    assert photo.data[4:12] == b"ftypavif"
    assert client.get(f"/records/{village.harvest}/photos/{village.shot}").status_code == 404
    assert client.get("/records/nothing").status_code == 404


def test_the_table_goes_on_without_losing_a_row(client: FlaskClient) -> None:
    seen, path = [], "/records?lang=en"
    while path:
        page = client.get(path).text
        seen += re.findall(r'href="/records/([\w.-]+)"', page)
        found = re.search(r'class="button" href="([^"]+)"', page)
        path = found[1].replace("&amp;", "&") if found else ""
    assert len(seen) == len({*seen}) == 62


def test_agreement_is_that_of_blind_pairs(client: FlaskClient) -> None:
    said = plain(client.get("/agreement?lang=en").text)
    assert re.search(r"All 24 92 % 0\.83 \(0\.\d\d – 0\.\d\d\)", said)


def test_nodes_say_how_they_are(client: FlaskClient) -> None:
    said = plain(client.get("/nodes?lang=en").text)
    assert said.index("Taroudant") < said.index("Sidi Slimane")  # longest silent first
    assert "20 days ago" in said
    assert re.search(r"Its clock is off by 4 s .*Records set aside 1 .*backlog 12", said)


def test_pages_run_no_script_and_no_style_of_a_record(client: FlaskClient, app: Flask) -> None:
    evil = '"><script>alert(1)</script>'
    records = Records(hub_of(app), arrival=10_000)
    node = records.node(evil, evil, evil, health={evil: evil})
    id = records.scouting(node, evil, evil, author=evil)
    for path in ("/", "/nodes", "/records", f"/records/{id}", "/map", "/downloads",
                 f"/?crop={evil}", "/records?what=fields"):  # fmt: skip
        answer = client.get(path)
        assert "<script>alert" not in answer.text
        assert not re.search(r"<style|style=|\son\w+=|<script(?! defer src)", answer.text)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    records.erase(id)
    with hub_of(app).database.writing() as db:
        from sync.hub.tables import NODES

        db.execute(NODES.delete().where(NODES.c.id == node))


@pytest.mark.parametrize("lang", list(OWN_NAMES))
def test_every_text_is_in_every_language(lang: str) -> None:
    if lang == "en":
        return
    texts = {m.id for m in webassets.extract(webassets.HUB) if m.id}
    known = {m.id: m.string for m in webassets.read_catalogue(lang, webassets.HUB) if m.id}
    assert texts == {*known}
    assert all(known.values())
    for id, text in known.items():
        assert re.findall(r"%\(\w+\)s", str(id)) == re.findall(r"%\(\w+\)s", str(text))


def test_bars_and_sheet_stay_on_the_paper() -> None:
    drawn = bars([(f"week {n}", n) for n in range(52)])
    assert all(b.x >= 0 and b.x + b.width <= WIDTH and b.y + b.height <= HEIGHT for b in drawn)
    assert drawn[-1].height == max(b.height for b in drawn)
    assert bars([]) == []
    for points in (
        [],
        [(0.0, 0.0, False, "a")],
        [(-180.0, -90.0, True, "a"), (180.0, 90.0, False, "b")],
    ):
        paper = sheet(points)
        assert all(0 <= x <= paper.width and 0 <= y <= paper.height for x, y, *_ in paper.dots)
    north, south = sheet([(-7.0, 34.0, False, "n"), (-7.0, 33.0, False, "s")]).dots
    assert north[1] < south[1]


# --- in a browser ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(app: Flask, village: Village) -> Iterator[str]:
    assert webassets.build_fonts(), "run npm ci first"
    assert webassets.take_libraries()
    with listening(app) as address:
        yield address


def logged_in(page: Page, address: str, lang: str) -> None:
    page.goto(f"{address}/login?lang={lang}")
    page.fill("#name", "Salma")
    page.fill("#password", PASSWORD)
    page.click("main form button")
    page.wait_for_url(f"{address}/")


@pytest.mark.browser
@pytest.mark.parametrize(("size", "lang"), [("phone", "ar"), ("phone", "fr"), ("tablet", "en")])
def test_nothing_for_axe_to_say_and_no_sideways_scrolling(
    address: str, browser: Browser, village: Village, lang: str, size: str
) -> None:
    context = browser.new_context(viewport={"phone": PHONE, "tablet": TABLET}[size])
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(f"{address}/login?lang={lang}")
    look_at(page, f"{size}-{lang}-login")
    logged_in(page, address, lang)
    for number, path in enumerate(paths(village)):
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        look_at(page, f"{size}-{lang}-{number:02}")
    assert not errors
    context.close()


def look_at(page: Page, name: str) -> None:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    told = page.evaluate("axe.run()")
    found = [(v["id"], v["nodes"][0]["html"][:200]) for v in told["violations"]]
    assert not found, (name, json.dumps(found))
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, (name, wide)
    if SCREENS:
        page.screenshot(path=f"{SCREENS}/hub-{name}.png", full_page=True)


def requests_of(page: Page) -> list[str]:
    """The addresses that a page asks for, from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


@pytest.mark.browser
def test_the_map_moves_with_leaflet_and_is_drawn_without(
    address: str, browser: Browser, village: Village
) -> None:
    for scripts in (True, False):
        context = browser.new_context(viewport=TABLET, java_script_enabled=scripts)
        page = context.new_page()
        asked = requests_of(page)
        logged_in(page, address, "en")
        page.goto(f"{address}/map")
        assert page.is_visible("#leaflet" if scripts else "#sheet")
        assert not page.is_visible("#sheet" if scripts else "#leaflet")
        if scripts:
            page.wait_for_selector("#leaflet canvas")
            assert page.locator("#points li").count() == 61
        else:
            assert page.locator("#sheet .dot").count() == 61
            page.locator("#sheet a").last.click(force=True)
            assert "/records/" in page.url
        assert all(url.startswith(address) for url in asked)  # nothing from the internet
        context.close()


@pytest.mark.browser
def test_a_token_is_made_shown_once_and_revoked(
    address: str, browser: Browser, app: Flask, village: Village
) -> None:
    page = browser.new_page()
    logged_in(page, address, "en")
    page.goto(f"{address}/downloads")
    page.fill("#purpose", "QGIS at the office")
    page.click("text=Make a token")
    token = page.text_content("#token") or ""
    people = People(hub_of(app).database)
    assert people.of_token(token)
    page.click("text=Revoke")
    assert people.of_token(token) is None
    assert page.locator("#token").count() == 0
    with page.expect_download() as got:
        page.locator("a.button", has_text="csv").first.click()
    assert got.value.suggested_filename == "observations.csv"
    page.close()


def test_readers_see_no_photo(app: Flask, village: Village) -> None:
    reader = client_of(app, everything(Role.READER), name="Reader")
    page = reader.get(f"/records/{village.first}?lang=en")
    assert "<img" not in page.text
    assert "Photos need access as an agronomist." in page.text
    assert reader.get(f"/records/{village.first}/photos/{village.shot}").status_code == 404
