"""Load from a process of its own: a few connections that repeat requests without a pause.

    echo '[{"port": 8000, "requests": [{"path": "/v1/keys", …}], …}]' | python -m benchmarks.load

Several loads alternate, each for a quarter of its time: a machine that others use as well may
become twice as fast within a second, which is to affect all of them.

It reads as little of a response as possible (status and length), which leaves the machine's
processors to the server: it can send tens of thousands of requests a second, where a server answers
a few thousand.
"""

import asyncio
import itertools
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import uvloop

from benchmarks.connection import Connection, NotAnswered
from benchmarks.cpu import precise_cpu_seconds

UNIQUE = "{unique}"
"""In a path or body: replaced by a text that no other request of any run has."""

_UNIQUE_LENGTH = 27
_PATIENCE = 60.0
_AGAIN = 0.1
"""Seconds of warm-up of a further turn."""

TURNS = 4
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
    `pid` is the server's process, if its CPU time is to be measured.

    Every response must have this `status`. If none arrives within `seconds`, the run waits for the
    first one: a machine that stalls has been measured too.
    """

    port: int
    requests: list[LoadRequest]
    connections: int
    warm_up: float
    seconds: float
    status: int = _OK
    pid: int = 0

    @classmethod
    def from_members(cls, members: dict[str, Any]) -> Self:
        return cls(**{**members, "requests": [LoadRequest(**one) for one in members["requests"]]})


@dataclass(frozen=True, slots=True)
class Measured:
    """`p50` and `p99` are milliseconds; `body_bytes` is the size of one response's body.

    `requests` were counted; `answered` has those of the warm-up as well. `cpu_ms` is the CPU
    time of one in the server's processes.
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
        self._connection: Connection | None = None

    async def open(self, load: Load, failed: asyncio.Future[None]) -> None:
        self._connection = await Connection.open(load.port, load.status, self._answered, failed)

    def start(self) -> None:
        self.latencies = []
        self._stopping = False
        self._last.clear()
        self._send()

    def _send(self) -> None:
        request = self._next()
        self._sent_at = time.perf_counter()
        if self._connection is not None:
            self._connection.send(request)

    def _answered(self, connection: Connection) -> None:
        self.latencies.append(time.perf_counter() - self._sent_at)
        self.body_bytes = connection.body_bytes
        if self._stopping:
            self._last.set()
        else:
            self._send()

    async def stop(self) -> None:
        """Send no more requests, and wait for the last response.

        No transaction is left unfinished, whose locks would block the server measured next.
        """
        self._stopping = True
        await self._last.wait()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class _Callers:
    """The connections of a load, and what they have measured so far."""

    def __init__(self, load: Load, failed: asyncio.Future[None]) -> None:
        requests = in_turn(load.requests, load.port)
        self.load = load
        self._callers = [_Caller(requests) for _ in range(load.connections)]
        self._failed = failed
        self._latencies: list[float] = []
        self._answered = 0
        self._seconds = 0.0
        self._cpu_seconds = 0.0

    async def open(self) -> None:
        for caller in self._callers:
            await caller.open(self.load, self._failed)

    async def send(self, warm_up: float, seconds: float) -> None:
        """Send for so long; the responses of the warm-up do not count.

        The connections begin one after the other, like callers that know nothing of each other.
        """
        load, callers = self.load, self._callers
        spent = precise_cpu_seconds(load.pid) if load.pid else 0.0
        for caller in callers:
            caller.start()
            await pass_time(warm_up / len(callers), self._failed)
        for caller in callers:
            self._answered += len(caller.latencies)
            caller.latencies.clear()
        began = time.perf_counter()
        await pass_time(seconds, self._failed)
        while not any(caller.latencies for caller in callers):
            if time.perf_counter() - began > _PATIENCE:
                raise NotAnswered("not one answer came in time")
            await pass_time(seconds, self._failed)
        self._seconds += time.perf_counter() - began
        for caller in callers:
            self._latencies += caller.latencies
        stopping: asyncio.Future[Any] = asyncio.gather(*(caller.stop() for caller in callers))
        await asyncio.wait([stopping, self._failed], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if self._failed.done():
            self._failed.result()
        self._answered += sum(len(caller.latencies) for caller in callers)
        self._cpu_seconds += (precise_cpu_seconds(load.pid) if load.pid else 0.0) - spent

    def close(self) -> None:
        for caller in self._callers:
            caller.close()

    def measured(self) -> Measured:
        latencies = sorted(self._latencies)
        return Measured(
            requests=len(latencies),
            per_second=len(latencies) / self._seconds,
            p50=quantile(latencies, 0.5) * 1000,
            p99=quantile(latencies, 0.99) * 1000,
            body_bytes=self._callers[0].body_bytes,
            answered=self._answered,
            cpu_ms=self._cpu_seconds / self._answered * 1000,
        )


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
    (measured,) = await run_in_turn([load], 1)
    return measured


async def run_in_turn(loads: Sequence[Load], turns: int) -> list[Measured]:
    """Send the loads one after the other, `turns` times, each a part of its seconds.

    While one is sent, the processes of the others are stopped.
    """
    failed = asyncio.get_running_loop().create_future()
    several = [_Callers(load, failed) for load in loads]
    try:
        for callers in several:
            await callers.open()
        for turn in range(turns):
            for callers in several:
                load = callers.load
                with _stopped([other.pid for other in loads if other is not load and other.pid]):
                    warm_up = _AGAIN if turn else load.warm_up
                    await callers.send(min(warm_up, load.warm_up), load.seconds / turns)
    finally:
        for callers in several:
            callers.close()
        failed.cancel()
    return [callers.measured() for callers in several]


@contextmanager
def _stopped(pids: Sequence[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def pass_time(seconds: float, failed: asyncio.Future[None]) -> None:
    """Wait for this time, or raise as soon as a connection fails."""
    await asyncio.wait([failed], timeout=seconds)
    if failed.done():
        failed.result()


def quantile(ordered: list[float], part: float) -> float:
    """Return the smallest value that at least this fraction does not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def main() -> None:
    loads = [Load.from_members(load) for load in json.load(sys.stdin)]
    measured = uvloop.run(run_in_turn(loads, TURNS if len(loads) > 1 else 1))
    print(json.dumps([asdict(one) for one in measured]))


if __name__ == "__main__":
    main()
