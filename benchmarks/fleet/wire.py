"""A bot's connections to the service, as little work as possible, from an address of its own.

It takes the place of the SDK's `Connection`: the SDK's loops run over it as they are. Their own
transport would take most of this machine for 20,000 bots, and leave none to the service.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from botkeys.client.connection import unreachable
from botkeys.client.models import refusal
from botkeys.transport.client import HttpAnswer
from botkeys.transport.errors import TransportError, Unreachable

HOST = "127.0.0.1"
_UNAUTHENTICATED = 401
_END = b"\r\n\r\n"
_PATIENCE = 60.0


class _Exchange(asyncio.Protocol):
    """One request and its response, whose head and parts of the body can be awaited."""

    def __init__(self, request: bytes) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._request = request
        self._text = b""
        self._length: int | None = None
        self._chunked = False
        self._parts: list[bytes] = []
        self._ended = self._lost = False
        self._news: asyncio.Future[None] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._lost = True
        self._wake()

    def data_received(self, data: bytes) -> None:
        self._text += data
        if not self.status and not self._read_head():
            return
        if self._chunked:
            self._read_chunks()
        elif self._text:
            self._parts.append(self._text)
            self._length = (self._length or 0) - len(self._text)
            self._text = b""
        if not self._chunked and not self._length:
            self._ended = True
        self._wake()

    @property
    def reusable(self) -> bool:
        """Return whether another request can be sent over the connection."""
        closes = self.headers.get("connection") == "close"
        return self._ended and not self._lost and not closes

    def send(self, request: bytes) -> None:
        """Send another request over the same connection."""
        self.status, self.headers = 0, {}
        self._length, self._chunked, self._ended = None, False, False
        if self.transport is not None:
            self.transport.write(request)

    def _read_head(self) -> bool:
        head, end, rest = self._text.partition(_END)
        if not end:
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1])
        for line in lines:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()
        self._text = rest
        self._length = int(self.headers.get("content-length", "0"))
        self._chunked = self.headers.get("transfer-encoding") == "chunked"
        return True

    def _read_chunks(self) -> None:
        while True:
            size_text, end, rest = self._text.partition(b"\r\n")
            if not end:
                return
            size = int(size_text, 16)
            if len(rest) < size + 2:
                return
            if not size:
                self._ended = True
                return
            self._parts.append(rest[:size])
            self._text = rest[size + 2 :]

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _wait(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        await self._news

    async def head(self) -> None:
        while not self.status:
            if self._lost:
                raise Unreachable(HOST, "closed")
            await self._wait()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body's parts; raise `Unreachable` if it was cut short."""
        while True:
            while self._parts:
                yield self._parts.pop(0)
            if self._ended:
                return
            if self._lost:
                raise Unreachable(HOST, "closed")
            await self._wait()

    async def answer(self) -> HttpAnswer:
        body = b"".join([chunk async for chunk in self.chunks()])
        return HttpAnswer(self.status, self.headers, body)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Proxy:
    """The connections that a proxy before the service keeps for the calls of all bots."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[_Exchange] = []

    async def begin(self, request: bytes) -> _Exchange:
        while self._free:
            exchange = self._free.pop()
            if exchange.reusable:
                exchange.send(request)
                return exchange
        return await _connect(request, self._port, HOST)

    def end(self, exchange: _Exchange) -> None:
        if exchange.reusable:
            self._free.append(exchange)
        else:
            exchange.close()

    def close(self) -> None:
        for exchange in self._free:
            exchange.close()


async def _connect(request: bytes, port: int, source: str) -> _Exchange:
    try:
        _, exchange = await asyncio.get_running_loop().create_connection(
            lambda: _Exchange(request), HOST, port, local_addr=(source, 0)
        )
    except OSError as error:
        raise Unreachable(HOST, type(error).__name__) from None
    return exchange


class Wire:
    """A bot's way to the service; `opened` and `ended` are called with each stream of it.

    Its streams have connections of their own, its calls share those of a proxy.
    """

    def __init__(
        self,
        port: int,
        token: str,
        source: str,
        proxy: Proxy,
        *,
        opened: Callable[[], None],
        ended: Callable[[], None],
        refused: Callable[[int], None],
    ) -> None:
        self._port = port
        self._token = token
        self._source = source
        self._proxy = proxy
        self._opened = opened
        self._ended = ended
        self._refused = refused
        self._stream: _Exchange | None = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool | None = None,
    ) -> HttpAnswer:
        """Make one request through the proxy."""
        del safe
        content = b"" if body is None else json.dumps(body).encode()
        sent = dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/json"
        if method != "GET":
            sent["Content-Length"] = str(len(content))
        try:
            answer = await self._call(method, path, sent, content)
        except TransportError as error:
            raise unreachable(error) from None
        self.raise_if_revoked(answer)
        return answer

    async def _call(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes
    ) -> HttpAnswer:
        exchange = await self._proxy.begin(self._request(method, path, headers) + content)
        try:
            async with asyncio.timeout(_PATIENCE):
                await exchange.head()
                return await exchange.answer()
        except TimeoutError:
            raise Unreachable(HOST, "silent") from None
        finally:
            self._proxy.end(exchange)

    @asynccontextmanager
    async def stream(
        self, path: str, *, headers: Mapping[str, str], idle_timeout: float
    ) -> AsyncIterator[_Exchange]:
        exchange = await _connect(self._request("GET", path, headers), self._port, self._source)
        try:
            async with asyncio.timeout(idle_timeout):
                await exchange.head()
        except TimeoutError:
            exchange.close()
            raise Unreachable(HOST, "silent") from None
        if exchange.status != 200:  # HTTP's OK
            self._refused(exchange.status)
            try:
                yield exchange
            finally:
                exchange.close()
            return
        self._stream = exchange
        self._opened()
        try:
            yield exchange
        finally:
            self._stream = None
            self._ended()
            exchange.close()

    def raise_if_revoked(self, answer: HttpAnswer) -> None:
        if answer.status == _UNAUTHENTICATED:
            raise refusal(answer)

    def drop(self) -> None:
        """Cut the stream without a word."""
        if self._stream is not None:
            self._stream.close()

    def _request(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {HOST}:{self._port}",
            f"Authorization: Bearer {self._token}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join((*lines, "", "")).encode()
