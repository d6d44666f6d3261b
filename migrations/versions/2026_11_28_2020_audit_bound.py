"""All audit entries so far will be one partition: those from before this bound.

Found by reading the table once, so that an entry which a wrong clock dated years ahead is below it
too. It is at least a month away: a migration that stops here keeps nobody from writing.
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

BOUND = """
DO $$
DECLARE
    bound timestamptz;
BEGIN
    SELECT (
        date_trunc('month', greatest(now() + interval '31 days', max(at)) AT TIME ZONE 'UTC')
        + interval '1 month'
    ) AT TIME ZONE 'UTC' INTO bound FROM audit_events;
    EXECUTE format(
        'ALTER TABLE audit_events ADD CONSTRAINT ck_audit_events_bound CHECK (at < %L) NOT VALID',
        bound
    );
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute(BOUND)


def downgrade() -> None:
    op.execute("ALTER TABLE audit_events DROP CONSTRAINT ck_audit_events_bound")
