"""A backup of any moment is put back at any later one: after the repair nobody gets a mail twice, or after leaving.

``RESTORES=all`` tries every pair of moments; else about half of them.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reminders.clock import FixedClock
from reminders.errors import BadInput
from reminders.jobs.deliver import deliver
from reminders.jobs.footing import BEHIND, repair
from reminders.jobs.health import health
from reminders.mail.folder import FolderTransport
from reminders.mail.smtp import SmtpTransport
from reminders.serving import StoreReader
from reminders.store import backups, people, replay
from reminders.store.journal import Left
from reminders.store.replay import Repaired
from tests.builders import utc
from tests.edges.smtpd import serving
from tests.flows.console import config, typed
from tests.flows.walk import Mail, Walk

DATABASE = Path("var") / "reminders.sqlite"
JOURNAL = Path("var") / "sent.journal"


def begin(walk: Walk) -> list[Mail]:
    walk.course("2019-02-12")
    return walk.at("2018-11-23T09:00")


def join(walk: Walk) -> list[Mail]:
    """Before the others in the file: after a restore she gets another number."""
    walk.people("chloe", "amina", "bao")
    return walk.at("2019-01-28T15:00")


def remind(walk: Walk) -> list[Mail]:
    return walk.at("2019-01-29T09:00")


def move(walk: Walk) -> list[Mail]:
    walk.course("2019-02-19")
    return walk.at("2019-01-30T09:00")


def leave(walk: Walk) -> list[Mail]:
    walk.leave("bao", "2019-01-30T12:00")
    return walk.at("2019-01-30T12:01")


def move_again(walk: Walk) -> list[Mail]:
    walk.course("2019-02-20")
    return walk.at("2019-01-31T09:00")


def join_first(walk: Walk) -> list[Mail]:
    walk.people("dora", "chloe", "amina", "bao")
    return walk.at("2019-02-07T09:00")


def remind_again(walk: Walk) -> list[Mail]:
    return walk.at("2019-02-17T09:00")


def nothing_more(walk: Walk) -> list[Mail]:
    return walk.at("2019-02-17T09:10")


STORY: tuple[Callable[[Walk], list[Mail]], ...] = (
    *(begin, join, remind, move, leave, move_again, join_first, remind_again, nothing_more),
)
AT = (
    *("2018-11-24T09:00", "2019-01-28T15:01", "2019-01-29T09:01", "2019-01-30T09:01", "2019-01-30T12:02"),
    *("2019-01-31T09:01", "2019-02-07T09:01", "2019-02-17T09:01", "2019-02-17T09:11"),
)
"""A moment after each step."""


@dataclass(frozen=True, slots=True)
class Told:
    """The story as it goes without any accident: a copy of the folder after each step, and the mails of each."""

    folders: list[Path]
    mails: list[list[Mail]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("told")
    folders, mails = [], []
    with Walk(folder / "walk") as walk:
        for number, step in enumerate(STORY):
            mails.append(step(walk))
            folders.append(folder / str(number))
            shutil.copytree(walk.folder, folders[-1])
            backups.back_up(f"sqlite:///{walk.folder / DATABASE}", folders[-1] / DATABASE, replace=True)
            for end in ("-wal", "-shm"):
                (folders[-1] / f"{DATABASE}{end}").unlink(missing_ok=True)
    return Told(folders, mails)


@pytest.fixture
def restored(told: Told, tmp_path: Path) -> Iterator[Callable[[int | None, int], Walk]]:
    """After step `now` the database of step `then` is put back (None: a new one is made)."""
    walks = []

    def restore(then: int | None, now: int) -> Walk:
        shutil.copytree(told.folders[now], tmp_path / "walk")
        (tmp_path / "walk" / DATABASE).unlink()
        if then is not None:
            shutil.copy(told.folders[then] / DATABASE, tmp_path / "walk" / DATABASE)
        walks.append(Walk(tmp_path / "walk").opened())
        return walks[-1]

    yield restore
    for walk in walks:
        walk.store.close()


def test_the_story_mails_what_it_is_about(told: Told) -> None:
    assert told.mails == [
        [],
        [],
        [(name, "course-2w", "2019-02-12") for name in ("amina", "bao", "chloe")],
        [(name, "moved", "2019-02-19") for name in ("amina", "bao", "chloe")],
        [],
        [(name, "moved", "2019-02-20") for name in ("amina", "chloe")],
        [(name, "course-2w", "2019-02-20") for name in ("amina", "chloe")],
        [(name, "course-3d", "2019-02-20") for name in ("amina", "chloe", "dora")],
        [],
    ]


ALL = os.environ.get("RESTORES") == "all"
PAIRS = [
    (then, now)
    for now in range(len(STORY))
    for then in [None, *range(now)]
    if ALL or then in (0, now // 2, now - 1) or (then is None and now in (0, 2, 5))
]


@pytest.mark.parametrize(("then", "now"), PAIRS)
def test_nobody_gets_a_mail_twice_or_after_leaving(
    told: Told, restored: Callable[[int | None, int], Walk], then: int | None, now: int
) -> None:
    walk = restored(then, now)
    """In doubt is only the mail of somebody who is new to the old database too, if the first one sent her none."""
    forgotten = any(told.mails[(then or 0) + 1 : now + 1]) or (then or 0) < 4 <= now
    assert walk.at(AT[now]) == [], "nothing is sent that the journal knows to be sent"
    if forgotten:
        assert health(walk.service, utc(AT[now])).faults == (BEHIND,)
        done = repair(walk.service, utc(AT[now]))
        assert done is not None
        assert (done.unmatched, done.unmatched_left) == (0, 0)
    assert repair(walk.service, utc(AT[now])) is None
    after = [walk.deliver(AT[now]), *(step(walk) for step in STORY[now + 1 :])]
    before = [mail for mails in told.mails[: now + 1] for mail in mails]
    got = Counter([*before, *(mail for mails in after for mail in mails)])
    assert set(got.values()) == {1}, "nobody gets a mail twice"
    assert set(got) - {("dora", "course-2w", "2019-02-20")} == {mail for mails in told.mails for mail in mails}
    assert health(walk.service, utc(AT[-1])).faults == ()
    assert backups.check(f"sqlite:///{walk.folder / DATABASE}") == []


def test_without_the_journal_they_would(told: Told, restored: Callable[[int | None, int], Walk]) -> None:
    walk = restored(1, 2)
    (walk.folder / JOURNAL).unlink()
    assert walk.at(AT[2]) == told.mails[2]


def test_a_journal_that_is_gone_is_told_once_and_begun_anew(
    restored: Callable[[int | None, int], Walk], caplog: pytest.LogCaptureFixture
) -> None:
    walk = restored(5, 5)
    (walk.folder / JOURNAL).unlink()
    assert walk.deliver(AT[5]) == walk.deliver(AT[5]) == []
    assert [record.message.partition(" is ")[2] for record in caplog.records] == [
        "gone, and a new one begins: after a backup is restored, mails may go twice"
    ]
    join_first(walk)
    assert len(remind_again(walk)) == 3
    assert health(walk.service, utc(AT[7])).faults == ()
    assert walk.deliver(AT[7]) == []


def test_a_journal_that_is_shorter_than_it_was_goes_on(
    told: Told, restored: Callable[[int | None, int], Walk], caplog: pytest.LogCaptureFixture
) -> None:
    walk = restored(6, 6)
    shutil.copy(told.folders[2] / JOURNAL, walk.folder / JOURNAL)
    assert walk.deliver(AT[6]) == walk.deliver(AT[6]) == []
    assert [record.message.partition(" is ")[2] for record in caplog.records] == [
        "shorter than it was: after a backup is restored, mails may go twice"
    ]
    assert remind_again(walk) == told.mails[7]


def test_files_that_are_not_accepted_are_put_right_before_the_repair(
    restored: Callable[[int | None, int], Walk],
) -> None:
    """A correction would follow from what is published, against what the journal says people were told."""
    walk = restored(2, 5)
    walk.events("  - id: talking\n    titel: Talking\n")
    with pytest.raises(BadInput, match="titel"):
        repair(walk.service, utc(AT[5]))
    assert walk.deliver(AT[5]) == []


def test_a_journal_of_another_key_is_counted_and_left_alone(restored: Callable[[int | None, int], Walk]) -> None:
    walk = restored(1, 5)
    (walk.folder / "var" / "secret.key").write_text("k" * 40)
    walk.store.close()
    walk = walk.opened()
    assert walk.deliver(AT[5]) == []
    assert repair(walk.service, utc(AT[5])) == Repaired(unmatched=8, unmatched_left=1)
    walk.store.close()


def test_what_a_pass_recorded_is_not_read_again(told: Told, restored: Callable[[int | None, int], Walk]) -> None:
    walk = restored(7, 7)
    place = walk.service.journal.place()
    assert place is not None
    with walk.store.reading() as tx:
        assert replay.position(tx, place.identity) == place.size


def test_a_mail_cannot_be_sent_that_cannot_be_kept_in_mind(restored: Callable[[int | None, int], Walk]) -> None:
    """The journal cannot be written: nothing is sent on the strength of the database alone."""
    walk = restored(2, 2)
    (walk.folder / JOURNAL).unlink()
    (walk.folder / JOURNAL).mkdir()
    move(walk)
    transport = FolderTransport(walk.folder / "var" / "outbox")
    done = asyncio.run(deliver(walk.service, transport, FixedClock(utc(AT[3])), "w"))
    assert done.sent == 0
    assert "sent.journal cannot be read and written" in done.fault
    assert any("sent.journal" in fault for fault in health(walk.service, utc(AT[3])).faults)
    (walk.folder / JOURNAL).rmdir()
    assert len(walk.deliver(AT[3])) == 3


def left(walk: Walk) -> list[tuple[int, str]]:
    """Who left and how, as the journal has it."""
    place = walk.service.journal.place()
    entries = [line.entry for line in walk.service.journal.lines(place, 0)] if place else []
    return [(each.subscriber, each.how) for each in entries if isinstance(each, Left)]


def test_whoever_leaves_is_in_the_journal_by_whatever_way(restored: Callable[[int | None, int], Walk]) -> None:
    walk = restored(2, 2)
    reader = StoreReader(walk.service, FixedClock(utc(AT[2])))
    token = walk.service.token(2)
    assert reader.leave(token, "one-click")
    assert reader.leave(token, "page"), "again, which changes nothing"
    assert not reader.leave("nobody", "page")
    assert typed("subscribers", "leave", "amina@example.org", *config(walk.config)).code == 0
    assert left(walk) == [(2, "one-click"), (1, "operator")]
    assert walk.deliver(AT[2]) == []
    assert health(walk.service, utc(AT[2])).faults == ()


def test_somebody_leaves_also_when_the_journal_cannot_be_written(
    restored: Callable[[int | None, int], Walk], caplog: pytest.LogCaptureFixture
) -> None:
    walk = restored(2, 2)
    (walk.folder / JOURNAL).unlink()
    (walk.folder / JOURNAL).mkdir()
    assert StoreReader(walk.service, FixedClock(utc(AT[2]))).leave(walk.service.token(2), "page")
    with walk.store.reading() as tx:
        person = people.by_address(tx, "bao@example.org")
    assert person is not None
    assert person.left_at == utc(AT[2])
    assert "would bring subscriber 2 back" in caplog.text


def test_a_new_database_says_at_once_that_the_journal_knows_more(restored: Callable[[int | None, int], Walk]) -> None:
    walk = restored(2, 2)
    walk.store.close()
    (walk.folder / DATABASE).unlink()
    assert BEHIND in typed("db", "init", *config(walk.config)).out


def test_workers_that_send_side_by_side_leave_nothing_unread(restored: Callable[[int | None, int], Walk]) -> None:
    """Their lines stand in turns in one file; what one settled lies beyond what the other has not yet."""
    walk = restored(1, 1)
    walk.people(*(f"person{number}" for number in range(24)), "chloe", "amina", "bao")
    walk.refresh("2019-01-28T16:00")
    walk.remind("2019-01-28T16:00")
    walk.remind("2019-01-29T09:00")

    async def both() -> int:
        async with serving(slow=0.02, slow_steps=["DOT"]) as server:
            clock = FixedClock(utc("2019-01-29T09:00"))
            passes = (
                deliver(walk.service, SmtpTransport("127.0.0.1", server.port, security="none"), clock, owner)
                for owner in ("one", "other")
            )
            assert all(done.sent for done in await asyncio.gather(*passes))
            return len(server.received)

    assert asyncio.run(both()) == 27
    walk.deliver("2019-01-29T09:00")
    place = walk.service.journal.place()
    assert place is not None
    assert [line.entry for line in walk.service.journal.lines(place, 0)].count(None) == 0
    with walk.store.reading() as tx:
        assert replay.position(tx, place.identity) == place.size
    assert health(walk.service, utc("2019-01-29T09:01")).faults == ()
