"""What a watcher elsewhere is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reminders.clock import SystemClock
from reminders.store import pauses
from tests.edges.watcher import Watcher, watching
from tests.flows.service import Place, Relay, relay, time_from_now, wait_for
from tests.flows.silence.blocked import TICKS


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
