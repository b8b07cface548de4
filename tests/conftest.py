"""What all tests can ask for: a frozen clock, and a store.

One suite, two databases: every test that asks for `store` or `url` runs on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from reminders.clock import SystemClock, Uptime
from reminders.store.engine import Store
from reminders.store.schema import create, open_store
from tests.builders import EPOCH
from tests.store import postgres

LONGEST = ("tests/harness/", "tests/flows/silence/", "tests/flows/clock_set/", "tests/flows/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders whose files take longest come first, so that at the end no process waits for another's."""

    def place(item: pytest.Item) -> int:
        return next((number for number, folder in enumerate(LONGEST) if item.nodeid.startswith(folder)), len(LONGEST))

    items.sort(key=place)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[FrozenDateTimeFactory]:
    """The computer's clock, standing at EPOCH until the test moves it. Timers of the event loop go on.

    As far as it is moved, time passes: nobody sets it.
    """
    monkeypatch.setattr(SystemClock, "uptime", lambda self: Uptime("frozen", self.now() - EPOCH))
    with freeze_time(EPOCH, real_asyncio=True) as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield frozen


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A new store on PostgreSQL that the tests of a session share, emptied between them."""
    with postgres.database(postgres_server) as url:
        create(url).close()
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "reminders.sqlite"
    create(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a new store is."""
    if kind == "sqlite":
        path = tmp_path / "reminders.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    shared = request.getfixturevalue("postgres_url")
    yield shared
    postgres.empty(shared)


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where there is no store yet: no file, or a database with nothing in it."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'new' / 'reminders.sqlite'}"
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url)
    yield store
    store.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Whose certificates the servers of the tests have."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    """The file that says whose certificates are trusted."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)
