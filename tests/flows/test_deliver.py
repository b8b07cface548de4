"""Deliveries through a mail server whose faults are chosen: what becomes of each notice, and of the others."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from reminders.clock import FixedClock, SystemClock
from reminders.jobs import taking, workers
from reminders.jobs.deliver import Delivered, deliver, recover
from reminders.jobs.service import Service
from reminders.mail.envelope import Envelope
from reminders.mail.letter import Letter
from reminders.mail.smtp import SmtpTransport
from reminders.store import claiming, ledger, reports
from reminders.store.tables import outbox as outbox_table
from tests.builders import utc
from tests.edges.smtpd import LOSE, Received, serving
from tests.flows.walk import SETTINGS, Walk

DUE = "2019-01-29T09:00"
SOON = timedelta(seconds=40), timedelta(seconds=80)
"""The first wait of a message that could not be sent, spread around a minute."""


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """Three people are owed a reminder that is due."""
    with Walk(tmp_path, settings=SETTINGS + "attempts: 2\nmessage_deadline: 5\n") as walk:
        walk.people("amina", "bao", "chloe")
        walk.course("2019-02-12")
        walk.refresh("2018-11-23T09:00")
        walk.remind("2018-11-23T09:00")
        walk.remind(DUE)
        yield walk


def send(walk: Walk, **faults: Sequence[str]) -> tuple[Delivered, list[Received]]:
    """One pass of deliveries through a server with these faults, by step; what came of it and what it kept."""
    return asyncio.run(_send(walk, faults))


async def _send(walk: Walk, faults: Mapping[str, Sequence[str]]) -> tuple[Delivered, list[Received]]:
    async with serving(faults=faults) as server:
        transport = SmtpTransport("127.0.0.1", server.port, security="none", timeout=5)
        with workers.working(walk.service.data) as owner:
            recover(walk.service, utc(DUE))
            done = await deliver(walk.service, transport, FixedClock(utc(DUE)), owner, told=walk.handled.append)
        return done, server.received


def states(walk: Walk) -> dict[str, tuple[str, int]]:
    """For each person the state of their notice, and how often it was begun."""
    names = {1: "amina", 2: "bao", 3: "chloe"}
    return {names[row.notice.subscriber]: (row.state, row.attempts) for row in walk.rows()}


def wait_over(walk: Walk) -> None:
    """The time that rows wait before they are tried again goes by."""
    with walk.store.writing() as tx:
        tx.execute(update(outbox_table).where(outbox_table.c.state == "owed").values(next_at=None))


def test_all_goes_well(walk: Walk) -> None:
    done, kept = send(walk)
    assert done == Delivered(3)
    assert [mail.recipients for mail in kept] == [[f"{name}@example.org"] for name in ("amina", "bao", "chloe")]
    assert set(states(walk).values()) == {("sent", 1)}
    assert send(walk) == (Delivered(), [])


def test_a_recipient_refused_for_now_is_tried_again_later_and_nobody_else_waits(walk: Walk) -> None:
    done, kept = send(walk, RCPT=["450 4.2.1 mailbox busy"])
    assert (done.sent, done.fault, len(kept)) == (2, "", 2)
    assert states(walk)["amina"] == ("owed", 0)
    row = walk.rows()[0]
    assert row.next_at is not None
    assert SOON[0] < row.next_at - SystemClock().now() < SOON[1]
    assert "450 4.2.1 mailbox busy" in row.reply
    assert send(walk) == (Delivered(), [])
    wait_over(walk)
    assert send(walk)[0].sent == 1


def test_one_that_waits_past_its_use_is_dropped_and_not_sent_late(walk: Walk) -> None:
    send(walk, RCPT=["450 4.2.1 mailbox busy"])
    wait_over(walk)
    assert walk.deliver("2019-02-12T00:00") == []
    assert walk.outbox()[0] == ("course-2w", "dropped", "superseded")


def test_a_recipient_refused_for_good_has_failed_and_nobody_else_has(walk: Walk) -> None:
    done, kept = send(walk, RCPT=["550 5.1.1 no such user"])
    assert (done.sent, len(kept)) == (2, 2)
    assert states(walk) == {"amina": ("failed", 0), "bao": ("sent", 1), "chloe": ("sent", 1)}
    assert "550 5.1.1 no such user" in walk.rows()[0].reply


@pytest.mark.parametrize(
    "faults",
    [
        {"CONNECT": ["421 4.3.2 closing"]},
        {"CONNECT": [LOSE]},
        {"MAIL": ["451 4.7.1 too much mail"]},
        {"MAIL": ["550 5.7.1 sender not allowed"]},
        {"RCPT": ["421 4.7.0 slow down"]},
    ],
    ids=["closing", "hung up", "too much", "sender refused", "slow down"],
)
def test_a_fault_of_the_server_ends_the_pass_and_is_charged_to_nobody(walk: Walk, faults: dict[str, list[str]]) -> None:
    done, kept = send(walk, **faults)
    assert (done.sent, kept) == (0, [])
    assert done.fault
    assert set(states(walk).values()) == {("owed", 0)}
    wait_over(walk)
    assert send(walk)[0].sent == 3


def test_a_server_that_is_not_there_is_charged_to_nobody(walk: Walk) -> None:
    async def nobody() -> Delivered:
        transport = SmtpTransport("127.0.0.1", 1, security="none", timeout=5)
        with workers.working(walk.service.data) as owner:
            return await deliver(walk.service, transport, FixedClock(utc(DUE)), owner)

    assert "connect" in asyncio.run(nobody()).fault
    assert set(states(walk).values()) == {("owed", 0)}


def test_a_message_refused_at_its_end_is_tried_as_often_as_the_settings_say(walk: Walk) -> None:
    send(walk, DOT=["451 4.3.0 try later"])
    assert states(walk)["amina"] == ("owed", 1)
    wait_over(walk)
    send(walk, DOT=["451 4.3.0 try later"])
    assert states(walk)["amina"] == ("failed", 2)


def test_a_refused_message_is_sent_again_as_it_was_while_it_says_the_same(walk: Walk) -> None:
    _, first = send(walk, DOT=["451 4.3.0 try later"])
    wait_over(walk)
    _, second = send(walk)
    assert first[0].data == second[0].data
    assert states(walk)["amina"] == ("sent", 2)


def test_a_refused_message_whose_facts_changed_is_another_message(walk: Walk) -> None:
    """Never two texts under one Message-ID: programs show only one of them."""
    _, (first, *_) = send(walk, DOT=["451 4.3.0 try later"])
    walk.course("2019-02-12", location="Newcastle")
    walk.refresh("2019-01-29T09:10")
    wait_over(walk)
    _, (second,) = send(walk)
    before, after = (message_from_bytes(each.data, policy=policy.default) for each in (first, second))
    assert "Newcastle" in str(after.get_body(("plain",)))
    assert before["Message-ID"] != after["Message-ID"]
    assert walk.rows()[0].message_id == after["Message-ID"]
    assert states(walk)["amina"] == ("sent", 2)


def test_a_message_in_doubt_keeps_its_bytes_although_facts_changed_and_it_was_refused_since(walk: Walk) -> None:
    _, (first, *_) = send(walk, DOT=[LOSE])
    walk.course("2019-02-12", location="Newcastle")
    walk.refresh("2019-01-29T09:10")
    wait_over(walk)
    send(walk, RCPT=["451 4.7.1 greylisted"])
    wait_over(walk)
    _, (second, *_) = send(walk)
    assert first.data == second.data


def test_what_says_when_it_should_have_come_says_so_in_a_later_try_too(walk: Walk) -> None:
    _, (first, *_) = send(walk, DOT=["451 4.3.0 try later"])
    wait_over(walk)
    assert len(walk.deliver("2019-01-29T12:00")) == 1
    (path,) = (walk.service.data / "outbox").glob("*.eml")
    late = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert "it should have been sent" in " ".join(str(late.get_body(("plain",))).split())
    assert late["Message-ID"] not in first.data.decode()


def test_a_message_in_doubt_is_sent_again_as_the_same_bytes(walk: Walk) -> None:
    _, first = send(walk, DOT=[LOSE])
    assert states(walk)["amina"] == ("owed", 1)
    wait_over(walk)
    _, second = send(walk)
    copies = [mail.data for mail in [*first, *second] if mail.recipients == ["amina@example.org"]]
    assert len(copies) == 2
    assert copies[0] == copies[1]
    assert states(walk)["amina"] == ("sent", 2)


def test_a_server_that_takes_messages_and_never_answers_puts_one_in_doubt_and_no_more(walk: Walk) -> None:
    done, kept = send(walk, DOT=[LOSE, LOSE, LOSE])
    assert (done.sent, len(kept)) == (0, 1)
    assert done.fault
    assert states(walk) == {"amina": ("owed", 1), "bao": ("owed", 0), "chloe": ("owed", 0)}


@pytest.mark.parametrize("kind", ["moved", "announced"])
def test_a_mail_about_a_change_in_doubt_is_sent_again_too(tmp_path: Path, kind: str) -> None:
    """Its own doubtful copy is no proof that the person knows."""
    with Walk(tmp_path, settings=SETTINGS + "message_deadline: 5\n") as walk:
        walk.people("amina")
        walk.course("2019-02-11" if kind == "moved" else "2019-03")
        walk.at("2018-11-23T09:00")
        walk.at("2019-01-28T09:00")
        walk.course("2019-02-19" if kind == "moved" else "2019-03-05")
        walk.refresh("2019-01-28T10:00")
        _, first = send(walk, DOT=[LOSE])
        wait_over(walk)
        _, second = send(walk)
        assert len(first) == len(second) == 1
        assert first[0].data == second[0].data
        assert walk.outbox()[-1] == (kind, "sent", "")


def test_a_fence_that_finds_the_database_locked_gives_the_claim_back(walk: Walk) -> None:
    from reminders.store.engine import Busy

    async def locked() -> Delivered:
        async with serving() as server:
            transport = SmtpTransport("127.0.0.1", server.port, security="none", timeout=5)

            async def send(data: bytes, *asked: object) -> object:
                raise Busy("the database is kept locked by another program")

            transport.send = send  # type: ignore[assignment,method-assign]  # what the fence raises comes out there
            with workers.working(walk.service.data) as owner:
                return await deliver(walk.service, transport, FixedClock(utc(DUE)), owner)

    assert "kept locked" in asyncio.run(locked()).fault
    assert set(states(walk).values()) == {("owed", 0)}
    assert send(walk)[0].sent == 3


def test_a_message_in_doubt_too_often_rests_as_uncertain(walk: Walk) -> None:
    send(walk, DOT=[LOSE])
    wait_over(walk)
    send(walk, DOT=[LOSE])
    assert states(walk)["amina"] == ("uncertain", 2)
    wait_over(walk)
    assert send(walk)[0] == Delivered(2)
    assert states(walk)["amina"] == ("uncertain", 2)


def test_a_rule_can_ask_that_a_message_in_doubt_is_held_for_a_person(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.write(
            "rules.yaml",
            (walk.config / "rules.yaml").read_text().replace("course, send: 2", "course, uncertain: hold, send: 2"),
        )
        walk.course("2019-02-12")
        walk.refresh("2018-11-23T09:00")
        walk.remind("2018-11-23T09:00")
        walk.remind(DUE)
        send(walk, DOT=[LOSE])
        assert states(walk) == {"amina": ("uncertain", 1), "bao": ("owed", 0)}
        with walk.store.writing() as tx:
            ledger.retry(tx, [walk.rows()[0].id], now=utc(DUE))
        assert send(walk)[0].sent == 2


def test_a_mail_that_cannot_be_composed_fails_alone(walk: Walk) -> None:
    """An address that no message can be made to: it got past the files because the store is older than they are."""
    from reminders.store.tables import subscriber

    with walk.store.writing() as tx:
        tx.execute(update(subscriber).where(subscriber.c.id == 2).values(address="not an address"))
    done, kept = send(walk)
    assert (done.sent, len(kept)) == (2, 2)
    assert states(walk)["bao"] == ("failed", 0)
    assert walk.rows()[1].reply.startswith("cannot be composed: ")


def test_somebody_who_leaves_between_claim_and_data_gets_nothing(walk: Walk) -> None:
    """The fence asks once more, in the transaction after which the message counts as begun."""

    async def leaving() -> list[Received]:
        async with serving() as server:
            transport = SmtpTransport("127.0.0.1", server.port, security="none", timeout=5)
            whole = transport.send

            async def send(data: bytes, envelope: Envelope, *asked: object) -> object:
                if envelope.recipient.startswith("amina"):
                    walk.leave("amina", DUE)
                return await whole(data, envelope, *asked)  # type: ignore[arg-type]  # handed on as it came

            transport.send = send  # type: ignore[assignment,method-assign]  # somebody leaves just then
            with workers.working(walk.service.data) as owner:
                await deliver(walk.service, transport, FixedClock(utc(DUE)), owner)
            return server.received

    kept = asyncio.run(leaving())
    assert [mail.recipients for mail in kept] == [["bao@example.org"], ["chloe@example.org"]]
    assert walk.rows()[0].reason == "unsubscribed"


def test_many_late_reminders_come_as_one_mail(tmp_path: Path) -> None:
    """The service was away for a month; whoever follows five courses gets one mail about them, and nobody two."""
    with Walk(tmp_path, settings=SETTINGS) as walk:
        walk.people("amina", "bao")
        courses = "".join(
            f"  - {{id: course-{day}, title: Course {day}, dates: {{course: 2019-02-{day}}}}}\n"
            for day in range(12, 17)
        )
        walk.events(courses)
        walk.refresh("2018-11-23T09:00")
        walk.remind("2018-11-23T09:00")
        assert walk.remind("2019-02-10T12:00").owed == 10
        walk.handled = []
        done = walk.deliver("2019-02-10T12:00")
        assert len(done) == 10, "each reminder has its own end"
        assert [row.state for row in walk.rows()].count("sent") == 10
        paths = sorted((walk.service.data / "outbox").glob("*.eml"))
        assert len(paths) == 2
        message = message_from_bytes(paths[0].read_bytes(), policy=policy.default)
        assert message["Subject"] == "5 dates that you follow: first course 12 Feb 2019"
        text, html = (str(message.get_body((kind,))) for kind in ("plain", "html"))
        for day in range(12, 17):
            assert f"Course {day}" in text
            assert f"Course {day}" in html
        walk.events(courses.replace("2019-02-16", "2019-02-23"))
        assert [(who, kind) for who, kind, _ in walk.at("2019-02-10T13:00")] == [("amina", "moved"), ("bao", "moved")]


def test_a_late_mail_says_so(walk: Walk) -> None:
    assert len(walk.deliver("2019-01-29T12:00")) == 3
    path = sorted((walk.service.data / "outbox").glob("*.eml"))[0]
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    text = message.get_body(("plain",))
    assert text is not None
    assert "it should have been sent on Tuesday 29 January 2019, 09:00" in " ".join(text.get_content().split())


def test_a_mail_about_what_was_published_late_does_not_say_that_it_is_late(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.events("  - id: other\n    title: Other\n")
        walk.at("2018-11-23T09:00")
        walk.course("2019-02-12")
        assert len(walk.at("2019-01-31T09:00")) == 2
        path = sorted((walk.service.data / "outbox").glob("*.eml"))[0]
        assert "This mail is late" not in path.read_text()


def test_a_message_that_was_sent_is_known_as_sent_although_the_database_was_locked_meanwhile(walk: Walk) -> None:
    """Somebody's backup holds the database for longer than a writer waits, just when the server says that it has it."""
    import sqlite3
    import threading

    from reminders.store import connections

    file = str(walk.service.data / "reminders.sqlite")
    held = sqlite3.connect(file, check_same_thread=False, isolation_level=None)

    async def locked() -> tuple[Delivered, list[Received]]:
        async with serving() as server:
            transport = SmtpTransport("127.0.0.1", server.port, security="none", timeout=5)
            whole = transport.send

            async def send(data: bytes, *asked: object) -> object:
                accepted = await whole(data, *asked)  # type: ignore[arg-type]  # handed on
                if not held.in_transaction and len(server.received) == 1:
                    held.execute("BEGIN IMMEDIATE")
                    threading.Timer(connections.PATIENCE * 1.5, held.execute, ["ROLLBACK"]).start()
                return accepted

            transport.send = send  # type: ignore[assignment,method-assign]  # the lock comes just then
            with workers.working(walk.service.data) as owner:
                done = await deliver(walk.service, transport, FixedClock(utc(DUE)), owner)
            return done, server.received

    done, kept = asyncio.run(locked())
    assert done.sent == len(kept) >= 1
    assert states(walk)["amina"] == ("sent", 1)
    held.close()
    rest, _ = send(walk)  # if the pass ended because nothing could be claimed
    assert done.sent + rest.sent == 3
    assert set(states(walk).values()) == {("sent", 1)}


