"""Claims and imports work where the tables are distributed over several nodes.

What may be claimed is read of all accounts without locks; then one operation is locked, if it still
waits. Every other statement names its account, and the time is read once, after the locks.
"""

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

# The functions as they change: lines that begin with - go, lines that begin with + are new.
CLAIM_OPERATION = r"""
 CREATE OR REPLACE FUNCTION public.claim_operation(p_claim uuid, p_seconds double precision)
  RETURNS TABLE(account_id uuid, id uuid, kind text, scope jsonb, counted boolean)
- LANGUAGE sql
+ LANGUAGE plpgsql
  SECURITY DEFINER
  SET search_path TO 'pg_catalog', 'pg_temp'
 AS $function$
-    WITH waiting AS (
+DECLARE
+    waiting record;
+    present timestamptz;
+BEGIN
+    -- Read of all accounts, without locks; then one is locked, if it still waits. Those that
+    -- others are claiming are left to them.
+    FOR waiting IN
         SELECT operations.account_id, operations.id FROM public.operations
         WHERE operations.status IN ('queued', 'running') AND operations.kind <> 'import_trades'
+          AND (operations.claimed_until IS NULL
+            OR operations.claimed_until < statement_timestamp())
+        ORDER BY coalesce(operations.last_progress_at, operations.created_at)
+        LIMIT 100
+    LOOP
+        PERFORM 1 FROM public.operations
+        WHERE operations.account_id = waiting.account_id AND operations.id = waiting.id
+          AND operations.status IN ('queued', 'running')
           AND (operations.claimed_until IS NULL OR operations.claimed_until < clock_timestamp())
-        ORDER BY coalesce(operations.last_progress_at, operations.created_at)
-        LIMIT 1
-        FOR UPDATE SKIP LOCKED
+        FOR UPDATE SKIP LOCKED;
-    )
+        CONTINUE WHEN NOT FOUND;
+        present := clock_timestamp();
+        RETURN QUERY
-    UPDATE public.operations
+        UPDATE public.operations
-    SET status = 'running', claim = p_claim,
+        SET status = 'running', claim = p_claim,
-        claimed_until = clock_timestamp() + p_seconds * interval '1 second',
+            claimed_until = present + p_seconds * interval '1 second',
+            started_at = coalesce(operations.started_at, present), last_progress_at = present
-        started_at = coalesce(operations.started_at, clock_timestamp()),
-        last_progress_at = clock_timestamp()
-    FROM waiting
-    WHERE operations.account_id = waiting.account_id AND operations.id = waiting.id
+        WHERE operations.account_id = waiting.account_id AND operations.id = waiting.id
-    RETURNING operations.account_id, operations.id, operations.kind, operations.scope,
+        RETURNING operations.account_id, operations.id, operations.kind, operations.scope,
-        operations.phase IS NOT NULL
+            operations.phase IS NOT NULL;
+        RETURN;
+    END LOOP;
-$function$
+END $function$
"""

