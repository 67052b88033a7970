"""The agents' app in a real Chromium: every screen, full disk, refusals, drawing, a new version."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Geolocation, Page, Playwright, ViewportSize

from edge_app import webassets
from edge_app.agent import shell
from edge_app.languages import LANGS, RTL
from field_data.clock import now
from field_data.events import Draft, Kind
from field_data.ids import new_id
from field_data.people import Role
from sat_ingest.archive import ARCHIVE, Archive
from tests.browsers import PHONE, TABLET
from tests.fakes import trap_reading
from tests.people import Staff
from tests.serving import listening
from tests.skies import DAY, seen
from tests.tablets import Tablet, photo, square

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[1]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
LANDSCAPE = ViewportSize(width=740, height=360)


@pytest.fixture
def staff(tmp_path: Path) -> Iterator[Staff]:
    assert webassets.build_fonts(), "run npm ci first"
    assert webassets.take_libraries(), "run npm ci first"
    with Staff(tmp_path / "home") as made:
        agent, farm = made.person(Role.AGENT), new_id()
        land: list[tuple[Kind, str, dict[str, Any]]] = [(Kind.FARM, farm, {"name": "Ferme"})]
        for n in range(2):
            body = {"farm": farm, "name": f"Parcelle {n + 1}", "boundary": square(n)}
            land.append((Kind.FIELD, new_id(), {**body, "crop": "LYPES"}))
        for kind, subject, body in land:
            made.ground.registry.append(Draft(new_id(), kind, subject, agent.id, now(), body))
        with Archive(made.home / ARCHIVE) as archive:
            for field in made.ground.registry.fields():
                archive.put(seen(field, DAY, 0.6))
        yield made


@pytest.fixture
def address(staff: Staff) -> Iterator[str]:
    with listening(staff.app) as address:
        yield address


@pytest.fixture
def tablet(
    playwright: Playwright, staff: Staff, address: str, tmp_path: Path, request: Any
) -> Iterator[Tablet]:
    token = staff.ground.gate.open_session(staff.person(Role.AGENT), "tablet")
    options = getattr(request, "param", {})
    with Tablet(playwright, tmp_path / "profile", address, token, **options) as opened:
        opened.open()
        opened.settled()
        yield opened
        assert opened.wrong == []


def with_db(page: Page, work: str, argument: Any = None) -> Any:
    """Run ``work``, the body of a function of (db, argument), in the app's page."""
    return page.evaluate(
        "async (argument) => { const base = new URL('.', "
        "document.querySelector('script[type=module]').src);"
        f"const db = await import(new URL('db.js', base)); {work} }}",
        argument,
    )


def go(page: Page, place: str) -> None:
    """Open a screen, anew even if it is the one that is shown."""
    page.evaluate("place => { location.hash = '#/gone'; location.hash = place; }", place)
    page.wait_for_timeout(250)


@pytest.mark.parametrize("tablet", [{"bypass_csp": True}], indirect=True)
def test_every_screen_is_accessible_and_fits_in_every_language(
    tablet: Tablet, staff: Staff
) -> None:
    page = tablet.page
    tablet.visit("Parcelle 1", [photo(1)])
    tablet.all_sent()
    go(page, "#/")
    field = page.get_attribute(".fields a", "href") or ""
    page.click(".fields a")
    page.click('[data-form="scouting"]')
    page.wait_for_selector("form.fill")
    draft = page.evaluate("location.hash")
    (farm,) = staff.ground.registry.farms()
    page.click("button.main[type=submit]")  # so that something is wrong in it
    go(page, "#/records")
    record = page.get_attribute(".rows a", "href") or ""
    screens = ["#/", field, draft, record, "#/records", "#/refused", "#/map", "#/draw", "#/more"]
    screens.append(f"#/consent/{farm.id}")
    page.add_script_tag(path=str(AXE))
    for lang in LANGS:
        page.click(f".langs [lang={lang}]")
        page.wait_for_selector(f"html[lang={lang}][dir={'rtl' if lang in RTL else 'ltr'}]")
        for screen in screens:
            for size in (PHONE, TABLET, LANDSCAPE):
                page.set_viewport_size(size)
                go(page, screen)
                if screen == "#/map":
                    page.wait_for_selector("figure .ramp")
                over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert over <= 0, (lang, screen, size)
            found = page.evaluate("async () => (await axe.run()).violations.map((v) => v.id)")
            assert found == [], (lang, screen)


