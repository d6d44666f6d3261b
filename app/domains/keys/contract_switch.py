"""The rule of when a key may switch between linear and inverse."""

from uuid import UUID

from app.domains.bots.repository import BotRepository
from app.domains.keys.errors import (
    BotOnline,
    ContractHasOrders,
    ContractHasPositions,
    ContractTypeNotOffered,
)
from app.domains.keys.repository import KeyRepository
from app.domains.keys.rows import KeyRow
from botkeys.exchanges.model import ContractType
from botkeys.exchanges.registry import EXCHANGES


class ContractSwitch:
    """The switch of a key's contract type. Refused while the key's bot is online, while any bot
    holds a position with the key, and while orders of the key rest.
    """

    def __init__(self, keys: KeyRepository, bots: BotRepository) -> None:
        self._keys = keys
        self._bots = bots

    async def lock_bot(self, key_id: UUID) -> UUID | None:
        """Lock the key's bot and that bot's presence: both locks come before the key's.

        The bot was looked up before it was locked, so the caller must compare again once the key is
        locked too.
        """
        row = await self._keys.get(key_id)
        if row is None or row.bot_id is None:
            return None
        await self._bots.lock(row.bot_id)
        await self._bots.lock_presence(row.bot_id)
        return row.bot_id

    async def check(self, row: KeyRow, wanted: ContractType) -> None:
        """Raise the refusal that applies, if any. `row` must have been read under all locks."""
        if wanted == row.contract_type:
            return
        profile = EXCHANGES[row.exchange]
        if wanted not in profile.contract_types:
            raise ContractTypeNotOffered(profile.name, profile.contract_types)
        if row.bot_id is not None:
            bot = await self._bots.get(row.bot_id)
            if bot is not None and bot.online:
                raise BotOnline(bot.id, bot.name)
        count = await self._keys.locking_positions(row.id)
        if count:
            raise ContractHasPositions(count)
        orders = await self._keys.resting_orders(row.id)
        if orders:
            raise ContractHasOrders(orders)
