"""Runs migrations on the connection passed by `app.db.migrate`, or prints their SQL."""

from alembic import context

from app.db.base import Base
from app.db.models import __all__ as tables

config = context.config
target_metadata = Base.metadata
assert tables, "the models must be imported before the metadata is compared"  # noqa: S101

if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql", target_metadata=target_metadata, literal_binds=True
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    context.configure(
        connection=config.attributes["connection"],
        target_metadata=target_metadata,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
