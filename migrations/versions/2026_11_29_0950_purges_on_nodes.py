"""Purges, and imports that are undone, work where the tables are distributed over several nodes.

The time and the new receipt are computed first and passed: an UPDATE there calls no function on its
columns but immutable ones.
"""

from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

# The functions as they change: lines that begin with - go, lines that begin with + are new.
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
     bots uuid[];
     ids text[];
     places text[];
     days date[];
     marks jsonb;
     present timestamptz;
 BEGIN
     PERFORM 1 FROM public.accounts
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
     present := clock_timestamp();
     SELECT count(*), array_agg(bot_id ORDER BY bot_id, id), array_agg(id ORDER BY bot_id, id)
     INTO taken, bots, ids
     FROM (
         SELECT bot_id, id FROM public.import_rows
         WHERE account_id = p_account AND import_id = p_operation
           AND (bot_id, id) > (last_bot, last_id)
         ORDER BY account_id, import_id, bot_id, id
         LIMIT p_rows
     ) AS batch;
     last_bot := bots[taken];
     last_id := ids[taken];
     bots := ARRAY(SELECT DISTINCT unnest(bots));
     -- Of this import alone, in whichever batch they were: all of it is undone.
     WITH gone AS (
         DELETE FROM public.trades
         WHERE account_id = p_account AND bot_id = ANY (bots) AND id = ANY (ids)
           AND import_id = p_operation
         RETURNING environment, closed_at
     ), unpaid AS (
         DELETE FROM public.funding
         WHERE account_id = p_account AND bot_id = ANY (bots) AND id = ANY (ids)
           AND import_id = p_operation
         RETURNING environment, at
     )
     SELECT array_agg(environment), array_agg(day) INTO places, days
     FROM (
         SELECT environment, (closed_at AT TIME ZONE 'UTC')::date AS day FROM gone
         UNION
         SELECT environment, (at AT TIME ZONE 'UTC')::date FROM unpaid
     ) AS removed;
     INSERT INTO public.stale_days (account_id, environment, day)
     SELECT p_account, removed.environment, removed.day
     FROM unnest(places, days) AS removed (environment, day);
     marks := jsonb_build_object('undone', jsonb_build_array(last_bot, last_id));
     UPDATE public.operations
     SET phase = 'undoing', done = 0,
         scope = CASE WHEN taken = 0 THEN scope ELSE jsonb_set(scope, '{marks}', marks) END,
-        receipt = jsonb_build_object('imported', (receipt->'imported')
+        receipt = jsonb_build_object('imported', (work.receipt->'imported')
             || jsonb_build_object('stored', 0, 'sums', '{}'::jsonb)),
         last_progress_at = present,
         claimed_until = present + p_seconds * interval '1 second'
     WHERE account_id = p_account AND id = p_operation;
     RETURN CASE WHEN taken = 0 THEN 'done' ELSE 'more' END;
 END $function$
"""

PURGE_EVENTS = r"""
 CREATE OR REPLACE FUNCTION public.purge_events(
     p_account uuid, p_operation uuid, p_claim uuid,
     p_seconds double precision, p_after bigint, p_rows bigint
 )
  RETURNS bigint
  LANGUAGE plpgsql
  SECURITY DEFINER
  SET search_path TO 'pg_catalog', 'pg_temp'
 AS $function$
 DECLARE
+    present timestamptz := clock_timestamp();
     last bigint;
 BEGIN
     UPDATE public.operations
-    SET claimed_until = clock_timestamp() + p_seconds * interval '1 second'
+    SET claimed_until = present + p_seconds * interval '1 second'
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
-          SELECT FROM public.deletion_marks AS mark
+          SELECT 1 FROM public.deletion_marks AS mark
           WHERE mark.account_id = p_account AND rows.at < mark.cutoff
             AND (mark.environment IS NULL OR mark.environment = rows.environment)
             AND (mark.key_id IS NULL OR mark.key_id = rows.key_id)
       );
     RETURN last;
 END $function$
"""

PURGE_ROWS = r"""
 CREATE OR REPLACE FUNCTION public.purge_rows(
     p_account uuid, p_operation uuid, p_claim uuid,
     p_seconds double precision, p_kind text, p_environment text,
     p_key uuid, p_cutoff timestamptz, p_since timestamptz,
     p_above timestamptz, p_least timestamptz, p_below timestamptz,
     p_most timestamptz, p_rows bigint
 )
  RETURNS bigint
  LANGUAGE plpgsql
  SECURITY DEFINER
  SET search_path TO 'pg_catalog', 'pg_temp'
 AS $function$
 DECLARE
     closing boolean;
     sorted text;
     happened text;
     wanted text;
     deletion text;
+    present timestamptz := clock_timestamp();
     purged bigint;
