"""Feeds by selection: any address under a feed's answers with a calendar, and equal ones with the same bytes."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx2
import pytest
from icalendar import Calendar

from reminders.web.made import MOST, Made
from reminders.web.ready import LARGE, Ready, prepare
from reminders.web.site import Shown
from tests.builders import date, event, utc
from tests.edges.site import PUBLIC, Memory, seed, visit
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


def test_what_left_a_selection_is_news_to_programs_that_compare_times(site: httpx2.Client, memory: Memory) -> None:
    """The newest of what is still shown is older than what is gone."""
    address = f"{ALL}?level=2"
    before = site.get(address)
    assert "LAST-MODIFIED" not in before.text.partition("BEGIN:VEVENT")[0]
    memory.publish([replace(each, level=3) if each.level == 2 else each for each in seed()], utc("2018-12-01T10:00"))
    eventually(site, address, "No dates")
    answer = site.get(address, headers={"If-Modified-Since": before.headers["Last-Modified"]})
    assert answer.status_code == 200
    assert answer.headers["Last-Modified"] == "Sat, 01 Dec 2018 10:00:00 GMT"


def test_an_event_without_dates_has_a_calendar_that_waits_for_one(site: httpx2.Client) -> None:
    assert summaries(site.get("/events/mary-seacole-programme.ics")) == ["No dates announced yet"]
    assert site.get("/events/no-such.ics").status_code == 404


def test_whatever_is_asked_takes_a_bounded_part_of_memory() -> None:
    made = Made()
    ready = prepare(b"x", type="text/calendar", cache="", last_modified=None, secure=False)
    for number in range(MOST + 500):
        made.get(str(number), lambda: ready)
    calls: list[str] = []

    def again() -> Ready:
        calls.append("made")
        return ready

    made.get(str(MOST + 499), again)
    assert calls == []
    made.get("0", again)
    assert calls == ["made"]


def test_a_large_feed_is_served_plain_until_it_is_packed(memory: Memory) -> None:
    """Packing takes longest of all; who asks meanwhile does not wait for it, and gets the same calendar."""
    words = "In the words of whoever announced it. " * 40
    memory.publish([event(f"event-{number:04}", date("2019-02-12"), description=words) for number in range(700)])
    shown = Shown(memory.shelf(), PUBLIC, "Dates")
    ready = shown.feeds["all"]
    assert len(ready.plain.body) > LARGE
    assert ready.packed is ready.plain
    small = shown.feeds["deadlines"]
    assert small.packed is not small.plain
    following = Shown(memory.shelf(), PUBLIC, "Dates", shown)
    for each in (shown, following):
        each.pack()
        packed = each.feeds["all"].packed
        assert gzip.decompress(packed.body) == ready.plain.body
        assert each.feeds["all"].plain.tag == ready.plain.tag != packed.tag
    with visit(memory) as site:
        end = time.monotonic() + 5
        while "Content-Encoding" not in site.get(ALL).headers and time.monotonic() < end:
            time.sleep(0.02)
        assert site.get(ALL).headers["Content-Encoding"] == "gzip"


def test_the_list_is_no_burden_for_calendars(memory: Memory) -> None:
    """Two thousand events take a page a second or so, in which a feed is still answered."""
    many = [event(f"event-{number:04}", date("2019-02-12"), title=f"Event {number}") for number in range(2_000)]
    memory.publish(many)
    with visit(memory) as site, httpx2.Client(base_url=site.base_url, trust_env=False, timeout=30) as reader:
        site.get(ALL)
        page = threading.Thread(target=reader.get, args=("/",))
        page.start()
        waits = []
        while page.is_alive():
            begun = time.monotonic()
            site.head(ALL)
            waits.append(time.monotonic() - begun)
        page.join()
    assert len(waits) > 5, "it was not answered meanwhile"


def test_alarms_and_tasks_are_for_those_who_ask(site: httpx2.Client) -> None:
    assert "VALARM" not in site.get(ALL).text
    assert site.get(f"{ALL}?alarms=1d").text.count("BEGIN:VALARM") == 3
    tasks = site.get(f"{ALL}?tasks=yes").text
    assert tasks.count("BEGIN:VTODO") == 1
    assert "DUE:20181214T100000Z" in tasks


@pytest.mark.parametrize("path", [ALL, "/feeds/courses.ics", f"{ALL}?category=course", f"{ALL}?kind=course&alarms=1d"])
def test_an_entry_that_cannot_be_written_is_left_out_and_the_others_stay(
    memory: Memory, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with visit(memory) as site:
        before = summaries(site.get(path))
        memory.spoil("having-difficult-conversations-2019")
        time.sleep(1.1)  # until it asks again
        site.get("/")
        answer = site.get(path)
    assert answer.status_code == 200
    assert summaries(answer) == [each for each in before if "Difficult" not in each]
    assert "left out" in caplog.text


def test_a_declared_feed_that_cannot_be_made_is_served_as_it_was(
    memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    paths = (ALL, "/feeds/courses.ics", "/feeds/deadlines.ics")
    with visit(memory) as site:
        known = {path: site.get(path).content for path in paths}
        memory.spoil()
        time.sleep(1.1)
        site.get("/")
        assert {path: site.get(path).content for path in paths} == known
        memory.publish(seed(), utc("2018-12-01T10:00"))
        time.sleep(1.1)
        site.get("/")
        assert site.get(ALL).status_code == 200
    assert "cannot be made" in caplog.text
