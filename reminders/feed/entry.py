"""One date as a calendar entry (a VEVENT), and the stamps that tell calendars it changed.

Drawing is pure: the same date gives the same bytes. Calendar programs look at DTSTAMP, LAST-MODIFIED and SEQUENCE to
see whether they must show an entry anew (GNOME compares all three, ICSx5 the second), so `stamp` moves all of them
whenever a byte of the content moves, and none of them otherwise.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

from reminders.catalogue import wording, zones
from reminders.catalogue.dates import Precision, When
from reminders.catalogue.events import Event, EventDate, Kind, Status
from reminders.catalogue.spellings import MONTHS
from reminders.feed.repeating import BLOCK, Drawn, Properties, draw_series

LOOK = "3"
"""Raise it whenever `draw` writes the same date differently: what is published is then drawn again."""

_NAMESPACE = UUID("5d9c1a5e-0c6b-4c35-9a53-3f2b7c1e8d46")
_BEGIN = re.compile(r"^BEGIN:VEVENT\r\n", re.MULTILINE)
"""The beginning of a component; in the middle of a line it would be text."""
_PREFIXES = {Status.CANCELLED: "CANCELLED: ", Status.POSTPONED: "POSTPONED: "}


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it is stamped.

    `uid` is for ever. `begins` is the ISO text of the first day or instant (for sorting); `over` the UTC instant after
    which it is past. `text` is one VEVENT, or several for a date that repeats: lines folded and ended by CRLF.
    `timezone` is the VTIMEZONE that `text` needs ("" for none). `digest` (64 hex digits) speaks of both.

    What the entry is selected by stands beside it, so that a feed can be joined without reading the catalogue: its
    event's `level`, `provider` and `categories`; `firm` says that at least its day is known. `deadline` is the local
    day it is shown on, as ISO text, if it is a deadline known to the day, else "". `off` says that it is cancelled or
    postponed: an entry that stays for a while to say so.
    """

    uid: str
    event: str
    kind: str
    occurrence: str
    digest: str
    begins: str
    over: datetime
    text: str
    timezone: str
    level: int | None
    provider: str
    categories: tuple[str, ...]
    firm: bool
    deadline: str
    off: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Draft):
    """A rendered entry as published: a draft of which `text` carries the stamps.

    `last_modified` is UTC, in whole seconds. `off_since` (UTC) is when it was first published as off, None while it is
    not; `left_at` is set once it left the feeds.
    """

    sequence: int
    last_modified: datetime
    off_since: datetime | None = None
    left_at: datetime | None = None


def draw(event: Event, date: EventDate, kind: Kind, *, event_url: str | None) -> Draft | None:
    """The entry that shows one date, or None when there is nothing to show: not announced yet, or withdrawn.

    Instants are written in UTC, days as days with an exclusive end (RFC 5545, 3.6.1). A deadline is a block that ends
    at the deadline and says the hour in its title. What is known only to a month, season or year is a tentative span
    that says so. Nothing takes up anybody's time: a feed announces, it does not book. A date that repeats is drawn as
    `repeating` says. `event_url` is the event's page.
    """
    from reminders.feed.lines import component  # the library takes long to import; few commands draw

    when = date.when
    if date.status is Status.WITHDRAWN or when.first is None or when.over is None:
        return None
    uid = str(uuid5(_NAMESPACE, f"{event.id}|{date.kind}|{date.occurrence}"))
    begins, _ = _extent(when, deadline=kind.deadline)
    if date.repeats is None:
        drawn = Drawn(component("VEVENT", _properties(uid, event, date, kind, event_url)), "", when.over)
    else:
        drawn = draw_series(date, lambda one: _properties(uid, event, one, kind, event_url))
    firm = when.precision >= Precision.DAY
    shown = zones.local(begins, when.zone).date() if isinstance(begins, datetime) else begins
    return Draft(
        uid=uid,
        event=event.id,
        kind=date.kind,
        occurrence=date.occurrence,
        digest=hashlib.sha256((drawn.text + drawn.timezone).encode()).hexdigest(),
        begins=when.starts.astimezone(UTC).isoformat() if when.starts else when.first.isoformat(),
        over=drawn.over,
        text=drawn.text,
        timezone=drawn.timezone,
        level=event.level,
        provider=event.provider,
        categories=event.categories,
        firm=firm,
        deadline=shown.isoformat() if kind.deadline and firm else "",
        off=date.status is not Status.PLANNED,
    )


