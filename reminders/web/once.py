"""One date to be put into a calendar once: links that open a new entry in it, ready to be saved. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from urllib.parse import quote

from icalendar import Event

from reminders.feed.entry import Entry

GOOGLE = "https://calendar.google.com/calendar/render"
OUTLOOK = "https://outlook.live.com/calendar/0/deeplink/compose"
OFFICE = "https://outlook.office.com/calendar/0/deeplink/compose"


def links(entry: Entry, details: str) -> Mapping[str, str]:
    """Where each program takes what the feeds show as `entry`; nothing for a date that a copy would soon belie.

    That is what is cancelled, postponed, or not certain to the day; and what repeats, because not every program can be
    told so by a link. `details` is the text of the copy.
    """
    shown, *more = Event.from_ical(entry.text, multiple=True)
    if not isinstance(shown, Event):
        raise ValueError(f"the entry {entry.uid} is no event")
    if more or shown["STATUS"] != "CONFIRMED" or "RRULE" in shown:
        return {}
    begins, ends = shown.start, shown.end
    title, place = str(shown["SUMMARY"]), str(shown.get("LOCATION", ""))
    google = {
        "action": "TEMPLATE",
        "text": title,
        "dates": f"{_basic(begins)}/{_basic(ends)}",
        "details": details,
        "location": place,
    }
    outlook = {
        "path": "/calendar/action/compose",
        "rru": "addevent",
        "startdt": _extended(begins),
        "enddt": _extended(ends),
        "allday": "" if isinstance(begins, datetime) else "true",
        "subject": title,
        "body": details,
        "location": place,
    }
    return {
        "Google Calendar": f"{GOOGLE}?{_query(google)}",
        "Outlook, work account": f"{OFFICE}?{_query(outlook)}",
        "Outlook, personal account": f"{OUTLOOK}?{_query(outlook)}",
    }


def _query(values: Mapping[str, str]) -> str:
    """Spaces become %20, because Outlook shows a plus as a plus."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in values.items() if value)


def _basic(moment: date | datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}" if isinstance(moment, datetime) else f"{moment:%Y%m%d}"


def _extended(moment: date | datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if isinstance(moment, datetime) else moment.isoformat()
