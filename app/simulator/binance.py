"""Binance futures: USDS-M and COIN-M on one port per environment; on the live one also `sapi`, the
spot account, and `papi` for portfolio margin accounts.

docs/exchange-notes.md describes the wire format, codes and field names.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property, partial
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote

from app.simulator.asymmetric import from_base64, signed_by
from app.simulator.binance_listing import Contract, Family, listing
from app.simulator.book import DEFAULT_LEVERAGE, Book
from app.simulator.http_server import Request, Response
from app.simulator.keys import KeyText, Material, Permission, SimulatedKey
from app.simulator.market import Quote, text
from app.simulator.venue import Call, Refusal, Route, Venue, digest, html, same

DEFAULT_WINDOW_MS = 5_000
LONGEST_WINDOW_MS = 60_000
AHEAD_MS = 1_000
PORTFOLIO = "portfolio_margin"
"""The trait `yes`: the key's account has portfolio margin."""
MOST_LEVERAGE = "most_leverage"
"""The trait that limits the leverage of the key's account."""
_KEY = re.compile(r"[A-Za-z0-9]{64}")
_INTEGER = re.compile(r"[0-9]{1,18}")
_SIDES = {"BUY", "SELL"}
_TYPES = {"LIMIT", "MARKET"}


class Binance(Venue):
    exchange = "binance"
    enum_fields: ClassVar[frozenset[str]] = frozenset(
        {"status", "contractStatus", "contractType", "underlyingType"}
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._weight: Counter[int] = Counter()
        self._order_ids = count(8_389_765_500_000_001)
        self._books: defaultdict[tuple[Family, str], Book] = defaultdict(Book)

    @staticmethod
    def key_text(material: Material) -> KeyText:
        return KeyText(material.alphanumeric("key", 64), material.alphanumeric("secret", 64))

    def routes(self) -> Sequence[Route]:
        linear, inverse = self._family("fapi"), self._family("dapi")
        read = Permission.READ
        both: list[Route] = [
            Route("GET", "/fapi/v1/accountConfig", self._account_config, read, 5),
            Route("GET", "/fapi/v1/leverageBracket", partial(self._brackets, "fapi"), read),
            Route("GET", "/fapi/v2/balance", partial(self._balance, "fapi"), read, 5),
            Route("GET", "/fapi/v3/balance", partial(self._balance, "fapi"), read, 5),
            Route("GET", "/fapi/v3/account", partial(self._account, "fapi"), read, 5),
            Route("GET", "/dapi/v1/account", self._coin_account, read, 5),
            Route("GET", "/dapi/v1/balance", partial(self._balance, "dapi"), read),
            Route("GET", "/dapi/v1/leverageBracket", self._pair_brackets, read),
            Route("GET", "/dapi/v2/leverageBracket", partial(self._brackets, "dapi"), read),
        ]
        # No test environment has a host for these.
        live = [
            Route("GET", "/sapi/v1/account/apiRestrictions", self._restrictions, read),
            Route("GET", "/api/v3/account", self._spot_account, read, 20),
            Route("GET", "/papi/v1/um/accountConfig", self._account_config, read, 5),
            Route("GET", "/papi/v1/um/leverageBracket", partial(self._brackets, "fapi"), read),
            Route("GET", "/papi/v1/cm/account", partial(self._account, "dapi"), read, 20),
            Route("GET", "/papi/v1/cm/leverageBracket", partial(self._brackets, "dapi"), read),
        ]
        return [*linear, *inverse, *both, *(live if self.is_live else [])]

    def _family(self, family: Family) -> list[Route]:
        root, trade, read = f"/{family}/v1", Permission.TRADE, Permission.READ
        risk = partial(self._positions, family)
        return [
            Route("GET", f"{root}/ping", lambda _: {}),
            Route("GET", f"{root}/time", lambda call: {"serverTime": call.now_ms}),
            Route("GET", f"{root}/exchangeInfo", partial(self._exchange_info, family)),
            Route("GET", f"{root}/ticker/24hr", partial(self._tickers, family), weight=40),
            Route("GET", f"{root}/premiumIndex", partial(self._premium, family), weight=10),
            Route("POST", f"{root}/order", partial(self._order, family), trade),
            Route("POST", f"{root}/order/test", partial(self._order, family), trade),
            Route("DELETE", f"{root}/order", partial(self._cancel, family), trade),
            Route("GET", f"{root}/openOrders", partial(self._open_orders, family), read),
            Route("POST", f"{root}/leverage", partial(self._set_leverage, family), trade),
            *(
                Route("GET", f"/{family}/{version}/positionRisk", risk, read, 5)
                for version in ("v1", "v2", "v3")
            ),
        ]

    # Refusals

    def _refusal(self, status: int, code: int, message: str) -> Refusal:
        return Refusal(self.json(status, {"code": code, "msg": message}))

    def _not_allowed(self, api_key: str, request: Request) -> Refusal:
        """Refuse with -2015, which covers an unknown key, a wrong address and a missing permission.

        The real message ends with the caller's address. Ours also names the key, as some exchanges'
        do, to expose code that leaks it.
        """
        message = "Invalid API-key, IP, or permissions for action"
        return self._refusal(
            401, -2015, f"{message}, request ip: {request.peer}, api key: {api_key}"
        )

    def refused(self, status: int, code: str, message: str) -> Response:
        return self.json(status, {"code": int(code), "msg": message})

    def forbidden(self, key: SimulatedKey, request: Request) -> Refusal:
        return self._not_allowed(key.text.api_key, request)

    def rate_limited(self, retry_after: int | None) -> Response:
        return self.json(
            429,
            {
                "code": -1003,
                "msg": "Too many requests; current limit is 2400 requests per minute.",
            },
            {
                "retry-after": str(7 if retry_after is None else retry_after),
                "x-mbx-used-weight-1m": "2401",
            },
        )

    def banned(self, retry_after: int | None) -> Response:
        seconds = 120 if retry_after is None else retry_after
        until = int(self.world.clock() * 1000) + seconds * 1000
        return self.json(
            418,
            {"code": -1003, "msg": f"Way too many requests; IP banned until {until}."},
            {"retry-after": str(seconds), "x-mbx-used-weight-1m": "2401"},
        )

    def server_error(self, status: int) -> Response:
        if status == 503:
            return self.json(503, {"code": -1008, "msg": "Server is currently overloaded."})
        return html(status)

    def headers(self, call: Call, route: Route) -> Mapping[str, str]:
        """Return the usage headers: fapi and dapi share one budget, reset every minute."""
        minute = call.now_ms // 60_000
        used = self._weight[minute] + route.weight
        self._weight = Counter({minute: used})
        return {"x-mbx-used-weight-1m": str(used)}

    # Authentication

    def authenticate(self, request: Request, now_ms: int) -> SimulatedKey:
        """Return the key; the signature comes last and covers all of query and body before it."""
        api_key = request.headers.get("x-mbx-apikey", "")
        key = self.world.keys.find(self.exchange, self.environment, api_key)
        if key is None and not _KEY.fullmatch(api_key):
            raise self._refusal(401, -2014, "API-key format invalid.")
        body = request.body.decode("latin-1")
        message, signature = _split(request.query, body)
        if signature is None:
            raise self._missing("signature")
        if key is None:
            raise self._not_allowed(api_key, request)
        self._check_time(_params(request), now_ms)
        if not _proven(key, message, signature):
            raise self._refusal(400, -1022, "Signature for this request is not valid.")
        if not key.comes_from(request.peer) or not _serves(key, request.path):
            raise self._not_allowed(api_key, request)
        return key

    def _check_time(self, params: Mapping[str, str], now_ms: int) -> None:
        window = params.get("recvWindow", str(DEFAULT_WINDOW_MS))
        timestamp = params.get("timestamp", "")
        if not _INTEGER.fullmatch(timestamp):
            raise self._missing("timestamp")
        if not _INTEGER.fullmatch(window):
            raise self._missing("recvWindow")
        if int(window) > LONGEST_WINDOW_MS:
            raise self._refusal(400, -1131, f"recvWindow must be less than {LONGEST_WINDOW_MS}")
        ahead = int(timestamp) - now_ms
        if ahead >= AHEAD_MS:
            raise self._refusal(
                400,
                -1021,
                f"Timestamp for this request was {AHEAD_MS}ms ahead of the server's time.",
            )
        if -ahead > int(window):
            raise self._refusal(
                400, -1021, "Timestamp for this request is outside of the recvWindow."
            )

    def _missing(self, name: str) -> Refusal:
        message = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
        return self._refusal(400, -1102, message)

    def permits(self, key: SimulatedKey, needed: Permission, now_ms: int) -> bool:
        """Return whether the key has the right: what lapses concerns spot and margin trading."""
        del now_ms
        return needed in key.permissions

    # Public data

    @cached_property
    def _contracts(self) -> Mapping[Family, Mapping[str, Contract]]:
        world = self.world
        return {
            family: {c.symbol: c for c in listing(family, world.perpetuals, world.started_ms)}
            for family in _FAMILIES
        }

    @cached_property
    def _rows(self) -> Mapping[Family, list[dict[str, Any]]]:
        return {
            family: [contract.row() for contract in self._contracts[family].values()]
            for family in _FAMILIES
        }

    def _exchange_info(self, family: Family, call: Call) -> dict[str, Any]:
        info = {
            "timezone": "UTC",
            "serverTime": call.now_ms,
            "rateLimits": [
                {
                    "rateLimitType": kind,
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": limit,
                }
                for kind, limit in (("REQUEST_WEIGHT", 2400), ("ORDERS", 1200))
            ],
            "exchangeFilters": [],
            "symbols": self._rows[family],
        }
        if family == "dapi":
            return info
        assets = [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}]
        return info | {"futuresType": "U_MARGINED", "assets": assets}

    def _chosen(self, family: Family, call: Call) -> tuple[list[Contract], bool]:
        """Return the contract named by `symbol`, or all that trade, and whether one was named."""
        symbol = _params(call.request).get("symbol")
        contracts = self._contracts[family]
        if symbol is None:
            return [contract for contract in contracts.values() if contract.trades], False
        if symbol not in contracts:
            raise self._refusal(400, -1121, "Invalid symbol.")
        return [contracts[symbol]], True

    def _quote(self, contract: Contract, at: float) -> Quote:
        return self.market.quote(
            contract.asset, at, contract.tick, scale=contract.scale, share=contract.share
        )

    def _tickers(self, family: Family, call: Call) -> Any:
        chosen, one = self._chosen(family, call)
        rows = [c.ticker(self._quote(c, call.at), call.now_ms) for c in chosen]
        # COIN-M returns a list even if one symbol is requested.
        return rows[0] if one and family == "fapi" else rows

    def _premium(self, family: Family, call: Call) -> Any:
        chosen, one = self._chosen(family, call)
        rows = [c.premium(self._quote(c, call.at), call.now_ms) for c in chosen]
        return rows[0] if one and family == "fapi" else rows

    # Account

    def _brackets(self, family: Family, call: Call) -> list[dict[str, Any]]:
        """Return the brackets of this account, which may be allowed less than others."""
        most = call.signer.trait(MOST_LEVERAGE, "")
        rows = [contract.brackets() for contract in self._chosen(family, call)[0]]
        return [_limited(row, int(most)) for row in rows] if most else rows

    def _pair_brackets(self, call: Call) -> list[dict[str, Any]]:
        """Return the brackets per pair, not per symbol, as the older call of COIN-M does."""
        rows = [
            {"pair": contract.pair, "brackets": contract.brackets()["brackets"]}
            for contract in self._contracts["dapi"].values()
            if contract.trades and contract.kind == "PERPETUAL"
        ]
        pair = _params(call.request).get("pair")
        return [row for row in rows if pair in (None, row["pair"])]

    def _account_config(self, call: Call) -> dict[str, Any]:
        """Return the three flags of the account, which are true even for a read-only key."""
        del call
        return {
            **_ACCOUNT_FLAGS,
            "dualSidePosition": False,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }

    def _coin_account(self, call: Call) -> dict[str, Any]:
        return {**_ACCOUNT_FLAGS, **self._account("dapi", call)}

    def _account(self, family: Family, call: Call) -> dict[str, Any]:
        """Return the funds alone; what is held stands at `positionRisk`."""
        assets = [
            {
                "asset": row["asset"],
                "walletBalance": row["balance"],
                "marginBalance": row["balance"],
                "availableBalance": row["availableBalance"],
                "unrealizedProfit": "0.00000000",
                "updateTime": call.now_ms,
            }
            for row in self._balance(family, call)
        ]
        return {"assets": assets, "positions": []}

    def _balance(self, family: Family, call: Call) -> list[dict[str, Any]]:
        funds = {"USDT": "10000.00000000"} if family == "fapi" else {"BTC": "1.00000000"}
        return [
            {
                "asset": asset,
                "balance": amount,
                "crossWalletBalance": amount,
                "crossUnPnl": "0.00000000",
                "availableBalance": amount,
                "updateTime": call.now_ms,
            }
            for asset, amount in funds.items()
        ]

    def _spot_account(self, call: Call) -> dict[str, Any]:
        """Return the spot account, which is the one place that tells the account's id."""
        return {
            **_ACCOUNT_FLAGS,
            "accountType": "SPOT",
            "balances": [],
            "permissions": ["SPOT"],
            "uid": int(call.signer.account),
        }

    def _restrictions(self, call: Call) -> dict[str, Any]:
        key = call.signer
        trade = Permission.TRADE in key.permissions
        answer = {
            "ipRestrict": bool(key.addresses),
            "createTime": 1_767_225_600_000,
            "enableReading": True,
            "enableWithdrawals": Permission.WITHDRAW in key.permissions,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": trade and not _on_portfolio(key),
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
            "enableSpotAndMarginTrading": False,
            "enablePortfolioMarginTrading": trade and _on_portfolio(key),
        }
        if key.expires_ms is not None:
            answer["tradingAuthorityExpirationTime"] = key.expires_ms
        return answer

    # Orders

    def _order(self, family: Family, call: Call) -> dict[str, Any]:
        """Take an order, filling a market order at once; `/order/test` only checks it."""
        params = _params(call.request)
        for name in ("symbol", "side", "type", "quantity"):
            if not params.get(name):
                raise self._missing(name)
        contract = self._contracts[family].get(params["symbol"])
        if contract is None or not contract.trades:
            raise self._refusal(400, -1121, "Invalid symbol.")
        if params["side"] not in _SIDES:
            raise self._refusal(400, -1117, "Invalid side.")
        if params["type"] not in _TYPES:
            raise self._refusal(400, -1116, "Invalid orderType.")
        quantity = self._quantity(contract, params["quantity"])
        limit = params["type"] == "LIMIT"
        if limit and not params.get("price"):
            raise self._missing("price")
        if call.request.path.endswith("/test"):
            return {}
        quote, book = self._quote(contract, call.at), self._book(family, call)
        number = next(self._order_ids)
        order = {
            "orderId": number,
            "symbol": contract.symbol,
            "status": "NEW" if limit else "FILLED",
            "clientOrderId": params.get("newClientOrderId", f"sim{call.now_ms}"),
            "price": params.get("price", "0"),
            "avgPrice": "0" if limit else text(quote.last),
            "origQty": text(quantity),
            "executedQty": "0" if limit else text(quantity),
            "timeInForce": params.get("timeInForce", "GTC"),
            "type": params["type"],
            "side": params["side"],
            "reduceOnly": params.get("reduceOnly") == "true",
            "positionSide": "BOTH",
            "updateTime": call.now_ms,
        }
        if limit:
            book.orders[str(number)] = order
        else:
            signed = quantity if params["side"] == "BUY" else -quantity
            book.fill(contract.symbol, signed, quote.last)
        return order

    def _book(self, family: Family, call: Call) -> Book:
        return self._books[family, call.signer.account]

    def _cancel(self, family: Family, call: Call) -> dict[str, Any]:
        params, orders = _params(call.request), self._book(family, call).orders
        for number, order in orders.items():
            names = {params.get("orderId"), params.get("origClientOrderId")}
            if order["symbol"] == params.get("symbol") and names & {
                number,
                order["clientOrderId"],
            }:
                del orders[number]
                return order | {"status": "CANCELED", "updateTime": call.now_ms}
        raise self._refusal(400, -2011, "Unknown order sent.")

    def _open_orders(self, family: Family, call: Call) -> list[dict[str, Any]]:
        return list(self._book(family, call).resting(_params(call.request).get("symbol")))

    def _positions(self, family: Family, call: Call) -> list[dict[str, Any]]:
        """Return what is held; flat symbols are left out, as version 3 does."""
        book = self._book(family, call)
        return [
            {
                "symbol": symbol,
                "positionSide": "BOTH",
                "positionAmt": text(position.quantity),
                "entryPrice": text(position.price),
                "markPrice": text(position.price),
                "unRealizedProfit": "0.00000000",
                "leverage": str(book.leverage.get(symbol, DEFAULT_LEVERAGE)),
                "marginType": "cross",
                "updateTime": call.now_ms,
            }
            for symbol, position in book.held(_params(call.request).get("symbol"))
        ]

    def _set_leverage(self, family: Family, call: Call) -> dict[str, Any]:
        params = _params(call.request)
        contract = self._contracts[family].get(params.get("symbol", ""))
        if contract is None or not contract.trades:
            raise self._refusal(400, -1121, "Invalid symbol.")
        written = params.get("leverage", "")
        most = max(tier["initialLeverage"] for tier in contract.brackets()["brackets"])
        if not (written.isdecimal() and 1 <= int(written) <= most):
            raise self._refusal(400, -4028, f"Leverage {written} is not valid")
        self._book(family, call).leverage[contract.symbol] = int(written)
        return {"leverage": int(written), "maxNotionalValue": "0", "symbol": contract.symbol}

    def _quantity(self, contract: Contract, written: str) -> Decimal:
        try:
            quantity = Decimal(written)
        except InvalidOperation:
            raise self._missing("quantity") from None
        if not quantity.is_finite() or quantity <= 0:
            raise self._refusal(400, -4003, "Quantity less than or equal to zero.")
        if quantity % contract.lot:
            raise self._refusal(400, -1111, "Precision is over the maximum defined for this asset.")
        return quantity


