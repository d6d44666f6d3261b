"""Trades that a user brings: staged rows, and functions by which a worker stores them.

What the format of an import lacks is null in a row that was imported, and in no other. The release
before claims no import: `claim_operation` leaves them to `claim_import`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

MAY_LACK = ("side", "quantity", "entry_price", "exit_price", "opened_at")
MAY_BE_MISSING = ("held", "first_opened")
PURGE = "botkeys_purge"
OPERATION_KINDS = ("delete_key_data", "delete_data", "close_account")

CLAIM_OPERATION = """
CREATE OR REPLACE FUNCTION claim_operation(p_claim uuid, p_seconds double precision)
RETURNS TABLE (account_id uuid, id uuid, kind text, scope jsonb, counted boolean)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH waiting AS (
        SELECT operations.account_id, operations.id FROM public.operations
        WHERE operations.status IN ('queued', 'running'){other_kinds}
          AND (operations.claimed_until IS NULL OR operations.claimed_until < clock_timestamp())
        ORDER BY coalesce(operations.last_progress_at, operations.created_at)
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    UPDATE public.operations
    SET status = 'running', claim = p_claim,
        claimed_until = clock_timestamp() + p_seconds * interval '1 second',
        started_at = coalesce(operations.started_at, clock_timestamp()),
        last_progress_at = clock_timestamp()
    FROM waiting
    WHERE operations.account_id = waiting.account_id AND operations.id = waiting.id
    RETURNING operations.account_id, operations.id, operations.kind, operations.scope,
        operations.phase IS NOT NULL
$$
"""

CLAIM_IMPORT = """
CREATE FUNCTION claim_import(p_claim uuid, p_seconds double precision)
RETURNS TABLE (account_id uuid, id uuid, phase text, error text, cancelled boolean)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH waiting AS (
        SELECT operations.account_id, operations.id FROM public.operations
        WHERE operations.status IN ('queued', 'running') AND operations.kind = 'import_trades'
          AND (operations.claimed_until IS NULL OR operations.claimed_until < clock_timestamp())
        ORDER BY coalesce(operations.last_progress_at, operations.created_at)
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    UPDATE public.operations
    SET status = 'running', claim = p_claim,
        claimed_until = clock_timestamp() + p_seconds * interval '1 second',
        started_at = coalesce(operations.started_at, clock_timestamp()),
        last_progress_at = clock_timestamp()
    FROM waiting
    WHERE operations.account_id = waiting.account_id AND operations.id = waiting.id
    RETURNING operations.account_id, operations.id, operations.phase, operations.error,
        operations.cancel_requested
$$
"""

# Rows are taken in the order of their key, so that a worker continues where another one died. The
# settings make the planner walk the index for a batch: a table that was just filled has no
# statistics, and without them it sorts all staged rows for each batch. For the same reason a stored
# row is looked up as the first of a range of one: only the primary key gives that without sorting,
# and by an index that merely begins with the bot each look-up reads all that the bot has traded.
STORE_IMPORT = """
CREATE FUNCTION store_import(
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
            SELECT trades.environment, trades.key_id, trades.closed_at
            FROM public.trades
            WHERE trades.account_id = p_account AND trades.bot_id = batch.bot_id
              AND trades.id >= batch.id AND trades.id <= batch.id
            ORDER BY trades.id LIMIT 1
        ) AS stored
    ), added AS (
        INSERT INTO public.trades (
            account_id, bot_id, id, key_id, exchange, environment, contract_type, symbol, side,
            quantity, entry_price, exit_price, fees, leverage, margin_mode, position_id,
            contract_size, settle, pnl, opened_at, closed_at, exit_reason, import_id
        )
        SELECT p_account, bot_id, id, label.key_id, label.exchange, label.environment,
            contract_type, symbol, side, quantity, entry_price, exit_price, fees, leverage,
            margin_mode, position_id, contract_size, settle, pnl, opened_at, closed_at,
            exit_reason, p_operation
        FROM batch WHERE storing AND NOT deleted
        ON CONFLICT (account_id, bot_id, id) DO NOTHING
        RETURNING closed_at, settle, pnl, fees
    ), fresh AS MATERIALIZED (
        SELECT settle, pnl, fees FROM added
        UNION ALL
        SELECT settle, pnl, fees FROM batch
        WHERE NOT storing AND NOT deleted AND (bot_id, id) NOT IN (SELECT bot_id, id FROM known)
    ), stale AS (
        INSERT INTO public.stale_days (account_id, environment, day)
        SELECT DISTINCT p_account, label.environment, (closed_at AT TIME ZONE 'UTC')::date
        FROM added
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
            SELECT jsonb_object_agg(settle, jsonb_build_object(
                'trades', trades, 'pnl', trim_scale(pnl)::text, 'fees', trim_scale(fees)::text))
            FROM (
                SELECT settle, sum(trades) AS trades, sum(pnl) AS pnl, sum(fees) AS fees
                FROM (
                    SELECT settle, 1 AS trades, pnl, fees
                    FROM fresh WHERE settle IS NOT NULL
                    UNION ALL
                    SELECT key, (value->>'trades')::bigint, (value->>'pnl')::numeric,
                        (value->>'fees')::numeric
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
CREATE FUNCTION undo_import(
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
        SELECT bot_id, id FROM public.import_rows
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
    ), stale AS (
        INSERT INTO public.stale_days (account_id, environment, day)
        SELECT DISTINCT p_account, environment, (closed_at AT TIME ZONE 'UTC')::date FROM gone
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

CLEAR_IMPORT = """
CREATE FUNCTION clear_import(
    p_account uuid, p_operation uuid, p_claim uuid, p_seconds double precision, p_rows bigint
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    cleared bigint;
BEGIN
    UPDATE public.operations
    SET last_progress_at = clock_timestamp(),
        claimed_until = clock_timestamp() + p_seconds * interval '1 second'
    WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running'
      AND kind = 'import_trades';
    IF NOT FOUND THEN
        RETURN 'lost';
    END IF;
    DELETE FROM public.import_rows WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM public.import_rows
        WHERE account_id = p_account AND import_id = p_operation
        LIMIT p_rows
    ));
    GET DIAGNOSTICS cleared = ROW_COUNT;
    RETURN CASE WHEN cleared = 0 THEN 'done' ELSE 'more' END;
END $$
"""

# One step of the walk for each import that has rows, instead of one for each row.
SWEEP_IMPORTS = """
CREATE FUNCTION sweep_imports(p_rows bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
    swept bigint;
BEGIN
    DELETE FROM public.import_rows WHERE ctid = ANY (ARRAY(
        WITH RECURSIVE held AS (
            (SELECT account_id, import_id FROM public.import_rows
            ORDER BY account_id, import_id LIMIT 1)
            UNION ALL
            SELECT following.account_id, following.import_id
            FROM held CROSS JOIN LATERAL (
                SELECT account_id, import_id FROM public.import_rows
                WHERE (account_id, import_id) > (held.account_id, held.import_id)
                ORDER BY account_id, import_id LIMIT 1
            ) AS following
        )
        SELECT staged.ctid
        FROM held JOIN public.operations AS work
          ON work.account_id = held.account_id AND work.id = held.import_id
            AND work.status NOT IN ('queued', 'running')
        CROSS JOIN LATERAL (
            SELECT import_rows.ctid FROM public.import_rows
            WHERE import_rows.account_id = held.account_id
              AND import_rows.import_id = held.import_id
            LIMIT p_rows
        ) AS staged
        LIMIT p_rows
    ));
    GET DIAGNOSTICS swept = ROW_COUNT;
    RETURN swept;
END $$
"""

END_IMPORT = """
CREATE FUNCTION end_import(
    p_account uuid, p_operation uuid, p_claim uuid, p_status text, p_error text
) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE public.operations
    SET status = p_status, error = coalesce(p_error, error),
        phase = CASE WHEN p_status = 'succeeded' THEN NULL ELSE phase END,
        scope = CASE WHEN p_status = 'running' THEN scope ELSE scope - 'marks' END,
        claim = NULL, claimed_until = NULL, last_progress_at = clock_timestamp(),
        finished_at = CASE WHEN p_status <> 'running' THEN clock_timestamp() END
    WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running'
      AND kind = 'import_trades' AND p_status IN ('running', 'succeeded', 'failed', 'cancelled')
    RETURNING true
$$
"""

FUNCTIONS = (
    ("claim_import(uuid, double precision)", CLAIM_IMPORT),
    ("store_import(uuid, uuid, uuid, double precision, bigint)", STORE_IMPORT),
    ("undo_import(uuid, uuid, uuid, double precision, bigint)", UNDO_IMPORT),
    ("clear_import(uuid, uuid, uuid, double precision, bigint)", CLEAR_IMPORT),
    ("sweep_imports(bigint)", SWEEP_IMPORTS),
    ("end_import(uuid, uuid, uuid, text, text)", END_IMPORT),
)
GRANTS = (
    ("INSERT, SELECT", "import_rows", "botkeys_api"),
    ("INSERT, SELECT", "import_refusals", "botkeys_api"),
    ("SELECT (kind)", "operations", PURGE),
)
STAGED = (
    ("contract_type", sa.Text(), True),
    ("symbol", sa.Text(), False),
    ("side", sa.Text(), True),
    ("quantity", sa.Numeric(), True),
    ("entry_price", sa.Numeric(), True),
    ("exit_price", sa.Numeric(), True),
    ("fees", sa.Numeric(), False),
    ("leverage", sa.Numeric(), True),
    ("margin_mode", sa.Text(), True),
    ("position_id", sa.Text(), True),
    ("contract_size", sa.Numeric(), True),
    ("settle", sa.Text(), True),
    ("pnl", sa.Numeric(), True),
    ("opened_at", sa.DateTime(timezone=True), True),
    ("closed_at", sa.DateTime(timezone=True), False),
    ("exit_reason", sa.Text(), True),
)


def _of_operation(table: str) -> tuple[sa.ForeignKeyConstraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ["account_id", "import_id"],
            ["operations.account_id", "operations.id"],
            name=op.f(f"fk_{table}_account_id_import_id_operations"),
            ondelete="CASCADE",
        ),
    )


def _check(table: str, name: str, condition: str) -> None:
    """Add a check of new rows. What is stored passes already: a stricter check held it."""
    op.execute(
        f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition}) NOT VALID"
    )


def _drop_check(table: str, name: str) -> None:
    op.execute(
        "-- squawk-ignore ban-drop-constraint\n"
        f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}"
    )


def _allow_null(table: str, columns: tuple[str, ...]) -> None:
    for column in columns:
        op.execute(
            "-- squawk-ignore ban-drop-not-null\n"
            f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL"
        )


def _one_of(kinds: tuple[str, ...]) -> str:
    return f"kind IN ({', '.join(map(repr, kinds))})"


def upgrade() -> None:
    _drop_check("operations", "kind")
    _check("operations", "kind", _one_of((*OPERATION_KINDS, "import_trades")))
    op.execute(
        "CREATE UNIQUE INDEX uq_operations_importing ON operations (account_id)"
        " WHERE kind = 'import_trades' AND status IN ('queued', 'running')"
    )
    op.add_column("trades", sa.Column("import_id", sa.Uuid(), nullable=True))
    _allow_null("trades", MAY_LACK)
    given = " AND ".join(f"{column} IS NOT NULL" for column in MAY_LACK)
    _check("trades", "whole_unless_imported", f"import_id IS NOT NULL OR {given}")
    _drop_check("trades", "pnl_of_a_known_contract")
    _check(
        "trades",
        "pnl_of_a_known_contract",
        "(pnl IS NULL) = (settle IS NULL)"
        " AND (import_id IS NOT NULL OR (pnl IS NULL) = (contract_size IS NULL))",
    )
    _allow_null("trade_days", MAY_BE_MISSING)
    op.add_column(
        "trade_days",
        sa.Column("untimed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.create_table(
        "import_rows",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        *(sa.Column(name, kind, nullable=nullable) for name, kind, nullable in STAGED),
        *_of_operation("import_rows"),
        sa.PrimaryKeyConstraint(
            "account_id", "import_id", "bot_id", "id", name=op.f("pk_import_rows")
        ),
    )
    op.create_table(
        "import_refusals",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        *_of_operation("import_refusals"),
        sa.PrimaryKeyConstraint("account_id", "import_id", "line", name=op.f("pk_import_refusals")),
    )
    for rights, table, role in GRANTS:
        op.execute(f"GRANT {rights} ON {table} TO {role}")
    op.execute(CLAIM_OPERATION.format(other_kinds=" AND operations.kind <> 'import_trades'"))
    for signature, body in FUNCTIONS:
        op.execute(body)
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {PURGE}")


def downgrade() -> None:
    for signature, _ in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    op.execute(CLAIM_OPERATION.format(other_kinds=""))
    op.execute("REVOKE SELECT (kind) ON operations FROM botkeys_purge")
    op.drop_table("import_refusals")
    op.drop_table("import_rows")
    # The release before knows neither imports nor rows that lack something.
    op.execute("DELETE FROM operations WHERE kind = 'import_trades'")
    op.execute("DELETE FROM trades WHERE import_id IS NOT NULL")
    op.execute("DELETE FROM trade_days WHERE held IS NULL OR first_opened IS NULL")
    op.drop_column("trade_days", "untimed")
    for column in MAY_BE_MISSING:
        op.alter_column("trade_days", column, nullable=False)
    _drop_check("trades", "whole_unless_imported")
    _drop_check("trades", "pnl_of_a_known_contract")
    _check(
        "trades",
        "pnl_of_a_known_contract",
        "(pnl IS NULL) = (contract_size IS NULL) AND (pnl IS NULL) = (settle IS NULL)",
    )
    for column in MAY_LACK:
        op.alter_column("trades", column, nullable=False)
    op.drop_column("trades", "import_id")
    op.drop_index("uq_operations_importing", "operations")
    _drop_check("operations", "kind")
    _check("operations", "kind", _one_of(OPERATION_KINDS))
