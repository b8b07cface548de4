"""A feed: the entries it shows, joined into one calendar (RFC 5545, RFC 7986).

Entries arrive rendered, so joining is cheap and needs no clock: the same entries give the same bytes in any order.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from operator import attrgetter
from uuid import UUID, uuid5

from reminders.catalogue.events import PublishedEvent
from reminders.feed.entry import Entry
from reminders.feed.selection import Feed
from reminders.feed.style import NEVER_RESTYLED, USUAL, Restyle, restyled
from reminders.planning.selections import fits
from reminders.planning.subscribers import Selection

LOG = logging.getLogger(__name__)
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
_EVERYTHING = Selection()
_BY_UID = attrgetter("uid")
_FIRST = date(1980, 1, 1)
"""No catalogue was checked earlier: see the years a date can have."""


def checked(published: Iterable[PublishedEvent], otherwise: date) -> date:
    """The day on which anything of the catalogue was last compared with its source; `otherwise` if none says."""
    days = (each.event.source.checked for each in published if each.event.source)
    return max(days, default=otherwise)


@dataclass(frozen=True, slots=True)
class FeedStamp:
    """What a feed last said: the digest of its bytes apart from LAST-MODIFIED, and since when (UTC, whole seconds).

    `style` is the text of its style ("" for the usual), `restyle` how often that changed.
    """

    digest: str
    last_modified: datetime
    style: str = ""
    restyle: Restyle = NEVER_RESTYLED

    @property
    def forgotten(self) -> bool:
        """Whether the feed is no longer declared. Its stamp stays for the day on which it is declared again."""
        return not self.digest


def chooser(feed: Feed) -> Callable[[Entry], bool]:
    """What tells whether an entry is one of the feed's, be it still in the feeds or not."""
    if feed.narrowed is None:
        return lambda entry: False
    all_of = [each for each in (feed.selection, feed.narrowed) if each != _EVERYTHING]
    any_of, tentative, tasks = feed.follows, feed.tentative, feed.style.tasks
    if not all_of and any_of is None and tentative and not tasks:
        return lambda entry: True

    def shows(entry: Entry) -> bool:
        about = (entry.event, entry.kind, entry.level, entry.provider, entry.categories)
        return (
            (tentative or entry.firm)
            and (not tasks or bool(entry.deadline))
            and all(fits(each, *about) for each in all_of)
            and (any_of is None or any(fits(each, *about) for each in any_of))
        )

    return shows


def select(feed: Feed, entries: Iterable[Entry]) -> list[Entry]:
    """The entries the feed shows now, sorted by uid: of those that have not left, the ones it selects."""
    shows = chooser(feed)
    return sorted((each for each in entries if each.left_at is None and shows(each)), key=_BY_UID)


def digest(feed: Feed, entries: Iterable[Entry], checked: date, site: str) -> str:
    """What identifies the feed's bytes apart from its LAST-MODIFIED, in 64 hex digits; `site` stands for its addresses.

    An entry's bytes are known by its stamps, which move whenever they do.
    """
    found = hashlib.sha256(_head(feed, last_modified=_ANY, source_url=site, page_url=None).encode())
    found.update(_style(feed).encode())
    shown = sorted(entries, key=_BY_UID)
    for entry in shown:
        found.update(f"{entry.uid} {entry.sequence} {entry.last_modified}\n".encode())
    if not shown:
        found.update(str(checked).encode())
    return found.hexdigest()


def stamp(
    feed: Feed, entries: Iterable[Entry], old: FeedStamp | None, now: datetime, *, checked: date, site: str
) -> FeedStamp:
    """The stamp of a declared feed that shows these entries: `old` while its bytes are the same.

    LAST-MODIFIED moves forward even if the clock went back. A change of style makes all entries seem new.
    """
    shown = list(entries)
    found = digest(feed, shown, checked, site)
    if old is not None and old.digest == found:
        return old
    moment = now.astimezone(UTC).replace(microsecond=0)
    if old is None:
        return FeedStamp(found, moment, _style(feed))
    moment = max(moment, old.last_modified + timedelta(seconds=1))
    restyle = old.restyle
    if old.style != _style(feed):
        newest = max((each.last_modified for each in shown), default=moment)
        moment = max(moment, newest + timedelta(seconds=1))
        restyle = Restyle(old.restyle.count + 1, moment)
    return FeedStamp(found, moment, _style(feed), restyle)


