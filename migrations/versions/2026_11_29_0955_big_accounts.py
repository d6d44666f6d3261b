"""Statements are planned for big accounts, in an installation of many small ones.

A statement that is prepared for any account is planned for the average one. Where that has a row or
two in a table, each index that begins with the account looks as good as any other, and PostgreSQL
may choose one that reads all of a big account. Stated as a hundredth of the table, or as what the
biggest account has if that is less, the rest of an index counts. It is heeded from the next ANALYZE
on, which autovacuum does, and changes no row.
"""

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

TABLES = (
    "assignments",
    "bot_events",
    "bots",
    "dashboard_sessions",
    "deletion_marks",
    "equity_snapshots",
    "events",
    "freezes",
    "funding",
    "import_rows",
    "key_credentials",
    "keys",
    "operations",
    "positions",
    "presence",
    "releases",
    "resting_orders",
    "signals",
    "stale_days",
    "trade_days",
    "trades",
    "trading_assets",
    "webhook_deliveries",
)


FINISHED = "SELECT (finished_at) ON operations"


def _alter(statement: str) -> None:
    """Change a setting of the planner on this server. Citus passes it on to no other."""
    op.execute("SET LOCAL citus.enable_ddl_propagation = off")
    op.execute(statement)
    op.execute("SET LOCAL citus.enable_ddl_propagation = on")


def upgrade() -> None:
    # For the days of what was deleted lately.
    op.execute(f"GRANT {FINISHED} TO botkeys_purge")
    for table in TABLES:
        _alter(f"ALTER TABLE {table} ALTER COLUMN account_id SET (n_distinct = 100)")


def downgrade() -> None:
    op.execute(f"REVOKE {FINISHED} FROM botkeys_purge")
    for table in TABLES:
        _alter(f"ALTER TABLE {table} ALTER COLUMN account_id RESET (n_distinct)")
