"""The orders that bots have resting at their exchanges, which lock key and margin mode."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "resting_orders",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("symbols", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("counts", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "cardinality(symbols) = cardinality(counts)",
            name=op.f("ck_resting_orders_one_count_each"),
        ),
        sa.CheckConstraint("0 < ALL (counts)", name=op.f("ck_resting_orders_counts_positive")),
        sa.ForeignKeyConstraint(
            ["account_id", "bot_id"],
            ["bots.account_id", "bots.id"],
            name=op.f("fk_resting_orders_account_id_bot_id_bots"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "bot_id", name=op.f("pk_resting_orders")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("ix_resting_orders_key", "resting_orders", ["account_id", "key_id"])
    op.execute("GRANT SELECT, DELETE ON resting_orders TO botkeys_api")
    op.execute(
        "GRANT SELECT, INSERT, UPDATE (key_id, symbols, counts, expires_at) ON resting_orders"
        " TO botkeys_runtime"
    )


def downgrade() -> None:
    op.drop_table("resting_orders")
