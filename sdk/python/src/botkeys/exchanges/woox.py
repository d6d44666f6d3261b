"""WOO X (V3): linear perpetuals in USDT, whose symbols begin with PERP_.

A call whose answer could not be confirmed returns a key's own permissions: what is recognized in it
is used, everything else stays unknown.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar
from urllib.parse import quote as percent_encoded

from botkeys.exchanges.base import Clock, Market, RestAdapter, Unclear, Verdict
from botkeys.exchanges.errors import BadPayload, ExchangeError, RateLimited, Refused, Unreachable
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
    as_positive,
    as_text,
    listing,
    milliseconds,
    object_of,
    rows_of,
)
from botkeys.transport.client import Auth, AuthFlow, Deadline, Rate, Request, target_of

# --- constants

EXCHANGE = "woox"
EXTRA_SECONDS = 2.5  # what a credential check may spend on permissions and on leverage
MOST_LEVERAGES = 10  # most symbols whose exact maximum one check requests: a second's quota

# Names: rest, and websocket, a template: every socket needs the application id of the account, a
# third value beside key and secret that GET /v3/account/info returns to the key's owner. Private
# streams are at /v2/ws/private/stream/{application_id} of the same host.
HOSTS: HostTable = {
    Environment.LIVE: {
        "rest": "https://api.woox.io",
        "websocket": "wss://wss.woox.io/ws/stream/{application_id}",
    },
    Environment.TESTNET: {
        "rest": "https://api.staging.woox.io",
        "websocket": "wss://wss.staging.woox.io/ws/stream/{application_id}",
    },
}

_INSTRUMENTS = "/v3/public/instruments"
_TICKERS = "/v3/public/futures"
_ACCOUNT = "/v3/account/info"
_CREDENTIALS = "/v3/account/credentials"
_SYMBOL = "/v3/account/symbolConfig?symbol="
_PERPETUAL = "PERP_"
_UNIT = Decimal(1)
_MARGIN_MODES = (MarginMode.CROSS, MarginMode.ISOLATED)
_READ, _TRADE = "READ", "TRADE"
_WITHDRAWAL = frozenset({"WITHDRAWAL", "WITHDRAW"})
_WORDS = _WITHDRAWAL | {_READ, _TRADE}


# --- signing


class WooxAuth(Auth):
    """Signs hex(HMAC-SHA256(secret, milliseconds + method + path with query + body)) for V3."""

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock

    def auth_flow(self, request: Request) -> AuthFlow:
        stamp = milliseconds(self._clock())
        text = f"{stamp}{request.method}{target_of(request)}".encode("ascii") + request.content
        secret = self._credentials.api_secret.reveal().encode()
        request.headers["x-api-key"] = self._credentials.api_key.reveal()
        request.headers["x-api-timestamp"] = str(stamp)
        request.headers["x-api-signature"] = hmac.new(secret, text, hashlib.sha256).hexdigest()
        yield request


# --- parsing


def parse_instruments(payload: object) -> Sequence[Instrument]:
    """Parse `public/instruments`: the perpetuals in the state TRADING."""
    return listing(EXCHANGE, _rows(payload), _instrument)


def _rows(payload: object) -> list[Row]:
    data = object_of(EXCHANGE, object_of(EXCHANGE, payload).get("data"))
    return rows_of(EXCHANGE, data.get("rows"))


def _instrument(row: Row) -> Instrument | None:
    symbol, quote = as_text(row.get("symbol")), as_asset(row.get("quoteAsset"))
    if not symbol or not quote or not symbol.startswith(_PERPETUAL):
        return None
    if row.get("status") != "TRADING":
        return None
    # The symbol has the multiplier in its base (PERP_1000PEPE_USDT), whatever baseAsset has.
    base = as_asset(symbol.removeprefix(_PERPETUAL).removesuffix(f"_{quote}"))
    tick, step = as_positive(row.get("quoteTick")), as_positive(row.get("baseTick"))
    if not (base and tick and step):
        return None
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        settle=quote,
        contract_type=ContractType.LINEAR,
        contract_size=_UNIT,
        tick_size=tick,
        lot_size=step,
        min_quantity=as_positive(row.get("baseMin")) or step,
        max_leverage=as_leverage(row.get("baseIMR")),
        margin_modes=_MARGIN_MODES,
    )


def parse_tickers(payload: object) -> Sequence[Ticker]:
    """Parse `public/futures`: `24hAmount` is in the quote asset, `24hVolume` in base coins."""

    def ticker(row: Row) -> Ticker | None:
        symbol = as_text(row.get("symbol"))
        price, volume = as_positive(row.get("24hClose")), as_decimal(row.get("24hAmount"))
        return Ticker(symbol, price, volume) if symbol else None

    return listing(EXCHANGE, _rows(payload), ticker)


@dataclass(frozen=True, slots=True)
class Account:
    """An account: its application id, and whether its mode is known to trade futures."""

    application: str | None
    futures: bool


def parse_account(payload: object) -> Account:
    """Parse `account/info`, ignoring its owner's e-mail address."""
    data = object_of(EXCHANGE, object_of(EXCHANGE, payload).get("data"))
    application, mode = as_text(data.get("applicationId")), as_text(data.get("accountMode"))
    if application is None and mode is None:
        raise BadPayload(EXCHANGE)
    return Account(application, futures=mode == "FUTURES")


