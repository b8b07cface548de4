"""The pages, over HTTP and as text: what they show, what they never do."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest

from reminders.catalogue.events import Event, Source
from tests.builders import date, event, published, utc
from tests.edges.site import PUBLIC, TOKEN, Memory, seed, visit

SUBSCRIBE = "/calendars?feed=leadership"
PAGES = ["/", "/past", "/calendars", SUBSCRIBE, f"/unsubscribe/{TOKEN}", "/nothing"]
PAGES += [f"/events/{each.id}" for each in seed()]


@pytest.fixture(scope="module")
def site() -> Iterator[httpx2.Client]:
    with visit(Memory()) as client:
        yield client


class Page(HTMLParser):
    """A page taken apart: its text, the items under each heading, and what a browser would fetch by itself."""

    FETCHED = ("src", "srcset", "data", "poster", "background", "action", "formaction", "ping", "manifest")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: dict[str, list[str]] = {}
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.followed: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self._section = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = {name: value or "" for name, value in attrs}
        self.attributes += given.items()
        if tag == "link" and "href" in given:
            self.fetched.append(given["href"])
        elif "href" in given:
            self.followed.append(given["href"])
        self.fetched += [given[name] for name in self.FETCHED if name in given]
        if tag == "h2":
            self._section = ""
            self.sections[""] = []
        if tag == "li" and self._section:
            self.sections[self._section].append("")

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if not text:
            return
        self.words.append(text)
        if self.tags[-1:] == ["h2"] and not self._section:
            self._section = text
            self.sections[text] = []
        elif self.sections.get(self._section):
            self.sections[self._section][-1] = f"{self.sections[self._section][-1]} {text}".strip()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def read(client: httpx2.Client, path: str) -> Page:
    return Page(client.get(path).text)


def shown(page: Page) -> dict[str, list[str]]:
    """Headings, and under each its items' text."""
    return {heading: items for heading, items in page.sections.items() if heading}


def test_what_is_coming_stands_by_month_and_what_has_no_date_stands_apart(site: httpx2.Client) -> None:
    found = shown(read(site, "/"))
    assert list(found) == [
        *("December 2018", "February 2019", "March 2019", "Summer 2019", "August 2019", "November 2019"),
        *("2019 to 2020", "No date yet"),
    ]
    (oriel,) = found["December 2018"]
    assert oriel.startswith("Friday 14 December 2018, 10:00 UK time Deadline: 3 weeks left")
    assert "Applications close" in oriel
    course, ilm5 = found["March 2019"]
    assert course.startswith("Wednesday 13 to Friday 15 March 2019")
    assert ilm5.startswith("March 2019 (date to be confirmed) ILM5")
    undated = found["No date yet"]
    assert undated[0].startswith("ILM Level 7 Leadership and Management programme Applications: open, no date given")
    assert "Applications close: date to be announced" in undated[1]
    assert sum("No date given" in each for each in undated) == 7


def test_every_offer_is_on_the_page_of_what_is_coming(site: httpx2.Client) -> None:
    page = read(site, "/")
    for each in seed():
        assert each.title in page.text
        assert f"/events/{each.id}" in page.followed


def test_only_deadlines_are_marked_as_deadlines(site: httpx2.Client) -> None:
    marked = [item for items in shown(read(site, "/")).values() for item in items if "Deadline" in item]
    assert len(marked) == 1


@pytest.mark.parametrize(
    ("query", "headings", "count"),
    [
        ("level=2", ["February 2019", "March 2019", "No date yet"], 4),
        ("level=4", ["No date yet"], 1),
        ("kind=applications-close", ["December 2018", "No date yet"], 2),
        ("category=visit", ["Summer 2019", "November 2019"], 2),
        ("category=course&level=3", ["March 2019"], 1),
        ("level=2&kind=applications-close", [], 0),
        ("level=&kind=&category=", None, 17),
        ("level=9", None, 17),
        ("level=two&kind=none&category=%3Cscript%3E&other=1", None, 17),
    ],
)
def test_the_list_can_be_narrowed(site: httpx2.Client, query: str, headings: list[str] | None, count: int) -> None:
    found = shown(read(site, f"/?{query}"))
    assert headings is None or list(found) == headings
    assert sum(map(len, found.values())) == count


