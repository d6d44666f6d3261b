"""A server that is restarted under load, and clients that notice every request it loses."""

import asyncio
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.process.connections import Connections, Timeouts
from app.process.draining import close_port, end_connections
from app.process.http_protocol import HttpProtocol

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
QUIET = 0.2


@dataclass(slots=True)
class Load:
    """Clients that send requests over kept-alive connections, each pausing for a while between."""

    address: tuple[str, int]
    pauses: Sequence[float]
    request: bytes = b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n"
    answered: Counter[int] = field(default_factory=Counter)
    last_answers: int = 0
    refused: int = 0
    lost: list[str] = field(default_factory=list)
    crossed: int = 0
    """Requests that were sent while the server was closing their idle connection."""
    _done: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._call, args=(pause,)) for pause in self.pauses]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in threads:
                thread.join(PATIENCE)

    def _call(self, pause: float) -> None:
        connection: socket.socket | None = None
        sent = 0
        while not self._done.is_set():
            if connection is None:
                connection, sent = self._connected(), 0
            elif _has_ended(connection):
                connection.close()  # cleanly, and before anything was sent on it
                connection = None
            elif self._answered(connection, idle=pause >= QUIET and sent > 0):
                sent += 1
                time.sleep(pause)
            else:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _connected(self) -> socket.socket | None:
        try:
            return socket.create_connection(self.address, PATIENCE)
        except (ConnectionRefusedError, ConnectionResetError):
            self.refused += 1  # before anything was sent
            time.sleep(0.01)
            return None

    def _answered(self, connection: socket.socket, *, idle: bool) -> bool:
        """Send a request; return whether the connection takes another after its answer."""
        received = b""
        try:
            connection.sendall(self.request)
            while not _is_complete(received):
                piece = connection.recv(65536)
                if not piece:
                    raise ConnectionResetError(f"ended after {received!r}")
                received += piece
        except OSError as error:
            if idle and not received:
                self.crossed += 1
            else:
                self.lost.append(repr(error))
            return False
        self.answered[int(received.split(b" ", 2)[1])] += 1
        if b"connection: close" in received:
            self.last_answers += 1
            return False
        return True


def _has_ended(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _is_complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return len(body) >= int(length or 0)


@contextmanager
def restarted_server() -> Iterator["Restarts"]:
    """Run the server of this module in a process of its own: threads of a test would delay it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.restarts"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with ExitStack() as stack:
        stack.callback(process.wait, PATIENCE)
        stack.callback(process.terminate)
        assert process.stdin is not None
        assert process.stdout is not None
        stack.enter_context(process.stdin)
        stack.enter_context(process.stdout)
        yield Restarts(process, int(process.stdout.readline()))


@dataclass(slots=True)
class Restarts:
    """The server's process."""

    process: subprocess.Popen[bytes]
    port: int

    def restart(self) -> None:
        """Start a successor on the same port, and return once its predecessor has stopped."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"restarted\n"


class _Generation:
    """One server, as a process of the service runs and stops it."""

    def __init__(self, port: int) -> None:
        self.state = ServerState()
        self.connections = Connections(Timeouts(), most=1_000, most_per_address=500)
        self.config = uvicorn.Config(_application, ws="none", lifespan="off", log_config=None)
        self.config.load()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(1_000)
        self.servers: list[asyncio.Server] = []

    def protocol(self) -> asyncio.Protocol:
        return HttpProtocol(self.config, self.state, {}, connections=self.connections)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(self.protocol, sock=self.listener))

    async def stop(self) -> None:
        self.connections.stopping = True
        await close_port(self.servers, [self.listener], self.protocol)
        await end_connections(self.state, seconds=5, quiet=QUIET)


async def _application(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await asyncio.sleep(0.001)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"ok"})


async def _serve() -> None:
    serving = _Generation(0)
    port = serving.listener.getsockname()[1]
    await serving.start()
    os.write(1, b"%d\n" % port)
    while await asyncio.to_thread(sys.stdin.buffer.readline):
        successor = _Generation(port)
        await successor.start()
        await serving.stop()
        serving = successor
        os.write(1, b"restarted\n")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve())
