"""The worker process: does what is due, again and again, until told to stop."""

import asyncio
import signal
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import Database
from app.logging import configure_logging
from app.settings import Settings
from app.startup import open_settings_database
from app.worker.housekeeping import sweep

INTERVAL = 300.0
log = structlog.get_logger("botkeys.worker")


async def work(database: Database, stop: asyncio.Event, interval: float = INTERVAL) -> None:
    """Work until `stop` is set. A database that is away is tried again at the next turn."""
    while not stop.is_set():
        try:
            swept = await sweep(database.sessions)
            if swept:
                log.info("swept", rows=swept)
        except (SQLAlchemyError, OSError) as error:
            log.warning("worker_turn_failed", exception=type(error).__name__)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), interval)


def run_worker(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM."""
    configure_logging(settings.log_level)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    database = open_settings_database(settings, "botkeys-worker")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await work(database, stop)
    finally:
        await database.close()
