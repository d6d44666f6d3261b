"""What Binance's orders ask for, in a form, in a batch or in a WebSocket message."""

from collections.abc import Mapping, Sequence
from typing import Any

from botkeys.exchanges.model import ContractType
from botkeys.signing_proxy.canonical import spelled
from botkeys.signing_proxy.dialect import (
    decimal_of,
    flag_of,
    highest,
    one_of,
    optional_of,
    symbol_of,
)
from botkeys.signing_proxy.refusals import malformed
from botkeys.signing_proxy.rules import Intent, Opening

STAMPS = frozenset({"timestamp", "recvWindow", "signature", "apiKey"})
"""Parameters that the proxy writes itself."""

_SIDES = frozenset({"BUY", "SELL"})
_POSITION_SIDES = frozenset({"BOTH", "LONG", "SHORT"})
_CLOSING = {("LONG", "SELL"), ("SHORT", "BUY")}
_CLOSING_TYPES = frozenset({"STOP_MARKET", "TAKE_PROFIT_MARKET"})
JUDGED = frozenset(
    {
        *("symbol", "side", "type", "strategyType", "quantity", "price", "stopPrice"),
        *("triggerPrice", "activationPrice", "activatePrice", "positionSide", "reduceOnly"),
        *("closePosition", "priceMatch", "leverage", "batchOrders", *STAMPS),
    }
)
_NEUTRAL = frozenset(
    {
        *("newClientOrderId", "clientAlgoId", "newOrderRespType", "timeInForce", "goodTillDate"),
        *("selfTradePreventionMode", "workingType", "priceProtect", "algoType"),
    }
)
"""Further parameters that change neither price nor size. With any other one, an order's own price
does not bound its value: it may be one that takes the price from the book.
"""
_PRICES = ("price", "stopPrice", "triggerPrice", "activationPrice", "activatePrice")
_CAPPED = frozenset({"LIMIT", "STOP", "TAKE_PROFIT"})


def read_order(contract_type: ContractType, given: Mapping[str, Any]) -> Sequence[Intent]:
    """Return what an order asks for: nothing, if it can only reduce a position.

    In hedge mode the position's side and the order's tell that; `reduceOnly` is for the other mode
    alone. `closePosition` closes with the two types that it is made for, and without a quantity.
    """
    spelled(given, JUDGED)
    symbol, side = symbol_of(given, "symbol"), one_of(given, "side", _SIDES)
    kind = given.get("type") or given.get("strategyType")
    if not isinstance(kind, str) or ("type" in given and "strategyType" in given):
        raise malformed("The parameter type is missing.")
    position = optional_of(given, "positionSide", _POSITION_SIDES, "BOTH")
    reduces, closes = flag_of(given, "reduceOnly"), flag_of(given, "closePosition")
    quantity = decimal_of(given, "quantity")
    prices = [decimal_of(given, name) for name in _PRICES]
    if (position, side) in _CLOSING or (position == "BOTH" and reduces):
        return []
    if closes and kind in _CLOSING_TYPES and quantity is None:
        return []
    capped = side == "BUY" and kind in _CAPPED and _is_bounded(given)
    return [Opening(symbol, contract_type, quantity, highest(*prices), capped)]


def read_amendment(contract_type: ContractType, given: Mapping[str, Any]) -> Intent:
    """Return what an amendment asks for. Of the order it names, nothing is known here."""
    spelled(given, JUDGED)
    side = one_of(given, "side", _SIDES)
    return Opening(
        symbol_of(given, "symbol"),
        contract_type,
        decimal_of(given, "quantity"),
        highest(decimal_of(given, "price")),
        capped=side == "BUY" and _is_bounded(given, "orderId", "origClientOrderId"),
    )


def _is_bounded(given: Mapping[str, Any], *more: str) -> bool:
    """Return whether an order to buy is filled at its own price at most."""
    matched = "priceMatch" in given or not given.keys() <= {*JUDGED, *_NEUTRAL, *more}
    return bool(decimal_of(given, "price")) and not matched
