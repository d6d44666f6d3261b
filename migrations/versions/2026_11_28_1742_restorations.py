"""After a recovery to an earlier moment, no version of credentials is given out a second time."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "restorations",
        sa.Column("version_floor", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("restored_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("version_floor", name=op.f("pk_restorations")),
    )
    op.execute("GRANT SELECT ON restorations TO botkeys_api")


def downgrade() -> None:
    op.drop_table("restorations")
