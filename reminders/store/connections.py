"""The way to a database: what its address means, and connections to it that are set right.

On SQLite every commit is on the disk (synchronous=FULL) before anything relies on it; on PostgreSQL the server is asked
whether that is so.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from reminders.errors import WrongUse

VERSION_TABLE = "reminders_version"
"""Where the database says which migration it stands at; also what tells that it is ours."""
RESTORE = "restore a backup, then `reminders db repair` (docs/operating.md)"
"""What to do about a database that is damaged."""
PATIENCE = 10.0
"""Seconds to wait for another writer of a SQLite file."""
LOOK = 0.0003
"""Seconds between two looks whether it has ended."""


class Damaged(WrongUse):
    """The database is not sound; the message says what to do."""


def parse(url: str) -> URL:
    """What an address means, with the driver it needs. Raises `WrongUse` for what is none."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise WrongUse("the database is written as postgresql://user@host/name, or left empty") from error
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise WrongUse(f"no such kind of database: {backend}: write postgresql://user@host/name, or leave it empty")
    if not parsed.database or parsed.database == ":memory:":
        raise WrongUse("a store needs a file: what is remembered must outlive the program")
    return parsed.set(drivername="sqlite+pysqlite", database=str(Path(parsed.database).absolute()), query={})


def named(url: str) -> str:
    """What people call the store at `url`: its file, or its address without a password."""
    return name_of(parse(url))


def name_of(url: URL) -> str:
    """As `named`."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def connect(url: URL) -> Engine:
    """Connections to a database that is there, as they are asked for.

    Each raises `WrongUse` where the database cannot be relied on, `Damaged` where it is not sound.
    """
    if url.get_backend_name() == "sqlite":
        return _connect_sqlite(url)
    try:
        engine = create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED")
    except ModuleNotFoundError as error:
        raise WrongUse("PostgreSQL needs its driver: install reminders[postgres]") from error

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        connection.autocommit = True
        connection.execute("SET TIME ZONE 'UTC'")
        # A worker that is frozen in the middle of a transaction must not stop all others for as long as it is.
        connection.execute("SET idle_in_transaction_session_timeout = '60s'")
        connection.execute("SET lock_timeout = '30s'")
        durable = connection.execute("SHOW synchronous_commit").fetchone()[0]
        connection.autocommit = False
        if durable == "off":
            raise WrongUse(
                "the database has synchronous_commit=off and would send mails again after a crash: set it on"
            )

    return engine


def _connect_sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    if not path.is_file():
        raise WrongUse(f"there is no database {path}: `reminders db init` makes one")
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK):
        raise WrongUse(f"the database {path} and its folder must be readable and writable for user {os.getuid()}")

    def connect() -> sqlite3.Connection:
        # isolation_level=None: the driver begins nothing by itself; `begin` below does. mode=rw: nothing is created.
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode=rw", uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if names and VERSION_TABLE not in names:
                raise WrongUse(f"the database {path} belongs to another program")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA synchronous=FULL")
            if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise WrongUse(
                    f"the disk of {path} cannot share memory as SQLite needs: use a local one, or PostgreSQL"
                )
        except sqlite3.DatabaseError as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise Damaged(f"the database {path} is damaged ({error}): {RESTORE}") from error
            raise
        except WrongUse:
            connection.close()
            raise
        return connection

    engine = create_engine(url, creator=connect)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        how = connection.get_execution_options()["sqlite_begin"]
        writes = how == "BEGIN IMMEDIATE"
        connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if writes else 'ON'}")
        if not writes:
            connection.exec_driver_sql(how)
            return
        driver: Any = connection.connection.dbapi_connection
        try:
            driver.execute("PRAGMA busy_timeout=0")
            _begin_to_write(driver, how)
        finally:
            driver.execute(f"PRAGMA busy_timeout={PATIENCE * 1000:.0f}")

    return engine


def _begin_to_write(driver: sqlite3.Connection, how: str) -> None:
    """Begin as soon as no other writes. Raises what SQLAlchemy does when that cannot be, or not for too long.

    SQLite itself waits longer from look to look, 100 ms in the end: between two workers that write all the time the
    file would lie idle for a third of it.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            driver.execute(how)
            return
        except sqlite3.Error as error:
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > end:
                raise DBAPIError.instance(how, (), error, sqlite3.Error) from error
        time.sleep(LOOK)


def place(url: URL) -> tuple[int, int] | None:
    """Which file a SQLite path leads to at present, whatever it is called."""
    try:
        found = os.stat(str(url.database))  # noqa: PTH116  # asked before each write: four times as fast
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def code(error: DBAPIError) -> int:
    """The primary result code of SQLite; 0 for what is no error of SQLite's."""
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF
