"""A thousand webhooks of which a hundred hang: the others get their events as without them."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import quantiles

import pytest

from app.worker.loop import Task, work
from tests.support.receiver import Answer, Arrived, hang, receiver, status
from tests.support.world import World
from tests.worker.test_delivering import added, busy_world, happen, working

__all__ = ["busy_world"]

ACCOUNTS, EACH, HANGING = 50, 20, 2
EVENTS, PAUSE = 2, 8.0
HEALTHY = ACCOUNTS * (EACH - HANGING)


async def latencies(world: World, *, hanging: int) -> list[float]:
    """Return how long each event took to each webhook that does not hang, in seconds, sorted."""
    found: list[float] = []
    done = asyncio.Event()
    well = status(200)

    async def answer(arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        now = datetime.now(UTC)
        await well(arrived, writer)
        happened = datetime.fromisoformat(json.loads(arrived.body)["timestamp"])
        found.append((now - happened).total_seconds())
        if len(found) == ACCOUNTS * (EACH - hanging) * EVENTS:
            done.set()

    async with receiver() as hooks, working(world, grace=0.05, turn_seconds=2) as worker:
        answers: dict[str, Answer] = {"/hang": hang, "/well": answer}
        hooks.answers |= answers
        users = [world.user(f"{hanging}-{number}") for number in range(ACCOUNTS)]
        for user in users:
            for number in range(EACH):
                await added(user, hooks, "/hang" if number < hanging else "/well")
        stop = asyncio.Event()
        tasks = [
            Task("fan_out", 0.5, worker.fan_out),
            Task("deliver", 0.5, worker.deliverer.turn),
        ]
        working_ = asyncio.create_task(work(tasks, stop))
        for event in range(EVENTS):
            await asyncio.gather(*(happen(user, f"bot {event}") for user in users))
            await asyncio.sleep(PAUSE)
        async with asyncio.timeout(60):
            await done.wait()
        stop.set()
        await working_
    return sorted(found)


def described(name: str, found: Sequence[float]) -> tuple[float, float]:
    cuts = quantiles(found, n=100)
    print(f"{name}: p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, longest {found[-1]:.2f} s")  # noqa: T201
    return cuts[49], cuts[98]


@pytest.mark.torture
@pytest.mark.timeout(300)
async def test_a_hundred_receivers_that_hang_delay_none_of_nine_hundred(busy_world: World) -> None:
    """R98."""
    half, most = described("none hangs", await latencies(busy_world, hanging=0))
    half_beside, most_beside = described("100 hang", await latencies(busy_world, hanging=HANGING))
    # Nine hundred messages at once take the worker some seconds, more on a busy machine; one that
    # waited for a receiver that hangs would take fifteen more.
    assert half_beside < half + 2
    assert most_beside < most + 10
