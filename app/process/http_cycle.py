"""One request and its response on a connection, as uvicorn runs them, led by our protocol."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.process.connections import Connections


class Connection(Protocol):
    """What a response needs to know of its connection."""

    def reads_again(self) -> None: ...

    def finish(self) -> None: ...


class Flow(FlowControl):
    """Flow control that tells the protocol when it reads again."""

    def __init__(self, protocol: Connection, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        if self.read_paused:
            super().resume_reading()
            self._protocol.reads_again()


class Outlet:
    """The transport as a response uses it: closing it is the protocol's business."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, protocol: Connection, transport: asyncio.Transport) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = protocol.finish


class Cycle(RequestResponseCycle):
    """One request and its response."""

    connections: Connections

    def send(self, message: ASGISendEvent) -> Coroutine[Any, Any, None]:
        if not self.response_started and (self.more_body or self.connections.stopping):
            self.keep_alive = False
        return super().send(message)
