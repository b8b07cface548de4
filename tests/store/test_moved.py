"""The file of a SQLite store that is moved, replaced or put back while the store is open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reminders.store import connections, state
from reminders.store.engine import Moved, Store
from reminders.store.schema import create


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reminders.sqlite"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = create(f"sqlite:///{path}")
    assert store.damage() == []
    yield store
    store.close()


def use(store: Store) -> None:
    with store.writing() as tx:
        state.put(tx, "a", 1)


def test_another_file_is_noticed_before_anything_is_written_and_the_first_is_read_through_when_it_is_back(
    store: Store, path: Path, elsewhere: Path
) -> None:
    path.rename(elsewhere)
    path.write_bytes(elsewhere.read_bytes())
    with pytest.raises(Moved, match="moved or replaced while in use"):
        use(store)
    with pytest.raises(Moved), store.reading():
        pass
    assert "moved or replaced" in store.broken
    elsewhere.rename(path)
    assert store.damage() == []
    assert store.broken == ""
    use(store)


def test_a_file_that_is_gone_for_a_moment_is_gone_on_with(store: Store, path: Path, elsewhere: Path) -> None:
    path.rename(elsewhere)
    with pytest.raises(Moved, match="moved or replaced while in use"):
        use(store)
    elsewhere.rename(path)
    assert store.broken == ""
    use(store)


def test_a_file_that_stays_away_is_taken_for_moved(
    store: Store, path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.2)
    for _ in range(2):  # the second time it is waited for as long as the first
        path.rename(elsewhere)
        with pytest.raises(Moved):
            use(store)
        assert store.broken == ""
        time.sleep(0.3)
        with pytest.raises(Moved):
            use(store)
        assert "moved or replaced" in store.broken
        elsewhere.rename(path)
        use(store)
        assert store.damage() == []
