"""What a second process on the same port adds: `botkeys serve --processes 2` beside one process."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.fleet import FleetBot, make_fleet
from benchmarks.installation import Installation
from benchmarks.load import LoadRequest, Measured
from benchmarks.report import Row
from benchmarks.rounds import Effort, Side, rate_text
from benchmarks.server import Server

PROCESSES = 2
BOTS = 200
BUDGET = 1.8
_NEEDED = PROCESSES + 2
"""Processors on which two processes can be shown to do twice the work: the load and the database
need some too.
"""
_NOT_MODIFIED = 304


@dataclass(frozen=True, slots=True)
class _Round:
    """One measurement, and the CPU seconds of the server's processes while it lasted."""

    measured: Measured
    cpu_seconds: float
    largest_share: float

    @property
    def per_cpu_second(self) -> float:
        return self.measured.answered / self.cpu_seconds


def measure_processes(installation: Installation, effort: Effort, bots: int = BOTS) -> list[Row]:
    """Compare one process with two, by the bots' check of their configuration.

    Requests per second show what two are worth where each has a processor to itself. Where they do
    not, requests per second of CPU time do: twice the processes use twice the processors, so they
    do twice (requests per CPU second of two) / (requests per CPU second of one) of the work.
    """
    with installation.service("api") as api, installation.service("runtime") as one:
        requests = [_check(one, bot) for bot in make_fleet(installation, api, one, bots)]
        with installation.service("runtime", PROCESSES) as several:
            pairs: list[tuple[_Round, _Round]] = []
            worth: list[float] = []
            while not effort.suffices(worth, "at least", BUDGET):
                single, two = _measure(one, requests, effort), _measure(several, requests, effort)
                pairs.append((single, two))
                worth.append(PROCESSES * two.per_cpu_second / single.per_cpu_second)
    faster = [two.measured.per_second / single.measured.per_second for single, two in pairs]
    processors = os.cpu_count() or 1
    busier = median(two.largest_share for _, two in pairs)
    return [
        Row.of_rounds(
            "two processes, by CPU time",
            worth,
            "of one",
            "at least",
            BUDGET,
            {"CPU time of the busier of two": f"{busier:.0%}", "rounds": len(pairs)},
        ),
        Row.of_rounds(
            f"two processes on {processors} processors",
            faster,
            "of one",
            "at least",
            BUDGET if processors >= _NEEDED else None,
            {
                "one": rate_text([single.measured for single, _ in pairs]),
                "two": rate_text([two.measured for _, two in pairs]),
            },
        ),
    ]


def _check(server: Server, bot: FleetBot) -> LoadRequest:
    config = server.call("GET", "/v1/runtime/config", bot.token)
    return bot.asks("config", headers={"If-None-Match": f'"{config["version"]}"'})


def _measure(server: Server, requests: Sequence[LoadRequest], effort: Effort) -> _Round:
    before = server.cpu_seconds()
    measured = Side(server, requests, _NOT_MODIFIED).measure(effort)
    after = server.cpu_seconds()
    used = [after[process] - before[process] for process in before]
    return _Round(measured, sum(used), max(used) / sum(used))
