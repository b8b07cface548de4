"""The service is stopped and started again around every moment that matters: nothing is lost, nothing comes in heaps.

With the real store, files and mails, at instants that the test chooses; a service that is down makes no pass.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from reminders.catalogue.events import Status, read_fact
from reminders.jobs import remind as reminding
from reminders.jobs.refresh import REMINDED_UNTIL
from reminders.planning import plan
from reminders.planning.notices import NoticeKind, Reason
from reminders.store import events, people, replay, state, tables
from reminders.store.rows import Row
from tests.builders import utc
from tests.flows.walk import SETTINGS, Walk

START = utc("2018-11-23T09:00")
END = utc("2019-03-01T09:00")
MOMENT = timedelta(minutes=1)

LADDERS = {
    "closes": [  # a deadline on 14 December 2018 at 10:00: when each rung is due, until when it is of use, what ends it
        ("close-1w", "2018-12-07T10:00", "2018-12-14T08:00", Reason.SUPERSEDED),
        ("close-2h", "2018-12-14T08:00", "2018-12-14T10:00", Reason.EXPIRED),
    ],
    "talking": [  # a course on 12 December 2018, all day
        ("course-2w", "2018-11-28T09:00", "2018-12-09T09:00", Reason.SUPERSEDED),
        ("course-3d", "2018-12-09T09:00", "2018-12-13T00:00", Reason.EXPIRED),
    ],
}
RULES = """\
kinds:
  applications-close: {label: Applications close, deadline: true}
  course: {label: Course}
rules:
  - {id: close-1w, about: applications-close, send: 1 week before at 10:00}
  - {id: close-2h, about: applications-close, send: 2 hours before}
  - {id: course-2w, about: course, send: 2 weeks before at 09:00}
  - {id: course-3d, about: course, send: 3 days before at 09:00}
"""
EVENTS = """\
  - {id: closes, title: Fellows, dates: {applications-close: 2018-12-14T10:00}}
  - {id: talking, title: Talking, dates: {course: 2018-12-12}}
