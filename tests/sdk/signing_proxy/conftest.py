"""The simulated exchanges, on which all tests of the signing proxy trade, and a bot at each."""

from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest
import pytest_asyncio

from app.simulator import Simulator
from botkeys.exchanges.model import ContractType, Environment
from botkeys.exchanges.registry import simulated_hosts
from botkeys.signing_proxy import SigningProxy, market
from tests.sdk.signing_proxy.trading import Bot, Holder

LIMIT = Decimal(1000)


@pytest_asyncio.fixture(scope="session")
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(perpetuals=4, long_listing=4) as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def trading(
    simulator: Simulator, exchange: str, environment: str
) -> AsyncIterator[tuple[Bot, Holder]]:
    """Return a bot of linear contracts and what the service says to its proxy."""
    holder = Holder(None, None, exchange=exchange, environment=Environment(environment))
    hosts = simulated_hosts(simulator.hosts)
    part = market(exchange, environment, ContractType.LINEAR, hosts=hosts)
    async with (
        SigningProxy(holder, exchange, part, max_order_value=LIMIT) as proxy,
        httpx.AsyncClient(base_url=proxy.address, trust_env=False, verify=False) as http,  # noqa: S501  # loopback
    ):
        yield Bot(proxy, http), holder


@pytest.fixture
def bot(trading: tuple[Bot, Holder], holder: Holder) -> Bot:
    """Return the bot, with the configuration that `holder` of the test module sets."""
    del holder
    return trading[0]
