"""KuCoin futures (classic API): linear and inverse perpetuals; permissions on the account host.

There has been no test environment since 2023: its hosts are empty unless the settings name some.
"""

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from botkeys.exchanges.base import Clock, Context, Market, RestAdapter, Unclear, Verdict
from botkeys.exchanges.errors import (
    AccountRefused,
    BadPayload,
    BadSignature,
    ClockSkew,
    InvalidKey,
    IpNotAllowed,
    PassphraseRefused,
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
    as_positive,
    as_text,
    as_time,
    listing,
    milliseconds,
    object_of,
    rows_of,
)
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Auth, AuthFlow, Deadline, Rate, Request, target_of

# --- constants

EXCHANGE = "kucoin"

# Names: rest for market data, rest_account for the permissions of a key, websocket for bots. There
# is no fixed websocket address: bots ask rest for one with POST /api/v1/bullet-public or -private.
HOSTS: HostTable = {
    Environment.LIVE: {
        "rest": "https://api-futures.kucoin.com",
        "rest_account": "https://api.kucoin.com",
        "websocket": None,
    },
    Environment.TESTNET: {"rest": None, "rest_account": None, "websocket": None},
}

_INSTRUMENTS = "/api/v1/contracts/active"
_KEY = "/api/v1/user/api-key"
_SUCCESS = "200000"
_LISTING_WEIGHT = 3
_PERPETUAL, _DATED = "FFWCSX", "FFICSX"
_BOTH_MODES = (MarginMode.CROSS, MarginMode.ISOLATED)
_ISOLATED = (MarginMode.ISOLATED,)
_TRADE = "futures"
_WITHDRAW = frozenset({"transfer", "withdrawal"})  # move funds out of the account
_OTHER_WORDS = frozenset({"general", "spot", "margin", "innertransfer", "flextransfers", "earn"})
_NEWEST_VERSION, _OLDER_VERSION = "3", "2"  # of keys: same signature, different header
_REMEMBERED = 1000


# --- signing


