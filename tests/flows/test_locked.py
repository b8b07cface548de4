"""Another program keeps the database locked (B3)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.flows.service import Place, relay, time_from_now, wait_for


def test_a_locked_database_is_waited_for_and_feeds_are_served(tmp_path: Path) -> None:
    program = (
        "-c",
        "from reminders.store import connections; connections.PATIENCE = 0.5\nfrom reminders.cli import main; main()",
    )
    place = Place(tmp_path)
    with relay(tmp_path / "mails.jsonl") as sink:
        place.people(["amina@example.org"])
        place.settings(sink.port)
        place.begin()
        daemon = place.start(program)
        try:
            wait_for(daemon.answers)
            with closing(sqlite3.connect(tmp_path / "var" / "reminders.sqlite", isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                place.event("talk", "closes", time_from_now(minutes=118))
                wait_for(lambda: daemon.printed().count("kept locked by another program") > 1)
                assert daemon.get("/feeds/all.ics").status_code == 200
                assert sink.kept() == []
                second = place.start(program)  # one that starts meanwhile serves what was published
                wait_for(second.answers)
                assert second.get("/feeds/all.ics").status_code == 200
                assert second.stop() == 0
                other.execute("ROLLBACK")
            wait_for(sink.kept, 60)  # who was about to send found no database, and rests for half a minute
            assert daemon.stop() == 0
            assert "Traceback" not in daemon.printed() + second.printed()
        finally:
            daemon.kill()
