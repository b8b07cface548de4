"""Feeds over HTTP, as calendar programs ask for them."""

from __future__ import annotations

import gzip
import logging
import time
from collections.abc import Iterator

import httpx2
import pytest
from icalendar import Calendar

from reminders.catalogue.events import Event
from tests.builders import date, event, utc
from tests.edges.site import PUBLIC, Memory, feeds, visit

FEED = "/feeds/leadership.ics"
SINGLE = "/events/leadership-fellows-2019.ics"
BOTH = pytest.mark.parametrize("path", [FEED, SINGLE])


@pytest.fixture(scope="module")
def site() -> Iterator[httpx2.Client]:
    with visit(Memory()) as client:
        yield client


def raw(client: httpx2.Client, path: str, encodings: str) -> tuple[httpx2.Response, bytes]:
    """The answer and its bytes as they came over the wire."""
    with client.stream("GET", path, headers={"Accept-Encoding": encodings}) as answer:
        return answer, b"".join(answer.iter_raw())


def eventually(client: httpx2.Client, path: str, words: str) -> httpx2.Response:
    """The first answer with these words in it; the last one after five seconds."""
    end = time.monotonic() + 5
    while words not in (answer := client.get(path)).text and time.monotonic() < end:
        time.sleep(0.05)
    return answer


def summaries(answer: httpx2.Response) -> list[str]:
    return sorted(str(each["SUMMARY"]) for each in Calendar.from_ical(answer.content).walk("VEVENT"))


def test_a_feed_is_a_calendar_of_the_dates_that_are_known(site: httpx2.Client) -> None:
    answer = site.get(FEED)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'inline; filename="leadership.ics"'
    assert answer.headers["Last-Modified"] == "Fri, 23 Nov 2018 09:00:00 GMT"
    assert answer.headers["Cache-Control"] == "max-age=900, stale-if-error=86400"
    shown = summaries(answer)
    assert "Applications close 10:00 UK time: Leadership and Management Fellows, August 2019" in shown
    assert len(shown) == 8
    assert not any("Jenner" in each for each in shown)
    assert f"SOURCE;VALUE=URI:{PUBLIC}{FEED}" in answer.text.replace("\r\n ", "")


def test_every_feed_that_staff_declare_is_served(site: httpx2.Client) -> None:
    for feed in feeds():
        answer = site.get(f"/feeds/{feed.name}.ics")
        assert answer.status_code == 200
        assert f"X-WR-CALNAME:{feed.title}\r\n" in answer.text


def test_an_event_can_be_taken_into_a_calendar_by_itself(site: httpx2.Client) -> None:
    answer = site.get(SINGLE)
    assert answer.headers["Content-Disposition"] == 'inline; filename="leadership-fellows-2019.ics"'
    assert [each.partition(":")[0] for each in summaries(answer)] == ["Applications close 10", "Post starts"]


def test_what_is_no_event_has_no_calendar(site: httpx2.Client) -> None:
    assert site.get("/events/nothing.ics").status_code == 404


@BOTH
@pytest.mark.parametrize("encodings", ["gzip", "identity"])
def test_head_gives_the_fields_of_get_and_no_body(site: httpx2.Client, path: str, encodings: str) -> None:
    asked = {"Accept-Encoding": encodings}
    get, head = site.get(path, headers=asked), site.head(path, headers=asked)
    assert (head.status_code, head.content) == (200, b"")
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


