"""Feeds narrowed by their address: what addresses mean, and that those that mean the same are one."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reminders.feed import calendar, query
from reminders.feed.entry import Entry, draw, stamp
from reminders.feed.selection import Feed
from reminders.feed.style import Cancelled, Shape, Style
from reminders.planning.subscribers import Selection
from tests.builders import CLOSING, COURSE, EPOCH, KINDS, date, event

EVENTS = (
    event("talking", date("2019-02-12"), level=2, provider="HEE, North East", categories=("course",)),
    event("ilm5", date("2019-03"), level=3, provider="NELA", categories=("course", "programme")),
    event("fellows", date("2018-12-14T10:00", CLOSING.id), level=None, provider="HEE", categories=("fellowship",)),
    event("seacole", date("2019-01-10", CLOSING.id), date("2019-05-01"), level=2, provider="NELA", categories=()),
)
BASE = Feed("all", "Dates")
COURSES = Feed("courses", "Courses", selection=Selection(levels=(2, 3), kinds=(COURSE.id,)))


def entries() -> list[Entry]:
    drafts = (draw(each, line, KINDS[line.kind], event_url=None) for each in EVENTS for line in each.dates)
    return [stamp(draft, None, EPOCH) for draft in drafts if draft]


ENTRIES = entries()
KNOWN = query.known(EVENTS, KINDS)


def narrowed(asked: str, base: Feed = BASE) -> Feed:
    return query.narrow(base, parse_qsl(asked, keep_blank_values=True), KNOWN)


def shown(asked: str, base: Feed = BASE) -> list[str]:
    return sorted(f"{each.event} {each.kind}" for each in calendar.select(narrowed(asked, base), ENTRIES))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("level=2", ["seacole applications-close", "seacole course", "talking course"]),
        ("level=2&kind=applications-close", ["seacole applications-close"]),
        ("level=2&level=3&category=course", ["ilm5 course", "talking course"]),
        ("level=2,3&kind=course", ["ilm5 course", "seacole course", "talking course"]),
        ("category=fellowship,programme", ["fellows applications-close", "ilm5 course"]),
        ("provider=HEE, North East", ["talking course"]),
        ("provider=HEE&provider=NELA&tentative=no&category=fellowship", ["fellows applications-close"]),
        ("event=fellows", ["fellows applications-close"]),
        ("tentative=no&category=course", ["talking course"]),
        ("kind=course&level=99", []),
        ("level=two", []),
        ("kind=applications-clsoe", []),
        ("category=no-such,course", ["ilm5 course", "talking course"]),
        ("level=&event=talking", ["talking course"]),
    ],
)  # fmt: skip
def test_an_address_selects_dates_and_what_nobody_knows_selects_none(asked: str, expected: list[str]) -> None:
    assert shown(asked) == expected


def test_a_declared_feed_is_narrowed_and_never_widened() -> None:
    assert shown("level=2", COURSES) == ["seacole course", "talking course"]
    assert shown("level=1", COURSES) == []
    assert shown("kind=applications-close", COURSES) == []
    assert shown("category=programme", COURSES) == ["ilm5 course"]
    firm = Feed("firm", "Firm", tentative=False)
    assert shown("tentative=yes&level=3", firm) == []


@pytest.mark.parametrize(
    "asked",
    ["", "level=", "utm_source=mail", "nocache=1542", "tentative=yes", "shape=block", "shape=round", "alarms=",
     "alarms=none", "alarms=soon", "cancelled=mark", "tasks=no", "tasks=perhaps", "LEVEL=2"],
)  # fmt: skip
def test_what_changes_nothing_is_the_feed_itself(asked: str) -> None:
    assert narrowed(asked) is BASE


def test_what_a_declared_feed_has_already_adds_nothing() -> None:
    assert narrowed("kind=course&level=3,2", COURSES) is COURSES


@pytest.mark.parametrize("alike", [
    ["level=2&level=3", "level=3&level=2", "level=2,3", "level=3,2,2", "level=2%2C3", "level=3&utm=x&level=2&level=9"],
    ["kind=course&level=2", "level=2&kind=course", "level=2&kind=course&kind=", "kind=course,nothing&level=2"],
    ["level=99", "level=none", "kind=nothing&level=2", "provider=Nobody", "event=gone&shape=block"],
    ["alarms=1d,2h", "alarms=2h,1d", "alarms=24h&alarms=120m", "alarms=1d,2h,soon", "alarms=1D,2H"],
    ["tasks=yes", "tasks=1", "tasks=True"],
])  # fmt: skip
def test_addresses_that_mean_the_same_have_one_name(alike: list[str]) -> None:
    assert len({narrowed(asked) for asked in alike}) == 1


@pytest.mark.parametrize(
    ("asked", "style"),
    [
        ("shape=all-day", Style(Shape.ALL_DAY)),
        ("shape=INSTANT", Style(Shape.INSTANT)),
        ("cancelled=keep-confirmed", Style(cancelled=Cancelled.KEEP_CONFIRMED)),
        ("alarms=2h,1d", Style(alarms=(timedelta(days=1), timedelta(hours=2)))),
        ("alarms=1d,2d,3d,4d,5d,6d", Style(alarms=tuple(timedelta(days=each) for each in (6, 5, 4, 3, 2)))),
        ("tasks=yes", Style(tasks=True)),
    ],
)
def test_an_address_can_ask_for_another_style(asked: str, style: Style) -> None:
    assert narrowed(asked).style == style


def test_alarms_of_a_declared_feed_can_be_switched_off() -> None:
    ringing = Feed("loud", "Loud", style=Style(alarms=(timedelta(days=1),)))
    assert narrowed("alarms=none", ringing).style == Style()
    assert narrowed("", ringing) is ringing


def test_a_narrowed_feed_says_in_its_title_what_it_holds() -> None:
    assert narrowed("level=2&kind=applications-close").title == "Dates: Level 2, Applications close"
    assert narrowed("alarms=1d").title == "Dates"


def test_the_path_of_a_feed_leads_to_that_feed_again() -> None:
    for asked in ("level=2,3&kind=course&alarms=1d,2h", "provider=HEE, North East", "level=99", "", "tentative=no"):
        feed = narrowed(asked)
        path, _, again = query.path(feed).partition("?")
        assert path == "/feeds/all.ics"
        assert narrowed(again) == feed
    assert query.path(narrowed("level=3&level=2&kind=course")) == "/feeds/all.ics?kind=course&level=2&level=3"
    assert query.path(Feed("event/fellows", "Fellows")) == "/events/fellows.ics"


VALUES = st.sampled_from(
    ["1", "2", "3", "99", "course", "applications-close", "HEE", "HEE, North East", "none", "", ","]
)
PAIRS = st.lists(
    st.tuples(st.sampled_from([*query.SELECTING, "tentative", "shape", "alarms", "x"]), VALUES | st.text())
)


@settings(deadline=None)
@given(PAIRS, st.randoms())
def test_no_address_is_an_error_and_its_order_says_nothing(pairs: list[tuple[str, str]], mixed: Random) -> None:
    feed = query.narrow(BASE, pairs, KNOWN)
    selecting = [pair for pair in pairs if pair[0] in query.SELECTING]
    order = list(selecting)
    mixed.shuffle(order)
    assert query.narrow(BASE, order, KNOWN) == query.narrow(BASE, selecting, KNOWN)
    again = query.path(feed).partition("?")[2]
    assert query.narrow(BASE, parse_qsl(again), KNOWN) == feed
    assert calendar.join(
        feed, calendar.select(feed, ENTRIES), last_modified=EPOCH, checked=EPOCH.date(), source_url=None, page_url=None
    )
