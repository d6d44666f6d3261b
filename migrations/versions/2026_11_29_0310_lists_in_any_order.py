"""Keys and bots are listed in several orders, and a key's state says since when.

Each order has an index that begins with the account and ends with the id.
"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

LABEL = sa.text('lower(label) COLLATE "C"')
NAME = sa.text('lower(name) COLLATE "C"')
EXPIRY = sa.text("coalesce(expires_at, 'infinity')")


def upgrade() -> None:
    # The default comes after the column, so that it holds for new rows alone.
    op.add_column("keys", sa.Column("active_since", sa.DateTime(timezone=True)))
    op.alter_column("keys", "active_since", server_default=sa.text("clock_timestamp()"))
    op.add_column("keys", sa.Column("verification_since", sa.DateTime(timezone=True)))
    op.execute("GRANT UPDATE (verification_since) ON keys TO botkeys_runtime")
    op.create_index("ix_keys_label", "keys", ["account_id", LABEL, "id"])
    op.create_index("ix_keys_created_at", "keys", ["account_id", "created_at", "id"])
    op.create_index("ix_keys_exchange", "keys", ["account_id", "exchange", "id"])
    op.create_index("ix_keys_expires_at", "keys", ["account_id", EXPIRY, "id"])
    op.create_index("ix_bots_name", "bots", ["account_id", NAME, "id"])
    op.create_index("ix_bots_created_at", "bots", ["account_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_bots_created_at", table_name="bots")
    op.drop_index("ix_bots_name", table_name="bots")
    op.drop_index("ix_keys_expires_at", table_name="keys")
    op.drop_index("ix_keys_exchange", table_name="keys")
    op.drop_index("ix_keys_created_at", table_name="keys")
    op.drop_index("ix_keys_label", table_name="keys")
    op.drop_column("keys", "verification_since")
    op.drop_column("keys", "active_since")
