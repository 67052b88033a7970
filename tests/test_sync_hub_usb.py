"""A stick at the hub, and the verbs of the command line."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from edge_app.cli import main
from field_data.errors import NetworkError
from sync import receipts
from sync.hub.app import Hub
from sync.hub.ingest import ingest
from sync.hub.photos import blob_name
from sync.hub.tables import EVENTS, PHOTOS
from sync.hub.usb import take_stick
from sync.stick import (
    INDEX,
    StickPhoto,
    photos_folder,
    receipt_file,
    seal_index,
    segment_file,
    up_folder,
)
from sync.types import Refusal
from tests.hub_nodes import Node, erasure, record

SHOWN = b"the bytes of a view"
SHA = hashlib.sha256(SHOWN).hexdigest()
PHOTO = hashlib.sha256(b"the kept photo").hexdigest()


def packed(stick: Path, node: Node) -> Path:
    """A stick with six records in two segments and one photo."""
    photos_folder(stick, node.id).mkdir(parents=True)
    for first in (1, 4):
        part = [record(s, photos=(PHOTO,) if s == 1 else ()) for s in range(first, first + 3)]
        path = segment_file(stick, node.id, node.epoch, first, first + 2)
        path.write_bytes(node.segment(*part, last=6))
    (photos_folder(stick, node.id) / SHA).write_bytes(SHOWN)
    listed = [StickPhoto(SHA, PHOTO, "view", len(SHOWN))]
    (up_folder(stick, node.id) / INDEX).write_bytes(seal_index(node.id, listed, node.key))
    return stick


def state(hub: Hub) -> Any:
    with hub.database.reading() as connection:
        return connection.execute(select(EVENTS)).all(), connection.execute(select(PHOTOS)).all()


def test_a_stick_arrives_and_a_copy_of_it_is_a_success(any_hub: Hub, tmp_path: Path) -> None:
    node = Node().enrolled(any_hub)
    stick = packed(tmp_path / "stick", node)
    copy = Path(shutil.copytree(stick, tmp_path / "copy"))
    (taken,) = take_stick(any_hub, stick)
    assert (taken.segments, taken.records, taken.photos, taken.problems) == (2, 6, 1, [])
    data = receipt_file(stick, node.id).read_bytes()
    receipt = receipts.open_receipt(data, any_hub.identity.key.public)
    assert (receipt.node, receipt.seq, receipt.photos) == (node.id, 6, (PHOTO,))
    assert any_hub.blobs.get(blob_name(node.id, SHA)) == SHOWN
    before = state(any_hub)
    (again,) = take_stick(any_hub, copy)
    assert (again.records, again.problems) == (6, [])
    assert again.receipt is not None
    assert again.receipt.seq == 6
    assert state(any_hub) == before


def test_a_stick_with_photos_alone_gets_a_receipt(sqlite_hub: Hub, tmp_path: Path) -> None:
    node = Node().enrolled(sqlite_hub)
    stick = packed(tmp_path, node)
    for path in up_folder(stick, node.id).glob("*.seg"):
        path.unlink()
    ingest(sqlite_hub, node.batch(record(1, photos=(PHOTO,)), record(2)))
    take_stick(sqlite_hub, stick)
    data = receipt_file(stick, node.id).read_bytes()
    receipt = receipts.open_receipt(data, sqlite_hub.identity.key.public)
    assert (receipt.seq, receipt.photos) == (2, (PHOTO,))


def test_a_stick_that_is_older_than_what_came_since(sqlite_hub: Hub, tmp_path: Path) -> None:
    node = Node().enrolled(sqlite_hub)
    stick = packed(tmp_path, node)
    ingest(sqlite_hub, node.batch(*map(record, range(4, 10)), erasure(10, [1], [PHOTO])))
    (taken,) = take_stick(sqlite_hub, stick)
    assert taken.receipt is not None
    assert taken.receipt.seq == 10
    assert [reason for _, reason, _ in taken.problems] == [Refusal.ERASED]
    assert sqlite_hub.blobs.names() == []  # what was erased does not come back


def test_one_bad_file_does_not_stop_the_others(sqlite_hub: Hub, tmp_path: Path) -> None:
    node, stranger = Node().enrolled(sqlite_hub), Node()
    stick = packed(tmp_path, node)
    packed(tmp_path, stranger)
    cut = segment_file(stick, node.id, 0, 1, 3)
    cut.write_bytes(cut.read_bytes()[:-9])
    foreign = Node().enrolled(sqlite_hub)
    segment_file(stick, node.id, 0, 7, 7).write_bytes(foreign.segment(record(1)))
    segment_file(stick, node.id, 0, 8, 8).symlink_to("/etc/hostname")
    (photos_folder(stick, node.id) / SHA).write_bytes(SHOWN[:-1] + b"?")
    (stick / "ghalla-up" / "..").mkdir(exist_ok=True)
    (stick / "ghalla-up" / "not a node").mkdir()
    taken = {each.node: each for each in take_stick(sqlite_hub, stick)}
    assert set(taken) == {node.id, stranger.id}
    assert taken[node.id].records == 3
    reasons = [reason for _, reason, _ in taken[node.id].problems]
    assert sorted(reasons) == ["bad_segment", "bad_segment", "bad_signature", "damaged"]
    assert {reason for _, reason, _ in taken[stranger.id].problems} == {"unknown_node"}
    assert not receipt_file(stick, stranger.id).exists()
    with sqlite_hub.database.reading() as connection:
        assert {row.seq for row in connection.execute(select(EVENTS.c.seq))} == {4, 5, 6}


def test_a_hub_that_cannot_keep_says_so_and_writes_no_receipt(
    sqlite_hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = Node().enrolled(sqlite_hub)
    stick = packed(tmp_path, node)

    def down(*_: object) -> None:
        raise NetworkError("blobs_down", "away")

    monkeypatch.setattr(sqlite_hub.blobs, "put", down)
    with pytest.raises(NetworkError):
        take_stick(sqlite_hub, stick)
    assert not receipt_file(stick, node.id).exists()


def test_the_verbs_of_a_hub(tmp_path: Path) -> None:
    places = ["--database", f"sqlite:///{tmp_path}/new/hub.sqlite", "--blobs", f"{tmp_path}/b"]

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["hub", *words])
        assert done.exit_code == code, done.output
        return done.output

    hub = json.loads(run("init", *places, "--json"))["hub"]
    assert json.loads(run("init", *places, "--json"))["hub"] == hub
    wanted = ("--organisation", "ONCA", "--region", "Chaouia", "--url", "https://hub.example")
    told = json.loads(run("enrol", *places, *wanted, "--json"))
    assert told["link"] == f"https://hub.example/n/1/enrol?code={told['code']}"
    shown = run("enrol", *places, *wanted)
    assert "█" in shown or "▄" in shown
    assert "ghalla sync enrol --hub https://hub.example --code " in shown
    assert "unknown_node" in run("revoke", *places, "nobody", "--json", code=1)
    assert run("nodes", *places) == ""
    assert "Nothing of a node" in run("usb", *places, str(tmp_path))


def test_the_command_line_takes_in_a_stick(sqlite_hub: Hub, tmp_path: Path) -> None:
    node = Node().enrolled(sqlite_hub)
    stick = packed(tmp_path / "stick", node)
    settings = replace(sqlite_hub.settings)
    places = ["--database", settings.database, "--blobs", settings.blobs]
    done = CliRunner().invoke(main, ["hub", "usb", *places, str(stick), "--json"])
    assert done.exit_code == 0
    told = json.loads(done.output)
    assert (told["node"], told["records"], told["seq"]) == (node.id, 6, 6)
    listed = CliRunner().invoke(main, ["hub", "nodes", *places, "--json"]).output
    assert json.loads(listed)["organisation"] == "ONCA"
    CliRunner().invoke(main, ["hub", "revoke", *places, node.id])
    assert "revoked" in CliRunner().invoke(main, ["hub", "nodes", *places]).output


def test_without_the_extra_a_hub_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_app.cli_hub.find_spec", lambda name: None)
    done = CliRunner().invoke(main, ["hub", "init", "--json"])
    assert done.exit_code == 3
    assert json.loads(done.stdout.splitlines()[0])["error"] == "no_hub"
    assert "ghalla[hub]" in done.output
