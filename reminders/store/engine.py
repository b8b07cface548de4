"""The database: SQLite in a file of its own, or PostgreSQL for several machines. The same code runs on both.

A `Store` gives transactions. On SQLite one that writes starts with BEGIN IMMEDIATE, because a reader that turns
writer fails at once however long it was told to wait; every commit is on the disk (synchronous=FULL) before
anything relies on it. One that only reads sees one moment throughout and cannot write, on both.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Set
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, inspect, make_url, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from reminders.errors import RemindersError, WrongUse
from reminders.store import tables
from reminders.store.journal import Unwritable

SCHEMA = "0004"
"""The migration that this program works with. They are numbered, so that older and newer can be told apart."""
VERSION_TABLE = "reminders_version"
"""Where the database says which migration it stands at; also what tells that it is ours."""
RESTORE = "restore a backup, then `reminders db repair` (docs/operating.md)"
"""What to do about a database that is damaged."""
PATIENCE = 10.0
"""Seconds to wait for another writer of a SQLite file."""


class Busy(RemindersError):
    """Another program keeps the database locked; trying again later helps."""


class Damaged(WrongUse):
    """The database is not sound; the message says what to do."""


TROUBLE: tuple[type[Exception], ...] = (Busy, Unwritable, DBAPIError)
"""What a transaction raises when the database is locked, full, restarted or gone: later it may work."""

# After these nothing is done with the connections that met them: the next transaction opens the file afresh.
_GRAVE = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_REOPENED = _GRAVE | {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


class Store:
    """An open database; several threads may use it. Made by `create` and `open_store`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._postgresql = engine.dialect.name == "postgresql"
        self._place = None if self._postgresql else _place(engine.url)
        self._sound = self._postgresql
        self.broken = ""
        """What went so wrong with the file that `damage` has to read it before it is relied on; "" if nothing did."""

    @contextmanager
    def writing(self, alone: str = "") -> Iterator[Connection]:
        """A transaction that may write: committed at the end of the block, undone by any exception.

        Of the transactions that name the same `alone`, one runs at a time, on all machines together.
        Raises `Busy` when a SQLite file stays locked, `WrongUse` when it was moved away or replaced meanwhile.
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
        """A transaction that sees one moment throughout and cannot write. Raises `WrongUse` as `writing` does."""
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
                    found = [_plain(row[0]) for row in tx.exec_driver_sql("PRAGMA quick_check(10)")]
        except DBAPIError as error:
            if _code(error) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
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
            if not self._postgresql and (code := _code(error)) in reopened:
                if code in _GRAVE:
                    self._sound, self.broken = False, words(error)
                self._engine.dispose()
            raise
        except Damaged as error:
            self._sound, self.broken = False, str(error)
            raise

    def _check_place(self) -> None:
        if not self._postgresql and _place(self._engine.url) != self._place:
            # What is written through the old handle would vanish with it, and what is read is no longer so.
            raise WrongUse(f"the database {self._engine.url.database} was moved or replaced while in use: start again")

    def close(self) -> None:
        """Let go of all connections. On SQLite the last one to leave folds the write-ahead log into the file."""
        self._engine.dispose()


def create(url: str) -> Store:
    """Make a new store, and open it.

    A SQLite file, readable only by its owner, is made with its folder. Killed half-way, it leaves nothing that counts
    as a store, and can be called again. Raises `WrongUse` when there is a store or anything else already.
    """
    parsed = _parse(url)
    if parsed.database and parsed.get_backend_name() == "sqlite":
        path = Path(parsed.database)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise WrongUse(f"the database {path} cannot be made ({error.strerror})") from error
    engine = _connect(parsed)
    try:
        _migrate(engine, new=True)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine)


def open_store(url: str) -> Store:
    """Open a store that is there; never makes one.

    Raises `WrongUse` when it is missing, empty, not a store of this program, cannot be read and written, or stands
    at another version of the tables.
    """
    parsed = _parse(url)
    engine = _connect(parsed)
    try:
        if _known(engine) < SCHEMA:
            raise WrongUse(f"the database {_named(parsed)} is of an older version: `reminders db upgrade`")
    except BaseException:
        engine.dispose()
        raise
    return Store(engine)


def absent(url: str) -> bool:
    """Whether there is no store at `url` yet. Raises `WrongUse` when something else is there."""
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
        return True
    engine = _connect(parsed)
    try:
        with Store(engine).reading() as tx:
            return _version(tx) is None
    except DBAPIError as error:
        raise _unusable(_named(parsed), error) from error
    finally:
        engine.dispose()


def named(url: str) -> str:
    """What people call the store at `url`: its file, or its address without a password."""
    return _named(_parse(url))


def upgrade(url: str) -> bool:
    """Bring an older store to this program's tables, all or nothing. False when there was nothing to do.

    Several may try at once: one does it, the others wait and find it done. Raises `WrongUse` as `open_store` does.
    """
    parsed = _parse(url)
    engine = _connect(parsed)
    try:
        _known(engine)
        return _migrate(engine, new=False)
    finally:
        engine.dispose()


def check(url: str) -> list[str]:
    """Read everything and say what is damaged, a sentence each; [] when all is well. Takes about a second per GB."""
    parsed = _parse(url)
    try:
        store = open_store(url)
    except WrongUse as error:
        return [str(error)]
    try:
        with store.reading() as tx:
            found: list[str] = []
            if parsed.get_backend_name() == "sqlite":
                found += [str(row[0]) for row in tx.exec_driver_sql("PRAGMA integrity_check") if row[0] != "ok"]
                found += [
                    f"table {row[0]}, row {row[1]} refers to a {row[2]} that is not there"
                    for row in tx.exec_driver_sql("PRAGMA foreign_key_check")
                ]
            return found + _contradictions(tx)
    except DBAPIError as error:
        return [f"the database {_named(parsed)} cannot be read: {error.orig}"]
    finally:
        store.close()


def words(error: Exception) -> str:
    """What a transaction raised, for people: without statements and what was in them."""
    if not isinstance(error, DBAPIError):
        return str(error)
    if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"the database is damaged ({error.orig}): {RESTORE}"
    return f"the database cannot be used: {error.orig}"


def back_up(url: str, target: Path, *, replace: bool = False) -> None:
    """Copy a SQLite store to a file of its own, as it stands at one moment, while it is in use.

    The copy is readable only by its owner, on the disk, and was found sound. Raises `WrongUse` when there is a file
    already (unless it is to be replaced) or none can be made, and for PostgreSQL; `Damaged` when the copy is not sound.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        raise WrongUse(f"the database {_named(parsed)} is PostgreSQL: `pg_dump` makes its backups")
    source = Path(str(parsed.database))
    engine = _connect(parsed)
    try:
        _known(engine)
    finally:
        engine.dispose()
    own = [source, *(source.with_name(source.name + end) for end in ("-wal", "-shm"))]
    if target.exists() and any(each.exists() and target.samefile(each) for each in own):
        raise WrongUse(f"{target} is the database itself: name another file")
    if target.exists() and not replace:
        raise WrongUse(f"{target} is there already: name another file, or say --force to replace it")
    try:
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as made:  # mode 0600
            copy = Path(made.name)
        try:
            _copy(source, copy)
            copy.replace(target)
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
    except (OSError, sqlite3.Error) as error:
        raise WrongUse(f"the backup {target} cannot be written ({error})") from error


