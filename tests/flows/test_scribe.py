"""What waits to be written goes together, and nothing waits for a commit that it could have been in."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reminders.clock import FixedClock
from reminders.jobs.scribe import Scribe
from reminders.jobs.taking import Ready, prepare, take
from reminders.store import sending
from tests.builders import utc
from tests.flows.walk import SETTINGS, Walk

DUE = "2019-01-29T09:00"
PEOPLE = ("amina", "bao", "chloe", "dewi")


def ready(walk: Walk) -> list[Ready]:
    """Four people's reminders, claimed and composed."""
    walk.people(*PEOPLE)
    walk.course("2019-02-12")
    walk.refresh("2018-11-23T09:00")
    walk.remind("2018-11-23T09:00")
    walk.remind(DUE)
    claimed = take(walk.service, "w", FixedClock(utc(DUE)), len(PEOPLE)).claimed
    made = [prepare(walk.service, each, utc(DUE)) for each in claimed]
    return [each for each in made if isinstance(each, Ready)]


def test_what_comes_while_another_worker_writes_goes_into_the_same_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fences: list[int] = []
    begin = sending.begin

    def counted(tx: Any, messages: Sequence[Any], owner: str, **facts: Any) -> set[int]:
        fences.append(len(messages))
        return begin(tx, messages, owner, **facts)

    monkeypatch.setattr(sending, "begin", counted)

    async def begun(walk: Walk, messages: list[Ready]) -> list[datetime | None]:
        scribe = Scribe(walk.service, FixedClock(utc(DUE)), "w", timedelta(minutes=5))
        with closing(sqlite3.connect(walk.folder / "var" / "reminders.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = []
            for each in messages:
                waiting.append(asyncio.create_task(scribe.begin(each.messages)))
                await asyncio.sleep(0.02)  # the first is waiting for the database by now
            assert fences == []
            other.execute("ROLLBACK")
            until = await asyncio.gather(*waiting)
        await scribe.close()
        return until

    with Walk(tmp_path, settings=SETTINGS) as walk:
        messages = ready(walk)
        assert len(messages) == len(PEOPLE)
        assert None not in asyncio.run(begun(walk, messages))
        assert fences == [len(PEOPLE)]
        assert {row.state for row in walk.rows()} == {"sending"}
