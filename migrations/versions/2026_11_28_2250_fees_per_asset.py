"""Fees per asset, and funding that a user imports.

`fees` of a trade stays the part in the settle asset. The release before omits the other assets'
fees of the days that it recomputes: replace its workers before the first bot reports some.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

ADDED = (
    ("trades", "other_fees", postgresql.JSONB()),
    ("trade_days", "other_fees", postgresql.JSONB()),
    ("import_rows", "other_fees", postgresql.JSONB()),
    ("funding", "import_id", sa.Uuid()),
)
GRANTS = (
    ("UPDATE (fees, other_fees)", "trades", "botkeys_runtime"),
    ("SELECT (other_fees)", "trades", "botkeys_purge"),
)

# The state only collects, which costs least; amounts are added up once, at the end.
ADD_AMOUNTS = """
CREATE FUNCTION add_amounts(p_amounts jsonb[])
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_object_agg(asset, trim_scale(amount)::text)
    FROM (
        SELECT of_asset.key AS asset, sum(of_asset.value::numeric) AS amount
        FROM unnest(p_amounts) AS amounts CROSS JOIN LATERAL jsonb_each_text(amounts) AS of_asset
        GROUP BY of_asset.key
    ) AS sums
$$
"""
SUM_AMOUNTS = """
CREATE AGGREGATE sum_amounts(jsonb) (
    SFUNC = array_append, STYPE = jsonb[], FINALFUNC = public.add_amounts, PARALLEL = SAFE
)
"""
SUMMED_BY = ("botkeys_api", "botkeys_purge")

# What follows are functions as they change: lines that begin with + are new, those with - were.
SAME_AS_STORED = """
 CREATE OR REPLACE FUNCTION same_as_stored(
     p_kind text, p_account uuid, p_bot uuid, p_columns text[], p_items jsonb
 ) RETURNS TABLE (number bigint, same boolean)
 LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
 DECLARE
     name text := CASE p_kind WHEN 'bot_events' THEN 'reported_id' ELSE 'id' END;
     stored text;
     reported text;
 BEGIN
     IF p_kind NOT IN ('trades', 'funding', 'equity_snapshots', 'signals', 'bot_events') THEN
         RAISE EXCEPTION 'no kind of reports: %', p_kind;
     END IF;
