"""What looking at the files costs: at every tick, when nothing changed, and when one date did."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from benchmarks.figure import Figure, Scale, Series, in_turns, milliseconds
from benchmarks.invented import FIRST_DAY, write_events, write_people
from benchmarks.service import service
from reminders.jobs.deliver import recover
from reminders.jobs.refresh import refresh
from reminders.jobs.remind import next_due, remind
from reminders.jobs.service import Service

NOW = datetime(2029, 11, 23, 9, tzinfo=UTC)


def figures(scale: Scale) -> Iterator[Figure]:
    """A published catalogue is looked at again; then a date of it is moved, again and again."""
    with TemporaryDirectory(prefix="reminders-") as folder:
        config = Path(folder) / "config"
        files = [*write_events(config, scale.events - 1), config / "events" / "moved.yaml"]
        write_people(config, 3)
        clock = (NOW + timedelta(seconds=each) for each in count())
        days = (FIRST_DAY + timedelta(days=each) for each in count())

        def move() -> None:
            event = f"events:\n  - id: moved\n    title: An event\n    dates: {{course: {next(days)}}}\n"
            files[-1].write_text(event, encoding="utf-8")

        move()
        with service(config, "settle: 0\n") as running:
            refresh(running, next(clock))
            remind(running, next(clock))

            def edit() -> None:
                changed = refresh(running, next(clock)).changes
                assert changed is not None
                assert len(changed) == 1

            look, tick, plain = in_turns(
                scale.rounds,
                lambda: milliseconds(lambda: refresh(running, next(clock))),
                lambda: milliseconds(lambda: _tick(running, next(clock))),
                lambda: milliseconds(lambda: [hashlib.sha256(path.read_bytes()).digest() for path in files]),
            )
            edited, read = in_turns(
                scale.rounds,
                lambda: milliseconds(edit, before=move),
                lambda: milliseconds(lambda: [yaml.load(path.read_bytes(), yaml.CSafeLoader) for path in files]),
            )
    hashed = Series("reading and hashing the same files of events", "ms", plain)
    many = f"{scale.events:,} events in {len(files)} files"
    yield Figure(Series(f"a look at {many}, none changed", "ms", look), hashed)
    yield Figure(Series("a tick with nothing to do: that look, reminders, next due, lost claims", "ms", tick), hashed)
    loaded = Series("PyYAML's CSafeLoader on the same files of events", "ms", read)
    yield Figure(Series("one date moved: read, check, publish (after the files came to rest)", "ms", edited), loaded)


def _tick(running: Service, now: datetime) -> None:
    """What the daemon does twice a minute."""
    refresh(running, now)
    remind(running, now)
    next_due(running, now)
    recover(running, now)
