"""What is served when there are many entries: read from a cold store, and made anew after one change."""

from __future__ import annotations

import asyncio
import gzip
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figure import Figure, Scale, Series, in_turns, milliseconds
from benchmarks.invented import FIRST_DAY, write_events
from benchmarks.service import service
from reminders.clock import FixedClock
from reminders.jobs.refresh import refresh
from reminders.jobs.service import Service, database_url
from reminders.serving import SHELF, StoreReader
from reminders.store.schema import open_store
from reminders.web.kept import Kept
from reminders.web.site import Shown, Site

NOW = datetime(2029, 11, 23, 9, tzinfo=UTC)
URL = "https://dates.example.org"
SETTINGS = f"settle: 0\nbrake: off\npublic_url: {URL}\n"
FEEDS = "feeds:\n  all: {title: All dates}\n"


def figures(scale: Scale) -> Iterator[Figure]:
    """One feed of every entry, from a store just opened and after one date moved."""
    with TemporaryDirectory(prefix="reminders-") as name:
        config = Path(name) / "config"
        write_events(config, scale.entries * 17 // 32)
        (config / "feeds.yaml").write_text(FEEDS, encoding="utf-8")
        clock = (NOW + timedelta(seconds=each) for each in count())
        days = (FIRST_DAY + timedelta(days=each) for each in count())

        def move() -> None:
            event = f"events:\n  - id: moved\n    title: An event\n    dates: {{course: {next(days)}}}\n"
            (config / "events" / "moved.yaml").write_text(event, encoding="utf-8")
            changes = refresh(running, next(clock)).changes
            assert changes is not None

        def settle_and_move() -> None:
            runner.run(site.kept_all())  # of the publication before: minutes have passed since, outside of benchmarks
            move()

        with service(config, SETTINGS) as running, asyncio.Runner() as runner:
            move()
            site = _site(running, Kept(running.data / SHELF))
            runner.run(site.start())

            def look() -> Shown:
                site.ask_anew()
                return runner.run(site.shown())

            shown = look()
            body, entries = shown.feeds["all"].plain.body, len(shown.shelf.entries)
            runner.run(site.kept_all())
            cold, unkept, plain = in_turns(
                scale.rounds,
                lambda: _cold(running, Kept(running.data / SHELF)),
                lambda: _cold(running, None),
                lambda: milliseconds(lambda: _rows(running)),
            )
            again, packing = in_turns(
                min(scale.rounds, 3),
                lambda: milliseconds(look, before=settle_and_move),
                lambda: milliseconds(lambda: gzip.compress(body, 6, mtime=0)),
            )
            assert look().feeds["all"].plain.body != body
    many = f"{entries:,} entries, {len(body) / 1_000_000:,.1f} MB"
    read = Series("sqlite3 reading the text of the same entries, and nothing made of it", "ms", plain)
    yield Figure(Series(f"a feed of {many}, from a store just opened", "ms", cold), read, below=100.0)
    yield Figure(Series("the same where nothing was kept of an earlier run", "ms", unkept), read)
    packed = Series("gzip -6 on the same feed alone", "ms", packing)
    yield Figure(
        Series("the same after one date moved: read what changed, made ready to serve", "ms", again), packed, 50.0
    )


def _site(running: Service, kept: Kept | None) -> Site:
    return Site(StoreReader(running, FixedClock(NOW)), URL, "Dates", kept)


def _cold(running: Service, kept: Kept | None) -> float:
    """Milliseconds until a process that has read nothing yet has its feeds ready; None: nothing was kept."""
    store = open_store(database_url(running.settings, running.config))

    async def first() -> None:
        await site.start()
        assert "all" in site.early or "all" in (await site.shown()).feeds

    try:
        site = _site(Service(running.settings, running.config, store, b""), kept)
        with asyncio.Runner() as runner:
            took = milliseconds(lambda: runner.run(first()))
            runner.run(site.kept_all())
            return took
    finally:
        store.close()


def _rows(running: Service) -> None:
    connection = sqlite3.connect(str(running.data / "reminders.sqlite"))
    try:
        connection.execute("SELECT text FROM entry").fetchall()
    finally:
        connection.close()
