"""Fills a database: keys by COPY, and from them the other tables, over two connections.

At size, indexes are taken away meanwhile and made again, but for those that foreign keys need.
Foreign keys stay and are not looked at: the rows keep them by how they are made, which PostgreSQL
checks at small sizes. Nothing else may use the database.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

import asyncpg

from app.domains.audit.entry import seal
from benchmarks.growth.rows import COLUMNS, Stage
from benchmarks.growth.tables import FILLED, MAC, PREPARED, SCHEMA

CONNECTIONS = 2
AT_SIZE = 5_000
"""From so many keys on, indexes are made again instead of kept up."""

_LINES_AT_ONCE = 4_000
_OURS = """
    SELECT c.oid FROM pg_class AS c WHERE c.relname = ANY ($1)
        AND c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT i.inhrelid FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent
    WHERE c.relname = ANY ($1) AND c.relnamespace = 'public'::regnamespace AND c.relkind = 'p'
"""
_CONSTRAINTS = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS away,
        format(
            'ALTER TABLE %s ADD CONSTRAINT %I %s',
            conrelid::regclass, conname, pg_get_constraintdef(oid)
        ) AS again,
        conrelid::regclass::text AS place
    FROM pg_constraint
"""
_KEYS = f"""
    {_CONSTRAINTS} AS one
    WHERE contype IN ('p', 'u') AND conrelid IN ({_OURS})
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conindid = one.conindid)
"""  # text of our own
_INDEXES = f"""
    SELECT format('DROP INDEX %s', indexrelid::regclass) AS away,
        replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') AS again,
        indrelid::regclass::text AS place
    FROM pg_index
    WHERE indrelid IN ({_OURS})
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
        AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = indexrelid)
"""  # noqa: S608  # text of our own
_SETTINGS = {
    "synchronous_commit": "on",  # VACUUM counts no row as seen by all that may still be lost
    "maintenance_work_mem": "256MB",
    "max_parallel_maintenance_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "work_mem": "256MB",
}
_BY_CONSTRUCTION = {"session_replication_role": "replica"}
"""Lets foreign keys rest, in a connection of its own."""

_HEADS = """
    SELECT coalesce((SELECT sequence FROM audit_heads WHERE account_id = $1), 0) AS audit,
        coalesce((SELECT sequence FROM event_heads WHERE account_id = $1), 0) AS events
"""


async def grow(
    url: str, big: UUID, begin: int, end: int, *, webhook: UUID | None, audit_key: bytes
) -> None:
    """Add the keys from one number to another, and all that comes with them.

    The big account exists, with an audit log that has begun; `webhook` is one of its webhooks.
    `url` is that of a login which may alter the tables and set `session_replication_role`. The key
    seals the end of the big account's log, so that the service goes on with it.
    """
    stage = Stage(begin, end, big)
    connection = await _connect(url)
    try:
        heads = await connection.fetchrow(_HEADS, big)
        statements = {
            one.table: _insert(one.table, one.columns, one.select, stage, webhook, heads)
            for one in FILLED
        }
        await connection.execute(SCHEMA)
        await _copy_keys(connection, stage)
        if end - begin < AT_SIZE:
            await connection.execute(PREPARED)
            for statement in statements.values():
                await connection.execute(statement)
        else:
            await _in_bulk(connection, url, statements)
        await _move_heads(connection, big, audit_key)
        await connection.execute("DROP SCHEMA growth CASCADE")
        # With no transaction left for which a row may be too new to count as seen by all.
        await _all(url, [[f"VACUUM (ANALYZE) {table}"] for table in statements])
    finally:
        await connection.close()


async def _connect(url: str, settings: Mapping[str, str] = _SETTINGS) -> Any:
    return await asyncpg.connect(
        url.replace("+asyncpg", ""), server_settings=dict(settings), command_timeout=600
    )


async def _copy_keys(connection: Any, stage: Stage) -> None:
    lines = stage.lines()

    async def chunks() -> AsyncIterator[bytes]:
        while chunk := "".join(islice(lines, _LINES_AT_ONCE)):
            yield chunk.encode()

    await connection.copy_to_table("keys", schema_name="growth", source=chunks(), columns=COLUMNS)


def _insert(
    table: str, columns: str, select: str, stage: Stage, webhook: UUID | None, heads: Any
) -> str:
    values = {
        "begin": stage.begin,
        "end": stage.end,
        "big": f"'{stage.big}'",
        "webhook": "NULL" if webhook is None else f"'{webhook}'",
        "audit": heads["audit"],
        "events": heads["events"],
    }
    for name, value in values.items():
        select = select.replace(f":{name} ", f"{value} ").replace(f":{name})", f"{value})")
    return f"INSERT INTO {table} ({', '.join(columns.split())}) {select}"  # as above


async def _move_heads(connection: Any, big: UUID, audit_key: bytes) -> None:
    """Let the heads of the big account name its newest entries."""
    newest = await connection.fetchval(
        "SELECT max(sequence) FROM audit_events WHERE account_id = $1", big
    )
    await connection.execute(
        "UPDATE audit_heads SET mac = $2, seal = $3, sequence = $4, sealed_sequence = $4"
        " WHERE account_id = $1",
        big,
        MAC,
        seal(audit_key, big, newest, MAC),
        newest,
    )
    await connection.execute(
        "INSERT INTO event_heads (account_id, sequence)"
        " SELECT $1, max(id) FROM events WHERE account_id = $1"
        " ON CONFLICT (account_id) DO UPDATE SET sequence = excluded.sequence",
        big,
    )
    await connection.execute(
        "UPDATE webhooks SET sequence = event_heads.sequence FROM event_heads"
        " WHERE webhooks.account_id = $1 AND event_heads.account_id = $1",
        big,
    )


async def _in_bulk(connection: Any, url: str, statements: dict[str, str]) -> None:
    """Fill each table without its indexes, then make these, and go on with the next.

    Those with the most indexes come first, so that both connections end about together.
    """
    keys, indexes = [await connection.fetch(query, list(statements)) for query in (_KEYS, _INDEXES)]
    made: dict[str, list[str]] = {}
    for one in (*keys, *indexes):
        await connection.execute(one["away"])
        made.setdefault(one["place"], []).append(one["again"])
    early: list[list[str]] = []
    later: list[list[str]] = []
    for table, statement in sorted(
        statements.items(), key=lambda one: len(made.get(one[0], ())), reverse=True
    ):
        of_keys = not any(source in statement for source in ("growth.bots", "growth.accounts"))
        (early if of_keys else later).append([statement, *made.pop(table, ())])
    await _all(url, [[PREPARED], *early])
    await _all(url, [*later, *made.values()])


async def _all(url: str, groups: Iterable[Sequence[str]]) -> None:
    """Run groups of statements over some connections, each group over one."""
    waiting = iter(groups)

    async def some() -> None:
        connection = await _connect(url, {**_SETTINGS, **_BY_CONSTRUCTION})
        try:
            for group in waiting:
                for statement in group:
                    await connection.execute(statement)
        finally:
            await connection.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(some())
