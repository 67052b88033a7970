"""The table of routes: every cell of role × endpoint is asked by a real request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from edge_app.access.routes import PUBLIC, ROUTES, allowed
from field_data.people import Role
from tests.people import Staff


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staff]:
    with Staff(tmp_path_factory.mktemp("home")) as made:
        yield made


def test_every_endpoint_is_in_the_table_and_the_table_names_nothing_else(staff: Staff) -> None:
    endpoints = {rule.endpoint for rule in staff.app.url_map.iter_rules()}
    assert endpoints == set(ROUTES)


def test_an_endpoint_that_is_in_no_table_is_refused(tmp_path: Path) -> None:
    with Staff(tmp_path) as staff:
        staff.app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
        assert staff.stranger().get("/forgotten").status_code == 404
        assert staff.client(Role.KEEPER).get("/forgotten").status_code == 404


def _address(rule: Rule) -> str:
    values = dict.fromkeys(rule.arguments, "1") | (
        {"lang": "en"} if "lang" in rule.arguments else {}
    )
    built = rule.build(values, append_unknown=False)
    assert built is not None
    return built[1]


def _refused(answer: TestResponse, endpoint: str) -> bool:
    """Whether the door stayed shut: not for this role, or to be asked for a login first."""
    to_login = "/staff/login" in answer.headers.get("Location", "")
    wrong_login = endpoint == "staff.login" and answer.status_code == 401
    shut = answer.status_code in (401, 403) and not wrong_login
    return shut or (to_login and endpoint != "staff.logout")


def _shut_rightly(answer: TestResponse, role: Role | None, address: str) -> bool:
    if role is not None:
        return answer.status_code == 403
    if address.startswith("/api/"):
        return answer.status_code == 401
    return answer.status_code == 303 and "/staff/login" in answer.headers["Location"]


def test_every_cell_of_role_and_route(staff: Staff) -> None:
    for role in Role:
        staff.secret(role)
    print(f"{'method address':50}" + "".join(f"{role or 'nobody':>11}" for role in (None, *Role)))
    for rule in staff.app.url_map.iter_rules():
        address = _address(rule)
        for method in sorted((rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}):
            row = ""
            for role in (None, *Role):
                client = staff.client(role) if role else staff.stranger()
                answer = client.open(address, method=method)
                cell = f"{role or 'nobody'} {method} {address}: {answer.status}"
                refused = _refused(answer, rule.endpoint)
                row += f"{'·' if refused else 'yes':>11}"
                if allowed(rule.endpoint, role):
                    assert not refused, cell
                else:
                    assert _shut_rightly(answer, role, address), cell
                answer.close()
            print(f"{method + ' ' + address:50}{row}")


def test_the_table_says_public_only_where_nobody_needs_an_account() -> None:
    public = {endpoint.split(".")[0] for endpoint, roles in ROUTES.items() if roles is PUBLIC}
    farmers = {"static", "root", "api", "pages", "portal"}
    assert public <= farmers | {"staff", "pairing", "agent", "tablet", "first"}
    tablet = {each for each in ROUTES if each.startswith("tablet.") and ROUTES[each] is PUBLIC}
    assert tablet == {"tablet.description"}
