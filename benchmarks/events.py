"""What the event costs that a change writes: changes of a key with it and without it, alternately.

Both are whole requests that commit, in processes that differ in this alone (`without_events`).
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from app.db.embedded.cluster import SERVICE
from benchmarks.cpu import backends, precise_cpu_seconds
from benchmarks.installation import Installation
from benchmarks.report import Row
from benchmarks.server import Server, running

BUDGET = 0.1
_ACCOUNTS = ("with-events", "without-events")
_WARM_UP = 10


@dataclass(frozen=True, slots=True)
class _Cost:
    """Seconds of one change: of both processors and of the caller's clock."""

    cpu: float
    clock: float


def measure_events(installation: Installation, rounds: int, changes: int) -> Row:
    """Return what the event adds to the CPU time of a change, in the service and in PostgreSQL."""
    with installation.service() as service, _without_events(installation) as silent:
        sides = [
            _Side(installation, server, installation.token(account))
            for server, account in zip((service, silent), _ACCOUNTS, strict=True)
        ]
        for side in sides:
            side.cost(_WARM_UP)
        pairs = []
        for number in range(rounds):
            # The one that begins changes, so that what drifts is on no side.
            order = sides if number % 2 else sides[::-1]
            costs = {id(side): side.cost(changes) for side in order}
            pairs.append(tuple(costs[id(side)] for side in sides))
        written = [side.events() for side in sides]
    if written[0] < rounds * changes or written[1]:
        raise RuntimeError("one side wrote no events, or both did: the figure means nothing")
    return Row.of_rounds(
        "event written with a change, by CPU time",
        [(one.cpu - quiet.cpu) / quiet.cpu for one, quiet in pairs],
        "of the change's",
        "at most",
        BUDGET,
        {
            "CPU with and without": _both(pairs, "cpu"),
            "time with and without": _both(pairs, "clock"),
            "added to the time": f"{median(t.clock / q.clock - 1 for t, q in pairs):.0%}",
        },
    )


def _both(pairs: list[tuple[_Cost, ...]], name: str) -> str:
    each = (median(getattr(costs[side], name) for costs in pairs) * 1000 for side in (0, 1))
    return " and ".join(f"{value:.2f} ms" for value in each)


@contextmanager
def _without_events(installation: Installation) -> Iterator[Server]:
    command = (sys.executable, "-m", "benchmarks.without_events", "serve", "--role", "api")
    log = installation.folder / "without_events.log"
    with running(command, installation.environment("api"), "/readyz", log) as server:
        yield server


class _Side:
    """One of the two processes, with a key to change in an account of its own."""

    def __init__(self, installation: Installation, server: Server, token: str) -> None:
        self._server, self._token = server, token
        self._postmaster = installation.postgres_pid
        key = server.call(
            "POST",
            "/v1/keys",
            token,
            {
                "label": "Changed",
                "exchange": "bybit",
                "environment": "live",
                "contract_type": "linear",
                "api_key": f"changed{server.port}",
                "api_secret": "changed",
                "verify": False,
            },
        )
        self._path = f"/v1/keys/{key['id']}"
        self._number = 0

    def cost(self, changes: int) -> _Cost:
        """Change the key so often, and return what one change costs."""
        cpu, clock = self._cpu(), time.perf_counter()
        for _ in range(changes):
            self._number += 1
            self._server.call("PATCH", self._path, self._token, {"label": f"No. {self._number}"})
        clock, cpu = time.perf_counter() - clock, self._cpu() - cpu
        return _Cost(cpu / changes, clock / changes)

    def events(self) -> int:
        """Return how many changes of the key the account's events show, of the last hundreds."""
        count, path = 0, "/v1/events?limit=200&type=key.changed"
        cursor: str | None = ""
        while cursor is not None:
            page = self._server.call("GET", f"{path}{cursor}", self._token)
            count += len(page["items"])
            cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
        return count

    def _cpu(self) -> float:
        """Return the CPU seconds of this process, and of PostgreSQL for the service."""
        serving = backends(self._postmaster, SERVICE)
        return sum(map(precise_cpu_seconds, (self._server.process.pid, *serving)))
