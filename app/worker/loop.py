"""The tasks of the worker, which runs what is due, repeatedly, until asked to stop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import Database
from app.domains.catalogue.refresher import CatalogueRefresher
from app.worker.catalogue_refresh import refresh_due
from app.worker.expiry import announce_expiry
from app.worker.housekeeping import sweep
from app.worker.presence import announce_offline
from app.worker.purging import DEFAULT_LIMITS, PurgeLimits, purge_deleted
from app.worker.rollups import mark_cut, recompute_due

SWEEP_SECONDS = 300.0
LOOK_SECONDS = 5.0
PRESENCE_SECONDS = 2.0
EXPIRY_SECONDS = 60.0
ROLLUP_SECONDS = 10.0
CUT_SECONDS = 300.0
PURGE_SECONDS = 1.0
log = structlog.get_logger("botkeys.worker")


async def work(
    database: Database,
    catalogues: CatalogueRefresher,
    stop: asyncio.Event,
    *,
    sweep_seconds: float = SWEEP_SECONDS,
    look_seconds: float = LOOK_SECONDS,
    presence_seconds: float = PRESENCE_SECONDS,
    expiry_seconds: float = EXPIRY_SECONDS,
    limits: PurgeLimits = DEFAULT_LIMITS,
) -> None:
    """Work until `stop` is set. If the database is unavailable, the next turn tries again."""

    async def swept() -> None:
        rows = await sweep(database.sessions)
        if rows:
            log.info("swept", rows=rows)

    async def refreshed() -> None:
        await refresh_due(database.sessions, catalogues)

    async def gone_offline() -> None:
        await announce_offline(database.sessions)

    async def expiring() -> None:
        await announce_expiry(database.sessions)

    async def recomputed() -> None:
        await recompute_due(database.sessions)

    async def cut() -> None:
        await mark_cut(database.sessions)

    async def purged() -> None:
        await purge_deleted(database.sessions, limits)

    async with asyncio.TaskGroup() as group:
        group.create_task(_repeatedly(swept, sweep_seconds, stop))
        group.create_task(_repeatedly(refreshed, look_seconds, stop))
        group.create_task(_repeatedly(gone_offline, presence_seconds, stop))
        group.create_task(_repeatedly(expiring, expiry_seconds, stop))
        group.create_task(_repeatedly(recomputed, ROLLUP_SECONDS, stop))
        group.create_task(_repeatedly(cut, CUT_SECONDS, stop))
        group.create_task(_repeatedly(purged, PURGE_SECONDS, stop))


async def _repeatedly(
    turn: Callable[[], Awaitable[None]], seconds: float, stop: asyncio.Event
) -> None:
    while not stop.is_set():
        try:
            await turn()
        except (SQLAlchemyError, OSError) as error:
            log.warning("worker_turn_failed", exception=type(error).__name__)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
