"""Once a night the operator hears of what wants a person; through a real relay, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from reminders.clock import FixedClock
from reminders.daemon import Daemon, Happening
from reminders.jobs import operator
from reminders.jobs.deliver import transport_of
from reminders.jobs.operator import Note, Notes
from reminders.jobs.reconcile import Reconciled
from reminders.store.tables import attempt, history, outbox
from tests.builders import utc
from tests.edges.smtpd import Received, serving
from tests.flows.console import config, typed
from tests.flows.walk import SETTINGS, Walk

DUE, NIGHT = "2019-01-29T09:00", "2019-01-30T04:30"
OPERATOR = "operator: ops@example.org\n"
RELAY = "smtp_host: 127.0.0.1\nsmtp_port: %d\nsmtp_security: none\nmail_from: dates@example.org\n"
PUBLIC = "public_url: https://dates.example.org\n"


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """A service that told two people of a course, and one of the rows is gone."""
    with Walk(tmp_path, settings=SETTINGS + OPERATOR) as walk:
        walk.course("2019-02-12")
        walk.at("2018-11-23T09:00")
        walk.at(DUE)
        walk.at(NIGHT)
        with walk.store.writing() as tx:
            for table, column in ((history, history.c.outbox), (attempt, attempt.c.outbox), (outbox, outbox.c.id)):
                tx.execute(table.delete().where(column == 2))
        yield walk


def nights(walk: Walk, *instants: str) -> list[Happening]:
    """What is told of by a daemon that asks at these instants."""
    told: list[Happening] = []

    async def ask() -> None:
        for instant in instants:
            clock = FixedClock(utc(instant))
            await Daemon(walk.service, clock, transport_of(walk.service), lambda _, what: told.append(what)).reconcile()

    asyncio.run(ask())
    return told


def with_relay(walk: Walk, *instants: str, faults: dict[str, list[str]] | None = None) -> list[Received]:
    """What a relay got from nights at these instants."""

    async def run() -> list[Received]:
        async with serving(faults=faults or {}) as server:
            walk.write("reminders.yaml", SETTINGS + OPERATOR + PUBLIC + RELAY % server.port)
            walk.reread()
            await asyncio.to_thread(nights, walk, *instants)
            return server.received

    return asyncio.run(run())


def test_a_difference_is_mailed_once_a_night_with_numbers_and_no_addresses(walk: Walk) -> None:
    (mail,) = with_relay(walk, NIGHT, "2019-01-30T12:00")
    assert (mail.sender, mail.recipients) == ("dates@example.org", ["ops@example.org"])
    message = message_from_bytes(mail.data, policy=policy.default)
    assert message["Subject"] == "[Deadline reminders] reconciliation: 1 x difference"
    text = message.get_content()
    assert "1 owed by the files, and in no state in the outbox:" in text
    assert "- talking course course-2w to subscriber 2, due 2019-01-29 09:00 UTC" in text
    assert "@" not in text
    assert [row.id for row in walk.rows()] == [1], "what the operator is told is no notice"


def test_the_next_night_it_is_told_again_while_it_differs(walk: Walk) -> None:
    assert len(with_relay(walk, NIGHT, "2019-01-31T04:00")) == 2


def test_a_quiet_night_is_not_reported(walk: Walk) -> None:
    told = nights(walk, "2019-02-07T04:30")
    assert told == [Reconciled()]
    assert with_relay(walk, "2019-02-08T04:30") == []


def test_a_relay_that_takes_nothing_costs_the_mail_and_nothing_else(
    walk: Walk, caplog: pytest.LogCaptureFixture
) -> None:
    assert with_relay(walk, NIGHT, faults={"RCPT": ["550 5.7.1 no"]}) == []
    (line,) = [each for each in caplog.messages if "operator" in each]
    assert line.startswith(
        "the operator could not be told by mail (rcpt: 550 5.7.1 no): reconciliation: 1 x difference"
    )


def test_what_the_relay_does_not_take_is_told_later_and_once(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "AGAIN", 0.2)

    async def run() -> list[Received]:
        async with serving(faults={"RCPT": ["450 4.3.0 later"]}) as server:
            walk.write("reminders.yaml", SETTINGS + OPERATOR + PUBLIC + RELAY % server.port)
            walk.reread()
            notes = Notes(walk.service, transport_of(walk.service))
            notes.add(Note("one", ("a line",)), Note("two", ()))
            await notes.send(utc(NIGHT))
            waits = [notes.due]
            await asyncio.sleep(0.3)
            waits.append(notes.due)
            await notes.send(utc(NIGHT))
            assert [*waits, notes.due] == [False, True, False]
            return server.received

    assert [subject_of(each) for each in asyncio.run(run())] == ["[Deadline reminders] one", "[Deadline reminders] two"]


def subject_of(mail: Received) -> str:
    return str(message_from_bytes(mail.data, policy=policy.default)["Subject"])


def test_what_wants_a_person_is_mailed_while_it_does(tmp_path: Path) -> None:
    """Files that look like an accident, a batch that the brake holds: at the next look, and once."""

    async def run() -> list[Received]:
        async with serving() as server:
            settings = SETTINGS.replace("brake: off\n", "") + OPERATOR + PUBLIC + RELAY % server.port
            with Walk(tmp_path, settings=settings + "brake_least: 1\nbrake: on\n") as walk:
                walk.people("amina", "bao", "chloe")
                item = "  - {id: %s, title: About %s, dates: {%s}}\n"
                talking = item % ("talking", "talking", "course: 2019-02-12")
                walk.events(talking + "".join(item % (f"e{n}", n, "course: 2019-10-01") for n in range(20)))
                await asyncio.to_thread(walk.refresh, "2018-11-23T09:00")
                clock = FixedClock(utc(DUE))
                daemon = Daemon(walk.service, clock, transport_of(walk.service), lambda _, what: None)
                for _ in range(2):
                    await daemon._tick()
                walk.events(talking)
                for _ in range(2):
                    await daemon._tick()
            return server.received

    mail, other = asyncio.run(run())
    assert mail.recipients == other.recipients == ["ops@example.org"]
    assert subject_of(other) == "[Deadline reminders] changes are held"
    assert subject_of(mail) == "[Deadline reminders] batch 1: 3 mails are held"
    text = message_from_bytes(mail.data, policy=policy.default).get_content()
    assert "- talking course course-2w to subscriber 1\r\n" in text
    assert "`reminders outbox release 1` sends them" in text


def test_without_an_address_only_the_log_is_told(walk: Walk) -> None:
    walk.write("reminders.yaml", SETTINGS)
    walk.reread()
    before = set((walk.folder / "var" / "outbox").iterdir())
    (told,) = nights(walk, NIGHT)
    assert isinstance(told, Reconciled)
    assert told.number == 1
    assert set((walk.folder / "var" / "outbox").iterdir()) == before


def test_without_a_relay_it_is_a_file_like_the_other_mails(walk: Walk) -> None:
    nights(walk, NIGHT)
    names = [path.name for path in (walk.folder / "var" / "outbox").iterdir() if "reconciliation" in path.name]
    assert [name[:38] for name in names] == ["2019-01-30-0430-deadline-reminders-rec"]


def test_the_command_prints_the_same_and_writes_nothing(walk: Walk, clock: object) -> None:
    assert hasattr(clock, "move_to")
    clock.move_to(NIGHT)
    told = typed("reconcile", *config(walk.config))
    assert told.code == 1
    assert "- talking course course-2w to subscriber 2, due 2019-01-29 09:00 UTC" in told.out
    facts = typed("reconcile", "--json", *config(walk.config)).json
    assert facts["expected"] == 2
    assert [len(each["lines"]) for each in facts["differences"]] == [1]
    clock.move_to("2019-02-07T12:00")
    quiet = typed("reconcile", *config(walk.config))
    assert (quiet.code, quiet.out) == (0, "No differences; 0 reminders looked for.\n")
    assert nights(walk, NIGHT), "the night is still to come"
