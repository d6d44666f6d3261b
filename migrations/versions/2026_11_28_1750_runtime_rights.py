"""The role `runtime` loses what none of its routes uses, nor did any in the release before.

None of its routes is replayable, so it stores and reads no responses; of what bots reported it
reads what a repeated report of deleted data is recognised by.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

FORMER = (
    ("SELECT, INSERT, UPDATE, DELETE", "idempotency_records"),
    ("UPDATE, DELETE", "bot_tokens"),
    ("SELECT", "trades, equity_snapshots, signals, bot_events"),
)
PLACE = "account_id, bot_id, environment, key_id"
LEFT = (
    ("UPDATE (token_hash, created_at)", "bot_tokens"),
    (f"SELECT ({PLACE}, id, closed_at)", "trades"),
    (f"SELECT ({PLACE}, id, at)", "equity_snapshots"),
    (f"SELECT ({PLACE}, id, at)", "signals"),
    (f"SELECT ({PLACE}, reported_id, at)", "bot_events"),
)


def upgrade() -> None:
    for rights, tables in FORMER:
        op.execute(f"REVOKE {rights} ON {tables} FROM botkeys_runtime")
    for rights, tables in LEFT:
        op.execute(f"GRANT {rights} ON {tables} TO botkeys_runtime")


def downgrade() -> None:
    for rights, tables in FORMER:
        op.execute(f"GRANT {rights} ON {tables} TO botkeys_runtime")
