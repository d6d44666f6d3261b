"""Trades of freqtrade: its `GET /api/v1/trades`, and exported trades of a backtest.

A pair names its settle asset as ccxt does (`BTC/USDT:USDT`); spot trades have none and are refused.
P&L is freqtrade's own, net of fees and funding. Amounts are in the base asset: they become
quantities of the exchange where the contract is known, and stay null otherwise.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints, ValidationError

from app.db.models.trading import NOBODY
from app.domains.imports.formats.faults import of_validation
from app.domains.imports.formats.foreign import (
    Foreign,
    MaybeAmount,
    MaybeLabel,
    MaybeMilliseconds,
    MaybePositive,
)
from app.domains.imports.formats.row import SKIPPED, ImportedTrade, Outcome, Refusal, Target
from app.domains.ingest.items import Asset
from app.domains.trading.fees import stored_text
from app.domains.trading.fields import Positive
from app.domains.trading.symbols import Listed
from app.kit.exact import EXACT, added
from botkeys.exchanges.model import ContractKind
from botkeys.exchanges.parsing import settle_name

PATHS = (("trades",), ("strategy", "*", "trades"))
COLUMNS = ("pair", "amount", "open_rate", "close_rate", "profit_abs")
_MOST_PLACES = 40

_OTHER_EXCHANGE = Refusal("exchange_differs", "The trade is of another exchange than the key.")
_SPOT = Refusal("invalid_item", "pair: names no settle asset, so it is no futures trade (spot)")
_TIMELESS = Refusal(
    "invalid_item", "close_timestamp: a closed trade needs it, or close_date (missing)"
)
_REVERSED = Refusal("invalid_item", "close_timestamp: must not be before open_timestamp (order)")


def _flag(value: Any) -> Any:
    words = {"True": True, "False": False, "true": True, "false": False, None: False, "": False}
    return words.get(value, value) if not isinstance(value, bool) else value


def _of_date(value: Any) -> Any:
    """Return a time as freqtrade writes it: in UTC, with or without saying so."""
    if value in (None, ""):
        return None
    if isinstance(value, str) and len(value) <= 40:
        try:
            time = datetime.fromisoformat(value)
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError("must be a time like 2026-11-22 10:00:00")


_Flag = Annotated[bool, BeforeValidator(_flag)]
_Date = Annotated[datetime | None, BeforeValidator(_of_date)]
_Word = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_MaybeAsset = Annotated[
    Asset | None, BeforeValidator(lambda value: None if value in (None, "") else value)
]
_Pair = Annotated[
    str, StringConstraints(pattern=r"^[A-Z0-9]{1,30}/[A-Z0-9]{1,30}(:[A-Z0-9-]{1,40})?$")
]


class FreqtradeTrade(Foreign):
    """The members of a trade that have a place here."""

    trade_id: Annotated[
        str | None, BeforeValidator(lambda value: None if value in (None, "") else str(value))
    ] = None
    pair: _Pair
    exchange: _Word | None = None
    is_open: _Flag = False
    is_short: _Flag = False
    amount: Positive
    leverage: MaybePositive = None
    open_rate: Positive
    close_rate: MaybePositive = None
    open_timestamp: MaybeMilliseconds = None
    open_date: _Date = None
    close_timestamp: MaybeMilliseconds = None
    close_date: _Date = None
    close_profit_abs: MaybeAmount = None
    profit_abs: MaybeAmount = None
    fee_open_cost: MaybeAmount = None
    fee_open_currency: _MaybeAsset = None
    fee_close_cost: MaybeAmount = None
    fee_close_currency: _MaybeAsset = None
    exit_reason: MaybeLabel = None


class FreqtradeFormat:
    """Reads trades of freqtrade."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def name(self, members: dict[str, Any]) -> str | None:
        pair = members.get("pair")
        return pair if isinstance(pair, str) else None

    def read(
        self, members: dict[str, Any], listed: Listed | None, *, csv: bool
    ) -> Iterable[Outcome]:
        del csv
        try:
            trade = FreqtradeTrade.model_validate(members)
        except ValidationError as error:
            return [of_validation(error, FreqtradeTrade)]
        return [self._outcome(trade, listed)]

    def end(self) -> Iterable[Outcome]:
        return []

    def _outcome(self, trade: FreqtradeTrade, listed: Listed | None) -> Outcome:
        if trade.is_open:
            return SKIPPED
        # freqtrade's names of futures exchanges may be longer: `krakenfutures`.
        if trade.exchange and not trade.exchange.startswith(self._target.exchange):
            return _OTHER_EXCHANGE
        pair, _, settle = trade.pair.partition(":")
        if not settle:
            return _SPOT
        settle = settle_name(settle.partition("-")[0])
        opened = trade.open_timestamp or trade.open_date
        closed = trade.close_timestamp or trade.close_date
        if closed is None:
            return _TIMELESS
        if opened is not None and opened > closed:
            return _REVERSED
        others = _fees(trade)
        fees = others.pop(settle, Decimal(0))
        pnl = trade.profit_abs if trade.close_profit_abs is None else trade.close_profit_abs
        return ImportedTrade(
            self._target.bot_id or NOBODY,
            _id_of(trade, opened, closed),
            _kind(pair, settle) if listed is None else listed.contract_type,
            trade.pair if listed is None else listed.symbol,
            "short" if trade.is_short else "long",
            None if listed is None else _quantity(trade.amount, listed, closed),
            trade.open_rate,
            trade.close_rate,
            fees,
            trade.leverage,
            None,
            None,
            None,
            None if pnl is None else settle,
            pnl,
            opened,
            closed,
            trade.exit_reason,
            stored_text(others),
        )


def _id_of(trade: FreqtradeTrade, opened: datetime | None, closed: datetime) -> str:
    """Return an id that the same trade always has: ids of freqtrade begin at 1 in each database."""
    parts = (trade.trade_id, trade.pair, opened, closed, trade.is_short, trade.amount)
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]
    return f"freqtrade-{digest}"


def _kind(pair: str, settle: str) -> ContractKind:
    base, _, quote = pair.partition("/")
    if settle == settle_name(quote):
        return ContractKind.LINEAR
    return ContractKind.INVERSE if settle == settle_name(base) else ContractKind.QUANTO


def _quantity(amount: Decimal, listed: Listed, closed: datetime) -> Decimal | None:
    """Return the amount in contracts; `None` if that is not exact, or their size is another now."""
    changed = listed.changed_at is not None and closed < listed.changed_at
    if listed.contract_type is not ContractKind.LINEAR or changed:
        return None
    quantity = amount / listed.size
    exact = EXACT.multiply(quantity, listed.size) == amount and quantity.adjusted() > -_MOST_PLACES
    return quantity if exact else None


def _fees(trade: FreqtradeTrade) -> dict[str, Decimal]:
    """Return the fees by asset, as far as the file names it."""
    costs = (
        (trade.fee_open_cost, trade.fee_open_currency),
        (trade.fee_close_cost, trade.fee_close_currency),
    )
    fees: dict[str, Decimal] = {}
    for cost, currency in costs:
        if cost is not None and currency is not None:
            fees[currency] = added(fees.get(currency, Decimal(0)), cost)
    return fees
