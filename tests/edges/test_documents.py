"""What other programs read, over HTTP: the feed of changes, the JSON of events, its schema."""

from __future__ import annotations

import gzip
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

import feedparser
import httpx2
import jsonschema
import pytest
from starlette.types import Message

from reminders.catalogue.events import Event
from reminders.clock import FixedClock
from reminders.feed.selection import Feed
from reminders.serving import StoreReader
from reminders.web.atom import PATH as CHANGES
from reminders.web.changes import MOST
from reminders.web.data import PATH as EVENTS
from reminders.web.data import SCHEMA_PATH as SCHEMA
from reminders.web.documents import MOST as KEPT
from reminders.web.documents import Document
from reminders.web.reading import Shelf
from reminders.web.ready import Ready, prepare
from reminders.web.site import Site
from tests.builders import EPOCH, date, event, utc
from tests.edges.site import PUBLIC, Memory, seed, visit
from tests.edges.test_feeds_http import eventually, raw
from tests.flows.walk import Walk

EACH = pytest.mark.parametrize("path", [CHANGES, EVENTS, SCHEMA])


@pytest.fixture(scope="module")
def site() -> Iterator[httpx2.Client]:
    """The shipped catalogue, of which one date moved."""
    memory = Memory()
    shown = [each.event for each in memory.shelf().published.values()]
    memory.publish([event("talking-2019"), *shown])
    memory.publish([event("talking-2019", date("2019-02-19")), *shown], now=utc("2018-12-01T12:00"))
    with visit(memory) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "type"),
    [(CHANGES, "application/atom+xml"), (EVENTS, "application/json"), (SCHEMA, "application/schema+json")],
)
def test_each_says_what_it_is_and_may_be_read_by_scripts_of_any_site(site: httpx2.Client, path: str, type: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == f"{type}; charset=utf-8"
    assert answer.headers["Cache-Control"] == "max-age=900, stale-if-error=86400"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_pages_are_not_for_scripts_of_other_sites(site: httpx2.Client) -> None:
    for path in ("/", "/events/talking-2019", "/healthz"):
        assert "Access-Control-Allow-Origin" not in site.get(path).headers


@EACH
def test_each_encoding_has_a_strong_tag_and_whoever_has_it_is_told_so(site: httpx2.Client, path: str) -> None:
    plain, plain_bytes = raw(site, path, "identity")
    packed, packed_bytes = raw(site, path, "gzip")
    assert gzip.decompress(packed_bytes) == plain_bytes
    assert plain.headers["ETag"] != packed.headers["ETag"]
    for encoding, answer in (("identity", plain), ("gzip", packed)):
        assert answer.headers["ETag"].startswith('"')
        asked = {"Accept-Encoding": encoding, "If-None-Match": answer.headers["ETag"]}
        unchanged = site.get(path, headers=asked)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["Access-Control-Allow-Origin"] == "*"


@EACH
def test_a_time_alone_proves_nothing_so_none_is_given(site: httpx2.Client, path: str) -> None:
    """The words of a kind, or the public address, can change the bytes although no event changed."""
    answer = site.get(path, headers={"If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"})
    assert answer.status_code == 200
    assert "Last-Modified" not in answer.headers


@EACH
def test_head_gives_the_fields_of_get_and_no_body(site: httpx2.Client, path: str) -> None:
    get, head = site.get(path), site.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


@EACH
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_other_methods_are_refused(site: httpx2.Client, path: str, method: str) -> None:
    answer = site.request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


@EACH
def test_the_same_facts_give_the_same_bytes_after_a_restart(path: str) -> None:
    answers = []
    for _ in range(2):
        memory = Memory([event()])
        memory.publish([event("talking-2019", date("2019-02-19"))], now=utc("2018-12-01T12:00"))
        with visit(memory) as client:
            answers.append(client.get(path))
    assert answers[0].content == answers[1].content
    assert answers[0].headers["ETag"] == answers[1].headers["ETag"]


def test_a_change_is_told_without_a_restart() -> None:
    memory = Memory([event()])
    with visit(memory) as client:
        before, document = client.get(CHANGES), client.get(EVENTS)
        assert feedparser.parse(before.content).entries == []
        memory.publish([event("talking-2019", date("2019-02-19"))], now=utc("2018-12-01T12:00"))
        after = eventually(client, CHANGES, "Moved")
        (entry,) = feedparser.parse(after.content).entries
        assert entry.title == "Moved to 19 Feb 2019 (course): Having Difficult Conversations"
        assert entry.link == f"{PUBLIC}/events/talking-2019"
        assert entry.updated == "2018-12-01T12:00:00Z"
        assert after.headers["ETag"] != before.headers["ETag"]
        assert '"2019-02-19"' in client.get(EVENTS).text
        assert client.get(EVENTS).headers["ETag"] != document.headers["ETag"]


def test_pages_name_the_feed_of_changes(site: httpx2.Client) -> None:
    named = '<link rel="alternate" type="application/atom+xml" title="What changed" href="/changes.atom">'
    for path in ("/", "/past", "/calendars", "/events/talking-2019"):
        assert named in site.get(path).text
    with visit(Memory(), public_url="https://example.org/dates") as client:
        assert 'href="/dates/changes.atom"' in client.get("/").text
        assert "https://example.org/dates/changes.atom" in client.get(CHANGES).text


def test_the_document_keeps_to_the_schema_that_is_served(site: httpx2.Client) -> None:
    document = site.get(EVENTS).json()
    jsonschema.Draft202012Validator(site.get(SCHEMA).json()).validate(document)
    assert len(document["events"]) == 14


def test_the_addresses_in_the_document_lead_somewhere(site: httpx2.Client) -> None:
    for each in site.get(EVENTS).json()["events"]:
        page = each["page"].removeprefix(PUBLIC)
        assert site.get(page).status_code == 200
        assert site.get(each["calendar"].removeprefix(PUBLIC)).status_code == 200


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ("level=4", ["elizabeth-garrett-anderson-programme"]),  # which has no date
        ("kind=applications-close&level=&x=1", ["ilm7-scholarship-2019", "leadership-fellows-2019"]),
        ("event=tanzania-visit-2019,edward-jenner-programme", ["edward-jenner-programme", "tanzania-visit-2019"]),
        ("provider=NELA&level=1", ["edward-jenner-programme"]),
        ("level=9", []),
        ("level=two&kind=none", []),
    ],
)
def test_the_document_can_be_narrowed_as_the_feeds_are(asked: str, ids: list[str]) -> None:
    with visit(Memory()) as client:
        answer = client.get(f"{EVENTS}?{asked}")
        assert answer.status_code == 200
        assert [each["id"] for each in answer.json()["events"]] == ids


