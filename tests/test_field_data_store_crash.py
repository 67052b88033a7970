"""Many processes, kill -9, and a disk without room."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from field_data.document_store import DocumentStore
from field_data.errors import KeeperError

COUNT = """
import sys
from tinydb import operations
from field_data.document_store import DocumentStore
path, name, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
with DocumentStore(path) as store:
    for n in range(times):
        with store.transaction():
            if not len(store.table("counter")):
                store.table("counter").insert({"n": 0})
            store.table("counter").update(operations.increment("n"))
            store.table("t").insert({"process": name, "n": n})
"""

WRITE = """
import sys
from field_data.document_store import DocumentStore
store = DocumentStore(sys.argv[1])
n = len(store.table("t"))
while True:
    with store.transaction():
        store.table("t").insert({"n": n, "text": "x" * (n * 37 % 9000)})
        store.table("outbox").insert({"n": n})
    print(n, flush=True)
    n += 1
"""

# A file system of one megabyte, filled until nothing more fits.
FILL = """
import itertools, os, sys
from pathlib import Path
from field_data.document_store import DocumentStore
from field_data.diagnoses import DiagnosisLog
from field_data.errors import KeeperError
from field_data.photos import PhotoStore
from tests.test_field_data_diagnoses import jpeg, one
home = Path(sys.argv[1])
store = DocumentStore(home / "store.db")
log = DiagnosisLog(store, PhotoStore(home / "photos"))
done = []
try:
    for n in itertools.count():
        done.append(log.record(one(), {0: jpeg(n, 20_000)}).id)
except KeeperError as error:
    print(error.code, len(done))
while True:  # what is left, to the last byte
    try:
        store.table("t").insert({"text": "x" * 300})
    except KeeperError as error:
        print(error.code)
        break
assert all(log.get(id) is not None for id in done)
assert log.count() == len(done)
assert sum(1 for _ in PhotoStore(home / "photos").names()) == len(done)
log.forget(done[:12])
log.record(one(), {0: jpeg(-1, 20_000)})
store.close()
with DocumentStore(home / "store.db") as store:
    print(store.damaged, len(store.table("diagnoses")) - len(done))
"""

# Others have filled the disk while the store was closed.
OPEN = """
import errno, sys
from pathlib import Path
from field_data.document_store import DocumentStore
from field_data.errors import KeeperError
home = Path(sys.argv[1])
path = home / "store.db"
with DocumentStore(path) as store:
    store.table("t").insert_multiple({"n": n} for n in range(500))
with open(home / "junk", "wb", buffering=0) as junk:
    try:
        while junk.write(b"x" * 4096):
            pass
    except OSError as error:
        assert error.errno == errno.ENOSPC
before = path.read_bytes()
for asked in (path, home / "new.db"):
    try:
        DocumentStore(asked)
    except KeeperError as error:
        print(error.code)
assert path.read_bytes() == before
(home / "junk").unlink()
with DocumentStore(path) as store:
    print(store.damaged, len(store.table("t")))
"""


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]


def test_nothing_is_lost_between_processes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    running = [subprocess.Popen(python(COUNT, path, name, 25)) for name in "abc"]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    with DocumentStore(path) as store:
        assert store.table("counter").all() == [{"n": 75}]
        seen = {(document["process"], document["n"]) for document in store.table("t")}
        assert seen == {(name, n) for name in "abc" for n in range(25)}


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    chance = random.Random(7)
    acknowledged = -1
    for _ in range(5):
        with subprocess.Popen(python(WRITE, path), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0.01, 0.15))
            process.kill()
            lines = [line for line in process.stdout.read().split("\n")[:-1] if line]
        acknowledged = max([acknowledged, *map(int, lines)])
        with DocumentStore(path) as store:
            assert store.damaged is None
            written = [document["n"] for document in store.table("t")]
            assert written == list(range(len(written)))
            assert len(written) > acknowledged
            assert [document["n"] for document in store.table("outbox")] == written
    assert acknowledged > 10


def test_a_full_store_says_so_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with DocumentStore(path) as store:
        table = store.table("t")
        table.insert_multiple({"n": n} for n in range(10))
        con = store._rows._session().con
        (pages,) = con.execute("PRAGMA page_count").fetchone()
        con.execute(f"PRAGMA max_page_count={pages + 4}")
        big = {"text": "x" * 50_000}
        writes: tuple[Callable[[], object], ...] = (
            lambda: table.insert(big),
            lambda: table.insert_multiple([{"n": 10}, big]),
            lambda: table.update(big),
            lambda: store.table("other").insert_multiple([{}, big]),
        )
        for write in writes:
            with pytest.raises(KeeperError) as caught:
                write()
            assert caught.value.code == "disk_full"
        assert table.all() == [{"n": n} for n in range(10)]
        con.execute("PRAGMA max_page_count=1000000")
        assert table.insert(big) == 11
    with DocumentStore(path) as store:
        assert store.damaged is None
        assert len(store.table("t")) == 11


def test_swallowing_a_full_disk_inside_a_transaction_writes_nothing(tmp_path: Path) -> None:
    with DocumentStore(tmp_path / "store.db") as store:
        table = store.table("t")
        table.insert({"n": 0})
        store._rows._session().con.execute("PRAGMA max_page_count=8")

        def write() -> None:
            with store.transaction():
                table.insert({"n": 1})
                with pytest.raises(KeeperError):
                    table.insert({"text": "x" * 100_000})
                table.insert({"n": 2})

        # SQLite may undo the whole transaction by itself: all or nothing, never a part.
        try:
            write()
        except KeeperError:
            assert table.all() == [{"n": 0}]
        else:
            assert table.all() == [{"n": 0}, {"n": 1}, {"n": 2}]


def on_a_small_disk(code: str, folder: Path, megabytes: int = 1) -> list[str]:
    """What ``code`` prints when it runs in a file system of so many megabytes."""
    mount = f'mount -t tmpfs -o size={megabytes}m tmpfs "$0" && exec "$@"'
    own_mounts = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*own_mounts, mount, folder, "true"], check=False).returncode:
        pytest.skip("this machine does not let a program make a small file system of its own")
    command = [*own_mounts, mount, str(folder), *python(code, folder)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert shown.stderr == ""
    return shown.stdout.splitlines()


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    first, *others = on_a_small_disk(FILL, tmp_path)
    code, done = first.split()
    assert code == "disk_full"
    assert 10 < int(done) < 50
    # Full to the last byte; then twelve forgotten made room for one; closed and opened again.
    assert others == ["disk_full", "None -11"]


def test_no_room_to_open_is_not_taken_for_damage(tmp_path: Path) -> None:
    assert on_a_small_disk(OPEN, tmp_path) == ["disk_full", "disk_full", "None 500"]
