"""What came back is kept once, and has its consequences in the same transaction."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from reminders.errors import RemindersError
from reminders.mail.reports import Finding, Report, ReportKind
from reminders.planning.subscribers import Subscriber
from reminders.store import claiming, packing, people, reports, sending
from reminders.store.engine import Store
from reminders.store.reports import Recorded
from tests.store.builders import (
    LEASE,
    NOW,
    WALL,
    audience,
    begin_in,
    claim,
    invite,
    look,
    owe,
    reminder,
    send,
    story,
    token_for,
)

ADDRESS = "person00000@example.org"
HARD = Finding(ReportKind.HARD, (ADDRESS,), "5.1.1", "550 5.1.1 user unknown")
SOFT = Finding(ReportKind.SOFT, (ADDRESS,), "5.2.2", "mailbox full")
COMPLAINT = Finding(ReportKind.COMPLAINT, (), "", "abuse Some/1.0")


def record(store: Store, id: int, *findings: Finding, limit: int = 1) -> Recorded | None:
    with store.writing() as tx:
        return reports.record(tx, id, Report(findings, ()), NOW, limit=limit)


def person(store: Store, id: int = 1) -> Subscriber:
    with store.reading() as tx:
        return people.subscribers(tx, [])[id]


def mail(store: Store, number: int = 0) -> int:
    """One more mail that was sent to the first person; the id of its row."""
    return send(store, reminder(occurrence=f"2019-02-{number + 1:02}"))


def kinds(store: Store) -> list[str]:
    with store.reading() as tx:
        return [each.kind for each in reports.listing(tx)]


def test_a_hard_bounce_suspends_the_address_and_the_reason_is_kept(store: Store) -> None:
    invite(store, 2)
    id = mail(store)
    assert record(store, id, HARD) == Recorded(id, 1, ReportKind.HARD, "5.1.1", "suspended")
    assert (person(store).suspended_at, person(store).suspended_why) == (NOW, "550 5.1.1 user unknown")
    assert person(store, 2).suspended_at is None
    assert look(store, id).state == "sent"
    assert story(store, id)[-1] == ("bounced", "550 5.1.1 user unknown")
    with store.reading() as tx:
        assert reports.count_suspended(tx) == 1
        (line,) = reports.listing(tx)
    assert (line.kind, line.outbox, line.address, line.status) == ("hard", id, ADDRESS, "5.1.1")
    assert (line.at, line.suspended_at, line.words) == (NOW, NOW, "550 5.1.1 user unknown")


def test_the_same_report_counts_once(store: Store) -> None:
    invite(store)
    id = mail(store)
    assert record(store, id, HARD, limit=2) == Recorded(id, 1, ReportKind.HARD, "5.1.1")
    assert record(store, id, HARD, limit=2) is None
    assert person(store).suspended_at is None
    assert kinds(store) == ["hard"]
    assert [state for state, _ in story(store, id)].count("bounced") == 1


def test_an_address_is_suspended_when_as_many_messages_bounced_as_are_allowed(store: Store) -> None:
    invite(store)
    mails = [mail(store, number) for number in range(4)]
    done = [record(store, id, HARD, limit=3) for id in mails]
    assert [each and each.done for each in done] == ["", "", "suspended", ""]


@pytest.mark.parametrize("kind", [ReportKind.SOFT, ReportKind.DELAYED, ReportKind.DELIVERED])
def test_whatever_else_comes_back_is_only_kept(store: Store, kind: ReportKind) -> None:
    invite(store)
    id = mail(store)
    before = person(store)
    found = record(store, id, Finding(kind, (ADDRESS,), "4.2.2", "words"))
    assert found == Recorded(id, 1, kind, "4.2.2")
    assert person(store) == before
    assert kinds(store) == [kind.value]
    assert story(store, id)[-1] == ("bounced" if kind is ReportKind.SOFT else kind.value, "4.2.2 words")


def test_a_complaint_unsubscribes(store: Store) -> None:
    invite(store)
    id = mail(store)
    assert record(store, id, COMPLAINT) == Recorded(id, 1, ReportKind.COMPLAINT, "", "unsubscribed")
    assert person(store).left_at == NOW
    with store.reading() as tx:
        assert tx.exec_driver_sql("SELECT left_how FROM subscriber").scalar_one() == "complaint"


def test_a_complaint_of_somebody_who_has_left_changes_nothing(store: Store) -> None:
    invite(store)
    id = mail(store)
    with store.writing() as tx:
        people.leave(tx, 1, "page", NOW)
    assert record(store, id, COMPLAINT) == Recorded(id, 1, ReportKind.COMPLAINT, "")
    with store.reading() as tx:
        assert tx.exec_driver_sql("SELECT left_how FROM subscriber").scalar_one() == "page"


def test_of_several_recipients_the_persons_own_address_counts(store: Store) -> None:
    invite(store)
    other = Finding(ReportKind.HARD, ("old@example.org",), "5.1.1", "gone")
    own = Finding(ReportKind.SOFT, (ADDRESS.upper().casefold(),), "4.4.1", "no answer")
    assert record(store, mail(store), other, own) == Recorded(1, 1, ReportKind.SOFT, "4.4.1")


def test_what_came_back_is_told_of_every_notice_that_went_as_the_same_message(store: Store) -> None:
    invite(store)
    due = NOW - timedelta(hours=2)
    owe(store, *(reminder(occurrence=f"2019-02-{day:02}", due_at=due) for day in range(1, 6)))
    with store.writing() as tx:
        (rows,) = claiming.claim(tx, "w1", now=NOW, wall_now=WALL, lease=LEASE)
    assert len(rows) == 5
    with store.writing() as tx:
        messages = [sending.Message(row.id, "<one@example.org>", packing.pack(b"mail"), NOW) for row in rows]
        sending.begin(tx, messages, "w1", now=NOW, wall_now=WALL, lease=LEASE)
        endings = [sending.Ending(row.id, 1, "sent", "ok", "dot", 250) for row in rows]
        sending.settle(tx, endings, "w1", now=NOW)
    record(store, rows[0].id, HARD, limit=2)
    assert [story(store, row.id)[-1] for row in rows] == [("bounced", "550 5.1.1 user unknown")] * 5
    assert kinds(store) == ["hard"]
    assert person(store).suspended_at is None


def test_a_report_about_no_row_is_not_kept(store: Store) -> None:
    invite(store)
    assert record(store, 4711, HARD) is None
    assert kinds(store) == []


def test_a_report_that_cannot_be_kept_whole_changes_nothing(store: Store) -> None:
    invite(store)
    id = mail(store)
    with pytest.raises(RemindersError), store.writing() as tx:
        assert reports.record(tx, id, Report((HARD,), ()), NOW, limit=1) is not None
        raise RemindersError("before the commit")
    assert person(store).suspended_at is None
    assert kinds(store) == []


@pytest.mark.parametrize(
    ("code", "reply", "done"),
    [
        (550, "5.1.1 user unknown", "suspended"),
        (550, "5.4.1 Recipient address rejected: Access denied", "suspended"),
        (450, "4.2.1 try later", None),
        (450, "5.1.1 a contradiction", None),
        (552, "5.2.2 full", None),
        (550, "5.7.1 policy", None),
        (550, "no such user", None),
        (0, "5.1.1", None),
    ],
)
def test_a_refusal_while_sending_counts_as_the_bounce_that_it_is(
    store: Store, code: int, reply: str, done: str | None
) -> None:
    invite(store)
    id = send(store, reminder(), "failed")
    with store.writing() as tx:
        found = reports.refused(tx, id, code, reply, NOW, limit=1)
    assert (found and found.done) == done
    assert (person(store).suspended_at is not None) is (done is not None)
    assert record(store, id, HARD) is None or done is None  # told twice, it counts once


def test_whoever_is_mailed_again_starts_from_nought(store: Store) -> None:
    invite(store)
    for number in range(2):
        record(store, mail(store, number), HARD, limit=2)
    with store.writing() as tx:
        assert reports.resume(tx, 1)
        assert not reports.resume(tx, 1)
    assert (person(store).suspended_at, person(store).suspended_why) == (None, "")
    found = record(store, mail(store, 2), HARD, limit=2)
    assert found is not None
    assert found.done == ""


def test_the_files_bring_nobody_back(store: Store) -> None:
    invite(store)
    record(store, mail(store), HARD)
    with store.writing() as tx:
        people.sync(tx, [audience(ADDRESS.upper())], token_for, NOW)
    assert person(store).suspended_at == NOW


def test_no_message_is_begun_to_a_suspended_address(store: Store) -> None:
    invite(store)
    first = mail(store)
    owe(store, reminder(occurrence="2019-03-01"))
    row = claim(store)
    assert row is not None
    record(store, first, HARD)
    with store.writing() as tx:
        assert not begin_in(tx, row)
    assert story(store, row.id)[-1] == ("dropped", "suspended")


def test_a_report_that_comes_while_a_message_is_begun_waits_for_it_and_nobody_waits_for_ever(store: Store) -> None:
    invite(store)
    first = mail(store)
    owe(store, reminder(occurrence="2019-03-01"))
    row = claim(store)
    assert row is not None
    found: list[Recorded | None] = []
    other = threading.Thread(target=lambda: found.append(record(store, first, HARD)))
    with store.writing() as tx:
        assert begin_in(tx, row)
        other.start()
        other.join(0.3)
        assert not found
    other.join(20)
    assert found[0] is not None
    assert found[0].done == "suspended"
    with store.writing() as tx:
        ending = sending.Ending(row.id, 1, "sent", "ok", "dot", 250)
        assert sending.settle(tx, [ending], "w1", now=NOW) == {row.id}
