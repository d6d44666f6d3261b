"""The workers' logins may see at which migration the database is, and how old operations are."""

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

WORKERS = ("botkeys_catalogue", "botkeys_purge", "botkeys_webhooks")


def upgrade() -> None:
    for role in WORKERS:
        op.execute(f"GRANT SELECT ON alembic_version TO {role}")
    op.execute("GRANT SELECT (created_at) ON operations TO botkeys_purge")


def downgrade() -> None:
    op.execute("REVOKE SELECT (created_at) ON operations FROM botkeys_purge")
    for role in WORKERS:
        op.execute(f"REVOKE ALL ON alembic_version FROM {role}")
