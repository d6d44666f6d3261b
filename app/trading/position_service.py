"""Positions as their owner sees them, and what can be done about those of a dead bot."""

from collections.abc import Callable
from uuid import UUID

from app.accounts.repository import AccountRepository
from app.audit.log import AuditLog
from app.auth.principal import UserPrincipal
from app.db.base import new_id
from app.errors import NotFound
from app.runtime.repository import RuntimeRepository
from app.trading.errors import PositionAmbiguous
from app.trading.marks import covers
from app.trading.position_repository import PositionRepository
from app.trading.position_rows import PositionRow

_BY_HAND = (
    "The user closed a position by hand. If the bot still has it at the exchange, it will report "
    "it and open it again."
)


class PositionService:
    """Positions of one account. Locks in the order account, position, audit head."""

    def __init__(
        self,
        positions: PositionRepository,
        accounts: AccountRepository,
        events_of: Callable[[UUID], RuntimeRepository],
        audit: AuditLog,
    ) -> None:
        self._positions = positions
        self._accounts = accounts
        self._events_of = events_of
        self._audit = audit

    async def close(
        self, principal: UserPrincipal, position_id: str, bot_id: UUID | None
    ) -> PositionRow:
        """Close the position without its bot. One that is closed already stays as it is."""
        await self._accounts.enter(principal)
        holders = await self._positions.holders(position_id, bot_id)
        if not holders:
            raise NotFound
        if len(holders) > 1:
            raise PositionAmbiguous([{"id": bot.id, "name": bot.name} for bot in holders])
        holder: UUID = holders[0].id
        await self._positions.lock(holder, position_id)
        row = await self._get(holder, position_id)
        if row.status == "closed" or row.lapsed:
            return row
        await self._positions.close(holder, position_id)
        await self._events_of(holder).add_event(
            new_id(),
            key_id=row.key_id,
            exchange=row.exchange,
            environment=row.environment,
            contract_type=row.contract_type,
            kind="position_closed_by_hand",
            level="info",
            message=_BY_HAND,
            data={"position_id": row.id, "symbol": row.symbol},
        )
        await self._audit.record(
            "position.close",
            target="position",
            target_id=position_id,
            environment=row.environment,
            bot_id=str(holder),
            symbol=row.symbol,
        )
        return await self._get(holder, position_id)

    async def _get(self, bot_id: UUID, position_id: str) -> PositionRow:
        """Raises `NotFound` also for what was deleted and is not purged yet."""
        row = await self._positions.get(bot_id, position_id)
        if row is None:
            raise NotFound
        if row.status == "closed" or row.lapsed:
            marks = await self._positions.marks()
            if any(covers(mark, row.environment, row.key_id, row.happened) for mark in marks):
                raise NotFound
        return row
