"""The demo's replay, the real daemon on a replay clock, against what `simulate` foretells from the files alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from reminders.catalogue import zones
from reminders.daemon import Daemon
from reminders.demo import EDITS, END, START, Edit, Narrator, prepare, replay, replay_service
from reminders.files import read_settings, read_snapshot
from reminders.jobs.foretelling import foretell
from reminders.jobs.service import Service, read_book
from reminders.mail.folder import FolderTransport
from reminders.planning.notices import Notice
from reminders.process import run
from reminders.store import ledger, people

GOLDEN = Path(__file__).parents[1] / "cases" / "replay" / "edits.txt"


def line(notice: Notice, address: str, dropped: str) -> str:
    """One notice as staff can read it."""
    due = f"{zones.local(notice.due_at, 'Europe/London'):%Y-%m-%d %H:%M}"
    told = f"{notice.event} {notice.date_kind} {notice.fact.partition(' ')[0]}"
    return f"{due}  {notice.rule or notice.kind:<14}  {address:<18}  {told}" + (f"  [{dropped}]" if dropped else "")


def replayed(folder: Path, edits: Iterable[Edit]) -> tuple[list[str], Service, list[str]]:
    """Every notice of the replay, the service as it stands afterwards, and what was printed."""
    config = prepare(folder)
    service = replay_service(config, "http://127.0.0.1:8025")
    said: list[str] = []

    async def whole() -> None:
        daemon, clock = await replay(service, edits, Narrator(said.append, str), pace=0)
        running = asyncio.create_task(run(daemon, None, None))
        await asyncio.wait_for(clock.finished.wait(), 60)
        async with daemon.sending:
            daemon.stop()
        await running

    asyncio.run(whole())
    return sorted(listed(service)), service, said


def listed(service: Service) -> list[str]:
    with service.store.reading() as tx:
        rows = ledger.listing(tx, limit=10_000)
        known = people.subscribers(tx, ())
    assert {row.state for row in rows} <= {"sent", "dropped"}
    return [line(row.notice, known[row.notice.subscriber].address, row.reason) for row in rows]


def foretold(config: Path) -> list[str]:
    settings = read_settings(config, {})
    book = read_book(read_snapshot(config).files, settings.zone)
    found = foretell(book, settings.nation, START, END)
    return sorted(line(each.notice, each.subscriber.address, str(each.notice.dropped or "")) for each in found)


def test_without_edits_the_replay_and_the_simulation_agree_mail_for_mail(tmp_path: Path) -> None:
    found, service, _ = replayed(tmp_path / "demo", ())
    assert found == foretold(service.config)
    assert len([each for each in found if "[" not in each]) == len(list((service.data / "outbox").glob("*.eml")))
    service.store.close()


def test_the_edits_cause_exactly_the_differences_of_the_golden_file(tmp_path: Path) -> None:
    before = foretold(prepare(tmp_path / "unedited"))
    found, service, _ = replayed(tmp_path / "demo", EDITS)
    service.store.close()
    gone = [f"- {each}" for each in before if each not in found]
    new = [f"+ {each}" for each in found if each not in before]
    told = "\n".join(["# What the demo's two edits change: see tests/flows/test_replay.py", *gone, *new, ""])
    assert told == GOLDEN.read_text(encoding="utf-8")


def test_the_oriel_deadline_is_reminded_three_times_and_never_after_it(tmp_path: Path) -> None:
    found = foretold(prepare(tmp_path / "demo"))
    closing = [each for each in found if "leadership-fellows-2019 applications-close" in each]
    assert sorted({each[:16] for each in closing if "[" not in each}) == [
        "2018-12-07 09:00",
        "2018-12-11 09:00",
        "2018-12-14 08:00",
    ]
    assert {each[:16] for each in closing if each.endswith("[before-epoch]")} == {"2018-11-16 09:00"}
    assert not [each for each in found if "ilm7-scholarship" in each or "seacole" in each]


def test_running_everything_again_and_restarting_the_daemon_sends_nothing(tmp_path: Path) -> None:
    found, service, _ = replayed(tmp_path / "demo", EDITS)
    mails = sorted((service.data / "outbox").iterdir())
    stamps = [path.stat().st_mtime_ns for path in mails]

    async def again() -> None:
        from reminders.clock import FixedClock

        told: list[object] = []
        transport = FolderTransport(service.data / "outbox")
        daemon = Daemon(service, FixedClock(END), transport, lambda at, what: told.append(what))
        running = asyncio.create_task(daemon.run())
        await asyncio.sleep(0.5)
        daemon.stop()
        await running
        assert told == []

    asyncio.run(again())
    assert sorted(listed(service)) == found
    assert sorted((service.data / "outbox").iterdir()) == mails
    assert [path.stat().st_mtime_ns for path in mails] == stamps
    service.store.close()


def test_each_thing_that_happens_is_a_line_with_its_time_in_london(tmp_path: Path) -> None:
    _, service, said = replayed(tmp_path / "demo", EDITS)
    service.store.close()
    moved = "Thu 31 Jan 2019 14:00  moved      having-difficult-conversations-2019: now Tuesday 5 March 2019 -> "
    assert any(each.startswith(moved) for each in said)
    assert any(each.startswith("Fri 15 Feb 2019 11:00  announced") for each in said)
    assert said[0].startswith("Fri 23 Nov 2018 09:00  published  13 events")


def test_a_demo_never_deletes_what_it_did_not_make(tmp_path: Path) -> None:
    from reminders.errors import WrongUse

    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(WrongUse, match="holds something else than a demo"):
        prepare(tmp_path)
    assert (tmp_path / "mine.txt").exists()
