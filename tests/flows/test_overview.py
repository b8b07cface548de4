"""`reminders outbox` by itself: how it stands with the mails, in what an operator reads at one glance."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from freezegun.api import FrozenDateTimeFactory

from reminders.clock import FixedClock, SystemClock
from reminders.jobs import workers
from reminders.jobs.deliver import deliver
from reminders.mail.smtp import SmtpTransport
from reminders.store.rows import log
from tests.builders import utc
from tests.edges.smtpd import LOSE, serving
from tests.flows.console import Typed, config, typed
from tests.flows.walk import SETTINGS, Walk

DUE = "2019-07-01T08:00"
"""09:00 in the United Kingdom."""
SCENE = {"RCPT": ["450 4.2.1 <amina@example.org>: busy", "550 5.1.1 <bao@example.org>: unknown"], "DOT": ["", LOSE]}
"""One is refused for now, one for good, one gets the mail, and of one nobody knows. The fifth is not reached."""


@pytest.fixture
def walk(tmp_path: Path, clock: FrozenDateTimeFactory) -> Iterator[Walk]:
    """Five people are owed a reminder that has been due for eleven minutes."""
    with Walk(tmp_path, settings=SETTINGS + "message_deadline: 5\n") as walk:
        walk.people("amina", "bao", "chloe", "dev", "eve")
        walk.course("2019-07-15")
        walk.refresh("2018-11-23T09:00")
        clock.move_to(DUE)
        walk.remind(DUE)
        clock.move_to("2019-07-01T08:11:25")
        yield walk


def send(walk: Walk, **faults: Sequence[str]) -> None:
    """One pass of deliveries through a server with these faults."""

    async def run() -> None:
        async with serving(faults=faults) as server:
            transport = SmtpTransport("127.0.0.1", server.port, security="none", timeout=5)
            with workers.working(walk.service.data) as owner:
                await deliver(walk.service, transport, FixedClock(SystemClock().now()), owner, told=walk.handled.append)

    asyncio.run(run())


def outbox(walk: Walk, *more: str) -> Typed:
    return typed("outbox", *config(walk.config), *more)


def became(walk: Walk) -> list[str]:
    """What the overview says of each error's notice."""
    return re.findall(r"^  [-0-9]+ [0-9:]+  (notice .*)$", outbox(walk).out, re.MULTILINE)


