"""OKX V5: swaps, and the X-Perps of the region eea; demo trading is a header."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from botkeys.exchanges.model import Environment
from botkeys.exchanges.okx import sign, stamp_of
from botkeys.sealing.secret import Secret
from botkeys.signing_proxy.canonical import Call, Pairs, write_document, write_pairs
from botkeys.signing_proxy.dialect import Dialect, Outgoing, Route, decimal_of, not_allowed
from botkeys.signing_proxy.gate import Gate
from botkeys.signing_proxy.guard import Guard
from botkeys.signing_proxy.okx_orders import (
    Reader,
    read_amended_batch,
    read_amendment,
    read_batch,
    read_leverage,
    read_order,
)
from botkeys.signing_proxy.okx_sockets import OkxGuard
from botkeys.signing_proxy.placeholder import Placeholder, alphanumeric, unguessable
from botkeys.signing_proxy.refusals import Refusal, RefusalCode, malformed
from botkeys.signing_proxy.rules import Intent, RealCredentials

_KEY_HEADER = "ok-access-key"
_PUBLIC = re.compile(r"/api/v5/(?:public|market|rubik)/[a-z0-9-]+(?:/[a-z0-9-]+){0,3}")
_STATUS = "/api/v5/system/status"
_READING = frozenset(
    {
        *(
            f"/api/v5/account/{name}"
            for name in (
                *("balance", "positions", "positions-history", "account-position-risk", "bills"),
                *("bills-archive", "config", "max-size", "max-avail-size", "leverage-info"),
                *("adjust-leverage-info", "trade-fee", "interest-accrued", "instruments"),
                *("risk-state", "position-tiers"),
            )
        ),
        *(
            f"/api/v5/trade/{name}"
            for name in (
                *("order", "orders-pending", "orders-history", "orders-history-archive", "fills"),
                *("fills-history", "order-algo", "orders-algo-pending", "orders-algo-history"),
                "account-rate-limit",
            )
        ),
        "/api/v5/asset/currencies",
    }
)
_TRADING: Mapping[str, Reader | None] = {
    "/api/v5/trade/order": read_order,
    "/api/v5/trade/order-algo": read_order,
    "/api/v5/trade/batch-orders": read_batch,
    "/api/v5/trade/amend-order": read_amendment,
    "/api/v5/trade/amend-algos": read_amendment,
    "/api/v5/trade/amend-batch-orders": read_amended_batch,
    "/api/v5/account/set-leverage": read_leverage,
    "/api/v5/trade/cancel-order": None,
    "/api/v5/trade/cancel-batch-orders": None,
    "/api/v5/trade/cancel-algos": None,
    "/api/v5/trade/cancel-advance-algos": None,
    "/api/v5/trade/cancel-all-after": None,
    "/api/v5/trade/close-position": None,
    # It neither opens a position nor moves funds, and both modes are judged alike.
    "/api/v5/account/set-position-mode": None,
}
_SOCKETS = re.compile(r"/ws/v5(?P<path>/(?:public|private|business))")

_CODES = {
    RefusalCode.MALFORMED: (400, "51000"),
    RefusalCode.WRONG_HOST: (400, "51000"),
    RefusalCode.NOT_AUTHENTICATED: (401, "50103"),
    RefusalCode.FOREIGN_CREDENTIALS: (401, "50111"),
    RefusalCode.NO_CREDENTIALS: (401, "50111"),
    RefusalCode.LEVERAGE_TOO_HIGH: (400, "59102"),
    RefusalCode.EXCHANGE_UNREACHABLE: (503, "50001"),
    RefusalCode.OUTCOME_UNKNOWN: (504, "50004"),
}
_NOT_PERMITTED = (403, "50120")


class OkxDialect(Dialect):
    exchange: ClassVar[str] = "okx"

    def placeholder(self) -> Placeholder:
        key, secret = str(UUID(hex=unguessable(32), version=4)), unguessable(32).upper()
        return Placeholder(key, secret, alphanumeric(20))

    def claimed_key(self, call: Call) -> str | None:
        key = call.headers.get(_KEY_HEADER)
        if key is None and any(name.startswith("ok-access-") for name in call.headers):
            raise Refusal(RefusalCode.FOREIGN_CREDENTIALS, "A signature comes with an API key.")
        return key

    def route(self, call: Call) -> Route:
        host = f"rest{self.suffix}"
        if call.form:
            raise malformed("OKX takes JSON, not forms.")
        if call.method == "GET" and (_PUBLIC.fullmatch(call.path) or call.path == _STATUS):
            return Route(host, signs=False)
        if call.method == "GET" and call.path in _READING:
            return Route(host)
        if call.method != "POST" or call.path not in _TRADING:
            raise not_allowed(call)
        if call.query:
            raise malformed("The parameters of a POST stand in its body.")
        if not isinstance(call.document, dict | list):
            raise malformed("The body is a JSON object or list.")
        return Route(host, self._of_document(_TRADING[call.path]))

    def _of_document(self, reader: Reader | None) -> Callable[[Call], Sequence[Intent]] | None:
        kind = self.market.contract_type
        return None if reader is None else lambda call: reader(kind, call.document)

    def unsigned(self, call: Call, api_key: Secret | None) -> Outgoing:
        del api_key  # no call takes a key alone
        return Outgoing(_target(call), self._environment())

    def signed(self, call: Call, credentials: RealCredentials) -> Outgoing:
        body = b"" if call.document is None else write_document(call.document)
        stamp, target = stamp_of(self.clock()), _target(call)
        message = f"{stamp}{call.method}{target}".encode("ascii") + body
        passphrase = credentials.api_passphrase
        headers = {
            "OK-ACCESS-KEY": credentials.api_key.reveal(),
            "OK-ACCESS-SIGN": sign(credentials.api_secret, message),
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-PASSPHRASE": passphrase.reveal() if passphrase else "",
            **self._environment(),
        }
        if body:
            headers["Content-Type"] = "application/json"
        return Outgoing(target, headers, body)

    def _environment(self) -> dict[str, str]:
        """Return the header of demo trading, whatever the bot has sent."""
        demo = self.market.environment is Environment.TESTNET
        return {"x-simulated-trading": "1"} if demo else {}

    @property
    def websocket_path(self) -> str | None:
        return None if self.market.hosts.get(f"websocket{self.suffix}") is None else "/ws/v5"

    def socket(self, path: str, query: Pairs) -> tuple[str, Callable[[Gate], Guard]]:
        found = _SOCKETS.fullmatch(path)
        if found is None or any(name != "brokerId" for name, _ in query):
            text = f"{path} is no WebSocket of this exchange."
            raise Refusal(RefusalCode.ENDPOINT_NOT_ALLOWED, text)
        url = f"{self.host(f'websocket{self.suffix}')}{found['path']}"
        return url, partial(OkxGuard, self.market.contract_type, self.clock, _code)

    def price_call(self, symbol: str) -> tuple[str, str]:
        kind = "SWAP" if symbol.endswith("-SWAP") else "FUTURES"
        pairs = [("instType", kind), ("instId", symbol)]
        return f"rest{self.suffix}", f"/api/v5/public/mark-price?{write_pairs(pairs)}"

    def price_of(self, payload: Any) -> Decimal | None:
        try:
            (row,) = payload["data"]
            return decimal_of(row, "markPx")
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def error(self, refusal: Refusal) -> tuple[int, Any]:
        status, code = _CODES.get(refusal.code, _NOT_PERMITTED)
        return status, {"code": code, "msg": refusal.text, "data": []}


def _code(refusal: Refusal) -> str:
    return _CODES.get(refusal.code, _NOT_PERMITTED)[1]


def _target(call: Call) -> str:
    return f"{call.path}?{write_pairs(call.query)}" if call.query else call.path
