"""How many bots a machine can carry: memory and processor time of each, and storms of all of them.

The fleet is held in full, as far as one machine's ports and files allow: by default a fifth of
100,000 bots in two processes of 10,000 each. What 100,000 need is then computed from what each
thing costs that is done for them, times how often that is in a second: heartbeats at the longest
interval; comments that keep streams alive; configurations that ten processes read again; changes
that are delivered.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

from app.api.streaming import StreamLimits
from app.domains.runtime.heartbeat.pace import LONGEST, SHORTEST
from app.settings import Settings
from benchmarks.fleet import FleetBot, came_before, enlarge, make_fleet
from benchmarks.fleet.costs import Cpu, by_process, cpu_of, resident_kib
from benchmarks.fleet.crowd import Crowds, crowds, others
from benchmarks.fleet.others import Kind
from benchmarks.installation import Installation
from benchmarks.listeners import allow_many_connections
from benchmarks.load import LoadRequest
from benchmarks.report import Row
from benchmarks.server import Server
from botkeys import base64url
from botkeys.sealing.suites import PrivateKey, SuiteName

STREAM_BUDGET = 20
"""KiB of a runtime process's memory."""
CORES_BUDGET = 2
STORM_BUDGET = 30
OTHERS_BUDGET = 100
TARGET = 100_000
PROCESSES = TARGET / Settings.model_fields["streams_per_process"].default
CHANGES_PER_SECOND = TARGET / 3600
"""Changes that 100,000 bots' owners are taken to make: of each bot one in an hour."""

_ASKING = 20
_WARMING = 200
_PINGS = 10.0
_HEARTBEATS: float = Settings.model_fields["heartbeats_per_second"].default
_KEPT = 75
"""Seconds that a process keeps a proxy's idle connection, as docs/deployment.md advises."""
_CALLS_PER_SECOND = 20
_WARM_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Size:
    """`bots` of so many `accounts` are held by so many `processes`, `storm` of them reconnect at
    once. `idle` and `seconds` are how long they are measured without heartbeats and with them.
    """

    bots: int = 20_000
    accounts: int = 100
    processes: int = 2
    few: int = 1_000
    storm: int = 5_000
    idle: float = 15
    seconds: float = 30
    changes: int = 200

    @property
    def interval(self) -> float:
        """Return how often the processes ask each bot for heartbeats."""
        return min(max(self.bots / self.processes / _HEARTBEATS, SHORTEST), LONGEST)


FULL = Size()
QUICK = Size(
    bots=1_000, accounts=20, processes=1, few=1_000, storm=500, idle=10, seconds=10, changes=50
)


def measure_fleet(installation: Installation, size: Size = FULL) -> list[Row]:
    """Measure a fleet that is held, then storms of a part of it."""
    allow_many_connections()
    with installation.service("api") as api:
        with _runtime(installation, size) as runtime:
            made = make_fleet(installation, api, runtime, size.accounts, size.accounts)
        more = max(size.bots, size.few) + _WARMING - len(made)
        fleet = [*made, *asyncio.run(enlarge(installation, made, more))]
        memory, pings = measure_streams(installation, fleet[: size.few + _WARMING])
        with _runtime(installation, size) as runtime:
            _open_and_close(runtime, fleet[-_WARMING:])
            held = _held(installation, api, runtime, fleet[: size.bots], size, pings)
        return [memory, *held, *_storms(installation, api, fleet[: size.storm], size)]


