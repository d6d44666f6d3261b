"""Shared fixtures: one PostgreSQL and one simulator a run, one rolled-back transaction a test."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import hypothesis
import pytest
import pytest_asyncio

from app.api.streaming import StreamLimits
from app.auth.development_issuer import DevelopmentIssuer
from app.context import Context
from app.custody.master_keys.registry import register
from app.db.engine import Database, open_database
from app.domains.accounts.status import AccountStatusCache
from app.domains.audit.refusals import RefusalLog
from app.domains.bots.config_row_loader import ConfigRowLoader
from app.domains.bots.token_repository import TokenHashLoader
from app.domains.catalogue.refresher import CatalogueRefresher
from app.domains.events.stream import EventStreams
from app.domains.runtime.heartbeat.pace import HeartbeatPace
from app.domains.runtime.heartbeat.writer import HeartbeatWriter
from app.domains.runtime.release.at_once import ReleaseBatches
from app.domains.runtime.stream.publisher import ConfigPublisher
from app.process.startup import intervals, open_context
from app.settings import Mode, Role, Settings
from app.simulator import Simulator, credentials
from botkeys.exchanges.registry import Exchanges, simulated_hosts
from botkeys.transport.client import HttpTransport
from tests.support.background import background
from tests.support.database import (
    PATIENT,
    Server,
    database_copy,
    make_template,
    rolled_back,
    running_server,
)
from tests.support.in_memory import write_to_memory
from tests.support.limits import ABUNDANT
from tests.support.statement_rules import read_volatility
from tests.support.statement_watch import StatementWatch
from tests.support.world import World, application, served

# The usual deadline of a fifth of a second for an example would test how busy the machine is.
hypothesis.settings.register_profile(
    "any machine",
    hypothesis.settings.default,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("any machine")

# Created once: it takes longer than everything else that a test of one world needs.
_CREDENTIALS = credentials()
_FIRST = tuple(
    f"tests/{folder}/"
    for folder in (
        *("browser", "clients", "examples", "processes", "benchmarks", "db/embedded", "outside"),
        "sdk/typescript",
    )
)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose where to write, and take back what a shell and `nohup` do to a job in the background:
    they let it ignore Ctrl-C and the end of the terminal.

    Processes that tests start inherit that, and some stop at no SIGINT then, as they should.
    """
    write_to_memory(os.environ)
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        # It is read: among the service's settings it would be none.
        os.environ.pop("BOTKEYS_TEST_DATABASE_URL", None)
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_collection() -> None:
    """Disable garbage collection: modules and tests stay until the end and are slow to scan."""
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests that wait for processes or need a costly setup first, for one worker; then shuffle.

    Meanwhile the other workers run the rest, and help at the end.
    """
    items.sort(key=lambda item: not item.nodeid.startswith(_FIRST))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest_asyncio.fixture(scope="session")
async def session_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


@pytest.fixture(autouse=True)
def skipped_on_nodes(request: pytest.FixtureRequest) -> None:
    marker = request.node.get_closest_marker("one_server")
    if marker is not None and request.getfixturevalue("server").cluster is not None:
        pytest.skip(*marker.args)


@pytest.fixture(autouse=True)
def nothing_goes_on(session_loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Hold that the service's background work ends with its test, so that no test meets another's.

    Work that began earlier belongs to fixtures of the whole run.
    """
    before = background(session_loop)
    yield
    left = [work for work in background(session_loop) if work not in before]
    assert left == []


@pytest.fixture(scope="session")
def statement_watch() -> Iterator[StatementWatch]:
    watch = StatementWatch()
    with watch.running():
        yield watch


@pytest.fixture(autouse=True)
def every_statement_may_be_distributed(statement_watch: StatementWatch) -> Iterator[None]:
    """Hold every statement of the service to the rules of tables distributed by account."""
    yield
    assert statement_watch.faults() == []


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, statement_watch: StatementWatch
) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("data")) as running:
        template = asyncio.run(make_template(running))
        statement_watch.volatility = asyncio.run(
            read_volatility(running.url(template, superuser=True))
        )
        yield running


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("service")
    return Settings(mode=Mode.DEVELOPMENT, data_dir=folder, **ABUNDANT)


