"""Histories of Binance futures: `GET /fapi/v1/income` and `GET /fapi/v1/userTrades`.

Neither names the trades that opened a position: each P&L that Binance realised is one row here,
with the same id from either file, and its prices, side and time of opening are null where the file
does not say them. Binance's P&L is before fees. The fees of a symbol since its last P&L, of opening
and of closing, belong to the next one: those in the same asset are subtracted from it, those in
others, such as BNB, stand beside it. Both files are sorted by time, as Binance returns them. The
income history also has the funding payments.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, ValidationError

from app.api.schemas import Symbol
from app.db.models.trading import NOBODY
from app.domains.imports.formats.faults import of_validation
from app.domains.imports.formats.foreign import (
    NO_SETTLE,
    UNORDERED,
    Foreign,
    Milliseconds,
    Name,
)
from app.domains.imports.formats.row import (
    SKIPPED,
    ImportedTrade,
    Outcome,
    Refusal,
    Target,
    payment,
)
from app.domains.ingest.items import Asset
from app.domains.trading.fees import MOST_ASSETS, stored_text
from app.domains.trading.fields import Amount, Positive
from app.domains.trading.symbols import Listed
from app.kit.exact import added, subtracted
from botkeys.exchanges.model import ContractKind

PATHS = ()
_SETTLE_OF_SUFFIX = ("USDT", "USDC")
"""How Binance names linear contracts, also those that it has delisted."""

_INCOMES = frozenset({"REALIZED_PNL", "COMMISSION", "FUNDING_FEE"})
_MOST_WAITING = 10_000
_TOO_MANY_FEES = Refusal(
    "invalid_item",
    "commission: too many symbols, or assets of one symbol, have fees before a P&L (too_many_fees)",
)
_NAMELESS = Refusal("invalid_item", "tranId: a funding payment needs it (missing)")
_OPTIONAL = BeforeValidator(lambda value: None if value in (None, "") else value)


class Income(Foreign):
    """A row of the income history."""

    symbol: Annotated[Symbol | None, _OPTIONAL] = None
    incomeType: Name  # noqa: N815  # as Binance spells it, here and below
    income: Amount
    asset: Asset
    time: Milliseconds
    tranId: Annotated[Name | None, _OPTIONAL] = None  # noqa: N815
    tradeId: Annotated[Name | None, _OPTIONAL] = None  # noqa: N815


class UserTrade(Foreign):
    """A row of the history of fills."""

    symbol: Symbol
    id: Name
    side: Literal["BUY", "SELL"]
    positionSide: Literal["BOTH", "LONG", "SHORT"] = "BOTH"  # noqa: N815
    price: Positive
    qty: Positive
    realizedPnl: Amount  # noqa: N815
    marginAsset: Annotated[Asset | None, _OPTIONAL] = None  # noqa: N815
    commission: Amount
    commissionAsset: Asset  # noqa: N815
    time: Milliseconds


class _Realised(NamedTuple):
    """A P&L before fees."""

    symbol: str
    settle: str
    trade_id: str
    gross: Decimal
    at: datetime
    kind: ContractKind | None
    shown: str
    side: str | None
    quantity: Decimal | None
    price: Decimal | None


class _Fees:
    """The fees of each symbol since its last P&L, by asset."""

    def __init__(self) -> None:
        self._amounts: dict[str, dict[str, Decimal]] = {}

    def pay(self, symbol: str, asset: str, amount: Decimal) -> bool:
        """Add a fee; return `False` if there are too many of different symbols or assets."""
        if symbol not in self._amounts and len(self._amounts) >= _MOST_WAITING:
            return False
        of_symbol = self._amounts.setdefault(symbol, {})
        if asset not in of_symbol and len(of_symbol) >= MOST_ASSETS:
            return False
        of_symbol[asset] = added(of_symbol.get(asset, Decimal(0)), amount)
        return True

    def settle(self, symbol: str) -> dict[str, Decimal]:
        return self._amounts.pop(symbol, {})


class _Binance:
    """What both histories share: order, fees, and rows."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._fees = _Fees()
        self._now: datetime | None = None

    def name(self, members: dict[str, Any]) -> str | None:
        symbol = members.get("symbol")
        return symbol if isinstance(symbol, str) and symbol else None

    def _is_late(self, at: datetime) -> bool:
        if self._now is not None and at < self._now:
            return True
        self._now = at
        return False

    def _trade(self, found: _Realised) -> ImportedTrade:
        charged = self._fees.settle(found.symbol)
        fees = charged.pop(found.settle, Decimal(0))
        return ImportedTrade(
            self._target.bot_id or NOBODY,
            f"binance-{found.symbol}-{found.trade_id}",
            found.kind,
            found.shown,
            found.side,
            found.quantity,
            None,
            found.price,
            fees,
            None,
            None,
            None,
            None,
            found.settle,
            subtracted(found.gross, fees),
            None,
            found.at,
            None,
            stored_text(charged),
        )