def test_what_was_chosen_stays_chosen_and_can_be_given_up(site: httpx2.Client) -> None:
    page = site.get("/?category=e-learning&level=1").text
    assert '<option value="e-learning" selected>E-learning</option>' in page
    assert '<option value="1" selected>Level 1</option>' in page
    assert '<a href="/">Show all</a>' in page
    assert "Show all" not in site.get("/").text


def test_a_choice_that_nothing_fits_says_so(site: httpx2.Client) -> None:
    assert "No dates fit what you chose." in site.get("/?level=4&kind=visit").text


def test_past_dates_have_a_page_of_their_own() -> None:
    with visit(Memory(), now=utc("2019-03-20T12:00")) as client:
        assert list(shown(read(client, "/past"))) == ["March 2019", "February 2019", "December 2018"]
        (line,) = shown(read(client, "/past?level=2&kind=course"))["February 2019"]
        assert "Having Difficult Conversations" in line
        assert "December 2018" not in shown(read(client, "/"))
        assert "Past" in read(client, "/events/having-difficult-conversations-2019").words


def test_empty_pages_say_that_they_are_empty() -> None:
    with visit(Memory([])) as client:
        assert "No dates are announced at the moment." in client.get("/").text
        assert "There are no past dates." in client.get("/past").text


@pytest.mark.parametrize("each", seed(), ids=lambda each: each.id)
def test_an_event_has_a_page_with_everything_known_of_it(site: httpx2.Client, each: Event) -> None:
    page = read(site, f"/events/{each.id}")
    assert each.source is not None
    told = [each.title, each.provider, each.description, each.contact, each.source.page, each.source.quote]
    told += [date.note for date in each.dates] + [date.inferred for date in each.dates]
    told += [f"Level {each.level}"] if each.level is not None else []
    for words in filter(None, told):
        assert " ".join(words.split()) in page.text
    assert "checked on 23 November 2018" in page.text
    assert ("No date given" in page.text) is (not each.dates)
    assert f"/calendars?event={each.id}" in page.followed  # a calendar that waits where there is no date yet
    dated = any(date.when.dated for date in each.dates)
    assert (f"/events/{each.id}.ics" in page.followed) is dated
    assert (each.link in page.followed) is bool(each.link)


def test_a_changed_date_says_when_it_changed() -> None:
    memory = Memory([event("talking-2019", date("2019-02-12"))])
    memory.publish([event("talking-2019", date("2019-02-19"))], now=utc("2018-12-01T12:00"))
    with visit(memory) as client:
        assert "Changed on 1 December 2018" in client.get("/events/talking-2019").text


@pytest.mark.parametrize(
    ("status", "words"),
    [("cancelled", "Cancelled"), ("postponed", "The new date is not known yet."), ("withdrawn", "Withdrawn")],
)
def test_what_does_not_take_place_is_said_in_words_not_in_colour_alone(status: str, words: str) -> None:
    with visit(Memory([event("talking-2019", date("2019-02-12", status=status))])) as client:
        assert words in client.get("/events/talking-2019").text
        assert (words in client.get("/").text) is (status != "withdrawn")


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;{{ 7*7 }}{% raw %}"


def hostile() -> Event:
    """An event that says the same in every field that can hold it."""
    each = date("2019-02-12", note=HOSTILE, location=HOSTILE, inferred=HOSTILE)
    quoted = f"https://example.org/{HOSTILE}"
    return Event(
        id="hostile",
        title=HOSTILE,
        dates=(each, replace(date("tba"), occurrence="x", note=HOSTILE)),
        provider=HOSTILE,
        categories=(HOSTILE,),
        description=HOSTILE,
        link=quoted,
        contact=f"{HOSTILE}@example.org",
        source=Source(HOSTILE, utc("2018-11-23").date(), HOSTILE, quoted),
    )


@pytest.mark.parametrize("path", ["/", "/events/hostile", "/calendars?event=hostile", f"/?category={HOSTILE}", "/past"])
def test_hostile_text_is_shown_and_does_nothing(path: str) -> None:
    with visit(Memory([hostile()]), now=utc("2020-01-01" if path == "/past" else "2018-11-23")) as client:
        answer = client.get(path)
        page = Page(answer.text)
    assert HOSTILE in page.text or " ".join(HOSTILE.split()) in page.text
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_hostile_names_of_the_site_do_nothing() -> None:
    with visit(Memory(), public_url="", contact=f"{HOSTILE}@example.org") as client:
        for path in ("/calendars", SUBSCRIBE, "/events/tanzania-visit-2019"):
            page = Page(client.get(path, headers={"Host": '"><script>alert(1)</script>'}).text)
            assert "script" not in page.tags


