"""What stops all mail is remembered for those who only look, since when, and without anybody's address."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reminders.errors import DeliveryError, Verdict
from reminders.store.engine import Store
from reminders.store.faults import Fault, FaultKind, clear_fault, fault, kind_of, put_fault
from tests.store.builders import NOW


def test_there_is_no_fault_until_one_is_noticed_and_none_once_mail_goes_out(store: Store) -> None:
    with store.writing() as tx:
        assert fault(tx) is None
        clear_fault(tx)
        put_fault(tx, FaultKind.SILENT, "connect: no reply refused", NOW)
        assert fault(tx) == Fault(FaultKind.SILENT, "connect: no reply refused", NOW)
        clear_fault(tx)
        assert fault(tx) is None


def test_a_fault_is_as_old_as_the_first_that_mail_was_stopped_by(store: Store) -> None:
    with store.writing() as tx:
        put_fault(tx, FaultKind.SILENT, "connect: no reply refused", NOW)
        put_fault(tx, FaultKind.REFUSED, "connect: 535 5.7.8 no", NOW + timedelta(hours=1))
        assert fault(tx) == Fault(FaultKind.REFUSED, "connect: 535 5.7.8 no", NOW)


def test_what_the_relay_says_is_kept_without_addresses_and_cut(store: Store) -> None:
    with store.writing() as tx:
        put_fault(tx, FaultKind.BUSY, f"rcpt: 452 4.5.3 <amina@example.org>: too many {'.' * 999}", NOW)
        known = fault(tx)
    assert known is not None
    assert known.words.startswith("rcpt: 452 4.5.3 <<address>>: too many ...")
    assert len(known.words) == 300


@pytest.mark.parametrize(
    ("phase", "code", "verdict", "kind"),
    [
        ("connect", 535, Verdict.FAULT, FaultKind.REFUSED),
        ("mail", 550, Verdict.FAULT, FaultKind.REFUSED),
        ("connect", 0, Verdict.PAUSE, FaultKind.SILENT),
        ("mail", 0, Verdict.PAUSE, FaultKind.SILENT),
        ("dot", 0, Verdict.DOUBT, FaultKind.SILENT),
        ("connect", 554, Verdict.PAUSE, FaultKind.REFUSED),
        ("connect", 421, Verdict.PAUSE, FaultKind.BUSY),
        ("mail", 421, Verdict.PAUSE, FaultKind.BUSY),
    ],
)
def test_a_fault_is_to_be_mended_or_waited_for(phase: str, code: int, verdict: Verdict, kind: FaultKind) -> None:
    assert kind_of(DeliveryError(phase, code, "words", verdict)) is kind
