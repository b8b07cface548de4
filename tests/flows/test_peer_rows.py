"""What the mail server may do to us, by the numbers of the failure list (S1 to S17): what becomes of the notice that
met it, of the two others, of their people and of the relay, and how the next pass ends it.

`tests/edges/test_peer_faults.py` asks the same of the transport alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from sqlalchemy import select, update

from reminders.clock import FixedClock
from reminders.jobs import workers
from reminders.jobs.deliver import Delivered, deliver, recover
from reminders.mail.envelope import ascii_domain
from reminders.mail.smtp import SmtpTransport
from reminders.store import faults
from reminders.store.tables import outbox, subscriber
from tests.builders import utc
from tests.edges.peers import free_port
from tests.edges.smtpd import ENDLESS, LOSE, SILENCE, Server, certificate, serving
from tests.flows.walk import RULES, SETTINGS, Walk

DUE = "2019-01-29T09:00"
DRIP = "drip 0.02"
PATIENCE = 1.0
"""Seconds that a message may take where the relay never comes to an end; elsewhere ten times as much."""
LOG_IN = ("desk", "s3cret")


class At(NamedTuple):
    """Where a notice is: its state, how often it was begun, why it is there, and whether it waits for its next try."""

    state: str
    begun: int
    reason: str = ""
    waits: bool = False


UNTOUCHED = At("owed", 0)
PUT_OFF = At("owed", 0, waits=True)
AGAIN = At("owed", 1, waits=True)
IN_DOUBT = At("owed", 1, "in-doubt", waits=True)
HELD = At("uncertain", 1, "in-doubt")
UNFIT, REFUSED = At("failed", 0), At("failed", 1)
SENT, RESENT = At("sent", 1), At("sent", 2)

ALL, NONE = (SENT, SENT), (UNTOUCHED, UNTOUCHED)
"""The two others: both sent, or neither tried."""
GOOD = "wait 0"
"""The first message is served as usual; the fault that comes after this in a list befalls the second."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """How a notice fares whose server has these `faults`, by step, or is set up so (`place`), in one pass.

    Three people are owed a mail each, in the order of `people`; `who` is the one whose mail meets the fault. `met` is
    where that notice is then, `others` where the two others are. `relay` is what is remembered of the relay: "silent"
    or "busy" (which passes by itself), "refused" (which an operator has to mend), "" when the pass came to its end.
    `kept` is how many copies of that mail the server has taken. With the next pass, once the waits are over and the
    relay behaves, the others are sent; the notice is at its `end`, and the server has so many `copies` of its mail.
    """

    faults: Mapping[str, Sequence[str]] = field(default_factory=dict)
    place: str = ""
    met: At
    others: tuple[At, At] = ALL
    relay: str = ""
    kept: int = 0
    end: At = SENT
    copies: int = 1
    says: str = ""  # of the notice; "": what the server answered, or that it did not
    suspended: bool = False
    people: tuple[str, ...] = ("amina", "bao", "chloe")
    who: str = "amina"
    urgent: str = ""  # whose mail is of use for a shorter time than the others'
    handled: tuple[str, ...] = ()  # in which order they were done with, where that matters
    settings: str = ""
    rules: str = RULES


def stops(step: str, *faults: str, **more: Any) -> Row:
    """The relay cannot be used at present: the pass ends, and nobody else is tried."""
    usual: dict[str, Any] = {"faults": {step: faults}, "met": UNTOUCHED, "others": NONE}
    return Row(**(usual | more))


def refuses(step: str, *faults: str, met: At, **more: Any) -> Row:
    """This message does not go now, or never; the others do."""
    ends = {"failed": met, "owed": RESENT if met.begun else SENT}
    usual: dict[str, Any] = {"end": ends[met.state], "copies": int(met.state == "owed")}
    return Row(**({"faults": {step: faults}, "met": met} | usual | more))


def doubts(step: str, *faults: str, **more: Any) -> Row:
    """The server has taken a message and does not say so."""
    usual: dict[str, Any] = {"met": IN_DOUBT, "relay": "silent", "kept": 1, "end": RESENT, "copies": 2}
    return stops(step, *faults, **(usual | {"says": "no reply"} | more))


def goes_well(**more: Any) -> Row:
    """Nobody notices anything."""
    usual: dict[str, Any] = {"met": SENT, "kept": 1}
    return Row(**(usual | more))


TOO_MUCH = "450 4.7.1 Error: too much mail from 192.0.2.1"
TOO_MANY = "450 4.7.1 Error: too many recipients from 192.0.2.1"
HOLD = RULES.replace("course, send: 2", "course, uncertain: hold, send: 2")

ROWS = {
    # It cannot be reached: nobody is charged, and who was first is so again when it is back.
    "S1 greeting 421": stops("CONNECT", "421 4.3.2 too busy", relay="busy"),
    "S1 greeting 450": stops("CONNECT", "450 4.3.2 too busy", relay="busy"),
    "S1 EHLO 421": stops("EHLO", "421 4.3.2 too busy", relay="busy"),
    "S1 hangs up": stops("CONNECT", LOSE, relay="silent"),
    "S1 no greeting": stops("CONNECT", SILENCE, relay="silent"),
    "S1 nobody listens": stops("CONNECT", place="nobody", relay="silent"),
    # It is wrongly set up: an operator has to mend that, and no mail has failed for it.
    "S2 greeting 554": stops("CONNECT", "554 5.7.1 not you", relay="refused"),
    "S2 wrong password": stops("CONNECT", place="wrong password", relay="refused", says="connect: 535"),
    "S2 no STARTTLS": stops("CONNECT", place="no STARTTLS", relay="refused", says="does not offer STARTTLS"),
    "S2 certificate": stops("CONNECT", place="certificate", relay="refused", says="is not to be trusted"),
    # It wants fewer mails for now, or none of this sender. Who met it waits, so that another meets the next.
    "S3 too much mail": stops("MAIL", TOO_MUCH, met=PUT_OFF, relay="busy"),
    "S3 too much after one": stops(
        "MAIL", GOOD, TOO_MUCH, met=PUT_OFF, relay="busy", who="bao", others=(SENT, UNTOUCHED)
    ),
    "S3 MAIL 421": stops("MAIL", "421 4.7.0 closing", met=PUT_OFF, relay="busy"),
    "S3 MAIL 550": stops("MAIL", "550 5.7.1 sender not allowed", met=PUT_OFF, relay="refused"),
    # A message or a recipient is refused, and nobody else.
    "S4 MAIL 552": refuses("MAIL", "552 5.3.4 too big", met=UNFIT),
    "S5 RCPT 450": refuses("RCPT", "450 4.2.1 mailbox busy", met=PUT_OFF),
    "S5 RCPT 451": refuses("RCPT", "451 4.7.1 greylisted", met=PUT_OFF),
    "S5 RCPT 452": refuses("RCPT", "452 4.2.2 mailbox full", met=PUT_OFF),
    "S6 RCPT 550": refuses("RCPT", "550 5.1.1 no such user", met=UNFIT, suspended=True),
    "S6 RCPT 550, policy": refuses("RCPT", "550 5.7.133 only for members", met=UNFIT),
    "S6 relays for nobody": stops("RCPT", "554 5.7.1 Relay access denied", met=PUT_OFF, relay="refused"),
    "S6 not to one": refuses("RCPT", GOOD, "554 5.7.1 Relay access denied", met=PUT_OFF, who="bao"),
    "S7 RCPT 421": stops("RCPT", "421 4.7.0 closing", met=PUT_OFF, relay="busy"),
    "S7 too many recipients": stops("RCPT", TOO_MANY, met=PUT_OFF, relay="busy"),
    "S8 DATA 451": refuses("DATA", "451 4.3.0 not now", met=AGAIN),
    "S8 DATA 421": refuses("DATA", "421 4.3.2 closing", met=AGAIN),
    "S8 DATA 554": refuses("DATA", "554 5.7.1 no", met=REFUSED),
    # The connection breaks. Before the dot nothing was sent; after it nobody can say.
    "S9 lost at MAIL": stops("MAIL", LOSE, met=PUT_OFF, relay="silent"),
    "S9 lost at RCPT": refuses("RCPT", LOSE, met=PUT_OFF),
    "S9 lost at DATA": refuses("DATA", LOSE, met=AGAIN),
    "S9 lost while idle": goes_well(faults={"MAIL": [GOOD, LOSE]}, who="bao"),
    "S10 lost at the dot": doubts("DOT", LOSE),
    "S10 lost at the second dot": doubts("DOT", GOOD, LOSE, who="bao", others=(SENT, UNTOUCHED)),
    "S10 silence at the dot": doubts("DOT", SILENCE),
    "S10 no reply but words": doubts("DOT", "what?"),
    "S10 no reply but 354": doubts("DOT", "354 go on"),
    "S10 held for a person": doubts("DOT", LOSE, rules=HOLD, met=HELD, end=HELD, copies=1),
    "S10 the last attempt": doubts("DOT", LOSE, settings="attempts: 1\n", met=HELD, end=HELD, copies=1),
    # It refuses what it has kept: that counts as refused.
    "S11 dot 450": refuses("DOT", "450 4.3.0 try later", met=AGAIN, kept=1, copies=2),
    "S11 dot 421": refuses("DOT", "421 4.3.2 closing", met=AGAIN, kept=1, copies=2),
    "S11 dot 432": stops(
        "DOT", "432 4.3.2 Concurrent connections limit exceeded", met=AGAIN, relay="busy", kept=1, end=RESENT, copies=2
    ),
    "S11 dot 554": refuses("DOT", "554 5.6.0 spam", met=REFUSED, kept=1, copies=1),
    # What was accepted stays accepted, whatever is said at the end.
    "S12 lost at QUIT": goes_well(faults={"QUIT": [LOSE]}),
    "S12 QUIT 421": goes_well(faults={"QUIT": ["421 4.3.2 closing"]}),
    "S12 QUIT 500": goes_well(faults={"QUIT": ["500 5.5.1 what?"]}),
    # Answers without end come to an end here: by their length, or with the time of the message.
    "S13 endless greeting": stops("CONNECT", ENDLESS, relay="silent"),
    "S13 endless at RCPT": refuses("RCPT", ENDLESS, met=PUT_OFF),
    "S13 endless at the dot": doubts("DOT", ENDLESS),
    "S13 drips at RCPT": refuses("RCPT", DRIP, met=PUT_OFF),
    "S13 drips at the dot": doubts("DOT", DRIP),
    # HELO does where nothing of EHLO is needed; where it is, that is a matter of how things are set up.
    "S14 HELO": goes_well(faults={"EHLO": ["502 5.5.1 what?"]}),
    "S14 HELO, log-in": stops("EHLO", "502 5.5.1 what?", place="log-in", relay="refused"),
    "S14 HELO, STARTTLS": stops("EHLO", "502 5.5.1 what?", place="STARTTLS", relay="refused"),
    # An address beyond ASCII needs a server that takes it; a domain never does.
    "S15 no SMTPUTF8": Row(
        place="no SMTPUTF8",
        people=("amina", "zoë", "chloe"),
        who="zoë",
        met=UNFIT,
        end=UNFIT,
        copies=0,
        says="needs SMTPUTF8",
    ),
    "S15 SMTPUTF8": goes_well(people=("amina", "zoë", "chloe"), who="zoë"),
    "S15 domain": goes_well(
        place="no SMTPUTF8", people=("amina", "bao@bücher.example.org", "chloe"), who="bao@bücher.example.org"
    ),
    # Packets are lost without a word: as S9 and S10, by how far the message had got, and when the time is over.
    "S16 silence at MAIL": stops("MAIL", SILENCE, met=PUT_OFF, relay="silent"),
    "S16 silence at the second MAIL": stops(
        "MAIL", GOOD, SILENCE, met=PUT_OFF, relay="silent", who="bao", others=(SENT, UNTOUCHED)
    ),
    "S16 silence at RCPT": refuses("RCPT", SILENCE, met=PUT_OFF),
    "S16 silence at DATA": refuses("DATA", SILENCE, met=AGAIN),
    "S16 silence at the second dot": doubts("DOT", GOOD, SILENCE, who="bao", others=(SENT, UNTOUCHED)),
    # One slow message holds up no other, and what is of use for the shortest time goes first.
    "S17 slow": goes_well(
        faults={"DOT": [GOOD, "wait 1"]}, who="bao", settings="in_flight: 3\n", handled=("amina", "chloe", "bao")
    ),
    "S17 urgent": stops(
        "MAIL", GOOD, TOO_MUCH, met=PUT_OFF, relay="busy", others=(UNTOUCHED, SENT), urgent="chloe", handled=("chloe",)
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_fault_of_a_mail_server_befalls_whom_it_concerns_and_the_next_pass_ends_it(
    tmp_path: Path, authority: trustme.CA, trusted: str, row: Row
) -> None:
    settings = f"{SETTINGS}rate: 0\nmessage_deadline: 10\n{row.settings}"
    with Walk(tmp_path, settings=settings, rules=row.rules) as walk:
        owe(walk, row)
        done, server = asyncio.run(one_pass(walk, row, authority, trusted))
        assert fares(walk, row) == (row.met, *row.others)
        assert done.sent == [row.met, *row.others].count(SENT)
        assert (bool(done.fault), done.mend) == (row.relay != "", row.relay == "refused")
        assert remembered(walk) == row.relay
        assert suspended(walk) == ([row.who] if row.suspended else [])
        assert words(row) in told(walk, row)
        assert tuple(each for each in handled(walk) if row.handled) == row.handled
        first = copies(row, server)
        assert [len(each) for each in first] == [row.kept, *(int(each == SENT) for each in row.others)]
        if row.met == UNTOUCHED:
            assert not any(command.startswith("MAIL") for command in server.commands)
            assert len(server.log_ins) <= 1, "a wrong password that is tried often locks the account"

        wait_over(walk)
        done, server = asyncio.run(one_pass(walk, row, authority, trusted, mended=True))
        assert fares(walk, row) == (row.end, SENT, SENT)
        assert (done.fault, done.mend) == ("", False)
        assert remembered(walk) == ""
        both = [before + after for before, after in zip(first, copies(row, server), strict=True)]
        assert [len(each) for each in both] == [row.copies, 1, 1]
        for of_one in both:
            assert len(set(of_one)) <= 1, "two messages where there is one notice"
        ids = [message_from_bytes(each[0], policy=policy.default)["Message-ID"] for each in both if each]
        assert len(set(ids)) == len(ids)


def owe(walk: Walk, row: Row) -> None:
    """Three people are owed a reminder that is due."""
    members = "".join(f"      - {written(each)}\n" for each in row.people)
    walk.write("audiences.yaml", f"audiences:\n  all:\n    label: All\n    members:\n{members}")
    walk.course("2019-02-12")
    walk.refresh("2018-11-23T09:00")
    walk.remind("2018-11-23T09:00")
    walk.remind(DUE)
    if row.urgent:
        with walk.store.writing() as tx:
            whose = outbox.c.subscriber == number(walk, row.urgent)
            tx.execute(update(outbox).where(whose).values(expires_at=utc("2019-01-29T10:00")))


async def one_pass(
    walk: Walk, row: Row, authority: trustme.CA, trusted: str, *, mended: bool = False
) -> tuple[Delivered, Server]:
    """One pass of deliveries, with the row's faults or, `mended`, without; what came of it and what the server saw."""
    serves: dict[str, Any] = {} if mended else {"faults": row.faults}
    speaks: dict[str, Any] = {"security": "none", "timeout": 10.0, "connections": 3}
    if not mended and any(each in (SILENCE, ENDLESS, DRIP) for each in chain(*row.faults.values())):
        speaks["timeout"] = PATIENCE
    match row.place:
        case "log-in" | "wrong password":
            serves["login"] = LOG_IN
            speaks |= {"user": LOG_IN[0], "password": LOG_IN[1] if mended or row.place == "log-in" else "wrong"}
        case "STARTTLS" | "no STARTTLS" | "certificate":
            speaks |= {"security": "starttls", "ca_file": trusted}
            of = authority if mended or row.place == "STARTTLS" else trustme.CA()
            serves["tls"] = certificate(of, "127.0.0.1") if mended or row.place != "no STARTTLS" else None
        case "no SMTPUTF8":
            serves["smtputf8"] = False
        case _:
            pass
    async with serving(**serves) as server:
        port = free_port() if row.place == "nobody" and not mended else server.port
        transport = SmtpTransport("127.0.0.1", port, **speaks)
        with workers.working(walk.service.data) as owner:
            recover(walk.service, utc(DUE))
            done = await deliver(walk.service, transport, FixedClock(utc(DUE)), owner, told=walk.handled.append)
        return done, server