def test_an_empty_outbox_says_what_would_fill_it(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        lines = outbox(walk).out.splitlines()
        assert lines[:2] == ["The outbox is empty.", "Nothing is published yet: `reminders refresh` reads the files."]
        walk.course()
        walk.refresh("2018-11-23T09:00")
        assert outbox(walk).out.splitlines() == [lines[0], *lines[2:]]
        assert lines[2] == "`reminders run` fills it: when a reminder falls due, and when a date moves."
        assert outbox(walk, "--json").json == {
            "tally": [],
            "waiting": None,
            "put_off": [],
            "held": [],
            "paused": None,
            "fault": None,
            "errors": [],
        }


def test_counts_then_what_waits_then_what_went_wrong_last(walk: Walk) -> None:
    send(walk, **SCENE)
    told = outbox(walk)
    assert told.code == 0
    assert told.out == (
        "2  owed\n"
        "1  owed, may have arrived\n"
        "1  sent\n"
        "1  failed\n"
        "\n"
        "Waiting longest: notice 5, for 11 minutes, since 2019-07-01 09:00: talking\n"
        "  course course-2w.\n"
        "Waiting for another try: 2 mails, the next at 2019-07-01 09:12.\n"
        "The relay has not answered since 01 July 2019 08:11 UTC: dot: no reply\n"
        "  Unexpected EOF received\n"
        "\n"
        "Last errors (`reminders outbox show NUMBER` tells more):\n"
        "  2019-07-01 09:11  notice 4: may have arrived, next try at 2019-07-01 09:12\n"
        "    dot: no reply Unexpected EOF received\n"
        "  2019-07-01 09:11  notice 2: failed\n"
        "    rcpt: 550 5.1.1 <<address>>: unknown\n"
        "  2019-07-01 09:11  notice 1: next try at 2019-07-01 09:12\n"
        "    rcpt: 450 4.2.1 <<address>>: busy\n"
    )


def test_a_notice_by_itself_tells_each_reply_once_and_nobodys_address(walk: Walk) -> None:
    send(walk, **SCENE)
    for number, state, said in (
        (1, "owed", "again rcpt: 450 4.2.1 <<address>>: busy"),
        (2, "failed", "failed rcpt: 550 5.1.1 <<address>>: unknown"),
        (4, "owed", "uncertain dot: no reply Unexpected EOF received"),
    ):
        shown = typed("outbox", "show", str(number), *config(walk.config))
        assert not re.search(r"(amina|bao|chloe|dev|eve)@", shown.out)
        assert f"{state}: {said}\n" in shown.out
        facts = typed("outbox", "show", str(number), "--json", *config(walk.config)).json
        assert said in [each["reason"] for each in facts["history"]]
        assert said.endswith(facts["reply"])
        assert "@" not in facts["reply"]


def test_what_became_of_an_error_is_told_as_it_is_by_now(walk: Walk, clock: FrozenDateTimeFactory) -> None:
    send(walk, **SCENE)
    clock.move_to("2019-07-01T08:30")
    assert became(walk) == [
        "notice 4: may have arrived, next try when its turn comes",
        "notice 2: failed",
        "notice 1: next try when its turn comes",
    ]
    send(walk)
    typed("outbox", "discard", "--notice", "2", *config(walk.config))
    assert became(walk) == ["notice 4: sent since", "notice 2: dropped (discarded)", "notice 1: sent since"]
    assert outbox(walk).out.startswith("4  sent\n1  dropped (discarded)\n\nLast errors")


def test_a_mail_that_was_lost_or_could_not_be_composed_is_told_in_words(walk: Walk) -> None:
    with walk.store.writing() as tx:
        log(tx, [1], "failed", "failed compose mail/reminder.txt.j2: 'evnt' is undefined", utc(DUE))
        log(tx, [2], "uncertain", "in-doubt", utc(DUE))
    errors = outbox(walk).out.splitlines()[-4:]
    assert errors[1] == "    lost: its worker ended while it was handed over"
    assert errors[3] == "    compose: mail/reminder.txt.j2: 'evnt' is undefined"


def test_batches_held_and_a_pause_are_told_as_the_list_tells_them(walk: Walk) -> None:
    typed("outbox", "hold", "--notice", "1", "--notice", "2", *config(walk.config))
    typed("pause", "--why", "the relay moves", *config(walk.config))
    listed = outbox(walk, "list", "sent").out.splitlines()[:-1]
    assert [line.split()[0] for line in listed] == ["Held", "1", "2", "Paused"]
    told = outbox(walk)
    assert max(map(len, told.out.splitlines())) <= 80
    assert " ".join(" ".join(listed).split()) in " ".join(told.out.split())
    facts, other = outbox(walk, "--json").json, outbox(walk, "list", "--json").json
    assert facts["held"] == other["held"]
    assert facts["paused"] == other["paused"]
    assert facts["paused"]["why"] == "the relay moves"


def test_the_same_facts_are_there_for_other_programs(walk: Walk) -> None:
    send(walk, **SCENE)
    facts = outbox(walk, "--json").json
    assert [(each["state"], each["reason"], each["notices"]) for each in facts["tally"]] == [
        ("owed", "", 2),
        ("owed", "in-doubt", 1),
        ("sent", "", 1),
        ("failed", "", 1),
    ]
    assert facts["waiting"] == {"notice": 5, "since": "2019-07-01T08:00:00+00:00", "seconds": 685}
    assert [(each["tried"], each["mails"]) for each in facts["put_off"]] == [(True, 2)]
    assert facts["fault"]["kind"] == "silent"
    assert [
        (each["notice"], each["phase"], each["code"], each["reply"], each["state"]) for each in facts["errors"]
    ] == [
        (4, "dot", 0, "Unexpected EOF received", "owed"),
        (2, "rcpt", 550, "5.1.1 <<address>>: unknown", "failed"),
        (1, "rcpt", 450, "4.2.1 <<address>>: busy", "owed"),
    ]


def test_nobodys_address_is_told(walk: Walk) -> None:
    send(walk, **SCENE)
    typed("outbox", "hold", "--notice", "1", *config(walk.config))  # which the relay answered with its address
    assert "<<address>>: busy" in outbox(walk).out
    assert "@" not in outbox(walk).out + outbox(walk, "--json").out


def test_options_before_a_subcommand_are_the_subcommands(walk: Walk) -> None:
    early = typed("outbox", *config(walk.config), "--json", "list", REMINDERS_CONFIG="nowhere")
    assert early.json == outbox(walk, "list", "--json").json
    later = typed("outbox", "--config", "nowhere", "list", *config(walk.config))
    assert later.code == 0
    wrong = typed("outbox", "--json", "hold", "--notice", "1", *config(walk.config))
    assert (wrong.code, "No such option '--json'" in wrong.err) == (2, True)
