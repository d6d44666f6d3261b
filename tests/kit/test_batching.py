"""Concurrent callers share a batch, but no cancellation and no failure of another batch."""

import asyncio

import pytest

from app.kit.batching import Batch, Batcher


class Work:
    """Finishes each batch when the test asks for it: with twice the number, or an error."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.ends: list[asyncio.Future[None]] = []

    async def __call__(self, batch: Batch[int, int]) -> None:
        self.batches.append([number for number, _ in batch])
        self.ends.append(asyncio.get_running_loop().create_future())
        await self.ends[-1]
        for number, reply in batch:
            if not reply.done():
                reply.set_result(2 * number)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def asked(batcher: Batcher[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    tasks = []
    for number in numbers:
        tasks.append(asyncio.create_task(batcher.get(number)))
        await settled()
    return tasks


async def test_who_comes_while_batches_are_worked_on_shares_the_next_ones() -> None:
    work = Work()
    batcher = Batcher(work, size=3, at_once=2)
    tasks = await asked(batcher, 1, 2, 3, 4, 3, 6)
    assert work.batches == [[1], [2]]

    for end in range(4):
        work.ends[end].set_result(None)
        await settled()

    assert work.batches == [[1], [2], [3, 4, 3], [6]]
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 6, 12]


async def test_a_caller_that_stops_waiting_takes_nothing_from_others_with_the_same_key() -> None:
    work = Work()
    batcher = Batcher(work, size=3, at_once=1)
    first, left, stayed = await asked(batcher, 1, 2, 2)
    left.cancel()

    for end in range(2):
        work.ends[end].set_result(None)
        await settled()

    assert (await first, await stayed) == (2, 4)
    assert left.cancelled()


async def test_a_failure_is_raised_by_its_batch_alone() -> None:
    work = Work()
    batcher = Batcher(work, size=2, at_once=1)
    tasks = await asked(batcher, 1, 2, 3, 4)

    work.ends[0].set_result(None)
    await settled()
    work.ends[1].set_exception(OSError("gone"))
    await settled()
    work.ends[2].set_result(None)

    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [int, OSError, OSError, int]


async def test_closing_cancels_who_is_worked_on_and_who_waits() -> None:
    batcher = Batcher(Work(), size=1, at_once=1)
    tasks = await asked(batcher, 1, 2)

    await batcher.close()

    for task in tasks:
        with pytest.raises(asyncio.CancelledError):
            await task