"""
TURNS = sorted({utc(at) for ladder in LADDERS.values() for _, *ats, _ in ladder for at in ats})
"""When a rung is due, or of no use any more."""
AROUND = [turn + away for turn in TURNS for away in (-MOMENT, timedelta(), MOMENT)]

Outcome = dict[tuple[str, str], tuple[str, str, str]]
"""(event, rule) -> state, reason, when it was settled."""


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """A service of one person that has just begun."""
    settings = SETTINGS + "brake: off\n"  # the same days are lived through again and again
    with Walk(tmp_path_factory.mktemp("downtime"), settings=settings, rules=RULES) as walk:
        walk.people("amina")
        walk.events(EVENTS)
        walk.at(START.isoformat())
        yield walk


def begin_anew(walk: Walk) -> None:
    """As it stood when it had just begun."""
    with walk.store.writing() as tx:
        for table in (tables.attempt, tables.history, tables.outbox):
            tx.execute(delete(table))
        state.put(tx, REMINDED_UNTIL, START)
        replay.forget(tx)
    walk.service.journal.path.unlink(missing_ok=True)


def lived_through(walk: Walk, stop: datetime, start: datetime) -> Outcome:
    """What becomes of each reminder when the service is down from just after `stop` until `start`."""
    begin_anew(walk)
    for now in sorted({*TURNS, stop, start, END}):
        if now <= stop or now >= start:
            walk.remind(now.isoformat())
            walk.deliver(now.isoformat())
    found = {}
    for row in walk.rows():
        assert row.settled_at is not None, row
        at = row.settled_at.isoformat() if row.state == "sent" else ""
        key = (row.notice.event, row.notice.rule)
        assert key not in found, "owed twice"
        found[key] = (row.state, row.reason, at)
    return found


def expected(stop: datetime, start: datetime) -> Outcome:
    """The same by the policy, from the table above."""
    outcome: Outcome = {}
    for event, ladder in LADDERS.items():
        for rule, due, useless, reason in ladder:
            up = utc(due) <= stop or utc(due) >= start
            noticed = utc(due) if up else start
            gone = noticed >= utc(useless)
            outcome[event, rule] = ("dropped", reason.value, "") if gone else ("sent", "", noticed.isoformat())
    return outcome


def violations(walk: Walk) -> list[str]:
    """The pairs of stop and start after which a reminder did not end as it should."""
    return [
        f"down {stop:%d %b %H:%M} to {start:%d %b %H:%M}: {found}"
        for stop, start in combinations(AROUND, 2)
        if (found := lived_through(walk, stop, start)) != expected(stop, start)
    ]


def test_around_every_rung_each_reminder_is_sent_once_or_dropped_for_the_right_reason(walk: Walk) -> None:
    assert len(AROUND) == 3 * 6
    assert violations(walk) == []


def test_a_policy_that_is_broken_is_caught(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    down = utc("2018-12-01"), utc("2018-12-14T09:00")
    assert lived_through(walk, *down) == expected(*down)
    for spoil in SPOILT:
        with monkeypatch.context() as patch:
            spoil(patch)
            assert lived_through(walk, *down) != expected(*down), spoil.__name__


def everything_goes(patch: pytest.MonkeyPatch) -> None:
    """Whatever was missed is sent, however late."""
    due = plan.due

    def spoilt(*given: Any, **more: Any) -> Any:
        return [replace(each, dropped=None, expires_at=END) for each in due(*given, **more)]

    patch.setattr(plan, "due", spoilt)


def nothing_is_caught_up(patch: pytest.MonkeyPatch) -> None:
    """A pass looks at what became due within the last minute, and at nothing before."""
    due = plan.due

    def spoilt(*given: Any, since: datetime, now: datetime, **more: Any) -> Any:
        return due(*given, since=max(since, now - MOMENT), now=now, **more)

    patch.setattr(plan, "due", spoilt)


def the_dropped_are_not_recorded(patch: pytest.MonkeyPatch) -> None:
    """What is not sent leaves no row."""
    due = plan.due
    patch.setattr(plan, "due", lambda *given, **more: [each for each in due(*given, **more) if each.dropped is None])


SPOILT: list[Callable[[pytest.MonkeyPatch], None]] = [
    everything_goes,
    nothing_is_caught_up,
    the_dropped_are_not_recorded,
]


# Any catalogue, and people who join and leave while it is up or down

hours = st.integers(0, 24 * 80).map(lambda number: START + number * timedelta(hours=1))
WHENS = ["2018-12-12", "2018-12-20T09:30", "2019-01-04", "2019-01-07T10:00", "2019-01-28", "2019-01", "tba"]


@dataclass(frozen=True)
class Edit:
    """Staff edit the files: an event's date, whether it is off, or who is invited."""

    event: str = ""
    when: str = ""
    status: str = "planned"
    joins: str = ""


@dataclass
class Life:
    """What happens to a service, and when it is down."""

    edits: list[tuple[datetime, Edit]]
    leaves: list[datetime]
    downs: list[tuple[datetime, datetime]]
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    invited: list[str] = field(default_factory=lambda: ["amina"])


edits = st.one_of(
    st.builds(
        Edit,
        event=st.sampled_from(["closes", "talking"]),
        when=st.sampled_from(WHENS),
        status=st.sampled_from(["planned", "planned", "planned", "cancelled", "postponed"]),
    ),
    st.builds(Edit, joins=st.sampled_from(["bao", "chloe"])),
)
lives = st.builds(
    Life,
    edits=st.lists(st.tuples(hours, edits), max_size=6),
    leaves=st.lists(hours, max_size=1),
    downs=st.lists(st.tuples(hours, hours).map(sorted).map(tuple), max_size=3),
)


def up(life: Life, now: datetime) -> bool:
    return not any(stop < now < start for stop, start in life.downs)


def apply(walk: Walk, life: Life, edit: Edit) -> None:
    if edit.joins and edit.joins not in life.invited:
        life.invited.append(edit.joins)
    if edit.event:
        life.files[edit.event] = (edit.when, edit.status)
    walk.people(*life.invited)
    kinds = {"closes": "applications-close", "talking": "course"}
    walk.events(
        "".join(
            f"  - {{id: {id}, title: {id}, dates: {{{kinds[id]}: {{when: {when}, status: {status}}}}}}}\n"
            for id, (when, status) in life.files.items()
        )
    )