def _style(feed: Feed) -> str:
    return "" if feed.style == USUAL else str(feed.style)


def join(
    feed: Feed,
    entries: Iterable[Entry],
    *,
    last_modified: datetime | None,
    checked: date,
    restyle: Restyle = NEVER_RESTYLED,
    source_url: str | None,
    page_url: str | None,
) -> bytes:
    """The calendar as bytes. `last_modified` is when what it shows last changed: `FeedStamp.last_modified`.

    None leaves that out, for feeds that nobody stamps. `source_url` is where the feed itself is found, `page_url` the
    page about it; None while nothing is public. There is no METHOD: with it the standard would ask for an organiser
    (RFC 5546, 3.2.1). A calendar without entries is not legal and would leave old ones on some screens; an entry stands
    in that says so, on the day `checked` when the catalogue was last compared with its sources.
    """
    parts = [_head(feed, last_modified=last_modified, source_url=source_url, page_url=page_url)]
    shown = sorted(entries, key=_BY_UID)
    parts += sorted({each.timezone for each in shown if each.timezone})
    if feed.style == USUAL and not restyle.count:
        parts += [each.text for each in shown]
    else:
        parts += [_in_style(each, feed, restyle) for each in shown]
    if not shown:
        parts.append(_nothing(checked))
    parts.append(_END)
    return b"".join([_encoded(part) for part in parts])  # a fifth faster than all at once, which would be wide text


def _encoded(part: str) -> bytes:
    """A part in UTF-8, or nothing of one that cannot be written: better one date less than a calendar less."""
    try:
        return part.encode()
    except UnicodeEncodeError:
        LOG.exception("an entry cannot be written and is left out")
        return b""


def _in_style(entry: Entry, feed: Feed, restyle: Restyle) -> str:
    """The entry in the feed's style; as it was drawn where that would not be right, so that no date is missing."""
    from reminders.feed.lint import lint_component  # few feeds have a style

    try:
        text = restyled(entry, feed.style, restyle)
        faults = [fault.what for fault in lint_component(text)]
    except Exception:
        LOG.exception("%s of %s cannot be shown in the style of %s", entry.kind, entry.event, feed.name)
        return entry.text
    if faults:
        LOG.error("%s of %s is not right in the style of %s: %s", entry.kind, entry.event, feed.name, faults)
        return entry.text
    return text


def _head(feed: Feed, *, last_modified: datetime | None, source_url: str | None, page_url: str | None) -> str:
    from reminders.feed.lines import Address, Value, address, component  # takes long to import; few commands join

    def link(url: str | None) -> Address | None:
        return address(url) if url else None

    return component(
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


@lru_cache(maxsize=4)
def _nothing(checked: date) -> str:
    """The entry that stands in where there are none: the same in every feed, and stamped by the day it is on."""
    from reminders.feed.lines import Value, component

    moment = datetime.combine(checked, time(), UTC)
    return component(
        "VEVENT",
        {
            "UID": str(uuid5(_NAMESPACE, "catalogue")),
            "DTSTAMP": moment,
            "LAST-MODIFIED": moment,
            "SEQUENCE": Value(str((checked - _FIRST).days)),
            "SUMMARY": "No dates announced yet",
            "DTSTART": checked,
            "DTEND": checked + timedelta(days=1),
            "STATUS": Value("CONFIRMED"),
            "TRANSP": Value("TRANSPARENT"),
            "X-MICROSOFT-CDO-BUSYSTATUS": Value("FREE"),
            "CATEGORIES": ("Information",),
            "DESCRIPTION": "This calendar is working. Dates appear here as soon as they are announced.\n"
            "This is the day on which the sources were last looked at.",
        },
    )