_FAMILIES: tuple[Family, Family] = ("fapi", "dapi")
_ACCOUNT_FLAGS: Mapping[str, Any] = {
    "feeTier": 0,
    "canTrade": True,
    "canDeposit": True,
    "canWithdraw": True,
    "updateTime": 0,
}


def _on_portfolio(key: SimulatedKey) -> bool:
    return key.trait(PORTFOLIO, "") == "yes"


def _serves(key: SimulatedKey, path: str) -> bool:
    """Return whether the key's account is served there: one with portfolio margin by `papi` in
    place of both futures hosts, any other by those.
    """
    if path.startswith("/papi/"):
        return _on_portfolio(key)
    return not (_on_portfolio(key) and path.startswith(("/fapi/", "/dapi/")))


def _limited(row: dict[str, Any], most: int) -> dict[str, Any]:
    brackets = [
        {**bracket, "initialLeverage": min(bracket["initialLeverage"], most)}
        for bracket in row["brackets"]
    ]
    return {**row, "brackets": brackets}


def _split(query: str, body: str) -> tuple[str, str | None]:
    """Return the signed text (query and body concatenated) and the signature, last in either."""
    for name, part in (("query", query), ("body", body)):
        rest, found, signature = part.rpartition("signature=")
        if found and "&" not in signature and (not rest or rest.endswith("&")):
            rest = rest.removesuffix("&")
            return (rest + body if name == "query" else query + rest), signature
    return query + body, None


def _params(request: Request) -> dict[str, str]:
    """Return the percent-decoded parameters of query and form body."""
    pairs = parse_qsl(request.query, keep_blank_values=True)
    return dict(pairs + parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))


def _proven(key: SimulatedKey, message: str, signature: str) -> bool:
    """Verify an HMAC in hex, or a registered key's signature in percent-encoded base64."""
    if key.public_key is None:
        return same(digest(key.text.api_secret, message).hex(), signature)
    return signed_by(key.public_key, message, from_base64(unquote(signature)))
