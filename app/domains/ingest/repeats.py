"""Items whose id is stored already: the same again, what completes a trade, or another item.

What is compared is what the items say, as it is stored: 1.0 is 1.00, and fees by asset have no
order. Sent again for another key, or without what has been completed since, an item is still the
same.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, Generic, NamedTuple
from uuid import UUID

from app.domains.ingest.bulk_insert import TRADES, Target
from app.domains.ingest.repository import IngestRepository
from app.domains.ingest.schemas import ItemType, Trade
from app.domains.ingest.screening import Verdict, being_deleted, reused
from app.domains.ingest.valuation import UNKNOWN, Valued
from app.domains.trading.contracts import ContractRepository, Origin
from app.domains.trading.directory import Directory
from app.domains.trading.errors import AmbiguousSymbol

_OTHER_KEY = (
    "The trade was stored without P&L for another key. Name that key in `key_id` to complete it."
)


class Repeats(ABC, Generic[ItemType]):
    """The verdicts on items whose id is stored already."""

    target: Target

    def __init__(self, rows: IngestRepository) -> None:
        self._rows = rows

    def stored(self, items: Mapping[int, ItemType]) -> dict[int, Verdict]:
        """Return the verdicts on items that were stored now."""
        return {place: {"id": item.id, "status": "stored"} for place, item in items.items()}

    async def judge(self, items: Mapping[int, ItemType]) -> dict[int, Verdict]:
        """Return the verdicts on items by place. Completes trades.

        What is stored under their ids may be of another key of the bot.
        """
        deleted: Collection[str] = ()
        if marks := await self._rows.all_marks():
            names = {item.id for item in items.values()}
            deleted = await self._rows.deleted(self.target, marks, names)
        verdicts: dict[int, Verdict] = {
            place: being_deleted(item.id) for place, item in items.items() if item.id in deleted
        }
        left = {place: item for place, item in items.items() if place not in verdicts}
        while left:
            verdicts |= await self._compare(left)
            left = {place: item for place, item in left.items() if place not in verdicts}
        return verdicts

    async def _compare(self, items: Mapping[int, ItemType]) -> dict[int, Verdict]:
        """Return verdicts, but for items that must be compared again."""
        places = list(items)
        found = await self._rows.repeated(
            self.target, [self.target.stated(items[place]) for place in places]
        )
        verdicts: dict[int, Verdict] = {}
        same: dict[int, tuple[Any, ...]] = {}
        for number, place in enumerate(places):
            if number not in found:
                # Purged since it stood in the way of the insert.
                verdicts[place] = being_deleted(items[place].id)
            elif found[number][0]:
                same[place] = found[number][1:]
            else:
                verdicts[place] = reused(items[place].id)
        return verdicts | await self._same(items, same)

    @abstractmethod
    async def _same(
        self, items: Mapping[int, ItemType], same: Mapping[int, tuple[Any, ...]]
    ) -> dict[int, Verdict]:
        """Return the verdicts on items that are the same in what was compared.

        `same` holds the columns of `target.looked_at` as they are stored, by place.
        """


def _duplicate(name: str) -> Verdict:
    return {"id": name, "status": "duplicate"}


class OtherRepeats(Repeats[ItemType]):
    """Repeated items of a kind that has no symbol."""

    def __init__(self, rows: IngestRepository, target: Target) -> None:
        super().__init__(rows)
        self.target = target

    async def _same(
        self, items: Mapping[int, ItemType], same: Mapping[int, tuple[Any, ...]]
    ) -> dict[int, Verdict]:
        return {place: _duplicate(items[place].id) for place in same}


class _Symbols:
    """What names that were stored before they were known mean at the exchange by now."""

    def __init__(self, contracts: ContractRepository, origin: Origin) -> None:
        self._contracts = contracts
        self._origin = origin
        self._directory = Directory()

    async def learn(self, names: Collection[str]) -> None:
        if names:
            self._directory = await self._contracts.look_up(self._origin, names)

    def fits(self, stored: str, reported: str) -> bool:
        """Return whether an item that was stored under one symbol may be reported under another."""
        return reported in (stored, self._own(stored))

    def corrects(self, stored: str, reported: str) -> bool:
        """Return whether a name that means nothing is followed by that of an instrument."""
        return self._is_known(reported) and not self._is_known(stored)

    def _own(self, name: str) -> str:
        try:
            return self._directory.symbol(name)
        except AmbiguousSymbol:
            return name

    def _is_known(self, name: str) -> bool:
        try:
            return self._directory.find(name) is not None
        except AmbiguousSymbol:
            return True


class SymbolRepeats(Repeats[ItemType]):
    """Repeated signals or funding. `given` are their symbols and contract types, by place."""

    def __init__(
        self,
        rows: IngestRepository,
        target: Target,
        contracts: ContractRepository,
        origin: Origin,
        given: Mapping[int, tuple[Any, ...]],
    ) -> None:
        super().__init__(rows)
        self.target = target
        self._symbols = _Symbols(contracts, origin)
        self._given = given

    async def _same(
        self, items: Mapping[int, ItemType], same: Mapping[int, tuple[Any, ...]]
    ) -> dict[int, Verdict]:
        others = {symbol for place, (symbol,) in same.items() if symbol != self._given[place][0]}
        await self._symbols.learn(others)
        verdicts = {}
        for place, (symbol,) in same.items():
            name = items[place].id
            fits = self._symbols.fits(symbol, self._given[place][0])
            verdicts[place] = _duplicate(name) if fits else reused(name)
        return verdicts


class _StoredTrade(NamedTuple):
    """The columns of `TRADES.looked_at`. Without a settle asset it has no P&L either."""

    key_id: UUID
    symbol: str
    contract_type: str | None
    contract_size: Any
    settle: str | None

    def contradicts(self, trade: Trade) -> bool:
        """Return whether the trade states another contract than the one it is stored with."""
        return (
            trade.contract_type not in (None, self.contract_type)
            or trade.contract_size not in (None, self.contract_size)
            or trade.settle not in (None, self.settle)
        )


class TradeRepeats(Repeats[Trade]):
    """Repeated trades. `valued` are their contracts and P&L, by place; `why` is why a P&L is
    unknown.
    """

    target = TRADES

    def __init__(
        self,
        rows: IngestRepository,
        contracts: ContractRepository,
        origin: Origin,
        valued: Mapping[int, Valued],
        why: str,
    ) -> None:
        super().__init__(rows)
        self._symbols = _Symbols(contracts, origin)
        self._key_id = origin.key_id
        self._valued = valued
        self._why = why

    def stored(self, items: Mapping[int, Trade]) -> dict[int, Verdict]:
        return super().stored(items) | {
            place: self._without_pnl(item.id, "stored")
            for place, item in items.items()
            if self._valued[place].pnl is None
        }

    def _without_pnl(self, name: str, status: str) -> Verdict:
        detail = UNKNOWN[self._why]
        return {"id": name, "status": status, "pnl_unknown": self._why, "detail": detail}

    async def _same(
        self, items: Mapping[int, Trade], same: Mapping[int, tuple[Any, ...]]
    ) -> dict[int, Verdict]:
        stored = {place: _StoredTrade._make(row) for place, row in same.items()}
        others = {
            name
            for place, row in stored.items()
            if row.symbol != self._symbol(place)
            for name in (row.symbol, self._symbol(place))
        }
        await self._symbols.learn(others)
        verdicts: dict[int, Verdict] = {}
        completing: dict[str, int] = {}
        for place, row in stored.items():
            trade = items[place]
            if not self._is_same_symbol(row, self._symbol(place)):
                verdicts[place] = reused(trade.id)
            elif row.settle is not None:
                fits = not row.contradicts(trade)
                verdicts[place] = _duplicate(trade.id) if fits else reused(trade.id)
            elif self._valued[place].pnl is None:
                verdicts[place] = self._without_pnl(trade.id, "duplicate")
            elif row.key_id != self._key_id:
                verdicts[place] = {
                    "id": trade.id,
                    "status": "duplicate",
                    "pnl_unknown": "other_key",
                    "detail": _OTHER_KEY,
                }
            else:
                completing.setdefault(trade.id, place)
        if completing:
            rows = [(name, *self._valued[place]) for name, place in sorted(completing.items())]
            for name in await self._rows.complete(rows):
                verdicts[completing[name]] = {"id": name, "status": "completed"}
        return verdicts

    def _is_same_symbol(self, row: _StoredTrade, reported: str) -> bool:
        if self._symbols.fits(row.symbol, reported):
            return True
        return row.settle is None and self._symbols.corrects(row.symbol, reported)

    def _symbol(self, place: int) -> str:
        return self._valued[place].symbol
