"""The audit log is partitioned by month, so that whole months can be dropped.

Only the catalog changes, whatever the number of entries. Partitions stand in a schema of their own
that no role of the service may use, so that all of them go through the table. The table has no
primary key, since that would have to contain the time: each partition has the former one, whose
index stays as it is, and an entry is added only together with moving its account's head to it.
"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

READERS = ("botkeys_api", "botkeys_runtime")
SIGNATURE = "make_audit_months()"

FORMER = """
DO $$
DECLARE
    bound text;
BEGIN
    IF NOT EXISTS (SELECT FROM audit_months.former) THEN
        DROP TABLE audit_months.former;
        RETURN;
    END IF;
    SELECT substring(pg_get_constraintdef(oid) FROM '''([^'']+)''') INTO STRICT bound
    FROM pg_constraint
    WHERE conrelid = 'audit_months.former'::regclass AND conname = 'ck_audit_events_bound';
    EXECUTE format(
        'ALTER TABLE audit_events ATTACH PARTITION audit_months.former'
        ' FOR VALUES FROM (MINVALUE) TO (%L)', bound
    );
    ALTER TABLE audit_months.former DROP CONSTRAINT ck_audit_events_bound;
END $$
"""

CUT_OVER = (
    "LOCK TABLE audit_heads IN SHARE ROW EXCLUSIVE MODE",
    "LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE",
    "CREATE SCHEMA audit_months",
    # Its name is taken again in the same transaction.
    "-- squawk-ignore ban-set-schema\nALTER TABLE audit_events SET SCHEMA audit_months",
    "-- squawk-ignore renaming-table\nALTER TABLE audit_months.audit_events RENAME TO former",
    (
        "CREATE TABLE audit_events"
        " (LIKE audit_months.former INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        " PARTITION BY RANGE (at)"
    ),
    (
        "-- squawk-ignore ban-drop-constraint\n"
        "ALTER TABLE audit_events DROP CONSTRAINT ck_audit_events_bound"
    ),
    (
        "-- squawk-ignore adding-foreign-key-constraint,constraint-missing-not-valid\n"
        "ALTER TABLE audit_events ADD CONSTRAINT fk_audit_events_account_id"
        " FOREIGN KEY (account_id) REFERENCES audit_heads (account_id)"
    ),
    f"REVOKE ALL ON audit_months.former FROM {', '.join(READERS)}",
    # A new database begins with months at once.
    FORMER,
    # What has no month of its own: no entry is ever refused for lack of a partition.
    (
        "CREATE TABLE audit_months.other PARTITION OF audit_events"
        " (PRIMARY KEY (account_id, sequence)) DEFAULT"
    ),
)

MAKE_MONTHS = """
CREATE FUNCTION make_audit_months()
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    named text;
    low timestamptz;
    high timestamptz;
    former_end timestamptz := (
        SELECT substring(pg_get_expr(relpartbound, oid) FROM 'TO \\(''([^'']+)''\\)')
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
            OR EXISTS (SELECT FROM audit_months.other WHERE at >= low AND at < high);
        -- The order of those who write and retire. Whoever waited here looks again.
        LOCK TABLE public.audit_heads IN SHARE ROW EXCLUSIVE MODE;
        LOCK TABLE audit_months.other IN ACCESS EXCLUSIVE MODE;
        CONTINUE WHEN to_regclass('audit_months.' || named) IS NOT NULL
            OR EXISTS (SELECT FROM audit_months.other WHERE at >= low AND at < high);
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

BACK = (
    "LOCK TABLE audit_heads, audit_events IN ACCESS EXCLUSIVE MODE",
    f"DROP FUNCTION {SIGNATURE}",
    "ALTER TABLE audit_events RENAME TO audit_events_by_month",
    (
        "CREATE TABLE audit_events"
        " (LIKE audit_events_by_month INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
    ),
    "INSERT INTO audit_events SELECT * FROM audit_events_by_month",
    "DROP TABLE audit_events_by_month",
    "DROP SCHEMA audit_months",
    "ALTER TABLE audit_events ADD CONSTRAINT pk_audit_events PRIMARY KEY (account_id, sequence)",
    (
        "ALTER TABLE audit_events ADD CONSTRAINT fk_audit_events_account_id"
        " FOREIGN KEY (account_id) REFERENCES audit_heads (account_id)"
    ),
    "ALTER TABLE audit_events ADD CONSTRAINT ck_audit_events_bound CHECK (at < 'infinity')",
)


def upgrade() -> None:
    for statement in CUT_OVER:
        op.execute(statement)
    _grant()
    op.execute(MAKE_MONTHS)
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO botkeys_purge")
    op.execute(f"SELECT {SIGNATURE}")


def downgrade() -> None:
    for statement in BACK:
        op.execute(statement)
    _grant()


def _grant() -> None:
    for role in READERS:
        op.execute(f"GRANT SELECT, INSERT ON audit_events TO {role}")
