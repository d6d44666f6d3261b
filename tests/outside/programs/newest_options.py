"""What a ccxt of another environment reads with given options: read as JSON, written as JSON.

Read: a list of `id` (ccxt's class) and `options` (for its constructor). Written, for each: what the
account owns as a client of `ccxt` and one of `ccxt.async_support` see it; `null` without a class.
"""

import asyncio
import json
import sys
from typing import Any

import ccxt
import ccxt.async_support


def owned(balance: Any) -> dict[str, float]:
    return {asset: amount for asset, amount in balance["total"].items() if amount}


async def read_both_ways(name: str, options: Any) -> Any:
    if name not in ccxt.exchanges:
        return None
    client = getattr(ccxt, name)(options)
    client.enableRateLimit = False
    seen = [owned(await asyncio.to_thread(client.fetch_balance))]
    client.session.close()
    other = getattr(ccxt.async_support, name)(options)
    other.enableRateLimit = False
    try:
        seen.append(owned(await other.fetch_balance()))
    finally:
        await other.close()
    return seen


async def main() -> None:
    given = json.load(sys.stdin)
    seen = [await read_both_ways(each["id"], each["options"]) for each in given]
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
