"""HTTP/1.1 on one connection: uvicorn's protocol with bounds on what a peer may send and hold.

new or idle ─► head ─► body ─► response ─► idle, or the end
     │          │       └ 16 KiB or its end within 30 s; trailers are dropped, framing is bounded
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
from contextlib import suppress
from typing import Any, Final, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.api.streaming import CONNECTION, Line, Taker
from app.errors import AppError, RequestHeadTooLarge, RequestTimeout
from app.kit.flag import Flag
from app.process.connections import REFUSED_AT_ONCE, Connections
from app.process.http_cycle import Cycle, Flow, Outlet
from app.process.http_deadline import Awaited, Deadline
from app.process.http_faults import TooMuchFraming, fault_of_head, fault_of_parser
from app.process.http_refusal import refusal_of

HEAD_BYTES = 32 * 1024
PIECE_BYTES = 16 * 1024
"""What of a body must arrive within the time for a piece, unless the body is complete by then."""
LINGER_BYTES = 1024 * 1024
PIPELINED = 16
"""Requests that may wait behind the one that is being answered; further ones are not read."""
_BYTES_PER_CHUNK = 16
"""Framing that every chunk may have. All other framing of a body is bounded like a head."""
_FORWARDING = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-proto"})


class _Refused(Exception):
    """Stops the parser; the protocol knows why."""


class HttpProtocol(HttpToolsProtocol):
    """One connection. `application` answers its requests.

    A process holds thousands, most of them streams: what it has besides the attributes of its base
    takes a slot of eight bytes each.
    """

    __slots__ = (
        "_active",
        "_admitted",
        "_begun",
        "_codings",
        "_counts_as_refused",
        "_deadline",
        "_deaf",
        "_dropped",
        "_ended_inside",
        "_fault",
        "_framing",
        "_head_bytes",
        "_head_counted",
        "_held",
        "_hosts",
        "_in_head",
        "_lingers",
        "_outlet",
        "_piece_bytes",
        "_refusal",
        "_shared",
        "_timeouts",
        "_usual_hosts",
        "_watches_forwarding",
    )

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
        self.pipeline = cast(Any, [])  # a deque takes 700 bytes even while it is empty
        self._shared: Final = connections
        self._timeouts: Final = connections.timeouts
        self._outlet: Outlet | None = None
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
        self._piece_bytes = 0
        self._hosts: list[bytes] = []
        self._usual_hosts: list[bytes] | None = None
        self._codings: list[bytes] = []
        self._fault: AppError | None = None
        # The connection.
        self._deaf = False
        self._held = b""
        self._dropped = 0
        self._lingers = False
        self._refusal: AppError | None = None
        self._deadline: Final = Deadline(self.loop, self._on_deadline)

    # The connection.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = Flow(self, transport)
        self._outlet = Outlet(self, transport)
        refusal = self._shared.admit(self._address, self._port)
        if refusal is None:
            self._admitted = True
            self._watches_forwarding = not self._shared.trusts(self._address)
            self._deadline.set(Awaited.HEAD, self._timeouts.head)
        elif self._shared.refusing < REFUSED_AT_ONCE:
            self._shared.refusing += 1
            self._counts_as_refused = True
            self._refuse(refusal)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.close()
        if self._admitted:
            self._shared.release(self._address, self._port)
        elif self._counts_as_refused:
            self._shared.refusing -= 1
        for cycle in (self._active, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        taker = self._taker
        self.pipeline.clear()
        super().connection_lost(exc)
        # These refer to each other: without it they would stay until the garbage is collected.
        self._outlet = self._active = None
        self.cycle = self.parser = cast(Any, None)
        if taker is not None:
            taker.gone()

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def _port(self) -> int | None:
        """Return which of our ports it came to."""
        return self.server[1] if self.server else None

    @property
    def _taker(self) -> Taker | None:
        """Return what has taken the response over, if anything has."""
        return self._active.taker if isinstance(self._active, Cycle) else None

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def idle_since(self) -> float | None:
        """Return since when it could be closed without harm, by the loop's clock; if it could."""
        if self._answering or self._begun or self._head_bytes or self._lingers or self._held:
            return None
        if self.transport.is_closing():
            return None
        if self._deadline.awaited is Awaited.HEAD:
            return self._deadline.moment - self._timeouts.head
        return self._deadline.moment - self._timeouts.keep_alive

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
        if self._outlet is not None:
            self._outlet.flush()
        self.pipeline.clear()
        if not self._deaf and not self._in_body and not self.parser.should_keep_alive():
            self.transport.close()  # the peer asked for it, and sends nothing more
            return
        self._deaf = self._lingers = True
        self._deadline.set(Awaited.END, self._timeouts.linger)
        self.flow.resume_reading()
        self.transport.write_eof()

    @property
    def _in_body(self) -> bool:
        return not self._in_head

    # What arrives.

    def data_received(self, data: bytes) -> None:
        if self._held:
            self._held += data
        elif data.startswith(self._shared.paced) and self._between_requests:
            self._held = data
            self._shared.turnstile.enter(self._read_held)
            if self._held:
                # It has come in time: from now on it waits for us.
                self._deadline.clear()
        else:
            self._take(data)
        if len(self._held) >= HEAD_BYTES:
            # Not before: who reads nothing does not notice either that the peer has gone.
            self.flow.pause_reading()

    @property
    def _between_requests(self) -> bool:
        return not (self._begun or self._head_bytes or self._answering or self._deaf)

    def _read_held(self) -> bool:
        """Read the beginning of a paced request in its turn; return whether its caller is there."""
        data, self._held = self._held, b""
        if self.transport.is_closing():
            return False
        self.flow.resume_reading()
        self._take(data)
        return True

    def _take(self, data: bytes) -> None:
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
        except httptools.HttpParserError as error:
            if not self._deaf:
                self._refuse(self._fault or fault_of_parser(error))
            return
        if self._in_head:
            if self._begun or not self._ended_inside:
                self._await_head(len(piece))
        else:
            self._await_body(len(piece))

    def _await_head(self, received: int) -> None:
        """Take note of a head that is incomplete."""
        if self._ended_inside:
            self._head_counted = False  # it began somewhere in this piece
        else:
            self._head_bytes += received
            if self._head_bytes >= HEAD_BYTES:
                self._refuse(RequestHeadTooLarge(HEAD_BYTES))
                return
        if self._deadline.awaited is not Awaited.HEAD and not self._answering:
            self._deadline.set(Awaited.HEAD, self._timeouts.head)

    def _await_body(self, received: int) -> None:
        """Take note of a body that is incomplete."""
        if self._framing > HEAD_BYTES:
            self._refuse(TooMuchFraming())
            return
        self._framing = max(0, self._framing)
        self._piece_bytes += received
        if self._piece_bytes >= PIECE_BYTES or self._deadline.awaited is not Awaited.BODY:
            self._piece_bytes = 0
            self._deadline.set(Awaited.BODY, self._timeouts.body)

    def reads_again(self) -> None:
        """Start the time for the next piece of a body, which could not be read before."""
        if self._in_body and not self._deaf:
            self._piece_bytes = 0
            self._deadline.set(Awaited.BODY, self._timeouts.body)

    def hand_over(self, taker: Taker) -> Line:
        """Hand over the response that has begun, and let go of the request that it answers."""
        cycle = cast(Cycle, self._active)
        if self.cycle is cycle:
            self.scope, self.headers = cast(Any, {}), []
        return cycle.hand_over(taker)

    @property
    def body_is_here(self) -> bool:
        return self._active is not None and not self._active.more_body

    def writes_again(self) -> None:
        if self._taker is not None:
            self._taker.feed()

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast(dict[str, Any], self.scope)[CONNECTION] = self
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
            self.pipeline.insert(0, (self.cycle, self.app))
        else:
            self._deadline.clear()
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

    def _cycle(self, *, keep_alive: bool) -> Cycle:
        outlet = cast(Outlet, self._outlet)
        cycle = Cycle(
            scope=self.scope,
            transport=cast(asyncio.Transport, outlet),
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=cast(asyncio.Event, Flag()),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.connections = self._shared
        cycle.outlet = outlet
        return cycle

    def _check_head(self, version: str) -> None:
        """Refuse what another server on the way might read differently, or not at all."""
        hosts, codings = self._hosts, self._codings
        if hosts == self._usual_hosts and not codings and version == "1.1" and self._head_counted:
            return
        self._fault = fault_of_head(version, hosts, codings)
        if self._fault is None and not self._head_counted:
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
        if self._deadline.awaited is Awaited.BODY:
            self._deadline.clear()

    # What leaves.

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._lingers or self.transport.is_closing():
            return
        if self._outlet is not None:
            self._outlet.flush()
        if self.pipeline:
            self.flow.resume_reading()
            self._start(*self.pipeline.pop())
        elif self._refusal is not None:
            self._write_refusal(self._refusal)
        else:
            self.flow.resume_reading()
            if self._begun:
                self._deadline.set(Awaited.HEAD, self._timeouts.head)
            else:
                self._deadline.set(Awaited.REQUEST, self._timeouts.keep_alive)

    def _refuse(self, error: AppError) -> None:
        """Read no further, and answer with this error once everything before it is answered."""
        self._deaf = True
        cycle = self.cycle
        if self._answering and self._in_head:
            self._refusal = error
        elif self._answering and self.pipeline:
            del self.pipeline[0]  # the request whose body is at fault
            self._refusal = error
        elif self._answering and cycle.response_started:
            self.transport.close()  # cut short, which the peer can tell
        else:
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()
            self._write_refusal(error)

    def _write_refusal(self, error: AppError) -> None:
        headers = self.server_state.default_headers
        self.transport.write(refusal_of(error, headers, self._address))
        self.finish()

    def _on_deadline(self, awaited: Awaited) -> None:
        if self.transport.is_closing():
            return
        if awaited is Awaited.END:
            self.transport.close()
        elif awaited is Awaited.REQUEST:
            if not self.close_idle():
                self._deadline.set(Awaited.REQUEST, self._timeouts.head)
        elif awaited is Awaited.BODY and self.flow.read_paused:
            pass  # it waits for us
        elif self._begun or self._head_bytes or self._in_body:
            self._refuse(RequestTimeout())
        else:
            self.transport.close()
