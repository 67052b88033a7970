"""Install, activate, roll back: one working model, wherever the power fails."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from field_data.errors import GhallaError, KeeperError, PersonError, PublisherError
from field_data.files import HomeLock
from models import installation
from models.installation import activate, install, rollback
from models.life import BUILTIN, Life, Refusal, answered, next_answer
from models.manifest import read_header
from models.package import pack
from models.registry import (
    active_folder,
    change,
    installed,
    life_of,
    list_home,
    list_models,
    lives,
    state_file,
)
from tests.small_models import graph, make_model, raw_manifest, save

NAME = "leaf_health"


def well(_folder: Path) -> dict[str, Any]:
    return {"seen": "well"}


def broken(_folder: Path) -> dict[str, Any]:
    raise PublisherError("golden_differs", "0.9 off")


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages 0.9.0, 1.1.0 and 1.2.0 beside the shipped 1.0.0."""
    root = tmp_path_factory.mktemp("published")
    make_model(root / "shipped" / NAME, "1.0.0", golden=False)
    for seed, version in enumerate(("0.9.0", "1.1.0", "1.2.0"), start=1):
        folder = make_model(root / version, version, graph(seed=seed), golden=False)
        pack(folder, root / f"{version}.ghm")
    return root


class Shelf:
    """The functions of the registry with the test's home and shipped models filled in."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root, self.home, self.shipped = root, home, root / "shipped"

    def install(self, version: str, **more: Any) -> dict[str, Any]:
        given: dict[str, Any] = {"probe": well, "shipped": self.shipped} | more
        return install(self.home, self.root / f"{version}.ghm", **given)

    def activate(self, version: str, **more: Any) -> Life:
        given: dict[str, Any] = {"probe": well, "shipped": self.shipped} | more
        return activate(self.home, NAME, version, **given)

    def rollback(self) -> Life:
        return rollback(self.home, NAME, self.shipped)

    def confirm(self) -> None:
        version = self.life.active
        change(self.home, NAME, lambda life: answered(next_answer(life, version), version))

    @property
    def life(self) -> Life:
        return life_of(self.home, NAME)

    def speaks(self) -> str:
        """The version in the active folder, which must be whole."""
        entries = list_home(self.home, self.shipped)
        [active] = [each for each in entries if each["state"] in ("active", "trial")]
        assert active["ok"], active["problem"]
        folder = active_folder(self.home, NAME, self.shipped)
        assert read_header(folder).version == active["version"]
        return str(active["version"])


@pytest.fixture
def shelf(published: Path, tmp_path: Path) -> Shelf:
    home = tmp_path / "home"
    home.mkdir()
    return Shelf(published, home)


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(GhallaError) as caught:
        action()
    return caught.value.code


def test_an_untouched_home_has_the_shipped_model_and_no_folder(shelf: Shelf) -> None:
    assert shelf.speaks() == "1.0.0"
    assert lives(shelf.home) == {}
    change(shelf.home, NAME, lambda life: life)
    assert list(shelf.home.iterdir()) == []


def test_a_version_is_installed_activated_and_rolled_back(shelf: Shelf) -> None:
    said = shelf.install("1.1.0")
    assert said == {"name": NAME, "version": "1.1.0", "already": False, "probe": {"seen": "well"}}
    assert shelf.speaks() == "1.0.0", "it speaks when somebody says so"
    life = shelf.activate("1.1.0")
    assert (life.active, life.confirmed, shelf.speaks()) == ("1.1.0", False, "1.1.0")
    shelf.confirm()
    shelf.install("1.2.0")
    shelf.activate("1.2.0")
    states = {e["version"]: e["state"] for e in list_home(shelf.home, shelf.shipped)}
    assert states == {"1.0.0": "installed", "1.1.0": "previous", "1.2.0": "trial"}
    assert shelf.rollback().active == "1.1.0"
    assert shelf.rollback().active == BUILTIN
    assert code_of(shelf.rollback) == "nothing_to_roll_back"
    assert shelf.speaks() == "1.0.0"


def test_installing_again_changes_nothing(shelf: Shelf) -> None:
    shelf.install("1.1.0")
    assert shelf.install("1.1.0", probe=broken)["already"]


def test_nothing_is_left_of_a_model_that_fails_its_probe(shelf: Shelf) -> None:
    assert code_of(lambda: shelf.install("1.1.0", probe=broken)) == "golden_differs"
    assert installed(shelf.home, NAME) == []
    assert list((shelf.home / "models" / NAME).iterdir()) == []


def test_a_version_that_fails_at_activation_is_remembered(shelf: Shelf) -> None:
    shelf.install("1.1.0")
    assert code_of(lambda: shelf.activate("1.1.0", probe=broken)) == "golden_differs"
    assert shelf.speaks() == "1.0.0"
    [entry] = [e for e in list_home(shelf.home, shelf.shipped) if e["version"] == "1.1.0"]
    assert (entry["state"], entry["reason"]) == ("refused", "golden_differs: 0.9 off")
    with pytest.raises(PublisherError, match=r"0\.9 off") as caught:
        shelf.activate("1.1.0")
    assert caught.value.code == "model_refused"
    assert shelf.activate("1.1.0", again=True).active == "1.1.0"
    assert shelf.life.refused == {}


def test_a_model_that_is_worse_here_stays_off_and_says_why(shelf: Shelf) -> None:
    shelf.install("1.1.0")
    seen: list[tuple[Path, Path]] = []

    def judge(old: Path, new: Path) -> Refusal:
        seen.append((old, new))
        return Refusal("model_worse_here", "worse on 30 photos")

    assert code_of(lambda: shelf.activate("1.1.0", judge=judge)) == "model_worse_here"
    assert seen == [(shelf.shipped / NAME, shelf.home / "models" / NAME / "1.1.0")]
    assert shelf.life.refused["1.1.0"].reason == "worse on 30 photos"
    assert shelf.speaks() == "1.0.0"
    assert code_of(lambda: shelf.activate("1.1.0", judge=judge, again=True)) == "model_worse_here"


def test_an_older_version_speaks_only_when_asked_for(shelf: Shelf) -> None:
    shelf.install("0.9.0")
    assert code_of(lambda: shelf.activate("0.9.0")) == "model_older"
    assert shelf.activate("0.9.0", downgrade=True).active == "0.9.0"
    assert shelf.activate("1.0.0").active == BUILTIN, "the shipped version by its number"


def test_a_broken_active_version_does_not_hold_up_another(shelf: Shelf) -> None:
    shelf.install("1.1.0")
    shelf.install("1.2.0")
    shelf.activate("1.2.0")
    shutil.rmtree(shelf.home / "models" / NAME / "1.2.0")
    assert shelf.activate("1.1.0").active == "1.1.0"


@pytest.mark.parametrize("version", ["9.9.9", "../1.1.0", "", "latest", "1.1.0/"])
def test_unknown_versions(shelf: Shelf, version: str) -> None:
    shelf.install("1.1.0")
    assert code_of(lambda: shelf.activate(version)) == "unknown_version"


@pytest.mark.parametrize("name", ["../leaf_health", "leaf", "", "/etc", "leaf_health/"])
def test_unknown_names(shelf: Shelf, name: str) -> None:
    assert code_of(lambda: activate(shelf.home, name, "1.0.0", shipped=shelf.shipped)) == (
        "unknown_model"
    )
    assert code_of(lambda: rollback(shelf.home, name, shelf.shipped)) == "unknown_model"


def repacked(shelf: Shelf, tmp_path: Path, **changes: Any) -> Path:
    """The 1.1.0 with other words in its manifest."""
    folder = tmp_path / "changed"
    shutil.copytree(shelf.root / "1.1.0", folder)
    save(folder, raw_manifest(folder) | changes)
    pack(folder, tmp_path / "changed.ghm")
    return tmp_path / "changed.ghm"


def test_the_same_content_under_another_version_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    shelf.install("1.1.0")
    twin = repacked(shelf, tmp_path, version="1.3.0", metrics={"better": True})
    with pytest.raises(PublisherError, match=r"same as version 1\.1\.0") as caught:
        install(shelf.home, twin, shipped=shelf.shipped, probe=well)
    assert caught.value.code == "model_twice"


def test_the_shipped_content_under_another_version_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    folder = shutil.copytree(shelf.shipped / NAME, tmp_path / "copy")
    save(folder, raw_manifest(folder) | {"version": "1.0.1"})
    pack(folder, tmp_path / "copy.ghm")
    with pytest.raises(PublisherError, match="same as version builtin"):
        install(shelf.home, tmp_path / "copy.ghm", shipped=shelf.shipped, probe=well)


def test_other_content_under_the_same_version_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    shelf.install("1.1.0")
    other = repacked(shelf, tmp_path, temperature=2.0)
    assert code_of(lambda: install(shelf.home, other, shipped=shelf.shipped, probe=well)) == (
        "version_taken"
    )


def test_a_model_nobody_asks_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    other = repacked(shelf, tmp_path, name="tea_leaves")
    assert code_of(lambda: install(shelf.home, other, shipped=shelf.shipped, probe=well)) == (
        "model_unknown"
    )


def test_files_that_are_none(shelf: Shelf, tmp_path: Path) -> None:
    for path in (tmp_path / "absent.ghm", tmp_path):
        assert code_of(partial(install, shelf.home, path)) == "no_such_file"


def test_a_full_disk_is_seen_before_anything_is_written(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "free_bytes", lambda _path: 10_000_000)
    with pytest.raises(KeeperError, match="must stay free") as caught:
        shelf.install("1.1.0", keep_free=9_999_000)
    assert caught.value.code == "disk_full"
    assert not (shelf.home / "models" / NAME).exists()
    shelf.install("1.1.0", keep_free=5_000_000)


def test_two_installations_at_once_are_refused(shelf: Shelf) -> None:
    with HomeLock(shelf.home / "models"):
        assert code_of(lambda: shelf.install("1.1.0")) == "home_in_use"


def test_a_running_node_does_not_stop_the_keeper(shelf: Shelf) -> None:
    with HomeLock(shelf.home):
        shelf.install("1.1.0")
        assert shelf.activate("1.1.0").active == "1.1.0"


def test_a_damaged_state_is_the_keepers_and_the_shipped_model_speaks(shelf: Shelf) -> None:
    shelf.install("1.1.0")
    shelf.activate("1.1.0")
    state_file(shelf.home).write_bytes(b"{")
    assert active_folder(shelf.home, NAME, shelf.shipped) == shelf.shipped / NAME
    with pytest.raises(KeeperError, match="Delete it") as caught:
        shelf.activate("1.1.0")
    assert caught.value.code == "model_state_damaged"
    state_file(shelf.home).unlink()
    assert shelf.activate("1.1.0").active == "1.1.0"


def test_a_damaged_installed_version_is_listed_as_unsound(shelf: Shelf) -> None:
    shelf.install("1.1.0")
    (shelf.home / "models" / NAME / "1.1.0" / "model.onnx").write_bytes(b"x")
    [entry] = [e for e in list_home(shelf.home, shelf.shipped) if not e["ok"]]
    assert (entry["version"], entry["problem"][:13]) == ("1.1.0", "model_corrupt")
    assert [e["ok"] for e in list_models(shelf.shipped)] == [True]


@pytest.mark.parametrize("file", ["model.onnx", "manifest.json"])
@pytest.mark.parametrize("gone", [True, False])
def test_installing_again_heals_a_damaged_version(shelf: Shelf, file: str, gone: bool) -> None:
    shelf.install("1.1.0")
    shelf.activate("1.1.0")
    damaged = shelf.home / "models" / NAME / "1.1.0" / file
    damaged.unlink() if gone else damaged.write_bytes(b"x")
    assert not shelf.install("1.1.0")["already"]
    assert shelf.speaks() == "1.1.0"
    assert [p.name for p in (shelf.home / "models" / NAME).iterdir()] == ["1.1.0"]


# ---- the power fails at every point where something is written ----

POINTS = ("fsync", "replace", "rename", "mkdir", "rmdir", "unlink")


def whole_life(shelf: Shelf) -> None:
    """Everything that writes, in the order of a keeper's afternoon."""
    shelf.install("1.1.0")
    shelf.activate("1.1.0")
    shelf.confirm()
    shelf.install("1.2.0")
    shelf.activate("1.2.0")
    shelf.rollback()


