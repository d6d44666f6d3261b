"""Gemini: linear perpetuals in GUSD, cross margin within a derivatives account.

No call, public or signed, sets a leverage or returns a maximum: it follows from size and margin.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar
from urllib.parse import quote as percent_encoded
from weakref import WeakValueDictionary

from botkeys.exchanges.base import Clock, Context, Market, RestAdapter, Verdict
from botkeys.exchanges.errors import (
    BadPayload,
    BadSignature,
    ClockSkew,
    ExchangeError,
    InvalidKey,
    IpNotAllowed,
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
    Ticker,
)
from botkeys.exchanges.parsing import (
    Row,
    as_answer,
    as_asset,
    as_decimal,
    as_positive,
    as_text,
    listing,
    milliseconds,
    object_of,
    rows_of,
)
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Auth, AuthFlow, Deadline, Rate, Request, target_of

# --- constants

EXCHANGE = "gemini"
MOST_SYMBOLS = 60  # most symbols whose details are requested one by one
# Volumes are requested symbol by symbol, the oldest first, for this long in one round: a caller who
# waits for the first listing waits no longer, and later rounds fetch what one leaves out.
VOLUME_SECONDS = 5.0
VOLUME_AGE = timedelta(minutes=15)  # after which a volume is no longer returned

# Names: rest, and websocket, to which bots append /v2/marketdata or /v1/order/events.
HOSTS: HostTable = {
    Environment.LIVE: {
        "rest": "https://api.gemini.com",
        "websocket": "wss://api.gemini.com",
    },
    Environment.TESTNET: {
        "rest": "https://api.sandbox.gemini.com",
        "websocket": "wss://api.sandbox.gemini.com",
    },
}

_ALL_DETAILS = "/v1/symbols/details/all"
_SYMBOLS = "/v1/symbols"
_DETAILS = "/v1/symbols/details/"
_PRICES = "/v1/pricefeed"
_TICKER = "/v1/pubticker/"
_ROLES = "/v1/roles"
_PERPETUAL_ID = "perp"
# Between two nonces in seconds: by then a bot's call of the first second is in the past.
NONCE_SECONDS = 1.0
_TRIES = 2  # with seconds, before milliseconds
_UNIT = Decimal(1)
_MS_PER_SECOND = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# --- signing


class Turn:
    """One key's place in line: its calls must arrive in the order of their nonces."""

    __slots__ = ("__weakref__", "lock", "second")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.second = 0  # the last one used as a nonce


