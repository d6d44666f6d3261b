"""Kraken derivatives: linear multi-collateral (`PF_`) and inverse (`PI_`) perpetuals on one host.

Keys for spot trading belong to another host and do not work here. A maximum leverage that is set
for a linear contract makes it isolated, and none makes it cross; inverse contracts are cross.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import ClassVar

from botkeys.exchanges.base import Market, RestAdapter, Unclear, Verdict
from botkeys.exchanges.errors import (
    BadPayload,
    ClockSkew,
    CredentialsRefused,
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
    as_leverage,
    as_moment,
    as_positive,
    as_text,
    listing,
    object_of,
    rows_of,
)
from botkeys.transport.client import Auth, AuthFlow, Deadline, Rate, Request, target_of

# --- constants

EXCHANGE = "kraken"

# Names: rest for everything, websocket for bots.
HOSTS: HostTable = {
    Environment.LIVE: {
        "rest": "https://futures.kraken.com",
        "websocket": "wss://futures.kraken.com/ws/v1",
    },
    Environment.TESTNET: {
        "rest": "https://demo-futures.kraken.com",
        "websocket": "wss://demo-futures.kraken.com/ws/v1",
    },
}

_PREFIX = "/derivatives"  # begins trading paths and is not signed
_INSTRUMENTS = "/derivatives/api/v3/instruments"
_TICKERS = "/derivatives/api/v3/tickers"
_ACCOUNTS = "/derivatives/api/v3/accounts"
_KEY = "/api/auth/v1/api-keys/v3/check"
_NOT_FOUND = 404
_TYPES = {
    ContractType.LINEAR: ("flexible_futures", "PF_", "FF_"),
    ContractType.INVERSE: ("futures_inverse", "PI_", "FI_"),
}
_MARGIN_MODES = {
    ContractType.LINEAR: (MarginMode.CROSS, MarginMode.ISOLATED),
    ContractType.INVERSE: (MarginMode.CROSS,),
}
_MOST_DIGITS = 18
_QUOTE_LETTERS = 3
_ANYWHERE = frozenset({"0.0.0.0/0", "::/0"})


# --- signing


class KrakenAuth(Auth):
    """Signs base64(HMAC-SHA512(decoded secret, SHA256(query or body + path))), without a nonce.

    The path of trading calls is signed without `/derivatives`, any other path as it is.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def auth_flow(self, request: Request) -> AuthFlow:
        path, _, query = target_of(request).partition("?")
        data = request.content or query.encode("ascii")
        digest = hashlib.sha256(data + path.removeprefix(_PREFIX).encode("ascii")).digest()
        secret = base64.b64decode(self._credentials.api_secret.reveal(), validate=True)
        signature = hmac.new(secret, digest, hashlib.sha512).digest()
        request.headers["APIKey"] = self._credentials.api_key.reveal()
        request.headers["Authent"] = base64.b64encode(signature).decode("ascii")
        yield request


# --- parsing


def parse_instruments(payload: object, contract_type: ContractType) -> Sequence[Instrument]:
    """Parse `instruments`: tradeable perpetuals and dated contracts of one type, symbols in their
    own case.
    """
    rows = rows_of(EXCHANGE, object_of(EXCHANGE, payload).get("instruments"))
    return listing(EXCHANGE, rows, partial(_instrument, contract_type))


def _instrument(contract_type: ContractType, row: Row) -> Instrument | None:
    kind, perpetual, dated = _TYPES[contract_type]
    symbol = as_text(row.get("symbol"))
    if symbol is None or (row.get("type"), row.get("tradeable")) != (kind, True):
        return None  # of another kind, or closed
    delivered = as_moment(row.get("lastTradingTime"))
    prefix = perpetual if not row.get("lastTradingTime") else dated if delivered else None
    if prefix is None or not symbol.upper().startswith(prefix):
        return None
    base, quote = _pair(row, symbol)
    size, tick = as_positive(row.get("contractSize")), as_positive(row.get("tickSize"))
    step = _step(row, contract_type)
    if not (base and quote and size and tick and step):
        return None
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        # Linear contracts are settled in USD, whatever the collateral is.
        settle=base if contract_type is ContractType.INVERSE else quote,
        contract_type=contract_type,
        contract_size=size,
        tick_size=tick,
        lot_size=step,
        min_quantity=step,  # no smallest order is stated: it is one step
        max_leverage=_max_leverage(row),
        margin_modes=_MARGIN_MODES[contract_type],
        expires_at=delivered,
        dated=delivered is not None,
    )


