"""When `/healthz` turns red, and when it only warns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reminders.clock import FixedClock
from reminders.errors import BadInput
from reminders.jobs.health import health
from reminders.serving import StoreReader
from tests.builders import utc
from tests.flows.walk import Walk

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
    (walk.folder / "var" / "reminders.sqlite").unlink()
    told = StoreReader(walk.service, FixedClock(utc(DUE))).health()
    assert told == {"ok": False, "faults": ["The database cannot be read."]}
