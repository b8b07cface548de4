"""The brake: what looks like an accident is held as a whole and nothing of it sent; what is ordinary goes.

Each accident is told as what somebody did wrong. With the brake off the same accident mails people: so these tests see
the brake, and not something else that stopped it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from freezegun.api import FrozenDateTimeFactory

from reminders.catalogue.events import Kind, PublishedEvent
from reminders.jobs.health import health
from reminders.jobs.refresh import Refreshed
from reminders.jobs.release import release
from reminders.jobs.remind import Reminded, remind
from reminders.jobs.service import Service
from reminders.jobs.tidy import tidy
from reminders.planning import plan
from reminders.planning.notices import Notice, NoticeKind
from reminders.planning.rules import Rule
from reminders.planning.subscribers import Subscriber
from reminders.store import ledger, schema
from tests.builders import utc
from tests.flows.console import config, typed
from tests.flows.service import Place, relay, time_from_now, wait_for
from tests.flows.walk import SETTINGS, Walk

RULES = """\
kinds:
  closes: {label: Applications close, deadline: true}
  course: {label: Course}
  visit: {label: Visit}
rules:
  - {id: closes-1w, about: closes, send: 1 week before at 09:00}
  - {id: course-3d, about: course, send: 3 days before at 09:00, audiences: few}
  - {id: visit-after, about: visit, send: 1 day after at 09:00}
