"""The agent's page: PIN, form, what was taken and refused, undo; the mark on the farmer's page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse

from edge_app.advice import load_advice
from edge_app.answer import answer
from edge_app.farmer.teach import MOST_PHOTOS
from edge_app.farmer.uploads import read_photos
from edge_app.languages import LANGS
from edge_app.pin import PAUSE_S, TRIES, PinGuard
from edge_app.settings import Settings
from edge_app.teaching import Lesson, new_condition
from field_data.errors import KeeperError, PersonError
from field_data.types import Candidate, Status
from tests.fakes import FakeNode, verdict
from tests.phones import JPEG, files, phone_of

PIN = "241311"


@pytest.fixture
def node() -> FakeNode:
    made = FakeNode()
    made.pin = PinGuard(PIN)
    return made


@pytest.fixture
def phone(node: FakeNode) -> FlaskClient:
    return phone_of(node)


def teach(phone: FlaskClient, count: int = 6, lang: str = "fr", **form: str) -> TestResponse:
    data = {**files(count), "condition": "PUCCST", "pin": PIN, **form}
    return phone.post(f"/{lang}/teach/TRZAX", data=data, content_type="multipart/form-data")


def test_without_a_pin_there_is_no_page(node: FakeNode, phone: FlaskClient) -> None:
    node.pin = PinGuard("")
    assert phone.get("/fr/teach").status_code == 404
    assert phone.get("/fr/teach/TRZAX").status_code == 404
    assert teach(phone, pin="").status_code == 404
    assert phone.post("/fr/teach/undo", data={"pin": ""}).status_code == 404
    assert node.sets == []


@pytest.mark.parametrize("lang", LANGS)
def test_the_pages_exist_in_every_language(phone: FlaskClient, lang: str) -> None:
    assert teach(phone, lang=lang).status_code == 200
    for path in ("teach", "teach/TRZAX"):
        page = phone.get(f"/{lang}/{path}")
        assert page.status_code == 200
        assert f'lang="{lang}"' in page.text
        assert "&lt;span" not in page.text


def test_the_list_offers_what_cards_say_and_the_model_does_not_know(phone: FlaskClient) -> None:
    wheat = phone.get("/en/teach/TRZAX").text
    assert 'value="PUCCST"' in wheat
    assert 'value="healthy"' in wheat
    assert " selected" not in wheat, "nothing is taught that nobody chose"
    tomato = phone.get("/en/teach/LYPES").text
    assert 'value="PHYTIN"' not in tomato
    assert 'value="healthy"' not in tomato
    assert phone.get("/en/teach/NOSUCH").status_code == 404


def test_what_was_taken_and_refused_is_said(node: FakeNode, phone: FlaskClient) -> None:
    photos = [(BytesIO(JPEG), f"{n}.jpg") for n in range(6)] + [(BytesIO(JPEG), "blur.jpg")]
    data = {"photo": photos, "condition": "PUCCST", "pin": PIN}
    page = phone.post("/en/teach/TRZAX", data=data, content_type="multipart/form-data")
    assert page.status_code == 200
    assert "local, 6 photos" in page.text
    assert "blur.jpg" in page.text
    assert "Hold the phone still" in page.text
    assert "/en/photo/TRZAX" in page.text
    [made] = node.sets
    assert (made.crop, made.condition) == ("TRZAX", "PUCCST")


def test_a_new_condition_is_named(node: FakeNode, phone: FlaskClient) -> None:
    assert "ورق أصفر" in teach(phone, condition="new", name=" ورق  أصفر ").text
    [made] = node.sets
    assert (made.condition, made.name) == (new_condition("ورق أصفر"), "ورق أصفر")
    nameless = teach(phone, condition="new", name="  ")
    assert nameless.status_code == 400
    assert "écrivez son nom" in nameless.text


def test_names_are_harmless(phone: FlaskClient) -> None:
    page = teach(phone, condition="new", name="<script>alert(1)</script>")
    assert "<script>alert" not in page.text


def test_too_few_and_too_many_photos(node: FakeNode, phone: FlaskClient) -> None:
    few = teach(phone, 1)
    assert few.status_code == 400
    assert "au moins cinq" in few.text
    many = teach(phone, MOST_PHOTOS + 1)
    assert many.status_code == 400
    assert "vingt au plus" in many.text
    assert teach(phone, 0).status_code == 400
    assert node.sets == []


def test_the_photos_of_a_lesson_are_never_in_memory_together(
    node: FakeNode, phone: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counting(files: list[FileStorage]) -> list[tuple[str, bytes]]:
        read.append(len(files))
        return read_photos(files)

    def teaching(_crop: str, _condition: str, _name: str, photos: Iterator[object]) -> Lesson:
        for place, _ in enumerate(photos, start=1):
            assert read == [1] * place
        return Lesson(node.sets[0], (), ())

    teach(phone)
    monkeypatch.setattr("edge_app.farmer.teach.read_photos", counting)
    monkeypatch.setattr(node, "teach", teaching)
    assert teach(phone, MOST_PHOTOS).status_code == 200
    assert len(read) == MOST_PHOTOS


def test_a_wrong_pin_teaches_nothing(node: FakeNode, phone: FlaskClient) -> None:
    for pin in ("", "000000", "٢٤١٣١١", PIN + "0"):
        page = teach(phone, pin=pin)
        assert page.status_code == 400
        assert "code PIN" in page.text
        assert PIN not in page.text
    assert node.sets == []


def test_after_five_wrong_pins_everybody_waits(node: FakeNode) -> None:
    seconds = [0.0]
    guard = PinGuard(PIN, lambda: seconds[0])
    for _ in range(TRIES):
        with pytest.raises(PersonError) as caught:
            guard.check("no")
        assert caught.value.code == "wrong_pin"
    with pytest.raises(PersonError) as caught:
        guard.check(PIN)
    assert caught.value.code == "too_many_tries"
    seconds[0] = PAUSE_S + 1
    guard.check(PIN)


def test_a_right_pin_forgives_the_wrong_ones() -> None:
    guard = PinGuard(PIN)
    for _ in range(3 * TRIES):
        with pytest.raises(PersonError):
            guard.check("no")
        guard.check(PIN)


def test_a_short_pin_is_refused_in_the_settings() -> None:
    with pytest.raises(KeeperError):
        Settings(teach_pin="12345")
    assert Settings(teach_pin=PIN).teach_pin == PIN


def test_undo(node: FakeNode, phone: FlaskClient) -> None:
    teach(phone)
    wish = {"crop": "TRZAX", "condition": "PUCCST"}
    assert phone.post("/fr/teach/undo", data={**wish, "pin": "000000"}).status_code == 400
    assert node.sets
    assert "Rouille jaune" in phone.get("/fr/teach").text
    done = phone.post("/fr/teach/undo", data={**wish, "pin": PIN})
    assert (done.status_code, done.location) == (303, "/fr/teach")
    assert node.sets == []
    gone = phone.post("/fr/teach/undo", data={**wish, "pin": PIN})
    assert gone.status_code == 400


def test_other_sites_cannot_teach(node: FakeNode, phone: FlaskClient) -> None:
    data = {**files(6), "condition": "PUCCST", "pin": PIN}
    foreign = {"Origin": "http://elsewhere.example"}
    sent = phone.post(
        "/fr/teach/TRZAX", data=data, content_type="multipart/form-data", headers=foreign
    )
    assert sent.status_code == 403
    assert node.sets == []


@pytest.mark.parametrize("status", [Status.CONFIDENT, Status.UNCERTAIN])
def test_the_farmer_reads_that_it_is_local(
    node: FakeNode, phone: FlaskClient, status: Status
) -> None:
    local = Candidate("TRZAX", "LOCAL-1", 0.9, local_photos=12, local_name="صدأ محلي")
    said = replace(verdict(status, "TRZAX", []), candidates=(local,))
    id = node.put(said)
    page = phone.get(f"/fr/result/{id}").text
    assert "local, 12 photos" in page
    assert "صدأ محلي" in page
    assert "محلي، 12 صورة" in phone.get(f"/ar/result/{id}").text
    assert "local, " not in phone.get(f"/fr/result/{node.put(verdict())}").text


def test_the_answer_in_json_carries_the_mark_only_where_it_is_local() -> None:
    local = Candidate("TRZAX", "PUCCST", 0.6, local_photos=7)
    known = Candidate("TRZAX", "healthy", 0.3)
    said = replace(verdict(crop="TRZAX", candidates=[]), candidates=(local, known))
    one, two = answer(said, load_advice(), "en", "x.jpg")["candidates"]
    assert one["local_photos"] == 7
    assert set(two) == {"condition", "name", "probability"}
