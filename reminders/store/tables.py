"""The tables, as the newest migration leaves them.

Instants are UTC and always come from Python; facts are text as `catalogue` writes it. What a table is for stands
above it. Two axes of time never meet in one column: `next_at` and `lease_until` are wall time, all others event time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.types import TypeDecorator

STATES = ("owed", "claimed", "sending", "sent", "failed", "uncertain", "dropped", "held")


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept and given back in UTC. A naive one is a mistake and raises `ValueError`."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"an instant without a time zone cannot be stored: {value}")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        instant: datetime = value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        # Rows that are written or read together have their instants in common.
        process = super().bind_processor(dialect)
        return process and lru_cache(maxsize=256)(process)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        process = super().result_processor(dialect, coltype)
        return process and lru_cache(maxsize=256)(process)


Id = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Small values by name, as JSON.
state = Table("state", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

# The files of the last reading that was accepted.
snapshot = Table(
    "snapshot", metadata, Column("path", Text, primary_key=True), Column("body", LargeBinary, nullable=False)
)

# What is published. `facts` is `catalogue.facts.pack`. `publication` is the number of the publication that last
# changed the row: whoever shows it reads only what is new.
event = Table(
    "event",
    metadata,
    Column("id", Text, primary_key=True),
    Column("facts", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("missing_since", Instant),
    Column("first_published_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("publication", Integer, nullable=False, server_default="0"),
)
Index("ix_event_publication", event.c.publication)

# How often each date changed and since when it is as it is. Rows stay when an event no longer holds the date.
event_date = Table(
    "event_date",
    metadata,
    Column("event", Text, ForeignKey("event.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("occurrence", Text, primary_key=True),
    Column("fact", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("known_at", Instant, nullable=False),
)

# Every version of an event that was ever published.
revision = Table(
    "revision",
    metadata,
    Column("event", Text, ForeignKey("event.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("facts", Text, nullable=False),
)
Index("ix_revision_at", revision.c.at)

# The rendered calendar entries, with what they are selected by. `categories` are separated by spaces.
entry = Table(
    "entry",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("event", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("occurrence", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("last_modified", Instant, nullable=False),
    Column("begins", Text, nullable=False),
    Column("over", Instant, nullable=False),
    Column("text", Text, nullable=False),
    Column("left_at", Instant),
    Column("timezone", Text, nullable=False, server_default=""),
    Column("level", Integer),
    Column("provider", Text, nullable=False, server_default=""),
    Column("categories", Text, nullable=False, server_default=""),
    Column("firm", Boolean, nullable=False, server_default=true()),
    Column("deadline", Text, nullable=False, server_default=""),
    Column("off", Boolean, nullable=False, server_default=false()),
    Column("off_since", Instant),
    Column("publication", Integer, nullable=False, server_default="0"),
)
Index("ix_entry_publication", entry.c.publication)

# What each feed last said, and in which style.
feed = Table(
    "feed",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("last_modified", Instant, nullable=False),
    Column("style", Text, nullable=False, server_default=""),
    Column("restyled", Integer, nullable=False, server_default="0"),
    Column("restyled_at", Instant),
)

# Everybody who was ever invited. Ids are never used again: unsubscribe tokens are derived from them. `domain` is the
# address's, for the pace of sending. `bounced` counts the hard bounces since the address is what it is; who is
# suspended gets no mail.
subscriber = Table(
    "subscriber",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", Text, nullable=False),
    Column("address_key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("joined_at", Instant, nullable=False),
    Column("left_at", Instant),
    Column("left_how", Text, nullable=False),
    Column("domain", Text, nullable=False, server_default=""),
    Column("bounced", Integer, nullable=False, server_default="0"),
    Column("suspended_at", Instant),
    Column("suspended_why", Text, nullable=False, server_default=""),
    UniqueConstraint("address_key"),
    sqlite_autoincrement=True,
)

# SHA-256 of every unsubscribe token a person was ever given: a new secret key does not break old links.
token = Table(
    "token",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("subscriber", Id, ForeignKey("subscriber.id"), nullable=False),
)

# Who the files invite to what, today.
membership = Table(
    "membership",
    metadata,
    Column("subscriber", Id, ForeignKey("subscriber.id"), primary_key=True),
    Column("audience", Text, primary_key=True),
    Column("joined_at", Instant, nullable=False),
)

# Personal feeds: one for each calendar a person subscribes. `hash` is the SHA-256 of its token; the rest is explained
# in `store.feeds`.
subscription = Table(
    "subscription",
    metadata,
    Column("id", Id, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("subscriber", Id, ForeignKey("subscriber.id"), nullable=False),
    Column("label", Text, nullable=False),
    Column("shows", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("fetched_at", Instant),
    Column("client", Text, nullable=False),
    Column("seen_at", Instant),
    UniqueConstraint("hash"),
    sqlite_autoincrement=True,
)
Index("ix_subscription_subscriber", subscription.c.subscriber)

# One row per notice: plan, ledger and audit in one. `body` is the message as frozen at its first attempt, packed
# against its `preset`, until it is sent or dropped. `tries` counts how often it was put back, `attempts` how often DATA
# was begun, `deaths` how often a worker died with it in hand before that. Rows of one `bundle` go as one message.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("date_kind", Text, nullable=False),
    Column("occurrence", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("subscriber", Id, ForeignKey("subscriber.id"), nullable=False),
    Column("fact", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("uncertain_policy", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", Instant),
    Column("owner", Text, nullable=False),
    Column("lease_until", Instant),
    Column("message_id", Text, nullable=False),
    Column("composed_at", Instant),
    Column("body", LargeBinary),
    Column("reply", Text, nullable=False),
    Column("owed_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Column("batch", Integer, nullable=False),
    Column("deaths", Integer, nullable=False, server_default="0"),
    Column("bundle", Integer),
    Column("preset", BigInteger),
    UniqueConstraint("key"),
    CheckConstraint(f"state IN {STATES}", name="state"),
    CheckConstraint("(state IN ('claimed', 'sending')) = (owner <> '')", name="owner"),
    CheckConstraint("uncertain_policy IN ('resend', 'hold')", name="policy"),
    sqlite_autoincrement=True,
)

# What frozen messages have in common (`store.packing`), compressed.
preset = Table(
    "preset",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

# The parts of the outbox, each with its own partial index: one index over all states would tempt SQLite to sort
# every owed row at each claim. States are literals here, because a bound parameter would match no partial index.
OWED = outbox.c.state == literal_column("'owed'")


def in_hand(rows: FromClause) -> ColumnElement[bool]:
    """Whether rows of the outbox, by whatever alias, are a worker's."""
    return rows.c.state.in_([literal_column("'claimed'"), literal_column("'sending'")])


