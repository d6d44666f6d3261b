"""Binance futures: USDS-M (`fapi`), COIN-M (`dapi`) and portfolio margin accounts (`papi`)."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from botkeys.exchanges.binance import RECEIVE_WINDOW_MS, sign
from botkeys.exchanges.model import ContractType, Environment
from botkeys.exchanges.parsing import milliseconds
from botkeys.sealing.secret import Secret
from botkeys.signing_proxy.binance_orders import JUDGED, STAMPS, read_amendment, read_order
from botkeys.signing_proxy.binance_sockets import ApiGuard, StreamGuard
from botkeys.signing_proxy.canonical import (
    Call,
    Pairs,
    distinct,
    read_document,
    spelled,
    write_pairs,
)
from botkeys.signing_proxy.dialect import (
    Dialect,
    Outgoing,
    Route,
    decimal_of,
    not_allowed,
    symbol_of,
    text_of,
)
from botkeys.signing_proxy.gate import Gate
from botkeys.signing_proxy.guard import Guard
from botkeys.signing_proxy.placeholder import Placeholder, alphanumeric
from botkeys.signing_proxy.refusals import Refusal, RefusalCode, malformed
from botkeys.signing_proxy.rules import Intent, LeverageChange, RealCredentials

SOCKET_API = {
    Environment.LIVE: {
        "websocket_api_linear": "wss://ws-fapi.binance.com",
        "websocket_api_inverse": "wss://ws-dapi.binance.com",
    },
    Environment.TESTNET: {
        "websocket_api_linear": "wss://testnet.binancefuture.com",
        "websocket_api_inverse": "wss://testnet.binancefuture.com",
    },
}
"""Hosts of the WebSocket API, which no other part of the SDK calls."""

_KEY_HEADER = "x-mbx-apikey"
_MOST_IN_A_BATCH = 15
_FLAGS = frozenset({"reduceOnly", "closePosition", "priceProtect", "dualSidePosition"})
_HOSTS = {
    "fapi": "rest_linear",
    "dapi": "rest_inverse",
    "papi": "rest_portfolio",
    "api": "rest_account",
    "sapi": "rest_account",
}
_TYPES = {
    "fapi": ContractType.LINEAR,
    "um": ContractType.LINEAR,
    "dapi": ContractType.INVERSE,
    "cm": ContractType.INVERSE,
}

_STREAMS = re.compile(r"(?:/public|/market|/private)?/(?:ws(?:/[A-Za-z0-9_@!-]+)*|stream)")
_SOCKET_API = re.compile(r"/ws-(?P<family>fapi|dapi)/v1")

_PUBLIC = re.compile(
    r"/(?P<family>fapi|dapi)/v[123]/(?:ping|time|exchangeInfo|depth|rpiDepth|trades|aggTrades"
    r"|klines|continuousKlines|indexPriceKlines|markPriceKlines|premiumIndexKlines|premiumIndex"
    r"|fundingRate|fundingInfo|ticker/(?:24hr|price|bookTicker)|openInterest|indexInfo|assetIndex"
    r"|constituents|insuranceBalance|symbolAdlRisk|tradingSchedule)"
    r"|/(?P<spot>api)/v3/(?:ping|time|exchangeInfo|depth|trades|aggTrades|klines|uiKlines|avgPrice"
    r"|ticker(?:/(?:24hr|price|bookTicker|tradingDay))?)"
    r"|/papi/v1/ping"
)
_STATISTICS = re.compile(r"/futures/data/[A-Za-z]{1,40}")
_KEYED = re.compile(r"/(?P<family>fapi|dapi)/v1/historicalTrades")
_ACCOUNT = (
    "account|balance|positionRisk|openOrders|openOrder|order|allOrders|userTrades|income"
    "|leverageBracket|commissionRate|positionSide/dual|accountConfig|symbolConfig|orderAmendment"
    "|forceOrders|adlQuantile|allAlgoOrders|openAlgoOrders|algoOrder"
)
_READING = re.compile(
    rf"/(?P<family>fapi|dapi)/v[123]/(?:{_ACCOUNT}|multiAssetsMargin|rateLimit/order|feeBurn"
    r"|positionMargin/history|apiTradingStatus|pmAccountInfo)"
    rf"|/papi/v[12]/(?:(?:um|cm)/(?:{_ACCOUNT}|apiTradingStatus|conditional/(?:openOrders|openOrder"
    r"|allOrders|orderHistory))|account|balance|rateLimit/order|portfolio/interest-history)"
    r"|/api/v3/account|/sapi/v1/capital/config/getall"
)
_TRADING = re.compile(
    r"/(?P<family>fapi|dapi)/v1/(?P<call>[A-Za-z/]+)"
    r"|/papi/v1/(?P<portfolio>um|cm)/(?P<portfolio_call>[A-Za-z/]+)"
)
_LISTENING = re.compile(r"/(?P<family>fapi|dapi|papi)/v1/listenKey")
_CANCELLATIONS = frozenset(
    {
        *(("DELETE", name) for name in ("order", "batchOrders", "allOpenOrders")),
        *(("DELETE", name) for name in ("algoOrder", "algoOpenOrders")),
        *(("DELETE", f"conditional/{name}") for name in ("order", "allOpenOrders")),
        ("POST", "countdownCancelAll"),
    }
)
# They neither open a position nor move funds, and both position modes are judged alike.
_MODES = frozenset({("POST", "marginType"), ("POST", "positionSide/dual")})
_PORTFOLIO_ONLY = "conditional/"

_CODES = {
    RefusalCode.MALFORMED: (400, -1102),
    RefusalCode.WRONG_HOST: (400, -1102),
    RefusalCode.NOT_AUTHENTICATED: (401, -2014),
    RefusalCode.FOREIGN_CREDENTIALS: (401, -2015),
    RefusalCode.NO_CREDENTIALS: (401, -2015),
    RefusalCode.ENDPOINT_NOT_ALLOWED: (403, -1002),
    RefusalCode.NO_HOST: (404, -1002),
    RefusalCode.LEVERAGE_TOO_HIGH: (400, -4028),
    RefusalCode.EXCHANGE_UNREACHABLE: (503, -1001),
    RefusalCode.OUTCOME_UNKNOWN: (503, -1007),
}
_REJECTED = (400, -2010)


class BinanceDialect(Dialect):
    exchange: ClassVar[str] = "binance"

    def placeholder(self) -> Placeholder:
        return Placeholder(alphanumeric(64), alphanumeric(64))

    def claimed_key(self, call: Call) -> str | None:
        key = call.headers.get(_KEY_HEADER)
        if key is None and "signature" in call.parameters:
            raise Refusal(RefusalCode.FOREIGN_CREDENTIALS, "A signature comes with an API key.")
        return key

    def route(self, call: Call) -> Route:
        if call.document is not None:
            raise malformed("Binance takes forms, not JSON.")
        if call.method == "GET":
            return self._reading(call)
        if listening := _LISTENING.fullmatch(call.path):
            return Route(_HOSTS[listening["family"]], signs=False, keyed=True)
        found = _TRADING.fullmatch(call.path)
        if found is None:
            raise not_allowed(call)
        family, portfolio = found["family"], found["portfolio"]
        contract_type = _TYPES[family or portfolio]
        reader = _reader(call, found["call"] or found["portfolio_call"], contract_type)
        return Route(_HOSTS[family or "papi"], reader)

    def _reading(self, call: Call) -> Route:
        if found := _PUBLIC.fullmatch(call.path):
            return Route(_HOSTS[found["family"] or found["spot"] or "papi"], signs=False)
        if _STATISTICS.fullmatch(call.path):
            return Route(f"rest_{self.market.contract_type}", signs=False)
        if found := _KEYED.fullmatch(call.path):
            return Route(_HOSTS[found["family"]], signs=False, keyed=True)
        if _READING.fullmatch(call.path):
            return Route(_HOSTS[call.path.split("/")[1]])
        raise not_allowed(call)

    def unsigned(self, call: Call, api_key: Secret | None) -> Outgoing:
        headers = {} if api_key is None else {"X-MBX-APIKEY": api_key.reveal()}
        return _written(call, write_pairs(_kept(call)), headers)

    def signed(self, call: Call, credentials: RealCredentials) -> Outgoing:
        return _written(
            call,
            sign_pairs(
                _kept(call), _window(call.parameters), milliseconds(self.clock()), credentials
            ),
            {"X-MBX-APIKEY": credentials.api_key.reveal()},
        )

    @property
    def websocket_path(self) -> str | None:
        return (
            None if self.market.hosts.get(f"websocket_{self.market.contract_type}") is None else ""
        )

    def socket(self, path: str, query: Pairs) -> tuple[str, Callable[[Gate], Guard]]:
        """Return a stream, whose listen key stands for the account, or the WebSocket API."""
        if found := _SOCKET_API.fullmatch(path):
            kind = _TYPES[found["family"]]
            address = self.host(f"websocket_api_{kind}")
            return f"{address}{path}", partial(ApiGuard, kind, self.clock, self.error)
        if not _STREAMS.fullmatch(path):
            text = f"{path} is no WebSocket of this exchange."
            raise Refusal(RefusalCode.ENDPOINT_NOT_ALLOWED, text)
        address = self.host(f"websocket_{self.market.contract_type}")
        written = "&".join(f"{name}={quote(value, safe='/@!_')}" for name, value in query)
        return f"{address}{path}{'?' if written else ''}{written}", StreamGuard

    def price_call(self, symbol: str) -> tuple[str, str]:
        family = "fapi" if self.market.contract_type is ContractType.LINEAR else "dapi"
        return _HOSTS[family], f"/{family}/v1/premiumIndex?{write_pairs([('symbol', symbol)])}"

    def price_of(self, payload: Any) -> Decimal | None:
        row = payload[0] if isinstance(payload, list) and payload else payload
        return decimal_of(row, "markPrice") if isinstance(row, dict) else None

    def error(self, refusal: Refusal) -> tuple[int, Any]:
        status, code = _CODES.get(refusal.code, _REJECTED)
        return status, {"code": code, "msg": refusal.text}


def sign_pairs(pairs: Pairs, window: int, stamp: int, credentials: RealCredentials) -> str:
    """Return parameters with a time, a window and their signature, in the adapter's order."""
    stamped = [("timestamp", str(stamp)), *pairs, ("recvWindow", str(window))]
    text = write_pairs(stamped)
    return f"{text}&signature={sign(credentials.api_secret, text)}"


