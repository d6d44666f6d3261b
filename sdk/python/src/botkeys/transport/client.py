"""One HTTP client for every outgoing call. Nothing but this and `network` imports httpx.

Its errors are in `botkeys.transport.errors`. No error and no log record of this module contains an
address, a header or a body: Binance takes the signature in the query, and OKX the passphrase in
plaintext.
"""

import asyncio
import logging
import random
import time
import zlib
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self, cast

import httpx
from httpx import ASGITransport, Auth, Request, Response
from tenacity import (
    AsyncRetrying,
    Future,
    RetryCallState,
    stop_after_attempt,
    wait_exponential_jitter,
)

from botkeys.transport.certificates import rejected_certificate
from botkeys.transport.deadline import Deadline
from botkeys.transport.errors import (
    AnswerTooLarge,
    CircuitOpen,
    Crowded,
    Held,
    ProxyFailed,
    ProxyRefused,
    Redirected,
    TimedOut,
    TransportError,
    Unreachable,
    Unsendable,
    Untrusted,
)
from botkeys.transport.host_gate import CircuitRule, HostGate, Rate
from botkeys.transport.network import LEG, Leg, Network, ProxyFault
from botkeys.transport.outbound import Outbound

__all__ = [
    "ASGITransport",
    "AnswerTooLarge",
    "Attempt",
    "Auth",
    "AuthFlow",
    "CircuitOpen",
    "CircuitRule",
    "Crowded",
    "Deadline",
    "Held",
    "HttpAnswer",
    "HttpStream",
    "HttpTransport",
    "Outbound",
    "ProxyFailed",
    "ProxyRefused",
    "Rate",
    "Redirected",
    "Request",
    "Response",
    "TimedOut",
    "TransportError",
    "TransportLimits",
    "Unreachable",
    "Unsendable",
    "Untrusted",
    "keep_addresses_out_of_logs",
    "retry_after",
    "set_target",
    "target_of",
]

AuthFlow = Generator[Request, Response, None]

_RETRYABLE_STATUS = frozenset({500, 502, 503, 504})
_TOO_MANY = 429
_SERVER_FAULT = 500
# A little later than asked and spread out: every caller was given the same second.
_SPREAD = (0.01, 0.2)
_UNSENDABLE = (httpx.InvalidURL, httpx.LocalProtocolError, httpx.UnsupportedProtocol)
_FAILURES = (
    httpx.HTTPError,
    httpx.StreamError,
    ProxyFault,
    *_UNSENDABLE,
    UnicodeError,
    zlib.error,
)
_AS_IT_IS = {"Accept-Encoding": "identity", "Cache-Control": "no-store"}
_BETWEEN_LINES = 60.0
_logger = logging.getLogger("botkeys.transport")
_GZIP = 31  # zlib's window bits for a gzip header


class _Unanswered(TimedOut):
    """Our deadline passed during the call; `_once` decides whether to blame the host."""


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Limits in seconds and bytes. `total_timeout` applies where a caller gives no deadline.

    The pause before a second try is `first_pause`, then twice as long each time up to
    `longest_pause`, jitter apart.
    """

    connect_timeout: float = 3.0
    read_timeout: float = 5.0
    total_timeout: float = 15.0
    attempts: int = 3
    first_pause: float = 0.05
    longest_pause: float = 1.0
    max_answer_bytes: int = 8 * 1024 * 1024
    concurrency_per_host: int = 8
    rate_per_host: Rate = field(default_factory=lambda: Rate(10, 1.0))
    circuit: CircuitRule = field(default_factory=CircuitRule)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer with case-insensitive `headers`. Its repr is bare: it may echo what was sent."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a call that has ended, for an observer: nothing of what was sent but its path.

    `failure` is the class name of an error; `seconds` ends now.
    """

    method: str
    host: str
    path: str
    seconds: float
    status: int | None = None
    failure: str | None = None


class HttpStream:
    """An answer whose body is still arriving, with case-insensitive `headers`."""

    def __init__(self, response: Response, host: str, limits: TransportLimits) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._host = host
        self._limits = limits

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body in chunks, none of them empty, until the host ends it."""
        if self.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise AnswerTooLarge(self._host, "an encoding that was not offered")
        try:
            async for chunk in self._response.aiter_raw():
                if chunk:
                    yield chunk
        except _FAILURES as error:
            failure = _failure(self._host, error)
        else:
            return
        raise failure

    async def answer(self) -> HttpAnswer:
        """Read the whole answer, for a status that promises no stream; bounded in time and size."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.total_timeout):
                async for chunk in self.chunks():
                    body += chunk
                    if len(body) > self._limits.max_answer_bytes:
                        raise AnswerTooLarge(self._host, "more bytes than the limit")
        except TimeoutError:
            pass
        else:
            return HttpAnswer(self.status, self.headers, bytes(body))
        raise TimedOut(self._host, "total time")


