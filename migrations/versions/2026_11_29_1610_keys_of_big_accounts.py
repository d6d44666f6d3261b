"""What concerns one key of a big account is found by its id, and its audit log page by page.

Marks of a key are read with each report of its bot, and assignments to a key when it is deleted:
both had all of their account read. The log of each month is planned for big accounts, as other
tables since migration 0053: further pages of a filtered list read all that the filter lets through.
"""

from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

TABLES = ("assignments", "deletion_marks")

EACH_MONTH = """
DO $$
DECLARE
    month regclass;
BEGIN
    FOR month IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'public.audit_events'::regclass
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN account_id {}', month);
    END LOOP;
END $$
"""

# The function as it changes: lines that begin with + are new.
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
             OR EXISTS (SELECT 1 FROM audit_months.other WHERE at >= low AND at < high);
         -- The order of those who write and retire. Whoever waited here looks again.
         LOCK TABLE public.audit_heads IN SHARE ROW EXCLUSIVE MODE;
         LOCK TABLE audit_months.other IN ACCESS EXCLUSIVE MODE;
         CONTINUE WHEN to_regclass('audit_months.' || named) IS NOT NULL
             OR EXISTS (SELECT 1 FROM audit_months.other WHERE at >= low AND at < high);
         EXECUTE format(
             'CREATE TABLE audit_months.%I (LIKE public.audit_events INCLUDING DEFAULTS'
             ' INCLUDING CONSTRAINTS, PRIMARY KEY (account_id, sequence))', named
         );
+        EXECUTE format(
+            'ALTER TABLE audit_months.%I ALTER COLUMN account_id SET (n_distinct = 100)', named
+        );
         EXECUTE format(
             'ALTER TABLE public.audit_events ATTACH PARTITION audit_months.%I'
             ' FOR VALUES FROM (%L) TO (%L)', named, low, high
         );
         made := made + 1;
     END LOOP;
     RETURN made;
 END $$
"""


def _function(left_out: str) -> None:
    lines = MAKE_AUDIT_MONTHS.splitlines()
    op.execute("\n".join(line[1:] for line in lines if line[:1] != left_out))


def _each_month(change: str) -> None:
    """Change a setting of the planner on this server. Citus passes it on to no other."""
    op.execute("SET LOCAL citus.enable_ddl_propagation = off")
    op.execute(EACH_MONTH.format(change))
    op.execute("SET LOCAL citus.enable_ddl_propagation = on")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(f"ix_{table}_key", table, ["account_id", "key_id"])
    _each_month("SET (n_distinct = 100)")
    _function("-")


def downgrade() -> None:
    _function("+")
    _each_month("RESET (n_distinct)")
    for table in TABLES:
        op.drop_index(f"ix_{table}_key", table_name=table)
