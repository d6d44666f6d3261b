"""The rules of positions for their owner, such as closing a position whose bot is dead."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from uuid import UUID

from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.bot_events.event import RecordedEvent
from app.domains.bot_events.repository import BotEventRepository
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.positions.errors import PositionAmbiguous
from app.domains.positions.repository import PositionRepository
from app.domains.positions.rows import PositionRow
from app.domains.trading.marks import covers
from app.errors import NotFound

_BY_HAND = (
    "The user closed a position by hand. If the bot still holds it at the exchange, the bot "
    "reports it and it is open again."
)


class PositionService:
    """The positions of one account. Locks in the order account, position, audit head, event
    head.
    """

    def __init__(
        self,
        *,
        positions: PositionRepository,
        accounts: AccountRepository,
        events_of: Callable[[UUID], BotEventRepository],
        audit: AuditLog,
        log: EventLog,
    ) -> None:
        self._positions = positions
        self._accounts = accounts
        self._events_of = events_of
        self._audit = audit
        self._log = log

    async def close(self, position_id: str, bot_id: UUID | None) -> PositionRow:
        """Close the position without its bot. A closed position stays as it is.

        If several bots have a closed position of this id, the most recently changed one is
        returned.
        """
        await self._accounts.lock_shared()
        known = await self._positions.holders(position_id, bot_id)
        held = [bot for bot in known if bot.held]
        if len(held) > 1:
            raise PositionAmbiguous([{"id": bot.id, "name": bot.name} for bot in held])
        row = await self._first([bot.id for bot in held or known], position_id)
        if row.status == "closed" or row.lapsed:
            return row
        holder = row.bot_id
        await self._positions.close(holder, position_id)
        data = {"position_id": row.id, "symbol": row.symbol}
        await self._events_of(holder).add(
            RecordedEvent("position_closed_by_hand", "info", _BY_HAND, data),
            key_id=row.key_id,
            exchange=row.exchange,
            environment=row.environment,
            contract_type=row.contract_type,
        )
        await self._audit.record(
            "position.close",
            target="position",
            target_id=position_id,
            environment=row.environment,
            bot_id=str(holder),
            symbol=row.symbol,
        )
        closed = await self._shown(holder, position_id)
        await self._log.add(
            EventType.POSITION_CLOSED,
            key_id=closed.key_id,
            bot_id=holder,
            environment=closed.environment,
            position_id=closed.id,
            symbol=closed.symbol,
            side=closed.side,
            reason=closed.close_reason,
        )
        return closed

    async def _first(self, bots: Iterable[UUID], position_id: str) -> PositionRow:
        """Lock and return the first of these bots' positions that is not deleted. Raises
        `NotFound`.

        A deleted row may still wait to be purged.
        """
        for bot_id in bots:
            await self._positions.lock(bot_id, position_id)
            with suppress(NotFound):
                return await self._shown(bot_id, position_id)
        raise NotFound

    async def _shown(self, bot_id: UUID, position_id: str) -> PositionRow:
        """Return the position. Raises `NotFound`, also if it is deleted."""
        row = await self._positions.get(bot_id, position_id)
        if row is None or await self._is_deleted(row):
            raise NotFound
        return row

    async def _is_deleted(self, row: PositionRow) -> bool:
        if row.status != "closed" and not row.lapsed:
            return False
        marks = await self._positions.marks(row.key_id)
        return any(covers(mark, row.environment, row.key_id, row.happened) for mark in marks)
