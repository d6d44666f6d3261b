"""Key pairs made here: a key whose API key is not known yet, and the public half to register."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("keys", sa.Column("public_key", sa.Text(), nullable=True))
    op.add_column(
        "keys",
        sa.Column(
            "awaiting_api_key", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
    )


def downgrade() -> None:
    op.drop_column("keys", "awaiting_api_key")
    op.drop_column("keys", "public_key")