def afterwards(shelf: Shelf, before: str) -> None:
    """Exactly one working model, and the keeper can go on from there."""
    assert shelf.speaks() in ("1.0.0", "1.1.0", "1.2.0"), before
    for version in ("1.1.0", "1.2.0"):
        shelf.install(version)
    shelf.activate("1.2.0", again=True)
    assert shelf.speaks() == "1.2.0"
    left = [p.name for p in (shelf.home / "models" / NAME).iterdir()]
    assert sorted(left) == ["1.1.0", "1.2.0"], "what was half written is gone"


def counted(monkeypatch: pytest.MonkeyPatch, fail_at: int, error: BaseException) -> list[str]:
    """Make the ``fail_at``-th call that writes fail; the calls that were made."""
    calls: list[str] = []

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            if len(calls) == fail_at:
                raise error
            return real(*args, **kwargs)

        return call

    for name in POINTS:
        monkeypatch.setattr(os, name, watched(name, getattr(os, name)))
    return calls


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process outlives a power cut here, so waiting for the disk shows nothing."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


@pytest.mark.usefixtures("quick_disk")
def test_the_disk_may_be_full_at_any_point(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point, done = 0, False
    while not done:
        point += 1
        home = tmp_path / f"home-{point}"
        home.mkdir()
        shelf = Shelf(published, home)
        with monkeypatch.context() as patch:
            calls = counted(patch, point, OSError(errno.ENOSPC, "full"))
            try:
                whole_life(shelf)
                done = len(calls) < point
            except (KeeperError, OSError):
                pass
        afterwards(shelf, f"call {point}")
    assert point > 40, "the whole life was tried"


DYING = """
import os, sys
from pathlib import Path
from tests.test_models_installation import POINTS, Shelf, whole_life

os.fsync = lambda handle: None
home, root, first = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def watch(name, real, last, calls=[0]):
    def call(*args, **kwargs):
        calls[0] += 1
        if calls[0] == last:
            os.kill(os.getpid(), 9)
        return real(*args, **kwargs)
    return call

# One child a point: forked here, where nothing but the registry was loaded.
for last in range(first, first + 25):
    each = home / str(last)
    each.mkdir()
    child = os.fork()
    if child == 0:
        for name in POINTS:
            setattr(os, name, watch(name, getattr(os, name), last))
        whole_life(Shelf(root, each))
        os._exit(0)
    print(last, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def killed_at_every_point(root: Path, home: Path) -> Iterator[tuple[int, int]]:
    first, code = 1, -9
    while code != 0:
        done = subprocess.run(
            [sys.executable, "-c", DYING, str(home), str(root), str(first)],
            capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        for line in done.stdout.splitlines():
            point, code = map(int, line.split())
            yield point, code
        first += 25


@pytest.mark.usefixtures("quick_disk")
def test_kill_9_at_any_point_leaves_one_working_model(published: Path, tmp_path: Path) -> None:
    ended = dict(killed_at_every_point(published, tmp_path))
    assert set(ended.values()) == {-9, 0}
    assert sum(code == -9 for code in ended.values()) > 40
    for point in ended:
        afterwards(Shelf(published, tmp_path / str(point)), f"call {point}")


def test_people_may_ask_for_what_is_not_there(shelf: Shelf) -> None:
    shelf.install("1.1.0")
    with pytest.raises(PersonError, match=r"builtin, 1\.1\.0"):
        shelf.activate("3.0.0")
