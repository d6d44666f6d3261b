"""Deribit (JSON-RPC over HTTP): perpetuals settled in coins (inverse) and in USDC (linear).

Leverage is implicit: it follows from size and margin, so `max_leverage` is an upper bound.
"""

import asyncio
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import ClassVar
from urllib.parse import quote as percent_encoded

from botkeys import base64url
from botkeys.exchanges.base import Clock, Market, RestAdapter, Unclear, Verdict
from botkeys.exchanges.errors import (
    AccountRefused,
    AddressRefused,
    BadPayload,
    BadSignature,
    ClockSkew,
    ExchangeError,
    InvalidKey,
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
from botkeys.exchanges.pem import is_pem
from botkeys.exchanges.pem import signature as pem_signature
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Auth, AuthFlow, Deadline, Rate, Request, target_of

# --- constants

EXCHANGE = "deribit"
ACCOUNT_SECONDS = 2.0  # what a credential check may spend on the account's id

# Names: rest, and websocket, which is one socket for public and private methods.
HOSTS: HostTable = {
    Environment.LIVE: {
        "rest": "https://www.deribit.com",
        "websocket": "wss://www.deribit.com/ws/api/v2",
    },
    Environment.TESTNET: {
        "rest": "https://test.deribit.com",
        "websocket": "wss://test.deribit.com/ws/api/v2",
    },
}

_INSTRUMENTS = "/api/v2/public/get_instruments?currency=any&kind=future&expired=false"
_TICKERS = "/api/v2/public/get_book_summary_by_currency?kind=future&currency="
_LOGIN = "/api/v2/public/auth"
_ACCOUNT = "/api/v2/private/get_account_summaries?extended=true"
_KINDS = {"linear": ContractType.LINEAR, "reversed": ContractType.INVERSE}
_SETTLEMENTS = 8  # most settlement currencies whose prices are requested
_UNIT = Decimal(1)
_LEVELS = {"none": 0, "read": 1, "read_write": 2}
_READ, _WRITE = 1, 2
_TOKEN = re.compile(r"[!-~]{1,4096}", re.ASCII)


def fresh_nonce() -> str:
    return secrets.token_hex(8)


# --- signing


class DeribitAuth(Auth):
    """Signs a call in its header, or the call that logs in within its body.

    A header signs time, nonce, method, path with query and body, each followed by a line feed;
    `public/auth` (grant `client_signature`) signs time, nonce and an empty text between them. The
    secret itself is never sent. Signatures are HMAC-SHA256 as hex, or with a PEM secret Ed25519 or
    RSA (PKCS #1 v1.5, SHA-256) as base64url; with those, Deribit takes the login alone.
    """

    def __init__(
        self,
        credentials: Credentials,
        clock: Clock,
        nonce: Callable[[], str] = fresh_nonce,
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._nonce = nonce

    def auth_flow(self, request: Request) -> AuthFlow:
        stamp, nonce = milliseconds(self._clock()), self._nonce()
        key = self._credentials.api_key.reveal()
        target = target_of(request)
        if target == _LOGIN:
            signature = self._signature(f"{stamp}\n{nonce}\n".encode())
            yield _with_body(request, login(key, stamp, nonce, signature))
            return
        head = f"{stamp}\n{nonce}\n{request.method}\n{target}\n".encode("ascii")
        signature = self._signature(head + request.content + b"\n")
        request.headers["Authorization"] = (
            f"deri-hmac-sha256 id={key},ts={stamp},sig={signature},nonce={nonce}"
        )
        yield request

    def _signature(self, text: bytes) -> str:
        secret = self._credentials.api_secret.reveal()
        if is_pem(secret):
            return base64url.encode(pem_signature(secret, text))
        return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


class BearerAuth(Auth):
    """Sends the token of a login: what a key with a PEM secret may sign is the login alone."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def auth_flow(self, request: Request) -> AuthFlow:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        yield request


def login(key: str, stamp: int, nonce: str, signature: str) -> bytes:
    """Return the JSON-RPC message of `public/auth`: a body, since addresses are logged."""
    parameters = {
        "grant_type": "client_signature",
        "client_id": key,
        "timestamp": stamp,
        "signature": signature,
        "nonce": nonce,
        "data": "",
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "public/auth", "params": parameters}
    return json.dumps(message, separators=(",", ":")).encode("ascii")


def _with_body(request: Request, body: bytes) -> Request:
    """Return the same request with this body; `extensions` hold its timeouts."""
    headers = {n: text for n, text in request.headers.items() if n != "content-length"}
    headers["content-type"] = "application/json"
    return Request(
        request.method,
        request.url,
        headers=headers,
        content=body,
        extensions=request.extensions,
    )


# --- parsing


def parse_instruments(payload: object, contract_type: ContractType) -> Sequence[Instrument]:
    """Parse `public/get_instruments`: open perpetuals and dated contracts of one contract type."""
    rows = rows_of(EXCHANGE, object_of(EXCHANGE, payload).get("result"))
    return listing(EXCHANGE, rows, partial(_instrument, contract_type))


def _instrument(contract_type: ContractType, row: Row) -> Instrument | None:
    """Parse a row. Amounts are USD (inverse) or base coins (linear): one unit of quantity is 1.

    The row's `contract_size` is the unit of `contracts`, which orders may use instead of `amount`;
    `min_trade_amount` is an amount, and both step and minimum.
    """
    kind = as_text(row.get("instrument_type") or row.get("future_type"))
    dated = row.get("settlement_period") != "perpetual"
    delivered = as_time(row.get("expiration_timestamp")) if dated else None
    if row.get("kind") != "future" or (dated and delivered is None):
        return None
    if _KINDS.get(kind or "") is not contract_type:
        return None
    # Older answers have no state.
    if row.get("is_active") is not True or row.get("state", "open") != "open":
        return None
    symbol = as_text(row.get("instrument_name"))
    base, quote = as_asset(row.get("base_currency")), as_asset(row.get("quote_currency"))
    settle = as_asset(row.get("settlement_currency"))
    tick, step = as_positive(row.get("tick_size")), as_positive(row.get("min_trade_amount"))
    if not (symbol and base and quote and settle and tick and step):
        return None
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        settle=settle,
        contract_type=contract_type,
        contract_size=_UNIT,
        tick_size=tick,
        lot_size=step,
        min_quantity=step,
        max_leverage=as_positive(row.get("max_leverage")),
        margin_modes=(MarginMode.CROSS,),
        expires_at=delivered,
        dated=dated,
    )


def parse_tickers(payloads: Sequence[object], symbols: frozenset[str]) -> Sequence[Ticker]:
    """Parse `get_book_summary_by_currency` of all settlement currencies, for the given symbols.

    `volume` counts base coins, `volume_notional` the quote asset, for both contract types.
    """

    def ticker(row: Row) -> Ticker | None:
        symbol = as_text(row.get("instrument_name"))
        if symbol is None or symbol not in symbols:
            return None
        volume = as_decimal(row.get("volume_notional"))
        return Ticker(symbol, as_positive(row.get("last")), volume)

    results = [object_of(EXCHANGE, payload).get("result") for payload in payloads]
    return listing(EXCHANGE, [row for rows in results for row in rows_of(EXCHANGE, rows)], ticker)


def parse_login(payload: object) -> Permissions:
    """Parse `public/auth`: the scope's permissions, as in `account:read trade:read_write`.

    A kind that is missing beside others is not allowed; a scope that names none of the three proves
    nothing, nor does a level that we do not know. Deribit does not report addresses.
    """
    scope = object_of(EXCHANGE, object_of(EXCHANGE, payload).get("result")).get("scope")
    if not isinstance(scope, str):
        raise BadPayload(EXCHANGE)
    levels = dict(word.split(":", 1) for word in scope.split() if ":" in word)
    if not levels.keys() & {"account", "trade", "wallet"}:
        return Permissions()
    reads = (_at_least(levels, "account", _READ), _at_least(levels, "trade", _READ))
    if PermissionAnswer.NO in reads:
        read = PermissionAnswer.NO
    else:
        read = (
            PermissionAnswer.UNKNOWN if PermissionAnswer.UNKNOWN in reads else PermissionAnswer.YES
        )
    return Permissions(
        read=read,
        trade=_at_least(levels, "trade", _WRITE),
        withdraw=_at_least(levels, "wallet", _WRITE),
    )


def parse_token(payload: object) -> Secret | None:
    """Parse `public/auth`: the access token, which is used within the check and not kept."""
    token = object_of(EXCHANGE, object_of(EXCHANGE, payload).get("result")).get("access_token")
    return Secret(token) if isinstance(token, str) and _TOKEN.fullmatch(token) else None


def _at_least(scope: Mapping[str, str], kind: str, needed: int) -> PermissionAnswer:
    level = _LEVELS.get(scope.get(kind, "none"))
    if level is None:
        return PermissionAnswer.UNKNOWN
    return PermissionAnswer.YES if level >= needed else PermissionAnswer.NO


def parse_account(payload: object) -> str | None:
    """Parse `private/get_account_summaries` with `extended`: the id of the (sub)account."""
    return as_text(object_of(EXCHANGE, object_of(EXCHANGE, payload).get("result")).get("id"))


# --- errors

# Limits of orders, and of the website's own logins, which no check is about.
_OF_OTHER_CALLS = (
    *("10013", "10014", "10015", "10016", "10017", "10018"),
    *("12000", "12003", "12004", "12998", "12999", "13003", "13005", "13006"),
)
# The account is blocked, locked, not activated, has no API, or is one that may not do this.
_OF_THE_ACCOUNT = ("9999", "10019", "13001", "13002", "13012")
EXACT_ERRORS: Mapping[str, Verdict] = {
    **dict.fromkeys(_OF_OTHER_CALLS, Refused),
    **dict.fromkeys(_OF_THE_ACCOUNT, AccountRefused),
    "10000": Unclear((RefusalReason.INVALID_KEY, RefusalReason.BAD_SIGNATURE)),
    "10028": RateLimited,
    "10040": Unreachable,  # try again
    "10041": Unreachable,  # settlement is going on
    "10047": RateLimited,
    "11051": Unreachable,  # maintenance
    "11042": PermissionRefused,
    "12005": AddressRefused,  # the country we call from
    "13000": InvalidKey,
    # One code for a wrong id and a wrong secret; no other code is known for an address that is not
    # listed.
    "13004": Unclear(
        (RefusalReason.INVALID_KEY, RefusalReason.BAD_SIGNATURE, RefusalReason.IP_NOT_ALLOWED)
    ),
    "13007": InvalidKey,
    "13009": BadSignature,
    "13021": PermissionRefused,
    "13025": Unreachable,  # the method is switched off
    "-32601": Refused,
}
ERROR_TEXTS: Sequence[tuple[str, Verdict]] = (
    ("timestamp", ClockSkew),
    ("too_many_requests", RateLimited),
)


# --- adapter


class DeribitAdapter(RestAdapter):
    exchange: ClassVar[str] = EXCHANGE
    hosts: ClassVar[HostTable] = HOSTS
    # Credits allow 20 calls a second, but one listing of instruments a second.
    rate: ClassVar[Rate] = Rate(5, 1.0)
    exact_errors: ClassVar[Mapping[str, Verdict]] = EXACT_ERRORS
    error_texts: ClassVar[Sequence[tuple[str, Verdict]]] = ERROR_TEXTS

    def _endpoints(self, market: Market) -> Endpoints:
        hosts = self._hosts[market.environment]
        return Endpoints(hosts["rest"], hosts["websocket"])

    async def _instruments(self, market: Market) -> Sequence[Instrument]:
        payload = await self._call(self._rest(market), _INSTRUMENTS)
        return await self._parse(parse_instruments, payload, market.contract_type)

    async def _tickers(self, market: Market) -> Sequence[Ticker]:
        """Call once for each currency in which the listed perpetuals settle."""
        listed = [each for each in await self._instruments(market) if not each.dated]
        currencies = sorted({instrument.settle for instrument in listed})[:_SETTLEMENTS]
        calls = [
            self._call(self._rest(market), _TICKERS + percent_encoded(currency, safe=""))
            for currency in currencies
        ]
        payloads = await asyncio.gather(*calls)
        return await self._parse(
            parse_tickers, payloads, frozenset(instrument.symbol for instrument in listed)
        )

    async def _check(
        self, credentials: Credentials, market: Market, deadline: Deadline
    ) -> CredentialReport:
        """Log in, which proves the key and returns its scope; then ask for the account."""
        auth = DeribitAuth(credentials, self._clock)
        payload = await self._call(
            self._rest(market), _LOGIN, method="POST", auth=auth, deadline=deadline, safe=True
        )
        report = CredentialReport(parse_login(payload))
        if report.permissions.read is PermissionAnswer.NO:
            return report
        by: Auth = auth
        if is_pem(credentials.api_secret.reveal()):
            token = parse_token(payload)
            if token is None:
                return report
            by = BearerAuth(token)
        return replace(report, exchange_account=await self._account(market, by, deadline))

    async def _account(self, market: Market, auth: Auth, deadline: Deadline) -> str | None:
        until = deadline.earlier(ACCOUNT_SECONDS)
        try:
            payload = await self._call(self._rest(market), _ACCOUNT, auth=auth, deadline=until)
            return parse_account(payload)
        except ExchangeError:
            return None

    def _rest(self, market: Market) -> str:
        return self.host(market.environment, "rest")

    def error_of(self, payload: object) -> tuple[str, str] | None:
        """Read `{"error": {"code": 13004, "message": "…", "data": {"reason": "…"}}}`."""
        if not isinstance(payload, dict) or not isinstance(payload.get("error"), dict):
            return None
        error = payload["error"]
        data = error.get("data")
        details = data if isinstance(data, dict) else {}
        words = (error.get("message"), details.get("reason"), details.get("param"))
        text = " ".join(word for word in words if isinstance(word, str))
        return as_text(error.get("code")) or "", text
