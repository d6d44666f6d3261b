"""An account's freezes are read from an index alone, for each key of a page."""

from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

COLUMNS = ["account_id", "scope", "exchange", "key_id", "created_at"]


def upgrade() -> None:
    op.create_index("ix_freezes_read", "freezes", COLUMNS)


def downgrade() -> None:
    op.drop_index("ix_freezes_read", table_name="freezes")
