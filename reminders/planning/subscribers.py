"""Who is told: subscribers, audiences, and what they follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dates are meant. An empty tuple means "any"; several fields must all match, values of one field any.

    Used alike by audiences (what they follow), feeds (what they show) and the pages (what is being looked at).
    """

    levels: tuple[int, ...] = ()
    categories: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A person as a file invites them: normalised address and name ("" when not given)."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Audience:
    """A named group of people and what they follow."""

    id: str
    label: str
    follows: Selection
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A person as the store knows them, joined with what the files say they follow.

    `audiences` are the ids the files invite them to today; `follows` the selections of those audiences.
    `joined_at` (UTC) is when they were first known, `joined` when they came into each of `audiences` (empty: all then);
    `left_at` is set for ever once they unsubscribe, `suspended_at` while their address is taken for dead.
    """

    id: int
    address: str
    name: str
    joined_at: datetime
    audiences: tuple[str, ...] = ()
    follows: tuple[Selection, ...] = ()
    left_at: datetime | None = None
    joined: tuple[datetime, ...] = ()
    suspended_at: datetime | None = None
    suspended_why: str = ""
