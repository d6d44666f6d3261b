"""How many keys and bots an account has at most, with the head of its audit log.

Adding one had all of them counted. The release before leaves the columns as they are: what it adds
is counted after a day.
"""

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_heads", sa.Column("keys_at_most", sa.BigInteger()))
    op.add_column("audit_heads", sa.Column("bots_at_most", sa.BigInteger()))
    op.add_column("audit_heads", sa.Column("counted_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for name in ("counted_at", "bots_at_most", "keys_at_most"):
        op.drop_column("audit_heads", name)
