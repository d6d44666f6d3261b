"""Sends one message to an address that a user has chosen, and says what came of it.

The name is looked up once. Each of its addresses is judged, and the connection is made to one that
was judged: a name server that answers something else a moment later changes nothing. Redirects are
not followed, cookies not kept, proxies not used, and the answer is read as far as it is needed: its
status, and a few KiB that are thrown away.
"""

import asyncio
import logging
import ssl
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpcore

from app.domains.webhooks.resolver import Resolver
from app.kit.outbound_guard import Allowed, address_fault, host_fault

SECONDS = 15.0
"""How long an attempt may take in all."""
CONNECT_SECONDS = 5.0
"""How long a connection to one of a host's addresses may take."""
BODY_SECONDS = 1.0
"""How long the rest of an answer is waited for whose status is known."""
MOST_ADDRESSES = 3
MOST_BYTES = 64 * 1024
"""What is read of an answer at most, heads and interim answers included."""
MOST_BODY = 8 * 1024

_DEFAULT_PORTS = {"https": 443, "http": 80}


class SendError(StrEnum):
    """Why an attempt failed, as the delivery shows it."""

    ADDRESS_REFUSED = "address_refused"
    NAME_NOT_RESOLVED = "name_not_resolved"
    CONNECTION_FAILED = "connection_failed"
    CERTIFICATE_REJECTED = "certificate_rejected"
    TLS_FAILED = "tls_failed"
    TIMED_OUT = "timed_out"
    ANSWER_INVALID = "answer_invalid"
    REDIRECTED = "redirected"
    UNEXPECTED_STATUS = "unexpected_status"
    ADDRESS_UNREADABLE = "address_unreadable"  # encrypted with a key that the service has lost
    INTERNAL_ERROR = "internal_error"


class Message(NamedTuple):
    """What is sent: the headers of its format, and the body. Its repr is bare."""

    headers: Sequence[tuple[str, str]]
    body: bytes

    def __repr__(self) -> str:
        return "Message()"


class Outcome(NamedTuple):
    """What came of an attempt. `retry_after` is in seconds, as the receiver wishes."""

    status: int | None
    error: SendError | None
    retry_after: float | None = None


class _Refused(Exception):
    """An address that must not be called."""


class Sender:
    """Sends to what the guard and `allowed` admit. `tls` verifies certificates."""

    def __init__(
        self,
        tls: ssl.SSLContext,
        allowed: Allowed,
        resolver: Resolver | None = None,
        *,
        seconds: float = SECONDS,
    ) -> None:
        for name in ("httpcore.connection", "httpcore.http11"):
            logging.getLogger(name).setLevel(logging.WARNING)  # their lines have whole requests
        self._tls = tls
        self._allowed = allowed
        self._resolver = resolver or Resolver()
        self._seconds = seconds

    async def send(self, url: str, message: Message) -> Outcome:
        """Send once; never raise for what the other side does."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._send(url, message)
        except TimeoutError:
            return Outcome(None, SendError.TIMED_OUT)
        except _Refused:
            return Outcome(None, SendError.ADDRESS_REFUSED)
        except (httpcore.RemoteProtocolError, httpcore.LocalProtocolError):
            return Outcome(None, SendError.ANSWER_INVALID)
        except httpcore.TimeoutException:
            return Outcome(None, SendError.TIMED_OUT)
        except (httpcore.NetworkError, OSError) as error:
            return Outcome(None, _connection_error(error))

    async def _send(self, url: str, message: Message) -> Outcome:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if parts.scheme not in _DEFAULT_PORTS or host is None or host_fault(host, self._allowed):
            raise _Refused
        if parts.scheme == "http" and not self._allowed.names(host):
            raise _Refused
        port = port or _DEFAULT_PORTS[parts.scheme]
        try:
            addresses = await self._resolver.addresses(host, port)
        except OSError:
            return Outcome(None, SendError.NAME_NOT_RESOLVED)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        place = httpcore.URL(
            scheme=parts.scheme.encode(),
            host=host.encode(),
            port=port,
            target=target.encode(),
        )
        request = httpcore.Request(
            b"POST", place, headers=_headers(parts.netloc, message), content=message.body
        )
        network = _Checked(self._judged(host, addresses))
        connection = httpcore.AsyncHTTPConnection(
            place.origin, ssl_context=self._tls, network_backend=network
        )
        try:
            response = await connection.handle_async_request(request)
            await _drop(response)
        finally:
            await network.close()
        return _outcome(response)

    def _judged(self, host: str, addresses: Sequence[str]) -> list[str]:
        """Return the addresses; raise `_Refused` if one of them must not be called."""
        if host.lower() not in self._allowed.hosts:
            for address in addresses:
                if address_fault(ip_address(address), self._allowed) is not None:
                    raise _Refused
        return list(addresses[:MOST_ADDRESSES])


class _Checked(httpcore.AsyncNetworkBackend):
    """A network in which there are only these addresses, whatever the host is called."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._network = httpcore.AnyIOBackend()
        self._stream: httpcore.AsyncNetworkStream | None = None

    async def close(self) -> None:
        """Close the connection, also one whose handshake was cut off, which httpcore forgets."""
        if self._stream is not None:
            await self._stream.aclose()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        del host, timeout
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._addresses:
            try:
                self._stream = await self._network.connect_tcp(
                    address,
                    port,
                    timeout=CONNECT_SECONDS,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _Bounded(self._stream)
        raise failure


class _Bounded(httpcore.AsyncNetworkStream):
    """A connection of which no more than `MOST_BYTES` are read."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = MOST_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._left <= 0:
            raise httpcore.RemoteProtocolError("too long an answer")
        data = await self._stream.read(min(max_bytes, self._left), timeout)
        self._left -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        return _Bounded(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _headers(authority: str, message: Message) -> list[tuple[bytes, bytes]]:
    headers = [
        ("Host", authority),
        ("User-Agent", "botkeys-webhooks"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
        ("Content-Length", str(len(message.body))),
        *message.headers,
    ]
    return [(name.encode(), value.encode()) for name, value in headers]


async def _drop(response: httpcore.Response) -> None:
    """Read the answer to its end, or as far as it is worth it: its status is known."""
    seen = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in response.aiter_stream():
                seen += len(chunk)
                if seen > MOST_BODY:
                    break
    except (TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):
        pass
    finally:
        await response.aclose()


def _outcome(response: httpcore.Response) -> Outcome:
    status = response.status
    if 200 <= status < 300:
        return Outcome(status, None)
    error = SendError.REDIRECTED if 300 <= status < 400 else SendError.UNEXPECTED_STATUS
    wish = _retry_after(response.headers) if status in {429, 503} else None
    return Outcome(status, error, wish)


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Return the seconds of `Retry-After`, a number or a date (RFC 9110 10.2.3)."""
    given = (value for name, value in headers if name.lower() == b"retry-after")
    text = next(given, b"").decode("latin-1").strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _connection_error(error: BaseException) -> SendError:
    """Return which it is: httpcore and anyio wrap what the TLS library says."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return SendError.CERTIFICATE_REJECTED
        if isinstance(cause, ssl.SSLError):
            return SendError.TLS_FAILED
    return SendError.CONNECTION_FAILED


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