def target_of(request: Request) -> str:
    """Return path and query of a request exactly as they will be sent: what an `Auth` signs."""
    return request.url.raw_path.decode("ascii")


def set_target(request: Request, target: str) -> None:
    """Replace path and query, so that an `Auth` can add its signature; never send other bytes."""
    request.url = request.url.copy_with(raw_path=target.encode("ascii"))
    if target_of(request) != target:
        raise ValueError("the target has characters that would be escaped after signing")


class _Quiet(logging.Filter):
    """A filter: httpx logs addresses with signatures at INFO, httpcore logs headers at DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


_QUIET = _Quiet()
_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")


def keep_addresses_out_of_logs() -> None:
    """Let the libraries below log nothing but warnings."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_QUIET)


_Outcome = HttpAnswer | TransportError


@dataclass(frozen=True, slots=True, repr=False)
class _Call:
    """What one request sends, at every attempt."""

    method: str
    url: str
    host: str
    headers: Mapping[str, str] | None
    content: bytes | None
    auth: Auth | None
    until: Deadline
    bound: asyncio.Timeout
    leg: Leg = field(default_factory=Leg)


class HttpTransport:
    """Bounded calls to hosts that may be slow, broken or hostile. One per event loop.

    `outbound` says which authorities are trusted and through which proxy calls go: by default the
    public ones, and none. The environment's proxies and netrc are not read. Cookies are not kept.
    `observe` is given each attempt. `transport` replaces the network in tests, as in
    `ASGITransport(app)`.
    """

    def __init__(
        self,
        limits: TransportLimits | None = None,
        *,
        outbound: Outbound | None = None,
        observe: Callable[[Attempt], None] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._limits = limits or TransportLimits()
        self._rates: dict[str, Rate] = {}
        self._gates: dict[str, HostGate] = {}
        self._observe = observe
        self._explained: dict[str, float] = {}
        keep_addresses_out_of_logs()
        self._client = httpx.AsyncClient(
            headers={"User-Agent": "botkeys", "Accept-Encoding": "gzip"},
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(self._limits.read_timeout, connect=self._limits.connect_timeout),
            follow_redirects=False,
            trust_env=False,
            transport=transport or Network(outbound or Outbound()),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._client.aclose()

    def set_rate(self, url: str, rate: Rate) -> None:
        """Replace the default rate for the host (and port) of `url`; before its first call."""
        self._rates[_authority(url)] = rate

    def hold(self, url: str, seconds: float, *, signed_too: bool = False) -> None:
        """Hold back public calls to the host of `url`, all with `signed_too`, for some seconds.

        For limits that an answer states. Later calls wait if their deadline allows it, and fail at
        once as `Held` otherwise.
        """
        self._gate(_authority(url)).hold(seconds, signed_too=signed_too)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        auth: Auth | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # also bounds retries and queueing
        deadline: Deadline | None = None,
        safe: bool | None = None,
    ) -> HttpAnswer:
        """Send one call with its retries, within `timeout` seconds and before `deadline`, which may
        have patience for the queue before the host.

        `safe`: the call changes nothing and may be repeated; GET and HEAD are safe by default.
        Retried are only a broken connection, a 5xx, and a 429 or 503 whose `Retry-After` fits into
        the time left; each attempt is signed again. Any status but a redirect is an answer, not an
        error. Consecutive failures, 5xx included, open the host's circuit: see `CircuitRule`.
        Raises `TransportError` and nothing else.
        """
        host = _authority(url)
        whole = Deadline(self._limits.total_timeout if timeout is None else timeout)
        if deadline is not None and deadline.left() <= whole.left():
            whole = deadline
        bound = asyncio.timeout(whole.left())
        call = _Call(method, url, host, headers, content, auth, whole, bound)
        may_retry = method in {"GET", "HEAD"} if safe is None else safe
        last: _Outcome = Crowded(host)
        if not whole.left():
            last = _Unanswered(host, "no time left")

        async def attempt() -> _Outcome:
            nonlocal last
            try:
                async with self._turn(call) as gate:
                    last = _Unanswered(host, "total time")
                    last = await (self._once if self._observe is None else self._seen)(call, gate)
            except TransportError as error:
                last = error
            return last

        try:
            async with bound:
                await (self._retrying(whole)(attempt) if may_retry else attempt())
        except TimeoutError:
            pass  # `last` holds the outcome of the last attempt, even if time ended before another
        self._judge(host, last)
        if isinstance(last, _Unanswered) and call.leg.at_proxy:
            last = ProxyFailed(host, "it does not answer in time")
        if isinstance(last, TransportError):
            self._explain(last)
            raise last
        return last

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, idle_timeout: float
    ) -> AsyncIterator[HttpStream]:
        """Open a GET whose body is read as it arrives, for as long as it lasts.

        It is attempted once, and closed when the block ends, however it ends. `idle_timeout` is the
        longest silence in seconds. It takes none of the host's slots, which it would occupy for
        hours, and does not affect its circuit: the caller limits how often it calls. Raises
        `TransportError`.
        """
        host = _authority(url)
        limits = self._limits
        patience = httpx.Timeout(idle_timeout, connect=limits.connect_timeout)
        response: Response | None = None
        failure: TransportError | None = None
        try:
            request = self._client.build_request(
                "GET", url, headers={**(headers or {}), **_AS_IT_IS}, timeout=patience
            )
            async with asyncio.timeout(limits.total_timeout):
                response = await self._client.send(request, stream=True)
        except TimeoutError:
            failure = TimedOut(host, "no answer")
        except _FAILURES as error:
            failure = _failure(host, error)
        if response is None:
            failure = failure or Unreachable(host, "no answer")
            self._explain(failure)
            raise failure  # outside: see `_once`
        try:
            if response.has_redirect_location:
                raise Redirected(host, f"status {response.status_code}")
            yield HttpStream(response, host, limits)
        finally:
            await response.aclose()

    def _retrying(self, deadline: Deadline) -> AsyncRetrying:
        growing = wait_exponential_jitter(
            multiplier=self._limits.first_pause, max=self._limits.longest_pause, jitter=0.2
        )

        def pause(state: RetryCallState) -> float:
            wish = _wish(_outcome(state))
            return growing(state) if wish is None else wish + random.uniform(*_SPREAD)  # noqa: S311  # spreads load, guards nothing

        return AsyncRetrying(
            stop=stop_after_attempt(self._limits.attempts),
            wait=pause,
            retry=lambda state: _is_worth_another(_outcome(state), deadline),
            retry_error_callback=_outcome,
        )

    def _judge(self, host: str, outcome: _Outcome) -> None:
        """Record a call's outcome in the host's circuit; some outcomes say nothing about it."""
        circuit = self._gate(host).circuit
        if isinstance(outcome, HttpAnswer):
            (circuit.failed if outcome.status >= _SERVER_FAULT else circuit.succeeded)()
        elif isinstance(outcome, Unreachable) and not isinstance(
            outcome, _Unanswered | CircuitOpen
        ):
            circuit.failed()

    def _explain(self, error: TransportError) -> None:
        """Log what somebody has to put right, at most once a minute for each host."""
        if error.explanation is None:
            return
        now = asyncio.get_running_loop().time()
        if now - self._explained.get(error.host, -_BETWEEN_LINES) >= _BETWEEN_LINES:
            self._explained[error.host] = now
            _logger.warning("no call of %s succeeds: %s", error.host, error.explanation)

    def _gate(self, host: str) -> HostGate:
        gate = self._gates.get(host)
        if gate is None:
            limits = self._limits
            rate = self._rates.get(host, limits.rate_per_host)
            gate = HostGate(limits.concurrency_per_host, rate, limits.circuit)
            self._gates[host] = gate
        return gate

    @asynccontextmanager
    async def _turn(self, call: _Call) -> AsyncIterator[HostGate]:
        """Wait for the host's gate to admit the call; hold a slot for the duration of the block."""
        gate, until, now = self._gate(call.host), call.until, asyncio.get_running_loop().time
        with ExitStack() as line:
            call.bound.reschedule(now() + until.left_in_line())
            line.enter_context(until.in_line())
            while (pause := gate.held(signed=call.auth is not None)) > 0:
                if pause > until.left():
                    raise Held(call.host, pause)
                await asyncio.sleep(pause)
            async with gate.slots:
                if gate.circuit.admit() > 0:
                    raise CircuitOpen(call.host, "failed repeatedly")
                await gate.rate.acquire()
                line.close()
                call.bound.reschedule(now() + until.left())
                yield gate

    async def _seen(self, call: _Call, gate: HostGate) -> HttpAnswer:
        """Make one attempt for the observer's eyes."""
        begun = time.perf_counter()
        status: int | None = None
        failure: str | None = None
        try:
            answer = await self._once(call, gate)
            status = answer.status
        except TransportError as error:
            failure = type(error).__name__
            raise
        except asyncio.CancelledError:
            failure = TimedOut.__name__
            raise
        finally:
            if self._observe is not None:
                seconds = time.perf_counter() - begun
                path = _path(call.url)
                self._observe(Attempt(call.method, call.host, path, seconds, status, failure))
        return answer

    async def _once(self, call: _Call, gate: HostGate) -> HttpAnswer:
        begun = asyncio.get_running_loop().time()
        try:
            return await self._exchange(call)
        except asyncio.CancelledError:
            # The deadline passed, or the caller went away. If the host had enough time, it failed;
            # otherwise nothing is known about it.
            if asyncio.get_running_loop().time() - begun >= self._limits.connect_timeout:
                gate.circuit.failed()
            raise
        except _FAILURES as error:
            failure = _failure(call.host, error)
        # Raised here, outside the except blocks, so that no reference to httpx's error remains in
        # the chain: that error holds the request with its signature and its headers (UnicodeError:
        # the header's text).
        raise failure

    async def _exchange(self, call: "_Call") -> HttpAnswer:
        request = self._client.build_request(
            call.method,
            call.url,
            headers=call.headers,
            content=call.content,
            extensions={LEG: call.leg},
        )
        response = await self._client.send(request, auth=call.auth, stream=True)
        try:
            if response.has_redirect_location:
                raise Redirected(call.host, f"status {response.status_code}")
            body = await self._read(response, call.host)
        finally:
            await response.aclose()
        return HttpAnswer(response.status_code, response.headers, body)

    async def _read(self, response: Response, host: str) -> bytes:
        """Read and decompress the whole body; the limit bounds its memory however well it packs."""
        limit = self._limits.max_answer_bytes
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip"}:
            raise AnswerTooLarge(host, "an encoding that was not offered")
        unpack = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += unpack.decompress(chunk, limit + 1 - len(body)) if unpack else chunk
            if len(body) > limit:
                raise AnswerTooLarge(host, f"more than {limit} bytes")
        if unpack is not None and not unpack.eof and body:
            raise Unreachable(host, "gzip cut off")
        return bytes(body)


