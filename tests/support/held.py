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
    """Exchanges whose `first` checks wait for `go`, and the last of them sets `asked`; later checks
    do not wait. `checks`: how many there were.
    """

    def __init__(self, exchanges: Exchanges, first: int = 1) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.checks = 0
        self._first = first
        self._exchanges = exchanges

    def adapter(self, exchange: str) -> "_HeldAdapter":
        return _HeldAdapter(self, self._exchanges.adapter(exchange))

    async def wait(self) -> None:
        self.checks += 1
        if self.checks == self._first:
            self.asked.set()
        if self.checks <= self._first:
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
async def held(
    world: World, first: int = 1, **context: Any
) -> AsyncIterator[tuple[World, HeldExchanges]]:
    """Yield the same world, with the first checks of keys taking as long as the test wants."""
    exchanges = HeldExchanges(world.context.exchanges, first)
    patient = {"key_check_timeout": 100.0}
    async with changed(world, settings=patient, exchanges=exchanges, **context) as holding:
        yield holding, exchanges
