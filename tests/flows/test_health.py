"""When `/readyz` turns red, and when it only warns."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reminders.clock import FixedClock
from reminders.errors import BadInput, DeliveryError, Verdict
from reminders.jobs.health import Health, health, note, scarce
from reminders.jobs.service import Service
from reminders.serving import MOVED, StoreReader
from reminders.store import pauses
from tests.builders import utc
from tests.flows.walk import RULES, SETTINGS, Walk

RELAY = "smtp_host: mail.example.org\npublic_url: https://dates.example.org\nmail_from: dates@example.org\n"
DUE = "2019-01-29T09:00"


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    with Walk(tmp_path) as walk:
        walk.course("2019-02-12")
        yield walk


def test_nothing_published_is_a_fault(walk: Walk) -> None:
    assert health(walk.service, utc(DUE)).faults == ("Nothing is published yet: `reminders refresh` reads the files.",)


def test_all_is_well_while_somebody_looks_and_mail_goes_out(walk: Walk) -> None:
    walk.at("2018-11-23T09:00")
    walk.at(DUE)
    found = health(walk.service, utc("2019-01-29T09:02"))
    assert (found.ok, found.warnings, found.outbox["sent"]) == (True, (), 2)


def test_a_daemon_that_no_longer_looks_is_a_fault(walk: Walk) -> None:
    walk.at(DUE)
    found = health(walk.service, utc("2019-01-29T09:04"))
    assert found.faults == ("Nobody has looked for due reminders lately: is `reminders run` running?",)


def test_a_mail_that_waits_too_long_is_a_fault(walk: Walk) -> None:
    walk.at("2018-11-23T09:00")
    walk.refresh(DUE)
    walk.remind(DUE)
    walk.remind("2019-01-29T09:09")
    assert health(walk.service, utc("2019-01-29T09:09")).ok
    walk.remind("2019-01-29T09:11")
    (fault,) = health(walk.service, utc("2019-01-29T09:11")).faults
    assert fault.startswith("A mail has been waiting since 29 January 2019 09:00 UTC")


def test_an_event_published_late_does_not_make_its_mail_look_old(walk: Walk) -> None:
    walk.events("  - id: other\n    title: Other\n")
    walk.at("2018-11-23T09:00")
    walk.course("2019-02-12")
    walk.refresh("2019-01-31T09:00")
    assert walk.remind("2019-01-31T09:00:01").owed == 2
    assert health(walk.service, utc("2019-01-31T09:01")).ok


def test_one_full_mailbox_is_no_fault_of_the_service(walk: Walk) -> None:
    from reminders.clock import SystemClock
    from reminders.store.tables import outbox

    walk.at("2018-11-23T09:00")
    walk.refresh(DUE)
    walk.remind(DUE)
    with walk.store.writing() as tx:
        tx.execute(outbox.update().values(next_at=SystemClock().now() + timedelta(minutes=5)))
    walk.remind("2019-01-29T11:00")
    assert health(walk.service, utc("2019-01-29T11:00")).ok


def test_a_clock_that_ran_ahead_is_a_fault_until_it_is_caught_up_with(walk: Walk) -> None:
    walk.at("2018-11-23T09:00")
    walk.remind("2019-06-01T09:00")
    (fault,) = health(walk.service, utc("2018-11-24T09:00")).faults
    assert fault.startswith("The clock ran ahead earlier: nothing is owed until it has caught up.")


def test_failed_mails_warn_until_they_are_retried_or_discarded(walk: Walk) -> None:
    from reminders.store import ledger
    from reminders.store.tables import outbox

    walk.at(DUE)
    with walk.store.writing() as tx:
        tx.execute(outbox.update().where(outbox.c.id == 1).values(state="failed"))
    (warning,) = health(walk.service, utc(DUE)).warnings
    assert warning == "Mails that are failed: 1. `reminders outbox list failed`, then `outbox retry` or `discard`."
    with walk.store.writing() as tx:
        assert ledger.discard(tx, [1], now=utc(DUE)) == [1]
    assert health(walk.service, utc(DUE)).warnings == ()


def test_files_that_are_not_accepted_are_a_warning_that_quotes_none_of_them(walk: Walk) -> None:
    walk.at(DUE)
    walk.write("audiences.yaml", "audiences: {all: {label: All, members: [amina(at)example.org]}}\n")
    with pytest.raises(BadInput):
        walk.refresh("2019-01-29T09:01")
    found = health(walk.service, utc("2019-01-29T09:01"))
    assert found.ok
    (warning,) = found.warnings
    assert warning == "Changed files are not accepted since 29 January 2019 09:01 UTC: `reminders refresh` says why."


def test_a_store_that_cannot_be_read_is_a_fault_and_no_error(walk: Walk) -> None:
    walk.at(DUE)
    walk.store.close()
    database = walk.folder / "var" / "reminders.sqlite"
    database.write_bytes(b"\xff" * 8192)
    told = StoreReader(walk.service, FixedClock(utc(DUE))).health()
    assert told == {"ok": False, "faults": ["The database cannot be read."]}
    database.unlink()
    told = StoreReader(walk.service, FixedClock(utc(DUE))).health()
    assert told == {"ok": False, "faults": [MOVED]}


# A rate explains that mails wait, and foretells which will wait too long


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Walk]:
    """A relay that takes two mails a minute, and a course about which forty people are to be told."""
    with Walk(tmp_path, settings=f"{SETTINGS}{RELAY}rate: 2\n", rules=RULES) as walk:
        walk.people(*(f"person{number}" for number in range(40)))
        walk.course("2019-02-12")
        walk.at("2018-11-23T09:00")
        walk.refresh(DUE)
        walk.remind(DUE)
        yield walk


def begin(walk: Walk, numbers: range, at: str) -> None:
    """So many messages were begun, and taken, at an instant."""
    from reminders.store.tables import attempt, outbox

    with walk.store.writing() as tx:
        for number in numbers:
            begun = {"outbox": number, "number": 1, "owner": "w", "started_at": utc(at), "ended_at": utc(at)}
            words = {"phase": "dot", "code": 250, "reply": "", "message_id": f"<{number}@x>", "outcome": "sent"}
            tx.execute(attempt.insert().values(begun | words))
            tx.execute(outbox.update().where(outbox.c.id == number).values(state="sent", attempts=1))


def test_a_wait_that_the_rate_explains_is_no_fault(slow: Walk) -> None:
    for minute in range(12):
        begin(slow, range(1 + 2 * minute, 3 + 2 * minute), f"2019-01-29T09:{minute:02}")
    slow.remind("2019-01-29T09:12")
    assert health(slow.service, utc("2019-01-29T09:12")).faults == ()


def test_a_wait_with_half_as_many_begun_as_may_be_is_a_fault(slow: Walk) -> None:
    begin(slow, range(1, 12), "2019-01-29T09:01")
    slow.remind("2019-01-29T09:12")
    (fault,) = health(slow.service, utc("2019-01-29T09:12")).faults
    assert fault.startswith("A mail has been waiting since 29 January 2019 09:00 UTC")


def test_a_mail_that_would_expire_before_its_turn_is_a_fault_before_it_does(slow: Walk) -> None:
    from reminders.store.tables import outbox

    slow.remind("2019-01-29T09:02")
    with slow.store.writing() as tx:
        tx.execute(outbox.update().values(expires_at=utc("2019-01-29T09:22")))
    now = utc("2019-01-29T09:02")
    assert health(slow.service, now).ok, "forty mails take twenty minutes"
    slow.remind("2019-01-29T09:03:30")
    assert health(slow.service, utc("2019-01-29T09:03:30")).faults == (
        "Owed mails that expire before their turn, at 2 a minute: 3. Can the relay take more?",
    )


# What stops all mail


def test_a_relay_that_does_not_answer_is_a_fault_while_something_waits_for_it(walk: Walk) -> None:
    walk.at("2018-11-23T09:00")
    walk.refresh(DUE)
    walk.remind(DUE)
    note(walk.service, DeliveryError("connect", 0, "refused", Verdict.PAUSE), utc(DUE))
    sentence = "The relay has not answered since 29 January 2019 09:00 UTC: connect: no reply refused"
    assert health(walk.service, utc(DUE)).faults == (sentence,)
    walk.deliver(DUE)
    assert health(walk.service, utc(DUE)) == Health((), (), health(walk.service, utc(DUE)).outbox)
    note(walk.service, DeliveryError("connect", 0, "refused", Verdict.PAUSE), utc(DUE))
    assert health(walk.service, utc(DUE)).warnings == (sentence,)
    note(walk.service, None, utc(DUE))
    assert health(walk.service, utc(DUE)).warnings == ()


def test_a_relay_that_refuses_everything_is_a_fault_and_one_that_is_busy_a_warning(walk: Walk) -> None:
    walk.at(DUE)
    note(walk.service, DeliveryError("connect", 535, "5.7.8 dates@example.org no", Verdict.FAULT), utc(DUE))
    words = "The relay has refused all mail since 29 January 2019 09:00 UTC: connect: 535 5.7.8 <address> no"
    assert health(walk.service, utc(DUE)).faults == (words,)
    note(walk.service, DeliveryError("mail", 421, "4.7.0 slower", Verdict.PAUSE), utc("2019-01-29T09:01"))
    found = health(walk.service, utc("2019-01-29T09:01"))
    assert found.ok
    assert found.warnings == ("The relay has put mail off since 29 January 2019 09:00 UTC: mail: 421 4.7.0 slower",)


def test_a_pause_is_a_warning_and_what_waits_because_of_it_no_fault(walk: Walk) -> None:
    walk.at("2018-11-23T09:00")
    walk.refresh(DUE)
    walk.remind(DUE)
    with walk.store.writing() as tx:
        pauses.pause(tx, "a wrong list", utc(DUE))
    found = health(walk.service, utc("2019-01-29T11:00"))
    assert (found.ok, found.paused) == (True, True)
    sentence = "Paused since 29 January 2019 09:00 UTC: nothing is mailed until `reminders resume`."
    assert found.warnings == (sentence,)


def test_files_that_are_not_accepted_for_a_day_are_a_fault_however_often_they_were_edited(walk: Walk) -> None:
    walk.at(DUE)
    for at, text in (("2019-01-29T09:01", "audiences: no\n"), ("2019-01-30T09:01", "audiences: none\n")):
        walk.write("audiences.yaml", text)
        with pytest.raises(BadInput):
            walk.refresh(at)
        walk.remind(at)
        assert health(walk.service, utc(at)).ok
    walk.remind("2019-01-30T09:02")
    (fault,) = health(walk.service, utc("2019-01-30T09:02")).faults
    assert fault.startswith("Changed files are not accepted since 29 January 2019 09:01 UTC: what staff wrote")


@pytest.mark.parametrize(
    ("total", "free", "full"),
    [
        (1_000_000_000, 100_000_000, False),
        (1_000_000_000, 99_999_999, True),
        (10_000_000_000, 499_999_999, True),  # a twentieth
        (10_000_000_000, 500_000_000, False),
        (4_000_000_000_000, 1_000_000_000, False),  # of a large disk a twentieth is room enough
        (4_000_000_000_000, 999_999_999, True),
    ],
)
def test_a_disk_is_nearly_full_with_little_room_or_a_twentieth_of_it(total: int, free: int, full: bool) -> None:
    assert bool(scarce(total, free)) is full


def test_a_full_disk_is_a_fault(walk: Walk) -> None:
    walk.at(DUE)
    disk = walk.folder / "var" / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        service = Service(walk.service.settings, walk.config, walk.store, b"k" * 32)
        service.data = disk / "not" / "made" / "yet"
        (fault,) = health(service, utc(DUE)).faults
    finally:
        subprocess.run(["umount", disk], check=True)
    assert fault == "The disk of the data folder is nearly full: 8 MB are free. Nothing is mailed when nothing fits."
