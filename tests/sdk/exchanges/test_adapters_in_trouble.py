"""What goes wrong at an exchange says nothing about a key: it is never taken for a refusal."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from app.simulator import Simulator, credentials
from app.simulator.faults import FaultKind
from botkeys.exchanges.errors import CredentialsRefused, ExchangeError
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.exchanges.registry import EXCHANGES, Exchanges, simulated_hosts
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport
from botkeys.transport.deadline import Deadline

SECONDS = 2.0
FAULTS: Mapping[str, tuple[FaultKind, dict[str, Any]]] = {
    "429": (FaultKind.RATE_LIMITED, {"retry_after": 100}),
    "banned": (FaultKind.BANNED, {"retry_after": 100}),
    "500": (FaultKind.SERVER_ERROR, {"status": 500}),
    "502": (FaultKind.SERVER_ERROR, {"status": 502}),
    "503": (FaultKind.SERVER_ERROR, {"status": 503}),
    "504": (FaultKind.SERVER_ERROR, {"status": 504}),
    "slow": (FaultKind.SLOW, {"seconds": 30}),
    "cut off": (FaultKind.CUT, {}),
    "cut off in its body": (FaultKind.CUT_BODY, {}),
    "a page instead of JSON": (FaultKind.HTML, {}),
    "broken JSON": (FaultKind.TRUNCATED, {}),
}
OFTEN = {"503", "cut off in its body", "broken JSON"}
"""The faults of the ordinary suite; `make torture` has them all."""


def boxed(texts: Mapping[str, str]) -> Credentials:
    passphrase = texts.get("api_passphrase")
    return Credentials(
        Secret(texts["api_key"]),
        Secret(texts["api_secret"]),
        None if passphrase is None else Secret(passphrase),
    )


@pytest.mark.parametrize(
    "fault",
    [pytest.param(name, marks=() if name in OFTEN else pytest.mark.torture) for name in FAULTS],
)
async def test_no_trouble_of_any_exchange_refuses_a_key(fault: str) -> None:
    """Rule R6."""
    kind, options = FAULTS[fault]
    async with Simulator(perpetuals=2, long_listing=2) as simulator, HttpTransport() as http:
        exchanges = Exchanges(http, hosts=simulated_hosts(simulator.hosts))

        async def failure(exchange: str) -> object:
            keys = boxed(credentials()[exchange]["live"]["trade"])
            simulator.faults.set(exchange, "live", kind, **options)
            try:
                return await exchanges.adapter(exchange).check_credentials(
                    keys, Environment.LIVE, None, ContractType.LINEAR, Deadline(SECONDS)
                )
            except ExchangeError as error:
                return error

        async with asyncio.timeout(SECONDS + 10):
            found = await asyncio.gather(*map(failure, EXCHANGES))

    for exchange, outcome in zip(EXCHANGES, found, strict=True):
        assert isinstance(outcome, ExchangeError), (exchange, outcome)
        assert not isinstance(outcome, CredentialsRefused), (exchange, outcome)
