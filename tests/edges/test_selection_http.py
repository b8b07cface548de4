"""Feeds by selection: any address under a feed's answers with a calendar, and equal ones with the same bytes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import httpx2
import pytest
from icalendar import Calendar

from tests.builders import utc
from tests.edges.site import Memory, visit
from tests.edges.test_feeds_http import eventually, summaries

ALL = "/feeds/all.ics"


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def site(memory: Memory) -> Iterator[httpx2.Client]:
    with visit(memory) as client:
        yield client


def test_all_dates_are_a_feed_that_nobody_declares(site: httpx2.Client) -> None:
    answer = site.get(ALL)
    assert summaries(answer) == summaries(site.get("/feeds/leadership.ics"))
    assert Calendar.from_ical(answer.content)["NAME"] == "Deadline reminders"


def test_an_address_narrows_any_feed(site: httpx2.Client) -> None:
    assert summaries(site.get(f"{ALL}?level=2&kind=course")) == summaries(site.get("/feeds/courses.ics?level=2"))
    assert len(summaries(site.get(f"{ALL}?level=2&kind=course"))) == 2
    assert summaries(site.get(f"{ALL}?kind=applications-close")) == summaries(site.get("/feeds/deadlines.ics"))


def test_equal_selections_share_their_bytes_and_say_one_address(site: httpx2.Client) -> None:
    one = site.get(f"{ALL}?level=2&kind=course&level=3")
    two = site.get(f"{ALL}?kind=course&x=1&level=3,2")
    assert one.content == two.content
    assert one.headers["ETag"] == two.headers["ETag"]
    assert "/feeds/all.ics?kind=course&level=2&level=3" in one.text.replace("\r\n ", "")
    assert site.get(f"{ALL}?kind=course&level=2,3", headers={"If-None-Match": one.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize(
    "query",
    ["level=99", "level=none", "kind=no-such", "category=%00", "provider=%F0%28%8C%28", "event=../../etc/passwd",
     "level=2&level=99x&kind=visit", "event=" + "x" * 9000],
)  # fmt: skip
def test_what_nobody_knows_gives_the_one_entry_that_says_so(site: httpx2.Client, query: str) -> None:
    answer = site.get(f"{ALL}?{query}")
    assert answer.status_code == 200
    assert summaries(answer) == ["No dates announced yet"]


@pytest.mark.parametrize("query", ["", "?", "?&&&", "?=", "?%", "?level", "?shape=round&alarms=never&tasks=%FF"])
def test_what_means_nothing_is_passed_over(site: httpx2.Client, query: str) -> None:
    assert site.get(ALL + query).content == site.get(ALL).content


def test_a_feed_that_is_not_declared_stays_unknown_whatever_is_asked_of_it(site: httpx2.Client) -> None:
    assert site.get("/feeds/no-such.ics?level=2").status_code == 404


def test_a_selection_without_dates_changes_nothing_when_other_dates_do(site: httpx2.Client, memory: Memory) -> None:
    before = site.get(f"{ALL}?level=99")
    memory.publish([], utc("2018-12-01T10:00"))
    eventually(site, ALL, "No dates")
    assert site.get(f"{ALL}?level=99").content == before.content


def test_the_last_change_of_a_selection_is_that_of_what_it_shows(site: httpx2.Client) -> None:
    assert site.get(f"{ALL}?level=2").headers["Last-Modified"] == "Fri, 23 Nov 2018 09:00:00 GMT"
    assert site.get(f"{ALL}?level=99").headers["Last-Modified"] == "Fri, 23 Nov 2018 00:00:00 GMT"


def test_alarms_and_tasks_are_for_those_who_ask(site: httpx2.Client) -> None:
    assert "VALARM" not in site.get(ALL).text
    assert site.get(f"{ALL}?alarms=1d").text.count("BEGIN:VALARM") == 3
    tasks = site.get(f"{ALL}?tasks=yes").text
    assert tasks.count("BEGIN:VTODO") == 1
    assert "DUE:20181214T100000Z" in tasks


def test_a_feed_that_cannot_be_made_is_served_as_it_was(memory: Memory, caplog: pytest.LogCaptureFixture) -> None:
    """A text that no encoding can write, which no catalogue lets through, stands for any fault of drawing."""
    with visit(memory) as site:
        known = {path: site.get(path).content for path in (ALL, "/feeds/courses.ics", f"{ALL}?level=2")}
        with caplog.at_level(logging.ERROR):
            memory.spoil()
            time.sleep(1.1)  # until it asks again
            site.get("/")
        for path, bytes in known.items():
            answer = site.get(path)
            assert (answer.status_code, answer.content) == (200, bytes), path
        unseen = site.get(f"{ALL}?level=3")
        assert unseen.status_code == 200
        assert summaries(unseen) == ["No dates announced yet"]
    assert "cannot be made" in caplog.text
