"""Runs the worker as a process of its own: all of its tasks, or one of the groups."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from app.custody.keyfiles import KeyFolder
from app.custody.webhook_keys import WebhookKeys
from app.db.engine import Database
from app.db.rights import LoginRights
from app.domains.catalogue.refresher import CatalogueRefresher
from app.process.http_server import HttpServer
from app.process.listening import operations_listeners
from app.process.outbound import outbound_of
from app.process.startup import (
    intervals,
    open_exchanges,
    open_settings_database,
    start_logging,
    webhook_keys,
)
from app.process.stopping import StopRequest
from app.process.tracing import open_traces
from app.process.webhooks import open_deliverer
from app.process.worker_start import require_usable
from app.settings import Mode, Settings, SettingsError, Work
from app.worker.delivering import DeliveryMetrics
from app.worker.loop import Task, catalogue_tasks, purge_tasks, webhook_tasks, work
from app.worker.operations import WorkerVitals, operations_app
from app.worker.purging import PurgeLimits
from botkeys.core_dumps import forbid_core_dumps
from botkeys.transport.client import HttpTransport

if TYPE_CHECKING:
    from app.kit.span_recorder import SpanRecorder

log = structlog.get_logger("botkeys.start")


def run_worker(settings: Settings, kind: Work) -> int:
    """Work until SIGINT, SIGTERM or SIGHUP; return the exit status.

    Raises `SettingsError`, and `UnusableDatabase` for a database that is not migrated.
    """
    forbid_core_dumps()
    start_logging(settings.log_level)
    with StopRequest() as stop, operations_listeners(settings) as bound:
        return stop.run(_run(settings, kind, stop, bound))


async def _run(
    settings: Settings, kind: Work, stop: StopRequest, bound: list[socket.socket]
) -> int:
    keys = _webhook_keys(settings, kind)
    kinds = _kinds(kind, sends=keys is not None)
    async with AsyncExitStack() as stack:
        name = "botkeys-worker" if kind is Work.ALL else f"botkeys-{kind}"
        traces = await stack.enter_async_context(open_traces(settings, name))
        database = open_settings_database(settings, name, traces)
        stack.push_async_callback(database.close)
        tasks = await _tasks(settings, kinds, database, stack, traces)
        metrics = DeliveryMetrics()
        if keys is not None:
            opening = open_deliverer(settings, database, keys, metrics)
            tasks += webhook_tasks(database, await stack.enter_async_context(opening))
        rights = LoginRights(
            tuple(f"botkeys_{one}" for one in kinds), strict=settings.mode is Mode.PRODUCTION
        )
        vitals = WorkerVitals(
            database,
            rights,
            [gauges for task in tasks for gauges in task.gauges],
            statement_seconds=settings.database_statement_timeout,
        )
        if keys is not None:
            metrics.register(vitals.metrics.registry)
        if bound:
            await stack.enter_async_context(_served(vitals, settings, bound))
        await stop.unless_asked(require_usable(database, rights))
        # Work in flight is rolled back or lapses: batches of deletions, claimed refreshes.
        await stop.unless_asked(work(tasks, stop.event, vitals.watch, traces=traces))
    return 0


def _kinds(kind: Work, *, sends: bool) -> tuple[Work, ...]:
    """Return the groups of tasks to run; all of them but for webhooks without their key."""
    if kind is not Work.ALL:
        return (kind,)
    every = (Work.CATALOGUE, Work.PURGE, Work.WEBHOOKS)
    return every if sends else every[:-1]


def _webhook_keys(settings: Settings, kind: Work) -> WebhookKeys | None:
    """Return the key of webhooks for a worker that sends them.

    One that runs all tasks goes on without, as in an installation from before there were webhooks.
    Raises `SettingsError` if the worker that only sends has no key, or has others.
    """
    if kind not in {Work.ALL, Work.WEBHOOKS}:
        return None
    folder = KeyFolder(settings.keys_folder)
    keys = webhook_keys(folder)
    if kind is Work.ALL:
        if keys is None:
            log.warning("webhooks_not_sent", detail="There is no key file `webhook-key`.")
        return keys
    if keys is None:
        raise SettingsError(
            f"There is no key file `webhook-key` in {folder.path}, which this worker signs with "
            "(docs/webhooks.md)."
        )
    violations = folder.role_violations("webhooks")
    if violations and settings.mode is Mode.PRODUCTION:
        raise SettingsError(
            f"The worker that sends webhooks must not be able to read {', '.join(violations)} in "
            f"{folder.path}. Give it its own folder (docs/deployment.md)."
        )
    return keys


async def _tasks(
    settings: Settings,
    kinds: tuple[Work, ...],
    database: Database,
    stack: AsyncExitStack,
    traces: "SpanRecorder | None",
) -> list[Task]:
    tasks: list[Task] = []
    if Work.CATALOGUE in kinds:
        catalogues = await stack.enter_async_context(_catalogues(settings, database, traces))
        tasks += catalogue_tasks(database, catalogues)
    if Work.PURGE in kinds:
        limits = PurgeLimits(settings.purge_batch, settings.operation_claim)
        tasks += purge_tasks(database, limits)
    return tasks


@asynccontextmanager
async def _served(
    vitals: WorkerVitals, settings: Settings, bound: list[socket.socket]
) -> AsyncIterator[None]:
    """Answer operators on the bound port, until the work is done."""
    server = HttpServer(operations_app(vitals), settings)
    serving = asyncio.create_task(server.serve(bound))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def _catalogues(
    settings: Settings, database: Database, traces: "SpanRecorder | None"
) -> AsyncIterator[CatalogueRefresher]:
    """Yield the refresher, and with it the only connections that leave for the exchanges."""
    observe = None if traces is None else traces.call
    async with (
        HttpTransport(outbound=outbound_of(settings), observe=observe) as transport,
        open_exchanges(settings, transport, traces=traces) as exchanges,
    ):
        catalogues = CatalogueRefresher(database, exchanges, intervals(settings))
        try:
            yield catalogues
        finally:
            await catalogues.close()