@BOTH
def test_each_encoding_has_a_strong_tag_of_its_own(site: httpx2.Client, path: str) -> None:
    plain, plain_bytes = raw(site, path, "identity")
    packed, packed_bytes = raw(site, path, "gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed_bytes) == plain_bytes
    assert int(packed.headers["Content-Length"]) == len(packed_bytes) < len(plain_bytes)
    assert int(plain.headers["Content-Length"]) == len(plain_bytes)
    tags = {plain.headers["ETag"], packed.headers["ETag"]}
    assert len(tags) == 2
    assert all(tag.startswith('"') for tag in tags)
    assert plain.headers["Vary"] == packed.headers["Vary"] == "accept-encoding"


@pytest.mark.parametrize(
    ("encodings", "packed"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.8", True),
        ("GZIP", True),
        ("*", True),
        ("", False),
        ("br, zstd", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("identity", False),
    ],
)
def test_only_who_takes_gzip_gets_gzip(site: httpx2.Client, encodings: str, packed: bool) -> None:
    answer, _ = raw(site, FEED, encodings)
    assert (answer.headers.get("Content-Encoding") == "gzip") is packed


def test_encodings_in_two_fields_are_one_list(site: httpx2.Client) -> None:
    answer = site.get(FEED, headers=[("Accept-Encoding", "gzip"), ("Accept-Encoding", "br")])
    assert answer.headers["Content-Encoding"] == "gzip"


OLD, NOW, LATER = "Thu, 22 Nov 2018 09:00:00 GMT", "Fri, 23 Nov 2018 09:00:00 GMT", "Sat, 24 Nov 2018 09:00:00 GMT"


@BOTH
@pytest.mark.parametrize("encodings", ["gzip", "identity"])
@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({}, 200),
        ({"If-None-Match": "{tag}"}, 304),
        ({"If-None-Match": "W/{tag}"}, 304),
        ({"If-None-Match": '"other", {tag}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": ""}, 200),
        ({"If-Modified-Since": NOW}, 304),
        ({"If-Modified-Since": LATER}, 304),
        ({"If-Modified-Since": OLD}, 200),
        ({"If-Modified-Since": "Friday, 23-Nov-18 09:00:00 GMT"}, 304),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Modified-Since": ""}, 200),
        ({"If-Modified-Since": "Fri, 23 Nov 2018 09:00:00 +99999999999999999999"}, 200),
        ({"If-Modified-Since": "Fri, 23 Nov 99999999999999999999 09:00:00 GMT"}, 200),
        ({"If-None-Match": '"other"', "If-Modified-Since": LATER}, 200),
        ({"If-None-Match": "{tag}", "If-Modified-Since": OLD}, 304),
    ],
)
def test_who_has_these_bytes_already_is_told_so(
    site: httpx2.Client, path: str, encodings: str, conditions: dict[str, str], status: int
) -> None:
    tag = site.head(path, headers={"Accept-Encoding": encodings}).headers["ETag"]
    asked = {name: value.replace("{tag}", tag) for name, value in conditions.items()}
    for method in ("GET", "HEAD"):
        answer = site.request(method, path, headers={"Accept-Encoding": encodings, **asked})
        assert answer.status_code == status
        assert answer.headers["ETag"] == tag
        assert answer.headers["Last-Modified"] == NOW
        assert answer.headers["Vary"] == "accept-encoding"
        if status == 304:
            assert answer.content == b""
            assert not {"Content-Type", "Content-Encoding", "Content-Length"} & set(answer.headers)


def test_tags_in_two_fields_are_one_list(site: httpx2.Client) -> None:
    tag = site.head(FEED).headers["ETag"]
    assert site.get(FEED, headers=[("If-None-Match", tag), ("If-None-Match", '"other"')]).status_code == 304


@BOTH
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND", "REPORT"])
def test_other_methods_are_refused_without_asking_for_a_log_in(site: httpx2.Client, path: str, method: str) -> None:
    answer = site.request(method, path, headers={"If-Match": "nothing"}, content=b"<propfind/>")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize(
    "strange",
    [
        {"Accept": "application/json"},
        {"Accept": "text/html;q=0"},
        {"Accept": "\xff"},
        {"Authorization": "Bearer none"},
        {"Authorization": "Basic !"},
        {"Cookie": "a=b"},
        {"Range": "bytes=0-1"},
        {"Cache-Control": "no-cache", "Pragma": "no-cache"},
        {"User-Agent": ""},
    ],
    ids=str,
)
def test_strange_fields_are_ignored(site: httpx2.Client, strange: dict[str, str]) -> None:
    answer = site.get(FEED, headers=[(name.encode(), value.encode("latin-1")) for name, value in strange.items()])
    assert (answer.status_code, answer.content) == (200, site.get(FEED).content)


def test_a_request_without_accept_is_answered(site: httpx2.Client) -> None:
    bare = httpx2.Request("GET", site.base_url.join(FEED), headers={"Host": "dates.example.org"})
    assert "Accept" not in bare.headers
    assert site.send(bare).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/feeds/",
            "/feeds/.ics",
            "/feeds/none.ics",
            "/feeds/leadership",
            "/feeds/leadership.ics/",
            "/feeds/LEADERSHIP.ics",
        ),
        *("/feeds/../leadership.ics", "/feeds/%2e%2e%2fleadership.ics", "/feeds/leadership.ics%00.ics"),
    ],
)
def test_an_unknown_feed_is_not_found(site: httpx2.Client, path: str) -> None:
    assert site.get(path).status_code == 404


