"""BitMEX: linear and inverse perpetuals on one host. The exchange closed on 2026-09-23.

No host is set: the former ones (www.bitmex.com, testnet.bitmex.com) do not answer, and someone who
wants to receive signed requests could take over an abandoned domain. With a host in the settings,
of a successor or of the simulator, everything works again.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import ClassVar

from botkeys.exchanges.base import Clock, Market, RestAdapter, Unclear, Verdict
from botkeys.exchanges.errors import (
    AccountRefused,
    BadPayload,
    BadSignature,
    ClockSkew,
    InvalidKey,
    RateLimited,
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
    as_leverage,
    as_moment,
    as_positive,
    as_text,
    listing,
    milliseconds,
    rows_of,
)
from botkeys.transport.client import Auth, AuthFlow, Deadline, Rate, Request, target_of

# --- constants

EXCHANGE = "bitmex"
EXPIRES_SECONDS = 15  # how long a signature is valid

# Names: rest for everything, websocket for bots.
HOSTS: HostTable = {
    Environment.LIVE: {"rest": None, "websocket": None},
    Environment.TESTNET: {"rest": None, "websocket": None},
}

_INSTRUMENTS = "/api/v1/instrument/active"
_KEYS = "/api/v1/apiKey"
_PERPETUAL = frozenset({"FFWCSX", "FFSCSX"})  # on coins, and on stocks and other indices
_DATED = "FFCCSX"
_MINOR_UNITS = {"XBt": 10**8, "USDt": 10**6}  # of the assets in which contracts settle
_MARGIN_MODES = (MarginMode.CROSS, MarginMode.ISOLATED)
_PERMISSIONS = frozenset({"order", "orderCancel", "withdraw"})
_ANYWHERE = frozenset({"0.0.0.0/0", "::/0"})


# --- signing


class BitmexAuth(Auth):
    """hex(HMAC-SHA256(secret, method + path with query + expires + body)).

    `expires` is a moment in the future, in whole seconds.
    """

    def __init__(
        self, credentials: Credentials, clock: Clock, expires_seconds: int = EXPIRES_SECONDS
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._expires_seconds = expires_seconds

    def auth_flow(self, request: Request) -> AuthFlow:
        expires = str(milliseconds(self._clock()) // 1000 + self._expires_seconds)
        text = f"{request.method}{target_of(request)}{expires}".encode("ascii") + request.content
        secret = self._credentials.api_secret.reveal().encode()
        request.headers["api-key"] = self._credentials.api_key.reveal()
        request.headers["api-expires"] = expires
        request.headers["api-signature"] = hmac.new(secret, text, hashlib.sha256).hexdigest()
        yield request


# --- parsing


def parse_instruments(payload: object, contract_type: ContractType) -> Sequence[Instrument]:
    """Parse `instrument/active`: open perpetuals and dated contracts of one contract type; quanto
    ones are neither.
    """
    return listing(EXCHANGE, rows_of(EXCHANGE, payload), partial(_instrument, contract_type))


def _instrument(contract_type: ContractType, row: Row) -> Instrument | None:
    kind, ends = as_text(row.get("typ")), row.get("expiry")
    delivered = as_moment(ends) if kind == _DATED else None
    if row.get("state") != "Open" or (delivered is None and (kind not in _PERPETUAL or ends)):
        return None
    symbol, base = as_text(row.get("symbol")), as_asset(row.get("underlying"))
    quote, settle = as_asset(row.get("quoteCurrency")), as_asset(row.get("settlCurrency"))
    tick, lot = as_positive(row.get("tickSize")), as_positive(row.get("lotSize"))
    if not (symbol and base and quote and settle and tick and lot):
        return None
    if _contract_type(row, base, quote, settle) is not contract_type:
        return None
    size = _contract_size(row, contract_type)
    if size is None:
        return None
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        settle=settle,
        contract_type=contract_type,
        contract_size=size,
        tick_size=tick,
        lot_size=lot,
        min_quantity=lot,
        max_leverage=as_leverage(row.get("initMargin")),
        margin_modes=_MARGIN_MODES,
        expires_at=delivered,
        dated=delivered is not None,
    )


def _contract_type(row: Row, base: str, quote: str, settle: str) -> ContractType | None:
    """Return the contract type by the two flags; the assets only confirm them."""
    flags = (row.get("isInverse"), row.get("isQuanto"))
    if flags == (True, False) and settle == base:
        return ContractType.INVERSE
    if flags == (False, False) and settle == quote:
        return ContractType.LINEAR
    return None


def _contract_size(row: Row, contract_type: ContractType) -> Decimal | None:
    """Return the base amount (linear) or quote amount (inverse) of one contract.

    `multiplier` is the value of a contract in minor units of the settle asset, per price point
    (linear) or per 1/price (inverse, negative); linear contracts also state it directly.
    """
    per_base = as_positive(row.get("underlyingToPositionMultiplier"))
    if contract_type is ContractType.LINEAR and per_base is not None:
        return 1 / per_base
    currency, multiplier = row.get("settlCurrency"), as_decimal(row.get("multiplier"))
    minor = _MINOR_UNITS.get(currency) if isinstance(currency, str) else None
    return abs(multiplier) / minor if multiplier and minor else None


def parse_tickers(payload: object) -> Sequence[Ticker]:
    """Parse the same rows: `foreignNotional24h` is in the quote asset for every contract."""

    def ticker(row: Row) -> Ticker | None:
        symbol = as_text(row.get("symbol"))
        if symbol is None or as_text(row.get("typ")) not in _PERPETUAL:
            return None
        volume = as_decimal(row.get("foreignNotional24h"))
        return Ticker(symbol, as_positive(row.get("lastPrice")), volume)

    return listing(EXCHANGE, rows_of(EXCHANGE, payload), ticker)


def parse_keys(payload: object, api_key: str) -> CredentialReport:
    """Parse `apiKey`: all keys of the user; ours is the one with the id in use.

    The call itself proves that the key can read. If ours is not listed, the rest is unknown.
    """
    keys = [row for row in rows_of(EXCHANGE, payload) if as_text(row.get("id"))]
    if not keys:
        raise BadPayload(EXCHANGE)
    ours = next((row for row in keys if row["id"] == api_key), None)
    if ours is None:
        return CredentialReport(Permissions(read=PermissionAnswer.YES))
    trade, withdraw = _granted(ours, "order"), _granted(ours, "withdraw")
    enabled = ours.get("enabled")
    if enabled is False:
        trade = PermissionAnswer.NO
    elif enabled is not True and trade is PermissionAnswer.YES:
        trade = PermissionAnswer.UNKNOWN
    return CredentialReport(
        permissions=Permissions(PermissionAnswer.YES, trade, withdraw, _restricted(ours)),
        exchange_account=as_text(ours.get("userId")),
    )


def _granted(key: Row, permission: str) -> PermissionAnswer:
    granted = key.get("permissions")
    if not isinstance(granted, list):
        return PermissionAnswer.UNKNOWN
    if permission in granted:
        return PermissionAnswer.YES
    # Beside a word that we do not know, the absence of a known one proves nothing.
    known = all(isinstance(word, str) and word in _PERMISSIONS for word in granted)
    return PermissionAnswer.NO if known else PermissionAnswer.UNKNOWN


def _restricted(key: Row) -> PermissionAnswer:
    several = key.get("cidrs")
    listed = [key.get("cidr"), *(several if isinstance(several, list) else [])]
    found = {address for address in listed if isinstance(address, str) and address}
    if not found:
        return PermissionAnswer.UNKNOWN
    return PermissionAnswer.NO if found & _ANYWHERE else PermissionAnswer.YES


# --- errors

EXACT_ERRORS: Mapping[str, Verdict] = {"RateLimitError": RateLimited}
ERROR_TEXTS: Sequence[tuple[str, Verdict]] = (
    ("invalid api key", InvalidKey),
    ("signature not valid", BadSignature),
    ("request has expired", ClockSkew),
    ("key is disabled", Unclear()),
    ("account is restricted", AccountRefused),
    ("new traders to verify", AccountRefused),
    ("access denied", Unclear((RefusalReason.IP_NOT_ALLOWED, RefusalReason.PERMISSION))),
    ("rate limit exceeded", RateLimited),
    ("currently overloaded", Unreachable),
)


# --- adapter


class BitmexAdapter(RestAdapter):
    exchange: ClassVar[str] = EXCHANGE
    hosts: ClassVar[HostTable] = HOSTS
    # Signed 120 a minute and user; public 30 a minute and address, see `spent`.
    rate: ClassVar[Rate] = Rate(10, 5.0)
    exact_errors: ClassVar[Mapping[str, Verdict]] = EXACT_ERRORS
    error_texts: ClassVar[Sequence[tuple[str, Verdict]]] = ERROR_TEXTS

    def _endpoints(self, market: Market) -> Endpoints:
        hosts = self._hosts[market.environment]
        return Endpoints(hosts["rest"], hosts["websocket"])

    async def _instruments(self, market: Market) -> Sequence[Instrument]:
        payload = await self._call(self.host(market.environment, "rest"), _INSTRUMENTS)
        return await self._parse(parse_instruments, payload, market.contract_type)

    async def _tickers(self, market: Market) -> Sequence[Ticker]:
        return await self._parse(
            parse_tickers, await self._call(self.host(market.environment, "rest"), _INSTRUMENTS)
        )

    async def _check(
        self, credentials: Credentials, market: Market, deadline: Deadline
    ) -> CredentialReport:
        auth = BitmexAuth(credentials, self._clock)
        host = self.host(market.environment, "rest")
        payload = await self._call(host, _KEYS, auth=auth, deadline=deadline)
        return parse_keys(payload, credentials.api_key.reveal())

    def spent(self, headers: Mapping[str, str]) -> float | None:
        """Read `x-ratelimit-remaining`, and the Unix time at which it is full again."""
        remaining = as_decimal(headers.get("x-ratelimit-remaining"))
        reset = as_decimal(headers.get("x-ratelimit-reset"))
        if remaining is None or remaining > 0 or reset is None:
            return None
        seconds = float(reset) - self._clock().timestamp()
        return seconds if seconds > 0 else None

    def error_of(self, payload: object) -> tuple[str, str] | None:
        """Read `{"error": {"message": "Invalid API Key.", "name": "HTTPError"}}`."""
        if not isinstance(payload, dict) or "error" not in payload:
            return None
        error = payload["error"]
        error = error if isinstance(error, dict) else {}
        message = error.get("message")
        return as_text(error.get("name")) or "", message if isinstance(message, str) else ""