def test_of_an_event_only_the_dates_of_the_kind_are_told(site: httpx2.Client) -> None:
    (told,) = site.get(f"{EVENTS}?kind=applications-close&event=leadership-fellows-2019").json()["events"]
    assert [each["kind"] for each in told["dates"]] == ["applications-close"]


def test_addresses_that_mean_the_same_share_their_bytes(site: httpx2.Client) -> None:
    tags = [
        {site.get(f"{EVENTS}{asked}").headers["ETag"] for asked in alike}
        for alike in (
            ("", "?", "?utm_source=x", "?alarms=1d", "?level="),
            ("?level=2&kind=course", "?kind=course&level=2", "?kind=course,course&level=2&level=2"),
            ("?level=9", "?level=none", "?category=nothing"),
        )
    ]
    assert [len(each) for each in tags] == [1, 1, 1]
    assert len(set.union(*tags)) == 3


async def test_only_some_choices_are_kept_ready() -> None:
    site = Site(Memory(), PUBLIC, "Dates")
    await site.start()
    made: list[str] = []

    def make(shelf: Shelf, chosen: Feed) -> Ready:
        made.append(chosen.name)
        return prepare(b"{}", type="application/json", cache="no-cache", last_modified=None, secure=False)

    async def ignore(_: object) -> None:
        pass

    async def nothing() -> Message:
        return {"type": "http.request"}

    document = Document(site, EVENTS, make, narrows=True)
    ids = [each.id for each in seed()]
    choices = [b""] + [f"event={one}&event={other}".encode() for one, other in combinations(ids, 2)]
    choices += [query + b"&level=2" for query in choices[1:]]
    assert len(choices) > KEPT + 1
    scope = {"type": "http", "method": "GET", "headers": []}
    for query in (*choices, choices[-1], choices[-KEPT], choices[0]):
        await document(scope | {"query_string": query}, nothing, ignore)
    assert len(made) == len(choices) + 1, "the last ones are at hand, the first is made anew"
    assert made[-1] == made[0] == EVENTS