@pytest_asyncio.fixture(scope="session")
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def shared_database(server: Server) -> AsyncIterator[Database]:
    """Copy the template, which can be copied only while nobody is connected to it.

    All that a test does is one transaction, and what one login has written in it, Citus lets no
    function read that runs as another: there the superuser does it all.
    """
    async with database_copy(server) as name:
        url = server.url(name, superuser=server.cluster is not None)
        database = open_database(url, application_name="botkeys-tests", pool_size=2, **PATIENT)
        yield database
        await database.close()


@pytest_asyncio.fixture(scope="session")
async def transport() -> AsyncIterator[HttpTransport]:
    async with HttpTransport() as shared:
        yield shared


@pytest_asyncio.fixture(scope="session")
async def shared_context(
    settings: Settings, simulator: Simulator, transport: HttpTransport, shared_database: Database
) -> AsyncIterator[Context]:
    hosts = simulated_hosts(simulator.hosts)
    async with open_context(settings, Role.ALL, database=shared_database, hosts=hosts) as context:
        yield replace(context, exchanges=Exchanges(transport, hosts=hosts))


@pytest.fixture
def healthy(simulator: Simulator, transport: HttpTransport) -> Iterator[None]:
    """Provide exchanges without faults, and a transport that has not recorded earlier failures."""
    simulator.faults.clear()
    transport._gates.clear()
    yield
    simulator.faults.clear()


@asynccontextmanager
async def open_world(
    shared: Context, database: Database, simulator: Simulator, *, background: bool
) -> AsyncIterator[World]:
    """Open the service on this database. Without `background` it starts no background work."""
    async with AsyncExitStack() as stack:
        catalogues = CatalogueRefresher(
            database, shared.exchanges, intervals(shared.settings), background=background
        )
        stack.push_async_callback(catalogues.close)
        assert shared.runtime is not None
        async with database.sessions.begin() as session:
            assert await register(session, shared.runtime.releasing.fingerprints) == []
        lease = timedelta(seconds=shared.settings.heartbeat_lease)
        heartbeat_writer = HeartbeatWriter(database, shared.metrics, HeartbeatPace(500, lease))
        stack.push_async_callback(heartbeat_writer.close)
        # Without a network, a response arrives only when it is complete: so streams end at once.
        limits = StreamLimits(lifetime=0.02)
        config_publisher = ConfigPublisher(database.autocommit, shared.config_cache, limits, None)
        stack.push_async_callback(config_publisher.close)
        loader = ConfigRowLoader(database.autocommit)
        stack.push_async_callback(loader.close)
        token_hashes = TokenHashLoader(database.autocommit)
        stack.push_async_callback(token_hashes.close)
        batches = ReleaseBatches(database.autocommit)
        stack.push_async_callback(batches.close)
        refusals = RefusalLog(database.sessions, shared.audit)
        stack.push_async_callback(refusals.close)
        event_streams = EventStreams(database.autocommit)
        stack.push_async_callback(event_streams.close)
        context = replace(
            shared,
            database=database,
            catalogues=catalogues,
            heartbeat_writer=heartbeat_writer,
            config_publisher=config_publisher,
            config_rows=loader,
            token_hashes=token_hashes,
            release_batches=batches,
            account_statuses=AccountStatusCache(database.autocommit),
            event_streams=event_streams,
            refusals=refusals,
        )
        app = application(context)
        async with served(app) as http:
            yield World(
                app,
                context,
                simulator,
                DevelopmentIssuer(context.settings.keys_folder),
                _CREDENTIALS,
                http,
            )


@pytest_asyncio.fixture
async def database(shared_database: Database) -> AsyncIterator[Database]:
    """Provide one connection that is rolled back, for tests with sequential requests."""
    async with rolled_back(shared_database) as undone:
        yield undone


@pytest_asyncio.fixture
async def world(
    shared_context: Context, simulator: Simulator, healthy: None, database: Database
) -> AsyncIterator[World]:
    async with open_world(shared_context, database, simulator, background=False) as opened:
        yield opened


@pytest_asyncio.fixture
async def copied_database(server: Server) -> AsyncIterator[Database]:
    """Provide a database of its own with a real pool, for tests with concurrent requests."""
    async with database_copy(server) as name:
        database = open_database(
            server.url(name),
            application_name="botkeys-tests",
            pool_size=60,
            pool_overflow=0,
            **PATIENT,
        )
        yield database
        await database.close()


@pytest_asyncio.fixture
async def busy_world(
    shared_context: Context, simulator: Simulator, healthy: None, copied_database: Database
) -> AsyncIterator[World]:
    async with open_world(shared_context, copied_database, simulator, background=True) as opened:
        yield opened
