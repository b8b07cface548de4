"""A relay that takes nothing is left alone, longer each time, and gets all mail at once when it is back.

A daemon ticks by hand through hours that take a moment, because the loop's time is moved on.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import trustme

from reminders.clock import FixedClock
from reminders.daemon import Daemon
from reminders.files import read_settings
from reminders.jobs import footing, workers
from reminders.jobs.deliver import transport_of
from reminders.jobs.footing import BEHIND
from reminders.jobs.operator import Note
from reminders.jobs.respite import SPREAD, Respite
from reminders.jobs.service import Service, read_key
from reminders.store import backups
from tests.builders import utc
from tests.edges.smtpd import LOSE, WAIT, Server, serving
from tests.flows.service import Place, relay, time_from_now, wait_for
from tests.flows.walk import SETTINGS, Walk

DUE = "2019-01-29T09:00"
RELAY = """\
public_url: https://dates.example.org
smtp_host: 127.0.0.1
smtp_port: {port}
mail_from: dates@example.org
operator: ops@example.org
rate: 0
message_deadline: 5
"""
BUSY = "421 4.3.2 no more connections"
HALF, MINUTE, HOUR = 30.0, 60.0, 3600.0


class Loop(asyncio.SelectorEventLoop):
    """Its time is the computer's, and what a test adds to it."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


@dataclass(frozen=True, slots=True)
class Ticking:
    """A daemon that ticks when it is told to, and the server it mails through."""

    daemon: Daemon
    server: Server
    loop: Loop

    async def tries(self, seconds: float, every: float, count: Callable[[], int]) -> list[float]:
        """Tick for so long; after how many seconds `count` went up, and each time by one."""
        found, before = [], count()
        for number in range(1 + int(seconds / every)):
            await self.daemon._tick()
            assert count() - before in (0, 1), "one try in a tick"
            if count() > before:
                found.append(number * every)
            before = count()
            self.loop.ahead += every
        return found

    async def arrived(self, number: int, seconds: float) -> None:
        """Tick until so many mails are there; at most for so long."""
        for _ in range(1 + int(seconds / 10)):
            await self.daemon._tick()
            if len(self.server.received) >= number:
                break
            self.loop.ahead += 10
        assert len(self.server.received) == number


def in_time(test: Callable[[Loop], Coroutine[None, None, None]]) -> None:
    """Run it in a loop whose time it may move on."""
    loop = Loop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(test(loop))


@contextmanager
def ticking(walk: Walk, server: Server, loop: Loop, more: str, **variables: str) -> Iterator[Ticking]:
    """A daemon of these settings, that has tried nothing yet."""
    walk.write("reminders.yaml", SETTINGS + RELAY.format(port=server.port) + more)
    settings = read_settings(walk.config, {f"REMINDERS_{name}": value for name, value in variables.items()})
    service = Service(settings, walk.config, walk.store, read_key(settings, walk.service.data))
    daemon = Daemon(service, FixedClock(utc(DUE)), transport_of(service), lambda at, what: None)
    with workers.working(service.data) as daemon._owner:
        yield Ticking(daemon, server, loop)


