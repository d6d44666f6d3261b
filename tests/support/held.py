"""Exchanges that answer when the test allows it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from botkeys.exchanges.adapter import ExchangeAdapter
from botkeys.exchanges.model import CredentialReport, Environment
from botkeys.exchanges.registry import Exchanges
from tests.support.variants import changed
from tests.support.world import World


class HeldExchanges:
    """Exchanges whose first check sets `asked` and then waits for `go`; later checks do not
    wait.
    """

    def __init__(self, exchanges: Exchanges) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self._exchanges = exchanges

    def adapter(self, exchange: str) -> "_HeldAdapter":
        return _HeldAdapter(self, self._exchanges.adapter(exchange))

    async def wait(self) -> None:
        if not self.asked.is_set():
            self.asked.set()
            await self.go.wait()


class _HeldAdapter:
    def __init__(self, held: HeldExchanges, adapter: ExchangeAdapter) -> None:
        self._held = held
        self._adapter = adapter

    def tells_withdrawal(self, environment: Environment, region: str | None) -> bool:
        return self._adapter.tells_withdrawal(environment, region)

    async def check_credentials(self, *request: Any) -> CredentialReport:
        await self._held.wait()
        return await self._adapter.check_credentials(*request)


@asynccontextmanager
async def held(world: World) -> AsyncIterator[tuple[World, HeldExchanges]]:
    """Yield the same world, with the first check of a key taking as long as the test wants."""
    exchanges = HeldExchanges(world.context.exchanges)
    patient = {"key_check_timeout": 100.0}
    async with changed(world, settings=patient, exchanges=exchanges) as holding:
        yield holding, exchanges
