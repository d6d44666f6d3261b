"""The SQL of what bots report in batches. Every statement names the account and the bot."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    Date,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.clock import NOW
from app.db.driver import Rows, SessionExecutor, Statement
from app.db.models import (
    Account,
    Assignment,
    Bot,
    BotToken,
    IngestDay,
    Key,
    KeyLabel,
)
from app.db.outcome import IDENTIFIED
from app.domains.analytics.rollups import MARK_STALE
from app.domains.ingest.bulk_insert import COMPLETE, CONTRACT, Target, array_text, items_text
from app.domains.trading.contracts import Origin
from app.domains.trading.marks import Mark, mark_of, not_covered, of_key, read_marks
from botkeys.exchanges.model import ContractType

_TODAY = cast(func.timezone("UTC", NOW), Date)
_NEW = insert(IngestDay).values(
    account_id=bindparam("account"), bot_id=bindparam("bot"), day=_TODAY, stored=bindparam("more")
)
# A batch that began before midnight and waited for one of the next day counts for the next day.
_COUNTED = Statement(
    _NEW.on_conflict_do_update(
        index_elements=[IngestDay.account_id, IngestDay.bot_id],
        set_={
            "day": func.greatest(IngestDay.day, _NEW.excluded.day),
            "stored": _NEW.excluded.stored
            + case((IngestDay.day >= _NEW.excluded.day, IngestDay.stored), else_=0),
        },
    ).returning(IngestDay.stored)
)
_LEFT = Statement(
    select(func.extract("epoch", _TODAY + text("interval '1 day'") - func.timezone("UTC", NOW)))
)
_OF_BOT = (Bot.account_id == bindparam("account"), Bot.id == bindparam("bot"))
_LOCKED_ACCOUNT = (
    select(Account.account_id)
    .where(Account.account_id == bindparam("account"))
    .with_for_update(read=True)
    .subquery("locked")
)
# A row of the bot is locked when it is joined with that of the account, which is locked by then.
_LOCK = Statement(
    select(Bot.id, IDENTIFIED)
    .select_from(_LOCKED_ACCOUNT)
    .join(Bot, Bot.account_id == _LOCKED_ACCOUNT.c.account_id)
    .where(*_OF_BOT)
    .with_for_update(read=True, of=Bot)
)
_KEY_ID = func.coalesce(bindparam("key", type_=Uuid()), Bot.key_id)

_MARKS = of_key(bindparam("account"), _KEY_ID, Bot).lateral("marks")
_SITUATION = Statement(
    select(
        BotToken.token_hash,
        NOW,
        _KEY_ID,
        KeyLabel.exchange,
        KeyLabel.environment,
        KeyLabel.contract_type,
        Key.id,
        Key.region,
        *_MARKS.c,
    )
    .select_from(Bot)
    .outerjoin(BotToken, (BotToken.account_id == Bot.account_id) & (BotToken.bot_id == Bot.id))
    .outerjoin(
        Assignment,
        (Assignment.account_id == Bot.account_id)
        & (Assignment.bot_id == Bot.id)
        & (Assignment.key_id == _KEY_ID),
    )
    .outerjoin(
        KeyLabel,
        (KeyLabel.account_id == Assignment.account_id) & (KeyLabel.key_id == Assignment.key_id),
    )
    .outerjoin(Key, (Key.account_id == KeyLabel.account_id) & (Key.id == KeyLabel.key_id))
    .outerjoin(_MARKS, true())
    .where(*_OF_BOT)
)


class BotAtIngest(NamedTuple):
    """The calling bot under its lock, and the key that it reports for. `now` is the database's
    clock; `origin` is `None` if the bot never had the key or nothing is known about it any more.
    `marks` are those of the key, and of all keys.
    """

    token_hash: bytes | None
    now: datetime
    key_id: UUID | None
    origin: Origin | None
    marks: Sequence[Mark]


class IngestRepository:
    """The rows of one bot. Locks in the order account, bot; rows are read after the locks.

    What every batch sends is compiled once and goes straight through the driver.
    """

    def __init__(self, *, session: AsyncSession, account_id: UUID, bot_id: UUID) -> None:
        self._session = session
        self._executor = SessionExecutor(session)
        self._account_id = account_id
        self._bot_id = bot_id
        self._of = {"account": account_id, "bot": bot_id}

    async def give_back(self) -> None:
        """Give the connection back; nothing may have been written yet."""
        await self._session.rollback()

    async def lock(self) -> bool:
        """Lock the account, then the bot, against changes; return whether the bot exists."""
        return bool(await self._executor.fetch(_LOCK, **self._of))

    async def bot(self, key_id: UUID | None) -> BotAtIngest:
        """Return the bot, and the given key or the one that it has now."""
        rows = await self._executor.fetch(_SITUATION, **self._of, key=key_id)
        token_hash, now, key, exchange, environment, contract_type, known, region, *_ = rows[0]
        origin = None
        if exchange is not None:
            place = None if known is None else region or ""
            origin = Origin(key, exchange, environment, ContractType(contract_type), place)
        marks = [mark_of(*row[-3:]) for row in map(tuple, rows) if row[-1] is not None]
        return BotAtIngest(token_hash, now, key, origin, marks)

    async def all_marks(self) -> list[Mark]:
        """Return the marks of the account, whose lock is held."""
        return await read_marks(self._session, self._account_id)

    async def add(
        self, target: Target, origin: Origin, parts: Iterable[Sequence[Sequence[Any]]]
    ) -> set[str]:
        """Insert rows in the order of `target.columns`, part by part; return the bot's ids of the
        new ones.

        A part is made and encoded while the one before it is inserted.
        """
        of_batch = {
            "account_id": self._account_id,
            "bot_id": self._bot_id,
            "key_id": origin.key_id,
            "exchange": origin.exchange,
            "environment": origin.environment,
        }
        added: set[str] = set()
        inserting: asyncio.Task[Rows] | None = None
        try:
            for rows in parts:
                columns = map(array_text, zip(*rows, strict=True))
                part = dict(zip(target.columns, columns, strict=True))
                if inserting is not None:
                    added.update(name for (name,) in await inserting)
                inserting = asyncio.create_task(
                    self._executor.fetch(target.statement, **of_batch, **part)
                )
                await asyncio.sleep(0)  # It is sent now.
            if inserting is not None:
                added.update(name for (name,) in await inserting)
        finally:
            if inserting is not None and not inserting.done():
                inserting.cancel()
                await asyncio.gather(inserting, return_exceptions=True)
        return added

    async def repeated(
        self, target: Target, rows: Sequence[Sequence[Any]]
    ) -> dict[int, tuple[Any, ...]]:
        """Compare rows of `target.compared` with those stored under their ids.

        Returns for the place of each whose id is stored whether it is the same, and the columns
        of `target.looked_at` as stored.
        """
        of = {"account_id": self._account_id, "bot_id": self._bot_id}
        items = {"items": items_text(target, rows)}
        compared = await self._session.execute(target.repeated, of | items)
        same: dict[int, tuple[Any, ...]] = {number - 1: (fits,) for number, fits in compared}
        if target.looked_at is None or not same:
            return same
        ids = {"ids": [name for name, *_ in rows]}
        found = await self._session.execute(target.looked_at, of | ids)
        # One that was purged in between is no more.
        return {
            number - 1: same[number - 1] + tuple(columns)
            for number, *columns in found
            if number - 1 in same
        }

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

    async def count(self, more: int) -> int:
        """Add to the bot's rows of the UTC day, and return how many they are now.

        Batches at the same time wait here for each other.
        """
        ((stored,),) = await self._executor.fetch(_COUNTED, **self._of, more=more)
        return int(stored)

    async def left_of_day(self) -> float:
        """Return the seconds until the UTC day ends."""
        ((left,),) = await self._executor.fetch(_LEFT)
        return float(left)

    async def mark_stale(self, environment: str, days: Collection[date]) -> None:
        """Mark these UTC days for recomputation, because trades were added to them."""
        if days:
            await self._executor.fetch(
                MARK_STALE, account=self._account_id, environment=environment, days=list(days)
            )

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
