"""Runs a simulated Binance, or the signing proxy before it, in a process of its own.

`python -m benchmarks.signing_process` is the exchange; with its address as an argument it is the
proxy. Both print where they are as one line of JSON, then wait for the end of their standard input.
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from app.simulator import Simulator, credentials
from botkeys.client import BotConfig, ConfigAsset, ConfigKey
from botkeys.exchanges.model import ContractType, Environment
from botkeys.exchanges.registry import simulated_hosts
from botkeys.sealing.secret import Secret
from botkeys.signing_proxy import SigningProxy, market


@dataclass(frozen=True, slots=True)
class Held:
    """The credentials of the bot's key."""

    api_key: Secret
    api_secret: Secret
    api_passphrase: Secret | None = None
    exchange: str = "binance"
    environment: Environment = Environment.LIVE


class Holder:
    """A bot whose configuration was confirmed just now."""

    config_age = 0.0
    newest_config = BotConfig(
        version=1,
        may_open_positions=True,
        key=ConfigKey(id=UUID(int=1), exchange="binance", environment="live", version=1),
        assets=(ConfigAsset(symbol="BTCUSDT", contract_size=Decimal(1), may_open_positions=True),),
    )

    def __init__(self) -> None:
        key = credentials()["binance"]["live"]["trade"]
        self._given = Held(Secret(key["api_key"]), Secret(key["api_secret"]))

    async def credentials(self) -> Held:
        return self._given


async def main() -> None:
    if len(sys.argv) == 1:
        async with Simulator() as simulator:
            await _serve_until_asked({"address": simulator.hosts["binance"]["live"]})
        return
    hosts = simulated_hosts({"binance": {"live": sys.argv[1]}})
    part = market("binance", "live", ContractType.LINEAR, hosts=hosts)
    async with SigningProxy(Holder(), "binance", part, max_order_value=Decimal(10**6)) as proxy:
        held = proxy.placeholder
        await _serve_until_asked(
            {"address": proxy.address, "key": held.api_key, "secret": held.api_secret}
        )


async def _serve_until_asked(where: dict[str, str]) -> None:
    print(json.dumps(where), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
