"""OKX (V5): linear and inverse swaps on one host; demo trading is a header, regions are hosts.

Perpetuals of the region eea are X-Perps: futures of the rule `xperp`, which expire years from now.
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar

from botkeys.exchanges.base import Clock, Market, RestAdapter, Unclear, Verdict
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
    WrongEnvironment,
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
    object_of,
    rows_of,
)
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Auth, AuthFlow, Deadline, Rate, Request, target_of

# --- constants

EXCHANGE = "okx"
GLOBAL, EEA, US = "global", "eea", "us"

# Names: rest and websocket for the global host, with _eea and _us for the other regions; bots
# append /public, /private or /business. Live and demo share their REST hosts.
_REST = {
    "rest": "https://www.okx.com",
    "rest_eea": "https://eea.okx.com",
    "rest_us": "https://us.okx.com",
}
HOSTS: HostTable = {
    Environment.LIVE: {
        **_REST,
        "websocket": "wss://ws.okx.com:8443/ws/v5",
        "websocket_eea": "wss://wseea.okx.com:8443/ws/v5",
        "websocket_us": "wss://wsus.okx.com:8443/ws/v5",
    },
    Environment.TESTNET: {
        **_REST,
        "websocket": "wss://wspap.okx.com:8443/ws/v5",
        "websocket_eea": "wss://wseeapap.okx.com:8443/ws/v5",
        "websocket_us": "wss://wsuspap.okx.com:8443/ws/v5",
    },
}

_INSTRUMENTS = "/api/v5/public/instruments?instType="
_TICKERS = "/api/v5/market/tickers?instType="
_SWAP, _FUTURES, _XPERP = "SWAP", "FUTURES", "xperp"
# Swaps may not be traded in eea; us lists whichever its accounts have. Elsewhere futures are the
# dated contracts, which are listed for the trades of them.
_PERPETUALS = {EEA: (_FUTURES,), US: (_SWAP, _FUTURES)}
_LISTED = {EEA: (_FUTURES,)}
_ACCOUNT = "/api/v5/account/config"
_DEMO = {"x-simulated-trading": "1"}
_SUFFIXES = {None: "", GLOBAL: "", EEA: "_eea", US: "_us"}
_MARGIN_MODES = (MarginMode.CROSS, MarginMode.ISOLATED)
_TYPES = frozenset(contract_type.value for contract_type in ContractType)
_PERMISSIONS = frozenset({"read_only", "trade", "withdraw"})
_SPOT_MODE = "1"  # acctLv: an account in spot mode cannot trade swaps
_SWAP_MODES = frozenset({"2", "3", "4"})


# --- signing


class OkxAuth(Auth):
    """Signs base64(HMAC-SHA256(secret, time + method + path + body)); the passphrase is plain."""

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock

    def auth_flow(self, request: Request) -> AuthFlow:
        stamp = stamp_of(self._clock())
        text = f"{stamp}{request.method}{target_of(request)}".encode("ascii") + request.content
        passphrase = self._credentials.api_passphrase
        request.headers["OK-ACCESS-KEY"] = self._credentials.api_key.reveal()
        request.headers["OK-ACCESS-SIGN"] = sign(self._credentials.api_secret, text)
        request.headers["OK-ACCESS-TIMESTAMP"] = stamp
        request.headers["OK-ACCESS-PASSPHRASE"] = passphrase.reveal() if passphrase else ""
        yield request


def stamp_of(moment: datetime) -> str:
    """Return the time as OKX's headers carry it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sign(secret: Secret, message: bytes) -> str:
    digest = hmac.new(secret.reveal().encode(), message, hashlib.sha256).digest()
    return base64.b64encode(digest).decode("ascii")


# --- parsing