def live(walk: Walk, life: Life) -> None:
    """Go through it, a pass at each instant at which something happens or becomes due; check each pass as it comes."""
    apply(walk, life, Edit("closes", "2018-12-14T10:00"))
    apply(walk, life, Edit("talking", "2018-12-12"))
    happens = sorted(life.edits, key=lambda each: each[0])
    leaves = sorted(life.leaves)
    starts = [start for _, start in life.downs]
    now = START
    while now < END:
        while happens and happens[0][0] <= now:
            apply(walk, life, happens.pop(0)[1])
        if up(life, now):
            while leaves and leaves[0] <= now:
                leaves.pop(0)
                walk.leave("amina", now.isoformat())
            look(walk, now)
        later = [at for at, _ in happens] + leaves + starts
        instant = reminding.next_due(walk.service, now)
        now = min((at for at in [*later, instant] if at is not None and at > now), default=END)
    look(walk, END)


def look(walk: Walk, now: datetime) -> None:
    """One pass, and that no mail of it is early, late, or one of several about one date."""
    walk.refresh(now.isoformat(), release=True)
    walk.remind(now.isoformat())
    walk.deliver(now.isoformat())
    mails = [each for each in walk.handled if each.state == "sent"]
    about = Counter((each.notice.subscriber, each.notice.event) for each in mails)
    assert all(number == 1 for number in about.values()), (now, mails)
    for each in mails:
        when, status = read_fact(each.notice.fact)
        assert each.notice.due_at <= now < each.notice.expires_at
        if each.notice.kind is NoticeKind.REMINDER:
            assert status is Status.PLANNED
            assert when.over is not None and now < when.over, "a reminder of what is over"


def accounted(walk: Walk) -> None:
    """Every reminder that the facts ask for has a row, every row is settled, and what is not sent says why."""
    rows = walk.rows()
    assert len({row.notice.key for row in rows}) == len(rows)
    for row in rows:
        assert row.state in ("sent", "dropped"), row
        assert (row.reason in set(Reason)) == (row.state == "dropped"), row
    outbox = walk.folder / "var" / "outbox"
    mails = len(list(outbox.iterdir())) if outbox.exists() else 0
    assert mails == sum(row.state == "sent" for row in rows)
    assert missing(walk, rows) == []


def missing(walk: Walk, rows: list[Row]) -> list[tuple[str, str, int]]:
    """The rungs of the dates as they stand that were of use to somebody who is there, and of which no row speaks."""
    known = {(row.notice.event, row.notice.rule, row.notice.subscriber, row.notice.fact) for row in rows}
    found = []
    with walk.store.reading() as tx:
        book = walk.service.book(tx)
        assert book is not None
        read = book.configuration
        members = people.subscribers(tx, read.audiences)
        for event in events.published(tx).values():
            for dated in event.dates:
                ladder = plan.rungs(event.event, dated.date, read.kinds[dated.date.kind], read.rules, "ENG")
                for number, rung in enumerate(ladder):
                    useless = min([rung.useless_at, *(each.due_at for each in ladder[number + 1 :])])
                    for id, person in members.items():
                        there = max(dated.known_at, person.joined_at)
                        stays = person.left_at is None
                        key = (event.event.id, rung.rule.id, id, dated.date.fact)
                        if stays and useless > max(there, START) and key not in known:
                            found.append(key[:3])
    return found


def survive(template: Path, life: Life) -> None:
    """A service in a folder of its own that goes through it, and is looked at in the end."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "var").mkdir()
        shutil.copy(template, Path(folder) / "var" / "reminders.sqlite")
        with Walk(Path(folder), settings=SETTINGS, rules=RULES) as walk:
            live(walk, life)
            accounted(walk)


@settings(max_examples=25, deadline=None)
@given(life=lives)
def test_whatever_happens_while_it_is_up_or_down_each_reminder_is_accounted_for(
    sqlite_template: Path, life: Life
) -> None:
    survive(sqlite_template, life)


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_broken_policy_does_not_survive_that(
    sqlite_template: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[pytest.MonkeyPatch], None]
) -> None:
    def down() -> Life:
        return Life([], [], [(utc("2018-12-01"), utc("2018-12-14T09:00"))])

    survive(sqlite_template, down())
    spoil(monkeypatch)
    with pytest.raises(AssertionError):
        survive(sqlite_template, down())
