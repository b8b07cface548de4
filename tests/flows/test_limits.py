"""Limits of reminders.yaml, as a mail server sees them: the pace, what a person gets in a day, a domain's share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from freezegun.api import FrozenDateTimeFactory

from reminders.clock import FixedClock
from reminders.files import read_settings
from reminders.jobs import workers
from reminders.jobs.deliver import deliver, transport_of
from reminders.jobs.service import Service, database_url, read_key
from reminders.store.schema import open_store
from tests.builders import utc
from tests.edges.smtpd import WAIT, Server, serving
from tests.flows.walk import SETTINGS, Walk

KNOWN, DUE = "2018-11-23T09:00", "2019-01-29T09:00"
RELAY = """\
public_url: https://dates.example.org
smtp_host: 127.0.0.1
smtp_port: {port}
smtp_security: none
mail_from: dates@example.org
message_deadline: 5
"""
MORE, PATIENCE = 0.5, 20.0
"""Seconds in which what is not held back would go too; and after which what should have gone did not."""


def owed(walk: Walk, port: int, settings: str, members: Sequence[str]) -> None:
    """These settings, and a reminder to each of these that is due and owed."""
    walk.write("reminders.yaml", SETTINGS + RELAY.format(port=port) + settings + _database(walk))
    walk.reread()
    listed = "".join(f"      - {each}\n" for each in members)
    walk.write("audiences.yaml", f"audiences:\n  all:\n    label: All\n    members:\n{listed}")
    walk.course("2019-02-12")
    walk.refresh(KNOWN)
    walk.remind(KNOWN)
    walk.remind(DUE)
    assert [row.state for row in walk.rows()] == ["owed"] * len(members)


def _database(walk: Walk) -> str:
    return f"database: {walk.database}\n" if walk.database else ""


@asynccontextmanager
async def worker(walk: Walk, at: str = DUE) -> AsyncIterator[asyncio.Task[object]]:
    """A process's share of the work: a service and a store of its own, told to stop at the end of the block."""
    settings = read_settings(walk.config, {})
    store = open_store(database_url(settings, walk.config))
    try:
        service = Service(settings, walk.config, store, read_key(settings, walk.service.data))
        stop = asyncio.Event()
        with workers.working(service.data) as owner:
            task: asyncio.Task[object] = asyncio.create_task(
                deliver(service, transport_of(service), FixedClock(utc(at)), owner, stop=stop)
            )
            try:
                yield task
            finally:
                stop.set()
                await task
    finally:
        store.close()


async def goes(walk: Walk, server: Server, number: int, workers: int = 2) -> None:
    """Workers that are started now send so many messages, and no more of what is owed; then they end."""
    before = len(server.received)
    async with AsyncExitStack() as running:
        for _ in range(workers):
            _ = await running.enter_async_context(worker(walk))
        async with asyncio.timeout(PATIENCE):
            while len(server.received) < before + number:  # noqa: ASYNC110  # the server has an event for the first only
                await asyncio.sleep(0.02)
        await asyncio.sleep(MORE)
    assert len(server.received) - before == number


@pytest.mark.parametrize(("rate", "burst", "each"), [(5, 1, 12.0), (25, 5, 2.4)])
async def test_a_rate_holds_for_all_workers_together_and_across_restarts(
    tmp_path: Path, url: str, clock: FrozenDateTimeFactory, rate: int, burst: int, each: float
) -> None:
    """`burst` may go at once, and one more each `each` seconds."""
    members = [f"person{number}@example.org" for number in range(2 * burst + 3)]
    async with serving() as server:
        with Walk(tmp_path, database=url) as walk:
            await asyncio.to_thread(owed, walk, server.port, f"rate: {rate}\nin_flight: 4\n", members)
            await goes(walk, server, burst)
            states = Counter(row.state for row in walk.rows())
            assert states == {"sent": burst, "owed": len(members) - burst}, "the rest waits"
            await goes(walk, server, 0)  # a process that is started anew has no allowance of its own
            clock.tick(timedelta(seconds=each - 0.1))
            await goes(walk, server, 0)
            clock.tick(timedelta(seconds=0.1))
            await goes(walk, server, 1)
            for left in range(len(members) - burst - 1, 0, -burst):
                clock.tick(timedelta(minutes=1))
                await goes(walk, server, min(burst, left))
            assert {row.state for row in walk.rows()} == {"sent"}
    assert Counter(to for mail in server.received for to in mail.recipients) == Counter(members), "all, and once"


async def test_with_a_rate_of_nought_all_go_at_once(tmp_path: Path, clock: FrozenDateTimeFactory) -> None:
    async with serving() as server:
        with Walk(tmp_path) as walk:
            await asyncio.to_thread(owed, walk, server.port, "rate: 0\n", [f"p{n}@example.org" for n in range(12)])
            await goes(walk, server, 12, workers=1)


def test_a_third_mail_in_a_day_waits_and_says_so(tmp_path: Path, clock: FrozenDateTimeFactory) -> None:
    clock.move_to(DUE)
    with Walk(tmp_path, settings=SETTINGS + "per_person: 2\n") as walk:
        dated = "".join(f"  - {{id: e{n}, title: Event {n}, dates: {{course: 2019-02-12}}}}\n" for n in range(3))
        walk.events(dated)
        walk.at(KNOWN)
        both = [(name, "course-2w", "2019-02-12") for name in ("amina", "bao")]
        assert walk.at(DUE) == sorted(2 * both)
        waiting = [row for row in walk.rows() if row.state == "owed"]
        assert [row.reply for row in waiting] == ["waits: this person got 2 mails in a day"] * 2
        assert {row.notice.event for row in waiting} == {"e2"}, "what was owed first went first"
        assert all(row.next_at == utc("2019-01-30T09:00") for row in waiting)
        clock.move_to("2019-01-30T08:59")
        assert walk.deliver("2019-01-30T08:59") == []
        clock.move_to("2019-01-30T09:01")
        assert walk.deliver("2019-01-30T09:01") == both
        assert {row.state for row in walk.rows()} == {"sent"}


@pytest.mark.parametrize("workers", [1, 2])
async def test_one_domain_gets_one_mail_at_a_time_while_others_get_theirs(tmp_path: Path, workers: int) -> None:
    """Each answer takes a while, in which all that may go are there together. Owed first is what goes to one domain."""
    members = [f"p{number}@{domain}.example" for domain in ("one", "two", "three", "four") for number in range(4)]
    limits = "rate: 0\nin_flight: 4\nsmtp_connections: 4\nper_domain: 1\n"
    async with serving(faults={"DOT": [f"{WAIT}0.1"] * len(members)}) as server:
        with Walk(tmp_path) as walk:
            await asyncio.to_thread(owed, walk, server.port, limits, members)
            async with AsyncExitStack() as running:
                tasks = [await running.enter_async_context(worker(walk)) for _ in range(workers)]
                await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
            assert {row.state for row in walk.rows()} == {"sent"}
    assert sorted(to for mail in server.received for to in mail.recipients) == sorted(members)
    for together in server.together:
        domains = [each.partition("@")[2] for each in together]
        assert len(set(domains)) == len(domains), f"at once: {together}"
    assert max(map(len, server.together)) >= 3, "other domains do not wait for it"
