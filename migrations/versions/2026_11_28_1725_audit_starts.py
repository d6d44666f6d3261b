"""Where the chains of audit logs begin after their oldest entries were retired."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

READERS = ("botkeys_api", "botkeys_runtime")


def upgrade() -> None:
    op.create_table(
        "audit_starts",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_by", sa.Text(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["audit_heads.account_id"], name=op.f("fk_audit_starts_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "sequence", name=op.f("pk_audit_starts")),
    )
    for role in READERS:
        op.execute(f"GRANT SELECT ON audit_starts TO {role}")


def downgrade() -> None:
    op.drop_table("audit_starts")
