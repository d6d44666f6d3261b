"""A service whose every commit is checked against the rules."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.races.watch import keep_watch
from tests.support.database import Server
from tests.support.world import World


@pytest_asyncio.fixture
async def watched(busy_world: World, server: Server) -> AsyncIterator[World]:
    await keep_watch(busy_world, server)
    yield busy_world