def _written(call: Call, text: str, headers: Mapping[str, str]) -> Outgoing:
    """Return a call whose parameters all stand in the one place that its method has for them."""
    if call.method in {"GET", "DELETE"}:
        return Outgoing(f"{call.path}?{text}" if text else call.path, headers)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return Outgoing(call.path, {**headers, **kind}, text.encode("ascii"))


def _kept(call: Call) -> Pairs:
    """Return the parameters but for those of the signature; flags in the exchange's spelling."""
    return [
        (name, value.lower() if name in _FLAGS else value)
        for name, value in (*call.query, *call.form)
        if name not in STAMPS
    ]


def _window(parameters: Mapping[str, str]) -> int:
    """Return the receive window: the bot's, if it is shorter than ours."""
    written = parameters.get("recvWindow", "")
    given = int(written) if written.isascii() and written.isdecimal() and len(written) < 9 else 0
    return min(given, RECEIVE_WINDOW_MS) if given else RECEIVE_WINDOW_MS


def _reader(call: Call, name: str, contract_type: ContractType) -> Any:
    """Return what reads the intents of a call that is not a reading."""
    portfolio = call.path.startswith("/papi/")
    if name.startswith(_PORTFOLIO_ONLY) and not portfolio:
        raise not_allowed(call)
    which = (call.method, name)
    if which in _CANCELLATIONS or which in _MODES:
        return None
    if which == ("POST", "leverage"):
        return partial(_leverage, contract_type)
    if which in {("POST", "order"), ("POST", "order/test"), ("POST", "algoOrder")} or which == (
        "POST",
        "conditional/order",
    ):
        return partial(_order, contract_type)
    if which == ("PUT", "order"):
        return partial(_amendment, contract_type)
    if name == "batchOrders" and call.method in {"POST", "PUT"} and not portfolio:
        return partial(_batch, contract_type, call.method == "PUT")
    raise not_allowed(call)


