"""Bybit (V5): linear and inverse perpetuals on one host per site; a site per region.

A key belongs to one of Bybit's environments. Demo Trading, whose keys are made on the main site, is
the region `demo` of the environment testnet. Its market data are those of the main site, and a bot
that wants public streams connects there.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from botkeys.exchanges.base import Clock, Market, RestAdapter, Unclear, Verdict
from botkeys.exchanges.errors import (
    AccountRefused,
    AddressRefused,
    BadPayload,
    BadSignature,
    ClockSkew,
    ExchangeError,
    InvalidKey,
    IpNotAllowed,
    KeyExpired,
    PermissionRefused,
    RateLimited,
    Refused,
    Unreachable,
)
from botkeys.exchanges.hosts import HostTable
from botkeys.exchanges.model import (
    ContractType,
    CredentialReport,
    Credentials,
    Endpoints,
    Environment,
    Instrument,
    MarginMode,
    PermissionAnswer,
    Permissions,
    RefusalReason,
    Ticker,
)
from botkeys.exchanges.parsing import (
    Row,
    as_asset,
    as_decimal,
    as_moment,
    as_positive,
    as_text,
    as_time,
    listing,
    milliseconds,
    object_of,
    rows_of,
)
from botkeys.exchanges.pem import is_pem, sign_with_pem
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Auth, AuthFlow, Deadline, HttpAnswer, Rate, Request, target_of

# --- constants

EXCHANGE = "bybit"
RECEIVE_WINDOW_MS = 5_000
LISTING_SECONDS = 30.0  # for all pages together
MOST_PAGES = 50  # of 1,000 rows each; the exchange lists some 700
LONGEST_CURSOR = 512
BAN_SECONDS = 600.0  # of an address that called too often

# Names: rest and websocket for the global site, with the region's name for the others; bots append
# /public/linear, /public/inverse, /private or /trade. Bybit documents no websocket
# for the regions without one here. The testnet has one site for all, beside Demo Trading.
_SITES = {
    "": ("https://api.bybit.com", "wss://stream.bybit.com/v5"),
    "_nl": ("https://api.bybit.nl", None),
    "_tr": ("https://api.bybit-tr.com", "wss://stream.bybit-tr.com/v5"),
    "_kz": ("https://api.bybit.kz", "wss://stream.bybit.kz/v5"),
    "_ge": ("https://api.bybitgeorgia.ge", "wss://stream.bybitgeorgia.ge/v5"),
    "_ae": ("https://api.bybit.ae", None),
    "_eu": ("https://api.bybit.eu", "wss://stream.bybit.eu/v5"),
    "_id": ("https://api.bybit.id", None),
}
HOSTS: HostTable = {
    Environment.LIVE: {
        **{f"rest{suffix}": rest for suffix, (rest, _) in _SITES.items()},
        **{f"websocket{suffix}": socket for suffix, (_, socket) in _SITES.items()},
    },
    Environment.TESTNET: {
        "rest": "https://api-testnet.bybit.com",
        "websocket": "wss://stream-testnet.bybit.com/v5",
        "rest_demo": "https://api-demo.bybit.com",
        # Bots append /private: it has neither public streams nor one for orders.
        "websocket_demo": "wss://stream-demo.bybit.com/v5",
    },
}
GLOBAL, DEMO = "global", "demo"
REGIONS = (GLOBAL, *(suffix.removeprefix("_") for suffix in _SITES if suffix))

_INSTRUMENTS = "/v5/market/instruments-info?category={category}&limit=1000"
_TICKERS = "/v5/market/tickers?category={category}"
_KEY = "/v5/user/query-api"
_DATED = {
    ContractType.LINEAR: "LinearFutures",
    ContractType.INVERSE: "InverseFutures",
}
_PERPETUAL = {
    ContractType.LINEAR: "LinearPerpetual",
    ContractType.INVERSE: "InversePerpetual",
}
# One mode for the whole account: these are the modes that the account can be switched to.
_MARGIN_MODES = (MarginMode.CROSS, MarginMode.ISOLATED)
_CONTRACT_WORDS = frozenset({"Order", "Position"})
_DERIVATIVES_WORDS = frozenset({"DerivativesTrade"})
_WALLET_WORDS = frozenset({"AccountTransfer", "SubMemberTransfer", "SubMemberTransferList"})
_WITHDRAW = "Withdraw"


# --- signing


class BybitAuth(Auth):
    """Signs time + key + receive window + (query, or body where there is one).

    HMAC-SHA256 as hex, or with a PEM secret RSA (PKCS #1 v1.5, SHA-256) as base64.
    """

    def __init__(
        self, credentials: Credentials, clock: Clock, receive_window_ms: int = RECEIVE_WINDOW_MS
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._receive_window_ms = receive_window_ms

    def auth_flow(self, request: Request) -> AuthFlow:
        stamp, window = str(milliseconds(self._clock())), str(self._receive_window_ms)
        api_key = self._credentials.api_key.reveal()
        query = target_of(request).partition("?")[2]
        signed = f"{stamp}{api_key}{window}{query}".encode("ascii") + request.content
        request.headers["X-BAPI-API-KEY"] = api_key
        request.headers["X-BAPI-TIMESTAMP"] = stamp
        request.headers["X-BAPI-RECV-WINDOW"] = window
        request.headers["X-BAPI-SIGN"] = sign(self._credentials.api_secret, signed)
        yield request


def sign(secret: Secret, message: bytes) -> str:
    revealed = secret.reveal()
    if is_pem(revealed):
        return sign_with_pem(revealed, message)
    return hmac.new(revealed.encode(), message, hashlib.sha256).hexdigest()


# --- parsing


def parse_page(payload: object) -> tuple[list[Row], str | None]:
    """Return rows and the next page's cursor, encoded for a query; `None` on the last page.

    A cursor comes percent-encoded already (`first%3DBIOUSDT%26last%3DBIOUSDT`) and goes back as the
    same text; characters that a query cannot carry are encoded nonetheless.
    """
    result = _result(payload)
    rows, cursor = rows_of(EXCHANGE, result.get("list")), result.get("nextPageCursor")
    if not cursor:
        return rows, None
    if not isinstance(cursor, str) or not cursor.isascii() or len(cursor) > LONGEST_CURSOR:
        raise BadPayload(EXCHANGE)
    return rows, quote(cursor, safe="%")


def parse_instruments(rows: Sequence[Row], contract_type: ContractType) -> Sequence[Instrument]:
    """Parse the rows of all pages of `instruments-info`: perpetuals and dated contracts that are
    in the state Trading.
    """
    return listing(EXCHANGE, rows, partial(_instrument, contract_type))


def _instrument(contract_type: ContractType, row: Row) -> Instrument | None:
    # A perpetual with a deliveryTime is one that will be delisted: until then it is Trading.
    kind = row.get("contractType")
    dated = kind == _DATED[contract_type]
    delivered = as_time(row.get("deliveryTime")) if dated else None
    if row.get("status") != "Trading" or (delivered is None and kind != _PERPETUAL[contract_type]):
        return None
    price, lot, leverage = (
        _inner(row, name) for name in ("priceFilter", "lotSizeFilter", "leverageFilter")
    )
    symbol, base = as_text(row.get("symbol")), as_asset(row.get("baseCoin"))
    quote_asset, settle = as_asset(row.get("quoteCoin")), as_asset(row.get("settleCoin"))
    tick, step = as_positive(price.get("tickSize")), as_positive(lot.get("qtyStep"))
    if not (symbol and base and quote_asset and settle and tick and step):
        return None
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote_asset,
        settle=settle,
        contract_type=contract_type,
        contract_size=Decimal(1),  # quantities are in base (linear) or in USD (inverse)
        tick_size=tick,
        lot_size=step,
        min_quantity=as_positive(lot.get("minOrderQty")) or step,
        max_leverage=as_positive(leverage.get("maxLeverage")),
        margin_modes=_MARGIN_MODES,
        expires_at=delivered,
        dated=dated,
    )


def parse_tickers(payload: object, contract_type: ContractType) -> Sequence[Ticker]:
    """Parse `tickers` of one category.

    Linear: `turnover24h` is in the quote asset. Inverse: that is the base, and `volume24h` counts
    contracts of 1 USD.
    """
    field = "turnover24h" if contract_type is ContractType.LINEAR else "volume24h"

    def ticker(row: Row) -> Ticker | None:
        symbol = as_text(row.get("symbol"))
        price, volume = as_positive(row.get("lastPrice")), as_decimal(row.get(field))
        return Ticker(symbol, price, volume) if symbol else None

    return listing(EXCHANGE, rows_of(EXCHANGE, _result(payload).get("list")), ticker)


def parse_key(payload: object) -> CredentialReport:
    """Parse `query-api`: flag, permissions, addresses, expiry and account of the key in use.

    The permission arrays stay filled on a read-only key: `readOnly` decides. An `expiredAt` of 1970
    (with a negative `deadlineDay`) means that the key does not expire.
    """
    key = _result(payload)
    read_only, lists = key.get("readOnly"), key.get("permissions")
    if as_text(read_only) is None and not isinstance(lists, dict):
        raise BadPayload(EXCHANGE)
    granted: Row = lists if isinstance(lists, dict) else {}
    contract = _granted(granted.get("ContractTrade"), "Order", _CONTRACT_WORDS)
    derivatives = _granted(granted.get("Derivatives"), "DerivativesTrade", _DERIVATIVES_WORDS)
    permissions = Permissions(
        read=PermissionAnswer.YES,
        trade=_may_write(read_only, _either(contract, derivatives)),
        withdraw=_may_write(read_only, _granted(granted.get("Wallet"), _WITHDRAW, _WALLET_WORDS)),
        ip_restricted=_restricted(key.get("ips")),
    )
    return CredentialReport(
        permissions=permissions,
        expires_at=as_moment(key.get("expiredAt")),
        exchange_account=_account(key),
    )


def _result(payload: object) -> Row:
    return object_of(EXCHANGE, object_of(EXCHANGE, payload).get("result"))


def _inner(row: Row, name: str) -> Row:
    value: Any = row.get(name)
    return value if isinstance(value, dict) else {}


def _granted(permissions: object, word: str, others: frozenset[str]) -> PermissionAnswer:
    if not isinstance(permissions, list):
        return PermissionAnswer.UNKNOWN
    if word in permissions:
        return PermissionAnswer.YES
    # Beside a word that we do not know, the absence of a known one proves nothing.
    known = all(isinstance(item, str) and item in others for item in permissions)
    return PermissionAnswer.NO if known else PermissionAnswer.UNKNOWN


def _either(one: PermissionAnswer, other: PermissionAnswer) -> PermissionAnswer:
    if PermissionAnswer.YES in {one, other}:
        return PermissionAnswer.YES
    return PermissionAnswer.NO if one is other is PermissionAnswer.NO else PermissionAnswer.UNKNOWN


def _may_write(read_only: object, granted: PermissionAnswer) -> PermissionAnswer:
    match as_text(read_only):
        case "1":
            return PermissionAnswer.NO
        case "0":
            return granted
        case _:
            return (
                PermissionAnswer.NO if granted is PermissionAnswer.NO else PermissionAnswer.UNKNOWN
            )


def _restricted(addresses: object) -> PermissionAnswer:
    if not isinstance(addresses, list):
        return PermissionAnswer.UNKNOWN
    found = {address for address in addresses if isinstance(address, str) and address}
    if addresses and not found:
        return PermissionAnswer.UNKNOWN
    return PermissionAnswer.NO if found <= {"*"} else PermissionAnswer.YES


def _account(key: Row) -> str | None:
    accounts = (as_text(key.get(name)) for name in ("userID", "userIDInt64"))
    return next((account for account in accounts if account not in {None, "0"}), None)


# --- errors

# What an order or a loan may meet, but no check: it says nothing about the key.
_OF_ORDERS = ("110065", "140065", "170224", "175010", "176035", "176036", "30011", "30012", "30013")
# The account is not one that may trade like this: not unified, not identified, or restricted.
_OF_THE_ACCOUNT = (
    *("10008", "10020", "10024", "10027", "10028", "100028", "131004", "170201", "176037"),
    *("110067", "110068", "110069", "140067", "140068", "140069"),
)
EXACT_ERRORS: Mapping[str, Verdict] = {
    **dict.fromkeys(_OF_ORDERS, Refused),
    **dict.fromkeys(_OF_THE_ACCOUNT, AccountRefused),
    "-2015": Unclear(
        (RefusalReason.INVALID_KEY, RefusalReason.IP_NOT_ALLOWED, RefusalReason.PERMISSION)
    ),
    "10000": Unreachable,  # the server's own time-out
    "10002": ClockSkew,
    "10003": InvalidKey,  # also for a key of another environment
    "10004": BadSignature,
    "10005": PermissionRefused,
    "10006": RateLimited,  # of the key
    "10007": Unclear((RefusalReason.INVALID_KEY, RefusalReason.BAD_SIGNATURE)),
    "10009": AddressRefused,  # our country or address is not served
    "10010": IpNotAllowed,
    "10016": Unreachable,
    "10018": RateLimited,  # of the address
    "10029": PermissionRefused,  # a symbol that the key's list does not have
    "33004": KeyExpired,
}
ERROR_TEXTS: Sequence[tuple[str, Verdict]] = (
    ("too many visits", RateLimited),
    ("invalid api_key", InvalidKey),
    ("sign params error", BadSignature),
)
_TOO_FREQUENT = b"too frequent"


# --- adapter


class BybitAdapter(RestAdapter):
    exchange: ClassVar[str] = EXCHANGE
    regions: ClassVar[frozenset[str]] = frozenset({*REGIONS, DEMO})
    hosts: ClassVar[HostTable] = HOSTS
    rate: ClassVar[Rate] = Rate(50, 5.0)  # 600 in 5 s for all callers behind one address
    exact_errors: ClassVar[Mapping[str, Verdict]] = EXACT_ERRORS
    error_texts: ClassVar[Sequence[tuple[str, Verdict]]] = ERROR_TEXTS

    def _endpoints(self, market: Market) -> Endpoints:
        hosts, suffix = self._hosts[market.environment], _suffix(market)
        return Endpoints(hosts.get(f"rest{suffix}"), hosts.get(f"websocket{suffix}"))

    async def _instruments(self, market: Market) -> Sequence[Instrument]:
        host = self._rest(market)
        first = target = _INSTRUMENTS.format(category=market.contract_type)
        deadline = Deadline(LISTING_SECONDS)
        rows: list[Row] = []
        asked: set[str] = set()
        while target not in asked and len(asked) < MOST_PAGES:
            asked.add(target)
            page, cursor = parse_page(await self._call(host, target, deadline=deadline))
            rows += page
            if cursor is None:
                return await self._parse(parse_instruments, rows, market.contract_type)
            target = f"{first}&cursor={cursor}"
        raise BadPayload(EXCHANGE)  # pages without an end

    async def _tickers(self, market: Market) -> Sequence[Ticker]:
        target = _TICKERS.format(category=market.contract_type)
        return await self._parse(
            parse_tickers, await self._call(self._rest(market), target), market.contract_type
        )

    async def _check(
        self, credentials: Credentials, market: Market, deadline: Deadline
    ) -> CredentialReport:
        auth = BybitAuth(credentials, self._clock)
        return parse_key(await self._call(self._rest(market), _KEY, auth=auth, deadline=deadline))

    def _rest(self, market: Market) -> str:
        return self.host(market.environment, f"rest{_suffix(market)}")

    def _by_status(self, answer: HttpAnswer, *, signed: bool, code: str | None) -> ExchangeError:
        """Return the error: a 403 that mentions frequency bans the address, any other a country."""
        if answer.status == 403 and _TOO_FREQUENT in answer.body.lower():
            return RateLimited(EXCHANGE, retry_after=BAN_SECONDS, code=code, status=403)
        return super()._by_status(answer, signed=signed, code=code)

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Read `Retry-After`, or the time in milliseconds at which a key's limit is full again."""
        stated = super().retry_after(headers)
        reset = as_decimal(headers.get("x-bapi-limit-reset-timestamp"))
        if stated is not None or reset is None:
            return stated
        seconds = float(reset - milliseconds(self._clock())) / 1000
        return min(seconds, BAN_SECONDS) if seconds > 0 else None

    def error_of(self, payload: object) -> tuple[str, str] | None:
        """Read `{"retCode": 10003, "retMsg": "…", "result": {}}`, nearly always with HTTP 200."""
        if not isinstance(payload, dict) or "retCode" not in payload:
            return None
        code, message = as_text(payload["retCode"]), payload.get("retMsg")
        if code == "0":
            return None
        return code or "", message if isinstance(message, str) else ""


def _suffix(market: Market) -> str:
    """Return the suffix of a host's name; the testnet is one site for all regions but `demo`."""
    testnet = market.environment is Environment.TESTNET and market.region != DEMO
    return "" if testnet or market.region in {None, GLOBAL} else f"_{market.region}"
