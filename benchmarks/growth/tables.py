"""What PostgreSQL makes of the keys in `growth.keys`: a statement for each table.

The rows are those that the service writes, with exceptions: all credentials are one sealed blob,
which nobody can open; fingerprints and hashes are numbers; the codes that chain audit entries are
constants, and the big account's log alone goes on. What is measured opens none of them. Nothing of
it is due: what a sweep would find is made by `benchmarks.growth.sweeps`.
"""

from typing import NamedTuple

MAC = b"\x3c" * 32

SCHEMA = """
CREATE SCHEMA growth;
CREATE UNLOGGED TABLE growth.keys (
    number bigint, account_id uuid, key_id uuid, bot_id uuid, big boolean, exchange text,
    environment text, of_account bigint
);
CREATE FUNCTION growth.id(kind text, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('0' || to_hex(1750000000000 + number * 30000) || '7' || kind || '8000'
        || to_hex((1::bigint << 44) + number))::uuid
$$;
CREATE FUNCTION growth.word(number bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT ('{Main,Grid,Perps,Hedge,Swing,Scalping,Arbitrage,Carry}'::text[])[1 + number % 8]
$$;
CREATE FUNCTION growth.ago(part double precision, days double precision) RETURNS timestamptz
LANGUAGE sql STABLE AS $$ SELECT now() - (1 - part) * days * interval '1 day' $$;
"""
"""`growth.ago` is a time within so many days: `part` is 0 for the first, 1 for now."""

PREPARED = """
CREATE UNLOGGED TABLE growth.bots AS
    SELECT number, account_id, key_id, bot_id AS id, big, exchange, environment,
        (number / 100 + number % 100) AS variety,
        row_number() OVER (PARTITION BY big ORDER BY number) - 1 AS place
    FROM growth.keys WHERE bot_id IS NOT NULL;
CREATE UNLOGGED TABLE growth.accounts AS
    SELECT account_id, false AS big, row_number() OVER (ORDER BY account_id) - 1 AS place,
        count(*) AS keys
    FROM growth.keys WHERE NOT big GROUP BY account_id;
ANALYZE growth.keys, growth.bots, growth.accounts;
"""


def _each(ratio: float, source: str, *, one_of_ten: bool = True) -> str:
    """Return FROM for so many rows for each key, numbered `n` over all stages; `part` grows from
    0 to 1. Each is of a random row of the source, and one of ten of the big account's bots.
    """
    rows = "(SELECT n, (n - low)::double precision / greatest(high - low, 1) AS part, {of_big}"
    rows += " FROM (SELECT CAST(:begin * {ratio} AS bigint) AS low,"
    rows += " CAST(:end * {ratio} AS bigint) AS high) AS bounds,"
    rows += " generate_series(low, high - 1) AS n) AS numbered"
    of_big = "n % 10 = 0 AS of_big" if one_of_ten else "false AS of_big"
    numbered = rows.format(ratio=ratio, of_big=of_big)
    counted = f"(SELECT big, count(*) AS many FROM growth.{source} GROUP BY big) AS counted"  # noqa: S608  # text of our own
    return (
        f"FROM {numbered} JOIN {counted} ON counted.big = of_big"
        f" JOIN growth.{source} AS one ON one.big = of_big"
        " AND one.place = (hashint8(n)::bigint + 2147483648) % counted.many"
    )


class Filled(NamedTuple):
    """A table and the SELECT of its rows; `:begin` and `:end` are the stage's numbers."""

    table: str
    columns: str
    select: str


_REPORT = "account_id bot_id id key_id exchange environment contract_type"
_REPORTED = (
    "one.account_id, one.id, '{kind}' || n, one.key_id, one.exchange, one.environment, 'linear',"
)
_ALL_OWNERS = """
    (SELECT CASE WHEN n % 10 = 0 THEN CAST(:big AS uuid) ELSE one.account_id END AS account_id, n,
        part {each}) AS owned
"""


def _owned(ratio: float) -> str:
    each = _each(ratio, "accounts", one_of_ten=False)
    return "FROM" + _ALL_OWNERS.format(each=each)


_HOOKED = _each(0.02, "accounts", one_of_ten=False)

