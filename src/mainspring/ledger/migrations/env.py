"""Alembic runs the migrations on the connection, and in the transaction, that `ledger.sql.migrate` gives it."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table=context.config.attributes["version_table"],
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
