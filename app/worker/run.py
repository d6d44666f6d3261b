"""The worker process: does what is due, again and again, until told to stop."""

import asyncio
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import Database
from app.logging import configure_logging
from app.serving import forbid_core_dumps
from app.settings import Settings
from app.startup import open_settings_database
from app.stopping import StopRequest
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


def run_worker(settings: Settings) -> int:
    """Work until SIGINT, SIGTERM or SIGHUP; the exit status."""
    forbid_core_dumps()
    configure_logging(settings.log_level)
    with StopRequest() as stop:
        return stop.run(_run(settings, stop))


async def _run(settings: Settings, stop: StopRequest) -> int:
    database = open_settings_database(settings, "botkeys-worker")
    try:
        # What is under way is a batch of deletions, which undoes itself.
        await stop.unless_asked(work(database, stop.event))
    finally:
        await database.close()
    return 0
