"""Opening, making and upgrading a store; what a transaction promises on either database."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, StatementError

from reminders.errors import WrongUse
from reminders.store import connections, schema, state
from reminders.store.backups import check
from reminders.store.connections import VERSION_TABLE
from reminders.store.engine import Busy, Store
from reminders.store.schema import SCHEMA, create, open_store, upgrade
from reminders.store.tables import metadata
from tests.builders import EPOCH
from tests.store import postgres


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "reminders.sqlite"
    create(f"sqlite:///{path}").close()
    yield path


def test_a_new_store_is_made_once_and_then_opened(empty_url: str) -> None:
    create(empty_url).close()
    open_store(empty_url).close()
    with pytest.raises(WrongUse, match="there is a store already"):
        create(empty_url)


def test_a_store_that_is_not_there_is_never_made_by_opening_it(empty_url: str, kind: str) -> None:
    for opening in (open_store, upgrade):
        with pytest.raises(WrongUse, match="reminders db init"):
            opening(empty_url)
    if kind == "sqlite":
        assert not Path(empty_url.removeprefix("sqlite:///")).exists()


def test_making_a_store_goes_on_where_a_killed_one_left_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "reminders.sqlite"
    path.touch()
    with pytest.raises(WrongUse, match="is empty: `reminders db init`"):
        open_store(f"sqlite:///{path}")
    create(f"sqlite:///{path}").close()
    open_store(f"sqlite:///{path}").close()


def _set_version(url: str, version: str) -> None:
    store = open_store(url)
    with store.writing() as tx:
        tx.execute(text("UPDATE reminders_version SET version_num = :version"), {"version": version})
    store.close()


def test_a_store_of_an_older_program_asks_for_the_upgrade(url: str) -> None:
    _set_version(url, "0000")
    with pytest.raises(WrongUse, match="older version: `reminders db upgrade`"):
        open_store(url)


def test_a_store_of_a_newer_program_is_refused_by_opening_and_upgrading(url: str) -> None:
    _set_version(url, "9999")
    for opening in (open_store, upgrade):
        with pytest.raises(WrongUse, match="newer version"):
            opening(url)


def test_upgrading_a_store_that_is_up_to_date_does_nothing(url: str) -> None:
    assert upgrade(url) is False


def test_of_many_who_make_a_store_at_once_one_does(empty_url: str) -> None:
    def attempt(_: int) -> bool:
        try:
            create(empty_url).close()
        except WrongUse:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == [False, False, False, True]


def test_a_migration_that_fails_leaves_nothing(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("alembic.operations.Operations.create_index", None)
        with pytest.raises(TypeError):
            create(empty_url)
    with pytest.raises(WrongUse, match="is empty"):
        open_store(empty_url)
    create(empty_url).close()


def test_another_programs_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE recipe (name TEXT)")
    other.close()
    before = path.read_bytes()
    for opening in (create, open_store, upgrade):
        with pytest.raises(WrongUse, match="belongs to another program"):
            opening(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_another_programs_tables_are_not_mixed_with_ours(postgres_server: str) -> None:
    with postgres.database(postgres_server) as url:
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("CREATE TABLE event (name TEXT)")
        for opening in (create, open_store):
            with pytest.raises(WrongUse, match="tables of another program"):
                opening(url)


@pytest.mark.parametrize("damage", [b"this is not a database, but it is long enough to be read as one" * 40, b"x" * 10])
def test_a_damaged_file_is_refused_with_what_to_do(sqlite_path: Path, damage: bytes) -> None:
    sqlite_path.write_bytes(damage)
    with pytest.raises(WrongUse, match=r"damaged .*: restore a backup"):
        open_store(f"sqlite:///{sqlite_path}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://localhost/x", "no such kind of database: mysql"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("reminders.sqlite", "postgresql://user@host/name"),
        ("postgresql://nobody:geheim@127.0.0.1:1/none", "cannot be used"),
    ],
)
def test_a_database_that_cannot_be_meant_is_refused_without_its_password(url: str, words: str) -> None:
    with pytest.raises(WrongUse, match=words) as refused:
        open_store(url)
    assert "geheim" not in str(refused.value)


def test_the_files_of_a_store_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "reminders.sqlite"
    store = create(f"sqlite:///{path}")
    with store.writing() as tx:
        state.put(tx, "a", 1)
    assert {each.name: oct(each.stat().st_mode & 0o777) for each in path.parent.iterdir()} == {
        "reminders.sqlite": "0o600",
        "reminders.sqlite-wal": "0o600",
        "reminders.sqlite-shm": "0o600",
    }
    assert oct(path.parent.stat().st_mode & 0o777) == "0o700"
    store.close()


@pytest.mark.parametrize(("pragma", "value"), [("synchronous", 2), ("journal_mode", "wal"), ("foreign_keys", 1)])
def test_sqlite_keeps_what_was_committed_through_a_power_cut(sqlite_path: Path, pragma: str, value: object) -> None:
    store = open_store(f"sqlite:///{sqlite_path}")
    with store.writing() as first, store.reading() as second:  # two connections of the pool
        assert first.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value
        assert second.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value
    store.close()


def test_a_sqlite_writer_holds_the_write_lock_from_the_start(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.1)
    store = open_store(f"sqlite:///{sqlite_path}")
    with store.writing() as tx:
        tx.execute(text("SELECT 1"))  # nothing written yet
        other = sqlite3.connect(sqlite_path, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.execute("SELECT count(*) FROM state")  # readers are not kept waiting
        other.close()
        with pytest.raises(Busy, match="kept locked by another program"), store.writing():
            pass
    store.close()


def test_after_a_writer_that_waited_in_vain_all_else_is_as_patient_as_before(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.1)
    store = open_store(f"sqlite:///{sqlite_path}")
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy), store.writing():
            pass
    for transaction in (store.writing, store.reading):
        with transaction() as tx:  # the same connection, from the pool
            assert tx.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 100
    store.close()


def test_damage_that_a_writer_meets_at_its_very_beginning_is_damage(sqlite_path: Path) -> None:
    store = open_store(f"sqlite:///{sqlite_path}")
    with store.writing():
        pass
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
        other.execute("CREATE TABLE more (x)")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with sqlite_path.open("r+b") as file:
        file.write(bytes(4096))
    with pytest.raises(DBAPIError, match="not a database"), store.writing():
        pass
    assert "damaged" in store.broken
    store.close()


def test_a_sqlite_writer_waits_for_another_one_to_finish(sqlite_path: Path) -> None:
    store = open_store(f"sqlite:///{sqlite_path}")
    entered = threading.Event()

    def other() -> None:
        with store.writing() as tx:
            entered.set()
            state.put(tx, "first", 1)
            threading.Event().wait(0.2)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(other)
        entered.wait()
        with store.writing() as tx:
            assert state.get(tx, "first") == 1
        running.result()
    store.close()


def test_the_driver_commits_nothing_by_itself(store: Store) -> None:
    with pytest.raises(RuntimeError, match="by the way"), store.writing() as tx:
        state.put(tx, "a", 1)
        tx.execute(text("CREATE TABLE by_the_way (x INTEGER)"))  # the old driver mode committed before such words
        state.put(tx, "b", 2)
        raise RuntimeError("by the way")
    with store.reading() as tx:
        assert (state.get(tx, "a"), state.get(tx, "b")) == (None, None)
        with pytest.raises(DBAPIError):
            tx.execute(text("SELECT * FROM by_the_way"))


def test_reading_sees_one_moment_throughout(store: Store) -> None:
    with store.reading() as tx:
        assert state.get(tx, "a") is None
        with store.writing() as other:
            state.put(other, "a", 1)
        assert state.get(tx, "a") is None
    with store.reading() as tx:
        assert state.get(tx, "a") == 1


def test_reading_cannot_write(store: Store) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)read.?only"), store.reading() as tx:
        state.put(tx, "a", 1)
    with store.writing() as tx:  # the same connection writes again
        state.put(tx, "a", 2)


def test_transactions_of_one_turn_run_one_at_a_time(store: Store) -> None:
    def add(_: int) -> None:
        with store.writing(alone="sum") as tx:
            state.put(tx, "sum", int(str(state.get(tx, "sum") or 0)) + 1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(40)))
    with store.reading() as tx:
        assert state.get(tx, "sum") == 40


def test_numbers_are_counted_without_a_turn(store: Store) -> None:
    def count(_: int) -> int:
        with store.writing() as tx:
            return state.count(tx, "batch")

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(count, range(20))) == list(range(1, 21))


def test_small_values_come_back_as_they_were_put(store: Store) -> None:
    for value in ("", "text with \u2019", 0, -5, EPOCH, EPOCH.replace(microsecond=1)):
        with store.writing() as tx:
            state.put(tx, "name", value)
        with store.reading() as tx:
            assert state.get(tx, "name") == value
    with store.writing() as tx:
        state.put(tx, "name", None)
        assert state.get(tx, "name") is None


def test_an_instant_without_a_zone_is_refused(store: Store) -> None:
    naive = datetime(2018, 11, 23)
    with pytest.raises(ValueError, match="without a time zone"), store.writing() as tx:
        state.put(tx, "name", naive)
    with pytest.raises(StatementError, match="without a time zone"), store.writing() as tx:
        tx.execute(metadata.tables["feed"].insert(), {"name": "a", "digest": "", "last_modified": naive})


def test_postgresql_that_may_forget_commits_is_refused(postgres_server: str) -> None:
    with postgres.database(postgres_server) as url:
        create(url).close()
        with psycopg.connect(url, autocommit=True) as admin:
            name = sql.Identifier(admin.info.dbname)
            admin.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(name))
        with pytest.raises(WrongUse, match="synchronous_commit=off"):
            open_store(url)


def test_the_migrations_lead_to_the_tables_the_program_uses(store: Store) -> None:
    with store.reading() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_the_newest_migration_is_the_one_the_program_asks_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA]


def test_a_sound_store_has_nothing_to_report(url: str) -> None:
    assert check(url) == []


def test_damage_inside_the_file_is_reported(sqlite_path: Path) -> None:
    whole = bytearray(sqlite_path.read_bytes())
    for start in range(8192, len(whole), 4096):
        whole[start : start + 60] = b"\xff" * 60
    sqlite_path.write_bytes(whole)
    assert check(f"sqlite:///{sqlite_path}")


def test_checking_a_store_that_is_not_there_says_so(empty_url: str) -> None:
    assert "reminders db init" in check(empty_url)[0]
