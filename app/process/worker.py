"""Runs the worker as a process of its own: all of its tasks, or one of the two groups."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from app.db.engine import Database
from app.domains.catalogue.refresher import CatalogueRefresher
from app.process.outbound import outbound_of
from app.process.startup import intervals, open_exchanges, open_settings_database, start_logging
from app.process.stopping import StopRequest
from app.settings import Settings, Work
from app.worker.loop import Task, catalogue_tasks, purge_tasks, work
from app.worker.purging import PurgeLimits
from botkeys.core_dumps import forbid_core_dumps
from botkeys.transport.client import HttpTransport


def run_worker(settings: Settings, kind: Work) -> int:
    """Work until SIGINT, SIGTERM or SIGHUP; return the exit status."""
    forbid_core_dumps()
    start_logging(settings.log_level)
    with StopRequest() as stop:
        return stop.run(_run(settings, kind, stop))


async def _run(settings: Settings, kind: Work, stop: StopRequest) -> int:
    async with AsyncExitStack() as stack:
        name = "botkeys-worker" if kind is Work.ALL else f"botkeys-{kind}"
        database = open_settings_database(settings, name)
        stack.push_async_callback(database.close)
        tasks: list[Task] = []
        if kind in {Work.ALL, Work.CATALOGUE}:
            opening = _catalogues(settings, database)
            catalogues = await stack.enter_async_context(opening)
            tasks += catalogue_tasks(database, catalogues)
        if kind in {Work.ALL, Work.PURGE}:
            limits = PurgeLimits(settings.purge_batch, settings.operation_claim)
            tasks += purge_tasks(database, limits)
        # Work in flight is rolled back or lapses: batches of deletions, claimed refreshes.
        await stop.unless_asked(work(tasks, stop.event))
    return 0


@asynccontextmanager
async def _catalogues(settings: Settings, database: Database) -> AsyncIterator[CatalogueRefresher]:
    """Yield the refresher, and with it the only connections that leave for the exchanges."""
    async with (
        HttpTransport(outbound=outbound_of(settings)) as transport,
        open_exchanges(settings, transport) as exchanges,
    ):
        catalogues = CatalogueRefresher(database, exchanges, intervals(settings))
        try:
            yield catalogues
        finally:
            await catalogues.close()
