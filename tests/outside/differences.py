"""The differences between ccxt and our adapters about perpetuals: each case, and its reason.

Everything without a row here must be equal. A row states ccxt's value, so that a difference is
tested too; a row that no longer differs fails its test.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import ROUND_DOWN, Decimal
from typing import Any

from botkeys.exchanges.model import ContractType, Instrument

LINEAR, INVERSE = ContractType.LINEAR, ContractType.INVERSE
_SATOSHI = 100_000_000
_HUNDREDTH = Decimal("0.01")  # our step for rounding leverage down


@dataclass(frozen=True, slots=True)
class Row:
    """What both sides report about one perpetual, in our terms."""

    symbol: str
    base: str
    quote: str
    settle: str
    contract_type: str
    contract_size: Decimal | None
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal | None
    max_leverage: Decimal | None


FIELDS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True, slots=True)
class Difference:
    """`says` is ccxt's value of an instrument's `field`, of one contract type or both."""

    exchange: str
    field: str
    says: Callable[[Instrument], object]
    reason: str
    contract_type: ContractType | None = None

    def concerns(self, exchange: str, contract_type: ContractType) -> bool:
        return self.exchange == exchange and self.contract_type in {None, contract_type}


def _nothing(_: Instrument) -> object:
    return None


DIFFERENCES = (
    Difference(
        "bitmex",
        "contract_size",
        lambda i: i.contract_size * _SATOSHI,
        "`multiplier`: the satoshis that a contract of one quote unit is worth at a price of one.",
        INVERSE,
    ),
    Difference("bitmex", "min_quantity", _nothing, "The lot is the minimum; ccxt tells none."),
    Difference(
        "kraken",
        "base",
        lambda i: i.base.upper(),
        "Tokenised stocks are spelled in two cases, as TSLAx; ccxt writes all in capitals.",
        LINEAR,
    ),
    Difference("kraken", "min_quantity", _nothing, "The step is the minimum; ccxt tells none."),
    Difference("kraken", "max_leverage", _nothing, "ccxt does not read `marginLevels`."),
    Difference(
        "deribit",
        "contract_size",
        lambda i: i.lot_size,
        "`contract_size` is a number of coins or dollars, and so are the amounts of orders: the"
        " listing's smallest amount, while one unit of quantity is one coin or one dollar.",
    ),
    Difference("deribit", "max_leverage", _nothing, "ccxt does not read `max_leverage`."),
    Difference("gemini", "symbol", lambda i: i.symbol.lower(), "Both cases are the same symbol."),
    Difference(
        "gemini",
        "contract_size",
        lambda i: i.tick_size,
        "ccxt takes the price step for it; quantities are in the base asset.",
    ),
    Difference("phemex", "min_quantity", _nothing, "The step is the minimum; ccxt tells none."),
    Difference(
        "phemex",
        "contract_size",
        lambda i: None if i.settle == "USDC" else i.contract_size,
        "ccxt tells none for contracts that settle in USDC; quantities are in the base asset.",
        LINEAR,
    ),
    Difference("woox", "max_leverage", _nothing, "ccxt does not read `baseIMR`."),
)

CCXT_ALONE: Mapping[tuple[str, ContractType], frozenset[str]] = {
    # Spot pairs, which have a `contract_price_currency` too; and a contract that may be closed but
    # not opened, whose `status` is `cancel_only`.
    ("gemini", LINEAR): frozenset(
        {"btcgusd", "btcusd", "ethusd", "ethbtc", "batusd", "haltgusdperp"}
    ),
    # It settles in its quote asset but is listed among the inverse contracts: it predates contracts
    # in USDT and is not offered any more.
    ("phemex", LINEAR): frozenset({"ETHUSD"}),
}
"""Symbols that only ccxt considers trading perpetuals, by the exchange's id."""


def expected(exchange: str, instrument: Instrument) -> Row:
    """Return what ccxt must report for our instrument."""
    values: dict[str, Any] = {name: getattr(instrument, name) for name in FIELDS}
    for difference in DIFFERENCES:
        if difference.concerns(exchange, instrument.contract_type):
            values[difference.field] = difference.says(instrument)
    return Row(**values)


def of_ccxt(market: Mapping[str, Any]) -> Row:
    """Return a market of ccxt in our terms."""
    leverage = market["limits"]["leverage"]["max"]
    return Row(
        symbol=market["id"],
        base=market["base"],
        quote=market["quote"],
        settle=market["settle"],
        contract_type="linear" if market["linear"] else "inverse" if market["inverse"] else "",
        contract_size=market["contractSize"],
        tick_size=market["precision"]["price"],
        lot_size=market["precision"]["amount"],
        min_quantity=market["limits"]["amount"]["min"],
        max_leverage=None if leverage is None else leverage.quantize(_HUNDREDTH, ROUND_DOWN),
    )


def disagreements(ours: Row, theirs: Row) -> Iterator[str]:
    for name in FIELDS:
        one, other = getattr(ours, name), getattr(theirs, name)
        if one != other:
            yield f"{ours.symbol} {name}: expected {one}, ccxt says {other}"
