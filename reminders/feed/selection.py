"""Which dates a feed shows and how: the feeds staff declare in ``feeds.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from reminders.catalogue import shape, strict
from reminders.catalogue.shape import Flag, Id, Text, wrong
from reminders.catalogue.shape import Shape as FileShape
from reminders.feed.personal import ALL, MINE
from reminders.feed.style import MOST_ALARMS, USUAL, Cancelled, Shape, Style, read_alarm
from reminders.planning.selections import SelectionField
from reminders.planning.subscribers import Selection

Colour = Literal[
    "crimson",
    "darkcyan",
    "darkgreen",
    "darkorange",
    "darkviolet",
    "goldenrod",
    "indigo",
    "mediumseagreen",
    "navy",
    "orchid",
    "sienna",
    "slategray",
    "steelblue",
    "teal",
]
"""Colours a feed can ask for, by their CSS3 names (RFC 7986, 5.9)."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A calendar people subscribe to.

    `name` is for ever and ends its address; a feed narrowed by its address is named by that (see `feed.query`).
    `tentative` says whether dates known only to a month, season or year are shown too. `color` is a CSS3 name.
    An entry is shown if it fits `selection`, `narrowed` (None: nothing fits) and, where it is not None, one of
    `follows`.
    """

    name: str
    title: str
    description: str = ""
    selection: Selection = Selection()
    tentative: bool = True
    color: Colour = "steelblue"
    style: Style = USUAL
    narrowed: Selection | None = Selection()
    follows: tuple[Selection, ...] | None = None


def with_all(feeds: tuple[Feed, ...], title: str) -> tuple[Feed, ...]:
    """The declared feeds, and that of all dates, called by this title, unless it is declared."""
    return feeds if any(feed.name == ALL for feed in feeds) else (*feeds, Feed(ALL, title))


def _reserved(feeds: dict[str, FeedShape]) -> dict[str, FeedShape]:
    if MINE in feeds:
        raise wrong(f"a calendar cannot be called '{MINE}'", "write another name: people's own calendars have this one")
    return feeds


def _alarms(value: Any) -> Any:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise wrong("these are not alarms", "write how long before, such as [1d, 2h]")
    found = []
    for each in given:
        before = read_alarm(each)
        if before is None:
            raise wrong(f"'{each[:80]}' is not a time before", "write a number and w, d, h or m, such as 1d or 2h")
        found.append(before)
    if len(found) > MOST_ALARMS:
        raise wrong(f"these are {len(found)} alarms", f"write at most {MOST_ALARMS}")
    return tuple(sorted(set(found), reverse=True))


_ALARM = {"type": "string", "pattern": "^[1-9][0-9]{0,2}[wdhm]$"}
Alarms = Annotated[
    tuple[timedelta, ...],
    BeforeValidator(_alarms),
    WithJsonSchema({"anyOf": [_ALARM, {"type": "array", "items": _ALARM, "maxItems": MOST_ALARMS}]}),
]


class FeedShape(FileShape):
    """One calendar that people can subscribe to."""

    title: Text
    """The calendar's name as people see it."""
    description: Text = ""
    """What it holds, in a sentence."""
    show: SelectionField
    """Which dates it shows; all when left out."""
    tentative: Flag = True
    """Whether it also shows dates known only to a month, season or year, marked "date to be confirmed"."""
    colour: Colour = "steelblue"
    """The colour calendar programs are asked to use."""
    shape: Shape = Shape.BLOCK
    """How a deadline with an hour is shown: block (half an hour that ends then), all-day, or instant."""
    cancelled: Cancelled = Cancelled.MARK
    """mark, or keep-confirmed: by the title alone, where most readers use Google, which hides cancelled dates."""
    alarms: Alarms = ()
    """How long before a date calendar programs should ring, such as [1d, 2h]; not at all when left out."""
    tasks: Flag = False
    """Whether it holds deadlines as tasks (VTODO), for programs that keep task lists; others show nothing of it."""


class FeedsShape(FileShape):
    """The calendars that people can subscribe to."""

    feeds: Annotated[dict[Id, FeedShape], Field(min_length=1), AfterValidator(_reserved)]
    """Each calendar by its name, which ends its address and stays for ever: a renamed feed is lost to subscribers."""


def parse_feeds(name: str, data: bytes) -> tuple[Feed, ...]:
    """The feeds of one file, in its order. Raises `BadInput` with every problem."""
    read = shape.read(strict.load(name, data), FeedsShape)
    return tuple(
        Feed(
            name=id,
            title=each.title,
            description=each.description,
            selection=each.show.selection(),
            tentative=each.tentative,
            color=each.colour,
            style=Style(each.shape, each.cancelled, each.alarms, each.tasks),
        )
        for id, each in read.feeds.items()
    )
