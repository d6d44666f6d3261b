"""Events: what happened in an account, in a table of its own with a number for each.

The release before writes none, so what it changes during a deployment has no event.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

API, RUNTIME, PURGE = "botkeys_api", "botkeys_runtime", "botkeys_purge"
HEADS = "SELECT, INSERT, UPDATE (sequence)"
GRANTS = (
    ("SELECT, INSERT", "events", API),
    ("INSERT", "events", RUNTIME),
    ("INSERT", "events", PURGE),
    (HEADS, "event_heads", API),
    (HEADS, "event_heads", RUNTIME),
    (HEADS, "event_heads", PURGE),
    # The name of a bot that went offline, and how far an operation is.
    ("SELECT (name)", "bots", PURGE),
    ("SELECT (environment, done, total)", "operations", PURGE),
)

# The functions as they change: lines that begin with + are new.
SWEEP_EXPIRED = """
 CREATE OR REPLACE FUNCTION sweep_expired(p_table text, p_kept interval, p_most bigint)
 RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
 DECLARE
     done bigint;
 BEGIN
     CASE p_table
     WHEN 'idempotency_records' THEN
         DELETE FROM public.idempotency_records WHERE (account_id, idempotency_key) IN (
             SELECT account_id, idempotency_key FROM public.idempotency_records
             WHERE created_at < clock_timestamp() - greatest(p_kept, interval '24 hours')
             LIMIT p_most
         );
     WHEN 'releases' THEN
         DELETE FROM public.releases WHERE (account_id, id) IN (
             SELECT account_id, id FROM public.releases
             WHERE at < clock_timestamp() - greatest(p_kept, interval '90 days')
             LIMIT p_most
         );
     WHEN 'operations' THEN
         DELETE FROM public.operations WHERE (account_id, id) IN (
             SELECT account_id, id FROM public.operations
             WHERE finished_at < clock_timestamp() - greatest(p_kept, interval '30 days')
             LIMIT p_most
         );
     WHEN 'purged_positions' THEN
         DELETE FROM public.purged_positions WHERE (account_id, bot_id, digest) IN (
             SELECT account_id, bot_id, digest FROM public.purged_positions
             WHERE purged_at < clock_timestamp() - greatest(p_kept, interval '30 days')
             LIMIT p_most
         );
+    WHEN 'events' THEN
+        -- The time of the statement, which an index can be searched by.
+        DELETE FROM public.events WHERE (account_id, id) IN (
+            SELECT account_id, id FROM public.events
+            WHERE at < statement_timestamp() - greatest(p_kept, interval '30 days')
+            LIMIT p_most
+        );
     END CASE;
     GET DIAGNOSTICS done = ROW_COUNT;
     RETURN done;
 END $$
"""

# Looks at the events after `p_after`, `p_rows` of them, and deletes those that a mark covers. What
# says that a key was deleted, or that the account closes, goes with the account alone. Returns the
# last one that was looked at; null at the end, or if another worker holds the operation by now.
PURGE_EVENTS = """
 CREATE FUNCTION purge_events(
     p_account uuid, p_operation uuid, p_claim uuid, p_seconds double precision,
     p_after bigint, p_rows bigint
 ) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
 DECLARE
     last bigint;
 BEGIN
     UPDATE public.operations
     SET claimed_until = clock_timestamp() + p_seconds * interval '1 second'
     WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running';
     IF NOT FOUND THEN
         RETURN NULL;
     END IF;
     SELECT max(id) INTO last FROM (
         SELECT id FROM public.events
         WHERE account_id = p_account AND id > p_after
         ORDER BY id LIMIT p_rows
     ) AS batch;
     DELETE FROM public.events AS rows
     WHERE rows.account_id = p_account AND rows.id > p_after AND rows.id <= last
       AND rows.type NOT IN ('key.deleted', 'account.closing')
       AND EXISTS (
           SELECT FROM public.deletion_marks AS mark
           WHERE mark.account_id = p_account AND rows.at < mark.cutoff
             AND (mark.environment IS NULL OR mark.environment = rows.environment)
             AND (mark.key_id IS NULL OR mark.key_id = rows.key_id)
       );
     RETURN last;
 END $$
"""

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
+    DELETE FROM public.events WHERE account_id = p_account;
+    DELETE FROM public.event_heads WHERE account_id = p_account;
     UPDATE public.accounts
     SET closing_at = NULL, created_at = clock_timestamp(), selected_environment = DEFAULT,
         timezone = DEFAULT, revision = revision + 1
     WHERE account_id = p_account;
     RETURN true;
 END $$
"""

PURGE_SIGNATURE = "purge_events(uuid, uuid, uuid, double precision, bigint, bigint)"


def _function(changes: str, left_out: str) -> None:
    """Create the function without the lines that begin with `left_out`."""
    lines = (line[1:] for line in changes.splitlines() if not line.startswith(left_out))
    op.execute("\n".join(lines))


def upgrade() -> None:
    op.create_table(
        "event_heads",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.account_id"],
            name=op.f("fk_event_heads_account_id_accounts"),
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_event_heads")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "events",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("bot_id", sa.Uuid(), nullable=True),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_events_environment")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_events_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_events")),
    )
    for name, column in (("type", "type"), ("key", "key_id"), ("bot", "bot_id")):
        op.create_index(
            f"ix_events_of_{name}", "events", ["account_id", column, sa.text("id DESC")]
        )
    op.create_index("ix_events_at", "events", ["at"], postgresql_using="brin")
    for rights, table, role in GRANTS:
        op.execute(f"GRANT {rights} ON {table} TO {role}")
    _function(SWEEP_EXPIRED, "-")
    _function(FORGET_ACCOUNT, "-")
    _function(PURGE_EVENTS, "-")
    op.execute(f"REVOKE ALL ON FUNCTION {PURGE_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {PURGE_SIGNATURE} TO {PURGE}")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {PURGE_SIGNATURE}")
    _function(FORGET_ACCOUNT, "+")
    _function(SWEEP_EXPIRED, "+")
    op.execute("REVOKE SELECT (environment, done, total) ON operations FROM botkeys_purge")
    op.execute("REVOKE SELECT (name) ON bots FROM botkeys_purge")
    op.drop_table("events")
    op.drop_table("event_heads")
