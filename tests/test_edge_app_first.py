"""The first pages of a box: one browser, one keeper, nothing lost by a cut, nothing from afar."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from edge_app.access.claim import LAPSE_S, Claim
from edge_app.access.gate import csrf_of
from edge_app.access.guard import COOKIE
from edge_app.appliance.first_run import (
    FILE,
    FirstRun,
    keep_answers,
    read_answers,
    suggested_ssid,
)
from edge_app.appliance.layout import Layout
from edge_app.appliance.network_request import (
    confirmed_file,
    read_request,
    request_file,
    trial_file,
)
from edge_app.languages import LANGS
from edge_app.settings import Settings
from edge_app.staff.first import _joining
from field_data.ids import new_id, short_code
from field_data.people import Role
from sync.hub.enrolment import new_code
from tests.hubs import ServedHub, hub_on
from tests.people import PASSPHRASE, Staff

NEAR, FAR = "10.87.0.31", "41.250.1.1"
KEEPER = {"name": "Zahra", "secret": PASSPHRASE, "again": PASSPHRASE}
WIFI = {"ssid": 'غلة "2"', "security": "wpa2", "passphrase": "abcd-efgh-ijkm"}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Staff]:
    with Staff(tmp_path / "home", Settings(box_root=str(tmp_path / "root"))) as made:
        yield made


def layout_of(box: Staff) -> Layout:
    return Layout(Path(box.ground.settings.box_root))


class Browser:
    """One phone near the box, which sends what its pages' own forms would."""

    def __init__(self, box: Staff, address: str = NEAR) -> None:
        self.client: FlaskClient = box.stranger()
        self.client.environ_base["REMOTE_ADDR"] = address

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def post(self, step: str, lang: str = "fr", **form: str) -> TestResponse:
        session = self.client.get_cookie(COOKIE)
        if session is not None:
            form = {"csrf": csrf_of(session.value), **form}
        return self.client.post(f"/{lang}/first/{step}", data=form)


def test_the_way_from_the_language_to_the_wifi(box: Staff) -> None:
    phone = Browser(box)
    assert phone.get("/").headers["Location"].endswith("/first/")
    assert phone.get("/fr/first/").headers["Location"] == "/fr/first/language"
    chosen = phone.client.post("/fr/first/language", data={"lang": "ar"})
    assert chosen.headers["Location"] == "/ar/first/place"
    place = phone.client.post("/ar/first/place", data={"name": "Aït Ali", "region": "MA-09"})
    assert place.headers["Location"] == "/ar/first/keeper"
    made = phone.post("keeper", "ar", **KEEPER)
    assert made.headers["Location"] == "/ar/first/wifi"
    page = phone.get("/ar/first/wifi").text
    assert "Ghalla Aït Ali" in page
    assert phone.post("wifi", "ar", **WIFI).headers["Location"] == "/ar/first/hub"
    assert phone.post("hub", "ar", skip="1").headers["Location"] == "/ar/first/done"
    page = phone.get("/ar/first/done").text
    assert page.count('class="qr"') == 3
    assert WIFI["passphrase"] in page
    last = phone.post("done", "ar")
    assert last.status_code == 200
    assert "http://ghalla.local" in last.text
    wanted = read_request(layout_of(box))
    assert (wanted.ssid, wanted.passphrase) == (WIFI["ssid"], WIFI["passphrase"])
    assert (wanted.language, wanted.code) == ("ar", short_code(box.ground.node))
    assert WIFI["passphrase"] not in (box.home / FILE).read_text()
    # It is over: nobody else begins, the keeper's own page is where it leads.
    assert phone.get("/ar/first/").headers["Location"] == "/ar/staff/"
    assert Browser(box).get("/").headers["Location"].endswith("/ar/")
    assert Browser(box).get("/fr/first/language").status_code == 404
    assert phone.post("keeper", **KEEPER).status_code == 404


