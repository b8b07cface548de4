"""What a service does by a clock that was wrong, and by an operator's word: the store, the outbox, the commands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from reminders.clock import SystemClock, Uptime
from reminders.errors import Held
from reminders.jobs import clockwatch, workers
from reminders.jobs.deliver import deliver
from reminders.jobs.health import health
from reminders.mail.folder import FolderTransport
from reminders.store.tables import outbox
from tests.builders import EPOCH, utc
from tests.flows.console import config, typed
from tests.flows.walk import Walk

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DUE = utc("2019-01-29T09:00")


@dataclass
class Clock(SystemClock):
    """A machine's clock that the test moves."""

    shows: datetime = EPOCH
    up: timedelta = HOUR
    boot: str = "first"

    def now(self) -> datetime:
        return self.shows

    def uptime(self) -> Uptime:
        return Uptime(self.boot, self.up)

    def passes(self, until: datetime) -> None:
        self.up += until - self.shows
        self.shows = until


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    with Walk(tmp_path) as walk:
        walk.course("2019-02-12")
        yield walk


def look(walk: Walk, clock: Clock) -> str:
    """What the daemon does at a tick; why it does not, if the clock is doubted."""
    watched = clockwatch.observe(walk.service, clock)
    if not watched.doubt:
        walk.refresh(watched.now.isoformat())
        walk.remind(watched.now.isoformat())
        asyncio.run(send(walk, clock))
    return watched.doubt


async def send(walk: Walk, clock: Clock) -> None:
    with workers.working(walk.service.data) as owner:
        await deliver(walk.service, FolderTransport(walk.folder / "var" / "outbox"), clock, owner)


def test_what_was_given_up_by_a_clock_that_ran_ahead_is_mailed_when_that_is_put_right(walk: Walk, clock: Clock) -> None:
    look(walk, clock)
    clock.shows += 300 * DAY
    assert "jumped far ahead" in look(walk, clock)
    clockwatch.confirm(walk.service, clock)  # who is sure, and wrong
    assert look(walk, clock) == ""
    assert walk.outbox() == [("course-2w", "dropped", "superseded"), ("course-3d", "dropped", "expired")]
    clock.shows -= 300 * DAY
    assert "reminders were looked for until" in look(walk, clock)
    clockwatch.confirm(walk.service, clock)
    clock.passes(DUE)
    assert look(walk, clock) == ""
    assert walk.outbox()[0] == ("course-2w", "sent", "")


def test_who_joined_and_what_was_published_by_such_a_clock_is_reminded_in_time(walk: Walk, clock: Clock) -> None:
    look(walk, clock)
    clock.shows += 30 * DAY
    clockwatch.confirm(walk.service, clock)
    walk.course("2019-01-02")  # due on 19 December
    walk.people("amina", "bao", "chloe")
    look(walk, clock)
    clock.shows -= 30 * DAY
    clockwatch.confirm(walk.service, clock)
    clock.passes(utc("2018-12-19T09:00"))
    look(walk, clock)
    assert {row.state for row in walk.rows() if row.notice.rule == "course-2w"} == {"sent"}
    assert len([row for row in walk.rows() if row.state == "sent"]) == 3


def test_a_clock_put_back_an_hour_owes_nothing_twice_and_misses_nothing(walk: Walk, clock: Clock) -> None:
    look(walk, clock)
    clock.passes(DUE)
    look(walk, clock)
    clock.shows -= HOUR
    look(walk, clock)
    walk.events(
        "  - {id: talking, title: Talking, dates: {course: {when: 2019-02-12}}}\n"
        "  - {id: visit, title: Visit, dates: {applications-close: 2019-01-29T10:30}}\n"
    )
    clock.passes(DUE - HOUR / 2)
    look(walk, clock)
    sent = [(row.notice.rule, row.notice.subscriber) for row in walk.rows() if row.state == "sent"]
    assert sorted(sent) == [(rule, person) for rule in ("close-2h", "course-2w") for person in (1, 2)]


def test_what_is_published_just_after_a_clock_was_put_back_a_day_is_reminded_in_time(walk: Walk, clock: Clock) -> None:
    """In the very look that finds it put back, too: that publication is of the time that is right now."""
    look(walk, clock)
    clock.passes(DUE)
    look(walk, clock)
    clock.shows -= DAY
    walk.events(
        "  - {id: talking, title: Talking, dates: {course: {when: 2019-02-12}}}\n"
        "  - {id: visit, title: Visit, dates: {applications-close: 2019-01-28T14:00}}\n"
    )
    assert look(walk, clock) == ""
    clock.passes(utc("2019-01-28T12:00"))
    look(walk, clock)
    sent = [(row.notice.rule, row.notice.subscriber) for row in walk.rows() if row.state == "sent"]
    assert sorted(sent) == [(rule, person) for rule in ("close-2h", "course-2w") for person in (1, 2)]


def test_nothing_is_begun_between_a_jump_and_the_next_tick(walk: Walk, clock: Clock) -> None:
    look(walk, clock)
    clock.passes(DUE)
    clockwatch.observe(walk.service, clock)
    walk.remind(DUE.isoformat())
    clock.shows += 40 * 365 * DAY
    asyncio.run(send(walk, clock))
    assert walk.outbox() == [("course-2w", "owed", "")]
    clock.shows -= 40 * 365 * DAY
    asyncio.run(send(walk, clock))
    assert walk.outbox() == [("course-2w", "sent", "")]


def test_a_wait_that_was_set_by_a_clock_that_ran_ahead_ends_when_it_is_put_right(walk: Walk, clock: Clock) -> None:
    look(walk, clock)
    clock.passes(DUE)
    clockwatch.observe(walk.service, clock)
    walk.remind(DUE.isoformat())
    with walk.store.writing() as tx:
        tx.execute(update(outbox).values(next_at=SystemClock.now(SystemClock()) + 40 * 365 * DAY))
    clock.shows -= HOUR
    look(walk, clock)
    assert {row.next_at for row in walk.rows()} == {clock.shows}


def test_a_doubt_outlives_the_process_and_is_of_one_machine(
    walk: Walk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(walk, clock)
    clock.shows += 2 * DAY
    said = look(walk, clock)
    assert health(walk.service, clock.shows).faults[0] == said
    restarted = replace(clock, boot="second", up=timedelta(seconds=20))
    assert look(walk, restarted) == said
    with pytest.raises(Held, match="confirm-clock"):
        clockwatch.present(walk.service, restarted)
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    assert look(walk, replace(clock, shows=clock.shows - 2 * DAY, boot="of the other")) == ""
    assert health(walk.service, clock.shows - 2 * DAY).ok


def test_a_clock_that_is_not_moved_writes_nothing(walk: Walk, clock: Clock) -> None:
    look(walk, clock)
    before = clockwatch.observe(walk.service, clock)
    clock.passes(EPOCH + DAY)
    after = clockwatch.observe(walk.service, clock)
    assert after == replace(before, now=EPOCH + DAY)


@pytest.mark.parametrize("command", ["refresh", "remind", "deliver", "tidy"])
def test_commands_do_nothing_by_a_clock_that_is_doubted(walk: Walk, clock: Clock, command: str) -> None:
    look(walk, clock)
    told = typed(command, *config(walk.config))  # years later, on a machine that was started in between
    assert told.code == 1
    assert "long after reminders were last looked for (23 November 2018 09:00 UTC)" in told.err
    confirmed = typed("confirm-clock", *config(walk.config))
    assert confirmed.code == 0
    assert "in Europe/London: that is believed from now on." in confirmed.out
    assert typed(command, *config(walk.config)).code == 0