class Nonces:
    """The numbers that calls count with, and a turn per key.

    Seconds are those of the clock, never ahead of it: the next second of a bot that counts in
    seconds is then always above. Milliseconds increase even while the clock stands still. Turns are
    found by a salted hash, so that no API key stays here after its call.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0
        self._salt = secrets.token_bytes(16)
        self._turns: WeakValueDictionary[bytes, Turn] = WeakValueDictionary()

    def in_milliseconds(self) -> int:
        self._last = max(milliseconds(self._clock()), self._last + 1)
        return self._last

    def in_seconds(self) -> int:
        return milliseconds(self._clock()) // _MS_PER_SECOND

    def turn(self, api_key: Secret) -> Turn:
        """Return the turn of one key; it is dropped once nobody holds it or waits for it."""
        name = hashlib.blake2b(api_key.reveal().encode(), key=self._salt).digest()
        return self._turns.setdefault(name, Turn())


class GeminiAuth(Auth):
    """Signs hex(HMAC-SHA384(secret, base64(payload))): everything is in headers, without a body.

    The payload is `{"request": path, "nonce": "…"}` as serialized.
    """

    def __init__(self, credentials: Credentials, nonce: Callable[[], int]) -> None:
        self._credentials = credentials
        self._nonce = nonce

    def auth_flow(self, request: Request) -> AuthFlow:
        payload = {"request": target_of(request), "nonce": str(self._nonce())}
        text = base64.b64encode(json.dumps(payload, separators=(",", ":")).encode("ascii"))
        secret = self._credentials.api_secret.reveal().encode()
        signature = hmac.new(secret, text, hashlib.sha384).hexdigest()
        request.headers["Content-Type"] = "text/plain"
        request.headers["Cache-Control"] = "no-cache"
        request.headers["X-GEMINI-APIKEY"] = self._credentials.api_key.reveal()
        request.headers["X-GEMINI-PAYLOAD"] = text.decode("ascii")
        request.headers["X-GEMINI-SIGNATURE"] = signature
        yield request


# --- parsing


def parse_instruments(payload: object) -> Sequence[Instrument]:
    """Parse `symbols/details/all`, or a list of answers of `symbols/details/{symbol}`."""
    return listing(EXCHANGE, rows_of(EXCHANGE, payload), _instrument)


def _instrument(row: Row) -> Instrument | None:
    """Parse a row: `tick_size` is the step of the quantity, `quote_increment` of the price.

    `contract_price_currency` is what a swap settles in; spot rows have one too.
    """
    kind = (row.get("product_type"), row.get("contract_type"), row.get("status"))
    if kind != ("swap", "linear", "open"):
        return None
    symbol = as_text(row.get("symbol"))
    base, quote = as_asset(row.get("base_currency")), as_asset(row.get("quote_currency"))
    settle = as_asset(row.get("contract_price_currency"))
    tick, step = as_positive(row.get("quote_increment")), as_positive(row.get("tick_size"))
    if not (symbol and base and quote and settle and tick and step):
        return None
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        settle=settle,
        contract_type=ContractType.LINEAR,
        contract_size=_UNIT,
        tick_size=tick,
        lot_size=step,
        min_quantity=as_positive(row.get("min_order_size")) or step,
        max_leverage=None,
        margin_modes=(MarginMode.CROSS,),
    )


def parse_symbols(payload: object) -> Sequence[str]:
    """Parse `symbols`: the ids of perpetuals, which alone end in `perp`."""
    if not isinstance(payload, list):
        raise BadPayload(EXCHANGE)
    found = [as_text(name) for name in payload]
    return [name for name in found if name and name.lower().endswith(_PERPETUAL_ID)]


def parse_prices(payload: object, symbols: frozenset[str]) -> Sequence[Ticker]:
    """Parse `pricefeed`: last prices of the given symbols, without volumes."""

    def ticker(row: Row) -> Ticker | None:
        symbol = as_text(row.get("pair"))
        if symbol is None or symbol not in symbols:
            return None
        return Ticker(symbol, as_positive(row.get("price")), None)

    return listing(EXCHANGE, rows_of(EXCHANGE, payload), ticker)


def parse_volume(payload: object, instrument: Instrument) -> Decimal | None:
    """Parse `pubticker`: the quote amount of 24 hours; if missing, the base amount at the price."""
    ticker = object_of(EXCHANGE, payload)
    amounts = ticker.get("volume")
    if not isinstance(amounts, dict):
        raise BadPayload(EXCHANGE)
    amount = as_decimal(amounts.get(instrument.quote))
    if amount is not None:
        return amount
    coins, price = as_decimal(amounts.get(instrument.base)), as_positive(ticker.get("last"))
    return None if coins is None or price is None else coins * price


def parse_roles(payload: object) -> Permissions:
    """Parse `roles`: a trader trades, a fund manager withdraws, every role reads balances."""
    roles = object_of(EXCHANGE, payload)
    trade, withdraw = as_answer(roles.get("isTrader")), as_answer(roles.get("isFundManager"))
    held = {trade, withdraw, as_answer(roles.get("isAuditor"))}
    if held == {PermissionAnswer.UNKNOWN}:
        raise BadPayload(EXCHANGE)
    if PermissionAnswer.YES in held:
        read = PermissionAnswer.YES
    else:
        read = PermissionAnswer.UNKNOWN if PermissionAnswer.UNKNOWN in held else PermissionAnswer.NO
    return Permissions(read, trade, withdraw)


class Volumes:
    """Known volumes by symbol: public numbers, kept while the others are requested."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[str, datetime] = {}
        self._known: dict[str, tuple[datetime, Decimal | None]] = {}

    def due(self, listed: Sequence[Instrument]) -> Sequence[Instrument]:
        """Return the instruments, those never or least recently requested first."""
        symbols = {instrument.symbol for instrument in listed}
        self._asked = {name: at for name, at in self._asked.items() if name in symbols}
        self._known = {name: entry for name, entry in self._known.items() if name in symbols}
        return sorted(listed, key=lambda item: self._asked.get(item.symbol, _EPOCH))

    def asked(self, symbol: str) -> None:
        self._asked[symbol] = self._clock()

    def remember(self, symbol: str, volume: Decimal | None) -> None:
        self._known[symbol] = (self._clock(), volume)

    def of(self, symbol: str) -> Decimal | None:
        at, volume = self._known.get(symbol, (_EPOCH, None))
        return volume if self._clock() - at < VOLUME_AGE else None


