"""The rules of bots and of assigning keys to them."""

from operator import attrgetter
from typing import Any
from uuid import UUID

from app.api.pagination import Page
from app.db.base import new_id
from app.db.paged_list import Order, SortedPlace
from app.db.revisions import Revisions, require
from app.domains.accounts.quotas import Quota
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.bots.errors import (
    BotHasOrders,
    BotHasPositions,
    BotQuotaReached,
    KeyAssigned,
    KeyInactive,
    KeyIncomplete,
)
from app.domains.bots.list_repository import BotListRepository
from app.domains.bots.listing import BotFilter
from app.domains.bots.repository import BotRepository
from app.domains.bots.rows import BotRow
from app.domains.bots.schemas import BotChange
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.errors import NotFound


class BotService:
    """The bots of one account, within its quota.

    Locks in the order account, bot, keys, audit head, event head.
    """

    def __init__(
        self,
        *,
        bots: BotRepository,
        listed: BotListRepository,
        accounts: AccountRepository,
        audit: AuditLog,
        events: EventLog,
        quota: Quota,
    ) -> None:
        self._bots = bots
        self._listed = listed
        self._accounts = accounts
        self._audit = audit
        self._events = events
        self._quota = quota

    async def page(self, wanted: BotFilter, after: UUID | None, limit: int) -> Page[BotRow, UUID]:
        """Return a page of the bots, newest first."""
        rows = await self._listed.page(wanted, None, after, limit + 1)
        return Page.cut(rows, limit, attrgetter("id"))

    async def sorted_page(
        self, wanted: BotFilter, order: Order, after: SortedPlace | None, limit: int
    ) -> Page[BotRow, SortedPlace]:
        rows = await self._listed.page(wanted, order, after, limit + 1)
        return Page.cut(rows, limit, order.place)

    async def get(self, bot_id: UUID) -> BotRow:
        row = await self._bots.get(bot_id)
        if row is None:
            raise NotFound
        return row

    async def add(self, name: str) -> BotRow:
        await self._accounts.lock_shared()
        bot_id = new_id()
        await self._bots.add(bot_id, name)
        await self._audit.record("bot.add", target="bot", target_id=bot_id, name=name)
        await self._events.add(EventType.BOT_ADDED, bot_id=bot_id, name=name)
        if not await self._quota.take():
            raise BotQuotaReached(self._quota.most)
        return await self.get(bot_id)

    async def change(self, bot_id: UUID, change: BotChange, expected: Revisions | None) -> BotRow:
        row = await self._locked(bot_id, expected)
        if change.paused is not None:
            await self._lock_key(row)
        wanted = {"name": change.name, "paused": change.paused}
        changed: dict[str, Any] = {
            name: value
            for name, value in wanted.items()
            if value is not None and value != getattr(row, name)
        }
        if not changed:
            return row
        await self._bots.change(bot_id, **changed)
        await self._audit.record("bot.change", target="bot", target_id=bot_id, **changed)
        row = await self.get(bot_id)
        await self._events.add(
            EventType.BOT_CHANGED,
            bot_id=bot_id,
            environment=row.key_environment,
            name=row.name,
            paused=row.paused,
            changed=sorted(changed),
        )
        return row

    async def delete(self, bot_id: UUID, expected: Revisions | None) -> None:
        """Delete the bot and its token and release its key; refused while it has open positions, or
        orders.
        """
        row = await self._locked(bot_id, expected)
        await self._lock_key(row)
        self._refuse_open_positions(row)
        await self._bots.delete(bot_id)
        await self._audit.record("bot.delete", target="bot", target_id=bot_id, name=row.name)
        await self._add_lost_key(row)
        await self._events.add(EventType.BOT_DELETED, bot_id=bot_id, name=row.name)

    async def assign(self, bot_id: UUID, key_id: UUID, expected: Revisions | None) -> BotRow:
        """Assign this key to the bot in place of its current one. Assigning the same key changes
        nothing.

        A bot with open positions accepts only the key they were opened with. Reports may arrive
        late: a bot that has lost the key of its positions can get it back, since nothing else can
        manage them.
        """
        row = await self._locked(bot_id, expected)
        if row.key_id == key_id:
            return row
        await self._bots.lock_keys([key_id] if row.key_id is None else [key_id, row.key_id])
        key = await self._bots.assignment(key_id)
        if key is None:
            raise NotFound
        if key.awaiting_api_key:
            raise KeyIncomplete
        if not key.active:
            raise KeyInactive
        if key.bot_id is not None:
            raise KeyAssigned(key.bot_id, key.bot_name)
        # Counted after the locks: an opening takes them too, so none can slip in between.
        of_others = await self._bots.positions_of_others(bot_id, key_id)
        if of_others:
            raise BotHasPositions(of_others)
        _refuse_resting_orders(row)
        await self._bots.assign(bot_id, key_id, row.key_id)
        await self._audit.record(
            "bot.assign_key",
            target="bot",
            target_id=bot_id,
            environment=key.environment,
            key_id=str(key_id),
            former_key_id=None if row.key_id is None else str(row.key_id),
        )
        await self._add_lost_key(row)
        row = await self.get(bot_id)
        await self._add_assignment(row, assigned=True)
        return row

    async def unassign(self, bot_id: UUID, expected: Revisions | None) -> BotRow:
        """Take the bot's key away. A bot without a key stays as it is, so a repeat succeeds."""
        row = await self._locked(bot_id, expected)
        key_id = row.key_id
        if key_id is None:
            return row
        await self._lock_key(row)
        row = await self.get(bot_id)
        self._refuse_open_positions(row)
        await self._bots.unassign(bot_id, key_id)
        await self._audit.record(
            "bot.unassign_key",
            target="bot",
            target_id=bot_id,
            environment=row.key_environment,
            key_id=str(key_id),
        )
        await self._add_lost_key(row)
        return await self.get(bot_id)

    async def _add_lost_key(self, before: BotRow) -> None:
        """Add the event of the key that the bot had, if it had one."""
        if before.key_id is not None:
            await self._add_assignment(before, assigned=False)

    async def _add_assignment(self, row: BotRow, *, assigned: bool) -> None:
        await self._events.add(
            EventType.ASSIGNMENT_CHANGED,
            bot_id=row.id,
            key_id=row.key_id,
            environment=row.key_environment,
            name=row.name,
            label=row.key_label,
            assigned=assigned,
        )

    async def _locked(self, bot_id: UUID, expected: Revisions | None) -> BotRow:
        """Lock the bot and return its row, read in a later statement than the lock."""
        await self._accounts.lock_shared()
        if not await self._bots.lock(bot_id):
            raise NotFound
        row = await self.get(bot_id)
        require(row.revision, expected)
        return row

    async def _lock_key(self, row: BotRow) -> None:
        if row.key_id is not None:
            await self._bots.lock_keys([row.key_id])

    @staticmethod
    def _refuse_open_positions(row: BotRow) -> None:
        if row.open_positions:
            raise BotHasPositions(row.open_positions)
        _refuse_resting_orders(row)


def _refuse_resting_orders(row: BotRow) -> None:
    """Raise if orders rest. `row` was read under the bot's lock, which reports of orders share."""
    if row.open_orders:
        raise BotHasOrders(row.open_orders)
