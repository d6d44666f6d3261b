"""Webhooks are told of new events, instead of looking for them in every account that has one.

The head of an account's events knows whether a webhook waits for them. What the former release
writes makes no news: the worker looks at a few accounts in turn, and finds it there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

GRANTS = (
    *(("INSERT ON webhook_news", f"botkeys_{name}") for name in ("api", "runtime", "purge")),
    ("SELECT, INSERT, DELETE ON webhook_news", "botkeys_webhooks"),
    *(("UPDATE (watched) ON event_heads", f"botkeys_{name}") for name in ("api", "webhooks")),
)


def upgrade() -> None:
    op.add_column(
        "event_heads",
        sa.Column("watched", sa.Boolean, server_default=sa.false(), nullable=False),
    )
    op.create_table(
        "webhook_news",
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_webhook_news"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["event_heads.account_id"],
            name="fk_webhook_news_account_id",
            ondelete="CASCADE",
        ),
    )
    for right, role in GRANTS:
        op.execute(f"GRANT {right} TO {role}")
    op.execute(
        "INSERT INTO event_heads (account_id, sequence, watched)"
        " SELECT DISTINCT account_id, 0, true FROM webhooks WHERE active"
        " ON CONFLICT (account_id) DO UPDATE SET watched = true"
    )


def downgrade() -> None:
    op.drop_table("webhook_news")
    op.drop_column("event_heads", "watched")