# --- errors

EXACT_ERRORS: Mapping[str, Verdict] = {
    "EndpointNotFound": Refused,
    "InvalidApiKey": InvalidKey,
    "InvalidNonce": ClockSkew,
    "InvalidSignature": BadSignature,
    "InvalidTimestampInPayload": ClockSkew,
    "Maintenance": Unreachable,
    # A header that we always send was lost on the way, or is not what Gemini understands.
    "MissingApikeyHeader": InvalidKey,
    "MissingPayloadHeader": BadSignature,
    "MissingRole": PermissionRefused,
    "MissingSignatureHeader": BadSignature,
    "NoSSL": Refused,  # of plain HTTP
    "RateLimit": RateLimited,
    "RateLimited": RateLimited,
    "System": Unreachable,
}
ERROR_TEXTS: Sequence[tuple[str, Verdict]] = (
    ("requests were made too frequently", RateLimited),
    ("nonce", ClockSkew),
    # No reason is documented for an address that is not trusted; this is the portal's text.
    ("trusted ip", IpNotAllowed),
    ("ip address", IpNotAllowed),
)


# --- adapter


class GeminiAdapter(RestAdapter):
    exchange: ClassVar[str] = EXCHANGE
    contract_types: ClassVar[frozenset[ContractType]] = frozenset({ContractType.LINEAR})
    hosts: ClassVar[HostTable] = HOSTS
    # 120 public calls a minute, with a burst of five.
    rate: ClassVar[Rate] = Rate(5, 3.0)
    exact_errors: ClassVar[Mapping[str, Verdict]] = EXACT_ERRORS
    error_texts: ClassVar[Sequence[tuple[str, Verdict]]] = ERROR_TEXTS

    def __init__(self, context: Context, hosts: HostTable | None = None) -> None:
        super().__init__(context, hosts)
        self._nonces = Nonces(context.clock)
        self._volumes = {environment: Volumes(context.clock) for environment in Environment}

    def _endpoints(self, market: Market) -> Endpoints:
        hosts = self._hosts[market.environment]
        return Endpoints(hosts["rest"], hosts["websocket"])

    async def _instruments(self, market: Market) -> Sequence[Instrument]:
        """Call once for all; one by one where a host lacks that undocumented call."""
        host = self._rest(market)
        try:
            payload = await self._call(host, _ALL_DETAILS)
        except (Refused, BadPayload):
            payload = await self._one_by_one(host)
        return await self._parse(parse_instruments, payload)

    async def _one_by_one(self, host: str) -> object:
        symbols = parse_symbols(await self._call(host, _SYMBOLS))
        rows = []
        for symbol in symbols[:MOST_SYMBOLS]:
            with suppress(Refused, BadPayload):
                rows.append(await self._call(host, _DETAILS + percent_encoded(symbol, safe="")))
        return rows

    async def _tickers(self, market: Market) -> Sequence[Ticker]:
        """Fetch all prices in one call; then volumes symbol by symbol, so that a credential check
        never waits behind more than one of them.
        """
        listed = await self._instruments(market)
        payload = await self._call(self._rest(market), _PRICES)
        prices = await self._parse(
            parse_prices, payload, frozenset(instrument.symbol for instrument in listed)
        )
        volumes = self._volumes[market.environment]
        await self._ask_for_volumes(market, volumes.due(listed), volumes)
        return [replace(ticker, volume_24h=volumes.of(ticker.symbol)) for ticker in prices]

    async def _ask_for_volumes(
        self, market: Market, listed: Sequence[Instrument], volumes: Volumes
    ) -> None:
        host, until = self._rest(market), Deadline(VOLUME_SECONDS)
        for instrument in listed:
            if not until.left():
                return
            volumes.asked(instrument.symbol)
            try:
                target = _TICKER + percent_encoded(instrument.symbol, safe="")
                volumes.remember(
                    instrument.symbol, parse_volume(await self._call(host, target), instrument)
                )
            except RateLimited:
                return
            except ExchangeError:
                continue  # a host that is down fails at once through its open circuit

    async def _check(
        self, credentials: Credentials, market: Market, deadline: Deadline
    ) -> CredentialReport:
        """Fetch the key's roles, which any role may do; one check of a key at a time."""
        turn = self._nonces.turn(credentials.api_key)
        try:
            with deadline.in_line():
                async with asyncio.timeout(deadline.left_in_line()):
                    await turn.lock.acquire()
        except TimeoutError:
            raise RateLimited(self.exchange) from None
        try:
            return CredentialReport(await self._roles(credentials, turn, market, deadline))
        finally:
            turn.lock.release()

    async def _roles(
        self, credentials: Credentials, turn: Turn, market: Market, deadline: Deadline
    ) -> Permissions:
        """Call with nonces in seconds, and in milliseconds once two seconds were refused.

        A refused nonce does no harm; an accepted one must be exceeded from then on. Milliseconds
        would therefore end every bot that counts in seconds, while seconds end none. A key whose
        bot counts in milliseconds refuses both seconds, and may be overtaken once more.
        """
        used: list[int] = []

        def second() -> int:
            turn.second = self._nonces.in_seconds()
            used.append(turn.second)
            return turn.second

        seconds = GeminiAuth(credentials, second)
        for _ in range(_TRIES):
            if used or turn.second == self._nonces.in_seconds():
                await self._next_second(deadline)
            with suppress(ClockSkew):
                return await self._ask(seconds, market, deadline)
        if len(used) > _TRIES:
            # A call was repeated after a fault: its first try may have used up that second.
            raise Unreachable(self.exchange)
        auth = GeminiAuth(credentials, self._nonces.in_milliseconds)
        with suppress(ClockSkew):
            return await self._ask(auth, market, deadline)
        return await self._ask(auth, market, deadline)

    async def _next_second(self, deadline: Deadline) -> None:
        if deadline.left() <= NONCE_SECONDS:
            raise RateLimited(self.exchange)  # nothing is known of the key, and nothing is wrong
        await asyncio.sleep(NONCE_SECONDS)

    async def _ask(self, auth: Auth, market: Market, deadline: Deadline) -> Permissions:
        payload = await self._call(
            self._rest(market), _ROLES, method="POST", auth=auth, deadline=deadline, safe=True
        )
        return parse_roles(payload)

    def _rest(self, market: Market) -> str:
        return self.host(market.environment, "rest")

    def error_of(self, payload: object) -> tuple[str, str] | None:
        """Read `{"result": "error", "reason": "InvalidNonce", "message": "…"}`."""
        if not isinstance(payload, dict) or payload.get("result") != "error":
            return None
        reason, message = payload.get("reason"), payload.get("message")
        return (
            reason if isinstance(reason, str) else "",
            message if isinstance(message, str) else "",
        )
