"""Runs the worker as a process of its own."""

from contextlib import AsyncExitStack

from app.domains.catalogue.refresher import CatalogueRefresher
from app.kit.logging import configure_logging
from app.process.core_dumps import forbid_core_dumps
from app.process.startup import intervals, open_exchanges, open_settings_database
from app.process.stopping import StopRequest
from app.settings import Settings
from app.worker.loop import work
from app.worker.purging import PurgeLimits
from botkeys.transport.client import HttpTransport


def run_worker(settings: Settings) -> int:
    """Work until SIGINT, SIGTERM or SIGHUP; return the exit status."""
    forbid_core_dumps()
    configure_logging(settings.log_level)
    with StopRequest() as stop:
        return stop.run(_run(settings, stop))


async def _run(settings: Settings, stop: StopRequest) -> int:
    async with AsyncExitStack() as stack:
        database = open_settings_database(settings, "botkeys-worker")
        stack.push_async_callback(database.close)
        transport = await stack.enter_async_context(HttpTransport())
        exchanges = await stack.enter_async_context(open_exchanges(settings, transport))
        catalogues = CatalogueRefresher(database, exchanges, intervals(settings))
        stack.push_async_callback(catalogues.close)
        limits = PurgeLimits(settings.purge_batch, settings.operation_claim)
        # Work in flight is rolled back or lapses: batches of deletions, claimed refreshes.
        await stop.unless_asked(work(database, catalogues, stop.event, limits=limits))
    return 0
