"""The SQL of a bot's reports of positions. Every statement names the account and the bot."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import SessionExecutor
from app.domains.bots.config_rows import ConfigRow, read_under_locks
from app.domains.positions import report_statements as statements
from app.domains.positions.rows import PositionRow
from app.domains.trading.contracts import ContractRepository
from app.domains.trading.marks import Mark, mark_of

_NOT_SAID = dict.fromkeys(statements.WRITTEN)


class Origin(NamedTuple):
    """The key that a position is of, and what it takes over from that key's asset."""

    key_id: UUID
    exchange: str
    environment: str
    contract_type: str
    leverage: Decimal | None
    margin_mode: str | None


class PositionReportRepository:
    """Of one bot. Locks are taken in the order account, bot, keys, assets, position, and what they
    hold is read in statements after them.
    """

    def __init__(self, session: AsyncSession, account_id: UUID, bot_id: UUID) -> None:
        self._executor = SessionExecutor(session)
        self._contracts = ContractRepository(session, account_id, bot_id)
        self._account_id = account_id
        self._bot_id = bot_id
        self._names = {"account": account_id, "bot": bot_id}

    async def share_bot(self, position_id: str) -> set[UUID] | None:
        """Lock the account, then the bot, against changes; `None` if the bot is gone.

        Gives the bot's key and the one of this position. Of a row that was waited for, its own
        columns are those after the wait; and the key of a position never changes.
        """
        await self._executor.fetch(statements.SHARE_ACCOUNT, account=self._account_id)
        rows = await self._executor.fetch(statements.SHARE_BOT, **self._names, position=position_id)
        for row in rows:
            return {key for key in row if key is not None}
        return None

    async def share_assets(self, key_ids: Iterable[UUID], symbol: str) -> None:
        """Lock the keys, then their assets of this symbol, against changes."""
        of_keys = {"account": self._account_id, "keys": list(key_ids)}
        await self._executor.fetch(statements.SHARE_KEYS, **of_keys)
        await self._executor.fetch(statements.SHARE_ASSETS, **of_keys, symbol=symbol)

    async def lock(self, position_id: str) -> bool:
        """Whether the position is there: one that is made later than this is not locked."""
        lock = statements.LOCK_POSITION
        return bool(await self._executor.fetch(lock, **self._names, position=position_id))

    async def config_rows(self) -> tuple[list[ConfigRow], datetime | None]:
        """And the database's time, which comes after the locks."""
        return await read_under_locks(self._executor, self._account_id, self._bot_id)

    async def deleted(self, position_id: str) -> tuple[list[Mark], datetime | None]:
        """What of the account's data was deleted, and when the row of a position of this id went
        with it: `None` if none did, or if it did long ago.

        The account's lock is held: no deletion crosses. Where no row was found to lock, no purge
        does either: this sees what it left.
        """
        rows = await self._executor.fetch(statements.DELETED, **self._names, position=position_id)
        found = [tuple(row) for row in rows]
        return [mark_of(*row[:-1]) for row in found], found[0][-1] if found else None

    async def remove(self, position_id: str) -> None:
        """Delete what a deletion covers, as its purge does."""
        await self._executor.fetch(statements.REMOVE, **self._names, position=position_id)

    async def get(self, position_id: str) -> PositionRow | None:
        rows = await self._executor.fetch(statements.GET, **self._names, position=position_id)
        return next(map(PositionRow._make, rows), None)

    async def former_key(self, key_id: UUID, symbol: str) -> Origin | None:
        """A key that the bot has or had, be it deleted since; `None` if it never had it."""
        rows = await self._executor.fetch(
            statements.FORMER_KEY, **self._names, key=key_id, symbol=symbol
        )
        return next(map(Origin._make, rows), None)

    async def margin_modes(self, of_key: ConfigRow, symbol: str) -> list[str]:
        """Those of the symbol in the catalogue of this row's key; none of one that it never had."""
        words = {
            "exchange": of_key.exchange,
            "environment": of_key.environment,
            "region": of_key.region or "",
            "contract_type": of_key.contract_type,
        }
        rows = await self._executor.fetch(statements.MARGIN_MODES, **words, symbol=symbol)
        return [mode for (modes,) in rows for mode in modes]

    async def contract_type(self, origin: Origin, symbol: str) -> str:
        """The key's, unless the exchange lists or listed the symbol under the other one alone: what
        is reported late may be older than a switch of the key's contract type.
        """
        key = await self._contracts.origin(origin.key_id)
        listed = {} if key is None else await self._contracts.contracts(key, {symbol})
        return listed[symbol].contract_type if symbol in listed else origin.contract_type

    async def add(self, position_id: str, **columns: Any) -> PositionRow | None:
        """As it is stored; `None` where another report of the same position was first."""
        rows = await self._executor.fetch(
            statements.ADD, **self._names, position=position_id, **{**_NOT_SAID, **columns}
        )
        return next(map(PositionRow._make, rows), None)

    async def change(self, position_id: str, **columns: Any) -> datetime | None:
        """The cut-off of a deletion that covers the position now, `None` if none does: one that was
        held is kept only until it turns out to have ended before.
        """
        change = statements.change(tuple(sorted(columns)))
        rows = await self._executor.fetch(change, **self._names, position=position_id, **columns)
        cutoffs = [cutoff for (cutoff,) in rows if cutoff is not None]
        return mark_of(None, None, max(cutoffs)).cutoff if cutoffs else None