@pytest.mark.parametrize("path", PAGES)
def test_no_page_makes_the_browser_fetch_anything_from_elsewhere(site: httpx2.Client, path: str) -> None:
    page = read(site, path)
    assert page.fetched, "every page has its style sheets"
    assert [each for each in page.fetched if not re.match(r"/(?!/)|data:,$", each)] == []
    assert not {"script", "img", "object", "embed", "iframe", "style"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name == "style" or name.startswith("on")]
    sheets = [each for each in page.fetched if each.endswith(".css")]
    for sheet in sheets:
        answer = site.get(sheet)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
        assert not re.search(r"url\((?!['\"]?data:)|@import", answer.text)


@pytest.mark.parametrize(
    "path", [*PAGES, "/healthz", "/readyz", "/robots.txt", "/feeds/leadership.ics", "/assets/site.css"]
)
def test_every_answer_carries_the_protecting_fields(site: httpx2.Client, path: str) -> None:
    fields = site.get(path).headers
    policy = dict(each.strip().split(" ", 1) for each in fields["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["form-action"] == policy["frame-ancestors"] == "'self'"
    assert "script-src" not in policy
    assert "unsafe" not in str(policy)
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields["Referrer-Policy"] == "no-referrer"
    assert fields["Strict-Transport-Security"] == "max-age=31536000"
    assert "Set-Cookie" not in fields


def test_a_site_without_https_does_not_ask_for_it() -> None:
    with visit(Memory(), public_url="http://127.0.0.1:8025") as client:
        assert "Strict-Transport-Security" not in client.get("/").headers


@pytest.mark.parametrize("path", PAGES)
def test_head_on_a_page_gives_its_fields_and_no_body(site: httpx2.Client, path: str) -> None:
    get, head = site.get(path), site.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
    assert get.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/nothing", "/events/nothing", "/assets/nothing.css", "/assets/..%2fcoming.html.j2", "/letters/"]
)
def test_what_is_not_there_is_a_page_that_leads_on(site: httpx2.Client, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 404
    assert "Page not found" in answer.text
    assert '<a class="alone" href="/">See all dates</a>' in answer.text


def test_a_page_that_cannot_be_used_so_says_how(site: httpx2.Client) -> None:
    answer = site.post("/")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


def test_robots_may_read_feeds_but_not_follow_unsubscribe_links(site: httpx2.Client) -> None:
    answer = site.get("/robots.txt")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text == "User-agent: *\nDisallow: /unsubscribe/\nDisallow: /you/\n"


@pytest.mark.parametrize(
    ("facts", "status"), [({"ok": True}, 200), ({"ok": False, "faults": ["late"]}, 503), ({}, 503), ({"ok": 1}, 503)]
)
def test_health_is_what_the_reader_says(facts: dict[str, object], status: int) -> None:
    memory = Memory([])
    memory.facts = facts
    with visit(memory) as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()) == (status, facts)
        assert answer.headers["Cache-Control"] == "no-store"
        assert client.head("/readyz").status_code == status
        assert client.get("/healthz").json() == {"ok": True, "faults": []}


def test_health_is_words_for_whoever_looks_with_a_browser() -> None:
    memory = Memory([])
    memory.facts = {"ok": False, "faults": ["late"], "warnings": ["held"], "outbox": {"owed": 3, "sent": 0}}
    with visit(memory) as client:
        answer = client.get("/readyz", headers={"Accept": "text/html,*/*;q=0.8"})
        assert answer.status_code == 503
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert answer.text == "Not well.\nFault: late\nWarning: held\nOutbox: 3 owed\n"
        assert client.get("/healthz", headers={"Accept": "text/html"}).text == "All is well.\n"


def test_a_clockwork_that_stands_still_is_not_alive() -> None:
    with visit(Memory([]), stalled=lambda: "Nothing ticks.") as client:
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()) == (503, {"ok": False, "faults": ["Nothing ticks."]})
        assert client.get("/readyz").status_code == 200


