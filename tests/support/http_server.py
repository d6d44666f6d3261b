"""The service's HTTP protocol around any application, in a thread, and a raw client for it."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
import uvloop
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from app.process.connections import Connections, Timeouts
from app.process.draining import close_port, end_connections
from app.process.http_protocol import HttpProtocol
from tests.support.world import Json

PATIENCE = 20.0
"""Seconds for what takes milliseconds."""
QUICK = Timeouts(head=0.5, body=0.5, keep_alive=0.5, linger=0.3)
LONG = Timeouts(head=PATIENCE, body=PATIENCE, keep_alive=PATIENCE, linger=PATIENCE)


def connections(
    timeouts: Timeouts = LONG,
    *,
    most: int = 100,
    most_per_address: int = 100,
    trusted: str = "",
    paced: tuple[bytes, ...] = (),
) -> Connections:
    return Connections(
        timeouts,
        most=most,
        most_per_address=most_per_address,
        trusted=frozenset(trusted.split()),
        paced=paced,
    )


@dataclass(slots=True)
class Answer:
    """One response as it came over the socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        document: Json = json.loads(self.body)
        return document


class Client:
    """A socket, and the responses that come over it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, PATIENCE)
        self._received = b""

    def send(self, *pieces: bytes, pause: float = 0) -> None:
        for piece in pieces:
            self.socket.sendall(piece)
            time.sleep(pause)

    def get(self, path: str = "/") -> Answer:
        self.send(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        return self.answer()

    def answer(self) -> Answer:
        """Return the next response; raise `ConnectionError` if the connection ends before it."""
        while b"\r\n\r\n" not in self._received:
            self._read()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        length = int(headers.get("content-length", 0))
        while len(self._received) < length:
            self._read()
        body, self._received = self._received[:length], self._received[length:]
        return Answer(int(status.split()[1]), headers, body)

    def rest(self) -> bytes:
        """Return what comes until the peer ends the connection."""
        try:
            while True:
                self._read()
        except ConnectionError:
            return self._received

    def ends(self) -> bool:
        """Return whether the peer ends the connection, with nothing before the end."""
        return self.rest() == b""

    def _read(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionResetError("the connection has ended")
        self._received += piece

    def close(self) -> None:
        self.socket.close()


@dataclass(slots=True)
class HttpServer:
    """A running server."""

    address: tuple[str, int]
    state: ServerState
    stop: Callable[..., Future[None]]
    """Stops the server as a process of the service does; takes `quiet`."""
    clients: list[Client] = field(default_factory=list)

    def connect(self) -> Client:
        self.clients.append(Client(self.address))
        return self.clients[-1]

    def until_open(self, count: int) -> None:
        """Wait until this many connections are open."""
        deadline = time.monotonic() + PATIENCE
        while len(self.state.connections) != count:
            assert time.monotonic() < deadline, len(self.state.connections)
            time.sleep(0.005)

    def until_stopping(self, shared: Connections) -> None:
        deadline = time.monotonic() + PATIENCE
        while not shared.stopping:
            assert time.monotonic() < deadline
            time.sleep(0.001)


@contextmanager
def http_server(app: ASGIApp, shared: Connections) -> Iterator[HttpServer]:
    """Serve the application over the protocol, on the event loop of production."""
    state = ServerState()
    state.default_headers = [(b"date", b"now")]
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False)
    config.load()
    running: list[HttpServer] = []
    ready, done = threading.Event(), threading.Event()

    def protocol() -> HttpProtocol:
        return HttpProtocol(config, state, {}, connections=shared)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(protocol, "127.0.0.1", 0)

        async def drain(quiet: float) -> None:
            shared.stopping = True
            await close_port([server], [], protocol)
            await end_connections(state, seconds=PATIENCE, quiet=quiet)

        def stop(*, quiet: float) -> Future[None]:
            return asyncio.run_coroutine_threadsafe(drain(quiet), loop)

        running.append(HttpServer(server.sockets[0].getsockname(), state, stop))
        ready.set()
        await asyncio.to_thread(done.wait)
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)

    thread = threading.Thread(target=lambda: uvloop.run(serve()))
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield running[0]
    finally:
        for client in running[0].clients:
            client.close()
        done.set()
        thread.join(PATIENCE)