def parse_instruments(
    payload: object,
    contract_type: ContractType,
    *,
    may_be_empty: bool = False,
    x_perps: bool = True,
) -> Sequence[Instrument]:
    """Parse `public/instruments`: live swaps, X-Perps and dated contracts of one contract type.

    `may_be_empty`: none is an answer, if every row can be read as something else. `x_perps`:
    whether they are traded in this region.
    """
    rows = rows_of(EXCHANGE, object_of(EXCHANGE, payload).get("data"))
    if not x_perps:
        rows = [row for row in rows if row.get("ruleType") != _XPERP]
    empty_is_true = may_be_empty and all(_is_other(contract_type, row) for row in rows)
    parse = partial(_instrument, contract_type)
    return listing(EXCHANGE, rows, parse, may_be_empty=empty_is_true)


def _is_perpetual(row: Row) -> bool:
    kind = row.get("instType")
    return kind == _SWAP or (kind == _FUTURES and row.get("ruleType") == _XPERP)


def _is_dated(row: Row) -> bool:
    rule = row.get("ruleType")
    return row.get("instType") == _FUTURES and isinstance(rule, str) and rule != _XPERP


def _is_other(contract_type: ContractType, row: Row) -> bool:
    """Return whether a row is readable as a contract of the other type, or as a dated one."""
    kind, written = row.get("instType"), row.get("ctType")
    other = kind in {_SWAP, _FUTURES} and written in _TYPES - {contract_type.value}
    return other or _is_dated(row)


def _instrument(contract_type: ContractType, row: Row) -> Instrument | None:
    # ctType decides between linear and inverse: quote and settle mislead (BTC-USD_UM-SWAP).
    dated, ends = _is_dated(row), as_time(row.get("expTime"))
    if not _is_perpetual(row) and not (dated and ends):
        return None
    if (row.get("state"), row.get("ctType")) != ("live", contract_type.value):
        return None
    symbol, settle = as_text(row.get("instId")), as_asset(row.get("settleCcy"))
    base, quote = _pair(row)
    value, multiplier = as_positive(row.get("ctVal")), as_positive(row.get("ctMult") or "1")
    tick, lot = as_positive(row.get("tickSz")), as_positive(row.get("lotSz"))
    if not (symbol and settle and base and quote and value and multiplier and tick and lot):
        return None
    counted_in = as_asset(row.get("ctValCcy"))
    if counted_in != (base if contract_type is ContractType.LINEAR else quote):
        return None  # a contract whose size is in another unit
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        settle=settle,
        contract_type=contract_type,
        contract_size=value * multiplier,
        tick_size=tick,
        lot_size=lot,
        min_quantity=as_positive(row.get("minSz")) or lot,
        max_leverage=as_positive(row.get("lever")),
        margin_modes=_MARGIN_MODES,
        expires_at=ends,
        dated=dated,
    )


def _pair(row: Row) -> tuple[str | None, str | None]:
    """Return base and quote from `uly`: `baseCcy` and `quoteCcy` are empty for contracts.

    A quote may carry its margining (`USD_UM`), which is not part of the asset's name.
    """
    base, _, quote = (as_text(row.get("uly")) or as_text(row.get("instFamily")) or "").partition(
        "-"
    )
    return as_asset(base), as_asset(quote.partition("_")[0])


def parse_tickers(payload: object, symbols: frozenset[str]) -> Sequence[Ticker]:
    """Parse `market/tickers`, for the given symbols.

    `volCcy24h` counts base coins for linear and inverse alike: times the last price, it is the
    quote volume. `vol24h` counts contracts and is not used.
    """

    def ticker(row: Row) -> Ticker | None:
        symbol = as_text(row.get("instId"))
        if symbol is None or symbol not in symbols:
            return None
        price, coins = as_positive(row.get("last")), as_decimal(row.get("volCcy24h"))
        volume = None if price is None or coins is None else coins * price
        return Ticker(symbol, price, volume)

    rows = rows_of(EXCHANGE, object_of(EXCHANGE, payload).get("data"))
    return listing(EXCHANGE, rows, ticker, may_be_empty=not symbols)


