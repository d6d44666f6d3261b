"""Some thousand bots in a process of their own: the SDK's own loops, over connections of `Wire`.

    python -m benchmarks.fleet.bots

Reads its `Crowd` as the first line of its input, then orders, one JSON object a line, and answers
each with one line: what was measured.
"""

import asyncio
import gc
import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import uvloop

from benchmarks.fleet.wire import Proxy, Wire
from benchmarks.listeners import allow_many_connections
from benchmarks.load import quantile
from botkeys.client.config_feed import ConfigFeed
from botkeys.client.connection import Connection
from botkeys.client.errors import BotClientError
from botkeys.client.heartbeat import HeartbeatSender
from botkeys.client.stream import ConfigStream
from botkeys.client.timing import Pace
from botkeys.transport.errors import TransportError

CONNECTING = 50
"""Streams that are being opened at a time while the crowd arrives."""
_NOT_LISTENING = 0.1
"""Seconds until a bot without patience tries a service again that does not listen."""
_PACE = Pace()


@dataclass(frozen=True, slots=True)
class Crowd:
    """`addresses` are sources; the bots are distributed over them."""

    port: int
    tokens: list[str]
    addresses: list[str]


class _Bot:
    """One bot, and its part of what the crowd counts."""

    def __init__(self, crowd: "RunningCrowd", token: str, source: str) -> None:
        self.wire = Wire(
            crowd.port,
            token,
            source,
            crowd.proxy,
            opened=self._opened,
            ended=self._ended,
            refused=crowd.refused,
        )
        self._crowd = crowd
        connection = cast(Connection, self.wire)
        self.feed = ConfigFeed(connection, crowd.configured)
        self.stream = ConfigStream(connection, self.feed, _PACE)
        self.heartbeat = HeartbeatSender(connection, self.feed, _PACE)
        self.is_open = False
        self.came = asyncio.Event()

    def _opened(self) -> None:
        self.is_open = True
        self.came.set()
        self._crowd.opened()

    def _ended(self) -> None:
        self.is_open = False
        self._crowd.ended()

    async def reconnect_at_once(self) -> None:
        """Follow without any pause but the one that a refusal asks for, to the millisecond."""
        while True:
            try:
                headers = {"Accept": "text/event-stream"}
                if self.feed.newest is not None:
                    headers["Last-Event-ID"] = str(self.feed.newest.version)
                async with self.wire.stream(
                    "/v1/runtime/stream", headers=headers, idle_timeout=_PACE.stream_idle
                ) as stream:
                    if stream.status != 200:  # HTTP's OK
                        await asyncio.sleep(float(stream.headers.get("retry-after", "0")))
                        continue
                    async for _ in stream.chunks():
                        pass
            except TransportError:
                if not self.came.is_set():
                    await asyncio.sleep(_NOT_LISTENING)
            self.came.clear()


class RunningCrowd:
    """The crowd, and what it has seen."""

    def __init__(self, crowd: Crowd) -> None:
        self.port = crowd.port
        self.proxy = Proxy(crowd.port)
        self.bots = [
            _Bot(self, token, crowd.addresses[number % len(crowd.addresses)])
            for number, token in enumerate(crowd.tokens)
        ]
        self._open = 0
        self._open_at: list[float] = []
        self._refused: Counter[int] = Counter()
        self._configs = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._changed = asyncio.Event()

    def opened(self) -> None:
        self._open += 1
        self._open_at.append(time.perf_counter())
        self._changed.set()

    def ended(self) -> None:
        self._open -= 1
        self._changed.set()

    def refused(self, status: int) -> None:
        self._refused[status] += 1

    def configured(self, _config: object) -> None:
        self._configs += 1

    async def follow(self, *, patient: bool = True) -> dict[str, Any]:
        """Start all bots' streams; wait until all are open. Replaces the way they follow now."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        turn = asyncio.Semaphore(CONNECTING)
        began = time.perf_counter()

        async def enter(bot: _Bot) -> None:
            async with turn:
                bot.came.clear()
                following = bot.stream.run() if patient else bot.reconnect_at_once()
                self._tasks.append(asyncio.create_task(following))
                await bot.came.wait()

        self._tasks = []
        await asyncio.gather(*(enter(bot) for bot in self.bots))
        return {"seconds": time.perf_counter() - began, "open": self._open}

    async def reopened(self, *, drop: bool, seconds: float) -> dict[str, Any]:
        """Wait until all streams were lost and are open again; `drop` cuts them here and now."""
        self._refused.clear()
        configs = self._configs
        if not drop:
            await self._until(lambda: self._open < len(self.bots), seconds)
        began = time.perf_counter()
        self._open_at.clear()
        if drop:
            for bot in self.bots:
                bot.wire.drop()

        def all_again() -> bool:
            return len(self._open_at) >= len(self.bots) == self._open

        with suppress(TimeoutError):
            await self._until(all_again, seconds)
        after = sorted(at - began for at in self._open_at)
        return {
            "open": self._open,
            "first": after[0] if after else 0.0,
            "half": quantile(after, 0.5) if after else 0.0,
            "seconds": time.perf_counter() - began,
            "refused": {str(status): count for status, count in self._refused.items()},
            "configs": self._configs - configs,
        }

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def beat(
        self, *, spread: float, seconds: float, after: float | None = None
    ) -> dict[str, Any]:
        """Let all bots send heartbeats as they are asked to, the first within `spread` seconds.

        Counted are `seconds`, which begin so long `after` the start, or else after the first ones.
        """
        seen: list[float] = []
        asked: Counter[int] = Counter()
        failed: Counter[str] = Counter()

        async def live(bot: _Bot, delay: float) -> None:
            await asyncio.sleep(delay)
            send = bot.heartbeat.send

            async def timed() -> Any:
                began = time.perf_counter()
                try:
                    answer = await send()
                except BotClientError as error:
                    failed[type(error).__name__] += 1
                    raise
                seen.append(time.perf_counter() - began)
                asked[int(answer.next_in)] += 1
                return answer

            bot.heartbeat.send = timed  # type: ignore[method-assign]
            await bot.heartbeat.run()

        chosen = random.Random(1)  # noqa: S311  # spreads load, guards nothing
        tasks = [asyncio.create_task(live(bot, chosen.uniform(0, spread))) for bot in self.bots]
        await asyncio.sleep(spread if after is None else after)
        for counted in (seen, asked, failed):
            counted.clear()
        await asyncio.sleep(seconds)
        ordered = sorted(seen)
        answer = {
            "beats": len(ordered),
            "p50": quantile(ordered, 0.5) * 1000 if ordered else math.inf,
            "p99": quantile(ordered, 0.99) * 1000 if ordered else math.inf,
            "asked": {str(interval): count for interval, count in asked.items()},
            "failed": dict(failed),
            "open": self._open,
        }
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return answer

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        match order.pop("do"):
            case "follow":
                return await self.follow(**order)
            case "beat":
                return await self.beat(**order)
            case _:
                return await self.reopened(**order)

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.proxy.close()


async def main() -> None:
    allow_many_connections()
    loop = asyncio.get_running_loop()
    running = RunningCrowd(
        Crowd(**json.loads(await loop.run_in_executor(None, sys.stdin.readline)))
    )
    gc.collect()
    gc.freeze()
    print(json.dumps({"bots": len(running.bots)}), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await running.obey(json.loads(line))), flush=True)
    await running.leave()


if __name__ == "__main__":
    uvloop.run(main())
