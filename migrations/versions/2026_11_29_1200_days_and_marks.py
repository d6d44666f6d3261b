"""Days to add up, and marks of deletions, are read by indexes, however many others there are.

What looks for days that a deletion cut reads the marks of the deletions of the last hour alone. A
worker that deletes is given them with each of its operations; now it may read them of all.
"""

from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

SCOPES = "SELECT (scope) ON operations"
INDEXES = (
    ("stale_days", "ix_stale_days_of_day", ["day", "marked_at"]),
    # With the cut-off, so that a large account's marks are read without their rows.
    ("deletion_marks", "ix_deletion_marks_read", ["account_id", "environment", "key_id", "cutoff"]),
)


def upgrade() -> None:
    op.execute(f"GRANT {SCOPES} TO botkeys_purge")
    for table, name, columns in INDEXES:
        op.create_index(name, table, columns)


def downgrade() -> None:
    for table, name, _ in INDEXES:
        op.drop_index(name, table_name=table)
    op.execute(f"REVOKE {SCOPES} FROM botkeys_purge")
