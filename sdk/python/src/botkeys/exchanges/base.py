"""What all adapters share: call, read, classify. An adapter adds hosts, signing and parsing.

Classification of an answer, in this order: 429 and 418 are `RateLimited`; a code in the exchange's
exact table; a text in its substring table; by status: 408 without a code and 5xx are `Unreachable`
(an outage proves nothing about the credentials), 403 and 451 without a code are `AddressRefused`
(a firewall or a country), a signed call's 401 with the exchange's own envelope is
`CredentialsRefused`, other error codes `Refused`: an exchange that answered is not unreachable.
What is not JSON is `Unreadable`.

Limits: a call that is never sent, because our own queue before the host is too long, is
`RateLimited` too. The limits that an exchange states (`Retry-After`, or its own header) are obeyed:
an exhausted public quota holds back public calls, a ban of the whole address (418, or a 403 that is
a rate limit) holds back all calls.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

from botkeys.exchanges.aside import LONG_BYTES, Aside, is_long
from botkeys.exchanges.credential_format import malformed
from botkeys.exchanges.errors import (
    OTHER_CODE,
    AddressRefused,
    BadPayload,
    CredentialsRefused,
    ExchangeError,
    InvalidKey,
    NoEndpoint,
    RateLimited,
    Refused,
    Unreachable,
    Unreadable,
)
from botkeys.exchanges.hosts import HostTable
from botkeys.exchanges.model import (
    ContractType,
    CredentialReport,
    Credentials,
    Endpoints,
    Environment,
    Instrument,
    RefusalReason,
    Ticker,
)
from botkeys.exchanges.parsing import read_json
from botkeys.transport import client as transport
from botkeys.transport.client import Auth, Deadline, HttpAnswer, HttpTransport, Rate

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")

Clock = Callable[[], datetime]
"""Returns the current time, with its zone."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Unclear:
    """A code with several possible causes."""

    possible: tuple[RefusalReason, ...] = ()


Verdict = type[ExchangeError] | Unclear

_RATE_LIMITED = frozenset({418, 429})
_ADDRESS_BANNED = frozenset({403, 418})
_BARRED = frozenset({403, 451})
_TIMED_OUT = 408
_SERVER_FAULT = 500
_CLIENT_FAULT = 400
_UNAUTHORISED = 401
# A number or a word. Nearly every API key has digits among its letters.
_PLAIN_CODE = re.compile(r"-?[0-9]{1,10}|[A-Za-z]{1,40}", re.ASCII)
_UNREADABLE = object()


@dataclass(frozen=True, slots=True)
class Context:
    """What every adapter needs. `check_seconds` bounds a whole credential check."""

    http: HttpTransport
    clock: Clock = utc_now
    check_seconds: float = 5.0
    aside: Aside = field(default_factory=Aside)


@dataclass(frozen=True, slots=True)
class Market:
    """One part of an exchange. `region` is one of the adapter's; `None` is the default."""

    environment: Environment
    region: str | None
    contract_type: ContractType


def _payload(answer: HttpAnswer, *, pausing: bool = False) -> object:
    """Return the answer's JSON, or `_UNREADABLE`.

    The parser's error holds the whole text, which may echo the key: it must not become the context
    of the error that is raised.
    """
    try:
        return read_json(answer.body, pausing=pausing)
    except ValueError:
        return _UNREADABLE