+    noted jsonb;
 BEGIN
     SELECT operations.kind = 'close_account' INTO closing FROM public.operations
     WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running';
     IF NOT FOUND THEN
         RETURN NULL;
     END IF;
     IF NOT EXISTS (
-        SELECT FROM public.deletion_marks AS mark
+        SELECT 1 FROM public.deletion_marks AS mark
         WHERE mark.account_id = p_account AND mark.cutoff >= p_cutoff
           AND (mark.environment IS NULL OR mark.environment = p_environment)
           AND (mark.key_id IS NULL OR mark.key_id = p_key)
     ) THEN
         RAISE insufficient_privilege USING MESSAGE = 'no deletion mark covers these rows';
     END IF;
     CASE
         WHEN p_kind = 'trades' THEN sorted := 'rows.closed_at';
         WHEN p_kind = 'positions' THEN sorted := 'rows.created_at';
         WHEN p_kind IN ('funding', 'equity_snapshots', 'signals', 'bot_events') THEN
             sorted := 'rows.at';
     END CASE;
     happened := sorted;
     IF p_kind = 'positions' THEN
         happened := 'coalesce(rows.closed_at, rows.expires_at, rows.updated_at)';
     END IF;
     wanted := concat_ws(' AND ', 'rows.account_id = $1',
         CASE WHEN p_environment IS NULL THEN 'rows.environment IS NULL'
              ELSE 'rows.environment = $2' END,
         CASE WHEN p_key IS NOT NULL THEN 'rows.key_id = $3' END,
         CASE WHEN p_cutoff < 'infinity' THEN happened || ' < $4' END,
         CASE WHEN p_since IS NOT NULL THEN happened || ' >= $5' END,
         CASE WHEN p_kind = 'positions' AND NOT closing THEN
             'NOT (rows.status = ''open'' OR'
-            ' rows.status = ''opening'' AND rows.expires_at > clock_timestamp())' END,
+            ' rows.status = ''opening'' AND rows.expires_at > $11)' END,
         CASE WHEN p_above IS NOT NULL THEN sorted || ' > $6' END,
         CASE WHEN p_least IS NOT NULL THEN sorted || ' >= $7' END,
         CASE WHEN p_below IS NOT NULL THEN sorted || ' < $8' END,
         CASE WHEN p_most IS NOT NULL THEN sorted || ' <= $9' END);
     deletion := format('DELETE FROM public.%I AS rows WHERE %s', p_kind, wanted);
     IF p_rows IS NOT NULL THEN
         -- The conditions are repeated for a row that changes while this statement waits for it.
         deletion := format('%s AND rows.ctid = ANY (ARRAY(SELECT rows.ctid FROM public.%I AS rows'
             ' WHERE %s ORDER BY %s DESC LIMIT $10))', deletion, p_kind, wanted, sorted);
     END IF;
     IF p_kind = 'positions' AND NOT closing THEN
         -- Bots that are gone get no tombstones: they report nothing. A bot's clock may be ahead:
         -- its repeated report must not pass for a later position.
         deletion := format($sql$
             WITH gone AS (
-                %s RETURNING rows.account_id, rows.bot_id, rows.id, rows.updated_at,
-                    rows.opened_at,
+                %s RETURNING rows.bot_id, rows.id, rows.updated_at, rows.opened_at, rows.closed_at
-                    rows.closed_at
             ), remembered AS (
                 INSERT INTO public.purged_positions AS known
                     (account_id, bot_id, digest, purged_at)
-                SELECT account_id, bot_id,
+                SELECT $1, gone.bot_id,
-                    sha256(convert_to(account_id::text || bot_id::text || id, 'UTF8')),
+                    sha256(convert_to($1::text || gone.bot_id::text || gone.id, 'UTF8')),
-                    greatest(clock_timestamp(), opened_at, closed_at)
+                    greatest($11, gone.opened_at, gone.closed_at)
+                FROM gone JOIN public.bots ON bots.account_id = $1 AND bots.id = gone.bot_id
+                WHERE gone.updated_at > $11 - interval '30 days'
-                FROM gone
-                WHERE updated_at > clock_timestamp() - interval '30 days' AND EXISTS (
-                    SELECT FROM public.bots
-                    WHERE bots.account_id = gone.account_id AND bots.id = gone.bot_id
-                )
                 ON CONFLICT (account_id, bot_id, digest)
                 DO UPDATE SET purged_at = excluded.purged_at
             )
             SELECT count(*) FROM gone $sql$, deletion);
         EXECUTE deletion INTO purged USING p_account, p_environment, p_key, p_cutoff, p_since,
-            p_above, p_least, p_below, p_most, p_rows;
+            p_above, p_least, p_below, p_most, p_rows, present;
     ELSE
         EXECUTE deletion USING p_account, p_environment, p_key, p_cutoff, p_since,
-            p_above, p_least, p_below, p_most, p_rows;
+            p_above, p_least, p_below, p_most, p_rows, present;
         GET DIAGNOSTICS purged = ROW_COUNT;
     END IF;
     IF purged > 0 THEN
+        SELECT operations.receipt INTO noted FROM public.operations
+        WHERE account_id = p_account AND id = p_operation AND claim = p_claim
+        FOR NO KEY UPDATE;
+        present := clock_timestamp();
+        noted := noted || jsonb_build_object('deleted', noted->'deleted' || jsonb_build_object(
+            p_kind, coalesce((noted->'deleted'->>p_kind)::bigint, 0) + purged));
         UPDATE public.operations
         SET phase = p_kind, done = done + purged, total = greatest(total, done + purged),
+            receipt = noted, last_progress_at = present,
-            receipt = receipt || jsonb_build_object('deleted', receipt->'deleted'
-                || jsonb_build_object(
-                    p_kind, coalesce((receipt->'deleted'->>p_kind)::bigint, 0) + purged)),
-            last_progress_at = clock_timestamp(),
-            claimed_until = clock_timestamp() + p_seconds * interval '1 second'
+            claimed_until = present + p_seconds * interval '1 second'
         WHERE account_id = p_account AND id = p_operation AND claim = p_claim;
         IF NOT FOUND THEN
             RETURN NULL;
         END IF;
     END IF;
     RETURN purged;
 END $function$
"""

CHANGES = (UNDO_IMPORT, PURGE_EVENTS, PURGE_ROWS)


def _functions(left_out: str) -> None:
    """Create the functions without the lines that begin with `left_out`."""
    for changes in CHANGES:
        op.execute("\n".join(line[1:] for line in changes.splitlines() if line[:1] != left_out))


def upgrade() -> None:
    _functions("-")


def downgrade() -> None:
    _functions("+")
