"""Run by Alembic: within the transaction that `engine` opened, on its connection, without any ini file."""

from alembic import context

from reminders.store.connections import VERSION_TABLE
from reminders.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