def test_the_forms_language_gives_what_it_gives_on_the_node(tablet: Tablet) -> None:
    cases = json.loads((ROOT / "tests" / "data" / "form_expressions.json").read_text())
    found = tablet.page.evaluate(
        """async ({answers, cases}) => {
          const base = new URL('.', document.querySelector('script[type=module]').src);
          const { evaluate } = await import(new URL('rules.js', base));
          return cases.map((each) => evaluate(each.tree, answers));
        }""",
        cases,
    )
    for case, value in zip(cases["cases"], found, strict=True):
        exact = value is None or isinstance(value, bool | str | list)
        wanted = case["value"] if exact else pytest.approx(case["value"], rel=1e-12)
        assert (type(value) is bool, value) == (type(case["value"]) is bool, wanted), case["text"]
    assert len(found) > 50


def test_a_full_tablet_says_so_and_the_file_it_saves_reaches_the_node(
    playwright: Playwright, tablet: Tablet, staff: Staff, address: str, tmp_path: Path
) -> None:
    tablet.context.route("**/api/**", lambda route: route.abort())  # away from the node
    tablet.visit("Parcelle 1", [photo(1)])
    tablet.close()
    # Chromium looks at the free space now and then only: it must be small from the beginning.
    with Tablet(playwright, tmp_path / "profile", address) as full:
        full.context.route("**/api/**", lambda route: route.abort())
        disk = full.context.new_cdp_session(full.page)
        disk.send("Storage.overrideQuotaForOrigin", {"origin": address, "quotaSize": 1000})
        page = full.open()
        page.click(".fields a")
        page.click('[data-form="scouting"]')
        page.wait_for_selector("#full a")
        page.click("#full a")
        page.wait_for_selector("#import", state="attached")
        with page.expect_download() as saved:
            page.click(".box .button.main")
        file = tmp_path / "tablet.jsonl"
        saved.value.save_as(file)
        first = json.loads(file.read_text().splitlines()[0])
        assert first == {"ghalla": "tablet-export", "version": 1}
        assert full.unsent() == 1
        disk.send("Storage.overrideQuotaForOrigin", {"origin": address})
        full.context.unroute("**/api/**")
        page.set_input_files("#import", file)
        full.all_sent()
    (kept,) = staff.ground.events.of_kind(Kind.OBSERVATION)
    assert staff.ground.photos.has(kept.photos[0])


def test_a_refused_record_says_why_stays_and_can_be_mended(tablet: Tablet, staff: Staff) -> None:
    page = tablet.page
    tablet.context.route("**/api/**", lambda route: route.abort())
    tablet.visit("Parcelle 1", [photo(1)])
    # As an older version of the app might have let pass.
    with_db(
        page,
        """const [record] = await db.waiting();
        record.event.body.values.plants = -3;
        await db.putRecords([record]);""",
    )
    tablet.context.unroute("**/api/**")
    page.evaluate("window.dispatchEvent(new Event('online'))")
    page.click("#state a.bad")
    page.click(".rows a")
    assert "Plantes examinées" in page.inner_text(".notice.bad ul")
    page.click("article button.main")
    page.click('#q-plants [data-n="30"]')
    page.click("button.main[type=submit]")
    page.wait_for_selector(".forms")
    tablet.all_sent()
    (kept,) = staff.ground.events.of_kind(Kind.OBSERVATION)
    assert kept.body["values"]["plants"] == 30
    assert kept.supersedes is None


