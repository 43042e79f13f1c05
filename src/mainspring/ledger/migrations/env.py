"""Alembic runs the migrations on the connection, and in the transaction, that `ledger.sql.migrate` gives it."""

from alembic import context

config = getattr(context, "config", None)
if config is not None:  # it is only there while Alembic runs this file
    context.configure(
        connection=config.attributes["connection"],
        version_table=config.attributes["version_table"],
        transactional_ddl=False,
        render_as_batch=True,
    )
    context.run_migrations()
