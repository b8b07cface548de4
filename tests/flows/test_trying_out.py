"""Trying the service out without mailing those it is for: shadow, redirection, one test mail."""

from __future__ import annotations

import asyncio
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from reminders.clock import FixedClock
from reminders.jobs import workers
from reminders.jobs.deliver import Delivered, deliver, transport_of
from tests.builders import utc
from tests.edges.smtpd import Received, serving
from tests.flows.console import config, typed
from tests.flows.walk import SETTINGS, Walk

DUE = "2019-01-29T09:00"
RELAY = (
    "smtp_host: 127.0.0.1\nsmtp_port: {port}\nsmtp_security: none\nmail_from: dates@example.org\nrate: 0\n"
    "public_url: https://dates.example.org\n"
)


def _try(folder: Path, more: str) -> tuple[Delivered, list[Received], Walk, list[tuple[str, str, str]]]:
    """Three people are owed a reminder, and then it moves: what the relay got, and the outbox."""

    async def send() -> tuple[Delivered, list[Received], Walk, list[tuple[str, str, str]]]:
        async with serving() as server:
            settings = SETTINGS.replace("public_url: https://dates.example.org\n", "") + RELAY + more
            with Walk(folder, settings=settings.format(port=server.port)) as walk:
                walk.people("amina", "bao", "chloe")
                walk.course("2019-02-12")
                await asyncio.to_thread(walk.refresh, "2018-11-23T09:00")
                walk.remind("2018-11-23T09:00")
                walk.remind(DUE)
                with workers.working(walk.service.data) as owner:
                    done = await deliver(
                        walk.service, transport_of(walk.service), FixedClock(utc(DUE)), owner, told=walk.handled.append
                    )
                walk.course("2019-02-19")
                await asyncio.to_thread(walk.refresh, "2019-01-30T09:00")
                return done, server.received, walk, walk.outbox()

    return asyncio.run(send())


def test_in_the_shadow_everything_is_composed_and_recorded_and_nothing_is_sent(tmp_path: Path) -> None:
    done, received, walk, rows = _try(tmp_path, "shadow: true\n")
    assert (done.sent, received) == (0, [])
    assert {(each.state, each.why[:10]) for each in walk.handled} == {("dropped", "written to")}
    assert len(list((walk.service.data / "shadow").glob("*.eml"))) == 3
    assert rows == [("course-2w", "dropped", "shadow")], "and nobody was told, so nobody is corrected"


def test_redirected_mails_go_to_one_address_and_say_for_whom_they_are(tmp_path: Path) -> None:
    done, received, walk, rows = _try(tmp_path, "redirect_all: me@example.org\n")
    assert done.sent == 3
    assert [row[0] for row in rows] == ["course-2w", "moved"], "all else is as it would be"
    assert [each.recipients for each in received] == [["me@example.org"]] * 3
    meant = sorted(message_from_bytes(each.data, policy=policy.default)["To"] for each in received)
    assert meant == [f"{name}@example.org" for name in ("amina", "bao", "chloe")]
    assert all(each.why.startswith("redirected to me@example.org: ") for each in walk.handled)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ((), "Accepted: "),
        (("RCPT", "550 5.1.1 no such user"), "Not accepted at rcpt: 550 5.1.1 no such user\nThe relay will never take"),
        (("MAIL", "451 4.7.1 slow down"), "Not accepted at mail: 451 4.7.1 slow down\nThe relay takes nothing"),
        (("DOT", "lose"), "No answer came: nobody knows whether it was taken."),
    ],
    ids=["accepted", "never", "not now", "no answer"],
)
def test_a_test_mail_says_what_the_relay_answers(
    tmp_path: Path, fault: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send() -> tuple[str, list[Received]]:
        async with serving(faults={fault[0]: [fault[1]]} if fault else {}) as server:
            with Walk(tmp_path, settings=SETTINGS.replace("public_url", "# ") + RELAY.format(port=server.port)) as walk:
                walk.people("amina")
                walk.course("2019-02-12")
                await asyncio.to_thread(walk.refresh, "2018-11-23T09:00")
            told = await asyncio.to_thread(typed, "send-test", "try@example.org", *config(walk.config))
            assert told.code == (1 if fault else 0)
            return told.out + told.err, server.received

    said, received = asyncio.run(send())
    assert words in said
    assert "<test." in said
    for each in received:
        message = message_from_bytes(each.data, policy=policy.default)
        assert (each.recipients, message["To"]) == (["try@example.org"], "try@example.org")
        assert "A test: this mail is about nothing" in message["Subject"]


def test_a_test_mail_to_what_is_no_address_is_wrong_use(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.people("amina")
        walk.course("2019-02-12")
        walk.refresh("2018-11-23T09:00")
    told = typed("send-test", "try at example", *config(walk.config))
    assert (told.code, "not one plain address" in told.err) == (2, True)
