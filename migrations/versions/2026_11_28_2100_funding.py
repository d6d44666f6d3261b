"""Funding payments, as a kind of trading data: stored, added up with trades, deleted.

The functions that go by kind of data are replaced by ones that know this kind. The release before
knows nothing of it: replace its workers before the first bot reports funding, since they would
neither delete it nor add it up.
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

KINDS = "'linear', 'inverse', 'quanto'"
INDEXES = (
    ("page", "environment, at DESC, bot_id DESC, id DESC"),
    ("of_key", "key_id, environment, at DESC, bot_id DESC, id DESC"),
    ("of_bot", "bot_id, environment, at DESC, id DESC"),
    ("of_symbol", "environment, symbol, at DESC, bot_id DESC, id DESC"),
)
GRANTS = (
    ("SELECT", "botkeys_api"),
    ("INSERT, SELECT (account_id, bot_id, environment, key_id, id, at, symbol)", "botkeys_runtime"),
    (
        "SELECT (account_id, environment, key_id, bot_id, at, symbol, settle, amount)",
        "botkeys_purge",
    ),
)

PURGE_ROWS = """
CREATE OR REPLACE FUNCTION purge_rows(
    p_account uuid, p_operation uuid, p_claim uuid, p_seconds double precision,
    p_kind text, p_environment text, p_key uuid, p_cutoff timestamptz, p_since timestamptz,
    p_above timestamptz, p_least timestamptz, p_below timestamptz, p_most timestamptz,
    p_rows bigint
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    closing boolean;
    sorted text;
    happened text;
    wanted text;
    deletion text;
    purged bigint;
BEGIN
    SELECT operations.kind = 'close_account' INTO closing FROM public.operations
    WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (
        SELECT FROM public.deletion_marks AS mark
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
            ' rows.status = ''opening'' AND rows.expires_at > clock_timestamp())' END,
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
                %s RETURNING rows.account_id, rows.bot_id, rows.id, rows.updated_at, rows.opened_at,
                    rows.closed_at
            ), remembered AS (
                INSERT INTO public.purged_positions AS known (account_id, bot_id, digest, purged_at)
                SELECT account_id, bot_id,
                    sha256(convert_to(account_id::text || bot_id::text || id, 'UTF8')),
                    greatest(clock_timestamp(), opened_at, closed_at)
                FROM gone
                WHERE updated_at > clock_timestamp() - interval '30 days' AND EXISTS (
                    SELECT FROM public.bots
                    WHERE bots.account_id = gone.account_id AND bots.id = gone.bot_id
                )
                ON CONFLICT (account_id, bot_id, digest)
                DO UPDATE SET purged_at = excluded.purged_at
            )
            SELECT count(*) FROM gone $sql$, deletion);
        EXECUTE deletion INTO purged USING p_account, p_environment, p_key, p_cutoff, p_since,
            p_above, p_least, p_below, p_most, p_rows;
    ELSE
        EXECUTE deletion USING p_account, p_environment, p_key, p_cutoff, p_since,
            p_above, p_least, p_below, p_most, p_rows;
        GET DIAGNOSTICS purged = ROW_COUNT;
    END IF;
    IF purged > 0 THEN
        UPDATE public.operations
        SET phase = p_kind, done = done + purged, total = greatest(total, done + purged),
            receipt = receipt || jsonb_build_object('deleted', receipt->'deleted'
                || jsonb_build_object(
                    p_kind, coalesce((receipt->'deleted'->>p_kind)::bigint, 0) + purged)),
            last_progress_at = clock_timestamp(),
            claimed_until = clock_timestamp() + p_seconds * interval '1 second'
        WHERE account_id = p_account AND id = p_operation AND claim = p_claim;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    RETURN purged;
END $$
"""

FORGET_LABELS = """
CREATE OR REPLACE FUNCTION forget_labels(p_account uuid)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    known uuid;
BEGIN
    DELETE FROM public.key_labels AS label
    WHERE label.account_id = p_account
      AND NOT EXISTS (
          SELECT FROM public.keys WHERE keys.account_id = p_account AND keys.id = label.key_id
      )
      AND EXISTS (
          SELECT FROM public.deletion_marks AS mark
          WHERE mark.account_id = p_account AND mark.key_id = label.key_id
            AND mark.environment IS NULL AND mark.cutoff = 'infinity'
      );
    FOR known IN
        SELECT label.key_id FROM public.key_labels AS label
        WHERE label.account_id = p_account
          AND NOT EXISTS (
              SELECT FROM public.keys WHERE keys.account_id = p_account AND keys.id = label.key_id
          )
          AND NOT EXISTS (
              SELECT FROM public.assignments AS had
              WHERE had.account_id = p_account AND had.key_id = label.key_id
          )
    LOOP
        DELETE FROM public.key_labels AS label
        WHERE label.account_id = p_account AND label.key_id = known
          AND NOT EXISTS (
              SELECT FROM public.keys WHERE keys.account_id = p_account AND keys.id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.assignments AS had
              WHERE had.account_id = p_account AND had.key_id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.trades AS rows
              WHERE rows.account_id = p_account AND rows.key_id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.positions AS rows
              WHERE rows.account_id = p_account AND rows.key_id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.funding AS rows
              WHERE rows.account_id = p_account AND rows.key_id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.equity_snapshots AS rows
              WHERE rows.account_id = p_account AND rows.key_id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.signals AS rows
              WHERE rows.account_id = p_account AND rows.key_id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.bot_events AS rows
              WHERE rows.account_id = p_account AND rows.key_id = known
          );
    END LOOP;
END $$
"""

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
    SELECT string_agg(format('stored.%I', of), ', '), string_agg(format('reported.%I', of), ', ')
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


def upgrade() -> None:
    op.create_table(
        "funding",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("settle", sa.Text(), nullable=False),
        sa.Column(
            "stored_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_funding_environment")
        ),
        sa.CheckConstraint(f"contract_type IN ({KINDS})", name=op.f("ck_funding_contract_type")),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.account_id"],
            name=op.f("fk_funding_account_id_accounts"),
        ),
        sa.PrimaryKeyConstraint("account_id", "bot_id", "id", name=op.f("pk_funding")),
    )
    for name, columns in INDEXES:
        op.execute(f"CREATE INDEX ix_funding_{name} ON funding (account_id, {columns})")
    for rights, role in GRANTS:
        op.execute(f"GRANT {rights} ON funding TO {role}")
    op.add_column(
        "trade_days",
        sa.Column("funding", sa.Numeric(), server_default=sa.text("0"), nullable=False),
    )
    for function in (PURGE_ROWS, FORGET_LABELS, SAME_AS_STORED):
        op.execute(function)


def downgrade() -> None:
    """Remove the table. The functions stay: without it they do what they did."""
    op.drop_column("trade_days", "funding")
    op.drop_table("funding")