def test_control_characters_reach_no_reader() -> None:
    memory = Memory([])
    memory.publish([Event("odd", "a\x01b\x0c", description="\x00")])
    with visit(memory) as client:
        read = feedparser.parse(client.get(CHANGES).content)
        assert (read.bozo, [each.title for each in read.entries]) == (False, ["New: a\ufffdb\ufffd"])
        assert client.get(EVENTS).json()["events"][0]["title"] == "a\x01b\x0c"


def test_while_the_store_is_broken_the_old_bytes_go_on_being_served() -> None:
    memory = Memory()
    with visit(memory) as client:
        before = {path: client.get(path).content for path in (CHANGES, EVENTS)}
        memory.broken = OSError("the disk is gone")
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            for path, content in before.items():
                answer = client.get(path)
                assert (answer.status_code, answer.content) == (200, content)
            time.sleep(0.1)


def test_the_feeds_and_the_documents_do_not_fail_together(caplog: pytest.LogCaptureFixture) -> None:
    """Facts that a document cannot hold (no file can say such) do not keep the calendars from following."""
    memory = Memory([event()])
    with visit(memory) as client, caplog.at_level(logging.ERROR):
        before = client.get(EVENTS)
        odd = event("talking-2019", date("2019-02-19"), level="two")
        memory.publish([odd], now=utc("2018-12-01T12:00"))
        eventually(client, "/feeds/leadership.ics", "20190219")
        for _ in range(3):
            assert (client.get(EVENTS).status_code, client.get(EVENTS).content) == (200, before.content)
        assert [each.message for each in caplog.records] == [
            "/events.json cannot be made; serving what was served before"
        ]
        memory.publish([event("talking-2019", date("2019-02-19"))], now=utc("2018-12-02T12:00"))
        assert '"2019-02-19"' in eventually(client, EVENTS, '"2019-02-19"').text


def test_a_server_that_starts_while_the_store_is_away_serves_what_was_kept(tmp_path: Path) -> None:
    memory, kept = Memory([event()]), tmp_path / "shelf.json"
    memory.publish([event("talking-2019", date("2019-02-19"))], now=utc("2018-12-01T12:00"))
    with visit(memory, kept=kept) as client:
        before = {path: client.get(path) for path in (CHANGES, EVENTS)}
    assert "Moved" in before[CHANGES].text
    memory.broken = OSError("the disk is gone")
    with visit(memory, kept=kept) as client:
        for path, answer in before.items():
            again = client.get(path)
            assert (again.status_code, again.content) == (200, answer.content)
            assert again.headers["ETag"] == answer.headers["ETag"]


@contextmanager
def served(walk: Walk) -> Iterator[httpx2.Client]:
    """The site over the store of a walk."""
    with visit(StoreReader(walk.service, FixedClock(EPOCH))) as client:
        yield client


def titles(client: httpx2.Client) -> list[str]:
    read = feedparser.parse(client.get(CHANGES).content)
    assert not read.bozo
    return [each.title for each in read.entries]


