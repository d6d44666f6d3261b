"""A small HTTP/1.1 server on loopback, on h11: one handler, whole requests, streamed answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import h11

from botkeys.signing_proxy.canonical import MOST_BODY, Incoming

LOOPBACK = "127.0.0.1"
_MOST_HEAD = 64 * 1024
_CHUNK = 64 * 1024
_IDLE_SECONDS = 300.0
_TOO_LARGE = 413
_HEAD = "HEAD"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose body may still be arriving. `close` ends it, read to the end or not."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: AsyncIterator[bytes]
    close: Callable[[], Awaitable[None]] = field(repr=False)


Handler = Callable[[Incoming], Awaitable[Answer]]
Upgrade = Callable[[Incoming, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Takes over a connection whose request asked for a WebSocket."""


class _Ended(Exception):
    """The caller has gone, or sent what is not HTTP."""


class Listener:
    """Serves one handler on a free port, from `start` until `stop`."""

    def __init__(self, handler: Handler, upgrade: Upgrade) -> None:
        self._handler = handler
        self._upgrade = upgrade
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen, and return the port."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Close the port and cut every connection."""
        if self._server is None:
            return
        self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.current_task()
        assert conversation is not None  # noqa: S101  # streams run their callback as a task
        self._conversations.add(conversation)
        try:
            await _Conversation(reader, writer, self._handler, self._upgrade).run()
        except (_Ended, ConnectionError, TimeoutError, h11.ProtocolError):
            writer.transport.abort()
        except asyncio.CancelledError:
            # Only `stop` cancels a conversation, so it ends quietly here.
            writer.transport.abort()
        finally:
            self._conversations.discard(conversation)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


class _Conversation:
    """One connection: its requests, one after the other."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handler: Handler,
        upgrade: Upgrade,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._upgrade = upgrade
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD)

    async def run(self) -> None:
        while True:
            try:
                incoming = await self._request()
            except h11.RemoteProtocolError as error:
                await self._complain(error.error_status_hint)
                return
            if incoming is None:
                return
            if any(name == b"upgrade" for name, _ in incoming.headers):
                await self._upgrade(incoming, self._reader, self._writer)
                return
            answer = await self._handler(incoming)
            try:
                await self._send(answer, bodiless=incoming.method == _HEAD)
            finally:
                await answer.close()
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _request(self) -> Incoming | None:
        """Return the next request, whole; `None` if the caller has closed the connection."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._write(h11.InformationalResponse(status_code=100, headers=[]))
                async with asyncio.timeout(_IDLE_SECONDS):
                    self._http.receive_data(await self._reader.read(_CHUNK))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MOST_BODY:
                    raise h11.RemoteProtocolError("too large", error_status_hint=_TOO_LARGE)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                method = head.method.decode("ascii")
                return Incoming(method, head.target, list(head.headers), bytes(body))
            elif event is h11.PAUSED and head is not None:
                # A request to upgrade, whose connection speaks another protocol from here on.
                return Incoming(head.method.decode("ascii"), head.target, list(head.headers))
            else:
                return None

    async def _send(self, answer: Answer, *, bodiless: bool) -> None:
        """Send the answer as it arrives; its head goes with the first part of its body."""
        head = h11.Response(status_code=answer.status, headers=list(answer.headers))
        waiting = self._http.send(head) or b""
        async for chunk in answer.body:
            if bodiless:
                break
            self._writer.write(waiting + (self._http.send(h11.Data(data=chunk)) or b""))
            waiting = b""
            await self._writer.drain()
        self._writer.write(waiting + (self._http.send(h11.EndOfMessage()) or b""))
        await self._writer.drain()

    async def _complain(self, status: int) -> None:
        """Answer what is not HTTP, and close."""
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            headers = [("content-length", "0"), ("connection", "close")]
            headers.append(("x-botkeys-refused", "malformed"))
            self._write(h11.Response(status_code=status, headers=headers))
            self._write(h11.EndOfMessage())
            await self._writer.drain()

    def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)
