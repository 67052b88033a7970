"""Opening a store: migrations, files of newer code, damaged files."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from field_data.document_store import DocumentStore
from field_data.errors import KeeperError


class TestMigrations:
    @staticmethod
    def first(store: DocumentStore) -> None:
        store.table("t").insert({"first": True})

    @staticmethod
    def second(store: DocumentStore) -> None:
        store.table("t").update({"second": True})

    @staticmethod
    def adds(store: DocumentStore) -> None:
        store.table("t").update({"adds": True})

    def test_each_runs_once_in_order(self, tmp_path: Path) -> None:
        path = tmp_path / "store.db"
        with DocumentStore(path, migrations=[self.first]) as store:
            assert store.version == 1
        for _ in range(2):
            with DocumentStore(path, migrations=[self.first, self.second]) as store:
                assert store.version == 2
                assert store.table("t").all() == [{"first": True, "second": True}]

    def test_one_that_fails_leaves_the_last_good_state(self, tmp_path: Path) -> None:
        def broken(store: DocumentStore) -> None:
            store.table("t").truncate()
            raise ZeroDivisionError

        path = tmp_path / "store.db"
        with pytest.raises(ZeroDivisionError):
            DocumentStore(path, migrations=[self.first, broken])
        with DocumentStore(path, migrations=[self.first, self.second]) as store:
            assert store.table("t").all() == [{"first": True, "second": True}]

    def test_a_newer_file_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "store.db"
        DocumentStore(path, migrations=[self.first, self.second]).close()
        before = path.read_bytes()
        with pytest.raises(KeeperError) as caught:
            DocumentStore(path, migrations=[self.first])
        assert caught.value.code == "store_newer"
        assert path.read_bytes() == before

    def test_older_code_goes_on_where_newer_code_left_word_that_it_may(
        self, tmp_path: Path
    ) -> None:
        path, known = tmp_path / "store.db", [self.first, self.adds]
        DocumentStore(path, migrations=[self.first], works_from=1).close()
        DocumentStore(path, migrations=known, works_from=1).close()
        with DocumentStore(path, migrations=[self.first], works_from=1) as store:
            assert store.version == 1
            store.table("t").insert({"meanwhile": True})
        with DocumentStore(path, migrations=known, works_from=1) as store:
            assert store.version == 2
            rows = store.table("t").all()
        assert [row for row in rows if "meanwhile" in row] == [{"meanwhile": True, "adds": True}]
        assert all(row["adds"] for row in rows), "the migration ran again over what older code did"
        DocumentStore(path, migrations=known, works_from=2).close()
        with pytest.raises(KeeperError) as caught:
            DocumentStore(path, migrations=[self.first], works_from=1)
        assert caught.value.code == "store_newer"


class TestDamage:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "store.db"
        with DocumentStore(path) as store:
            store.table("t").insert_multiple({"n": n, "text": "x" * 500} for n in range(200))
        return path

    @staticmethod
    def garble(path: Path, at: int, length: int) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(b"\xa5" * length)

    @pytest.mark.parametrize(("at", "length"), [(0, 100), (0, 4096), (30 * 4096, 4096)])
    def test_a_garbled_file_is_moved_aside(self, path: Path, at: int, length: int) -> None:
        self.garble(path, at, length)
        garbled = path.read_bytes()
        with DocumentStore(path) as store:
            assert store.damaged == path.with_name("store.db.damaged-1")
            assert store.damaged.read_bytes() == garbled
            assert store.table("t").insert({"n": 1}) == 1
        self.garble(path, 0, 100)
        with DocumentStore(path) as store:
            assert store.damaged == path.with_name("store.db.damaged-2")
        with DocumentStore(path) as store:
            assert store.damaged is None

    def test_a_cut_file_is_moved_aside_with_its_log(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as other:  # keeps SQLite from closing the log
            other.execute("INSERT INTO d_t(body) VALUES('{}')")
            other.commit()
            log = path.with_name("store.db-wal").read_bytes()
            with path.open("r+b") as file:
                file.truncate(50_000)
            with DocumentStore(path) as store:
                assert store.damaged is not None
                assert store.table("t").all() == []
                assert Path(f"{store.damaged}-wal").read_bytes() == log

    def test_a_text_file_is_moved_aside(self, tmp_path: Path) -> None:
        path = tmp_path / "store.db"
        path.write_text("no database " * 100)
        with DocumentStore(path) as store:
            assert store.damaged is not None
            assert store.damaged.read_text().startswith("no database")

    def test_an_empty_file_is_a_fresh_store(self, tmp_path: Path) -> None:
        (tmp_path / "store.db").touch()
        with DocumentStore(tmp_path / "store.db") as store:
            assert store.damaged is None
            assert store.table("t").insert({}) == 1

    def test_what_cannot_be_opened_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "store.db").mkdir()
        with pytest.raises(KeeperError) as caught:
            DocumentStore(tmp_path / "store.db")
        assert caught.value.code == "store_failed"

    def test_damage_found_later_is_named(self, path: Path) -> None:
        with DocumentStore(path) as store:
            sql = "SELECT rootpage FROM sqlite_master WHERE name='d_t'"
            (root,) = next(store._rows.rows(sql))
            self.garble(path, (root - 1) * 4096, 4096)
            with ThreadPoolExecutor(1) as pool:  # a new connection has nothing in its memory
                error = pool.submit(store.table("t").all).exception()
            assert isinstance(error, KeeperError)
            assert error.code == "store_damaged"