def secured(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A server's certificate, and settings that trust it and log in by password."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(certificate)
    return certificate, f"smtp_user: dates\nsmtp_ca_file: {folder / 'authority.pem'}\n"


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """Three people are owed a reminder that is due."""
    with Walk(tmp_path) as walk:
        walk.people("amina", "bao", "chloe")
        walk.course("2019-02-12")
        walk.refresh("2018-11-23T09:00")
        walk.remind("2018-11-23T09:00")
        walk.remind(DUE)
        yield walk


def grow(tries: list[float], lengths: list[float], every: float) -> None:
    """Fails unless the waits between tries are of these lengths, spread by chance, and a tick more at most."""
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert len(waits) >= len(lengths), waits
    for wait, length in zip(waits, lengths, strict=False):
        assert (1 - SPREAD) * length <= wait <= (1 + SPREAD) * length + every, waits


def test_s2_a_wrong_password_is_tried_ever_more_seldom_also_for_the_operators_mail(walk: Walk, tmp_path: Path) -> None:
    certificate, more = secured(tmp_path)

    async def run(loop: Loop) -> None:
        async with serving(tls=certificate, login=("dates", "new")) as server:
            with ticking(walk, server, loop, more, SMTP_PASSWORD="old") as it:
                it.daemon._notes.add(Note("something is held", ()))
                tries = await it.tries(6 * HOUR, MINUTE, lambda: len(server.log_ins))
                assert tries[0] == 0
                grow(tries, [5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE, HOUR, HOUR], MINUTE)
                counted = [1 + sum(at - HALF * MINUTE < each < at for each in tries) for at in tries]
                assert max(counted) <= 4, "so many within half an hour lock few accounts"
                assert {row.state for row in walk.rows()} == {"owed"}
                server.login = ("dates", "old")
                await it.arrived(4, (1 + SPREAD) * HOUR)
                got = sorted(mail.recipients[0].partition("@")[0] for mail in server.received)
                assert got == ["amina", "bao", "chloe", "ops"]

    in_time(run)


def test_s2_with_nothing_but_the_operators_mail_a_wrong_password_is_tried_as_seldom(walk: Walk, tmp_path: Path) -> None:
    certificate, more = secured(tmp_path)
    walk.deliver(DUE)

    async def run(loop: Loop) -> None:
        async with serving(tls=certificate, login=("dates", "new")) as server:
            with ticking(walk, server, loop, more, SMTP_PASSWORD="old") as it:
                it.daemon._notes.add(Note("something is held", ()))
                tries = await it.tries(4 * HOUR, MINUTE, lambda: len(server.log_ins))
                grow(tries[1:], [10 * MINUTE, 20 * MINUTE, 40 * MINUTE, HOUR], MINUTE)

    in_time(run)


@pytest.mark.parametrize("fault", [BUSY, LOSE])
def test_s1_a_relay_that_is_away_is_tried_every_five_minutes_at_last(walk: Walk, fault: str) -> None:
    async def run(loop: Loop) -> None:
        async with serving(faults={"CONNECT": [fault] * 100}) as server:
            with ticking(walk, server, loop, "smtp_security: none\n") as it:
                tries = await it.tries(HOUR / 2, 10, lambda: server.connections)
                grow(tries, [HALF, MINUTE, 2 * MINUTE, 4 * MINUTE, 5 * MINUTE, 5 * MINUTE], 10)
                server.faults.clear()
                await it.arrived(3, (1 + SPREAD) * 5 * MINUTE)

    in_time(run)


def test_the_first_mail_that_goes_ends_it(walk: Walk) -> None:
    """What stops the next one then is a new fault, and is waited for as such."""

    async def run(loop: Loop) -> None:
        async with serving(faults={"CONNECT": [BUSY] * 4}) as server:
            with ticking(walk, server, loop, "smtp_security: none\n") as it:
                server.fail("MAIL", f"{WAIT}0", "451 4.7.1 too much mail")
                await it.arrived(1, 10 * MINUTE)
                it.loop.ahead += (1 - SPREAD) * HALF - 5
                await it.daemon._tick()
                assert len(server.received) == 1
                it.loop.ahead += 2 * SPREAD * HALF + 10
                await it.daemon._tick()
                assert [mail.recipients for mail in server.received] == [["amina@example.org"], ["chloe@example.org"]]

    in_time(run)


def test_what_is_mended_on_this_machine_is_noticed_within_minutes(
    walk: Walk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Though an operator has to mend it: no relay counts how often the journal is looked at."""
    database = walk.folder / "var" / "reminders.sqlite"
    backups.back_up(f"sqlite:///{database}", tmp_path / "backup.sqlite")
    walk.deliver(DUE)
    walk.store.close()
    (tmp_path / "backup.sqlite").replace(database)
    walk.opened()

    def told() -> int:
        return sum(BEHIND in each for each in caplog.messages)

    async def run(loop: Loop) -> None:
        async with serving() as server:
            with ticking(walk, server, loop, "smtp_security: none\n") as it:
                it.daemon._notes.add(Note("something is held", ()))
                grow(await it.tries(HOUR / 2, 10, told), [HALF, MINUTE, 2 * MINUTE, 4 * MINUTE, 5 * MINUTE], 10)
                assert {each.levelname for each in caplog.records if BEHIND in each.message} == {"ERROR"}
                assert await asyncio.to_thread(footing.repair, it.daemon.service, utc(DUE))
                await it.arrived(1, (1 + SPREAD) * 5 * MINUTE)

    in_time(run)


async def test_daemons_that_met_the_same_fault_come_back_one_after_the_other() -> None:
    waits = [Respite().begin(refused=True).total_seconds() for _ in range(100)]
    assert len(set(waits)) > 50
    assert (1 - SPREAD) * 5 * MINUTE <= min(waits) < 5 * MINUTE < max(waits) <= (1 + SPREAD) * 5 * MINUTE


def test_s2_the_service_logs_in_once_with_a_wrong_password_however_often_it_looks(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "relay.pem")
    place = Place(tmp_path, {"REMINDERS_SMTP_PASSWORD": "wrong"})
    steps = tmp_path / "steps"
    options = ("--certificate", str(tmp_path / "relay.pem"), "--login", "dates", "right", "--steps", str(steps))
    with relay(tmp_path / "mails.jsonl", 0, *options) as sink:
        secure = {"smtp_security": "starttls", "smtp_user": "dates", "smtp_ca_file": tmp_path / "authority.pem"}
        place.settings(sink.port, **secure)
        place.people(["amina@example.org", "bao@example.org"])
        place.begin()
        place.event("talk", "closes", time_from_now(minutes=118))
        with place.running() as daemon:
            wait_for(lambda: "no mail can be sent at present" in daemon.printed())
            time.sleep(4)  # as many ticks
            assert daemon.health()["outbox"]["owed"] == 2
        assert steps.read_text().split() == ["EHLO", "EHLO"], "before TLS and after it, of one connection"
