"""How many rows each bot stored on its latest day, so that no bot stores without limit."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ingest_days",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("stored >= 0", name=op.f("ck_ingest_days_not_negative")),
        sa.ForeignKeyConstraint(
            ["account_id", "bot_id"],
            ["bots.account_id", "bots.id"],
            name=op.f("fk_ingest_days_account_id_bot_id_bots"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "bot_id", name=op.f("pk_ingest_days")),
        postgresql_with={"fillfactor": 50},
    )
    op.execute("GRANT SELECT, INSERT, UPDATE (day, stored) ON ingest_days TO botkeys_runtime")


def downgrade() -> None:
    op.drop_table("ingest_days")
