"""Imports are stored in the order of time, and a refused one says that it has stored nothing.

In the order of ids each batch changed all days of a history, so that none of them could be added up
before the last batch.
"""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# The function as it changes: lines that begin with + are new, those with - were.
STORE_IMPORT = """
 CREATE OR REPLACE FUNCTION store_import(
     p_account uuid, p_operation uuid, p_claim uuid, p_seconds double precision, p_rows bigint
 ) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
 SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
 DECLARE
     work public.operations;
     label public.key_labels;
     counts jsonb;
+    by_id boolean;
+    places tid[];
+    last_at timestamptz;
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
-    last_bot := coalesce((work.scope->'marks'->'after'->>0)::uuid,
-        '00000000-0000-0000-0000-000000000000');
-    last_id := coalesce(work.scope->'marks'->'after'->>1, '');
+    -- In the order of time, so that the days of a history change one after another. An import that
+    -- the release before began goes on in its order.
+    by_id := coalesce(work.scope->'marks' ? 'after', false);
+    IF by_id THEN
+        last_bot := (work.scope->'marks'->'after'->>0)::uuid;
+        last_id := work.scope->'marks'->'after'->>1;
+        places := ARRAY(
+            SELECT ctid FROM public.import_rows
+            WHERE account_id = p_account AND import_id = p_operation
+              AND (bot_id, id) > (last_bot, last_id)
+            ORDER BY account_id, import_id, bot_id, id
+            LIMIT p_rows
+        );
+    ELSE
+        last_at := coalesce((work.scope->'marks'->'reached'->>0)::timestamptz, '-infinity');
+        last_bot := coalesce((work.scope->'marks'->'reached'->>1)::uuid,
+            '00000000-0000-0000-0000-000000000000');
+        last_id := coalesce(work.scope->'marks'->'reached'->>2, '');
+        places := ARRAY(
+            SELECT ctid FROM public.import_rows
+            WHERE account_id = p_account AND import_id = p_operation
+              AND (closed_at, bot_id, id) > (last_at, last_bot, last_id)
+            ORDER BY account_id, import_id, closed_at, bot_id, id
+            LIMIT p_rows
+        );
+    END IF;
     WITH batch AS MATERIALIZED (
         SELECT staged.*, EXISTS (
             SELECT FROM public.deletion_marks AS mark
             WHERE mark.account_id = p_account AND staged.closed_at < mark.cutoff
               AND (mark.environment IS NULL OR mark.environment = label.environment)
               AND (mark.key_id IS NULL OR mark.key_id = label.key_id)
         ) AS deleted
         FROM public.import_rows AS staged
-        WHERE staged.account_id = p_account AND staged.import_id = p_operation
-          AND (staged.bot_id, staged.id) > (last_bot, last_id)
-        ORDER BY staged.account_id, staged.import_id, staged.bot_id, staged.id
-        LIMIT p_rows
+        WHERE staged.ctid = ANY (places)
     ), known AS MATERIALIZED (
         SELECT batch.bot_id, batch.id, EXISTS (
             SELECT FROM public.deletion_marks AS mark
             WHERE mark.account_id = p_account AND stored.closed_at < mark.cutoff
               AND (mark.environment IS NULL OR mark.environment = stored.environment)
               AND (mark.key_id IS NULL OR mark.key_id = stored.key_id)
         ) AS deleted
         FROM batch CROSS JOIN LATERAL (
             (SELECT trades.environment, trades.key_id, trades.closed_at
             FROM public.trades
             WHERE batch.kind = 'trades'
               AND trades.account_id = p_account AND trades.bot_id = batch.bot_id
               AND trades.id >= batch.id AND trades.id <= batch.id
             ORDER BY trades.id LIMIT 1)
             UNION ALL
             (SELECT funding.environment, funding.key_id, funding.at
             FROM public.funding
             WHERE batch.kind = 'funding'
               AND funding.account_id = p_account AND funding.bot_id = batch.bot_id
               AND funding.id >= batch.id AND funding.id <= batch.id
             ORDER BY funding.id LIMIT 1)
         ) AS stored
     ), added AS (
         INSERT INTO public.trades (
             account_id, bot_id, id, key_id, exchange, environment, contract_type, symbol, side,
             quantity, entry_price, exit_price, fees, leverage, margin_mode, position_id,
             contract_size, settle, pnl, opened_at, closed_at, exit_reason, import_id, other_fees
         )
         SELECT p_account, bot_id, id, label.key_id, label.exchange, label.environment,
             contract_type, symbol, side, quantity, entry_price, exit_price, fees, leverage,
             margin_mode, position_id, contract_size, settle, pnl, opened_at, closed_at,
             exit_reason, p_operation, other_fees
         FROM batch WHERE storing AND NOT deleted AND kind = 'trades'
+        ORDER BY bot_id, id
         ON CONFLICT (account_id, bot_id, id) DO NOTHING
         RETURNING closed_at, settle, pnl, fees, other_fees
     ), paid AS (
         INSERT INTO public.funding (
             account_id, bot_id, id, key_id, exchange, environment, contract_type, symbol, settle,
             amount, at, import_id
         )
         SELECT p_account, bot_id, id, label.key_id, label.exchange, label.environment,
             contract_type, symbol, settle, pnl, closed_at, p_operation
         FROM batch WHERE storing AND NOT deleted AND kind = 'funding'
+        ORDER BY bot_id, id
         ON CONFLICT (account_id, bot_id, id) DO NOTHING
         RETURNING at, settle, amount
     ), fresh AS MATERIALIZED (
         SELECT 1 AS trades, settle, pnl, fees, other_fees, NULL::numeric AS funding FROM added
         UNION ALL
         SELECT 0, settle, 0, 0, NULL, amount FROM paid
         UNION ALL
         SELECT CASE WHEN kind = 'trades' THEN 1 ELSE 0 END, settle,
             CASE WHEN kind = 'trades' THEN pnl ELSE 0 END, fees, other_fees,
             CASE WHEN kind = 'funding' THEN pnl END
         FROM batch
         WHERE NOT storing AND NOT deleted AND (bot_id, id) NOT IN (SELECT bot_id, id FROM known)
     ), stale AS (
         INSERT INTO public.stale_days (account_id, environment, day)
         SELECT DISTINCT p_account, label.environment, (at AT TIME ZONE 'UTC')::date
         FROM (SELECT closed_at AS at FROM added UNION ALL SELECT at FROM paid) AS stored
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
             SELECT jsonb_object_agg(settle, jsonb_strip_nulls(jsonb_build_object(
                 'trades', trades, 'pnl', trim_scale(pnl)::text, 'fees', trim_scale(fees)::text,
                 'other_fees', other_fees, 'funding', trim_scale(funding)::text)))
             FROM (
                 SELECT settle, sum(trades) AS trades, sum(pnl) AS pnl, sum(fees) AS fees,
                     public.sum_amounts(other_fees) FILTER (WHERE other_fees IS NOT NULL)
                         AS other_fees,
                     sum(funding) AS funding
                 FROM (
                     SELECT settle, trades, pnl, fees, other_fees, funding
                     FROM fresh WHERE settle IS NOT NULL
                     UNION ALL
                     SELECT key, (value->>'trades')::bigint, (value->>'pnl')::numeric,
                         (value->>'fees')::numeric, value->'other_fees',
                         (value->>'funding')::numeric
                     FROM jsonb_each(counts->'sums')
                 ) AS parts GROUP BY settle
             ) AS by_settle
-        ), '{}'),
-        last_row.bot_id, last_row.id
-    INTO taken, fresh_rows, refused_rows, sums, last_bot, last_id
-    FROM (SELECT 1) AS always LEFT JOIN (
-        SELECT bot_id, id FROM batch ORDER BY bot_id DESC, id DESC LIMIT 1
-    ) AS last_row ON true;
+        ), '{}')
+    INTO taken, fresh_rows, refused_rows, sums;
     IF taken = 0 THEN
         IF aborting AND (
             SELECT coalesce(sum(value::bigint), 0) > 0 FROM jsonb_each_text(counts->'refused')
         ) THEN
+            UPDATE public.operations
+            SET receipt = jsonb_build_object('imported', counts || jsonb_build_object(
+                'stored', 0, 'sums', '{}'::jsonb))
+            WHERE account_id = p_account AND id = p_operation;
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
+    SELECT closed_at, bot_id, id INTO last_at, last_bot, last_id
+    FROM public.import_rows WHERE ctid = places[taken];
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
-        scope = jsonb_set(scope, '{marks}',
-            jsonb_build_object('after', jsonb_build_array(last_bot, last_id))),
+        scope = jsonb_set(scope, '{marks}', CASE
+            WHEN by_id THEN jsonb_build_object('after', jsonb_build_array(last_bot, last_id))
+            ELSE jsonb_build_object('reached', jsonb_build_array(last_at, last_bot, last_id)) END),
         receipt = jsonb_build_object('imported', counts),
         last_progress_at = clock_timestamp(),
         claimed_until = clock_timestamp() + p_seconds * interval '1 second'
     WHERE account_id = p_account AND id = p_operation;
     RETURN 'more';
 END $$
"""


def _replace(left_out: str) -> None:
    """Replace the function without the lines that begin with `left_out`."""
    lines = (line[1:] for line in STORE_IMPORT.splitlines() if not line.startswith(left_out))
    op.execute("\n".join(lines))


def upgrade() -> None:
    op.create_index(
        "ix_import_rows_closed_at",
        "import_rows",
        ["account_id", "import_id", "closed_at", "bot_id", "id"],
    )
    _replace("-")


def downgrade() -> None:
    _replace("+")
    op.drop_index("ix_import_rows_closed_at", table_name="import_rows")
