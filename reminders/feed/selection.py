"""Which dates a feed shows: the feeds staff declare in ``feeds.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from reminders.catalogue import shape, strict
from reminders.catalogue.shape import Flag, Id, Shape, Text
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

    `name` is for ever and ends its address. `tentative` says whether dates known only to a month, season or year are
    shown too. `color` is a CSS3 name.
    """

    name: str
    title: str
    description: str = ""
    selection: Selection = Selection()
    tentative: bool = True
    color: Colour = "steelblue"


class FeedShape(Shape):
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


class FeedsShape(Shape):
    """The calendars that people can subscribe to."""

    feeds: Annotated[dict[Id, FeedShape], Field(min_length=1)]
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
        )
        for id, each in read.feeds.items()
    )