def test_health_is_bad_when_nobody_can_tell() -> None:
    memory = Memory([])
    with visit(memory) as client:
        memory.broken = OSError("the disk is gone")
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["ok"] is False
        assert "disk" not in answer.text
        assert client.get("/healthz").status_code == 200, "a restart would not bring the disk back"


def test_the_calendars_page_gives_every_feed_its_address_and_leads_on(site: httpx2.Client) -> None:
    page = read(site, "/calendars")
    for name in ("leadership", "deadlines", "courses"):
        assert ("value", f"{PUBLIC}/feeds/{name}.ics") in page.attributes
        assert f"/calendars?feed={name}" in page.followed
        assert f"/calendars?feed={name}" in read(site, "/").followed
        assert ("id", name) in page.attributes


def test_a_subscribe_page_has_the_address_to_copy_and_a_way_for_every_program(site: httpx2.Client) -> None:
    page = read(site, "/calendars?feed=deadlines")
    address = f"{PUBLIC}/feeds/deadlines.ics"
    assert ("value", address) in page.attributes
    assert address in page.words
    assert "webcal://dates.example.org/feeds/deadlines.ics" in page.followed
    assert "https://calendar.google.com/calendar/r/settings/addbyurl" in page.followed
    outlook = (
        "calendar/0/addfromweb?url=https%3A%2F%2Fdates.example.org%2Ffeeds%2Fdeadlines.ics&name=Leadership%20deadlines"
    )
    assert f"https://outlook.live.com/{outlook}" in page.followed
    assert f"https://outlook.office.com/{outlook}" in page.followed
    assert page.tags.count("details") == 9  # eight programs, and how to show it otherwise
    assert "may not reach Google Calendar in time; the reminder mails do" in page.text
    assert "svg" in page.tags
    assert site.get(address.removeprefix(PUBLIC)).status_code == 200


def test_an_event_has_a_subscribe_page_of_its_own(site: httpx2.Client) -> None:
    event_page = read(site, "/events/leadership-fellows-2019")
    assert "/calendars?event=leadership-fellows-2019" in event_page.followed
    page = read(site, "/calendars?event=leadership-fellows-2019")
    assert ("value", f"{PUBLIC}/events/leadership-fellows-2019.ics") in page.attributes
    assert "Leadership and Management Fellows, August 2019" in page.text


@pytest.mark.parametrize(
    "query",
    ["feed=nothing", "event=nothing", "level=9", "level=2&kind=nothing", "level=two"],
)
def test_a_calendar_that_is_not_there_has_no_subscribe_page(site: httpx2.Client, query: str) -> None:
    assert site.get(f"/calendars?{query}").status_code == 404


@pytest.mark.parametrize("query", ["feed=", "event=", "level=&kind=&category=", "utm_source=mail"])
def test_a_question_for_nothing_is_answered_with_all_calendars(site: httpx2.Client, query: str) -> None:
    assert site.get(f"/calendars?{query}").text == site.get("/calendars").text


@pytest.mark.parametrize(
    ("asked", "address", "title"),
    [
        ("level=2", "/feeds/all.ics?level=2", "Deadline reminders: Level 2"),
        (
            "kind=applications-close&level=",
            "/feeds/all.ics?kind=applications-close",
            "Deadline reminders: Applications close",
        ),
        ("level=2&kind=course", "/feeds/all.ics?kind=course&level=2", "Deadline reminders: Level 2, Course"),
        ("level=2&level=3", "/feeds/all.ics?level=2&level=3", "Deadline reminders: Level 2, Level 3"),
        ("feed=all", "/feeds/all.ics", "Deadline reminders"),
        ("feed=courses&alarms=1d,2h", "/feeds/courses.ics?alarms=1d,2h", "Leadership courses"),
        ("alarms=1d", "/feeds/all.ics?alarms=1d", "Deadline reminders"),
    ],
)
def test_any_selection_has_a_subscribe_page(site: httpx2.Client, asked: str, address: str, title: str) -> None:
    page = read(site, f"/calendars?{asked}")
    assert ("value", PUBLIC + address) in page.attributes
    assert f"Subscribe to {title}" in page.text
    assert f"webcal://dates.example.org{address}" in page.followed
    calendar = site.get(address)
    assert f"X-WR-CALNAME:{title}".replace(",", "\\,") in calendar.text.splitlines()


