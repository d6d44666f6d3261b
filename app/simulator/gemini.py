"""Gemini: everything signed is in headers, and each key's nonce increases with every call.

docs/exchange-notes.md describes the wire format, reasons and field names.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import count
from typing import Any, ClassVar

import orjson

from app.simulator.gemini_listing import Pair, listing
from app.simulator.http_server import Request, Response
from app.simulator.keys import KeyText, Material, Permission, SimulatedKey
from app.simulator.market import Quote, text
from app.simulator.venue import Call, Refusal, Route, Venue, digest, same

TIME_BASED_SECONDS = 30
_HEADERS = (
    ("x-gemini-apikey", "MissingApikeyHeader"),
    ("x-gemini-payload", "MissingPayloadHeader"),
    ("x-gemini-signature", "MissingSignatureHeader"),
)
_ROLES = (
    ("isAuditor", "Auditor"),
    ("isFundManager", "FundManager"),
    ("isTrader", "Trader"),
)
_LONGEST_NONCE = 30


class Gemini(Venue):
    """The simulated Gemini.

    A key with the trait `nonce=time_based` requires seconds near the server's time instead of any
    increasing number.
    """

    exchange = "gemini"
    enum_fields: ClassVar[frozenset[str]] = frozenset({"status", "product_type", "contract_type"})

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._nonces: dict[str, int] = {}
        self._order_ids = count(106_027_397_702)

    @staticmethod
    def key_text(material: Material) -> KeyText:
        """Return a key of one account; keys of a group begin with `master-`."""
        return KeyText(
            f"account-{material.alphanumeric('key', 20)}", material.alphanumeric("secret", 28)
        )

    def routes(self) -> Sequence[Route]:
        read, trade = Permission.READ, Permission.TRADE
        return [
            Route("GET", "/v1/symbols", self._symbols),
            Route("GET", "/v1/symbols/details/all", self._all_details),
            Route("GET", "/v1/symbols/details/{symbol}", self._details),
            Route("GET", "/v1/pricefeed", self._feed),
            Route("GET", "/v1/pubticker/{symbol}", self._ticker),
            Route("GET", "/v1/riskstats/{symbol}", self._risk),
            Route("POST", "/v1/roles", self._roles, read),
            Route("POST", "/v1/balances", self._balances, read),
            Route("POST", "/v1/order/new", self._order, trade),
        ]

    # Refusals

    def _error(self, status: int, reason: str, message: str = "") -> Response:
        body = {"result": "error", "reason": reason, "message": message or reason}
        return self.json(status, body)

    def _refusal(self, reason: str, message: str = "", *, status: int = 400) -> Refusal:
        return Refusal(self._error(status, reason, message))

    def refused(self, status: int, code: str, message: str) -> Response:
        return self._error(status, code, message)

    def forbidden(self, key: SimulatedKey, request: Request) -> Refusal:
        """Refuse and name the key, as Gemini does, which exposes code that leaks it."""
        del request
        roles = _roles(key)
        has = ", ".join(word for name, word in _ROLES if roles[name])
        message = (
            "To access this endpoint, you need to log in to the website and go to the settings "
            f"page to assign one of these roles [Trader] to API key {key.text.api_key} which "
            f"currently has roles [{has}]"
        )
        return self._refusal("MissingRole", message, status=403)

    def rate_limited(self, retry_after: int | None) -> Response:
        """Respond as Gemini does, without a time to wait; `retry-after` is set only on request."""
        response = self._error(429, "RateLimit", "Requests were made too frequently")
        extra = {} if retry_after is None else {"retry-after": str(retry_after)}
        return Response(response.status, response.body, {**response.headers, **extra})

    def server_error(self, status: int) -> Response:
        if status == 503:
            message = "The Gemini Exchange is currently undergoing maintenance."
            return self._error(503, "Maintenance", message)
        return self._error(status, "System", "We are experiencing technical issues.")

    def not_found(self, request: Request) -> Response:
        del request
        return self._error(404, "EndpointNotFound")

    def wrong_method(self, request: Request) -> Response:
        return self.not_found(request)

    # Authentication

    def authenticate(self, request: Request, now_ms: int) -> SimulatedKey:
        """Return the key; the HTTP body is irrelevant, only the payload header counts."""
        headers = request.headers
        for header, reason in _HEADERS:
            if not headers.get(header):
                raise self._refusal(reason)
        api_key = headers["x-gemini-apikey"]
        key = self.world.keys.find(self.exchange, self.environment, api_key)
        # Gemini's error for a wrong address is unconfirmed: here it is the one for an unknown key.
        if key is None or not key.comes_from(request.peer):
            raise self._refusal("InvalidApiKey")
        expected = digest(key.text.api_secret, headers["x-gemini-payload"], "sha384").hex()
        if not same(expected, headers["x-gemini-signature"]):
            raise self._refusal("InvalidSignature")
        payload = self._payload(request)
        if payload.get("request") != request.path:
            raise self._refusal("EndpointMismatch")
        self._count(key, str(payload.get("nonce", "")), now_ms)
        if api_key.startswith("master-") and not payload.get("account"):
            raise self._refusal("MissingAccounts", "Expected a JSON payload with accounts")
        return key

    def _payload(self, request: Request) -> dict[str, Any]:
        try:
            written = base64.b64decode(request.headers["x-gemini-payload"], validate=True)
            payload = orjson.loads(written)
        except (binascii.Error, orjson.JSONDecodeError):
            raise self._refusal("InvalidJson") from None
        if not isinstance(payload, dict):
            raise self._refusal("InvalidJson")
        return payload

    def _count(self, key: SimulatedKey, written: str, now_ms: int) -> None:
        """Use up a nonce, whatever the outcome of its call."""
        decimal = written.isascii() and written.isdecimal() and len(written) <= _LONGEST_NONCE
        nonce = int(written) if decimal else 0
        if key.trait("nonce", "increasing") == "time_based":
            if abs(nonce - now_ms / 1000) > TIME_BASED_SECONDS:
                message = (
                    f"Nonce '{written}' is not within {TIME_BASED_SECONDS} seconds of server time "
                    f"'{now_ms // 1000}'"
                )
                raise self._refusal("InvalidNonce", message)
        elif nonce <= self._nonces.get(key.text.api_key, 0):
            message = f"Nonce '{written}' has not increased since your last call to the Gemini API."
            raise self._refusal("InvalidNonce", message)
        self._nonces[key.text.api_key] = nonce

    # Public data

    @cached_property
    def _pairs(self) -> Mapping[str, Pair]:
        return {pair.symbol: pair for pair in listing(self.world.perpetuals)}

    def _symbols(self, call: Call) -> list[str]:
        del call
        return [symbol.lower() for symbol in self._pairs]

    def _all_details(self, call: Call) -> list[dict[str, Any]]:
        del call
        return [pair.row() for pair in self._pairs.values()]

    def _unsupported(self, symbol: str) -> Refusal:
        return self._refusal("InvalidSymbol", f"Received unsupported symbol '{symbol}'")

    def _details(self, call: Call) -> dict[str, Any]:
        """Return the details; symbols are case-insensitive, as in all paths."""
        pair = self._pairs.get(call.params["symbol"].upper())
        if pair is None:
            raise self._unsupported(call.params["symbol"])
        return pair.row()

    def _quote(self, pair: Pair, at: float) -> Quote:
        return self.market.quote(pair.asset, at, pair.tick, share=pair.share)

    def _feed(self, call: Call) -> list[dict[str, str]]:
        return [
            pair.feed(self._quote(pair, call.at)) for pair in self._pairs.values() if pair.quoted
        ]

    def _ticker(self, call: Call) -> dict[str, Any]:
        symbol = call.params["symbol"]
        pair = self._pairs.get(symbol.upper())
        if pair is None or not pair.quoted:
            raise self._refusal("Bad Request", f"Supplied value '{symbol}' is not a valid symbol.")
        return pair.ticker(self._quote(pair, call.at), call.now_ms)

    def _risk(self, call: Call) -> dict[str, str]:
        pair = self._pairs.get(call.params["symbol"].upper())
        if pair is None or not pair.perpetual:
            raise self._unsupported(call.params["symbol"])
        return pair.risk(self._quote(pair, call.at))

    # Account

    def _roles(self, call: Call) -> dict[str, bool]:
        return _roles(call.signer)

    def _balances(self, call: Call) -> list[dict[str, str]]:
        del call
        names = ("amount", "available", "availableForWithdrawal")
        return [
            {"type": "exchange", "currency": currency} | dict.fromkeys(names, amount)
            for currency, amount in (("BTC", "1"), ("GUSD", "10000"))
        ]

    # Orders

    def _order(self, call: Call) -> dict[str, Any]:
        """Take a limit order; one that crosses the last price is filled at once."""
        order = self._payload(call.request)
        for name in ("symbol", "amount", "price", "side", "type"):
            if not isinstance(order.get(name), str) or not order[name]:
                raise self._refusal("MissingOrderField", f"Missing {name}")
        pair = self._pairs.get(order["symbol"].upper())
        if pair is None:
            raise self._unsupported(order["symbol"])
        if pair.status != "open":
            raise self._refusal("MarketNotOpen")
        if order["side"] not in ("buy", "sell"):
            raise self._refusal("InvalidSide")
        if order["type"] != "exchange limit":
            raise self._refusal("InvalidOrderType")
        amount = self._multiple(order["amount"], pair.step, "InvalidQuantity")
        price = self._multiple(order["price"], pair.tick, "InvalidPrice")
        last = self._quote(pair, call.at).last
        filled = price >= last if order["side"] == "buy" else price <= last
        number = str(next(self._order_ids))
        return {
            "order_id": number,
            "id": number,
            "symbol": pair.symbol.lower(),
            "exchange": "gemini",
            "avg_execution_price": text(last) if filled else "0.00",
            "side": order["side"],
            "type": order["type"],
            "timestamp": str(call.now_ms // 1000),
            "timestampms": call.now_ms,
            "is_live": not filled,
            "is_cancelled": False,
            "is_hidden": False,
            "was_forced": False,
            "executed_amount": text(amount) if filled else "0",
            "client_order_id": str(order.get("client_order_id", "")),
            "options": order.get("options", []),
            "price": text(price),
            "original_amount": text(amount),
            "remaining_amount": "0" if filled else text(amount),
        }

    def _multiple(self, written: str, step: Decimal, reason: str) -> Decimal:
        try:
            value = Decimal(written)
        except InvalidOperation:
            raise self._refusal(reason) from None
        if not value.is_finite() or value <= 0 or value % step:
            raise self._refusal(reason)
        return value


def _roles(key: SimulatedKey) -> dict[str, bool]:
    """Return the roles: a key that may act is no auditor; keys of a group have one role more."""
    trader = Permission.TRADE in key.permissions
    manager = Permission.WITHDRAW in key.permissions
    roles = {
        "isAuditor": not (trader or manager),
        "isFundManager": manager,
        "isTrader": trader,
    }
    group = key.text.api_key.startswith("master-")
    return roles | ({"isAccountAdmin": False} if group else {})
