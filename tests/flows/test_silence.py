"""Nobody is to notice by silence: whatever stops, within two ticks something is red."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from reminders.clock import SystemClock
from reminders.store import pauses
from reminders.store.connections import PATIENCE
from tests.edges.watcher import Watcher, watching
from tests.flows.service import REMINDERS, Place, Relay, Running, relay, time_from_now, wait_for

TICKS = 2 * 1.0 + 2.0
"""Two ticks of a second, and a moment for the machine."""
BLOCKED = (
    "-c",
    """
import signal, time
from pathlib import Path
from reminders import daemon

work = daemon.remind

def remind(*facts):
    while Path("clockwork-held").exists():
        time.sleep(0.05)
    return work(*facts)

daemon.remind = remind
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(1_000_000))  # in the thread of the loop

from reminders.cli import main
main()
""",
)
"""The service with two faults: a file that holds its clockwork up, and a signal that blocks its loop."""


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Relay]:
    with relay(tmp_path / "mails.jsonl") as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, sink: Relay) -> Place:
    place = Place(tmp_path)
    place.settings(sink.port)
    place.people(["amina@example.org"])
    place.begin()
    return place


@pytest.fixture
def blocked(place: Place) -> Iterator[Running]:
    daemon = place.start(BLOCKED)
    try:
        wait_for(daemon.answers)
        yield daemon
    finally:
        daemon.kill()


def red(daemon: Running, path: str, seconds: float) -> str:
    """What the address says once it is red. Fails when it is not in time."""
    answer = wait_for(lambda: (found := daemon.get(path)).status_code == 503 and found, seconds)
    assert isinstance(answer, httpx2.Response)
    return str(answer.json()["faults"][0])


def test_without_its_database_the_service_is_not_ready_but_alive(place: Place) -> None:
    daemon = place.start()
    try:
        wait_for(daemon.answers)
        wait_for(lambda: daemon.get("/readyz").status_code == 200)
        for path in (place.folder / "var").glob("reminders.sqlite*"):
            path.unlink()
        assert red(daemon, "/readyz", TICKS) == "The database cannot be read."
        assert daemon.get("/healthz").json() == {"ok": True, "faults": []}
    finally:
        daemon.kill()


def test_without_its_relay_the_service_is_not_ready_but_alive(place: Place, tmp_path: Path) -> None:
    with relay(tmp_path / "another.jsonl") as gone:
        place.settings(gone.port)
    with place.running() as daemon:
        wait_for(lambda: daemon.get("/readyz").status_code == 200)
        place.event("talk", "closes", time_from_now(minutes=118))
        assert red(daemon, "/readyz", TICKS).startswith("The relay has not answered since ")
        assert daemon.get("/healthz").status_code == 200


def test_a_clockwork_that_is_held_up_is_not_alive_until_it_ticks_again(place: Place, blocked: Running) -> None:
    assert blocked.get("/healthz").status_code == 200
    held = place.folder / "clockwork-held"
    held.touch()
    said = red(blocked, "/healthz", 2 * PATIENCE + TICKS)
    assert said == "No look at files and dates has come to an end lately: something holds it up."
    held.unlink()
    wait_for(lambda: blocked.get("/healthz").status_code == 200, TICKS)


def test_a_loop_that_is_blocked_answers_nobody(blocked: Running) -> None:
    blocked.process.send_signal(signal.SIGUSR1)
    time.sleep(TICKS)
    with pytest.raises(httpx2.TimeoutException):
        httpx2.get(f"{blocked.address}/healthz", trust_env=False, timeout=TICKS)


# The heartbeat


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    with watching() as server:
        yield server


def test_a_pass_that_went_well_is_told_once_a_minute_at_most(place: Place, sink: Relay, watcher: Watcher) -> None:
    place.settings(sink.port, heartbeat_url=watcher.url())
    with place.running():
        wait_for(lambda: watcher.asked)
        time.sleep(TICKS)
    assert watcher.asked == [("GET", "/beat/secret?of=ours")]


def test_a_service_whose_relay_is_gone_sends_none(place: Place, tmp_path: Path, watcher: Watcher) -> None:
    with relay(tmp_path / "another.jsonl") as gone:
        place.settings(gone.port, heartbeat_url=watcher.url())
    place.event("talk", "closes", time_from_now(minutes=118))
    with place.running() as daemon:
        wait_for(lambda: "no mail can be sent at present" in daemon.printed())
        time.sleep(TICKS)
    assert watcher.asked == []


def test_a_service_that_is_paused_sends_none(place: Place, sink: Relay, watcher: Watcher) -> None:
    place.settings(sink.port, heartbeat_url=watcher.url())
    with place.store() as store, store.writing() as tx:
        pauses.pause(tx, "", SystemClock().now())
    with place.running() as daemon:
        assert daemon.health()["paused"]
        time.sleep(TICKS)
        assert watcher.asked == []
        with place.store() as store, store.writing() as tx:
            pauses.resume(tx)
        wait_for(lambda: watcher.asked)


def test_a_service_whose_passes_fail_sends_none(place: Place, sink: Relay, watcher: Watcher) -> None:
    place.settings(sink.port, heartbeat_url=watcher.url())
    with place.store() as store, store.writing() as tx:
        tx.exec_driver_sql("CREATE TRIGGER stuck BEFORE INSERT ON state BEGIN SELECT RAISE(FAIL, 'seeded'); END")
    daemon = place.start()
    try:
        wait_for(daemon.answers)
        wait_for(lambda: "it is tried again at the next tick" in daemon.printed())
        time.sleep(TICKS)
        assert watcher.asked == []
    finally:
        daemon.kill()


def test_a_watcher_that_hangs_harms_neither_mail_nor_the_end(place: Place, sink: Relay, watcher: Watcher) -> None:
    place.settings(sink.port, heartbeat_url=watcher.url("/hang"))
    with place.running():
        wait_for(lambda: watcher.asked)
        place.event("talk", "closes", time_from_now(minutes=118))
        wait_for(sink.kept)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5, "it ends without waiting for the answer"


# The service manager


class Manager:
    """What systemd is to a service: a socket to which it is told how things are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.told: list[str] = []

    def heard(self) -> list[str]:
        """Every line so far."""
        with suppress(BlockingIOError):
            while True:
                self.told += self.socket.recv(4096).decode().splitlines()
        return self.told

    def alive(self, seconds: float) -> int:
        """How many signs of life come within so many seconds from now on."""
        before = len(self.heard())
        time.sleep(seconds)
        return self.heard()[before:].count("WATCHDOG=1")


