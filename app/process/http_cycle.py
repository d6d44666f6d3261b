"""One request and its response on a connection, as uvicorn runs them, led by our protocol."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, cast

from uvicorn._types import ASGISendEvent, HTTPScope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.api.streaming import Line, Taker
from app.kit.flag import Flag
from app.process.connections import Connections


class Connection(Protocol):
    """What a response needs to know of its connection."""

    def reads_again(self) -> None: ...

    def writes_again(self) -> None: ...

    def finish(self) -> None: ...


class Flow(FlowControl):
    """Flow control that tells the protocol when it reads again."""

    def __init__(self, protocol: Connection, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._is_writable_event = cast(asyncio.Event, Flag(is_set=True))
        self._protocol = protocol

    def resume_reading(self) -> None:
        if self.read_paused:
            super().resume_reading()
            self._protocol.reads_again()

    def resume_writing(self) -> None:
        if self.write_paused:
            super().resume_writing()
            self._protocol.writes_again()


class Outlet:
    """The transport as a response uses it: closing it is the protocol's business.

    The head of a response waits for the first part of its body, so that both are one write: each
    is a call of the system, which takes as long as much of what else a short request costs.
    """

    __slots__ = ("_head", "_holds", "_write", "abort", "close", "is_closing")

    def __init__(self, protocol: Connection, transport: asyncio.Transport) -> None:
        self._write = transport.write
        self._holds = False
        self._head = b""
        self.is_closing = transport.is_closing
        self.abort = transport.abort
        self.close = protocol.finish

    def hold(self) -> None:
        """Keep what is written next until something follows it."""
        self._holds = True

    def write(self, data: bytes) -> None:
        if self._holds:
            self._holds = False
            self._head = data
            return
        if self._head:
            if len(data) > HIGH_WATER_LIMIT:
                self.flush()
            else:
                data, self._head = self._head + data, b""
        self._write(data)

    def flush(self) -> None:
        """Write the head if nothing has followed it."""
        if self._head:
            head, self._head = self._head, b""
            self._write(head)


class Cycle(RequestResponseCycle):
    """One request and its response."""

    connections: Connections
    outlet: Outlet
    taker: Taker | None = None

    def send(self, message: ASGISendEvent) -> Coroutine[Any, Any, None]:
        if not self.response_started:
            if self.more_body or self.connections.stopping:
                self.keep_alive = False
            self.outlet.hold()
        return super().send(message)

    def hand_over(self, taker: Taker) -> Line:
        """Let `taker` write the rest of the response, and let go of the request.

        The application's task may end: for it the client has left.
        """
        self.taker = taker
        self._completed = self.on_response
        self.disconnected = True
        self.scope = cast(HTTPScope, {})
        return self

    @property
    def paused(self) -> bool:
        return self.flow.write_paused

    def write(self, part: bytes) -> None:
        self.transport.write(b"%x\r\n%b\r\n" % (len(part), part))

    def end(self) -> None:
        self.taker = None
        self.transport.write(b"0\r\n\r\n")
        self.response_complete = True
        if not self.keep_alive:
            self.transport.close()
        self._completed()

    def cut(self) -> None:
        self.taker = None
        self.outlet.abort()
