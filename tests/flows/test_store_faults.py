"""Faults of the database and its disk (B1-B11, without B3): what cannot be recorded is not sent, and goes on after."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import update

from reminders.clock import FixedClock
from reminders.errors import WrongUse
from reminders.jobs import footing, scribe, workers
from reminders.jobs.deliver import Delivered, deliver, recover
from reminders.jobs.health import health
from reminders.mail.smtp import SmtpTransport
from reminders.store import backups, connections, engine, schema, tables
from tests.builders import utc
from tests.edges.smtpd import serving
from tests.flows.service import CHECKOUT, REMINDERS, Place, relay, time_from_now, wait_for
from tests.flows.walk import SETTINGS, Walk

DUE = "2019-01-29T09:00"
PEOPLE = [f"person{number}" for number in range(12)]
DATABASE = Path("var") / "reminders.sqlite"
JUST_DUE = {"minutes": 118}
"""Of `closes-2h`: the reminder is due, and of use for long enough."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    """A disk of its own, in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def owing(walk: Walk) -> Walk:
    """Twelve people are owed a reminder that is due."""
    walk.people(*PEOPLE)
    walk.course("2019-02-12")
    walk.refresh("2018-11-23T09:00")
    walk.remind("2018-11-23T09:00")
    walk.remind(DUE)
    return walk


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    with Walk(tmp_path / "walk", settings=SETTINGS + "message_deadline: 5\n") as walk:
        yield owing(walk)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What became of a message is tried to be written down as often as ever, but without pauses."""
    monkeypatch.setattr(scribe, "PAUSE", 0.001)


def send(walk: Walk, owner: str = "") -> tuple[Delivered | None, list[str]]:
    """One pass of a new worker, or of this one; what came of it (None when it broke off), and who got a mail."""

    async def all_due() -> tuple[Delivered | None, list[str]]:
        async with serving() as server:
            transport = SmtpTransport("127.0.0.1", server.port, security="none", timeout=5)
            done = None
            with workers.working(walk.service.data) as new:
                try:
                    recover(walk.service, utc(DUE))
                    done = await deliver(walk.service, transport, FixedClock(utc(DUE)), owner or new)
                except engine.TROUBLE as error:
                    assert engine.words(error)
            return done, [mail.recipients[0].partition("@")[0] for mail in server.received]

    return asyncio.run(all_due())


def states(walk: Walk) -> Counter[str]:
    return Counter(row.state for row in walk.rows())


def run_out(walk: Walk) -> None:
    """The leases of workers that ended run out."""
    with walk.store.writing() as tx:
        in_hand = tables.outbox.c.lease_until.is_not(None)
        tx.execute(update(tables.outbox).where(in_hand).values(lease_until=utc("2020-01-01")))


# B1: the disk is full


@as_root
def test_on_a_full_disk_nothing_is_sent_and_everything_once_there_is_room(tmp_path: Path) -> None:
    with mounted(tmp_path / "walk" / "var", "20m"), Walk(tmp_path / "walk") as walk:
        owing(walk)
        ballast = tmp_path / "walk" / "var" / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(ballast.parent).free - 400_000))
        for _ in range(3):
            done, got = send(walk)
            assert done is not None
            assert (got, done.mend) == ([], False)
            assert "is full: " in done.fault
        assert any("mailed" in fault and "is full" in fault for fault in health(walk.service, utc(DUE)).faults)
        ballast.unlink()
        assert sorted(send(walk)[1]) == sorted(PEOPLE)
        assert not any("mailed" in fault and "is full" in fault for fault in health(walk.service, utc(DUE)).faults)


@as_root
@pytest.mark.usefixtures("at_once")
def test_a_disk_that_fills_while_mails_are_sent_costs_nobody_a_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With so many pages free (as another program would leave it): whatever could be sent was, and each once."""
    monkeypatch.setattr(footing, "ROOM", 0)
    with mounted(tmp_path / "walk" / "var", "20m"), Walk(tmp_path / "walk") as walk:
        owing(walk)
        ballast = tmp_path / "walk" / "var" / "ballast"
        got: Counter[str] = Counter()
        refused = 0
        for pages in (0, 1, 2, 4, 8, 16):
            walk.store.close()  # the log is folded into the file, and grows anew
            with ballast.open("wb") as file:
                file.truncate(0)
                file.write(bytes(shutil.disk_usage(ballast.parent).free - pages * 4096))
            done, kept = send(walk)
            refused += done is None or bool(done.fault)
            got.update(kept)
        ballast.unlink()
        got.update(send(walk)[1])
        got.update(send(walk)[1])
        assert refused
        assert set(got) == set(PEOPLE)
        assert states(walk) == Counter(sent=12)
        assert max(got.values()) <= 2
        assert sum(got.values()) <= 12 + refused, "at most one in doubt each time"
        assert backups.check(f"sqlite:///{walk.folder / DATABASE}") == []


