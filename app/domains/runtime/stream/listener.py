"""Listens for changed configurations over one permanent connection of the process."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg
import structlog
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from app.db.driver import Driver
from app.db.notifications import CHANNEL

FIRST_PAUSE = 0.1
LAST_PAUSE = 5.0
_PROBE_SECONDS = 15.0
_ANSWER_SECONDS = 5.0
_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
log = structlog.get_logger("botkeys.streams")


async def listen(url: URL, receive: Callable[[str], None], missed: Callable[[], None]) -> None:
    """Pass the payload of every notification to `receive`, until cancelled.

    `missed` is called whenever notifications may have been missed: at each connection that was
    made, lost or refused.
    """
    loop = asyncio.get_running_loop()
    pause = FIRST_PAUSE
    while True:
        began = loop.time()
        try:
            await _listen_until_lost(url, receive, missed)
        except _FAILURES as error:
            log.warning("not_listening", exception=type(error).__name__)
        missed()
        if loop.time() - began > LAST_PAUSE:
            pause = FIRST_PAUSE
        # Jitter, since all processes lose their connections at once.
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # nothing secret
        pause = min(2 * pause, LAST_PAUSE)


async def _listen_until_lost(
    url: URL, receive: Callable[[str], None], missed: Callable[[], None]
) -> None:
    def pass_on(*arguments: Any) -> None:
        receive(arguments[3])

    connection = await _connect(url)
    lost = asyncio.Event()
    try:
        connection.add_termination_listener(lambda _: lost.set())
        async with asyncio.timeout(_ANSWER_SECONDS):
            await connection.add_listener(CHANNEL, pass_on)
        missed()
        while not lost.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), _PROBE_SECONDS)
                break
            # A connection that was cut silently looks like an idle one.
            async with asyncio.timeout(_ANSWER_SECONDS):
                await connection.execute("SELECT 1")
    finally:
        connection.terminate()


async def _connect(url: URL) -> Driver:
    """Connect to a pool's address, parsed by the pool's own dialect."""
    options = PGDialect_asyncpg().create_connect_args(url)[1]  # type: ignore[no-untyped-call]
    connection: Driver = await asyncpg.connect(
        **options, timeout=_ANSWER_SECONDS, server_settings={"application_name": "botkeys-listen"}
    )
    return connection