class BinanceIncome(_Binance):
    """Reads the income history. Fees of the moment of a P&L may follow it in the file."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._waiting: list[_Realised] = []

    def read(
        self, members: dict[str, Any], listed: Listed | None, *, csv: bool
    ) -> Iterable[Outcome]:
        del csv
        try:
            row = Income.model_validate(members)
        except ValidationError as error:
            return [of_validation(error, Income)]
        return list(self._outcomes(row, listed))

    def end(self) -> Iterable[Outcome]:
        done, self._waiting = self._waiting, []
        return [self._trade(found) for found in done]

    def _outcomes(self, row: Income, listed: Listed | None) -> Iterator[Outcome]:
        if self._now is not None and row.time > self._now:
            yield from self.end()
        if self._is_late(row.time):
            yield UNORDERED
            return
        trade_id = row.tradeId or row.tranId
        if row.symbol is None or row.incomeType not in _INCOMES:
            yield SKIPPED
        elif row.incomeType == "FUNDING_FEE":
            yield self._payment(row.symbol, row, listed)
        elif row.incomeType == "COMMISSION":
            paid = self._fees.pay(row.symbol, row.asset, row.income.copy_negate())
            yield SKIPPED if paid else _TOO_MANY_FEES
        elif trade_id is None or len(self._waiting) >= _MOST_WAITING:
            yield UNORDERED
        else:
            self._waiting.append(
                _Realised(
                    row.symbol,
                    row.asset,
                    trade_id,
                    row.income,
                    row.time,
                    None if listed is None else listed.contract_type,
                    row.symbol if listed is None else listed.symbol,
                    None,
                    None,
                    None,
                )
            )

    def _payment(self, symbol: str, row: Income, listed: Listed | None) -> Outcome:
        if row.tranId is None:
            return _NAMELESS
        bot_id = self._target.bot_id
        return payment(
            bot_id or NOBODY,
            # As bots report it, so that a payment of both is one.
            row.tranId if bot_id else f"binance-{symbol}-{row.tranId}-funding",
            ContractKind(self._target.contract_type) if listed is None else listed.contract_type,
            symbol if listed is None else listed.symbol,
            row.income,
            row.asset,
            row.time,
        )


class BinanceTrades(_Binance):
    """Reads the history of fills."""

    def read(
        self, members: dict[str, Any], listed: Listed | None, *, csv: bool
    ) -> Iterable[Outcome]:
        del csv
        try:
            row = UserTrade.model_validate(members)
        except ValidationError as error:
            return [of_validation(error, UserTrade)]
        return [self._outcome(row, listed)]

    def end(self) -> Iterable[Outcome]:
        return []

    def _outcome(self, row: UserTrade, listed: Listed | None) -> Outcome:
        if self._is_late(row.time):
            return UNORDERED
        settle = row.marginAsset or (_settle_of(row.symbol) if listed is None else listed.settle)
        if settle is None:
            return NO_SETTLE
        if not self._fees.pay(row.symbol, row.commissionAsset, row.commission):
            return _TOO_MANY_FEES
        if not row.realizedPnl:
            return SKIPPED
        closes = {"BOTH": "long" if row.side == "SELL" else "short"}
        return self._trade(
            _Realised(
                row.symbol,
                settle,
                row.id,
                row.realizedPnl,
                row.time,
                None if listed is None else listed.contract_type,
                row.symbol if listed is None else listed.symbol,
                closes.get(row.positionSide, row.positionSide.lower()),
                row.qty,
                row.price,
            )
        )


def _settle_of(symbol: str) -> str | None:
    pair = symbol.partition("_")[0]
    return next((asset for asset in _SETTLE_OF_SUFFIX if pair.endswith(asset)), None)
