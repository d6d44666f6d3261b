"""Positions whose rows are gone are remembered for a while: late reports bring nothing back."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

RIGHTS = (
    # What was held ends, and turns out to be deleted: it goes in the transaction of the report.
    ("DELETE", "positions", "botkeys_runtime"),
)
NEW = (
    ("SELECT, INSERT, UPDATE (purged_at)", "botkeys_runtime"),
    ("SELECT, INSERT, UPDATE (purged_at), DELETE", "botkeys_worker"),
    ("SELECT, DELETE", "botkeys_api"),
)


def upgrade() -> None:
    op.create_table(
        "purged_positions",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "octet_length(digest) = 32", name=op.f("ck_purged_positions_digest_length")
        ),
        sa.PrimaryKeyConstraint("account_id", "bot_id", "digest", name=op.f("pk_purged_positions")),
    )
    op.create_index(
        "ix_purged_positions_purged_at", "purged_positions", ["purged_at"], postgresql_using="brin"
    )
    op.add_column("idempotency_records", sa.Column("action", sa.Text(), nullable=True))
    for rights, role in NEW:
        op.execute(f"GRANT {rights} ON purged_positions TO {role}")
    for rights, table, role in RIGHTS:
        op.execute(f"GRANT {rights} ON {table} TO {role}")


def downgrade() -> None:
    for rights, table, role in RIGHTS:
        op.execute(f"REVOKE {rights} ON {table} FROM {role}")
    op.drop_column("idempotency_records", "action")
    op.drop_table("purged_positions")