def _failure(host: str, error: Exception) -> TransportError:
    """Return our error for one of `_FAILURES`; raise it outside the `except` that caught that."""
    name = type(error).__name__
    rejected = rejected_certificate(error)
    if rejected is not None:
        return Untrusted(host, str(rejected))
    if isinstance(error, ProxyFault):
        return (ProxyRefused if error.refused else ProxyFailed)(host, error.reason)
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(host, name)
    if isinstance(error, (*_UNSENDABLE, UnicodeError)):
        return Unsendable(host, name)
    if isinstance(error, zlib.error):
        return Unreachable(host, "gzip that cannot be unpacked")
    return Unreachable(host, name)


def _outcome(state: RetryCallState) -> _Outcome:
    """Return what the attempt that has just ended came to."""
    return cast("_Outcome", cast("Future", state.outcome).result())


def _wish(outcome: _Outcome) -> float | None:
    """Return the seconds after which the host wants to be called again, if it says so."""
    return None if isinstance(outcome, TransportError) else retry_after(outcome.headers)


def _is_worth_another(outcome: _Outcome, deadline: Deadline) -> bool:
    if isinstance(outcome, TransportError):
        return outcome.retryable
    if outcome.status != _TOO_MANY and outcome.status not in _RETRYABLE_STATUS:
        return False
    wish = _wish(outcome)
    if wish is None:
        return outcome.status != _TOO_MANY
    return wish + _SPREAD[1] < deadline.left()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of `Retry-After` (RFC 9110 10.2.3); `None` if absent or a date."""
    text = headers.get("retry-after", "").strip()
    return (
        float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
    )  # thirty years


def _path(url: str) -> str:
    return "/" + url.partition("://")[2].partition("?")[0].partition("#")[0].partition("/")[2]


def _authority(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].partition("?")[0]
