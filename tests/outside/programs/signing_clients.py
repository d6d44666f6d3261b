"""A ccxt of another environment trades through signing proxies: read as JSON, written as JSON.

Read: `proxies`, by exchange, each with `address`, `environment` and `key`, the placeholder.
"""

import asyncio
import json
import sys
from typing import Any

from botkeys.exchanges.model import Environment
from tests.outside.ccxt_client import OutsideClient


async def traded(exchange: str, proxy: dict[str, Any]) -> Any:
    client = OutsideClient(exchange, Environment(proxy["environment"]), proxy["address"])
    try:
        await client.load()
        bitcoin = [
            market
            for market in client.markets
            if market["swap"] and market["base"] == "BTC" and market["linear"]
        ]
        with client.signing_with(proxy["key"]):
            funds = sorted(await client.total({}))
            order = await client.buy(bitcoin[0])
            others = [market for market in client.markets if market["base"] == "ETH"]
            try:
                await client.buy(others[0])
            except client.exchange_error as error:
                return {"funds": bool(funds), "order": bool(order), "refused": str(error)}
        return {"funds": bool(funds), "order": bool(order), "refused": None}
    finally:
        client.close()


async def main() -> None:
    given = json.load(sys.stdin)
    found = {name: await traded(name, proxy) for name, proxy in given["proxies"].items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
