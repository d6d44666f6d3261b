"""What all adapters do if an exchange is unavailable or limits its callers."""

from collections.abc import Callable
from typing import Any

import pytest

from botkeys.exchanges.errors import RateLimited, Unreachable
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import CircuitRule, HttpTransport, TransportLimits

KEYS = Credentials(Secret("k"), Secret("s"))
PLACE = (Environment.LIVE, None, ContractType.LINEAR)


async def test_an_exchange_that_is_down_soon_fails_without_asking_it(
    fake: Any, make_reply: Callable[..., Any], hosts_at: Callable[[str], Any]
) -> None:
    limits = TransportLimits(attempts=1, circuit=CircuitRule(failures=3, window=60, pause=60))
    async with HttpTransport(limits) as http:
        adapter = Exchanges(http, hosts=hosts_at(fake.url)).adapter("bybit")
        with fake.failing(make_reply(502)):
            for _ in range(6):
                with pytest.raises(Unreachable):
                    await adapter.tickers(*PLACE)
            with pytest.raises(Unreachable):
                await adapter.check_credentials(KEYS, *PLACE)
    assert len(fake.received) == 3


async def test_a_public_limit_keeps_public_calls_away_and_checks_go_on(
    exchanges: Exchanges, fake: Any, make_reply: Callable[..., Any]
) -> None:
    adapter = exchanges.adapter("binance")
    with fake.failing(make_reply(429, headers={"Retry-After": "30"}, body=b"{}")):
        for _ in range(2):
            with pytest.raises(RateLimited) as caught:
                await adapter.tickers(*PLACE)
            assert 10 < (caught.value.retry_after or 0) <= 30
        assert len(fake.received) == 1
        with pytest.raises(RateLimited):
            await adapter.check_credentials(KEYS, *PLACE)
        assert len(fake.received) == 2


async def test_a_banned_address_keeps_every_call_away(
    exchanges: Exchanges, fake: Any, make_reply: Callable[..., Any]
) -> None:
    adapter = exchanges.adapter("binance")
    with fake.failing(make_reply(418, headers={"Retry-After": "30"}, body=b"{}")):
        for _ in range(2):
            with pytest.raises(RateLimited) as caught:
                await adapter.check_credentials(KEYS, *PLACE)
            assert 10 < (caught.value.retry_after or 0) <= 30
        with pytest.raises(RateLimited):
            await adapter.tickers(*PLACE)
    assert len(fake.received) == 1
