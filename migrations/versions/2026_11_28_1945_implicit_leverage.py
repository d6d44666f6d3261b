"""Gemini has no leverage to set: assets that hold one lose it, as if it had never been taken."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

FORGET_LEVERAGE = """
    UPDATE trading_assets AS asset
    SET leverage = NULL, revision = asset.revision + 1, updated_at = now()
    FROM keys AS key
    WHERE key.account_id = asset.account_id AND key.id = asset.key_id
      AND key.exchange = 'gemini' AND asset.leverage IS NOT NULL
"""


def upgrade() -> None:
    op.execute(FORGET_LEVERAGE)


def downgrade() -> None:
    """Leave the assets without a leverage, which the release before permits."""
