"""Which dates somebody means: matched against events, and written in files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import Field

from reminders.catalogue.events import Event
from reminders.catalogue.shape import Ids, Shape, Texts, Wholes
from reminders.planning.subscribers import Audience, Selection, Subscriber


class SelectionShape(Shape):
    """Which dates are meant. What is left out does not matter; of several keys all must fit, of a list any."""

    levels: Wholes = ()
    """Events of these levels."""
    categories: Ids = ()
    """Events of any of these categories."""
    kinds: Ids = ()
    """Dates of these kinds."""
    providers: Texts = ()
    """Events of these providers."""
    events: Ids = ()
    """These events alone, by id."""

    def selection(self) -> Selection:
        """The same as a fact."""
        return Selection(self.levels, self.categories, self.kinds, self.providers, self.events)


SelectionField = Annotated[SelectionShape, Field(default_factory=SelectionShape)]
"""A selection that may be left out, and then means everything."""


def matches(selection: Selection, event: Event, date_kind: str) -> bool:
    """Whether a date of this kind of the event is meant."""
    return fits(selection, event.id, date_kind, event.level, event.provider, event.categories)


def fits(
    selection: Selection, event: str, date_kind: str, level: int | None, provider: str, categories: tuple[str, ...]
) -> bool:
    """The same of a date whose event is not at hand, only its id and what it is selected by."""
    return (
        (not selection.levels or level in selection.levels)
        and (not selection.kinds or date_kind in selection.kinds)
        and (not selection.events or event in selection.events)
        and (not selection.providers or provider in selection.providers)
        and (not selection.categories or not set(selection.categories).isdisjoint(categories))
    )


def follows(subscriber: Subscriber, event: Event, date_kind: str) -> bool:
    """Whether one of the person's audiences follows the date, and the person has not left."""
    return subscriber.left_at is None and any(matches(each, event, date_kind) for each in subscriber.follows)


def followed_since(subscriber: Subscriber, event: Event, date_kind: str) -> datetime | None:
    """Since when (UTC) one of the person's audiences has let them follow the date; None when none does."""
    joined = subscriber.joined or (subscriber.joined_at,) * len(subscriber.follows)
    since = (at for each, at in zip(subscriber.follows, joined, strict=True) if matches(each, event, date_kind))
    return min(since, default=None) if subscriber.left_at is None else None


def lists(audiences: Iterable[Audience], subscriber: Subscriber, event: Event, date_kind: str) -> tuple[str, ...]:
    """The labels of the audiences by which the person follows the date: why they get mail about it."""
    return tuple(
        audience.label
        for audience in audiences
        if audience.id in subscriber.audiences and matches(audience.follows, event, date_kind)
    )
