"""A notice: one mail owed to one recipient, and the key that lets it be owed only once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class NoticeKind(StrEnum):
    REMINDER = "reminder"
    MOVED = "moved"
    ANNOUNCED = "announced"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a notice was dropped unsent. The words are stored and shown; see `docs/operating.md`."""

    BEFORE_EPOCH = "before-epoch"  # due before this store began
    BEFORE_JOINED = "before-joined"  # due before the person was known
    SUPERSEDED = "superseded"  # a later rung, or a change notice, says more
    EXPIRED = "expired"  # no use any more
    MOVED = "moved"  # it speaks of a date that is no longer so
    CANCELLED = "cancelled"  # the event or the date is off
    UNSUBSCRIBED = "unsubscribed"
    SUSPENDED = "suspended"  # mail to the address came back
    NOT_FOLLOWING = "not-following"  # the person, audience, rule or event is gone from the files
    TOLD = "told"  # the person's last mail already says what is now so
    DISCARDED = "discarded"  # an operator said so
    SHADOW = "shadow"  # it was composed only to be looked at
    RECALLED = "recalled"  # an operator took it back before it was sent


@dataclass(frozen=True, slots=True)
class Notice:
    """One mail owed to one recipient.

    `fact` is what it tells (`EventDate.fact`); `before` what the recipient was told until now ("" for reminders).
    `rule` is "" for change notices, `revision` 0 for reminders. `due_at` and `expires_at` are UTC instants: it is
    sent at or after the first and never at or after the second. `dropped` is set when it is recorded only so that
    somebody can ask why it was not sent.
    """

    kind: NoticeKind
    event: str
    date_kind: str
    occurrence: str
    subscriber: int
    fact: str
    due_at: datetime
    expires_at: datetime
    rule: str = ""
    before: str = ""
    revision: int = 0
    dropped: Reason | None = None

    @property
    def words(self) -> str:
        """Which it is, said to whoever looks after the service: event, kind of date, and rule or kind of notice."""
        return f"{self.event} {self.date_kind} {self.rule or self.kind.value}"

    @property
    def key(self) -> str:
        """The natural unique key, hashed (64 hex digits): whatever runs twice owes the same notice once."""
        parts: tuple[str, ...] = (
            self.kind,
            self.event,
            self.date_kind,
            self.occurrence,
            str(self.subscriber),
            self.fact,
        )
        parts += (self.rule,) if self.kind is NoticeKind.REMINDER else (str(self.revision),)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Told:
    """What the last mail accepted for a person said about a date (sent, or in doubt whether it was)."""

    subscriber: int
    event: str
    date_kind: str
    occurrence: str
    fact: str
    message_id: str
