"""WOO X: the v3 interface, for linear perpetuals.

docs/exchange-notes.md describes the wire format, codes and field names. Two things are unconfirmed
and can be set per key: the trait `credentials` is the JSON that `account/credentials` returns, or
`absent` if there is no such call. By default it says nothing about permissions.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import orjson

from app.simulator.formats import number
from app.simulator.http_server import Request, Response
from app.simulator.keys import KeyText, Material, Permission, SimulatedKey
from app.simulator.market import Quote
from app.simulator.venue import Call, Refusal, Route, Venue, digest, same
from app.simulator.woox_listing import Pair, listing

TOLERANCE_MS = 300_000
_INTEGER = re.compile(r"[0-9]{1,18}")
_MALFORMED = "The api key or secret is in wrong format"
_INVALID = (
    "API key or secret is invalid, it may because key have insufficient permission or the key is "
    "expired/revoked."
)
_WITHOUT_PERMISSIONS = '{"alias":"simulated","createdTime":"1752062807.915"}'
_TYPES = {"LIMIT", "MARKET", "IOC", "FOK", "POST_ONLY"}
_FUNDS = (("USDT", 10_000), ("BTC", 1))


class Woox(Venue):
    exchange = "woox"
    enum_fields: ClassVar[frozenset[str]] = frozenset({"status", "orderMode"})

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._order_ids = count(60_667_653_330)

    @staticmethod
    def key_text(material: Material) -> KeyText:
        return KeyText(material.base64("key", 16), material.alphanumeric("secret", 28).upper())

    def routes(self) -> Sequence[Route]:
        read, trade = Permission.READ, Permission.TRADE
        return [
            Route("GET", "/v3/public/systemInfo", self._system),
            Route("GET", "/v3/public/instruments", self._instruments),
            Route("GET", "/v3/public/futures", self._futures),
            Route("GET", "/v1/public/token", self._tokens),
            Route("GET", "/v1/public/token_network", self._networks),
            Route("GET", "/v3/account/info", self._info, read),
            Route("GET", "/v3/account/credentials", self._credentials, read),
            Route("GET", "/v3/account/symbolConfig", self._symbol_config, read),
            Route("GET", "/v3/asset/balances", self._balances, read),
            Route("POST", "/v3/trade/order", self._order, trade),
        ]

    def envelope(self, payload: Any, call: Call) -> Any:
        return {"success": True, "data": payload, "timestamp": call.now_ms}

    # Refusals

    def _error(self, status: int, code: int | str, message: str) -> Response:
        """Return an error; `code` is a number or a text, since WOO X writes both."""
        return self.json(status, {"success": False, "code": code, "message": message})

    def _refusal(self, status: int, code: int, message: str) -> Refusal:
        return Refusal(self._error(status, code, message))

    def refused(self, status: int, code: str, message: str) -> Response:
        return self._error(status, int(code), message)

    def forbidden(self, key: SimulatedKey, request: Request) -> Refusal:
        """Refuse with the same words as for a revoked key: WOO X does not distinguish them."""
        del key, request
        return self._refusal(401, -1002, _INVALID)

    def rate_limited(self, retry_after: int | None) -> Response:
        """Respond as WOO X does, without a time to wait; `retry-after` is set only on request."""
        response = self._error(429, -1003, "Rate limit exceed.")
        extra = {} if retry_after is None else {"retry-after": str(retry_after)}
        return Response(response.status, response.body, {**response.headers, **extra})

    def server_error(self, status: int) -> Response:
        if status == 503:
            return self._error(503, "-1011", "The system is under maintenance.")
        message = "An internal error has occurred. We are unable to process your request."
        return self._error(status, "-1000", message)

    def not_found(self, request: Request) -> Response:
        """Respond as the gateway does for unknown paths, with a status of success."""
        del request
        return self.json(200, {"code": 503, "message": "[GW] no upstream server"})

    def wrong_method(self, request: Request) -> Response:
        return self.not_found(request)

    # Authentication

    def authenticate(self, request: Request, now_ms: int) -> SimulatedKey:
        headers = request.headers
        api_key, stamp, signature = (
            headers.get(f"x-api-{name}", "") for name in ("key", "timestamp", "signature")
        )
        if not (api_key and signature and _INTEGER.fullmatch(stamp)):
            raise self._refusal(401, -1001, _MALFORMED)
        key = self.world.keys.find(self.exchange, self.environment, api_key)
        if key is None:
            # The real message ends here. Ours names the key, as some exchanges' do, to expose code
            # that leaks it.
            raise self._refusal(401, -1002, f"{_INVALID} {api_key}")
        message = stamp + request.method + request.target + request.body.decode("latin-1")
        if not same(digest(key.text.api_secret, message).hex(), signature):
            raise self._refusal(401, -1001, _MALFORMED)
        # WOO X's errors for a wrong clock and a wrong address are unconfirmed; it has no codes for
        # them.
        if abs(int(stamp) - now_ms) > TOLERANCE_MS:
            raise self._refusal(401, -1001, _MALFORMED)
        if not key.comes_from(request.peer):
            raise self._refusal(401, -1002, _INVALID)
        return key

    # Public data

    @cached_property
    def _pairs(self) -> Mapping[str, Pair]:
        return {pair.symbol: pair for pair in listing(self.world.perpetuals)}

    def _system(self, call: Call) -> dict[str, Any]:
        message = "System is functioning properly."
        return {"status": 0, "msg": message, "estimatedEndTime": call.now_ms}

    def _chosen(self, call: Call, known: list[Pair], status: int) -> list[Pair]:
        """Return the pair named by `symbol`, or all; an unknown one is refused without a code."""
        symbol = dict(parse_qsl(call.request.query)).get("symbol")
        found = [pair for pair in known if symbol in (None, pair.symbol)]
        if not found:
            answer = {"success": False, "message": f"invalid symbol {symbol}"}
            raise Refusal(self.json(status, answer))
        return found

    def _instruments(self, call: Call) -> dict[str, Any]:
        known = [pair for pair in self._pairs.values() if pair.listed]
        return {"rows": [pair.row() for pair in self._chosen(call, known, 400)]}

    def _quote(self, pair: Pair, at: float) -> Quote:
        return self.market.quote(pair.asset, at, pair.tick, scale=pair.scale, share=0.05)

    def _futures(self, call: Call) -> dict[str, Any]:
        known = [p for p in self._pairs.values() if p.perpetual and p.status == "TRADING"]
        return {
            "rows": [
                pair.ticker(self._quote(pair, call.at), call.now_ms)
                for pair in self._chosen(call, known, 500)
            ]
        }

    def _tokens(self, call: Call) -> Response:
        """Return tokens of the older interface, whose responses have an envelope of their own."""
        del call
        rows = [
            {
                "token": token,
                "fullname": token,
                "network": token,
                "decimals": "8",
                "delisted": False,
                "balance_token": token,
                "created_time": "1710123398",
                "updated_time": "1746528481",
                "can_collateral": True,
                "can_short": True,
            }
            for token, _ in _FUNDS
        ]
        return self.json(200, {"rows": rows, "success": True})

    def _networks(self, call: Call) -> Response:
        del call
        rows = [
            {
                "protocol": token,
                "network": token,
                "token": token,
                "name": token,
                "minimum_withdrawal": "10.00000000",
                "withdrawal_fee": "2.00000000",
                "allow_deposit": "1",
                "allow_withdraw": "1",
            }
            for token, _ in _FUNDS
        ]
        return self.json(200, {"rows": rows, "success": True})

    # Account

    def _info(self, call: Call) -> dict[str, Any]:
        account = call.signer.account
        email = f"user{account}@example.com"
        texts = {
            "marginRatio": "10",
            "openMarginRatio": "10",
            "initialMarginRatio": "10",
            "maintenanceMarginRatio": "0.03",
            "totalCollateral": "10000",
            "freeCollateral": "10000",
            "totalAccountValue": "10000",
            "totalTradingValue": "10000",
        }
        unused = ("totalVaultValue", "totalStakingValue", "totalLaunchpadValue", "totalEarnValue")
        return {
            "applicationId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.environment} {account}")),
            "account": email,
            "alias": email,
            "otpauth": True,
            "accountMode": "FUTURES",
            "positionMode": "ONE_WAY",
            "leverage": 10,
            "makerFeeRate": 0,
            "takerFeeRate": 0,
            **texts,
            **dict.fromkeys(unused, "0"),
            "referrerID": None,
            "accountType": "Main",
        }

    def _credentials(self, call: Call) -> Any:
        content = call.signer.trait("credentials", _WITHOUT_PERMISSIONS)
        return self.not_found(call.request) if content == "absent" else orjson.loads(content)

    def _symbol_config(self, call: Call) -> dict[str, Any]:
        symbol = dict(parse_qsl(call.request.query)).get("symbol", "")
        pair = self._pairs.get(symbol)
        if pair is None or not pair.perpetual or not pair.listed:
            raise self._refusal(400, -1005, "symbol must be a valid symbol")
        return {
            "symbol": symbol,
            "marginFactor": "0.0000001",
            "maxLeverage": pair.leverage,
            "maxPosition": "1000000",
        }

    def _balances(self, call: Call) -> dict[str, Any]:
        unused = ("frozen", "staked", "unbonding", "vault", "interest")
        pending = ("pendingShortQty", "pendingLongQty")
        return {
            "holding": [
                {
                    "token": token,
                    "holding": amount,
                    "availableBalance": amount,
                    **dict.fromkeys((*unused, *pending), 0),
                    "updatedTime": call.at,
                }
                for token, amount in _FUNDS
            ]
        }

    # Orders

    def _order(self, call: Call) -> dict[str, Any]:
        """Take an order and forget it."""
        try:
            order = orjson.loads(call.request.body)
        except orjson.JSONDecodeError:
            order = None
        if not isinstance(order, dict):
            raise self._refusal(400, -1005, "invalid request, please check your request")
        pair = self._pairs.get(str(order.get("symbol", "")))
        if pair is None or not pair.trades:
            raise self._refusal(400, -1005, "symbol must be a valid symbol")
        if order.get("side") not in ("BUY", "SELL"):
            raise self._refusal(400, -1005, "side must be BUY or SELL")
        if order.get("type") not in _TYPES:
            raise self._refusal(400, -1005, "type must be a valid type")
        quantity = self._multiple(order, "quantity", pair.lot, -1104)
        market = order["type"] == "MARKET"
        price = None if market else number(self._multiple(order, "price", pair.tick, -1103))
        return {
            "orderId": next(self._order_ids),
            "clientOrderId": order.get("clientOrderId", 0),
            "type": order["type"],
            "price": price,
            "quantity": number(quantity),
            "amount": None,
            "bidAskLevel": None,
        }

    def _multiple(self, order: Mapping[str, Any], name: str, step: Decimal, code: int) -> Decimal:
        wrong = self._refusal(400, -1005, f"{name} must be a positive number")
        try:
            value = Decimal(str(order.get(name)))
        except InvalidOperation:
            raise wrong from None
        if not value.is_finite() or value <= 0:
            raise wrong
        if value % step:
            raise self._refusal(400, code, f"The {name} is not following the rule for the symbol.")
        return value
