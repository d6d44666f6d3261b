"""Phemex: linear and inverse perpetuals on one host, with two envelopes and two number formats.

docs/exchange-notes.md describes the wire format, codes and field names. No response reveals what a
key may do.
"""

import re
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import orjson

from app.simulator.http_server import Request, Response
from app.simulator.keys import KeyText, Material, Permission, SimulatedKey
from app.simulator.market import Quote, text
from app.simulator.phemex_listing import (
    RATIO_SCALE,
    Product,
    currency_row,
    listing,
    spot_rows,
    value_scales,
)
from app.simulator.venue import Call, Refusal, Route, Venue, digest, html, same

CAPACITY = {"-contract": 500, "": 100}
_SECONDS = re.compile(r"[0-9]{1,12}")
_MARKET_DATA = ("/md/", "/v1/md/")
_LINEAR_FUNDS = {"USDT": "10000", "USDC": "0"}
_UNSCALED = {"lastEp": "close", "turnoverEv": "turnover", "indexEp": "indexPrice"} | {
    "markEp": "markPrice"
}


class Phemex(Venue):
    exchange = "phemex"
    enum_fields: ClassVar[frozenset[str]] = frozenset({"status", "type", "perpProductSubType"})

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._used: Counter[tuple[int, str]] = Counter()
        self._order_ids = count(0x7A1AD384_44A3_4E54_A102_DE4195A29E32)

    @staticmethod
    def key_text(material: Material) -> KeyText:
        secret = material.base64("secret", 69).translate(str.maketrans("+/", "-_"))
        return KeyText(material.uuid("key"), secret)

    def routes(self) -> Sequence[Route]:
        read, trade = Permission.READ, Permission.TRADE
        prices: list[tuple[str, Callable[[Call], list[dict[str, Any]]]]] = [
            ("/md/v3/ticker/24hr", self._plain_tickers),
            ("/md/v2/ticker/24hr", self._older_plain_tickers),
            ("/md/v1/ticker/24hr", self._scaled_tickers),
            ("/v1/md/ticker/24hr", self._scaled_tickers),
            ("/md/ticker/24hr", self._oldest_tickers),
        ]
        return [
            Route("GET", "/public/time", lambda call: {"serverTime": call.now_ms}),
            Route("GET", "/public/products", self._products),
            Route("GET", "/public/products-plus", self._products_plus),
            Route("GET", "/exchange/public/products", self._old_products),
            Route("GET", "/v1/exchange/public/products", self._old_products),
            *(Route("GET", f"{path}/all", handler) for path, handler in prices),
            *(Route("GET", path, self._one(handler)) for path, handler in prices),
            Route("GET", "/g-accounts/accountPositions", self._linear_account, read),
            Route("GET", "/accounts/accountPositions", self._inverse_account, read),
            Route("POST", "/g-orders", self._order, trade),
            Route("PUT", "/g-orders/create", self._order, trade),
            Route("POST", "/orders", self._order, trade),
            Route("PUT", "/orders/create", self._order, trade),
        ]

    def envelope(self, payload: Any, call: Call) -> Any:
        if call.request.path.startswith(_MARKET_DATA):
            return {"error": None, "id": 0, "result": payload}
        return {"code": 0, "msg": "", "data": payload}

    def headers(self, call: Call, route: Route) -> Mapping[str, str]:
        """Return the rest of a minute's budget: signed calls have a group, market data none."""
        if route.path.startswith(_MARKET_DATA):
            return {}
        group = "-contract" if route.needs else ""
        slot = call.now_ms // 60_000, group
        self._used[slot] += 1
        left = max(CAPACITY[group] - self._used[slot], 0)
        return {
            f"x-ratelimit-capacity{group}": str(CAPACITY[group]),
            f"x-ratelimit-remaining{group}": str(left),
        }

    # Refusals

    def _refusal(self, status: int, code: int | str, message: str) -> Refusal:
        return Refusal(self.json(status, {"code": code, "msg": message}))

    def _denied(self, message: str) -> Refusal:
        return self._refusal(401, "401", f"401 {message}")

    def _wrong(self, code: int, message: str) -> Refusal:
        """Refuse an invalid order or argument, under HTTP 200."""
        return Refusal(self.json(200, {"code": code, "msg": message, "data": None}))

    def refused(self, status: int, code: str, message: str) -> Response:
        return self.json(status, {"code": int(code), "msg": message})

    def forbidden(self, key: SimulatedKey, request: Request) -> Refusal:
        del key, request
        return self._denied("Insufficient privilege.")

    def rate_limited(self, retry_after: int | None) -> Response:
        seconds = 60 if retry_after is None else retry_after
        extra = {"x-ratelimit-remaining": "0", "x-ratelimit-retry-after": str(seconds)}
        return self.json(429, {"code": 39995, "msg": "Too many requests."}, extra)

    def server_error(self, status: int) -> Response:
        return html(status)

    def not_found(self, request: Request) -> Response:
        """Respond as the content network does for unknown paths."""
        del request
        return Response(403)

    # Authentication

    def authenticate(self, request: Request, now_ms: int) -> SimulatedKey:
        headers = request.headers
        api_key = headers.get("x-phemex-access-token", "")
        expiry = headers.get("x-phemex-request-expiry", "")
        signature = headers.get("x-phemex-request-signature", "")
        if not api_key:
            raise self._denied("Miss Api Key.")
        if not signature or not _SECONDS.fullmatch(expiry):
            raise self._refusal(401, 10500, "Missing required parameter")
        key = self.world.keys.find(self.exchange, self.environment, api_key)
        if key is None:
            raise self._refusal(401, 10500, f"Failed to find api-key {api_key}")
        if int(expiry) * 1000 < now_ms:
            raise self._denied(f"Request Expired at {expiry}")
        message = request.path + request.query + expiry + request.body.decode("latin-1")
        if not same(digest(key.text.api_secret, message).hex(), signature):
            raise self._refusal(401, 10500, "API Signature verification failed.")
        if not key.comes_from(request.peer):
            raise self._denied("Request IP mismatch.")
        return key

    # Public data

    @cached_property
    def _listed(self) -> Mapping[str, Product]:
        return {one.symbol: one for one in listing(self.world.perpetuals)}

    @cached_property
    def _scales(self) -> Mapping[str, int]:
        return value_scales(tuple(self._listed.values()))

    def _rows(self, *, linear: bool) -> list[dict[str, Any]]:
        return [one.row() for one in self._listed.values() if one.linear is linear]

    def _products(self, call: Call) -> dict[str, Any]:
        del call
        scales = enumerate(self._scales.items(), start=1)
        old, new = (
            [one.risk() for one in self._listed.values() if one.linear is linear]
            for linear in (False, True)
        )
        options = [1.0, 2.0, 3.0, 5.0, 10.0, 25.0, 50.0, 100.0]
        return {
            "currencies": [currency_row(name, code, scale) for code, (name, scale) in scales],
            "products": [*self._rows(linear=False), *spot_rows()],
            "perpProductsV2": self._rows(linear=True),
            "perpProductsPilot": None,
            "riskLimits": old,
            "riskLimitsV2": new,
            "leverages": [
                {"initialMargin": "1.0%", "initialMarginEr": 1_000_000, "options": options}
            ],
            "leveragesV2": [{"initialMarginRr": "0.01", "options": options}],
            "leverageMargins": [{"index_id": 1, "items": []}],
            "ratioScale": RATIO_SCALE,
            "md5Checksum": "5c6604814d3c1bafbe602c3d11a7e8bf",
        }

    def _products_plus(self, call: Call) -> dict[str, Any]:
        """Return `products` with four times each: the second lists, the fourth delists."""
        answer = self._products(call)
        for name in ("products", "perpProductsV2"):
            for row in answer[name]:
                gone = 0 if row["status"] == "Listed" else row["listTime"] + 1
                row["timeline"] = [row["listTime"], row["listTime"], gone, gone]
        return answer

    def _old_products(self, call: Call) -> list[dict[str, Any]]:
        del call
        oldest = ("BTCUSD", "ETHUSD", "LUNAUSD")
        return [
            self._listed[name].old_row(self._scales[self._listed[name].settle]) for name in oldest
        ]

    def _quote(self, one: Product, at: float) -> Quote:
        return self.market.quote(one.asset, at, one.tick, scale=one.scale, share=one.share)

    def _plain_tickers(self, call: Call) -> list[dict[str, Any]]:
        """Return tickers; a delisted contract keeps its ticker."""
        return [
            one.plain_ticker(self._quote(one, call.at), call.now_ms * 1_000_000)
            for one in self._listed.values()
            if one.linear
        ]

    def _older_plain_tickers(self, call: Call) -> list[dict[str, Any]]:
        renamed = {"lastRp": "closeRp", "indexRp": "indexPriceRp", "markRp": "markPriceRp"}
        left_out = {"bidRp", "askRp"}
        return [
            {renamed.get(name, name): row[name] for name in row if name not in left_out}
            for row in self._plain_tickers(call)
        ]

    def _scaled_tickers(self, call: Call) -> list[dict[str, Any]]:
        return [
            one.scaled_ticker(
                self._quote(one, call.at), call.now_ms * 1_000_000, self._scales[one.settle]
            )
            for one in self._listed.values()
            if not one.linear and one.trades
        ]

    def _oldest_tickers(self, call: Call) -> list[dict[str, Any]]:
        """Return the same numbers under names that do not show that they are scaled."""
        return [
            {
                _UNSCALED.get(name, name[:-2] if name[-2:] in ("Ep", "Er") else name): row[name]
                for name in row
            }
            for row in self._scaled_tickers(call)
        ]

    def _one(self, handler: Callable[[Call], list[dict[str, Any]]]) -> Callable[[Call], Any]:
        def chosen(call: Call) -> dict[str, Any]:
            symbol = dict(parse_qsl(call.request.query)).get("symbol")
            for row in handler(call):
                if row["symbol"] == symbol:
                    return row
            error = {"code": 6001, "message": "invalid argument"}
            raise Refusal(self.json(500, {"error": error, "id": None, "result": None}))

        return chosen

    # Account

    def _currency(self, call: Call, known: Mapping[str, Any]) -> str:
        currency = dict(parse_qsl(call.request.query)).get("currency")
        if currency is None:
            raise self._refusal(400, 10500, "Missing required parameter")
        if currency not in known:
            raise self._wrong(11028, "TE_CURRENCY_INVALID")
        return currency

    def _linear_account(self, call: Call) -> dict[str, Any]:
        currency = self._currency(call, _LINEAR_FUNDS)
        user = int(call.signer.account[:7])
        account = {
            "userID": user,
            "accountId": user * 10_000 + 3,
            "currency": currency,
            "accountBalanceRv": _LINEAR_FUNDS[currency],
            "totalUsedBalanceRv": "0",
            "bonusBalanceRv": "0",
        }
        return {"account": account, "positions": []}

    def _inverse_account(self, call: Call) -> dict[str, Any]:
        currency = self._currency(call, self._scales)
        amount = 10 ** self._scales[currency] if currency == "BTC" else 0
        account = {
            "userID": int(call.signer.account[:7]),
            "accountId": int(call.signer.account[:7]) * 10_000 + 1,
            "currency": currency,
            "accountBalanceEv": amount,
            "totalUsedBalanceEv": 0,
            "bonusBalanceEv": 0,
        }
        return {"account": account, "positions": []}

    # Orders

    def _order(self, call: Call) -> dict[str, Any]:
        """Take an order from the body or the query; a market order is filled at once."""
        order = self._read(call)
        linear = call.request.path.startswith("/g-")
        one = self._listed.get(str(order.get("symbol", "")))
        if one is None or one.linear is not linear or not one.trades:
            raise self._wrong(11027, "TE_SYMBOL_INVALID")
        if order.get("side") not in ("Buy", "Sell"):
            raise self._wrong(11034, "TE_SIDE_INVALID")
        if order.get("ordType") not in ("Limit", "Market"):
            raise self._wrong(11035, "TE_ORD_TYPE_INVALID")
        quantity = self._number(order, "orderQtyRq" if linear else "orderQty")
        if quantity <= 0 or quantity % one.lot:
            raise self._wrong(11058, "TE_QTY_TOO_SMALL")
        limit = order["ordType"] == "Limit"
        price = self._price(one, order) if limit else self._quote(one, call.at).last
        numbers: dict[str, Any] = (
            {"priceRp": text(price), "orderQtyRq": text(quantity)}
            if linear
            else {"priceEp": one.ep(price), "orderQty": int(quantity)}
        )
        return {
            "bizError": 0,
            "orderID": str(uuid.UUID(int=next(self._order_ids))),
            "clOrdID": str(order.get("clOrdID", "")),
            "symbol": one.symbol,
            "side": order["side"],
            "orderType": order["ordType"],
            "actionTimeNs": call.now_ms * 1_000_000,
            "transactTimeNs": call.now_ms * 1_000_000,
            **numbers,
            "timeInForce": order.get("timeInForce", "GoodTillCancel"),
            "reduceOnly": False,
            "execStatus": "New" if limit else "TakerFill",
            "ordStatus": "New" if limit else "Filled",
        }

    def _read(self, call: Call) -> dict[str, Any]:
        if call.request.method == "PUT":
            return dict(parse_qsl(call.request.query))
        try:
            order = orjson.loads(call.request.body)
        except orjson.JSONDecodeError:
            order = None
        if not isinstance(order, dict):
            raise self._refusal(400, 30000, "Please double check input arguments")
        return order

    def _number(self, order: Mapping[str, Any], name: str) -> Decimal:
        try:
            value = Decimal(str(order[name]))
        except (KeyError, InvalidOperation):
            raise self._refusal(400, 10500, "Missing required parameter") from None
        if not value.is_finite():
            raise self._refusal(400, 30000, "Please double check input arguments")
        return value

    def _price(self, one: Product, order: Mapping[str, Any]) -> Decimal:
        if one.linear:
            price = self._number(order, "priceRp")
        else:
            price = self._number(order, "priceEp").scaleb(-one.price_scale)
        if price <= 0 or price % one.tick:
            raise self._wrong(11055, "TE_PRICE_TOO_SMALL")
        return price
