"""The heartbeat against a real server that takes it, refuses it, sends it elsewhere, or never answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from reminders.jobs.heartbeat import Heartbeat
from tests.edges.watcher import Watcher, watching
from tests.flows.service import wait_for


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    with watching() as server:
        yield server


def beat(heartbeat: Heartbeat) -> None:
    """Send one, and wait for what comes of it."""
    heartbeat.beat()
    for thread in threading.enumerate():
        if thread.name == "heartbeat":
            thread.join(15)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "reminders.jobs.heartbeat"]


def test_the_address_is_fetched_as_it_is_and_nothing_is_said(
    watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    beat(Heartbeat(watcher.url()))
    assert watcher.asked == [("GET", "/beat/secret?of=ours")]
    assert said(caplog) == []


def test_it_is_fetched_once_a_minute_at_most(watcher: Watcher) -> None:
    heartbeat = Heartbeat(watcher.url(), every=0.5)
    beat(heartbeat)
    assert not heartbeat.due
    beat(heartbeat)
    assert len(watcher.asked) == 1
    wait_for(lambda: heartbeat.due)
    beat(heartbeat)
    assert len(watcher.asked) == 2


def test_without_an_address_there_is_none() -> None:
    heartbeat = Heartbeat("")
    assert not heartbeat.due
    heartbeat.beat()
    assert [thread for thread in threading.enumerate() if thread.name == "heartbeat"] == []


def test_trouble_is_logged_once_and_so_is_its_end(watcher: Watcher, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    heartbeat = Heartbeat(watcher.url(), every=0)
    for status in (500, 404, 200, 200, 500):
        watcher.status = status
        beat(heartbeat)
    assert said(caplog) == [
        "the heartbeat is not taken: HTTP Error 500: Internal Server Error",
        "the heartbeat is taken again",
        "the heartbeat is not taken: HTTP Error 500: Internal Server Error",
    ]


def test_a_redirect_is_not_followed_and_counts_as_trouble(watcher: Watcher, caplog: pytest.LogCaptureFixture) -> None:
    watcher.status = 302
    beat(Heartbeat(watcher.url()))
    assert len(watcher.asked) == 1
    assert said(caplog) == ["the heartbeat is not taken: HTTP Error 302: Found"]


def test_nobody_there_is_trouble_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with Watcher() as gone:
        url = gone.url()
    beat(Heartbeat(url))
    (words,) = said(caplog)
    assert words.startswith("the heartbeat is not taken: <urlopen error [Errno ")


def test_a_server_that_hangs_holds_nothing_up_and_is_not_asked_again_meanwhile(
    watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    heartbeat = Heartbeat(watcher.url("/hang"), every=0)
    begun = time.monotonic()
    for _ in range(5):
        heartbeat.beat()
    assert time.monotonic() - begun < 1
    wait_for(lambda: watcher.asked)
    assert len(watcher.asked) == 1
    assert said(caplog) == ["the heartbeat is not taken: the last one has not been answered yet"]
    watcher.let_go.set()
    wait_for(lambda: [thread for thread in threading.enumerate() if thread.name == "heartbeat"] == [])
    beat(heartbeat)
    assert len(watcher.asked) == 2


def test_a_server_that_never_answers_is_given_up(watcher: Watcher, caplog: pytest.LogCaptureFixture) -> None:
    begun = time.monotonic()
    beat(Heartbeat(watcher.url("/hang")))
    assert 9 < time.monotonic() - begun < 14
    assert said(caplog) == ["the heartbeat is not taken: timed out"]
