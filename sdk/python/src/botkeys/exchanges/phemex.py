"""Phemex: USDT and USDC perpetuals (linear), coin-settled ones (inverse), each with its own calls.

Names of numbers end in their unit: `Rp`, `Rv`, `Rq`, `Rr` are plain; `Ep`, `Er`, `Ev` are whole
numbers, scaled by ten to the power of a scale in the list of products. No call returns what a key
may do.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar

from botkeys.exchanges.base import Clock, Market, RestAdapter, Unclear, Verdict
from botkeys.exchanges.errors import (
    AccountRefused,
    BadPayload,
    BadSignature,
    ClockSkew,
    ExchangeError,
    InvalidKey,
    IpNotAllowed,
    PermissionRefused,
    RateLimited,
    Refused,
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
    listing,
    milliseconds,
    object_of,
    rows_of,
)
from botkeys.transport.client import Auth, AuthFlow, Deadline, Rate, Request, target_of

# --- constants

EXCHANGE = "phemex"
USER_SECONDS = 2.0  # what a check of an inverse key may spend on the user's id
EXPIRES_SECONDS = 60  # how long a signed request is valid

# Names: rest, and websocket, which is one socket for public and private channels.
HOSTS: HostTable = {
    Environment.LIVE: {
        "rest": "https://api.phemex.com",
        "websocket": "wss://ws.phemex.com",
    },
    Environment.TESTNET: {
        "rest": "https://testnet-api.phemex.com",
        "websocket": "wss://testnet-api.phemex.com/ws",
    },
}

_PRODUCTS = "/public/products"
# The first is called, the next one where a host does not have it.
_TICKERS = {
    ContractType.LINEAR: ("/md/v3/ticker/24hr/all", "/md/v2/ticker/24hr/all"),
    ContractType.INVERSE: ("/md/v1/ticker/24hr/all", "/v1/md/ticker/24hr/all"),
}
_ACCOUNT = {
    ContractType.LINEAR: "/g-accounts/accountPositions?currency=USDT",
    ContractType.INVERSE: "/accounts/accountPositions?currency=BTC",
}
_RETRY_AFTER = "x-ratelimit-retry-after"
_LONGEST_WAIT = 3600
_SCALES = frozenset(range(19))
_UNIT = Decimal(1)
_MARGIN_MODES = (MarginMode.CROSS, MarginMode.ISOLATED)


@dataclass(frozen=True, slots=True)
class Scale:
    """How to read an inverse contract's numbers: decimals of its price, USD per contract."""

    price: int
    contract_size: Decimal


# --- signing


class PhemexAuth(Auth):
    """Signs hex(HMAC-SHA256(secret, path + query without its question mark + expiry + body))."""

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock

    def auth_flow(self, request: Request) -> AuthFlow:
        path, _, query = target_of(request).partition("?")
        expiry = milliseconds(self._clock()) // 1000 + EXPIRES_SECONDS
        text = f"{path}{query}{expiry}".encode("ascii") + request.content
        secret = self._credentials.api_secret.reveal().encode()
        signature = hmac.new(secret, text, hashlib.sha256).hexdigest()
        request.headers["x-phemex-access-token"] = self._credentials.api_key.reveal()
        request.headers["x-phemex-request-expiry"] = str(expiry)
        request.headers["x-phemex-request-signature"] = signature
        yield request


# --- parsing


def parse_instruments(payload: object, contract_type: ContractType) -> Sequence[Instrument]:
    """Parse `public/products`: `perpProductsV2` are linear; `products` has inverse and others."""
    products = object_of(EXCHANGE, object_of(EXCHANGE, payload).get("data"))
    if contract_type is ContractType.LINEAR:
        return listing(EXCHANGE, rows_of(EXCHANGE, products.get("perpProductsV2")), _linear)
    return listing(EXCHANGE, rows_of(EXCHANGE, products.get("products")), _inverse)


def _linear(row: Row) -> Instrument | None:
    if (row.get("type"), row.get("status")) != ("PerpetualV2", "Listed"):
        return None
    base, step = _base(row.get("baseCurrency")), as_positive(row.get("qtyStepSize"))
    return _instrument(row, ContractType.LINEAR, base, step, _UNIT)


def _inverse(row: Row) -> Instrument | None:
    """Parse a row; those that settle in their quote asset are former linear ones, and skipped."""
    if (row.get("type"), row.get("status")) != ("Perpetual", "Listed"):
        return None
    if row.get("settleCurrency") == row.get("quoteCurrency"):
        return None
    display = row.get("displaySymbol")
    shown = display.partition("/")[0] if isinstance(display, str) else None
    base = _base(row.get("baseCurrency") or shown or row.get("settleCurrency"))
    step = as_positive(row.get("lotSize"))
    return _instrument(row, ContractType.INVERSE, base, step, _contract_size(row))