def test_steps_refuse_what_is_wrong_and_keep_what_was_typed(box: Staff) -> None:
    phone = Browser(box)
    phone.client.post("/en/first/language", data={"lang": "en"})
    assert phone.post("place", "en", name="x" * 41).status_code == 400
    assert phone.post("place", "en", name="Douar", region="XX-1").status_code == 400
    phone.post("place", "en", name="Douar", region="")
    for wrong in ({"again": "other words than"}, {"secret": "short", "again": "short"}):
        assert phone.post("keeper", "en", **(KEEPER | wrong)).status_code == 400
    assert box.ground.gate.needs_keeper()
    phone.post("keeper", "en", **KEEPER)
    for wrong in ({"ssid": "غ" * 17}, {"passphrase": "كلمة السر"}, {"security": "wep"}):
        refused = phone.post("wifi", "en", **(WIFI | wrong))
        assert refused.status_code == 400
        assert 'role="alert"' in refused.text
    phone.post("wifi", "en", ssid="Open", security="open", passphrase="ignored words")
    refused = phone.post("hub", "en", url="https://user@hub.example/?x", code="1")
    assert (refused.status_code, "address of the hub" in refused.text) == (400, True)
    away = phone.post("hub", "en", url="http://127.0.0.1:9", code="BCDF")
    assert "does not answer" in away.text
    phone.post("hub", "en", skip="1")
    phone.post("done", "en")
    assert read_request(layout_of(box)).passphrase == ""


def test_a_hub_lets_the_box_in_by_its_code(box: Staff, served_hub: ServedHub) -> None:
    keep_answers(box.home, FirstRun(lang="fr", name="Aït Ali", wifi=True))
    keeper = box.client(Role.KEEPER)
    keeper.environ_base["REMOTE_ADDR"] = NEAR
    with hub_on(served_hub.settings) as hub:
        code = new_code(hub.database, "ONCA", "Chaouia")
    data = {"url": served_hub.url, "code": code}
    wrong = keeper.post("/fr/first/hub", data=data | {"code": "BBBB-BBBB"})
    assert wrong.status_code == 400
    answer = keeper.post("/fr/first/hub", data=data)
    assert (answer.status_code, answer.headers.get("Location")) == (303, "/fr/first/done")


def test_one_browser_at_a_time_sets_a_box_up(box: Staff) -> None:
    first, second = Browser(box), Browser(box, "10.87.0.32")
    assert second.get("/en/first/language").status_code == 200  # who looks holds nobody up
    first.client.post("/en/first/language", data={"lang": "en"})
    for answer in (second.get("/en/first/place"), second.post("place", "en", name="Mine")):
        assert answer.status_code == 409
        assert "Another phone" in answer.text
    assert second.get("/en/").status_code == 200  # farmers go on
    assert first.post("place", "en", name="Ours").status_code == 303
    assert read_answers(box.home).name == "Ours"


