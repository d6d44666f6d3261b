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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import uvloop

from benchmarks.connection import Connection, NotAnswered

UNIQUE = "{unique}"
"""In a path or body: replaced by a text that no other request of any run has."""

_UNIQUE_LENGTH = 27
_PATIENCE = 60.0
_OK = 200


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
            grows = self.body.count(UNIQUE) * (_UNIQUE_LENGTH - len(UNIQUE))
            lines.append(f"Content-Length: {len(self.body.encode()) + grows}")
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
    """`p50` and `p99` are milliseconds; `body_bytes` is the size of one response's body.

    `requests` were counted; `answered` has those of the warm-up as well. `cpu_ms` is the CPU
    time of one in the server's processes, known to the process that started them.
    """

    requests: int
    per_second: float
    p50: float
    p99: float
    body_bytes: int
    answered: int = 0
    cpu_ms: float = 0.0


class _Caller:
    """One connection that repeats requests; `latencies` are seconds from request to last byte."""

    def __init__(self, requests: Callable[[], bytes]) -> None:
        self.latencies: list[float] = []
        self.body_bytes = 0
        self._next = requests
        self._sent_at = 0.0
        self._last = asyncio.Event()
        self._stopping = False

    async def start(self, load: Load, failed: asyncio.Future[None]) -> None:
        self._connection = await Connection.open(load.port, load.status, self._answered, failed)
        self._send()

    def _send(self) -> None:
        request = self._next()
        self._sent_at = time.perf_counter()
        self._connection.send(request)

    def _answered(self, connection: Connection) -> None:
        self.latencies.append(time.perf_counter() - self._sent_at)
        self.body_bytes = connection.body_bytes
        if self._stopping:
            self._last.set()
        else:
            self._send()

    async def stop(self) -> None:
        """Send no more requests, and close after the last response.

        No transaction is left unfinished, whose locks would block the server measured next.
        """
        self._stopping = True
        await self._last.wait()
        self._connection.close()


def in_turn(requests: Sequence[LoadRequest], port: int) -> Callable[[], bytes]:
    """Return a function that yields the requests in turn, endlessly."""
    turns = itertools.cycle([request.encoded(port) for request in requests])
    if not any(UNIQUE in request.path + request.body for request in requests):
        return turns.__next__
    placeholder = UNIQUE.encode()
    run = b"%016x" % time.time_ns()

    def numbered() -> Iterator[bytes]:
        for number, request in enumerate(turns):
            yield request.replace(placeholder, b"%s-%010d" % (run, number))

    return numbered().__next__


async def run(load: Load) -> Measured:
    failed = asyncio.get_running_loop().create_future()
    requests = in_turn(load.requests, load.port)
    callers = [_Caller(requests) for _ in range(load.connections)]
    for caller in callers:
        await caller.start(load, failed)
    await pass_time(load.warm_up, failed)
    warming_up = sum(len(caller.latencies) for caller in callers)
    for caller in callers:
        caller.latencies.clear()
    began = time.perf_counter()
    await pass_time(load.seconds, failed)
    while not any(caller.latencies for caller in callers):
        if time.perf_counter() - began > _PATIENCE:
            raise NotAnswered("not one answer came in time")
        await pass_time(load.seconds, failed)
    took = time.perf_counter() - began
    latencies = sorted(value for caller in callers for value in caller.latencies)
    body_bytes = callers[0].body_bytes
    stopping = asyncio.gather(*(caller.stop() for caller in callers))
    await asyncio.wait([stopping, failed], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if failed.done():
        failed.result()
    failed.cancel()
    return Measured(
        requests=len(latencies),
        per_second=len(latencies) / took,
        p50=quantile(latencies, 0.5) * 1000,
        p99=quantile(latencies, 0.99) * 1000,
        body_bytes=body_bytes,
        answered=warming_up + sum(len(caller.latencies) for caller in callers),
    )


async def pass_time(seconds: float, failed: asyncio.Future[None]) -> None:
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
