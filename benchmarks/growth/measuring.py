"""What a call costs the database: the buffers of our tables that it touched, and the rows and
entries of indexes that it read.

They are PostgreSQL's own counters of each table and its indexes, read before and after. So they
hold for whatever a call sends, the statements within functions included, and do not depend on what
else the machine does. Nothing else may use the database meanwhile.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from app.db.engine import Database

_COUNTED = text(
    """
    SELECT coalesce(parent.relname, io.relname) AS name,
        sum(
            coalesce(heap_blks_hit, 0) + coalesce(heap_blks_read, 0)
            + coalesce(idx_blks_hit, 0) + coalesce(idx_blks_read, 0)
            + coalesce(toast_blks_hit, 0) + coalesce(toast_blks_read, 0)
            + coalesce(tidx_blks_hit, 0) + coalesce(tidx_blks_read, 0)
        )::bigint AS buffers,
        sum(seq_tup_read + coalesce(entries, 0))::bigint AS rows
    FROM pg_statio_user_tables AS io
    JOIN pg_stat_user_tables AS used USING (relid)
    LEFT JOIN (
        SELECT relid, sum(idx_tup_read) AS entries FROM pg_stat_user_indexes GROUP BY relid
    ) AS indexes USING (relid)
    LEFT JOIN pg_inherits ON inhrelid = relid
    LEFT JOIN pg_class AS parent ON parent.oid = inhparent
    GROUP BY 1
    """
)
_FLUSH = text("SELECT pg_stat_force_next_flush()")


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `run` may be repeated; what it returns does not count."""

    name: str
    run: Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call touched, in all and by table, and the seconds that it took."""

    buffers: int
    rows: int
    seconds: float
    of_tables: dict[str, int]


class Meter:
    """Measures calls that use a database's pool; `counters` may read the statistics.

    Both have so many `connections`.
    """

    def __init__(self, counters: Database, used: Database, connections: int) -> None:
        self._counters = counters
        self._used = used
        self._connections = connections

    async def cost(self, call: Callable[[], Awaitable[Any]]) -> Cost:
        await self._flush()
        before = await self._read()
        began = time.perf_counter()
        await call()
        seconds = time.perf_counter() - began
        await self._flush()
        after = await self._read()
        buffers: Counter[str] = Counter()
        rows = 0
        for name, (touched, read) in after.items():
            was_touched, was_read = before.get(name, (0, 0))
            buffers[name] = touched - was_touched
            rows += read - was_read
        found = {name: count for name, count in buffers.most_common() if count}
        return Cost(sum(found.values()), rows, seconds, found)

    async def _read(self) -> dict[str, tuple[int, int]]:
        async with self._counters.sessions() as session:
            found = await session.execute(_COUNTED)
            return {row.name: (row.buffers, row.rows) for row in found}

    async def _flush(self) -> None:
        """Have each connection of the pools tell what it has counted."""
        async with AsyncExitStack() as stack:
            for database in self._connections * (self._used, self._counters):
                opened = await stack.enter_async_context(database.engine.connect())
                await opened.execute(_FLUSH)
                await opened.rollback()


async def lowest(meter: Meter, call: Callable[[], Awaitable[Any]], times: int) -> Cost:
    """Return the lowest cost of a repeatable call, after one that warms the caches."""
    await call()
    costs = [await meter.cost(call) for _ in range(times)]
    return min(costs, key=lambda cost: (cost.buffers, cost.seconds))
