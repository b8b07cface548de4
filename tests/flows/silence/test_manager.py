"""What the service manager is told."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reminders.store.connections import PATIENCE
from tests.flows.service import REMINDERS, Place, Running, wait_for
from tests.flows.silence.blocked import BLOCKED, TICKS


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
