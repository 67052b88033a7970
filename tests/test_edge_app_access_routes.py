"""The table of routes: every cell of role × endpoint is asked by a real request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.routing import Rule

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


def test_every_cell_of_role_and_route(staff: Staff) -> None:
    clients = {role: staff.client(role) for role in Role}
    for rule in staff.app.url_map.iter_rules():
        method = next(each for each in ("GET", "POST", "PUT") if each in (rule.methods or ()))
        address = _address(rule)
        for role in (None, *Role):
            client = clients[role] if role else staff.stranger()
            answer = client.open(address, method=method)
            cell = f"{role or 'nobody'} {method} {address}: {answer.status}"
            if allowed(rule.endpoint, role):
                assert answer.status_code not in (401, 403), cell
                assert "/staff/login" not in answer.headers.get("Location", "")[:30] or (
                    rule.endpoint == "staff.logout"
                ), cell
            elif role is None and not address.startswith("/api/"):
                assert answer.status_code == 303, cell
                assert "/staff/login" in answer.headers["Location"], cell
            else:
                assert answer.status_code == (401 if role is None else 403), cell
            if rule.endpoint == "staff.logout" and role and answer.status_code == 303:
                clients[role] = staff.client(role)


def test_the_table_says_public_only_where_nobody_needs_an_account() -> None:
    public = {endpoint.split(".")[0] for endpoint, roles in ROUTES.items() if roles is PUBLIC}
    assert public <= {"static", "root", "api", "pages", "staff", "pairing", "agent", "tablet"}
    tablet = {each for each in ROUTES if each.startswith("tablet.") and ROUTES[each] is PUBLIC}
    assert tablet == {"tablet.description"}
