"""Backups: closed, once, whole whatever happens to the stick; and what was lost comes back."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge_app.appliance import backup_keys
from edge_app.appliance.backup import Backups, files_of, last_backup
from edge_app.appliance.backup_keys import keep_key, new_holder, public_line, read_secret
from edge_app.appliance.restoring import Found, find, restore
from edge_app.home import open_ground
from edge_app.node import init_home
from field_data.errors import GhallaError, KeeperError, PersonError
from field_data.files import HomeLock
from tests.power import Cut, Power
from tests.reading_backups import read_backup
from tests.sending import node_in, world
from tests.test_field_data_diagnoses import jpeg

WORDS = "seven dry figs and a well"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretching a passphrase costs a second on purpose; not here."""
    monkeypatch.setattr(backup_keys, "_LOG_N", 4)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    with node_in(home) as node:
        photo = node.ground.photos.put(jpeg(1)).sha256
        node.see("field-1", photo)
    (home / "sat").mkdir()
    with closing(sqlite3.connect(home / "sat/archive.db")) as con:
        con.execute("CREATE TABLE big(body BLOB)")
        con.execute("INSERT INTO big VALUES(?)", (os.urandom(3 << 20),))
        con.commit()
    (home / "sat/scenes").mkdir()
    (home / "sat/scenes/fetched").write_bytes(b"can be had again")
    (home / "tls").mkdir()
    (home / "tls/key.pem").write_bytes(b"secret")
    (home / "link").symlink_to("/etc/passwd")
    keep_key(home, backup_keys.make_key(WORDS))
    return home


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    stick = tmp_path / "stick"
    stick.mkdir()
    return stick


def events_of(home: Path) -> list[str]:
    with open_ground(home) as ground:
        return [event.id for event in ground.events.since(0, 1000)]


def put_back(stick: Path, home: Path, **more: Any) -> Found:
    found = find(stick, WORDS)
    restore(found, home, **more)
    return found


def test_all_that_matters_comes_back_and_nothing_else(home: Path, stick: Path) -> None:
    made = Backups(home, stick).create()
    assert made.number == 1
    fresh = home.parent / "card" / "home"
    put_back(stick, fresh)
    assert events_of(fresh) == events_of(home)
    names = {inner for inner, _ in files_of(home)}
    assert {"settings.toml", "sat/archive.db", "tls/key.pem", "store.sqlite"} <= names
    assert {p.relative_to(fresh).as_posix() for p in fresh.rglob("*.jpg")} <= names
    assert not {"link", "sat/scenes/fetched", "backup/keys.json", "lock"} & names
    assert (fresh / "sat/archive.db").stat().st_size == (home / "sat/archive.db").stat().st_size
    with open_ground(fresh) as ground:
        [event] = ground.events.since(0, 10)
        assert ground.photos.get(event.photos[0]) is not None
    modes = {oct(p.stat().st_mode & 0o777) for p in fresh.rglob("*.pem")}
    assert modes == {"0o600"}
    assert Backups(fresh, stick).create().written < 10, "the pieces of before serve on"


def test_nothing_of_it_can_be_read_on_the_stick(home: Path, stick: Path) -> None:
    Backups(home, stick).create()
    everything = b"".join(p.read_bytes() for p in stick.rglob("*") if p.is_file())
    for secret in (b"agent-1", b"SQLite format 3", b"secret", b"store.sqlite", b"\xff\xd8\xff\xe0"):
        assert secret not in everything


def test_who_has_only_the_document_can_read_it(home: Path, stick: Path, tmp_path: Path) -> None:
    holder = public_line(new_holder(tmp_path / "holder"))
    keep_key(home, backup_keys.make_key(WORDS, [holder]))
    Backups(home, stick).create()
    [folder] = (stick / "ghalla-backup").iterdir()
    listed, files = read_backup(folder, 1, passphrase=WORDS)
    assert files["settings.toml"] == (home / "settings.toml").read_bytes()
    store = tmp_path / "store.sqlite"
    store.write_bytes(files["store.sqlite"])
    with closing(sqlite3.connect(store)) as con:
        assert con.execute("SELECT count(*) FROM d_events").fetchone() == (1,)
    secret = read_secret(tmp_path / "holder")
    assert read_backup(folder, 1, "x25519", secret=secret) == (listed, files)
    assert find(stick, None, secret).backup.number == 1
    with pytest.raises(PersonError):
        find(stick, None, os.urandom(32))


def test_what_did_not_change_is_not_written_again(home: Path, stick: Path) -> None:
    first = Backups(home, stick).create()
    assert first.bytes > 3 << 20
    with node_in(home) as node:
        node.see("field-2")
    second = Backups(home, stick).create()
    assert second.bytes < 200_000
    assert len(events_of(home)) == 2
    assert find(stick, WORDS).backup.number == 2
    assert find(stick, WORDS, number=1).backup.number == 1


