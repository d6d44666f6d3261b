"""The SQL of a bot's reports of positions. Every statement names the account and the bot."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Account, Assignment, Bot, Key, KeyLabel, Position, TradingAsset
from app.runtime.situation import SituationRow, read_under_locks
from app.trading.marks import Mark, read_marks
from app.trading.position_rows import POSITIONS, PositionRow


class Origin(NamedTuple):
    """The key that a position is of, and what it takes over from that key's asset."""

    key_id: UUID
    exchange: str
    environment: str
    contract_type: str
    leverage: Decimal | None
    margin_mode: str | None


class PositionRepository:
    """Of one bot. Locks are taken in the order account, bot, keys, assets, position, and what they
    hold is read in statements after them.
    """

    def __init__(self, session: AsyncSession, account_id: UUID, bot_id: UUID) -> None:
        self._session = session
        self._account_id = account_id
        self._bot_id = bot_id

    async def share_bot(self, position_id: str) -> set[UUID] | None:
        """Lock the account, then the bot, against changes; `None` if the bot is gone.

        Gives the bot's key and the one of this position. Of a row that was waited for, its own
        columns are those after the wait; and the key of a position never changes.
        """
        await self._session.execute(
            select(Account.account_id)
            .where(Account.account_id == self._account_id)
            .with_for_update(read=True)
        )
        of_position = select(Position.key_id).where(*self._position(position_id)).scalar_subquery()
        bot = (
            select(Bot.key_id, of_position)
            .where(Bot.account_id == self._account_id, Bot.id == self._bot_id)
            .with_for_update(read=True, of=Bot)
        )
        row = (await self._session.execute(bot)).one_or_none()
        return None if row is None else {key for key in row if key is not None}

    async def share_assets(self, key_ids: Iterable[UUID], symbol: str) -> None:
        """Lock the keys, then their assets of this symbol, against changes."""
        wanted = set(key_ids)
        await self._session.execute(
            select(Key.id)
            .where(Key.account_id == self._account_id, Key.id.in_(wanted))
            .order_by(Key.id)
            .with_for_update(read=True)
        )
        await self._session.execute(
            select(TradingAsset.symbol)
            .where(
                TradingAsset.account_id == self._account_id,
                TradingAsset.key_id.in_(wanted),
                TradingAsset.symbol == symbol,
            )
            .order_by(TradingAsset.key_id, TradingAsset.contract_type)
            .with_for_update(read=True)
        )

    async def lock(self, position_id: str) -> bool:
        """Whether the position is there: one that is made later than this is not locked."""
        lock = select(Position.id).where(*self._position(position_id)).with_for_update()
        return await self._session.scalar(lock) is not None

    async def situation(self) -> list[SituationRow]:
        return await read_under_locks(self._session, self._account_id, self._bot_id)

    async def marks(self) -> list[Mark]:
        """What of the account's data was deleted. Its lock is held: no deletion crosses."""
        return await read_marks(self._session, self._account_id)

    async def now(self) -> datetime:
        now: datetime = (await self._session.execute(select(func.clock_timestamp()))).scalar_one()
        return now

    async def get(self, position_id: str) -> PositionRow | None:
        query = POSITIONS.where(*self._position(position_id))
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else PositionRow._make(row)

    async def former_key(self, key_id: UUID, symbol: str) -> Origin | None:
        """A key that the bot has or had, be it deleted since; `None` if it never had it."""
        query = (
            select(
                KeyLabel.key_id,
                KeyLabel.exchange,
                KeyLabel.environment,
                KeyLabel.contract_type,
                TradingAsset.leverage,
                TradingAsset.margin_mode,
            )
            .select_from(Assignment)
            .join(
                KeyLabel,
                (KeyLabel.account_id == Assignment.account_id)
                & (KeyLabel.key_id == Assignment.key_id),
            )
            .outerjoin(
                TradingAsset,
                (TradingAsset.account_id == KeyLabel.account_id)
                & (TradingAsset.key_id == KeyLabel.key_id)
                & (TradingAsset.contract_type == KeyLabel.contract_type)
                & (TradingAsset.symbol == symbol),
            )
            .where(
                Assignment.account_id == self._account_id,
                Assignment.bot_id == self._bot_id,
                Assignment.key_id == key_id,
            )
        )
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else Origin._make(row)

    async def add(self, position_id: str, **columns: Any) -> bool:
        """`False` where another report of the same position was first."""
        new = insert(Position).values(
            account_id=self._account_id, bot_id=self._bot_id, id=position_id, **columns
        )
        added = new.on_conflict_do_nothing().returning(Position.id)
        return await self._session.scalar(added) is not None

    async def change(self, position_id: str, **columns: Any) -> None:
        await self._session.execute(
            update(Position).where(*self._position(position_id)).values(**columns)
        )

    def _position(self, position_id: str) -> tuple[Any, Any, Any]:
        return (
            Position.account_id == self._account_id,
            Position.bot_id == self._bot_id,
            Position.id == position_id,
        )