CLAIM_IMPORT = r"""
 CREATE OR REPLACE FUNCTION public.claim_import(p_claim uuid, p_seconds double precision)
  RETURNS TABLE(account_id uuid, id uuid, phase text, error text, cancelled boolean)
- LANGUAGE sql
+ LANGUAGE plpgsql
  SECURITY DEFINER
  SET search_path TO 'pg_catalog', 'pg_temp'
 AS $function$
-    WITH waiting AS (
+DECLARE
+    waiting record;
+    present timestamptz;
+BEGIN
+    -- Read of all accounts, without locks; then one is locked, if it still waits. Those that
+    -- others are claiming are left to them.
+    FOR waiting IN
         SELECT operations.account_id, operations.id FROM public.operations
         WHERE operations.status IN ('queued', 'running') AND operations.kind = 'import_trades'
+          AND (operations.claimed_until IS NULL
+            OR operations.claimed_until < statement_timestamp())
+        ORDER BY coalesce(operations.last_progress_at, operations.created_at)
+        LIMIT 100
+    LOOP
+        PERFORM 1 FROM public.operations
+        WHERE operations.account_id = waiting.account_id AND operations.id = waiting.id
+          AND operations.status IN ('queued', 'running')
           AND (operations.claimed_until IS NULL OR operations.claimed_until < clock_timestamp())
-        ORDER BY coalesce(operations.last_progress_at, operations.created_at)
-        LIMIT 1
-        FOR UPDATE SKIP LOCKED
+        FOR UPDATE SKIP LOCKED;
-    )
+        CONTINUE WHEN NOT FOUND;
+        present := clock_timestamp();
+        RETURN QUERY
-    UPDATE public.operations
+        UPDATE public.operations
-    SET status = 'running', claim = p_claim,
+        SET status = 'running', claim = p_claim,
-        claimed_until = clock_timestamp() + p_seconds * interval '1 second',
+            claimed_until = present + p_seconds * interval '1 second',
+            started_at = coalesce(operations.started_at, present), last_progress_at = present
-        started_at = coalesce(operations.started_at, clock_timestamp()),
-        last_progress_at = clock_timestamp()
-    FROM waiting
-    WHERE operations.account_id = waiting.account_id AND operations.id = waiting.id
+        WHERE operations.account_id = waiting.account_id AND operations.id = waiting.id
-    RETURNING operations.account_id, operations.id, operations.phase, operations.error,
+        RETURNING operations.account_id, operations.id, operations.phase, operations.error,
-        operations.cancel_requested
+            operations.cancel_requested;
+        RETURN;
+    END LOOP;
-$function$
+END $function$
"""

END_OPERATION = r"""
 CREATE OR REPLACE FUNCTION public.end_operation(
     p_account uuid, p_operation uuid,
     p_claim uuid, p_error text
 )
  RETURNS boolean
- LANGUAGE sql
+ LANGUAGE plpgsql
  SECURITY DEFINER
  SET search_path TO 'pg_catalog', 'pg_temp'
 AS $function$
+DECLARE
+    present timestamptz;
+BEGIN
+    PERFORM 1 FROM public.operations
+    WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running'
+    FOR UPDATE;
+    IF NOT FOUND THEN
+        RETURN NULL;
+    END IF;
+    present := clock_timestamp();
     UPDATE public.operations
     SET status = CASE WHEN p_error IS NULL THEN 'succeeded' ELSE 'failed' END,
         error = p_error,
         phase = CASE WHEN p_error IS NULL THEN NULL ELSE phase END,
         total = CASE WHEN p_error IS NULL THEN done ELSE total END,
         claim = NULL, claimed_until = NULL,
-        last_progress_at = clock_timestamp(), finished_at = clock_timestamp()
+        last_progress_at = present, finished_at = present
-    WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running'
+    WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running';
-    RETURNING true
+    RETURN true;
-$function$
+END $function$
"""

END_IMPORT = r"""
 CREATE OR REPLACE FUNCTION public.end_import(
     p_account uuid, p_operation uuid, p_claim uuid,
     p_status text, p_error text
 )
  RETURNS boolean
- LANGUAGE sql
+ LANGUAGE plpgsql
  SECURITY DEFINER
  SET search_path TO 'pg_catalog', 'pg_temp'
 AS $function$
+DECLARE
+    present timestamptz;
+BEGIN
+    PERFORM 1 FROM public.operations
+    WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running'
+      AND kind = 'import_trades' AND p_status IN ('running', 'succeeded', 'failed', 'cancelled')
+    FOR UPDATE;
+    IF NOT FOUND THEN
+        RETURN NULL;
+    END IF;
+    present := clock_timestamp();
     UPDATE public.operations
     SET status = p_status, error = coalesce(p_error, error),
         phase = CASE WHEN p_status = 'succeeded' THEN NULL ELSE phase END,
         scope = CASE WHEN p_status = 'running' THEN scope ELSE scope - 'marks' END,
-        claim = NULL, claimed_until = NULL, last_progress_at = clock_timestamp(),
+        claim = NULL, claimed_until = NULL, last_progress_at = present,
-        finished_at = CASE WHEN p_status <> 'running' THEN clock_timestamp() END
+        finished_at = CASE WHEN p_status <> 'running' THEN present END
     WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running'
-      AND kind = 'import_trades' AND p_status IN ('running', 'succeeded', 'failed', 'cancelled')
+      AND kind = 'import_trades' AND p_status IN ('running', 'succeeded', 'failed', 'cancelled');
-    RETURNING true
+    RETURN true;
-$function$
+END $function$
"""