def _copy(source: Path, copy: Path) -> None:
    with (
        closing(sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True, timeout=PATIENCE)) as old,
        closing(sqlite3.connect(copy, timeout=PATIENCE)) as new,
    ):
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")  # one file; whoever opens it as a store sets it right
        (found,) = new.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise Damaged(f"the database {source} is damaged ({_plain(found)}), and no backup was made: {RESTORE}")
    for path in (copy, copy.parent):
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def take_turns(tx: Connection, name: str) -> None:
    """Wait until no other transaction that took the same turn is open. SQLite has one writer at a time anyway."""
    if tx.dialect.name == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"reminders {name}"})


def _contradictions(tx: Connection) -> list[str]:
    row, attempt = tables.outbox.c, tables.attempt.c
    recorded = select(attempt.outbox, func.count().label("number")).group_by(attempt.outbox).subquery()
    begun = select(row.id, row.attempts, func.coalesce(recorded.c.number, 0)).outerjoin_from(
        tables.outbox, recorded, recorded.c.outbox == row.id
    )
    different = begun.where(row.attempts != func.coalesce(recorded.c.number, 0))
    impossible = begun.where(row.attempts == 0, row.state.in_(["sent", "sending"]))
    return [
        f"outbox row {id} counts {counted} attempts, but {number} are recorded"
        for id, counted, number in tx.execute(different)
    ] + [f"outbox row {id} is called sent, but no attempt is recorded" for id, _, _ in tx.execute(impossible)]


