"""Connections to the exchange, kept open between requests. Bodies pass as they arrive."""

from collections import defaultdict
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import cast
from urllib.parse import unquote_to_bytes, urlsplit

import httpcore

from botkeys.signing_proxy.listener import Answer
from botkeys.signing_proxy.refusals import Refusal, RefusalCode
from botkeys.transport.certificates import rejected_certificate
from botkeys.transport.client import keep_addresses_out_of_logs
from botkeys.transport.outbound import Outbound

_KEEP_SECONDS = 20.0
_TIMEOUTS = {"connect": 5.0, "read": 30.0, "write": 10.0, "pool": 5.0}
_PORTS = {b"https": 443, b"http": 80}
# What speaks about one connection only (RFC 9110 7.6.1).
_OF_THE_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding"}
    | {b"upgrade", b"x-botkeys-refused"}
)
_NOTHING_SENT = (httpcore.ConnectError, httpcore.ConnectTimeout)
_FAILURES = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.ConnectionNotAvailable,
)

Headers = Sequence[tuple[bytes, bytes]]


class Upstream:
    """Open until `aclose`. A connection that was used last is used first."""

    def __init__(self, outbound: Outbound) -> None:
        keep_addresses_out_of_logs()
        self._outbound = outbound
        self._tunnels = _tunnels(outbound)
        self._idle: defaultdict[str, list[httpcore.AsyncConnectionInterface]] = defaultdict(list)

    async def aclose(self) -> None:
        for connections in self._idle.values():
            while connections:
                await connections.pop().aclose()

    async def send(
        self, method: str, origin: str, target: str, headers: Headers, content: bytes
    ) -> Answer:
        """Send a request once, and return its answer as soon as it begins.

        A GET whose connection turns out to be closed goes out once more. Raises `Refusal`.
        """
        url = _url(origin, target)
        given = [(b"Host", _host(url)), *headers]
        if content or method in {"POST", "PUT"}:
            given.append((b"Content-Length", str(len(content)).encode("ascii")))
        request = httpcore.Request(
            method, url, headers=given, content=content, extensions={"timeout": _TIMEOUTS}
        )
        for fresh in (False, True) if method == "GET" else (False,):
            connection = await self._connection(origin, url, fresh=fresh)
            try:
                response = await connection.handle_async_request(request)
            except httpcore.ProxyError as error:
                status = str(error)[:3]
                text = f"The proxy of BOTKEYS_HTTPS_PROXY opens no way to the exchange: {status}."
                raise Refusal(RefusalCode.EXCHANGE_UNREACHABLE, text) from None
            except _NOTHING_SENT as error:
                rejected = rejected_certificate(error)
                text = "The exchange cannot be reached."
                if rejected is not None:
                    text = f"The exchange cannot be asked: {rejected}"
                raise Refusal(RefusalCode.EXCHANGE_UNREACHABLE, text) from None
            except _FAILURES:
                await connection.aclose()
                continue
            return self._answer(origin, connection, response)
        if method == "GET":
            text = "The exchange does not answer."
            raise Refusal(RefusalCode.EXCHANGE_UNREACHABLE, text)
        text = "The exchange did not answer: whether it took the request is unknown."
        raise Refusal(RefusalCode.OUTCOME_UNKNOWN, text)

    async def _connection(
        self, origin: str, url: httpcore.URL, *, fresh: bool
    ) -> httpcore.AsyncConnectionInterface:
        idle = self._idle[origin]
        while idle and not fresh:
            connection = idle.pop()
            if connection.is_available() and not connection.has_expired():
                return connection
            await connection.aclose()
        if self._tunnels is not None and self._is_proxied(url):
            return self._tunnels.create_connection(url.origin)
        return httpcore.AsyncHTTPConnection(
            url.origin,
            ssl_context=self._outbound.tls if url.scheme == b"https" else None,
            keepalive_expiry=_KEEP_SECONDS,
        )

    def _is_proxied(self, url: httpcore.URL) -> bool:
        scheme, host = url.scheme.decode("ascii"), url.host.decode("ascii")
        return self._outbound.proxy_for(scheme, host) is not None

    def _answer(
        self,
        origin: str,
        connection: httpcore.AsyncConnectionInterface,
        response: httpcore.Response,
    ) -> Answer:
        async def close() -> None:
            await response.aclose()
            if connection.is_idle():
                self._idle[origin].append(connection)
            else:
                await connection.aclose()

        headers = [pair for pair in response.headers if pair[0].lower() not in _OF_THE_CONNECTION]
        return Answer(response.status, headers, _body(response), close)


def _tunnels(outbound: Outbound) -> httpcore.AsyncHTTPProxy | None:
    """Return what makes connections through the proxy; `None` without one."""
    if outbound.proxy is None:
        return None
    parts = urlsplit(outbound.proxy.reveal())
    secure = parts.scheme == "https"
    auth = (unquote_to_bytes(parts.username or ""), unquote_to_bytes(parts.password or ""))
    return httpcore.AsyncHTTPProxy(
        httpcore.URL(
            scheme=parts.scheme,
            host=parts.hostname or "",
            port=parts.port or _PORTS[parts.scheme.encode("ascii")],
            target="/",
        ),
        proxy_auth=auth if auth[0] or auth[1] else None,
        ssl_context=outbound.tls,
        proxy_ssl_context=outbound.tls if secure else None,
        keepalive_expiry=_KEEP_SECONDS,
    )


async def _body(response: httpcore.Response) -> AsyncIterator[bytes]:
    """Yield the body as it arrives. One that breaks off breaks the caller's connection too."""
    try:
        async for chunk in cast("AsyncIterable[bytes]", response.stream):
            yield chunk
    except _FAILURES:
        raise ConnectionError("the exchange's answer broke off") from None


def _url(origin: str, target: str) -> httpcore.URL:
    scheme, _, authority = origin.encode("ascii").partition(b"://")
    host, _, port = (
        authority.rpartition(b":") if authority[-1:].isdigit() else (authority, b"", b"")
    )
    if not host:  # without a port, such as `localhost1`
        host, port = authority, b""
    return httpcore.URL(
        scheme=scheme, host=host, port=int(port) if port else None, target=target.encode("ascii")
    )


def _host(url: httpcore.URL) -> bytes:
    port = url.port
    return url.host if port in {None, _PORTS[url.scheme]} else b"%b:%d" % (url.host, port)
