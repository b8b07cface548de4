"""Calendars of one's own: an address for each device, shown once, taken back by itself, and known to nobody else."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256

import httpx2
import pytest

from reminders.feed.personal import MOST, PersonalFeed
from reminders.planning.subscribers import Selection
from reminders.web.fetches import client
from reminders.web.personal import ago, last_fetch
from reminders.web.reading import Personal
from tests.builders import EPOCH, utc
from tests.edges.site import PUBLIC, TOKEN, Memory, ask, visit
from tests.edges.test_feeds_http import summaries

OTHERS = ("httpx2", "httpcore2", "asyncio", "uvicorn.access")
"""Loggers of the client, and the one that the server has switched off: pytest listens to that one all the same."""
YOU = f"/you/{TOKEN}"
SECRET = "aVeryOwnTokenOfOneCalendar012345"
MINE = f"/my/{SECRET}/mine.ics"


@pytest.fixture
def memory() -> Memory:
    memory = Memory()
    memory.give(SECRET, Personal(7, "mine", (Selection(kinds=("applications-close",)), Selection(levels=(3,)))))
    return memory


@pytest.fixture
def site(memory: Memory) -> Iterator[httpx2.Client]:
    with visit(memory) as client:
        yield client


def make(site: httpx2.Client, **form: str) -> str:
    """Make a calendar by the form; the path of its address."""
    page = site.post(YOU, data={"do": "make", **form}).text
    found = re.search(rf'value="{PUBLIC}(/my/[^"]+\.ics)"', page)
    assert found, page
    return found[1]


def test_an_address_is_shown_once_and_leads_to_what_its_owner_is_sent_mails_about(site: httpx2.Client) -> None:
    path = make(site, label="Phone")
    again = site.get(YOU).text
    assert "Phone" in again
    assert path not in again
    answer = wait_for(site, path)
    assert len(summaries(answer)) == 8
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"


def test_a_personal_feed_shows_what_fits_any_of_its_lists(site: httpx2.Client) -> None:
    assert [each.partition(":")[0] for each in summaries(site.get(MINE))] == [
        "Applications close 10",
        "Course",
    ]


@pytest.mark.parametrize(
    ("form", "alike"),
    [
        ({"shows": "courses"}, "/feeds/courses.ics"),
        ({"shows": "all", "alarms": "alarms=1d,2h"}, "/feeds/all.ics?alarms=1d,2h"),
        ({"shows": "no-such"}, "/feeds/all.ics"),
        ({"shows": "all", "alarms": "level=2"}, "/feeds/all.ics"),
        ({"label": "x" * 500 + "\x00\r\nSUMMARY:y<b>"}, "/feeds/all.ics"),
    ],
)
def test_what_it_shows_is_chosen_and_what_cannot_be_chosen_is_passed_over(
    site: httpx2.Client, form: dict[str, str], alike: str
) -> None:
    assert summaries(wait_for(site, make(site, **form))) == summaries(site.get(alike))


def test_a_personal_feed_is_kept_from_caches_search_engines_and_its_own_text(site: httpx2.Client) -> None:
    answer = site.get(MINE)
    assert answer.headers["Cache-Control"] == "private, max-age=0, must-revalidate"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert SECRET not in answer.text
    assert site.get(MINE, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert site.head(MINE).headers["ETag"] == answer.headers["ETag"]
    assert site.request("PROPFIND", MINE).status_code == 405


def test_taking_one_back_ends_it_and_leaves_the_others(site: httpx2.Client) -> None:
    phone, laptop = make(site, label="Phone"), make(site, label="Laptop")
    wait_for(site, laptop)
    answer = site.post(YOU, data={"do": "revoke", "feed": "1"})
    assert (answer.status_code, answer.headers["Location"]) == (303, YOU)
    site.get(laptop)
    assert site.get(phone).status_code == 404
    assert site.get(laptop).status_code == 200
    page = site.get(YOU).text
    assert "Laptop" in page
    assert "Phone</h2>" not in page


def test_looking_makes_and_takes_back_nothing(site: httpx2.Client, memory: Memory) -> None:
    make(site, label="Phone")
    for query in ("?do=make", "?do=revoke&feed=1"):
        assert site.get(YOU + query).status_code == 200
    assert [each.label for each in memory.own] == ["Phone"]


@pytest.mark.parametrize("token", [TOKEN[:-1], TOKEN + "A", "x", "%00", "x" * 4000, "", "a/b"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_page_is_there_for_its_owner_only(site: httpx2.Client, method: str, token: str) -> None:
    answer = site.request(method, f"/you/{token}", data={"do": "make"} if method == "POST" else None)
    assert answer.status_code == 404
    assert "make" not in answer.text


def test_the_page_is_kept_by_nobody(site: httpx2.Client) -> None:
    fields = site.get(YOU).headers
    assert fields["Cache-Control"] == "private, no-store"
    assert "noindex" in fields["X-Robots-Tag"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PROPFIND"])
def test_what_is_unknown_revoked_or_malformed_is_refused_with_the_same_bytes(
    site: httpx2.Client, memory: Memory, method: str
) -> None:
    site.get(MINE)
    memory.take_back(SECRET)
    time.sleep(1.1)  # until the site asks again
    site.get("/")
    unknown = f"/my/{secrets.token_urlsafe(24)}/mine.ics"
    odd = ["/my/", "/my/x", f"/my/{SECRET}", f"/my/{SECRET}/", f"/my/{SECRET}/mine.txt", f"/my/{SECRET}/a/mine.ics",
           "/my/%00/mine.ics", "/my/%F0%28%8C%28/mine.ics", f"/my/{'x' * 4000}/mine.ics", "/my//mine.ics"]  # fmt: skip
    seen = {path: refusal(site.request(method, path)) for path in (MINE, unknown, *odd)}
    assert len(set(seen.values())) == 1, seen
    assert refusal(site.request(method, MINE))[0] == 404


def test_a_hundred_thousand_guesses_are_refused_alike(site: httpx2.Client, caplog: pytest.LogCaptureFixture) -> None:
    """By the application itself, and some of them over the network."""
    with caplog.at_level(logging.DEBUG):
        refusals = ask([f"/my/{secrets.token_urlsafe(24)}/mine.ics" for _ in range(100_000)])
        assert len(refusals) == 1
        over_http = {refusal(site.get(f"/my/{secrets.token_urlsafe(24)}/mine.ics")) for _ in range(200)}
        assert len(over_http) == 1
        site.get(MINE)
    own = [record for record in caplog.records if not record.name.startswith(OTHERS)]
    assert not [record for record in own if SECRET in record.getMessage()]


def refusal(answer: httpx2.Response) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    """All of an answer but the time of day."""
    fields = tuple((name, value) for name, value in answer.headers.items() if name != "date")
    return answer.status_code, fields, answer.content


def wait_for(site: httpx2.Client, path: str) -> httpx2.Response:
    """What is at a path that was made just now."""
    end = time.monotonic() + 5
    while (answer := site.get(path)).status_code != 200 and time.monotonic() < end:
        time.sleep(0.05)
    assert answer.status_code == 200
    return answer


# Who fetched it


def test_each_fetch_is_noted_with_the_kind_of_program_and_what_it_saw(memory: Memory) -> None:
    with visit(memory, now=utc("2018-11-24T10:00")) as site:
        site.get(MINE, headers={"User-Agent": "Google-Calendar-Importer"})
        site.get(MINE, headers={"User-Agent": "Mozilla/5.0 (X11; rv:128.0) Gecko/20100101 Thunderbird/128.0"})
        site.head(MINE)
        site.get("/my/unknown/mine.ics")
    (fetch,) = memory.fetches
    assert (fetch.personal, fetch.client, fetch.at, fetch.seen_at) == (7, "Thunderbird", utc("2018-11-24T10:00"), EPOCH)


def test_what_cannot_be_written_down_now_is_written_later(memory: Memory, caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    from reminders.clock import FixedClock
    from reminders.web.fetches import Fetches

    async def scenario() -> None:
        fetches = Fetches(memory, FixedClock(EPOCH))
        fetches.note(7, b"ICSx5/2.2", EPOCH)
        memory.broken = OSError("the disk is gone")
        await fetches.write()
        fetches.note(8, b"", None)
        memory.broken = None
        await fetches.write()

    asyncio.run(scenario())
    assert [(each.personal, each.client) for each in memory.fetches] == [(7, "ICSx5"), (8, "another program")]
    assert "cannot be written down" in caplog.text


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Google-Calendar-Importer", "Google"),
        ("Mozilla/5.0 (compatible; Google-Calendar-Importer)", "Google"),
        ("iOS/17.5 (21F79) dataaccessd/1.0", "iPhone or iPad"),
        ("macOS/14.5 (23F79) CalendarAgent/1010", "Apple Calendar"),
        ("Mac OS X/10.15.7 (19H15) CalendarAgent/930.5.1", "Apple Calendar"),
        ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0)", "Outlook"),
        ("Mozilla/5.0 (Windows NT 10.0; rv:115.0) Gecko/20100101 Thunderbird/115.3", "Thunderbird"),
        ("Evolution/3.46.4", "GNOME"),
        ("ICSx5/2.2.1 (ical4android) Android/14", "ICSx5"),
        ("Nextcloud Server Calendar", "Nextcloud"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15",
            "a browser",
        ),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0 Safari/537.36", "a browser"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile Safari/604.1", "a browser"),
        ("curl/8.5.0", "another program"),
        ("", "another program"),
    ],
)
def test_programs_are_told_apart_by_what_they_say_of_themselves(said: str, kind: str) -> None:
    assert client(said.encode()) == kind


@pytest.mark.parametrize(
    ("fetched", "seen", "words"),
    [
        (None, None, "Not fetched yet"),
        ("2019-07-02T09:00", "2019-07-02T08:02", "Google, 6 hours ago, version of 09:02"),
        ("2019-07-01T14:59", "2019-06-30T23:30", "Google, 1 day ago, version of 00:30 on 1 July 2019"),
        ("2019-07-02T14:59", None, "Google, 1 minute ago"),
        ("2019-07-02T15:00", "2019-07-02T14:59", "Google, just now, version of 15:59"),
    ],
)
def test_the_last_fetch_is_said_in_words(fetched: str | None, seen: str | None, words: str) -> None:
    at, seen_at = (utc(text) if text else None for text in (fetched, seen))
    feed = PersonalFeed(1, 1, "Phone", "mine", EPOCH, at, "Google", seen_at)
    assert last_fetch(feed, utc("2019-07-02T15:00"), "Europe/London") == words
    assert ago(timedelta(days=2)) == "2 days ago"


def test_the_page_says_when_nobody_can_have_more(site: httpx2.Client, memory: Memory) -> None:
    memory.own = [PersonalFeed(n, 1, f"No {n}", "mine", EPOCH) for n in range(1, MOST + 1)]
    page = site.post(YOU, data={"do": "make"}).text
    assert f"You have {MOST} calendars" in page
    assert len(memory.own) == MOST


def test_no_token_is_kept_only_its_hash(memory: Memory) -> None:
    assert set(memory.shelf().personal) == {sha256(SECRET.encode()).hexdigest()}
