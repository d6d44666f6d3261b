"""Webhooks: addresses that an account's events are sent to, and what became of each delivery.

A role of its own sends them: it reads events and nothing else of an account, and it is the one role
that calls addresses which users choose.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

API, PURGE, WEBHOOKS = "botkeys_api", "botkeys_purge", "botkeys_webhooks"
GRANTS = (
    ("SELECT, INSERT, UPDATE, DELETE", "webhooks", API),
    ("SELECT, INSERT, UPDATE (status, next_attempt_at, finished_at)", "webhook_deliveries", API),
    ("SELECT", "webhooks", WEBHOOKS),
    ("UPDATE (sequence, failing_since, updated_at, revision)", "webhooks", WEBHOOKS),
    ("UPDATE (active, disabled_at, disabled_reason)", "webhooks", WEBHOOKS),
    ("SELECT, INSERT, UPDATE", "webhook_deliveries", WEBHOOKS),
    ("SELECT, INSERT", "events", WEBHOOKS),
    ("SELECT, INSERT, UPDATE (sequence)", "event_heads", WEBHOOKS),
    ("SELECT", "deletion_marks", WEBHOOKS),
    # Whether the database is migrated, and whether the account is being closed.
    ("SELECT (account_id, closing_at)", "accounts", WEBHOOKS),
)

# The functions as they change: lines that begin with + are new.
FORGET_ACCOUNT = """
 CREATE OR REPLACE FUNCTION forget_account(p_account uuid, p_operation uuid, p_claim uuid)
 RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
 BEGIN
     PERFORM FROM public.operations
     WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running'
       AND operations.kind = 'close_account';
     IF NOT FOUND THEN
         RETURN false;
     END IF;
     DELETE FROM public.trade_days WHERE account_id = p_account;
     DELETE FROM public.stale_days WHERE account_id = p_account;
     DELETE FROM public.key_labels WHERE account_id = p_account;
     DELETE FROM public.deletion_marks WHERE account_id = p_account;
     DELETE FROM public.idempotency_records WHERE account_id = p_account;
     DELETE FROM public.purged_positions WHERE account_id = p_account;
     DELETE FROM public.operations WHERE account_id = p_account AND id <> p_operation;
     DELETE FROM public.events WHERE account_id = p_account;
     DELETE FROM public.event_heads WHERE account_id = p_account;
+    DELETE FROM public.webhook_deliveries WHERE account_id = p_account;
+    DELETE FROM public.webhooks WHERE account_id = p_account;
     UPDATE public.accounts
     SET closing_at = NULL, created_at = clock_timestamp(), selected_environment = DEFAULT,
         timezone = DEFAULT, revision = revision + 1
     WHERE account_id = p_account;
     RETURN true;
 END $$