"""
START = "2018-11-23T09:00"
EVERYBODY = 60


def people(walk: Walk, few: int, everybody: int = EVERYBODY) -> None:
    """So many people of whom the first few are in an audience of their own too."""
    members = [f"person{number}@example.org" for number in range(max(few, everybody))]

    def audience(id: str, size: int) -> str:
        return f"  {id}:\n    label: {id}\n    members: [{', '.join(members[:size])}]\n"

    walk.write("audiences.yaml", "audiences:\n" + audience("all", everybody) + audience("few", few))


def catalogue(walk: Walk, **dates: str) -> None:
    """The files hold these events, each ``kind when``; underscores stand for hyphens in the id."""
    items = ""
    for id, said in dates.items():
        kind, when = said.split()
        items += f"  - {{id: {id.replace('_', '-')}, title: About {id}, dates: {{{kind}: {when}}}}}\n"
    walk.events(items)


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """A service of 60 people whose plan was accepted: everybody is mailed on 7 December, four people on 9 January."""
    with Walk(tmp_path, rules=RULES) as walk:
        begin(walk)
        yield walk


def begin(walk: Walk) -> None:
    people(walk, few=4)
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12")
    walk.refresh(START)
    walk.remind(START)
    release(walk.service, utc(START))


def states(walk: Walk) -> dict[str, int]:
    with walk.store.reading() as tx:
        return {state: count for state, count in ledger.counts(tx).items() if count and state != "dropped"}


def look(walk: Walk, at: str) -> Reminded:
    """One look of the daemon, without sending."""
    walk.refresh(at)
    return walk.remind(at)


# What somebody did wrong, each with the instant at which it would mail people, and how many mails that would be.


def an_ignored_date_range(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """GoCardless, 24 May 2022: the query lost its range, and all of history was mailed."""

    def everything_ever(
        events: Iterable[PublishedEvent],
        rules: tuple[Rule, ...],
        kinds: Mapping[str, Kind],
        subscribers: Iterable[Subscriber],
        *,
        now: datetime,
        nation: str,
        **ignored: object,
    ) -> list[Notice]:
        members = list(subscribers)
        return [
            Notice(
                NoticeKind.REMINDER,
                each.event.id,
                *date.key,
                person.id,
                date.fact,
                rung.due_at,
                now + timedelta(days=1),
                rule=rung.rule.id,
            )
            for each in events
            for date in each.event.dates
            for rung in plan.rungs(each.event, date, kinds[date.kind], rules, nation)
            for person in members
            if rung.due_at <= now
        ]

    past = {f"past_{year}": f"closes {year}-06-01" for year in range(2010, 2018)}
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", **past)
    walk.refresh("2018-11-24T09:00")
    walk.remind("2018-11-24T09:00")
    monkeypatch.setattr(plan, "due", everything_ever)
    return "2018-11-26T12:00", 8 * EVERYBODY


def a_wrong_year(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """2062 becomes 2018: the reminder would have been due this morning, for everybody."""
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", far="closes 2062-12-03T10:00")
    look(walk, "2018-11-24T09:00")
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", far="closes 2018-12-03T10:00")
    return "2018-11-26T12:00", EVERYBODY


def five_hundred_past_events(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """An archive is imported; the visits of the last week are still of use to a rule that looks back."""
    last = utc("2018-11-25")
    old = {f"old_{number}": f"visit {last - timedelta(days=number):%Y-%m-%d}" for number in range(500)}
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", **old)
    return "2018-11-26T12:00", 7 * EVERYBODY


def an_audience_that_became_everybody(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """The list of a few is exported without its filter: hundreds would get what was for four."""
    people(walk, few=300)
    refreshed = walk.refresh("2018-11-26T12:00")
    assert refreshed.surplus is not None
    assert (refreshed.surplus.days, refreshed.surplus.mails) == (2, 300)
    return "2019-01-09T09:00", 300


ACCIDENTS = [an_ignored_date_range, a_wrong_year, five_hundred_past_events, an_audience_that_became_everybody]
Accident = Callable[[Walk, pytest.MonkeyPatch], tuple[str, int]]
accidents = pytest.mark.parametrize("accident", ACCIDENTS)


@accidents
def test_an_accident_is_held_as_a_whole_and_nothing_is_sent(
    accident: Accident, walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, mails = accident(walk, monkeypatch)
    before = states(walk)
    reminded = look(walk, at)
    (stopped,) = reminded.stopped
    assert (reminded.owed, stopped.mails) == (0, mails)
    assert len(stopped.first) == 5
    assert walk.deliver(at) == []
    assert states(walk) == before | {"held": mails}
    assert f"Mails that are held: {mails}." in " ".join(health(walk.service, utc(at)).warnings)
    # Looking again, or later, neither sends nor holds more.
    later = f"{utc(at) + timedelta(hours=1):%Y-%m-%dT%H:%M}"
    assert look(walk, later) == Reminded()
    assert walk.deliver(later) == []


@accidents
def test_what_was_held_goes_when_it_is_released(
    accident: Accident, walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, mails = accident(walk, monkeypatch)
    (stopped,) = look(walk, at).stopped
    done = release(walk.service, utc(at), batches=[stopped.batch])
    assert (len(done.ids), len(done.first)) == (mails, 5)
    assert len(walk.deliver(at)) == mails


@accidents
def test_with_the_brake_off_the_same_accident_mails_people(
    accident: Accident, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Walk(tmp_path, settings=SETTINGS + "brake: off\n", rules=RULES) as walk:
        begin(walk)
        if accident is an_audience_that_became_everybody:
            people(walk, few=300)
            at, mails = "2019-01-09T09:00", 300
        else:
            at, mails = accident(walk, monkeypatch)
        assert look(walk, at).owed == mails


def test_an_accident_that_is_mended_leaves_nothing_to_send(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    at, _ = a_wrong_year(walk, monkeypatch)
    look(walk, at)
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", far="closes 2062-12-03T10:00")
    look(walk, "2018-11-26T13:00")
    release(walk.service, utc("2018-11-26T13:00"))
    assert walk.deliver("2018-11-26T13:00") == []
    assert ("closes-1w", "dropped", "moved") in walk.outbox()


def test_a_flood_in_small_passes_is_held_once_the_day_has_brought_enough(walk: Walk) -> None:
    """One event a minute, each for everybody's four: no pass is large, and the day is."""
    known: dict[str, str] = {"usual": "closes 2018-12-14T10:00", "small": "course 2019-01-12"}
    owed, held = [], []
    for minute in range(20):
        known[f"flood_{minute}"] = "course 2018-11-28"
        catalogue(walk, **known)
        done = look(walk, f"2018-11-26T12:{minute:02}")
        owed.append(done.owed)
        held.append(done.held)
        walk.deliver(f"2018-11-26T12:{minute:02}")
    assert owed == [4] * 12 + [0] * 8
    assert held == [0] * 12 + [4] * 8
    assert states(walk) == {"sent": 48, "held": 32}


