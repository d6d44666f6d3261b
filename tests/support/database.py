"""Databases for tests: real PostgreSQL, real migrations, real privileges."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import URL, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker

from app.db.driver import Rows, Statement, sender
from app.db.embedded import EmbeddedPostgres
from app.db.engine import Database, open_database
from app.db.migrate import migrate
from app.db.outcome import Outcomes
from app.db.transactions import SessionTransaction
from tests.support.distributed import Distributed, distributed

OTHER_SERVER = os.environ.get("BOTKEYS_TEST_DATABASE_URL")
"""The address of the server that tests use instead of one of their own."""

TEMPLATE = "botkeys_template"
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "256MB",
}
PATIENT: dict[str, Any] = {"pool_timeout": 60.0, "statement_timeout": 60.0}
"""Timeouts in seconds: no test may fail because the machine is busy."""
WITH_TRIGGERS = "SET citus.enable_unsafe_triggers = on"
"""Lets distributed tables have triggers that the session creates; it means nothing elsewhere."""

SET_ON_NODES = text("SET LOCAL citus.propagate_set_commands = 'local'")
"""Lets further SET LOCAL of a transaction be valid on every node of Citus."""

HIDE_SHARDS = text("SET LOCAL citus.override_table_visibility = on")
"""Leaves the tables in which Citus keeps those of ours out of the catalog, for a transaction."""

SERVICE_ROLES = (
    "botkeys_api",
    "botkeys_runtime",
    "botkeys_catalogue",
    "botkeys_purge",
    "botkeys_webhooks",
)


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL server. `superuser` is the address of a database that may create others and
    roles.

    `service` is the login that the service uses in tests: it owns nothing, so that a missing GRANT
    shows.
    """

    superuser: str
    service: str
    cluster: Distributed | None = None
    """The Citus cluster of a server named by BOTKEYS_TEST_DATABASE_URL, if it is one's coordinator.
    """

    def url(self, database: str, *, superuser: bool = False) -> str:
        base = make_url(self.superuser if superuser else self.service)
        return base.set(database=database).render_as_string(hide_password=False)


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Yield an embedded server without durability, or the server named by the environment."""
    if OTHER_SERVER is not None:
        cluster = asyncio.run(distributed(OTHER_SERVER))
        service = make_url(OTHER_SERVER).set(username=f"service_{uuid4().hex}")
        asyncio.run(execute(OTHER_SERVER, _new_login(service)))
        yield Server(OTHER_SERVER, service.render_as_string(hide_password=False), cluster)
        if cluster is not None:
            asyncio.run(cluster.close())
        asyncio.run(execute(OTHER_SERVER, f"DROP ROLE {service.username}"))
        return
    with EmbeddedPostgres(folder / "postgres", settings=FAST) as postgres:
        yield Server(postgres.url("postgres", "postgres"), postgres.url("botkeys_service"))


def _new_login(login: URL) -> str:
    """Return what creates the login, with the password that its address has from another's."""
    password = "" if login.password is None else str(login.password).replace("'", "''")
    return f"CREATE ROLE {login.username} LOGIN PASSWORD '{password}'"


async def execute(url: str, *statements: str) -> None:
    """Run statements one by one outside any transaction."""
    database = open_database(url, application_name="botkeys-tests", pool_size=None)
    try:
        async with database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await database.close()


async def make_template(server: Server) -> str:
    """Create the database that all others are copies of; return its name.

    Citus makes no copies: there it is the first database that tests use again and again.
    """
    template = TEMPLATE
    if server.cluster is not None:
        async with database_copy(server) as template:
            pass
    else:
        await execute(
            server.superuser,
            f"DROP DATABASE IF EXISTS {TEMPLATE}",
            f"CREATE DATABASE {TEMPLATE}",
        )
        await migrate(server.url(TEMPLATE, superuser=True))
    login = make_url(server.service).username
    await execute(server.superuser, f"GRANT {', '.join(SERVICE_ROLES)} TO {login}")
    return template


@asynccontextmanager
async def database_copy(server: Server) -> AsyncIterator[str]:
    """Yield the name of a fresh copy of the template, for tests with several connections."""
    if server.cluster is not None:
        name = await server.cluster.borrow()
        try:
            yield name
        finally:
            await server.cluster.give_back(name)
        return
    name = f"test_{uuid4().hex}"
    await execute(server.superuser, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    try:
        yield name
    finally:
        await execute(server.superuser, f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def undistributed_copy(server: Server) -> AsyncIterator[str]:
    """Yield the name of a fresh database all of whose rows lie on one server, also in a cluster."""
    if server.cluster is None:
        async with database_copy(server) as name:
            yield name
        return
    async with empty_database(server) as name:
        await migrate(server.url(name, superuser=True))
        yield name


@asynccontextmanager
async def empty_database(server: Server) -> AsyncIterator[str]:
    """Yield the name of a database without migrations, and without extensions."""
    name = f"test_{uuid4().hex}"
    await execute(server.superuser, f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        yield name
    finally:
        await execute(server.superuser, f"DROP DATABASE {name} WITH (FORCE)")


class OneConnectionReader:
    """Reads over the test's own connection, so that it sees uncommitted rows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        over = await sender(self._connection)
        return await over.fetch(statement.text, *statement.arguments(parameters))

    async def fetch_many(self, statement: Statement, many: Sequence[dict[str, Any]]) -> Rows:
        return [row for parameters in many for row in await self.fetch(statement, **parameters)]


@asynccontextmanager
async def rolled_back(database: Database) -> AsyncIterator[Database]:
    """Yield the same database over one connection, whose changes are rolled back at the end.

    Commits and rollbacks of the service only end savepoints.
    """
    async with database.engine.connect() as connection:
        transaction = await connection.begin()
        sessions = async_sessionmaker[AsyncSession](
            connection,
            expire_on_commit=False,
            autoflush=False,
            join_transaction_mode="create_savepoint",
        )
        try:
            executor = OneConnectionReader(connection)
            yield Database(
                database.engine,
                sessions,
                sessions,
                executor,
                lambda: SessionTransaction(sessions()),
                Outcomes(executor),
            )
        finally:
            await transaction.rollback()
