"""Keys that were stored without asking an exchange that tells whether they can withdraw."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

RIGHTS = "UPDATE (unverified) ON keys"


def upgrade() -> None:
    op.add_column(
        "keys", sa.Column("unverified", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    # The exchanges that had a host and told, when this was written.
    op.execute(
        """
        UPDATE keys SET unverified = true
        WHERE verification_status = 'skipped' AND permission_withdraw = 'unknown'
          AND exchange NOT IN ('bitmex', 'phemex')
          AND NOT (environment = 'testnet' AND exchange IN ('binance', 'kucoin'))
        """
    )
    op.execute(f"GRANT {RIGHTS} TO botkeys_runtime")


def downgrade() -> None:
    op.execute(f"REVOKE {RIGHTS} FROM botkeys_runtime")
    op.drop_column("keys", "unverified")
