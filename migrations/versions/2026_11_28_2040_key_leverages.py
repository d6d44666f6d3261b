"""The maximum leverages that an exchange states to one account, kept with the key that asked.

`learned_leverages` held one answer for all accounts. The release before goes on using it; whose
answer it was is not known, so nothing is taken over: a maximum is unknown until the next check.

What was stored as the end of Binance keys is the end of their right to trade spot.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

FORGET_ENDS = """
    UPDATE keys SET expires_at = NULL, expiry_announced = NULL, revision = revision + 1
    WHERE exchange = 'binance' AND expires_at IS NOT NULL
"""


def upgrade() -> None:
    op.create_table(
        "key_leverages",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.Column("max_leverages", JSONB(), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "contract_type IN ('linear', 'inverse')", name=op.f("ck_key_leverages_contract_type")
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "key_id"],
            ["keys.account_id", "keys.id"],
            name=op.f("fk_key_leverages_account_id_key_id_keys"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "key_id", "contract_type", name=op.f("pk_key_leverages")
        ),
    )
    op.execute(FORGET_ENDS)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON key_leverages TO botkeys_api")
    op.execute(
        "GRANT SELECT, INSERT, UPDATE (max_leverages, learned_at) ON key_leverages"
        " TO botkeys_runtime"
    )


def downgrade() -> None:
    op.drop_table("key_leverages")
