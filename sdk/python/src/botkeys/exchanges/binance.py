"""Binance futures: USDS-M (linear, `fapi`) and COIN-M (inverse, `dapi`).

Test environment: Demo Trading. Only the live account host reports the permissions of a key.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar
from urllib.parse import quote

from botkeys.exchanges.base import Clock, Market, RestAdapter, Verdict
from botkeys.exchanges.binance_account import (
    parse_exchange_account,
    parse_portfolio_account,
    parse_restrictions,
)
from botkeys.exchanges.binance_errors import ERROR_TEXTS, EXACT_ERRORS
from botkeys.exchanges.binance_futures import (
    EXCHANGE,
    parse_can_trade,
    parse_instruments,
    parse_inverse_tickers,
    parse_leverage,
    parse_linear_tickers,
)
from botkeys.exchanges.errors import BadSignature, ClockSkew, CredentialsRefused, ExchangeError
from botkeys.exchanges.hosts import HostTable
from botkeys.exchanges.model import (
    ContractType,
    CredentialReport,
    Credentials,
    Endpoints,
    Environment,
    Instrument,
    PermissionAnswer,
    Permissions,
    Ticker,
)
from botkeys.exchanges.parsing import as_text, milliseconds
from botkeys.exchanges.pem import is_pem, sign_with_pem
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Auth, AuthFlow, Deadline, Rate, Request, set_target, target_of

# --- constants

RECEIVE_WINDOW_MS = 10_000
LEVERAGE_SECONDS = 2.5  # what a credential check may spend on each optional answer

# Names: rest_linear and rest_inverse for market data and accounts, rest_account for the permissions
# of a key and rest_portfolio for portfolio margin accounts (no test environment has either),
# websocket_… for bots, which append /public/ws, /market/ws or /private/ws (linear), /ws (inverse).
HOSTS: HostTable = {
    Environment.LIVE: {
        "rest_linear": "https://fapi.binance.com",
        "rest_inverse": "https://dapi.binance.com",
        "rest_account": "https://api.binance.com",
        "rest_portfolio": "https://papi.binance.com",
        "websocket_linear": "wss://fstream.binance.com",
        "websocket_inverse": "wss://dstream.binance.com",
    },
    Environment.TESTNET: {
        "rest_linear": "https://demo-fapi.binance.com",
        "rest_inverse": "https://demo-dapi.binance.com",
        "rest_account": None,
        "rest_portfolio": None,
        "websocket_linear": "wss://fstream.binancefuture.com",
        "websocket_inverse": "wss://dstream.binancefuture.com",
    },
}


@dataclass(frozen=True, slots=True)
class _Paths:
    """The calls of one contract type; a portfolio margin account has its own."""

    instruments: str
    tickers: str
    account: str
    leverage: str
    portfolio_account: str
    portfolio_leverage: str


_PATHS = {
    ContractType.LINEAR: _Paths(
        "/fapi/v1/exchangeInfo",
        "/fapi/v1/ticker/24hr",
        "/fapi/v1/accountConfig",
        "/fapi/v1/leverageBracket",
        "/papi/v1/um/accountConfig",
        "/papi/v1/um/leverageBracket",
    ),
    # Version 1 of the inverse leverage table is by pair, version 2 by symbol.
    ContractType.INVERSE: _Paths(
        "/dapi/v1/exchangeInfo",
        "/dapi/v1/ticker/24hr",
        "/dapi/v1/account",
        "/dapi/v2/leverageBracket",
        "/papi/v1/cm/account",
        "/papi/v1/cm/leverageBracket",
    ),
}
_RESTRICTIONS_PATH = "/sapi/v1/account/apiRestrictions"
_ACCOUNT_PATH = "/api/v3/account?omitZeroBalances=true"


# --- signing


class BinanceAuth(Auth):
    """Signs the whole query, `timestamp` and `recvWindow` included; `signature` comes last.

    HMAC-SHA256 as hex, or with a PEM secret RSA (PKCS #1 v1.5, SHA-256) or Ed25519 as
    percent-encoded base64. For GET and DELETE, the only methods sent here.
    """

    def __init__(
        self, credentials: Credentials, clock: Clock, receive_window_ms: int = RECEIVE_WINDOW_MS
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._receive_window_ms = receive_window_ms

    def auth_flow(self, request: Request) -> AuthFlow:
        path, _, query = target_of(request).partition("?")
        parameters = [f"timestamp={milliseconds(self._clock())}"]
        parameters += [query] if query else []
        parameters.append(f"recvWindow={self._receive_window_ms}")
        signed = "&".join(parameters)
        signature = sign(self._credentials.api_secret, signed)
        set_target(request, f"{path}?{signed}&signature={signature}")
        request.headers["X-MBX-APIKEY"] = self._credentials.api_key.reveal()
        yield request


def sign(secret: Secret, text: str) -> str:
    """Return the signature of a query text, encoded for the query."""
    revealed, message = secret.reveal(), text.encode("ascii")
    if not is_pem(revealed):
        return hmac.new(revealed.encode(), message, hashlib.sha256).hexdigest()
    return quote(sign_with_pem(revealed, message), safe="")


# --- adapter


class BinanceAdapter(RestAdapter):
    exchange: ClassVar[str] = EXCHANGE
    hosts: ClassVar[HostTable] = HOSTS
    # 2400 weight a minute and address, shared by all callers behind it; our heaviest call is 40.
    rate: ClassVar[Rate] = Rate(10, 1.0)
    exact_errors: ClassVar[Mapping[str, Verdict]] = EXACT_ERRORS
    error_texts: ClassVar[Sequence[tuple[str, Verdict]]] = ERROR_TEXTS

    @classmethod
    def simulated(cls, environment: Environment, address: str) -> Mapping[str, str | None]:
        hosts = dict(super().simulated(environment, address))
        if environment is Environment.TESTNET:  # as at the real exchange
            hosts["rest_account"] = hosts["rest_portfolio"] = None
        return hosts

    def tells_withdrawal(self, environment: Environment, region: str | None) -> bool:
        """Return whether the host that answers about permissions exists."""
        del region  # there are none
        return self._hosts[environment]["rest_account"] is not None

    def _endpoints(self, market: Market) -> Endpoints:
        hosts, kind = self._hosts[market.environment], market.contract_type
        return Endpoints(hosts[f"rest_{kind}"], hosts[f"websocket_{kind}"])

    async def _instruments(self, market: Market) -> Sequence[Instrument]:
        payload = await self._call(self._futures(market), _PATHS[market.contract_type].instruments)
        return await self._parse(parse_instruments, payload, market.contract_type)

    async def _tickers(self, market: Market) -> Sequence[Ticker]:
        host, path = self._futures(market), _PATHS[market.contract_type].tickers
        if market.contract_type is ContractType.LINEAR:
            return await self._parse(parse_linear_tickers, await self._call(host, path))
        listed, payload = await asyncio.gather(self._instruments(market), self._call(host, path))
        sizes = {instrument.symbol: instrument.contract_size for instrument in listed}
        return await self._parse(parse_inverse_tickers, payload, sizes)

    async def _check(
        self, credentials: Credentials, market: Market, deadline: Deadline
    ) -> CredentialReport:
        """Ask the account host what the key may do, then the futures host what the account may.

        Where there is an account host, it decides whether the credentials are valid: its failure is
        the check's failure. A later failure of the futures host only makes `trade` less certain,
        since what is known about withdrawal must not get lost. Elsewhere the futures host decides.
        The account's id and the leverage table are by-products: without them both stay unknown.
        """
        auth = BinanceAuth(credentials, self._clock)
        account_host = self._hosts[market.environment]["rest_account"]
        permissions, portfolio = Permissions(read=PermissionAnswer.YES), False
        if account_host is not None:
            payload = await self._call(
                account_host, _RESTRICTIONS_PATH, auth=auth, deadline=deadline
            )
            permissions, portfolio = parse_restrictions(payload)
        account, leverage, exchange_account = await asyncio.gather(
            self._account(market, auth, deadline),
            self._leverage(market, auth, deadline),
            self._exchange_account(account_host, auth, deadline),
        )
        if account_host is None and isinstance(account, ExchangeError):
            raise account
        if portfolio and _is_refused(account):
            trade, leverage = await self._on_portfolio(market, auth, deadline)
        else:
            trade = _trade_on_account(permissions.trade, account)
        return CredentialReport(
            replace(permissions, trade=trade),
            exchange_account=exchange_account,
            max_leverage=leverage,
        )

    async def _account(
        self, market: Market, auth: Auth, deadline: Deadline
    ) -> bool | ExchangeError:
        """Return whether the account may trade futures, or why that is unknown."""
        path = _PATHS[market.contract_type].account
        try:
            payload = await self._call(self._futures(market), path, auth=auth, deadline=deadline)
            return parse_can_trade(payload)
        except ExchangeError as error:
            return error

    async def _on_portfolio(
        self, market: Market, auth: Auth, deadline: Deadline
    ) -> tuple[PermissionAnswer, Mapping[str, Decimal]]:
        """Ask the host of portfolio margin accounts, which the futures hosts refuse: whether the
        account may trade, and its leverage table. The key's right to is known here.
        """
        paths, until = _PATHS[market.contract_type], deadline.earlier(LEVERAGE_SECONDS)
        try:
            host = self.host(market.environment, "rest_portfolio")
            payload = await self._call(host, paths.portfolio_account, auth=auth, deadline=until)
            trade = parse_portfolio_account(payload)
        except ExchangeError:
            return PermissionAnswer.UNKNOWN, {}
        return trade, await self._table(host, paths.portfolio_leverage, auth, until)

    async def _leverage(
        self, market: Market, auth: Auth, deadline: Deadline
    ) -> Mapping[str, Decimal]:
        path, until = _PATHS[market.contract_type].leverage, deadline.earlier(LEVERAGE_SECONDS)
        return await self._table(self._futures(market), path, auth, until)

    async def _table(
        self, host: str, path: str, auth: Auth, deadline: Deadline
    ) -> Mapping[str, Decimal]:
        try:
            return parse_leverage(await self._call(host, path, auth=auth, deadline=deadline))
        except ExchangeError:
            return {}

    async def _exchange_account(
        self, host: str | None, auth: Auth, deadline: Deadline
    ) -> str | None:
        """Return the exchange's id of the account; `None` where no host tells it."""
        if host is None:
            return None
        until = deadline.earlier(LEVERAGE_SECONDS)
        try:
            return parse_exchange_account(
                await self._call(host, _ACCOUNT_PATH, auth=auth, deadline=until)
            )
        except ExchangeError:
            return None

    def _futures(self, market: Market) -> str:
        return self.host(market.environment, f"rest_{market.contract_type}")

    def error_of(self, payload: object) -> tuple[str, str] | None:
        """Read `{"code": -2015, "msg": "…"}`, with any status; the code may come as text."""
        if not isinstance(payload, dict) or "code" not in payload or "msg" not in payload:
            return None
        code = as_text(payload["code"])
        if code in {"0", "200"}:
            return None
        message = payload["msg"]
        return code or "", message if isinstance(message, str) else ""


def _trade_on_account(key: PermissionAnswer, account: bool | ExchangeError) -> PermissionAnswer:
    """Return whether a key may trade on its account; a key without the right gains none."""
    if key is PermissionAnswer.NO or account is True:
        return key
    if account is False:
        return PermissionAnswer.NO
    # The account host accepted these very credentials from the same address, so a refusal by the
    # futures host is about futures: the key cannot trade there, whatever its flags say.
    return PermissionAnswer.NO if _is_refused(account) else PermissionAnswer.UNKNOWN


def _is_refused(account: bool | ExchangeError) -> bool:
    """Return whether the futures host refused credentials that are valid."""
    return isinstance(account, CredentialsRefused) and not isinstance(
        account, ClockSkew | BadSignature
    )
