"""Many checks at once on a simulated clock: waiting for a slot does not count as an outage."""

import asyncio
from collections import Counter
from contextlib import nullcontext
from typing import Any
from uuid import uuid4

import httpx

from app.api.telemetry import Metrics
from app.domains.keys.credential_check import PATIENCE, CredentialCheck
from app.domains.keys.credential_input import KeyRequest
from app.domains.keys.errors import CredentialsRejected
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport, Rate
from tests.sdk.client.skipping import now, skipping

SECONDS = 5
BURST = 60
PLACE = (Environment.LIVE, None, ContractType.LINEAR)
RATE = Rate(4, 2.0)  # powers of two, which this clock adds up exactly


class Strict(httpx.AsyncBaseTransport):
    """An exchange that rejects all keys immediately."""

    def __init__(self) -> None:
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        del request
        self.asked += 1
        return httpx.Response(401, stream=httpx.ByteStream(b'{"code": 401, "msg": "no"}'))


class Anyone:
    async def take(self, *_: object) -> None:
        pass


def a_key(number: int) -> KeyRequest:
    credentials = Credentials(Secret(f"key-{number:032}"), Secret("c2VjcmV0c2VjcmV0c2VjcmV0"))
    return KeyRequest(f"Key {number}", "phemex", *PLACE, credentials, active=True, verify=True)


def test_a_burst_is_checked_for_as_long_as_there_is_patience_and_the_rest_is_no_outage() -> None:
    strict = Strict()
    anyone: Any = Anyone()

    async def outcome(check: CredentialCheck, number: int) -> str | None:
        try:
            return (await check.run(a_key(number))).reason
        except CredentialsRejected:
            return "rejected"

    async def work() -> None:
        async with HttpTransport(transport=strict) as http:
            exchanges = Exchanges(http)
            http.set_rate(exchanges.adapter("phemex").endpoints(*PLACE).rest or "", RATE)
            check = CredentialCheck(
                exchanges=exchanges,
                metrics=Metrics(),
                limit=anyone,
                aside=nullcontext,
                turn=nullcontext,
                account_id=uuid4(),
                timeout=SECONDS,
                refuse_withdrawal=True,
            )
            outcomes = Counter(await asyncio.gather(*(outcome(check, n) for n in range(BURST))))
        checked = RATE.calls + (SECONDS + PATIENCE) * RATE.calls / RATE.seconds
        assert outcomes.keys() == {"rejected", "rate_limited"}
        assert outcomes["rejected"] == strict.asked
        assert checked - 2 <= strict.asked <= checked
        assert now() < SECONDS + PATIENCE + 1

    skipping(work)
