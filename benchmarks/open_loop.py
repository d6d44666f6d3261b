"""Load at given rates, whether or not the server keeps up, from a process of its own.

    echo '{"port": 8000, "requests": [{"path": "/v1/keys", …}], "rates": [100], …}' | …

The last part is `python -m benchmarks.open_loop`.

A client that waits for each response sends less as soon as the server is slow, and so leaves out
the requests that would have waited longest (coordinated omission). Here requests have moments,
drawn beforehand, at which independent bots would send them, and a response's latency counts from
that moment: also the time until a connection was free is in it, and what is never answered counts
with its age. Timers are exact to a millisecond, so latencies are too long by half of one on
average.
"""

import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

import uvloop

from benchmarks.connection import Connection
from benchmarks.load import LoadRequest, in_turn, pass_time, quantile

KEEPS_UP = 0.95
"""Part of the offered rate that must be answered; below it, a rate is too much."""

_SETTLED = 0.25
"""Part of a rate's time after which as many responses as requests must come."""

_SEED = 1
_DRAINED = 5.0
"""Seconds that are waited for the rest of the responses."""


@dataclass(frozen=True, slots=True)
class OpenLoad:
    """The requests, in turn, at each of the rates a second. Two that are too high end it."""

    port: int
    requests: list[LoadRequest]
    rates: list[float]
    seconds: float
    warm_up: float
    connections: int = 64
    status: int = 200

    @classmethod
    def from_json(cls, text: str) -> Self:
        members: dict[str, Any] = json.loads(text)
        return cls(**{**members, "requests": [LoadRequest(**one) for one in members["requests"]]})

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class AtRate:
    """What one rate gave. Rates are a second, once it had settled; `p50` and `p99` milliseconds."""

    offered: float
    answered: float
    requests: int
    p50: float
    p99: float

    @property
    def keeps_up(self) -> bool:
        return self.answered >= KEEPS_UP * self.offered


class _Pool:
    """Connections, and the requests that wait for one of them, each with its moment."""

    def __init__(self, requests: Callable[[], bytes]) -> None:
        self.latencies: list[tuple[float, float]] = []
        """Each request's moment, and when its response had arrived."""
        self._requests = requests
        self._free: deque[Connection] = deque()
        self._waiting: deque[float] = deque()
        self._moments: dict[Connection, float] = {}

    def add(self, connection: Connection) -> None:
        self._free.append(connection)

    def due(self, moment: float) -> None:
        """Send a request that is due since this moment, or let it wait."""
        if self._free:
            self._send(self._free.popleft(), moment)
        else:
            self._waiting.append(moment)

    def _send(self, connection: Connection, moment: float) -> None:
        self._moments[connection] = moment
        connection.send(self._requests())

    def answered(self, connection: Connection) -> None:
        self.latencies.append((self._moments.pop(connection), time.perf_counter()))
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._free.append(connection)

    @property
    def is_idle(self) -> bool:
        return not self._moments and not self._waiting

    def forget(self) -> list[float]:
        """Return the moments of all that is not answered, and send none that waits."""
        left = [*self._moments.values(), *self._waiting]
        self._waiting.clear()
        return left

    def close(self) -> None:
        for connection in (*self._free, *self._moments):
            connection.close()


def moments(rate: float, seconds: float) -> Iterator[float]:
    """Yield the seconds, from now on, at which callers independent of each other would call."""
    drawn = random.Random(_SEED)  # noqa: S311  # every run has the same moments
    at = drawn.expovariate(rate)
    while at < seconds:
        yield at
        at += drawn.expovariate(rate)


async def run(load: OpenLoad) -> list[AtRate]:
    failed = asyncio.get_running_loop().create_future()
    pool = _Pool(in_turn(load.requests, load.port))
    for _ in range(load.connections):
        pool.add(await Connection.open(load.port, load.status, pool.answered, failed))
    found = []
    await _offer(pool, load.rates[0], load.warm_up, failed)
    for rate in load.rates:
        found.append(await _offer(pool, rate, load.seconds, failed))
        if not pool.is_idle or [one.keeps_up for one in found[-2:]] == [False, False]:
            break
    pool.close()
    failed.cancel()
    return found


async def _offer(pool: _Pool, rate: float, seconds: float, failed: asyncio.Future[None]) -> AtRate:
    """Send at this rate, then wait until all is answered or given up."""
    pool.latencies.clear()
    began = time.perf_counter()
    end, settled = began + seconds, began + _SETTLED * seconds
    due = [began + moment for moment in moments(rate, seconds)]
    for moment in due:
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        if failed.done():
            failed.result()
        pool.due(moment)
    await pass_time(max(0.0, end - time.perf_counter()), failed)
    while not pool.is_idle and time.perf_counter() < end + _DRAINED:
        await pass_time(0.01, failed)
    now = time.perf_counter()
    took = [arrived - moment for moment, arrived in pool.latencies]
    took = sorted([*took, *(now - moment for moment in pool.forget())])
    return AtRate(
        # What was drawn, which differs a little from the rate.
        offered=sum(moment >= settled for moment in due) / (end - settled),
        answered=sum(settled <= at <= end for _, at in pool.latencies) / (end - settled),
        requests=len(due),
        p50=quantile(took, 0.5) * 1000,
        p99=quantile(took, 0.99) * 1000,
    )


def main() -> None:
    found = uvloop.run(run(OpenLoad.from_json(sys.stdin.read())))
    print(json.dumps([asdict(one) for one in found]))


if __name__ == "__main__":
    main()