FORGET_ACCOUNT = r"""
 CREATE OR REPLACE FUNCTION public.forget_account(
     p_account uuid, p_operation uuid,
     p_claim uuid
 )
  RETURNS boolean
  LANGUAGE plpgsql
  SECURITY DEFINER
  SET search_path TO 'pg_catalog', 'pg_temp'
 AS $function$
+DECLARE
+    present timestamptz;
 BEGIN
-    PERFORM FROM public.operations
+    PERFORM 1 FROM public.operations
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
     DELETE FROM public.webhook_deliveries WHERE account_id = p_account;
     DELETE FROM public.webhooks WHERE account_id = p_account;
+    PERFORM 1 FROM public.accounts WHERE account_id = p_account FOR UPDATE;
+    present := clock_timestamp();
     UPDATE public.accounts
-    SET closing_at = NULL, created_at = clock_timestamp(), selected_environment = DEFAULT,
+    SET closing_at = NULL, created_at = present, selected_environment = DEFAULT,
         timezone = DEFAULT, revision = revision + 1
     WHERE account_id = p_account;
     RETURN true;
 END $function$
"""

CLEAR_IMPORT = r"""
 CREATE OR REPLACE FUNCTION public.clear_import(
     p_account uuid, p_operation uuid, p_claim uuid,
     p_seconds double precision, p_rows bigint
 )
  RETURNS text
  LANGUAGE plpgsql
  SECURITY DEFINER
  SET search_path TO 'pg_catalog', 'pg_temp'
  SET enable_seqscan TO 'off'
  SET enable_bitmapscan TO 'off'
 AS $function$
 DECLARE
+    present timestamptz := clock_timestamp();
     cleared bigint;
 BEGIN
     UPDATE public.operations
-    SET last_progress_at = clock_timestamp(),
+    SET last_progress_at = present,
-        claimed_until = clock_timestamp() + p_seconds * interval '1 second'
+        claimed_until = present + p_seconds * interval '1 second'
     WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running'
       AND kind = 'import_trades';
     IF NOT FOUND THEN
         RETURN 'lost';
     END IF;
-    DELETE FROM public.import_rows WHERE ctid = ANY (ARRAY(
+    DELETE FROM public.import_rows
+    WHERE account_id = p_account AND ctid = ANY (ARRAY(
         SELECT ctid FROM public.import_rows
         WHERE account_id = p_account AND import_id = p_operation
         LIMIT p_rows
     ));
     GET DIAGNOSTICS cleared = ROW_COUNT;
     RETURN CASE WHEN cleared = 0 THEN 'done' ELSE 'more' END;
 END $function$
"""

