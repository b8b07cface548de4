"""The database at work: SQLite in a file of its own, or PostgreSQL for several machines. The same code runs on both.

A `Store` gives transactions. On SQLite one that writes starts with BEGIN IMMEDIATE, because a reader that turns
writer fails at once however long it was told to wait. One that only reads sees one moment throughout and cannot write,
on both.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from reminders.errors import RemindersError, WrongUse
from reminders.store import connections
from reminders.store.connections import RESTORE, Damaged, code, place
from reminders.store.journal import Unwritable


class Busy(RemindersError):
    """Another program keeps the database locked; trying again later helps."""


class Moved(WrongUse):
    """Where the database was there is no file now, or another one."""


TROUBLE: tuple[type[Exception], ...] = (Busy, Moved, Unwritable, DBAPIError)
"""What a transaction raises when the database is locked, full, restarted or gone: later it may work."""

# After these nothing is done with the connections that met them: the next transaction opens the file afresh.
_GRAVE = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_REOPENED = _GRAVE | {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


class Store:
    """An open database; several threads may use it. Made by `create` and `open_store`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._postgresql = engine.dialect.name == "postgresql"
        self._place = None if self._postgresql else place(engine.url)
        self._gone_since: float | None = None
        self._sound = self._postgresql
        self.broken = ""
        """What went so wrong with the file that `damage` has to read it before it is relied on; "" if nothing did."""

    @contextmanager
    def writing(self, alone: str = "") -> Iterator[Connection]:
        """A transaction that may write: committed at the end of the block, undone by any exception.

        Of the transactions that name the same `alone`, one runs at a time, on all machines together.
        Raises `Busy` when a SQLite file stays locked, `Moved` when it was moved away or replaced meanwhile.
        """
        self._check_place()
        with self._watched(_REOPENED), self._engine.connect() as connection:
            tx = connection.execution_options(sqlite_begin="BEGIN IMMEDIATE")
            with _transaction(tx):
                if alone:
                    take_turns(tx, alone)
                yield tx

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment throughout and cannot write. Raises `Moved` as `writing` does."""
        self._check_place()
        with self._watched(_REOPENED - {sqlite3.SQLITE_READONLY}), self._engine.connect() as connection:
            if self._postgresql:
                tx = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            else:
                tx = connection.execution_options(sqlite_begin="BEGIN")
            with _transaction(tx):
                yield tx

    def damage(self) -> list[str]:
        """What is wrong with the pages of a SQLite file, a sentence each; [] when it is sound.

        Reads the whole file (a second or two per GB), once for as long as no transaction meets anything grave.
        """
        if self._sound:
            return []
        self._check_place()
        try:
            with self._watched(_REOPENED), self._engine.connect() as connection:
                tx = connection.execution_options(sqlite_begin="BEGIN")
                with _transaction(tx):
                    found = [plain(row[0]) for row in tx.exec_driver_sql("PRAGMA quick_check(10)")]
        except DBAPIError as error:
            if code(error) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise
            found = [str(error.orig)]
        if found != ["ok"]:
            return found
        self._sound, self.broken = True, ""
        return []

    @contextmanager
    def _watched(self, reopened: Set[int]) -> Iterator[None]:
        """Let go of all connections when a transaction meets a fault of the file or its disk."""
        try:
            yield
        except DBAPIError as error:
            if not self._postgresql and (met := code(error)) in reopened:
                if met in _GRAVE:
                    self._sound, self.broken = False, words(error)
                self._engine.dispose()
            raise
        except Damaged as error:
            self._sound, self.broken = False, str(error)
            raise

    def _check_place(self) -> None:
        """Have the file still be the one that was opened. One that is gone for a moment only may be gone on with."""
        if self._postgresql:
            return
        if (found := place(self._engine.url)) == self._place:
            self._gone_since = None
            return
        # What is written through the old handle would vanish with it, and what is read is no longer so.
        moved = f"the database {self._engine.url.database} was moved or replaced while in use: start again"
        now = time.monotonic()
        if self._gone_since is None:
            self._gone_since = now
        if found is not None or now - self._gone_since > connections.PATIENCE:
            self._sound, self.broken = False, moved
        raise Moved(moved)

    def close(self) -> None:
        """Let go of all connections. On SQLite the last one to leave folds the write-ahead log into the file."""
        self._engine.dispose()


def take_turns(tx: Connection, name: str) -> None:
    """Wait until no other transaction that took the same turn is open. SQLite has one writer at a time anyway."""
    if tx.dialect.name == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"reminders {name}"})


def words(error: Exception) -> str:
    """What a transaction raised, for people: without statements and what was in them."""
    if not isinstance(error, DBAPIError):
        return str(error)
    if code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"the database is damaged ({error.orig}): {RESTORE}"
    return f"the database cannot be used: {error.orig}"


def plain(finding: str) -> str:
    """One finding of a check in one line: SQLite puts a heading above the first."""
    return finding.rpartition("\n")[2]


@contextmanager
def _transaction(tx: Connection) -> Iterator[None]:
    try:
        transaction = tx.begin()
    except OperationalError as error:
        if code(error) == sqlite3.SQLITE_BUSY:
            raise Busy(
                f"the database is kept locked by another program for more than {connections.PATIENCE:.0f} s"
            ) from error
        raise
    with transaction:
        yield
