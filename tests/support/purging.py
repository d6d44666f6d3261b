"""Rows of trading data inserted into the database, and what is left of them."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import text

from app.db.engine import Database
from app.domains.trading.kinds import KINDS

TABLES = tuple(kind.table.name for kind in KINDS)
_NAMES = "bot_id, id, key_id, exchange, environment, contract_type"
_ID = "'r' || n"
_NAMED = f":bot, {_ID}, :key, 'okx', :environment, 'linear'"
_AT = (
    "coalesce(:at, statement_timestamp())"
    " - (n - 1) * CAST(:step AS double precision) * interval '1 second'"
)
_FILL = {
    "trades": (
        f"{_NAMES}, symbol, side, quantity, entry_price, exit_price, fees, opened_at, closed_at",
        f"{_NAMED}, 'BTC-USDT-SWAP', 'long', 1, 2, 3, 0, {_AT}, {_AT}",
    ),
    "funding": (
        f"{_NAMES}, at, symbol, amount, settle",
        f"{_NAMED}, {_AT}, 'BTC-USDT-SWAP', -1, 'USDT'",
    ),
    "positions": (
        f"{_NAMES}, symbol, side, status, close_reason, quantity, closed_at, created_at",
        f"{_NAMED}, 'BTC-USDT-SWAP', 'long', 'closed', 'reported', 1, {_AT}, {_AT}",
    ),
    "equity_snapshots": (
        f"{_NAMES}, at, equity, settle, reset",
        f"{_NAMED}, {_AT}, 1, 'USDT', false",
    ),
    "signals": (
        f"{_NAMES}, at, symbol, name, direction",
        f"{_NAMED}, {_AT}, 'BTC-USDT-SWAP', 'cross', 'long'",
    ),
    "bot_events": (
        f"{_NAMES}, kind, level, message, at",
        f"{_NAMED.replace(_ID, 'gen_random_uuid()')}, 'note', 'info', 'Hello', {_AT}",
    ),
}


async def fill(
    database: Database,
    account_id: UUID,
    key_id: str,
    *,
    rows: int = 3,
    tables: tuple[str, ...] = TABLES,
    environment: str = "testnet",
    at: datetime | None = None,
    step: float = 1,
    bot_id: UUID | None = None,
) -> None:
    """Insert rows into each table, `step` seconds apart; the newest is of `at`, or of now."""
    values = {
        "account": account_id,
        "bot": bot_id or uuid4(),
        "key": UUID(key_id),
        "environment": environment,
        "at": at,
        "step": step,
        "rows": rows,
    }
    async with database.sessions.begin() as session:
        for table in tables:
            columns, row = _FILL[table]
            await session.execute(
                text(
                    f"INSERT INTO {table} (account_id, {columns})"  # noqa: S608  # constants only
                    f" SELECT :account, {row} FROM generate_series(1, :rows) AS n"
                ),
                values,
            )


async def left(database: Database, account_id: UUID) -> dict[str, int]:
    """Return how many rows of the account each table of trading data has."""
    async with database.sessions() as session:
        return {
            table: (
                await session.execute(
                    text(f"SELECT count(*) FROM {table} WHERE account_id = :account"),  # noqa: S608
                    {"account": account_id},
                )
            ).scalar_one()
            for table in TABLES
        }


def each(rows: int) -> dict[str, int]:
    return dict.fromkeys(TABLES, rows)
