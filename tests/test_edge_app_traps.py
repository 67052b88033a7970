"""The trap pages and ``ghalla count``."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from edge_app import cli
from edge_app.advice import load_advice
from edge_app.farmer.words import TRAP_FAULTS, TRAPS
from edge_app.languages import LANGS
from edge_app.node import FarmNode
from edge_app.trap_answer import count_answer
from field_data.errors import BusyError, PersonError, PublisherError
from field_data.types import PhotoFault
from models import counting, photo_quality
from models.counting import CountStatus
from tests.builders import encoded, leaf_jpeg, trap_pixels
from tests.fakes import FakeNode, trap_reading
from tests.phones import JPEG, files, phone_of


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture
def phone(node: FakeNode) -> FlaskClient:
    return phone_of(node)


def send(phone: FlaskClient, path: str = "/fr/trap/tuta", count: int = 1):  # type: ignore[no-untyped-def]
    return phone.post(path, data=files(count, "trap.jpg"), content_type="multipart/form-data")


class TestPages:
    @pytest.mark.parametrize("lang", LANGS)
    def test_home_leads_to_every_trap(self, phone: FlaskClient, lang: str) -> None:
        assert f'href="/{lang}/trap"' in phone.get(f"/{lang}/").text
        page = phone.get(f"/{lang}/trap").text
        for kind in TRAPS:
            assert f'href="/{lang}/trap/{kind}"' in page
            assert phone.get(f"/{lang}/trap/{kind}").status_code == 200

    def test_words_fit_the_counter(self) -> None:
        assert tuple(TRAPS) == counting.TRAPS
        limits = {PhotoFault.BLUR, PhotoFault.DARK, PhotoFault.GLARE}
        assert set(TRAP_FAULTS) == limits
        bad = photo_quality.Quality(blur=1.0, luma=0.0, glare=1.0)
        assert photo_quality.fault_of(bad, _Strict()) in limits

    def test_one_photo_becomes_a_count(self, phone: FlaskClient, node: FakeNode) -> None:
        shown = send(phone)
        assert (shown.status_code, node.counted) == (200, [(JPEG, "tuta")])
        assert "<bdi>23</bdi>" in shown.text
        assert "Probablement entre 19 et 28." in shown.text
        assert "Vérifiez à l&#39;œil" in shown.text or "Vérifiez à l'œil" in shown.text
        assert 'href="/fr/card/LYPES.GNORAB"' in shown.text
        picture = base64.b64encode(b"\xff\xd8\xff annotated").decode()
        assert f'src="data:image/jpeg;base64,{picture}"' in shown.text

    def test_only_this_page_may_hold_a_picture_inside(self, phone: FlaskClient) -> None:
        policy = "Content-Security-Policy"
        assert "img-src data: 'self'" in send(phone).headers[policy]
        assert "data:" not in phone.get("/fr/trap/tuta").headers[policy]

    def test_nothing_is_kept(self, phone: FlaskClient, node: FakeNode) -> None:
        shown = send(phone)
        assert (node.photos, shown.headers["Cache-Control"]) == ({}, "no-store")
        assert 'name="keep"' not in phone.get("/fr/trap/tuta").text

    def test_a_sticky_card_has_no_advice_card(self, phone: FlaskClient) -> None:
        assert "/card/" not in send(phone, "/en/trap/yellow").text

    @pytest.mark.parametrize("lang", LANGS)
    def test_every_answer_in_every_language(
        self, phone: FlaskClient, node: FakeNode, lang: str
    ) -> None:
        for reading in (
            trap_reading(CountStatus.UNCERTAIN),
            trap_reading(CountStatus.NOT_A_TRAP, None),
            *(trap_reading(CountStatus.POOR_PHOTO, None, fault=fault) for fault in TRAP_FAULTS),
        ):
            node.next_count = reading
            shown = send(phone, f"/{lang}/trap/yellow")
            assert shown.status_code == 200
            assert ("<figure" in shown.text) is (reading.count is not None)
            assert f'href="/{lang}/trap/yellow"' in shown.text

    def test_refusals_are_said_on_the_page(self, phone: FlaskClient, node: FakeNode) -> None:
        assert send(phone, count=2).status_code == 400
        assert "Envoyez une seule photo" in send(phone, count=2).text
        assert phone.post("/fr/trap/tuta").status_code == 400
        assert phone.get("/fr/trap/blue").status_code == 404
        node.next_count = PersonError("photo_damaged")
        assert "abîmée" in send(phone).text or "endommagée" in send(phone).text

    def test_a_full_queue_says_when_to_come_back(self, phone: FlaskClient, node: FakeNode) -> None:
        node.next = BusyError(7)
        full = send(phone)
        assert (full.status_code, full.headers["Retry-After"]) == (503, "7")

    def test_without_a_sound_model_the_keeper_is_asked_for(
        self, phone: FlaskClient, node: FakeNode
    ) -> None:
        node.next_count = PublisherError("model_corrupt", "x")
        assert send(phone).status_code == 503


class _Strict:
    blur, dark, glare = 0.5, 30.0, 0.5


class TestAnswer:
    def test_json(self) -> None:
        said = count_answer(trap_reading(), load_advice(), "a.jpg")
        assert {k: said[k] for k in ("photo", "trap", "status", "count", "low", "high")} == {
            "photo": "a.jpg",
            "trap": "tuta",
            "status": "counted",
            "count": 23,
            "low": 19,
            "high": 28,
        }
        assert said["detections"] == [
            {"label": "GNORAB-ADULT", "probability": 0.91, "box": [120, 80, 22, 20]}
        ]
        assert said["advice"] == "LYPES.GNORAB"

    def test_no_trap_no_advice(self) -> None:
        said = count_answer(trap_reading(CountStatus.NOT_A_TRAP, None), load_advice(), "a.jpg")
        assert (said["count"], said["advice"], said["detections"]) == (None, None, [])


class TestCommand:
    def run(self, *words: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli.main, ["count", *words])
        assert done.exit_code == code, done.output
        return done.stdout

    def test_a_leaf_is_no_trap(self, tmp_path: Path) -> None:
        (tmp_path / "leaf.jpg").write_bytes(leaf_jpeg())
        out = tmp_path / "out.jpg"
        said = json.loads(
            self.run(
                "--trap", "yellow", str(tmp_path / "leaf.jpg"), "--json", "--annotated", str(out)
            )
        )
        assert said["status"] != "counted"
        assert said["model"]["name"] == "trap_insects"

    def test_the_annotated_photo_is_written_when_counted(self, tmp_path: Path) -> None:
        (tmp_path / "trap.jpg").write_bytes(encoded(trap_pixels()))
        out = tmp_path / "out.jpg"
        said = json.loads(
            self.run(
                "--trap", "tuta", str(tmp_path / "trap.jpg"), "--json", "--annotated", str(out)
            )
        )
        assert out.is_file() is (said["count"] is not None)
        if said["count"] is not None:
            drawn = cv2.imdecode(np.frombuffer(out.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
            assert drawn is not None

    def test_bad_input(self, tmp_path: Path) -> None:
        (tmp_path / "no.jpg").write_bytes(b"no photo")
        said = json.loads(self.run("--trap", "tuta", str(tmp_path / "no.jpg"), "--json", code=1))
        assert said["error"] == "not_an_image"
        self.run("--trap", "tuta", str(tmp_path / "absent.jpg"), code=1)
        self.run("--trap", "blue", str(tmp_path / "no.jpg"), code=2)
        self.run("--help")


def test_a_real_node_counts(tmp_path: Path) -> None:
    with FarmNode(tmp_path / "home", load_advice()) as node:
        phone = phone_of(FakeNode())
        phone.application.extensions["ghalla_node"] = node
        data = {"photo": (BytesIO(leaf_jpeg()), "leaf.jpg")}
        shown = phone.post("/en/trap/tuta", data=data, content_type="multipart/form-data")
        assert shown.status_code == 200
        assert "Another photo" in shown.text
        [part] = [part for part in node.health() if part.name == "traps"]
        assert (part.ok, part.code) == (True, "ok")
