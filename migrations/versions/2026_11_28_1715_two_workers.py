"""Two roles in place of the worker's one: for catalogues, and for purging and housekeeping.

What a plain right would make too wide is a function of the owner that does one thing: it deletes
what a deletion mark covers, ends what has expired, or changes a contract and tells everyone
concerned.

`botkeys_worker` becomes a member of both and, for workers of the release before, keeps its own
rights.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

CATALOGUE, PURGE, FORMER = "botkeys_catalogue", "botkeys_purge", "botkeys_worker"
NAME = "exchange, environment, region, contract_type"

GRANTS = (
    # What one catalogue worker does: fetch what is due, those in use first, and store it.
    (f"SELECT, INSERT ({NAME})", "catalogues", CATALOGUE),
    (
        (
            "UPDATE (instruments_fetched_at, prices_fetched_at, attempted_at, failure, claim,"
            " claimed_until)"
        ),
        "catalogues",
        CATALOGUE,
    ),
    # Not the size of a contract, nor what it is settled in: `change_contract` does that.
    (
        (
            "SELECT, INSERT, UPDATE (base, quote, tick_size, lot_size, min_quantity, max_leverage,"
            " margin_modes, listed, search_text)"
        ),
        "instruments",
        CATALOGUE,
    ),
    ("SELECT, INSERT, UPDATE (price, volume_24h)", "instrument_prices", CATALOGUE),
    (f"SELECT ({NAME})", "keys", CATALOGUE),
    # Who went offline, and what expires.
    (
        "SELECT (account_id, bot_id, announced_online, lease_until), UPDATE (announced_online)",
        "presence",
        PURGE,
    ),
    ("SELECT (account_id, id, key_id)", "bots", PURGE),
    (
        (
            "SELECT (account_id, id, label, exchange, environment, contract_type, expires_at,"
            " expiry_announced), UPDATE (expiry_announced)"
        ),
        "keys",
        PURGE,
    ),
    (
        (
            "INSERT (account_id, id, bot_id, key_id, exchange, environment, contract_type, kind,"
            " level, message, data, at)"
        ),
        "bot_events",
        PURGE,
    ),
    # Daily sums, which are computed from trades at any time.
    ("SELECT, INSERT, DELETE", "trade_days, stale_days", PURGE),
    (
        (
            "SELECT (account_id, environment, key_id, bot_id, symbol, settle, pnl, fees, opened_at,"
            " closed_at)"
        ),
        "trades",
        PURGE,
    ),
    # What there is to purge, and how far it is.
    ("SELECT (account_id, environment, key_id, cutoff)", "deletion_marks", PURGE),
    ("SELECT (account_id, environment, key_id, at)", "equity_snapshots", PURGE),
    ("SELECT (account_id, environment, key_id, at)", "signals", PURGE),
    ("SELECT (account_id, environment, key_id, at)", "bot_events", PURGE),
    (
        (
            "SELECT (account_id, environment, key_id, created_at, status, expires_at, closed_at,"
            " updated_at)"
        ),
        "positions",
        PURGE,
    ),
    (
        (
            "SELECT (account_id, id, status, claim, claimed_until), UPDATE (claim, claimed_until,"
            " phase, total)"
        ),
        "operations",
        PURGE,
    ),
)

NOTIFY_BOTS = """
CREATE FUNCTION notify_bots(
    p_exchange text, p_environment text, p_region text, p_contract_type text, p_symbols text[]
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- IS TRUE keeps the planner from looking up each key with each symbol: it reads a key's few
    -- assets, and the symbols once.
    RETURN (
        SELECT count(pg_notify('botkeys_config', concat(bots.account_id, ':', bots.id)))
        FROM public.keys
        JOIN public.bots ON bots.account_id = keys.account_id AND bots.key_id = keys.id
        WHERE keys.exchange = p_exchange AND keys.environment = p_environment
          AND coalesce(keys.region, '') = p_region AND keys.contract_type = p_contract_type
          AND (p_symbols IS NULL OR EXISTS (
              SELECT FROM public.trading_assets AS assets
              WHERE assets.account_id = keys.account_id AND assets.key_id = keys.id
                AND assets.contract_type = keys.contract_type
                AND (assets.symbol IN (SELECT unnest(p_symbols))) IS TRUE
          ))
    );
END $$
"""

CHANGE_CONTRACT = """
CREATE FUNCTION change_contract(
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

SWEEP_EXPIRED = """
CREATE FUNCTION sweep_expired(p_table text, p_kept interval, p_most bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done bigint;
BEGIN
    CASE p_table
    WHEN 'idempotency_records' THEN
        DELETE FROM public.idempotency_records WHERE (account_id, idempotency_key) IN (
            SELECT account_id, idempotency_key FROM public.idempotency_records
            WHERE created_at < clock_timestamp() - greatest(p_kept, interval '24 hours')
            LIMIT p_most
        );
    WHEN 'releases' THEN
        DELETE FROM public.releases WHERE (account_id, id) IN (
            SELECT account_id, id FROM public.releases
            WHERE at < clock_timestamp() - greatest(p_kept, interval '90 days')
            LIMIT p_most
        );
    WHEN 'operations' THEN
        DELETE FROM public.operations WHERE (account_id, id) IN (
            SELECT account_id, id FROM public.operations
            WHERE finished_at < clock_timestamp() - greatest(p_kept, interval '30 days')
            LIMIT p_most
        );
    WHEN 'purged_positions' THEN
        DELETE FROM public.purged_positions WHERE (account_id, bot_id, digest) IN (
            SELECT account_id, bot_id, digest FROM public.purged_positions
            WHERE purged_at < clock_timestamp() - greatest(p_kept, interval '30 days')
            LIMIT p_most
        );
    END CASE;
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END $$
"""

LAPSE_OPENINGS = """
CREATE FUNCTION lapse_openings(p_kept interval, p_most bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    over timestamptz := clock_timestamp() - greatest(p_kept, interval '0');
    done bigint;
BEGIN
    -- The condition is repeated beside the batch, so that PostgreSQL evaluates it again for a row
    -- that it waited for: the bot may have renewed it.
    UPDATE public.positions
    SET status = 'closed', close_reason = 'lapsed', closed_at = expires_at, expires_at = NULL
    WHERE status = 'opening' AND expires_at < over AND (account_id, bot_id, id) IN (
        SELECT account_id, bot_id, id FROM public.positions
        WHERE status = 'opening' AND expires_at < over
        LIMIT p_most
    );
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END $$
"""

CLAIM_OPERATION = """
CREATE FUNCTION claim_operation(p_claim uuid, p_seconds double precision)
RETURNS TABLE (account_id uuid, id uuid, kind text, scope jsonb, counted boolean)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH waiting AS (
        SELECT operations.account_id, operations.id FROM public.operations
        WHERE operations.status IN ('queued', 'running')
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

END_OPERATION = """
CREATE FUNCTION end_operation(p_account uuid, p_operation uuid, p_claim uuid, p_error text)
RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE public.operations
    SET status = CASE WHEN p_error IS NULL THEN 'succeeded' ELSE 'failed' END,
        error = p_error,
        phase = CASE WHEN p_error IS NULL THEN NULL ELSE phase END,
        total = CASE WHEN p_error IS NULL THEN done ELSE total END,
        claim = NULL, claimed_until = NULL,
        last_progress_at = clock_timestamp(), finished_at = clock_timestamp()
    WHERE account_id = p_account AND id = p_operation AND claim = p_claim AND status = 'running'
    RETURNING true
$$
"""

PURGE_ROWS = """
CREATE FUNCTION purge_rows(
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
        WHEN p_kind IN ('equity_snapshots', 'signals', 'bot_events') THEN sorted := 'rows.at';
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
CREATE FUNCTION forget_labels(p_account uuid)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM public.key_labels AS label
    WHERE label.account_id = p_account
      AND NOT EXISTS (
          SELECT FROM public.keys WHERE keys.account_id = p_account AND keys.id = label.key_id
      )
      AND (
          EXISTS (
              SELECT FROM public.deletion_marks AS mark
              WHERE mark.account_id = p_account AND mark.key_id = label.key_id
                AND mark.environment IS NULL AND mark.cutoff = 'infinity'
          )
          OR NOT EXISTS (
              SELECT FROM public.assignments AS had
              WHERE had.account_id = p_account AND had.key_id = label.key_id
          )
          AND NOT EXISTS (
              SELECT FROM public.trades AS rows
              WHERE rows.account_id = p_account AND rows.key_id = label.key_id
          )
          AND NOT EXISTS (
              SELECT FROM public.positions AS rows
              WHERE rows.account_id = p_account AND rows.key_id = label.key_id
          )
          AND NOT EXISTS (
              SELECT FROM public.equity_snapshots AS rows
              WHERE rows.account_id = p_account AND rows.key_id = label.key_id
          )
          AND NOT EXISTS (
              SELECT FROM public.signals AS rows
              WHERE rows.account_id = p_account AND rows.key_id = label.key_id
          )
          AND NOT EXISTS (
              SELECT FROM public.bot_events AS rows
              WHERE rows.account_id = p_account AND rows.key_id = label.key_id
          )
      )
$$
"""

FORGET_ACCOUNT = """
CREATE FUNCTION forget_account(p_account uuid, p_operation uuid, p_claim uuid)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.operations
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
    UPDATE public.accounts
    SET closing_at = NULL, created_at = clock_timestamp(), selected_environment = DEFAULT,
        timezone = DEFAULT, revision = revision + 1
    WHERE account_id = p_account;
    RETURN true;
END $$
"""

EVERYONE = f"botkeys_api, botkeys_runtime, {CATALOGUE}"
FUNCTIONS = (
    ("notify_bots(text, text, text, text, text[])", NOTIFY_BOTS, EVERYONE),
    (
        "change_contract(text, text, text, text, text, numeric, text)",
        CHANGE_CONTRACT,
        EVERYONE,
    ),
    ("sweep_expired(text, interval, bigint)", SWEEP_EXPIRED, PURGE),
    ("lapse_openings(interval, bigint)", LAPSE_OPENINGS, PURGE),
    ("claim_operation(uuid, double precision)", CLAIM_OPERATION, PURGE),
    ("end_operation(uuid, uuid, uuid, text)", END_OPERATION, PURGE),
    (
        (
            "purge_rows(uuid, uuid, uuid, double precision, text, text, uuid, timestamptz,"
            " timestamptz, timestamptz, timestamptz, timestamptz, timestamptz, bigint)"
        ),
        PURGE_ROWS,
        PURGE,
    ),
    ("forget_labels(uuid)", FORGET_LABELS, PURGE),
    ("forget_account(uuid, uuid, uuid)", FORGET_ACCOUNT, PURGE),
)
"""Functions with the owner's rights: the arguments, the text, and who may call them."""


def _create_roles() -> None:
    """Roles belong to the server, not to a database: they may be there already."""
    for role in (CATALOGUE, PURGE):
        op.execute(
            f"""
            DO $$ BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                    CREATE ROLE {role} NOLOGIN;
                END IF;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END $$
            """
        )
        op.execute(
            f"""
            DO $$ BEGIN
                IF NOT pg_has_role('{FORMER}', '{role}', 'MEMBER') THEN
                    GRANT {role} TO {FORMER};
                END IF;
            END $$
            """
        )
        op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")


def upgrade() -> None:
    _create_roles()
    op.add_column(
        "instruments", sa.Column("contract_changed_at", sa.DateTime(timezone=True), nullable=True)
    )
    for rights, table, role in GRANTS:
        op.execute(f"GRANT {rights} ON {table} TO {role}")
    for signature, body, roles in FUNCTIONS:
        op.execute(body)
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {roles}")


def downgrade() -> None:
    for signature, _, _ in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    for rights, table, role in GRANTS:
        op.execute(f"REVOKE {rights} ON {table} FROM {role}")
    op.drop_column("instruments", "contract_changed_at")
