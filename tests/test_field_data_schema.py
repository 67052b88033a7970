"""The store of a home: one from before the first migration, one from a later program."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge_app.advice import load_advice
from edge_app.health import check_home
from edge_app.node import FarmNode, init_home
from field_data.diagnoses import to_json
from field_data.errors import KeeperError
from field_data.ids import new_id
from field_data.photos import PhotoStore
from field_data.schema import MIGRATIONS, RESERVE_BYTES, open_store
from field_data.sqlite_storage import to_json as body_of
from tests.test_field_data_diagnoses import jpeg, one
from tests.test_field_data_store_crash import on_a_small_disk

NODE = new_id()


def old_home(home: Path) -> tuple[str, str, str]:
    """A home as the program before migrations wrote it: (diagnosis, event, photo of the event)."""
    photo = PhotoStore(home / "photos").put(jpeg(1)).sha256
    said = one()
    event = {
        "id": new_id(),
        "kind": "observation",
        "subject": "field-1",
        "author": "agent-1",
        "at": {"utc_s": 1_790_000_000.0, "trust": "tablet"},
        "body": {"severity": 3},
        "photos": [photo],
        "supersedes": None,
        "received": {"utc_s": 1_790_000_000.0, "trust": "ntp"},
    }
    rows = {
        "node": {"id": NODE},
        "diagnoses": to_json(said),
        "asked_agent": {"diagnosis": said.id},
        "events": event,
    }
    with closing(sqlite3.connect(home / "store.sqlite")) as con:
        con.execute("PRAGMA journal_mode=WAL")
        for table, row in rows.items():
            con.execute(
                f"CREATE TABLE d_{table}(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)"
            )
            con.execute(f"INSERT INTO d_{table}(body) VALUES(?)", (body_of(row),))
        con.commit()
    return said.id, str(event["id"]), photo


def test_a_home_from_before_the_migrations_opens_and_keeps_all(tmp_path: Path) -> None:
    diagnosis, event, photo = old_home(tmp_path)
    for _ in range(2):
        with FarmNode(tmp_path, load_advice()) as node:
            assert node.id == NODE
            assert node.diagnosis(diagnosis) is not None
            assert node.asked_agent(diagnosis)
            kept = node.ground.events.get(event)
            assert kept is not None
            assert (kept.seq, kept.body, kept.photos) == (1, {"severity": 3}, (photo,))
            assert node.photo(photo) is not None  # the start did not tidy it away
            assert node._store.version == len(MIGRATIONS)
            assert len(node._store.table("photo_uses")) == 1


def test_a_home_of_a_newer_program_is_refused_and_named(tmp_path: Path) -> None:
    init_home(tmp_path)
    path = tmp_path / "store.sqlite"
    with closing(sqlite3.connect(path)) as con:
        con.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
        con.execute("UPDATE d_layout SET body=?", (f'{{"works_from": {len(MIGRATIONS) + 1}}}',))
        con.commit()
    before = path.read_bytes()
    with pytest.raises(KeeperError) as error:
        FarmNode(tmp_path, load_advice())
    assert error.value.code == "store_newer"
    assert {part.name: part.code for part in check_home(tmp_path)}["store"] == "store_newer"
    assert path.read_bytes() == before


def test_a_damaged_home_is_set_aside_with_its_events_and_named(tmp_path: Path) -> None:
    old_home(tmp_path)
    path = tmp_path / "store.sqlite"
    garbled = path.read_bytes()[:4096] + b"\xa5" * 8192
    path.write_bytes(garbled)
    with FarmNode(tmp_path, load_advice()) as node:
        store = {part.name: part for part in node.health()}["store"]
        assert (store.ok, store.code) == (False, "store_damaged")
        assert "store.sqlite.damaged-1" in store.detail
        assert node.id != NODE  # numbers begin again, so under a new name
        assert node.ground.events.last_seq() == 0
        assert len(list(node._photos.names())) == 1  # its record may yet be saved
    assert (tmp_path / "store.sqlite.damaged-1").read_bytes() == garbled


def test_room_is_kept_for_erasing(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.sqlite"):
        assert (tmp_path / "store.sqlite.reserve").stat().st_size == RESERVE_BYTES


# A node on a disk that others have filled to the last byte while it was off.
START_ON_FULL = """
import sys
from pathlib import Path
from edge_app.advice import load_advice
from edge_app.node import FarmNode
from tests.powercut.workloads import draft
home, advice = Path(sys.argv[1], "home"), load_advice()
with FarmNode(home, advice) as node:
    for n in range(3):
        node.ground.events.append(draft(n))
try:
    with open(home / "junk", "wb", buffering=0) as junk:
        while junk.write(b"x" * 4096):
            pass
except OSError as error:
    print(error.errno)
with FarmNode(home, advice) as node:
    print(node.ground.events.last_seq(), *[part.code for part in node.health()][:2])
    for n in range(3):
        print(len(node.ground.events.erase([draft(n).id])))
"""


def test_a_node_starts_and_erases_on_a_full_disk(tmp_path: Path) -> None:
    shown = on_a_small_disk(START_ON_FULL, tmp_path, megabytes=12)
    assert shown == [str(errno.ENOSPC), "3 ok disk_low", "1", "1", "1"]


def test_the_migration_can_meet_what_it_made(tmp_path: Path) -> None:
    old_home(tmp_path)
    with open_store(tmp_path / "store.sqlite") as store:
        MIGRATIONS[0](store)
        assert len(store.table("photo_uses")) == 1
