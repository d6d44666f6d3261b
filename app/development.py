"""`make run`: the whole service for a developer, in the foreground, in one process."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
import uvloop
from pydantic import SecretStr
from sqlalchemy import text

from app.datafolder import DataFolder
from app.db.embedded import EmbeddedPostgres
from app.db.engine import open_database
from app.db.migrate import migrate
from app.logging import configure_logging
from app.parent import die_with_parent
from app.serving import forbid_core_dumps, listen, server_config
from app.settings import Mode, Role, Settings, SettingsError, load_settings
from app.startup import open_settings_database, prepare_key_folder
from app.worker.run import work

SERVICE_ROLES = ("botkeys_api", "botkeys_runtime", "botkeys_worker")


def run_development() -> None:
    """Run until SIGINT, SIGTERM, SIGHUP or the death of the parent; exit 0 if asked to stop."""
    settings = load_settings(default_mode=Mode.DEVELOPMENT)
    if settings.mode is not Mode.DEVELOPMENT:
        raise SettingsError("`botkeys dev` is for development; use `botkeys serve` in production.")
    die_with_parent()
    forbid_core_dumps()
    configure_logging(settings.log_level)
    folder = DataFolder(settings.data_dir)
    folder.prepare()
    with (
        folder.lock(settings.port),
        listen(settings) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        status = runner.run(_run(settings, folder, listener))
    sys.exit(status)


async def _run(settings: Settings, folder: DataFolder, listener: socket.socket) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    async with _database(settings, folder) as (ready, database_died):
        if not stop.is_set():
            prepare_key_folder(ready, Role.ALL)
            return await _serve(ready, listener, stop, database_died)
    return 0


@asynccontextmanager
async def _database(
    settings: Settings, folder: DataFolder
) -> AsyncIterator[tuple[Settings, asyncio.Event]]:
    """The settings with a migrated database in them: the embedded one unless another is set."""
    died = asyncio.Event()
    if settings.database_url is not None:
        direct = settings.direct_database_url or settings.database_url
        await migrate(direct.get_secret_value())
        yield settings, died
        return
    postgres = EmbeddedPostgres(
        folder.postgres,
        on_wait=lambda seconds: print(  # noqa: T201  # for the person at the terminal
            f"PostgreSQL is recovering, for {seconds:.0f} s so far …", file=sys.stderr
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
    """The service's login has the rights of its roles and no others: it owns nothing."""
    database = open_database(superuser_url, application_name="botkeys-grant", pool_size=None)
    try:
        async with database.engine.begin() as connection:
            await connection.execute(text(f"GRANT {', '.join(SERVICE_ROLES)} TO botkeys_service"))
    finally:
        await database.close()


async def _serve(
    settings: Settings,
    listener: socket.socket,
    stop: asyncio.Event,
    database_died: asyncio.Event,
) -> int:
    """API and worker until told to stop, or until one of them ends by itself (status 1)."""
    server = _Server(server_config(settings, Role.ALL))
    workers_database = open_settings_database(settings, "botkeys-worker")
    serving = asyncio.create_task(server.serve([listener]))
    working = asyncio.create_task(work(workers_database, stop))
    try:
        await _first(serving, server.ready)
        if server.started:
            _welcome(settings)
        await _first(serving, working, stop, database_died)
        asked = stop.is_set()
        if database_died.is_set():
            print(  # noqa: T201
                "botkeys: PostgreSQL has stopped by itself; its log is beside its folder in the "
                "data folder.",
                file=sys.stderr,
            )
        stop.set()
        server.should_exit = True
        await asyncio.wait([serving, working], timeout=8)
        return 0 if asked else 1
    finally:
        await workers_database.close()


async def _first(*awaited: asyncio.Task[None] | asyncio.Event) -> None:
    """Wait until one of these tasks is done or one of these events is set."""
    waits = [
        asyncio.create_task(item.wait()) for item in awaited if isinstance(item, asyncio.Event)
    ]
    tasks = [item for item in awaited if isinstance(item, asyncio.Task)]
    await asyncio.wait([*tasks, *waits], return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


class _Server(uvicorn.Server):
    """Signals are `_run`'s: it stops the server, then the database, in this order."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _welcome(settings: Settings) -> None:
    address = f"http://{settings.host}:{settings.port}"
    environment = ""
    if "BOTKEYS_DATA_DIR" in os.environ:
        environment = f"BOTKEYS_DATA_DIR={settings.data_dir} "
    print(  # noqa: T201  # for the person at the terminal
        f"\nBotkeys is running.\n"
        f"  API and docs   {address}/docs\n"
        f"  a token        {environment}.venv/bin/botkeys token --account alice\n"
        f"  exchange keys  .venv/bin/botkeys simulator credentials\n"
        f"  stop           Ctrl-C\n",
        flush=True,
    )
