"""Keeps a bot online, and tells it whether its configuration changed."""

from typing import Any

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.db.reading import Reader
from app.exchanges.registry import Exchanges
from app.runtime.configuration import configuration
from app.runtime.heartbeats import Heartbeats
from app.runtime.situation import read_one


class HeartbeatService:
    """Hot: a plain heartbeat takes no session, and no transaction of its own."""

    def __init__(
        self, heartbeats: Heartbeats, reader: Reader, exchanges: Exchanges, bot: BotPrincipal
    ) -> None:
        self._heartbeats = heartbeats
        self._reader = reader
        self._exchanges = exchanges
        self._bot = bot

    async def beat(self) -> dict[str, Any]:
        """The members of `app.runtime.heartbeat_schemas.HeartbeatAnswer`, once it is stored."""
        account_id, bot_id = self._bot.account_id, self._bot.bot_id
        if not await self._heartbeats.beat(account_id, bot_id):
            raise Unauthenticated(TokenFault.REVOKED)
        rows = await read_one(self._reader, account_id, bot_id)
        if not rows:
            raise Unauthenticated(TokenFault.REVOKED)
        config = configuration(rows, self._exchanges)
        return {
            "config_version": config["version"],
            "may_open_positions": config["may_open_positions"],
        }
