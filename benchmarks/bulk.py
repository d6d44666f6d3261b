"""Fills a table at once: without its indexes and constraints, which are made again at the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

_SETTINGS = {
    "maintenance_work_mem": "256MB",
    "statement_timeout": "0",
    "synchronous_commit": "off",
    "work_mem": "64MB",
}
_CONSTRAINTS = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS away,
        format(
            'ALTER TABLE %s ADD CONSTRAINT %I %s',
            conrelid::regclass, conname, pg_get_constraintdef(oid)
        ) AS again
    FROM pg_constraint WHERE conrelid = $1::regclass AND contype IN ('p', 'u', 'f')
"""
_INDEXES = """
    SELECT format('DROP INDEX %s', indexrelid::regclass) AS away,
        pg_get_indexdef(indexrelid) AS again
    FROM pg_index
    WHERE indrelid = $1::regclass
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


@asynccontextmanager
async def filling(url: str, table: str) -> AsyncIterator[Any]:
    """Yield a connection of the table's owner over which to fill it; nobody else may use it.

    Afterwards it is as after a vacuum: rows are frozen, and statistics known.
    """
    connection = await asyncpg.connect(url, server_settings=_SETTINGS)
    try:
        kept = [*await connection.fetch(_INDEXES, table)]
        kept += await connection.fetch(_CONSTRAINTS, table)
        for one in kept:
            await connection.execute(one["away"])
        yield connection
        for one in kept:
            await connection.execute(one["again"])
        await connection.execute(f"VACUUM (FREEZE, ANALYZE) {table}")
    finally:
        await connection.close()
