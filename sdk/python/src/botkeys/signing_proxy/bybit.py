"""Bybit V5: linear and inverse contracts on one host, chosen by `category`."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

from botkeys.exchanges.bybit import RECEIVE_WINDOW_MS, sign
from botkeys.exchanges.parsing import milliseconds
from botkeys.sealing.secret import Secret
from botkeys.signing_proxy.bybit_orders import (
    read_amended_batch,
    read_amendment,
    read_batch,
    read_leverage,
    read_order,
)
from botkeys.signing_proxy.bybit_sockets import BybitGuard
from botkeys.signing_proxy.canonical import Call, Pairs, write_document, write_pairs
from botkeys.signing_proxy.dialect import (
    Dialect,
    Outgoing,
    Route,
    decimal_of,
    highest,
    not_allowed,
    object_of,
)
from botkeys.signing_proxy.gate import Gate
from botkeys.signing_proxy.guard import Guard
from botkeys.signing_proxy.placeholder import Placeholder, alphanumeric
from botkeys.signing_proxy.refusals import Refusal, RefusalCode, malformed
from botkeys.signing_proxy.rules import Intent, RealCredentials

_KEY_HEADER = "x-bapi-api-key"
_PUBLIC = re.compile(r"/v5/market/[a-z-]+(?:/[a-z-]+)?|/v5/system/status")
# `query-api` tells about the key in use and changes nothing: ccxt asks it before its first order.
_READING = frozenset(
    {
        *("/v5/order/realtime", "/v5/order/history", "/v5/execution/list"),
        *("/v5/position/list", "/v5/position/closed-pnl", "/v5/position/get-closed-positions"),
        *("/v5/account/wallet-balance", "/v5/account/info", "/v5/account/fee-rate"),
        *("/v5/account/transaction-log", "/v5/account/contract-transaction-log"),
        *("/v5/account/collateral-info", "/v5/account/query-dcp-info"),
        *("/v5/account/instruments-info", "/v5/asset/coin/query-info", "/v5/user/query-api"),
    }
)
_SOCKETS = re.compile(r"/v5(?P<path>/public/(?:linear|inverse|spot|option)|/private|/trade)")
_WINDOW = re.compile(r"[0-9]{1,6}", re.ASCII)

Document = Callable[[Any], Sequence[Intent]]
_TRADING: Mapping[str, Document | None] = {
    "/v5/order/create": read_order,
    "/v5/order/create-batch": read_batch,
    "/v5/order/amend": read_amendment,
    "/v5/order/amend-batch": read_amended_batch,
    "/v5/order/cancel": None,
    "/v5/order/cancel-batch": None,
    "/v5/order/cancel-all": None,
    "/v5/order/disconnected-cancel-all": None,
    "/v5/position/set-leverage": read_leverage,
    "/v5/position/switch-isolated": read_leverage,
    # They neither open a position nor move funds, and both position modes are judged alike.
    "/v5/position/trading-stop": None,
    "/v5/position/switch-mode": None,
    "/v5/account/set-margin-mode": None,
}

_CODES = {
    RefusalCode.MALFORMED: 10001,
    RefusalCode.WRONG_HOST: 10001,
    RefusalCode.NOT_AUTHENTICATED: 10003,
    RefusalCode.FOREIGN_CREDENTIALS: 10003,
    RefusalCode.NO_CREDENTIALS: 10003,
    RefusalCode.SYMBOL_NOT_ENABLED: 10029,
    RefusalCode.LEVERAGE_TOO_HIGH: 110013,
    RefusalCode.EXCHANGE_UNREACHABLE: 10016,
    RefusalCode.OUTCOME_UNKNOWN: 10000,
}
_NOT_PERMITTED = 10005
_OK, _UNAVAILABLE = 200, 503
_AWAY = frozenset({RefusalCode.EXCHANGE_UNREACHABLE, RefusalCode.OUTCOME_UNKNOWN})


class BybitDialect(Dialect):
    exchange: ClassVar[str] = "bybit"

    def placeholder(self) -> Placeholder:
        return Placeholder(alphanumeric(18), alphanumeric(36))

    def claimed_key(self, call: Call) -> str | None:
        key = call.headers.get(_KEY_HEADER)
        signed = key is None and any(name.startswith("x-bapi-sign") for name in call.headers)
        if signed or {"api_key", "sign"} & call.parameters.keys():
            text = "A call is signed in the headers, with an API key."
            raise Refusal(RefusalCode.FOREIGN_CREDENTIALS, text)
        return key

    def route(self, call: Call) -> Route:
        host = f"rest{self.suffix}"
        if call.form:
            raise malformed("Bybit takes JSON, not forms.")
        if call.method == "GET" and _PUBLIC.fullmatch(call.path):
            return Route(host, signs=False)
        if call.method == "GET" and call.path in _READING:
            return Route(host)
        if call.method != "POST" or call.path not in _TRADING:
            raise not_allowed(call)
        if call.query:
            raise malformed("The parameters of a POST stand in its body.")
        object_of(call.document)
        reader = _TRADING[call.path]
        return Route(host, None if reader is None else _of_document(reader))

    def unsigned(self, call: Call, api_key: Secret | None) -> Outgoing:
        del api_key  # no call takes a key alone
        return Outgoing(_target(call))

    def signed(self, call: Call, credentials: RealCredentials) -> Outgoing:
        body = b"" if call.document is None else write_document(call.document)
        given = call.headers.get("x-bapi-recv-window", "")
        ours = min(int(given), RECEIVE_WINDOW_MS) if _WINDOW.fullmatch(given) else 0
        window, stamp = str(ours or RECEIVE_WINDOW_MS), str(milliseconds(self.clock()))
        key = credentials.api_key.reveal()
        message = f"{stamp}{key}{window}{write_pairs(call.query)}".encode("ascii") + body
        headers = {
            "X-BAPI-API-KEY": key,
            "X-BAPI-TIMESTAMP": stamp,
            "X-BAPI-RECV-WINDOW": window,
            "X-BAPI-SIGN": sign(credentials.api_secret, message),
        }
        if body:
            headers["Content-Type"] = "application/json"
        return Outgoing(_target(call), headers, body)

    @property
    def websocket_path(self) -> str | None:
        return None if self.market.hosts.get(f"websocket{self.suffix}") is None else "/v5"

    def socket(self, path: str, query: Pairs) -> tuple[str, Callable[[Gate], Guard]]:
        found = _SOCKETS.fullmatch(path)
        if found is None:
            text = f"{path} is no WebSocket of this exchange."
            raise Refusal(RefusalCode.ENDPOINT_NOT_ALLOWED, text)
        written = write_pairs(query)
        url = f"{self.host(f'websocket{self.suffix}')}{found['path']}"
        guard = partial(BybitGuard, self.clock, _code)
        return f"{url}{'?' if written else ''}{written}", guard

    def price_call(self, symbol: str) -> tuple[str, str]:
        pairs = [("category", str(self.market.contract_type)), ("symbol", symbol)]
        return f"rest{self.suffix}", f"/v5/market/tickers?{write_pairs(pairs)}"

    def price_of(self, payload: Any) -> Decimal | None:
        try:
            (row,) = payload["result"]["list"]
            return highest(decimal_of(row, "markPrice"), decimal_of(row, "lastPrice"))
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def error(self, refusal: Refusal) -> tuple[int, Any]:
        """Return a refusal with status 200, as Bybit sends nearly all of them."""
        status = _UNAVAILABLE if refusal.code in _AWAY else _OK
        document = {"retCode": _code(refusal), "retMsg": refusal.text, "result": {}}
        return status, {**document, "retExtInfo": {}, "time": milliseconds(self.clock())}


def _code(refusal: Refusal) -> int:
    return _CODES.get(refusal.code, _NOT_PERMITTED)


def _of_document(reader: Document) -> Callable[[Call], Sequence[Intent]]:
    return lambda call: reader(call.document)


def _target(call: Call) -> str:
    return f"{call.path}?{write_pairs(call.query)}" if call.query else call.path
