"""A service whose every commit is checked against the rules."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.races.watch import keep_watch
from tests.support.database import Server
from tests.support.world import World


@pytest_asyncio.fixture
async def watched(busy_world: World, server: Server) -> AsyncIterator[World]:
    await keep_watch(busy_world, server)
    yield busy_world


@pytest.fixture
def at_each_commit(server: Server) -> None:
    """Skip a test that needs more than the rules for what is stored in the end."""
    if server.cluster is not None:
        pytest.skip("Citus has no triggers on distributed tables, which watch each commit")