def stamp(draft: Draft, previous: Entry | None, now: datetime) -> Entry:
    """The entry to publish: while its content is the same its stamps stay, and all move when a byte of it does.

    They move forward even if the clock went back. An entry that left the feeds comes back when it is drawn again,
    unless what made it leave is still so: that it was past, or had said long enough that it is off.
    """
    moment = now.astimezone(UTC).replace(microsecond=0)
    off_since = moment if draft.off else None
    if previous is None:
        return _stamped(draft, 0, moment, off_since)
    if draft.off and previous.off_since is not None:
        off_since = previous.off_since
    left_at = previous.left_at
    if left_at is not None and not (draft.over <= left_at or (off_since is not None and off_since < left_at)):
        left_at = None
    if previous.digest == draft.digest:
        return _stamped(draft, previous.sequence, previous.last_modified, off_since, left_at)
    later = max(moment, previous.last_modified + timedelta(seconds=1))
    return _stamped(draft, previous.sequence + 1, later, off_since, left_at)


def _stamped(
    draft: Draft, sequence: int, moment: datetime, off_since: datetime | None, left_at: datetime | None = None
) -> Entry:
    stamped = {each.name: getattr(draft, each.name) for each in fields(draft)}
    stamped["text"] = _BEGIN.sub(lambda found: found[0] + stamps(sequence, moment), draft.text)
    return Entry(**stamped, sequence=sequence, last_modified=moment, off_since=off_since, left_at=left_at)


def stamps(sequence: int, moment: datetime) -> str:
    """The lines by which calendar programs see that an entry changed; they follow the beginning of each component."""
    written = moment.strftime("%Y%m%dT%H%M%SZ")
    return f"DTSTAMP:{written}\r\nLAST-MODIFIED:{written}\r\nSEQUENCE:{sequence}\r\n"


def _properties(uid: str, event: Event, date: EventDate, kind: Kind, event_url: str | None) -> Properties:
    """What is written of one date, apart from the stamps; instants are in UTC."""
    from reminders.feed.lines import Value, address

    begins, ends = _extent(date.when, deadline=kind.deadline)
    return {
        "UID": uid,
        "SUMMARY": _summary(event, date, kind),
        "DTSTART": begins,
        "DTEND": ends,
        "STATUS": Value(_status(date)),
        "TRANSP": Value("TRANSPARENT"),
        "X-MICROSOFT-CDO-BUSYSTATUS": Value("FREE"),
        "LOCATION": date.location,
        "CATEGORIES": (*event.categories, *([f"Level {event.level}"] if event.level is not None else [])),
        "URL": address(event_url or event.link),
        "DESCRIPTION": "\n".join(_description(event, date, kind, event_url)),
    }


def _extent(when: When, *, deadline: bool) -> tuple[date, date] | tuple[datetime, datetime]:
    if when.starts is not None and when.ends is not None:
        if when.starts != when.ends:
            return when.starts, when.ends
        return (when.ends - BLOCK, when.ends) if deadline else (when.starts, when.starts + BLOCK)
    if when.first is None or when.last is None:
        raise ValueError("only a date that is known can be drawn")
    return when.first, when.last + timedelta(days=1)


def _status(date: EventDate) -> str:
    if date.status is Status.CANCELLED:
        return "CANCELLED"
    firm = date.status is Status.PLANNED and date.when.precision >= Precision.DAY and not date.when.qualifier
    return "CONFIRMED" if firm else "TENTATIVE"


def _summary(event: Event, date: EventDate, kind: Kind) -> str:
    """What a month view shows: the words that matter come first, as only they may be seen."""
    when = date.when
    hour = ""
    if kind.deadline and when.ends is not None:
        hour = f" {zones.local(when.ends, when.zone):%H:%M} {wording.zone_words(when.zone)}"
    doubt = ""
    if when.precision < Precision.DAY:
        doubt = f" ({wording.UNCONFIRMED})"
    elif when.qualifier:
        doubt = " (not yet certain)"
    return f"{_PREFIXES.get(date.status, '')}{kind.label}{hour}: {event.title}{doubt}"


def _description(event: Event, date: EventDate, kind: Kind, event_url: str | None) -> Iterator[str]:
    """Plain text, a fact a line; what a calendar program shows under the title."""
    if date.status is Status.CANCELLED:
        yield "This has been cancelled."
    elif date.status is Status.POSTPONED:
        yield "This has been postponed; a new date is not known yet."
    said = wording.words(date.when)
    if date.repeats and date.when.first:
        said = f"{wording.repeated(date.repeats.rule, date.when.first)}; the first is on {said}"
    yield f"{kind.label}: {said}"
    if date.note:
        yield date.note
    if date.inferred:
        yield f"This date follows from the source, which does not state it: {date.inferred}"
    if event.description:
        yield event.description
    if event.level is not None:
        yield f"Level {event.level}"
    if event.provider:
        yield f"Offered by {event.provider}"
    if event.link:
        yield f"More: {event.link}"
    if event.contact:
        yield f"Questions: {event.contact}"
    if event.source:
        checked = event.source.checked
        yield f"Source: {event.source.page}, checked on {checked.day} {MONTHS[checked.month - 1]} {checked.year}"
    if event_url:
        yield f"All dates, and whether they have changed: {event_url}"
