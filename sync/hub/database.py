"""The hub's database: SQLite to begin with, PostgreSQL when it grows; the same Core statements.

Several processes may use one database.  A transaction that writes begins with `Database.writing`:
on SQLite it takes the one write lock at once (``BEGIN IMMEDIATE``), so that it never fails half
way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from field_data.errors import HubError, KeeperError, NetworkError

MIGRATIONS = Path(__file__).with_name("migrations")
_BUSY_S = 30.0
_POOL_WAIT_S = 10.0
# Any number: who holds it migrates (PostgreSQL's advisory lock).
_MIGRATING = 5_318_008
_PG_FULL = "53100"


class Database:
    """An engine, its dialect, and the two kinds of transactions."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.postgresql = self.engine.dialect.name == "postgresql"

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is durable when the block ends well.

        Raises:
            NetworkError: ``database_down``: try again.
            HubError: ``full``.
        """
        with named_errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state and writes nothing; raises as `writing`."""
        with named_errors(), self.engine.connect() as connection:
            if not self.postgresql:
                connection = connection.execution_options(sqlite_reading=True)
            else:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                yield connection

    def migrate(self) -> None:
        """Bring the tables up to this software; one process does it, the others wait.

        Raises:
            KeeperError: ``hub_newer`` when the database is that of a later version.
        """
        with self.writing() as connection:
            if self.postgresql:
                connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            config.attributes["connection"] = connection
            script = ScriptDirectory.from_config(config)
            here = MigrationContext.configure(connection).get_current_revision()
            known = {each.revision for each in script.walk_revisions()}
            if here is not None and here not in known:
                raise KeeperError("hub_newer", f"the database is that of a later hub ({here})")
            if here not in script.get_heads():
                command.upgrade(config, "head")

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "postgresql":
            return create_engine(
                parsed,
                pool_size=4,
                max_overflow=4,
                pool_timeout=_POOL_WAIT_S,
                pool_pre_ping=True,
                connect_args={"connect_timeout": 5},
            )
        if parsed.get_backend_name() != "sqlite" or not parsed.database:
            raise KeeperError("hub_database", f"not SQLite or PostgreSQL: {parsed!r}")
        engine = create_engine(
            parsed,
            pool_size=4,
            max_overflow=4,
            pool_timeout=_POOL_WAIT_S,
            connect_args={"timeout": _BUSY_S},
        )
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise KeeperError("hub_database", f"no such database: {error}") from error
    event.listen(engine, "connect", _sqlite_connected)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connected(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late
    # secure_delete: what was erased is overwritten.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("sqlite_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def named_errors() -> Iterator[None]:
    """The database's errors that say nothing about the request, in our words."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise _named(error) from error
    except PoolTimeout as error:
        raise NetworkError("database_down", "all connections are busy") from error


def _named(error: DBAPIError) -> NetworkError | HubError:
    cause = error.orig
    full_here = getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    if full_here or getattr(cause, "sqlstate", None) == _PG_FULL:
        return HubError("full", "the disk of the database is full")
    return NetworkError("database_down", f"the database does not answer: {type(cause).__name__}")
