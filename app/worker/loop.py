"""The tasks of the worker, which runs what is due, repeatedly, until asked to stop.

The tasks that talk to exchanges, those that touch accounts' data and those that call what users
name stand apart: each group can run in a process of its own, with a database login of its own.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

import structlog

from app.db.engine import Database
from app.db.failures import is_of_database
from app.domains.catalogue.refresher import CatalogueRefresher
from app.kit.tracing import Traces
from app.worker.catalogue_refresh import refresh_due
from app.worker.delivering import Deliverer, FanOut
from app.worker.expiry import announce_expiry
from app.worker.gauges import Gauges
from app.worker.housekeeping import make_audit_months, sweep
from app.worker.importing import ImportLimits, store_imported
from app.worker.presence import PresenceSweep
from app.worker.purging import DEFAULT_LIMITS, PurgeLimits, purge_deleted
from app.worker.rollups import mark_cut, recompute_due
from app.worker.waiting import CATALOGUES, OPERATIONS, OUTBOX, STALE_DAYS
from app.worker.watch import Pulse, Watch

log = structlog.get_logger("botkeys.worker")


class Task(NamedTuple):
    """A task, which is due again `seconds` after its turn ended.

    A turn returns how many units it has completed, and calls `app.worker.watch.beat` after each. It
    is logged if there were any. `gauges` are read for `/metrics`.
    """

    name: str
    seconds: float
    turn: Callable[[], Awaitable[int | None]]
    gauges: tuple[Gauges, ...] = ()


def catalogue_tasks(database: Database, catalogues: CatalogueRefresher) -> list[Task]:
    """Return the tasks that talk to exchanges; they write nothing but the catalogue."""
    sessions = database.sessions
    return [Task("refresh", 5.0, lambda: refresh_due(sessions, catalogues), (CATALOGUES,))]


def purge_tasks(database: Database, limits: PurgeLimits = DEFAULT_LIMITS) -> list[Task]:
    """Return the tasks that tidy accounts' data; they talk to nothing but the database."""
    sessions = database.sessions
    return [
        Task("sweep", 300.0, lambda: sweep(sessions)),
        Task("audit_months", 3600.0, lambda: make_audit_months(sessions)),
        Task("presence", 2.0, PresenceSweep(sessions).turn),
        Task("expiry", 60.0, lambda: announce_expiry(sessions)),
        Task("rollups", 10.0, lambda: recompute_due(sessions), (STALE_DAYS,)),
        Task("cut_days", 300.0, lambda: mark_cut(sessions)),
        Task("purge", 1.0, lambda: purge_deleted(sessions, limits), (OPERATIONS,)),
        Task("import", 1.0, lambda: store_imported(sessions, ImportLimits(claim=limits.claim))),
    ]


def webhook_tasks(database: Database, deliverer: Deliverer) -> list[Task]:
    """Return the tasks that send webhooks; they call what users name, and read events alone."""
    return [
        Task("fan_out", 0.5, FanOut(database.sessions).turn),
        Task("deliver", 0.5, deliverer.turn, (OUTBOX,)),
    ]


async def work(
    tasks: Iterable[Task],
    stop: asyncio.Event,
    watch: Watch | None = None,
    *,
    traces: Traces | None = None,
) -> None:
    """Work until `stop` is set. If the database is unavailable, the next turn tries again."""
    if traces is not None:
        tasks = [_traced(task, traces) for task in tasks]
    watch = watch or Watch()
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(_repeatedly(task, stop, watch))


def _traced(task: Task, traces: Traces) -> Task:
    async def turn() -> int | None:
        with traces.turn(task.name) as span:
            try:
                units = await task.turn()
            except Exception as error:
                span.ended(failure=type(error).__name__)
                raise
            span.ended(units=units or 0)
            return units

    return task._replace(turn=turn)


async def _repeatedly(task: Task, stop: asyncio.Event, watch: Watch) -> None:
    pulse = watch.begin(task.name)
    try:
        while not stop.is_set():
            await _turn(task, pulse, watch)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), task.seconds)
    finally:
        pulse.ended = True


async def _turn(task: Task, pulse: Pulse, watch: Watch) -> None:
    began = pulse.beaten = time.monotonic()
    try:
        units = await task.turn() or 0
    except Exception as error:
        if not is_of_database(error):
            raise
        pulse.failure = type(error).__name__
        watch.failed(task.name, time.monotonic() - began)
        log.warning("worker_turn_failed", task=task.name, exception=pulse.failure)
    else:
        pulse.failure = None
        seconds = time.monotonic() - began
        watch.succeeded(task.name, seconds, units)
        if units:
            log.info("worker_turn", task=task.name, units=units, seconds=round(seconds, 3))
    finally:
        pulse.beaten = None
