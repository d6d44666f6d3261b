"""Current prices, for the value of orders that name none: public calls to the exchange."""

import asyncio
import json
from decimal import Decimal

from botkeys.signing_proxy.dialect import Dialect
from botkeys.signing_proxy.refusals import Refusal
from botkeys.signing_proxy.upstream import Upstream

_FRESH_SECONDS = 1.0
_MOST_BYTES = 1 << 20
_PATIENCE = 5.0
_OK = 200


class Prices:
    def __init__(self, dialect: Dialect, upstream: Upstream) -> None:
        self._dialect = dialect
        self._upstream = upstream
        self._known: dict[str, tuple[float, Decimal]] = {}

    async def of(self, symbol: str) -> Decimal | None:
        """Return a price that is at most a second old; `None` if the exchange does not tell it."""
        now = asyncio.get_running_loop().time()
        known = self._known.get(symbol)
        if known is not None and now - known[0] < _FRESH_SECONDS:
            return known[1]
        try:
            async with asyncio.timeout(_PATIENCE):
                price = await self._ask(symbol)
        except (Refusal, ConnectionError, TimeoutError, ValueError):
            return None
        if price:
            self._known[symbol] = now, price
        return price or None

    async def _ask(self, symbol: str) -> Decimal | None:
        host, target = self._dialect.price_call(symbol)
        origin = self._dialect.host(host)
        answer = await self._upstream.send("GET", origin, target, [], b"")
        try:
            body = bytearray()
            async for chunk in answer.body:
                body += chunk
                if len(body) > _MOST_BYTES:
                    return None
        finally:
            await answer.close()
        return self._dialect.price_of(json.loads(body)) if answer.status == _OK else None
