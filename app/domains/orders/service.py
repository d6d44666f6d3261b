"""Keeps key and margin mode as they are while orders rest at the exchange, which demands it too."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.domains.orders.repository import OrderRepository
from app.domains.orders.schemas import OrderReport
from app.domains.trading.errors import KeyNotAssigned

LEASE = timedelta(minutes=5)
"""How long a count stands that is not reported again: the bot may be gone, and its orders too."""


class Resting(NamedTuple):
    """The orders by the exchange's own symbol, the key that they concern, and until when they
    count.
    """

    key_id: UUID
    counts: Mapping[str, int]
    expires_at: datetime | None


class OrderService:
    """The resting orders of one bot. Locks in the order account, bot, key, asset.

    The locks are shared, and those that change key or margin mode are exclusive, so that orders
    are counted either before such a change, which is then refused, or after it.
    """

    def __init__(self, *, orders: OrderRepository, bot: BotPrincipal) -> None:
        self._orders = orders
        self._bot = bot

    async def report(self, report: OrderReport) -> Resting:
        """Store the report. Two spellings of one symbol are added up."""
        own = await self._orders.own_symbols([entry.symbol for entry in report.orders])
        resting: Counter[str] = Counter()
        for entry in report.orders:
            resting[own[entry.symbol]] += entry.count
        symbols = sorted(resting)
        await self._orders.share(symbols)
        rows, now = await self._orders.config_rows()
        # Minting waits for the bot's lock, so a token revoked meanwhile can report nothing.
        if now is None or rows[0].token_hash != self._bot.token_hash:
            raise Unauthenticated(TokenFault.REVOKED)
        key_id = rows[0].key_id
        if key_id is None or report.key_id not in {None, key_id}:
            raise KeyNotAssigned
        expires_at = now + LEASE
        counts = [resting[symbol] for symbol in symbols]
        await self._orders.put(key_id, symbols, counts, expires_at)
        return Resting(key_id, resting, expires_at if symbols else None)
