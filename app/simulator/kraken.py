"""Kraken's futures: trading and market data under `/derivatives`, keys under `/api/auth`.

docs/exchange-notes.md describes the wire format, codes and field names. Spot keys belong to another
host, which is not simulated: here they are unknown.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qsl
from uuid import NAMESPACE_OID, UUID, uuid5

from app.simulator.formats import iso, number
from app.simulator.http_server import Request, Response
from app.simulator.keys import KeyText, Material, Permission, SimulatedKey
from app.simulator.kraken_listing import Contract, index_row, listing
from app.simulator.market import Quote
from app.simulator.venue import Call, Refusal, Route, Venue, html, same

TRADING = "/derivatives"
ROOT = f"{TRADING}/api/v3"
CHECK = "/api/auth/v1/api-keys/v3/check"
_INDICES = ("in_xbtusd", "rr_xbtusd", "in_ethusd", "rr_ethusd")
_NONCE = re.compile(r"[0-9]{1,25}")
_SIDES = ("buy", "sell")
_TYPES = ("mkt", "lmt", "post", "ioc")


class Kraken(Venue):
    exchange = "kraken"
    enum_fields: ClassVar[frozenset[str]] = frozenset({"type", "tag", "category"})

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._nonces: dict[str, int] = {}
        self._order_ids = count(1)

    @staticmethod
    def key_text(material: Material) -> KeyText:
        return KeyText(material.base64("key", 42), material.base64("secret", 64))

    def routes(self) -> Sequence[Route]:
        read, trade = Permission.READ, Permission.TRADE
        return [
            Route("GET", f"{ROOT}/instruments", self._instruments),
            Route("GET", f"{ROOT}/tickers", self._tickers),
            Route("GET", CHECK, self._check, read),
            Route("GET", f"{ROOT}/accounts", self._accounts, read),
            Route("GET", f"{ROOT}/leveragepreferences", self._preferences, read),
            Route("POST", f"{ROOT}/sendorder", self._order, trade),
        ]

    def envelope(self, payload: Any, call: Call) -> Any:
        if call.request.path == CHECK:
            return payload
        return {"result": "success", **payload, "serverTime": iso(call.now_ms)}

    # Refusals

    def _error(
        self, error: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        now = iso(int(self.world.clock() * 1000))
        payload = {"result": "error", "error": error, "serverTime": now}
        return self.json(status, payload, headers)

    def _refusal(self, error: str) -> Refusal:
        return Refusal(self._error(error))

    def _not_allowed(self, request: Request) -> Refusal:
        """Refuse alike an unknown key, a wrong signature, address or permission.

        The service for keys responds with a status and names the key, as some exchanges do, which
        exposes code that leaks it.
        """
        if request.path != CHECK:
            return self._refusal("authenticationError")
        message = f"API key {request.headers.get('apikey', '')} is not found"
        payload = {"error": "unauthorized", "message": message, "suberror": None}
        return Refusal(self.json(401, payload))

    def refused(self, status: int, code: str, message: str) -> Response:
        del message  # there is none beside the code
        return self._error(code, status)

    def forbidden(self, key: SimulatedKey, request: Request) -> Refusal:
        del key
        return self._not_allowed(request)

    def rate_limited(self, retry_after: int | None) -> Response:
        """Respond as Kraken does, without a time to wait; `retry-after` is set only on request."""
        extra = {} if retry_after is None else {"retry-after": str(retry_after)}
        return self._error("apiLimitExceeded", 429, extra)

    def server_error(self, status: int) -> Response:
        return self._error("unavailable", 503) if status == 503 else html(status)

    # Authentication

    def authenticate(self, request: Request, now_ms: int) -> SimulatedKey:
        """Return the key; no time is signed, only an optional nonce that must increase."""
        del now_ms
        headers = request.headers
        key = self.world.keys.find(self.exchange, self.environment, headers.get("apikey", ""))
        if key is None:
            raise self._not_allowed(request)
        if key.trait("check", "present") == "absent" and request.path == CHECK:
            # Unconfirmed whether the demo host has this path.
            raise Refusal(self.not_found(request))
        nonce = headers.get("nonce", "")
        if not same(_signature(key.text.api_secret, request, nonce), headers.get("authent", "")):
            raise self._not_allowed(request)
        if not key.comes_from(request.peer):
            raise self._not_allowed(request)
        if nonce:
            self._advance(key, nonce)
        return key

    def _advance(self, key: SimulatedKey, written: str) -> None:
        last, nonce = self._nonces.get(key.text.api_key, -1), _NONCE.fullmatch(written)
        if nonce is None or int(written) < last:
            raise self._refusal("nonceBelowThreshold")
        if int(written) == last:
            raise self._refusal("nonceDuplicate")
        self._nonces[key.text.api_key] = int(written)

    # Public data

    @cached_property
    def _contracts(self) -> Mapping[str, Contract]:
        listed = listing(self.world.perpetuals, self.world.started_ms)
        return {contract.symbol: contract for contract in listed}

    def _instruments(self, call: Call) -> dict[str, Any]:
        del call
        rows = [contract.row() for contract in self._contracts.values()]
        return {"instruments": [*rows, *map(index_row, _INDICES)]}

    def _quote(self, contract: Contract, at: float) -> Quote:
        return self.market.quote(contract.asset, at, contract.tick, share=contract.share)

    def _tickers(self, call: Call) -> dict[str, Any]:
        contracts = self._contracts
        rows = [c.ticker(self._quote(c, call.at), call.now_ms) for c in contracts.values()]
        for symbol in _INDICES:
            behind = contracts[f"PI_{symbol.split('_')[1].upper()}"]
            last = number(self._quote(behind, call.at).index)
            rows.append({"symbol": symbol, "last": last, "lastTime": iso(call.now_ms)})
        return {"tickers": rows}

    # Account

    def _check(self, call: Call) -> dict[str, Any]:
        key = call.signer
        blocks = [f"{address}/32" for address in key.addresses]
        general = "FULL_ACCESS" if Permission.TRADE in key.permissions else "READ_ONLY"
        transfer = "FULL_ACCESS" if Permission.WITHDRAW in key.permissions else "NO_ACCESS"
        digits = key.account
        return {
            "apiKey": key.text.api_key,
            "accountUid": str(uuid5(NAMESPACE_OID, key.account)),
            "iiban": f"AA{digits[:2]} N{digits[2:5]} {digits[5:9]} {digits[9:13]}",
            "createdAt": "2026-01-02T03:04:05Z",
            "permissions": {"general": general, "transfer": transfer},
            "allowedCidrBlock": blocks[0] if blocks else None,
            "allowedCidrBlocks": blocks,
        }

    def _accounts(self, call: Call) -> dict[str, Any]:
        del call
        funds = {"USDT": "10000.0", "XBT": "1.0"}
        flex = {
            "type": "multiCollateralMarginAccount",
            "currencies": {
                coin: {
                    "quantity": float(amount),
                    "value": float(amount),
                    "collateral": float(amount),
                    "available": float(amount),
                }
                for coin, amount in funds.items()
            },
            "initialMargin": 0.0,
            "maintenanceMargin": 0.0,
            "pnl": 0.0,
            "availableMargin": 10_000.0,
            "marginEquity": 10_000.0,
        }
        cash = {
            "type": "cashAccount",
            "balances": {coin.lower(): amount for coin, amount in funds.items()},
        }
        inverse = {
            "type": "marginAccount",
            "currency": "xbt",
            "balances": {"xbt": 1.0},
            "auxiliary": {"usd": 0, "pv": 1.0, "pnl": 0.0, "af": 1.0, "funding": 0.0},
            "marginRequirements": {"im": 0.0, "mm": 0.0, "lt": 0.0, "tt": 0.0},
            "triggerEstimates": {"im": 0, "mm": 0, "lt": 0, "tt": 0},
        }
        return {"accounts": {"cash": cash, "flex": flex, "fi_xbtusd": inverse}}

    def _preferences(self, call: Call) -> dict[str, Any]:
        """Return no preference: the positions are cross."""
        del call
        return {"leveragePreferences": []}

    # Orders

    def _order(self, call: Call) -> dict[str, Any]:
        """Take an order, filling a market order at once.

        Parameters are in the query or in a form. Faults of the order itself are reported in the
        status of a success.
        """
        body = call.request.body.decode("latin-1")
        order = dict(parse_qsl(call.request.query) + parse_qsl(body))
        for name in ("symbol", "side", "orderType", "size"):
            if not order.get(name):
                raise self._refusal("requiredArgumentMissing")
        found = [c for s, c in self._contracts.items() if s.lower() == order["symbol"].lower()]
        if not found:
            raise self._refusal("contractNotFound")
        if order["side"] not in _SIDES or order["orderType"] not in _TYPES:
            raise self._refusal("invalidArgument: side or orderType")
        status = self._flaw(found[0], order)
        received = iso(call.now_ms)
        sent: dict[str, Any] = {"status": status or "placed", "receivedTime": received}
        if status is None:
            order_id = str(UUID(int=next(self._order_ids)))
            event = self._event(found[0], order, order_id, call)
            sent |= {"order_id": order_id, "orderEvents": [event]}
        return {"sendStatus": sent}

    def _flaw(self, contract: Contract, order: Mapping[str, str]) -> str | None:
        if not contract.tradeable:
            return "marketInactive"
        size = _positive(order["size"])
        if size is None or size % contract.lot:
            return "invalidSize"
        limited = order["orderType"] != "mkt"
        return (
            "invalidPrice" if limited and _positive(order.get("limitPrice", "")) is None else None
        )

    def _event(
        self, contract: Contract, order: Mapping[str, str], order_id: str, call: Call
    ) -> dict[str, Any]:
        market = order["orderType"] == "mkt"
        last = self._quote(contract, call.at).last
        size = number(Decimal(order["size"]))
        placed = {
            "orderId": order_id,
            "cliOrdId": order.get("cliOrdId"),
            "type": "ioc" if market else order["orderType"],
            "symbol": contract.symbol,
            "side": order["side"],
            "quantity": size,
            "filled": 0,
            "limitPrice": number(last if market else Decimal(order["limitPrice"])),
            "reduceOnly": order.get("reduceOnly", "").lower() == "true",
            "timestamp": iso(call.now_ms),
            "lastUpdateTimestamp": iso(call.now_ms),
        }
        if not market:
            return {"type": "PLACE", "order": placed, "reducedQuantity": None}
        return {
            "type": "EXECUTION",
            "executionId": str(UUID(int=next(self._order_ids))),
            "price": number(last),
            "amount": size,
            "orderPriorEdit": None,
            "orderPriorExecution": placed,
            "takerReducedQuantity": None,
        }


def _signature(secret: str, request: Request, nonce: str) -> str:
    """Return the HMAC-SHA512 of the SHA-256 of data, nonce and path, with a base64 secret.

    The data are the query or the form as sent. The path of a trading call is signed without its
    first part, `/derivatives`.
    """
    path = request.path.removeprefix(TRADING).encode("latin-1")
    data = request.query.encode("latin-1") + request.body
    try:
        key = base64.b64decode(secret, validate=True)
    except binascii.Error:
        raise LookupError("a simulated key of Kraken has a secret that is not base64") from None
    inner = hashlib.sha256(data + nonce.encode("latin-1") + path).digest()
    return base64.b64encode(hmac.digest(key, inner, "sha512")).decode()


def _positive(written: str) -> Decimal | None:
    try:
        value = Decimal(written)
    except InvalidOperation:
        return None
    return value if value.is_finite() and value > 0 else None