def test_a_narrowed_list_leads_to_the_calendar_of_exactly_what_it_shows(site: httpx2.Client) -> None:
    page = read(site, "/?level=2&kind=course")
    assert "/calendars?kind=course&level=2" in page.followed
    assert 'type="text/calendar"' in site.get("/?level=2").text
    assert "/feeds/all.ics?level=2" in read(site, "/?level=2").fetched
    listed, feed = site.get("/?level=2&kind=course").text, site.get("/feeds/all.ics?kind=course&level=2").text
    titles = {html.unescape(each) for each in re.findall(r'date__title"><a[^>]+>([^<]+)', listed)}
    assert {each.removeprefix("SUMMARY:Course: ") for each in feed.splitlines() if "SUMMARY" in each} == titles
    assert "Subscribe to exactly" not in site.get("/").text


@pytest.mark.parametrize(
    ("query", "feed"),
    [("level=4", "/feeds/all.ics?level=4"), ("event=mary-seacole-programme", "/events/mary-seacole-programme.ics")],
)
def test_what_has_no_date_yet_can_be_subscribed_to_and_waits_for_one(
    site: httpx2.Client, query: str, feed: str
) -> None:
    assert f"{PUBLIC}{feed}" in site.get(f"/calendars?{query}").text
    assert "No dates announced yet" in site.get(feed).text


def test_a_list_leads_to_the_calendar_of_exactly_that_list(site: httpx2.Client) -> None:
    assert "/calendars?level=4" in site.get("/?level=4").text


def test_how_a_calendar_shows_its_dates_can_be_chosen(site: httpx2.Client) -> None:
    page = site.get("/calendars?level=2&shape=all-day&alarms=3d").text
    assert '<option value="all-day" selected>' in page
    assert '<option value="3d" selected>3 days before</option>' in page
    assert '<input type="hidden" name="level" value="2">' in page
    assert "A deadline takes its whole day" in page
    assert "It has alarms, 3 days before." in page
    chosen = site.get("/calendars?level=2&alarms=none&shape=block&cancelled=keep-confirmed&tentative=no").text
    assert f"{PUBLIC}/feeds/all.ics?cancelled=keep-confirmed&amp;level=2&amp;tentative=no" in chosen
    assert "Google takes it out of sight" not in chosen
    assert "is left out until its day is known" in chosen
    assert 'name="tentative"' not in site.get("/calendars?feed=deadlines").text
    assert "Show it otherwise" not in site.get("/calendars?event=tanzania-visit-2019").text


def test_pages_tell_programs_which_calendars_show_the_same(site: httpx2.Client) -> None:
    def told(path: str) -> list[str]:
        text = site.get(path).text
        return re.findall(r'<link rel="alternate" type="text/calendar" title="[^"]+" href="([^"]+)">', text)

    feeds = ["/feeds/leadership.ics", "/feeds/deadlines.ics", "/feeds/courses.ics"]
    assert told("/") == feeds
    assert told(SUBSCRIBE) == feeds[:1]
    assert told("/events/tanzania-visit-2019") == ["/events/tanzania-visit-2019.ics"]
    assert told("/past") == []
    for path in [*feeds, "/events/tanzania-visit-2019.ics"]:
        assert site.get(path).headers["Content-Type"] == "text/calendar; charset=utf-8"


def test_an_event_page_offers_each_firm_date_to_be_taken_once() -> None:
    dates = [
        date("2018-12-14T10:00", "applications-close"),
        date("2019-02-12"),
        date("2019-02-13", status="cancelled", occurrence="off"),
        date("2018-11-01", occurrence="past"),
        date("2019-08", "post-starts"),
    ]
    with visit(Memory([event("fellows", *dates)])) as client:
        page = read(client, "/events/fellows")
    given = [link for link in page.followed if link.startswith("https://calendar.google.com/")]
    assert [re.search(r"dates=([^&]+)", link)[1] for link in given] == [  # type: ignore[index]  # it fails without
        "20181214T093000Z%2F20181214T100000Z",
        "20190212%2F20190213",
    ]
    assert all("https%3A%2F%2Fdates.example.org%2Fevents%2Ffellows" in link for link in given)
    assert len([link for link in page.followed if "/deeplink/compose?" in link]) == 4


