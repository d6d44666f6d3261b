"""Sessions hold what the issuer signed: `runtime` takes not the word of `api` for them."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dashboard_sessions", sa.Column("evidence", sa.LargeBinary))
    op.execute("GRANT SELECT (evidence) ON dashboard_sessions TO botkeys_runtime")


def downgrade() -> None:
    op.drop_column("dashboard_sessions", "evidence")
