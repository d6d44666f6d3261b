"""One application for all tests here: building its routes takes longer than most of them do."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from fastapi import FastAPI

from app.auth.development import DevelopmentIssuer
from app.context import Context
from app.db.engine import Database
from app.main import create_app
from app.simulator import Simulator, credentials
from tests.support.world import World, served


@pytest.fixture(scope="session")
def shared_app(shared_context: Context) -> FastAPI:
    return create_app(shared_context.settings, shared_context.role)


@pytest_asyncio.fixture
async def world(
    shared_app: FastAPI, shared_context: Context, simulator: Simulator, database: Database
) -> AsyncIterator[World]:
    simulator.faults.clear()
    context = replace(shared_context, database=database)
    shared_app.state.context = context
    issuer = DevelopmentIssuer(context.settings.keys_folder)
    async with served(shared_app) as http:
        yield World(shared_app, context, simulator, issuer, credentials(), http)
    simulator.faults.clear()
