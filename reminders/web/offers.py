"""The calendars that pages offer to subscribe to: declared feeds, any selection, single events. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from reminders.feed import query
from reminders.feed.personal import ALL
from reminders.feed.selection import Feed
from reminders.feed.style import Cancelled, Shape, write_alarm
from reminders.web.guides import alarm_words
from reminders.web.site import Shown

OPTIONS = ("alarms", "shape", "cancelled", "tentative")
ASKED = ("feed", *query.SELECTING, *OPTIONS, "tasks")
"""What the subscribe page can be asked by. ``event`` alone is the event's own calendar; the rest as in `feed.query`."""
_ALARMS = {
    query.NOTHING: "None",
    "1d": "1 day before",
    "1w,1d": "1 week and 1 day before",
    "1d,2h": "1 day and 2 hours before",
}
_SHAPES = {
    Shape.BLOCK: "The half hour before it",
    Shape.ALL_DAY: "Its whole day",
    Shape.INSTANT: "A moment",
}
_CANCELLED = {
    Cancelled.MARK: "Marked; Google hides them",
    Cancelled.KEEP_CONFIRMED: "Marked, hidden nowhere",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A feed to subscribe to."""

    feed: Feed

    @property
    def path(self) -> str:
        """The feed's address below the site's."""
        return query.path(self.feed)

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Names and values that its subscribe page is asked for by."""
        name, _, narrowed = self.feed.name.partition("?")
        if name.startswith(query.EVENT):
            return [("event", name.removeprefix(query.EVENT))]
        return ([] if name == ALL and narrowed else [("feed", name)]) + parse_qsl(narrowed)

    @property
    def selected(self) -> list[tuple[str, str]]:
        """As `asked`, without the options."""
        return [each for each in self.asked if each[0] not in OPTIONS] or [("feed", ALL)]

    @property
    def page(self) -> str:
        """The address of its subscribe page below the site's."""
        return f"/calendars?{urlencode(self.asked, safe=',')}"


@dataclass(frozen=True, slots=True)
class Option:
    """One way in which a feed can be shown otherwise: `choices` are values with their labels, `chosen` is a value."""

    name: str
    label: str
    choices: tuple[tuple[str, str], ...]
    chosen: str


def declared(shown: Shown) -> list[Offer]:
    """The declared feeds; before them that of all dates, unless one of them shows the same."""
    feeds = [Offer(feed) for feed in shown.shelf.feeds]
    everything = shown.narrowed([])
    same = (each.feed.selection == everything.selection and each.feed.tentative for each in feeds)
    return feeds if any(same) else [Offer(everything), *feeds]


def like(chosen: Sequence[tuple[str, str]], shown: Shown) -> list[Offer]:
    """What shows the same dates as a list that is narrowed by these; all declared feeds if it is not.

    Nothing where no event is known by what was chosen.
    """
    if not chosen:
        return declared(shown)
    feed = shown.narrowed(chosen)
    return [Offer(feed)] if feed.narrowed is not None else []


def of_event(id: str, shown: Shown) -> Offer | None:
    """The feed of one event, which may wait for its first date; None when there is no such event."""
    published = shown.shelf.published.get(id)
    if published is None:
        return None
    return Offer(Feed(query.EVENT + id, published.event.title, "The dates of this event alone."))


def find(asked: Sequence[tuple[str, str]], shown: Shown) -> Offer | None:
    """The feed that is asked for by pairs of `ASKED`; None if there is none, or nothing is known by what it asks."""
    given = dict(asked)
    if list(given) == ["event"] and (event := of_event(given["event"], shown)) is not None:
        return event
    feeds = [shown.narrowed([]), *shown.shelf.feeds]
    base = next((feed for feed in feeds if feed.name == given.get("feed", ALL)), None)
    if base is None:
        return None
    feed = query.narrow(base, asked, shown.known)
    return Offer(feed) if feed.narrowed is not None else None


def options(offer: Offer) -> list[Option]:
    """How the feed could be shown otherwise; the calendar of one event cannot."""
    feed = offer.feed
    if feed.name.startswith(query.EVENT):
        return []
    alarms = ",".join(map(write_alarm, feed.style.alarms)) or query.NOTHING
    told = _ALARMS if alarms in _ALARMS else _ALARMS | {alarms: alarm_words(feed.style.alarms)}
    found = [
        Option("alarms", "Alarms", tuple(told.items()), alarms),
        Option("shape", "A deadline is shown as", tuple(_SHAPES.items()), feed.style.shape),
        Option("cancelled", "Cancelled dates", tuple(_CANCELLED.items()), feed.style.cancelled),
    ]
    if feed.tentative or "tentative" in dict(offer.asked):  # what is declared without them has none
        choices = (("yes", "Shown, to be confirmed"), ("no", "Left out"))
        known = "yes" if feed.tentative else "no"
        found.append(Option("tentative", "Dates known only to a month or season", choices, known))
    return found