def _pair(row: Row, symbol: str) -> tuple[str | None, str | None]:
    """Return `base` and `quote`; else from `pair` (BTC:USD), else from the symbol (pi_xbtusd)."""
    base, quote = as_asset(row.get("base")), as_asset(row.get("quote"))
    if base and quote:
        return base, quote
    base, _, quote = (as_text(row.get("pair")) or "").partition(":")
    if base and quote:
        return as_asset(base), as_asset(quote)
    middle = symbol.split("_")[1].upper()
    return as_asset(middle[:-_QUOTE_LETTERS]), as_asset(middle[-_QUOTE_LETTERS:])


def _step(row: Row, contract_type: ContractType) -> Decimal | None:
    """Return 10 to the power of minus `contractValueTradePrecision`, which may be negative.

    Inverse contracts without one are traded whole.
    """
    digits = as_decimal(row.get("contractValueTradePrecision"))
    if digits is None:
        return Decimal(1) if contract_type is ContractType.INVERSE else None
    if digits != int(digits) or abs(digits) > _MOST_DIGITS:
        return None
    return Decimal(10) ** -int(digits)


def _max_leverage(row: Row) -> Decimal | None:
    """Return that of the lowest tier: professional, else retail, else the best schedule."""
    for name in ("marginLevels", "retailMarginLevels", "marginSchedules"):
        found = [as_leverage(margin) for margin in _initial_margins(row.get(name))]
        known = [leverage for leverage in found if leverage is not None]
        if known:
            return max(known)
    return None


def _initial_margins(value: object) -> list[object]:
    """Return every `initialMargin` in levels, and in schedules `{entity: {client: levels}}`."""
    pending, margins = [value], []
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += item
        elif isinstance(item, dict):
            margins.append(item.get("initialMargin"))
            pending += [inner for inner in item.values() if isinstance(inner, list | dict)]
    return margins


def parse_tickers(payload: object) -> Sequence[Ticker]:
    """Parse `tickers` of perpetuals.

    Linear: `vol24h` is in base, `volumeQuote` in USD. Inverse: `vol24h` counts contracts of 1 USD;
    the unit of `volumeQuote` is not documented.
    """

    def ticker(row: Row) -> Ticker | None:
        symbol = as_text(row.get("symbol"))
        price, volume = as_positive(row.get("last")), as_decimal(row.get("vol24h"))
        match (symbol or "")[:3].upper():
            case "PI_":
                quote_volume = volume
            case "PF_":
                quote_volume = as_decimal(row.get("volumeQuote"))
                if quote_volume is None and volume is not None and price is not None:
                    quote_volume = volume * price
            case _:
                return None
        return Ticker(symbol, price, quote_volume) if symbol else None

    rows = rows_of(EXCHANGE, object_of(EXCHANGE, payload).get("tickers"))
    return listing(EXCHANGE, rows, ticker)


def parse_key(payload: object) -> CredentialReport:
    """Parse `api-keys/v3/check`: the two levels of access, the addresses and the account."""
    key = object_of(EXCHANGE, payload)
    levels = object_of(EXCHANGE, key.get("permissions"))
    general, transfer = as_text(levels.get("general")), as_text(levels.get("transfer"))
    if general is None and transfer is None:
        raise BadPayload(EXCHANGE)
    return CredentialReport(
        permissions=Permissions(
            read=_READ.get(general or "", PermissionAnswer.UNKNOWN),
            trade=_WRITE.get(general or "", PermissionAnswer.UNKNOWN),
            withdraw=_WRITE.get(transfer or "", PermissionAnswer.UNKNOWN),
            ip_restricted=_restricted(key),
        ),
        exchange_account=as_text(key.get("accountUid")),
    )


_READ = {
    "FULL_ACCESS": PermissionAnswer.YES,
    "READ_ONLY": PermissionAnswer.YES,
    "NO_ACCESS": PermissionAnswer.NO,
}
_WRITE = {
    "FULL_ACCESS": PermissionAnswer.YES,
    "READ_ONLY": PermissionAnswer.NO,
    "NO_ACCESS": PermissionAnswer.NO,
}