def test_a_draft_open_in_two_windows_or_kept_twice_becomes_one_record(
    tablet: Tablet, staff: Staff
) -> None:
    page = tablet.page
    page.click(".fields a")
    page.click('[data-form="scouting"]')
    for question, value in (("stage", "bbch6"), ("condition", "healthy")):
        tablet.choose(question, value)
    page.click('#q-plants [data-n="20"]')
    page.set_input_files("#gallery-photos", photo(1))
    page.wait_for_selector("#q-photos li")
    other = tablet.context.new_page()
    other.goto(page.url)
    other.wait_for_selector("#q-photos li")
    page.evaluate(
        "() => { for (let n = 0; n < 3; n++) document.querySelector('form.fill').requestSubmit(); }"
    )
    page.wait_for_selector(".forms")
    tablet.all_sent()
    other.click('#q-plants [data-n="50"]')
    other.wait_for_selector("#said.bad")
    other.click("button.main[type=submit]")
    page.wait_for_timeout(500)
    assert other.is_visible("form.fill")
    tablet.all_sent()
    assert with_db(page, "return (await db.drafts()).length") == 0
    (kept,) = staff.ground.events.of_kind(Kind.OBSERVATION)
    assert kept.body["values"]["plants"] == 20


def test_a_field_is_drawn_by_tapping_or_by_walking_round_it(tablet: Tablet, staff: Staff) -> None:
    page = tablet.page
    for name, walk in (("Nord", False), ("Sud", True)):
        go(page, "#/draw")
        page.wait_for_selector(".map .leaflet-interactive", state="attached")
        box = page.locator(".map").bounding_box()
        assert box
        for dx, dy in ((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)):
            if walk:
                corner = Geolocation(longitude=-5.56 + dx / 500, latitude=33.91 + dy / 500)
                tablet.context.set_geolocation({**corner, "accuracy": 6})
                page.wait_for_timeout(1000)  # until the page heard of it, on a busy machine too
                page.click("form .pair button:first-child")
            else:
                page.mouse.click(box["x"] + dx * box["width"], box["y"] + dy * box["height"])
        assert "ha" in page.inner_text(".area")
        while len(with_db(page, "return (await db.meta('drawing')).points")) < 4:
            page.wait_for_timeout(50)
        page.reload()  # as after a flat battery
        page.wait_for_selector(".area:has-text('ha')")
        page.fill("#field-name", name)
        page.select_option("#field-crop", "OLVEU")
        page.click("button.main[type=submit]")
        page.wait_for_selector(".forms")
        tablet.all_sent()
    nord, sud = (
        next(field for field in staff.ground.registry.fields() if field.name == name)
        for name in ("Nord", "Sud")
    )
    assert (nord.source, sud.source, sud.crop) == ("drawn", "walked", "OLVEU")
    side_lon = 0.4 / 500 * 111_320 * math.cos(math.radians(33.91))
    assert sud.area_ha == pytest.approx(side_lon * 0.4 / 500 * 111_132 / 1e4, rel=0.02)
    go(page, "#/")
    page.click(".fields a:has-text('Sud')")
    page.click("a[href^='#/draw/']")
    page.fill("#field-name", "Sud-Est")
    page.click("button.main[type=submit]")
    page.wait_for_selector("h1:has-text('Sud-Est')")
    tablet.all_sent()
    changed = staff.ground.registry.field(sud.id)
    assert changed
    assert (changed.name, changed.boundary) == ("Sud-Est", sud.boundary)


def test_a_new_version_waits_for_the_person_and_spares_the_draft(
    tablet: Tablet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tablet.page
    page.click(".fields a")
    page.click('[data-form="scouting"]')
    tablet.choose("stage", "bbch3")
    old = page.get_attribute("script[type=module]", "src")
    copy = tmp_path / "files"
    copy.mkdir()
    for file in shell.FILES.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "place.js").write_text((copy / "place.js").read_text() + "\nexport const more = 1;\n")
    monkeypatch.setattr(shell, "FILES", copy)
    page.evaluate("navigator.serviceWorker.getRegistration().then((each) => each.update())")
    page.wait_for_selector("#update button")
    assert page.get_attribute("script[type=module]", "src") == old
    with page.expect_navigation():
        page.click("#update button")
    page.wait_for_selector("html[data-ready]")
    assert page.get_attribute("script[type=module]", "src") != old
    assert page.is_checked('#q-stage input[value="bbch3"]')
    shell_kept, pictures = sorted(page.evaluate("caches.keys()"))
    assert shell_kept.startswith("ghalla-")
    assert pictures == "sky-tiles"


