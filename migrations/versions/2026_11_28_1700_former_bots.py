"""When a bot lost a key, and which positions lock their key."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

RIGHTS = (
    "UPDATE (ended_at) ON assignments",
    # A bot that gets a key back manages the positions that it reported with it meanwhile.
    "UPDATE (locks_key) ON positions",
)


def upgrade() -> None:
    op.add_column("assignments", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "positions", sa.Column("locks_key", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    for rights in RIGHTS:
        op.execute(f"GRANT {rights} TO botkeys_api")


def downgrade() -> None:
    for rights in RIGHTS:
        op.execute(f"REVOKE {rights} FROM botkeys_api")
    op.drop_column("positions", "locks_key")
    op.drop_column("assignments", "ended_at")
