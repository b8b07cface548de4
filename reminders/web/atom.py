"""The changes as an Atom feed (RFC 4287). Pure: the same changes give the same bytes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from reminders.web.changes import Changelog, Entry

PATH = "/changes.atom"
NAMESPACE = "http://www.w3.org/2005/Atom"
TYPE = "application/atom+xml"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold (2.2, Char), not even escaped: control characters, surrogates, two that are none."""
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
"""When a feed changed that never held anything; it has to say some time."""


def render(changelog: Changelog, *, name: str, contact: str, public_url: str) -> bytes:
    """The feed as UTF-8. `name` and `contact` (an address, or "") are the author's: that of the service.

    Links are below `public_url`, which has no slash at its end; while it is "" they are relative to the feed's own
    address, which RFC 4287 allows for links (and for no id: those are URNs).
    """
    feed = Element("feed", {"xmlns": NAMESPACE, _LANG: "en-GB"})
    _text(feed, "id", changelog.id)
    _text(feed, "title", f"{name}: what changed")
    _text(feed, "subtitle", "Dates that were announced, moved or called off.")
    newest = changelog.entries[0].at if changelog.entries else changelog.began or _BEFORE_ALL
    _text(feed, "updated", _moment(newest))
    author = SubElement(feed, "author")
    _text(author, "name", name)
    if contact:
        _text(author, "email", contact)
    SubElement(feed, "link", rel="self", type=TYPE, href=f"{public_url}{PATH}")
    SubElement(feed, "link", rel="alternate", type="text/html", href=f"{public_url}/")
    for entry in changelog.entries:
        _entry(feed, entry, public_url)
    text: bytes = tostring(feed, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _entry(feed: Element, entry: Entry, public_url: str) -> None:
    element = SubElement(feed, "entry")
    _text(element, "id", entry.id)
    _text(element, "title", entry.title)
    _text(element, "updated", _moment(entry.at))
    _text(element, "published", _moment(entry.at))
    SubElement(element, "category", term=entry.what)
    href = _NOT_XML.sub("\ufffd", f"{public_url}/events/{entry.event}")
    SubElement(element, "link", rel="alternate", type="text/html", href=href)
    _text(element, "content", "\n".join(entry.lines)).set("type", "text")


def _text(parent: Element, tag: str, text: str) -> Element:
    element = SubElement(parent, tag)
    element.text = _NOT_XML.sub("\ufffd", text)
    return element


def _moment(instant: datetime) -> str:
    """An instant as RFC 3339 has it, in UTC and whole seconds."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