SWEEP_IMPORTS = r"""
 CREATE OR REPLACE FUNCTION public.sweep_imports(p_rows bigint)
  RETURNS bigint
  LANGUAGE plpgsql
  SECURITY DEFINER
  SET search_path TO 'pg_catalog', 'pg_temp'
  SET enable_seqscan TO 'off'
  SET enable_bitmapscan TO 'off'
  SET enable_sort TO 'off'
 AS $function$
 DECLARE
+    least_id constant uuid := '00000000-0000-0000-0000-000000000000';
+    place record;
+    last_account uuid := least_id;
+    last_import uuid := least_id;
+    gone bigint;
-    swept bigint;
+    swept bigint := 0;
 BEGIN
-    DELETE FROM public.import_rows WHERE ctid = ANY (ARRAY(
-        WITH RECURSIVE held AS (
+    -- From one import that has rows to the next, however many rows each has.
+    LOOP
-            (SELECT account_id, import_id FROM public.import_rows
+        SELECT staged.account_id, staged.import_id INTO place FROM public.import_rows AS staged
+        WHERE (staged.account_id, staged.import_id) > (last_account, last_import)
-            ORDER BY account_id, import_id LIMIT 1)
+        ORDER BY staged.account_id, staged.import_id LIMIT 1;
+        EXIT WHEN NOT FOUND OR swept >= p_rows;
+        last_account := place.account_id;
+        last_import := place.import_id;
+        PERFORM 1 FROM public.operations
+        WHERE account_id = last_account AND id = last_import
-            UNION ALL
-            SELECT following.account_id, following.import_id
-            FROM held CROSS JOIN LATERAL (
-                SELECT account_id, import_id FROM public.import_rows
-                WHERE (account_id, import_id) > (held.account_id, held.import_id)
-                ORDER BY account_id, import_id LIMIT 1
-            ) AS following
-        )
-        SELECT staged.ctid
-        FROM held JOIN public.operations AS work
-          ON work.account_id = held.account_id AND work.id = held.import_id
-            AND work.status NOT IN ('queued', 'running')
+          AND status NOT IN ('queued', 'running');
-        CROSS JOIN LATERAL (
+        CONTINUE WHEN NOT FOUND;
+        DELETE FROM public.import_rows
+        WHERE account_id = last_account AND ctid = ANY (ARRAY(
-            SELECT import_rows.ctid FROM public.import_rows
+            SELECT ctid FROM public.import_rows
+            WHERE account_id = last_account AND import_id = last_import
-            WHERE import_rows.account_id = held.account_id
-              AND import_rows.import_id = held.import_id
-            LIMIT p_rows
+            LIMIT p_rows - swept
-        ) AS staged
-        LIMIT p_rows
-    ));
+        ));
-    GET DIAGNOSTICS swept = ROW_COUNT;
+        GET DIAGNOSTICS gone = ROW_COUNT;
+        swept := swept + gone;
+    END LOOP;
     RETURN swept;
 END $function$
"""

