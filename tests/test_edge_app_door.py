"""Who comes over which network: the portal, http and https, floods, IPv6, and a stolen tablet."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from edge_app.access.nearness import is_local, is_loopback, plain_address
from edge_app.access.pace import BURST, Pace
from edge_app.farmer.portal import is_foreign
from edge_app.farmer.portal_probes import PROBE_HOSTS, PROBES
from edge_app.settings import Settings
from edge_app.tls_keys import make_ready
from field_data.people import Role
from tests.conftest import NO_TUN
from tests.people import Staff
from tests.phones import files
from tests.serving import ServedNode
from tests.test_edge_app_https import free_port

PHONE, OTHER = "10.87.0.31", "10.87.0.32"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Staff]:
    with Staff(tmp_path / "home", Settings(box_root=str(tmp_path / "root"))) as made:
        yield made


def get(phone: FlaskClient, url: str, address: str = PHONE) -> TestResponse:
    return phone.get(url, environ_overrides={"REMOTE_ADDR": address})


class TestPortal:
    def test_a_phone_that_asks_is_led_to_the_page_and_then_let_go(self, box: Staff) -> None:
        phone, page = box.stranger(), "http://ghalla.local/portal"
        questions = [f"http://{host}{path}" for host in PROBE_HOSTS for path in PROBES]
        for question in questions:
            asked = get(phone, question)
            assert (asked.status_code, asked.headers["Location"]) == (302, page)
        own, origin = {"REMOTE_ADDR": PHONE}, {"Origin": "http://ghalla.local"}
        assert phone.post(page, environ_overrides=own, headers=origin).status_code == 303
        for question in questions:
            answer, expected = get(phone, question), PROBES["/" + question.split("/", 3)[3]]
            assert (answer.status_code, answer.text) == (expected.status, expected.body)
            # Nobody else was let go.
            assert get(phone, question, OTHER).status_code == 302

    def test_the_page_only_says_where_to_go(self, box: Staff) -> None:
        page = get(box.stranger(), "http://ghalla.local/portal").text
        for words in ("Ouvrez cette adresse", "افتح هذا العنوان", "Open this address", "<svg"):
            assert words in page
        assert "<a " not in page
        assert "<script" not in page

    def test_any_other_site_leads_there_too(self, box: Staff) -> None:
        answer = get(box.stranger(), "http://example.com/index.html?x=1")
        assert answer.headers["Location"] == "http://ghalla.local/portal"

    def test_where_there_is_no_box_nothing_is_caught(self, tmp_path: Path) -> None:
        with Staff(tmp_path) as plain:
            assert get(plain.stranger(), "http://example.com/fr/").status_code == 200
            assert get(plain.stranger(), "http://example.com/generate_204").status_code == 404

    @pytest.mark.parametrize(
        ("host", "foreign"),
        [("ghalla.local", False), ("GHALLA.LOCAL:80", False), ("ghalla-bcdfgh.local", False),
         ("10.87.0.1", False), ("10.87.0.1:8080", False), ("[fd67:6861:6c6c:6100::1]:80", False),
         ("[fe80::1]", False), ("localhost:8080", False), ("ghalla", False),
         ("example.com", True), ("ghalla.local.example.com", True), ("10.87.0.1.nip.io", True)],
    )  # fmt: skip
    def test_its_own_names_are_never_caught(self, host: str, foreign: bool) -> None:
        assert is_foreign(host) is foreign


class TestHttps:
    @pytest.fixture
    def secure(self, box: Staff, tmp_path: Path) -> Staff:
        box.ground.tls = make_ready(tmp_path / "tls", box.ground.node, [])
        return box

    @pytest.mark.parametrize(
        "path", ["/fr/staff/login", "/fr/staff/", "/agent/pair?code=1", "/agent/"]
    )
    def test_what_needs_a_secret_is_sent_to_https(self, secure: Staff, path: str) -> None:
        answer = get(secure.stranger(), f"http://10.87.0.1{path}")
        assert (answer.status_code, answer.headers["Location"]) == (
            302,
            f"https://10.87.0.1:0{path}",
        )

    def test_a_secret_that_came_in_the_clear_is_refused_with_the_reason(
        self, secure: Staff
    ) -> None:
        data = {"login": "agent one", "secret": secure.secret(Role.AGENT)}
        answer = secure.stranger().post(
            "http://10.87.0.1/en/staff/login", data=data, environ_overrides={"REMOTE_ADDR": PHONE}
        )
        assert answer.status_code == 403
        assert "secure address" in answer.text
        assert "Set-Cookie" not in answer.headers
        api = get(secure.client(Role.AGENT), "http://10.87.0.1/api/v1/forms")
        assert (api.status_code, api.get_json()["code"]) == (403, "needs_https")

    @pytest.mark.parametrize(
        "path", ["/fr/", "/fr/photo/LYPES", "/fr/staff/tablet", "/ghalla-ca.crt", "/portal"]
    )
    def test_farmers_and_who_learns_to_trust_stay_on_http(self, secure: Staff, path: str) -> None:
        assert get(secure.stranger(), f"http://10.87.0.1{path}").status_code == 200

    def test_on_this_machine_and_without_https_everything_is_as_it_was(self, secure: Staff) -> None:
        assert get(secure.stranger(), "/en/staff/login", "127.0.0.1").status_code == 200
        secure.ground.tls = None
        assert get(secure.stranger(), "/en/staff/login").status_code == 200


class TestPace:
    def test_a_burst_then_a_steady_pace_for_each_address(self) -> None:
        now = [0.0]
        pace = Pace(3, 10.0, lambda: now[0])
        assert [pace.wait_s("a") for _ in range(5)] == [0, 0, 0, 10, 10]
        assert pace.wait_s("b") == 0
        now[0] = 10.0
        assert [pace.wait_s("a") for _ in range(2)] == [0, 10]
        now[0] = 1000.0
        assert [pace.wait_s("a") for _ in range(4)] == [0, 0, 0, 10]

    def test_a_million_addresses_take_no_memory(self) -> None:
        pace = Pace(1, 1e9)
        for number in range(5000):
            pace.wait_s(str(number))
        assert len(pace._full_at) <= 2048
        assert pace.wait_s("4999") > 0

    @pytest.mark.parametrize("address", [PHONE, f"::ffff:{PHONE}", "fd67:6861:6c6c:6100::31"])
    def test_a_phone_that_floods_is_told_to_wait_and_others_are_served(
        self, box: Staff, address: str
    ) -> None:
        def send(phone: str) -> TestResponse:
            return box.stranger().post(
                "/en/photo/LYPES", data=files(1), environ_overrides={"REMOTE_ADDR": phone}
            )

        assert {send(address).status_code for _ in range(BURST)} == {303}
        refused = send(address)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 6
        assert "sends very many" in refused.text
        api = box.stranger().post(
            "/api/v1/diagnose", data=files(1), environ_overrides={"REMOTE_ADDR": address}
        )
        assert (api.status_code, api.get_json()["code"]) == (429, "too_fast")
        assert int(api.headers["Retry-After"]) >= 1
        assert send(OTHER).status_code == 303
        assert {send("127.0.0.1").status_code for _ in range(2 * BURST)} == {303}
        # Pages go on for the phone that waits.
        assert get(box.stranger(), "/en/", address).status_code == 200


def test_addresses_have_one_writing() -> None:
    assert plain_address("::ffff:10.87.0.5") == "10.87.0.5"
    assert plain_address("fe80::1%wlan0") == "fe80::1"
    assert plain_address("unix:") == plain_address(None) == ""
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("")
    assert all(map(is_local, ("192.168.1.4", "fd00::1", "::ffff:10.0.0.1", "fe80::7%eth0")))
    assert not any(map(is_local, ("8.8.8.8", "2001:db8::1", "")))


def test_a_stolen_tablet_is_locked_out_at_once_and_its_owner_is_not(box: Staff) -> None:
    thief, keeper = box.client(Role.AGENT), box.client(Role.KEEPER)
    agent = box.person(Role.AGENT)
    code = box.ground.gate.pairing_code(agent.id, agent)  # another code lies about
    assert thief.get("/api/v1/land").status_code == 200
    ended = keeper.post(f"/en/staff/people/{agent.id}/end")
    assert ended.status_code == 303
    for path in ("/api/v1/land", "/api/v1/me", "/api/v1/sky"):
        assert thief.get(path).status_code == 401
    assert box.ground.gate.pairing_of(code) is None
    # The person goes on with another tablet.
    again = box.ground.gate.pairing_code(agent.id, agent)
    new = box.stranger()
    assert new.post("/agent/pair", data={"code": again, "device": "new"}).status_code == 303
    assert new.get("/api/v1/land").status_code == 200


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedNode]:
    """A node that listens on ``::``, with https."""
    home = tmp_path_factory.mktemp("both") / "home"
    with ServedNode(home, GHALLA_HOST="::", GHALLA_HTTPS_PORT=str(free_port())) as served:
        yield served


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_one_listener_serves_both_protocols(both: ServedNode, host: str) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip(NO_TUN)
    port = int(both.address.rsplit(":", 1)[1])
    line = http.client.HTTPConnection(host, port, timeout=20)
    line.request("GET", "/fr/")
    assert line.getresponse().status == 200
    line.close()
    secure_port = int(next(each for each in both.addresses if "https" in each).rsplit(":", 1)[1])
    trusting = ssl.create_default_context(cafile=both.home / "tls" / "ca.crt")
    secure = http.client.HTTPSConnection(host, secure_port, timeout=20, context=trusting)
    secure.request("GET", "/en/staff/login")  # the leaf vouches for this address as well
    assert secure.getresponse().status == 200
    secure.close()


def test_over_https_the_node_knows_who_is_behind_the_pipe(both: ServedNode) -> None:
    """From the machine's own address outside loopback: no longer taken for loopback."""
    own = [each for each in both.addresses if "https" in each and "127." not in each]
    if not own:
        pytest.skip(NO_TUN)
    trusting = ssl.create_default_context(cafile=both.home / "tls" / "ca.crt")
    trusting.check_hostname = False
    place = own[0].removeprefix("https://")
    line = http.client.HTTPSConnection(place, timeout=30, context=trusting)
    codes = []
    for _ in range(BURST + 1):
        line.request(
            "POST", "/api/v1/diagnose?lang=en", b"no photo", {"Content-Type": "image/jpeg"}
        )
        codes.append(json.loads(line.getresponse().read())["code"])
    line.close()
    assert codes == ["not_an_image"] * BURST + ["too_fast"]
