"""What the tests of faults and of failover share: a database with logins, a stream, patience."""

import asyncio
import threading
import time

import asyncpg
import httpx

from app.db.migrate import migrate
from tests.processes import debian
from tests.processes.debian import Debian15
from tests.processes.running import Service
from tests.processes.test_stream_across_processes import configs
from tests.processes.trading import Trader

OWNER = "botkeys_owner"
IMPATIENT: dict[str, object] = {
    "database_pool_timeout": 5,
    "database_statement_timeout": 5,
    # So long that only a notification can reach a stream in time.
    "stream_reread": 3600,
}
"""Settings of a service that must notice at once what its database does."""
SOON = 2.0
"""Seconds in which a service follows a new leader, once that leader answers anybody."""
CREATE_DATABASE = (
    f"CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{debian.PASSWORD}'",
    f"CREATE DATABASE botkeys OWNER {OWNER}",
)


def prepare(server: Debian15, roles: tuple[str, ...] = ()) -> str:
    """Create logins and a migrated database; return its name."""
    server.run(*CREATE_DATABASE)
    if roles:
        asyncio.run(migrate(server.url(OWNER, "botkeys")))
    for role in roles:
        server.run(
            f"CREATE ROLE test_{role} LOGIN PASSWORD '{debian.PASSWORD}' IN ROLE botkeys_{role}"
        )
    return "botkeys"


def stored(address: str, statement: str) -> set[str]:
    """Return the one column of a statement, as text."""

    async def fetched() -> set[str]:
        connection = await asyncpg.connect(address)
        try:
            return {str(value) for (value,) in await connection.fetch(statement)}
        finally:
            await connection.close()

    return asyncio.run(fetched())


def streaming(service: Service, trader: Trader) -> list[dict[str, object]]:
    """Follow a bot's stream in a thread, reconnecting; return what it received so far."""
    received: list[dict[str, object]] = []

    def follow() -> None:
        while service.process.poll() is None:
            try:
                with (
                    service.http(trader.token) as bot,
                    bot.stream("GET", "/v1/runtime/stream") as answer,
                ):
                    received.extend(configs(answer.iter_lines()))
            except (httpx.HTTPError, httpx.StreamError):
                time.sleep(0.1)

    threading.Thread(target=follow, daemon=True).start()
    return received


def same(client: httpx.Client) -> httpx.Client:
    """Return the client, where a function of clients is wanted."""
    return client
