"""The simulated exchanges, on which all tests of the signing proxy trade."""

from collections.abc import AsyncIterator

import pytest_asyncio

from app.simulator import Simulator


@pytest_asyncio.fixture(scope="session")
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(perpetuals=4, long_listing=4) as running:
        yield running
