"""Listens for notifications over one permanent connection of the process."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from app.db.base import new_id
from app.db.failures import is_outage
from app.db.hosts import Connector
from app.db.lending import Driver
from app.db.notifications import CHANNEL

FIRST_PAUSE = 0.1
LAST_PAUSE = 2.0
PROBE_SECONDS = 3.0
"""Seconds between looks whether notifications still arrive."""

_ANSWER_SECONDS = 2.0
log = structlog.get_logger("botkeys.streams")


async def listen(
    url: URL,
    receive: Callable[[str], None],
    missed: Callable[[], None],
    *,
    channel: str = CHANNEL,
    probe_seconds: float = PROBE_SECONDS,
    connect: Callable[..., Awaitable[Driver]] | None = None,
) -> None:
    """Pass the payload of every notification to `receive`, until cancelled.

    `missed` is called whenever notifications may have been missed: at each connection that was
    made, lost or refused.
    """
    loop = asyncio.get_running_loop()
    connect = connect or Connector()
    pause = FIRST_PAUSE
    while True:
        began = loop.time()
        try:
            await _listen_until_lost(connect, url, receive, missed, channel, probe_seconds)
        except Exception as error:  # noqa: BLE001  # whatever it was, streams need a listener
            report = log.warning if is_outage(error) else log.error
            report("not_listening", exception=type(error).__name__)
        missed()
        if loop.time() - began > LAST_PAUSE:
            pause = FIRST_PAUSE
        # Jitter, since all processes lose their connections at once.
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # nothing secret
        pause = min(2 * pause, LAST_PAUSE)


async def _listen_until_lost(
    connect: Callable[..., Awaitable[Driver]],
    url: URL,
    receive: Callable[[str], None],
    missed: Callable[[], None],
    channel: str,
    probe_seconds: float,
) -> None:
    def pass_on(*arguments: Any) -> None:
        receive(arguments[3])

    def arrived(*_: Any) -> None:
        heard.set()

    options = PGDialect_asyncpg().create_connect_args(url)[1]  # type: ignore[no-untyped-call]
    connection: Driver = await connect(
        **options, timeout=_ANSWER_SECONDS, server_settings={"application_name": "botkeys-listen"}
    )
    lost, heard = asyncio.Event(), asyncio.Event()
    own = f"botkeys_listener_{new_id().hex}"
    try:
        connection.add_termination_listener(lambda _: lost.set())
        async with asyncio.timeout(_ANSWER_SECONDS):
            await connection.add_listener(channel, pass_on)
            await connection.add_listener(own, arrived)
        missed()
        while not await _is_set(lost, probe_seconds):
            # A connection that was cut silently looks like an idle one, and one that a pooler or a
            # standby answers may bring no notifications.
            heard.clear()
            async with asyncio.timeout(_ANSWER_SECONDS):
                await connection.execute(f"NOTIFY {own}")
                await heard.wait()
    finally:
        connection.terminate()


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
