"""What the tests of faults and of failover share: a database with logins, a stream, patience."""

import asyncio
import threading
import time

import asyncpg
import httpx

from app.db.migrate import migrate
from tests.processes import debian
from tests.processes.debian import Debian15
from tests.processes.running import PATIENCE, Running
from tests.processes.test_stream_across_processes import configs
from tests.processes.trading import Trader
from tests.support.logins import documented_logins

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


CREATE_LOGINS = tuple(
    f"CREATE ROLE test_{login} LOGIN PASSWORD '{debian.PASSWORD}' IN ROLE {', '.join(roles)}"
    for login, roles in documented_logins().items()
)
"""Statements that create production's logins in a migrated database, as `login_of` names them."""


def login_of(role: str) -> str:
    """Return the login of a role of the service, or of the server."""
    return f"test_{role}" if role in documented_logins() else role


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


def streaming(server: Running, address: str, trader: Trader) -> list[dict[str, object]]:
    """Follow a bot's stream in a thread, reconnecting; return what it received so far."""
    received: list[dict[str, object]] = []
    headers = {"Authorization": f"Bearer {trader.token}"}

    def follow() -> None:
        while server.process.poll() is None:
            try:
                with (
                    httpx.Client(base_url=address, headers=headers, timeout=PATIENCE) as bot,
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
