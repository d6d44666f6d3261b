"""Each sweep of the worker finds what is due by an index, however many other rows there are.

Where the age was found by ranges of blocks, that went well until the first rows were deleted: new
rows take their places, and each range keeps the lowest time that it ever had. While an index is
made nobody writes to its table: by estimate a second per million rows.

The functions read what is due in the order of its age, which leaves the planner no other way than
the index, and then delete account by account.
"""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

MADE = (
    ("idempotency_records", "ix_idempotency_records_created_at", ["created_at"], None),
    ("releases", "ix_releases_at", ["at"], None),
    ("operations", "ix_operations_finished_at", ["finished_at"], "finished_at IS NOT NULL"),
    ("events", "ix_events_age", ["at"], None),
    ("purged_positions", "ix_purged_positions_age", ["purged_at"], None),
    ("webhook_deliveries", "ix_webhook_deliveries_age", ["status", "created_at"], None),
    ("positions", "ix_positions_opening", ["account_id", "bot_id"], "status = 'opening'"),
    (
        "dashboard_sessions",
        "ix_dashboard_sessions_over",
        [sa.text("least(expires_at, ended_at)")],
        None,
    ),
    ("presence", "ix_presence_online", ["account_id", "bot_id"], "announced_online"),
    (
        "keys",
        "ix_keys_expiring",
        ["expiry_announced", "expires_at"],
        "expires_at IS NOT NULL AND expiry_announced IS DISTINCT FROM 0",
    ),
)
REPLACED = (
    ("idempotency_records", "ix_idempotency_records_age", ["account_id", "created_at"], "btree"),
    ("events", "ix_events_at", ["at"], "brin"),
    ("purged_positions", "ix_purged_positions_purged_at", ["purged_at"], "brin"),
    ("webhook_deliveries", "ix_webhook_deliveries_created_at", ["created_at"], "brin"),
)
EXPIRY = "expires_at IS NOT NULL AND expiry_announced IS DISTINCT FROM 0"