def _code(error: DBAPIError) -> int:
    """The primary result code of SQLite; 0 for what is no error of SQLite's."""
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF


def _unusable(named: str, error: DBAPIError) -> WrongUse:
    if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Damaged(f"the database {named} is damaged ({error.orig}): {RESTORE}")
    return WrongUse(f"the database {named} cannot be used: {error.orig}")


def _plain(finding: str) -> str:
    """One finding of a check in one line: SQLite puts a heading above the first."""
    return finding.rpartition("\n")[2]


@contextmanager
def _transaction(tx: Connection) -> Iterator[None]:
    try:
        transaction = tx.begin()
    except OperationalError as error:
        if _code(error) == sqlite3.SQLITE_BUSY:
            raise Busy(f"the database is kept locked by another program for more than {PATIENCE:.0f} s") from error
        raise
    with transaction:
        yield


def _parse(url: str) -> URL:
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


def _connect(url: URL) -> Engine:
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
        connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if how == 'BEGIN IMMEDIATE' else 'ON'}")
        connection.exec_driver_sql(how)

    return engine


def _place(url: URL) -> tuple[int, int] | None:
    """Which file a SQLite path leads to at present, whatever it is called."""
    try:
        found = os.stat(str(url.database))  # noqa: PTH116  # asked before each write: four times as fast
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _named(url: URL) -> str:
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def _version(tx: Connection) -> str | None:
    """Which migration the database stands at; None when it holds nothing."""
    names = set(inspect(tx).get_table_names())
    if VERSION_TABLE in names:
        return str(tx.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one())  # noqa: S608  # a constant
    if names & set(tables.metadata.tables):
        raise WrongUse(f"the database {_named(tx.engine.url)} holds tables of another program: give it one of its own")
    return None


def _known(engine: Engine) -> str:
    """The version of a store that this program can work with, or could after an upgrade."""
    named = _named(engine.url)
    try:
        with Store(engine).reading() as tx:
            found = _version(tx)
    except DBAPIError as error:
        raise _unusable(named, error) from error
    if found is None:
        raise WrongUse(f"the database {named} is empty: `reminders db init` makes a store of it")
    if found > SCHEMA:
        raise WrongUse(f"the database {named} is of a newer version: install that version of reminders")
    return found


def _migrate(engine: Engine, *, new: bool) -> bool:
    """Run the migrations in one transaction, alone. A process killed meanwhile leaves the database as it was."""
    from alembic import command  # 0.2 s that only making and upgrading a store need
    from alembic.config import Config

    with Store(engine).writing(alone="schema") as tx:
        found = _version(tx)
        if found is not None and new:
            raise WrongUse(f"there is a store already: {_named(engine.url)}")
        if found == SCHEMA:
            return False
        config = Config(attributes={"connection": tx})
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        command.upgrade(config, "head")
        return True
