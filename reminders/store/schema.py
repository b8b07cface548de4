"""Stores by their address: made, opened, and brought to the tables of this program."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from reminders.errors import WrongUse
from reminders.store import tables
from reminders.store.connections import RESTORE, VERSION_TABLE, Damaged, code, connect, name_of, parse
from reminders.store.engine import Store

SCHEMA = "0004"
"""The migration that this program works with. They are numbered, so that older and newer can be told apart."""


def create(url: str) -> Store:
    """Make a new store, and open it.

    A SQLite file, readable only by its owner, is made with its folder. Killed half-way, it leaves nothing that counts
    as a store, and can be called again. Raises `WrongUse` when there is a store or anything else already.
    """
    parsed = parse(url)
    if parsed.database and parsed.get_backend_name() == "sqlite":
        path = Path(parsed.database)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise WrongUse(f"the database {path} cannot be made ({error.strerror})") from error
    engine = connect(parsed)
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
    parsed = parse(url)
    engine = connect(parsed)
    try:
        if known(engine) < SCHEMA:
            raise WrongUse(f"the database {name_of(parsed)} is of an older version: `reminders db upgrade`")
    except BaseException:
        engine.dispose()
        raise
    return Store(engine)


def absent(url: str) -> bool:
    """Whether there is no store at `url` yet. Raises `WrongUse` when something else is there."""
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
        return True
    engine = connect(parsed)
    try:
        with Store(engine).reading() as tx:
            return _version(tx) is None
    except DBAPIError as error:
        raise _unusable(name_of(parsed), error) from error
    finally:
        engine.dispose()


def upgrade(url: str) -> bool:
    """Bring an older store to this program's tables, all or nothing. False when there was nothing to do.

    Several may try at once: one does it, the others wait and find it done. Raises `WrongUse` as `open_store` does.
    """
    parsed = parse(url)
    engine = connect(parsed)
    try:
        known(engine)
        return _migrate(engine, new=False)
    finally:
        engine.dispose()


def known(engine: Engine) -> str:
    """The version of a store that this program can work with, or could after an upgrade.

    Raises `WrongUse` where it cannot.
    """
    named = name_of(engine.url)
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


def _version(tx: Connection) -> str | None:
    """Which migration the database stands at; None when it holds nothing."""
    names = set(inspect(tx).get_table_names())
    if VERSION_TABLE in names:
        return str(tx.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one())  # noqa: S608  # a constant
    if names & set(tables.metadata.tables):
        raise WrongUse(f"the database {name_of(tx.engine.url)} holds tables of another program: give it one of its own")
    return None


def _migrate(engine: Engine, *, new: bool) -> bool:
    """Run the migrations in one transaction, alone. A process killed meanwhile leaves the database as it was."""
    from alembic import command  # 0.2 s that only making and upgrading a store need
    from alembic.config import Config

    with Store(engine).writing(alone="schema") as tx:
        found = _version(tx)
        if found is not None and new:
            raise WrongUse(f"there is a store already: {name_of(engine.url)}")
        if found == SCHEMA:
            return False
        config = Config(attributes={"connection": tx})
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        command.upgrade(config, "head")
        return True


def _unusable(named: str, error: DBAPIError) -> WrongUse:
    if code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Damaged(f"the database {named} is damaged ({error.orig}): {RESTORE}")
    return WrongUse(f"the database {named} cannot be used: {error.orig}")
