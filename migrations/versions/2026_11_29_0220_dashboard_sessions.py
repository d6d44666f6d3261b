"""Sessions of people who signed in to the dashboard.

The role `runtime` mints bots' tokens for users and therefore has to know their sessions too; only
`api` begins, uses and ends them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0035"
branch_labels = None
depends_on = None

GRANTS = (
    (
        "SELECT, INSERT, UPDATE (last_used_at, expires_at, ended_at, address, user_agent), DELETE",
        "botkeys_api",
    ),
    (
        "SELECT (account_id, id, secret_hash, created_at, last_used_at, expires_at, ended_at)",
        "botkeys_runtime",
    ),
)

SWEEP_SESSIONS = """
CREATE FUNCTION sweep_sessions(p_kept interval, p_most bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    over timestamptz := clock_timestamp() - greatest(p_kept, interval '1 day');
    done bigint;
BEGIN
    DELETE FROM public.dashboard_sessions WHERE (account_id, id) IN (
        SELECT account_id, id FROM public.dashboard_sessions
        WHERE least(expires_at, ended_at) < over
        LIMIT p_most
    );
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END $$
"""
SIGNATURE = "sweep_sessions(interval, bigint)"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    now = sa.text("clock_timestamp()")
    op.create_table(
        "dashboard_sessions",
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("proof", sa.LargeBinary, nullable=False),
        sa.Column("created_at", moment, server_default=now, nullable=False),
        sa.Column("last_used_at", moment, server_default=now, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("ended_at", moment),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("user_agent", sa.Text),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_dashboard_sessions"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_dashboard_sessions_account_id"
        ),
        sa.UniqueConstraint("account_id", "proof", name="uq_dashboard_sessions_account_id_proof"),
    )
    for rights, role in GRANTS:
        op.execute(f"GRANT {rights} ON dashboard_sessions TO {role}")
    op.execute(SWEEP_SESSIONS)
    op.execute(f"REVOKE EXECUTE ON FUNCTION {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO botkeys_purge")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {SIGNATURE}")
    op.drop_table("dashboard_sessions")