class KucoinAuth(Auth):
    """Signs base64(HMAC-SHA256(secret, time + method + path with query + body)).

    It sends base64(HMAC-SHA256(secret, passphrase)), never the passphrase.
    """

    def __init__(
        self, credentials: Credentials, clock: Clock, version: str = _NEWEST_VERSION
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._version = version

    def auth_flow(self, request: Request) -> AuthFlow:
        stamp = str(milliseconds(self._clock()))
        text = f"{stamp}{request.method}{target_of(request)}".encode("ascii") + request.content
        passphrase = self._credentials.api_passphrase
        word = passphrase.reveal().encode() if passphrase else b""
        request.headers["KC-API-KEY"] = self._credentials.api_key.reveal()
        request.headers["KC-API-KEY-VERSION"] = self._version
        request.headers["KC-API-TIMESTAMP"] = stamp
        request.headers["KC-API-SIGN"] = _digest(self._credentials.api_secret, text)
        request.headers["KC-API-PASSPHRASE"] = _digest(self._credentials.api_secret, word)
        yield request


def _digest(secret: Secret, text: bytes) -> str:
    raw = hmac.new(secret.reveal().encode(), text, hashlib.sha256).digest()
    return base64.b64encode(raw).decode("ascii")


class _OlderKeys:
    """The keys found to be of the older version, known by a salted hash only."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(16)
        self._found: OrderedDict[bytes, None] = OrderedDict()

    def _mark(self, api_key: Secret) -> bytes:
        return hashlib.blake2b(api_key.reveal().encode(), key=self._salt).digest()

    def version(self, api_key: Secret) -> str:
        return _OLDER_VERSION if self._mark(api_key) in self._found else _NEWEST_VERSION

    def remember(self, api_key: Secret) -> None:
        self._found[self._mark(api_key)] = None
        if len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)


# --- parsing


def parse_instruments(payload: object, contract_type: ContractType) -> Sequence[Instrument]:
    """Parse `contracts/active`: open perpetuals and dated contracts of one contract type."""
    return listing(EXCHANGE, _rows(payload), partial(_instrument, contract_type))


def _instrument(contract_type: ContractType, row: Row) -> Instrument | None:
    # isQuanto is true for ordinary contracts too and means nothing.
    inverse = contract_type is ContractType.INVERSE
    delivered = as_time(row.get("expireDate")) if row.get("type") == _DATED else None
    if row.get("status") != "Open" or row.get("isInverse") is not inverse:
        return None
    if delivered is None and not _perpetual(row):
        return None
    symbol, base = as_text(row.get("symbol")), as_asset(row.get("baseCurrency"))
    quote, settle = as_asset(row.get("quoteCurrency")), as_asset(row.get("settleCurrency"))
    multiplier = as_decimal(row.get("multiplier"))  # -1 for inverse contracts: 1 USD each
    tick, lot = as_positive(row.get("tickSize")), as_positive(row.get("lotSize"))
    if not (symbol and base and quote and settle and multiplier and tick and lot):
        return None
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        settle=settle,
        contract_type=contract_type,
        contract_size=abs(multiplier),
        tick_size=tick,
        lot_size=lot,
        min_quantity=lot,
        max_leverage=as_positive(row.get("maxLeverage")),
        margin_modes=_BOTH_MODES if row.get("supportCross") is True else _ISOLATED,
        expires_at=delivered,
        dated=delivered is not None,
    )


def _perpetual(row: Row) -> bool:
    return row.get("type") == _PERPETUAL and row.get("expireDate") is None


def parse_tickers(payload: object) -> Sequence[Ticker]:
    """Parse the same rows.

    Linear: `turnoverOf24h` is in quote. Inverse: it is in base, and `volumeOf24h` is in USD.
    """

    def ticker(row: Row) -> Ticker | None:
        symbol, inverse = as_text(row.get("symbol")), row.get("isInverse")
        if symbol is None or not isinstance(inverse, bool) or not _perpetual(row):
            return None
        volume = as_decimal(row.get("volumeOf24h" if inverse else "turnoverOf24h"))
        return Ticker(symbol, as_positive(row.get("lastTradePrice")), volume)

    return listing(EXCHANGE, _rows(payload), ticker)


def parse_key(payload: object) -> CredentialReport:
    """Parse `user/api-key`: permissions, addresses and account of the key in use.

    The call itself proves the permission General, which allows reading.
    """
    key = object_of(EXCHANGE, object_of(EXCHANGE, payload).get("data"))
    permissions = key.get("permission")
    if not isinstance(permissions, str):
        raise BadPayload(EXCHANGE)
    granted = frozenset(word.lower() for part in permissions.split(",") if (word := part.strip()))
    # Beside a word that we do not know, the absence of a known one proves nothing.
    known = granted and granted <= _OTHER_WORDS | _WITHDRAW | {_TRADE}
    absent = PermissionAnswer.NO if known else PermissionAnswer.UNKNOWN
    return CredentialReport(
        permissions=Permissions(
            read=PermissionAnswer.YES,
            trade=PermissionAnswer.YES if _TRADE in granted else absent,
            withdraw=PermissionAnswer.YES if granted & _WITHDRAW else absent,
            ip_restricted=_restricted(key.get("ipWhitelist")),
        ),
        exchange_account=as_text(key.get("uid")),
    )


def _restricted(addresses: object) -> PermissionAnswer:
    """Return whether the key is bound; absent, empty or null: any address may use it."""
    if addresses is None or isinstance(addresses, str):
        return PermissionAnswer.YES if addresses and addresses.strip(", ") else PermissionAnswer.NO
    return PermissionAnswer.UNKNOWN


def _rows(payload: object) -> list[Row]:
    return rows_of(EXCHANGE, object_of(EXCHANGE, payload).get("data"))


# --- errors

# A header is missing, or the account is not logged in: without the cause.
_INDISTINCT = Unclear((RefusalReason.INVALID_KEY, RefusalReason.BAD_SIGNATURE))
# The account is frozen, restricted, not identified, or not of the kind that the call is for.
_OF_THE_ACCOUNT = ("112010", "126005", "126047", "126048", "130201", "130302", "400303", "411100")
EXACT_ERRORS: Mapping[str, Verdict] = {
    **dict.fromkeys(("401", "400001", "400401"), _INDISTINCT),
    **dict.fromkeys(_OF_THE_ACCOUNT, AccountRefused),
    "101030": Refused,  # margin trading, which is not what we check
    "400002": ClockSkew,
    "400003": InvalidKey,
    "400004": PassphraseRefused,
    "400005": BadSignature,
    "400006": IpNotAllowed,
    "400007": PermissionRefused,
    "429000": RateLimited,
    "500000": Unreachable,
    "503000": Unreachable,  # maintenance
}
ERROR_TEXTS: Sequence[tuple[str, Verdict]] = (
    ("too many requests", RateLimited),
    ("require more permission", PermissionRefused),
)


# --- adapter


class KucoinAdapter(RestAdapter):
    exchange: ClassVar[str] = EXCHANGE
    hosts: ClassVar[HostTable] = HOSTS
    # 2000 units in 30 s; the listing costs the address 3, and a check the key 20.
    rate: ClassVar[Rate] = Rate(10, 1.0)
    exact_errors: ClassVar[Mapping[str, Verdict]] = EXACT_ERRORS
    error_texts: ClassVar[Sequence[tuple[str, Verdict]]] = ERROR_TEXTS

    def __init__(self, context: Context, hosts: HostTable | None = None) -> None:
        super().__init__(context, hosts)
        self._older = _OlderKeys()

    def tells_withdrawal(self, environment: Environment, region: str | None) -> bool:
        """Return whether the host that answers about permissions exists."""
        del region  # there are none
        return self._hosts[environment]["rest_account"] is not None

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
        """Check; after a refused passphrase, check again as a key of the older version."""
        version = self._older.version(credentials.api_key)
        try:
            return await self._ask(credentials, version, market, deadline)
        except PassphraseRefused:
            if version == _OLDER_VERSION:
                raise
        report = await self._ask(credentials, _OLDER_VERSION, market, deadline)
        self._older.remember(credentials.api_key)
        return report

    async def _ask(
        self, credentials: Credentials, version: str, market: Market, deadline: Deadline
    ) -> CredentialReport:
        host = self.host(market.environment, "rest_account")
        auth = KucoinAuth(credentials, self._clock, version)
        return parse_key(await self._call(host, _KEY, auth=auth, deadline=deadline))

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Read `Retry-After`, or the milliseconds of `gw-ratelimit-reset`."""
        stated, reset = super().retry_after(headers), as_positive(headers.get("gw-ratelimit-reset"))
        return float(reset) / 1000 if stated is None and reset is not None else stated

    def spent(self, headers: Mapping[str, str]) -> float | None:
        """Read `gw-ratelimit-remaining`, full again after `gw-ratelimit-reset` milliseconds."""
        remaining = as_decimal(headers.get("gw-ratelimit-remaining"))
        reset = as_positive(headers.get("gw-ratelimit-reset"))
        if remaining is None or remaining >= _LISTING_WEIGHT or reset is None:
            return None
        return float(reset) / 1000

    def error_of(self, payload: object) -> tuple[str, str] | None:
        """Read `{"code": "400003", "msg": "…"}`; success has the code 200000."""
        if not isinstance(payload, dict) or "code" not in payload:
            return None
        code, message = as_text(payload["code"]), payload.get("msg")
        if code == _SUCCESS or (message is None and code not in EXACT_ERRORS):
            return None
        return code or "", message if isinstance(message, str) else ""
