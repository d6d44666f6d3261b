"""Indexes for the filters of the audit log, and for the releases of a key.

Each ends with what the list is ordered by, so that a page is read from its beginning whatever is
asked for. While an index of months that exist is made nobody writes to the audit log: by estimate
some seconds per million entries.
"""

from alembic import op
from sqlalchemy import text

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

ORDER = ("at", "sequence")
EXPRESSIONS = ("key_id", "former_key_id", "bot_id")


def upgrade() -> None:
    # Every number is above 0: the condition keeps this index to the statement that names it. To
    # others it looks like a way to their order, even where nearly every entry would be left out.
    op.create_index(
        "ix_audit_events_at",
        "audit_events",
        ["account_id", *ORDER],
        postgresql_where=text("sequence > 0"),
    )
    op.create_index("ix_audit_events_action", "audit_events", ["account_id", "action", *ORDER])
    op.create_index("ix_audit_events_actor_id", "audit_events", ["account_id", "actor_id", *ORDER])
    op.create_index(
        "ix_audit_events_target_id",
        "audit_events",
        ["account_id", "target_id", *ORDER],
        postgresql_where=text("target_id IS NOT NULL"),
    )
    for name in EXPRESSIONS:
        op.create_index(
            f"ix_audit_events_details_{name}",
            "audit_events",
            ["account_id", text(f"(details ->> '{name}')"), *ORDER],
            postgresql_where=text(f"(details ->> '{name}') IS NOT NULL"),
        )
    op.create_index("ix_releases_of_key", "releases", ["account_id", "key_id", "at", "id"])
    op.execute("GRANT SELECT ON releases TO botkeys_api")


def downgrade() -> None:
    op.execute("REVOKE SELECT ON releases FROM botkeys_api")
    op.drop_index("ix_releases_of_key", table_name="releases")
    for name in reversed(EXPRESSIONS):
        op.drop_index(f"ix_audit_events_details_{name}", table_name="audit_events")
    for name in ("target_id", "actor_id", "action", "at"):
        op.drop_index(f"ix_audit_events_{name}", table_name="audit_events")