def test_a_restart_does_not_forget_what_the_day_has_brought(walk: Walk) -> None:
    known: dict[str, str] = {"usual": "closes 2018-12-14T10:00", "small": "course 2019-01-12"}
    for minute in range(20):
        known[f"flood_{minute}"] = "course 2018-11-28"
        catalogue(walk, **known)
        look(walk, f"2018-11-26T12:{minute:02}")
        restart(walk)
    assert states(walk) == {"owed": 48, "held": 32}


def restart(walk: Walk) -> None:
    """The process ends, and another one begins."""
    url = f"sqlite:///{walk.folder / 'var' / 'reminders.sqlite'}"
    walk.store.close()
    walk.store = schema.open_store(url)
    walk.service = Service(walk.service.settings, walk.config, walk.store, b"k" * 40)


def test_two_workers_hold_the_same_batch_once(tmp_path: Path, empty_url: str) -> None:
    with Walk(tmp_path, rules=RULES, database=empty_url) as walk:
        begin(walk)
        catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", late="closes 2018-11-29T10:00")
        at = utc("2018-11-26T12:00")
        walk.refresh("2018-11-26T12:00")
        other = schema.open_store(empty_url)
        services = [walk.service, Service(walk.service.settings, walk.config, other, b"k" * 40)] * 2
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda each: remind(each, at), services))
        other.close()
        assert sorted(each.held for each in done) == [0, 0, 0, EVERYBODY]
        assert states(walk) == {"held": EVERYBODY}


# What is ordinary.


def test_on_a_first_start_the_operator_accepts_the_plan_once(tmp_path: Path) -> None:
    with Walk(tmp_path, rules=RULES) as walk:
        people(walk, few=4)
        catalogue(walk, usual="closes 2018-12-14T10:00", next="closes 2018-12-21T10:00")
        refreshed = walk.refresh(START)
        assert refreshed.surplus is not None
        assert (refreshed.surplus.days, refreshed.surplus.mails, f"{refreshed.surplus.first}") == (2, 60, "2018-12-07")
        assert look(walk, "2018-12-07T09:00").held == EVERYBODY
        assert walk.deliver("2018-12-07T09:00") == []
        assert any("plan foresees" in words for words in health(walk.service, utc("2018-12-07T09:00")).warnings)
        done = release(walk.service, utc("2018-12-07T09:10"))
        assert (len(done.ids), done.plan) == (EVERYBODY, {utc("2018-12-14").date(): EVERYBODY})
        assert len(walk.deliver("2018-12-07T09:10")) == EVERYBODY
        assert not any("plan foresees" in words for words in health(walk.service, utc("2018-12-07T09:00")).warnings)
        assert len(walk.at("2018-12-14T09:00")) == EVERYBODY


def test_a_small_service_never_notices(tmp_path: Path) -> None:
    with Walk(tmp_path, rules=RULES) as walk:
        people(walk, few=4, everybody=25)
        catalogue(walk, one="closes 2018-12-14T10:00")
        assert walk.refresh(START).surplus is None
        assert len(walk.at("2018-12-07T09:00")) == 25
        catalogue(walk, one="closes 2018-12-14T10:00", last_minute="closes 2018-12-10T10:00")
        assert len(walk.at("2018-12-07T10:00")) == 25
        assert states(walk) == {"sent": 50}


def test_a_plan_that_was_accepted_is_mailed_on_its_day(walk: Walk) -> None:
    assert len(walk.at("2018-12-07T09:00")) == EVERYBODY
    assert len(walk.at("2019-01-09T09:00")) == 4


def test_ordinary_events_more_are_accepted_by_themselves(walk: Walk) -> None:
    more = {f"more_{number}": "closes 2018-12-14T16:00" for number in range(2)}
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", **more)
    assert walk.refresh("2018-11-26T12:00").surplus is None
    assert len(walk.at("2018-12-07T09:00")) == 3 * EVERYBODY


