"""What sending needs to remember: pace, forecast, reports, who cannot be reached, what a worker died of."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INSTANT = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    def text(name: str) -> sa.Column[str]:
        return sa.Column(name, sa.Text(), nullable=False, server_default="")

    def number(name: str) -> sa.Column[int]:
        return sa.Column(name, sa.Integer(), nullable=False, server_default="0")

    op.add_column("outbox", number("deaths"))
    op.add_column("outbox", sa.Column("bundle", sa.Integer()))
    in_hand = sa.text("state IN ('claimed', 'sending')")
    op.create_index(
        op.f("ix_outbox_in_hand_for"), "outbox", ["subscriber"], sqlite_where=in_hand, postgresql_where=in_hand
    )
    owed, settled = sa.text("state = 'owed'"), sa.text("settled_at IS NOT NULL")
    op.create_index(op.f("ix_outbox_owed_to"), "outbox", ["subscriber"], sqlite_where=owed, postgresql_where=owed)
    op.create_index(
        op.f("ix_outbox_settled"),
        "outbox",
        ["subscriber", "settled_at"],
        sqlite_where=settled,
        postgresql_where=settled,
    )
    for column in (text("domain"), number("bounced"), sa.Column("suspended_at", INSTANT), text("suspended_why")):
        op.add_column("subscriber", column)
    op.create_table(
        "bucket",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("free_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_bucket")),
    )
    op.create_table(
        "forecast",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_forecast")),
    )
    op.create_table(
        "report",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outbox", ID),
        sa.Column("subscriber", ID),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["outbox"], ["outbox.id"], name=op.f("fk_report_outbox")),
        sa.ForeignKeyConstraint(["subscriber"], ["subscriber.id"], name=op.f("fk_report_subscriber")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint("digest", name=op.f("uq_report_digest")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_report_subscriber"), "report", ["subscriber", "id"])
    _name_domains()


def _name_domains() -> None:
    connection = op.get_bind()
    person = sa.table("subscriber", sa.column("id"), sa.column("address"), sa.column("domain"))
    for id, address in connection.execute(sa.select(person.c.id, person.c.address)).all():
        domain = str(address).rpartition("@")[2].casefold()
        connection.execute(sa.update(person).where(person.c.id == id).values(domain=domain))
