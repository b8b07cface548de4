"""One notice as words: everything a template may fill in, and nothing of anybody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit

from reminders.catalogue import zones
from reminders.catalogue.dates import When, parse_when
from reminders.catalogue.events import Event, EventDate, Kind, Status, read_fact
from reminders.catalogue.wording import short, words
from reminders.mail.envelope import ascii_domain
from reminders.mail.templates import DIGEST
from reminders.planning.notices import Notice, NoticeKind
from reminders.planning.subscribers import Subscriber

_LINK_TEXT = 60  # characters of an address that are still pleasant to read


@dataclass(frozen=True, slots=True)
class Service:
    """Who the mails come from.

    `public_url` is the address of the pages ("" while nothing is public), `mail_from` the address mails come from,
    `reply_to` where answers go ("" for the same), `list_domain` the domain of List-Id, `contact` whom to ask ("").
    """

    name: str
    public_url: str
    mail_from: str
    mail_from_name: str
    reply_to: str
    list_domain: str
    contact: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One notice to one person, with the facts it tells as they are now.

    `message_id` and `parent_ids` (earlier mails to the same person about the same date, oldest first) are written
    with their angle brackets. The URLs are "" while nothing is public. `composed_at` is an aware instant: the Date.
    `meant_at` is when a reminder that goes out late should have gone; None when it is in time. `lists` are the labels
    of the audiences by which the person follows the date. `report_id` is the signed number by which what comes back
    proves that it is about this mail; "" for none. `others` are letters that go in the same mail: it is then a digest,
    and this is its first.
    """

    notice: Notice
    subscriber: Subscriber
    event: Event
    date: EventDate
    kind: Kind
    service: Service
    unsubscribe_url: str
    calendars_url: str
    event_url: str
    message_id: str
    composed_at: datetime
    meant_at: datetime | None = None
    lists: tuple[str, ...] = ()
    parent_ids: tuple[str, ...] = ()
    report_id: str = ""
    others: tuple[Letter, ...] = ()


def kind_of(letter: Letter) -> str:
    """The kind of mail, as the templates are called."""
    return DIGEST if letter.others else letter.notice.kind.value


def filled(letter: Letter) -> dict[str, object]:
    """Everything the templates fill in: `values`, and for a digest those of each of its letters."""
    if not letter.others:
        return {**values(letter)}
    together = (letter, *letter.others)
    lists = dict.fromkeys(name for each in together for name in each.lists)
    return values(letter) | {
        "lists": ", ".join(lists),
        "dates": [values(each) for each in together],
        "count": str(len(together)),
    }


def values(letter: Letter) -> dict[str, str | bool]:
    """What the templates fill in for this letter; the keys are `templates.NAMES`."""
    event, date, notice = letter.event, letter.date, letter.notice
    before = read_fact(notice.before) if notice.before else None
    change = _change(notice.kind, before, date)
    contact = event.contact or letter.service.contact
    meant_at = letter.meant_at if notice.kind is NoticeKind.REMINDER else None
    source = event.source
    # A date that is put off is still written down as it was; to repeat it would say the opposite of what is meant.
    known = not (change == "postponed" and before is not None and before[0] == date.when)
    return {
        "title": event.title,
        "label": letter.kind.label,
        "deadline": letter.kind.deadline,
        "when": words(date.when) if known else "",
        "when_short": short(date.when) if known else "",
        "was": _was(before, change, words),
        "was_short": _was(before, change, short),
        "change": change,
        "late": meant_at is not None,
        "due": words(_minute(meant_at, date.when.zone)) if meant_at else "",
        "level": f"Level {event.level}" if event.level is not None else "",
        "provider": event.provider,
        "location": date.location,
        "note": date.note,
        "inferred": date.inferred,
        "description": event.description,
        "link": event.link,
        "link_text": _link_text(event.link),
        "contact": contact,
        "contact_link": _contact_link(contact),
        "source": source.page if source else "",
        "quote": source.quote if source else "",
        "checked": words(parse_when(source.checked.isoformat(), date.when.zone)) if source else "",
        "name": letter.subscriber.name,
        "lists": ", ".join(letter.lists),
        "service": letter.service.name,
        "service_contact": letter.service.contact,
        "event_url": letter.event_url,
        "unsubscribe_url": letter.unsubscribe_url,
        "calendars_url": letter.calendars_url,
    }


def _was(before: tuple[When, Status] | None, change: str, say: Callable[[When], str]) -> str:
    if before is None:
        return ""
    return before[1].value if change == "reinstated" else say(before[0])


def _change(kind: NoticeKind, before: tuple[When, Status] | None, date: EventDate) -> str:
    if kind is NoticeKind.ANNOUNCED:
        return "announced"
    if kind is NoticeKind.CANCELLED:
        return "withdrawn" if date.status is Status.WITHDRAWN else "cancelled"
    if kind is NoticeKind.REMINDER:
        return ""
    if date.status is Status.POSTPONED:
        return "postponed"
    if not date.when.dated:
        return "unfixed"
    if before is not None and before[1] is not Status.PLANNED:
        return "reinstated"
    return "moved"


def _minute(instant: datetime, zone: str) -> When:
    local = zones.local(instant, zone).isoformat(timespec="minutes")
    return parse_when(local + zones.offset(instant, zone), zone)


def _link_text(link: str) -> str:
    parts = urlsplit(link)
    text = f"{parts.netloc.removeprefix('www.')}{parts.path.rstrip('/')}" if parts.netloc else parts.path
    return text if len(text) <= _LINK_TEXT else text[: _LINK_TEXT - 1] + "…"


def _contact_link(contact: str) -> str:
    try:
        return "mailto:" + quote(ascii_domain(contact), safe="@")
    except ValueError:
        return ""  # a telephone number, a name: printed as it is