def test_what_staff_publish_is_told_from_the_second_time_on(tmp_path: Path, url: str) -> None:
    with Walk(tmp_path, database=url) as walk:
        walk.course("2019-02")
        walk.refresh("2018-11-23T09:00")
        with served(walk) as client:
            assert titles(client) == []
            walk.course("2019-02-12")
            walk.refresh("2018-11-24T09:00")
            eventually(client, CHANGES, "Announced")
            assert titles(client) == ["Announced for 12 Feb 2019 (course): Talking"]
        for day, facts in enumerate(
            (
                {"when": "2019-02-19"},
                {"when": "2019-02-19", "status": "postponed"},
                {"when": "2019-03-05"},
                {"when": "2019-03-05", "location": "Durham"},
                {"when": "2019-03-05", "location": "Durham", "status": "cancelled"},
            ),
            25,
        ):
            walk.course(**facts)
            walk.refresh(f"2018-11-{day}T09:00")
        with served(walk) as client:
            assert titles(client) == [
                "Cancelled (course 5 Mar 2019): Talking",
                "New details (course): Talking",
                "On again, 5 Mar 2019 (course): Talking",
                "Postponed (course): Talking",
                "Moved to 19 Feb 2019 (course): Talking",
                "Announced for 12 Feb 2019 (course): Talking",
            ]
            read = feedparser.parse(client.get(CHANGES).content)
            assert [each.updated for each in read.entries] == [f"2018-11-{day}T09:00:00Z" for day in range(29, 23, -1)]
            assert len({each.id for each in read.entries}) == 6
            (told,) = client.get(EVENTS).json()["events"]
            assert (told["revision"], told["dates"][0]["revision"], told["dates"][0]["status"]) == (7, 6, "cancelled")


def test_a_long_history_is_told_by_its_newest_changes(tmp_path: Path, url: str) -> None:
    with Walk(tmp_path, database=url) as walk:
        walk.course("2019-02-12")
        walk.refresh("2018-11-23T09:00")
        many = "".join(f"  - {{id: e-{n:03}, title: Event {n:03}, dates: {{course: tba}}}}\n" for n in range(MOST + 30))
        walk.events(f"  - {{id: talking, title: Talking, dates: {{course: 2019-02-12}}}}\n{many}")
        walk.refresh("2018-11-24T09:00")
        walk.events(f"  - {{id: talking, title: Talking, dates: {{course: 2019-02-19}}}}\n{many}")
        walk.refresh("2018-11-25T09:00")
        checked = many.replace("dates:", "source: {page: P, checked: 2018-11-26}, dates:")
        walk.events(f"  - {{id: talking, title: Talking, dates: {{course: 2019-02-19}}}}\n{checked}")
        walk.refresh("2018-11-26T09:00")
        with served(walk) as client:
            newest, *others = titles(client)
            assert newest == "Moved to 19 Feb 2019 (course): Talking"
            assert others == [f"New: Event {n:03}" for n in range(MOST - 1)]
            assert json.loads(client.get(EVENTS).content)["events"][0]["source"]["checked"] == "2018-11-26"


def test_new_words_for_a_kind_are_told_in_what_changed_too(tmp_path: Path, url: str) -> None:
    with Walk(tmp_path, database=url) as walk:
        for day, when in ((23, "2019-02-12"), (24, "2019-02-19")):
            walk.course(when)
            walk.refresh(f"2018-11-{day}T09:00")
        with served(walk) as client:
            before = client.get(CHANGES)
            walk.write("rules.yaml", walk.rules.replace("label: Course", "label: Training day"))
            walk.refresh("2018-11-25T09:00")
            after = eventually(client, CHANGES, "training day")
            assert titles(client) == ["Moved to 19 Feb 2019 (training day): Talking"]
            assert after.text == before.text.replace("(course)", "(training day)").replace("Course:", "Training day:")
