"""Reminders to so many people that the relay's rate cannot carry them in time, told while they can still be helped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from reminders.catalogue import zones
from reminders.jobs.foretelling import Foretold, as_published, invited
from reminders.jobs.service import Book, rate
from reminders.planning.pace import Crowd, Squeeze, crowds, squeezes
from reminders.settings import Settings

YEAR = timedelta(days=366)


def warnings(book: Book, settings: Settings, now: datetime) -> list[str]:
    """What of the year from `now` on could not all be sent in time, by the files alone: a sentence each."""
    if not rate(settings):
        return []
    read = book.configuration
    published = as_published(book, now).values()
    people = invited(book, now).values()
    known = crowds(published, read.rules, read.kinds, people, after=now, until=now + YEAR, nation=settings.nation)
    return sentences(known, settings, now)


def warnings_about(foretold: Iterable[Foretold], settings: Settings, start: datetime) -> list[str]:
    """The same of what was foretold of a period that begins at `start`."""
    mails = Counter(
        (each.expires_at, max(each.due_at, start), each.event, each.date_kind, each.occurrence, each.rule)
        for each in (told.notice for told in foretold)
        if each.dropped is None
    )
    known = [Crowd(expires, due, number, *what) for (expires, due, *what), number in mails.items()]
    return sentences(known, settings, start)


def sentences(known: Iterable[Crowd], settings: Settings, now: datetime) -> list[str]:
    """What of these crowds cannot be sent in time at the settings' rate, if sending begins at `now`."""
    found = squeezes(known, rate(settings), now)
    return [_words(each, settings) for each in sorted(found, key=lambda each: (each.crowd.due_at, each.crowd))]


def _words(squeeze: Squeeze, settings: Settings) -> str:
    crowd, per_minute = squeeze.crowd, rate(settings)
    minutes = -(-crowd.mails // per_minute)
    due, until, start = (
        f"{zones.local(each, settings.zone):%Y-%m-%d %H:%M}"
        for each in (crowd.due_at, crowd.expires_at, crowd.start_by(per_minute))
    )
    occurrence = f" ({crowd.occurrence})" if crowd.occurrence else ""
    return (
        f"{crowd.rule} about {crowd.event} {crowd.date_kind}{occurrence}: {crowd.mails} mails take {minutes} minutes "
        f"at {per_minute} a minute, and {squeeze.late} would be too late. They are due at {due} and of use until "
        f"{until}; by themselves they would have to begin by {start}: send earlier, or raise `rate` if the relay takes "
        f"more"
    )