# B2: a commit fails


@pytest.mark.usefixtures("at_once")
def test_after_a_commit_that_failed_no_other_message_is_begun(walk: Walk) -> None:
    """The database refuses to record that a mail is sent. The journal has it, and tells when it can be recorded."""
    with walk.store.writing() as tx:
        tx.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE UPDATE ON outbox WHEN new.state = 'sent' "
            "BEGIN SELECT RAISE(ABORT, 'no more'); END"
        )
    done, got = send(walk, "w")
    assert (done, len(got)) == (None, 1)
    assert states(walk) == Counter(sending=1, owed=11)
    done, more = send(walk, "w")
    assert done is not None
    assert (done.fault, more) == ("the database cannot be used: no more", [])
    with walk.store.writing() as tx:
        tx.exec_driver_sql("DROP TRIGGER refuse")
    assert sorted([*got, *send(walk, "w")[1]]) == sorted(PEOPLE), "nobody gets it twice"
    assert states(walk) == Counter(sent=12)


def test_a_commit_that_fails_only_once_ends_the_pass_all_the_same(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What became of the message is recorded at the next try; on the same footing nothing else is sent."""
    monkeypatch.setattr(scribe, "PAUSE", 0.3)
    monkeypatch.setattr(connections, "PATIENCE", 0.1)
    walk.store.close()
    with closing(sqlite3.connect(walk.folder / DATABASE, isolation_level=None)) as other:

        async def lock_at_the_dot() -> tuple[Delivered, int]:
            async with serving(slow=0.2, slow_steps=["DOT"]) as server:
                transport = SmtpTransport("127.0.0.1", server.port, security="none", timeout=5)
                with workers.working(walk.service.data) as owner:
                    passing = asyncio.create_task(deliver(walk.service, transport, FixedClock(utc(DUE)), owner))
                    await server.kept.wait()
                    other.execute("BEGIN IMMEDIATE")
                    await asyncio.sleep(2)
                    other.execute("ROLLBACK")
                    return await passing, len(server.received)

        done, kept = asyncio.run(lock_at_the_dot())
    assert (done.sent, kept) == (1, 1)
    assert "kept locked by another program" in done.fault
    assert states(walk) == Counter(sent=1, owed=11)
    assert len(send(walk)[1]) == 11


@pytest.mark.parametrize("only", ["worker", ""])
def test_a_disk_that_fails_ends_a_worker_and_not_the_server_of_feeds(tmp_path: Path, only: str) -> None:
    """It may not write beyond the first few pages of any file: less than a publication takes."""
    place = Place(tmp_path)
    place.people(["amina@example.org"])
    place.settings(9)
    place.begin()
    daemon = place.start(REMINDERS, *(["--only", only] if only else []))
    try:
        wait_for(lambda: "Mail goes to" in daemon.printed())
        if not only:
            wait_for(daemon.answers)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (20_000, 20_000))
        place.event("talk", "closes", time_from_now(**JUST_DUE))
        if only:
            # 74 says that the disk is at fault. Whoever watches it starts it anew.
            assert daemon.process.wait(60) == 74
        else:
            wait_for(lambda: not daemon.health()["ok"])
            assert daemon.get("/feeds/all.ics").status_code == 200
            assert daemon.process.poll() is None
    finally:
        daemon.kill()


# B4: it cannot be written


@as_root
def test_on_a_read_only_disk_nothing_is_sent_and_a_start_names_it(tmp_path: Path) -> None:
    var = tmp_path / "walk" / "var"
    with mounted(var, "20m"), Walk(tmp_path / "walk") as walk:
        owing(walk)
        for how in ("ro", "rw"):
            walk.store.close()
            subprocess.run(["mount", "-o", f"remount,{how}", var], check=True)
            if how == "ro":
                done = asyncio.run(_pass(walk))
                assert done.sent == 0
                assert done.fault
                with pytest.raises(WrongUse, match="must be readable and writable for user 0"):
                    schema.open_store(f"sqlite:///{walk.folder / DATABASE}")
        assert len(send(walk)[1]) == 12


async def _pass(walk: Walk) -> Delivered:
    async with serving() as server:
        transport = SmtpTransport("127.0.0.1", server.port, security="none", timeout=5)
        done = await deliver(walk.service, transport, FixedClock(utc(DUE)), "w")
        assert server.received == []
        return done


# B5: it is damaged


def damage(database: Path, page: int) -> None:
    """Spoil the head of a page (from 1), where its tree hangs together."""
    with database.open("r+b") as file:
        file.seek((page - 1) * 4096 + (100 if page == 1 else 0))
        file.write(b"\xff" * 60)


def test_whichever_page_is_damaged_nothing_is_sent(walk: Walk, tmp_path: Path) -> None:
    walk.store.close()
    database = walk.folder / DATABASE
    shutil.copy(database, tmp_path / "sound")
    told = []
    for page in range(1, database.stat().st_size // 4096 + 1):
        shutil.copy(tmp_path / "sound", database)
        damage(database, page)
        try:
            walk.opened()
        except WrongUse as error:
            told.append(str(error))
            continue
        told.append(asyncio.run(_pass(walk)).fault)
        walk.store.close()
    assert len(told) > 50
    assert [each for each in told if "damaged" not in each or "restore a backup" not in each] == []
    shutil.copy(tmp_path / "sound", database)
    assert len(send(walk.opened())[1]) == 12


@pytest.mark.usefixtures("at_once")
def test_a_database_damaged_while_mails_are_sent_loses_none_of_them(walk: Walk, tmp_path: Path) -> None:
    """Whatever was sent is in the journal: the backup of before is put back, repaired, and goes on."""
    database = walk.folder / DATABASE
    backups.back_up(f"sqlite:///{database}", tmp_path / "backup")
    root = _root_page(database, "history")

    async def spoil_after_five() -> list[str]:
        async with serving() as server:
            transport = SmtpTransport("127.0.0.1", server.port, security="none", timeout=5)

            def told(handled: object) -> None:
                if len(server.received) == 5:
                    walk.store.close()
                    damage(database, root)

            with workers.working(walk.service.data) as owner, pytest.raises(Exception, match="malformed"):
                await deliver(walk.service, transport, FixedClock(utc(DUE)), owner, told=told)
            return [mail.recipients[0].partition("@")[0] for mail in server.received]

    got = asyncio.run(spoil_after_five())
    assert 5 <= len(got) <= 6
    assert walk.store.broken
    assert "damaged" in asyncio.run(_pass(walk)).fault
    assert any("damaged" in fault for fault in health(walk.service, utc(DUE)).faults)
    walk.store.close()
    shutil.copy(tmp_path / "backup", database)
    walk.opened()
    assert asyncio.run(_pass(walk)).fault == footing.BEHIND
    repaired = footing.repair(walk.service, utc(DUE))
    assert repaired is not None
    assert repaired.settled == len(got)
    assert sorted([*got, *send(walk)[1]]) == sorted(PEOPLE)


def _root_page(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        return int(page)


def test_a_start_on_a_damaged_database_serves_feeds_and_mails_nobody(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with relay(tmp_path / "mails.jsonl") as sink:
        place.people(["amina@example.org"])
        place.settings(sink.port)
        place.begin()
        with place.running() as daemon:
            before = daemon.get("/feeds/all.ics").content
        place.event("talk", "closes", time_from_now(**JUST_DUE))
        place.command("refresh")
        place.command("remind")
        damage(tmp_path / DATABASE, _root_page(tmp_path / DATABASE, "ix_outbox_due"))
        with place.running() as daemon:
            wait_for(lambda: "restore a backup" in daemon.printed())
            assert daemon.get("/feeds/all.ics").text.count("BEGIN:VEVENT") == 2
            assert not daemon.health()["ok"]
            assert before
        assert sink.kept() == []


# B7: an older backup is put back


def test_a_restored_backup_is_repaired_before_anything_is_sent(tmp_path: Path) -> None:
    """As an operator does it, from backup to repair, and with the daemon as it is."""
    place = Place(tmp_path)
    with relay(tmp_path / "mails.jsonl") as sink:
        place.people(["amina@example.org", "bao@example.org"])
        place.settings(sink.port)
        place.begin()
        with place.running() as daemon:
            assert "found it sound" in place.command("db", "backup", str(tmp_path / "backup"))
            place.event("talk", "closes", time_from_now(**JUST_DUE))
            wait_for(lambda: len(sink.kept()) == 2)
            wait_for(lambda: daemon.health()["outbox"]["sent"] == 2)
            place.command("subscribers", "leave", "bao@example.org")
        shutil.copy(tmp_path / "backup", tmp_path / DATABASE)
        with place.running() as daemon:
            wait_for(lambda: "reminders db repair" in daemon.printed())
            assert footing.BEHIND in daemon.health()["faults"]
            place.event("more", "closes", time_from_now(**JUST_DUE), title="Something else")
            wait_for(lambda: daemon.health()["outbox"]["owed"] == 4)
            checked = _typed(place, "db", "check")
            assert (checked.returncode, footing.BEHIND in checked.stdout) == (1, True)
            assert len(sink.kept()) == 2, "nothing is sent before the repair"
            assert "Now known as sent: 2 mails. Left again: 1." in place.command("db", "repair")
            assert "nothing was done" in place.command("db", "repair")
        with place.running() as daemon:
            wait_for(lambda: len(sink.kept()) == 3)
            wait_for(lambda: not daemon.health()["outbox"]["owed"])
            assert daemon.health()["outbox"] | {"sent": 3, "dropped": 1} == daemon.health()["outbox"]
        assert [each.recipients[0] for each in sink.kept()][2:] == ["amina@example.org"]
        assert place.command("db", "check") == "The store is sound.\n"


def _typed(place: Place, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *REMINDERS, *words, "--config", str(place.config)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(command, env=environment, cwd=place.folder, capture_output=True, text=True, check=False)


def test_a_new_database_beside_a_journal_is_not_mailed_from(walk: Walk) -> None:
    send(walk)
    walk.store.close()
    for end in ("", "-wal", "-shm"):
        (walk.folder / f"{DATABASE}{end}").unlink(missing_ok=True)
    walk.opened()
    walk.refresh(DUE)
    assert asyncio.run(_pass(walk)).fault == footing.BEHIND
    repaired = footing.repair(walk.service, utc(DUE))
    assert repaired is not None
    assert repaired.added == 12
    assert asyncio.run(_pass(walk)).fault == ""


# B8: the file is moved or replaced; a running service meets that in `test_moved_away`


@pytest.mark.usefixtures("at_once")
def test_what_is_accepted_while_the_file_is_moved_away_is_not_sent_again(walk: Walk) -> None:
    database = walk.folder / DATABASE

    async def move_at_the_dot() -> list[str]:
        async with serving(slow=0.2, slow_steps=["DOT"]) as server:
            transport = SmtpTransport("127.0.0.1", server.port, security="none", timeout=5)
            with workers.working(walk.service.data) as owner:
                passing = asyncio.create_task(deliver(walk.service, transport, FixedClock(utc(DUE)), owner))
                await server.kept.wait()
                database.rename(database.with_name("elsewhere"))
                with pytest.raises(WrongUse, match="moved or replaced"):
                    await passing
            return [mail.recipients[0].partition("@")[0] for mail in server.received]

    got = asyncio.run(move_at_the_dot())
    assert len(got) == 1
    walk.store.close()
    database.with_name("elsewhere").rename(database)
    walk.opened()
    run_out(walk)
    assert sorted([*got, *send(walk)[1]]) == sorted(PEOPLE)


# B11: a backup while the service is at work


def test_a_backup_made_while_mails_are_sent_is_sound_and_can_be_gone_on_with(walk: Walk, tmp_path: Path) -> None:
    url = f"sqlite:///{walk.folder / DATABASE}"
    made: list[Path] = []
    going = threading.Event()

    def back_up_again_and_again() -> None:
        while not going.is_set():
            made.append(tmp_path / f"backup-{len(made)}")
            backups.back_up(url, made[-1])

    thread = threading.Thread(target=back_up_again_and_again)
    thread.start()
    try:
        got = send(walk)[1]
    finally:
        going.set()
        thread.join()
    assert len(got) == 12
    assert len(made) > 2
    for path in (made[0], made[len(made) // 2], made[-1]):
        assert path.stat().st_mode & 0o777 == 0o600
        walk.store.close()
        shutil.copy(path, walk.folder / DATABASE)
        walk.opened()
        assert backups.check(url) == []
        run_out(walk)  # of what was being sent at the moment of the backup
        send(walk)
        footing.repair(walk.service, utc(DUE))
        assert send(walk)[1] == []
        assert states(walk) == Counter(sent=12)


def test_a_backup_replaces_nothing_unless_it_is_told_to(walk: Walk, tmp_path: Path) -> None:
    url, target = f"sqlite:///{walk.folder / DATABASE}", tmp_path / "backup"
    target.write_text("something of somebody's")
    with pytest.raises(WrongUse, match="is there already: name another file, or say --force"):
        backups.back_up(url, target)
    assert target.read_text() == "something of somebody's"
    backups.back_up(url, target, replace=True)
    for own in ("", "-wal"):
        with pytest.raises(WrongUse, match="is the database itself"):
            backups.back_up(url, walk.folder / f"{DATABASE}{own}", replace=True)
    with pytest.raises(WrongUse, match="cannot be written"):
        backups.back_up(url, tmp_path / "nowhere" / "backup")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "walk"]


def test_a_damaged_database_is_not_backed_up(walk: Walk, tmp_path: Path) -> None:
    walk.store.close()
    damage(walk.folder / DATABASE, _root_page(walk.folder / DATABASE, "history"))
    with pytest.raises(WrongUse, match="and no backup was made: restore"):
        backups.back_up(f"sqlite:///{walk.folder / DATABASE}", tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]


def test_postgresql_is_backed_up_by_its_own_program() -> None:
    with pytest.raises(WrongUse, match="`pg_dump`"):
        backups.back_up("postgresql://reminders@127.0.0.1/reminders", Path("backup"))
