"""Stores what bots report in batches: one verdict for each item, and nothing stored twice."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.db.base import new_id
from app.domains.analytics.rollups import utc_days
from app.domains.bots.errors import NoKey
from app.domains.catalogue.refresher import CatalogueRefresher, instruments_worth_waiting
from app.domains.catalogue.repository import CatalogueRepository
from app.domains.ingest.bulk_insert import EQUITY_SNAPSHOTS, EVENTS, SIGNALS, TRADES, Target
from app.domains.ingest.errors import DailyRowsExceeded
from app.domains.ingest.repository import IngestRepository
from app.domains.ingest.schemas import (
    Batch,
    EquitySnapshotItem,
    EventItem,
    Item,
    ItemType,
    SignalItem,
    TradeItem,
)
from app.domains.ingest.screening import ScreenedBatch, Verdict
from app.domains.ingest.valuation import Valued, valued
from app.domains.trading.contracts import Contract, ContractRepository, Origin
from app.domains.trading.errors import TOLERANCE, KeyNotAssigned
from app.domains.trading.marks import FOREVER
from botkeys.exchanges.model import ContractType


class IngestService:
    """The reports of one bot, which may store `rows_a_day`.

    Locks in the order account, bot, rows of the day; a later deletion finds the rows.
    """

    def __init__(
        self,
        *,
        rows: IngestRepository,
        contracts: ContractRepository,
        catalogue: CatalogueRepository,
        refresher: CatalogueRefresher,
        bot: BotPrincipal,
        rows_a_day: int,
    ) -> None:
        self._rows = rows
        self._contracts = contracts
        self._catalogue = catalogue
        self._refresher = refresher
        self._bot = bot
        self._rows_a_day = rows_a_day

    async def trades(self, batch: Batch[TradeItem]) -> list[Verdict]:
        """Store trades, with their P&L if the contract is known."""
        await self._fetch_if_unknown(batch.key_id)
        screened = await self._screen(batch)
        contracts: dict[str, Contract] = {}
        if screened.origin is not None and screened.wanted:
            symbols = {trade.symbol for trade in screened.wanted.values()}
            contracts = await self._contracts.contracts(screened.origin, symbols)

        def value(origin: Origin, trade: TradeItem) -> Valued:
            return valued(trade, contracts.get(trade.symbol), origin.contract_type)

        return await self._store(TRADES, screened, value)

    async def equity_snapshots(self, batch: Batch[EquitySnapshotItem]) -> list[Verdict]:
        return await self._store(EQUITY_SNAPSHOTS, await self._screen(batch), _of_origin)

    async def signals(self, batch: Batch[SignalItem]) -> list[Verdict]:
        return await self._store(SIGNALS, await self._screen(batch), _of_origin)

    async def events(self, batch: Batch[EventItem]) -> list[Verdict]:
        return await self._store(EVENTS, await self._screen(batch), _as_event)

    async def _fetch_if_unknown(self, key_id: UUID | None) -> None:
        name = await self._rows.catalogue_key(key_id)
        if name is not None and instruments_worth_waiting(await self._catalogue.state(name)):
            await self._rows.give_back()
            await self._refresher.refresh(name)

    async def _screen(self, batch: Batch[ItemType]) -> ScreenedBatch[ItemType]:
        """Decide under the locks what may be stored."""
        locked = await self._rows.lock()
        bot = await self._rows.bot() if locked else None
        # Minting waits for the bot's lock, so a token revoked meanwhile can report nothing.
        if bot is None or bot.token_hash != self._bot.token_hash:
            raise Unauthenticated(TokenFault.REVOKED)
        key_id = batch.key_id or bot.key_id
        if key_id is None:
            raise NoKey
        marks = await self._rows.marks()
        origin = None
        if not any(mark.key_id == key_id and mark.cutoff == FOREVER for mark in marks):
            origin = await self._contracts.origin(key_id)
            if origin is None:
                raise KeyNotAssigned
        return ScreenedBatch.of(batch, origin, marks, bot.now + TOLERANCE)

    async def _store(
        self,
        target: Target,
        screened: ScreenedBatch[ItemType],
        given: Callable[[Origin, ItemType], tuple[Any, ...]],
    ) -> list[Verdict]:
        """Store the wanted items. `given` returns the columns of a row that its item has no member
        for. Raises `DailyRowsExceeded`.
        """
        origin = screened.origin
        if origin is None or not screened.wanted:
            return screened.verdicts(set(), set())
        # Sorted by id, so that overlapping batches never deadlock.
        rows = [
            (*target.members(item), *given(origin, item))
            for _, item in sorted(screened.wanted.items())
        ]
        stored = await self._rows.add(target, origin, rows)
        if target is TRADES:
            times = (screened.wanted[name].time for name in stored)
            await self._rows.mark_stale(origin.environment, utc_days(times))
        if stored:
            # The last lock of a batch, so that batches of one bot wait as shortly as possible.
            today = await self._rows.count(len(stored))
            if today.stored > self._rows_a_day:
                raise DailyRowsExceeded(self._rows_a_day, today.left)
        rest = screened.wanted.keys() - stored
        deleted = set()
        if rest and screened.marks:
            deleted = await self._rows.deleted(target, screened.marks, rest)
        return screened.verdicts(stored, deleted)


def _of_origin(origin: Origin, _item: Item) -> tuple[ContractType]:
    return (origin.contract_type,)


def _as_event(origin: Origin, _event: EventItem) -> tuple[ContractType, UUID]:
    return origin.contract_type, new_id()
