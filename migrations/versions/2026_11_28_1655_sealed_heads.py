"""Heads of audit chains are sealed, and entries tell in which format they are chained."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_heads", sa.Column("seal", sa.LargeBinary(), nullable=True))
    op.add_column("audit_heads", sa.Column("sealed_sequence", sa.BigInteger(), nullable=True))
    op.add_column(
        "audit_events",
        sa.Column("format", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("audit_events", "format")
    op.drop_column("audit_heads", "sealed_sequence")
    op.drop_column("audit_heads", "seal")
