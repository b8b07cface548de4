"""Many at once: threads of one process, and processes that are killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from reminders.planning.notices import Reason
from reminders.store import events, ledger, people, sending
from reminders.store.backups import check
from reminders.store.engine import Store
from reminders.store.rows import Row
from reminders.store.schema import open_store
from tests.builders import EPOCH, date, event
from tests.store.builders import (
    NOW,
    audience,
    begin,
    begin_in,
    claim,
    invite,
    look,
    owe,
    recover,
    reminder,
    settle,
    token_for,
)


def test_each_row_is_claimed_by_one_of_many_workers(store: Store) -> None:
    owe(store, *(reminder(person) for person in invite(store, 60)))

    def work(number: int) -> list[int]:
        sent = []
        while row := claim(store, f"w{number}"):
            assert begin(store, row, f"w{number}")
            assert settle(store, row, "sent", f"w{number}")
            sent.append(row.id)
        return sent

    with ThreadPoolExecutor(4) as pool:
        sent = [id for part in pool.map(work, range(4)) for id in part]
    assert sorted(sent) == list(range(1, 61))
    with store.reading() as tx:
        assert ledger.counts(tx)["sent"] == 60


def test_of_fence_and_drop_at_the_same_moment_one_wins(store: Store) -> None:
    ids = owe(store, *(reminder(person) for person in invite(store, 20))).new
    rows = [row for id in ids if (row := claim(store, f"w{id}"))]
    barrier = threading.Barrier(2)

    def fence(row: Row) -> bool:
        barrier.wait()
        return begin(store, row, row.owner)

    def drop(row: Row) -> bool:
        barrier.wait()
        with store.writing() as tx:
            return sending.drop(tx, row.id, Reason.DISCARDED, NOW)

    with ThreadPoolExecutor(2) as pool:
        for row in rows:
            begun, dropped = pool.submit(fence, row), pool.submit(drop, row)
            assert begun.result() != dropped.result()


def test_of_fence_and_recovery_at_the_same_moment_one_wins(store: Store) -> None:
    ids = owe(store, *(reminder(person) for person in invite(store, 20))).new
    rows = [row for id in ids if (row := claim(store, f"w{id}"))]
    barrier = threading.Barrier(2)

    def fence(row: Row) -> bool:
        barrier.wait()
        return begin(store, row, row.owner)

    def take_back(row: Row) -> int:
        barrier.wait()
        return recover(store, row.owner)

    for row in rows:
        with ThreadPoolExecutor(2) as pool:
            begun, _ = pool.submit(fence, row), pool.submit(take_back, row)
        after = look(store, row.id)
        if begun.result():  # the fence came first: in doubt, whoever took it back, or still being sent
            assert (after.attempts, after.reason) in {(1, "in-doubt"), (1, "")}
        else:
            assert (after.state, after.attempts, after.reason) == ("owed", 0, "")


def test_no_message_is_begun_after_leaving_was_confirmed(store: Store) -> None:
    everybody = invite(store, 25)
    owe(store, *(reminder(person) for person in everybody))
    rows = {row.notice.subscriber: row for row in (claim(store, f"w{person}") for person in everybody) if row}
    order: list[tuple[str, int]] = []
    barrier = threading.Barrier(2)

    def fence(person: int) -> None:
        row = rows[person]
        barrier.wait()
        with store.writing() as tx:
            if begin_in(tx, row, row.owner):
                order.append(("begun", person))  # still within the transaction: the latest it can be decided

    def leave(person: int) -> None:
        barrier.wait()
        with store.writing() as tx:
            people.leave(tx, person, "page", NOW)
        order.append(("left", person))

    with ThreadPoolExecutor(2) as pool:
        for person in everybody:
            both = [pool.submit(fence, person), pool.submit(leave, person)]
            for each in both:
                each.result()
    for person in everybody:
        seen = [what for what, whom in order if whom == person]
        assert seen in (["left"], ["begun", "left"])
        assert (look(store, rows[person].id).state == "dropped") == (seen == ["left"])


def test_two_machines_that_publish_the_same_change_count_it_once(store: Store) -> None:
    def publish(_: int) -> int:
        with store.writing() as tx:
            events.publish(tx, event("talking-2019", date("2019-02-12")), EPOCH)
            return events.publish(tx, event("talking-2019", date("2019-02-19")), EPOCH).revision

    with store.writing() as tx:
        events.publish(tx, event("talking-2019", date("2019-02-19")), EPOCH)
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(publish, range(4))) == [3, 5, 7, 9]


def test_two_machines_that_read_the_same_people_invite_them_once(store: Store) -> None:
    everybody = audience(*(f"person{number}@example.org" for number in range(20)))

    def sync(_: int) -> None:
        with store.writing() as tx:
            people.sync(tx, [everybody], token_for, EPOCH)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sync, range(4)))
    with store.reading() as tx:
        assert len(people.subscribers(tx, [everybody])) == 20


def _hand_over(sink: str, row: Row, message_id: str) -> None:
    with Path(sink).open("a", encoding="ascii") as lines:
        lines.write(f"{row.notice.key} {message_id}\n")


def _deliver(url: str, sink: str, owner: str) -> None:
    """A worker as it must be: fence, hand over, settle."""
    store = open_store(url)
    while row := claim(store, owner):
        if begin(store, row, owner):
            _hand_over(sink, row, look(store, row.id).message_id)
            settle(store, row, "sent", owner)
    store.close()


def _deliver_marking_first(url: str, sink: str, owner: str) -> None:
    """A worker as others have been written: what it was about to send when it is killed is lost."""
    store = open_store(url)
    while row := claim(store, owner):
        if begin(store, row, owner):
            settle(store, row, "sent", owner)
            time.sleep(0.02)
            _hand_over(sink, row, "<id@example.org>")
    store.close()


@dataclass(frozen=True, slots=True)
class Harvest:
    """What came of killing workers until all was settled."""

    kills: int
    lost: int
    extra: int
    message_ids_per_notice: set[int]
    problems: list[str]


def _kill_while_sending(url: str, folder: Path, worker: Callable[[str, str, str], None], mails: int = 120) -> Harvest:
    store = open_store(url)
    owe(store, *(reminder(person) for person in invite(store, mails)))
    store.close()
    sink = folder / "sink"
    sink.touch()
    processes = multiprocessing.get_context("forkserver")  # threads of this process are not copied
    processes.set_forkserver_preload([__name__])
    kills, chance, counts = 0, random.Random(5), dict[str, int]()
    for run in range(200):
        workers = [processes.Process(target=worker, args=(url, str(sink), f"w{run}-{number}")) for number in range(2)]
        for each in workers:
            each.start()
        _wait_for_more(sink, chance.randint(1, 8), workers)
        time.sleep(chance.uniform(0, 0.05))
        for each in workers:
            if each.exitcode is None and run < 12:
                os.kill(each.pid or 0, signal.SIGKILL)
                kills += 1
        for each in workers:
            each.join()
        store = open_store(url)
        recover(store, f"w{run}-0", f"w{run}-1", max_attempts=100)
        with store.reading() as tx:
            counts = ledger.counts(tx)
        store.close()
        if counts["sent"] == mails:
            break
    sent = [(line[:64], line[65:]) for line in sink.read_text().splitlines()]
    ids: dict[str, set[str]] = {}
    for key, message_id in sent:
        ids.setdefault(key, set()).add(message_id)
    per_notice = {len(each) for each in ids.values()}
    return Harvest(kills, counts["sent"] - len(ids), len(sent) - len(ids), per_notice, check(url))


def _wait_for_more(sink: Path, mails: int, workers: Sequence[BaseProcess]) -> None:
    """Until so many more were handed over, whatever the speed of the machine, or the workers are done."""
    wanted = sink.read_bytes().count(b"\n") + mails
    while sink.read_bytes().count(b"\n") < wanted and any(each.exitcode is None for each in workers):
        time.sleep(0.001)


def test_killing_workers_at_any_moment_loses_no_mail_and_repeats_no_more_than_were_in_hand(
    url: str, tmp_path: Path
) -> None:
    harvest = _kill_while_sending(url, tmp_path, _deliver)
    assert harvest.kills > 5
    assert harvest.lost == 0
    assert harvest.extra <= harvest.kills
    assert harvest.message_ids_per_notice == {1}
    assert harvest.problems == []


def test_the_killing_would_show_a_worker_that_loses_mail(url: str, tmp_path: Path) -> None:
    assert _kill_while_sending(url, tmp_path, _deliver_marking_first).lost > 0
