"""The feed of changes, by the rules of RFC 4287 and as a feed reader takes it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from calendar import timegm
from datetime import UTC, datetime, timedelta
from uuid import UUID

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.web import atom
from reminders.web.changes import Changelog, Entry, What
from tests.builders import EPOCH

PUBLIC = "https://dates.example.org/base"
TAG = f"{{{atom.NAMESPACE}}}"
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def entry(number: int = 1, **fields: object) -> Entry:
    facts: dict[str, object] = {
        "id": f"urn:uuid:{UUID(int=number)}",
        "event": f"event-{number}",
        "title": f"Moved: {number}",
        "what": What.MOVED,
        "lines": ("Course: now this; was that.", "Level now: 2"),
        "at": EPOCH + timedelta(days=number, microseconds=number),
    }
    return Entry(**(facts | fields))  # type: ignore[arg-type]  # test sugar


def changelog(*entries: Entry) -> Changelog:
    return Changelog((EPOCH, EPOCH), entries)


def render(changes: Changelog, public_url: str = PUBLIC, contact: str = "help@example.org") -> bytes:
    return atom.render(changes, name="Dates & deadlines", contact=contact, public_url=public_url)


def parsed(data: bytes) -> ET.Element:
    return ET.fromstring(data)  # noqa: S314  # our own bytes


def texts(element: ET.Element, tag: str) -> list[str]:
    return [each.text or "" for each in element.findall(TAG + tag)]


FILLED = changelog(entry(3), entry(2), entry(1))


@pytest.mark.parametrize("changes", [FILLED, changelog(), Changelog()], ids=["filled", "empty", "nothing published"])
def test_the_feed_has_what_the_standard_requires(changes: Changelog) -> None:
    root = parsed(render(changes))
    assert root.tag == f"{TAG}feed"
    entries = root.findall(f"{TAG}entry")
    for element in (root, *entries):
        for tag in ("id", "title", "updated"):
            (text,) = texts(element, tag)
            assert text
        assert all(RFC_3339.fullmatch(each) for each in texts(element, "updated") + texts(element, "published"))
        alternate = [each for each in element.findall(f"{TAG}link") if each.get("rel") == "alternate"]
        assert len(alternate) == 1
    ids = [texts(element, "id")[0] for element in (root, *entries)]
    assert len(set(ids)) == len(ids)
    for id in ids:
        UUID(id.removeprefix("urn:uuid:"))
    (author,) = root.findall(f"{TAG}author")
    assert (texts(author, "name"), texts(author, "email")) == (["Dates & deadlines"], ["help@example.org"])
    (own,) = (each for each in root.findall(f"{TAG}link") if each.get("rel") == "self")
    assert (own.get("href"), own.get("type")) == (f"{PUBLIC}/changes.atom", "application/atom+xml")
    assert {each.get("type") for each in root.iter(f"{TAG}content")} <= {"text"}


def test_the_feed_is_as_new_as_its_newest_entry() -> None:
    assert texts(parsed(render(FILLED)), "updated") == ["2018-11-26T09:00:00Z"]
    assert texts(parsed(render(changelog())), "updated") == ["2018-11-23T09:00:00Z"]


def test_a_feed_reader_takes_all_of_it() -> None:
    read = feedparser.parse(render(FILLED))
    assert (read.bozo, read.version) == (False, "atom10")
    assert read.feed.author_detail == {"name": "Dates & deadlines", "email": "help@example.org"}
    assert [each.title for each in read.entries] == ["Moved: 3", "Moved: 2", "Moved: 1"]
    newest = read.entries[0]
    assert newest.link == f"{PUBLIC}/events/event-3"
    assert newest.content[0].value == "Course: now this; was that.\nLevel now: 2"
    assert newest.content[0].type == "text/plain"
    assert [each.term for each in newest.tags] == ["moved"]
    assert datetime.fromtimestamp(timegm(newest.updated_parsed), UTC) == EPOCH + timedelta(days=3)


def test_without_a_public_address_links_are_relative_to_the_feed_and_ids_are_not() -> None:
    read = feedparser.parse(
        render(FILLED, public_url=""), response_headers={"content-location": "http://127.0.0.1:8025/changes.atom"}
    )
    assert read.entries[0].link == "http://127.0.0.1:8025/events/event-3"
    assert read.feed.id.startswith("urn:uuid:")


def test_an_author_without_an_address_has_none() -> None:
    assert b"<email>" not in render(FILLED, contact="")


def test_markup_is_text() -> None:
    hostile = "<script>alert(1)</script>&amp;]]><![CDATA["
    read = feedparser.parse(render(changelog(entry(title=hostile, lines=(hostile,)))), sanitize_html=False)
    assert (read.entries[0].title, read.entries[0].content[0].value) == (hostile, hostile)


def test_what_xml_cannot_hold_is_shown_as_unreadable() -> None:
    bad = "a\x00b\x0bc\x1f\ud800d\ufffee\uffff"
    (found,) = parsed(render(changelog(entry(title=bad, lines=(bad,), event=bad)))).findall(f"{TAG}entry")
    assert texts(found, "title") == ["a\ufffdb\ufffdc\ufffd\ufffdd\ufffde\ufffd"]
    assert texts(found, "content") == texts(found, "title")


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=40))
def test_any_text_gives_a_feed_that_can_be_read_and_the_same_each_time(text: str) -> None:
    changes = changelog(entry(title=text, lines=(text, text), event=text))
    data = render(changes)
    assert data == render(changes)
    (found,) = parsed(data).findall(f"{TAG}entry")
    readable = re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    assert texts(found, "title") == [re.sub("\r\n?", "\n", readable)]
