"""A freshly fetched catalogue with 5,000 instruments."""

from sqlalchemy import text

from app.db.engine import open_database

INSTRUMENTS = 5_000


async def fill(database_url: str) -> None:
    """Fill Bybit's live linear catalogue; every tenth instrument has a name with BTC."""
    database = open_database(database_url, application_name="botkeys-bench", pool_size=1)
    try:
        async with database.engine.begin() as connection:
            await connection.execute(text(_CATALOGUE))
            await connection.execute(text(_LISTED), {"instruments": INSTRUMENTS})
            await connection.execute(text(_PRICES))
    finally:
        await database.close()


_CATALOGUE = """
INSERT INTO catalogues (exchange, environment, region, contract_type,
                        instruments_fetched_at, prices_fetched_at, attempted_at)
VALUES ('bybit', 'live', '', 'linear', now(), now(), now())
ON CONFLICT (exchange, environment, region, contract_type)
DO UPDATE SET prices_fetched_at = excluded.prices_fetched_at,
    attempted_at = excluded.attempted_at, failure = NULL
"""

_LISTED = """
INSERT INTO instruments (exchange, environment, region, contract_type, symbol, base, quote, settle,
                         contract_size, tick_size, lot_size, min_quantity, max_leverage,
                         margin_modes, listed, search_text)
SELECT 'bybit', 'live', '', 'linear', base || 'USDT', base, 'USDT', 'USDT', 1, 0.1, 0.001, 0.001,
       100, '{cross,isolated}', true, lower(base || 'USDT ' || base || ' USDT')
FROM (SELECT CASE WHEN n % 10 = 0 THEN 'BTC' ELSE 'COIN' END || lpad(n::text, 4, '0') AS base
      FROM generate_series(1, CAST(:instruments AS integer)) AS n) AS names
ON CONFLICT DO NOTHING
"""

_PRICES = """
INSERT INTO instrument_prices (exchange, environment, region, contract_type, symbol,
                               price, volume_24h)
SELECT exchange, environment, region, contract_type, symbol, 97012.5, 1840223114.2
FROM instruments WHERE exchange = 'bybit' AND environment = 'live' AND contract_type = 'linear'
ON CONFLICT DO NOTHING
"""
