"""`make run`: the whole service for a developer, in the foreground, in one process."""

import asyncio
import os
import shlex
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import SecretStr
from sqlalchemy import text

from app.context import Context
from app.dashboard.sign_in.one_time_links import OneTimeLinks
from app.db.embedded import EmbeddedPostgres
from app.db.engine import open_database
from app.db.migrate import migrate
from app.domains.catalogue.refresher import CatalogueRefresher
from app.process.data_folder import DataFolder
from app.process.listening import listeners
from app.process.server import Server, first
from app.process.startup import (
    intervals,
    open_context,
    open_settings_database,
    prepare_key_folder,
    start_logging,
)
from app.process.stopping import StopRequest
from app.process.webhooks import open_deliverer
from app.settings import Mode, Role, Settings, SettingsError, load_settings
from app.worker.loop import catalogue_tasks, purge_tasks, webhook_tasks, work
from botkeys.core_dumps import forbid_core_dumps

SERVICE_ROLES = (
    "botkeys_api",
    "botkeys_runtime",
    "botkeys_catalogue",
    "botkeys_purge",
    "botkeys_webhooks",
)

ACCOUNT = "alice"
"""Whom the first link to the dashboard signs in, as the README's first token does."""

GRACE = 1
"""Seconds for requests in flight. The database may need eight, and all must stop within ten."""


def run_development() -> int:
    """Run until SIGINT, SIGTERM or SIGHUP; return the exit status, 0 if asked to stop."""
    settings = load_settings(default_mode=Mode.DEVELOPMENT)
    if settings.mode is not Mode.DEVELOPMENT:
        raise SettingsError(
            "`botkeys dev` is for development only; use `botkeys serve` in production."
        )
    forbid_core_dumps()
    start_logging(settings.log_level)
    with StopRequest() as stop:
        folder = DataFolder(settings.data_dir)
        folder.prepare()
        with folder.lock(settings.port), listeners(settings) as bound:
            prepare_key_folder(settings, Role.ALL)
            return stop.run(_run(settings, folder, bound, stop))


async def _run(
    settings: Settings, folder: DataFolder, bound: list[socket.socket], stop: StopRequest
) -> int:
    async with AsyncExitStack() as stack:
        ready, database_died = await stop.unless_asked(
            stack.enter_async_context(_database(settings, folder))
        )
        context = await stop.unless_asked(stack.enter_async_context(open_context(ready, Role.ALL)))
        return await _serve(context, bound, stop, database_died)


@asynccontextmanager
async def _database(
    settings: Settings, folder: DataFolder
) -> AsyncIterator[tuple[Settings, asyncio.Event]]:
    """Yield the settings with a migrated database, by default the embedded one."""
    died = asyncio.Event()
    if settings.database_url is not None:
        direct = settings.direct_database_url or settings.database_url
        await migrate(direct.get_secret_value())
        yield settings, died
        return
    postgres = EmbeddedPostgres(
        folder.postgres,
        on_wait=lambda seconds: print(  # noqa: T201  # for the person at the terminal
            f"PostgreSQL has been recovering for {seconds:.0f} s …", file=sys.stderr
        ),
    )
    async with postgres:
        owner = postgres.url("botkeys_owner")
        await migrate(owner)
        await _let_service_in(postgres.url("postgres"))
        watching = asyncio.create_task(_watch(postgres, died))
        try:
            yield (
                settings.model_copy(
                    update={
                        "database_url": SecretStr(postgres.url()),
                        "direct_database_url": None,
                    }
                ),
                died,
            )
        finally:
            watching.cancel()


async def _watch(postgres: EmbeddedPostgres, died: asyncio.Event) -> None:
    await postgres.wait()
    died.set()


async def _let_service_in(superuser_url: str) -> None:
    """Grant the service's login the privileges of its roles and no others: it owns nothing."""
    database = open_database(superuser_url, application_name="botkeys-grant", pool_size=None)
    try:
        async with database.engine.begin() as connection:
            await connection.execute(text(f"GRANT {', '.join(SERVICE_ROLES)} TO botkeys_service"))
    finally:
        await database.close()


async def _serve(
    context: Context,
    bound: list[socket.socket],
    stop: StopRequest,
    database_died: asyncio.Event,
) -> int:
    """Run API and worker until asked to stop, or until one of them ends unexpectedly (status 1)."""
    server = Server(context)
    server.config.timeout_graceful_shutdown = GRACE
    database = open_settings_database(context.settings, "botkeys-worker", context.traces)
    catalogues = CatalogueRefresher(database, context.exchanges, intervals(context.settings))
    serving = asyncio.create_task(server.serve(bound))
    tasks = [*catalogue_tasks(database, catalogues), *purge_tasks(database)]
    sending = AsyncExitStack()
    if context.api is not None and context.api.webhooks is not None:
        opening = open_deliverer(context.settings, database, context.api.webhooks, grace=GRACE)
        tasks += webhook_tasks(database, await sending.enter_async_context(opening))
    working = asyncio.create_task(work(tasks, stop.event, traces=context.traces))
    try:
        await first(serving, server.ready)
        if server.started:
            _welcome(context)
        await first(serving, working, stop.event, database_died)
        asked = stop.asked
        if database_died.is_set() and not asked:
            print(  # noqa: T201
                "botkeys: PostgreSQL stopped unexpectedly; its log is in the data folder, next to "
                "the database.",
                file=sys.stderr,
            )
        stop.event.set()
        server.should_exit = True
        await asyncio.wait([serving])
        return 0 if asked else 1
    finally:
        working.cancel()
        await asyncio.wait([working], timeout=1)
        await sending.aclose()
        await catalogues.close()
        await database.close()


def _welcome(context: Context) -> None:
    settings = context.settings
    docs = f"http://{settings.host}:{settings.port}"
    if settings.operations_port is not None:
        docs = f"http://{settings.operations_host}:{settings.operations_port}"
    environment = ""
    if "BOTKEYS_DATA_DIR" in os.environ:
        environment = f"BOTKEYS_DATA_DIR={shlex.quote(str(settings.data_dir))} "
    print(  # noqa: T201  # for the person at the terminal
        f"\nBotkeys is running.\n"
        f"  API and docs   {docs}/docs\n"
        f"  a token        {environment}.venv/bin/botkeys token --account alice\n"
        f"  exchange keys  .venv/bin/botkeys simulator credentials\n"
        f"  stop           Ctrl-C\n"
        f"{_dashboard(context)}",
        flush=True,
    )


def _dashboard(context: Context) -> str:
    """Return the banner's last line: where the dashboard is, and how to sign in to it."""
    settings = context.settings
    if not settings.serves_dashboard:
        return ""
    if settings.oidc_issuer is not None:
        return f"  dashboard      {settings.page_url}/\n"
    link = OneTimeLinks(context.audit).make(ACCOUNT)
    return f"  dashboard      {settings.page_url}{link}\n                 (for {ACCOUNT}, once)\n"
