"""The only module that imports httpx: one HTTP client for every call that leaves the service.

Its errors stand in `botkeys.transport.errors`. No error and no log record of this module holds an
address, a header or a body: Binance's signature stands in the query, and OKX is sent the passphrase
in clear.
"""

import asyncio
import logging
import random
import zlib
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self

import httpx
import stamina
from httpx import ASGITransport, Auth, Request, Response

from botkeys.transport.deadline import Deadline
from botkeys.transport.errors import (
    AnswerTooLarge,
    CircuitOpen,
    Crowded,
    Held,
    Redirected,
    TimedOut,
    TransportError,
    Unreachable,
    Unsendable,
)
from botkeys.transport.host_gate import CircuitRule, HostGate, Rate

__all__ = [
    "ASGITransport",
    "AnswerTooLarge",
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
    "Rate",
    "Redirected",
    "Request",
    "Response",
    "TimedOut",
    "TransportError",
    "TransportLimits",
    "Unreachable",
    "Unsendable",
    "retry_after",
    "set_target",
    "target_of",
]

AuthFlow = Generator[Request, Response, None]

_RETRYABLE_STATUS = frozenset({500, 502, 503, 504})
_TOO_MANY = 429
_SERVER_FAULT = 500
_UNSENDABLE = (httpx.InvalidURL, httpx.LocalProtocolError, httpx.UnsupportedProtocol)
_FAILURES = (httpx.HTTPError, httpx.StreamError, *_UNSENDABLE, UnicodeError, zlib.error)
_AS_IT_IS = {"Accept-Encoding": "identity", "Cache-Control": "no-store"}
_GZIP = 31  # zlib's window bits for a gzip header


class _Unanswered(TimedOut):
    """Our time was over on the way: `_once` knows whether the host had had its own."""


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Times in seconds, sizes in bytes. `total_timeout` holds where a caller names no deadline.

    The pause before a second try is `first_pause`, then twice as long each time up to
    `longest_pause`, jitter apart.
    """

    connect_timeout: float = 3.0
    read_timeout: float = 5.0
    total_timeout: float = 15.0
    attempts: int = 3
    first_pause: float = 0.05
    longest_pause: float = 1.0
    max_answer_bytes: int = 16 * 1024 * 1024
    concurrency_per_host: int = 8
    rate_per_host: Rate = field(default_factory=lambda: Rate(10, 1.0))
    circuit: CircuitRule = field(default_factory=CircuitRule)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`headers` are found in any case. Not shown by repr: an answer may echo what was sent."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class HttpStream:
    """An answer whose body is still on its way. `headers` are found in any case."""

    def __init__(self, response: Response, host: str, limits: TransportLimits) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._host = host
        self._limits = limits

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body piece by piece, none of them empty, until the host ends it."""
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
        """The whole of it, for a status that promises no stream; bounded in time and size."""
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
    """Path and query of a request exactly as they will be sent: what an `Auth` signs."""
    return request.url.raw_path.decode("ascii")


def set_target(request: Request, target: str) -> None:
    """Let an `Auth` add its signature to path and query. Never sends other bytes than `target`."""
    request.url = request.url.copy_with(raw_path=target.encode("ascii"))
    if target_of(request) != target:
        raise ValueError("the target has characters that would be escaped after signing")


class _Quiet(logging.Filter):
    """httpx logs every address, signatures included, at INFO; httpcore logs headers at DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


_QUIET = _Quiet()
_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")


class _Again(Exception):
    """An answer that is worth another try."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.answer = answer
        super().__init__(answer.status)


def _raise_if_again(answer: HttpAnswer) -> None:
    if answer.status == _TOO_MANY or answer.status in _RETRYABLE_STATUS:
        raise _Again(answer)


@dataclass(frozen=True, slots=True, repr=False)
class _Call:
    """What one request sends, try for try."""

    method: str
    url: str
    host: str
    headers: Mapping[str, str] | None
    content: bytes | None
    auth: Auth | None
    until: Deadline
    bound: asyncio.Timeout


