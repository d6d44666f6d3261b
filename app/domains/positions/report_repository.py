"""The SQL of a bot's position reports. Every statement names the account and the bot."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from app.api.pagination import Page
from app.db.driver import Executor
from app.domains.bots.config_rows import ConfigRow, read_under_locks
from app.domains.positions import report_statements as statements
from app.domains.positions.rows import PositionRow
from app.domains.trading.contracts import ContractRepository
from app.domains.trading.directory import own_symbol
from app.domains.trading.errors import AmbiguousSymbol
from app.domains.trading.marks import Mark, mark_of
from app.domains.trading.symbols import Place

_UNSET = dict.fromkeys(statements.WRITTEN)


class Origin(NamedTuple):
    """The key that a position belongs to, and the values it takes over from that key's asset."""

    key_id: UUID
    exchange: str
    environment: str
    contract_type: str
    leverage: Decimal | None
    margin_mode: str | None


class Locked(NamedTuple):
    """What an opening has locked, all at once. `exists` is whether the position does.

    `concerned` are the bot's key, the position's and the one that the bot names. Locked are those
    among `keys`, and the symbol's assets of the bot's key with these `contract_types`.
    """

    exists: bool
    concerned: set[UUID]
    keys: Sequence[UUID]
    contract_types: Sequence[str]

    def holds(self, rows: Sequence[ConfigRow], symbol: str) -> bool:
        """Return whether the key and the asset of rows that were read later are locked."""
        first = rows[0]
        if first.key_id is None:
            return True
        listed = any(row.symbol == symbol for row in rows)
        return first.key_id in self.keys and (
            not listed or first.contract_type in self.contract_types
        )


