"""Dated contracts are known, for the trades of them, and offered to nobody."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

RIGHTS = "UPDATE (dated) ON instruments"


def upgrade() -> None:
    op.add_column(
        "instruments", sa.Column("dated", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.execute(f"GRANT {RIGHTS} TO botkeys_catalogue")


def downgrade() -> None:
    op.execute(f"REVOKE {RIGHTS} FROM botkeys_catalogue")
    op.drop_column("instruments", "dated")