def test_two_who_are_equally_fast_make_one_keeper(box: Staff) -> None:
    made: list[int] = []
    keep_answers(box.home, FirstRun(lang="en", name="Douar"))
    browsers = [Browser(box, f"10.87.0.{40 + number}") for number in range(6)]

    def try_it(number: int) -> None:
        form = KEEPER | {"name": f"Keeper {number}"}
        made.append(browsers[number].post("keeper", "en", **form).status_code)

    threads = [threading.Thread(target=try_it, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.count(303) == 1
    assert set(made) <= {303, 404, 409}
    assert len(box.ground.people.keepers()) == 1


def test_a_claim_lapses_when_its_browser_goes_away() -> None:
    now = [0.0]
    claim = Claim(clock=lambda: now[0])
    held = claim.take("")
    assert held
    assert claim.take(held) == held
    assert claim.take("") is None
    assert claim.is_others("x")
    now[0] = LAPSE_S + 1
    assert not claim.is_others("x")
    assert claim.take("x") not in (None, held, "x")


def test_after_a_power_cut_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    settings = Settings(box_root=str(tmp_path / "root"))
    with Staff(tmp_path / "home", settings) as box:
        phone = Browser(box)
        phone.client.post("/fr/first/language", data={"lang": "fr"})
        phone.post("place", name="Aït Ali", region="MA-09")
    with Staff(tmp_path / "home", settings) as box:
        again = Browser(box)
        assert again.get("/fr/first/").headers["Location"] == "/fr/first/keeper"
        again.post("keeper", **KEEPER)
        again.post("wifi", **WIFI)
    with Staff(tmp_path / "home", settings) as box:
        keeper = box.ground.people.keepers()[0]
        client = box.client(keeper)
        client.environ_base["REMOTE_ADDR"] = NEAR
        assert client.get("/fr/first/").headers["Location"] == "/fr/first/hub"
        client.post("/fr/first/hub", data={"skip": "1"})
        assert WIFI["passphrase"] in client.get("/fr/first/done").text
        # Nobody else sees it.
        assert "staff/login" in Browser(box).get("/fr/first/done").headers["Location"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"lang": 3, "name": "x", "evil": 1}', "[" * 9999])
def test_a_damaged_file_of_answers_begins_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_answers(tmp_path).lang == ""


def test_nothing_of_it_is_there_from_afar_or_on_what_is_no_box(box: Staff, tmp_path: Path) -> None:
    afar = Browser(box, FAR)
    assert afar.get("/en/first/language").status_code == 403
    assert afar.post("language", lang="en").status_code == 403
    assert "/first" not in afar.get("/").headers["Location"]
    with Staff(tmp_path / "plain") as plain:
        assert Browser(plain).get("/en/first/language").status_code == 404
        assert "/first" not in Browser(plain).get("/").headers["Location"]
        keeper = plain.client(Role.KEEPER)
        assert keeper.get("/en/first/wifi").status_code == 404
        assert "/first/" not in keeper.get("/en/staff/").text


def test_a_page_over_the_new_wifi_confirms_it_and_no_other_does(box: Staff) -> None:
    layout, trial = layout_of(box), new_id()
    layout.requests.mkdir(parents=True)
    Browser(box).get("/fr/")
    assert not confirmed_file(layout).exists()
    trial_file(layout).parent.mkdir(parents=True)
    trial_file(layout).write_text(trial)
    for other in ("192.168.1.7", "127.0.0.1", FAR):
        Browser(box, other).get("/fr/")
    assert not confirmed_file(layout).exists()
    Browser(box).get("/fr/")
    assert confirmed_file(layout).read_text() == trial


def test_leaving_the_wifi_as_it_is_asks_for_nothing(box: Staff) -> None:
    keep_answers(box.home, FirstRun(lang="en", name="Douar", hub=True))
    keeper = box.client(Role.KEEPER)
    keeper.environ_base["REMOTE_ADDR"] = NEAR
    keeper.post("/en/first/wifi", data={"skip": "1"})
    assert keeper.post("/en/first/done").headers["Location"] == "/en/staff/"
    assert not request_file(layout_of(box)).exists()


@pytest.mark.parametrize("name", ["", "Coopérative des femmes d'Aït Ali", "غلة " * 10, "🌾" * 20])
def test_a_suggested_name_fits_on_air(name: str) -> None:
    assert 1 <= len(suggested_ssid(name).encode()) <= 32
    assert suggested_ssid(name).startswith("Ghalla")


def test_the_picture_of_the_wifi_escapes_what_has_a_meaning() -> None:
    answers = FirstRun(ssid='a;b"', passphrase=r"x\y:z,12")
    assert _joining(answers) == r"WIFI:T:WPA;S:a\;b\";P:x\\y\:z\,12;;"
    assert _joining(FirstRun(ssid="غ", security="open")) == "WIFI:T:nopass;S:غ;;"


@pytest.mark.parametrize("lang", LANGS)
def test_every_page_is_there_in_every_language(box: Staff, lang: str) -> None:
    for step in ("language", "place", "keeper"):
        assert Browser(box).get(f"/{lang}/first/{step}").status_code == 200
    keeper = box.client(Role.KEEPER)
    for step in ("wifi", "hub", "done"):
        assert keeper.get(f"/{lang}/first/{step}").status_code == 200


def test_answers_are_for_the_node_alone(box: Staff) -> None:
    keep_answers(box.home, FirstRun(passphrase="x"))
    assert (box.home / FILE).stat().st_mode & 0o077 == 0
    assert json.loads((box.home / FILE).read_text())["passphrase"] == "x"
