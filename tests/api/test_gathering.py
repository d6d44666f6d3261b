"""Calls that wait for one another, and those that must not."""

import asyncio
import itertools

from app.api.gathering import Gathering

SPAN = 0.1


async def let_go(gathering: Gathering, names: range, seconds: float) -> list[float]:
    """Let callers with these names come one after another; return when each was let go."""
    loop = asyncio.get_running_loop()
    gone: list[float] = []

    async def call(name: int) -> None:
        await gathering.join(name)
        gone.append(loop.time())

    calls = []
    for name in names:
        calls.append(asyncio.create_task(call(name)))
        await asyncio.sleep(seconds)
    await asyncio.gather(*calls)
    return gone


async def busy(gathering: Gathering) -> None:
    """Let so many come that a group is worth waiting for."""
    await let_go(gathering, range(1_000, 1_060), 0.002)


async def test_where_few_call_nobody_waits() -> None:
    gathering = Gathering(seconds=0.2, span=SPAN)
    for name in range(5):
        call = asyncio.create_task(gathering.join(name))
        await asyncio.sleep(0)
        assert call.done()
        await asyncio.sleep(0.15)


async def test_where_many_call_they_go_on_in_groups() -> None:
    gathering = Gathering(seconds=0.2, span=SPAN)
    await busy(gathering)
    gone = await let_go(gathering, range(50), 0.001)
    groups = 1 + sum(after - before > 0.01 for before, after in itertools.pairwise(gone))
    assert groups < 25


async def test_who_comes_back_at_once_does_not_wait_for_others() -> None:
    gathering = Gathering(seconds=1, span=SPAN)
    for name in (1, 2):
        await gathering.join(name)
    await asyncio.sleep(SPAN)
    waits = asyncio.create_task(gathering.join(3))
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        for name in (1, 3):
            await gathering.join(name)
    assert not waits.done()
    await waits


async def test_a_caller_that_leaves_takes_nobody_along() -> None:
    gathering = Gathering(seconds=0.2, span=SPAN)
    await busy(gathering)
    stays, leaves = (asyncio.create_task(gathering.join(name)) for name in (1, 2))
    await asyncio.sleep(0)
    leaves.cancel()
    async with asyncio.timeout(60):
        await stays
    assert leaves.cancelled()
