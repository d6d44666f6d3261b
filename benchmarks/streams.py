"""The delay from a change to its bot, while 1,000 bots are connected to one process."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.fleet import FleetBot, enlarge, make_fleet
from benchmarks.installation import Installation
from benchmarks.listeners import Listening, Seen, allow_many_connections
from benchmarks.load import quantile
from benchmarks.report import Row

BUDGET = 50
BOTS = 1_000
CHANGES = 200
_OWN = 20
_PAUSE = 0.05
"""Seconds: twenty changes a second."""


def measure_stream(installation: Installation, bots: int = BOTS, changes: int = CHANGES) -> Row:
    """Measure while users pause and resume bots through one process, with bots at another.

    Measured is the time from the response to the change until the event reaches the bot. In
    addition, the process rereads the configuration of all bots, with five assets each, every five
    seconds.
    """
    allow_many_connections()
    with installation.service("api") as api, installation.service("runtime") as runtime:
        made = make_fleet(installation, api, runtime, min(bots, _OWN))
        fleet = [*made, *asyncio.run(enlarge(installation, made, bots - len(made)))]
        seen = _listen(Listening(runtime.port, api.port, *_named(fleet), changes, _PAUSE))
        memory = runtime.resident_mib()
    from_request, from_answer = sorted(seen.from_request), sorted(seen.from_answer)
    return Row(
        name=f"change seen on the stream, {bots:,} bots, p99",
        value=quantile(from_answer, 0.99),
        unit="ms",
        kind="at most",
        budget=BUDGET,
        details={
            "p50": f"{quantile(from_answer, 0.5):.1f} ms",
            "from the change's request": f"p50 {quantile(from_request, 0.5):.1f} ms, "
            f"p99 {quantile(from_request, 0.99):.1f} ms",
            "changes": changes,
            "memory of the process": f"{memory:.0f} MiB",
        },
    )


def _named(fleet: Sequence[FleetBot]) -> tuple[list[str], list[dict[str, str]]]:
    return [bot.token for bot in fleet], [asdict(bot) for bot in fleet]


def _listen(listening: Listening) -> Seen:
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.listeners"],
        input=json.dumps(asdict(listening)).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return Seen(**json.loads(answer.stdout))
