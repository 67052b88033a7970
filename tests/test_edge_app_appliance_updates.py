"""Updates of a box: only signed ones, on trial, and there is always a node that works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from click.testing import CliRunner

from edge_app.appliance import releases as steps
from edge_app.appliance.layout import Layout
from edge_app.appliance.machine import Box, _held
from edge_app.appliance.releases import Releases, ReleaseStore, Why
from edge_app.appliance.requests import layout_of, take_request
from edge_app.appliance.software import HANDED, SOFTWARE, settle_software
from edge_app.appliance.updating import Updater
from edge_app.bundles_node import NodeBundles
from edge_app.cli import main
from edge_app.node import init_home
from field_data.errors import GhallaError, KeeperError, PublisherError
from field_data.files import HomeLock
from sync.bundle_manifest import Place
from tests.bundling import NODE, OTHER, STRANGER, bundle, root, signed_root, trusting
from tests.journeys.updates import travel
from tests.little_boxes import HASTY, NAME, LittleBox


@pytest.fixture
def box(tmp_path: Path) -> LittleBox:
    return LittleBox(tmp_path / "box").make()


def test_a_good_release_is_used_and_the_keeper_can_go_back(box: LittleBox) -> None:
    box.record(1)
    box.hand(box.bundle(1, "slow"))
    assert box.update().code == "updated"
    assert box.versions == {"current": "1.1.0", "steady": "1.1.0"}
    box.record(2)
    (box.layout.requests / "update.json").write_text('{"verb": "back"}')
    assert box.update().code == "rolled_back"
    assert (box.running, box.kept()) == ("0.1.0", [1, 2]), "nothing recorded meanwhile is lost"
    assert box.update().code == "nothing_to_do"


@pytest.mark.parametrize(
    ("word", "code"),
    [("dead", "release_crashed"), ("mute", "release_unhealthy"), ("dies", "release_unhealthy"),
     ("unfit", "release_broken"), ("torn", "release_broken")],
)  # fmt: skip
def test_what_fails_gives_way_by_itself_and_does_not_come_again(
    box: LittleBox, word: str, code: str
) -> None:
    box.hand(box.bundle(1, word))
    assert box.update().code == code
    assert box.running == "0.1.0"
    assert box.versions == {"current": "0.1.0", "steady": "0.1.0"}
    assert not (box.layout.box / "update/on-trial").exists()
    box.record(1)
    box.hand(box.bundle(2))
    assert box.update().code == "updated"
    assert box.kept() == [1]
    assert sorted(p.name for p in box.layout.releases.iterdir()) == ["0.1.0", "1.2.0"]


def test_while_the_node_sends_nothing_is_restarted(box: LittleBox) -> None:
    box.under_way = "sync"
    box.hand(box.bundle(1))
    outcome = box.update()
    assert (outcome.code, outcome.reason, box.running) == ("update_waits", "sync", "0.1.0")
    assert ReleaseStore(box.layout).read().candidate == "1.1.0"
    box.under_way = ""
    assert box.update().code == "updated", "the timer needs no new request"


def test_who_is_not_believed_changes_nothing(box: LittleBox) -> None:
    good = box.bundle(1)
    folder = box.root / "publisher"
    files = {"release.json": b"{}"}
    tries = {
        "bundle_untrusted": bundle(folder, 2, SOFTWARE, NAME, files, key=STRANGER),
        "bundle_unsigned": bundle(folder, 3, SOFTWARE, NAME, files, key=None),
        "bad_release": bundle(folder, 4, SOFTWARE, NAME, files),
        "bundle_unknown_kind": bundle(folder, 5),
        "bundle_not_for_us": bundle(folder, 6, SOFTWARE, "ghalla-riscv64-py313", files),
        "release_no_way_back": box.bundle(7, works_from=99),
        "bundle_other_file": bundle(folder, 8, SOFTWARE, NAME, {"setup.py": b""}),
    }
    cut = folder / "cut.ghb"
    cut.write_bytes(good.read_bytes()[:-1])
    for code, path in {**tries, "bundle_truncated": cut}.items():
        box.hand(path)
        outcome = box.update()
        assert (outcome.code, outcome.final) == (code, True)
    assert ReleaseStore(box.layout).read() == Releases(active="0.1.0")


def test_the_updater_believes_its_own_root_and_steps_on_with_the_nodes(box: LittleBox) -> None:
    # The node's root is another one that a stranger made: it may not lead anywhere.
    forged = signed_root(root(2, keys=(STRANGER, OTHER), publisher=STRANGER), STRANGER, OTHER)
    trust = box.layout.home / "trust"
    trust.mkdir()
    (trust / "root.json").write_text(json.dumps(forged.as_json()))
    box.hand(bundle(box.root / "publisher", 1, SOFTWARE, NAME, {"release.json": b"{}"}, STRANGER))
    assert box.update().code == "bundle_untrusted"
    followed = signed_root(root(2, publisher=OTHER))
    (trust / "root.json").write_text(json.dumps(followed.as_json()))
    box.hand(box.bundle(2))
    assert box.update().code == "bundle_untrusted", "the publisher was replaced by root 2"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "garbage", "deep", "large"])
def test_a_hostile_request_is_read_as_none(box: LittleBox, kind: str, tmp_path: Path) -> None:
    path = box.layout.requests / "update.json"
    secret = tmp_path / "secret.json"
    secret.write_text('{"verb": "back"}')
    match kind:
        case "link":
            path.symlink_to(secret)
        case "pipe":
            os.mkfifo(path)
        case "folder":
            (path / "in").mkdir(parents=True)
        case "garbage":
            path.write_bytes(b"\xff{")
        case "deep":
            path.write_bytes(b"[" * 4000)
        case _:
            path.write_bytes(b" " * 5000 + b'{"verb": "back"}')
    assert take_request(box.layout, "update") == {}
    assert not os.path.lexists(path)
    assert secret.exists()


def test_a_bundle_that_is_a_pipe_or_a_link_is_not_waited_for(box: LittleBox) -> None:
    handed = box.layout.requests / HANDED
    os.mkfifo(handed)
    updater = Updater(box.layout, box, HASTY)
    assert updater.install(handed).code == "no_such_file"
    handed.unlink()
    handed.symlink_to(box.bundle(1))
    assert updater.install(handed).code == "no_such_file"


def test_the_node_hands_over_and_hears_what_became_of_it(box: LittleBox) -> None:
    home = trusting(box.layout.home)
    init_home(home)
    assert layout_of(home) == box.layout
    node = NodeBundles(home, Place(NODE, os.uname().machine, "0.1.0"))
    node.take(box.bundle(1))
    settle_software(node)
    assert node.slots.get(SOFTWARE, NAME).trial
    assert box.update().code == "updated"
    settle_software(node)
    assert not node.slots.get(SOFTWARE, NAME).trial
    node.take(box.bundle(2, "mute"))
    assert box.update().code == "release_unhealthy"
    settle_software(node)
    settle_software(node)
    slot = node.slots.get(SOFTWARE, NAME)
    assert (slot.active, slot.refused[2].code) == (1, "release_unhealthy")
    assert [r.outcome for r in node.reports.all()] == [
        "installed", "confirmed", "installed", "rolled_back",
    ]  # fmt: skip
    with pytest.raises(GhallaError) as error:
        node.take(box.bundle(2, "mute"))
    assert error.value.code == "bundle_refused"


def test_a_request_that_the_power_swallowed_is_made_again(box: LittleBox) -> None:
    home = trusting(box.layout.home)
    init_home(home)
    node = NodeBundles(home, Place(NODE, os.uname().machine, "0.1.0"))
    node.take(box.bundle(1))
    (box.layout.requests / "update.json").unlink()
    settle_software(node)
    assert box.update().code == "updated"


def test_software_is_not_for_a_node_that_is_no_box(tmp_path: Path) -> None:
    home = trusting(tmp_path / "home")
    path = LittleBox(tmp_path / "box").bundle(1)
    with pytest.raises(KeeperError) as error:
        NodeBundles(home, Place(NODE, os.uname().machine, "0.1.0")).take(path)
    assert error.value.code == "no_box"


def test_the_steps_are_pure_and_change_only_what_they_say() -> None:
    state = steps.installed(Releases(active="1"), "2", 7, "d")
    assert steps.switched(state) == state, "what was not probed is not used"
    state = steps.switched(steps.probed(state, "2"))
    assert (state.active, state.previous, state.steady, state.trial) == ("2", "1", "1", True)
    for _ in range(steps.MAX_TRIES):
        state = steps.begun(state)
        assert state.active == "2"
    fallen = steps.begun(state)
    assert (fallen.active, fallen.refused["2"].code) == ("1", "release_crashed")
    assert steps.stood(state).starts == 0
    sure = steps.confirmed(state, "2")
    assert (sure.steady, sure.previous, steps.begun(sure)) == ("2", "1", sure)
    assert steps.failed(sure, "9", Why("x", "")).active == "2"
    for good in ("0.1.0", "1.2.3+0ab12cd3", "2.0rc1"):
        assert steps.is_version(good)
    for bad in ("", "..", "1/2", "1.0+", "current", "1.0\n", ".1"):
        assert not steps.is_version(bad)


def test_ten_updates_with_cuts_leave_a_working_node(tmp_path: Path) -> None:
    counts = travel(tmp_path, 10, seed=4)
    assert counts["power cuts"] > 5
    assert counts["checks: a node that works"] > 10


def release(layout: Layout, version: str) -> Path:
    """A release that is this very program, under another name."""
    folder = layout.release(version)
    (folder / "venv/bin").mkdir(parents=True)
    said = {"version": version, "python": "3.11", "arch": "x86_64"}
    (folder / "release.json").write_text(json.dumps(said))
    program = folder / "venv/bin/python"
    code = f"import sys; sys.prefix = {str(program.parents[1])!r}\n"
    code += "from edge_app.cli import main\nmain(sys.argv[3:])\n"
    (folder / "start.py").write_text(code)
    sources = Path(__file__).parents[1]
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={sources} exec {sys.executable} {folder}/start.py "$@"\n'
    )
    program.chmod(0o755)
    return folder


def test_a_release_proves_itself_on_a_copy_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)
    init_home(layout.home)
    before = (layout.home / "store.sqlite").read_bytes()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    machine = Box(layout)
    folder = release(layout, "9.9.9")
    machine.probe(folder, "9.9.9")
    assert (layout.home / "store.sqlite").read_bytes() == before
    assert not (layout.data / "trial" / "home").exists()
    with pytest.raises(PublisherError, match=r"9\.9\.9 answers"):
        machine.probe(folder, "9.9.8")
    (folder / "venv/bin/python").write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    with pytest.raises(PublisherError, match="broken"):
        machine.probe(folder, "9.9.9")


def test_what_the_node_does_is_seen_without_touching_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    machine = Box(layout)
    assert machine.busy() == ""
    lock = HomeLock(layout.home / "sync").acquire()
    assert machine.busy() == "sync"
    lock.release()
    assert machine.busy() == ""
    (layout.home / "bundles").mkdir()
    (layout.home / "bundles/lock").symlink_to(tmp_path / "elsewhere")
    assert not _held(layout.home / "bundles/lock")
    assert not (tmp_path / "elsewhere").exists()


def test_a_wheel_becomes_an_environment_without_the_internet(tmp_path: Path) -> None:
    wheels, folder = tmp_path / "wheels", tmp_path / "release"
    wheels.mkdir()
    folder.mkdir()
    info = "small-1.0.dist-info"
    with ZipFile(wheels / "small-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("small.py", "answer = 42\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
        tells = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{info}/WHEEL", tells)
        wheel.writestr(f"{info}/RECORD", "")
    machine = Box(Layout(tmp_path))
    machine.build(folder, wheels)
    asked = [str(folder / "venv/bin/python"), "-c", "import small; print(small.answer)"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "42\n"
    (wheels / "small-1.0-py3-none-any.whl").write_bytes(b"no wheel")
    with pytest.raises(PublisherError) as error:
        machine.build(tmp_path / "other", wheels)
    assert error.value.code == "release_broken"


def test_the_installers_link_is_taken_over(box: LittleBox) -> None:
    box.hand(box.bundle(1))
    box.update()
    state = box.layout.box / "update/state.json"
    state.write_bytes(b"{}")
    with pytest.raises(KeeperError) as error:
        ReleaseStore(box.layout).read()
    assert error.value.code == "update_state_damaged"
    box.boot()
    assert box.running == "1.1.0", "the node starts all the same"
    state.unlink()
    assert ReleaseStore(box.layout).settle().active == "1.1.0"


def test_what_the_installer_brings_is_used_and_an_old_bundle_stays_old(box: LittleBox) -> None:
    box.hand(box.bundle(5))
    assert box.update().code == "updated"
    box.put("0.2.0")
    adopt = ["box", "update", "adopt", "--root", str(box.root), "--json"]
    assert CliRunner().invoke(main, [*adopt, "0.2.0"]).exit_code == 0
    box.boot()
    assert (box.running, box.versions) == ("0.2.0", {"current": "0.2.0", "steady": "0.2.0"})
    state = ReleaseStore(box.layout).read()
    assert (state.seen, state.previous, state.trial) == (5, "", False)
    box.hand(box.bundle(4))
    assert box.update().code == "bundle_old"
    for wrong in ("7.7.7", "../0.2.0"):
        assert CliRunner().invoke(main, [*adopt, wrong]).exit_code != 0
    assert ReleaseStore(box.layout).read() == state


def test_a_damaged_state_is_mended_by_installing_again(box: LittleBox) -> None:
    box.hand(box.bundle(1))
    box.update()
    (box.layout.box / "update/state.json").write_bytes(b"{}")
    assert ReleaseStore(box.layout).adopt("1.1.0").active == "1.1.0"
    assert box.update().code == "nothing_to_do"
