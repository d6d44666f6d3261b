"""Keeps key and margin mode as they are while orders rest at the exchange, which demands it too."""

from datetime import datetime, timedelta
from uuid import UUID

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.domains.orders.repository import OrderRepository
from app.domains.orders.schemas import OrderReport
from app.domains.trading.errors import KeyNotAssigned

LEASE = timedelta(minutes=5)
"""How long a count stands that is not reported again: the bot may be gone, and its orders too."""


class OrderService:
    """The resting orders of one bot. Locks in the order account, bot, key, asset.

    The locks are shared, and those that change key or margin mode are exclusive, so that orders
    are counted either before such a change, which is then refused, or after it.
    """

    def __init__(self, *, orders: OrderRepository, bot: BotPrincipal) -> None:
        self._orders = orders
        self._bot = bot

    async def report(self, report: OrderReport) -> tuple[UUID, datetime | None]:
        """Store the report; return the key that it concerns and until when it counts."""
        entries = sorted(report.orders, key=lambda entry: entry.symbol)
        symbols = [entry.symbol for entry in entries]
        await self._orders.share(symbols)
        rows, now = await self._orders.config_rows()
        # Minting waits for the bot's lock, so a token revoked meanwhile can report nothing.
        if now is None or rows[0].token_hash != self._bot.token_hash:
            raise Unauthenticated(TokenFault.REVOKED)
        key_id = rows[0].key_id
        if key_id is None or report.key_id not in {None, key_id}:
            raise KeyNotAssigned
        expires_at = now + LEASE
        counts = [entry.count for entry in entries]
        await self._orders.put(key_id, symbols, counts, expires_at)
        return key_id, expires_at if entries else None
