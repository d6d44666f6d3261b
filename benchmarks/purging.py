"""Deleting a key with 1,000,000 trades, as a multiple of a plain DELETE of as many rows."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Database, open_database
from app.worker.purging import purge_deleted
from benchmarks.installation import Installation
from benchmarks.report import Row
from benchmarks.server import Server

BUDGET = 1.0
"""Of a million rows: what a deletion does besides takes as long as some ten thousand."""

ROWS = 1_000_000
_PATIENCE = 600.0
_ACCOUNT = "purged"
_PATH = "/v1/keys"

_FILL = text(
    """
    INSERT INTO trades (account_id, bot_id, id, key_id, exchange, environment, contract_type,
        symbol, side, quantity, entry_price, exit_price, fees, contract_size, settle, pnl,
        opened_at, closed_at)
    SELECT keys.account_id, keys.id, n::text, keys.id, keys.exchange, keys.environment,
        keys.contract_type, 'BTCUSDT', 'long', 1.5, 97012.5, 97100.25, 0.12, 1, 'USDT', 131.505,
        now() - n * interval '30 seconds', now() - n * interval '29 seconds'
    FROM keys, generate_series(1, :rows) AS n WHERE keys.id = :key
    """
)
_PLAIN = text(
    "DELETE FROM trades USING keys WHERE keys.id = :key"
    " AND trades.account_id = keys.account_id AND trades.key_id = keys.id"
)


def measure_purge(installation: Installation, rows: int = ROWS, rounds: int = 5) -> Row:
    """Measure from the call that deletes until the operation has finished, worker included.

    In each round both delete equally many rows of similar keys, alternately; the median of the
    rounds counts.
    """
    token = installation.token(_ACCOUNT)
    with installation.service() as service:
        took = [
            asyncio.run(_round(installation.database_url, service, token, number, rows))
            for number in range(rounds)
        ]
    return Row.of_rounds(
        f"delete a key with {rows:,} rows",
        [purge / plain for plain, purge in took],
        "of a plain DELETE",
        "at most",
        BUDGET if rows >= ROWS else None,
        {
            "plain DELETE": " ".join(f"{plain:.1f}" for plain, _ in took) + " s",
            "service and worker": " ".join(f"{purge:.1f}" for _, purge in took) + " s",
        },
    )


async def _round(
    url: str, service: Server, token: str, number: int, rows: int
) -> tuple[float, float]:
    """Return the seconds of the plain DELETE, and of the deletion of a key with its data."""
    plain, purged = (_add_key(service, token, 2 * number + half) for half in (1, 2))
    async with _connected(url, "botkeys_owner") as one, _connected(url, "botkeys_owner") as other:
        await asyncio.gather(
            one.execute(_FILL, {"rows": rows, "key": plain}),
            other.execute(_FILL, {"rows": rows, "key": purged}),
        )
        await one.execute(text("VACUUM ANALYZE trades"))
        async with _connected(url, "postgres") as superuser:
            # Or whichever of the two comes next writes these rows to the disk besides.
            await superuser.execute(text("CHECKPOINT"))
        by_hand = await _timed_delete(one, plain)
    worker = _open(url)
    try:
        began = time.perf_counter()
        operation = service.call("DELETE", f"{_PATH}/{purged}?associated_data=delete", token)
        await purge_deleted(worker.sessions)
        took = time.perf_counter() - began
    finally:
        await worker.close()
    ended = service.call("GET", f"/v1/operations/{operation['id']}", token)
    if ended["status"] != "succeeded" or ended["receipt"]["deleted"]["trades"] != rows:
        raise NotDeleted
    return by_hand, took


class NotDeleted(Exception):
    """The operation did not delete all rows, so its time is meaningless."""


@asynccontextmanager
async def _connected(url: str, user: str) -> AsyncIterator[AsyncConnection]:
    """Yield a connection of this user, on which each statement commits by itself."""
    database = _open(make_url(url).set(username=user).render_as_string(hide_password=False))
    try:
        async with database.engine.connect() as connection:
            yield await connection.execution_options(isolation_level="AUTOCOMMIT")
    finally:
        await database.close()


async def _timed_delete(connection: AsyncConnection, key: str) -> float:
    began = time.perf_counter()
    await connection.execute(_PLAIN, {"key": key})
    return time.perf_counter() - began


def _open(url: str) -> Database:
    return open_database(
        url, application_name="botkeys-bench", pool_size=2, statement_timeout=_PATIENCE
    )


def _add_key(service: Server, token: str, number: int) -> str:
    new: dict[str, Any] = {
        "label": f"Purged {number}",
        "exchange": "binance",
        "environment": "testnet",
        "contract_type": "linear",
        "api_key": f"{number:064}",
        "api_secret": f"secret{number:058}",
        "verify": False,
    }
    return str(service.call("POST", _PATH, token, new)["id"])
