"""Two functions work where the tables are distributed over several nodes.

A notification is sent by the server that is asked, never by the node that holds a row; and a
subquery whose result goes from node to node has a column.
"""

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

# The functions as they change: lines that begin with - go, lines that begin with + are new.
NOTIFY_BOTS = """
 CREATE OR REPLACE FUNCTION notify_bots(
     p_exchange text, p_environment text, p_region text, p_contract_type text, p_symbols text[]
 ) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
+DECLARE
+    found record;
+    notified bigint := 0;
 BEGIN
     -- IS TRUE keeps the planner from looking up each key with each symbol: it reads a key's few
     -- assets, and the symbols once.
-    RETURN (
-        SELECT count(pg_notify('botkeys_config', concat(bots.account_id, ':', bots.id)))
+    FOR found IN
+        SELECT bots.account_id, bots.id
         FROM public.keys
         JOIN public.bots ON bots.account_id = keys.account_id AND bots.key_id = keys.id
         WHERE keys.exchange = p_exchange AND keys.environment = p_environment
           AND coalesce(keys.region, '') = p_region AND keys.contract_type = p_contract_type
           AND (p_symbols IS NULL OR EXISTS (
-              SELECT FROM public.trading_assets AS assets
+              SELECT 1 FROM public.trading_assets AS assets
               WHERE assets.account_id = keys.account_id AND assets.key_id = keys.id
                 AND assets.contract_type = keys.contract_type
                 AND (assets.symbol IN (SELECT unnest(p_symbols))) IS TRUE
           ))
-    );
+    LOOP
+        PERFORM pg_notify('botkeys_config', concat(found.account_id, ':', found.id));
+        notified := notified + 1;
+    END LOOP;
+    RETURN notified;
 END $$
"""

MAKE_AUDIT_MONTHS = r"""
 CREATE OR REPLACE FUNCTION make_audit_months()
 RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
 DECLARE
     present timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
     named text;
     low timestamptz;
     high timestamptz;
     former_end timestamptz := (
         SELECT substring(pg_get_expr(relpartbound, oid) FROM 'TO \(''([^'']+)''\)')
         FROM pg_class WHERE oid = to_regclass('audit_months.former')
     );
     made integer := 0;
 BEGIN
     PERFORM set_config('lock_timeout', '1s', true);
     FOR ahead IN 0..3 LOOP
         low := (present + make_interval(months => ahead)) AT TIME ZONE 'UTC';
         high := (present + make_interval(months => ahead + 1)) AT TIME ZONE 'UTC';
         named := 'month_' || to_char(present + make_interval(months => ahead), 'YYYY_MM');
         CONTINUE WHEN to_regclass('audit_months.' || named) IS NOT NULL OR low < former_end
-            OR EXISTS (SELECT FROM audit_months.other WHERE at >= low AND at < high);
+            OR EXISTS (SELECT 1 FROM audit_months.other WHERE at >= low AND at < high);
         -- The order of those who write and retire. Whoever waited here looks again.
         LOCK TABLE public.audit_heads IN SHARE ROW EXCLUSIVE MODE;
         LOCK TABLE audit_months.other IN ACCESS EXCLUSIVE MODE;
         CONTINUE WHEN to_regclass('audit_months.' || named) IS NOT NULL
-            OR EXISTS (SELECT FROM audit_months.other WHERE at >= low AND at < high);
+            OR EXISTS (SELECT 1 FROM audit_months.other WHERE at >= low AND at < high);
         EXECUTE format(
             'CREATE TABLE audit_months.%I (LIKE public.audit_events INCLUDING DEFAULTS'
             ' INCLUDING CONSTRAINTS, PRIMARY KEY (account_id, sequence))', named
         );
         EXECUTE format(
             'ALTER TABLE public.audit_events ATTACH PARTITION audit_months.%I'
             ' FOR VALUES FROM (%L) TO (%L)', named, low, high
         );
         made := made + 1;
     END LOOP;
     RETURN made;
 END $$
"""


def _functions(left_out: str) -> None:
    """Create the functions without the lines that begin with `left_out`."""
    for changes in (NOTIFY_BOTS, MAKE_AUDIT_MONTHS):
        op.execute("\n".join(line[1:] for line in changes.splitlines() if line[:1] != left_out))


def upgrade() -> None:
    _functions("-")


def downgrade() -> None:
    _functions("+")
