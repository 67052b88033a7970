"""The node behind the seam: settings, turnstile, homes, a missing model, a full disk, 1970."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edge_app import node as node_module
from edge_app.advice import Advice, load_advice
from edge_app.health import check_home
from edge_app.node import FarmNode, init_home
from edge_app.server import addresses
from edge_app.settings import Settings, documented, read_settings
from edge_app.turnstile import Turnstile
from field_data.errors import BusyError, KeeperError, PersonError
from field_data.files import write_atomic
from field_data.photo_quota import Budget
from field_data.types import Instant, Status, Trust
from tests.builders import leaf_jpeg


@pytest.fixture(scope="module")
def advice() -> Advice:
    return load_advice()


@pytest.fixture
def node(tmp_path: Path, advice: Advice) -> Iterator[FarmNode]:
    with FarmNode(tmp_path / "home", advice) as opened:
        yield opened


PHOTO = ("leaf.jpg", leaf_jpeg())


def test_a_diagnosis_is_kept_with_its_photo_when_agreed(node: FarmNode) -> None:
    said = node.diagnose([PHOTO], "LYPES", consent="2026-1")
    assert node.diagnosis(said.id) == said
    assert said.consent == "2026-1"
    sha256 = said.photos[0].sha256
    assert sha256 is not None
    kept = node.photo(sha256)
    assert kept is not None
    assert kept.startswith(b"\xff\xd8")
    node.forget([said.id])
    assert node.diagnosis(said.id) is None
    assert node.photo(sha256) is None


def test_without_consent_no_photo_is_kept(node: FarmNode) -> None:
    said = node.diagnose([PHOTO], "LYPES", consent=None)
    assert said.photos[0].sha256 is None
    assert not list((node.home / "photos").rglob("*.jpg"))
    assert node.diagnosis(said.id) == said


def test_a_crop_without_a_model_is_never_diagnosed(node: FarmNode) -> None:
    said = node.diagnose([PHOTO], "TRZAX", consent=None)
    assert (said.status, said.crop, said.candidates) == (Status.NO_MODEL, "TRZAX", ())
    assert said.model is None


def test_an_unknown_crop_is_refused(node: FarmNode) -> None:
    with pytest.raises(PersonError) as caught:
        node.diagnose([PHOTO], "NOSUCH", consent=None)
    assert caught.value.code == "unknown_crop"


def test_ask_an_agent(node: FarmNode) -> None:
    said = node.diagnose([PHOTO], "TRZAX", consent="2026-1")
    assert not node.asked_agent(said.id)
    node.ask_agent(said.id)
    node.ask_agent(said.id)
    assert node.asked_agent(said.id)


def test_a_node_without_its_model_still_serves(tmp_path: Path, advice: Advice) -> None:
    with FarmNode(tmp_path / "home", advice, model_folder=tmp_path / "none") as node:
        assert node.crops_with_model() == frozenset()
        assert node.diagnose([PHOTO], "LYPES", consent=None).status is Status.NO_MODEL
        assert node.diagnose([PHOTO], None, consent=None).status is Status.NO_MODEL
        [model] = [part for part in node.health() if part.name == "model"]
        assert (model.ok, model.code) == (False, "model_missing")


def test_a_model_whose_file_comes_back_speaks_again(tmp_path: Path, advice: Advice) -> None:
    folder = tmp_path / "leaf_health"
    shutil.copytree(node_module.MODEL_FOLDER, folder)
    files = {path: path.read_bytes() for path in folder.glob("*.onnx")}
    for path in files:
        path.unlink()
    with FarmNode(tmp_path / "home", advice, model_folder=folder) as node:
        assert node.crops_with_model() == frozenset()
        for path, data in files.items():
            write_atomic(path, data)
        patience = time.monotonic() + 20
        while not node.crops_with_model() and time.monotonic() < patience:
            time.sleep(0.05)
        assert node.diagnose([PHOTO], "LYPES", consent=None).model is not None


def test_two_nodes_on_one_home_are_refused(node: FarmNode, advice: Advice) -> None:
    with pytest.raises(KeeperError) as caught:
        FarmNode(node.home, advice)
    assert caught.value.code == "home_in_use"
    assert node.diagnose([PHOTO], "LYPES", consent=None).id


def test_a_home_keeps_its_identity(tmp_path: Path) -> None:
    first = init_home(tmp_path / "home")
    assert init_home(tmp_path / "home") == first
    assert init_home(tmp_path / "other") != first


def test_clock_at_1970(node: FarmNode, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch = Instant(3.0, Trust.UNKNOWN)
    monkeypatch.setattr(node_module, "now", lambda: epoch)
    monkeypatch.setattr("edge_app.health.now", lambda: epoch)
    said = node.diagnose([PHOTO], "LYPES", consent=None)
    assert said.at == epoch
    assert node.diagnosis(said.id) == said
    parts = {part.name: part for part in node.health()}
    assert (parts["clock"].ok, parts["clock"].code) == (False, "clock_past")
    assert parts["advice"].ok


def test_disk_full_keeps_nothing_half(node: FarmNode, monkeypatch: pytest.MonkeyPatch) -> None:
    before = node.diagnose([PHOTO], "LYPES", consent=None)

    def full(*_: object) -> None:
        raise KeeperError("disk_full")

    monkeypatch.setattr("field_data.photos.write_atomic", full)
    with pytest.raises(KeeperError):
        node.diagnose([PHOTO], "LYPES", consent="2026-1")
    monkeypatch.undo()
    assert node.diagnosis(before.id) == before
    assert not list((node.home / "photos").rglob("*.jpg"))


def test_health_is_seen_from_outside_while_the_node_serves(node: FarmNode) -> None:
    node.diagnose([PHOTO], "LYPES", consent=None)
    parts = {part.name: part for part in check_home(node.home)}
    assert set(parts) == {part.name for part in node.health()}
    assert parts["store"].detail.startswith("1 diagnoses")
    assert parts["model"].ok


def test_a_damaged_store_is_moved_aside_and_named(tmp_path: Path, advice: Advice) -> None:
    home = tmp_path / "home"
    init_home(home)
    for leftover in home.glob("store.sqlite-*"):
        leftover.unlink()
    (home / "store.sqlite").write_bytes(b"this is no database" * 100)
    photo = home / "photos" / "ab" / ("ab" * 32 + ".jpg")
    photo.parent.mkdir(parents=True, exist_ok=True)
    photo.write_bytes(b"kept before")
    with FarmNode(home, advice) as node:
        [store] = [part for part in node.health() if part.name == "store"]
        assert (store.ok, store.code) == (False, "store_damaged")
        assert photo.is_file(), "its photos are kept until somebody has looked"
        assert node.diagnose([PHOTO], "LYPES", consent=None).id


def test_settings_come_from_file_and_environment(tmp_path: Path) -> None:
    assert read_settings(tmp_path, {}) == Settings()
    (tmp_path / "settings.toml").write_text('port = 9000\nhost = "0.0.0.0"\n')
    assert read_settings(tmp_path, {}).port == 9000
    environ = {"GHALLA_PORT": "7", "HOME": "/", "GHALLA_DATA": "/x", "GHALLA_HOME": "/y"}
    said = read_settings(tmp_path, environ)
    assert (said.port, said.host) == (7, "0.0.0.0")


@pytest.mark.parametrize(
    "text", ["prot = 1", "port = 'x'", "port = 70000", "port = true", "workers = 0", "port = ["]
)
def test_wrong_settings_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(KeeperError) as caught:
        read_settings(tmp_path, {})
    assert caught.value.code == "bad_settings"


def test_wrong_environment_is_refused(tmp_path: Path) -> None:
    for environ in ({"GHALLA_PROT": "1"}, {"GHALLA_PORT": "eighty"}):
        with pytest.raises(KeeperError):
            read_settings(tmp_path, environ)


def test_every_setting_is_documented_and_the_example_is_valid(tmp_path: Path) -> None:
    text = documented()
    for each in fields(Settings):
        assert f"# {each.name} = " in text
        assert len(each.metadata["doc"]) > 20
    bare = "\n".join(line.removeprefix("# ") for line in text.splitlines() if " = " in line)
    (tmp_path / "settings.toml").write_text(bare)
    assert read_settings(tmp_path, {}) == Settings()


def test_the_turnstile_serves_everybody_inside_and_refuses_the_next() -> None:
    turnstile = Turnstile(slots=1, waiting=2)
    inside, go = threading.Event(), threading.Event()
    done: list[int] = []

    def person(number: int) -> None:
        with turnstile.place():
            inside.set()
            go.wait(10)
            done.append(number)

    people = [threading.Thread(target=person, args=(n,)) for n in range(3)]
    people[0].start()
    inside.wait(10)
    for one in people[1:]:
        one.start()
    while turnstile._inside < 3:
        threading.Event().wait(0.01)
    with pytest.raises(BusyError) as caught, turnstile.place():
        pass
    assert caught.value.retry_after_s >= 1
    go.set()
    for one in people:
        one.join(10)
    assert sorted(done) == [0, 1, 2]
    with turnstile.place():
        done.append(3)
    assert done[-1] == 3


def test_a_failure_gives_the_place_back() -> None:
    turnstile = Turnstile(slots=1, waiting=0)
    for _ in range(3):
        with pytest.raises(RuntimeError), turnstile.place():
            raise RuntimeError
    with turnstile.place():
        assert turnstile.retry_after_s() >= 1


def test_file_names_are_not_kept(node: FarmNode) -> None:
    photo = ("Fatima +212 600 00 00 00.jpg", PHOTO[1])
    said = node.diagnose([photo, PHOTO], "LYPES", consent=None)
    assert [verdict.name for verdict in said.photos] == ["photo-1", "photo-2"]


def test_no_room_for_photos_leaves_the_answer(node: FarmNode) -> None:
    node._photos.budget = Budget(1000, lambda: 0, lambda bytes: None)
    said = node.diagnose([PHOTO], "LYPES", consent="yes")
    assert node.diagnosis(said.id) == said
    assert said.photos[0].sha256 is None


def test_check_mends_nothing_beside_a_running_node(node: FarmNode) -> None:
    path = node.home / "store.sqlite"
    node.diagnose([PHOTO], "LYPES", consent=None)
    with node._store.erasing():  # the log goes into the file
        pass
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    parts = {part.name: part for part in check_home(node.home)}
    assert parts["store"].code == "store_damaged"
    assert [p.name for p in node.home.glob("store.sqlite*damaged*")] == []
    path.write_bytes(whole)
    assert {part.name: part for part in check_home(node.home)}["store"].ok


def test_check_makes_nothing_in_a_folder_that_is_no_home(tmp_path: Path) -> None:
    with pytest.raises(KeeperError) as caught:
        check_home(tmp_path)
    assert caught.value.code == "no_home"
    assert list(tmp_path.iterdir()) == []


def test_what_was_forgotten_is_not_left_in_the_log(node: FarmNode) -> None:
    said = node.diagnose([PHOTO], "LYPES", consent=None)
    node.forget([said.id])
    for path in node.home.glob("store.sqlite*"):
        assert said.id.encode() not in path.read_bytes()


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "::1"])
def test_addresses_can_be_opened(host: str) -> None:
    for address in addresses(host, 8080):
        assert urlsplit(address).port == 8080
        assert urlsplit(address).hostname
