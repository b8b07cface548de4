"""A feed of one person, for one of their calendars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

ALL, MINE = "all", "mine"
"""Names of feeds that need not be declared: every date there is, and what a person is sent mails about."""
MOST = 50
"""More feeds than anybody has calendars."""


@dataclass(frozen=True, slots=True)
class PersonalFeed:
    """One person's feed for one calendar, called `label` by them.

    `shows` is the name of a feed, with what an address may add to it (see `feed.query`): ``mine?alarms=1d``.
    `fetched_at` is when it was last fetched and `client` by which kind of program; `seen_at` when what it got then had
    been published (all UTC; None before the first fetch).
    """

    id: int
    subscriber: int
    label: str
    shows: str
    created_at: datetime
    fetched_at: datetime | None = None
    client: str = ""
    seen_at: datetime | None = None


class TooMany(ValueError):
    """A person has as many feeds as anybody may have."""
