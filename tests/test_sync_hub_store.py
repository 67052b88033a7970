"""The hub's databases and blobs, each contract against every kind of them."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from field_data.errors import KeeperError, NetworkError
from sync.hub.app import Hub
from sync.hub.blobs import Blobs
from sync.hub.database import Database
from sync.hub.identity import identity
from sync.hub.tables import METADATA
from tests.hubs import (  # noqa: F401
    S3,
    ServedHub,
    any_hub,
    postgres,
    s3_server,
    served_big_hub,
    served_hub,
    sqlite_hub,
)


def test_migrations_make_the_tables_of_tables_py(any_hub: Hub) -> None:  # noqa: F811
    with any_hub.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        ours = set(METADATA.tables)
        found = compare_metadata(context, METADATA)
    theirs = [f for f in found if f[0] == "remove_table" and f[1].name not in ours]
    assert [each for each in found if each not in theirs] == []


def test_processes_that_start_at_once_agree_on_one_hub(any_hub: Hub) -> None:  # noqa: F811
    with any_hub.database.writing() as connection:
        connection.execute(text("delete from hub"))
    found = []

    def start() -> None:
        database = Database(any_hub.settings.database)
        database.migrate()
        found.append(identity(database).id)
        database.close()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 6
    assert len(set(found)) == 1


def test_the_database_of_a_later_hub_is_left_alone(any_hub: Hub) -> None:  # noqa: F811
    with any_hub.database.writing() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(KeeperError, match="later hub"):
        any_hub.database.migrate()


def test_a_database_that_is_away_is_named(tmp_path: Path) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(NetworkError) as caught, away.reading():
        pass
    assert caught.value.code == "database_down"


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    url = str(tmp_path / "blobs")
    if request.param == "s3":
        url = request.getfixturevalue("s3_server").new_bucket()
    made = Blobs(url)
    yield made
    made.close()


def test_blobs_keep_replace_and_remove(blobs: Blobs) -> None:
    assert blobs.get("photos/a/b") is None
    blobs.put("photos/a/b", b"one")
    blobs.put("photos/a/b", b"two")
    blobs.put_pieces("photos/a/c", iter([b"x" * 10, b"y"]))
    assert blobs.get("photos/a/b") == b"two"
    assert blobs.names("photos") == ["photos/a/b", "photos/a/c"]
    with blobs.reading("photos/a/c") as file:
        file.seek(9)
        assert file.read() == b"xy"
    blobs.remove("photos/a/b")
    blobs.remove("photos/a/b")
    assert blobs.names() == ["photos/a/c"]


@pytest.mark.parametrize("name", ["../a", "a/../b", "/a", "a//b", "", "a/.b", "A", "a\0"])
def test_a_name_that_is_a_path_trick_is_refused(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError, match="name of a blob"):
        blobs.put(name, b"")


def test_a_hub_is_served_on_postgresql_and_s3(served_big_hub: ServedHub) -> None:  # noqa: F811
    with pytest.raises(HTTPError) as caught:
        urllib.request.urlopen(f"{served_big_hub.url}/nothing")
    caught.value.close()
    assert caught.value.code == 404
