"""HTTP/1.1 on one connection: uvicorn's protocol with bounds on what a peer may send and hold.

new or idle ─► head ─► body ─► response ─► idle, or the end
     │          │       └ a piece within 30 s; trailers are dropped, framing is bounded
     │          └ 32 KiB, within 10 s (431, 408); one Host, one framing (400)
     └ closed without a word if nothing comes

A head is counted in bytes before the parser sees them. A response that begins before its request's
body has arrived is the connection's last: nothing is read merely to be thrown away.

The end is a half-close: what is still coming in is dropped for at most two seconds and 1 MiB, since
closing a socket with unread data resets it, and the peer might lose the response.
"""

import asyncio
import os
import select
import socket
import urllib.parse
from collections.abc import Coroutine
from contextlib import suppress
from enum import Enum
from math import inf
from re import compile as regex
from typing import Any, Final, cast

import httptools
from uvicorn._types import ASGI3Application, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from app.api.problems import MEDIA_TYPE, problem_document
from app.db.base import new_id
from app.errors import AppError, MalformedRequest, RequestHeadTooLarge, RequestTimeout
from app.kit.json_codec import dumps
from app.process.connections import REFUSED_AT_ONCE, Connections

HEAD_BYTES = 32 * 1024
LINGER_BYTES = 1024 * 1024
PIPELINED = 16
"""Requests that may wait behind the one that is being answered; further ones are not read."""
_BYTES_PER_CHUNK = 16
"""Framing that every chunk may have. All other framing of a body is bounded like a head."""
_FORWARDING = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-proto"})
_HOST = regex(rb"[A-Za-z0-9._~!$&'()*+;=%:\[\]-]{1,255}")


class _Awaited(Enum):
    """What a connection waits for until its deadline."""

    NOTHING = 0
    HEAD = 1
    BODY = 2
    REQUEST = 3
    END = 4


class _Refused(Exception):
    """Stops the parser; the protocol knows why."""


