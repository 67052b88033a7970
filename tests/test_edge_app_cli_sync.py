"""``ghalla sync`` as people and programs use it, against a hub that is served for real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_app.bundles_node import bundles_of
from edge_app.cli import main
from edge_app.home import open_ground
from edge_app.node import init_home
from edge_app.uplink_files import KEY, folder_of
from field_data.files import HomeLock
from sync.hub.app import Hub
from sync.hub.enrolment import new_code
from sync.stick import bundles_folder
from tests.bundling import bundle, trusting
from tests.hubs import ServedHub, hub_on, served, settings_in


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Hub, ServedHub]]:
    settings = settings_in(tmp_path)
    with hub_on(settings) as parts, served(settings, 1) as server:
        yield parts, server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    init_home(tmp_path / "home")
    return tmp_path / "home"


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["sync", *words, "--home", str(home)])


def said(home: Path, *words: str) -> Any:
    result = run(home, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def add_farms(home: Path, count: int) -> None:
    with open_ground(home) as ground:
        for number in range(count):
            ground.registry.add_farm("keeper", f"Farm {number}")


def test_from_a_code_to_everything_sent(home: Path, hub: tuple[Hub, ServedHub]) -> None:
    parts, server = hub
    assert run(home, "status").exit_code == 1
    wrong = run(home, "enrol", "--hub", server.url, "--code", "BBBB", "--json")
    assert (wrong.exit_code, json.loads(wrong.stdout.splitlines()[0])["error"]) == (1, "bad_code")
    code = new_code(parts.database, "ONCA", "Meknes")
    assert said(home, "enrol", "--hub", server.url, "--code", code)["region"] == "Meknes"
    key = folder_of(home) / KEY
    assert key.stat().st_mode & 0o777 == 0o600
    add_farms(home, 4)
    told = said(home, "status")
    assert (told["waiting"], told["records"]) == (4, {"farm": 4})
    assert told["bytes"] > 0
    made = said(home, "run", "--hub", f"{server.url}/")
    assert (made["records"], made["reason"], made["left"]["waiting"]) == (4, "", 0)
    assert "4 records" in run(home, "status").output
    assert "not set aside: 99" in run(home, "retry", "99").output
    assert said(home, "retry") == {"again": []}
    assert run(home, "run", "--hub", "https://elsewhere.example.org").exit_code == 1
    checked = CliRunner().invoke(main, ["check", "--home", str(home), "--json"])
    [part] = [p for p in json.loads(checked.stdout)["parts"] if p["name"] == "hub"]
    assert part["ok"]
    assert "0 records wait" in part["detail"]


def test_a_budget_ends_a_run_well_and_a_link_that_is_away_does_not(
    home: Path, hub: tuple[Hub, ServedHub]
) -> None:
    parts, server = hub
    said(home, "enrol", "--hub", server.url, "--code", new_code(parts.database, "A", "B"))
    add_farms(home, 60)
    made = said(home, "run", "--max-bytes", "2500")
    assert made["reason"] == "budget_spent"
    assert made["bytes_up"] + made["bytes_down"] <= 2500
    assert 0 < made["left"]["waiting"] < 60
    server.stop()
    failed = run(home, "run", "--max-seconds", "2")
    assert failed.exit_code == 1
    assert "link to the hub failed" in failed.output
    assert "link to the hub failed" in run(home, "status").output


def test_a_stick_by_command_line(home: Path, hub: tuple[Hub, ServedHub], tmp_path: Path) -> None:
    parts, server = hub
    said(home, "enrol", "--hub", server.url, "--code", new_code(parts.database, "A", "B"))
    add_farms(home, 3)
    stick = tmp_path / "stick"
    assert run(home, "usb", "export", str(stick)).exit_code == 1
    stick.mkdir()
    assert said(home, "usb", "export", str(stick))["records"] == 3
    assert run(home, "usb", "import", str(stick)).exit_code == 1
    places = ["--database", server.settings.database, "--blobs", server.settings.blobs]
    told = CliRunner().invoke(main, ["hub", "usb", *places, str(stick)])
    assert told.exit_code == 0, told.output
    assert said(home, "usb", "import", str(stick))["records"] == 3
    assert said(home, "status")["waiting"] == 0


def test_a_stick_brings_bundles_too(home: Path, hub: tuple[Hub, ServedHub], tmp_path: Path) -> None:
    parts, server = hub
    said(home, "enrol", "--hub", server.url, "--code", new_code(parts.database, "A", "B"))
    trusting(home)
    bundles = bundles_folder(tmp_path / "stick")
    bundles.mkdir(parents=True)
    bundle(tmp_path, 3).rename(bundles / "cards.ghb")
    assert said(home, "usb", "import", str(tmp_path / "stick"))["already"] is False
    assert bundles_of(home).slots.get("advice", "souss").active == 3
    assert said(home, "usb", "import", str(tmp_path / "stick"))["already"] is True
    (bundles / "bad.ghb").write_bytes(b"bad")
    assert run(home, "usb", "import", str(tmp_path / "stick")).exit_code != 0


def test_renewal_waits_until_the_server_is_stopped(home: Path) -> None:
    with HomeLock(home):
        assert run(home, "renew").exit_code == 3
    before = json.loads(CliRunner().invoke(main, ["init", "--home", str(home), "--json"]).stdout)
    assert said(home, "renew")["node"] != before["node"]