class RestAdapter(ABC):
    """The base of the adapters; callers see an `ExchangeAdapter`."""

    exchange: ClassVar[str]
    contract_types: ClassVar[frozenset[ContractType]] = frozenset(ContractType)
    regions: ClassVar[frozenset[str]] = frozenset()
    hosts: ClassVar[HostTable]
    rate: ClassVar[Rate]
    exact_errors: ClassVar[Mapping[str, Verdict]]
    error_texts: ClassVar[Sequence[tuple[str, Verdict]]] = ()

    def __init__(self, context: Context, hosts: HostTable | None = None) -> None:
        self._http = context.http
        self._clock = context.clock
        self._check_seconds = context.check_seconds
        self._aside = context.aside
        self._hosts = self.hosts if hosts is None else hosts
        for names in self._hosts.values():
            for name, address in names.items():
                if address is not None and name.startswith("rest"):
                    self._http.set_rate(address, self.rate)

    @classmethod
    def simulated(cls, environment: Environment, address: str) -> Mapping[str, str | None]:
        """Return all hosts of an environment when one loopback address simulates the exchange."""
        return {
            name: address if name.startswith("rest") else None for name in cls.hosts[environment]
        }

    @abstractmethod
    def error_of(self, payload: object) -> tuple[str, str] | None:
        """Return code and message of an error envelope; `None` if the answer is not an error."""

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Return the seconds to wait that an answer to too many calls states."""
        return transport.retry_after(headers)

    def spent(self, headers: Mapping[str, str]) -> float | None:
        """Return the seconds until the next public call, if an answer states that none is left."""
        del headers  # most exchanges do not state it
        return None

    @abstractmethod
    def _endpoints(self, market: Market) -> Endpoints: ...

    @abstractmethod
    async def _instruments(self, market: Market) -> Sequence[Instrument]: ...

    @abstractmethod
    async def _tickers(self, market: Market) -> Sequence[Ticker]: ...

    @abstractmethod
    async def _check(
        self, credentials: Credentials, market: Market, deadline: Deadline
    ) -> CredentialReport: ...

    def endpoints(
        self, environment: Environment, region: str | None, contract_type: ContractType
    ) -> Endpoints:
        return self._endpoints(self._market(environment, region, contract_type))

    def tells_withdrawal(self, environment: Environment, region: str | None) -> bool:
        """Return whether a check finds out if a key can withdraw: here, if there is any host."""
        return any(
            self._endpoints(self._market(environment, region, contract_type)).rest is not None
            for contract_type in self.contract_types
        )

    async def instruments(
        self, environment: Environment, region: str | None, contract_type: ContractType
    ) -> Sequence[Instrument]:
        """Return all perpetuals open for trading, following every page."""
        return await self._instruments(self._market(environment, region, contract_type))

    async def tickers(
        self, environment: Environment, region: str | None, contract_type: ContractType
    ) -> Sequence[Ticker]:
        """Return last prices, maybe with symbols not in `instruments`, as dated contracts."""
        return await self._tickers(self._market(environment, region, contract_type))

    async def check_credentials(
        self,
        credentials: Credentials,
        environment: Environment,
        region: str | None,
        contract_type: ContractType,
        deadline: Deadline | None = None,
    ) -> CredentialReport:
        """Check the credentials with signed calls, all before the deadline (by default within
        `check_seconds`); return what they permit.
        """
        market = self._market(environment, region, contract_type)
        if malformed(self.exchange, credentials) is not None:
            raise InvalidKey(self.exchange, code="malformed")
        try:
            return await self._check(credentials, market, deadline or Deadline(self._check_seconds))
        except ExchangeError as error:
            if error.code is not None and _echoes(error.code, credentials):
                error.hide_code()
            raise

    def _market(
        self, environment: Environment, region: str | None, contract_type: ContractType
    ) -> Market:
        """Return the market. Raises `NoEndpoint` for an unknown region or contract type."""
        if contract_type not in self.contract_types:
            raise NoEndpoint(self.exchange)
        if region is not None and region not in self.regions:
            raise NoEndpoint(self.exchange)
        return Market(environment, region, contract_type)

    def host(self, environment: Environment, name: str) -> str:
        """Return the address of a named host, or raise `NoEndpoint`."""
        address = self._hosts[environment].get(name)
        if address is None:
            raise NoEndpoint(self.exchange)
        return address

    async def _call(
        self,
        host: str,
        target: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        auth: Auth | None = None,
        deadline: Deadline | None = None,
        safe: bool | None = None,
    ) -> object:
        """Send a call and return its JSON, which is not an error of the exchange.

        `safe`: a POST that changes nothing and may be repeated.
        """
        try:
            answer = await self._http.request(
                method,
                host + target,
                headers=headers,
                content=content,
                auth=auth,
                deadline=deadline,
                safe=safe,
            )
        except transport.AnswerTooLarge:
            raise Unreadable(self.exchange) from None
        except transport.Held as held:
            raise RateLimited(self.exchange, retry_after=held.seconds) from None
        except transport.Crowded:
            raise RateLimited(self.exchange) from None
        except transport.TransportError as error:
            raise Unreachable(self.exchange, explanation=error.explanation) from None
        if len(answer.body) < LONG_BYTES:
            payload = _payload(answer)
        else:
            payload = await self._aside.call(_payload, answer, pausing=True)
        return self._read_and_heed(host, answer, payload, signed=auth is not None)

    async def _parse(
        self,
        parse: Callable[Concatenate[Any, Parameters], Result],
        payload: object,
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Parse a listing, beside the event loop if it is long."""
        if is_long(payload):
            return await self._aside.call(parse, payload, *args, **kwargs)
        return parse(payload, *args, **kwargs)

    def _read_and_heed(
        self, host: str, answer: HttpAnswer, payload: object, *, signed: bool
    ) -> object:
        """Read an answer, and hold back calls to the host for as long as it asks."""
        spent = None if signed else self.spent(answer.headers)
        if spent is not None:
            self._http.hold(host, spent)
        try:
            return self._read(answer, payload, signed=signed)
        except RateLimited as limited:
            banned = limited.status in _ADDRESS_BANNED
            if limited.retry_after is not None and (banned or not signed):
                self._http.hold(host, limited.retry_after, signed_too=banned)
            raise

    def _read(self, answer: HttpAnswer, payload: object, *, signed: bool) -> object:
        status = answer.status
        if payload is _UNREADABLE:
            error_of_status = self._by_status(answer, signed=False, code=None)
            if isinstance(error_of_status, BadPayload):
                raise Unreadable(self.exchange, status=status)
            raise error_of_status
        error = self.error_of(payload)
        if error is None:
            if status < _CLIENT_FAULT:
                return payload
            raise self._by_status(answer, signed=False, code=None)
        code, message = error
        verdict = self._verdict(code, message)
        safe_code = self._safe(code)
        if status in _RATE_LIMITED or verdict is None:
            raise self._by_status(answer, signed=signed, code=safe_code)
        if isinstance(verdict, Unclear):
            raise CredentialsRefused(
                self.exchange, code=safe_code, status=status, possible=verdict.possible
            )
        if issubclass(verdict, RateLimited):
            raise self._rate_limited(answer, safe_code)
        raise verdict(self.exchange, code=safe_code, status=status)

    def _verdict(self, code: str, message: str) -> Verdict | None:
        exact = self.exact_errors.get(code)
        if exact is not None:
            return exact
        lowered = message.lower()
        return next((verdict for text, verdict in self.error_texts if text in lowered), None)

    def _by_status(self, answer: HttpAnswer, *, signed: bool, code: str | None) -> ExchangeError:
        """Return the error by status, where the body is not conclusive. `code`: of its envelope."""
        status = answer.status
        if status in _RATE_LIMITED:
            return self._rate_limited(answer, code)
        if status >= _SERVER_FAULT or (status == _TIMED_OUT and code is None):
            return Unreachable(self.exchange, code=code, status=status)
        if status in _BARRED and code is None:
            return AddressRefused(self.exchange, code=str(status), status=status)
        if code is None:
            return BadPayload(self.exchange, status=status)
        if status == _UNAUTHORISED and signed:
            return CredentialsRefused(self.exchange, code=code, status=status)
        return Refused(self.exchange, code=code, status=status)

    def _rate_limited(self, answer: HttpAnswer, code: str | None) -> RateLimited:
        seconds = self.retry_after(answer.headers)
        return RateLimited(self.exchange, retry_after=seconds, code=code, status=answer.status)

    def _safe(self, code: str) -> str:
        """Return a code that is known, a number or a word: other text may echo the key."""
        known = code in self.exact_errors or _PLAIN_CODE.fullmatch(code)
        return code if known else OTHER_CODE


def _echoes(code: str, credentials: Credentials) -> bool:
    """Return whether a word that an exchange gave as its code is part of the credentials."""
    parts = (credentials.api_key, credentials.api_secret, credentials.api_passphrase)
    return not code.lstrip("-").isdigit() and any(
        part is not None and code in part.reveal() for part in parts
    )
