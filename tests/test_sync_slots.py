"""Slots: one whole version is in use, wherever the power fails; the one before comes back."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from edge_app.bundles_node import NodeBundles, begin_bundles
from edge_app.home_advice import advice_at_start, advice_of
from field_data.errors import GhallaError, KeeperError
from sync import slots as steps
from sync.bundle_reports import Reports
from sync.slots import MAX_TRIES, Slot, Slots, Why, problem_of
from tests.bundling import CARD, HERE, bundle, trusting
from tests.power import Cut, Power

KEY = ("advice", "souss")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return trusting(tmp_path / "home")


def card(version: int) -> dict[str, bytes]:
    return {"cards/brought.toml": CARD.replace("Brought by", f"{version} by").encode()}


def made(folder: Path, version: int) -> Path:
    return bundle(folder, version, files=card(version))


def take(home: Path, path: Path) -> None:
    NodeBundles(home, HERE).take(path)


def confirm(home: Path) -> None:
    NodeBundles(home, HERE).confirm(*KEY, said(home))


def said(home: Path) -> int:
    """The version that the cards of a starting node speak; 0 for what came with the software."""
    begin_bundles(home)
    found = advice_at_start(home).card("LYPES", "BROUGH")
    return int(found.name["en"].split()[0]) if found else 0


def test_two_versions_are_kept_and_the_one_before_comes_back(home: Path, tmp_path: Path) -> None:
    for version in (1, 2, 3):
        take(home, made(tmp_path, version))
        assert said(home) == version
        confirm(home)
    assert sorted(p.name for p in (home / "bundles/advice/souss").iterdir()) == ["2", "3"]
    node = NodeBundles(home, HERE)
    assert node.roll_back(*KEY).active == 2
    assert said(home) == 2
    assert node.roll_back(*KEY).active == 0
    assert said(home) == 0
    with pytest.raises(GhallaError) as error:
        node.roll_back(*KEY)
    assert error.value.code == "nothing_to_roll_back"
    take(home, made(tmp_path, 3))
    assert said(home) == 3, "what was rolled back by hand may be installed again"


def test_a_trial_that_is_cut_short_by_the_next_one_is_nobodys_previous(
    home: Path, tmp_path: Path
) -> None:
    take(home, made(tmp_path, 1))
    confirm(home)
    take(home, made(tmp_path, 2))
    take(home, made(tmp_path, 3))
    slot = Slots(home).get(*KEY)
    assert (slot.active, slot.previous, slot.trial) == (3, 1, True)


def test_the_third_start_in_vain_is_the_last(home: Path, tmp_path: Path) -> None:
    take(home, made(tmp_path, 1))
    confirm(home)
    take(home, made(tmp_path, 2))
    for _ in range(MAX_TRIES):
        assert said(home) == 2
    assert said(home) == 1
    slot = Slots(home).get(*KEY)
    assert slot.refused[2].code == "bundle_crashed"
    report = Reports(home).all()[-1]
    assert (report.outcome, report.version, report.code) == ("rolled_back", 2, "bundle_crashed")
    with pytest.raises(GhallaError) as error:
        take(home, made(tmp_path, 2))
    assert error.value.code == "bundle_refused"
    NodeBundles(home, HERE).take(made(tmp_path, 2), again=True)
    assert said(home) == 2


def harm(folder: Path, kind: str) -> None:
    match kind:
        case "changed":
            (folder / "cards/brought.toml").write_text("[[card]]")
        case "gone":
            (folder / "cards/brought.toml").unlink()
        case "headless":
            (folder / "bundle.json").write_bytes(b"{")
        case _:
            shutil.rmtree(folder)


@pytest.mark.parametrize("kind", ["changed", "gone", "headless", "all gone"])
def test_what_is_damaged_on_the_disk_gives_way(home: Path, tmp_path: Path, kind: str) -> None:
    for version in (1, 2):
        take(home, made(tmp_path, version))
        confirm(home)
    harm(home / "bundles/advice/souss/2", kind)
    assert said(home) == 1
    assert Reports(home).all()[-1].code == "bundle_damaged"
    harm(home / "bundles/advice/souss/1", kind)
    assert said(home) == 0


@pytest.mark.parametrize(
    "state", [b"", b"\xff", b"{}", b'{"schema": 2, "slots": []}',
              b'{"schema": 1, "slots": [{"kind": "advice", "name": "../x"}]}', b"[" * 9000]
)  # fmt: skip
def test_a_damaged_state_leaves_what_came_with_the_software(
    home: Path, tmp_path: Path, state: bytes
) -> None:
    take(home, made(tmp_path, 1))
    (home / "bundles" / "state.json").write_bytes(state)
    assert said(home) == 0
    with pytest.raises(KeeperError) as error:
        Slots(home).all()
    assert error.value.code == "bundle_state_damaged"


def test_cards_that_do_not_fit_a_newer_software_give_way(home: Path, tmp_path: Path) -> None:
    take(home, made(tmp_path, 1))
    confirm(home)
    folder = home / "bundles/advice/souss/1"
    # As if the new software came with a card of that id: signed and whole, and it clashes.
    twin = bundle(tmp_path, 2, name="other", files={"cards/b.toml": b"x = 1\n"})
    slots = Slots(home)
    from sync.bundle_file import open_bundle

    with open_bundle(twin) as opened, slots.staged(opened) as staged:
        slots.keep(staged, opened.signed)
        slots.use(opened.signed)
    assert problem_of(folder) is None
    assert said(home) == 0
    assert {r.code for r in Reports(home).all() if r.outcome == "rolled_back"} == {"bad_content"}


def test_the_steps_are_pure_and_change_only_what_they_say() -> None:
    slot = steps.activated(Slot(), 1, "a")
    assert (slot.active, slot.previous, slot.trial, slot.seen) == (1, 0, True, 1)
    slot = steps.confirmed(slot, 1)
    assert steps.confirmed(slot, 9) == slot
    assert steps.begun(slot) == slot, "only trials are counted"
    slot = steps.activated(slot, 2, "b")
    why = Why("x", "y")
    fallen = steps.failed(slot, 2, why)
    assert (fallen.active, fallen.trial, fallen.seen, fallen.refused) == (1, False, 2, {2: why})
    assert steps.failed(slot, 7, why).active == 2, "another version does not bring it down"
    assert steps.activated(fallen, 2, "b").refused == {}


def test_a_power_cut_at_every_step_leaves_the_old_version_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made(tmp_path, 1), made(tmp_path, 2)
    begun = trusting(tmp_path / "begun")
    take(begun, first)
    confirm(begun)
    cuts, outcomes = 0, set()
    while True:
        home = tmp_path / f"home{cuts}"
        shutil.copytree(begun, home)
        with monkeypatch.context() as patch:
            power = Power(patch, cuts)
            with contextlib.suppress(Cut):
                take(home, second)
        state = said(home)
        assert state in (1, 2)
        [active] = Slots(home).in_use("advice")
        assert problem_of(active) is None
        outcomes.add(state)
        if not power.off:
            break
        take(home, second)  # once more, with power
        assert said(home) == 2
        confirm(home)
        left = [p.name for p in (home / "bundles/advice/souss").iterdir()]
        assert sorted(left) == ["1", "2"], "what was half there is gone"
        shutil.rmtree(home)
        cuts += 1
    assert cuts > 15
    assert outcomes == {1, 2}


def test_a_power_cut_during_a_rollback_leaves_one_of_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = trusting(tmp_path / "begun")
    for version in (1, 2):
        take(begun, made(tmp_path, version))
        confirm(begun)
    cuts = 0
    while True:
        home = tmp_path / f"home{cuts}"
        shutil.copytree(begun, home)
        with monkeypatch.context() as patch:
            power = Power(patch, cuts)
            with contextlib.suppress(Cut):
                NodeBundles(home, HERE).fall(*KEY, 2, Why("x", "y"))
        assert said(home) in (1, 2)
        if not power.off:
            break
        cuts += 1
    assert cuts > 3
    assert advice_of(home).card("LYPES", "BROUGH") is not None
