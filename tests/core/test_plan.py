"""Which reminders are owed, to whom, when, and until when they are of use."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reminders.catalogue.dates import Precision
from reminders.catalogue.events import Kind, PublishedEvent
from reminders.planning.notices import Notice, NoticeKind, Reason
from reminders.planning.plan import Addressee, due, next_due, rungs
from reminders.planning.rules import OnJoin, Rule, parse_rules
from reminders.planning.subscribers import Selection, Subscriber
from tests.builders import CLOSING, COURSE, EPOCH, KINDS, date, event, published, rule, subscriber, utc

SHIPPED = parse_rules("rules.yaml", (Path(__file__).parents[2] / "config" / "rules.yaml").read_bytes())[0]
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
CLOSES = "2018-12-14T10:00"
AMINA = subscriber()
LADDER = (
    rule("close-4w", "4 weeks before at 09:00", "applications-close"),
    rule("close-1w", "1 week before at 09:00", "applications-close"),
    rule("close-3wd", "3 working days before at 09:00", "applications-close"),
    rule("close-2h", "2 hours before", "applications-close"),
)


def closing(when: str = CLOSES, *, known_at: datetime = EPOCH, status: str = "planned") -> PublishedEvent:
    """The fellowships, whose applications close on 14 December 2018 at 10:00 in London."""
    return published(event("fellows-2019", date(when, "applications-close", status=status)), known_at=known_at)


def passes(
    *instants: str | datetime,
    events: PublishedEvent | tuple[PublishedEvent, ...],
    people: Subscriber | tuple[Subscriber, ...] = AMINA,
    rules: tuple[Rule, ...] = LADDER,
    epoch: datetime = EPOCH,
    announced: frozenset[Addressee] = frozenset(),
) -> list[Notice]:
    """What a service owes that looks at these instants and at no other."""
    since, notices = BEFORE_ALL, []
    for instant in instants:
        now = utc(instant) if isinstance(instant, str) else instant
        notices += due(
            (events,) if isinstance(events, PublishedEvent) else events,
            rules,
            KINDS,
            (people,) if isinstance(people, Subscriber) else people,
            since=since,
            now=now,
            epoch=epoch,
            nation="ENG",
            announced=announced,
        )
        since = now
    return notices


def said(notices: list[Notice]) -> list[str]:
    """Each notice as "rule", or "rule reason" when it is only recorded."""
    return [f"{notice.rule} {notice.dropped or ''}".strip() for notice in notices]


# The rungs of a date


@pytest.mark.parametrize(
    ("when", "kind", "send", "due_at", "useless_at"),
    [
        # a deadline: of use up to its last moment
        (CLOSES, CLOSING, "2 hours before", "2018-12-14T08:00", "2018-12-14T10:00"),
        ("2018-12-14", CLOSING, "on the day at 09:00", "2018-12-14T09:00", "2018-12-15T00:00"),
        ("2018-12-13/2018-12-14", CLOSING, "1 day before at 09:00", "2018-12-12T09:00", "2018-12-15T00:00"),
        ("2019-07-10T10:00", CLOSING, "1 week before at 09:00", "2019-07-03T08:00", "2019-07-10T09:00"),
        # anything else: until it begins, or the first day is over
        ("2019-02-12T09:30", COURSE, "2 weeks before at 09:00", "2019-01-29T09:00", "2019-02-12T09:30"),
        ("2019-02-12", COURSE, "on the day at 08:00", "2019-02-12T08:00", "2019-02-13T00:00"),
        ("2019-03-13/2019-03-15", COURSE, "2 weeks before at 09:00", "2019-02-27T09:00", "2019-03-14T00:00"),
        ("2019-07-10", COURSE, "1 day before at 09:00", "2019-07-09T08:00", "2019-07-10T23:00"),
        # days keep the clock over 31 March 2019, hours are exact
        ("2019-04-03T10:00", CLOSING, "1 week before at 10:00", "2019-03-27T10:00", "2019-04-03T09:00"),
        ("2019-04-03T10:00", CLOSING, "168 hours before", "2019-03-27T09:00", "2019-04-03T09:00"),
        # one that looks back: for a week
        ("2019-02-12", COURSE, "2 days after at 10:00", "2019-02-14T10:00", "2019-02-21T10:00"),
        # a time of its own
        (CLOSES, CLOSING, "2018-12-01T09:00", "2018-12-01T09:00", "2018-12-14T10:00"),
    ],
)
def test_a_rung_is_of_use_from_when_it_is_due_until_the_date_itself(
    when: str, kind: Kind, send: str, due_at: str, useless_at: str
) -> None:
    held = event("e", date(when, kind.id))
    (rung,) = rungs(held, held.dates[0], kind, (rule("r", send, kind.id),), "ENG")
    assert (rung.due_at, rung.useless_at) == (utc(due_at), utc(useless_at))


@pytest.mark.parametrize(
    ("when", "send"),
    [
        ("2019-02-12T09:30", "on the day at 09:30"),  # it begins
        ("2019-02-12T09:30", "on the day at 11:00"),  # it has begun
        ("2019-02-12", "2019-02-13T00:00"),  # it is over
        ("2019-02", "2 weeks before at 09:00"),  # the day is not known
        ("2019-02-12", "2 hours before"),  # the time is not known
        ("tba", "2 weeks before at 09:00"),
        ("open", "2 weeks before at 09:00"),
    ],
)
def test_what_would_be_of_no_use_or_cannot_be_counted_is_no_rung(when: str, send: str) -> None:
    held = event("e", date(when))
    assert rungs(held, held.dates[0], COURSE, (rule("r", send),), "ENG") == ()


def test_rungs_come_in_the_order_in_which_they_are_due() -> None:
    held = closing().event
    found = rungs(held, held.dates[0], CLOSING, tuple(reversed(LADDER)), "ENG")
    assert [rung.rule.id for rung in found] == ["close-4w", "close-1w", "close-3wd", "close-2h"]


def test_working_days_are_those_of_the_nation() -> None:
    held = event("e", date("2019-01-03"))
    (scotland,) = rungs(held, held.dates[0], COURSE, (rule("r", "1 working day before at 09:00"),), "SCT")
    (england,) = rungs(held, held.dates[0], COURSE, (rule("r", "1 working day before at 09:00"),), "ENG")
    assert (scotland.due_at, england.due_at) == (utc("2018-12-31T09:00"), utc("2019-01-02T09:00"))


# The acceptance case


def test_the_fellowships_deadline_is_reminded_as_the_shipped_rules_say() -> None:
    events = (closing(),)
    instants = [EPOCH]
    while (later := next_due(events, SHIPPED.rules, SHIPPED.kinds, after=instants[-1], nation="ENG")) is not None:
        assert later > instants[-1]
        instants.append(later)
    notices = passes(*instants, "2030-01-01", events=events, rules=SHIPPED.rules)
    assert [(each.rule, each.due_at, each.expires_at, each.dropped) for each in notices] == [
        ("close-4w", utc("2018-11-16T09:00"), utc("2018-12-07T09:00"), Reason.BEFORE_EPOCH),
        ("close-1w", utc("2018-12-07T09:00"), utc("2018-12-11T09:00"), None),
        ("close-3wd", utc("2018-12-11T09:00"), utc("2018-12-14T08:00"), None),
        ("close-2h", utc("2018-12-14T08:00"), utc("2018-12-14T10:00"), None),
    ]
    assert instants == [EPOCH, utc("2018-12-07T09:00"), utc("2018-12-11T09:00"), utc("2018-12-14T08:00")]
    assert all(each.kind is NoticeKind.REMINDER and each.fact.startswith(CLOSES) for each in notices)


@pytest.mark.parametrize("when", ["tba", "open"])
@pytest.mark.parametrize("kind", SHIPPED.kinds)
def test_nobody_is_reminded_of_what_has_no_date(kind: str, when: str) -> None:
    events = (published(event("e", date(when, kind))),)
    assert due(
        events,
        SHIPPED.rules,
        SHIPPED.kinds,
        [subscriber()],
        since=BEFORE_ALL,
        now=utc("2030-01-01"),
        epoch=EPOCH,
        nation="ENG",
    ) == ([])
    assert next_due(events, SHIPPED.rules, SHIPPED.kinds, after=BEFORE_ALL, nation="ENG") is None


# After an outage


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        ("2018-12-07T08:59", []),
        ("2018-12-07T09:00", ["close-1w"]),
        ("2018-12-11T08:59", ["close-1w"]),
        ("2018-12-11T09:00", ["close-1w superseded", "close-3wd"]),
        ("2018-12-14T07:59", ["close-1w superseded", "close-3wd"]),
        ("2018-12-14T09:59", ["close-1w superseded", "close-3wd superseded", "close-2h"]),
        ("2018-12-14T10:00", ["close-1w superseded", "close-3wd superseded", "close-2h expired"]),
        ("2019-12-14T10:00", ["close-1w superseded", "close-3wd superseded", "close-2h expired"]),
    ],
)
def test_after_an_outage_the_most_urgent_reminder_goes_and_the_others_are_recorded(
    back: str, expected: list[str]
) -> None:
    assert said(passes(EPOCH, back, events=closing()))[1:] == expected


def test_a_reminder_of_what_is_to_come_does_not_wait_for_one_that_looks_back() -> None:
    rules = (rule("course-2d", "2 days before at 09:00"), rule("how-was-it", "1 week after at 09:00"))
    found = passes(EPOCH, "2019-02-13", "2019-02-19T09:00", events=published(event()), rules=rules)
    assert said(found) == ["course-2d expired", "how-was-it"]
    assert [each.expires_at for each in found] == [utc("2019-02-13"), utc("2019-02-26T09:00")]


def test_of_two_rungs_due_at_one_instant_one_is_sent() -> None:
    twice = (rule("a", "1 week before at 09:00"), rule("b", "7 days before at 09:00"))
    assert said(passes(EPOCH, "2019-02-05T09:00", events=published(event()), rules=twice)) == ["a superseded", "b"]


def test_a_pass_that_runs_again_owes_nothing() -> None:
    first = passes("2018-12-07T09:00", events=closing())
    assert passes("2018-12-07T09:00", "2018-12-07T09:00", "2018-12-07T09:01", events=closing()) == first


# When a store begins, a date becomes known, a person joins


@pytest.mark.parametrize(
    ("epoch", "joined", "expected"),
    [
        ("2018-11-16T09:00", "2018-01-01", ["close-4w"]),
        ("2018-11-16T09:01", "2018-01-01", ["close-4w before-epoch"]),
        ("2018-11-20T09:00", "2018-11-20T09:00", ["close-4w before-epoch"]),
        ("2018-11-20T09:00", "2018-11-18T09:00", ["close-4w before-epoch"]),
        ("2018-12-07T09:00", "2018-01-01", ["close-1w"]),
        ("2018-12-13T09:00", "2018-01-01", ["close-3wd before-epoch"]),  # nobody missed those that were over
        ("2018-12-14T10:00", "2018-01-01", []),
    ],
)
def test_a_new_or_restored_store_sends_no_backlog(epoch: str, joined: str, expected: list[str]) -> None:
    old, person = closing(known_at=utc("2018-01-01")), subscriber(joined_at=utc(joined))
    assert said(passes(epoch, events=old, people=person, epoch=utc(epoch))) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ("2018-12-01T12:00", ["close-4w"]),
        ("2018-12-08T12:00", ["close-1w"]),
        ("2018-12-14T09:59", ["close-2h"]),
        ("2018-12-14T10:00", []),
        ("2018-12-14T10:01", []),
    ],
)
def test_a_date_that_becomes_known_late_is_reminded_once_if_that_is_of_use(known: str, expected: list[str]) -> None:
    assert said(passes(EPOCH, known, events=closing(known_at=utc(known)))) == expected


@pytest.mark.parametrize(
    ("joined", "on_join", "expected"),
    [
        ("2018-12-01T09:00", OnJoin.LATEST, ["close-4w"]),  # due before the store began, and still of use
        ("2018-12-01T09:00", OnJoin.WAIT, ["close-4w before-joined"]),
        ("2018-12-07T09:00", OnJoin.WAIT, ["close-1w"]),
        ("2018-12-07T09:01", OnJoin.WAIT, ["close-1w before-joined"]),
        ("2018-12-07T09:01", OnJoin.LATEST, ["close-1w"]),
        ("2018-12-12T09:00", OnJoin.LATEST, ["close-3wd"]),
        ("2018-12-12T09:00", OnJoin.WAIT, ["close-3wd before-joined"]),
        ("2018-12-14T10:00", OnJoin.LATEST, []),
    ],
)
def test_who_joins_late_gets_the_latest_reminder_only_if_the_rule_says_so(
    joined: str, on_join: OnJoin, expected: list[str]
) -> None:
    rules = tuple(replace(each, on_join=on_join) for each in LADDER)
    late = subscriber(joined_at=utc(joined))
    assert said(passes(EPOCH, joined, events=closing(), people=late, rules=rules)) == expected


def test_who_was_there_before_the_date_was_known_did_not_join_late() -> None:
    joined, known = utc("2018-12-08"), utc("2018-12-09")
    assert said(passes(EPOCH, known, events=closing(known_at=known), people=subscriber(joined_at=joined))) == [
        "close-1w"
    ]


def test_who_joins_late_gets_every_later_reminder() -> None:
    late = subscriber(joined_at=utc("2018-12-08"))
    found = passes("2018-12-08", "2018-12-11T09:00", "2018-12-14T08:00", events=closing(), people=late)
    assert said(found) == ["close-1w before-joined", "close-3wd", "close-2h"]


def test_what_nobody_can_know_yet_is_not_ready() -> None:
    tomorrow = utc("2018-12-08T09:00")
    assert passes("2018-12-07T09:00", events=closing(known_at=tomorrow)) == []
    assert passes("2018-12-07T09:00", events=closing(), people=subscriber(joined_at=tomorrow)) == []


# Dates that firm up, move, go missing or are called off


def test_a_rule_waits_until_the_date_is_known_closely_enough() -> None:
    by_month = rule("month-4w", "4 weeks before at 09:00", needs=Precision.MONTH)
    by_day = rule("day-2w", "2 weeks before at 09:00")
    month = published(event("ilm5", date("2019-03")))
    assert said(passes(EPOCH, "2030-01-01", events=month, rules=(by_day,))) == []
    assert said(passes(EPOCH, "2019-02-01T09:00", events=month, rules=(by_month, by_day))) == ["month-4w"]
    firm = published(event("ilm5", date("2019-03-20")), known_at=utc("2019-02-10"))
    assert said(passes("2019-02-10", "2019-03-06T09:00", events=firm, rules=(by_day,))) == ["day-2w"]


def test_a_reminder_made_late_by_a_change_gives_way_to_the_notice_that_tells_of_it() -> None:
    moved = closing("2018-12-17T10:00", known_at=utc("2018-12-10T12:00"))
    bao = subscriber(2, "bao@example.org")
    told_of_it = frozenset({(1, "fellows-2019", "applications-close", "")})
    found = passes("2018-12-10T12:00", events=moved, people=(subscriber(), bao), announced=told_of_it)
    assert [(each.subscriber, each.rule, each.dropped) for each in found] == [
        (1, "close-1w", Reason.SUPERSEDED),
        (2, "close-1w", None),
    ]
    later = passes("2018-12-10T12:00", "2018-12-12T09:00", events=moved, announced=told_of_it)
    assert said(later) == ["close-1w superseded", "close-3wd"]


def test_a_moved_date_is_reminded_anew_and_under_another_key() -> None:
    before = passes("2018-12-07T09:00", events=closing())
    after = passes("2018-12-14T09:00", events=closing("2018-12-21T10:00", known_at=utc("2018-12-08")))
    assert [each.rule for each in before[-1:] + after[-1:]] == ["close-1w", "close-1w"]
    assert before[-1].key != after[-1].key


def test_a_date_that_the_files_no_longer_hold_keeps_its_reminders() -> None:
    assert passes("2018-12-07T09:00", events=replace(closing(), missing=True)) == passes(
        "2018-12-07T09:00", events=closing()
    )


@pytest.mark.parametrize("status", ["cancelled", "postponed", "withdrawn"])
def test_what_is_not_planned_has_no_reminders(status: str) -> None:
    off = closing(status=status)
    assert passes("2018-12-07T09:00", events=off) == []
    assert next_due([off], LADDER, KINDS, after=BEFORE_ALL, nation="ENG") is None


def test_a_kind_that_the_files_no_longer_name_has_no_reminders() -> None:
    visit = published(event("tanzania", date("2019-11-04", "visit")))
    assert passes("2019-11-04", events=visit, rules=(rule("r", "1 week before at 09:00", "visit"),)) == []


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"close-1w": "off"}, ["close-4w before-epoch", "close-3wd"]),
        ({"close-1w": "10 days before at 08:00"}, ["close-4w before-epoch", "close-1w superseded", "close-3wd"]),
        ({"close-2h": "2 days before at 12:00"}, ["close-4w before-epoch", "close-1w superseded", "close-3wd"]),
        ({"close-3wd": "1 hour before"}, ["close-4w before-epoch", "close-1w"]),
    ],
)
def test_an_event_can_switch_a_rule_off_or_have_its_own_time(own: dict[str, str], expected: list[str]) -> None:
    altered = published(event("fellows-2019", date(CLOSES, "applications-close"), rules=own))
    assert said(passes(EPOCH, "2018-12-11T09:00", events=altered)) == expected


def test_hours_that_an_event_makes_days_need_no_time_of_day() -> None:
    altered = published(
        event("e", date("2018-12-14", "applications-close"), rules={"close-2h": "1 day before at 09:00"})
    )
    assert said(passes("2018-12-13T09:00", events=altered, rules=LADDER[3:])) == ["close-2h"]


# Whom


def test_people_are_reminded_of_what_they_follow() -> None:
    level_1 = subscriber(2, "bao@example.org", follows=(Selection(levels=(1,)),))
    two_groups = subscriber(3, "chloe@example.org", follows=(Selection(levels=(1,)), Selection(levels=(2,))))
    no_group = subscriber(4, "dilys@example.org", audiences=(), follows=())
    left = subscriber(5, "eoin@example.org", left_at=EPOCH)
    people = (left, no_group, two_groups, level_1, subscriber())
    rules = (rule("r", "1 week before at 09:00"),)
    found = passes("2019-02-05T09:00", events=published(event()), people=people, rules=rules)
    assert [each.subscriber for each in found] == [1, 3]


def test_a_rule_for_one_audience_is_a_rung_for_its_people_alone() -> None:
    rules = (rule("all-2w", "2 weeks before at 09:00"), rule("tutors-1w", "1 week before at 09:00", audiences=("t",)))
    tutor = subscriber(2, "bao@example.org", audiences=("all", "t"))
    found = passes(
        "2019-01-29T09:00", "2019-02-05T09:00", events=published(event()), people=(subscriber(), tutor), rules=rules
    )
    assert [(each.subscriber, each.rule, each.expires_at) for each in found] == [
        (1, "all-2w", utc("2019-02-13")),
        (2, "all-2w", utc("2019-02-05T09:00")),
        (2, "tutors-1w", utc("2019-02-13")),
    ]


def test_who_follows_a_date_but_is_meant_by_no_rule_gets_nothing() -> None:
    rules = (rule("tutors-1w", "1 week before at 09:00", audiences=("t",)),)
    assert passes("2019-02-05T09:00", events=published(event()), rules=rules) == []


def test_each_date_of_an_event_is_its_own_matter() -> None:
    both = published(event("e", date("2019-02-12"), date("2019-03-12", occurrence="second")))
    rules = (rule("r", "1 week before at 09:00"),)
    found = passes(EPOCH, "2019-03-05T09:00", events=both, rules=rules)
    assert [(each.occurrence, each.dropped) for each in found] == [("", Reason.EXPIRED), ("second", None)]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2018-01-01", "2018-11-16T09:00"),
        ("2018-11-16T08:59", "2018-11-16T09:00"),
        ("2018-11-16T09:00", "2018-12-07T09:00"),
        ("2018-12-14T08:00", "2019-01-29T09:00"),
        ("2019-01-29T09:00", None),
    ],
)
def test_the_next_instant_is_the_earliest_of_all_dates(after: str, expected: str | None) -> None:
    rules = (*LADDER, rule("course-2w", "2 weeks before at 09:00"))
    found = next_due((published(event()), closing()), rules, KINDS, after=utc(after), nation="ENG")
    assert found == (utc(expected) if expected else None)
