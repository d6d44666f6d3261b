"""Databases for tests: real PostgreSQL, migrated by the real migrations, used with real rights."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker

from app.db.driver import Rows, Statement, sender
from app.db.embedded import EmbeddedPostgres
from app.db.engine import Database, open_database
from app.db.migrate import migrate
from app.db.transactions import SessionTransaction

TEMPLATE = "botkeys_template"
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "256MB",
}
PATIENT: dict[str, Any] = {"pool_timeout": 60.0, "statement_timeout": 60.0}
"""Seconds. No test should see an outage because the machine is busy."""
SERVICE_ROLES = ("botkeys_api", "botkeys_runtime", "botkeys_worker")


@dataclass(frozen=True, slots=True)
class Server:
    """`superuser` is the address of a database where databases and roles can be made.

    `service` is the login that the service uses in tests: it owns nothing, so that a missing GRANT
    shows. It is a superuser's where another server is named by BOTKEYS_TEST_DATABASE_URL.
    """

    superuser: str
    service: str

    def url(self, database: str, *, superuser: bool = False) -> str:
        base = make_url(self.superuser if superuser else self.service)
        return base.set(database=database).render_as_string(hide_password=False)


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """An embedded server that forgets its data, or the server that is named by the environment."""
    other = os.environ.get("BOTKEYS_TEST_DATABASE_URL")
    if other is not None:
        yield Server(other, other)
        return
    with EmbeddedPostgres(folder / "postgres", settings=FAST) as postgres:
        yield Server(postgres.url("postgres", "postgres"), postgres.url("botkeys_service"))


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


async def make_template(server: Server) -> None:
    """The database that all others are copies of."""
    await execute(
        server.superuser,
        f"DROP DATABASE IF EXISTS {TEMPLATE}",
        f"CREATE DATABASE {TEMPLATE}",
    )
    await migrate(server.url(TEMPLATE, superuser=True))
    if server.service != server.superuser:
        await execute(server.superuser, f"GRANT {', '.join(SERVICE_ROLES)} TO botkeys_service")


@asynccontextmanager
async def database_copy(server: Server) -> AsyncIterator[str]:
    """The name of a fresh copy of the template, for tests with several connections."""
    name = f"test_{uuid4().hex}"
    await execute(server.superuser, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    try:
        yield name
    finally:
        await execute(server.superuser, f"DROP DATABASE {name} WITH (FORCE)")


class OneConnectionReader:
    """Reads over the connection of the test, so that it sees what was not committed."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        over = await sender(self._connection)
        return await over.fetch(statement.text, *statement.arguments(parameters))


@asynccontextmanager
async def rolled_back(database: Database) -> AsyncIterator[Database]:
    """The same database over one connection, whose changes vanish at the end.

    Commits and rollbacks of the service end savepoints only.
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
            yield Database(
                database.engine,
                sessions,
                sessions,
                OneConnectionReader(connection),
                lambda: SessionTransaction(sessions()),
            )
        finally:
            await transaction.rollback()
