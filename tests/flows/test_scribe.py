"""What waits to be written goes together; what cannot be written is told to whoever waits, and believed by nobody."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reminders.clock import FixedClock
from reminders.jobs import scribe
from reminders.jobs.scribe import Scribe
from reminders.jobs.taking import Ready, prepare, take
from reminders.store import connections, replay, sending
from reminders.store.engine import Busy
from reminders.store.journal import Sent
from reminders.store.sending import Ending
from tests.builders import utc
from tests.flows.walk import SETTINGS, Walk

DUE = "2019-01-29T09:00"
PEOPLE = ("amina", "bao", "chloe", "dewi")


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """Four people are owed a reminder that is due."""
    with Walk(tmp_path, settings=SETTINGS + "in_flight: 4\n") as walk:
        walk.people(*PEOPLE)
        walk.course("2019-02-12")
        walk.refresh("2018-11-23T09:00")
        walk.remind("2018-11-23T09:00")
        walk.remind(DUE)
        yield walk


@contextmanager
def locked(walk: Walk) -> Iterator[Callable[[], None]]:
    """Another program writes to the database until it is told to end, or the block ends."""
    other = sqlite3.connect(walk.folder / "var" / "reminders.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other.close
    finally:
        other.close()


def claimed(walk: Walk) -> list[Ready]:
    """All that is owed, claimed and composed."""
    taken = take(walk.service, "w", FixedClock(utc(DUE)), len(PEOPLE)).claimed
    made = [prepare(walk.service, each, utc(DUE)) for each in taken]
    return [each for each in made if isinstance(each, Ready)]


def writer(walk: Walk) -> Scribe:
    return Scribe(walk.service, FixedClock(utc(DUE)), "w", timedelta(minutes=5))


def accepted(ready: Ready) -> tuple[list[Ending], list[Sent]]:
    """What the relay's acceptance comes to, for the database and for the journal."""
    (each,) = ready.claimed
    sent = Sent(each.row.notice, "somebody", ready.messages[0].message_id, 1, utc(DUE))
    return [Ending(each.row.id, 1, "sent", "ok", "dot", 250)], [sent]


def test_what_comes_while_another_worker_writes_goes_into_the_same_commit(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fences: list[int] = []
    begin = sending.begin

    def counted(tx: Any, messages: Sequence[Any], owner: str, **facts: Any) -> set[int]:
        fences.append(len(messages))
        return begin(tx, messages, owner, **facts)

    monkeypatch.setattr(sending, "begin", counted)

    async def begun() -> None:
        writing, waiting = writer(walk), []
        with locked(walk) as end:
            for each in messages:
                waiting.append(asyncio.create_task(writing.begin(each.messages)))
                await asyncio.sleep(0.02)  # the first is waiting for the database by now
            assert fences == []
            end()
            assert None not in await asyncio.gather(*waiting)
        await writing.close()

    messages = claimed(walk)
    asyncio.run(begun())
    assert fences == [len(PEOPLE)]
    assert {row.state for row in walk.rows()} == {"sending"}


def test_whoever_waits_is_told_when_the_database_stays_locked_to_the_end(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.02)
    monkeypatch.setattr(scribe, "PAUSE", 0.01)
    monkeypatch.setattr(scribe, "SETTLING", 3)

    async def told() -> list[BaseException | None]:
        writing = writer(walk)
        assert await writing.begin(first.messages) is not None
        with locked(walk):
            fence = asyncio.create_task(writing.begin(second.messages))
            outcome = writing.settle(*accepted(first))
            await asyncio.wait_for(asyncio.gather(fence, outcome, return_exceptions=True), 10)
            with pytest.raises(Busy):
                await writing.begin(third.messages)
        assert writing.failed
        await writing.close()
        return [fence.exception(), outcome.exception()]

    first, second, third, _ = claimed(walk)
    assert [type(each) for each in asyncio.run(told())] == [Busy, Busy]
    states = {row.id: row.state for row in walk.rows()}
    assert (states[first.messages[0].row], states[second.messages[0].row]) == ("sending", "claimed")


def test_what_cannot_be_written_takes_nothing_with_it_that_came_after(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    settle = sending.settle

    def held_up(tx: Any, endings: Sequence[Ending], owner: str, **facts: Any) -> set[int]:
        inside.set()
        assert go_on.wait(10)
        return settle(tx, endings, owner, **facts)

    async def written() -> tuple[BaseException | None, set[int]]:
        writing = writer(walk)
        assert await writing.begin(first.messages) is not None
        monkeypatch.setattr(sending, "settle", held_up)
        never_begun = writing.settle(accepted(second)[0])
        assert await asyncio.to_thread(inside.wait, 10)
        outcome = writing.settle([replace(accepted(first)[0][0], outcome="failed")])
        go_on.set()
        own = await asyncio.wait_for(outcome, 10)
        await writing.close()
        return never_begun.exception(), own

    first, second, *_ = claimed(walk)
    error, own = asyncio.run(written())
    assert "was never begun" in str(error)
    assert own == {first.messages[0].row}


def test_the_journal_is_not_known_beyond_what_was_given_up(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither journal nor database take what became of a first mail, until it is given up; they take the second's."""
    monkeypatch.setattr(connections, "PATIENCE", 0.02)
    monkeypatch.setattr(scribe, "SETTLING", 1)
    journal = walk.service.data / "sent.journal"

    async def given_up() -> None:
        writing = writer(walk)
        for each in (first, second):
            assert await writing.begin(each.messages) is not None
        aside = journal.rename(journal.with_suffix(".aside"))
        journal.mkdir()
        with locked(walk):
            assert isinstance((await asyncio.gather(writing.settle(*accepted(first)), return_exceptions=True))[0], Busy)
        journal.rmdir()
        aside.rename(journal)
        assert await writing.settle(*accepted(second)) == {second.messages[0].row}
        await writing.close()

    first, second, *_ = claimed(walk)
    place = walk.service.journal.begin()
    with walk.store.writing() as tx:
        replay.put_position(tx, place.identity, place.size)
    asyncio.run(given_up())
    assert journal.read_bytes().count(b"somebody") == 2
    with walk.store.reading() as tx:
        assert replay.position(tx, place.identity) == place.size, "the first one's line is still to be read"


def test_who_no_longer_waits_at_the_fence_holds_up_nobody_and_is_not_begun(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, while a message waits for the database, and while another's fence is being written."""
    inside, go_on = threading.Event(), threading.Event()
    begin = sending.begin

    def held_up(tx: Any, messages: Sequence[Any], owner: str, **facts: Any) -> set[int]:
        inside.set()
        assert go_on.wait(10)
        return begin(tx, messages, owner, **facts)

    async def broken_off() -> None:
        writing = writer(walk)
        assert await writing.begin(first.messages) is not None
        with locked(walk) as end:
            fence = asyncio.create_task(writing.begin(second.messages))
            await asyncio.sleep(0.05)
            fence.cancel()
            outcome = writing.settle(*accepted(first))
            end()
            assert await asyncio.wait_for(outcome, 10) == {first.messages[0].row}
        monkeypatch.setattr(sending, "begin", held_up)
        fence = asyncio.create_task(writing.begin(third.messages))
        assert await asyncio.to_thread(inside.wait, 10)
        fence.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait_for(writing.close(), 10)

    first, second, third, _ = claimed(walk)
    asyncio.run(broken_off())
    states = {row.id: row.state for row in walk.rows()}
    assert [states[each.messages[0].row] for each in (first, second, third)] == ["sent", "claimed", "sending"]