@pytest.fixture
def manager(place: Place, tmp_path: Path) -> Iterator[Manager]:
    """A service manager that waits a second for each sign of life."""
    manager = Manager(tmp_path / "notify")
    place.environment |= {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "1000000"}
    with manager.socket:
        yield manager


def test_the_service_manager_is_told_of_beginning_life_and_end(place: Place, manager: Manager) -> None:
    with place.running() as daemon:
        wait_for(lambda: "READY=1" in manager.heard())
        assert daemon.get("/").status_code == 200
        assert manager.told[:3] == ["READY=1", "STATUS=working", "WATCHDOG=1"]
        assert 3 <= manager.alive(2) <= 5
        assert "STOPPING=1" not in manager.heard()
    assert "STOPPING=1" in manager.heard()


def test_a_service_is_ready_after_its_first_look_and_no_sooner(place: Place, manager: Manager) -> None:
    held = place.folder / "clockwork-held"
    held.touch()
    daemon = place.start(BLOCKED)
    try:
        wait_for(daemon.answers)
        time.sleep(TICKS)
        assert manager.heard() == []
        held.unlink()
        wait_for(lambda: "READY=1" in manager.heard(), TICKS)
    finally:
        daemon.kill()


def test_a_service_whose_loop_is_blocked_gives_no_sign_of_life(manager: Manager, blocked: Running) -> None:
    wait_for(lambda: "WATCHDOG=1" in manager.heard())
    blocked.process.send_signal(signal.SIGUSR1)
    time.sleep(0.5)
    assert manager.alive(2) == 0


def test_a_service_whose_clockwork_is_held_up_gives_none_and_says_so(
    place: Place, manager: Manager, blocked: Running
) -> None:
    wait_for(lambda: "WATCHDOG=1" in manager.heard())
    held = place.folder / "clockwork-held"
    held.touch()
    words = "No look at files and dates has come to an end lately: something holds it up."
    wait_for(lambda: f"STATUS={words}" in manager.heard(), 2 * PATIENCE + TICKS)
    assert manager.alive(2) == 0
    assert words in blocked.printed()
    held.unlink()
    wait_for(lambda: manager.heard()[-2:].count("WATCHDOG=1"), TICKS)
    assert manager.told[-2:].count("STATUS=working") <= 1


def test_only_pages_are_ready_once_they_are_served(place: Place, manager: Manager) -> None:
    daemon = place.start((*REMINDERS[:1], "import sys; sys.argv += ['--only', 'web']; " + REMINDERS[1]))
    try:
        wait_for(lambda: manager.heard()[:3] == ["READY=1", "STATUS=working", "WATCHDOG=1"])
        assert daemon.answers()
        assert daemon.stop() == 0
        assert "STOPPING=1" in manager.heard()
    finally:
        daemon.kill()
