"""Whoever refreshes a catalogue tells the bots that may trade what changed in it."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Whose assets they are and of which symbols: the worker needs to know no more of them.
RIGHTS = "SELECT (account_id, key_id, contract_type, symbol) ON trading_assets"


def upgrade() -> None:
    op.execute(f"GRANT {RIGHTS} TO botkeys_worker")


def downgrade() -> None:
    op.execute(f"REVOKE {RIGHTS} FROM botkeys_worker")