def _order(contract_type: ContractType, call: Call) -> Sequence[Intent]:
    return read_order(contract_type, _lowered(call.parameters))


def _amendment(contract_type: ContractType, call: Call) -> Sequence[Intent]:
    return [read_amendment(contract_type, call.parameters)]


def _leverage(contract_type: ContractType, call: Call) -> Sequence[Intent]:
    given = call.parameters
    spelled(given, JUDGED)
    leverage = decimal_of(given, "leverage")
    if leverage is None:
        raise malformed("The parameter leverage is missing.")
    return [LeverageChange(symbol_of(given, "symbol"), contract_type, leverage)]


def _batch(contract_type: ContractType, amends: bool, call: Call) -> Sequence[Intent]:
    spelled(call.parameters, JUDGED)
    orders = read_document(text_of(call.parameters, "batchOrders").encode())
    if not isinstance(orders, list) or not 0 < len(orders) <= _MOST_IN_A_BATCH:
        raise malformed("The parameter batchOrders is not a list of orders.")
    intents: list[Intent] = []
    for order in orders:
        if not isinstance(order, dict) or any(isinstance(v, dict | list) for v in order.values()):
            raise malformed("The parameter batchOrders is not a list of orders.")
        distinct(order)
        if amends:
            intents.append(read_amendment(contract_type, order))
        else:
            intents += read_order(contract_type, order)
    return intents


def _lowered(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Return parameters with flags as they are forwarded: clients write `True` too."""
    return {n: v.lower() if n in _FLAGS else v for n, v in parameters.items()}
