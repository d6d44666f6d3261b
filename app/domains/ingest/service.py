"""Stores what bots report in batches: one verdict for each item, and nothing stored twice."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.db.base import new_id
from app.domains.analytics.rollups import utc_days
from app.domains.bots.errors import NoKey
from app.domains.catalogue.refresher import CatalogueRefresher, instruments_worth_waiting
from app.domains.catalogue.repository import CatalogueKey, CatalogueRepository
from app.domains.ingest.bulk_insert import (
    EQUITY_SNAPSHOTS,
    EVENTS,
    FUNDING,
    SIGNALS,
    TRADES,
    Target,
)
from app.domains.ingest.errors import DailyRowsExceeded
from app.domains.ingest.repeats import OtherRepeats, Repeats, SymbolRepeats, TradeRepeats
from app.domains.ingest.repository import IngestRepository
from app.domains.ingest.schemas import (
    Batch,
    EquitySnapshotItem,
    EventItem,
    FundingItem,
    ItemType,
    SignalItem,
    Trade,
)
from app.domains.ingest.screening import ScreenedBatch, Verdict
from app.domains.ingest.valuation import (
    CATALOGUE_UNKNOWN,
    UNKNOWN_CONTRACT,
    Contradiction,
    Valued,
    settle_differs,
    value,
)
from app.domains.trading.contracts import ContractRepository, Origin
from app.domains.trading.directory import Directory
from app.domains.trading.errors import TOLERANCE, AmbiguousSymbol, KeyNotAssigned
from app.domains.trading.marks import FOREVER
from app.domains.trading.symbols import is_foreign
from botkeys.exchanges.model import ContractType, Environment
from botkeys.exchanges.registry import EXCHANGES

_FIRST_PART = 200
"""Rows whose insertion takes as long as making the other 800 of a full batch."""


class _Known(NamedTuple):
    """A screened batch of trades, and what is known of their symbols. `complete` is whether every
    catalogue of the exchange was fetched.
    """

    screened: ScreenedBatch[Trade]
    directory: Directory
    complete: bool


class IngestService:
    """The reports of one bot, which may store `rows_a_day`.

    Locks in the order account, bot, trades to complete, rows of the day; a later deletion finds
    the rows.
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

    async def trades(self, batch: Batch[Trade]) -> list[Verdict]:
        """Store trades, with their P&L if the contract is known, and complete those without."""
        screened, directory, complete = await self._known(batch)
        if screened.origin is None:
            return screened.verdicts({})
        valued: dict[int, Valued] = {}

        def given(place: int) -> Valued | None:
            found = value(screened.accepted[place], directory)
            if isinstance(found, Contradiction):
                screened.refuse(place, *found)
                return None
            valued[place] = found
            return found

        why = UNKNOWN_CONTRACT if complete else CATALOGUE_UNKNOWN
        origin = screened.origin
        repeats = TradeRepeats(self._rows, self._contracts, origin, valued, why)
        return await self._store(TRADES, screened, given, repeats)

    async def equity_snapshots(self, batch: Batch[EquitySnapshotItem]) -> list[Verdict]:
        return await self._store_plainly(EQUITY_SNAPSHOTS, batch, lambda kind: (kind,))

    async def funding(self, batch: Batch[FundingItem]) -> list[Verdict]:
        """Store funding payments, with what the exchange lists of their symbols."""
        screened = await self._screen(batch)
        origin = screened.origin
        if origin is None:
            return screened.verdicts({})
        names = {payment.symbol for payment in screened.accepted.values()}
        directory = await self._contracts.look_up(origin, names)
        given: dict[int, tuple[Any, ...]] = {}
        for place, payment in list(screened.accepted.items()):
            try:
                listed = directory.find(payment.symbol)
            except AmbiguousSymbol as error:
                screened.refuse(place, error.code, error.detail)
                continue
            if listed is None:
                given[place] = (payment.symbol, origin.contract_type)
            elif payment.settle != (settle := directory.terms(listed, payment.at).settle):
                screened.refuse(place, *settle_differs(listed.symbol, settle))
            else:
                given[place] = (listed.symbol, listed.contract_type)
        repeats = SymbolRepeats[FundingItem](self._rows, FUNDING, self._contracts, origin, given)
        return await self._store(FUNDING, screened, given.__getitem__, repeats)

    async def signals(self, batch: Batch[SignalItem]) -> list[Verdict]:
        """Store signals, with the exchange's own symbol if they spell it otherwise."""
        screened = await self._screen(batch)
        origin = screened.origin
        if origin is None:
            return screened.verdicts({})
        names = {signal.symbol for signal in screened.accepted.values()}
        directory = await self._contracts.look_up(origin, set(filter(is_foreign, names)))
        given: dict[int, tuple[Any, ...]] = {}
        for place, signal in list(screened.accepted.items()):
            try:
                given[place] = (directory.symbol(signal.symbol), origin.contract_type)
            except AmbiguousSymbol as error:
                screened.refuse(place, error.code, error.detail)
        repeats = SymbolRepeats[SignalItem](self._rows, SIGNALS, self._contracts, origin, given)
        return await self._store(SIGNALS, screened, given.__getitem__, repeats)

    async def events(self, batch: Batch[EventItem]) -> list[Verdict]:
        return await self._store_plainly(EVENTS, batch, lambda kind: (kind, new_id()))

    async def _store_plainly(
        self,
        target: Target,
        batch: Batch[ItemType],
        given: Callable[[ContractType], tuple[Any, ...]],
    ) -> list[Verdict]:
        screened = await self._screen(batch)
        origin = screened.origin
        if origin is None:
            return screened.verdicts({})
        kind = origin.contract_type
        repeats: Repeats[ItemType] = OtherRepeats(self._rows, target)
        return await self._store(target, screened, lambda _: given(kind), repeats)

    async def _known(self, batch: Batch[Trade]) -> _Known:
        """Screen trades and look their symbols up.

        If one is unknown and the exchange has a catalogue that was never fetched, that is fetched
        first, the key's own before others, once for all callers. That needs no lock, so the batch
        is screened again.
        """
        fetched: set[CatalogueKey] = set()
        while True:
            screened = await self._screen(batch)
            origin = screened.origin
            if origin is None or not screened.accepted:
                return _Known(screened, Directory(), complete=True)
            names = {trade.symbol for trade in screened.accepted.values()}
            directory = await self._contracts.look_up(origin, names)
            if directory.knows(names) or origin.region is None:
                return _Known(screened, directory, complete=True)
            missing = await self._missing(origin)
            waiting = [
                n for n, worth_waiting in missing.items() if worth_waiting and n not in fetched
            ]
            if not waiting:
                return _Known(screened, directory, complete=not missing)
            wanted = max(waiting, key=lambda name: name.contract_type == origin.contract_type)
            fetched.add(wanted)
            await self._rows.give_back()
            await self._refresher.refresh(wanted)

    async def _missing(self, origin: Origin) -> Mapping[CatalogueKey, bool]:
        """Return the exchange's catalogues that were never fetched, and whether one can be now."""
        missing: dict[CatalogueKey, bool] = {}
        for kind in EXCHANGES[origin.exchange].contract_types:
            environment = Environment(origin.environment)
            name = CatalogueKey(origin.exchange, environment, origin.region or None, kind)
            state = await self._catalogue.state(name)
            if state is None or state.instruments_age is None:
                missing[name] = instruments_worth_waiting(state)
        return missing

    async def _screen(self, batch: Batch[ItemType]) -> ScreenedBatch[ItemType]:
        """Decide under the locks what may be stored."""
        locked = await self._rows.lock()
        bot = await self._rows.bot(batch.key_id) if locked else None
        # Minting waits for the bot's lock, so a token revoked meanwhile can report nothing.
        if bot is None or bot.token_hash != self._bot.token_hash:
            raise Unauthenticated(TokenFault.REVOKED)
        if bot.key_id is None:
            raise NoKey
        origin = bot.origin
        if any(mark.key_id == bot.key_id and mark.cutoff == FOREVER for mark in bot.marks):
            origin = None
        elif origin is None:
            raise KeyNotAssigned
        return ScreenedBatch.of(batch, origin, bot.marks, bot.now + TOLERANCE)

    async def _store(
        self,
        target: Target,
        screened: ScreenedBatch[ItemType],
        given: Callable[[int], tuple[Any, ...] | None],
        repeats: Repeats[ItemType],
    ) -> list[Verdict]:
        """Store the accepted items. `given` returns the columns of a row that its item has no
        member for, by the item's place, or `None` if it has refused the item. Raises
        `DailyRowsExceeded`.
        """
        origin, accepted = screened.origin, screened.accepted
        if origin is None:
            return screened.verdicts({})
        first: dict[str, int] = {}
        parts = _in_parts(target, screened, given, first)
        stored = await self._rows.add(target, origin, parts)
        new = {place: accepted[place] for name, place in first.items() if name in stored}
        results = repeats.stored(new)
        changed = [item.time for item in new.values()]
        if len(new) < len(accepted):
            others = {place: item for place, item in accepted.items() if place not in new}
            judged = await repeats.judge(others)
            results |= judged
            changed += [
                accepted[place].time
                for place, verdict in judged.items()
                if verdict["status"] == "completed"
            ]
        if target is TRADES or target is FUNDING:
            await self._rows.mark_stale(origin.environment, utc_days(changed))
        if stored:
            # The last lock of a batch, so that batches of one bot wait as shortly as possible.
            today = await self._rows.count(len(stored))
            if today > self._rows_a_day:
                raise DailyRowsExceeded(self._rows_a_day, await self._rows.left_of_day())
        return screened.verdicts(results)


def _in_parts(
    target: Target,
    screened: ScreenedBatch[ItemType],
    given: Callable[[int], tuple[Any, ...] | None],
    first: dict[str, int],
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a batch, the first item of each id, whose place is added to `first`.

    They are sorted by id, so that overlapping batches never deadlock. While a part is inserted,
    the next one is made: a short first part suffices for that.
    """
    accepted = screened.accepted
    named = sorted(screened.places().items())
    for part in filter(None, (named[:_FIRST_PART], named[_FIRST_PART:])):
        rows = []
        for name, places in part:
            for place in places:
                columns = given(place)
                if columns is not None and first.setdefault(name, place) == place:
                    rows.append((*target.members(accepted[place]), *columns))
        if rows:
            yield rows
