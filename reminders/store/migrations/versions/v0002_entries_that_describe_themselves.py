"""Entries say what they are selected by, rows which publication changed them, feeds in which style; personal feeds."""

import json
import re

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INSTANT = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    def text(name: str) -> sa.Column[str]:
        return sa.Column(name, sa.Text(), nullable=False, server_default="")

    def number(name: str) -> sa.Column[int]:
        return sa.Column(name, sa.Integer(), nullable=False, server_default="0")

    op.add_column("event", number("publication"))
    op.create_index(op.f("ix_event_publication"), "event", ["publication"])
    op.create_index(op.f("ix_revision_at"), "revision", ["at"])
    for column in (
        *(text("timezone"), sa.Column("level", sa.Integer()), text("provider"), text("categories")),
        *(sa.Column("firm", sa.Boolean(), nullable=False, server_default=sa.true()), text("deadline")),
        *(sa.Column("off", sa.Boolean(), nullable=False, server_default=sa.false()), number("publication")),
        sa.Column("off_since", INSTANT),
    ):
        op.add_column("entry", column)
    op.create_index(op.f("ix_entry_publication"), "entry", ["publication"])
    op.add_column("feed", text("style"))
    op.add_column("feed", number("restyled"))
    op.add_column("feed", sa.Column("restyled_at", INSTANT))
    op.create_table(
        "subscription",
        sa.Column("id", ID, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("subscriber", ID, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("shows", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
        sa.Column("fetched_at", INSTANT),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("seen_at", INSTANT),
        sa.ForeignKeyConstraint(["subscriber"], ["subscriber.id"], name=op.f("fk_subscription_subscriber")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        sa.UniqueConstraint("hash", name=op.f("uq_subscription_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_subscription_subscriber"), "subscription", ["subscriber"])
    _describe_entries()


def _describe_entries() -> None:
    """Feeds must go on showing what they showed until the entries are drawn anew, which happens at the next look."""
    connection = op.get_bind()
    names = ("uid", "event", "kind", "occurrence", "level", "provider", "categories", "firm")
    entry = sa.table("entry", *map(sa.column, names))
    facts = {id: json.loads(each) for id, each in connection.execute(sa.text("SELECT id, facts FROM event"))}
    for row in connection.execute(sa.select(entry)).all():
        known = facts.get(row.event, {})
        whens = {(each["kind"], each.get("occurrence", "")): each["when"] for each in known.get("dates", ())}
        when = whens.get((row.kind, row.occurrence), "")
        connection.execute(
            sa.update(entry)
            .where(entry.c.uid == row.uid)
            .values(
                level=known.get("level"),
                provider=known.get("provider", ""),
                categories=" ".join(known.get("categories", ())),
                firm=bool(re.match(r"\d{4}-\d\d-\d\d", when)),
            )
        )