def test_while_one_outcome_goes_into_the_journal_others_are_begun_and_none_is_recorded_before(tmp_path: Path) -> None:
    """Somebody holds the journal just when the server has taken the first mail, until it has taken the others too."""
    held: list[int] = []
    seen: list[dict[str, tuple[str, int]]] = []

    async def locked(walk: Walk) -> Delivered:
        journal = walk.service.data / "sent.journal"
        async with serving() as server:
            transport = SmtpTransport("127.0.0.1", server.port, security="none", timeout=5, connections=3)
            whole = transport.send

            async def send(data: bytes, *asked: object) -> object:
                accepted = await whole(data, *asked)  # type: ignore[arg-type]  # handed on
                if len(server.received) == 1:
                    held.append(os.open(journal, os.O_RDWR | os.O_CREAT))
                    fcntl.flock(held[0], fcntl.LOCK_EX)
                elif len(server.received) == 3 and held:
                    seen.append(states(walk))
                    os.close(held.pop())
                return accepted

            transport.send = send  # type: ignore[assignment,method-assign]  # the lock comes and goes just then
            with workers.working(walk.service.data) as owner:
                return await deliver(walk.service, transport, FixedClock(utc(DUE)), owner)

    with Walk(tmp_path, settings=SETTINGS + "in_flight: 3\n") as walk:
        walk.people("amina", "bao", "chloe")
        walk.course("2019-02-12")
        walk.refresh("2018-11-23T09:00")
        walk.remind("2018-11-23T09:00")
        walk.remind(DUE)
        assert asyncio.run(locked(walk)).sent == 3
        assert seen == [dict.fromkeys(("amina", "bao", "chloe"), ("sending", 1))]
        assert set(states(walk).values()) == {("sent", 1)}