def test_more_events_than_are_usual_are_told_at_once_and_held_on_their_day(walk: Walk) -> None:
    more = {f"more_{number}": "closes 2019-02-14T16:00" for number in range(4)}
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", **more)
    refreshed = walk.refresh("2018-11-26T12:00")
    assert refreshed.surplus is not None
    assert "240 mails on 07 February 2019" in refreshed.surplus.words
    assert len(walk.at("2018-12-07T09:00")) == EVERYBODY
    assert walk.at("2019-02-07T09:00") == []
    assert states(walk) == {"sent": EVERYBODY, "held": 240}


def test_a_week_of_downtime_is_caught_up_with(walk: Walk) -> None:
    daily = {f"day_{day}": f"closes 2018-12-{14 + day}T10:00" for day in range(7)}
    catalogue(walk, small="course 2019-01-12", usual="closes 2018-12-14T10:00", **daily)
    assert walk.refresh("2018-11-26T12:00").surplus is None
    walk.remind("2018-12-06T20:00")
    caught_up = look(walk, "2018-12-13T12:00")
    assert (caught_up.owed, caught_up.held) == (8 * EVERYBODY, 0)
    # And the rest of the day does not suffer from it.
    catalogue(walk, small="course 2019-01-12", usual="closes 2018-12-14T10:00", late="course 2018-12-14", **daily)
    assert look(walk, "2018-12-13T13:00").owed == 4


def test_what_was_missed_is_foreseen_once(walk: Walk) -> None:
    """A flood that comes with the catch-up of one day is not hidden by it on the next."""
    walk.remind("2018-12-06T20:00")
    assert look(walk, "2018-12-08T12:00").owed == EVERYBODY
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", late="closes 2018-12-12T10:00")
    assert look(walk, "2018-12-09T09:00").held == EVERYBODY


def test_what_was_mailed_yesterday_is_not_foreseen_for_today_as_well(walk: Walk) -> None:
    """The first pass after midnight makes up for yesterday: for what yesterday did not bring."""
    assert look(walk, "2018-12-07T09:00").owed == EVERYBODY
    walk.remind("2018-12-07T23:59")
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", late="closes 2018-12-12T10:00")
    assert look(walk, "2018-12-08T00:01").held == EVERYBODY


def test_mails_due_just_before_midnight_count_for_the_day_that_foresaw_them(tmp_path: Path) -> None:
    with Walk(tmp_path, rules=RULES.replace("1 week before at 09:00", "1 week before at 23:59")) as walk:
        begin(walk)
        walk.remind("2018-12-07T23:58")
        assert look(walk, "2018-12-08T00:01").owed == EVERYBODY


def test_who_was_told_a_date_that_moves_is_told_at_once(walk: Walk) -> None:
    """Nobody can foresee it, and it is urgent: it is measured by the busiest day on record."""
    walk.at("2018-12-07T09:00")
    catalogue(walk, usual="closes 2018-12-19T10:00", small="course 2019-01-12")
    moved = walk.refresh("2018-12-10T08:00")
    assert (moved.owed, moved.held) == (EVERYBODY, 0)
    assert len(walk.at("2018-12-10T08:01")) == EVERYBODY


def test_a_correction_does_not_hold_the_reminders_of_its_day(walk: Walk) -> None:
    walk.at("2018-12-07T09:00")
    catalogue(walk, usual="closes 2019-01-30T10:00", small="course 2019-01-12")
    walk.at("2018-12-07T10:00")
    catalogue(walk, usual="closes 2019-01-31T10:00", small="course 2019-01-12")
    assert len(walk.at("2019-01-09T08:00")) == EVERYBODY
    assert len(walk.at("2019-01-09T09:00")) == 4


def test_a_date_that_is_announced_to_everybody_is_told_where_that_is_usual(walk: Walk) -> None:
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", open="closes 2019-03")
    walk.refresh("2018-11-26T12:00")
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", open="closes 2019-03-04")
    assert walk.refresh("2018-11-27T12:00").owed == EVERYBODY


