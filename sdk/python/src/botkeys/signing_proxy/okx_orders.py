"""What OKX's orders ask for, over REST or in a WebSocket message."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botkeys.exchanges.model import ContractType
from botkeys.signing_proxy.canonical import spelled
from botkeys.signing_proxy.dialect import (
    decimal_of,
    flag_of,
    highest,
    object_of,
    one_of,
    optional_of,
    orders_of,
    symbol_of,
    text_of,
)
from botkeys.signing_proxy.refusals import malformed
from botkeys.signing_proxy.rules import Intent, LeverageChange, Opening

_SIDES = frozenset({"buy", "sell"})
_POSITION_SIDES = frozenset({"long", "short", "net"})
_CLOSING = {("long", "sell"), ("short", "buy")}
_MARGIN = frozenset({"cross", "isolated"})
_LIMITS = frozenset({"limit", "post_only", "fok", "ioc"})
# Types that heed `reduceOnly`; of other algo orders only the position's side tells what they do.
_REDUCING = _LIMITS | {"market", "optimal_limit_ioc", "conditional", "oco", "move_order_stop"}
_DERIVATIVE = re.compile(r"[A-Z0-9]+-[A-Z0-9_]+-(?:SWAP|[0-9]{6})", re.ASCII)
_MOST_IN_A_BATCH = 20
_PRICES = ("px", "triggerPx", "orderPx", "slTriggerPx", "tpTriggerPx", "activePx")
_NEW_PRICES = ("newPx", "newTriggerPx", "newOrdPx", "newTpTriggerPx", "newSlTriggerPx")
_MARKET_PRICE = "-1"
_JUDGED = frozenset(
    {
        *("instId", "instIdCode", "side", "posSide", "tdMode", "ordType", "sz", "reduceOnly"),
        *("newSz", "lever", *_PRICES, *_NEW_PRICES),
    }
)
_NEUTRAL = frozenset(
    {
        *("clOrdId", "algoClOrdId", "tag", "ccy", "stpMode", "stpId", "banAmend", "attachAlgoOrds"),
        *("tpOrdPx", "slOrdPx", "tpTriggerPxType", "slTriggerPxType", "triggerPxType"),
    }
)
"""Further parameters that change neither price nor size. With any other one, an order's own price
does not bound its value: it may be one that takes the price from the book.
"""

Reader = Callable[[ContractType, Any], Sequence[Intent]]


def read_order(contract_type: ContractType, document: Any) -> Sequence[Intent]:
    """Return what an order asks for: nothing, if it can only reduce a position.

    In long/short mode the position's side and the order's tell that; `reduceOnly` is for net mode
    alone, and means nothing for spot.
    """
    given = object_of(document)
    symbol, side = _symbol(given), one_of(given, "side", _SIDES)
    position = optional_of(given, "posSide", _POSITION_SIDES, "net")
    kind, mode = text_of(given, "ordType"), text_of(given, "tdMode")
    reduces, quantity = flag_of(given, "reduceOnly"), decimal_of(given, "sz")
    prices = [_price(given, name) for name in _PRICES]
    if _DERIVATIVE.fullmatch(symbol) and mode in _MARGIN:
        if (position, side) in _CLOSING:
            return []
        if position == "net" and reduces and kind in _REDUCING:
            return []
    known = given.keys() <= _JUDGED | _NEUTRAL
    capped = side == "buy" and kind in _LIMITS and bool(prices[0]) and known
    return [Opening(symbol, contract_type, quantity, highest(*prices), capped)]


def read_batch(contract_type: ContractType, document: Any) -> Sequence[Intent]:
    orders = orders_of(document, _MOST_IN_A_BATCH)
    return [intent for order in orders for intent in read_order(contract_type, order)]


def read_amendment(contract_type: ContractType, document: Any) -> Sequence[Intent]:
    """Return what an amendment asks for. Of the order it names, nothing is known here."""
    given = object_of(document)
    prices = highest(*(_price(given, name) for name in _NEW_PRICES))
    return [Opening(_symbol(given), contract_type, decimal_of(given, "newSz"), prices)]


def read_amended_batch(contract_type: ContractType, document: Any) -> Sequence[Intent]:
    orders = orders_of(document, _MOST_IN_A_BATCH)
    return [intent for order in orders for intent in read_amendment(contract_type, order)]


def read_leverage(contract_type: ContractType, document: Any) -> Sequence[Intent]:
    given = object_of(document)
    leverage = decimal_of(given, "lever")
    if leverage is None:
        raise malformed("The parameter lever is missing.")
    return [LeverageChange(_symbol(given), contract_type, leverage)]


def _symbol(given: Mapping[str, Any]) -> str:
    spelled(given, _JUDGED)
    if "instIdCode" in given:
        raise malformed("An instrument is named by instId, and not by instIdCode.")
    return symbol_of(given, "instId")


def _price(given: Mapping[str, Any], name: str) -> Any:
    """Return a price; -1 is the market's, as if there were none."""
    return None if str(given.get(name)) == _MARKET_PRICE else decimal_of(given, name)
