"""What is known of contracts: quanto ones, dated ones, delisted ones, and what they were before.

A trade may have an unknown contract type, and one without P&L is completed by a later report.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

NAME = ("exchange", "environment", "region", "contract_type", "symbol")
WIDENED = ("trades", "positions", "bot_events")
KINDS = "'linear', 'inverse', 'quanto'"
FORMER_KINDS = "'linear', 'inverse'"

GRANTS = (
    ("SELECT", "former_contracts", "botkeys_api"),
    ("SELECT", "former_contracts", "botkeys_runtime"),
    ("UPDATE (delisted_at, expires_at)", "instruments", "botkeys_catalogue"),
    # What completes a trade, and nothing of what it earned.
    ("SELECT (symbol, contract_type, contract_size, settle)", "trades", "botkeys_runtime"),
    ("UPDATE (symbol, contract_type, contract_size, settle, pnl)", "trades", "botkeys_runtime"),
    ("SELECT (symbol)", "signals", "botkeys_runtime"),
)

FUNCTION = """
CREATE OR REPLACE FUNCTION change_contract(
    p_exchange text, p_environment text, p_region text, p_contract_type text, p_symbol text,
    p_size numeric, p_settle text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former record;
    events bigint;
BEGIN
    SELECT instruments.contract_size, instruments.settle INTO former FROM public.instruments
    WHERE exchange = p_exchange AND environment = p_environment AND region = p_region
      AND contract_type = p_contract_type AND symbol = p_symbol
    FOR UPDATE;
    IF NOT FOUND OR (former.contract_size, former.settle) IS NOT DISTINCT FROM (p_size, p_settle)
    THEN
        RETURN 0;
    END IF;
    INSERT INTO public.former_contracts
        (exchange, environment, region, contract_type, symbol, changed_at, contract_size, settle)
    VALUES (p_exchange, p_environment, p_region, p_contract_type, p_symbol, clock_timestamp(),
        former.contract_size, former.settle)
    ON CONFLICT DO NOTHING;
    UPDATE public.instruments
    SET contract_size = p_size, settle = p_settle, contract_changed_at = clock_timestamp()
    WHERE exchange = p_exchange AND environment = p_environment AND region = p_region
      AND contract_type = p_contract_type AND symbol = p_symbol;
    INSERT INTO public.bot_events
        (account_id, id, bot_id, key_id, exchange, environment, contract_type,
         kind, level, message, data)
    SELECT keys.account_id, gen_random_uuid(), bots.id, keys.id, keys.exchange, keys.environment,
        keys.contract_type, 'contract_changed', 'warning',
        format('The contract of %s changed at the exchange: its size was %s and is %s, settled in '
            '%s. Check the quantities that the bot sends.', p_symbol,
            trim_scale(former.contract_size), trim_scale(p_size), p_settle),
        jsonb_build_object('symbol', p_symbol,
            'contract_size', trim_scale(p_size)::text,
            'former_contract_size', trim_scale(former.contract_size)::text,
            'settle', p_settle, 'former_settle', former.settle)
    FROM public.keys
    JOIN public.trading_assets AS assets ON assets.account_id = keys.account_id
        AND assets.key_id = keys.id AND assets.contract_type = keys.contract_type
    LEFT JOIN public.bots ON bots.account_id = keys.account_id AND bots.key_id = keys.id
    WHERE keys.exchange = p_exchange AND keys.environment = p_environment
      AND coalesce(keys.region, '') = p_region AND keys.contract_type = p_contract_type
      AND assets.symbol = p_symbol;
    GET DIAGNOSTICS events = ROW_COUNT;
    RETURN events;
END $$
"""

FORMER_FUNCTION = """
CREATE OR REPLACE FUNCTION change_contract(
    p_exchange text, p_environment text, p_region text, p_contract_type text, p_symbol text,
    p_size numeric, p_settle text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former record;
    events bigint;
BEGIN
    SELECT instruments.contract_size, instruments.settle INTO former FROM public.instruments
    WHERE exchange = p_exchange AND environment = p_environment AND region = p_region
      AND contract_type = p_contract_type AND symbol = p_symbol
    FOR UPDATE;
    IF NOT FOUND OR (former.contract_size, former.settle) IS NOT DISTINCT FROM (p_size, p_settle)
    THEN
        RETURN 0;
    END IF;
    UPDATE public.instruments
    SET contract_size = p_size, settle = p_settle, contract_changed_at = clock_timestamp()
    WHERE exchange = p_exchange AND environment = p_environment AND region = p_region
      AND contract_type = p_contract_type AND symbol = p_symbol;
    INSERT INTO public.bot_events
        (account_id, id, bot_id, key_id, exchange, environment, contract_type,
         kind, level, message, data)
    SELECT keys.account_id, gen_random_uuid(), bots.id, keys.id, keys.exchange, keys.environment,
        keys.contract_type, 'contract_changed', 'warning',
        format('The contract of %s changed at the exchange: its size was %s and is %s, settled in '
            '%s. Check the quantities that the bot sends.', p_symbol,
            trim_scale(former.contract_size), trim_scale(p_size), p_settle),
        jsonb_build_object('symbol', p_symbol,
            'contract_size', trim_scale(p_size)::text,
            'former_contract_size', trim_scale(former.contract_size)::text,
            'settle', p_settle, 'former_settle', former.settle)
    FROM public.keys
    JOIN public.trading_assets AS assets ON assets.account_id = keys.account_id
        AND assets.key_id = keys.id AND assets.contract_type = keys.contract_type
    LEFT JOIN public.bots ON bots.account_id = keys.account_id AND bots.key_id = keys.id
    WHERE keys.exchange = p_exchange AND keys.environment = p_environment
      AND coalesce(keys.region, '') = p_region AND keys.contract_type = p_contract_type
      AND assets.symbol = p_symbol;
    GET DIAGNOSTICS events = ROW_COUNT;
    RETURN events;
END $$
"""


# Whether reported items are the same as what is stored under their ids: that is all that a bot's
# side learns of amounts and texts.
SAME = """
CREATE FUNCTION same_as_stored(
    p_kind text, p_account uuid, p_bot uuid, p_columns text[], p_items jsonb
) RETURNS TABLE (number bigint, same boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := CASE p_kind WHEN 'bot_events' THEN 'reported_id' ELSE 'id' END;
    stored text;
    reported text;
BEGIN
    IF p_kind NOT IN ('trades', 'equity_snapshots', 'signals', 'bot_events') THEN
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
SAME_SIGNATURE = "same_as_stored(text, uuid, uuid, text[], jsonb)"


def _restrict(kinds: str) -> None:
    """Replace the checks. Existing rows are read in the next migration, which blocks nobody."""
    for table in WIDENED:
        op.execute(
            "-- squawk-ignore ban-drop-constraint\n"
            f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_contract_type"
        )
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_contract_type"
            f" CHECK (contract_type IN ({kinds})) NOT VALID"
        )


def upgrade() -> None:
    op.create_table(
        "former_contracts",
        *(sa.Column(name, sa.Text(), nullable=False) for name in NAME),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("contract_size", sa.Numeric(), nullable=False),
        sa.Column("settle", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(*NAME, "changed_at", name=op.f("pk_former_contracts")),
    )
    for name in ("delisted_at", "expires_at"):
        op.add_column("instruments", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    _restrict(KINDS)
    # The check holds for null, and the release before reads a null as it reads any word.
    op.execute(
        "-- squawk-ignore ban-drop-not-null\n"
        "ALTER TABLE trades ALTER COLUMN contract_type DROP NOT NULL"
    )
    for rights, table, role in GRANTS:
        op.execute(f"GRANT {rights} ON {table} TO {role}")
    op.execute(FUNCTION)
    op.execute(SAME)
    op.execute(f"REVOKE ALL ON FUNCTION {SAME_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SAME_SIGNATURE} TO botkeys_runtime")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {SAME_SIGNATURE}")
    op.execute(FORMER_FUNCTION)
    for rights, table, role in GRANTS:
        op.execute(f"REVOKE {rights} ON {table} FROM {role}")
    for table in WIDENED:
        quanto = "SET contract_type = 'linear' WHERE contract_type = 'quanto'"
        op.execute(f"UPDATE {table} {quanto}")
    op.execute("UPDATE trades SET contract_type = 'linear' WHERE contract_type IS NULL")
    _restrict(FORMER_KINDS)
    for table in WIDENED:
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_contract_type")
    op.alter_column("trades", "contract_type", nullable=False)
    for name in ("delisted_at", "expires_at"):
        op.drop_column("instruments", name)
    op.drop_table("former_contracts")
