"""The staff pages by HTTP: coming in, stolen sessions, people, tablets, audit, export, erasure."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from edge_app.access.guard import COOKIE, CSRF_HEADER, DEVICE_COOKIE
from edge_app.farmer import history
from edge_app.languages import LANGS
from field_data.audit_log import Action
from field_data.diagnoses import DiagnosisLog
from field_data.people import Role
from tests.fakes import FakeNode, verdict
from tests.people import PASSPHRASE, PIN, Staff
from tests.phones import files, phone_of
from tests.village import Village

NEW_PIN = "739184"


@pytest.fixture
def staff(tmp_path: Path) -> Iterator[Staff]:
    with Staff(tmp_path) as made:
        yield made


def log_in(device: FlaskClient, login: str, secret: str, **form: str) -> TestResponse:
    data = {"login": login, "secret": secret, **form}
    return device.post("/en/staff/login", data=data)


def cookie(answer: TestResponse, name: str) -> str:
    return next(each for each in answer.headers.getlist("Set-Cookie") if each.startswith(name))


def token_of(page: TestResponse) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found is not None
    return found[1]


class TestComingIn:
    def test_a_login_makes_a_session_that_scripts_and_other_sites_do_not_get(
        self, staff: Staff
    ) -> None:
        pin = staff.secret(Role.AGENT)
        answer = log_in(staff.stranger(), "agent one", pin)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/en/staff/")
        for name in (COOKIE, DEVICE_COOKIE):
            given = cookie(answer, name)
            assert "HttpOnly" in given
            assert "SameSite=Strict" in given
            assert "Secure" not in given  # plain http on the farmers' Wi-Fi

    def test_over_https_the_session_never_travels_in_the_clear(self, staff: Staff) -> None:
        data = {"login": "agent one", "secret": staff.secret(Role.AGENT)}
        device = staff.stranger()
        answer = device.post("/en/staff/login", data=data, base_url="https://ghalla.local")
        assert "Secure" in cookie(answer, COOKIE)

    def test_every_login_makes_another_session_and_ends_the_one_before(self, staff: Staff) -> None:
        device, pin = staff.stranger(), staff.secret(Role.AGENT)
        first = cookie(log_in(device, "agent one", pin), COOKIE)
        second = cookie(log_in(device, "agent one", pin), COOKIE)
        assert first.split(";")[0] != second.split(";")[0]
        assert len(staff.ground.gate.sessions.of(staff.person(Role.AGENT).id)) == 1

    @pytest.mark.parametrize("lang", LANGS)
    def test_a_wrong_login_says_so_and_keeps_the_name_but_not_the_pin(
        self, staff: Staff, lang: str
    ) -> None:
        data = {"login": "agent <one>", "secret": "739185"}
        answer = staff.stranger().post(f"/{lang}/staff/login", data=data)
        assert answer.status_code == 401
        assert 'role="alert"' in answer.text
        assert "agent &lt;one&gt;" in answer.text
        assert "739185" not in answer.text
        assert COOKIE not in "".join(answer.headers.getlist("Set-Cookie"))

    def test_too_many_wrong_tries_say_when_to_come_back(self, staff: Staff) -> None:
        device = staff.stranger()
        for _ in range(5):
            assert log_in(device, "agent one", "739185").status_code == 401
        answer = log_in(device, "agent one", "739185")
        assert answer.status_code == 429
        assert 25 <= int(answer.headers["Retry-After"]) <= 31

    def test_who_has_to_log_in_comes_back_to_where_they_wanted(self, staff: Staff) -> None:
        keeper, device = staff.secret(Role.KEEPER), staff.stranger()
        sent = device.get("/fr/staff/audit?x=1")
        assert sent.status_code == 303
        page = device.get(sent.headers["Location"])
        back = re.search(r'name="next" value="([^"]+)"', page.text)
        assert back is not None
        answer = log_in(device, "keeper one", keeper, next=back[1])
        assert answer.headers["Location"] == "/fr/staff/audit?x=1"

    @pytest.mark.parametrize(
        "address",
        ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)",
         "http:evil.example", "/\t/evil.example", "///evil.example", "staff"],
    )  # fmt: skip
    def test_nobody_is_sent_elsewhere_after_the_login(self, staff: Staff, address: str) -> None:
        answer = log_in(staff.stranger(), "agent one", staff.secret(Role.AGENT), next=address)
        assert answer.headers["Location"] == "/en/staff/"

    def test_out_is_out_also_for_who_copied_the_cookie(self, staff: Staff) -> None:
        device = staff.client(Role.AGENT)
        held = device.get_cookie(COOKIE)
        assert held is not None
        thief = staff.stranger()
        thief.set_cookie(COOKIE, held.value)
        assert thief.get("/api/v1/me").status_code == 200
        device.post("/en/staff/logout")
        assert thief.get("/api/v1/me").status_code == 401

    def test_the_first_keeper_is_made_with_the_code_and_then_the_page_is_gone(
        self, staff: Staff
    ) -> None:
        code, device = staff.ground.gate.setup_code(), staff.stranger()
        assert code is not None
        assert code in device.get(f"/en/staff/setup?code={code}").text
        form = {"code": code, "name": "Zahra", "secret": PASSPHRASE, "again": PASSPHRASE}
        wrongs = ({"again": "other words than"}, {"code": "x"}, {"secret": PIN, "again": PIN})
        for wrong in wrongs:
            assert device.post("/en/staff/setup", data=form | wrong).status_code == 400
        assert device.post("/en/staff/setup", data=form).status_code == 303
        assert device.get("/en/staff/people").status_code == 200
        assert device.get("/en/staff/setup").status_code == 404
        assert device.post("/en/staff/setup", data=form).status_code == 404

    def test_on_a_node_without_ground_truth_there_are_no_staff_pages(self) -> None:
        phone = phone_of(FakeNode())
        phone.set_cookie(COOKIE, "made up")
        for path in ("/fr/staff/login", "/fr/staff/", "/agent/pair", "/api/v1/me"):
            assert phone.get(path).status_code == 404
        assert phone.get("/fr/").status_code == 200


class TestForms:
    def test_a_form_without_the_sessions_own_token_is_refused(self, staff: Staff) -> None:
        device, other = staff.client(Role.KEEPER), staff.client(Role.AGENT)
        stolen = other.environ_base.pop("HTTP_X_GHALLA_CSRF")
        device.environ_base.pop("HTTP_X_GHALLA_CSRF")
        for csrf in ("", "x", "é", stolen):
            answer = device.post("/en/staff/account/end", data={"csrf": csrf})
            assert answer.status_code == 403
        page = device.get("/en/staff/account")
        answer = device.post("/en/staff/account/end", data={"csrf": token_of(page)})
        assert answer.status_code == 303

    def test_every_form_of_a_session_carries_the_token(self, staff: Staff) -> None:
        person = staff.person(Role.AGENT)
        device = staff.client(Role.KEEPER)
        staff.ground.gate.open_session(person, "phone")
        for path in ("", "account", "account/erase", "people", f"people/{person.id}", "pair",
                     f"people/{person.id}/erase"):  # fmt: skip
            page = device.get(f"/en/staff/{path}")
            forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", page.text, re.S)
            assert forms, path
            assert all('name="csrf"' in form for form in forms), path

    def test_programs_get_the_token_from_me(self, staff: Staff) -> None:
        device = staff.client(Role.AGENT)
        device.environ_base.pop("HTTP_X_GHALLA_CSRF")
        me = device.get("/api/v1/me").get_json()
        assert (me["role"], me["csrf_header"]) == ("agent", CSRF_HEADER)
        headers = {CSRF_HEADER: me["csrf"]}
        assert device.post("/en/staff/logout", headers=headers).status_code == 303

    def test_another_site_cannot_log_a_phone_in(self, staff: Staff) -> None:
        data = {"login": "agent one", "secret": staff.secret(Role.AGENT)}
        headers = {"Origin": "https://evil.example"}
        answer = staff.stranger().post("/en/staff/login", data=data, headers=headers)
        assert answer.status_code == 403


class TestStolenSession:
    def test_it_ends_when_the_owner_logs_out_everywhere_else(self, staff: Staff) -> None:
        mine, thief = staff.client(Role.AGENT), staff.client(Role.AGENT)
        assert mine.post("/en/staff/account/end").status_code == 303
        assert mine.get("/api/v1/me").status_code == 200
        assert thief.get("/api/v1/me").status_code == 401

    def test_it_ends_when_the_pin_is_changed(self, staff: Staff) -> None:
        pin = staff.secret(Role.AGENT)
        mine, thief = staff.client(Role.AGENT), staff.client(Role.AGENT)
        form = {"old": pin, "secret": NEW_PIN, "again": NEW_PIN}
        assert mine.post("/en/staff/account/secret", data=form).status_code == 303
        assert mine.get("/api/v1/me").status_code == 200
        assert thief.get("/api/v1/me").status_code == 401
        assert log_in(staff.stranger(), "agent one", pin).status_code == 401
        assert log_in(staff.stranger(), "agent one", NEW_PIN).status_code == 303

    def test_the_keeper_ends_the_session_of_a_lost_tablet(self, staff: Staff) -> None:
        agent, keeper = staff.person(Role.AGENT), staff.client(Role.KEEPER)
        phone, tablet = staff.client(agent), staff.client(agent)
        lost = staff.ground.gate.whose(tablet.get_cookie(COOKIE).value)  # type: ignore[union-attr]
        assert lost is not None
        page = f"/en/staff/people/{agent.id}"
        assert lost[1].id in keeper.get(page).text
        keeper.post(f"{page}/end", data={"session": lost[1].id})
        assert tablet.get("/api/v1/me").status_code == 401
        assert phone.get("/api/v1/me").status_code == 200
        keeper.post(f"{page}/end")
        assert phone.get("/api/v1/me").status_code == 401
        assert keeper.get("/api/v1/me").status_code == 200

    def test_it_cannot_end_sessions_of_others(self, staff: Staff) -> None:
        staff.client(Role.KEEPER)
        victim = staff.ground.gate.sessions.of(staff.person(Role.KEEPER).id)[0]
        staff.client(Role.AGENT).post("/en/staff/account/end", data={"session": victim.id})
        assert staff.ground.gate.sessions.of(staff.person(Role.KEEPER).id) == [victim]

    @pytest.mark.parametrize(
        ("path", "field"),
        [("account/secret", "old"), ("account/export", "export-secret"), ("pair", "own"),
         ("account/erase", "secret")],
    )  # fmt: skip
    def test_without_the_pin_it_takes_nothing_along_and_does_not_settle_in(
        self, staff: Staff, path: str, field: str
    ) -> None:
        staff.secret(Role.AGENT)
        person, thief = staff.person(Role.AGENT), staff.client(Role.AGENT)
        form = {field: NEW_PIN, "again": NEW_PIN, "person": person.id, "secret": NEW_PIN}
        for _ in range(5):
            answer = thief.post(f"/en/staff/{path}", data=form)
            assert answer.status_code == 400
            assert answer.mimetype == "text/html"
        assert thief.post(f"/en/staff/{path}", data=form).status_code == 429
        assert staff.ground.people.get(person.id) == person
        assert log_in(staff.stranger(), "agent one", PIN).status_code == 303


class TestPeople:
    def test_the_keeper_adds_and_invites_and_never_learns_the_pin(self, staff: Staff) -> None:
        own, keeper = staff.secret(Role.KEEPER), staff.client(Role.KEEPER)
        form = {"name": "Amal", "role": "agent", "lang": "fr", "own": own}
        page = keeper.post("/en/staff/people", data=form)
        link = re.search(r"http://localhost(/fr/staff/welcome/[A-Z-]+)", page.text)
        assert link is not None
        assert "<svg" in page.text
        device = staff.stranger()
        assert "Amal" in device.get(link[1]).text
        weak = device.post(link[1], data={"secret": "123456", "again": "123456"})
        assert weak.status_code == 400
        assert device.post(link[1], data={"secret": PIN, "again": PIN}).status_code == 303
        assert device.get("/api/v1/me").get_json()["name"] == "Amal"
        assert device.get(link[1]).status_code == 400  # used
        assert log_in(staff.stranger(), "Amal", PIN).status_code == 303

    @pytest.mark.parametrize(
        "form",
        [{"name": "agent ONE"}, {"name": ""}, {"name": "x" * 81}, {"name": "a\x00b"},
         {"role": "king"}, {"own": "wrong words here"}],
    )  # fmt: skip
    def test_a_bad_name_role_or_passphrase_adds_nobody(
        self, staff: Staff, form: dict[str, str]
    ) -> None:
        staff.person(Role.AGENT)
        own, keeper = staff.secret(Role.KEEPER), staff.client(Role.KEEPER)
        before = staff.ground.people.all()
        given = {"name": "Amal", "role": "agent", "own": own} | form
        assert keeper.post("/en/staff/people", data=given).status_code == 400
        assert staff.ground.people.all() == before

    def test_another_role_logs_out_and_a_pin_is_not_enough_for_a_keeper(self, staff: Staff) -> None:
        pin, keeper = staff.secret(Role.AGENT), staff.client(Role.KEEPER)
        agent, device = staff.person(Role.AGENT), staff.client(Role.AGENT)
        form = {"name": "agent one", "role": "keeper"}
        assert keeper.post(f"/en/staff/people/{agent.id}/change", data=form).status_code == 303
        assert device.get("/api/v1/me").status_code == 401
        assert log_in(staff.stranger(), "agent one", pin).status_code == 401
        entry = next(e for e in staff.ground.audit.all() if e.action == Action.ROLE_CHANGED)
        assert (entry.subject, entry.details) == (agent.id, {"role": "keeper"})

    def test_who_is_let_in_no_longer_is_out_at_once_and_may_come_back(self, staff: Staff) -> None:
        pin, keeper = staff.secret(Role.AGENT), staff.client(Role.KEEPER)
        agent, device = staff.person(Role.AGENT), staff.client(Role.AGENT)
        keeper.post(f"/en/staff/people/{agent.id}/active")
        assert device.get("/api/v1/me").status_code == 401
        assert log_in(staff.stranger(), "agent one", pin).status_code == 401
        keeper.post(f"/en/staff/people/{agent.id}/active")
        assert log_in(staff.stranger(), "agent one", pin).status_code == 303

    def test_the_last_keeper_stays(self, staff: Staff) -> None:
        keeper, person = staff.client(Role.KEEPER), staff.person(Role.KEEPER)
        own = staff.secret(Role.KEEPER)
        page = f"/en/staff/people/{person.id}"
        changed = {"name": "keeper one", "role": "agent"}
        assert keeper.post(f"{page}/active").status_code == 400
        assert keeper.post(f"{page}/change", data=changed).status_code == 400
        assert keeper.post(f"{page}/erase", data={"secret": own}).status_code == 400
        assert keeper.post("/en/staff/account/erase", data={"secret": own}).status_code == 400
        assert staff.ground.people.keepers() == [person]
        assert keeper.get("/api/v1/me").status_code == 200

    @pytest.mark.parametrize("path", ["", "/change", "/invite", "/active", "/end", "/export"])
    def test_there_is_nobody_of_that_id(self, staff: Staff, path: str) -> None:
        keeper, own = staff.client(Role.KEEPER), staff.secret(Role.KEEPER)
        address = f"/en/staff/people/nobody{path}"
        form = {"name": "x", "role": "agent", "own": own}
        answer = keeper.post(address, data=form) if path else keeper.get(address)
        assert answer.status_code == 404

    def test_a_look_at_a_person_is_written_down_once(self, staff: Staff) -> None:
        agent, keeper = staff.person(Role.AGENT), staff.client(Role.KEEPER)
        for _ in range(3):
            keeper.get(f"/en/staff/people/{agent.id}")
        looks = [e for e in staff.ground.audit.all() if e.action == Action.VIEWED_PRIVATE]
        assert [(e.actor, e.subject) for e in looks] == [(staff.person(Role.KEEPER).id, agent.id)]


class TestTablet:
    def code(self, staff: Staff) -> str:
        pin, agent = staff.secret(Role.AGENT), staff.person(Role.AGENT)
        form = {"person": agent.id, "own": pin}
        page = staff.client(agent).post("/en/staff/pair", data=form)
        assert "<svg" in page.text
        found = re.search(r"/agent/pair\?code=([A-Z-]+)", page.text)
        assert found is not None
        return found[1]

    def test_a_tablet_is_paired_by_a_tap_and_not_by_a_look(self, staff: Staff) -> None:
        code, tablet = self.code(staff), staff.stranger()
        for _ in range(2):  # a camera that looks ahead uses nothing up
            assert "agent one" in tablet.get(f"/agent/pair?code={code}").text
        answer = tablet.post("/agent/pair", data={"code": code, "device": "Blue tablet"})
        assert answer.status_code == 303
        assert "Max-Age=34560000" in cookie(answer, COOKIE)
        me = tablet.get("/api/v1/me").get_json()
        assert (me["role"], me["device"]) == ("agent", "Blue tablet")
        second = staff.stranger().post("/agent/pair", data={"code": code, "device": "x"})
        assert second.status_code == 400

    def test_a_wrong_code_says_so_and_asks_again(self, staff: Staff) -> None:
        page = staff.stranger().get("/agent/pair?code=BBBB-BBBB-BBBB")
        assert page.status_code == 400
        assert 'name="code"' in page.text
        assert staff.stranger().get("/agent/pair").status_code == 200

    def test_an_agent_pairs_for_nobody_else(self, staff: Staff) -> None:
        other = staff.person(Role.AGRONOMIST)
        form = {"person": other.id, "own": staff.secret(Role.AGENT)}
        answer = staff.client(Role.AGENT).post("/en/staff/pair", data=form)
        assert answer.status_code == 404
        assert "/agent/pair?code" not in answer.text

    def test_the_keeper_pairs_for_agents_and_agronomists_only(self, staff: Staff) -> None:
        for role in Role:
            staff.person(role)
        page = staff.client(Role.KEEPER).get("/en/staff/pair").text
        offered = {role for role in Role if staff.person(role).id in page}
        assert offered == {Role.AGENT, Role.AGRONOMIST}


class TestAudit:
    def test_the_keeper_sees_who_did_what_and_that_nothing_is_missing(self, staff: Staff) -> None:
        staff.client(Role.AGENT)
        keeper = staff.client(Role.KEEPER)
        page = keeper.get("/en/staff/audit").text
        assert "agent one" in page
        assert "Nothing was changed or taken out." in page
        staff.ground.store.table("audit").update({"actor": "x"}, doc_ids=[1])
        assert "Somebody changed this log" in keeper.get("/en/staff/audit").text


class TestMyData:
    def unzip(self, answer: TestResponse) -> zipfile.ZipFile:
        assert answer.mimetype == "application/zip"
        data = answer.data
        answer.close()
        return zipfile.ZipFile(io.BytesIO(data))

    def test_a_stolen_session_of_the_keeper_gets_nobodys_data(self, staff: Staff) -> None:
        village, keeper = Village(staff.ground), staff.client(Role.KEEPER)
        staff.secret(Role.KEEPER)
        for guess in ({}, {"export-secret": "123456"}):
            answer = keeper.post(f"/en/staff/people/{village.farmer.id}/export", data=guess)
            assert answer.mimetype == "text/html"
            assert answer.status_code in (400, 401, 403)

    def test_a_farmer_gets_everything_and_nothing_of_the_neighbour(self, staff: Staff) -> None:
        village, keeper = Village(staff.ground), staff.client(Role.KEEPER)
        staff.secret(Role.KEEPER)
        page = f"/en/staff/people/{village.farmer.id}/export"
        file = self.unzip(keeper.post(page, data={"export-secret": PASSPHRASE}))
        assert file.testzip() is None
        data = json.loads(file.read("data.json"))
        about = {event["id"] for event in data["about"]}
        theirs = {"farm of zineb", "field of zineb", "season of zineb", "seen", "corrected"}
        assert about == {village.events[name].id for name in theirs | {"consent"}}
        photos = {name for name in file.namelist() if name.startswith("photos/")}
        assert photos == {f"photos/{sha}.jpg" for sha in (village.photo, village.shared)}
        assert file.read(f"photos/{village.photo}.jpg") == staff.ground.photos.get(village.photo)
        html = file.read("index.html").decode()
        assert '<html lang="ar" dir="rtl">' in html
        assert village.farmer.name in html
        assert "Other farm" not in html + json.dumps(data)
        entry = staff.ground.audit.latest(1)[0]
        assert (entry.action, entry.subject) == (Action.EXPORTED, village.farmer.id)

    def test_an_agent_gets_what_they_recorded_and_no_secret(self, staff: Staff) -> None:
        pin, agent = staff.secret(Role.AGENT), staff.person(Role.AGENT)
        answer = staff.client(agent).post("/en/staff/account/export", data={"export-secret": pin})
        text = self.unzip(answer).read("data.json").decode()
        assert json.loads(text)["person"]["name"] == "agent one"
        assert "argon2" not in text

    def test_whoever_asks_is_forgotten_and_logged_out(self, staff: Staff) -> None:
        pin, agent = staff.secret(Role.AGENT), staff.person(Role.AGENT)
        device, other = staff.client(agent), staff.client(agent)
        answer = device.post("/en/staff/account/erase", data={"secret": pin})
        assert answer.status_code == 200
        assert "gone from this box" in answer.text
        for client in (device, other):
            assert client.get("/api/v1/me").status_code == 401
        assert log_in(staff.stranger(), "agent one", pin).status_code == 401

    @pytest.mark.parametrize("asked", [False, True])
    def test_the_answers_of_a_phone_go_only_when_asked(self, staff: Staff, asked: bool) -> None:
        log = DiagnosisLog(staff.ground.store, staff.ground.photos)
        answer = log.record(verdict())
        pin, device = staff.secret(Role.AGENT), staff.client(Role.AGENT)
        device.set_cookie(history.COOKIE, answer.id)
        assert 'name="answers"' in device.get("/en/staff/account/erase").text
        form = {"secret": pin} | ({"answers": "1"} if asked else {})
        assert device.post("/en/staff/account/erase", data=form).status_code == 200
        assert (log.get(answer.id) is None) is asked
        left = device.get_cookie(history.COOKIE)
        assert (left is None) is asked


class TestTeaching:
    def test_who_is_logged_in_teaches_without_the_pin(self, staff: Staff) -> None:
        device = staff.client(Role.AGENT)
        page = device.get("/fr/teach/TRZAX")
        assert page.status_code == 200
        assert 'name="pin"' not in page.text
        data = {**files(6), "condition": "PUCCST", "csrf": token_of(page)}
        device.environ_base.pop("HTTP_X_GHALLA_CSRF")
        answer = device.post("/fr/teach/TRZAX", data=data, content_type="multipart/form-data")
        assert answer.status_code == 200
        assert len(staff.node.sets) == 1

    def test_a_farmer_a_stranger_and_a_forged_form_need_the_pin(self, staff: Staff) -> None:
        assert staff.stranger().get("/fr/teach").status_code == 404
        assert staff.client(Role.FARMER).get("/fr/teach").status_code == 404
        device = staff.client(Role.AGENT)
        device.environ_base.pop("HTTP_X_GHALLA_CSRF")
        data = {**files(6), "condition": "PUCCST"}
        answer = device.post("/fr/teach/TRZAX", data=data, content_type="multipart/form-data")
        assert answer.status_code == 400
        assert staff.node.sets == []
