"""Separate api and runtime processes, for promises about what each of them holds."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.simulator import Simulator
from tests.support.database import Server
from tests.support.split import Split, split_service


@pytest_asyncio.fixture(scope="session")
async def running_split(
    server: Server, simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Split]:
    async with split_service(server, simulator, tmp_path_factory.mktemp("split")) as running:
        yield running


@pytest_asyncio.fixture
async def split(running_split: Split) -> AsyncIterator[Split]:
    """Provide separate api and runtime processes, without accounts and fetched catalogues."""
    await running_split.empty()
    yield running_split
    for process in (running_split.api, running_split.runtime):
        await process.context.refusals.close()
