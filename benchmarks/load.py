"""Load from a process of its own: a few connections that repeat requests without a pause.

    echo '{"port": 8000, "requests": [{"path": "/v1/keys", …}], …}' | python -m benchmarks.load

It reads as little of a response as possible (status and length), which leaves the machine's
processors to the server: it can send tens of thousands of requests a second, where a server answers
a few thousand.
"""

import asyncio
import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Self, cast

import uvloop

UNIQUE = "{unique}"
"""In a path: replaced by a text that no other request of any run has."""

_PATIENCE = 60.0
_OK = 200
_NOT_MODIFIED = 304


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """One request. `body` is JSON text; `token` may be empty."""

    path: str
    token: str = ""
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def encoded(self, port: int) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        if self.body:
            lines.append("Content-Type: application/json")
        if self.body or self.method != "GET":
            lines.append(f"Content-Length: {len(self.body.encode())}")
        lines.append("Accept: application/json")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join((*lines, "", self.body)).encode()


@dataclass(frozen=True, slots=True)
class Load:
    """The requests, distributed in turn over all connections. Seconds of warm-up are not counted.

    Every response must have this `status`. If none arrives within `seconds`, the run waits for the
    first one: a machine that stalls has been measured too.
    """

    port: int
    requests: list[LoadRequest]
    connections: int
    warm_up: float
    seconds: float
    status: int = _OK

    @classmethod
    def from_json(cls, text: str) -> Self:
        members: dict[str, Any] = json.loads(text)
        return cls(**{**members, "requests": [LoadRequest(**one) for one in members["requests"]]})

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Measured:
    """`p50` and `p99` are milliseconds; `body_bytes` is the size of one response's body."""

    requests: int
    per_second: float
    p50: float
    p99: float
    body_bytes: int


class NotAnswered(Exception):
    """A response with another status, or a broken connection: such a run measures nothing."""


class _Connection(asyncio.Protocol):
    """One keep-alive connection; `latencies` are the seconds from request to last byte."""

    def __init__(
        self, requests: Callable[[], bytes], status: int, failed: asyncio.Future[None]
    ) -> None:
        self.latencies: list[float] = []
        self.body_bytes = 0
        self._next = requests
        self._status = status
        self._failed = failed
        self._transport: asyncio.Transport | None = None
        self._missing = 0
        self._head = b""
        self._sent_at = 0.0
        self._last = asyncio.Event()
        self._stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._stopping:
            self._last.set()
            return
        request = self._next()
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            try:
                self.body_bytes = _length(self._head[:end], self._status)
            except NotAnswered as error:
                self._fail(error)
                return
            self._missing = end + 4 + self.body_bytes
            data, self._head = self._head, b""
        self._missing -= len(data)
        if self._missing == 0:
            self.latencies.append(time.perf_counter() - self._sent_at)
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._last.set()
        self._fail(NotAnswered(f"the connection was closed ({type(exc).__name__})"))

    async def stop(self) -> None:
        """Send no more requests, and close after the last response.

        No transaction is left unfinished, whose locks would block the server measured next.
        """
        self._stopping = True
        await self._last.wait()
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: NotAnswered) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)


def _length(head: bytes, status: int) -> int:
    """Return the length of the body; raise `NotAnswered`."""
    first, _, rest = head.partition(b"\r\n")
    if not first.startswith(b"HTTP/1.1 %d" % status):
        raise NotAnswered(f"the answer was {first.decode('latin-1')}")
    if status == _NOT_MODIFIED:
        return 0
    for line in rest.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise NotAnswered("the answer has no content-length")


def _in_turn(load: Load) -> Callable[[], bytes]:
    """Return a function that yields the requests in turn, endlessly."""
    encoded = [request.encoded(load.port) for request in load.requests]
    turns = itertools.cycle(encoded)
    if not any(UNIQUE in request.path for request in load.requests):
        return turns.__next__
    placeholder = UNIQUE.encode()
    run = b"%x" % time.time_ns()

    def numbered() -> Iterator[bytes]:
        for number, request in enumerate(turns):
            yield request.replace(placeholder, b"%s-%d" % (run, number), 1)

    return numbered().__next__


async def run(load: Load) -> Measured:
    loop = asyncio.get_running_loop()
    failed = loop.create_future()
    requests = _in_turn(load)
    connections = []
    for _ in range(load.connections):
        _, protocol = await loop.create_connection(
            lambda: _Connection(requests, load.status, failed), "127.0.0.1", load.port
        )
        connections.append(protocol)
    await _pass(load.warm_up, failed)
    for connection in connections:
        connection.latencies.clear()
    began = time.perf_counter()
    await _pass(load.seconds, failed)
    while not any(one.latencies for one in connections):
        if time.perf_counter() - began > _PATIENCE:
            raise NotAnswered("not one answer came in time")
        await _pass(load.seconds, failed)
    took = time.perf_counter() - began
    latencies = sorted(value for one in connections for value in one.latencies)
    body_bytes = connections[0].body_bytes
    await asyncio.gather(*(connection.stop() for connection in connections))
    failed.cancel()
    return Measured(
        requests=len(latencies),
        per_second=len(latencies) / took,
        p50=quantile(latencies, 0.5) * 1000,
        p99=quantile(latencies, 0.99) * 1000,
        body_bytes=body_bytes,
    )


async def _pass(seconds: float, failed: asyncio.Future[None]) -> None:
    """Wait for this time, or raise as soon as a connection fails."""
    await asyncio.wait([failed], timeout=seconds)
    if failed.done():
        failed.result()


def quantile(ordered: list[float], part: float) -> float:
    """Return the smallest value that at least this fraction does not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def main() -> None:
    measured = uvloop.run(run(Load.from_json(sys.stdin.read())))
    print(json.dumps(asdict(measured)))


if __name__ == "__main__":
    main()
