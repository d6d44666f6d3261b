"""The listener outlives every failure of its connection, and notices one that brings nothing."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from app.db.engine import Database, driver_url, open_database
from app.db.hosts import Connector
from app.db.notifications import CHANNEL
from app.domains.runtime.stream.listener import listen
from tests.support.database import Server
from tests.support.fragile import FragileLine, fragile_line

SECONDS = 20.0


class _Ear:
    """A listener over a line that a test can break, and what it has heard."""

    def __init__(self, database: Database, line: FragileLine) -> None:
        self.database = database
        self.line = line
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.missed = asyncio.Event()

    async def hears(self, payload: str) -> None:
        """Check that a notification arrives, which is sent again and again meanwhile."""
        async with asyncio.timeout(SECONDS):
            while True:
                async with self.database.engine.begin() as connection:
                    await connection.execute(text(f"SELECT pg_notify('{CHANNEL}', '{payload}')"))
                try:
                    async with asyncio.timeout(0.2):
                        while await self.heard.get() != payload:
                            pass
                except TimeoutError:
                    continue
                return


@asynccontextmanager
async def ear(server: Server, **options: Any) -> AsyncIterator[_Ear]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        async with fragile_line(server.superuser, Path(folder)) as line:
            database = open_database(server.superuser, application_name="tests", pool_size=1)
            opened = _Ear(database, line)
            listening = asyncio.create_task(
                listen(driver_url(line.url), opened.heard.put_nowait, opened.missed.set, **options)
            )
            try:
                yield opened
                assert not listening.done()
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
                await database.close()


async def test_it_follows_a_server_that_was_away(server: Server) -> None:
    async with ear(server) as opened:
        await opened.hears("before")
        opened.line.down = True
        opened.line.close()
        opened.missed.clear()
        async with asyncio.timeout(SECONDS):
            await opened.missed.wait()
        opened.line.repair()
        await opened.hears("after")


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.TargetServerAttributeNotMatched("a standby"),
        asyncpg.InternalClientError("got nothing"),
        asyncpg.ReadOnlySQLTransactionError("cannot execute LISTEN during recovery"),
        RuntimeError("a fault of ours"),
    ],
)
async def test_no_error_ends_it(server: Server, error: Exception) -> None:
    attempts = 0
    connect = Connector()

    async def fails_once(**options: Any) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise error
        return await connect(**options)

    async with ear(server, connect=fails_once) as opened:
        await opened.hears("after")
    assert attempts == 2


async def test_it_notices_a_connection_that_brings_nothing(server: Server) -> None:
    async with ear(server, probe_seconds=0.05) as opened:
        await opened.hears("before")
        opened.line.silent = True
        opened.missed.clear()
        async with asyncio.timeout(SECONDS):
            await opened.missed.wait()
        opened.line.silent = False
        await opened.hears("after")