def parse_account(payload: object) -> CredentialReport:
    """Parse `account/config`: the key's `perm` and `ip`, the account's mode and uid.

    Old answers lack `perm`, which leaves everything about it unknown. The call itself
    proves that the key can read.
    """
    rows = rows_of(EXCHANGE, object_of(EXCHANGE, payload).get("data"))
    if not rows:
        raise BadPayload(EXCHANGE)
    account = rows[0]
    permissions, mode = account.get("perm"), as_text(account.get("acctLv"))
    if not isinstance(permissions, str) and mode is None:
        raise BadPayload(EXCHANGE)
    granted = _words(permissions) if isinstance(permissions, str) else frozenset()
    trade = withdraw = PermissionAnswer.UNKNOWN
    if granted:
        # Beside a word that we do not know, the absence of a known one proves nothing.
        absent = PermissionAnswer.NO if granted <= _PERMISSIONS else PermissionAnswer.UNKNOWN
        trade = PermissionAnswer.YES if "trade" in granted else absent
        withdraw = PermissionAnswer.YES if "withdraw" in granted else absent
    if mode == _SPOT_MODE:
        trade = PermissionAnswer.NO
    elif mode not in _SWAP_MODES and trade is PermissionAnswer.YES:
        trade = PermissionAnswer.UNKNOWN
    addresses = account.get("ip")
    restricted = PermissionAnswer.UNKNOWN
    if isinstance(addresses, str):
        restricted = PermissionAnswer.YES if _words(addresses) else PermissionAnswer.NO
    return CredentialReport(
        permissions=Permissions(PermissionAnswer.YES, trade, withdraw, restricted),
        exchange_account=as_text(account.get("uid")),
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(word for part in text.split(",") if (word := part.strip()))


# --- errors

# Of orders, transfers, withdrawals, subscriptions and programmes, which no check is about.
_OF_OTHER_CALLS = (
    *("58001", "58002", "58004", "58101", "58204", "58213", "59260", "59262", "59508"),
    *("60008", "60010", "60021", "60022", "60026", "60029", "60030", "60031", "64003"),
)
# The account is blocked, restricted, not identified, or in a mode that trades no perpetuals.
_OF_THE_ACCOUNT = (
    *("50007", "50009", "50012", "50027"),
    *("51009", "51010", "51024", "51732", "51733", "51734"),
)
# A login that failed without saying which part of it.
_LOGIN = Unclear((RefusalReason.INVALID_KEY, RefusalReason.BAD_SIGNATURE, RefusalReason.PASSPHRASE))
EXACT_ERRORS: Mapping[str, Verdict] = {
    **dict.fromkeys(_OF_OTHER_CALLS, Refused),
    **dict.fromkeys(_OF_THE_ACCOUNT, AccountRefused),
    **dict.fromkeys(("4001", "50114", "60009", "60011"), _LOGIN),
    "4007": InvalidKey,
    "50001": Unreachable,  # maintenance
    "50004": Unreachable,
    "50008": InvalidKey,  # its user does not exist
    "50011": RateLimited,
    "50013": Unreachable,
    "50026": Unreachable,
    "50030": PermissionRefused,
    "50061": RateLimited,
    "50100": Unclear(),  # API frozen
    "50101": WrongEnvironment,
    "50102": ClockSkew,
    "50103": InvalidKey,
    "50104": PassphraseRefused,
    "50105": PassphraseRefused,
    "50106": BadSignature,
    "50107": ClockSkew,
    "50110": IpNotAllowed,
    "50111": InvalidKey,
    "50112": ClockSkew,
    "50113": BadSignature,
    # Also for a key of another region.
    "50119": Unclear((RefusalReason.INVALID_KEY, RefusalReason.WRONG_ENVIRONMENT)),
    "50120": PermissionRefused,
    # The same of a login to a WebSocket.
    "60001": InvalidKey,
    "60002": BadSignature,
    "60003": PassphraseRefused,
    "60004": ClockSkew,
    "60005": InvalidKey,
    "60006": ClockSkew,
    "60007": BadSignature,
    "60024": PassphraseRefused,
    "60032": InvalidKey,
}
ERROR_TEXTS: Sequence[tuple[str, Verdict]] = (
    ("does not match current environment", WrongEnvironment),
    ("ip whitelist", IpNotAllowed),
    ("too many requests", RateLimited),
)


# --- adapter


class OkxAdapter(RestAdapter):
    exchange: ClassVar[str] = EXCHANGE
    regions: ClassVar[frozenset[str]] = frozenset({GLOBAL, EEA, US})
    hosts: ClassVar[HostTable] = HOSTS
    rate: ClassVar[Rate] = Rate(20, 2.0)
    exact_errors: ClassVar[Mapping[str, Verdict]] = EXACT_ERRORS
    error_texts: ClassVar[Sequence[tuple[str, Verdict]]] = ERROR_TEXTS

    def _endpoints(self, market: Market) -> Endpoints:
        suffix, hosts = _SUFFIXES[market.region], self._hosts[market.environment]
        return Endpoints(hosts[f"rest{suffix}"], hosts[f"websocket{suffix}"])

    async def _instruments(self, market: Market) -> Sequence[Instrument]:
        return await self._listing(market, _LISTED.get(market.region or GLOBAL, (_SWAP, _FUTURES)))

    async def _listing(self, market: Market, kinds: Sequence[str]) -> Sequence[Instrument]:
        payload = await self._public_of_kinds(market, _INSTRUMENTS, kinds)
        # No X-Perp is inverse, and a region with X-Perps may have no swaps at all.
        with_x_perps = market.region in _PERPETUALS
        return await self._parse(
            parse_instruments,
            payload,
            market.contract_type,
            may_be_empty=with_x_perps,
            x_perps=with_x_perps,
        )

    async def _tickers(self, market: Market) -> Sequence[Ticker]:
        """Fetch both contract types in one call, and the listing to tell them apart."""
        kinds = _PERPETUALS.get(market.region or GLOBAL, (_SWAP,))
        listed, payload = await asyncio.gather(
            self._listing(market, kinds), self._public_of_kinds(market, _TICKERS, kinds)
        )
        return await self._parse(
            parse_tickers, payload, frozenset(instrument.symbol for instrument in listed)
        )

    async def _check(
        self, credentials: Credentials, market: Market, deadline: Deadline
    ) -> CredentialReport:
        payload = await self._call(
            self._rest(market),
            _ACCOUNT,
            headers=_demo(market),
            auth=OkxAuth(credentials, self._clock),
            deadline=deadline,
        )
        return parse_account(payload)

    async def _public_of_kinds(self, market: Market, target: str, kinds: Sequence[str]) -> object:
        """Return the rows of these kinds of contract, each asked for by a call of its own."""
        payloads = await asyncio.gather(
            *(
                self._call(self._rest(market), target + kind, headers=_demo(market))
                for kind in kinds
            )
        )
        if len(payloads) == 1:
            return payloads[0]
        data = [rows_of(EXCHANGE, object_of(EXCHANGE, one).get("data")) for one in payloads]
        return {"data": [row for rows in data for row in rows]}

    def _rest(self, market: Market) -> str:
        return self.host(market.environment, f"rest{_SUFFIXES[market.region]}")

    def error_of(self, payload: object) -> tuple[str, str] | None:
        """Read `{"code": "50111", "msg": "…", "data": []}`, with any status, 200 included."""
        if not isinstance(payload, dict) or "code" not in payload:
            return None
        code, message = as_text(payload["code"]), payload.get("msg")
        if code == "0":
            return None
        return code or "", message if isinstance(message, str) else ""


def _demo(market: Market) -> Mapping[str, str] | None:
    return _DEMO if market.environment is Environment.TESTNET else None
