"""The entry point that alembic loads: it runs the revisions on the connection that `migrate` hands over."""

from __future__ import annotations

from alembic import context

from monitor.store.database import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