class _Flow(FlowControl):
    """Flow control that tells the protocol when it reads again."""

    def __init__(self, protocol: "HttpProtocol", transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        if self.read_paused:
            super().resume_reading()
            self._protocol.reads_again()


class _Outlet:
    """The transport as a response uses it: closing it is the protocol's business."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, protocol: "HttpProtocol", transport: asyncio.Transport) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = protocol.finish


class _Cycle(RequestResponseCycle):
    """One request and its response."""

    connections: Connections

    def send(self, message: ASGISendEvent) -> Coroutine[Any, Any, None]:
        if not self.response_started and (self.more_body or self.connections.stopping):
            self.keep_alive = False
        return super().send(message)


class HttpProtocol(HttpToolsProtocol):
    """One connection. `application` answers its requests."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        connections: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._shared: Final = connections
        self._timeouts: Final = connections.timeouts
        self._outlet: _Outlet | None = None
        self._admitted = self._counts_as_refused = False
        self._watches_forwarding = False
        self._active: RequestResponseCycle | None = None
        # The request that is being received.
        self._in_head = True
        self._begun = False
        self._ended_inside = False
        self._head_bytes = 0
        self._head_counted = True
        self._framing = 0
        self._hosts: list[bytes] = []
        self._usual_hosts: list[bytes] | None = None
        self._codings: list[bytes] = []
        self._fault: AppError | None = None
        # The connection.
        self._deaf = False
        self._dropped = 0
        self._lingers = False
        self._refusal: AppError | None = None
        # One timer for each connection, which is moved only when it is due.
        self._awaited = _Awaited.NOTHING
        self._deadline = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    # The connection.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(self, transport)
        self._outlet = _Outlet(self, transport)
        refusal = self._shared.admit(self._address)
        if refusal is None:
            self._admitted = True
            self._watches_forwarding = not self._shared.trusts(self._address)
            self._await(_Awaited.HEAD, self._timeouts.head)
        elif self._shared.refusing < REFUSED_AT_ONCE:
            self._shared.refusing += 1
            self._counts_as_refused = True
            self._refuse(refusal)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._admitted:
            self._shared.release(self._address)
        elif self._counts_as_refused:
            self._shared.refusing -= 1
        for cycle in (self._active, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)
        self._outlet = None

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def idle_since(self) -> float | None:
        """Return since when it could be closed without harm, by the loop's clock; if it could."""
        if self._answering or self._begun or self._head_bytes or self._lingers:
            return None
        if self.transport.is_closing():
            return None
        if self._awaited is _Awaited.HEAD:
            return self._deadline - self._timeouts.head
        return self._deadline - self._timeouts.keep_alive

    def close_idle(self) -> bool:
        """Close the connection unless a request has arrived that was not read yet.

        The transport would tell the peer only in the loop's next round, and the peer might send a
        request until it knows.
        """
        descriptor = self.transport.get_extra_info("socket").fileno()
        if descriptor >= 0:
            waiting = select.poll()
            waiting.register(descriptor, select.POLLIN)
            with socket.socket(fileno=os.dup(descriptor)) as own:
                if waiting.poll(0):
                    return False
                with suppress(OSError):  # the peer has gone
                    own.shutdown(socket.SHUT_WR)
        self.transport.close()
        return True

    def finish(self) -> None:
        """End the connection after what was written, so that the peer can read it."""
        if self._lingers or self.transport.is_closing():
            return
        self.pipeline.clear()
        if not self._deaf and not self._in_body and not self.parser.should_keep_alive():
            self.transport.close()  # the peer asked for it, and sends nothing more
            return
        self._deaf = self._lingers = True
        self._await(_Awaited.END, self._timeouts.linger)
        self.flow.resume_reading()
        self.transport.write_eof()

    @property
    def _in_body(self) -> bool:
        return not self._in_head

    # What arrives.

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._drop(data)
        elif len(data) <= HEAD_BYTES - self._head_bytes:
            self._feed(data)
        else:
            rest = memoryview(data)
            while rest and not self._deaf:
                piece = rest[: HEAD_BYTES - self._head_bytes]
                rest = rest[len(piece) :]
                self._feed(piece)

    def _drop(self, data: bytes) -> None:
        self._dropped += len(data)
        if self._dropped > LINGER_BYTES:
            self.transport.abort()

    def _feed(self, piece: bytes | memoryview) -> None:
        self._ended_inside = False
        if not self._in_head:
            self._framing += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # Nothing is upgraded to; what follows this request is of an unknown protocol.
            self._deaf = True
            if self._answering:
                self.cycle.keep_alive = False
            return
        except httptools.HttpParserError:
            if not self._deaf:
                self._refuse(self._fault or MalformedRequest())
            return
        if self._in_head:
            if self._begun or not self._ended_inside:
                self._await_head(len(piece))
        else:
            self._await_body()

    def _await_head(self, received: int) -> None:
        """Take note of a head that is incomplete."""
        if self._ended_inside:
            self._head_counted = False  # it began somewhere in this piece
        else:
            self._head_bytes += received
            if self._head_bytes >= HEAD_BYTES:
                self._refuse(RequestHeadTooLarge(HEAD_BYTES))
                return
        if self._awaited is not _Awaited.HEAD and not self._answering:
            self._await(_Awaited.HEAD, self._timeouts.head)

    def _await_body(self) -> None:
        """Take note of a body that is incomplete."""
        if self._framing > HEAD_BYTES:
            self._refuse(MalformedRequest())
            return
        self._framing = max(0, self._framing)
        self._await(_Awaited.BODY, self._timeouts.body)

    def reads_again(self) -> None:
        """Start the time for the next piece of a body, which could not be read before."""
        if self._in_body and not self._deaf:
            self._await(_Awaited.BODY, self._timeouts.body)

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun = True
        self._hosts = []
        self._codings = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer: nothing reads them, and they must not pass for headers
        name = name.lower()
        if name == b"host":
            self._hosts.append(value.strip(b" \t"))
        elif name == b"transfer-encoding":
            self._codings.append(value.strip(b" \t").lower())
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser, scope = self.parser, self.scope
        version = parser.get_http_version()
        self._check_head(version)
        self._in_head = False
        self._framing = self._head_bytes = 0
        scope["method"] = parser.get_method().decode("ascii")
        if version != "1.1":
            scope["http_version"] = version
        parsed = httptools.parse_url(self.url)
        raw_path = parsed.path
        path = raw_path.decode("ascii")
        scope["raw_path"] = raw_path
        scope["path"] = urllib.parse.unquote(path) if "%" in path else path
        scope["query_string"] = parsed.query or b""
        if self._watches_forwarding:
            self._watch_forwarding()
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if answering and len(self.pipeline) >= PIPELINED:
            self._deaf = True
            cycle.keep_alive = False
            raise _Refused
        self.cycle = self._cycle(keep_alive=version != "1.0" and parser.should_keep_alive())
        if answering:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))
        else:
            self._awaited, self._deadline = _Awaited.NOTHING, inf
            self._start(self.cycle, self.app)

    def _start(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._active = cycle
        self._start_asgi_task(cycle, app)

    def _watch_forwarding(self) -> None:
        """Warn once of a proxy that nobody has named: its headers do not count."""
        if any(name in _FORWARDING for name, _ in self.headers):
            self._watches_forwarding = False
            self._shared.security.warn(
                "forwarding_headers_ignored",
                address=self._address,
                detail="Name the address in BOTKEYS_TRUSTED_PROXIES if it is your proxy's.",
            )

    def _cycle(self, *, keep_alive: bool) -> _Cycle:
        cycle = _Cycle(
            scope=self.scope,
            transport=cast(asyncio.Transport, self._outlet),
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.connections = self._shared
        return cycle

    def _check_head(self, version: str) -> None:
        """Refuse what another server on the way might read differently, or not at all."""
        hosts, codings = self._hosts, self._codings
        if hosts == self._usual_hosts and not codings and version == "1.1" and self._head_counted:
            return
        well_formed = (
            version in {"1.1", "1.0"}
            and len(hosts) <= 1
            and (bool(hosts) or version == "1.0")
            and all(map(_HOST.fullmatch, hosts))
            and (not codings or (version == "1.1" and codings == [b"chunked"]))
        )
        if not well_formed:
            self._fault = MalformedRequest()
        elif not self._head_counted:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > HEAD_BYTES:
                self._fault = RequestHeadTooLarge(HEAD_BYTES)
        if self._fault is not None:
            raise _Refused
        self._usual_hosts = hosts or None

    def on_body(self, body: bytes) -> None:
        self._framing -= len(body)
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_chunk_header(self) -> None:
        self._framing -= _BYTES_PER_CHUNK

    def on_message_complete(self) -> None:
        self._in_head = self._head_counted = self._ended_inside = True
        self._begun = False
        cycle = self.cycle
        cycle.more_body = False
        cycle.message_event.set()
        if self._awaited is _Awaited.BODY:
            self._awaited, self._deadline = _Awaited.NOTHING, inf

    # What leaves.

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._lingers or self.transport.is_closing():
            return
        if self.pipeline:
            self.flow.resume_reading()
            self._start(*self.pipeline.pop())
        elif self._refusal is not None:
            self._write_refusal(self._refusal)
        else:
            self.flow.resume_reading()
            if self._begun:
                self._await(_Awaited.HEAD, self._timeouts.head)
            else:
                self._await(_Awaited.REQUEST, self._timeouts.keep_alive)

    def _refuse(self, error: AppError) -> None:
        """Read no further, and answer with this error once everything before it is answered."""
        self._deaf = True
        cycle = self.cycle
        if self._answering and self._in_head:
            self._refusal = error
        elif self._answering and self.pipeline:
            self.pipeline.popleft()  # the request whose body is at fault
            self._refusal = error
        elif self._answering and cycle.response_started:
            self.transport.close()  # cut short, which the peer can tell
        else:
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()
            self._write_refusal(error)

    def _write_refusal(self, error: AppError) -> None:
        body = dumps(problem_document(error, str(new_id())))
        headers = [
            *self.server_state.default_headers,
            *((name.lower().encode(), value.encode()) for name, value in error.headers.items()),
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        lines = [STATUS_LINE[error.status], *(b"%b: %b\r\n" % pair for pair in headers), b"\r\n"]
        self.transport.write(b"".join([*lines, body]))
        self.finish()

    # Time.

    def _await(self, awaited: _Awaited, seconds: float) -> None:
        self._awaited = awaited
        self._deadline = self.loop.time() + seconds
        if self._deadline < self._timer_at:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._deadline
        self._timer = self.loop.call_at(self._deadline, self._on_time)

    def _on_time(self) -> None:
        self._timer, self._timer_at = None, inf
        if self._deadline == inf or self.transport.is_closing():
            return
        if self.loop.time() < self._deadline - 0.001:
            self._set_timer()
        else:
            self._on_deadline()

    def _on_deadline(self) -> None:
        awaited, self._awaited, self._deadline = self._awaited, _Awaited.NOTHING, inf
        if awaited is _Awaited.END:
            self.transport.close()
        elif awaited is _Awaited.REQUEST:
            if not self.close_idle():
                self._await(_Awaited.REQUEST, self._timeouts.head)
        elif awaited is _Awaited.BODY and self.flow.read_paused:
            pass  # it waits for us
        elif self._begun or self._head_bytes or self._in_body:
            self._refuse(RequestTimeout())
        else:
            self.transport.close()
