"""What people are told when a date changes, and which mail that is owed is still wanted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from reminders.catalogue.changes import diff
from reminders.catalogue.events import Catalogue, PublishedEvent
from reminders.planning.notices import Notice, NoticeKind, Reason, Told
from reminders.planning.plan import announcements, corrections, due, still_wanted
from reminders.planning.rules import Rule
from reminders.planning.subscribers import Selection, Subscriber
from tests.builders import EPOCH, KINDS, date, event, published, rule, subscriber, told, utc

NOW = utc("2019-01-15T12:00")
DAY, OTHER = "2019-02-12", "2019-02-26"
RULES = (rule("course-4w", "4 weeks before at 09:00"), rule("course-2w", "2 weeks before at 09:00"))
AMINA = subscriber()
BAO = subscriber(2, "bao@example.org")
FOLLOWS_NOTHING = subscriber(3, "chloe@example.org", audiences=(), follows=())
LEFT = subscriber(4, "dilys@example.org", left_at=EPOCH)
SUSPENDED = subscriber(5, "eoin@example.org", suspended_at=EPOCH, suspended_why="5.1.1 no such mailbox")


def course(
    when: str = DAY, *, status: str = "planned", revision: int = 1, known_at: datetime = EPOCH
) -> PublishedEvent:
    """The event as published, its one date so many times changed."""
    return published(event("talking-2019", date(when, status=status)), revision=revision, known_at=known_at)


def owed(*mails: Told, by: PublishedEvent, now: datetime = NOW) -> list[Notice]:
    """The corrections that these last mails call for."""
    return corrections(mails, {by.event.id: by}, KINDS, now)


def firmed_up(before: PublishedEvent, after: PublishedEvent, *people: Subscriber, now: datetime = NOW) -> list[Notice]:
    """What the followers are told when the files change what is published."""
    changes = diff({before.event.id: before}, Catalogue((after.event,)))
    return announcements(changes, {after.event.id: after}, people or (AMINA,), KINDS, now)


def reminders(by: PublishedEvent, *, since: str, now: str, person: Subscriber = AMINA) -> list[Notice]:
    """What one pass owes."""
    return due([by], RULES, KINDS, [person], since=utc(since), now=utc(now), epoch=EPOCH, nation="ENG")


def asked(
    notice: Notice,
    by: PublishedEvent | None,
    *,
    person: Subscriber | None = AMINA,
    rules: tuple[Rule, ...] = RULES,
    last: Told | None = None,
    now: datetime = NOW,
) -> Reason | None:
    """Why the notice is not wanted any more, when it is about to be sent."""
    return still_wanted(notice, by, person, rules, KINDS, last, now)


# Corrections


@pytest.mark.parametrize(
    ("said", "was", "when", "status", "kind"),
    [
        # what was told is still so, if less closely
        (DAY, "planned", DAY, "planned", None),
        ("2019-02", "planned", DAY, "planned", None),
        ("2019-21", "planned", "2019-03", "planned", None),
        ("tba", "planned", DAY, "planned", None),
        (DAY, "planned", f"{DAY}T09:30", "planned", None),
        (f"{DAY}?", "planned", DAY, "planned", None),
        (DAY, "cancelled", DAY, "withdrawn", None),
        (DAY, "cancelled", OTHER, "cancelled", None),
        # something else is so
        (DAY, "planned", OTHER, "planned", NoticeKind.MOVED),
        (DAY, "planned", "2019-02", "planned", NoticeKind.MOVED),
        (DAY, "planned", "tba", "planned", NoticeKind.MOVED),
        (DAY, "planned", f"{DAY}?", "planned", NoticeKind.MOVED),
        (f"{DAY}T09:30", "planned", f"{DAY}T10:00", "planned", NoticeKind.MOVED),
        ("2019-02", "planned", "2019-03-01", "planned", NoticeKind.MOVED),
        ("2019-02-12/2019-02-14", "planned", DAY, "planned", NoticeKind.MOVED),
        (DAY, "planned", DAY, "postponed", NoticeKind.MOVED),
        (DAY, "postponed", DAY, "planned", NoticeKind.MOVED),
        # it is off, or on again
        (DAY, "planned", DAY, "cancelled", NoticeKind.CANCELLED),
        (DAY, "planned", DAY, "withdrawn", NoticeKind.CANCELLED),
        (DAY, "postponed", OTHER, "cancelled", NoticeKind.CANCELLED),
        (DAY, "cancelled", DAY, "planned", NoticeKind.MOVED),
    ],
)
def test_who_was_told_otherwise_is_owed_a_correction(
    said: str, was: str, when: str, status: str, kind: NoticeKind | None
) -> None:
    now = course(when, status=status, revision=2)
    notices = owed(told(now.event, said, status=was), by=now)
    assert [notice.kind for notice in notices] == ([kind] if kind else [])
    for notice in notices:
        assert (notice.fact, notice.before) == (now.event.dates[0].fact, f"{said} Europe/London {was}")
        assert (notice.revision, notice.rule, notice.due_at, notice.dropped) == (2, "", NOW, None)


def test_a_correction_goes_to_exactly_those_who_were_told_otherwise() -> None:
    moved = course(OTHER, revision=2)
    mails = [told(moved.event, DAY, subscriber=7), told(moved.event, OTHER, subscriber=5), told(moved.event, DAY)]
    assert [notice.subscriber for notice in owed(*mails, by=moved)] == [1, 7]
    assert owed(by=moved) == []


def test_who_no_longer_follows_is_still_corrected_and_who_left_is_not() -> None:
    moved = course(OTHER, revision=2)
    mails = [told(moved.event, DAY, subscriber=each.id) for each in (AMINA, FOLLOWS_NOTHING, LEFT)]
    notices = corrections(mails, {moved.event.id: moved}, KINDS, NOW, left={LEFT.id})
    assert [notice.subscriber for notice in notices] == [AMINA.id, FOLLOWS_NOTHING.id]
    assert asked(notices[1], moved, person=FOLLOWS_NOTHING, last=mails[1]) is None
    assert asked(notices[0], moved, person=LEFT, last=mails[0]) is Reason.UNSUBSCRIBED


@pytest.mark.parametrize(
    ("said", "when", "now", "count"),
    [
        (DAY, OTHER, "2019-02-20", 1),  # the new day is to come
        (OTHER, DAY, "2019-02-20", 1),  # somebody still means to go
        (DAY, OTHER, "2019-02-26T23:59", 1),
        (DAY, OTHER, "2019-02-27", 0),
        (OTHER, DAY, "2019-02-27", 0),
        (DAY, "tba", "2030-01-01", 1),
    ],
)
def test_a_correction_is_of_use_until_both_dates_are_over(said: str, when: str, now: str, count: int) -> None:
    moved = course(when, revision=2)
    notices = owed(told(moved.event, said), by=moved, now=utc(now))
    assert len(notices) == count
    assert all(
        asked(each, moved, last=told(moved.event, said), now=each.expires_at) is Reason.EXPIRED for each in notices
    )


def test_what_is_not_published_or_has_no_words_any_more_is_passed_over() -> None:
    visit = published(event("tanzania", date(OTHER, "visit")), revision=2)
    assert owed(told(visit.event, DAY), by=visit) == []
    assert owed(told(event("gone"), OTHER), by=course()) == []
    assert owed(replace(told(course().event, OTHER), occurrence="second"), by=course()) == []


def test_a_change_is_told_once_and_the_next_change_again() -> None:
    last = told(course().event, DAY)
    (first,) = owed(last, by=course(OTHER, revision=2))
    (again,) = owed(last, by=course(OTHER, revision=2), now=utc("2019-01-16"))
    (later,) = owed(last, by=course(OTHER, revision=4))
    assert first.key == again.key != later.key


# Moving there and back


def test_moving_back_before_the_correction_left_owes_nothing() -> None:
    last = told(course().event, DAY)
    (correction,) = owed(last, by=course(OTHER, revision=2))
    back = course(DAY, revision=3)
    assert asked(correction, back, last=last) is Reason.MOVED
    assert owed(last, by=back) == []


def test_a_correction_is_dropped_when_the_last_mail_says_already_what_is_so() -> None:
    last = told(course().event, DAY)
    moved = course(OTHER, revision=2)
    (correction,) = owed(last, by=moved)
    assert asked(correction, moved, last=last) is None
    assert asked(correction, moved, last=told(moved.event, OTHER)) is Reason.TOLD
    assert asked(correction, moved, last=told(moved.event, "2019-02")) is Reason.TOLD


def test_there_and_back_and_there_again_is_told_by_one_mail() -> None:
    last = told(course().event, DAY)
    (first,) = owed(last, by=course(OTHER, revision=2))
    there_again = course(OTHER, revision=4)
    (second,) = owed(last, by=there_again)
    assert asked(first, there_again, last=last) is None
    assert asked(second, there_again, last=told(there_again.event, OTHER)) is Reason.TOLD


def test_a_correction_that_left_is_itself_corrected_when_the_date_moves_back() -> None:
    back = course(DAY, revision=3)
    (correction,) = owed(told(back.event, OTHER), by=back)
    assert (correction.kind, correction.before.split()[0], correction.fact.split()[0]) == (
        NoticeKind.MOVED,
        OTHER,
        DAY,
    )


def test_moving_away_and_back_drops_what_was_not_sent_and_arms_it_again() -> None:
    (unsent,) = reminders(course(), since="2019-01-15T08:00", now="2019-01-15T09:00")
    away = course(OTHER, revision=2, known_at=utc("2019-01-15T09:01"))
    assert asked(unsent, away) is Reason.MOVED
    back = course(DAY, revision=3, known_at=utc("2019-01-15T09:05"))
    assert asked(unsent, back) is None
    (again,) = reminders(back, since="2019-01-15T09:01", now="2019-01-15T09:06")
    assert again == unsent
    assert again.key == unsent.key


@pytest.mark.parametrize("status", ["cancelled", "withdrawn", "postponed"])
def test_what_is_called_off_stops_every_reminder_not_yet_sent(status: str) -> None:
    (unsent,) = reminders(course(), since="2019-01-15T08:00", now="2019-01-15T09:00")
    off = course(status=status, revision=2)
    assert asked(unsent, off) is (Reason.MOVED if status == "postponed" else Reason.CANCELLED)
    assert reminders(off, since="2019-01-15T09:00", now="2019-02-13") == []


# Announcements


def test_a_date_that_firms_up_is_announced_to_its_followers() -> None:
    month, day = course("2019-02"), course(DAY, revision=2)
    notices = firmed_up(month, day, LEFT, FOLLOWS_NOTHING, BAO, AMINA)
    assert [(each.kind, each.subscriber) for each in notices] == [
        (NoticeKind.ANNOUNCED, AMINA.id),
        (NoticeKind.ANNOUNCED, BAO.id),
    ]
    assert notices[0].fact == day.event.dates[0].fact
    assert notices[0].before == month.event.dates[0].fact
    assert (notices[0].revision, notices[0].due_at, notices[0].expires_at) == (2, NOW, utc("2019-02-13"))


def test_followers_are_those_of_the_event_as_it_is_now() -> None:
    month = course("2019-02")
    day = published(event("talking-2019", date(DAY), level=3), revision=2)
    level_2 = replace(BAO, follows=(Selection(levels=(2,)),))
    level_3 = replace(AMINA, follows=(Selection(levels=(3,)),))
    assert [each.subscriber for each in firmed_up(month, day, level_2, level_3)] == [AMINA.id]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (course(DAY), course(DAY)),
        (course(DAY), course(OTHER)),  # who was told is corrected, nobody else hears of it
        (course("2019-02"), course("2019-03-05")),
        (course(DAY), course("2019-02")),
        (course("2019-02"), course(DAY, status="postponed")),
        (course("2019-02", status="postponed"), course(DAY)),
        (course("2019-02", status="cancelled"), course(DAY, status="cancelled")),
        (course("2019-01"), course("2019-01-14")),  # over
        (published(event("v", date("2019-02", "visit"))), published(event("v", date(DAY, "visit")))),  # no such kind
    ],
)
def test_nothing_else_is_announced(before: PublishedEvent, after: PublishedEvent) -> None:
    assert firmed_up(before, after) == []


def test_an_announcement_is_still_wanted_until_it_is_known_overtaken_or_over() -> None:
    day = course(DAY, revision=2)
    (news,) = firmed_up(course("2019-02"), day)
    assert asked(news, day) is None
    assert asked(news, day, last=told(day.event, "2019-02")) is None
    assert asked(news, day, last=told(day.event, DAY)) is Reason.TOLD
    assert asked(news, day, person=FOLLOWS_NOTHING) is Reason.NOT_FOLLOWING
    assert asked(news, day, person=LEFT) is Reason.UNSUBSCRIBED
    assert asked(news, course(OTHER, revision=3)) is Reason.MOVED
    assert asked(news, course(DAY, status="cancelled", revision=3)) is Reason.CANCELLED
    assert asked(news, day, now=utc("2019-02-13")) is Reason.EXPIRED


def test_who_was_told_otherwise_gets_the_correction_and_not_the_announcement_as_well() -> None:
    """Told 12 February; the course moves to some day in March; before that mail leaves, to 5 March."""
    last, day = told(course().event, DAY), course("2019-03-05", revision=3)
    (news,) = firmed_up(course("2019-03", revision=2), day)
    (correction,) = owed(last, by=day)
    assert asked(news, day, last=last) is Reason.SUPERSEDED
    assert asked(correction, day, last=last) is None
    assert correction.before == last.fact


# Reminders that are owed, asked again before they are sent


@pytest.mark.parametrize(
    ("own", "by", "person", "reason"),
    [
        (RULES, course(), AMINA, None),
        (RULES, course(), LEFT, Reason.UNSUBSCRIBED),
        (RULES, course(), SUSPENDED, Reason.SUSPENDED),
        (RULES, course(), replace(SUSPENDED, left_at=LEFT.left_at), Reason.UNSUBSCRIBED),
        (RULES, course(), FOLLOWS_NOTHING, Reason.NOT_FOLLOWING),
        (RULES, course(), None, Reason.NOT_FOLLOWING),
        (RULES, None, AMINA, Reason.NOT_FOLLOWING),
        (RULES[1:], course(), AMINA, Reason.NOT_FOLLOWING),
        ((replace(RULES[0], audiences=("all",)),), course(), AMINA, None),
        ((replace(RULES[0], audiences=("tutors",)),), course(), AMINA, Reason.NOT_FOLLOWING),
        ((replace(RULES[0], about=("visit",)),), course(), AMINA, Reason.NOT_FOLLOWING),
        ((replace(RULES[0], selection=Selection(levels=(4,))),), course(), AMINA, Reason.NOT_FOLLOWING),
        (RULES, published(event(rules={"course-4w": "off"})), AMINA, Reason.NOT_FOLLOWING),
        (RULES, replace(course(), missing=True), AMINA, None),
    ],
)
def test_a_reminder_is_sent_only_if_the_files_and_the_person_still_want_it(
    own: tuple[Rule, ...], by: PublishedEvent | None, person: Subscriber | None, reason: Reason | None
) -> None:
    (reminder,) = reminders(course(), since="2019-01-15T08:00", now="2019-01-15T09:00")
    assert asked(reminder, by, person=person, rules=own) is reason


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ("2019-01-29T08:59:59", None),
        ("2019-01-29T09:00", Reason.SUPERSEDED),
        ("2019-03-01", Reason.SUPERSEDED),
    ],
)
def test_a_reminder_gives_way_to_the_next_one(now: str, reason: Reason | None) -> None:
    (reminder,) = reminders(course(), since="2019-01-15T08:00", now="2019-01-15T09:00")
    assert asked(reminder, course(), now=utc(now)) is reason


def test_the_last_reminder_is_of_no_use_once_the_date_is_there() -> None:
    (reminder,) = reminders(course(), since="2019-01-29T08:00", now="2019-01-29T09:00")
    assert asked(reminder, course(), now=utc("2019-02-12T23:59:59")) is None
    assert asked(reminder, course(), now=utc("2019-02-13")) is Reason.EXPIRED


def test_a_reminder_never_speaks_of_a_date_that_is_no_longer_so() -> None:
    (reminder,) = reminders(course(), since="2019-01-15T08:00", now="2019-01-15T09:00")
    for when in (OTHER, "2019-02", f"{DAY}T09:30", "tba"):
        assert asked(reminder, course(when, revision=2)) is Reason.MOVED
