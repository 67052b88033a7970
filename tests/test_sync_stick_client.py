"""Records and photos on a USB stick: there and back, pulled out, full, and somebody else's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from field_data import files
from field_data.errors import KeeperError, PersonError
from sync import stick_client
from sync.hub.usb import take_stick
from sync.stick import photos_folder, receipt_file, up_folder
from tests.sending import World, node_in, world
from tests.village import jpeg


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        (tmp_path / "stick").mkdir()
        yield made


def filled(here: World, records: int = 5) -> list[str]:
    photos = [here.node.ground.photos.put(jpeg(shade)).sha256 for shade in range(2)]
    for n in range(records):
        here.node.see("", *photos[: n % 3], note=f"visit {n}")
    return photos


def test_a_stick_goes_there_and_back_and_may_come_twice(here: World, tmp_path: Path) -> None:
    photos, stick = filled(here), tmp_path / "stick"
    written = here.node.uplinks.stick(stick).export()
    assert (written.records, written.photos) == (5, 2)
    assert here.node.uplinks.stick(stick).export().bytes == 0
    shutil.copytree(stick, tmp_path / "copy")
    for each in (stick, tmp_path / "copy"):
        (taken,) = take_stick(here.hub, each)
        assert taken.problems == []
    assert [row.seq for row in here.rows()] == [1, 2, 3, 4, 5]
    assert {(row.photo, row.rendition) for row in here.photos()} == {
        (photo, "original") for photo in photos
    }
    key = here.node.uplinks.hub_key()
    read = here.node.uplinks.stick(stick).import_(key)
    assert (read.records, read.photos) == (5, 2)
    node = here.node.ground.node
    assert list(up_folder(stick, node).glob("*.seg")) == []
    assert list(photos_folder(stick, node).iterdir()) == []
    status = here.node.uplinks.status()
    assert (status.waiting, status.bytes) == (0, 0)
    assert here.node.ground.photo_uses.all_sent() == set(photos)
    assert here.node.send().records == 0
    assert here.node.uplinks.stick(stick).import_(key).records == 0


def test_what_the_stick_took_already_may_go_over_the_network_too(
    here: World, tmp_path: Path
) -> None:
    filled(here)
    here.node.uplinks.stick(tmp_path / "stick").export()
    assert here.node.send().records == 5
    (taken,) = take_stick(here.hub, tmp_path / "stick")
    assert (taken.problems, taken.records) == ([], 5)
    assert {row.rev for row in here.rows()} == {0}
    assert len(here.rows()) == 5


def test_a_full_stick_keeps_what_is_whole_and_is_gone_on_with(
    here: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, stick = filled(here), tmp_path / "stick"
    room = [2]

    def tight(path: Path, data: bytes) -> None:
        if not room[0]:
            (path.parent / ".half.tmp").write_bytes(data[: len(data) // 2])
            raise KeeperError("disk_full", "no space left")
        room[0] -= 1
        files.write_atomic(path, data)

    monkeypatch.setattr(stick_client, "write_atomic", tight)
    with pytest.raises(PersonError) as told:
        here.node.uplinks.stick(stick).export()
    assert told.value.code == "stick_full"
    (taken,) = take_stick(here.hub, stick)
    assert (taken.records, taken.photos, taken.problems) == (5, 0, [])
    here.node.uplinks.stick(stick).import_(here.node.uplinks.hub_key())
    room[0] = 99
    assert here.node.uplinks.stick(stick).export().photos == len(photos)
    assert not list(stick.rglob("*.tmp"))
    (taken,) = take_stick(here.hub, stick)
    assert taken.photos == 2
    assert here.node.uplinks.stick(stick).import_(here.node.uplinks.hub_key()).photos == 2


def test_a_stick_of_another_node_and_a_false_receipt_are_ignored(
    here: World, tmp_path: Path
) -> None:
    filled(here)
    stick, node = tmp_path / "stick", here.node.ground.node
    here.node.uplinks.stick(stick).export()
    take_stick(here.hub, stick)
    key = here.node.uplinks.hub_key()
    with node_in(tmp_path / "other") as other:
        other.enrol(here.hub, here.server.url)
        with pytest.raises(PersonError) as told:
            other.uplinks.stick(stick).import_(key)
        assert told.value.code == "no_receipt"
        shutil.copy(receipt_file(stick, node), receipt_file(stick, other.ground.node))
        with pytest.raises(PersonError, match="another node"):
            other.uplinks.stick(stick).import_(key)
        other.see(note="mine")
        other.uplinks.stick(stick).export()
    assert list(up_folder(stick, node).glob("*.seg"))
    receipt = receipt_file(stick, node)
    receipt.write_bytes(receipt.read_bytes()[:-1] + b"x")
    with pytest.raises(PersonError, match="no receipt of this hub"):
        here.node.uplinks.stick(stick).import_(key)
    assert here.node.uplinks.status().waiting == 5


def test_what_was_erased_leaves_the_stick_at_the_next_export(here: World, tmp_path: Path) -> None:
    event = here.node.see(note="secret word")
    stick = tmp_path / "stick"
    here.node.uplinks.stick(stick).export()
    (before,) = up_folder(stick, here.node.ground.node).glob("*.seg")
    data = before.read_bytes()
    here.node.ground.events.erase([event.id])
    for forget in here.node.ground.privacy.elsewhere:
        forget(())
    here.node.uplinks.stick(stick).export()
    (after,) = up_folder(stick, here.node.ground.node).glob("*.seg")
    assert after.read_bytes() != data
    take_stick(here.hub, stick)
    assert "secret" not in str(here.rows())


def test_no_stick_is_told(here: World, tmp_path: Path) -> None:
    with pytest.raises(PersonError) as told:
        here.node.uplinks.stick(tmp_path / "nowhere").export()
    assert told.value.code == "no_stick"