STORE_IMPORT = r"""
 CREATE OR REPLACE FUNCTION public.store_import(
     p_account uuid, p_operation uuid, p_claim uuid,
     p_seconds double precision, p_rows bigint
 )
  RETURNS text
  LANGUAGE plpgsql
  SECURITY DEFINER
  SET search_path TO 'pg_catalog', 'pg_temp'
  SET enable_seqscan TO 'off'
  SET enable_bitmapscan TO 'off'
  SET enable_sort TO 'off'
 AS $function$
 DECLARE
     work public.operations;
     label public.key_labels;
     counts jsonb;
     by_id boolean;
     places tid[];
     last_at timestamptz;
     last_bot uuid;
     last_id text;
     aborting boolean;
     storing boolean;
     taken bigint;
     fresh_rows bigint;
     refused_rows bigint;
     sums jsonb;
+    present timestamptz;
+    marks jsonb;
 BEGIN
     -- The account first, as everywhere: a deletion or a closure waits, or is seen from here on.
-    PERFORM FROM public.accounts
+    PERFORM 1 FROM public.accounts
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
+    present := clock_timestamp();
     SELECT * INTO label FROM public.key_labels
     WHERE account_id = p_account AND key_id = (work.scope->'key_ids'->>0)::uuid;
     IF NOT FOUND THEN
         RETURN 'keyless';
     END IF;
     counts := work.receipt->'imported';
     aborting := work.scope->>'on_error' = 'abort';
     storing := NOT (work.scope->>'dry_run')::boolean AND (NOT aborting OR work.phase = 'checked');
     -- In the order of time, so that the days of a history change one after another. An import that
     -- the release before began goes on in its order.
     by_id := coalesce(work.scope->'marks' ? 'after', false);
     IF by_id THEN
         last_bot := (work.scope->'marks'->'after'->>0)::uuid;
         last_id := work.scope->'marks'->'after'->>1;
         places := ARRAY(
             SELECT ctid FROM public.import_rows
             WHERE account_id = p_account AND import_id = p_operation
               AND (bot_id, id) > (last_bot, last_id)
             ORDER BY account_id, import_id, bot_id, id
             LIMIT p_rows
         );
     ELSE
         last_at := coalesce((work.scope->'marks'->'reached'->>0)::timestamptz, '-infinity');
         last_bot := coalesce((work.scope->'marks'->'reached'->>1)::uuid,
             '00000000-0000-0000-0000-000000000000');
         last_id := coalesce(work.scope->'marks'->'reached'->>2, '');
         places := ARRAY(
             SELECT ctid FROM public.import_rows
             WHERE account_id = p_account AND import_id = p_operation
               AND (closed_at, bot_id, id) > (last_at, last_bot, last_id)
             ORDER BY account_id, import_id, closed_at, bot_id, id
             LIMIT p_rows
         );
     END IF;
     WITH batch AS MATERIALIZED (
         SELECT staged.*, EXISTS (
-            SELECT FROM public.deletion_marks AS mark
+            SELECT 1 FROM public.deletion_marks AS mark
             WHERE mark.account_id = p_account AND staged.closed_at < mark.cutoff
               AND (mark.environment IS NULL OR mark.environment = label.environment)
               AND (mark.key_id IS NULL OR mark.key_id = label.key_id)
         ) AS deleted
         FROM public.import_rows AS staged
-        WHERE staged.ctid = ANY (places)
+        WHERE staged.account_id = p_account AND staged.ctid = ANY (places)
     ), known AS MATERIALIZED (
         SELECT batch.bot_id, batch.id, EXISTS (
-            SELECT FROM public.deletion_marks AS mark
+            SELECT 1 FROM public.deletion_marks AS mark
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
         ORDER BY bot_id, id
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
         ORDER BY bot_id, id
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
         ), '{}')
     INTO taken, fresh_rows, refused_rows, sums;
     IF taken = 0 THEN
         IF aborting AND (
             SELECT coalesce(sum(value::bigint), 0) > 0 FROM jsonb_each_text(counts->'refused')
         ) THEN
             UPDATE public.operations
             SET receipt = jsonb_build_object('imported', counts || jsonb_build_object(
                 'stored', 0, 'sums', '{}'::jsonb))
             WHERE account_id = p_account AND id = p_operation;
             RETURN 'refused';
         END IF;
         IF aborting AND NOT storing AND NOT (work.scope->>'dry_run')::boolean THEN
             UPDATE public.operations
             SET phase = 'checked', scope = jsonb_set(scope, '{marks}', '{}'),
                 receipt = jsonb_build_object('imported', counts || jsonb_build_object(
                     'stored', 0, 'sums', '{}'::jsonb, 'duplicate', counts->'repeated')),
-                last_progress_at = clock_timestamp(),
+                last_progress_at = present,
-                claimed_until = clock_timestamp() + p_seconds * interval '1 second'
+                claimed_until = present + p_seconds * interval '1 second'
             WHERE account_id = p_account AND id = p_operation;
             RETURN 'more';
         END IF;
         RETURN 'done';
     END IF;
     SELECT closed_at, bot_id, id INTO last_at, last_bot, last_id
-    FROM public.import_rows WHERE ctid = places[taken];
+    FROM public.import_rows WHERE account_id = p_account AND ctid = places[taken];
     IF refused_rows > 0 THEN
         counts := jsonb_set(counts, '{refused,data_deleted}', to_jsonb(
             coalesce((counts->'refused'->>'data_deleted')::bigint, 0) + refused_rows));
     END IF;
     counts := counts || jsonb_build_object(
         'stored', (counts->>'stored')::bigint + fresh_rows,
         'duplicate', (counts->>'duplicate')::bigint + taken - fresh_rows - refused_rows,
         'sums', sums);
+    marks := CASE
+        WHEN by_id THEN jsonb_build_object('after', jsonb_build_array(last_bot, last_id))
+        ELSE jsonb_build_object('reached', jsonb_build_array(last_at, last_bot, last_id)) END;
     UPDATE public.operations
     SET done = CASE WHEN aborting AND phase = 'received' AND NOT (scope->>'dry_run')::boolean
             THEN done ELSE done + taken END,
-        scope = jsonb_set(scope, '{marks}', CASE
+        scope = jsonb_set(scope, '{marks}', marks),
-            WHEN by_id THEN jsonb_build_object('after', jsonb_build_array(last_bot, last_id))
-            ELSE jsonb_build_object('reached', jsonb_build_array(last_at, last_bot, last_id)) END),
         receipt = jsonb_build_object('imported', counts),
-        last_progress_at = clock_timestamp(),
+        last_progress_at = present,
-        claimed_until = clock_timestamp() + p_seconds * interval '1 second'
+        claimed_until = present + p_seconds * interval '1 second'
     WHERE account_id = p_account AND id = p_operation;
     RETURN 'more';
 END $function$
"""

