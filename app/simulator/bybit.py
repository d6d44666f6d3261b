"""Bybit V5: linear and inverse contracts on one port per environment, selected by `category`.

docs/exchange-notes.md describes the wire format, codes and field names. Nearly every refusal has
HTTP status 200.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, unquote
from uuid import UUID

import orjson

from app.simulator.asymmetric import from_base64, signed_by
from app.simulator.book import DEFAULT_LEVERAGE, Book
from app.simulator.bybit_listing import CATEGORIES, Category, Contract, listing
from app.simulator.formats import iso
from app.simulator.http_server import Request, Response
from app.simulator.keys import DAY_MS, KeyText, Material, Permission, SimulatedKey
from app.simulator.market import Quote
from app.simulator.venue import Call, Refusal, Route, Venue, digest, html, same

DEFAULT_WINDOW_MS = 5_000
AHEAD_MS = 1_000
MOST_ROWS = 1_000
ROWS = 500
CALLS_A_SECOND = 10
_INTEGER = re.compile(r"[0-9]{1,18}")
_QUERY_API = "/v5/user/query-api"
_WORDS = {"side": ("Buy", "Sell"), "orderType": ("Market", "Limit")}
# The API accepts these too, but nothing is listed in them here.
_EMPTY_CATEGORIES = ("spot", "option")


class Bybit(Venue):
    exchange = "bybit"
    enum_fields: ClassVar[frozenset[str]] = frozenset(
        {"status", "contractType", "symbolType", "copyTrading"}
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._used: Counter[tuple[int, str]] = Counter()
        self._order_ids = count(1)
        self._books: defaultdict[str, Book] = defaultdict(Book)

    @staticmethod
    def key_text(material: Material) -> KeyText:
        return KeyText(material.alphanumeric("key", 18), material.alphanumeric("secret", 36))

    def routes(self) -> Sequence[Route]:
        read, trade = Permission.READ, Permission.TRADE
        return [
            Route("GET", "/v5/market/time", self._time),
            Route("GET", "/v5/market/instruments-info", self._instruments),
            Route("GET", "/v5/market/tickers", self._tickers),
            Route("GET", _QUERY_API, self._key, read),
            Route("GET", "/v5/account/info", self._account, read),
            Route("GET", "/v5/account/wallet-balance", self._balance, read),
            Route("POST", "/v5/order/create", self._order, trade),
            Route("POST", "/v5/order/cancel", self._cancel, trade),
            Route("GET", "/v5/order/realtime", self._open_orders, read),
            Route("GET", "/v5/position/list", self._positions, read),
            Route("POST", "/v5/position/set-leverage", self._set_leverage, trade),
        ]

    def envelope(self, payload: Any, call: Call) -> Any:
        message = "" if call.request.path == _QUERY_API else "OK"
        return self._answer(0, message, payload, call.now_ms)

    def _answer(self, code: int, message: str, result: Any, now_ms: int) -> dict[str, Any]:
        return {
            "retCode": code,
            "retMsg": message,
            "result": result,
            "retExtInfo": {},
            "time": now_ms,
        }

    # Refusals

    def _error(
        self, code: int, message: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        now_ms = int(self.world.clock() * 1000)
        return self.json(status, self._answer(code, message, {}, now_ms), headers)

    def _refusal(self, code: int, message: str) -> Refusal:
        return Refusal(self._error(code, message))

    def _wrong(self, message: str) -> Refusal:
        return self._refusal(10001, message)

    def refused(self, status: int, code: str, message: str) -> Response:
        return self._error(int(code), message, status)

    def forbidden(self, key: SimulatedKey, request: Request) -> Refusal:
        del key, request
        message = "Permission denied, please check your API key permissions."
        return self._refusal(10005, message)

    def rate_limited(self, retry_after: int | None) -> Response:
        """Respond with headers that state when to retry, in milliseconds since 1970."""
        seconds = 1 if retry_after is None else retry_after
        again = int(self.world.clock() * 1000) + seconds * 1000
        headers = {
            "x-bapi-limit": str(CALLS_A_SECOND),
            "x-bapi-limit-status": "0",
            "x-bapi-limit-reset-timestamp": str(again),
        }
        return self._error(10006, "Too many visits. Exceeded the API Rate Limit.", headers=headers)

    def banned(self, retry_after: int | None) -> Response:
        """Respond to too many calls from one address with a ban of ten minutes, and no JSON."""
        extra = {} if retry_after is None else {"retry-after": str(retry_after)}
        return Response(403, b"access too frequent", {"content-type": "text/plain", **extra})

    def server_error(self, status: int) -> Response:
        if status in (500, 503):
            return self._error(10016, "Server error.", status)
        return html(status)

    def headers(self, call: Call, route: Route) -> Mapping[str, str]:
        """Return the usage headers: signed calls are counted per path and second."""
        if route.needs is None:
            return {}
        second = call.now_ms // 1000
        self._used = Counter({at: used for at, used in self._used.items() if at[0] == second})
        self._used[second, route.path] += 1
        return {
            "x-bapi-limit": str(CALLS_A_SECOND),
            "x-bapi-limit-status": str(max(CALLS_A_SECOND - self._used[second, route.path], 0)),
            "x-bapi-limit-reset-timestamp": str(call.now_ms),
        }

    # Authentication

    def authenticate(self, request: Request, now_ms: int) -> SimulatedKey:
        """Return the key; the query is signed exactly as in the request line, without the `?`."""
        headers = request.headers
        api_key, written = headers.get("x-bapi-api-key", ""), headers.get("x-bapi-timestamp", "")
        key = self.world.keys.find(self.exchange, self.environment, api_key)
        if key is None:
            # The real message does not name the key. Ours does, as some exchanges' do, to expose
            # code that leaks it.
            raise self._refusal(10003, f"API key is invalid: {api_key}")
        window = headers.get("x-bapi-recv-window", str(DEFAULT_WINDOW_MS))
        self._check_time(written, window, now_ms)
        payload = request.body.decode("latin-1") if request.method == "POST" else request.query
        sent_window = headers.get("x-bapi-recv-window", "")
        message = written + api_key + sent_window + payload
        if not _proven(key, message, headers.get("x-bapi-sign", "")):
            message = "error sign! please check your signature generation algorithm."
            raise self._refusal(10004, message)
        if key.expires_ms is not None and now_ms >= key.expires_ms:
            raise self._refusal(33004, "Your api key has expired.")
        if not key.comes_from(request.peer):
            raise self._refusal(
                10010, f"Unmatched IP, please check your API key's bound IP: {request.peer}"
            )
        return key

    def _check_time(self, written: str, window: str, now_ms: int) -> None:
        message = "invalid request, please check your server timestamp or recv_window param."
        if not (_INTEGER.fullmatch(written) and _INTEGER.fullmatch(window)):
            raise self._refusal(10002, message)
        if not now_ms - int(window) <= int(written) < now_ms + AHEAD_MS:
            times = f" req_timestamp[{written}],server_timestamp[{now_ms}],recv_window[{window}]"
            raise self._refusal(10002, message + times)

    # Public data

    def _time(self, call: Call) -> dict[str, str]:
        return {"timeSecond": str(call.now_ms // 1000), "timeNano": str(call.now_ms * 1_000_000)}

    @cached_property
    def _contracts(self) -> Mapping[Category, Mapping[str, Contract]]:
        world = self.world
        return {
            category: {c.symbol: c for c in listing(category, world.perpetuals, world.started_ms)}
            for category in CATEGORIES
        }

    def _category(self, params: Mapping[str, str]) -> tuple[str, Sequence[Contract]]:
        requested = params.get("category", "")
        for category in CATEGORIES:
            if requested == category:
                return requested, list(self._contracts[category].values())
        if requested in _EMPTY_CATEGORIES:
            return requested, []
        raise self._wrong("params error: Category is invalid")

    def _instruments(self, call: Call) -> dict[str, Any]:
        params = _params(call.request)
        category, contracts = self._category(params)
        status = params.get("status", "Trading")
        wanted = (params.get("symbol"), params.get("baseCoin"))
        rows = [
            contract
            for contract in contracts
            if contract.status == status
            and wanted[0] in (None, contract.symbol)
            and wanted[1] in (None, contract.base)
        ]
        return {"category": category, **self._page(rows, params, status)}

    def _page(
        self, contracts: Sequence[Contract], params: Mapping[str, str], status: str
    ) -> dict[str, Any]:
        """Return a page and the cursor of the next one.

        The cursor is percent-encoded when it is returned: `first%3DAUSDT%26last%3DBUSDT`. A full
        last page, and any page of contracts before their launch, has one even though nothing
        follows.
        """
        limit = params.get("limit", str(ROWS))
        if not _INTEGER.fullmatch(limit) or not 1 <= int(limit) <= MOST_ROWS:
            raise self._wrong("params error: Limit invalid")
        start = 0
        if cursor := params.get("cursor"):
            # Clients send the text as returned or encode it once more: UNCONFIRMED which of the two
            # the exchange expects; ccxt does the first.
            last = dict(parse_qsl(unquote(cursor))).get("last", "")
            symbols = [contract.symbol for contract in contracts]
            if last not in symbols:
                raise self._wrong("params error: Illegal cursor")
            start = symbols.index(last) + 1
        page = contracts[start : start + int(limit)]
        next_cursor = ""
        if page and (len(page) == int(limit) or status == "PreLaunch"):
            next_cursor = quote(f"first={page[0].symbol}&last={page[-1].symbol}", safe="")
        return {"list": [contract.row() for contract in page], "nextPageCursor": next_cursor}

    def _quote(self, contract: Contract, at: float) -> Quote:
        return self.market.quote(
            contract.asset, at, contract.tick, scale=contract.scale, share=contract.share
        )

    def _tickers(self, call: Call) -> dict[str, Any]:
        params = _params(call.request)
        category, contracts = self._category(params)
        wanted = params.get("symbol")
        chosen = [c for c in contracts if c.trades and wanted in (None, c.symbol)]
        if wanted is not None and not chosen:
            raise self._wrong("params error: symbol invalid")
        rows = [c.ticker(self._quote(c, call.at), call.now_ms) for c in chosen]
        return {"category": category, "list": rows}

    # Account

    def _key(self, call: Call) -> dict[str, Any]:
        """Return the key; permissions stay listed for a read-only key: `readOnly` decides."""
        key = call.signer
        contract = key.trait("contracts", "yes") == "yes"
        wallet = ["AccountTransfer", "SubMemberTransfer"]
        withdraw = ["Withdraw"] if Permission.WITHDRAW in key.permissions else []
        # A key without expiry has this date and a negative number of days.
        expires_at, days = "1970-01-01T00:00:00Z", -2
        if key.expires_ms is not None:
            expires_at = iso(key.expires_ms, "seconds")
            days = (key.expires_ms - call.now_ms) // DAY_MS
        return {
            "id": key.account[:7],
            "note": "simulated",
            "apiKey": key.text.api_key,
            "readOnly": 0 if Permission.TRADE in key.permissions else 1,
            "secret": "",
            "permissions": {
                "ContractTrade": ["Order", "Position"] if contract else [],
                "Spot": ["SpotTrade"],
                "Wallet": wallet + withdraw,
                "Options": [],
                "Derivatives": ["DerivativesTrade"] if contract else [],
                "CopyTrading": [],
                "BlockTrade": [],
                "Exchange": ["ExchangeHistory"],
                "NFT": [],
                "Affiliate": [],
                "Earn": ["Earn"],
            },
            "ips": list(key.addresses) or ["*"],
            "type": 1,
            "deadlineDay": days,
            "expiredAt": expires_at,
            "createdAt": "2026-01-02T03:04:05Z",
            "unified": 0,
            "uta": 1,
            "userID": int(key.account),
            "inviterID": 0,
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
            "affiliateID": 0,
            "rsaPublicKey": "",
            "isMaster": True,
            "parentUid": "0",
            "kycLevel": "LEVEL_1",
            "kycRegion": "MYS",
        }

    def _account(self, call: Call) -> dict[str, Any]:
        return {
            "marginMode": call.signer.trait("marginMode", "REGULAR_MARGIN"),
            "updatedTime": str(self.world.started_ms),
            "unifiedMarginStatus": 6,
            "dcpStatus": "OFF",
            "timeWindow": 10,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    def _balance(self, call: Call) -> dict[str, Any]:
        params = _params(call.request)
        if params.get("accountType") != "UNIFIED":
            raise self._wrong("accountType only support UNIFIED.")
        funds = {"USDT": ("10000", 1), "BTC": ("1", 91_000)}
        requested = params.get("coin", ",".join(funds)).split(",")
        coins = [
            {
                "coin": coin,
                "equity": amount,
                "usdValue": str(Decimal(amount) * usd),
                "walletBalance": amount,
                "availableToWithdraw": "",
                "locked": "0",
                "totalOrderIM": "0",
                "totalPositionIM": "0",
                "totalPositionMM": "0",
                "unrealisedPnl": "0",
                "cumRealisedPnl": "0",
                "marginCollateral": True,
                "collateralSwitch": True,
            }
            for coin, (amount, usd) in funds.items()
            if coin in requested
        ]
        total = str(sum(Decimal(amount) * usd for amount, usd in funds.values()))
        account = {
            "accountType": "UNIFIED",
            "totalEquity": total,
            "totalWalletBalance": total,
            "totalMarginBalance": total,
            "totalAvailableBalance": total,
            "totalPerpUPL": "0",
            "totalInitialMargin": "0",
            "totalMaintenanceMargin": "0",
            "coin": coins,
        }
        return {"list": [account]}

    # Orders

    def _order(self, call: Call) -> dict[str, str]:
        """Take an order; its outcome is not part of the response."""
        order, contract = self._named(call)
        for name, words in _WORDS.items():
            if order.get(name) not in words:
                raise self._wrong(f"params error: {name} invalid")
        quantity = self._number(order, "qty")
        if quantity % contract.lot:
            raise self._wrong("Qty invalid")
        limit = order["orderType"] == "Limit"
        if limit and self._number(order, "price") % contract.tick:
            raise self._wrong("Price invalid")
        names = {
            "orderId": str(UUID(int=next(self._order_ids))),
            "orderLinkId": str(order.get("orderLinkId", "")),
        }
        book = self._books[call.signer.account]
        if limit:
            shown = {name: str(order[name]) for name in ("symbol", "side", "qty", "price")}
            book.orders[names["orderId"]] = {**names, **shown, "orderStatus": "New"}
        else:
            signed = quantity if order["side"] == "Buy" else -quantity
            book.fill(contract.symbol, signed, self._quote(contract, call.at).last)
        return names

    def _named(self, call: Call) -> tuple[dict[str, Any], Contract]:
        """Return a signed call's body, and the contract that it names."""
        if call.signer.trait("contracts", "yes") == "no":
            raise self.forbidden(call.signer, call.request)
        try:
            body = orjson.loads(call.request.body)
        except orjson.JSONDecodeError:
            raise self._wrong("params error: not a JSON object") from None
        if not isinstance(body, dict):
            raise self._wrong("params error: not a JSON object")
        _, contracts = self._category({"category": str(body.get("category", ""))})
        found = [c for c in contracts if c.trades and c.symbol == body.get("symbol")]
        if not found:
            raise self._wrong("params error: symbol invalid")
        return body, found[0]

    def _cancel(self, call: Call) -> dict[str, str]:
        body, contract = self._named(call)
        orders = self._books[call.signer.account].orders
        order = orders.get(str(body.get("orderId", "")))
        if order is None or order["symbol"] != contract.symbol:
            raise self._refusal(110001, "order not exists or too late to cancel")
        del orders[order["orderId"]]
        return {"orderId": order["orderId"], "orderLinkId": order["orderLinkId"]}

    def _open_orders(self, call: Call) -> dict[str, Any]:
        params = _params(call.request)
        category, _ = self._category(params)
        found = self._books[call.signer.account].resting(params.get("symbol"))
        return {"category": category, "list": list(found), "nextPageCursor": ""}

    def _positions(self, call: Call) -> dict[str, Any]:
        params = _params(call.request)
        category, contracts = self._category(params)
        book, ours = self._books[call.signer.account], {c.symbol for c in contracts}
        rows = [
            {
                "symbol": symbol,
                "side": "Buy" if position.quantity > 0 else "Sell",
                "size": str(abs(position.quantity)),
                "avgPrice": str(position.price),
                "leverage": str(book.leverage.get(symbol, DEFAULT_LEVERAGE)),
                "positionIdx": 0,
                "positionStatus": "Normal",
            }
            for symbol, position in book.held(params.get("symbol"))
            if symbol in ours
        ]
        return {"category": category, "list": rows, "nextPageCursor": ""}

    def _set_leverage(self, call: Call) -> dict[str, Any]:
        body, contract = self._named(call)
        most = Decimal(contract.row()["leverageFilter"]["maxLeverage"])
        buy, sell = self._number(body, "buyLeverage"), self._number(body, "sellLeverage")
        if buy != sell or buy > most or buy % 1:
            raise self._wrong("leverage invalid")
        book = self._books[call.signer.account]
        if book.leverage.get(contract.symbol, DEFAULT_LEVERAGE) == buy:
            raise self._refusal(110043, "Set leverage has not been modified.")
        book.leverage[contract.symbol] = int(buy)
        return {}

    def _number(self, order: Mapping[str, Any], name: str) -> Decimal:
        try:
            value = Decimal(str(order.get(name)))
        except InvalidOperation:
            raise self._wrong(f"params error: {name} invalid") from None
        if not value.is_finite() or value <= 0:
            raise self._wrong(f"params error: {name} invalid")
        return value


def _params(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.query))


def _proven(key: SimulatedKey, message: str, signature: str) -> bool:
    """Verify an HMAC in hex, or a registered key's signature in base64."""
    if key.public_key is None:
        return same(digest(key.text.api_secret, message).hex(), signature)
    return signed_by(key.public_key, message, from_base64(signature))
