"""Databases of a Citus cluster for tests.

To make one takes seconds, and Citus copies none: so each is emptied after a test and used again.
"""

from dataclasses import dataclass, field
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url

from app.db.migrate import migrate

_INSTALLED = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"
_NODES = "SELECT nodename, nodeport FROM pg_dist_node WHERE isactive ORDER BY groupid"

_TABLES = """
    SELECT string_agg(quote_ident(relname), ', ') FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND oid IN (SELECT logicalrelid FROM pg_dist_partition)"""

_SCHEMA = """
    SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
        SELECT concat_ws(' ', c.oid, c.relname, c.relacl, a.attname, a.atttypid, a.attnotnull,
            a.attacl) AS line
        FROM pg_class AS c LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace IN ('public'::regnamespace, 'audit_months'::regnamespace)
        UNION ALL
        SELECT concat_ws(' ', oid, proname, proacl, prosrc) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
        UNION ALL
        SELECT concat_ws(' ', oid, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL
        SELECT concat_ws(' ', conrelid, conname, convalidated) FROM pg_constraint
        UNION ALL
        SELECT concat_ws(' ', setdatabase, setrole, setconfig) FROM pg_db_role_setting
        UNION ALL
        SELECT version_num FROM alembic_version
    ) AS lines"""
"""What a test may have changed besides rows."""

_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'"""


@dataclass(slots=True)
class Distributed:
    """The cluster to which the database at `url`, a superuser's address, belongs."""

    url: str
    nodes: list[tuple[str, int]]
    """The hosts and ports, the coordinator's first."""
    _schemas: dict[str, str | None] = field(default_factory=dict)
    """What the schema of each of our databases was when it was made."""
    _free: list[str] = field(default_factory=list)

    async def borrow(self) -> str:
        """Return the name of an empty database, migrated and distributed."""
        return self._free.pop() if self._free else await self._make()

    async def give_back(self, name: str) -> None:
        """Empty the database for the next test; discard it if its schema was changed."""
        connection = await asyncpg.connect(self._at(0, name))
        try:
            await connection.execute(_OTHERS)
            unchanged = await _schema_of(connection) == self._schemas[name]
            if unchanged:
                tables = await connection.fetchval(_TABLES)
                await connection.execute("SET citus.multi_shard_modify_mode = 'sequential'")
                await connection.execute(f"TRUNCATE {tables}")
        finally:
            await connection.close()
        if unchanged:
            self._free.append(name)
        else:
            await self._drop(name)

    async def close(self) -> None:
        for name in list(self._schemas):
            await self._drop(name)

    async def _make(self) -> str:
        name = f"test_{uuid4().hex}"
        for number in range(len(self.nodes)):
            empty = f"CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C.UTF-8'"
            await self._execute(number, "postgres", empty)
            await self._execute(number, name, "CREATE EXTENSION citus")
        (host, port), *workers = self.nodes
        await self._execute(
            0,
            name,
            f"SELECT citus_set_coordinator_host('{host}', {port})",
            *(f"SELECT citus_add_node('{each}', {at})" for each, at in workers),
        )
        await migrate(self._at(0, name), distribute=True)
        connection = await asyncpg.connect(self._at(0, name))
        self._schemas[name] = await _schema_of(connection)
        await connection.close()
        return name

    async def _drop(self, name: str) -> None:
        del self._schemas[name]
        for number in range(len(self.nodes)):
            await self._execute(number, "postgres", f"DROP DATABASE {name} WITH (FORCE)")

    def _at(self, number: int, database: str) -> str:
        host, port = self.nodes[number]
        base = make_url(self.url).set(host=host, port=port, database=database)
        return base.render_as_string(hide_password=False)

    async def _execute(self, number: int, database: str, *statements: str) -> None:
        connection = await asyncpg.connect(self._at(number, database))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


async def _schema_of(connection: asyncpg.Connection) -> str | None:
    """Return what stands for the schema; nothing if a test has removed a part that is read."""
    try:
        found: str = await connection.fetchval(_SCHEMA)
    except asyncpg.UndefinedTableError:
        return None
    return found


async def distributed(url: str) -> Distributed | None:
    """Return the cluster of which this is a database; `None` if it is an ordinary one."""
    connection = await asyncpg.connect(url)
    try:
        if not await connection.fetchval(_INSTALLED):
            return None
        nodes = [(row["nodename"], row["nodeport"]) for row in await connection.fetch(_NODES)]
        return Distributed(url, nodes)
    finally:
        await connection.close()
