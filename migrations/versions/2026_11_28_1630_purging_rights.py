"""The worker may see which keys are assigned: labels that a purge removes must be of no use."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

RIGHTS = "SELECT (account_id, key_id) ON assignments"


def upgrade() -> None:
    op.execute(f"GRANT {RIGHTS} TO botkeys_worker")


def downgrade() -> None:
    op.execute(f"REVOKE {RIGHTS} FROM botkeys_worker")
