"""Does at the start of a process what would otherwise be done while thousands of bots come back."""

import asyncio
from uuid import UUID

import structlog

from app.db.engine import Database
from app.domains.bots.config_rows import ConfigReader

CONNECTIONS = 4
_ROUNDS = 6
"""PostgreSQL plans a prepared statement five times before it keeps a plan."""
_PATIENCE = 2.0
_NOBODY = (UUID(int=0), UUID(int=0))
log = structlog.get_logger("botkeys.start")


async def warm(database: Database) -> None:
    """Open some connections, on which the statements that read configurations are planned for good.

    A database that does not answer keeps no process from starting.
    """
    reader = ConfigReader(database.autocommit)
    try:
        async with asyncio.timeout(_PATIENCE):
            for _ in range(_ROUNDS):
                for read in (reader.read, reader.glance):
                    await asyncio.gather(*(read([_NOBODY]) for _ in range(CONNECTIONS)))
    except Exception as error:  # noqa: BLE001  # whatever it was, requests will meet it too
        log.info("not_warmed", exception=type(error).__name__)