class HttpTransport:
    """Bounded calls to hosts that may be slow, broken or hostile. One per event loop.

    `proxy` is used only if given: the environment's proxies and netrc are not read. Cookies are
    not kept. `transport` replaces the network in tests, as in `ASGITransport(app)`.
    """

    def __init__(
        self,
        limits: TransportLimits | None = None,
        *,
        proxy: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._limits = limits or TransportLimits()
        self._rates: dict[str, Rate] = {}
        self._gates: dict[str, HostGate] = {}
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_QUIET)
        self._client = httpx.AsyncClient(
            headers={"User-Agent": "botkeys", "Accept-Encoding": "gzip"},
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(self._limits.read_timeout, connect=self._limits.connect_timeout),
            follow_redirects=False,
            trust_env=False,
            proxy=proxy,
            transport=transport,
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
        """Keep public calls, or all with `signed_too`, from the host of `url` for some seconds.

        For limits that an answer tells. Later calls wait if that fits into their time, and are
        `Held` at once if it does not.
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
        """One call with its retries, over within `timeout` seconds and before `deadline`, which may
        have patience for the time in line before the host.

        `safe`: the call changes nothing, so it may be repeated; by default GET and HEAD are. Only a
        broken connection, a 5xx and a 429 or 503 whose `Retry-After` fits into the time left are
        tried again, each try signed anew. Any status but a redirect is an answer, not an error.
        Calls that fail in a row, 5xx included, open the host's circuit: see `CircuitRule`.
        Raises `TransportError` and nothing else.
        """
        host = _authority(url)
        whole = Deadline(self._limits.total_timeout if timeout is None else timeout)
        if deadline is not None and deadline.left() <= whole.left():
            whole = deadline
        bound = asyncio.timeout(whole.left())
        call = _Call(method, url, host, headers, content, auth, whole, bound)
        may_retry = method in {"GET", "HEAD"} if safe is None else safe
        last: HttpAnswer | TransportError = Crowded(host)
        if not whole.left():
            last = _Unanswered(host, "no time left")
        try:
            async with bound:
                async for attempt in stamina.retry_context(
                    on=_whether_again(whole, may_retry=may_retry),
                    attempts=self._limits.attempts,
                    timeout=None,
                    wait_initial=self._limits.first_pause,
                    wait_max=self._limits.longest_pause,
                    wait_jitter=0.2,
                ):
                    with attempt:
                        try:
                            async with self._turn(call) as gate:
                                last = _Unanswered(host, "total time")
                                answer = await self._once(call, gate)
                        except TransportError as error:
                            last = error
                            raise
                        last = answer
                        _raise_if_again(answer)
        except (_Again, TransportError, TimeoutError):
            pass  # `last` says what became of the last try, also when time ended before another
        self._judge(host, last)
        if isinstance(last, TransportError):
            raise last
        return last

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, idle_timeout: float
    ) -> AsyncIterator[HttpStream]:
        """A GET whose body is read as it comes, for as long as it comes.

        Tried once, and hung up when the block ends, however it ends. `idle_timeout` is the longest
        silence in seconds. It takes no slot of the host's, which it would keep for hours, and says
        nothing to its circuit: the caller minds how often it calls. Raises `TransportError`.
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
            raise failure or Unreachable(host, "no answer")  # outside: see `_once`
        try:
            if response.has_redirect_location:
                raise Redirected(host, f"status {response.status_code}")
            yield HttpStream(response, host, limits)
        finally:
            await response.aclose()

    def _judge(self, host: str, outcome: HttpAnswer | TransportError) -> None:
        """Tell the host's circuit how a whole call ended; some ends say nothing of the host."""
        circuit = self._gate(host).circuit
        if isinstance(outcome, HttpAnswer):
            (circuit.failed if outcome.status >= _SERVER_FAULT else circuit.succeeded)()
        elif isinstance(outcome, Unreachable) and not isinstance(
            outcome, _Unanswered | CircuitOpen
        ):
            circuit.failed()

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
        """The gate of the host, once it lets the call through. A slot is held meanwhile."""
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
                    raise CircuitOpen(call.host, "failed again and again")
                await gate.rate.acquire()
                line.close()
                call.bound.reschedule(now() + until.left())
                yield gate

    async def _once(self, call: _Call, gate: HostGate) -> HttpAnswer:
        begun = asyncio.get_running_loop().time()
        try:
            return await self._exchange(call)
        except asyncio.CancelledError:
            # The time was over, or the caller went away. If the host had had its time, it failed;
            # if not, nothing is known of it.
            if asyncio.get_running_loop().time() - begun >= self._limits.connect_timeout:
                gate.circuit.failed()
            raise
        except _FAILURES as error:
            failure = _failure(call.host, error)
        # Raised here, outside the except blocks, so that no reference to httpx's error stays
        # behind in the chain: that error holds the request with its signature and its headers
        # (UnicodeError: the header's text).
        raise failure

    async def _exchange(self, call: "_Call") -> HttpAnswer:
        request = self._client.build_request(
            call.method, call.url, headers=call.headers, content=call.content
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
        """The whole body, unpacked, in memory that the limit bounds whatever the packing."""
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
    """One of `_FAILURES` in our words. To be raised outside the `except` block that caught it."""
    name = type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(host, name)
    if isinstance(error, (*_UNSENDABLE, UnicodeError)):
        return Unsendable(host, name)
    if isinstance(error, zlib.error):
        return Unreachable(host, "gzip that cannot be unpacked")
    return Unreachable(host, name)


def _whether_again(deadline: Deadline, *, may_retry: bool) -> Callable[[Exception], bool | float]:
    """For stamina: no, yes with its own growing pause, or yes after so many seconds."""

    def decide(error: Exception) -> bool | float:
        if not may_retry or not isinstance(error, _Again):
            return may_retry and isinstance(error, TransportError) and error.retryable
        wish = retry_after(error.answer.headers)
        if wish is None:
            return error.answer.status != _TOO_MANY
        # A little later than asked, and not all at once: every caller was told the same second.
        pause = wish + random.uniform(0.01, 0.2)  # noqa: S311  # spreads load, guards nothing
        return pause if pause < deadline.left() else False

    return decide


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a `Retry-After` header (RFC 9110 10.2.3); `None` if absent or given as a date."""
    text = headers.get("retry-after", "").strip()
    return (
        float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
    )  # thirty years of seconds


def _authority(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].partition("?")[0]