def _instrument(
    row: Row,
    contract_type: ContractType,
    base: str | None,
    step: Decimal | None,
    size: Decimal | None,
) -> Instrument | None:
    symbol, tick = as_text(row.get("symbol")), as_positive(row.get("tickSize"))
    quote, settle = as_asset(row.get("quoteCurrency")), as_asset(row.get("settleCurrency"))
    if not (symbol and base and quote and settle and size and tick and step):
        return None
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        settle=settle,
        contract_type=contract_type,
        contract_size=size,
        tick_size=tick,
        lot_size=step,
        min_quantity=step,
        max_leverage=as_positive(row.get("maxLeverage")),
        margin_modes=_MARGIN_MODES,
    )


def _base(name: object) -> str | None:
    """Return the common name: `1000 SHIB` and `u1000SHIB` are 1000SHIB elsewhere."""
    if not isinstance(name, str):
        return None
    joined = name.replace(" ", "")
    return as_asset(joined[1:] if joined[:1] == "u" and joined[1:2].isdigit() else joined)


def _contract_size(row: Row) -> Decimal | None:
    """Return a number of quote units, from a number or from text as `1 USD` in the quote asset."""
    size = row.get("contractSize")
    if isinstance(size, str):
        number, _, unit = size.partition(" ")
        return as_positive(number) if not unit or unit == row.get("quoteCurrency") else None
    return as_positive(size)


def parse_scales(payload: object) -> Mapping[str, Scale]:
    """Parse `public/products`: how to read the tickers of the listed inverse contracts."""
    products = object_of(EXCHANGE, object_of(EXCHANGE, payload).get("data"))
    rows = rows_of(EXCHANGE, products.get("products"))
    decimals = {symbol: _decimals(row) for row in rows if (symbol := _symbol(row))}
    return {
        instrument.symbol: Scale(scale, instrument.contract_size)
        for instrument in parse_instruments(payload, ContractType.INVERSE)
        if (scale := decimals[instrument.symbol]) is not None
    }


def _decimals(row: Row) -> int | None:
    scale = as_decimal(row.get("priceScale"))
    return int(scale) if scale in _SCALES else None


def _symbol(row: Row) -> str | None:
    return as_text(row.get("symbol"))


def parse_linear_tickers(payload: object) -> Sequence[Ticker]:
    """Parse `md/v3` and `md/v2`: plain numbers, the turnover in the quote asset."""

    def ticker(row: Row) -> Ticker | None:
        symbol = _symbol(row)
        price = as_positive(row.get("lastRp") or row.get("closeRp"))
        return Ticker(symbol, price, as_decimal(row.get("turnoverRv"))) if symbol else None

    return listing(EXCHANGE, _ticker_rows(payload), ticker)


def parse_inverse_tickers(payload: object, scales: Mapping[str, Scale]) -> Sequence[Ticker]:
    """Parse `md/v1`: `volume` counts contracts of a fixed USD size; the turnover is in coins.

    Prices are scaled whether or not their name ends in `Ep`. Symbols without a scale are left out.
    """

    def ticker(row: Row) -> Ticker | None:
        symbol = _symbol(row)
        scale = None if symbol is None else scales.get(symbol)
        if symbol is None or scale is None:
            return None
        last = as_positive(row.get("lastEp") or row.get("last") or row.get("close"))
        whole = last is not None and last == last.to_integral_value()
        price = last.scaleb(-scale.price) if last is not None and whole else None
        contracts = as_decimal(row.get("volume"))
        volume = None if contracts is None else contracts * scale.contract_size
        return Ticker(symbol, price, volume)

    return listing(EXCHANGE, _ticker_rows(payload), ticker)


def _ticker_rows(payload: object) -> list[Row]:
    """Read `{"error": null, "result": […]}`, or `{"code": 0, "data": […]}` as everywhere else."""
    answer = object_of(EXCHANGE, payload)
    return rows_of(EXCHANGE, answer["result"] if "result" in answer else answer.get("data"))


def parse_account(payload: object) -> CredentialReport:
    """Parse `accountPositions`: its success proves that the key reads, and nothing else.

    `userID` is the same for all accounts of a user, and only linear answers are known to have it;
    an account's own id differs by currency.
    """
    data = object_of(EXCHANGE, object_of(EXCHANGE, payload).get("data"))
    account = object_of(EXCHANGE, data.get("account"))
    if "currency" not in account:
        raise BadPayload(EXCHANGE)
    user = as_text(account.get("userID") or account.get("userId"))
    return CredentialReport(Permissions(read=PermissionAnswer.YES), exchange_account=user)


# --- errors

