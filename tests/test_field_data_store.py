"""What our store adds to TinyDB: transactions, indexes, threads, migrations, damage."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tinydb import Query, operations, where
from tinydb.table import Document

from field_data.document_store import DocumentStore
from field_data.errors import BusyError, KeeperError
from field_data.pushdown import field_path, narrowing


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    with DocumentStore(tmp_path / "store.db") as store:
        yield store


def bodies(path: Path, table: str = "t") -> list[Any]:
    with DocumentStore(path) as again:
        return list(again.table(table).all())


class TestTransactions:
    def test_several_tables_are_one_step(self, store: DocumentStore) -> None:
        def fail() -> None:
            with store.transaction():
                store.table("records").insert({"n": 1})
                store.table("outbox").insert({"n": 1})
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert store.tables() == set()
        with store.transaction():
            store.table("records").insert({"n": 2})
            store.table("outbox").insert({"n": 2})
        assert store.table("records").all() == store.table("outbox").all() == [{"n": 2}]

    def test_an_inner_block_fails_alone(self, store: DocumentStore) -> None:
        table = store.table("t")

        def fail() -> None:
            with store.transaction():
                table.insert({"n": 2})
                with store.transaction():
                    table.insert({"n": 3})
                raise ZeroDivisionError

        with store.transaction():
            table.insert({"n": 1})
            with pytest.raises(ZeroDivisionError):
                fail()
            with store.transaction():
                table.insert({"n": 4})
            assert [document["n"] for document in table] == [1, 4]
        assert [document["n"] for document in table] == [1, 4]

    def test_a_failing_call_changes_nothing(self, store: DocumentStore) -> None:
        table = store.table("t")
        table.insert_multiple([{"n": 1}, {"n": 2}, {"other": 3}])
        with pytest.raises(KeyError):
            table.update(operations.increment("n"))
        with pytest.raises(ValueError, match="JSON"):
            table.update({"n": float("nan")})
        with pytest.raises(TypeError):
            table.insert_multiple([{"n": 5}, {"n": object()}])
        assert table.all() == [{"n": 1}, {"n": 2}, {"other": 3}]

    def test_others_see_nothing_before_the_end(self, store: DocumentStore, tmp_path: Path) -> None:
        store.table("t").insert({"n": 1})
        with store.transaction():
            store.table("t").insert({"n": 2})
            assert len(store.table("t")) == 2
            assert bodies(tmp_path / "store.db") == [{"n": 1}]
        assert bodies(tmp_path / "store.db") == [{"n": 1}, {"n": 2}]

    def test_a_second_writer_waits_only_so_long(self, store: DocumentStore, tmp_path: Path) -> None:
        with (
            DocumentStore(tmp_path / "store.db", busy_s=0.05) as other,
            store.transaction(),
            pytest.raises(BusyError),
        ):
            other.table("t").insert({})

    def test_a_second_thread_waits_only_so_long(self, tmp_path: Path) -> None:
        caught: list[BaseException] = []

        def write(store: DocumentStore) -> None:
            try:
                store.table("t").insert({})
            except BusyError as error:
                caught.append(error)

        with DocumentStore(tmp_path / "store.db", busy_s=0.05) as store, store.transaction():
            thread = threading.Thread(target=write, args=(store,))
            thread.start()
            thread.join()
        assert len(caught) == 1

    def test_a_transaction_that_sqlite_undid_is_not_written_to(self, store: DocumentStore) -> None:
        def write() -> None:
            with store.transaction():
                store.table("t").insert({"n": 1})
                # SQLite does this by itself when the disk is full.
                store._rows._session().con.execute("ROLLBACK")
                store.table("t").insert({"n": 2})

        with pytest.raises(KeeperError) as caught:
            write()
        assert caught.value.code == "store_failed"
        assert store.tables() == set()


def test_every_thread_writes_through_to_the_disk(store: DocumentStore) -> None:
    # Whether a commit outlives a power cut hangs on these, and each connection has its own.
    def pragmas() -> list[Any]:
        names = ("journal_mode", "synchronous", "secure_delete")
        return [next(store._rows.rows(f"PRAGMA {name}"))[0] for name in names]

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(pragmas).result() == pragmas() == ["wal", 2, 1]


class TestPushdown:
    """The shapes come from the TinyDB that is installed: these fail when it changes them."""

    INDEXED = (("crop",), ("at", "trust"))

    @pytest.mark.parametrize(
        ("cond", "values"),
        [
            (where("crop") == "LYPES", ["LYPES"]),
            (where("crop") == 5, [5]),
            (where("crop") == True, [True]),  # noqa: E712
            (where("at")["trust"] == "ntp", ["ntp"]),
            (Query().at.trust == "ntp", ["ntp"]),
            ((where("n") > 1) & (where("crop") == "LYPES"), ["LYPES"]),
            ((where("crop") == "a") & (where("n") == 1) & (where("at").trust == "b"), ["b", "a"]),
            ((where("crop") == "LYPES") & (where("crop") == 1), ["LYPES", 1]),
        ],
    )
    def test_equality_is_answered_by_the_index(self, cond: Any, values: list[Any]) -> None:
        where_clause, found = narrowing(cond, self.INDEXED)
        assert sorted(found, key=repr) == sorted(values, key=repr)
        assert where_clause.count("?") == len(values)

    @pytest.mark.parametrize(
        "cond",
        [
            None,
            lambda document: True,
            where("n") == 1,
            where("crop") == None,  # noqa: E711
            where("crop") == 1.0,
            where("crop") == 2**53 + 1,
            where("crop") == "a\0",
            where("crop") == "\ud800",
            where("crop") == ["LYPES"],
            where("crop") != "LYPES",
            ~(where("crop") == "LYPES"),
            (where("crop") == "LYPES") | (where("n") == 1),
            ~((where("crop") == "LYPES") & (where("n") == 1)),
            where("crop").map(str) == "LYPES",
            (where("crop") == "LYPES") & where("n").map(str).exists(),
            where("crop").any(where("crop") == "LYPES"),
        ],
    )
    def test_what_sql_would_answer_otherwise_is_not_asked(self, cond: Any) -> None:
        assert narrowing(cond, self.INDEXED) == ("", [])

    @pytest.mark.parametrize("field", ["", "a b", "a.", "ⴰ", "a'b", "$", "1a"])
    def test_a_field_that_sqlite_may_spell_otherwise_is_refused(self, field: str) -> None:
        with pytest.raises(ValueError, match="cannot index"):
            field_path(field)

    def test_sqlite_uses_the_index_and_reads_only_what_matches(self, store: DocumentStore) -> None:
        store.index("t", "crop")
        store.table("t").insert_multiple({"crop": str(n)} for n in range(50))
        asked: list[Any] = []

        class Watched(type(where("crop") == "7")):  # type: ignore[misc]
            def __call__(self, value: Any) -> bool:
                asked.append(value)
                return bool(super().__call__(value))

        plain = where("crop") == "7"
        watched = Watched(plain._test, plain._hash)
        assert store.table("t").search(watched) == [{"crop": "7"}]
        assert asked == [{"crop": "7"}]
        sql = "SELECT id FROM d_t" + narrowing(plain, [("crop",)])[0] + " ORDER BY id"
        ((*_, plan),) = store._rows.rows("EXPLAIN QUERY PLAN " + sql, ("7",))
        assert plan == "SEARCH d_t USING INDEX ix_d_t_crop (<expr>=?)"

    def test_an_index_covers_what_was_there_before_and_after_a_drop(
        self, store: DocumentStore
    ) -> None:
        store.table("t").insert({"crop": "LYPES"})
        store.index("t", "crop")
        store.index("t", "crop")
        assert store.table("t").count(where("crop") == "LYPES") == 1
        store.drop_table("t")
        store.table("t").insert({"crop": "LYPES"})
        assert store.table("t").count(where("crop") == "LYPES") == 1
        sql = "SELECT count(*) FROM sqlite_master WHERE type='index'"
        assert next(store._rows.rows(sql)) == (1,)


class TestIds:
    def test_an_id_does_not_come_back_after_a_restart(self, tmp_path: Path) -> None:
        with DocumentStore(tmp_path / "store.db") as store:
            store.table("t").insert_multiple([{}, {}])
            store.table("t").remove(doc_ids=[2])
        with DocumentStore(tmp_path / "store.db") as store:
            assert store.table("t").insert({}) == 3

    @pytest.mark.parametrize("doc_id", [None, "1", True, 2**53 + 1, -(2**60)])
    def test_ids_that_cannot_be_kept_are_refused(self, store: DocumentStore, doc_id: Any) -> None:
        with pytest.raises(ValueError, match="cannot be a document ID"):
            store.table("t").insert(Document({}, doc_id=doc_id))

    def test_a_function_may_remove_what_is_still_to_come(self, store: DocumentStore) -> None:
        table = store.table("t")
        table.insert_multiple([{}, {}, {}])

        def remove_the_second(document: Any) -> None:
            table.remove(doc_ids=[2])

        table.update(remove_the_second)
        assert [document.doc_id for document in table] == [1, 3]

    def test_an_id_said_twice_is_removed_once(self, store: DocumentStore) -> None:
        store.table("t").insert_multiple([{}, {}])
        assert store.table("t").remove(doc_ids=[2, 2]) == [2]

    def test_what_is_read_is_a_copy(self, store: DocumentStore) -> None:
        table = store.table("t")
        table.insert({"list": []})
        table.get(doc_id=1)["list"].append("mine")
        assert table.get(doc_id=1) == {"list": []}


class TestThreads:
    def test_nothing_is_lost_between_threads(self, store: DocumentStore) -> None:
        table = store.table("t")
        store.table("counter").insert({"n": 0})
        errors: list[BaseException] = []

        def work(thread: int) -> None:
            try:
                for n in range(15):
                    with store.transaction():
                        table.insert({"thread": thread, "n": n})
                        store.table("counter").update(operations.increment("n"))
                    assert table.count(where("thread") == thread) == n + 1
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert store.table("counter").all() == [{"n": 120}]
        assert len({(d["thread"], d["n"]) for d in table}) == 120

    def test_upserts_of_the_same_thing_do_not_make_two(self, store: DocumentStore) -> None:
        def upsert(n: int) -> None:
            store.table("t").upsert({"key": n // 8, "n": n}, where("key") == n // 8)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(upsert, range(64)))
        assert sorted(document["key"] for document in store.table("t")) == list(range(8))

    def test_a_thread_that_ends_closes_its_connection(self, store: DocumentStore) -> None:
        def connections() -> int:
            gc.collect()
            return sum(
                1
                for handle in Path("/proc/self/fd").iterdir()
                if handle.is_symlink() and str(handle.readlink()).endswith("store.db")
            )

        def work() -> None:
            thread = threading.Thread(target=lambda: store.table("t").insert({}))
            thread.start()
            thread.join()

        work()  # SQLite itself puts one file handle by and takes it up again
        before = connections()
        for _ in range(5):
            work()
        assert connections() == before
        assert len([closer for closer in store._rows._closers if closer.alive]) == 1

    def test_close_closes_those_of_all_threads(self, tmp_path: Path) -> None:
        path = tmp_path / "store.db"
        store = DocumentStore(path)
        wrote, closed, errors = threading.Event(), threading.Event(), []

        def work() -> None:
            store.table("t").insert({})
            wrote.set()
            closed.wait()
            try:
                store.table("t").insert({})
            except ValueError as error:
                errors.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        wrote.wait()
        store.close()
        # The last connection to close takes the log into the file.
        assert [file.name for file in tmp_path.iterdir()] == ["store.db"]
        closed.set()
        thread.join()
        assert errors == ["the store is closed"]
        assert bodies(path) == [{}]