def _restricted(key: Row) -> PermissionAnswer:
    several = key.get("allowedCidrBlocks")
    listed = [key.get("allowedCidrBlock"), *(several if isinstance(several, list) else [several])]
    blocks = {block for block in listed if isinstance(block, str) and block}
    if blocks:
        return PermissionAnswer.NO if blocks & _ANYWHERE else PermissionAnswer.YES
    empty = "allowedCidrBlock" in key or isinstance(several, list)
    return PermissionAnswer.NO if empty and not any(listed) else PermissionAnswer.UNKNOWN


def parse_accounts(payload: object) -> CredentialReport:
    """Parse `accounts`, which proves that the key can read, and nothing else."""
    object_of(EXCHANGE, object_of(EXCHANGE, payload).get("accounts"))
    return CredentialReport(Permissions(read=PermissionAnswer.YES))


# --- errors

# An unknown key, a wrong secret and an unlisted address get the same answer on both services.
_INDISTINCT = Unclear(
    (RefusalReason.INVALID_KEY, RefusalReason.BAD_SIGNATURE, RefusalReason.IP_NOT_ALLOWED)
)
EXACT_ERRORS: Mapping[str, Verdict] = {
    "Server Error": Unreachable,
    "Unavailable": Unreachable,
    "accountInactive": Refused,  # an account that never traded: proves nothing about the key
    "apiLimitExceeded": RateLimited,
    "authenticationError": _INDISTINCT,
    "invalidArgument": Refused,
    "nonceBelowThreshold": ClockSkew,
    "nonceDuplicate": ClockSkew,
    "permissionDenied": PermissionRefused,
    "requiredArgumentMissing": Refused,
    "unauthorized": _INDISTINCT,
    "unavailable": Unreachable,
    "unknownError": Unreachable,
}


# --- adapter


class KrakenAdapter(RestAdapter):
    exchange: ClassVar[str] = EXCHANGE
    hosts: ClassVar[HostTable] = HOSTS
    rate: ClassVar[Rate] = Rate(10, 2.0)  # 500 cost units in 10 s per key; few for public calls
    exact_errors: ClassVar[Mapping[str, Verdict]] = EXACT_ERRORS

    def _endpoints(self, market: Market) -> Endpoints:
        hosts = self._hosts[market.environment]
        return Endpoints(hosts["rest"], hosts["websocket"])

    async def _instruments(self, market: Market) -> Sequence[Instrument]:
        payload = await self._call(self.host(market.environment, "rest"), _INSTRUMENTS)
        return await self._parse(parse_instruments, payload, market.contract_type)

    async def _tickers(self, market: Market) -> Sequence[Ticker]:
        return await self._parse(
            parse_tickers, await self._call(self.host(market.environment, "rest"), _TICKERS)
        )

    async def _check(
        self, credentials: Credentials, market: Market, deadline: Deadline
    ) -> CredentialReport:
        """Ask what the key may do, or on a host without that call (perhaps the demo) what it owns.

        The second answer proves the key and leaves everything about its permissions unknown.
        """
        host, auth = self.host(market.environment, "rest"), KrakenAuth(credentials)
        try:
            return parse_key(await self._call(host, _KEY, auth=auth, deadline=deadline))
        except (BadPayload, Refused) as error:
            if error.status != _NOT_FOUND or isinstance(error, CredentialsRefused):
                raise
        payload = await self._call(host, _ACCOUNTS, auth=auth, deadline=deadline)
        return parse_accounts(payload)

    def error_of(self, payload: object) -> tuple[str, str] | None:
        """Read one of three envelopes, the first often with HTTP 200.

        `{"result": "error", "error": "authenticationError"}`,
        `{"errors": [{"code": 1, "message": "…"}]}`, and from the service for keys
        `{"error": "unauthorized", "message": "…", "suberror": null}`.
        """
        if not isinstance(payload, dict):
            return None
        errors = payload.get("errors")
        if isinstance(errors, list) and errors:
            first = errors[0] if isinstance(errors[0], dict) else {}
            code, message = first.get("code"), first.get("message")
        elif payload.get("result") == "error" or payload.get("error"):
            code, message = payload.get("error"), payload.get("message")
        else:
            return None
        return _code(code), message if isinstance(message, str) else ""


def _code(value: object) -> str:
    return value if isinstance(value, str) else as_text(value) or ""