UNDO_IMPORT = r"""
 CREATE OR REPLACE FUNCTION public.undo_import(
     p_account uuid, p_operation uuid, p_claim uuid,
     p_seconds double precision, p_rows bigint
 )
  RETURNS text
  LANGUAGE plpgsql
  SECURITY DEFINER
  SET search_path TO 'pg_catalog', 'pg_temp'
  SET enable_seqscan TO 'off'
  SET enable_bitmapscan TO 'off'
  SET enable_sort TO 'off'
 AS $function$
 DECLARE
     work public.operations;
     last_bot uuid;
     last_id text;
     taken bigint;
+    bots uuid[];
+    ids text[];
+    places text[];
+    days date[];
+    marks jsonb;
+    present timestamptz;
 BEGIN
-    PERFORM FROM public.accounts
+    PERFORM 1 FROM public.accounts
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
-    WITH batch AS MATERIALIZED (
+    present := clock_timestamp();
+    SELECT count(*), array_agg(bot_id ORDER BY bot_id, id), array_agg(id ORDER BY bot_id, id)
+    INTO taken, bots, ids
+    FROM (
-        SELECT bot_id, id, kind FROM public.import_rows
+        SELECT bot_id, id FROM public.import_rows
         WHERE account_id = p_account AND import_id = p_operation
           AND (bot_id, id) > (last_bot, last_id)
         ORDER BY account_id, import_id, bot_id, id
         LIMIT p_rows
+    ) AS batch;
+    last_bot := bots[taken];
+    last_id := ids[taken];
+    bots := ARRAY(SELECT DISTINCT unnest(bots));
+    -- Of this import alone, in whichever batch they were: all of it is undone.
-    ), gone AS (
+    WITH gone AS (
+        DELETE FROM public.trades
+        WHERE account_id = p_account AND bot_id = ANY (bots) AND id = ANY (ids)
-        DELETE FROM public.trades WHERE ctid = ANY (ARRAY(
-            SELECT stored.ctid FROM batch CROSS JOIN LATERAL (
-                SELECT trades.ctid, trades.import_id FROM public.trades
-                WHERE trades.account_id = p_account AND trades.bot_id = batch.bot_id
-                  AND trades.id >= batch.id AND trades.id <= batch.id
-                ORDER BY trades.id LIMIT 1
-            ) AS stored
-            WHERE stored.import_id = p_operation
+          AND import_id = p_operation
-        ))
         RETURNING environment, closed_at
     ), unpaid AS (
+        DELETE FROM public.funding
+        WHERE account_id = p_account AND bot_id = ANY (bots) AND id = ANY (ids)
-        DELETE FROM public.funding WHERE ctid = ANY (ARRAY(
-            SELECT stored.ctid FROM batch CROSS JOIN LATERAL (
-                SELECT funding.ctid, funding.import_id FROM public.funding
-                WHERE batch.kind = 'funding'
-                  AND funding.account_id = p_account AND funding.bot_id = batch.bot_id
-                  AND funding.id >= batch.id AND funding.id <= batch.id
-                ORDER BY funding.id LIMIT 1
-            ) AS stored
-            WHERE stored.import_id = p_operation
+          AND import_id = p_operation
-        ))
         RETURNING environment, at
-    ), stale AS (
-        INSERT INTO public.stale_days (account_id, environment, day)
-        SELECT DISTINCT p_account, environment, (at AT TIME ZONE 'UTC')::date
-        FROM (
-            SELECT environment, closed_at AS at FROM gone
-            UNION ALL
-            SELECT environment, at FROM unpaid
-        ) AS removed
     )
-    SELECT (SELECT count(*) FROM batch), last_row.bot_id, last_row.id
-    INTO taken, last_bot, last_id
-    FROM (SELECT 1) AS always LEFT JOIN (
-        SELECT bot_id, id FROM batch ORDER BY bot_id DESC, id DESC LIMIT 1
-    ) AS last_row ON true;
+    SELECT array_agg(environment), array_agg(day) INTO places, days
+    FROM (
+        SELECT environment, (closed_at AT TIME ZONE 'UTC')::date AS day FROM gone
+        UNION
+        SELECT environment, (at AT TIME ZONE 'UTC')::date FROM unpaid
+    ) AS removed;
+    INSERT INTO public.stale_days (account_id, environment, day)
+    SELECT p_account, removed.environment, removed.day
+    FROM unnest(places, days) AS removed (environment, day);
+    marks := jsonb_build_object('undone', jsonb_build_array(last_bot, last_id));
     UPDATE public.operations
     SET phase = 'undoing', done = 0,
-        scope = CASE WHEN taken = 0 THEN scope ELSE jsonb_set(scope, '{marks}',
+        scope = CASE WHEN taken = 0 THEN scope ELSE jsonb_set(scope, '{marks}', marks) END,
-            jsonb_build_object('undone', jsonb_build_array(last_bot, last_id))) END,
         receipt = jsonb_build_object('imported', (receipt->'imported')
             || jsonb_build_object('stored', 0, 'sums', '{}'::jsonb)),
-        last_progress_at = clock_timestamp(),
+        last_progress_at = present,
-        claimed_until = clock_timestamp() + p_seconds * interval '1 second'
+        claimed_until = present + p_seconds * interval '1 second'
     WHERE account_id = p_account AND id = p_operation;
     RETURN CASE WHEN taken = 0 THEN 'done' ELSE 'more' END;
 END $function$
"""

CHANGES = (
    CLAIM_OPERATION,
    CLAIM_IMPORT,
    END_OPERATION,
    END_IMPORT,
    FORGET_ACCOUNT,
    CLEAR_IMPORT,
    SWEEP_IMPORTS,
    STORE_IMPORT,
    UNDO_IMPORT,
)


def _functions(left_out: str) -> None:
    """Create the functions without the lines that begin with `left_out`."""
    for changes in CHANGES:
        op.execute("\n".join(line[1:] for line in changes.splitlines() if line[:1] != left_out))


def upgrade() -> None:
    _functions("-")


def downgrade() -> None:
    _functions("+")