+    -- Reported fees by asset are whole; of stored ones, those in the settle asset stand apart.
-    SELECT string_agg(format('stored.%I', of), ', '), string_agg(format('reported.%I', of), ', ')
+    SELECT string_agg(format('stored.%I', of), ', '), string_agg(
+        CASE
+            WHEN p_kind = 'trades' AND of = 'fees' THEN
+                'reported.fees + coalesce((reported.other_fees->>stored.settle)::numeric, 0)'
+            WHEN p_kind = 'trades' AND of = 'other_fees' THEN
+                'nullif(reported.other_fees - coalesce(stored.settle, ''''), ''{}'')'
+            ELSE format('reported.%I', of)
+        END, ', ')
     INTO stored, reported FROM unnest(p_columns) AS of;
     RETURN QUERY EXECUTE format($sql$
         SELECT item.number, ROW(%s) IS NOT DISTINCT FROM ROW(%s)
         FROM jsonb_array_elements($3) WITH ORDINALITY AS item (members, number)
         CROSS JOIN LATERAL jsonb_populate_record(NULL::public.%I, item.members) AS reported
         JOIN public.%I AS stored ON stored.account_id = $1 AND stored.bot_id = $2
             AND stored.%I = reported.%I $sql$,
         stored, reported, p_kind, p_kind, name, name)
     USING p_account, p_bot, p_items;
 END $$
"""

STORE_IMPORT = """
 CREATE OR REPLACE FUNCTION store_import(
     p_account uuid, p_operation uuid, p_claim uuid, p_seconds double precision, p_rows bigint
 ) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
 SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
 DECLARE
     work public.operations;
     label public.key_labels;
     counts jsonb;
     last_bot uuid;
     last_id text;
     aborting boolean;
     storing boolean;
     taken bigint;
     fresh_rows bigint;
     refused_rows bigint;
     sums jsonb;
 BEGIN
     -- The account first, as everywhere: a deletion or a closure waits, or is seen from here on.
     PERFORM FROM public.accounts
     WHERE account_id = p_account AND closing_at IS NULL FOR SHARE;
     IF NOT FOUND THEN
         RETURN 'lost';
     END IF;
     SELECT * INTO work FROM public.operations
     WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running'
       AND kind = 'import_trades' AND phase IN ('received', 'checked')
     FOR NO KEY UPDATE;
     IF NOT FOUND THEN
         RETURN 'lost';
     END IF;
     IF work.cancel_requested THEN
         RETURN 'cancelled';
     END IF;
     SELECT * INTO label FROM public.key_labels
     WHERE account_id = p_account AND key_id = (work.scope->'key_ids'->>0)::uuid;
     IF NOT FOUND THEN
         RETURN 'keyless';
     END IF;
     counts := work.receipt->'imported';
     aborting := work.scope->>'on_error' = 'abort';
     storing := NOT (work.scope->>'dry_run')::boolean AND (NOT aborting OR work.phase = 'checked');
     last_bot := coalesce((work.scope->'marks'->'after'->>0)::uuid,
         '00000000-0000-0000-0000-000000000000');
     last_id := coalesce(work.scope->'marks'->'after'->>1, '');
     WITH batch AS MATERIALIZED (
         SELECT staged.*, EXISTS (
             SELECT FROM public.deletion_marks AS mark
             WHERE mark.account_id = p_account AND staged.closed_at < mark.cutoff
               AND (mark.environment IS NULL OR mark.environment = label.environment)
               AND (mark.key_id IS NULL OR mark.key_id = label.key_id)
         ) AS deleted
         FROM public.import_rows AS staged
         WHERE staged.account_id = p_account AND staged.import_id = p_operation
           AND (staged.bot_id, staged.id) > (last_bot, last_id)
         ORDER BY staged.account_id, staged.import_id, staged.bot_id, staged.id
         LIMIT p_rows
     ), known AS MATERIALIZED (
         SELECT batch.bot_id, batch.id, EXISTS (
             SELECT FROM public.deletion_marks AS mark
             WHERE mark.account_id = p_account AND stored.closed_at < mark.cutoff
               AND (mark.environment IS NULL OR mark.environment = stored.environment)
               AND (mark.key_id IS NULL OR mark.key_id = stored.key_id)
         ) AS deleted
         FROM batch CROSS JOIN LATERAL (
-            SELECT trades.environment, trades.key_id, trades.closed_at
+            (SELECT trades.environment, trades.key_id, trades.closed_at
             FROM public.trades
+            WHERE batch.kind = 'trades'
-            WHERE trades.account_id = p_account AND trades.bot_id = batch.bot_id
+              AND trades.account_id = p_account AND trades.bot_id = batch.bot_id
               AND trades.id >= batch.id AND trades.id <= batch.id
-            ORDER BY trades.id LIMIT 1
+            ORDER BY trades.id LIMIT 1)
+            UNION ALL
+            (SELECT funding.environment, funding.key_id, funding.at
+            FROM public.funding
+            WHERE batch.kind = 'funding'
+              AND funding.account_id = p_account AND funding.bot_id = batch.bot_id
+              AND funding.id >= batch.id AND funding.id <= batch.id
+            ORDER BY funding.id LIMIT 1)
         ) AS stored
     ), added AS (
         INSERT INTO public.trades (
             account_id, bot_id, id, key_id, exchange, environment, contract_type, symbol, side,
             quantity, entry_price, exit_price, fees, leverage, margin_mode, position_id,
-            contract_size, settle, pnl, opened_at, closed_at, exit_reason, import_id
+            contract_size, settle, pnl, opened_at, closed_at, exit_reason, import_id, other_fees
         )
         SELECT p_account, bot_id, id, label.key_id, label.exchange, label.environment,
             contract_type, symbol, side, quantity, entry_price, exit_price, fees, leverage,
             margin_mode, position_id, contract_size, settle, pnl, opened_at, closed_at,
-            exit_reason, p_operation
+            exit_reason, p_operation, other_fees
-        FROM batch WHERE storing AND NOT deleted
+        FROM batch WHERE storing AND NOT deleted AND kind = 'trades'
         ON CONFLICT (account_id, bot_id, id) DO NOTHING
-        RETURNING closed_at, settle, pnl, fees
+        RETURNING closed_at, settle, pnl, fees, other_fees
+    ), paid AS (
+        INSERT INTO public.funding (
+            account_id, bot_id, id, key_id, exchange, environment, contract_type, symbol, settle,
+            amount, at, import_id
+        )
+        SELECT p_account, bot_id, id, label.key_id, label.exchange, label.environment,
+            contract_type, symbol, settle, pnl, closed_at, p_operation
+        FROM batch WHERE storing AND NOT deleted AND kind = 'funding'
+        ON CONFLICT (account_id, bot_id, id) DO NOTHING
+        RETURNING at, settle, amount
     ), fresh AS MATERIALIZED (
-        SELECT settle, pnl, fees FROM added
+        SELECT 1 AS trades, settle, pnl, fees, other_fees, NULL::numeric AS funding FROM added
         UNION ALL
-        SELECT settle, pnl, fees FROM batch
+        SELECT 0, settle, 0, 0, NULL, amount FROM paid
+        UNION ALL
+        SELECT CASE WHEN kind = 'trades' THEN 1 ELSE 0 END, settle,
+            CASE WHEN kind = 'trades' THEN pnl ELSE 0 END, fees, other_fees,
+            CASE WHEN kind = 'funding' THEN pnl END
+        FROM batch
         WHERE NOT storing AND NOT deleted AND (bot_id, id) NOT IN (SELECT bot_id, id FROM known)
     ), stale AS (
         INSERT INTO public.stale_days (account_id, environment, day)
-        SELECT DISTINCT p_account, label.environment, (closed_at AT TIME ZONE 'UTC')::date
+        SELECT DISTINCT p_account, label.environment, (at AT TIME ZONE 'UTC')::date
-        FROM added
+        FROM (SELECT closed_at AS at FROM added UNION ALL SELECT at FROM paid) AS stored
     ), refused AS MATERIALIZED (
         SELECT line FROM batch
         WHERE deleted OR (bot_id, id) IN (SELECT bot_id, id FROM known WHERE known.deleted)
     ), noted AS (
         INSERT INTO public.import_refusals (account_id, import_id, line, code, detail)
         SELECT p_account, p_operation, line, 'data_deleted',
             'Data of that time, or the row stored under this id, were deleted.'
         FROM refused
         LIMIT greatest(0, 1000 - (
             SELECT count(*) FROM public.import_refusals
             WHERE account_id = p_account AND import_id = p_operation
         ))
         ON CONFLICT DO NOTHING
     )
     SELECT
         (SELECT count(*) FROM batch),
         (SELECT count(*) FROM fresh),
         (SELECT count(*) FROM refused),
         coalesce((
-            SELECT jsonb_object_agg(settle, jsonb_build_object(
+            SELECT jsonb_object_agg(settle, jsonb_strip_nulls(jsonb_build_object(
-                'trades', trades, 'pnl', trim_scale(pnl)::text, 'fees', trim_scale(fees)::text))
+                'trades', trades, 'pnl', trim_scale(pnl)::text, 'fees', trim_scale(fees)::text,
+                'other_fees', other_fees, 'funding', trim_scale(funding)::text)))
             FROM (
-                SELECT settle, sum(trades) AS trades, sum(pnl) AS pnl, sum(fees) AS fees
+                SELECT settle, sum(trades) AS trades, sum(pnl) AS pnl, sum(fees) AS fees,
+                    public.sum_amounts(other_fees) FILTER (WHERE other_fees IS NOT NULL)
+                        AS other_fees,
+                    sum(funding) AS funding
                 FROM (
-                    SELECT settle, 1 AS trades, pnl, fees
+                    SELECT settle, trades, pnl, fees, other_fees, funding
                     FROM fresh WHERE settle IS NOT NULL
                     UNION ALL
                     SELECT key, (value->>'trades')::bigint, (value->>'pnl')::numeric,
+                        (value->>'fees')::numeric, value->'other_fees',
-                        (value->>'fees')::numeric
+                        (value->>'funding')::numeric
                     FROM jsonb_each(counts->'sums')
                 ) AS parts GROUP BY settle
             ) AS by_settle
         ), '{}'),
         last_row.bot_id, last_row.id
     INTO taken, fresh_rows, refused_rows, sums, last_bot, last_id
     FROM (SELECT 1) AS always LEFT JOIN (
         SELECT bot_id, id FROM batch ORDER BY bot_id DESC, id DESC LIMIT 1
     ) AS last_row ON true;
     IF taken = 0 THEN
         IF aborting AND (
             SELECT coalesce(sum(value::bigint), 0) > 0 FROM jsonb_each_text(counts->'refused')
         ) THEN
             RETURN 'refused';
         END IF;
         IF aborting AND NOT storing AND NOT (work.scope->>'dry_run')::boolean THEN
             UPDATE public.operations
             SET phase = 'checked', scope = jsonb_set(scope, '{marks}', '{}'),
                 receipt = jsonb_build_object('imported', counts || jsonb_build_object(
                     'stored', 0, 'sums', '{}'::jsonb, 'duplicate', counts->'repeated')),
                 last_progress_at = clock_timestamp(),
                 claimed_until = clock_timestamp() + p_seconds * interval '1 second'
             WHERE account_id = p_account AND id = p_operation;
             RETURN 'more';
         END IF;
         RETURN 'done';
     END IF;
     IF refused_rows > 0 THEN
         counts := jsonb_set(counts, '{refused,data_deleted}', to_jsonb(
             coalesce((counts->'refused'->>'data_deleted')::bigint, 0) + refused_rows));
     END IF;
     counts := counts || jsonb_build_object(
         'stored', (counts->>'stored')::bigint + fresh_rows,
         'duplicate', (counts->>'duplicate')::bigint + taken - fresh_rows - refused_rows,
         'sums', sums);
     UPDATE public.operations
     SET done = CASE WHEN aborting AND phase = 'received' AND NOT (scope->>'dry_run')::boolean
             THEN done ELSE done + taken END,
         scope = jsonb_set(scope, '{marks}',
             jsonb_build_object('after', jsonb_build_array(last_bot, last_id))),
         receipt = jsonb_build_object('imported', counts),
         last_progress_at = clock_timestamp(),
         claimed_until = clock_timestamp() + p_seconds * interval '1 second'
     WHERE account_id = p_account AND id = p_operation;
     RETURN 'more';
 END $$
"""

UNDO_IMPORT = """
 CREATE OR REPLACE FUNCTION undo_import(
     p_account uuid, p_operation uuid, p_claim uuid, p_seconds double precision, p_rows bigint
 ) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
 SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
 DECLARE
     work public.operations;
     last_bot uuid;
     last_id text;
     taken bigint;
 BEGIN
     PERFORM FROM public.accounts
     WHERE account_id = p_account AND closing_at IS NULL FOR SHARE;
     IF NOT FOUND THEN
         RETURN 'lost';
     END IF;
     SELECT * INTO work FROM public.operations
     WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running'
       AND kind = 'import_trades'
     FOR NO KEY UPDATE;
     IF NOT FOUND THEN
         RETURN 'lost';
     END IF;
     last_bot := coalesce((work.scope->'marks'->'undone'->>0)::uuid,
         '00000000-0000-0000-0000-000000000000');
     last_id := coalesce(work.scope->'marks'->'undone'->>1, '');
     WITH batch AS MATERIALIZED (
-        SELECT bot_id, id FROM public.import_rows
+        SELECT bot_id, id, kind FROM public.import_rows
         WHERE account_id = p_account AND import_id = p_operation
           AND (bot_id, id) > (last_bot, last_id)
         ORDER BY account_id, import_id, bot_id, id
         LIMIT p_rows
     ), gone AS (
         DELETE FROM public.trades WHERE ctid = ANY (ARRAY(
             SELECT stored.ctid FROM batch CROSS JOIN LATERAL (
                 SELECT trades.ctid, trades.import_id FROM public.trades
                 WHERE trades.account_id = p_account AND trades.bot_id = batch.bot_id
                   AND trades.id >= batch.id AND trades.id <= batch.id
                 ORDER BY trades.id LIMIT 1
             ) AS stored
             WHERE stored.import_id = p_operation
         ))
         RETURNING environment, closed_at
+    ), unpaid AS (
+        DELETE FROM public.funding WHERE ctid = ANY (ARRAY(
+            SELECT stored.ctid FROM batch CROSS JOIN LATERAL (
+                SELECT funding.ctid, funding.import_id FROM public.funding
+                WHERE batch.kind = 'funding'
+                  AND funding.account_id = p_account AND funding.bot_id = batch.bot_id
+                  AND funding.id >= batch.id AND funding.id <= batch.id
+                ORDER BY funding.id LIMIT 1
+            ) AS stored
+            WHERE stored.import_id = p_operation
+        ))
+        RETURNING environment, at
     ), stale AS (
         INSERT INTO public.stale_days (account_id, environment, day)
-        SELECT DISTINCT p_account, environment, (closed_at AT TIME ZONE 'UTC')::date FROM gone
+        SELECT DISTINCT p_account, environment, (at AT TIME ZONE 'UTC')::date
+        FROM (
+            SELECT environment, closed_at AS at FROM gone
+            UNION ALL
+            SELECT environment, at FROM unpaid
+        ) AS removed
     )
     SELECT (SELECT count(*) FROM batch), last_row.bot_id, last_row.id
     INTO taken, last_bot, last_id
     FROM (SELECT 1) AS always LEFT JOIN (
         SELECT bot_id, id FROM batch ORDER BY bot_id DESC, id DESC LIMIT 1
     ) AS last_row ON true;
     UPDATE public.operations
     SET phase = 'undoing', done = 0,
         scope = CASE WHEN taken = 0 THEN scope ELSE jsonb_set(scope, '{marks}',
             jsonb_build_object('undone', jsonb_build_array(last_bot, last_id))) END,
         receipt = jsonb_build_object('imported', (receipt->'imported')
             || jsonb_build_object('stored', 0, 'sums', '{}'::jsonb)),
         last_progress_at = clock_timestamp(),
         claimed_until = clock_timestamp() + p_seconds * interval '1 second'
     WHERE account_id = p_account AND id = p_operation;
     RETURN CASE WHEN taken = 0 THEN 'done' ELSE 'more' END;
 END $$
"""

FUNCTIONS = (SAME_AS_STORED, STORE_IMPORT, UNDO_IMPORT)


def _replace(left_out: str) -> None:
    """Replace the functions without the lines that begin with `left_out`."""
    for function in FUNCTIONS:
        lines = (line[1:] for line in function.splitlines() if not line.startswith(left_out))
        op.execute("\n".join(lines))


def upgrade() -> None:
    for table, name, kind in ADDED:
        op.add_column(table, sa.Column(name, kind, nullable=True))
    op.add_column(
        "import_rows",
        sa.Column("kind", sa.Text(), server_default=sa.text("'trades'"), nullable=False),
    )
    op.execute(ADD_AMOUNTS)
    op.execute(SUM_AMOUNTS)
    for function in ("add_amounts(jsonb[])", "sum_amounts(jsonb)"):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    for role in SUMMED_BY:
        op.execute(f"GRANT EXECUTE ON FUNCTION sum_amounts(jsonb) TO {role}")
    for rights, table, role in GRANTS:
        op.execute(f"GRANT {rights} ON {table} TO {role}")
    _replace("-")


def downgrade() -> None:
    _replace("+")
    op.execute("REVOKE UPDATE (fees) ON trades FROM botkeys_runtime")
    op.execute("DELETE FROM import_rows WHERE kind = 'funding'")
    op.execute("DELETE FROM funding WHERE import_id IS NOT NULL")
    op.execute("DROP AGGREGATE sum_amounts(jsonb)")
    op.execute("DROP FUNCTION add_amounts(jsonb[])")
    op.drop_column("import_rows", "kind")
    for table, name, _ in reversed(ADDED):
        op.drop_column(table, name)
