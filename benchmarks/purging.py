"""Deleting a key with 1,000,000 trades, as a multiple of a plain DELETE of the same rows.

Each has a copy of one database with the rows, whose files are alike to the byte, and begins after a
checkpoint. No autovacuum looks at the table meanwhile, which would work for one of the two. Service
and worker have deleted a small key before, so their statements are prepared, as in production.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg

from app.db.engine import Database, open_database
from app.worker.purging import DEFAULT_LIMITS, purge_deleted
from benchmarks.bulk import filling
from benchmarks.cpu import cpu_seconds_of_server
from benchmarks.installation import Installation
from benchmarks.report import Row
from benchmarks.rounds import Effort

BUDGET = 1.0
"""Of a million rows: what a deletion does besides takes as long as some ten thousand."""

ROWS = 1_000_000
_FEW = 100
_PATIENCE = 600.0
_CONNECTIONS = DEFAULT_LIMITS.at_once
_ACCOUNT = "purged"
_PATH = "/v1/keys"
_FILLED, _COPY = "filled", "filled_copy"
_FULL = Effort(rounds=5, most_rounds=7)

_FILL = """
    INSERT INTO trades (account_id, bot_id, id, key_id, exchange, environment, contract_type,
        symbol, side, quantity, entry_price, exit_price, fees, contract_size, settle, pnl,
        opened_at, closed_at)
    SELECT keys.account_id, keys.id, n::text, keys.id, keys.exchange, keys.environment,
        keys.contract_type, 'BTCUSDT', 'long', 1.5, 97012.5, 97100.25, 0.12, 1, 'USDT', 131.505,
        now() - n * interval '30 seconds', now() - n * interval '29 seconds'
    FROM keys, generate_series(1, $2::bigint) AS n WHERE keys.id = $1
"""
_PLAIN = """
    DELETE FROM trades USING keys WHERE keys.id = $1
        AND trades.account_id = keys.account_id AND trades.key_id = keys.id
"""
_UNDISTURBED = "ALTER TABLE trades SET (autovacuum_enabled = false)"


class NotDeleted(Exception):
    """Not all rows were deleted, so the time is meaningless."""


@dataclass(frozen=True, slots=True)
class _Took:
    """Seconds by the clock, and of CPU time in PostgreSQL, the service and the worker."""

    clock: float
    cpu: float


@dataclass(frozen=True, slots=True)
class _Scene:
    """An installation whose database has the key with its rows, and a small one."""

    installation: Installation
    small: UUID
    key: UUID
    rows: int

    def by_hand(self) -> _Took:
        """Delete the rows of a copy in one statement."""
        with self.installation.copied(_COPY, _FILLED) as copy:
            return asyncio.run(self._plainly(copy))

    async def _plainly(self, copy: Installation) -> _Took:
        connection = await asyncpg.connect(copy.url("botkeys_owner"), command_timeout=_PATIENCE)
        try:
            await connection.fetchval("SELECT count(*) FROM keys")
            await _checkpoint(copy)
            measured = self._begin()
            status = await connection.execute(_PLAIN, self.key)
            took = measured()
        finally:
            await connection.close()
        if status != f"DELETE {self.rows}":
            raise NotDeleted
        return took

    def by_service(self) -> _Took:
        """Delete the key of a copy with its data: the call, and a worker until it has finished."""
        with self.installation.copied(_COPY, _FILLED) as copy, copy.service() as service:
            token = copy.token(_ACCOUNT)
            with closing(asyncio.Runner()) as runner:
                worker = runner.run(_worker(copy))

                def delete(key: UUID) -> Any:
                    path = f"{_PATH}/{key}?associated_data=delete"
                    operation = service.call("DELETE", path, token)
                    runner.run(purge_deleted(worker.sessions))
                    return operation

                delete(self.small)
                asyncio.run(_checkpoint(copy))
                measured = self._begin(service.cpu_seconds)
                operation = delete(self.key)
                took = measured()
                runner.run(worker.close())
            ended = service.call("GET", f"/v1/operations/{operation['id']}", token)
        if ended["status"] != "succeeded" or ended["receipt"]["deleted"]["trades"] != self.rows:
            raise NotDeleted
        return took

    def _begin(self, of_service: Callable[[], dict[int, float]] = dict) -> Callable[[], _Took]:
        """Start the clock; return what stops it."""

        def cpu() -> float:
            of_postgres = cpu_seconds_of_server(self.installation.postgres_pid)
            return of_postgres + sum(of_service().values()) + time.process_time()

        began, spent = time.perf_counter(), cpu()
        return lambda: _Took(time.perf_counter() - began, cpu() - spent)


def measure_purge(installation: Installation, rows: int = ROWS, effort: Effort = _FULL) -> Row:
    """Measure from the call that deletes until the operation has finished, worker included.

    Each of the two begins every second round; the median of the rounds counts.
    """
    budget = BUDGET if rows >= ROWS else None
    began = time.perf_counter()
    with installation.copied(_FILLED) as filled:
        scene = _Scene(installation, _fill(filled, 1, _FEW), _fill(filled, 2, rows), rows)
        prepared = time.perf_counter() - began
        pairs: list[tuple[_Took, _Took]] = []
        ratios: list[float] = []
        while not effort.suffices(ratios, "at most", budget):
            if len(pairs) % 2:
                purged = scene.by_service()
                plain = scene.by_hand()
            else:
                plain = scene.by_hand()
                purged = scene.by_service()
            pairs.append((purged, plain))
            ratios.append(purged.clock / plain.clock)
    return Row.of_rounds(
        f"delete a key with {rows:,} rows",
        ratios,
        "of a plain DELETE",
        "at most",
        budget,
        {
            "plain DELETE": " ".join(f"{plain.clock:.1f}" for _, plain in pairs) + " s",
            "service and worker": " ".join(f"{purged.clock:.1f}" for purged, _ in pairs) + " s",
            "by CPU time": f"{median(purged.cpu / plain.cpu for purged, plain in pairs):.2f}",
            "preparing": f"{prepared:.0f} s",
        },
    )


def _fill(filled: Installation, number: int, rows: int) -> UUID:
    """Create a key through the service, and its trades by SQL."""
    new: dict[str, Any] = {
        "label": f"Purged {number}",
        "exchange": "binance",
        "environment": "testnet",
        "contract_type": "linear",
        "api_key": f"{number:064}",
        "api_secret": f"secret{number:058}",
        "verify": False,
    }
    with filled.service() as service:
        key = UUID(service.call("POST", _PATH, filled.token(_ACCOUNT), new)["id"])
    asyncio.run(_fill_trades(filled, key, rows))
    return key


async def _fill_trades(filled: Installation, key: UUID, rows: int) -> None:
    async with filling(filled.url("botkeys_owner"), "trades") as connection:
        await connection.execute(_UNDISTURBED)
        await connection.execute(_FILL, key, rows)


async def _checkpoint(copy: Installation) -> None:
    """Write what is dirty, or whichever comes next writes it to the disk besides."""
    superuser = await asyncpg.connect(copy.url("postgres"))
    try:
        await superuser.execute("CHECKPOINT")
    finally:
        await superuser.close()


async def _worker(copy: Installation) -> Database:
    """Return a worker's database, with connections open already, as a worker's are by its tasks."""
    database = open_database(
        copy.database_url,
        application_name="botkeys-bench",
        pool_size=_CONNECTIONS,
        statement_timeout=_PATIENCE,
    )
    async with AsyncExitStack() as held:
        for _ in range(_CONNECTIONS):
            await held.enter_async_context(database.engine.connect())
    return database
