"""The API does what its OpenAPI document says: no 5xx, no answer that is not described."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from openapi_spec_validator import validate
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from edge_app.access.gate import csrf_of
from edge_app.access.guard import COOKIE
from edge_app.agent import openapi
from field_data.forms import shipped_forms
from field_data.people import Role
from tests.people import Staff

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def staff() -> Iterator[Staff]:
    with tempfile.TemporaryDirectory() as home, Staff(Path(home)) as made:
        yield made


@pytest.fixture(scope="module")
def headers(staff: Staff) -> dict[str, str]:
    token = staff.ground.gate.open_session(staff.person(Role.AGENT), "test")
    who = {"Cookie": f"{COOKIE}={token}", "X-Ghalla-CSRF": csrf_of(token)}
    return {**who, "Accept-Encoding": "identity"}  # the test client does not unpack


DOCUMENT = openapi.document(shipped_forms())
OPERATIONS = [
    (method.upper(), path)
    for path, item in DOCUMENT["paths"].items()
    for method in item
    if method != "parameters"
]


@pytest.fixture(scope="module")
def described(staff: Staff) -> Any:
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", staff.app)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_described(
    described: Any, headers: dict[str, str], method: str, path: str
) -> None:
    # Not by the plugin's own decorator, which does not know this version of pytest.
    operation = described[path][method]

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def holds(case: Case[Any]) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    holds()


# Where nothing can be said, nothing can be wrong.
CAN_BE_WRONG = [each for each in OPERATIONS if each[1] != "/health"]


@pytest.mark.parametrize(("method", "path"), CAN_BE_WRONG)
def test_what_is_wrong_is_refused_as_described(
    described: Any, headers: dict[str, str], method: str, path: str
) -> None:
    operation = described[path][method]

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=strategies.data())
    def holds(data: strategies.DataObject) -> None:
        negative = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
        case = data.draw(negative)
        case.call_and_validate(headers=headers, checks=CHECKS)

    holds()


def test_the_document_is_sound_openapi_and_knows_every_form() -> None:
    validate(DOCUMENT)
    known = DOCUMENT["components"]["schemas"]
    for form in shipped_forms().current():
        answers = known[f"Observation_{form.id}"]["properties"]["values"]["properties"]
        assert answers.keys() <= form.questions.keys()


def test_every_route_of_the_api_is_described(staff: Staff) -> None:
    there = {
        rule.rule.replace("<", "{").replace(">", "}")
        for rule in staff.app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
    }
    assert there - DOCUMENT["paths"].keys() == {"/api/v1/openapi.json"}