EXACT_ERRORS: Mapping[str, Verdict] = {
    "11022": AccountRefused,  # banned from trading
    "34003": Unclear((RefusalReason.PERMISSION, RefusalReason.IP_NOT_ALLOWED)),
    "39995": RateLimited,
    "39996": Unclear((RefusalReason.PERMISSION, RefusalReason.IP_NOT_ALLOWED)),
}
ERROR_TEXTS: Sequence[tuple[str, Verdict]] = (
    ("failed to find api-key", InvalidKey),
    ("api key not found", InvalidKey),
    ("failed to load api key", InvalidKey),
    ("signature verification failed", BadSignature),
    ("ip mismatch", IpNotAllowed),
    ("insufficient privilege", PermissionRefused),
    ("request expir", ClockSkew),
    ("request-expir", ClockSkew),
    ("too many requests", RateLimited),
)
# Codes whose text decides, with what they may mean if we do not know the text, as for a request
# that came too late.
VAGUE_ERRORS: Mapping[str, Verdict] = {
    "401": Unclear(
        (
            RefusalReason.INVALID_KEY,
            RefusalReason.IP_NOT_ALLOWED,
            RefusalReason.PERMISSION,
            RefusalReason.CLOCK_SKEW,
        )
    ),
    "10500": Unclear(
        (RefusalReason.INVALID_KEY, RefusalReason.BAD_SIGNATURE, RefusalReason.CLOCK_SKEW)
    ),
}


# --- adapter


class PhemexAdapter(RestAdapter):
    exchange: ClassVar[str] = EXCHANGE
    hosts: ClassVar[HostTable] = HOSTS
    # 100 calls a minute outside the contract group; all users of the testnet share that number.
    rate: ClassVar[Rate] = Rate(5, 3.0)
    exact_errors: ClassVar[Mapping[str, Verdict]] = EXACT_ERRORS
    error_texts: ClassVar[Sequence[tuple[str, Verdict]]] = ERROR_TEXTS

    def tells_withdrawal(self, environment: Environment, region: str | None) -> bool:
        """Return `False`: no call tells what a key may do."""
        del environment, region
        return False

    def _endpoints(self, market: Market) -> Endpoints:
        hosts = self._hosts[market.environment]
        return Endpoints(hosts["rest"], hosts["websocket"])

    async def _instruments(self, market: Market) -> Sequence[Instrument]:
        payload = await self._call(self._rest(market), _PRODUCTS)
        return await self._parse(parse_instruments, payload, market.contract_type)

    async def _tickers(self, market: Market) -> Sequence[Ticker]:
        if market.contract_type is ContractType.LINEAR:
            return await self._parse(parse_linear_tickers, await self._ticker_answer(market))
        products, payload = await asyncio.gather(
            self._call(self._rest(market), _PRODUCTS), self._ticker_answer(market)
        )
        return await self._parse(parse_inverse_tickers, payload, parse_scales(products))

    async def _ticker_answer(self, market: Market) -> object:
        host = self._rest(market)
        path, other = _TICKERS[market.contract_type]
        try:
            return await self._call(host, path)
        except (Refused, BadPayload):
            return await self._call(host, other)

    async def _check(
        self, credentials: Credentials, market: Market, deadline: Deadline
    ) -> CredentialReport:
        auth = PhemexAuth(credentials, self._clock)
        target = _ACCOUNT[market.contract_type]
        payload = await self._call(self._rest(market), target, auth=auth, deadline=deadline)
        report = parse_account(payload)
        if report.exchange_account is None and market.contract_type is ContractType.INVERSE:
            linear, until = _ACCOUNT[ContractType.LINEAR], deadline.earlier(USER_SECONDS)
            with suppress(ExchangeError):  # a by-product: without it the account stays unknown
                payload = await self._call(self._rest(market), linear, auth=auth, deadline=until)
                return replace(report, exchange_account=parse_account(payload).exchange_account)
        return report

    def _rest(self, market: Market) -> str:
        return self.host(market.environment, "rest")

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Return the longest of `Retry-After` and `x-ratelimit-retry-after`, named by group."""
        found = [super().retry_after(headers)]
        for name, text in headers.items():
            seconds = as_positive(text) if name.lower().startswith(_RETRY_AFTER) else None
            if seconds is not None and seconds <= _LONGEST_WAIT:
                found.append(float(seconds))
        return max((seconds for seconds in found if seconds is not None), default=None)

    def _verdict(self, code: str, message: str) -> Verdict | None:
        return super()._verdict(code, message) or VAGUE_ERRORS.get(code)

    def error_of(self, payload: object) -> tuple[str, str] | None:
        """Read `{"code": 10500, "msg": "…"}`, the code as number or text; for market data
        `{"error": {"code": 6001, "message": "…"}, "result": null}`; each with any status.
        """
        if not isinstance(payload, dict):
            return None
        error = payload.get("error")
        fields, name = (error, "message") if isinstance(error, dict) else (payload, "msg")
        if "code" not in fields:
            return None
        code, message = as_text(fields["code"]), fields.get(name)
        if code == "0":
            return None
        return code or "", message if isinstance(message, str) else ""
