"""KuCoin's futures, and the account call that returns a key's permissions, on one address.

docs/exchange-notes.md describes the wire format, codes and field names. The real exchange has two
hosts with disjoint paths and no test environment; here there is one.
"""

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import orjson

from app.simulator.http_server import Request, Response
from app.simulator.keys import KeyText, Material, Permission, SimulatedKey
from app.simulator.kucoin_listing import Contract, listing
from app.simulator.market import Quote
from app.simulator.venue import Call, Refusal, Route, Venue, digest, same

TOLERANCE_MS = 5_000
POOL, POOL_MS = 2_000, 30_000
KEY_VERSIONS = ("2", "3")
_INTEGER = re.compile(r"[0-9]{1,18}")
_HEADERS = ("kc-api-key", "kc-api-sign", "kc-api-timestamp", "kc-api-passphrase")
_WORDS = {"side": ("buy", "sell"), "type": ("market", "limit")}


class Kucoin(Venue):
    exchange = "kucoin"
    enum_fields: ClassVar[frozenset[str]] = frozenset(
        {"status", "type", "markMethod", "fairMethod", "settleCurrency"}
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._used: Counter[int] = Counter()
        self._order_ids = count(0x619717484F1D010001510CDE)

    @staticmethod
    def key_text(material: Material) -> KeyText:
        return KeyText(
            material.hex("key", 24),
            material.uuid("secret"),
            f"sim{material.alphanumeric('passphrase', 12)}",
        )

    def routes(self) -> Sequence[Route]:
        """Return the routes; all futures calls need the permission for futures."""
        read, trade = Permission.READ, Permission.TRADE
        return [
            Route("GET", "/api/v1/timestamp", lambda call: call.now_ms, weight=2),
            Route("GET", "/api/v1/contracts/active", self._active, weight=3),
            Route("GET", "/api/v1/allTickers", self._tickers, weight=5),
            Route("GET", "/api/v1/user/api-key", self._key, read, 20),
            Route("GET", "/api/v1/hf/accounts/opened", lambda _: True, read, 2),
            Route("GET", "/api/ua/v1/account/mode", self._mode, read, 2),
            # No spot pair is listed here, so none can be traded with margin.
            Route("GET", "/api/v3/margin/symbols", lambda _: {"items": []}, read, 3),
            Route("GET", "/api/v1/isolated/symbols", lambda _: [], read, 3),
            Route("GET", "/api/v1/account-overview", self._overview, trade, 5),
            Route("POST", "/api/v1/orders", self._order, trade, 2),
            Route("POST", "/api/v1/orders/test", self._order, trade, 2),
        ]

    def envelope(self, payload: Any, call: Call) -> Any:
        del call
        return {"code": "200000", "data": payload}

    # Refusals

    def _error(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        return self.json(status, {"code": code, "msg": message}, headers)

    def _refusal(self, status: int, code: str, message: str) -> Refusal:
        return Refusal(self._error(status, code, message))

    def _wrong(self, message: str) -> Refusal:
        return self._refusal(400, "400100", message)

    def refused(self, status: int, code: str, message: str) -> Response:
        return self._error(status, code, message)

    def forbidden(self, key: SimulatedKey, request: Request) -> Refusal:
        del key, request
        return self._refusal(403, "400007", "Access denied, require more permission")

    def rate_limited(self, retry_after: int | None) -> Response:
        """Respond with headers that state when the pool refills, in milliseconds from now."""
        wait = POOL_MS if retry_after is None else retry_after * 1000
        return self._error(
            429,
            "429000",
            "Too many requests. System-level rate limit exceeded.",
            {
                "gw-ratelimit-limit": str(POOL),
                "gw-ratelimit-remaining": "0",
                "gw-ratelimit-reset": str(wait),
            },
        )

    def server_error(self, status: int) -> Response:
        if status == 503:
            return self._error(503, "503000", "Service is under maintenance.")
        return self._error(status, "500000", "Internal Server Error")

    def not_found(self, request: Request) -> Response:
        del request
        return self._error(404, "404000", "Url Not Found")

    def wrong_method(self, request: Request) -> Response:
        del request
        return self._error(405, "405000", "Method Not Allowed")

    def headers(self, call: Call, route: Route) -> Mapping[str, str]:
        """Return the headers of a single pool; the real exchange has one for each kind of call."""
        term = call.now_ms // POOL_MS
        used = self._used[term] + route.weight
        self._used = Counter({term: used})
        return {
            "gw-ratelimit-limit": str(POOL),
            "gw-ratelimit-remaining": str(max(POOL - used, 0)),
            "gw-ratelimit-reset": str(POOL_MS - call.now_ms % POOL_MS),
        }

    # Authentication

    def authenticate(self, request: Request, now_ms: int) -> SimulatedKey:
        headers = request.headers
        if not all(headers.get(name) for name in _HEADERS):
            names = ", ".join(name.upper() for name in _HEADERS)
            message = f"Please check the header of your request for {names}"
            raise self._refusal(401, "400001", message)
        stamp = headers["kc-api-timestamp"]
        if not _INTEGER.fullmatch(stamp) or abs(int(stamp) - now_ms) > TOLERANCE_MS:
            raise self._refusal(401, "400002", "KC-API-TIMESTAMP Invalid")
        key = self.world.keys.find(self.exchange, self.environment, headers["kc-api-key"])
        if key is None:
            # The real message does not name the key. Ours does, as some exchanges' do, to expose
            # code that leaks it.
            message = f"KC-API-KEY not exists: {headers['kc-api-key']}"
            raise self._refusal(401, "400003", message)
        # Checked before the signature, and itself a MAC with the secret: a caller with a wrong
        # secret gets the error about the passphrase (ccxt issue 9369).
        if not self._passphrase_fits(key, headers):
            raise self._refusal(401, "400004", "KC-API-PASSPHRASE error")
        text = stamp + request.method + request.target + request.body.decode("latin-1")
        if not same(_mac(key, text), headers["kc-api-sign"]):
            raise self._refusal(401, "400005", "Signature is not correct")
        if not key.comes_from(request.peer):
            message = f"The requested ip address {request.peer} is not in the api whitelist"
            raise self._refusal(403, "400006", message)
        if key.trait("frozen", "no") == "yes":
            raise self._refusal(403, "411100", "User is frozen.")
        return key

    @staticmethod
    def _passphrase_fits(key: SimulatedKey, headers: Mapping[str, str]) -> bool:
        """Return whether the passphrase is right: a MAC since version 2; clear text is refused.

        Whether the header must name the key's exact version is unconfirmed: only a key with the
        trait `version` = `strict` requires it.
        """
        version = headers.get("kc-api-key-version", "1")
        if version not in KEY_VERSIONS:
            return False
        if key.trait("version", "any") == "strict" and version != _version(key):
            return False
        return same(_mac(key, key.text.api_passphrase or ""), headers["kc-api-passphrase"])

    # Public data

    @cached_property
    def _contracts(self) -> Mapping[str, Contract]:
        listed = listing(self.world.perpetuals, self.world.started_ms)
        return {contract.symbol: contract for contract in listed}

    def _quote(self, contract: Contract, at: float) -> Quote:
        return self.market.quote(contract.asset, at, contract.tick, share=contract.share)

    def _active(self, call: Call) -> list[dict[str, Any]]:
        return [c.row(self._quote(c, call.at), call.now_ms) for c in self._contracts.values()]

    def _tickers(self, call: Call) -> list[dict[str, Any]]:
        return [
            contract.ticker(self._quote(contract, call.at), call.now_ms)
            for contract in self._contracts.values()
            if contract.trades
        ]

    # Account

    def _key(self, call: Call) -> dict[str, Any]:
        """Return the key; `InnerTransfer` moves funds within the account, `Transfer` out of it."""
        key = call.signer
        words = ["General"]
        if Permission.TRADE in key.permissions:
            words += ["Futures", "InnerTransfer"]
        if Permission.WITHDRAW in key.permissions:
            words += [key.trait("withdrawal", "Transfer")]
        row = {
            "remark": "simulated",
            "apiKey": key.text.api_key,
            "apiVersion": int(_version(key)),
            "permission": ",".join(words),
            "createdAt": 1_767_225_600_000,
            "uid": int(key.account),
            "isMaster": True,
        }
        return row | ({"ipWhitelist": ",".join(key.addresses)} if key.addresses else {})

    def _mode(self, call: Call) -> dict[str, str]:
        """Return which of the two APIs the account uses: this one, or the newer unified one."""
        return {"selfAccountMode": call.signer.trait("mode", "CLASSIC")}

    def _overview(self, call: Call) -> dict[str, Any]:
        funds = {"USDT": 10_000.0, "XBT": 1.0, "USDC": 0.0}
        currency = dict(parse_qsl(call.request.query)).get("currency", "XBT")
        if currency not in funds:
            raise self._wrong("currency is not supported")
        amount = funds[currency]
        return {
            "accountEquity": amount,
            "unrealisedPNL": 0.0,
            "marginBalance": amount,
            "positionMargin": 0.0,
            "orderMargin": 0.0,
            "frozenFunds": 0.0,
            "availableBalance": amount,
            "currency": currency,
            "riskRatio": 0.0,
            "maxWithdrawAmount": amount,
        }

    # Orders

    def _order(self, call: Call) -> dict[str, str]:
        """Take an order, or only check it (`/orders/test`): the response is the same."""
        try:
            order = orjson.loads(call.request.body)
        except orjson.JSONDecodeError:
            raise self._wrong("Malformed JSON") from None
        if not isinstance(order, dict):
            raise self._wrong("Malformed JSON")
        if not order.get("clientOid"):
            raise self._wrong("validation.createOrder.clientOidIsRequired")
        contract = self._contracts.get(str(order.get("symbol")))
        if contract is None or not contract.trades:
            raise self._wrong("The symbol does not exist or is not open for trading")
        for name, words in _WORDS.items():
            if order.get(name) not in words:
                raise self._wrong(f"{name} is invalid")
        if self._number(order, "size") % 1:
            raise self._wrong("The size must be a whole number of lots")
        if order["type"] == "limit" and self._number(order, "price") % contract.tick:
            raise self._wrong("The price is no multiple of the tick size")
        return {"orderId": f"{next(self._order_ids):x}", "clientOid": str(order["clientOid"])}

    def _number(self, order: Mapping[str, Any], name: str) -> Decimal:
        try:
            value = Decimal(str(order.get(name)))
        except InvalidOperation:
            raise self._wrong(f"{name} is invalid") from None
        if not value.is_finite() or value <= 0:
            raise self._wrong(f"{name} is invalid")
        return value


def _version(key: SimulatedKey) -> str:
    return key.trait("apiVersion", "3")


def _mac(key: SimulatedKey, message: str) -> str:
    return base64.b64encode(digest(key.text.api_secret, message)).decode()
