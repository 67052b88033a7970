"""Figures for Prometheus: what they say, and to whom."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask

from edge_app import webassets
from edge_app.advice import load_advice
from edge_app.metrics import Metric, Requests, rendered
from edge_app.node import FarmNode
from edge_app.web import create_app
from tests.village import FARM_NAME, FARMER_NAME, Village

SAMPLE = re.compile(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[\d.e+-]+(Inf)?')


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    webassets.compile_catalogues()
    home, advice = tmp_path_factory.mktemp("home"), load_advice()
    with FarmNode(home, advice) as node:
        Village(node.ground)
        yield create_app(node, advice)


def test_every_line_is_one_that_prometheus_reads(app: Flask) -> None:
    phone = app.test_client()
    for path in ("/en/", "/en/nothing", "/health"):
        phone.get(path)
    answer = phone.get("/metrics", base_url="http://127.0.0.1:8080")
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert [line for line in samples if not SAMPLE.fullmatch(line)] == []
    typed = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(typed) == len(set(typed))
    for wanted in (
        'ghalla_part_ok{part="store"} 1',
        'ghalla_http_requests_total{part="none",status="4xx"} 1',
        "ghalla_http_request_duration_seconds_bucket",
    ):
        assert any(line.startswith(wanted) for line in samples), wanted
    found = {line.split()[0]: float(line.split()[1]) for line in samples}
    assert found["process_resident_memory_bytes"] > 10_000_000
    assert found["process_open_fds"] > 5
    assert found["ghalla_events"] == 10


def test_nothing_of_anybody_is_in_them(app: Flask) -> None:
    text = app.test_client().get("/metrics", base_url="http://localhost").text
    for word in (FARMER_NAME, *FARMER_NAME.split(), FARM_NAME, "33.5", "-7.6"):
        assert word not in text


@pytest.mark.parametrize(
    ("where", "address"),
    [
        ("http://127.0.0.1:8080", "10.42.0.7"),  # a phone on the Wi-Fi
        ("https://127.0.0.1:8443", "127.0.0.1"),  # and one that came over https
        ("http://ghalla.local:8080", "127.0.0.1"),  # a page of another site in a browser here
    ],
)
def test_they_are_for_this_machine_alone(app: Flask, where: str, address: str) -> None:
    phone = app.test_client()
    asked = {"base_url": where, "environ_base": {"REMOTE_ADDR": address}}
    assert phone.get("/metrics", **asked).status_code == 404


def test_a_histogram_counts_upwards_and_words_are_escaped() -> None:
    requests = Requests()
    for seconds in (0.005, 0.05, 0.05, 100.0):
        requests.note("pages", 200, seconds)
    text = rendered(requests.metrics())
    assert 'bucket{le="0.01"} 1\n' in text
    assert 'bucket{le="0.1"} 3\n' in text
    assert 'bucket{le="+Inf"} 4\n' in text
    assert "_count 4\n" in text
    odd = Metric("x", "gauge", "y", (("", (("a", 'b"\\\n'),), 1.0),))
    assert rendered([odd]).splitlines()[-1] == 'x{a="b\\"\\\\\\n"} 1'
