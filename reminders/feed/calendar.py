"""A feed: the entries it shows, joined into one calendar (RFC 5545, RFC 7986).

Entries arrive rendered, so joining is cheap and needs no clock: the same entries give the same bytes in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from reminders.catalogue.dates import Precision
from reminders.catalogue.events import EventDate, PublishedEvent
from reminders.feed.entry import Entry
from reminders.feed.selection import Feed
from reminders.planning.selections import matches

if TYPE_CHECKING:
    from reminders.feed.lines import Given

PRODID = "-//reminders//Dates and deadlines//EN"
REFRESH = timedelta(hours=6)
"""How often a calendar program is asked to look again; most keep their own counsel."""

_SHADES = {
    "crimson": "#DC143C",
    "darkcyan": "#008B8B",
    "darkgreen": "#006400",
    "darkorange": "#FF8C00",
    "darkviolet": "#9400D3",
    "goldenrod": "#DAA520",
    "indigo": "#4B0082",
    "mediumseagreen": "#3CB371",
    "navy": "#000080",
    "orchid": "#DA70D6",
    "sienna": "#A0522D",
    "slategray": "#708090",
    "steelblue": "#4682B4",
    "teal": "#008080",
}
"""The same colours for Apple's programs, which do not read names."""
_NAMESPACE = UUID("0b0f4f1c-6a5b-4b0e-8d0b-5a9f5a2f7c11")
_END = "END:VCALENDAR\r\n"
_ANY = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FeedStamp:
    """What a feed last said: the digest of its bytes apart from LAST-MODIFIED, and since when (UTC, whole seconds)."""

    digest: str
    last_modified: datetime


def select(feed: Feed, published: Mapping[str, PublishedEvent], entries: Iterable[Entry]) -> list[Entry]:
    """The entries the feed shows now, sorted by uid: of those that have not left, the ones it selects."""
    dates = {
        (id, *date.key): (each, date)
        for id, each in published.items()
        for date in each.event.dates
        if feed.tentative or date.when.precision >= Precision.DAY
    }
    shown = []
    for entry in entries:
        found: tuple[PublishedEvent, EventDate] | None = dates.get((entry.event, entry.kind, entry.occurrence))
        if entry.left_at is None and found and matches(feed.selection, found[0].event, entry.kind):
            shown.append(entry)
    return sorted(shown, key=lambda entry: entry.uid)


def digest(feed: Feed, entries: Iterable[Entry]) -> str:
    """What identifies the feed's bytes apart from its LAST-MODIFIED and its addresses, in 64 hex digits."""
    return hashlib.sha256(join(feed, entries, last_modified=_ANY, source_url=None, page_url=None)).hexdigest()


def join(
    feed: Feed,
    entries: Iterable[Entry],
    *,
    last_modified: datetime,
    source_url: str | None,
    page_url: str | None,
) -> bytes:
    """The calendar as bytes. `last_modified` is when what it shows last changed: `FeedStamp.last_modified`.

    `source_url` is where the feed itself is found, `page_url` the page about it; None while nothing is public. There
    is no METHOD: with it the standard would ask for an organiser (RFC 5546, 3.2.1). A calendar without entries is
    not legal and would leave old ones on some screens; an entry saying that there are none stands in.
    """
    from reminders.feed.lines import Address, Value, address, component  # takes long to import; few commands join

    def link(url: str | None) -> Address | None:
        return address(url) if url else None

    head = component(
        "VCALENDAR",
        {
            "VERSION": Value("2.0"),
            "PRODID": Value(PRODID),
            "CALSCALE": Value("GREGORIAN"),
            "UID": str(uuid5(_NAMESPACE, feed.name)),
            "NAME": feed.title,
            "X-WR-CALNAME": feed.title,
            "DESCRIPTION": feed.description,
            "X-WR-CALDESC": feed.description,
            "LAST-MODIFIED": last_modified,
            "COLOR": Value(feed.color),
            "X-APPLE-CALENDAR-COLOR": Value(_SHADES[feed.color]),
            "REFRESH-INTERVAL": REFRESH,
            "X-PUBLISHED-TTL": REFRESH,
            "SOURCE": link(source_url),
            "URL": link(page_url),
        },
    ).removesuffix(_END)
    body = [entry.text for entry in sorted(entries, key=lambda entry: entry.uid)]
    if not body:
        body = [component("VEVENT", _nothing(feed, last_modified))]
    return "".join((head, *body, _END)).encode()


def _nothing(feed: Feed, last_modified: datetime) -> dict[str, Given | None]:
    """The entry that stands in where there are none, on the day the last one left."""
    from reminders.feed.lines import Value

    day = last_modified.date()
    return {
        "UID": str(uuid5(_NAMESPACE, f"{feed.name}|nothing")),
        "DTSTAMP": last_modified,
        "LAST-MODIFIED": last_modified,
        "SUMMARY": f"No dates at present: {feed.title}",
        "DTSTART": day,
        "DTEND": day + timedelta(days=1),
        "STATUS": Value("CONFIRMED"),
        "TRANSP": Value("TRANSPARENT"),
        "X-MICROSOFT-CDO-BUSYSTATUS": Value("FREE"),
        "DESCRIPTION": "This calendar is working. Dates appear here as soon as they are announced.",
    }
