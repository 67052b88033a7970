"""People, audit log and retention at the command line, and what a served node says of them."""

from __future__ import annotations

import json
import re
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_app import cli_person
from edge_app.access.routes import ROUTES
from edge_app.cli import main
from edge_app.home import open_ground
from edge_app.jobs import daily
from edge_app.node import init_home
from field_data.audit_log import HEAD_FILE
from field_data.errors import KeeperError
from field_data.people import Role
from tests.people import PASSPHRASE, PIN
from tests.serving import ServedNode


@pytest.fixture
def home(tmp_path: Path) -> Path:
    init_home(tmp_path / "home")
    return tmp_path / "home"


def run(home: Path, *words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, [*words, "--home", str(home), "--json"], input=stdin)


def said(home: Path, *words: str, stdin: str = "") -> Any:
    result = run(home, *words, stdin=stdin)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def add(home: Path, name: str, role: str = "agent", secret: str = PIN) -> dict[str, Any]:
    words = ("person", "add", "--name", name, "--role", role, "--pin-file", "-")
    added: dict[str, Any] = said(home, *words, stdin=f"{secret}\n")
    return added


def test_a_person_is_added_listed_deactivated_and_given_another_pin(home: Path) -> None:
    keeper = add(home, "Zahra", "keeper", PASSPHRASE)
    assert (keeper["role"], keeper["can_log_in"]) == ("keeper", True)
    agent = add(home, "Amal")
    with open_ground(home) as ground:
        token = ground.gate.open_session(ground.gate.login("Amal", PIN), "phone")
    assert said(home, "person", "sessions", "Amal")["device"] == "phone"
    said(home, "person", "reset-pin", agent["code"], "--pin-file", "-", stdin="739184\n")
    with open_ground(home) as ground:
        assert ground.gate.whose(token) is None
        assert ground.gate.login("Amal", "739184").id == agent["id"]
    said(home, "person", "deactivate", "Amal")
    listed = [json.loads(line) for line in run(home, "person", "list").stdout.splitlines()]
    assert [(each["name"], each["active"]) for each in listed] == [("Zahra", True), ("Amal", False)]
    refused = run(home, "person", "deactivate", "Zahra")
    assert (refused.exit_code, json.loads(refused.stdout)["error"]) == (1, "last_keeper")


def test_one_lost_device_is_logged_out_or_all(home: Path) -> None:
    add(home, "Amal")
    with open_ground(home) as ground:
        person = ground.gate.login("Amal", PIN)
        tokens = [ground.gate.open_session(person, name) for name in ("a", "b", "c")]
        lost = ground.gate.whose(tokens[0])
        assert lost is not None
    assert said(home, "person", "revoke", "Amal", "--session", lost[1].id) == {"ended": 1}
    assert said(home, "person", "revoke", "Amal") == {"ended": 2}
    with open_ground(home) as ground:
        assert not any(map(ground.gate.whose, tokens))


@pytest.mark.parametrize(
    ("role", "secret", "code"),
    [
        ("agent", "123456", "weak_pin"),
        ("keeper", PIN, "weak_passphrase"),
        ("agent", "", "weak_pin"),
    ],
)
def test_a_weak_secret_adds_nobody(home: Path, role: str, secret: str, code: str) -> None:
    words = ("person", "add", "--name", "Amal", "--role", role, "--pin-file", "-")
    result = run(home, *words, stdin=f"{secret}\n")
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (1, code)
    assert run(home, "person", "list").stdout == ""


def test_the_pin_is_never_an_argument(home: Path) -> None:
    options = {name for command in cli_person.person.commands.values() for p in command.params
               for name in p.opts}  # fmt: skip
    assert not options & {"--pin", "--secret", "--passphrase", "--password"}
    result = run(home, "person", "add", "--name", "Amal", "--role", "agent")
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (1, "no_pin")