def test_links_lead_below_the_path_of_the_public_address() -> None:
    with visit(Memory(), public_url="https://example.org/dates/") as client:
        for path in ("/", "/calendars", SUBSCRIBE, "/events/tanzania-visit-2019", "/nothing"):
            page = read(client, path)
            inner = [each for each in page.fetched + page.followed if each.startswith("/")]
            assert inner
            assert [each for each in inner if not each.startswith("/dates/")] == []
        assert ("value", "https://example.org/dates/feeds/leadership.ics") in read(client, SUBSCRIBE).attributes


@pytest.mark.parametrize(
    ("now", "status", "called"),
    [
        ("2018-12-14T09:59", "planned", True),
        ("2018-12-14T10:00", "planned", False),
        ("2018-12-01T09:00", "cancelled", False),
        ("2019-12-01T09:00", "planned", False),
    ],
    ids=["open", "closed", "cancelled", "long past"],
)
def test_nobody_is_called_to_apply_for_what_is_closed_off_or_over(now: str, status: str, called: bool) -> None:
    closing = date("2018-12-14T10:00", "applications-close", status=status)
    fellows = event("fellows", closing, date("2019-08", "post-starts", status=status), link="https://www.example.org/x")
    with visit(Memory([fellows]), now=utc(now)) as client:
        page = client.get("/events/fellows").text
    assert ("Read more or apply at" in page) == called
    assert "https://www.example.org/x" in page
    assert ("Into your calendar" in page) == (status == "planned" and now < "2019-09")


def test_open_says_when_somebody_looked() -> None:
    with visit(Memory()) as client:
        assert "Open on 23 November 2018" in client.get("/").text


def test_what_is_published_later_is_shown_without_a_restart() -> None:
    memory = Memory([])
    with visit(memory) as client:
        memory.put({"late": published(Event("late", "Published later"))})
        for _ in range(100):
            if "Published later" in client.get("/").text:
                break
            time.sleep(0.05)
        assert client.get("/events/late").status_code == 200


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """A folder with two mails, one of them hostile."""
    for number, (subject, text) in enumerate((("Applications close", "Hello"), (HOSTILE, HOSTILE)), 1):
        message = EmailMessage()
        message["Subject"], message["To"] = subject, "Amina <amina@example.org>"
        message["Date"] = utc(f"2018-07-0{number}T08:00")
        message.set_content(text)
        message.add_alternative(
            f"<html><head></head><body>{text}<a href='https://x.example'>x</a></body></html>", subtype="html"
        )
        (tmp_path / f"2018-07-0{number}-0800-x.eml").write_bytes(bytes(message))
    (tmp_path / ".draft.eml.1").write_text("half")
    return tmp_path


def test_the_mails_of_the_demo_can_be_looked_at(letters: Path) -> None:
    with visit(Memory(), letters=letters) as client:
        page = read(client, "/letters/")
        assert [each for each in page.followed if each.endswith(".eml")] == [
            "/letters/2018-07-02-0800-x.eml",
            "/letters/2018-07-01-0800-x.eml",
        ]
        assert "Sunday 1 July 2018, 09:00 UK time" in page.text
        one = read(client, "/letters/2018-07-01-0800-x.eml")
        assert {"Applications close", "Hello"} <= set(one.words)
        assert one.fetched[-1] == "/letters/2018-07-01-0800-x.eml/html"


def test_a_mail_can_do_nothing_to_the_page_that_shows_it(letters: Path) -> None:
    with visit(Memory(), letters=letters) as client:
        for path in ("/letters/", "/letters/2018-07-02-0800-x.eml"):
            page = read(client, path)
            assert HOSTILE in html.unescape(client.get(path).text)
            assert not {"script", "img"} & set(page.tags)
        policy = client.get("/letters/2018-07-02-0800-x.eml/html").headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "sandbox" in policy
        assert "allow-scripts" not in policy


@pytest.mark.parametrize("name", ["none.eml", "..%2fsecret.eml", ".draft.eml.1", "%2fetc%2fpasswd", "x.eml%00"])
def test_nothing_but_the_mails_of_the_folder_is_shown(letters: Path, name: str) -> None:
    (letters.parent / "secret.eml").write_text("Subject: secret\n\n")
    with visit(Memory(), letters=letters) as client:
        assert client.get(f"/letters/{name}").status_code == 404
        assert client.get(f"/letters/{name}/html").status_code == 404


def test_without_a_folder_there_are_no_mails_to_see(site: httpx2.Client) -> None:
    assert "/letters/" not in read(site, "/").followed