def parse_permissions(payload: object, api_key: str) -> Permissions:
    """Parse `account/credentials`: `rows[]` of `apiKey`, `permissions[]`, perhaps `allowedIPs[]`.

    From a public document; UNCONFIRMED. Rows of other keys prove nothing, nor does an answer of
    another form. Beside a word that we do not know, the absence of a known one proves nothing.
    """
    rows = [row for row in _rows(payload) if row.get("apiKey") == api_key]
    if len(rows) != 1:
        return Permissions()
    (row,) = rows
    listed = row.get("permissions")
    words = listed if isinstance(listed, list) else []
    granted = frozenset(word.strip().upper() for word in words if isinstance(word, str))
    return Permissions(
        read=_granted(granted, frozenset({_READ})),
        trade=_granted(granted, frozenset({_TRADE})),
        withdraw=_granted(granted, _WITHDRAWAL),
        ip_restricted=_restricted(row.get("allowedIPs")),
    )


def _granted(granted: frozenset[str], wanted: frozenset[str]) -> PermissionAnswer:
    if granted & wanted:
        return PermissionAnswer.YES
    return PermissionAnswer.NO if granted and granted <= _WORDS else PermissionAnswer.UNKNOWN


def _restricted(addresses: object) -> PermissionAnswer:
    if not isinstance(addresses, list):
        return PermissionAnswer.UNKNOWN
    return (
        PermissionAnswer.YES
        if any(isinstance(address, str) for address in addresses)
        else PermissionAnswer.NO
    )


def parse_leverage(payload: object) -> Decimal | None:
    """Parse `account/symbolConfig` of one symbol: its exact maximum."""
    data = object_of(EXCHANGE, object_of(EXCHANGE, payload).get("data"))
    return as_positive(data.get("maxLeverage"))


# --- errors

EXACT_ERRORS: Mapping[str, Verdict] = {
    "-1000": Unreachable,
    # One code for a malformed key, a wrong secret and, as no other is known, a late request.
    "-1001": Unclear(
        (RefusalReason.INVALID_KEY, RefusalReason.BAD_SIGNATURE, RefusalReason.CLOCK_SKEW)
    ),
    # As WOO X states: invalid, revoked, expired or without permission.
    "-1002": Unclear(
        (
            RefusalReason.INVALID_KEY,
            RefusalReason.EXPIRED,
            RefusalReason.PERMISSION,
            RefusalReason.IP_NOT_ALLOWED,
        )
    ),
    "-1003": RateLimited,
    "-1004": Refused,
    "-1005": Refused,
    "-1006": Refused,
    "-1011": Unreachable,  # maintenance
}