def test_what_a_dead_worker_of_this_machine_held_is_taken_back_at_once(walk: Walk) -> None:
    import subprocess
    import sys

    code = (
        "import sys, pathlib, time\nfrom reminders.jobs import workers\n"
        "with workers.working(pathlib.Path(sys.argv[1])) as owner:\n    print(owner, flush=True)\n    time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(walk.service.data)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    owner = other.stdout.readline().strip()
    with walk.store.writing() as tx:
        hour = timedelta(hours=1)
        ((row,),) = claiming.claim(tx, owner, now=utc(DUE), wall_now=SystemClock().now(), lease=hour)
    assert row.owner == owner
    assert recover(walk.service, utc(DUE)) == 0
    other.kill()
    other.wait()
    other.stdout.close()
    assert recover(walk.service, utc(DUE)) == 1
    assert send(walk)[0].sent == 3


def test_whose_address_is_refused_as_dead_gets_no_more_mail(walk: Walk) -> None:
    """A refusal while it is being sent says the same as a bounce that comes back."""
    send(walk, RCPT=["550 5.1.1 no such user"])
    with walk.store.reading() as tx:
        (one,) = reports.listing(tx)
        assert (one.address, one.status, reports.count_suspended(tx)) == ("amina@example.org", "5.1.1", 1)
    assert states(walk)["amina"] == ("failed", 0)
    walk.at("2019-02-09T09:00")
    assert [row.reason for row in walk.rows() if row.notice.subscriber == 1][1:] == ["suspended"]


def test_a_refusal_for_policy_is_not_the_addresss_fault(walk: Walk) -> None:
    send(walk, RCPT=["550 5.7.133 only for members of the organisation"])
    with walk.store.reading() as tx:
        assert (reports.listing(tx), reports.count_suspended(tx)) == ([], 0)


def test_a_mail_in_doubt_that_an_operator_retries_is_sent_as_it_was(walk: Walk) -> None:
    """Hours later too: whoever has the first copy must not get another message."""
    first = send(walk, DOT=[LOSE])[1]
    wait_over(walk)
    first += send(walk, DOT=[LOSE])[1]
    assert states(walk)["amina"] == ("uncertain", 2)
    with walk.store.writing() as tx:
        tx.execute(update(outbox_table).where(outbox_table.c.id == 1).values(composed_at=utc("2019-01-29T04:00")))
        assert ledger.retry(tx, [1], now=utc(DUE)) == [1]
        assert ledger.hold(tx, [1], now=utc(DUE)) == [1]
        assert ledger.release(tx, [1], now=utc(DUE)) == [1]
    again = [each for each in send(walk)[1] if each.recipients == ["amina@example.org"]]
    assert {each.data for each in again} == {each.data for each in first if each.recipients == ["amina@example.org"]}


def test_while_mails_are_redirected_a_refusal_is_not_about_their_people(tmp_path: Path) -> None:
    with Walk(tmp_path, settings=SETTINGS + "redirect_all: typo@example.org\n") as walk:
        walk.people("amina")
        walk.course("2019-02-12")
        walk.at("2018-11-23T09:00")
        walk.remind(DUE)
        send(walk, RCPT=["550 5.1.1 no such user"])
        assert states(walk)["amina"] == ("failed", 0)
        with walk.store.reading() as tx:
            assert reports.count_suspended(tx) == 0


def test_one_recipient_the_relay_will_not_relay_to_stops_nobody_else(walk: Walk) -> None:
    done, kept = send(walk, RCPT=["wait 0", "550 5.7.1 <bao@example.org>: Relay access denied"])
    assert (done.sent, done.fault) == (2, "")
    assert states(walk) == {"amina": ("sent", 1), "bao": ("owed", 0), "chloe": ("sent", 1)}
    assert len(kept) == 2


def test_a_relay_that_relays_for_nobody_is_told_so_and_the_next_pass_begins_with_another(walk: Walk) -> None:
    done, _ = send(walk, RCPT=["550 5.7.1 Relay access denied"])
    assert (done.sent, done.mend) == (0, True)
    assert send(walk)[0].sent == 2, "amina's waits"


def test_of_a_digest_only_what_cannot_be_composed_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = taking._letter

    def letter(service: Service, claimed: taking.Claimed, *given: Any) -> Letter:
        if claimed.row.notice.event == "course-13":
            raise ValueError("this one cannot be told")
        return whole(service, claimed, *given)

    monkeypatch.setattr(taking, "_letter", letter)
    with Walk(tmp_path, settings=SETTINGS) as walk:
        walk.people("amina")
        courses = (f"  - {{id: course-{day}, title: C, dates: {{course: 2019-02-{day}}}}}\n" for day in range(12, 17))
        walk.events("".join(courses))
        walk.at("2018-11-23T09:00")
        walk.remind("2019-02-10T12:00")
        assert len(walk.deliver("2019-02-10T12:00")) == 4
        failed = [row for row in walk.rows() if row.state == "failed"]
        assert [row.notice.event for row in failed] == ["course-13"]
        assert len(list((walk.service.data / "outbox").glob("*.eml"))) == 1
