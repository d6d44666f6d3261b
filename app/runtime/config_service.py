"""Gives a bot its configuration."""

from typing import Any

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.db.reading import Reader
from app.exchanges.registry import Exchanges
from app.runtime.configuration import configuration
from app.runtime.situation import read_one


class ConfigService:
    def __init__(self, reader: Reader, exchanges: Exchanges, bot: BotPrincipal) -> None:
        self._reader = reader
        self._exchanges = exchanges
        self._bot = bot

    async def config(self) -> dict[str, Any]:
        """The members of `app.runtime.schemas.Config`."""
        rows = await read_one(self._reader, self._bot.account_id, self._bot.bot_id)
        if not rows:
            raise Unauthenticated(TokenFault.REVOKED)
        return configuration(rows, self._exchanges)
