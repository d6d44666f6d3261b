"""What a ccxt of another environment makes of the simulator: read as JSON, written as JSON.

Read: `hosts`, `keys` and `exchanges`, a list. Written, for each exchange that this ccxt has, by
environment: its perpetuals as rows, and what became of a good key, a revoked one and orders.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Any

import ccxt

from botkeys.exchanges.model import Environment
from tests.outside.ccxt_client import CLASSES, OutsideClient
from tests.outside.differences import of_ccxt


async def seen(exchange: str, environment: Environment, address: str, keys: Any) -> Any:
    client = OutsideClient(exchange, environment, address)
    try:
        await client.load()
        perpetuals = [m for m in client.markets if m["swap"] and m["active"] is not False]
        found: dict[str, Any] = {"rows": [asdict(of_ccxt(market)) for market in perpetuals]}
        with client.signing_with(keys["trade"]):
            found["funds"] = sorted(await client.total({}))
            found["orders"] = {}
            for kind in ("linear", "inverse"):
                bitcoin = [m for m in perpetuals if m["base"] == "BTC" and m[kind]]
                if bitcoin:
                    found["orders"][kind] = bool(await client.buy(bitcoin[0]))
        with client.signing_with(keys["revoked"]):
            try:
                await client.total({})
            except client.authentication_error:
                found["revoked"] = "refused"
        return found
    finally:
        client.close()


async def main() -> None:
    given = json.load(sys.stdin)
    result: dict[str, Any] = {"version": ccxt.__version__, "missing": [], "seen": {}}
    for exchange in given["exchanges"]:
        if CLASSES.get(exchange, exchange) not in ccxt.exchanges:
            result["missing"].append(exchange)
            continue
        result["seen"][exchange] = {
            environment: await seen(
                exchange,
                environment,
                given["hosts"][exchange][environment],
                given["keys"][exchange][environment],
            )
            for environment in Environment
        }
    json.dump(result, sys.stdout, default=str)


if __name__ == "__main__":
    asyncio.run(main())
