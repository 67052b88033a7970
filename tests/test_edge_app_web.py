"""The pages and the HTTP API, asked as a phone or a program asks them."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from edge_app.advice import Advice, load_advice
from edge_app.answer import spoken_code
from edge_app.farmer import history, uploads
from edge_app.farmer.words import ERRORS, FAULTS
from edge_app.i18n import OWN_NAMES
from edge_app.languages import LANGS
from edge_app.web import create_app
from field_data.errors import BusyError, KeeperError, PersonError
from field_data.ids import new_id
from field_data.types import Instant, PhotoFault, Status, Trust
from tests.fakes import WITH_MODEL, FakeNode, one_of_each, verdict
from tests.phones import JPEG, files, phone_of

KINDS = tuple(one_of_each())


@pytest.fixture(scope="module")
def advice() -> Advice:
    return load_advice()


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture
def phone(node: FakeNode) -> FlaskClient:
    return phone_of(node)


def send(phone: FlaskClient, path: str = "/fr/photo/LYPES", **form: Any) -> TestResponse:
    data = {**files(form.pop("count", 1)), **form}
    return phone.post(path, data=data, content_type="multipart/form-data")


class TestJourney:
    def test_photos_become_a_result_page(self, phone: FlaskClient, node: FakeNode) -> None:
        sent = send(phone, count=3)
        assert sent.status_code == 303
        assert re.fullmatch(r"/fr/result/[\w-]{16,}", sent.location)
        [(photos, crop, keep)] = node.asks
        assert ([data for _, data in photos], crop, keep) == ([JPEG] * 3, "LYPES", None)
        page = phone.get(sent.location)
        assert "Mildiou" in page.text
        assert "2 photos sur 3 le montrent" in page.text
        assert "presque sûr" in page.text
        assert "leaf_health 1.0.0" in page.text

    def test_unknown_plant_is_left_to_the_node(self, phone: FlaskClient, node: FakeNode) -> None:
        send(phone, "/ar/photo/any")
        assert node.asks[0][1] is None

    def test_photos_are_kept_only_with_consent(self, phone: FlaskClient, node: FakeNode) -> None:
        assert 'type="checkbox" name="keep" value="1">' in phone.get("/en/photo/LYPES").text
        shown = phone.get(send(phone, keep="1").location).text
        assert node.asks[0][2] == uploads.CONSENT_VERSION
        photo = re.search(r'src="(/fr/result/[^"]+/photo/0)"', shown)
        assert photo
        kept = phone.get(photo[1])
        assert (kept.data, kept.headers["Cache-Control"]) == (JPEG, "no-store")
        assert phone.get(photo[1].replace("/photo/0", "/photo/7")).status_code == 404

    def test_advice_comes_in_order_with_chemicals_last_and_folded(
        self, phone: FlaskClient, node: FakeNode
    ) -> None:
        page = phone.get(f"/en/result/{node.put(verdict())}").text
        titles = ["Do this first", "Do not", "When it is worth treating", "Prevent", "Whom to ask"]
        places = [page.index(f"<span>{title}</span>") for title in titles]
        assert places == sorted(places)
        last = page.index("<span>Last choice: chemicals</span>")
        assert max(places) < last
        assert page.rindex("<details", 0, last) > page.rindex("</details>", 0, last)
        assert "Only when the problem is above the threshold" in page[last:]

    def test_every_fact_names_its_source_and_review(
        self, phone: FlaskClient, node: FakeNode, advice: Advice
    ) -> None:
        card = advice.card("LYPES", "PHYTIN")
        assert card
        page = phone.get(f"/en/card/{card.id}").text
        assert page.count('class="origin"') == len(card.facts)
        unread = sum(not fact.reviewed_by for fact in card.facts)
        assert unread
        assert page.count("not yet reviewed by an agronomist") == unread

    def test_agent_gets_a_code_to_hear(self, phone: FlaskClient, node: FakeNode) -> None:
        id = node.put(verdict())
        assert phone.get(f"/fr/result/{id}/agent").location == f"/fr/result/{id}"
        asked = phone.post(f"/fr/result/{id}/agent")
        assert (asked.status_code, node.asked_agent(id)) == (303, True)
        code = spoken_code(id)
        assert re.fullmatch(r"\d{6}", code)
        assert f"{code[:3]} {code[3:]}" in phone.get(asked.location).text
        assert "voir le numéro" in phone.get(f"/fr/result/{id}").text

    def test_retake_link_keeps_the_crop(self, phone: FlaskClient, node: FakeNode) -> None:
        id = node.put(one_of_each()["poor_photo"])
        assert 'href="/en/photo/LYPES"' in phone.get(f"/en/result/{id}").text


class TestResultPages:
    @pytest.mark.parametrize("lang", LANGS)
    @pytest.mark.parametrize("kind", KINDS)
    def test_each_kind_in_each_language(
        self, phone: FlaskClient, node: FakeNode, kind: str, lang: str
    ) -> None:
        page = phone.get(f"/{lang}/result/{node.put(one_of_each()[kind])}")
        assert page.status_code == 200
        assert f'<html lang="{lang}" dir="{"rtl" if lang == "ar" else "ltr"}">' in page.text
        expected = "confident" if kind == "mixed" else kind
        assert f'class="answer {expected}"' in page.text

    def test_alert_is_never_confirmed(self, phone: FlaskClient, node: FakeNode) -> None:
        sure = replace(one_of_each()["alert"], status=Status.CONFIDENT)
        for diagnosis in (one_of_each()["alert"], sure):
            page = phone.get(f"/en/result/{node.put(diagnosis)}").text
            assert "This could be a dangerous pest" in page
            assert "not confirmed" in page
            assert "almost sure" not in page
            assert "We think it is" not in page

    def test_not_sure_shows_three_at_most_and_no_treatment(
        self, phone: FlaskClient, node: FakeNode
    ) -> None:
        many = [("LYPES", c, 0.2) for c in ("SEPTLY", "ALTESO", "PHYTIN", "XANTEU", "GNORAB")]
        page = phone.get(f"/en/result/{node.put(verdict(Status.UNCERTAIN, candidates=many))}").text
        assert "We are not sure" in page
        assert page.count('href="/en/card/') == 3
        assert "chemicals" not in page

    def test_another_plant_among_the_possibilities_is_named(
        self, phone: FlaskClient, node: FakeNode
    ) -> None:
        two = [("LYPES", "ALTESO", 0.4), ("SOLTU", "PHYTIN", 0.3)]
        page = phone.get(f"/en/result/{node.put(verdict(Status.UNCERTAIN, candidates=two))}").text
        assert "(Potato)</strong>" in page
        assert "(Tomato)</strong>" not in page

    def test_each_fault_says_how_to_retake(self, phone: FlaskClient, node: FakeNode) -> None:
        page = phone.get(f"/en/result/{node.put(one_of_each()['poor_photo'])}").text
        assert set(FAULTS) == set(PhotoFault)
        for number in range(1, len(PhotoFault) + 1):
            assert f"<strong>Photo {number}.</strong>" in page
        assert "Come near: one leaf fills the photo." in page

    def test_no_model_lists_the_crops_problems(
        self, phone: FlaskClient, node: FakeNode, advice: Advice
    ) -> None:
        page = phone.get(f"/fr/result/{node.put(one_of_each()['no_model'])}").text
        cards = advice.cards_for("OLVEU")
        assert cards
        assert all(f"/fr/card/{card.id}" in page for card in cards)
        assert "Demander à un agent" in page

    def test_no_date_is_claimed_when_the_clock_is_not_set(
        self, phone: FlaskClient, node: FakeNode
    ) -> None:
        known = phone.get(f"/en/result/{node.put(verdict())}").text
        lost = verdict(at=Instant(0.0, Trust.UNKNOWN))
        page = phone.get(f"/en/result/{node.put(lost)}").text
        assert re.search(r"\d\d/\d\d/2026", known)
        assert "1970" not in page

    def test_a_condition_without_card_is_still_answered(
        self, phone: FlaskClient, node: FakeNode
    ) -> None:
        odd = verdict(candidates=[("LYPES", "XXXXXX", 0.95)], photos=())
        page = phone.get(f"/en/result/{node.put(odd)}")
        assert page.status_code == 200
        assert "We have no advice for this yet" in page.text


class TestPages:
    @pytest.mark.parametrize("lang", LANGS)
    @pytest.mark.parametrize(
        "path", ["/", "/photo/LYPES", "/photo/OLVEU", "/photo/any", "/crop/TRZAX", "/history",
                 "/privacy", "/health", "/card/LYPES.PHYTIN"],
    )  # fmt: skip
    def test_every_page_switches_language_in_place(
        self, phone: FlaskClient, lang: str, path: str
    ) -> None:
        page = phone.get(f"/{lang}{path}")
        assert page.status_code == 200
        for other, name in OWN_NAMES.items():
            assert re.search(f'<a href="/{other}{path}"[^>]*>{name}</a>', page.text), other

    def test_start_goes_to_the_last_language(self, phone: FlaskClient) -> None:
        assert phone.get("/", headers={"Accept-Language": "fr"}).location == "/fr/"
        phone.get("/zgh/")
        assert phone.get("/", headers={"Accept-Language": "fr"}).location == "/zgh/"

    def test_every_card_has_a_page(self, phone: FlaskClient, advice: Advice) -> None:
        for card in advice.cards:
            assert phone.get(f"/ar/card/{card.id}").status_code == 200, card.id

    def test_home_marks_crops_without_a_model(self, phone: FlaskClient, advice: Advice) -> None:
        page = phone.get("/en/").text
        known, others = page.split("For these plants we help you by what you see")
        assert page.count('href="/en/photo/') == len(advice.crops) + 1
        assert "/en/photo/LYPES" in known
        assert "/en/photo/OLVEU" in others

    def test_health_names_what_is_broken(self, phone: FlaskClient, node: FakeNode) -> None:
        page = phone.get("/fr/health").text
        assert "leaf_health/model.onnx is missing" in page
        told = phone.get("/health").get_json()
        assert told["ok"] is False
        assert told["parts"][1] == {
            "name": "model",
            "ok": False,
            "code": "model_missing",
            "detail": "leaf_health/model.onnx is missing",
        }
        node.parts.pop()
        assert phone.get("/health").get_json()["ok"] is True

    def test_audio_only_where_recorded(self, node: FakeNode, advice: Advice, tmp_path: Any) -> None:
        (tmp_path / "audio").mkdir()
        (tmp_path / "audio" / "LYPES.PHYTIN.ar.mp3").write_bytes(b"sound")
        phone = create_app(node, Advice(advice.crops, advice.cards, tmp_path)).test_client()
        assert "<audio" in phone.get("/ar/card/LYPES.PHYTIN").text
        assert "<audio" not in phone.get("/fr/card/LYPES.PHYTIN").text
        with phone.get("/ar/card/LYPES.PHYTIN/audio") as sound:
            assert (sound.data, sound.mimetype) == (b"sound", "audio/mpeg")
        assert phone.get("/fr/card/LYPES.PHYTIN/audio").status_code == 404
        assert phone.get("/ar/card/..%2f..%2fetc/audio").status_code == 404


class TestHistory:
    def test_this_phone_only(self, phone: FlaskClient, node: FakeNode, advice: Advice) -> None:
        send(phone)
        assert "Mildiou" in phone.get("/fr/history").text
        other = phone_of(node)
        assert "Rien pour l'instant" in other.get("/fr/history").text

    def test_cookie_is_out_of_reach_of_scripts_and_sites(self, phone: FlaskClient) -> None:
        cookies = send(phone).headers.getlist("Set-Cookie")
        [history] = [c for c in cookies if c.startswith("history=")]
        assert "HttpOnly" in history
        assert "SameSite=Lax" in history

    def test_only_the_last_ones(self, phone: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(history, "KEPT", 5)
        ids = [send(phone).location.rsplit("/", 1)[1] for _ in range(7)]
        page = phone.get("/fr/history").text
        assert [id for id in ids if id in page] == ids[2:]

    def test_the_cookie_fits_into_a_browser(self) -> None:
        assert history.KEPT * len(f"{new_id()}.") < 3900

    def test_erase_one_and_all(self, phone: FlaskClient, node: FakeNode) -> None:
        ids = [send(phone, keep="1").location.rsplit("/", 1)[1] for _ in range(3)]
        phone.post("/fr/history/erase", data={"id": ids[1]})
        assert [node.diagnosis(id) is None for id in ids] == [False, True, False]
        assert phone.get(f"/fr/result/{ids[1]}").status_code == 404
        phone.post("/fr/history/erase")
        assert all(node.diagnosis(id) is None for id in ids)
        assert "Rien pour l'instant" in phone.get("/fr/history").text

    def test_nobody_erases_what_is_anothers(self, phone: FlaskClient, node: FakeNode) -> None:
        id = node.put(verdict())
        phone.post("/fr/history/erase", data={"id": id})
        assert node.diagnosis(id) is not None
        assert "Effacer cette réponse" not in phone.get(f"/fr/result/{id}").text

    @pytest.mark.parametrize("cookie", ["", "....", "a.b.c", "../../etc/passwd", "é" * 30, "x" * 9])
    def test_a_strange_cookie_does_no_harm(self, phone: FlaskClient, cookie: str) -> None:
        page = phone.get("/en/history", headers={"Cookie": f"history={cookie}"})
        assert page.status_code == 200
        assert "Nothing yet" in page.text


class TestRefusals:
    def test_no_photo(self, phone: FlaskClient, node: FakeNode) -> None:
        for data in ({}, {"photo": (BytesIO(b""), "")}, {"wrong": (BytesIO(JPEG), "a.jpg")}):
            page = phone.post("/fr/photo/LYPES", data=data, content_type="multipart/form-data")
            assert page.status_code == 400
            assert "Aucune photo" in page.text
        assert node.asks == []

    def test_seven_photos(self, phone: FlaskClient, node: FakeNode) -> None:
        page = send(phone, count=7)
        assert page.status_code == 400
        assert "une à six photos" in page.text
        assert 'id="send"' in page.text
        assert send(phone, count=6).status_code == 303

    def test_one_heavy_photo(self, phone: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
        assert uploads.MAX_PHOTO_BYTES == 15 * 1024 * 1024
        limit = 1000
        monkeypatch.setattr(uploads, "MAX_PHOTO_BYTES", limit)
        heavy = phone.post("/ar/photo/LYPES", data=files(1, data=b"x" * (limit + 1)))
        assert heavy.status_code == 413
        assert "15 ميغا" in heavy.text
        assert phone.post("/ar/photo/LYPES", data=files(1, data=b"x" * limit)).status_code == 303

    def test_all_photos_too_heavy(self, phone: FlaskClient) -> None:
        length = {"CONTENT_LENGTH": str(uploads.MAX_REQUEST_BYTES + 1)}
        page = phone.post(
            "/fr/photo/LYPES",
            content_type="multipart/form-data; boundary=x",
            environ_overrides=length,
        )
        assert page.status_code == 413
        assert "64 Mo" in page.text

    @pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\x\\leaf.jpg",
                                      "<script>.jpg", "ورقة.jpg", "x" * 5000, "/"])  # fmt: skip
    def test_names_are_only_shown(self, phone: FlaskClient, node: FakeNode, name: str) -> None:
        assert phone.post("/fr/photo/LYPES", data=files(1, name)).status_code == 303
        shown = node.asks[0][0][0][0]
        assert not set("/\\<>\r\n") & set(shown)
        assert 0 < len(shown) <= 80
        assert "ورقة" not in name or shown == name

    def test_no_line_breaks_in_a_name(self) -> None:
        assert uploads.shown_name("x/a\r\nSet-Cookie: b=1.jpg") == "a__Set-Cookie_ b_1.jpg"

    @pytest.mark.parametrize("code", sorted(set(ERRORS) - {"busy", "cross_site", "keeper"}))
    def test_what_the_node_refuses_is_said_in_the_phones_language(
        self, phone: FlaskClient, node: FakeNode, code: str
    ) -> None:
        node.next = PersonError(code)
        page = send(phone, "/ar/photo/LYPES")
        notice = re.search(r'<p id="problem">(.*?)</p>', page.text)
        assert page.status_code in (400, 404, 413, 429)
        assert notice
        assert re.search("[ء-ي]{3}", notice[1])

    def test_busy_says_when_to_come_back(self, phone: FlaskClient, node: FakeNode) -> None:
        node.next = BusyError(7)
        page = send(phone, "/fr/photo/LYPES")
        assert (page.status_code, page.headers["Retry-After"]) == (503, "7")
        assert "Réessayez dans 7 secondes." in page.text

    def test_disk_full_is_the_keepers_business(self, phone: FlaskClient, node: FakeNode) -> None:
        node.next = KeeperError("disk_full")
        page = send(phone)
        assert page.status_code == 503
        assert "mémoire de ce boîtier est pleine" in page.text
        node.next = KeeperError("something_new")
        assert "Ce boîtier a un problème" in send(phone).text

    def test_a_fault_of_ours_is_a_page_too(self, phone: FlaskClient, node: FakeNode) -> None:
        node.next = RuntimeError("secret path")
        page = send(phone)
        assert page.status_code == 500
        assert "Réessayez" in page.text
        assert "secret" not in page.text

    @pytest.mark.parametrize(
        "path", ["/fr/nothing", "/fr/photo/XXXXX", "/fr/result/x", "/xx/", "/fr/card/x",
                 "/fr/crop/any", "/fr/result/x/photo/0"],
    )  # fmt: skip
    def test_not_found(self, phone: FlaskClient, path: str) -> None:
        page = phone.get(path, headers={"Accept-Language": "fr"})
        assert page.status_code == 404
        assert "Il n&#39;y a rien ici" in page.text or "Il n'y a rien ici" in page.text

    def test_wrong_method(self, phone: FlaskClient) -> None:
        assert phone.get("/fr/history/erase").status_code == 405


def test_a_node_without_any_model_says_so(phone: FlaskClient, node: FakeNode) -> None:
    node.with_model = frozenset()
    node.next = verdict(Status.NO_MODEL, "LYPES", (), photos=())
    words = str(ERRORS["keeper"])
    assert words in phone.get("/en/").text
    assert words in phone.get(send(phone).location.replace("/fr/", "/en/")).text
    node.with_model = WITH_MODEL
    assert words not in phone.get("/en/").text