def wait_over(walk: Walk) -> None:
    """The time that rows wait before they are tried again goes by."""
    with walk.store.writing() as tx:
        tx.execute(update(outbox).where(outbox.c.state == "owed").values(next_at=None))


def written(name: str) -> str:
    """The person's address as staff write it."""
    return name if "@" in name else f"{name}@example.org"


def number(walk: Walk, name: str) -> int:
    """The person's number in the store."""
    with walk.store.reading() as tx:
        whose = subscriber.c.address == ascii_domain(written(name))
        return int(tx.execute(select(subscriber.c.id).where(whose)).scalar_one())


def in_order(row: Row) -> list[str]:
    """Who met it, and the two others."""
    return [row.who, *(each for each in row.people if each != row.who)]


def fares(walk: Walk, row: Row) -> tuple[At, ...]:
    """Where the notices of these are."""
    found = {
        each.notice.subscriber: At(each.state, each.attempts, each.reason, each.next_at is not None)
        for each in walk.rows()
    }
    return tuple(found[number(walk, each)] for each in in_order(row))


def told(walk: Walk, row: Row) -> str:
    """What its notice says of why it is where it is."""
    return next(each.reply for each in walk.rows() if each.notice.subscriber == number(walk, row.who))


def words(row: Row) -> str:
    """What it has to say: the server's words, or that there were none."""
    if row.says or row.met == SENT:
        return row.says
    fault = [SILENCE, *chain(*row.faults.values())][-1]
    return fault if fault[:1] in "45" else "no reply"


def handled(walk: Walk) -> list[str]:
    """Who was told of, in order."""
    return [each.subscriber.address.removesuffix("@example.org") for each in walk.handled if each.subscriber]


def remembered(walk: Walk) -> str:
    """What the service's health goes by: what stands between the outbox and the relay."""
    with walk.store.reading() as tx:
        fault = faults.fault(tx)
    return fault.kind.value if fault else ""


def suspended(walk: Walk) -> list[str]:
    with walk.store.reading() as tx:
        found = tx.execute(select(subscriber.c.address).where(subscriber.c.suspended_at.is_not(None))).scalars()
        return [each.removesuffix("@example.org") for each in found]


def copies(row: Row, server: Server) -> list[list[bytes]]:
    """For each of these the messages that the server took, each for one person alone."""
    assert {len(each.recipients) for each in server.received} <= {1}
    whose = [ascii_domain(written(each)) for each in in_order(row)]
    return [[each.data for each in server.received if each.recipients == [one]] for one in whose]