def test_a_person_is_exported_and_erased(home: Path, tmp_path: Path) -> None:
    words = ("person", "add", "--name", "Zineb", "--role", "farmer", "--no-pin")
    assert said(home, *words)["can_log_in"] is False
    out = tmp_path / "zineb.zip"
    said(home, "person", "export", "Zineb", "--out", str(out))
    with zipfile.ZipFile(out) as file:
        assert json.loads(file.read("data.json"))["person"]["name"] == "Zineb"
    went = said(home, "person", "erase", "Zineb", "--yes")
    assert went == {"events": 0, "photos": 0, "diagnoses": 0}
    again = run(home, "person", "export", "Zineb", "--out", str(out))
    assert json.loads(again.stdout)["error"] == "unknown_person"
    asked = CliRunner().invoke(main, ["person", "erase", "Zineb", "--home", str(home)], input="n\n")
    assert asked.exit_code == 1


def test_the_audit_log_is_printed_and_a_broken_chain_is_the_keepers_business(home: Path) -> None:
    add(home, "Amal")
    add(home, "Zahra", "keeper", PASSPHRASE)
    lines = [json.loads(line) for line in run(home, "audit").stdout.splitlines()]
    assert [line.get("action") for line in lines] == ["person_added", "person_added", None]
    assert lines[-1]["sound"] is True
    assert "Amal" not in run(home, "audit").stdout
    checked = {part["name"]: part for part in json.loads(run(home, "check").stdout)["parts"]}
    assert lines[-1]["head"][:16] in checked["audit"]["detail"]
    with open_ground(home) as ground:
        ground.store.table("audit").remove(doc_ids=[2])
    broken = run(home, "audit", "--verify")
    assert broken.exit_code == 3
    assert json.loads(broken.stdout)["broken_at"] == 2
    parts = {part["name"]: part for part in json.loads(run(home, "check").stdout)["parts"]}
    assert (parts["audit"]["ok"], parts["audit"]["code"]) == (False, "audit_broken")
    assert run(home, "audit", "--verify", "--accept-loss").exit_code == 0
    (home / HEAD_FILE).unlink()
    assert run(home, "audit", "--verify").exit_code == 3


def test_retention_says_what_would_go(home: Path) -> None:
    result = said(home, "retention", "run", "--dry-run")
    assert result["dry_run"] is True
    assert (result["diagnoses"], result["observation_photos"], result["audit_entries"]) == (0, 0, 0)


def test_the_table_of_access_is_printed() -> None:
    printed = CliRunner().invoke(main, ["access", "table"]).stdout
    assert len(printed.splitlines()) == 1 + len(ROUTES)
    rows = json.loads(CliRunner().invoke(main, ["access", "table", "--json"]).stdout)
    assert rows["staff.people"] == ["keeper"]
    assert rows["pages.home"] == ["nobody", *map(str, Role)]


def test_a_served_node_prints_a_code_until_it_has_a_keeper(home: Path) -> None:
    def setup(node: ServedNode) -> str:
        return node.setup[0].removeprefix(node.address) if node.setup else ""

    with ServedNode(home) as node:
        old = setup(node)
        assert re.fullmatch(r"/fr/staff/setup\?code=[A-Z]{4}-[A-Z]{4}-[A-Z]{4}", old)
        assert node.request("GET", old)[0] == 200
        with open_ground(home) as beside:  # the command line works beside a served node
            assert beside.people.keepers() == []
    with ServedNode(home) as node:
        assert setup(node) not in ("", old)
    add(home, "Zahra", "keeper", PASSPHRASE)
    with ServedNode(home) as node:
        assert node.setup == []
        assert node.request("GET", old)[0] == 404


def test_the_daily_work_goes_on_after_a_failure_and_stops_with_the_server() -> None:
    done, runs = threading.Event(), 0

    def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise KeeperError("disk_full")
        done.set()

    with daily(work, first_s=0.01, every_s=0.01):
        assert done.wait(10)
    assert not any(thread.name == "daily" for thread in threading.enumerate())