def test_a_new_version_that_does_not_arrive_whole_changes_nothing(
    tablet: Tablet, staff: Staff, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tablet.page
    old = page.get_attribute("script[type=module]", "src")
    copy = tmp_path / "files"
    copy.mkdir()
    for file in shell.FILES.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "place.js").write_text((copy / "place.js").read_text() + "\nexport const more = 1;\n")
    monkeypatch.setattr(shell, "FILES", copy)
    serve: Any = staff.app.view_functions["agent.file"]

    def broken(of: str, name: str) -> Any:
        return ("", 503) if name == "rules.js" else serve(of, name)

    monkeypatch.setitem(staff.app.view_functions, "agent.file", broken)
    failed = page.evaluate(
        "navigator.serviceWorker.getRegistration().then((each) => each.update())"
        ".then((each) => new Promise((done) => { const fresh = each.installing;"
        " fresh.onstatechange = () => done(fresh.state); }))"
    )
    assert failed == "redundant"
    tablet.context.set_offline(True)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.get_attribute("script[type=module]", "src") == old
    page.click(".fields a")
    page.click('[data-form="scouting"]')
    page.wait_for_selector("form.fill")


def test_what_another_person_recorded_waits_for_them(tablet: Tablet, staff: Staff) -> None:
    page = tablet.page
    tablet.context.route("**/api/**", lambda route: route.abort())
    tablet.visit("Parcelle 1", [photo(1)])
    other = staff.ground.people.add("agent two", Role.AGENT, "fr")
    tablet.context.add_cookies(
        [
            {
                "name": "ghalla_session",
                "value": staff.ground.gate.open_session(other, "tablet"),
                "url": tablet.address,
            }
        ]
    )
    tablet.context.unroute("**/api/**")
    page.evaluate("window.dispatchEvent(new Event('online'))")
    page.wait_for_selector("#state.idle")
    assert tablet.unsent() == 1
    assert staff.ground.events.of_kind(Kind.OBSERVATION) == []


def test_the_node_counts_a_trap_and_the_person_corrects(tablet: Tablet, staff: Staff) -> None:
    page = tablet.page
    staff.node.next_count = trap_reading()
    page.click(".fields a")
    page.click('[data-form="trap_reading"]')
    tablet.choose("trap", "tuta")
    page.set_input_files("#gallery-photo", photo(7))
    counted = trap_reading().count
    assert counted
    page.wait_for_selector(f"#in-count_model:has-text('{counted.count}')")
    assert page.input_value("#in-count") == str(counted.count)
    page.fill("#in-count", str(counted.count + 2))
    page.fill("#in-days", "٧")
    page.click("button.main[type=submit]")
    page.wait_for_selector(".forms")
    tablet.all_sent()
    (kept,) = staff.ground.events.of_kind(Kind.OBSERVATION)
    values = kept.body["values"]
    assert (values["count_model"], values["count"]) == (counted.count, counted.count + 2)
    assert values["per_day"] == pytest.approx((counted.count + 2) / 7, abs=0.006)


def test_what_is_erased_on_the_node_goes_from_the_tablet_too(tablet: Tablet, staff: Staff) -> None:
    page = tablet.page
    tablet.visit("Parcelle 1", [photo(1)])
    tablet.all_sent()
    (kept,) = staff.ground.events.of_kind(Kind.OBSERVATION)
    staff.ground.events.erase([kept.id])
    said = {"events": [kept.id], "photos": list(kept.photos)}
    keeper = staff.person(Role.KEEPER).id
    staff.ground.events.append(Draft(new_id(), Kind.ERASURE, kept.author, keeper, now(), said))
    go(page, "#/more")
    page.click(".button:has-text('Envoyer')")
    tablet.page.wait_for_timeout(500)
    tablet.all_sent()
    assert with_db(page, "return (await db.record(argument)) ?? null", kept.id) is None
