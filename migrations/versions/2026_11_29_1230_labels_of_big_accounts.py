"""Labels of keys are found one by one in big accounts too, as other tables since migration 0053.

Planned for an average account, a page of a list reads all labels of its account.
"""

from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

TABLES = ("key_labels", "webhooks")


def _alter(statement: str) -> None:
    """Change a setting of the planner on this server. Citus passes it on to no other."""
    op.execute("SET LOCAL citus.enable_ddl_propagation = off")
    op.execute(statement)
    op.execute("SET LOCAL citus.enable_ddl_propagation = on")


def upgrade() -> None:
    for table in TABLES:
        _alter(f"ALTER TABLE {table} ALTER COLUMN account_id SET (n_distinct = 100)")


def downgrade() -> None:
    for table in TABLES:
        _alter(f"ALTER TABLE {table} ALTER COLUMN account_id RESET (n_distinct)")