IN_HAND = in_hand(outbox)
SETTLED = outbox.c.settled_at.is_not(None)
AT_REST = outbox.c.state.in_([literal_column(f"'{state}'") for state in STATES[3:]])
Index(
    "ix_outbox_due",
    outbox.c.expires_at,
    outbox.c.id,
    outbox.c.due_at,
    outbox.c.next_at,
    sqlite_where=OWED,
    postgresql_where=OWED,
)
Index("ix_outbox_in_hand", outbox.c.lease_until, sqlite_where=IN_HAND, postgresql_where=IN_HAND)
Index("ix_outbox_owed_to", outbox.c.subscriber, sqlite_where=OWED, postgresql_where=OWED)
Index("ix_outbox_settled", outbox.c.subscriber, outbox.c.settled_at, sqlite_where=SETTLED, postgresql_where=SETTLED)
Index("ix_outbox_in_hand_for", outbox.c.subscriber, sqlite_where=IN_HAND, postgresql_where=IN_HAND)
Index("ix_outbox_at_rest", outbox.c.state, outbox.c.id, sqlite_where=AT_REST, postgresql_where=AT_REST)
Index("ix_outbox_event", outbox.c.event, outbox.c.subscriber)

# Every message of which DATA was begun. `outcome` is "" until it is known: sent, again, failed or uncertain.
# The order of `id` is the order of sending.
attempt = Table(
    "attempt",
    metadata,
    Column("id", Id, primary_key=True),
    Column("outbox", Id, ForeignKey("outbox.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("phase", Text, nullable=False),
    Column("code", Integer, nullable=False),
    Column("reply", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    UniqueConstraint("outbox", "number"),
    sqlite_autoincrement=True,
)

# What happened to each notice, in order of `id`: the states that last, and why.
history = Table(
    "history",
    metadata,
    Column("id", Id, primary_key=True),
    Column("outbox", Id, ForeignKey("outbox.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_history_outbox", "outbox", "id"),
    sqlite_autoincrement=True,
)


# How fast mail goes: when each allowance will be whole again (the theoretical arrival time of GCRA), in wall time.
bucket = Table("bucket", metadata, Column("name", Text, primary_key=True), Column("free_at", Instant, nullable=False))

# How many mails the plan that was last accepted foresees for each day (UTC).
forecast = Table("forecast", metadata, Column("day", Text, primary_key=True), Column("mails", Integer, nullable=False))

# What came back about messages: bounces, delays, complaints. `digest` is of the report, so that it counts once.
report = Table(
    "report",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False),
    Column("outbox", Id, ForeignKey("outbox.id")),
    Column("subscriber", Id, ForeignKey("subscriber.id")),
    Column("status", Text, nullable=False),
    Column("words", Text, nullable=False),
    UniqueConstraint("digest"),
    Index("ix_report_subscriber", "subscriber", "id"),
    sqlite_autoincrement=True,
)


def insert(tx: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert that may say what happens ``on_conflict``, in the words of the database at hand."""
    return inserting(tx.dialect.name, table)


def inserting(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """The same in the words of a database named."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def upsert(tx: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows, all with the same columns; one whose primary key is there already is overwritten."""
    if rows:
        tx.execute(_upserting(tx.dialect.name, table, tuple(rows[0])), rows)


@lru_cache(maxsize=64)  # building a statement costs more than running it
def _upserting(dialect: str, table: Table, columns: tuple[str, ...]) -> postgresql.Insert | sqlite.Insert:
    key = [column.name for column in table.primary_key]
    statement = inserting(dialect, table)
    changed = {name: statement.excluded[name] for name in columns if name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=changed)
