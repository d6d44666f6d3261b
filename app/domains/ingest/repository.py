"""The SQL of what bots report in batches. Every statement names the account and the bot."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Date, bindparam, case, cast, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import SessionExecutor, Statement
from app.db.models import Account, Bot, BotToken, IngestDay
from app.db.outcome import IDENTIFIED
from app.domains.analytics.rollups import mark_stale
from app.domains.ingest.bulk_insert import COMPLETE, CONTRACT, Target, array_text, items_text
from app.domains.trading.contracts import Origin
from app.domains.trading.marks import Mark, not_covered, read_marks

_TODAY = cast(func.timezone("UTC", func.clock_timestamp()), Date)
_NEW = insert(IngestDay).values(
    account_id=bindparam("account"), bot_id=bindparam("bot"), day=_TODAY, stored=bindparam("more")
)
_COUNT = _NEW.on_conflict_do_update(
    index_elements=[IngestDay.account_id, IngestDay.bot_id],
    set_={
        "day": _NEW.excluded.day,
        "stored": _NEW.excluded.stored
        + case((IngestDay.day == _NEW.excluded.day, IngestDay.stored), else_=0),
    },
).returning(
    IngestDay.stored,
    func.extract(
        "epoch", IngestDay.day + text("interval '1 day'") - func.timezone("UTC", func.now())
    ),
)
_OF_BOT = (Bot.account_id == bindparam("account"), Bot.id == bindparam("bot"))
_LOCK_ACCOUNT = Statement(
    select(IDENTIFIED).where(Account.account_id == bindparam("account")).with_for_update(read=True)
)
_LOCK_BOT = Statement(select(Bot.id).where(*_OF_BOT).with_for_update(read=True))
_BOT = Statement(
    select(BotToken.token_hash, Bot.key_id, func.clock_timestamp())
    .select_from(Bot)
    .outerjoin(BotToken, (BotToken.account_id == Bot.account_id) & (BotToken.bot_id == Bot.id))
    .where(*_OF_BOT)
)
_COUNTED = Statement(_COUNT)


class RowsToday(NamedTuple):
    """The rows that the bot stored on this UTC day, and the seconds until it ends."""

    stored: int
    left: float


class BotAtIngest(NamedTuple):
    """The calling bot under its lock. `now` is the database's clock."""

    token_hash: bytes | None
    key_id: UUID | None
    now: datetime


class IngestRepository:
    """The rows of one bot. Locks in the order account, bot; rows are read after the locks.

    What every batch sends is compiled once and goes straight through the driver.
    """

    def __init__(self, *, session: AsyncSession, account_id: UUID, bot_id: UUID) -> None:
        self._session = session
        self._executor = SessionExecutor(session)
        self._account_id = account_id
        self._bot_id = bot_id

    async def give_back(self) -> None:
        """Give the connection back; nothing may have been written yet."""
        await self._session.rollback()

    async def lock(self) -> bool:
        """Lock the account, then the bot, against changes; return whether the bot exists."""
        await self._executor.fetch(_LOCK_ACCOUNT, account=self._account_id)
        rows = await self._executor.fetch(_LOCK_BOT, account=self._account_id, bot=self._bot_id)
        return bool(rows)

    async def bot(self) -> BotAtIngest:
        (row,) = await self._executor.fetch(_BOT, account=self._account_id, bot=self._bot_id)
        return BotAtIngest._make(row)

    async def marks(self) -> list[Mark]:
        return await read_marks(self._executor, self._account_id)

    async def add(self, target: Target, origin: Origin, rows: Sequence[Sequence[Any]]) -> set[str]:
        """Insert rows in the order of `target.columns`; return the bot's ids of the new ones."""
        columns = map(array_text, zip(*rows, strict=True))
        added = await self._executor.fetch(
            target.statement,
            account_id=self._account_id,
            bot_id=self._bot_id,
            key_id=origin.key_id,
            exchange=origin.exchange,
            environment=origin.environment,
            **dict(zip(target.columns, columns, strict=True)),
        )
        return {name for (name,) in added}

    async def repeated(
        self, target: Target, rows: Sequence[Sequence[Any]]
    ) -> dict[int, tuple[Any, ...]]:
        """Compare rows of `target.compared` with those stored under their ids.

        Returns for the place of each whose id is stored whether it is the same, and the columns
        `target.looked_at` as stored.
        """
        found = await self._session.execute(
            target.repeated,
            {
                "account_id": self._account_id,
                "bot_id": self._bot_id,
                "ids": [name for name, *_ in rows],
                "items": items_text(target, rows),
            },
        )
        return {number - 1: tuple(rest) for number, *rest in found}

    async def complete(self, rows: Sequence[Sequence[Any]]) -> set[str]:
        """Complete trades without P&L with rows of an id and the columns `CONTRACT`, each id once.

        Returns the ids of the trades that it completed.
        """
        columns = map(array_text, zip(*rows, strict=True))
        completed = await self._session.scalars(
            COMPLETE,
            {
                "account_id": self._account_id,
                "bot_id": self._bot_id,
                **dict(zip(("id", *CONTRACT), columns, strict=True)),
            },
        )
        return set(completed.all())

    async def count(self, more: int) -> RowsToday:
        """Add to the bot's rows of the day. Batches at the same time wait here for each other."""
        ((stored, left),) = await self._executor.fetch(
            _COUNTED, account=self._account_id, bot=self._bot_id, more=more
        )
        return RowsToday(stored, float(left))

    async def mark_stale(self, environment: str, days: Collection[date]) -> None:
        """Mark these UTC days for recomputation, because trades were added to them."""
        await mark_stale(self._session, self._account_id, environment, days)

    async def deleted(
        self, target: Target, marks: Sequence[Mark], names: Collection[str]
    ) -> set[str]:
        """Return which ids belong to rows that a mark covers and that are not purged yet."""
        table = target.kind.table
        name = target.column(target.columns[0])
        left = not_covered(marks, table, target.column(target.kind.order))
        query = select(name).where(
            table.c.account_id == self._account_id,
            table.c.bot_id == self._bot_id,
            name.in_(names),
            or_(*(~condition for condition in left)),
        )
        return set(await self._session.scalars(query))

    def _bot(self) -> tuple[Any, Any]:
        return Bot.account_id == self._account_id, Bot.id == self._bot_id
