"""When a key may change between linear and inverse."""

from uuid import UUID

from app.domains.bots.repository import BotRepository
from app.domains.keys.errors import BotOnline, ContractTypeNotOffered, OpenPositions
from app.domains.keys.repository import KeyRepository, KeyRow
from botkeys.exchanges.model import ContractType
from botkeys.exchanges.registry import EXCHANGES


class ContractSwitch:
    """Not while the key's bot is online, nor while any bot holds a position with the key."""

    def __init__(self, keys: KeyRepository, bots: BotRepository) -> None:
        self._keys = keys
        self._bots = bots

    async def lock_bot(self, key_id: UUID) -> UUID | None:
        """Take the locks that come before the key's: of its bot, and of that bot's presence.

        Which bot that is was read before it was locked: look again once the key is locked too.
        """
        row = await self._keys.get(key_id)
        if row is None or row.bot_id is None:
            return None
        await self._bots.lock(row.bot_id)
        await self._bots.lock_presence(row.bot_id)
        return row.bot_id

    async def check(self, row: KeyRow, wanted: ContractType) -> None:
        """Raises the refusal that fits; `row` was read under all locks."""
        if wanted == row.contract_type:
            return
        profile = EXCHANGES[row.exchange]
        if wanted not in profile.contract_types:
            raise ContractTypeNotOffered(profile.name, profile.contract_types)
        if row.bot_id is not None:
            bot = await self._bots.get(row.bot_id)
            if bot is not None and bot.online:
                raise BotOnline(bot.id, bot.name)
        count = await self._keys.positions_held(row.id)
        if count:
            raise OpenPositions(count)