def test_old_ones_go_with_what_only_they_need(home: Path, stick: Path) -> None:
    for _ in range(3):
        (home / "forms").mkdir(exist_ok=True)
        (home / "forms/noise").write_bytes(os.urandom(2 << 20))
        backups = Backups(home, stick)
        backups.create(keep=2)
    assert backups.stick.numbers() == [2, 3]
    there = {p.name for p in stick.rglob("objects/*/*")}
    assert there == set().union(*(each.objects for each in backups.all()))
    assert backups.verify(backups.all()[-1]) == []


def test_what_is_damaged_is_named_and_written_anew(home: Path, stick: Path) -> None:
    backups = Backups(home, stick)
    backups.create()
    victim = max((p for p in stick.rglob("objects/*/*")), key=lambda p: p.stat().st_size)
    whole = victim.read_bytes()
    for harmed in (whole[:-1], b"", bytes([whole[0] ^ 1]) + whole[1:]):
        victim.write_bytes(harmed)
        [backup] = Backups(home, stick).all()
        assert backups.verify(backup) == [victim.name]
        with pytest.raises(KeeperError) as error:
            put_back(stick, home.parent / "card")
        assert error.value.code == "backup_damaged"
        assert not (home.parent / "card").exists()
        assert not list(home.parent.glob(".card*"))
    backups.stick.remove(victim.name)
    assert Backups(home, stick).create().written >= 1
    put_back(stick, home.parent / "card")


def test_a_damaged_list_leaves_the_one_before(home: Path, stick: Path) -> None:
    for _ in range(2):
        Backups(home, stick).create()
    [newest] = stick.rglob("000002.gbk")
    whole = newest.read_bytes()
    for harmed in (whole[:-1], whole[:-100], whole.replace(b"scrypt", b"scrypd"), b"",
                   whole[:40], whole[:-1] + b"\0", b"\n" * 99):  # fmt: skip
        newest.write_bytes(harmed)
        assert find(stick, WORDS).backup.number == 1
    made = Backups(home, stick).create(keep=1)
    assert made.removed == 0, "a list that cannot be read may need any piece"
    assert find(stick, WORDS).backup.number == 3


def test_the_wrong_passphrase_opens_nothing(home: Path, stick: Path) -> None:
    Backups(home, stick).create()
    for wrong in ("", WORDS.upper(), WORDS + " "):
        with pytest.raises(PersonError) as error:
            find(stick, wrong)
        assert error.value.code == "wrong_passphrase"
    with pytest.raises(PersonError) as error:
        backup_keys.make_key("too short")
    assert error.value.code == "short_passphrase"


def test_a_head_that_asks_for_all_memory_is_refused(home: Path, stick: Path) -> None:
    Backups(home, stick).create()
    [path] = stick.rglob("*.gbk")
    for log_n in (21, 62, -1, "16", True):
        magic, head, *rest = path.read_bytes().split(b"\n", 2)
        said = json.loads(head)
        said["keys"][0]["log_n"] = log_n
        path.write_bytes(b"\n".join([magic, json.dumps(said).encode(), *rest]))
        with pytest.raises(KeeperError) as error:
            find(stick, WORDS)
        assert error.value.code == "backup_damaged"


@pytest.mark.parametrize(
    "where", ["ghalla-backup", "ghalla-backup/SET", "ghalla-backup/SET/objects"]
)
def test_links_on_a_stick_lead_nowhere(home: Path, stick: Path, where: str) -> None:
    elsewhere = home.parent / "elsewhere"
    elsewhere.mkdir()
    backups = Backups(home, stick)
    place = stick / where.replace("SET", backups.key.set)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(elsewhere)
    with pytest.raises(KeeperError) as error:
        backups.create()
    assert error.value.code == "stick_hostile"
    assert list(elsewhere.iterdir()) == []
    assert last_backup(home)["code"] == "stick_hostile"


def test_pipes_and_huge_files_on_a_stick_are_not_read(home: Path, stick: Path) -> None:
    Backups(home, stick).create()
    [folder] = (stick / "ghalla-backup").iterdir()
    os.mkfifo(folder / "000002.gbk")
    with (folder / "000003.gbk").open("wb") as file:
        file.truncate(10 << 30)
    (folder / "000004.gbk").symlink_to("/dev/zero")
    (folder / "000005.gbk").mkdir()
    assert find(stick, WORDS).backup.number == 1
    assert Backups(home, stick).create().number == 6