def _runtime(
    installation: Installation, size: Size, port: int | None = None
) -> AbstractContextManager[Server]:
    """Run the role with the settings of an operator who expects so many bots."""
    return installation.service(
        "runtime",
        size.processes,
        port=port,
        streams_per_process=2 * size.bots,
        streams_per_account=max(2_000, size.bots // size.accounts * 2),
        keep_alive_timeout=_KEPT,
    )


def _open_and_close(runtime: Server, bots: Sequence[FleetBot]) -> None:
    """Fill what a process fills once, however many streams it has."""
    with crowds(runtime.port, [bot.token for bot in bots]) as crowd:
        crowd.do("follow")
    time.sleep(1)


def measure_streams(installation: Installation, bots: Sequence[FleetBot]) -> tuple[Row, Cpu]:
    """Measure idle streams of one process; return their memory, and what keeping one alive costs.

    Each is sent a comment in a second, and nothing is read again.
    """
    options = {"stream_keep_alive": 1, "stream_reread": 3600, "streams_per_account": len(bots)}
    with installation.service("runtime", **options) as runtime:
        _open_and_close(runtime, bots[:_WARMING])
        before = resident_kib(runtime)
        streams = bots[_WARMING:]
        with crowds(runtime.port, [bot.token for bot in streams]) as crowd:
            crowd.do("follow")
            row = _memory_row(runtime, before, len(streams))
            since = cpu_of(installation, runtime)
            time.sleep(_PINGS)
            took = cpu_of(installation, runtime) - since
    return row, Cpu(took.service / _PINGS / len(streams), 0)


def _memory_row(runtime: Server, before: int, streams: int) -> Row:
    after = resident_kib(runtime)
    return Row(
        name=f"memory of a stream, {streams:,} streams",
        value=(after - before) / streams,
        unit="KiB",
        kind="at most",
        budget=STREAM_BUDGET,
        details={"before": f"{before / 1024:.0f} MiB", "after": f"{after / 1024:.0f} MiB"},
    )


def _held(
    installation: Installation,
    api: Server,
    runtime: Server,
    bots: Sequence[FleetBot],
    size: Size,
    per_ping: Cpu,
) -> list[Row]:
    before = resident_kib(runtime)
    with crowds(runtime.port, [bot.token for bot in bots]) as crowd:
        since = cpu_of(installation, runtime)
        crowd.do("follow")
        opening = cpu_of(installation, runtime) - since
        memory = _memory_row(runtime, before, len(bots))
        idle = _of_a_second(installation, runtime, size)
        asyncio.run(came_before(installation, size.interval))
        beats, beating, each = _beats(installation, runtime, crowd, size)
        delivered, delivering = _changes(installation, api, runtime, bots, size)
    limits = StreamLimits()
    of_process = min(len(bots) / size.processes / limits.reread, limits.rereads)
    pinging = per_ping * (len(bots) / limits.keep_alive)
    per_reread = (idle - pinging) * (1 / (of_process * size.processes))
    per_beat = (beating - idle * size.seconds) * (1 / max(1, beats["beats"]))
    per_change = (delivering - idle * delivered) * (1 / size.changes)
    per_opening = opening * (1 / len(bots))
    held = beating * (1 / size.seconds)
    needed = (
        per_beat * (TARGET / LONGEST)
        + per_ping * (TARGET / limits.keep_alive)
        + per_reread * (PROCESSES * limits.rereads)
        + per_change * CHANGES_PER_SECOND
    )
    return [
        memory,
        Row(
            name=f"heartbeats of {len(bots):,} bots, p99",
            value=beats["p99"],
            unit="ms",
            kind="at most",
            budget=None,
            details={
                "p50": f"{beats['p50']:.1f} ms",
                "in a second": f"{beats['beats'] / size.seconds:.0f}",
                "asked for every": beats["asked"],
                "failed": beats["failed"],
                "streams meanwhile": beats["open"],
            },
        ),
        Row(
            name=f"processors for {len(bots):,} bots with streams, measured",
            value=held.service + held.database,
            unit="",
            kind="at most",
            budget=None,
            details={
                "service": f"{held.service:.2f}",
                "each process": " ".join(f"{share:.2f}" for share in each),
                "database": f"{held.database:.2f}",
            },
        ),
        Row(
            name=f"processors for {TARGET:,} bots, computed",
            value=needed.service + needed.database,
            unit="",
            kind="at most",
            budget=CORES_BUDGET,
            details={
                "service": f"{needed.service:.2f}",
                "database": f"{needed.database:.2f}",
                f"a heartbeat, {TARGET / LONGEST:.0f}/s": per_beat.text(1_000, "ms"),
                f"a comment, {TARGET / limits.keep_alive:.0f}/s": per_ping.text(1_000_000, "µs"),
                f"a rereading, {PROCESSES * limits.rereads:.0f}/s": per_reread.text(
                    1_000_000, "µs"
                ),
                f"a change, {CHANGES_PER_SECOND:.0f}/s": per_change.text(1_000, "ms"),
                "opening a stream": per_opening.text(1_000, "ms"),
                "memory": f"{memory.value * TARGET / 1024**2:.1f} GiB",
            },
        ),
    ]


def _of_a_second(installation: Installation, runtime: Server, size: Size) -> Cpu:
    since = cpu_of(installation, runtime)
    time.sleep(size.idle)
    return (cpu_of(installation, runtime) - since) * (1 / size.idle)


def _beats(
    installation: Installation, runtime: Server, crowd: Crowds, size: Size
) -> tuple[dict[str, Any], Cpu, list[float]]:
    """Return what bots saw of their heartbeats, what these took, and each process's share of it."""
    # Each bot's first one comes as if it had sent others before.
    crowd.begin("beat", spread=size.interval, after=_WARM_SECONDS, seconds=size.seconds)
    time.sleep(_WARM_SECONDS)
    since, shares = cpu_of(installation, runtime), by_process(runtime)
    answers = crowd.end()
    took = cpu_of(installation, runtime) - since
    each = [
        (after - before) / size.seconds
        for before, after in zip(shares, by_process(runtime), strict=True)
    ]
    asked: dict[str, int] = {}
    for answer in answers:
        for interval, count in answer["asked"].items():
            asked[interval] = asked.get(interval, 0) + count
    beats = {
        "beats": sum(answer["beats"] for answer in answers),
        "open": sum(answer["open"] for answer in answers),
        "p50": max(answer["p50"] for answer in answers),
        "p99": max(answer["p99"] for answer in answers),
        "asked": " ".join(f"{each} s: {asked[each]}" for each in sorted(asked, key=int)),
        "failed": sum(sum(answer["failed"].values()) for answer in answers),
    }
    return beats, took, each


def _changes(
    installation: Installation,
    api: Server,
    runtime: Server,
    bots: Sequence[FleetBot],
    size: Size,
) -> tuple[float, Cpu]:
    """Return how long changes took that owners made one after another, and their cost."""
    since, began = cpu_of(installation, runtime), time.monotonic()
    for number in range(size.changes):
        bot = bots[number % len(bots)]
        api.call("PATCH", f"/v1/bots/{bot.bot_id}", bot.user_token, {"paused": True})
    return time.monotonic() - began, cpu_of(installation, runtime) - since


def _storms(
    installation: Installation, api: Server, bots: Sequence[FleetBot], size: Size
) -> list[Row]:
    rows: list[Row] = []
    tokens = [bot.token for bot in bots]
    with ExitStack() as stack:
        running = stack.enter_context(ExitStack())
        runtime = running.enter_context(_runtime(installation, size))
        port = runtime.port
        crowd = stack.enter_context(crowds(port, tokens))
        asking = _asking(api, port, bots)
        with others(_WARM_SECONDS, asking):
            pass
        crowd.do("follow")
        rows += _dropped("all dropped", crowd, asking, len(bots))
        crowd.begin("reopened", drop=False, seconds=2 * STORM_BUDGET)
        running.close()
        running.enter_context(_runtime(installation, size, port))
        with others(STORM_BUDGET / 2, asking) as seen:
            answers = crowd.end()
        rows += _storm_rows("restarted", answers, seen[0], len(bots))
        crowd.do("follow", patient=False)
        rows += _dropped("all dropped, no pauses", crowd, asking, len(bots))
    return rows


def _dropped(name: str, crowd: Crowds, asking: Sequence[Kind], bots: int) -> list[Row]:
    with others(STORM_BUDGET / 2, asking) as seen:
        time.sleep(0.5)
        answers = crowd.do("reopened", drop=True, seconds=2 * STORM_BUDGET)
    return _storm_rows(name, answers, seen[0], bots)


def _storm_rows(
    name: str, answers: list[dict[str, Any]], seen: dict[str, Any], bots: int
) -> list[Row]:
    missing = bots - sum(answer["open"] for answer in answers)
    worst = max(seen.values(), key=lambda each: each["p99"])
    return [
        Row(
            name=f"{bots:,} streams, {name}: all open again",
            value=max(answer["seconds"] for answer in answers),
            unit="s",
            kind="at most",
            budget=STORM_BUDGET,
            details={
                "half": f"{max(answer['half'] for answer in answers):.1f} s",
                "refused": sum(sum(answer["refused"].values()) for answer in answers),
                "missing": missing,
            },
        ),
        Row(
            name=f"{bots:,} streams, {name}: other calls meanwhile, p99",
            value=worst["p99"],
            unit="ms",
            kind="at most",
            budget=OTHERS_BUDGET,
            details={
                kind: f"p50 {each['p50']:.1f} ms, p99 {each['p99']:.1f} ms, "
                f"{each['calls']} calls, {each['failed']} failed"
                for kind, each in seen.items()
            },
        ),
    ]


def _asking(api: Server, port: int, bots: Sequence[FleetBot]) -> list[Kind]:
    """Return what else is called: users' lists, other bots' configurations and releases."""
    few = bots[:_ASKING]
    one_time = base64url.encode(PrivateKey.generate(SuiteName.MLKEM768_X25519).public.raw)
    body = f'{{"suite": "{SuiteName.MLKEM768_X25519}", "public_key": "{one_time}"}}'
    return [
        Kind(
            "list",
            api.port,
            _CALLS_PER_SECOND,
            [LoadRequest("/v1/keys", bot.user_token) for bot in few],
        ),
        Kind("config", port, _CALLS_PER_SECOND, [bot.asks("config") for bot in few]),
        Kind(
            "release",
            port,
            _CALLS_PER_SECOND,
            [bot.asks("credentials", method="POST", body=body) for bot in few],
        ),
    ]