"""

# Those that were delivered are remembered for a tenth of the time.
SWEEP_DELIVERIES = """
CREATE FUNCTION sweep_webhook_deliveries(p_kept interval, p_most bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done bigint;
BEGIN
    DELETE FROM public.webhook_deliveries WHERE (account_id, id) IN (
        SELECT account_id, id FROM public.webhook_deliveries
        WHERE created_at < statement_timestamp() - greatest(p_kept, interval '30 days') / CASE
            WHEN status = 'delivered' THEN 10 ELSE 1 END
          AND created_at < statement_timestamp() - greatest(p_kept, interval '30 days') / 10
        LIMIT p_most
    );
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END $$
"""
SIGNATURE = "sweep_webhook_deliveries(interval, bigint)"


def _function(changes: str, left_out: str) -> None:
    """Create the function without the lines that begin with `left_out`."""
    lines = (line[1:] for line in changes.splitlines() if not line.startswith(left_out))
    op.execute("\n".join(lines))


def _create_role() -> None:
    """Roles belong to the server, not to a database: it may be there already."""
    op.execute(
        f"""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{WEBHOOKS}') THEN
                CREATE ROLE {WEBHOOKS} NOLOGIN;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
        """
    )
    op.execute(f"GRANT USAGE ON SCHEMA public TO {WEBHOOKS}")


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    now = sa.text("clock_timestamp()")
    _create_role()
    op.create_table(
        "webhooks",
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("sealed_url", sa.LargeBinary, nullable=False),
        sa.Column("types", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.Column("secret_version", sa.BigInteger, server_default="1", nullable=False),
        sa.Column("former_secret_until", moment),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("failing_since", moment),
        sa.Column("disabled_at", moment),
        sa.Column("disabled_reason", sa.Text),
        sa.Column("created_at", moment, server_default=now, nullable=False),
        sa.Column("updated_at", moment, server_default=now, nullable=False),
        sa.Column("revision", sa.BigInteger, server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_webhooks"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_webhooks_account_id"
        ),
        sa.CheckConstraint(
            "format IN ('standard', 'slack', 'discord', 'ntfy')", name="ck_webhooks_format"
        ),
        sa.CheckConstraint(
            "disabled_reason IN ('failing', 'gone')", name="ck_webhooks_disabled_reason"
        ),
        sa.CheckConstraint(
            "NOT active OR disabled_at IS NULL", name="ck_webhooks_disabled_is_inactive"
        ),
        sa.CheckConstraint(
            "(disabled_at IS NULL) = (disabled_reason IS NULL)", name="ck_webhooks_disabled"
        ),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("webhook_id", sa.Uuid, nullable=False),
        sa.Column("event_number", sa.BigInteger),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("replay_of", sa.Uuid),
        sa.Column("status", sa.Text, server_default="pending", nullable=False),
        sa.Column("attempts", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("next_attempt_at", moment),
        sa.Column("claim", sa.Uuid),
        sa.Column("last_attempt_at", moment),
        sa.Column("response_status", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("duration_ms", sa.BigInteger),
        sa.Column("created_at", moment, server_default=now, nullable=False),
        sa.Column("finished_at", moment),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(
            ["account_id", "webhook_id"],
            ["webhooks.account_id", "webhooks.id"],
            name="fk_webhook_deliveries_account_id_webhook_id",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'delivered', 'failed', 'cancelled')",
            name="ck_webhook_deliveries_status",
        ),
        sa.CheckConstraint(
            "(status = 'pending') = (next_attempt_at IS NOT NULL)",
            name="ck_webhook_deliveries_pending",
        ),
        sa.CheckConstraint(
            "(status = 'pending') = (finished_at IS NULL)", name="ck_webhook_deliveries_finished"
        ),
    )
    op.create_index(
        "ix_webhook_deliveries_of_webhook",
        "webhook_deliveries",
        ["account_id", "webhook_id", sa.text("id DESC")],
    )
    # Each event once, whatever several workers do; a replay is asked for.
    op.create_index(
        "uq_webhook_deliveries_event",
        "webhook_deliveries",
        ["account_id", "webhook_id", "event_number"],
        unique=True,
        postgresql_where=sa.text("event_number IS NOT NULL AND replay_of IS NULL"),
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["next_attempt_at"],
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_webhook_deliveries_created_at",
        "webhook_deliveries",
        ["created_at"],
        postgresql_using="brin",
    )
    op.create_index(
        "ix_webhooks_active", "webhooks", ["account_id"], postgresql_where=sa.text("active")
    )
    for rights, table, role in GRANTS:
        op.execute(f"GRANT {rights} ON {table} TO {role}")
    _function(FORGET_ACCOUNT, "-")
    op.execute(SWEEP_DELIVERIES)
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO {PURGE}")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {SIGNATURE}")
    _function(FORGET_ACCOUNT, "+")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
    for rights, table, role in GRANTS:
        if role == WEBHOOKS and not table.startswith("webhook"):
            op.execute(f"REVOKE {rights} ON {table} FROM {role}")