FILLED = (
    Filled(
        "accounts",
        "account_id issuer subject",
        "SELECT account_id, 'https://issuer.example', account_id::text FROM growth.accounts",
    ),
    Filled(
        "keys",
        "account_id id label exchange environment contract_type masked_key fingerprint active"
        " permission_read permission_trade permission_withdraw permission_ip_restricted expires_at"
        " expiry_announced verification_status created_at updated_at",
        """
        SELECT account_id, key_id, exchange || ' ' || growth.word(variety) || ' ' || number,
            exchange, environment, 'linear', 'abcd…' || lpad((number % 10000)::text, 4, '0'),
            decode(lpad(to_hex(number), 64, '0'), 'hex'), variety % 8 <> 7,
            'yes', 'yes', 'no', 'yes',
            CASE variety % 12 WHEN 0 THEN now() + interval '200 days'
                WHEN 1 THEN now() + interval '90 days' WHEN 2 THEN now() + interval '20 days'
                WHEN 3 THEN now() - interval '40 days' WHEN 4 THEN now() + interval '5 days' END,
            CASE variety % 12 WHEN 2 THEN 30 WHEN 3 THEN 0 WHEN 4 THEN 7 END,
            'verified', at, at
        FROM (
            SELECT *, number / 100 + number % 100 AS variety,
                growth.ago((number - :begin)::double precision / (:end - :begin), 330) AS at
            FROM growth.keys
        ) AS one
        """,
    ),
    Filled(
        "key_credentials",
        "account_id key_id version ciphertext nonce sealed_data_key master_key_version",
        """
        SELECT account_id, key_id, 1, decode(repeat('5e', 160), 'hex'),
            decode(repeat('0c', 12), 'hex'), decode(repeat('a5', 1168), 'hex'), 1
        FROM growth.keys
        """,
    ),
    Filled(
        "key_labels",
        "account_id key_id label exchange environment contract_type",
        """
        SELECT account_id, key_id,
            exchange || ' ' || growth.word(number / 100 + number % 100) || ' ' || number,
            exchange, environment, 'linear'
        FROM growth.keys
        """,
    ),
    Filled(
        "trading_assets",
        "account_id key_id contract_type symbol leverage margin_mode enabled",
        """
        SELECT account_id, key_id, 'linear', 'COIN' || (number + 1) % 400 || 'USDT', 5, 'cross',
            true
        FROM growth.keys
        UNION ALL
        SELECT account_id, key_id, 'linear', 'COIN' || which || 'USDT', 5, 'cross', true
        FROM growth.keys, generate_series(2, 300) AS which WHERE number = 0
        """,
    ),
    Filled(
        "bots",
        "account_id id name paused key_id",
        """
        SELECT account_id, id, growth.word(variety) || ' bot ' || number, variety % 16 = 5,
            CASE WHEN variety % 10 <> 9 THEN key_id END
        FROM growth.bots
        """,
    ),
    Filled(
        "bot_tokens",
        "account_id bot_id token_hash",
        "SELECT account_id, id, decode(repeat('c3', 32), 'hex') FROM growth.bots",
    ),
    Filled(
        "assignments",
        "account_id bot_id key_id ended_at",
        """
        SELECT account_id, id, key_id, CASE WHEN variety % 10 = 9 THEN now() END FROM growth.bots
        """,
    ),
    # A tenth is online, for an hour to come; the others have been offline for days.
    Filled(
        "presence",
        "account_id bot_id last_heartbeat_at lease_until announced_online",
        """
        SELECT account_id, id, CASE WHEN online THEN now() ELSE now() - interval '7 days' END,
            CASE WHEN online THEN now() + interval '1 hour' ELSE now() - interval '7 days' END,
            online
        FROM (SELECT account_id, id, variety % 10 = 1 AS online FROM growth.bots) AS one
        """,
    ),
    Filled(
        "resting_orders",
        "account_id bot_id key_id symbols counts expires_at",
        """
        SELECT account_id, id, key_id, ARRAY['COIN' || number % 100 || 'USDT'], ARRAY[2],
            now() + interval '1 hour'
        FROM growth.bots WHERE variety % 10 = 1
        """,
    ),
    Filled(
        "ingest_days",
        "account_id bot_id day stored",
        "SELECT account_id, id, CAST(now() AS date), 120 FROM growth.bots",
    ),
    Filled(
        "audit_heads",
        "account_id sequence mac",
        "SELECT account_id, keys, decode(repeat('3c', 32), 'hex') FROM growth.accounts",
    ),
    # After a gap in the big account's numbers, since the service may go on with them meanwhile.
    Filled(
        "audit_events",
        "account_id sequence id at actor actor_id action outcome target target_id environment"
        " address request_id details mac format",
        f"""
        SELECT account_id,
            CASE WHEN big THEN :audit + 1000 + 3 * (of_account - 1) + which ELSE of_account END,
            growth.id('0ad', 4 * number + which),
            growth.ago((number - :begin)::double precision / (:end - :begin), 28), 'user',
            'user-' || number / 100 % 5, (ARRAY['key.add', 'bot.assign_key', 'key.change'])[which],
            'allowed', 'key', key_id::text, environment, '192.0.2.7', 'request-' || number,
            jsonb_build_object('key_id', key_id), decode('{MAC.hex()}', 'hex'), 2
        FROM growth.keys, generate_series(1, CASE WHEN big THEN 3 ELSE 1 END) AS which
        """,  # noqa: S608  # as above
    ),
    Filled(
        "event_heads",
        "account_id sequence watched",
        f"""
        SELECT account_id, keys, account_id IN (SELECT one.account_id {_HOOKED})
        FROM growth.accounts
        """,  # noqa: S608  # as above
    ),
    Filled(
        "events",
        "account_id id type at environment key_id bot_id data",
        """
        SELECT account_id,
            CASE WHEN big THEN :events + 5 * (of_account - 1) + which ELSE of_account END,
            ('{bot.online,bot.offline,position.opened,position.closed,key.changed}'::text[])
                [1 + (number / 100 + which) % 5],
            growth.ago((number - :begin)::double precision / (:end - :begin), 28),
            environment, key_id, bot_id, '{}'
        FROM growth.keys, generate_series(1, CASE WHEN big THEN 5 ELSE 1 END) AS which
        """,
    ),
    Filled(
        "releases",
        "account_id id bot_id key_id version suite address at",
        f"""
        SELECT one.account_id, growth.id('0e1', n), one.id, one.key_id, 1, 'mlkem768-x25519',
            '192.0.2.7', growth.ago(part, 60)
        {_each(0.4, "bots")}
        """,
    ),
    # One of seven is open.
    Filled(
        "positions",
        f"{_REPORT} symbol side quantity margin_mode entry_price opened_at created_at status"
        " closed_at close_reason",
        f"""
        SELECT {_REPORTED.format(kind="p")} 'COIN' || n % 100 || 'USDT', 'long', 0.5, 'cross',
            97012.5, growth.ago(part, 300), growth.ago(part, 300),
            CASE n % 7 WHEN 0 THEN 'open' ELSE 'closed' END,
            CASE n % 7 WHEN 0 THEN NULL ELSE growth.ago(part, 300) END,
            CASE n % 7 WHEN 0 THEN NULL ELSE 'reported' END
        {_each(0.4, "bots")}
        """,
    ),
    Filled(
        "trades",
        f"{_REPORT} closed_at symbol side quantity entry_price exit_price fees contract_size"
        " settle pnl opened_at",
        f"""
        SELECT {_REPORTED.format(kind="t")} growth.ago(part, 300), 'COIN' || n % 100 || 'USDT',
            'long', 1.5, 97012.5, 97100.25, 0.12, 1, 'USDT', 131.505, growth.ago(part, 300)
        {_each(0.4, "bots")}
        """,
    ),
    Filled(
        "funding",
        f"{_REPORT} at symbol amount settle",
        f"""
        SELECT {_REPORTED.format(kind="f")} growth.ago(part, 300), 'COIN' || n % 100 || 'USDT',
            -0.25, 'USDT'
        {_each(0.1, "bots")}
        """,
    ),
    Filled(
        "equity_snapshots",
        f"{_REPORT} at equity balance unrealised_pnl settle reset",
        f"""
        SELECT {_REPORTED.format(kind="e")} growth.ago(part, 300), 25000.5, 25000, 0.5, 'USDT',
            false
        {_each(0.3, "bots")}
        """,
    ),
    Filled(
        "signals",
        f"{_REPORT} at symbol name direction",
        f"""
        SELECT {_REPORTED.format(kind="s")} growth.ago(part, 300), 'COIN' || n % 100 || 'USDT',
            'breakout', 'long'
        {_each(0.2, "bots")}
        """,
    ),
    Filled(
        "bot_events",
        "account_id id bot_id key_id exchange environment contract_type kind level message at",
        f"""
        SELECT one.account_id, growth.id('0e4', n), one.id, one.key_id, one.exchange,
            one.environment, 'linear', ('{{offline,online,order_refused}}'::text[])[1 + n % 3],
            ('{{warning,info,error}}'::text[])[1 + n % 3], 'Something happened.',
            growth.ago(part, 300)
        {_each(0.3, "bots")}
        """,
    ),
    Filled(
        "trade_days",
        "account_id environment scope key_id bot_id symbol settle day trades wins losses pnl"
        " gross_profit gross_loss fees held first_opened first_at last_at high low drawdown",
        """
        SELECT account_id, environment, scope, key_id,
            CASE scope WHEN 7 THEN id ELSE '00000000-0000-0000-0000-000000000000' END,
            CASE scope WHEN 7 THEN 'COIN' || number % 100 || 'USDT' ELSE '' END, 'USDT',
            CAST(at AS date), 3, 2, 1, 12.5, 20, -7.5, 0.5, 3600, at, at, at, 12.5, 0, 0
        FROM (
            SELECT *, growth.ago((number - :begin)::double precision / (:end - :begin), 300) AS at
            FROM growth.bots
        ) AS one, unnest(ARRAY[1, 7]) AS scope
        """,
    ),
    # Days that have just changed wait, for an hour in which is measured.
    Filled(
        "stale_days",
        "account_id environment day id marked_at",
        f"""
        SELECT account_id, 'live', CAST(now() AS date), growth.id('0da', n),
            now() + interval '1 hour'
        {_owned(0.02)}
        """,
    ),
    Filled(
        "idempotency_records",
        "account_id idempotency_key request_hash claimed_until action status headers body"
        " created_at",
        f"""
        SELECT account_id, lpad(to_hex(n), 64, '0'), decode(repeat('c3', 32), 'hex'), now(),
            'key.add', 201, '{{}}', decode('7b7d', 'hex'), growth.ago(part, 0.8)
        {_owned(0.3)}
        """,
    ),
    Filled(
        "dashboard_sessions",
        "account_id id secret_hash proof created_at last_used_at expires_at address user_agent",
        f"""
        SELECT account_id, growth.id('05e', n), decode(repeat('c3', 32), 'hex'),
            decode(lpad(to_hex(n), 64, '0'), 'hex'), growth.ago(part, 0.4), now(),
            now() + interval '8 hours', '192.0.2.7', 'Mozilla/5.0'
        {_each(0.1, "accounts", one_of_ten=False)}
        """,
    ),
    # No event waits for any of them.
    Filled(
        "webhooks",
        "account_id id sealed_url types format sequence",
        f"""
        SELECT one.account_id, growth.id('03b', n), decode(repeat('e1', 60), 'hex'), '{{}}',
            'standard', one.keys
        {_HOOKED}
        """,
    ),
    # All have arrived. One of five is of the big account's own webhook, if it has one.
    Filled(
        "webhook_deliveries",
        "account_id id webhook_id event_number type status attempts last_attempt_at"
        " response_status duration_ms created_at finished_at",
        f"""
        SELECT one.account_id, growth.id('0de', 10 * n + which), growth.id('03b', n), which,
            'bot.online', 'delivered', 1, growth.ago(part, 2), 200, 30, growth.ago(part, 2),
            growth.ago(part, 2)
        {_each(0.02, "accounts", one_of_ten=False)}, generate_series(0, 9) AS which
        UNION ALL
        SELECT CAST(:big AS uuid), growth.id('0df', n), CAST(:webhook AS uuid),
            1000000000 + n, 'bot.online', 'delivered', 1, at, 200, 30, at, at
        FROM (
            SELECT n, growth.ago(part, 2) AS at {_each(0.05, "accounts", one_of_ten=False)}
        ) AS of_big
        WHERE CAST(:webhook AS uuid) IS NOT NULL
        """,  # noqa: S608  # as above
    ),
    Filled(
        "operations",
        "account_id id kind status environment done total scope receipt created_at started_at"
        " last_progress_at finished_at",
        f"""
        SELECT account_id, growth.id('00e', n), 'delete_data', 'succeeded', 'live', 10, 10,
            '{{"marks": []}}', '{{"deleted": {{"trades": 10}}}}', at, at, at, at
        FROM (SELECT *, growth.ago(part, 14) AS at {_owned(0.05)}) AS one
        """,  # noqa: S608  # as above
    ),
    # Of keys that were deleted with their data, long before the rows here.
    Filled(
        "deletion_marks",
        "account_id id environment key_id cutoff",
        f"""
        SELECT account_id, growth.id('0d3', n), 'live', growth.id('0dd', n),
            now() - interval '365 days'
        {_owned(0.02)}
        """,
    ),
    Filled(
        "purged_positions",
        "account_id bot_id digest purged_at",
        f"""
        SELECT one.account_id, one.id, decode(lpad(to_hex(n), 64, '0'), 'hex'), growth.ago(part, 1)
        {_each(0.1, "bots")}
        """,
    ),
    Filled(
        "freezes",
        "account_id id scope exchange key_id",
        """
        SELECT account_id, growth.id('0f2', :begin + place), 'exchange', 'okx', NULL
        FROM growth.accounts WHERE place % 20 = 0
        UNION ALL
        SELECT account_id, growth.id('0f3', number), 'key', NULL, key_id
        FROM growth.keys WHERE big AND number % 2000 = 0
        """,
    ),
)
"""In an order that foreign keys allow."""
