"""BitMEX as it was: both contract types in one listing, which also carries the prices.

docs/exchange-notes.md describes the wire format, statuses and field names. The exchange closed in
September 2026; it lives on here.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qsl
from uuid import UUID

import orjson

from app.simulator.bitmex_listing import MINOR, Contract, index_row, listing
from app.simulator.formats import iso, number
from app.simulator.http_server import Request, Response
from app.simulator.keys import KeyText, Material, Permission, SimulatedKey
from app.simulator.market import Quote
from app.simulator.venue import Call, Refusal, Route, Venue, digest, html, same

ROOT = "/api/v1"
MOST_ROWS = 500
_INTEGER = re.compile(r"[0-9]{1,12}")
_WORDS = {"side": ("Buy", "Sell"), "ordType": ("Market", "Limit")}


class Bitmex(Venue):
    exchange = "bitmex"
    enum_fields: ClassVar[frozenset[str]] = frozenset(
        {"state", "typ", "settlCurrency", "fairMethod", "markMethod", "permissions"}
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._used: Counter[tuple[int, bool]] = Counter()
        self._order_ids = count(1)

    @staticmethod
    def key_text(material: Material) -> KeyText:
        return KeyText(material.alphanumeric("key", 24), material.alphanumeric("secret", 48))

    def routes(self) -> Sequence[Route]:
        read, trade = Permission.READ, Permission.TRADE
        return [
            Route("GET", f"{ROOT}/instrument/active", self._active),
            Route("GET", f"{ROOT}/instrument/activeAndIndices", self._with_indices),
            Route("GET", f"{ROOT}/instrument", self._page),
            Route("GET", f"{ROOT}/wallet/assets", self._assets),
            Route("GET", f"{ROOT}/apiKey", self._keys, read),
            Route("GET", f"{ROOT}/user/margin", self._margin, read),
            Route("POST", f"{ROOT}/order", self._order, trade),
        ]

    # Refusals

    def _error(
        self,
        status: int,
        message: str,
        name: str = "HTTPError",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        return self.json(status, {"error": {"message": message, "name": name}}, headers)

    def _refusal(self, status: int, message: str, name: str = "HTTPError") -> Refusal:
        return Refusal(self._error(status, message, name))

    def _invalid(self, message: str) -> Refusal:
        return self._refusal(400, message, "ValidationError")

    def refused(self, status: int, code: str, message: str) -> Response:
        return self._error(status, message, code)

    def forbidden(self, key: SimulatedKey, request: Request) -> Refusal:
        del key, request
        return self._refusal(403, "Access Denied")

    def rate_limited(self, retry_after: int | None) -> Response:
        seconds = 1 if retry_after is None else retry_after
        return self._error(
            429,
            f"Rate limit exceeded, retry in {seconds} seconds.",
            "RateLimitError",
            {"retry-after": str(seconds), "x-ratelimit-remaining": "0"},
        )

    def server_error(self, status: int) -> Response:
        if status == 503:
            message = "The system is currently overloaded. Please try again later."
            return self._error(503, message)
        return html(status)

    def not_found(self, request: Request) -> Response:
        del request
        return self._error(404, "Not Found")

    def wrong_method(self, request: Request) -> Response:
        return self.not_found(request)

    def headers(self, call: Call, route: Route) -> Mapping[str, str]:
        """Return the budget per minute, which is larger for signed calls than for the others."""
        minute, signed = call.now_ms // 60_000, route.needs is not None
        kept = {at: used for at, used in self._used.items() if at[0] == minute}
        self._used = Counter(kept)
        self._used[minute, signed] += 1
        limit = 120 if signed else 30
        return {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(max(limit - self._used[minute, signed], 0)),
            "x-ratelimit-reset": str((minute + 1) * 60),
        }

    # Authentication

    def authenticate(self, request: Request, now_ms: int) -> SimulatedKey:
        headers = request.headers
        api_key, expires = headers.get("api-key", ""), headers.get("api-expires", "")
        if not api_key or not expires or not headers.get("api-signature"):
            raise self._refusal(401, "Authorization Required")
        if not _INTEGER.fullmatch(expires) or int(expires) * 1000 < now_ms:
            # The message differs from the real one and names the key, as some exchanges' do, to
            # expose code that leaks it.
            message = "This request has expired - `expires` is in the past. Current time"
            raise self._refusal(401, f"{message}: {now_ms // 1000}, key: {api_key}")
        key = self.world.keys.find(self.exchange, self.environment, api_key)
        if key is None:
            # As above, the key is beside the message: this is the only code there is.
            named = {"message": "Invalid API Key.", "name": "HTTPError", "key": api_key}
            raise Refusal(self.json(401, {"error": named}))
        message = request.method + request.target + expires + request.body.decode("latin-1")
        if not same(digest(key.text.api_secret, message).hex(), headers["api-signature"]):
            raise self._refusal(401, "Signature not valid.")
        if key.trait("enabled", "yes") == "no":
            raise self._refusal(403, "This key is disabled.")
        if not key.comes_from(request.peer):
            raise self.forbidden(key, request)
        return key

    # Public data

    @cached_property
    def _contracts(self) -> Mapping[str, Contract]:
        listed = listing(self.world.perpetuals, self.world.started_ms)
        return {contract.symbol: contract for contract in listed}

    def _quote(self, contract: Contract, call: Call) -> Quote:
        return self.market.quote(contract.asset, call.at, contract.tick, share=contract.share)

    def _row(self, contract: Contract, call: Call) -> dict[str, Any]:
        return contract.row(self._quote(contract, call), call.now_ms)

    def _active(self, call: Call) -> list[dict[str, Any]]:
        return [self._row(contract, call) for contract in self._contracts.values()]

    def _with_indices(self, call: Call) -> list[dict[str, Any]]:
        contracts = (self._contracts["XBTUSD"], self._contracts["ETHUSD"])
        indices = [index_row(c.base, self._quote(c, call), call.now_ms) for c in contracts]
        return [*self._active(call), *indices]

    def _page(self, call: Call) -> list[dict[str, Any]]:
        params = dict(parse_qsl(call.request.query))
        written, start = params.get("count", "100"), params.get("start", "0")
        if not (_INTEGER.fullmatch(written) and _INTEGER.fullmatch(start)):
            raise self._invalid("count and start must be whole numbers.")
        if int(written) > MOST_ROWS:
            raise self._invalid(f"Maximum result count is {MOST_ROWS}.")
        wanted = params.get("symbol")
        chosen = [c for c in self._contracts.values() if wanted in (None, c.symbol, c.base)]
        part = chosen[int(start) : int(start) + int(written)]
        return [self._row(contract, call) for contract in part]

    def _assets(self, call: Call) -> list[dict[str, Any]]:
        del call
        return [
            {
                "asset": currency.upper(),
                "currency": currency,
                "majorCurrency": currency.upper(),
                "name": currency.upper(),
                "currencyType": "Crypto",
                "scale": len(str(size)) - 1,
                "enabled": True,
                "isMarginCurrency": True,
                "networks": [],
            }
            for currency, size in MINOR.items()
        ]

    # Account

    def _keys(self, call: Call) -> list[dict[str, Any]]:
        """Return all keys of the account, whichever one asks: a client must find its own."""
        keys = self.world.keys.of_account(self.exchange, self.environment, call.signer.account)
        return [self._key(key) for key in sorted(keys, key=lambda key: key.text.api_key)]

    def _key(self, key: SimulatedKey) -> dict[str, Any]:
        cidrs = [f"{address}/32" for address in key.addresses] or ["0.0.0.0/0"]
        granted = (
            ("order", Permission.TRADE),
            ("orderCancel", Permission.TRADE),
            ("withdraw", Permission.WITHDRAW),
        )
        return {
            "id": key.text.api_key,
            "name": "simulated",
            "nonce": 0,
            "cidr": cidrs[0],
            "cidrs": cidrs,
            "permissions": [word for word, right in granted if right in key.permissions],
            "enabled": key.trait("enabled", "yes") == "yes",
            "userId": int(key.account),
            "created": "2026-01-02T03:04:05.000Z",
        }

    def _margin(self, call: Call) -> Any:
        """Return funds in minor units: one XBT and ten thousand USDT."""
        funds = {"XBt": MINOR["XBt"], "USDt": 10_000 * MINOR["USDt"]}
        requested = dict(parse_qsl(call.request.query)).get("currency", "XBt")
        rows = [
            {
                "account": int(call.signer.account),
                "currency": currency,
                "amount": amount,
                "walletBalance": amount,
                "marginBalance": amount,
                "availableMargin": amount,
                "excessMargin": amount,
                "withdrawableMargin": amount,
                "initMargin": 0,
                "maintMargin": 0,
                "unrealisedPnl": 0,
                "realisedPnl": 0,
                "timestamp": iso(call.now_ms),
            }
            for currency, amount in funds.items()
            if requested in ("all", currency)
        ]
        if not rows:
            raise self._invalid("Invalid currency.")
        return rows if requested == "all" else rows[0]

    # Orders

    def _order(self, call: Call) -> dict[str, Any]:
        """Take an order, filling a market order at once."""
        order = self._read(call.request)
        contract = self._contracts.get(str(order.get("symbol")))
        if contract is None or not contract.trades:
            raise self._invalid("symbol is invalid")
        for name, words in _WORDS.items():
            if order.get(name) not in words:
                raise self._invalid(f"{name} is invalid")
        quantity = self._positive(order, "orderQty")
        if quantity % contract.lot:
            message = f"Order quantity must be a multiple of lot size: {contract.lot}"
            raise self._invalid(message)
        limit = order["ordType"] == "Limit"
        price = number(self._positive(order, "price")) if limit else None
        return {
            "orderID": str(UUID(int=next(self._order_ids))),
            "clOrdID": str(order.get("clOrdID", "")),
            "account": int(call.signer.account),
            "symbol": contract.symbol,
            "side": order["side"],
            "orderQty": int(quantity),
            "price": price,
            "currency": contract.quote,
            "settlCurrency": contract.settle,
            "ordType": order["ordType"],
            "timeInForce": "GoodTillCancel" if limit else "ImmediateOrCancel",
            "execInst": str(order.get("execInst", "")),
            "ordStatus": "New" if limit else "Filled",
            "workingIndicator": limit,
            "leavesQty": int(quantity) if limit else 0,
            "cumQty": 0 if limit else int(quantity),
            "avgPx": None if limit else number(self._quote(contract, call).last),
            "text": "Submitted via API.",
            "transactTime": iso(call.now_ms),
            "timestamp": iso(call.now_ms),
        }

    def _read(self, request: Request) -> dict[str, Any]:
        """Read an order, which is JSON or a form."""
        if not request.body.lstrip().startswith(b"{"):
            return dict(parse_qsl(request.body.decode("latin-1")))
        try:
            order = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            raise self._invalid("Invalid JSON.") from None
        found: dict[str, Any] = order
        return found

    def _positive(self, order: Mapping[str, Any], name: str) -> Decimal:
        try:
            value = Decimal(str(order.get(name)))
        except InvalidOperation:
            raise self._invalid(f"{name} is invalid") from None
        if not value.is_finite() or value <= 0:
            raise self._invalid(f"{name} is invalid")
        return value
