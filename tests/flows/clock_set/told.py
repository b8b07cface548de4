"""What a service is given, and what it is heard to say and to send, under a clock that is set."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

from tests.flows.service import Place, Relay, Running, wait_for
from tests.flows.setclock import SetClock

PEOPLE = ["amina@example.org", "bao@example.org"]
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
TICKS = 2.5
"""Seconds in which a daemon with a tick of one second looks at least twice."""
SOON = 10.0
"""Seconds within which what is due goes out on a busy machine; an hour's silence would be longer."""


def publish(place: Place, clock: SetClock, id: str, due: timedelta) -> None:
    """An event whose reminder, two hours before it, is due so long after what the clock shows."""
    place.event(id, "closes", f"{clock.now() + due + 2 * HOUR:%Y-%m-%dT%H:%MZ}")


def arrived(sink: Relay, *events: str) -> None:
    """About each of these two mails arrive soon; about nothing else any did or does, and no mail came twice."""

    def told() -> Counter[str]:
        return Counter(_header(mail.data, "X-Event") for mail in sink.kept())

    wait_for(lambda: sum(told().values()) >= 2 * len(events), SOON)
    time.sleep(TICKS)
    ids = [_header(mail.data, "Message-ID") for mail in sink.kept()]
    assert len(set(ids)) == len(ids) == 2 * len(events)


def _header(data: bytes, name: str) -> str:
    lines = data.decode().split("\r\n\r\n", 1)[0].split("\r\n")
    return next((line.partition(": ")[2] for line in lines if line.startswith(f"{name}: ")), "")


def doubted(daemon: Running, words: str) -> None:
    """The service says so, and its feeds are there all the same."""
    wait_for(lambda: any(words in each for each in daemon.health()["faults"]), SOON)
    assert daemon.get("/readyz").status_code == 503
    assert daemon.get("/feeds/all.ics").status_code == 200
    assert daemon.printed().count(words) == 1, "told at each tick"


def states(place: Place) -> list[tuple[str, str]]:
    return sorted((each.row.notice.event, each.row.state) for each in place.records())


def sent(*events: str) -> list[tuple[str, str]]:
    return sorted((event, "sent") for event in events for _ in PEOPLE)
