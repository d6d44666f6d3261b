"""Runs migrations on the connection passed by `app.db.migrate`, or prints their SQL."""

from typing import Any

from alembic import context
from alembic.operations import Operations
from alembic.operations.ops import CreateTableOp
from sqlalchemy import Table

from app.db.base import Base
from app.db.distribution import go_one_by_one, is_distributed, place
from app.db.models import __all__ as tables

config = context.config
target_metadata = Base.metadata
assert tables, "the models must be imported before the metadata is compared"  # noqa: S101


@Operations.implementation_for(CreateTableOp, replace=True)
def create_table(operations: Operations, operation: CreateTableOp) -> Table:
    """Create a table, on the nodes of the others where those are distributed.

    It refers to others only once it lies there: a table of one node cannot refer to such a one.
    """
    table = operation.to_table(operations.migration_context)
    if operations.migration_context.as_sql or not is_distributed(operations.get_bind()):
        operations.impl.create_table(table)
        return table
    implementation: Any = operations.impl
    implementation.create_table(table, include_foreign_key_constraints=[])
    place(operations.get_bind(), table.name)
    for constraint in table.foreign_key_constraints:
        implementation.add_constraint(constraint)
    return table


if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql", target_metadata=target_metadata, literal_binds=True
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    if is_distributed(config.attributes["connection"]):
        go_one_by_one(config.attributes["connection"])
    context.configure(
        connection=config.attributes["connection"],
        target_metadata=target_metadata,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
