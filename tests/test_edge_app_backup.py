"""A node's home on a stick and back: whole or refused, and never two records under one number."""

from __future__ import annotations

import io
import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from edge_app.appliance import backup
from edge_app.cli import main
from field_data.errors import GhallaError, KeeperError, PersonError
from tests.boxes import Box
from tests.sending import World, node_in, world

SECRET = "olive tree on the hill"


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same scrypt with less work: most tests are not about it."""
    monkeypatch.setattr(backup, "_SCRYPT", {"n": 1 << 10, "r": 8, "p": 1})


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def files_of(home: Path) -> dict[str, bytes]:
    """What is compared: stores are other bytes after a copy."""
    found = {p.relative_to(home).as_posix(): p for p in home.rglob("*") if p.is_file()}
    return {n: p.read_bytes() for n, p in found.items() if "sqlite" not in n and "lock" not in n}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path / "home")
    for farmer in made.farmers:
        made.visit(farmer, photos=[made.photo()])
    yield made
    made.close()


def reader_of_the_document(path: Path, passphrase: str) -> dict[str, bytes]:
    """Written from docs/backup.md alone."""
    data = path.read_bytes()
    magic, line, rest = data.split(b"\n", 2)
    assert magic == b"ghalla backup 1"
    head = json.loads(line)
    associated = magic + b"\n" + line + b"\n"
    key = Scrypt(salt=bytes.fromhex(head["salt"]), length=32, n=head["n"], r=head["r"],
                 p=head["p"]).derive(passphrase.encode())  # fmt: skip
    plain, count = b"", 0
    while rest:
        length = int.from_bytes(rest[:4], "big")
        sealed, rest = rest[4 : 4 + length], rest[4 + length :]
        nonce = count.to_bytes(11, "big") + (b"\0" if rest else b"\1")
        plain += ChaCha20Poly1305(key).decrypt(nonce, sealed, associated)
        count += 1
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        return {i.name: tar.extractfile(i).read() for i in tar}  # type: ignore[union-attr]


def test_all_that_a_running_node_knows_comes_back(tmp_path: Path, box: Box) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    steps: list[tuple[int, int]] = []
    path = backup.create(box.home, stick, SECRET, lambda *step: steps.append(step))
    assert steps[-1][0] == steps[-1][1] > 0
    new = tmp_path / "new"
    assert backup.verify(path, SECRET) == backup.restore(path, new, SECRET) > 3
    assert files_of(new) == files_of(box.home)
    assert set(reader_of_the_document(path, SECRET)) >= {"store.sqlite", "settings.toml"}
    again = Box(new)
    assert again.ground.events.last_seq() == box.ground.events.last_seq()
    assert [p.name for p in again.ground.people.all()] == [p.name for p in box.ground.people.all()]
    again.close()
    farmer = box.farmers[0].person.name.encode()
    assert farmer not in path.read_bytes()
    assert [p.name for p in stick.iterdir()] == [path.name]
    assert not list(tmp_path.glob(".restoring*"))
    assert not list(box.home.glob("restoring*"))


def test_after_a_move_nothing_is_lost_or_there_twice_at_the_hub(
    tmp_path: Path, here: World, cheap: None
) -> None:
    """The old card recorded and sent after the backup; the new one goes on under other numbers."""
    first = [here.node.see(note=f"before {n}") for n in range(3)]
    here.node.send()
    stick = tmp_path / "stick"
    stick.mkdir()
    home = here.node.uplinks.home
    path = backup.create(home, stick, SECRET)
    later = here.node.see(note="after the backup, on the old card")
    here.node.send()
    before = here.node.uplinks.uplink().state()["epoch"]
    here.node.ground.store.close()
    backup.restore(path, tmp_path / "moved", SECRET)
    with node_in(tmp_path / "moved") as moved:
        assert moved.uplinks.uplink().state()["epoch"] == before + 1
        mine = moved.see(note="on the new card")
        assert mine.seq == later.seq
        assert moved.send().reason == ""
    notes = [row.body["values"]["note"] for row in here.rows()]
    assert sorted(notes) == sorted(
        [
            *(e.body["values"]["note"] for e in first),
            later.body["values"]["note"],
            "on the new card",
        ]
    )


def test_only_the_newest_stay_and_strange_files_are_left_alone(
    tmp_path: Path, box: Box, cheap: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "holiday.jpg").write_bytes(b"x")
    (stick / "ghalla-another-20260101T000000Z.ghk").write_bytes(b"x")
    real = backup._about
    days = iter(range(1, 9))

    def dated(sources: dict[str, Path]) -> backup.About:
        made = real(sources)
        stamp = f"2026010{next(days)}T000000Z"
        return backup.About(made.node, stamp, made.software, made.files, made.bytes)

    monkeypatch.setattr(backup, "_about", dated)
    for _ in range(5):
        backup.create(box.home, stick, SECRET, keep=2)
    names = sorted(path.name for path in stick.iterdir())
    assert [re.sub(r"ghalla-\w+-2", "2", n) for n in names if "another" not in n] == [
        "20260104T000000Z.ghk", "20260105T000000Z.ghk", "holiday.jpg"]  # fmt: skip
    assert "ghalla-another-20260101T000000Z.ghk" in names


@pytest.mark.parametrize("fault", ["full", "gone"])
def test_a_stick_that_fails_keeps_the_backup_it_had(
    tmp_path: Path, box: Box, cheap: None, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    path = backup.create(box.home, stick, SECRET)
    whole = path.read_bytes()
    if fault == "full":
        monkeypatch.setattr(backup, "free_bytes", lambda _: 1000)
    else:

        def torn(*_: object) -> int:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(backup, "_add", torn)
    with pytest.raises(KeeperError) as caught:
        backup.create(box.home, stick, SECRET, keep=1)
    assert caught.value.code == {"full": "disk_full", "gone": "stick_failed"}[fault]
    assert path.read_bytes() == whole
    assert list(stick.iterdir()) == [path]
    shutil.rmtree(stick)
    with pytest.raises(KeeperError, match="is the stick in"):
        backup.create(box.home, stick, SECRET)


def test_what_was_cut_or_changed_is_refused_and_leaves_nothing(
    tmp_path: Path, box: Box, cheap: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "CHUNK", 4096)
    stick, new = tmp_path / "stick", tmp_path / "new"
    stick.mkdir()
    whole = backup.create(box.home, stick, SECRET).read_bytes()
    start = whole.index(b"\n", 20) + 1
    chunk = 4 + 4096 + 16
    assert len(whole) > start + 3 * chunk
    middle = start + chunk + 100
    swapped = (whole[:start] + whole[start + chunk : start + 2 * chunk]
               + whole[start : start + chunk] + whole[start + 2 * chunk :])  # fmt: skip
    wrong = {
        "between chunks": whole[: start + 2 * chunk],
        "in a chunk": whole[:middle],
        "one bit": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "a word of the head": whole.replace(b'"software"', b'"softwarf"', 1),
        "the date in the head": re.sub(rb'"created": "2', b'"created": "3', whole, count=1),
        "two chunks swapped": swapped,
        "something behind it": whole + b"x",
        "costly key": whole.replace(b'"n": 1024', b'"n": 1073741824', 1),
        "no head": whole[start:],
        "nothing": b"",
    }
    for what, data in wrong.items():
        path = tmp_path / "wrong.ghk"
        path.write_bytes(data)
        for action in (backup.verify, lambda p, s: backup.restore(p, new, s)):
            with pytest.raises(PersonError) as caught:
                action(path, SECRET)
            assert caught.value.code in {"bad_backup", "wrong_passphrase"}, what
    with pytest.raises(PersonError, match="another passphrase"):
        backup.restore(next(stick.iterdir()), new, "not the right one")
    assert not new.exists()
    assert not list(tmp_path.glob(".restoring*"))


@pytest.mark.parametrize(
    "member",
    [
        "../outside",
        "/etc/outside",
        "a/../../outside",
        "a//b",
        "link",
        "device",
    ],
)
def test_a_member_with_no_place_in_a_home_is_refused_though_rightly_sealed(
    tmp_path: Path, cheap: None, member: str
) -> None:
    info = tarfile.TarInfo("store.sqlite" if member in {"link", "device"} else member)
    if member == "link":
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    if member == "device":
        info.type = tarfile.CHRTYPE
    head = {"kdf": "scrypt", **backup._SCRYPT, "salt": "00" * 16, "node": "n", "created": "c",
            "software": "s", "files": 1, "bytes": 1}  # fmt: skip
    told = backup.MAGIC + json.dumps(head).encode() + b"\n"
    path = tmp_path / "hostile.ghk"
    with path.open("wb") as out:
        out.write(told)
        sealing: Any = backup._Sealing(out, backup._key(SECRET, head), told)
        with tarfile.open(fileobj=sealing, mode="w|") as tar:
            tar.addfile(info)
        sealing.close()
    with pytest.raises(PersonError, match="no place in it"):
        backup.restore(path, tmp_path / "home", SECRET)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["hostile.ghk"]


def test_what_is_there_is_never_written_over(tmp_path: Path, box: Box, cheap: None) -> None:
    path = backup.create(box.home, tmp_path, SECRET)
    with pytest.raises(KeeperError, match="holds something"):
        backup.restore(path, box.home, SECRET)
    with pytest.raises(GhallaError) as caught:
        backup.create(box.home, tmp_path, "short")
    assert caught.value.code == "weak_passphrase"


def test_from_the_command_line(tmp_path: Path, box: Box) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    run = CliRunner()
    phrase = ["--passphrase-file", str(secret), "--json"]

    def told(*words: str) -> Any:
        done = run.invoke(main, ["box", "backup", *words])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    stick = tmp_path / "stick"
    stick.mkdir()
    made = told("create", "--home", str(box.home), "--to", str(stick), *phrase)
    assert Path(made["file"]).stat().st_size == made["size"]
    (stick / "odd.ghk").write_bytes(b"odd")
    listed = told("list", str(stick), "--json")
    assert [("problem" in each) for each in listed] == [False, True]
    assert told("verify", made["file"], *phrase)["files"] == made["files"]
    assert told("restore", made["file"], "--home", str(tmp_path / "new"), *phrase)["files"] > 3
    secret.write_text("another passphrase\n")
    done = run.invoke(main, ["box", "backup", "verify", made["file"], *phrase])
    assert done.exit_code == 1
