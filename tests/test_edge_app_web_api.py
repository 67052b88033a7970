"""The HTTP API, and what protects every address: refusals of other sites, headers, compression."""

from __future__ import annotations

import gzip
import json
import re
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from edge_app.advice import Advice, load_advice
from edge_app.answer import answer
from edge_app.farmer import uploads
from field_data.errors import BusyError, PersonError
from tests.fakes import FakeNode, one_of_each, verdict
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


class TestCrossSite:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://localhost:81"},
            {"Referer": "http://evil.example/page"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
        ],
    )
    def test_other_sites_cannot_post(
        self, phone: FlaskClient, node: FakeNode, headers: dict[str, str]
    ) -> None:
        for path in ("/fr/photo/LYPES", "/api/v1/diagnose"):
            assert phone.post(path, data=files(1), headers=headers).status_code == 403
        assert node.asks == []

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Origin": "http://localhost"}, {"Referer": "http://localhost/fr/photo/LYPES"},
         {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}],
    )  # fmt: skip
    def test_our_own_pages_can(self, phone: FlaskClient, headers: dict[str, str]) -> None:
        assert phone.post("/fr/photo/LYPES", data=files(1), headers=headers).status_code == 303


class TestHeaders:
    @pytest.mark.parametrize("path", ["/fr/", "/fr/nothing", "/health", "/static/app.css"])
    def test_nothing_foreign_and_nothing_inline(self, phone: FlaskClient, path: str) -> None:
        with phone.get(path) as page:
            headers = page.headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"

    def test_results_are_not_stored_or_indexed(self, phone: FlaskClient, node: FakeNode) -> None:
        headers = phone.get(f"/fr/result/{node.put(verdict())}").headers
        assert headers["Cache-Control"] == "no-store"
        assert "noindex" in headers["X-Robots-Tag"]

    @pytest.mark.parametrize("kind", KINDS)
    def test_no_inline_style_or_script(self, phone: FlaskClient, node: FakeNode, kind: str) -> None:
        for path in (f"result/{node.put(one_of_each()[kind])}", "", "photo/LYPES"):
            page = phone.get(f"/ar/{path}").text
            assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?! src=)", page)

    def test_static_files_are_kept_by_the_phone(self, phone: FlaskClient) -> None:
        css = re.search(r'href="(/static/app\.css\?v=\w+)"', phone.get("/fr/").text)
        assert css
        with phone.get(css[1]) as file:
            assert "max-age=31536000" in file.headers["Cache-Control"]

    def test_pages_travel_compressed(self, phone: FlaskClient) -> None:
        page = phone.get("/fr/", headers={"Accept-Encoding": "gzip"})
        assert page.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(page.data).decode() == phone.get("/fr/").text


class TestApi:
    def test_answer_format(self, phone: FlaskClient, node: FakeNode) -> None:
        reply = phone.post("/api/v1/diagnose?crop=tomato&lang=fr&keep=1", data=files(2))
        assert reply.status_code == 200
        told = reply.get_json()
        assert told == {
            "photo": "leaf.jpg, leaf.jpg",
            "status": "confident",
            "crop": "Solanum lycopersicum",
            "candidates": [
                {"condition": "PHYTIN", "name": "Mildiou", "probability": 0.94},
                {"condition": "ALTESO", "name": told["candidates"][1]["name"], "probability": 0.04},
                {
                    "condition": "healthy",
                    "name": told["candidates"][2]["name"],
                    "probability": 0.02,
                },
            ],
            "alert": False,
            "advice": "LYPES.PHYTIN",
            "model": {"name": "leaf_health", "version": "1.0.0", "sha256": "ab" * 32},
            "timing_ms": {"decode": 20.5, "infer": 4.25, "total": 30.12},
        }
        assert node.asks[0][1:] == ("LYPES", uploads.CONSENT_VERSION)
        assert phone.get(reply.headers["Content-Location"]).status_code == 200

    def test_raw_body(self, phone: FlaskClient, node: FakeNode) -> None:
        reply = phone.post("/api/v1/diagnose", data=JPEG, content_type="image/jpeg")
        assert reply.status_code == 200
        assert node.asks == [([("photo", JPEG)], None, None)]

    @pytest.mark.parametrize("wish", ["LYPES", "Solanum lycopersicum", "Tomato", "tomato"])
    def test_crop_by_any_name(self, phone: FlaskClient, node: FakeNode, wish: str) -> None:
        phone.post(f"/api/v1/diagnose?crop={wish}", data=files(1))
        assert node.asks[0][1] == "LYPES"

    @pytest.mark.parametrize(
        ("query", "body", "status", "code"),
        [
            ("crop=banana", files(1), 400, "unknown_crop"),
            ("lang=xx", files(1), 400, "unknown_lang"),
            ("", {}, 400, "no_photo"),
            ("", {"file": (BytesIO(JPEG), "a.jpg")}, 400, "no_photo"),
            ("", files(7), 400, "too_many_photos"),
        ],
    )
    def test_errors_are_json(
        self, phone: FlaskClient, query: str, body: dict[str, Any], status: int, code: str
    ) -> None:
        reply = phone.post(f"/api/v1/diagnose?{query}", data=body)
        assert reply.status_code == status
        said = reply.get_json()
        assert (said["error"], said["code"], said["status"]) == (code, code, status)
        assert said["message"] == said["title"]
        assert reply.mimetype == "application/problem+json"

    def test_empty_and_heavy_bodies(self, phone: FlaskClient) -> None:
        jpeg = "image/jpeg"
        empty = phone.post("/api/v1/diagnose", data=b"", content_type=jpeg)
        heavy = b"x" * (uploads.MAX_PHOTO_BYTES + 1)
        assert empty.get_json()["error"] == "no_photo"
        reply = phone.post("/api/v1/diagnose", data=heavy, content_type=jpeg)
        assert (reply.status_code, reply.get_json()["error"]) == (413, "photo_too_large")

    def test_messages_are_translated_and_plain(self, phone: FlaskClient, node: FakeNode) -> None:
        node.next = PersonError("photo_damaged")
        reply = phone.post("/api/v1/diagnose?lang=zgh", data=files(1))
        message = json.loads(reply.text)["message"]
        assert re.search("[ⴰ-ⵯ]{3}", message)
        assert "<" not in message

    def test_busy(self, phone: FlaskClient, node: FakeNode) -> None:
        node.next = BusyError(3)
        reply = phone.post("/api/v1/diagnose", data=files(1))
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "3")
        assert reply.get_json()["error"] == "busy"

    def test_unknown_address(self, phone: FlaskClient) -> None:
        assert phone.get("/api/v2/x").get_json()["error"] == "not_found"
        assert phone.get("/api/v1/diagnose").status_code == 405

    @pytest.mark.parametrize("kind", KINDS)
    def test_advice_only_when_sure_or_alarmed(self, advice: Advice, kind: str) -> None:
        told = answer(one_of_each()[kind], advice, "en", "a.jpg")
        expected = {"confident": "LYPES.PHYTIN", "mixed": "LYPES.PHYTIN", "healthy": "healthy",
                    "alert": "1CIDG.LIBEAS"}  # fmt: skip
        assert told["advice"] == expected.get(kind)
        assert json.loads(json.dumps(told)) == told