def test_a_stick_that_is_full_or_pulled_out_leaves_the_former_backup(
    home: Path, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Backups(home, stick).create()
    with node_in(home) as node:
        for n in range(30):
            node.see(f"field-{n}", note="x" * 50)
    (home / "forms").mkdir(exist_ok=True)
    real, left = os.rename, 0

    def fails(code: int) -> Any:
        def rename(*given: Any, **more: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(code, "as a stick says it")
            real(*given, **more)

        return rename

    for code, word in ((errno.ENOSPC, "stick_full"), (errno.EIO, "stick_gone"),
                       (errno.ENODEV, "stick_gone"), (errno.EROFS, "stick_read_only")):  # fmt: skip
        for step in (0, 8):
            left = step
            (home / "forms/noise").write_bytes(os.urandom(8 << 20))
            with monkeypatch.context() as patch:
                patch.setattr(os, "rename", fails(code))
                with pytest.raises(KeeperError) as error:
                    Backups(home, stick).create()
            assert error.value.code == word
            found = find(stick, WORDS)
            assert (found.backup.number, Backups(home, stick).verify(found.backup)) == (1, [])
    assert Backups(home, stick).create().number == 2
    assert not list(stick.rglob("*.tmp"))


def test_a_full_stick_gives_up_old_backups_but_never_the_newest(
    home: Path, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "forms").mkdir(exist_ok=True)
    for _ in range(3):
        (home / "forms/noise").write_bytes(os.urandom(1 << 20))
        Backups(home, stick).create()
    (home / "forms/noise").write_bytes(os.urandom(1 << 20))
    real = os.rename

    def rename(*given: Any, **more: Any) -> None:
        used = sum(p.stat().st_size for p in stick.rglob("*") if p.is_file())
        if used > 6_500_000:
            raise OSError(errno.ENOSPC, "full")
        real(*given, **more)

    monkeypatch.setattr(os, "rename", rename)
    assert Backups(home, stick).create().number == 4
    assert Backups(home, stick).stick.numbers() == [3, 4]


def test_a_home_is_never_written_over_unasked(home: Path, stick: Path) -> None:
    Backups(home, stick).create()
    with pytest.raises(PersonError) as error:
        put_back(stick, home)
    assert error.value.code == "home_there"
    with node_in(home) as node:
        lost = node.see("field-9").id
    with HomeLock(home), pytest.raises(KeeperError) as used:
        put_back(stick, home, replace=True)
    assert used.value.code == "home_in_use"
    aside = restore(find(stick, WORDS), home, replace=True)
    assert aside is not None
    assert lost in events_of(aside)
    assert lost not in events_of(home)


def test_two_nodes_on_one_stick_are_told_apart(home: Path, stick: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    init_home(other)
    keep_key(other, backup_keys.make_key(WORDS))
    for each in (home, other):
        Backups(each, stick).create()
    with pytest.raises(PersonError) as error:
        find(stick, WORDS)
    assert error.value.code == "which_node"
    key = backup_keys.kept_key(other)
    assert key
    assert find(stick, WORDS, node=key.set).key.raw == key.raw


def test_records_made_meanwhile_do_not_tear_the_copy(home: Path, stick: Path) -> None:
    stop = threading.Event()

    def record() -> None:
        with node_in(home) as node:
            for n in range(2, 200):
                photo = node.ground.photos.put(jpeg(n)).sha256
                node.see("field-1", photo)
                if stop.is_set():
                    return

    thread = threading.Thread(target=record)
    thread.start()
    try:
        Backups(home, stick).create()
    finally:
        stop.set()
        thread.join()
    fresh = home.parent / "card"
    put_back(stick, fresh)
    with open_ground(fresh) as ground:
        events = ground.events.since(0, 10_000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert all(ground.photos.get(photo) for event in events for photo in event.photos)


def test_a_power_cut_while_a_home_is_put_back_leaves_what_was_there(
    home: Path, stick: Path
) -> None:
    Backups(home, stick).create()
    for cut in range(0, 60, 3):
        card = home.parent / f"card{cut}"
        with pytest.MonkeyPatch.context() as patch:
            power = Power(patch, cut)
            try:
                put_back(stick, card)
            except Cut:
                assert not card.exists() or events_of(card) == events_of(home)
        if not power.off:
            break
        if not card.exists():
            put_back(stick, card)
        assert events_of(card) == events_of(home)
        shutil.rmtree(card)
    else:
        pytest.fail("it never came to its end")


def test_after_a_loss_nothing_is_lost_or_doubled_at_the_hub(tmp_path: Path) -> None:
    stick, card = tmp_path / "stick", tmp_path / "card"
    stick.mkdir()
    with world(tmp_path) as here:
        old = here.node
        subjects = ["a", "b"]
        for subject in subjects:
            old.see(subject)
        old.send()
        keep_key(old.home, backup_keys.make_key(WORDS))
        Backups(old.home, stick).create()
        for subject in ("c", "d"):  # at the hub, not in the backup
            old.see(subject)
        old.send()
        put_back(stick, card)
        with node_in(card) as fresh:
            assert fresh.ground.node == old.ground.node
            assert len(events_of(card)) == 2
            for subject in ("e", "f", "g"):  # takes the numbers 3 to 5 anew
                fresh.see(subject)
            assert fresh.send().reason == ""
            state = fresh.uplinks.uplink().state()
            assert (state["epoch"], state["base"]) == (1, 2)
            assert fresh.uplinks.status().waiting == 0
        told = [(row.epoch, row.seq, row.subject) for row in here.rows()]
        assert told == [(0, 1, "a"), (0, 2, "b"), (0, 3, "c"), (0, 4, "d"),
                        (1, 3, "e"), (1, 4, "f"), (1, 5, "g")]  # fmt: skip
        old.see("h")
        with pytest.raises(GhallaError) as error:  # the old card, found again
            old.send()
        assert error.value.code in ("cloned", "superseded")
