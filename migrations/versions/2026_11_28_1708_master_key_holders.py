"""Only runtime registers master keys, and every runtime process says which of them it holds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "master_key_holders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("versions", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column(
            "seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_master_key_holders")),
    )
    # One row a stored credential, written only when one is entered or resealed: this is short.
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX ix_key_credentials_in_use ON key_credentials (master_key_version)"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON master_key_holders TO botkeys_runtime")
    op.execute("GRANT SELECT ON master_key_holders TO botkeys_api")
    op.execute("REVOKE INSERT ON master_keys FROM botkeys_api")
    # Until now a process could register a key whose private half nobody has. Runtime processes
    # register theirs when they start.
    op.execute("DELETE FROM master_keys")


def downgrade() -> None:
    op.execute("GRANT INSERT ON master_keys TO botkeys_api")
    op.drop_index("ix_key_credentials_in_use", "key_credentials")
    op.drop_table("master_key_holders")
