"""``ghalla box backup`` and ``ghalla box update``, as a keeper types them."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_app.appliance import backup_keys
from edge_app.appliance.layout import Layout
from edge_app.appliance.requests import ask
from edge_app.appliance.saving import last_save, save
from edge_app.appliance.software import python_here
from edge_app.appliance.sticks import Partition, removable
from edge_app.cli import main
from edge_app.node import init_home
from field_data.errors import KeeperError
from sync.bundle_file import sign_file
from sync.roots import root_of, write_chain
from tests.bundling import PUBLISHER, signed_root
from tests.little_boxes import LittleBox


def run(*words: str | Path, text: str = "") -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], input=text)


def said(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return told


def test_a_home_goes_to_a_stick_and_onto_a_new_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_keys, "_LOG_N", 4)
    home, stick, card = tmp_path / "home", tmp_path / "stick", tmp_path / "card"
    stick.mkdir()
    node = init_home(home)
    words = tmp_path / "words"
    words.write_text("seven dry figs and a well\n")
    create = ("box", "backup", "create", "--home", home, "--stick", stick, "--json")
    refused = run(*create)
    assert (refused.exit_code, json.loads(refused.stdout)["error"]) == (3, "no_backup_key")
    setup = ("box", "backup", "setup", "--home", home, "--json")
    assert said(run(*setup, "--passphrase-file", words))["set"]
    assert said(run(*create))["number"] == 1
    on_it = ("--stick", stick, "--json")
    [listed] = said(run("box", "backup", "list", "--home", home, *on_it))["backups"]
    assert listed["node"] == node
    known = ("--passphrase-file", words)
    away = tmp_path / "nowhere"
    assert said(run("box", "backup", "verify", "--home", away, *known, *on_it))["number"] == 1
    restore = ("box", "backup", "restore", "--home", card, *on_it)
    assert run(*restore, "--passphrase-file", "-", text="wrong\n").exit_code == 1
    assert said(run(*restore, *known))["node"] == node
    again = run(*restore, *known)
    assert (again.exit_code, json.loads(again.stdout)["error"]) == (1, "home_there")
    assert said(run(*restore, *known, "--replace"))["aside"]
    holder = said(run("box", "backup", "holder", tmp_path / "key", "--json"))
    said(run(*setup, *known, "--recipient", holder["public"]))
    assert said(run(*create))["number"] == 2
    said(run("box", "backup", "restore", "--home", tmp_path / "third", *on_it, "--key",
             tmp_path / "key"))  # fmt: skip


def test_an_update_is_asked_for_watched_and_taken_back(tmp_path: Path) -> None:
    box = LittleBox(tmp_path).make()
    at = ("--root", tmp_path, "--json")
    said(run("box", "update", "take", box.bundle(1), *at))
    assert box.update().code == "updated"
    told = said(run("box", "update", "status", *at))
    assert (told["active"], told["previous"], told["last"]["code"]) == ("1.1.0", "0.1.0", "updated")
    said(run("box", "update", "back", *at))
    assert box.update().code == "rolled_back"
    nothing = run("box", "update", "back", *at)
    assert (nothing.exit_code, json.loads(nothing.stdout)["error"]) == (1, "nothing_to_roll_back")
    assert run("box", "update", "take", tmp_path / "none.ghb", *at).exit_code == 1
    assert run("box", "update", "back", "--root", "/nowhere").exit_code == 2


def test_the_first_root_of_a_box_is_given_to_it(tmp_path: Path) -> None:
    roots = tmp_path / "roots.json"
    write_chain(roots, [signed_root()])
    layout = Layout(tmp_path)
    at = ("--root", tmp_path, "--json")
    assert said(run("box", "update", "trust", roots, *at)) == {"root": 1}
    assert root_of(layout.etc) is not None


def test_a_publisher_packs_wheels_that_a_box_takes(tmp_path: Path) -> None:
    wheels, out = tmp_path / "wheels", tmp_path / "new.ghb"
    wheels.mkdir()
    (wheels / "word-1-py3-none-any.whl").write_text("good")
    pack = ("box", "update", "pack", wheels, "--version", "2.0.0+0a1b2c3d", "--out", out, "--json",
            "--python", python_here(), "--arch", platform.machine())  # fmt: skip
    said(run(*pack))
    sign_file(out, PUBLISHER)
    box = LittleBox(tmp_path / "box").make()
    box.hand(out)
    assert (box.update().code, box.running) == ("updated", "2.0.0+0a1b2c3d")


LISTING = {
    "blockdevices": [
        {"path": "/dev/mmcblk0", "type": "disk", "fstype": None, "tran": None, "rm": False,
         "hotplug": True, "mountpoints": [None], "children": [
             {"path": "/dev/mmcblk0p1", "fstype": "vfat", "mountpoints": ["/boot/firmware"]},
             {"path": "/dev/mmcblk0p2", "fstype": "ext4", "mountpoints": ["/"]}]},
        {"path": "/dev/sda", "type": "disk", "fstype": None, "tran": "usb", "rm": True,
         "hotplug": True, "mountpoints": [None], "children": [
             {"path": "/dev/sda1", "fstype": "vfat", "mountpoints": [None]},
             {"path": "/dev/sda2", "fstype": "swap", "mountpoints": [None]}]},
        {"path": "/dev/nvme0n1", "type": "disk", "fstype": "ext4", "tran": "nvme", "rm": False,
         "hotplug": False, "mountpoints": ["/data"]},
    ]
}  # fmt: skip


def test_only_what_can_be_pulled_out_is_a_stick() -> None:
    assert removable(json.dumps(LISTING)) == [Partition("/dev/sda1", "vfat", ())]
    for wrong in ("", "[]", "{}", '{"blockdevices": 3}'):
        with pytest.raises(KeeperError):
            removable(wrong)


def test_a_night_with_and_without_a_stick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path / "root")
    init_home(layout.home)
    layout.requests.mkdir(parents=True)
    stick = tmp_path / "stick"
    stick.mkdir()
    monkeypatch.setattr(backup_keys, "_LOG_N", 4)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    backup_keys.set_passphrase(layout.home, "seven dry figs and a well")

    @contextmanager
    def there() -> Iterator[Path]:
        yield stick

    def absent() -> AbstractContextManager[Path]:
        raise KeeperError("no_stick", "no USB stick is plugged in")

    ask(layout, "backup")
    assert save(layout, there)["number"] == 1
    assert not list(layout.requests.iterdir())
    assert save(layout, absent)["code"] == "no_stick"
    assert last_save(layout)["code"] == "no_stick"
    (layout.home / "backup/keys.json").unlink()
    assert save(layout, there)["code"] == "no_backup_key"