def test_announcements_of_many_dates_at_once_are_held_as_one_batch(walk: Walk) -> None:
    def several(when: str) -> Refreshed:
        opens = {f"open_{number}": f"closes {when}" for number in range(4)}
        catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", **opens)
        return walk.refresh(at)

    at = "2018-11-26T12:00"
    several("2019-03")
    at = "2018-11-27T12:00"
    refreshed = several("2019-03-04")
    assert (refreshed.owed, refreshed.held) == (0, 4 * EVERYBODY)
    assert walk.deliver(at) == []
    release(walk.service, utc(at), batches=[refreshed.stopped[0].batch])
    assert len(walk.deliver(at)) == 4 * EVERYBODY


def test_a_share_of_all_people_holds_what_would_be_a_usual_number(tmp_path: Path) -> None:
    """Where everybody is mailed now and then, numbers alone say nothing; that half is the most an operator may say."""
    for share, held in ((0, 0), (50, 80)):
        folder = tmp_path / str(share)
        folder.mkdir()
        with Walk(folder, settings=SETTINGS + f"brake_share: {share}\n", rules=RULES) as walk:
            people(walk, few=4, everybody=80)
            catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12")
            walk.refresh(START)
            release(walk.service, utc(START))
            assert len(walk.at("2018-12-07T09:00")) == 80  # accepted by hand
            people(walk, few=80, everybody=80)
            assert (walk.refresh("2019-01-08T09:00").surplus is not None) == bool(held)
            assert look(walk, "2019-01-09T09:00").held == held


def test_tidying_accepts_the_days_that_come_into_sight(walk: Walk) -> None:
    """The files may stay as they are for years."""
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", far="closes 2020-03-14T10:00")
    walk.refresh("2018-11-26T12:00")
    for month in range(1, 13):
        tidy(walk.service, utc(f"2019-{month:02}-01T03:30"))
    walk.remind("2020-03-06T09:00")
    assert len(walk.at("2020-03-07T09:00")) == EVERYBODY


def test_without_tidying_they_would_be_held(walk: Walk) -> None:
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", far="closes 2020-03-14T10:00")
    walk.refresh("2018-11-26T12:00")
    walk.remind("2020-03-06T09:00")
    assert look(walk, "2020-03-07T09:00").held == EVERYBODY


def test_a_plan_is_not_accepted_step_by_step_by_being_looked_at(walk: Walk) -> None:
    """Days of 60, 180, 540 mails: what is accepted for days to come is no record for further ones."""
    crowded = {f"a_{n}": "closes 2019-03-14T10:00" for n in range(3)}
    crowded |= {f"b_{n}": "closes 2019-03-15T10:00" for n in range(9)}
    catalogue(walk, usual="closes 2018-12-14T10:00", small="course 2019-01-12", **crowded)
    walk.refresh("2018-11-26T12:00")
    for day in range(1, 6):
        tidied = tidy(walk.service, utc(f"2018-12-0{day}T03:30"))
        assert tidied.surplus is not None
        assert (tidied.surplus.days, tidied.surplus.mails) == (1, 540)


