"""An exchange that answered, without saying yes or no: the status `unknown`, and its own code."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

RIGHTS = "UPDATE (verification_code) ON keys"
BEFORE = "'verified', 'unreachable', 'skipped', 'rejected'"
NOW = "'verified', 'unreachable', 'unknown', 'skipped', 'rejected'"


def _allow(statuses: str) -> None:
    # The new constraint stands in the old one's place in the same statement.
    op.execute(
        f"""
        -- squawk-ignore ban-drop-constraint, constraint-missing-not-valid
        ALTER TABLE keys DROP CONSTRAINT ck_keys_verification_status,
        ADD CONSTRAINT ck_keys_verification_status
        CHECK (verification_status IN ({statuses}))
        """
    )


def upgrade() -> None:
    op.add_column("keys", sa.Column("verification_code", sa.Text(), nullable=True))
    _allow(NOW)
    op.execute(f"GRANT {RIGHTS} TO botkeys_runtime")


def downgrade() -> None:
    op.execute(f"REVOKE {RIGHTS} FROM botkeys_runtime")
    op.execute(
        """
        UPDATE keys SET verification_status = 'unreachable', verification_reason = 'bad_answer'
        WHERE verification_status = 'unknown'
        """
    )
    _allow(BEFORE)
    op.drop_column("keys", "verification_code")
