"""One application for all tests here: building its routes takes longer than most of them do."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from fastapi import FastAPI

from app.auth.development import DevelopmentIssuer
from app.catalogue.refresh import CatalogueRefresher
from app.context import Context
from app.db.engine import Database
from app.main import create_app
from app.runtime.heartbeats import Heartbeats
from app.runtime.situations import Situations
from app.runtime.streams import ConfigStreams, StreamLimits
from app.simulator import Simulator, credentials
from tests.support.database import Server
from tests.support.split import Split, split_service
from tests.support.world import World, served


@pytest.fixture(scope="session")
def shared_app(shared_context: Context) -> FastAPI:
    return create_app(shared_context.settings, shared_context.role)


@pytest_asyncio.fixture
async def world(
    shared_app: FastAPI, shared_context: Context, simulator: Simulator, database: Database
) -> AsyncIterator[World]:
    simulator.faults.clear()
    catalogues = CatalogueRefresher(
        database, shared_context.exchanges, shared_context.catalogues.intervals, background=False
    )
    streams = ConfigStreams(
        database.reader, shared_context.configurations, StreamLimits(lifetime=0.02), None
    )
    lease = timedelta(seconds=shared_context.settings.heartbeat_lease)
    heartbeats = Heartbeats(database, shared_context.metrics, lease)
    situations = Situations(database.reader)
    context = replace(
        shared_context,
        database=database,
        catalogues=catalogues,
        streams=streams,
        heartbeats=heartbeats,
        situations=situations,
    )
    shared_app.state.context = context
    issuer = DevelopmentIssuer(context.settings.keys_folder)
    async with served(shared_app) as http:
        yield World(shared_app, context, simulator, issuer, credentials(), http)
    await situations.close()
    await streams.close()
    await heartbeats.close()
    await catalogues.close()
    simulator.faults.clear()


@pytest_asyncio.fixture(scope="session")
async def running_split(
    server: Server, simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Split]:
    async with split_service(server, simulator, tmp_path_factory.mktemp("split")) as running:
        yield running


@pytest_asyncio.fixture
async def split(running_split: Split) -> Split:
    """Api and runtime apart, and no account in their database yet."""
    await running_split.write("TRUNCATE accounts, audit_heads CASCADE")
    return running_split
