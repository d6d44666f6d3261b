"""What Bybit's orders ask for, over REST or in a WebSocket message."""

from collections.abc import Mapping, Sequence
from typing import Any

from botkeys.exchanges.model import ContractType
from botkeys.signing_proxy.canonical import spelled
from botkeys.signing_proxy.dialect import (
    decimal_of,
    flag_of,
    highest,
    object_of,
    one_of,
    orders_of,
    symbol_of,
    text_of,
)
from botkeys.signing_proxy.refusals import Refusal, RefusalCode, malformed
from botkeys.signing_proxy.rules import Intent, LeverageChange, Opening

_SIDES = frozenset({"Buy", "Sell"})
_TYPES = frozenset({"Limit", "Market"})
_CLOSING = {("1", "Sell"), ("2", "Buy")}  # of a hedged long, of a hedged short
_INDEXES = frozenset({"0", "1", "2"})
_MOST_IN_A_BATCH = 20
_JUDGED = frozenset(
    {
        *("category", "symbol", "side", "orderType", "qty", "price", "triggerPrice"),
        *("positionIdx", "reduceOnly", "request", "buyLeverage", "sellLeverage"),
    }
)
_NEUTRAL = frozenset(
    {
        *("orderLinkId", "timeInForce", "isLeverage", "orderFilter", "closeOnTrigger", "mmp"),
        *("triggerDirection", "triggerBy", "takeProfit", "stopLoss", "tpTriggerBy", "slTriggerBy"),
        *("tpslMode", "tpLimitPrice", "slLimitPrice", "tpOrderType", "slOrderType", "smpType"),
    }
)
"""Further parameters that change neither price nor size. With any other one, an order's own price
does not bound its value: it may be one that takes the price from the book.
"""


def read_order(document: Any) -> Sequence[Intent]:
    given = object_of(document)
    return _order(given, _category(given))


def read_amendment(document: Any) -> Sequence[Intent]:
    given = object_of(document)
    return [_amended(given, _category(given))]


def read_batch(document: Any) -> Sequence[Intent]:
    given = object_of(document)
    category = _category(given)
    orders = orders_of(given.get("request"), _MOST_IN_A_BATCH)
    return [intent for order in orders for intent in _order(order, category)]


def read_amended_batch(document: Any) -> Sequence[Intent]:
    given = object_of(document)
    category = _category(given)
    orders = orders_of(given.get("request"), _MOST_IN_A_BATCH)
    return [_amended(order, category) for order in orders]


def read_leverage(document: Any) -> Sequence[Intent]:
    given = object_of(document)
    category, symbol = _category(given), symbol_of(given, "symbol")
    changes = []
    for name in ("buyLeverage", "sellLeverage"):
        leverage = decimal_of(given, name)
        if leverage is None:
            raise malformed(f"The parameter {name} is missing.")
        changes.append(LeverageChange(symbol, category, leverage))
    return changes


def _category(given: Mapping[str, Any]) -> ContractType:
    """Return the market of an order. `reduceOnly` means nothing for spot and options."""
    spelled(given, _JUDGED)
    category = text_of(given, "category")
    if category not in set(ContractType):
        text = f"The key is not for the category {category}."
        raise Refusal(RefusalCode.SYMBOL_NOT_ENABLED, text)
    return ContractType(category)


def _order(given: Mapping[str, Any], category: ContractType) -> Sequence[Intent]:
    spelled(given, _JUDGED)
    symbol, side = symbol_of(given, "symbol"), one_of(given, "side", _SIDES)
    kind, price = one_of(given, "orderType", _TYPES), decimal_of(given, "price")
    if given.get("category", category) != category:
        raise malformed("An order names another category than its batch.")
    index = str(given.get("positionIdx", 0))
    if index not in _INDEXES:
        raise malformed("The parameter positionIdx is none of 0, 1, 2.")
    quantity, trigger = decimal_of(given, "qty"), decimal_of(given, "triggerPrice")
    # In hedge mode the position's side and the order's tell what an order does.
    if (index, side) in _CLOSING or (index == "0" and flag_of(given, "reduceOnly")):
        return []
    known = given.keys() <= _JUDGED | _NEUTRAL
    capped = side == "Buy" and kind == "Limit" and bool(price) and known
    return [Opening(symbol, category, quantity, highest(price, trigger), capped)]


def _amended(given: Mapping[str, Any], category: ContractType) -> Intent:
    """Return what an amendment asks for. Of the order it names, nothing is known here."""
    spelled(given, _JUDGED)
    prices = highest(decimal_of(given, "price"), decimal_of(given, "triggerPrice"))
    return Opening(symbol_of(given, "symbol"), category, decimal_of(given, "qty"), prices)
