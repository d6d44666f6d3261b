"""What sends webhooks sees no accounts: closing one deletes its webhooks at once."""

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

RIGHT = "SELECT (account_id, closing_at) ON accounts"


def upgrade() -> None:
    op.execute(f"REVOKE {RIGHT} FROM botkeys_webhooks")


def downgrade() -> None:
    op.execute(f"GRANT {RIGHT} TO botkeys_webhooks")
