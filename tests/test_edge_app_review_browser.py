"""The review pages in a real Chromium: fit for fingers, for axe, and without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from edge_app import webassets
from edge_app.access.guard import COOKIE
from edge_app.languages import LANGS
from edge_app.settings import Settings
from field_data.diagnoses import DiagnosisLog
from field_data.people import Person, Role
from field_data.reviews import Label, Outcome, State
from field_data.types import Diagnosis, Status
from tests.browsers import PHONE, TABLET
from tests.builders import leaf_jpeg
from tests.people import Staff
from tests.reviewing import keep, plant
from tests.serving import listening
from tests.test_edge_app_web_browser import _MEASURE, AXE

pytestmark = pytest.mark.browser

LATE: Label = ("LYPES", "PHYTIN")
EARLY: Label = ("LYPES", "ALTESO")
STATES = [
    Outcome(State.AGREED, EARLY),
    Outcome(State.DISPUTED),
    Outcome(State.CANNOT_TELL),
    Outcome(State.SETTLED, ("LYPES", None)),
]


class Desk:
    """A served node with plants to look at; every page is opened as the agronomist."""

    def __init__(self, staff: Staff) -> None:
        self.staff = staff
        self.me = staff.person(Role.AGRONOMIST)
        add = staff.ground.people.add
        self.ann, self.ben = (add(name, Role.AGENT, "fr") for name in ("Aïcha N.", "Brahim T."))
        self.log = DiagnosisLog(staff.node.store, staff.ground.photos)
        self.open = self.put(plant(), 3)
        self.disputed = self.reviewed((self.ann, EARLY), (self.ben, None))
        self.mine = self.reviewed((self.me, EARLY))
        for number in range(24):
            both = LATE if number % 3 else EARLY
            self.reviewed((self.ann, both), (self.ben, both if number else LATE))
        for _ in range(4):
            self.log.ask_agent(self.put(plant(Status.CONFIDENT)).id)
        self.results = [staff.node.put(plant(Status.CONFIDENT)) for _ in STATES]
        staff.node.outcomes.update(zip(self.results, STATES, strict=True))

    def put(self, made: Diagnosis, photos: int = 1) -> Diagnosis:
        leaves = [leaf_jpeg(640, 480, seed=n) for n in range(photos)]
        return keep(self.log, made, leaves)

    def reviewed(self, *words: tuple[Person, Label | None]) -> Diagnosis:
        made = self.put(plant(Status.CONFIDENT))
        for who, label in words:
            self.staff.ground.reviews.submit(made.id, who, label)
        return made

    @property
    def paths(self) -> list[str]:
        """Every page, from ``/<lang>`` on."""
        plants = "/staff/review/plant"
        return [
            "/staff/",
            f"/staff/review?after={self.mine.id}",
            f"{plants}/{self.open.id}",
            f"{plants}/{self.open.id}?crop=nothing",
            f"{plants}/{self.disputed.id}",
            f"{plants}/{self.mine.id}/change",
            "/staff/review/mine",
            "/staff/review/agreement",
            *(f"/result/{id}" for id in self.results),
        ]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    settings = Settings(review_sample_percent=100, review_second_percent=0)
    with Staff(tmp_path_factory.mktemp("home"), settings) as staff:
        yield Desk(staff)


@pytest.fixture(scope="module")
def address(desk: Desk) -> Iterator[str]:
    assert webassets.build_fonts(), "run npm ci first"
    with listening(desk.staff.app) as address:
        yield address


def entered(desk: Desk, browser: Browser, address: str, **options: object) -> BrowserContext:
    """A browser in which the agronomist is logged in."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    token = desk.staff.ground.gate.open_session(desk.me, "test")
    context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
    return context


@pytest.mark.parametrize("lang", LANGS)
def test_nothing_for_axe_to_say_and_fit_for_fingers(
    desk: Desk, browser: Browser, address: str, lang: str
) -> None:
    context = entered(desk, browser, address, viewport=PHONE, bypass_csp=True)
    context.add_init_script(path=AXE)
    page = context.new_page()
    wrong: dict[str, object] = {}
    for path in desk.paths:
        answer = page.goto(f"{address}/{lang}{path}")
        assert answer is not None
        assert answer.status == 200, path
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
        told = page.evaluate("axe.run()")
        assert len(told["passes"]) > 10
        if told["violations"]:
            wrong[path] = [(v["id"], v["nodes"][0]["html"][:150]) for v in told["violations"]]
        for size in (PHONE, TABLET):
            page.set_viewport_size(size)
            wide, small = page.evaluate(_MEASURE)
            if wide > size["width"] or small:
                wrong[f"{path} {size['width']}"] = [wide, small]
        page.set_viewport_size(PHONE)
    context.close()
    assert wrong == {}, json.dumps(wrong, indent=1, ensure_ascii=False)


def test_a_morning_of_reviewing_without_javascript(
    desk: Desk, browser: Browser, address: str
) -> None:
    """Look, choose, see the answer and the next plant, mend a slip, decide a dispute, stop."""
    context = entered(desk, browser, address, viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/fr/staff/")
    page.click("a[href$='/staff/review']")
    waiting = page.locator("ul.problems li").count()
    page.click("a[href$='/review/next']")
    seen = []
    while "/plant/" in page.url:
        seen.append(urlsplit(page.url).path.rsplit("/", 1)[1])
        assert page.locator(".shots img").first.evaluate("image => image.naturalWidth") > 0
        page.click("button[value=PHYTIN]")
        assert page.locator(".told .line").count() == 2
    assert len(seen) == waiting
    assert {desk.open.id, desk.disputed.id} <= set(seen)
    outcomes = {id: desk.staff.ground.reviews.outcome(id) for id in seen}
    assert outcomes[desk.disputed.id] == Outcome(State.SETTLED, LATE)
    assert outcomes[desk.open.id] == Outcome(State.SINGLE, LATE)
    page.click(".told a[href$='/change']")
    assert page.locator("button.now").get_attribute("value") == "PHYTIN"
    page.click("button[value=cannot_tell]")
    assert desk.staff.ground.reviews.outcome(seen[-1]).state is State.CANNOT_TELL
    _whole_photo(page)
    context.close()


def _whole_photo(page: Page) -> None:
    """A photo can be opened whole, to be made larger."""
    page.click(".told a[href$='/change'] >> nth=0")
    page.click(".shots a")
    assert page.url.endswith("/photo/0")
    assert page.locator("img").evaluate("image => image.naturalWidth") > 100