# The functions as they change: lines that begin with + are new, with - gone.
SWEEP_EXPIRED = """
 CREATE OR REPLACE FUNCTION sweep_expired(p_table text, p_kept interval, p_most bigint)
 RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
 DECLARE
+    over timestamptz;
+    account uuid;
+    bot uuid;
+    ids uuid[];
+    numbers bigint[];
+    keys text[];
+    digests bytea[];
+    gone bigint;
-    done bigint;
+    done bigint := 0;
 BEGIN
     CASE p_table
     WHEN 'idempotency_records' THEN
-        DELETE FROM public.idempotency_records WHERE (account_id, idempotency_key) IN (
-            SELECT account_id, idempotency_key FROM public.idempotency_records
-            WHERE created_at < clock_timestamp() - greatest(p_kept, interval '24 hours')
-            LIMIT p_most
-        );
+        over := clock_timestamp() - greatest(p_kept, interval '24 hours');
+        FOR account, keys IN
+            SELECT account_id, array_agg(idempotency_key) FROM (
+                SELECT account_id, idempotency_key FROM public.idempotency_records
+                WHERE created_at < over ORDER BY created_at LIMIT p_most
+            ) AS old GROUP BY account_id ORDER BY account_id
+        LOOP
+            DELETE FROM public.idempotency_records
+            WHERE account_id = account AND idempotency_key = ANY (keys) AND created_at < over;
+            GET DIAGNOSTICS gone = ROW_COUNT;
+            done := done + gone;
+        END LOOP;
     WHEN 'releases' THEN
-        DELETE FROM public.releases WHERE (account_id, id) IN (
-            SELECT account_id, id FROM public.releases
-            WHERE at < clock_timestamp() - greatest(p_kept, interval '90 days')
-            LIMIT p_most
-        );
+        over := clock_timestamp() - greatest(p_kept, interval '90 days');
+        FOR account, ids IN
+            SELECT account_id, array_agg(id) FROM (
+                SELECT account_id, id FROM public.releases WHERE at < over
+                ORDER BY at LIMIT p_most
+            ) AS old GROUP BY account_id ORDER BY account_id
+        LOOP
+            DELETE FROM public.releases
+            WHERE account_id = account AND id = ANY (ids) AND at < over;
+            GET DIAGNOSTICS gone = ROW_COUNT;
+            done := done + gone;
+        END LOOP;
     WHEN 'operations' THEN
-        DELETE FROM public.operations WHERE (account_id, id) IN (
-            SELECT account_id, id FROM public.operations
-            WHERE finished_at < clock_timestamp() - greatest(p_kept, interval '30 days')
-            LIMIT p_most
-        );
+        over := clock_timestamp() - greatest(p_kept, interval '30 days');
+        FOR account, ids IN
+            SELECT account_id, array_agg(id) FROM (
+                SELECT account_id, id FROM public.operations WHERE finished_at < over
+                ORDER BY finished_at LIMIT p_most
+            ) AS old GROUP BY account_id ORDER BY account_id
+        LOOP
+            DELETE FROM public.operations
+            WHERE account_id = account AND id = ANY (ids) AND finished_at < over;
+            GET DIAGNOSTICS gone = ROW_COUNT;
+            done := done + gone;
+        END LOOP;
     WHEN 'purged_positions' THEN
-        DELETE FROM public.purged_positions WHERE (account_id, bot_id, digest) IN (
-            SELECT account_id, bot_id, digest FROM public.purged_positions
-            WHERE purged_at < clock_timestamp() - greatest(p_kept, interval '30 days')
-            LIMIT p_most
-        );
+        over := clock_timestamp() - greatest(p_kept, interval '30 days');
+        FOR account, bot, digests IN
+            SELECT account_id, bot_id, array_agg(digest) FROM (
+                SELECT account_id, bot_id, digest FROM public.purged_positions
+                WHERE purged_at < over ORDER BY purged_at LIMIT p_most
+            ) AS old GROUP BY account_id, bot_id ORDER BY account_id, bot_id
+        LOOP
+            DELETE FROM public.purged_positions
+            WHERE account_id = account AND bot_id = bot AND digest = ANY (digests)
+              AND purged_at < over;
+            GET DIAGNOSTICS gone = ROW_COUNT;
+            done := done + gone;
+        END LOOP;
     WHEN 'events' THEN
-        -- The time of the statement, which an index can be searched by.
-        DELETE FROM public.events WHERE (account_id, id) IN (
-            SELECT account_id, id FROM public.events
-            WHERE at < statement_timestamp() - greatest(p_kept, interval '30 days')
-            LIMIT p_most
-        );
+        over := clock_timestamp() - greatest(p_kept, interval '30 days');
+        FOR account, numbers IN
+            SELECT account_id, array_agg(id) FROM (
+                SELECT account_id, id FROM public.events WHERE at < over
+                ORDER BY at LIMIT p_most
+            ) AS old GROUP BY account_id ORDER BY account_id
+        LOOP
+            DELETE FROM public.events
+            WHERE account_id = account AND id = ANY (numbers) AND at < over;
+            GET DIAGNOSTICS gone = ROW_COUNT;
+            done := done + gone;
+        END LOOP;
     END CASE;
-    GET DIAGNOSTICS done = ROW_COUNT;
     RETURN done;
 END $$
"""
LAPSE_OPENINGS = """
 CREATE OR REPLACE FUNCTION lapse_openings(p_kept interval, p_most bigint)
 RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
 DECLARE
     over timestamptz := clock_timestamp() - greatest(p_kept, interval '0');
-    done bigint;
+    account uuid;
+    bots uuid[];
+    ids text[];
+    gone bigint;
+    done bigint := 0;
 BEGIN
     -- The condition is repeated beside the batch, so that PostgreSQL evaluates it again for a row
     -- that it waited for: the bot may have renewed it.
-    UPDATE public.positions
-    SET status = 'closed', close_reason = 'lapsed', closed_at = expires_at, expires_at = NULL
-    WHERE status = 'opening' AND expires_at < over AND (account_id, bot_id, id) IN (
-        SELECT account_id, bot_id, id FROM public.positions
-        WHERE status = 'opening' AND expires_at < over
-        LIMIT p_most
-    );
-    GET DIAGNOSTICS done = ROW_COUNT;
+    FOR account, bots, ids IN
+        SELECT account_id, array_agg(bot_id), array_agg(id) FROM (
+            SELECT account_id, bot_id, id FROM public.positions
+            WHERE status = 'opening' AND expires_at < over
+            LIMIT p_most
+        ) AS lapsed GROUP BY account_id ORDER BY account_id
+    LOOP
+        UPDATE public.positions
+        SET status = 'closed', close_reason = 'lapsed', closed_at = expires_at, expires_at = NULL
+        WHERE status = 'opening' AND expires_at < over AND account_id = account
+          AND (bot_id, id) IN (SELECT * FROM unnest(bots, ids));
+        GET DIAGNOSTICS gone = ROW_COUNT;
+        done := done + gone;
+    END LOOP;
     RETURN done;
 END $$
"""
SWEEP_SESSIONS = """
 CREATE OR REPLACE FUNCTION sweep_sessions(p_kept interval, p_most bigint)
 RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
 DECLARE
     over timestamptz := clock_timestamp() - greatest(p_kept, interval '1 day');
-    done bigint;
+    account uuid;
+    ids uuid[];
+    gone bigint;
+    done bigint := 0;
 BEGIN
-    DELETE FROM public.dashboard_sessions WHERE (account_id, id) IN (
-        SELECT account_id, id FROM public.dashboard_sessions
-        WHERE least(expires_at, ended_at) < over
-        LIMIT p_most
-    );
-    GET DIAGNOSTICS done = ROW_COUNT;
+    FOR account, ids IN
+        SELECT account_id, array_agg(id) FROM (
+            SELECT account_id, id FROM public.dashboard_sessions
+            WHERE least(expires_at, ended_at) < over
+            ORDER BY least(expires_at, ended_at) LIMIT p_most
+        ) AS old GROUP BY account_id ORDER BY account_id
+    LOOP
+        DELETE FROM public.dashboard_sessions WHERE account_id = account AND id = ANY (ids);
+        GET DIAGNOSTICS gone = ROW_COUNT;
+        done := done + gone;
+    END LOOP;
     RETURN done;
 END $$
"""
# Those that were delivered are remembered for a tenth of the time.
SWEEP_DELIVERIES = """
 CREATE OR REPLACE FUNCTION sweep_webhook_deliveries(p_kept interval, p_most bigint)
 RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
 DECLARE
-    done bigint;
+    kept interval := greatest(p_kept, interval '30 days');
+    now timestamptz := clock_timestamp();
+    which text;
+    over timestamptz;
+    account uuid;
+    ids uuid[];
+    gone bigint;
+    done bigint := 0;
 BEGIN
-    DELETE FROM public.webhook_deliveries WHERE (account_id, id) IN (
-        SELECT account_id, id FROM public.webhook_deliveries
-        WHERE created_at < statement_timestamp() - greatest(p_kept, interval '30 days') / CASE
-            WHEN status = 'delivered' THEN 10 ELSE 1 END
-          AND created_at < statement_timestamp() - greatest(p_kept, interval '30 days') / 10
-        LIMIT p_most
-    );
-    GET DIAGNOSTICS done = ROW_COUNT;
+    FOREACH which IN ARRAY ARRAY['delivered', 'failed', 'cancelled', 'pending'] LOOP
+        over := now - kept / CASE which WHEN 'delivered' THEN 10 ELSE 1 END;
+        FOR account, ids IN
+            SELECT account_id, array_agg(id) FROM (
+                SELECT account_id, id FROM public.webhook_deliveries
+                WHERE status = which AND created_at < over
+                ORDER BY created_at LIMIT p_most - done
+            ) AS old GROUP BY account_id ORDER BY account_id
+        LOOP
+            DELETE FROM public.webhook_deliveries
+            WHERE account_id = account AND id = ANY (ids) AND status = which;
+            GET DIAGNOSTICS gone = ROW_COUNT;
+            done := done + gone;
+        END LOOP;
+    END LOOP;
     RETURN done;
 END $$
"""
FUNCTIONS = (SWEEP_EXPIRED, LAPSE_OPENINGS, SWEEP_SESSIONS, SWEEP_DELIVERIES)


def _functions(left_out: str) -> None:
    """Create the functions without the lines that begin with `left_out`."""
    for changes in FUNCTIONS:
        lines = (line[1:] for line in changes.splitlines() if not line.startswith(left_out))
        op.execute("\n".join(lines))


def upgrade() -> None:
    for table, name, columns, where in MADE:
        condition = None if where is None else sa.text(where)
        op.create_index(name, table, columns, postgresql_where=condition)
    for name in (*(name for _, name, _, _ in REPLACED), "ix_keys_expiry"):
        # It takes no time, and waits for a lock as shortly as any change of a table here.
        op.execute(f"-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX {name}")
    _functions("-")


def downgrade() -> None:
    _functions("+")
    op.create_index("ix_keys_expiry", "keys", ["expires_at"], postgresql_where=sa.text(EXPIRY))
    for table, name, columns, method in REPLACED:
        op.create_index(name, table, columns, postgresql_using=method)
    for table, name, _, _ in reversed(MADE):
        op.drop_index(name, table_name=table)