def test_releasing_single_notices_accepts_no_plan(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    at, _ = an_audience_that_became_everybody(walk, monkeypatch)
    look(walk, at)
    first = next(row.id for row in walk.rows() if row.state == "held")
    done = release(walk.service, utc(at), notices=[first])
    assert (done.ids, done.plan) == ((first,), None)
    assert len(walk.deliver(at)) == 1


def test_releasing_everything_leaves_alone_what_somebody_held_by_hand(walk: Walk) -> None:
    walk.refresh("2018-12-07T09:00")
    walk.remind("2018-12-07T09:00")
    first = walk.rows()[0].id
    with walk.store.writing() as tx:
        ledger.hold(tx, [first], now=utc("2018-12-07T09:00"))
    assert release(walk.service, utc("2018-12-07T09:01")).ids == ()
    assert len(walk.deliver("2018-12-07T09:01")) == EVERYBODY - 1


# What an operator sees and types.


def test_what_is_held_is_told_listed_and_released_by_commands(tmp_path: Path, clock: FrozenDateTimeFactory) -> None:
    with Walk(tmp_path, rules=RULES) as walk:
        people(walk, few=4)
        catalogue(walk, usual="closes 2018-12-14T10:00", next="closes 2018-12-21T10:00")
        clock.move_to(utc(START))
        refreshed = typed("refresh", *config(walk.config))
        assert refreshed.code == 0
        assert refreshed.err == (
            "the plan foresees more mails than are usual (60 mails on 07 December 2018, 2 such days in all): "
            "they will be held when they are due. If that is meant, `reminders outbox release` accepts the plan.\n"
        )
        clock.move_to(utc("2018-12-07T09:00"))
        reminded = typed("remind", *config(walk.config))
        assert reminded.code == 1
        assert reminded.err.startswith(
            "batch 1 is held, 60 mails, because this day may bring 50: usual closes closes-1w to subscriber 1; "
        )
        assert reminded.err.endswith(" `outbox discard 1` drops them.\n")
        listed = typed("outbox", "list", "held", "--limit", "1", *config(walk.config)).out.splitlines()
        assert listed[1] == "Held in batch 1: 60 mails, the first of them:"
        assert (len(listed), listed[-1]) == (8, "60 held")
        (batch,) = typed("outbox", "list", "--json", *config(walk.config)).json["held"]
        assert (batch["batch"], batch["mails"], len(batch["first"])) == (1, 60, 5)
        nothing = typed("outbox", "release", "99", *config(walk.config))
        assert (nothing.code, nothing.out.splitlines()[0]) == (1, "0 notices: none")
        one = typed("outbox", "release", "--notice", "1", *config(walk.config))
        assert (one.code, one.out.splitlines()[0], len(one.out.splitlines())) == (0, "1 notice: 1", 2)
        rest = typed("outbox", "release", "1", *config(walk.config))
        assert rest.code == 0
        assert rest.out.splitlines()[0].startswith("59 notices: 2, 3, ")
        assert rest.out.splitlines()[0].endswith(", 21 …")
        assert rest.out.splitlines()[-1] == (
            "The plan is accepted as it stands: at most 60 mails a day, on 14 December 2018."
        )
        clock.move_to(utc("2018-12-14T09:00"))
        assert typed("remind", *config(walk.config)).code == 0


def test_the_plan_is_accepted_by_release_alone_when_nothing_is_held(
    tmp_path: Path, clock: FrozenDateTimeFactory
) -> None:
    with Walk(tmp_path, rules=RULES) as walk:
        people(walk, few=4)
        clock.move_to(utc(START))
        nothing_yet = typed("outbox", "release", *config(walk.config))
        assert (nothing_yet.code, nothing_yet.out) == (0, "Nothing is held, and no plan is published yet.\n")
        catalogue(walk, usual="closes 2018-12-14T10:00")
        typed("refresh", *config(walk.config))
        done = typed("outbox", "release", *config(walk.config))
        assert (done.code, done.out) == (
            0,
            "Nothing is held.\nThe plan is accepted as it stands: at most 60 mails a day, on 07 December 2018.\n",
        )
        clock.move_to(utc("2018-12-07T09:00"))
        assert typed("remind", *config(walk.config)).code == 0


def test_a_running_service_says_what_it_holds_and_mails_it_after_the_release(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with relay(tmp_path / "kept.jsonl") as sink:
        place.settings(sink.port, brake_least=2)
        place.people(["amina@example.org", "bao@example.org", "chloe@example.org"])
        place.begin()
        place.event("talk", "closes", time_from_now(minutes=100))
        with place.running() as daemon:
            wait_for(lambda: "batch 1 is held, 3 mails, because this day may bring 2: talk closes" in daemon.printed())
            wait_for(lambda: any("Mails that are held: 3" in each for each in daemon.health()["warnings"]))
            assert sink.kept() == []
            place.command("outbox", "release", "1")
            wait_for(lambda: len(sink.kept()) == 3)


def test_a_service_without_a_brake_says_so_when_it_starts(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with relay(tmp_path / "kept.jsonl") as sink:
        place.settings(sink.port, brake="off")
        place.people(["amina@example.org"])
        place.begin()
        with place.running() as daemon:
            wait_for(lambda: "the brake is off" in daemon.printed())
