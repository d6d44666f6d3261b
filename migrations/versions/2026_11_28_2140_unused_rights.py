"""The role `api` loses what none of its work uses, nor did any in the release before.

It adds and removes sealed credentials without reading under which master key, and how often they
were released, and from where, is read by runtime alone.
"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

UNUSED = (
    ("SELECT (master_key_version)", "key_credentials"),
    ("SELECT", "releases"),
)


def upgrade() -> None:
    for rights, table in UNUSED:
        op.execute(f"REVOKE {rights} ON {table} FROM botkeys_api")


def downgrade() -> None:
    for rights, table in UNUSED:
        op.execute(f"GRANT {rights} ON {table} TO botkeys_api")
