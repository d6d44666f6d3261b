"""A minimal HTTP/1.1 server for the simulated exchanges.

It is not an ASGI server for two reasons: a simulated exchange must be able to cut a connection in
the middle of a response, and it lives in the service's event loop, where it may neither take the
service's signals nor delay its shutdown.
"""

import asyncio
import http
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto

import httptools

LOOPBACK = "127.0.0.1"
MAX_BODY = 1 << 20
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104  # recognised, never the default
_PHRASES = {status.value: status.phrase for status in http.HTTPStatus}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received. Texts are latin-1, so that `.encode("latin-1")` gives the bytes back.

    `target` is the path with its query exactly as in the request line; header names are lower-case;
    `peer` is the caller's IP address.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    peer: str

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


class Delivery(Enum):
    """How much of a response reaches the caller before the connection is cut."""

    WHOLE = auto()
    HALF = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE

    def head(self, *, keep_alive: bool) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status} {_PHRASES.get(self.status, 'Unknown')}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            f"content-length: {len(self.body)}",
            f"connection: {'keep-alive' if keep_alive else 'close'}",
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


Handler = Callable[[Request], Awaitable[Response]]


class _Inbox:
    """Assembles the parser's callbacks into whole requests."""

    def __init__(self, peer: str) -> None:
        self.requests: list[tuple[Request, bool]] = []
        self.parser = httptools.HttpRequestParser(self)
        self._peer = peer
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = {}
        self._body = bytearray()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MAX_BODY:
            raise ValueError("body too large")

    def on_message_complete(self) -> None:
        request = Request(
            method=self.parser.get_method().decode("latin-1"),
            target=self._target.decode("latin-1"),
            headers=self._headers,
            body=bytes(self._body),
            peer=self._peer,
        )
        self.requests.append((request, self.parser.should_keep_alive()))


class PortUnavailable(Exception):
    """A port on which a simulated exchange cannot listen."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        super().__init__(f"Nothing can listen on {host}, port {port}: {reason}.")


class HttpServer:
    """Serves one handler from `start` until `stop`, on a free port unless one is given."""

    def __init__(self, handler: Handler, host: str = LOOPBACK, port: int = 0) -> None:
        self._handler = handler
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def start(self) -> str:
        """Listen, and return the base address: `http://127.0.0.1:PORT`.

        Raises PortUnavailable, as when another process listens there.
        """
        try:
            self._server = await asyncio.start_server(self._accept, self._host, self._port)
        except OSError as error:
            raise PortUnavailable(self._host, self._port, error) from None
        port = self._server.sockets[0].getsockname()[1]
        reached = LOOPBACK if self._host in _EVERYWHERE else self._host
        return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"

    async def stop(self) -> None:
        """Close the port and cut every open connection, without waiting for callers."""
        if self._server is None:
            return
        self._stopping = True
        self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.current_task()
        assert conversation is not None  # noqa: S101  # streams run their callback as a task
        if self._stopping:
            # Accepted just before the port closed, but handled just after.
            writer.transport.abort()
            return
        self._conversations.add(conversation)
        try:
            await self._converse(reader, writer)
            writer.close()
        except (ConnectionError, httptools.HttpParserError, httptools.HttpParserUpgrade):
            writer.transport.abort()
        except asyncio.CancelledError:
            # Only `stop` cancels a conversation, so it ends quietly here.
            writer.transport.abort()
        finally:
            self._conversations.discard(conversation)
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inbox = _Inbox(peer=writer.get_extra_info("peername")[0])
        while data := await reader.read(1 << 16):
            inbox.parser.feed_data(data)
            requests, inbox.requests = inbox.requests, []
            for request, keep_alive in requests:
                response = await self._respond(request)
                if response.delivery is Delivery.NOTHING:
                    writer.transport.abort()
                    return
                whole = response.delivery is Delivery.WHOLE
                body = response.body if whole else response.body[: len(response.body) // 2]
                writer.write(response.head(keep_alive=keep_alive) + body)
                await writer.drain()
                if not (whole and keep_alive):
                    return

    async def _respond(self, request: Request) -> Response:
        try:
            return await self._handler(request)
        except Exception as error:  # noqa: BLE001  # a bug of ours must not end the server
            # Only the type: the text of an error may contain part of the request.
            _log.error("%s %s failed: %s", request.method, request.path, type(error).__name__)
            return Response(500)
