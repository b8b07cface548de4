"""Ten thousand mails made by several threads at once, some of which cannot be: nobody's holds anything of another's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from reminders.errors import BadInput
from reminders.mail.letter import Letter
from reminders.mail.skeleton import Composer
from tests.builders import COURSE, date, event, utc
from tests.canaries import faults, link, mark, person
from tests.core.test_compose import TEMPLATES, letter

MAILS, THREADS = 10_000, 4
EVENTS = (
    event("talking-2019", date("2019-02-12")),
    event("programme", date("2019-03-13/2019-03-15", location="Durham", note="Bring your badge.")),
    event("fellows", date("2018-12-14T10:00"), title="Führung und Verantwortung für Ärztinnen", level=None),
)
BROKEN = event("results", title="[secure] Results")


def written(number: int) -> Letter:
    """The letter to a person; every 97th cannot be composed, for one of three reasons."""
    kind = ("reminder", "moved", "announced", "cancelled")[number % 4]
    told = None if kind == "reminder" else date("2019-02-05")
    made = letter(
        kind,
        EVENTS[number % len(EVENTS)],
        told,
        kind_of_date=COURSE,
        subscriber=person(number),
        unsubscribe_url=link(number, "unsubscribe"),
        calendars_url=link(number, "you") if number % 5 else "",
        message_id=f"<{mark(number)}@example.org>",
        parent_ids=(f"<first-{mark(number)}@example.org>",) if told else (),
        meant_at=utc("2018-12-01T09:00") if number % 11 == 0 else None,
    )
    if number % 97:
        return made
    return (
        replace(made, event=BROKEN),
        replace(made, subscriber=replace(made.subscriber, address=f"{mark(number)}@example.org\nBcc: eve@example.org")),
        replace(made, unsubscribe_url=link(number, "ü")),
    )[number // 97 % 3]


def test_no_mail_holds_anything_of_another_person_whatever_happens_meanwhile() -> None:
    composer = Composer(TEMPLATES)

    def made(number: int) -> list[str] | None:
        try:
            data = composer.compose(written(number)).data
        except (BadInput, ValueError):
            return None
        return faults(data, number)

    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(made, range(MAILS), chunksize=1))
    failed = [number for number, each in enumerate(found) if each is None]
    assert failed == list(range(0, MAILS, 97))
    assert {number: each for number, each in enumerate(found) if each} == {}
    assert len(composer._known) > 12


@pytest.mark.parametrize(
    ("was", "becomes", "fault"),
    [
        (b"Dear Canary5X", b"Dear Canary6X", "something of {6}"),
        (b"/you/canary", b"/you/canary8", "something of"),
        (b"To: ", b"To: Canary5x <canary5x@example.org>\r\nTo: ", "2 To"),
        (b"Date: ", b"Bcc: canary5x@example.org\r\nDate: ", "bcc"),
        (b"@example.org>\r\nReply", b"@example.com>\r\nReply", "To "),
        (b"A reminder", b"A" * 999, "a line that is too long"),
        (b"A reminder", b"A\nreminder", "a bare CR or LF"),
    ],
)
def test_the_check_would_find_what_is_wrong(was: bytes, becomes: bytes, fault: str) -> None:
    number = 5
    written = letter(
        subscriber=replace(person(number), name=mark(number).title()),
        unsubscribe_url=link(number, "unsubscribe"),
        calendars_url=link(number, "you"),
    )
    data = Composer(TEMPLATES).compose(written).data
    assert faults(data, number) == []
    assert was in data
    assert any(each.startswith(fault) for each in faults(data.replace(was, becomes, 1), number))
