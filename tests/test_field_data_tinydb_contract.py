"""What TinyDB promises, asked of TinyDB itself and of our store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tinydb import Query, TinyDB, operations, where
from tinydb.storages import MemoryStorage
from tinydb.table import Document

from field_data.document_store import DocumentStore


@pytest.fixture(params=["tinydb", "ours", "ours with indexes"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TinyDB]:
    if request.param == "tinydb":
        yield TinyDB(storage=MemoryStorage)
        return
    with DocumentStore(tmp_path / "test.db") as store:
        if "indexes" in request.param:
            for field in ("crop", "n", "at.trust"):
                store.index("t", field)
        yield store


@pytest.fixture
def table(db: TinyDB) -> Any:
    table = db.table("t")
    table.insert_multiple(
        [
            {"crop": "LYPES", "n": 1, "at": {"trust": "ntp"}},
            {"crop": "SOLTU", "n": 2, "at": {"trust": "rtc"}},
            {"crop": "LYPES", "n": 3},
        ]
    )
    return table


def is_even(n: Any) -> bool:
    return bool(n % 2 == 0)


class TestContract:
    def test_ids_count_from_one(self, table: Any) -> None:
        assert [document.doc_id for document in table] == [1, 2, 3]
        assert table.insert({}) == 4
        assert table.insert_multiple([{}, {}]) == [5, 6]
        assert table.insert_multiple([]) == []

    def test_an_id_is_not_given_again(self, table: Any) -> None:
        table.remove(doc_ids=[3])
        assert table.insert({}) == 4

    def test_a_document_brings_its_own_id(self, table: Any) -> None:
        assert table.insert(Document({"n": 9}, doc_id=40)) == 40
        assert table.insert({}) == 41
        with pytest.raises(ValueError, match="Document with ID 40 already exists"):
            table.insert(Document({}, doc_id=40))
        with pytest.raises(ValueError, match="already exists"):
            table.insert_multiple([{"lost": True}, Document({}, doc_id=40)])
        assert not table.contains(where("lost").exists())
        assert table.get(doc_id=40) == {"n": 9}

    @pytest.mark.parametrize("thing", [[], "text", None, 5])
    def test_only_mappings_are_documents(self, table: Any, thing: object) -> None:
        with pytest.raises(ValueError, match="not a Mapping"):
            table.insert(thing)
        with pytest.raises(ValueError, match="not a Mapping"):
            table.insert_multiple([{"n": 7}, thing])
        assert len(table) == 3

    def test_get(self, table: Any) -> None:
        found = table.get(where("crop") == "LYPES")
        assert isinstance(found, Document)
        assert (found.doc_id, found["n"]) == (1, 1)
        assert table.get(where("crop") == "ZEAMX") is None
        assert table.get(doc_id=2)["crop"] == "SOLTU"
        assert table.get(doc_id=9) is None
        assert table.get(doc_id=2**70) is None
        assert [d.doc_id for d in table.get(doc_ids=[3, 1, 1, 9])] == [1, 3]
        with pytest.raises(RuntimeError, match="cond or doc_id"):
            table.get()

    def test_contains(self, table: Any) -> None:
        assert table.contains(where("n") == 2)
        assert not table.contains(where("n") == 4)
        assert table.contains(doc_id=3)
        assert not table.contains(doc_id=4)
        with pytest.raises(RuntimeError):
            table.contains()

    @pytest.mark.parametrize(
        ("cond", "ids"),
        [
            (where("crop") == "LYPES", [1, 3]),
            (where("n") == 2.0, [2]),
            (where("n") == True, [1]),  # noqa: E712 (a query, not a test)
            (where("n") == "1", []),
            (where("at")["trust"] == "rtc", [2]),
            (where("at") == {"trust": "ntp"}, [1]),
            (where("at") == None, []),  # noqa: E711
            (where("crop")["trust"] == "ntp", []),
            ((where("crop") == "LYPES") & (where("n") > 1), [3]),
            ((where("n") > 1) & ((where("crop") == "LYPES") & (where("n") == 3)), [3]),
            ((where("crop") == "SOLTU") | (where("n") == 3), [2, 3]),
            (~(where("crop") == "LYPES"), [2]),
            (~((where("crop") == "LYPES") & (where("n") == 1)), [2, 3]),
            (where("crop").one_of(["SOLTU", "ZEAMX"]), [2]),
            (where("crop").matches("LY.*"), [1, 3]),
            (where("at").exists(), [1, 2]),
            (where("n").test(is_even), [2]),
            (where("n").map(lambda n: -n) == -3, [3]),
            (Query().fragment({"crop": "LYPES", "n": 3}), [3]),
            (Query().noop(), [1, 2, 3]),
        ],
    )
    def test_search(self, table: Any, cond: Any, ids: list[int]) -> None:
        assert [document.doc_id for document in table.search(cond)] == ids
        assert table.count(cond) == len(ids)
        assert table.contains(cond) == bool(ids)

    def test_a_plain_function_is_a_query(self, table: Any) -> None:
        assert len(table.search(lambda document: document["n"] > 1)) == 2

    def test_a_search_sees_what_was_written_since(self, table: Any) -> None:
        cond = where("crop") == "LYPES"
        assert len(table.search(cond)) == 2
        table.update({"crop": "LYPES"}, doc_ids=[2])
        assert len(table.search(cond)) == 3
        table.clear_cache()
        table.truncate()
        assert table.search(cond) == []

    def test_update(self, table: Any) -> None:
        assert table.update({"seen": True}, where("crop") == "LYPES") == [1, 3]
        assert table.update({"n": 0}, doc_ids=[9, 2]) == [2]
        assert table.update({"all": 1}) == [1, 2, 3]
        assert table.update({"n": 0}, where("n") == 77) == []
        assert table.all() == [
            {"crop": "LYPES", "n": 1, "at": {"trust": "ntp"}, "seen": True, "all": 1},
            {"crop": "SOLTU", "n": 0, "at": {"trust": "rtc"}, "all": 1},
            {"crop": "LYPES", "n": 3, "seen": True, "all": 1},
        ]

    def test_update_by_function(self, table: Any) -> None:
        assert table.update(operations.increment("n"), where("crop") == "LYPES") == [1, 3]
        assert table.update(operations.increment("n"), doc_ids=[2, 2]) == [2, 2]
        assert table.update(operations.delete("at"), doc_ids=[1]) == [1]
        assert table.update(operations.set("crop", "1CIDG")) == [1, 2, 3]
        assert table.all() == [
            {"crop": "1CIDG", "n": 2},
            {"crop": "1CIDG", "n": 4, "at": {"trust": "rtc"}},
            {"crop": "1CIDG", "n": 4},
        ]

    def test_update_multiple(self, table: Any) -> None:
        changed = table.update_multiple(
            [
                ({"n": 10}, where("n") == 1),
                (operations.increment("n"), where("n") == 10),
                ({"crop": "MABSD"}, where("n") == 3),
            ]
        )
        assert changed == [1, 1, 3]
        assert [(d["crop"], d["n"]) for d in table] == [("LYPES", 11), ("SOLTU", 2), ("MABSD", 3)]

    def test_upsert(self, table: Any) -> None:
        assert table.upsert({"n": 5}, where("crop") == "LYPES") == [1, 3]
        assert table.upsert({"crop": "ZEAMX"}, where("crop") == "ZEAMX") == [4]
        assert table.upsert(Document({"n": 6}, doc_id=2)) == [2]
        assert table.upsert(Document({"n": 7}, doc_id=8)) == [8]
        assert table.get(doc_id=2) == {"crop": "SOLTU", "n": 6, "at": {"trust": "rtc"}}
        assert [d.doc_id for d in table] == [1, 2, 3, 4, 8]
        with pytest.raises(ValueError, match="doc_id"):
            table.upsert({"n": 1})

    def test_remove(self, table: Any) -> None:
        with pytest.raises(RuntimeError, match="truncate"):
            table.remove()
        assert table.remove(where("n") == 77) == []
        assert table.remove(doc_ids=[9, 2]) == [2]
        assert table.remove(where("crop") == "LYPES") == [1, 3]
        assert len(table) == 0

    def test_truncate_starts_again(self, table: Any) -> None:
        table.truncate()
        assert table.all() == []
        assert table.insert({}) == 1

    def test_tables(self, db: TinyDB, table: Any) -> None:
        db.insert({"in": "default"})
        assert db.tables() == {"_default", "t"}
        assert db.table("t") is table
        assert len(db.table("T")) == 0
        db.table("T").insert({})
        db.table("empty", persist_empty=True)
        for name in ("naïve; DROP", '"', "d_t", "select"):
            db.table(name).insert({"name": name})
            assert db.table(name).all() == [{"name": name}]
        names = {"_default", "t", "T", "empty", "naïve; DROP", '"', "d_t", "select"}
        assert db.tables() == names
        assert len(table) == 3

    def test_drop(self, db: TinyDB, table: Any) -> None:
        db.drop_table("t")
        db.drop_table("never made")
        assert db.tables() == set()
        assert db.table("t").insert({"crop": "LYPES"}) == 1
        assert db.table("t").count(where("crop") == "LYPES") == 1
        db.insert({})
        db.drop_tables()
        assert db.tables() == set()
        assert db.table("t").all() == []
        assert db.table("t").insert({"crop": "LYPES"}) == 1

    def test_the_store_itself_is_its_default_table(self, db: TinyDB) -> None:
        assert len(db) == 0
        assert db.insert({"n": 1}) == 1
        assert db.search(where("n") == 1) == [{"n": 1}]
        assert [document.doc_id for document in db] == [1]
        assert "_default" in repr(db)

    def test_a_table_may_change_while_it_is_walked(self, table: Any) -> None:
        for document in table:
            table.insert({"copy of": document.doc_id})
            table.update({"walked": True}, doc_ids=[document.doc_id])
        assert table.count(where("walked") == True) == 3  # noqa: E712
        assert len(table) == 6

    def test_any_json_value_comes_back(self, table: Any) -> None:
        value: dict[str, Any] = {
            "ⴰⵎⴰⵣⵉⵖ": ["غلة", None, True, 1.5, 2**80, {"": []}],
            "nul": "a\0b",
            "half": "\ud800",
        }
        row = table.insert(value)
        assert table.get(doc_id=row) == value
