"""A period foretold is the period as it happens; and it happens alike however it is cut into passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from reminders.catalogue.events import Event, PublishedEvent
from reminders.catalogue.parse import parse_events
from reminders.planning.audiences import parse_audiences
from reminders.planning.notices import Notice, Reason, Told
from reminders.planning.plan import Addressee, due, next_due, rungs, still_wanted
from reminders.planning.rules import OnJoin, Rule, parse_rules
from reminders.planning.send import MOST, Unit, parse_send
from reminders.planning.simulate import simulate
from reminders.planning.subscribers import Selection, Subscriber
from tests.builders import CLOSING, COURSE, KINDS, LONDON, date, event, published, rule, subscriber, utc

CONFIG = Path(__file__).parents[2] / "config"
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
START = utc("2019-01-01")
END = START + timedelta(days=120)

minutes = st.integers(0, 60 * 24 * 60).map(lambda count: START + timedelta(minutes=count))
sends = st.one_of(
    st.builds(
        "{} {}s {} at 09:00".format,
        st.integers(1, 40),
        st.sampled_from(["day", "working day"]),
        st.sampled_from(["before", "after"]),
    ),
    st.builds("{} hours {}".format, st.integers(1, MOST[Unit.HOUR]), st.sampled_from(["before", "after"])),
    st.sampled_from(["on the day at 08:00", "2019-01-20T09:00"]),
)
groups = st.sampled_from([(), ("a",), ("a", "b")])


@st.composite
def rulebooks(draw: st.DrawFn) -> tuple[Rule, ...]:
    """Up to six rules about dates of both kinds, some for one audience."""
    return tuple(
        replace(
            rule(f"r{number}", parse_send(draw(sends)).text),
            about=tuple(KINDS),
            audiences=draw(st.sampled_from([(), ("a",), ("b",)])),
            on_join=draw(st.sampled_from(OnJoin)),
        )
        for number in range(draw(st.integers(1, 6)))
    )


@st.composite
def events(draw: st.DrawFn, id: str = "e") -> PublishedEvent:
    """An event of one date, known some time during the period."""
    when = draw(st.sampled_from(["2019-02-12", "2019-02-12T09:30", "2019-02-12/2019-02-14", "2019-02-04", "2019-02"]))
    kind = draw(st.sampled_from([COURSE.id, CLOSING.id]))
    return published(event(id, date(when, kind), level=draw(st.integers(1, 2))), known_at=draw(minutes))


@st.composite
def people(draw: st.DrawFn, id: int = 1) -> Subscriber:
    """Somebody who joins some time during the period."""
    follows = draw(st.sampled_from([(Selection(),), (Selection(levels=(1,)),), ()]))
    return subscriber(id, f"p{id}@example.org", joined_at=draw(minutes), audiences=draw(groups), follows=follows)


@given(rules=rulebooks(), dated=events(), person=people(), epoch=minutes, cuts=st.lists(minutes, max_size=8))
@example(  # everything at one instant
    rules=(rule("r0", "on the day at 08:00"), rule("r1", "2019-02-12T08:00")),
    dated=published(event("e", date("2019-02-12")), known_at=utc("2019-02-12T08:00")),
    person=subscriber(joined_at=utc("2019-02-12T08:00")),
    epoch=utc("2019-02-12T08:00"),
    cuts=[utc("2019-02-12T08:00")],
)
def test_how_a_period_is_cut_into_passes_changes_only_what_an_outage_made_useless(
    rules: tuple[Rule, ...], dated: PublishedEvent, person: Subscriber, epoch: datetime, cuts: list[datetime]
) -> None:
    (known,) = dated.dates
    ready = {known.known_at, person.joined_at}
    ready |= {rung.due_at for rung in rungs(dated.event, known.date, KINDS[known.date.kind], rules, "ENG")}

    def run(instants: set[datetime]) -> list[tuple[datetime, Notice]]:
        """The notices with the instants of their passes, of which the first is when the store begins."""
        since, found = BEFORE_ALL, []
        for now in sorted({each for each in instants if each > epoch} | {epoch, END}):
            notices = due([dated], rules, KINDS, [person], since=since, now=now, epoch=epoch, nation="ENG")
            found += [(now, notice) for notice in notices]
            since = now
        return found

    never_off = {notice.key: notice for _, notice in run(ready)}
    found = run(set(cuts))
    assert sorted(notice.key for _, notice in found) == sorted(never_off)  # each is accounted for, once
    for now, notice in found:
        same = never_off[notice.key]
        assert (notice.due_at, notice.expires_at) == (same.due_at, same.expires_at)
        if same.dropped or now < same.expires_at:
            assert notice.dropped is same.dropped
        else:
            assert notice.dropped in (Reason.SUPERSEDED, Reason.EXPIRED)
    mails = [(now, notice) for now, notice in found if notice.dropped is None]
    assert all(notice.due_at <= now < notice.expires_at for now, notice in mails)
    assert all(before.expires_at <= now for (_, before), (now, _) in pairwise(mails))  # one live at a time


@given(
    rules=rulebooks(),
    dated=st.tuples(events("one"), events("two")),
    known=st.tuples(people(1), people(2)),
    start=minutes,
    length=st.integers(0, 120),
)
def test_a_simulation_agrees_mail_for_mail_with_a_service_that_never_stops(
    rules: tuple[Rule, ...],
    dated: tuple[PublishedEvent, ...],
    known: tuple[Subscriber, ...],
    start: datetime,
    length: int,
) -> None:
    end = start + timedelta(days=length)
    foretold = simulate(dated, rules, KINDS, known, start=start, end=end, nation="ENG")
    assert foretold == served(dated, rules, known, start, end)


def served(
    dated: tuple[PublishedEvent, ...],
    rules: tuple[Rule, ...],
    known: tuple[Subscriber, ...],
    start: datetime,
    end: datetime,
) -> list[Notice]:
    """What a service does that wakes at every due instant, and whenever something becomes known; and asks again."""
    told: dict[Addressee, Told] = {}
    facts = {each.event.id: each for each in dated}
    joins = {person.id: person for person in known}
    wakes = [each.known_at for event in dated for each in event.dates] + [person.joined_at for person in known]
    notices, since, now = [], BEFORE_ALL, start
    while now <= end:
        for notice in due(dated, rules, KINDS, known, since=since, now=now, epoch=start, nation="ENG"):
            addressee = (notice.subscriber, notice.event, notice.date_kind, notice.occurrence)
            asked = still_wanted(
                notice, facts[notice.event], joins[notice.subscriber], rules, KINDS, told.get(addressee), now
            )
            notices.append(replace(notice, dropped=notice.dropped or asked))
            if notices[-1].dropped is None:
                told[addressee] = Told(*addressee, notice.fact, "<m@example.org>")
        since = now
        later = [each for each in wakes if each > now]
        if (instant := next_due(dated, rules, KINDS, after=now, nation="ENG")) is not None:
            assert instant > now
            later.append(instant)
        now = min(later, default=end + timedelta(days=1))
    return notices


def test_the_end_of_the_period_belongs_to_it_and_nothing_after() -> None:
    dated, rules = published(event()), (rule("r", "1 week before at 09:00"),)
    due_at = utc("2019-02-05T09:00")

    def until(end: datetime) -> int:
        return len(simulate([dated], rules, KINDS, [subscriber()], start=START, end=end, nation="ENG"))

    assert (until(due_at - timedelta(microseconds=1)), until(due_at)) == (0, 1)


def test_whoever_left_is_foretold_nothing() -> None:
    left = subscriber(left_at=START)
    rules = (rule("r", "1 week before at 09:00"),)
    assert simulate([published(event())], rules, KINDS, [left], start=START, end=END, nation="ENG") == []


def test_the_shipped_catalogue_is_reminded_of_as_its_files_say() -> None:
    start = utc("2018-11-23T09:00")
    notices = shipped(start, utc("2020-01-01"))
    amina = [each for each in notices if each.subscriber == 1]
    assert [(each.event, each.rule, each.due_at.isoformat(" ", "minutes")[:16], each.dropped) for each in amina] == [
        ("leadership-fellows-2019", "close-4w", "2018-11-16 09:00", Reason.BEFORE_EPOCH),
        ("leadership-fellows-2019", "close-1w", "2018-12-07 09:00", None),
        ("leadership-fellows-2019", "close-3wd", "2018-12-11 09:00", None),
        ("leadership-fellows-2019", "close-2h", "2018-12-14 08:00", None),
        ("having-difficult-conversations-2019", "course-2w", "2019-01-29 09:00", None),
        ("having-difficult-conversations-2019", "course-3wd", "2019-02-07 09:00", None),
        ("leadership-programme-for-trainees-2019", "course-2w", "2019-02-27 09:00", None),
        ("leadership-programme-for-trainees-2019", "course-3wd", "2019-03-08 09:00", None),
        ("tanzania-visit-2019", "recruitment-2w", "2019-05-18 08:00", None),
    ]
    oriel = [each for each in notices if each.date_kind == "applications-close" and each.dropped is None]
    assert all(each.due_at < each.expires_at <= utc("2018-12-14T10:00") for each in oriel)
    undated = {each.id for each in catalogue() if not any(date.when.dated for date in each.dates)}
    assert len(undated) >= 7
    assert undated.isdisjoint(each.event for each in notices)


def catalogue() -> tuple[Event, ...]:
    files = {path.name: path.read_bytes() for path in sorted((CONFIG / "events").glob("*.yaml"))}
    return parse_events(files, LONDON)[0].events


def shipped(start: datetime, end: datetime) -> list[Notice]:
    """The notices of everybody in the shipped audiences; Amina is the first."""
    rulebook, _, _ = parse_rules("rules.yaml", (CONFIG / "rules.yaml").read_bytes())
    lists = {path.name: path.read_bytes() for path in CONFIG.glob("*.csv")}
    audiences, problems, _ = parse_audiences("audiences.yaml", (CONFIG / "audiences.yaml").read_bytes(), lists)
    assert not problems
    addresses = list(dict.fromkeys(member.address for audience in audiences for member in audience.members))
    people = []
    for id, address in enumerate(addresses, start=1):
        own = [each for each in audiences if address in [member.address for member in each.members]]
        follows = tuple(each.follows for each in own)
        people.append(subscriber(id, address, joined_at=start, audiences=tuple(x.id for x in own), follows=follows))
    dated = [published(each, known_at=start) for each in catalogue()]
    return simulate(dated, rulebook.rules, rulebook.kinds, people, start=start, end=end, nation="ENG")
