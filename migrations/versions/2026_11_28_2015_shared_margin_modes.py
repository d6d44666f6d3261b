"""The margin mode of an exchange account that has one for all symbols, on each of its keys.

Assets of one key could hold different modes there. They keep what they hold; what counts is the
mode on the key: that of an asset with an open position, or else of the asset changed last.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

CHOOSE_MARGIN_MODES = """
    WITH held AS (
        SELECT asset.account_id, coalesce(key.exchange_account, uuid_send(key.id)) AS place,
               asset.margin_mode, asset.updated_at,
               EXISTS (
                   SELECT FROM positions AS position
                   WHERE position.account_id = asset.account_id AND position.key_id = asset.key_id
                     AND position.symbol = asset.symbol AND position.locks_key
                     AND position.status IN ('opening', 'open')
               ) AS in_use
        FROM trading_assets AS asset
        JOIN keys AS key ON key.account_id = asset.account_id AND key.id = asset.key_id
        WHERE key.exchange = 'bybit'
    ), chosen AS (
        SELECT DISTINCT ON (account_id, place) account_id, place, margin_mode
        FROM held
        ORDER BY account_id, place, in_use DESC, updated_at DESC
    )
    UPDATE keys AS key
    SET margin_mode = chosen.margin_mode
    FROM chosen
    WHERE key.account_id = chosen.account_id AND key.exchange = 'bybit'
      AND coalesce(key.exchange_account, uuid_send(key.id)) = chosen.place
"""


def upgrade() -> None:
    op.add_column("keys", sa.Column("margin_mode", sa.Text(), nullable=True))
    op.execute(
        """
        -- squawk-ignore constraint-missing-not-valid
        ALTER TABLE keys ADD CONSTRAINT ck_keys_margin_mode
        CHECK (margin_mode IN ('cross', 'isolated'))
        """
    )
    op.execute(CHOOSE_MARGIN_MODES)


def downgrade() -> None:
    op.drop_column("keys", "margin_mode")