def test_the_same_facts_give_the_same_bytes_after_a_restart() -> None:
    answers = []
    for _ in range(2):
        with visit(Memory()) as client:
            answers.append(raw(client, FEED, "gzip"))
    (first, one), (second, two) = answers
    assert one == two
    assert first.headers["ETag"] == second.headers["ETag"]


def test_a_new_publication_is_served_without_a_restart() -> None:
    memory = Memory([event("talking-2019", date("2019-02-12"))])
    with visit(memory) as client:
        before = client.get("/feeds/leadership.ics")
        alone = client.get("/events/talking-2019.ics")
        memory.publish([event("talking-2019", date("2019-02-19"))], now=utc("2018-12-01T12:00"))
        after = eventually(client, "/feeds/leadership.ics", "20190219")
        assert "DTSTART;VALUE=DATE:20190219" in after.text
        assert after.headers["ETag"] != before.headers["ETag"]
        assert after.headers["Last-Modified"] == "Sat, 01 Dec 2018 12:00:00 GMT"
        assert client.get("/events/talking-2019.ics").headers["ETag"] != alone.headers["ETag"]


def test_a_feed_without_entries_is_still_a_legal_calendar() -> None:
    with visit(Memory([Event("undated", "Undated")])) as client:
        (stand_in,) = summaries(client.get(FEED))
        assert stand_in.startswith("No dates")


def test_while_the_store_is_broken_the_old_bytes_go_on_being_served(caplog: pytest.LogCaptureFixture) -> None:
    memory = Memory([event("talking-2019", date("2019-02-12"))])
    with visit(memory) as client, caplog.at_level(logging.ERROR):
        before = client.get(FEED)
        memory.broken = OSError("the disk is gone")
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            answer = client.get(FEED)
            assert (answer.status_code, answer.content) == (200, before.content)
            assert client.get("/").status_code == 200
            time.sleep(0.1)
        assert [record.message for record in caplog.records] == [
            "what is published cannot be read; serving what was served before"
        ], "one fault is told once, however long it lasts"
        memory.broken = None
        memory.publish([event("talking-2019", date("2019-02-19"))], now=utc("2018-12-01T12:00"))
        assert "20190219" in eventually(client, FEED, "20190219").text


def test_while_the_store_hangs_the_old_bytes_are_served_after_a_short_wait() -> None:
    memory = Memory()
    with visit(memory) as client:
        before = client.get(FEED)
        memory.stuck.clear()
        time.sleep(1.1)  # until the site would ask the store again
        started = time.monotonic()
        for _ in range(20):
            assert client.get(FEED).content == before.content
            time.sleep(0.1)
        assert time.monotonic() - started < 5


def test_a_site_that_cannot_read_anything_does_not_start() -> None:
    memory = Memory()
    memory.broken = OSError("the disk is gone")
    with pytest.raises(AssertionError, match="did not start"), visit(memory):
        pass
