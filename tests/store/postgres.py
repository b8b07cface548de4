"""A PostgreSQL server of the tests' own, gone when they end. Works as root too, who may not run one itself."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from reminders.store.schema import SCHEMA
from reminders.store.tables import metadata

GIVEN = "TEST_POSTGRES_URL"
"""The variable that names a server to be used in place of one that is started."""


def binaries() -> Path | None:
    """The folder of the newest server installed, where Debian or PATH has it."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server: TEST_POSTGRES_URL, or one that is started here. Skips the test where there is none."""
    given = os.environ.get(GIVEN)
    if given:
        yield given
        return
    programs = binaries()
    if programs is None:
        if os.environ.get("REQUIRE_POSTGRES") == "1":
            pytest.fail("REQUIRE_POSTGRES=1, but no PostgreSQL server is installed")
        pytest.skip("no PostgreSQL server is installed; TEST_POSTGRES_URL may name one")
    with (
        tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder,
        _started(programs, folder) as here,
    ):
        yield here.url


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was started here; its programs run as somebody who may run them."""

    programs: Path
    folder: str
    url: str
    as_owner: list[str]
    port: int

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-w", "-l", f"{self.folder}/log", "-o", options, "start")

    def stop(self) -> None:
        """End it as a crash would."""
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop")

    def run(self, program: str, *arguments: str) -> None:
        command = [*self.as_owner, str(self.programs / program), *arguments]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=self.folder, timeout=120, check=False
        )
        if done.returncode:
            pytest.fail(f"{program}: {done.stdout}{done.stderr}{_log(self.folder)}")


@contextmanager
def restarting() -> Iterator[Server]:
    """A server of one's own, to be stopped and started. Skips the test where there is none."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with (
        tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder,
        _started(programs, folder) as here,
    ):
        yield here


@contextmanager
def _started(programs: Path, folder: str) -> Iterator[Server]:
    as_owner: list[str] = []
    user = pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
        as_owner, user = ["runuser", "-u", "postgres", "--"], "postgres"
    data = f"{folder}/data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    here = Server(programs, folder, f"postgresql://{user}@127.0.0.1:{port}/postgres", as_owner, port)
    here.run("initdb", "-D", data, "-A", "trust", "-U", user, "--no-sync", "--locale=C", "--encoding=UTF8")
    here.start()
    try:
        yield here
    finally:
        here.stop()


def _log(folder: str) -> str:
    path = Path(folder) / "log"
    return path.read_text(errors="replace") if path.exists() else ""


@contextmanager
def database(server: str) -> Iterator[str]:
    """A new database on that server, dropped at the end; its URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def empty(url: str) -> None:
    """Make a store as good as new."""
    tables = sql.SQL(", ").join(sql.Identifier(name) for name in metadata.tables)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(tables))
        admin.execute("UPDATE reminders_version SET version_num = %s", [SCHEMA])
