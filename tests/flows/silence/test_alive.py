"""What the service says of itself over HTTP."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import httpx2
import pytest

from reminders.serving import MOVED
from reminders.store.connections import PATIENCE
from tests.flows.service import Place, Running, relay, time_from_now, wait_for
from tests.flows.silence.blocked import TICKS


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
        assert red(daemon, "/readyz", TICKS) == MOVED
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
