"""A simulator without the faults and keys of other tests; each listing is loaded once."""

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from app.simulator import Simulator
from botkeys.exchanges.model import ContractType, Environment, Instrument
from botkeys.exchanges.registry import Exchanges, simulated_hosts
from botkeys.transport.client import HttpTransport
from tests.outside.ccxt_client import OutsideClient


class BothSides:
    """The simulator as our adapters read it, and as ccxt does. Shared by all tests here."""

    def __init__(self, simulator: Simulator, exchanges: Exchanges) -> None:
        self._simulator = simulator
        self._exchanges = exchanges
        self._clients: dict[tuple[str, Environment], OutsideClient] = {}
        self._instruments: dict[tuple[str, str, str], Sequence[Instrument]] = {}

    async def client(self, exchange: str, environment: Environment) -> OutsideClient:
        place = (exchange, environment)
        if place not in self._clients:
            address = self._simulator.hosts[exchange][environment]
            self._clients[place] = OutsideClient(exchange, environment, address)
            await self._clients[place].load()
        return self._clients[place]

    async def instruments(
        self, exchange: str, environment: Environment, contract_type: ContractType
    ) -> Sequence[Instrument]:
        place = (exchange, environment, contract_type)
        if place not in self._instruments:
            adapter = self._exchanges.adapter(exchange)
            self._instruments[place] = await adapter.instruments(environment, None, contract_type)
        return self._instruments[place]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@pytest_asyncio.fixture(scope="session")
async def both_sides() -> AsyncIterator[BothSides]:
    async with Simulator() as simulator, HttpTransport() as http:
        shared = BothSides(simulator, Exchanges(http, hosts=simulated_hosts(simulator.hosts)))
        yield shared
        shared.close()


@pytest.fixture(params=list(Environment))
def environment(request: pytest.FixtureRequest) -> Environment:
    return Environment(request.param)