class PositionReportRepository:
    """The positions of one bot. Locks are taken in the order account, bot, keys, assets, position.

    What a lock protects is read in a later statement.
    """

    def __init__(self, *, executor: Executor, account_id: UUID, bot_id: UUID) -> None:
        self._executor = executor
        self._contracts = ContractRepository(
            executor=executor, account_id=account_id, bot_id=bot_id
        )
        self._account_id = account_id
        self._bot_id = bot_id
        self._names = {"account": account_id, "bot": bot_id}

    async def own_symbol(self, position_id: str, key_id: UUID | None, name: str) -> str:
        """Return the exchange's own symbol for a name: the exchange of the position's key, or of
        the named key or the bot's in a first report. Raises `AmbiguousSymbol`.
        """
        rows = await self._executor.fetch(
            statements.PLACE, **self._names, position=position_id, key=key_id
        )
        for exchange, environment, known, region, contract_type in rows:
            of_key = None if known is None else region or ""
            place = Place(exchange, environment, of_key, contract_type)
            return await own_symbol(self._executor, place, name)
        return name

    async def share_bot(self, position_id: str) -> set[UUID] | None:
        """Lock the account, then the bot, against changes; return `None` if the bot is gone.

        Returns the bot's key and this position's key. After a wait, the bot's columns are those as
        committed; the key of a position never changes.
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

    async def lock_all(self, position_id: str, key_id: UUID | None, symbol: str) -> Locked | None:
        """Lock all of this in one statement, with the named key; return `None` if the bot is gone.

        What others add while it waits for them is not locked: see `Locked.holds`.
        """
        rows = await self._executor.fetch(
            statements.LOCK_ALL, **self._names, position=position_id, key=key_id, symbol=symbol
        )
        for key, of_position, exists, keys, contract_types, _ in rows:
            concerned = {one for one in (key, of_position, key_id) if one is not None}
            return Locked(exists, concerned, keys, contract_types)
        return None

    async def lock(self, position_id: str) -> bool:
        """Lock the position and return whether it exists. One created after this is not locked."""
        lock = statements.LOCK_POSITION
        return bool(await self._executor.fetch(lock, **self._names, position=position_id))

    async def config_rows(self) -> tuple[list[ConfigRow], datetime | None]:
        """Return the bot's rows, and the database's time after the locks."""
        return await read_under_locks(self._executor, self._account_id, self._bot_id)

    async def deleted(
        self, position_id: str, key_id: UUID | None
    ) -> tuple[list[Mark], datetime | None]:
        """Return the key's marks with those of all keys, and when a position of this id was purged,
        or `None`.

        It is `None` if no row was purged, if that was long ago, or if the account has no mark. The
        account's lock is held, so no deletion runs concurrently. If no row was found to lock, no
        purge runs concurrently either: this reads what the purge left.
        """
        rows = await self._executor.fetch(
            statements.DELETED, **self._names, position=position_id, key=key_id
        )
        found = [tuple(row) for row in rows]
        marks = [mark_of(*mark) for _, *mark in found if mark[-1] is not None]
        return marks, found[0][0] if found else None

    async def remove(self, position_id: str) -> None:
        """Delete a position that a deletion covers, as the purge does."""
        await self._executor.fetch(statements.REMOVE, **self._names, position=position_id)

    async def get(self, position_id: str) -> PositionRow | None:
        rows = await self._executor.fetch(statements.GET, **self._names, position=position_id)
        return next(map(PositionRow._make, rows), None)

    async def held(self, after: str, limit: int) -> Page[PositionRow, str]:
        """Return a page of the open positions and the openings that have not lapsed, by id."""
        rows = await self._executor.fetch(
            statements.HELD, **self._names, after=after, limit=limit + 1
        )
        return Page.cut([*map(PositionRow._make, rows)], limit, lambda row: row.id)

    async def former_key(self, key_id: UUID, symbol: str) -> Origin | None:
        """Return a key that the bot has or had, even if deleted; `None` if the bot never had it."""
        rows = await self._executor.fetch(
            statements.FORMER_KEY, **self._names, key=key_id, symbol=symbol
        )
        return next(map(Origin._make, rows), None)

    async def key_lost_at(self, key_id: UUID) -> datetime | None:
        """Return when the bot lost a key that it no longer has; `None` if that is not known."""
        rows = await self._executor.fetch(statements.KEY_LOST_AT, **self._names, key=key_id)
        return next((ended_at for (ended_at,) in rows), None)

    async def margin_modes(self, of_key: ConfigRow, symbol: str) -> list[str]:
        """Return the symbol's margin modes in the catalogue of this row's key; none if never
        listed.
        """
        words = {
            "exchange": of_key.exchange,
            "environment": of_key.environment,
            "region": of_key.region or "",
            "contract_type": of_key.contract_type,
        }
        rows = await self._executor.fetch(statements.MARGIN_MODES, **words, symbol=symbol)
        return [mode for (modes,) in rows for mode in modes]

    async def contract_type(self, origin: Origin, symbol: str) -> str:
        """Return the contract type of a symbol reported with this key.

        It is the key's type, unless the exchange lists or listed the symbol only under another
        one: a late report may be older than a switch of the key's contract type.
        """
        key = await self._contracts.origin(origin.key_id)
        if key is None:
            return origin.contract_type
        try:
            listed = (await self._contracts.look_up(key, {symbol})).find(symbol)
        except AmbiguousSymbol:
            listed = None
        return origin.contract_type if listed is None else listed.contract_type

    async def add(self, position_id: str, **columns: Any) -> PositionRow | None:
        """Add the position and return it; `None` if another report of it came first."""
        rows = await self._executor.fetch(
            statements.ADD, **self._names, position=position_id, **{**_UNSET, **columns}
        )
        return next(map(PositionRow._make, rows), None)

    async def change(self, position_id: str, **columns: Any) -> datetime | None:
        """Change the position; return the cut-off of a deletion that now covers it, or `None`.

        A position that was held is kept only until it turns out to have ended before the cut-off.
        """
        change = statements.change(tuple(sorted(columns)))
        rows = await self._executor.fetch(change, **self._names, position=position_id, **columns)
        cutoffs = [cutoff for (cutoff,) in rows if cutoff is not None]
        return mark_of(None, None, max(cutoffs)).cutoff if cutoffs else None