# --- adapter


class WooxAdapter(RestAdapter):
    exchange: ClassVar[str] = EXCHANGE
    contract_types: ClassVar[frozenset[ContractType]] = frozenset({ContractType.LINEAR})
    hosts: ClassVar[HostTable] = HOSTS
    rate: ClassVar[Rate] = Rate(10, 1.0)
    exact_errors: ClassVar[Mapping[str, Verdict]] = EXACT_ERRORS

    def tells_withdrawal(self, environment: Environment, region: str | None) -> bool:
        """Return `False`: the answer about permissions has no form that could be confirmed."""
        del environment, region
        return False

    def _endpoints(self, market: Market) -> Endpoints:
        hosts = self._hosts[market.environment]
        return Endpoints(hosts["rest"], hosts["websocket"])

    async def _instruments(self, market: Market) -> Sequence[Instrument]:
        return await self._parse(
            parse_instruments, await self._call(self._rest(market), _INSTRUMENTS)
        )

    async def _tickers(self, market: Market) -> Sequence[Ticker]:
        return await self._parse(parse_tickers, await self._call(self._rest(market), _TICKERS))

    async def _check(
        self, credentials: Credentials, market: Market, deadline: Deadline
    ) -> CredentialReport:
        """Check by the account's information; permissions and leverage are a by-product."""
        auth = WooxAuth(credentials, self._clock)
        payload = await self._call(self._rest(market), _ACCOUNT, auth=auth, deadline=deadline)
        account = parse_account(payload)
        until = deadline.earlier(EXTRA_SECONDS)
        permissions, leverage = await asyncio.gather(
            self._permissions(credentials, market, auth, until),
            self._leverage(market, auth, until),
        )
        # The first call proves that the key reads, whatever its permissions are called; and it is
        # certain that a key trades perpetuals only on an account in that mode.
        doubtful = permissions.trade is PermissionAnswer.YES and not account.futures
        trade = PermissionAnswer.UNKNOWN if doubtful else permissions.trade
        return CredentialReport(
            replace(permissions, read=PermissionAnswer.YES, trade=trade),
            exchange_account=account.application,
            max_leverage=leverage,
        )

    async def _permissions(
        self, credentials: Credentials, market: Market, auth: Auth, deadline: Deadline
    ) -> Permissions:
        host = self._rest(market)
        try:
            payload = await self._call(host, _CREDENTIALS, auth=auth, deadline=deadline)
            return parse_permissions(payload, credentials.api_key.reveal())
        except ExchangeError:
            return Permissions()

    async def _leverage(
        self, market: Market, auth: Auth, deadline: Deadline
    ) -> Mapping[str, Decimal]:
        """Fetch the exact maximum of symbols whose public row has none.

        One call per symbol: fetching all of them would take far longer than a check.
        """
        maximum: dict[str, Decimal] = {}
        try:
            listed = parse_instruments(
                await self._call(self._rest(market), _INSTRUMENTS, deadline=deadline)
            )
            unknown = [item.symbol for item in listed if item.max_leverage is None]
            for symbol in unknown[:MOST_LEVERAGES]:
                target = _SYMBOL + percent_encoded(symbol, safe="")
                payload = await self._call(self._rest(market), target, auth=auth, deadline=deadline)
                leverage = parse_leverage(payload)
                if leverage is not None:
                    maximum[symbol] = leverage
        except ExchangeError:
            pass  # a by-product: without it these maxima stay unknown
        return maximum

    def _rest(self, market: Market) -> str:
        return self.host(market.environment, "rest")

    def error_of(self, payload: object) -> tuple[str, str] | None:
        """Read `{"success": false, "code": -1002, "message": "…"}`, the code as number or text."""
        if not isinstance(payload, dict) or payload.get("success") is not False:
            return None
        message = payload.get("message")
        return as_text(payload.get("code")) or "", message if isinstance(message, str) else ""
