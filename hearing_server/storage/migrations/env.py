"""Run by Alembic. The connection comes from `schema_migration`, inside a transaction that the caller commits."""

from alembic import context
from sqlalchemy import Connection

from hearing_server.storage.tables import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
