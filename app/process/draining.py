"""Ends a server's connections so that no request that has arrived stays unanswered.

The port is closed first, after taking what waits in its queue. From then on each response says that
it is its connection's last, which is the only way to end a connection without a race: a client that
sends requests in quick succession gets that answer. A connection that stays idle is closed once it
has been so for a while, and only if nothing has arrived on it that the loop has not read yet.

What HTTP/1.1 leaves open: a request that is on the way while an idle connection is being closed is
lost, and the client has to send it again. That is as likely as at any keep-alive timeout.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import structlog
from uvicorn.server import ServerState

from app.process.http_protocol import HttpProtocol

QUIET = 1.0
"""Seconds after which a connection counts as idle."""
_TICK = 0.02
_CANCELLED = 1.0
"""Seconds for requests that were cancelled to say so."""
log = structlog.get_logger("botkeys.stop")


async def close_port(
    servers: Sequence[asyncio.Server],
    sockets: Sequence[socket.socket],
    protocol: Callable[[], asyncio.BaseProtocol],
) -> None:
    """Close the servers' listening sockets, and serve what waits in their queues.

    Closing a socket would reset those connections: the kernel has already accepted them. So each
    queue is read once the loop has left it, by a descriptor of our own that is closed at its end.
    """
    own = [os.dup(listener.fileno()) for server in servers for listener in server.sockets]
    queues = [socket.socket(fileno=descriptor) for descriptor in own]
    for server in servers:
        server.close()
    for listener in sockets:
        listener.close()
    loop = asyncio.get_running_loop()
    await asyncio.sleep(_TICK)
    waiting: list[socket.socket] = []
    for queue in queues:
        with queue:
            queue.setblocking(False)
            waiting.extend(_accepted(queue))
    for connection in waiting:
        await loop.connect_accepted_socket(protocol, connection)


def _accepted(queue: socket.socket) -> Iterator[socket.socket]:
    while True:
        try:
            connection, _ = queue.accept()
        except OSError:  # nothing waits, or there are no descriptors for it
            return
        yield connection


async def end_connections(state: ServerState, *, seconds: float, quiet: float = QUIET) -> None:
    """Answer what has arrived, close idle connections, and cancel what takes longer."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (state.connections or state.tasks) and (now := loop.time()) < until:
        for connection in _open(state):
            idle_since = connection.idle_since
            if idle_since is not None and now - idle_since >= quiet:
                connection.close_idle()
        await asyncio.sleep(_TICK)
    if state.tasks:
        log.warning("requests_cancelled", count=len(state.tasks))
        for task in state.tasks:
            task.cancel()
        await asyncio.wait(state.tasks, timeout=_CANCELLED)
    for connection in _open(state):
        connection.transport.close()
    await asyncio.sleep(_TICK)


def _open(state: ServerState) -> list[HttpProtocol]:
    return cast(list[HttpProtocol], list(state.connections))
