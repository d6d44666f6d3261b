"""Who is let in when thousands come at once: rule R102."""

import asyncio
import time
from uuid import UUID

import pytest

from app.api.admission import LONGEST, SENT_AWAY, TURN, Admission
from app.errors import Unavailable

ONE, TWO = UUID(int=1), UUID(int=2)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_few_are_inside_at_a_time_and_all_get_in() -> None:
    admission = Admission(at_once=3)
    inside = most = 0

    async def visit() -> None:
        nonlocal inside, most
        await admission.enter(ONE)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        admission.leave()

    await asyncio.gather(*(visit() for _ in range(50)))
    assert most == 3
    assert admission.waiting == 0
    await admission.enter(ONE)


async def test_accounts_take_turns_whichever_has_more_in_line() -> None:
    admission = Admission(at_once=1)
    await admission.enter(ONE)
    order: list[UUID] = []

    async def visit(account_id: UUID) -> None:
        await admission.enter(account_id)
        order.append(account_id)
        admission.leave()

    visits = [asyncio.create_task(visit(account)) for account in (ONE, ONE, ONE, ONE, TWO, TWO)]
    await settled()
    admission.leave()
    await asyncio.gather(*visits)
    assert order == [ONE, TWO, ONE, TWO, ONE, ONE]


async def test_a_caller_that_gives_up_leaves_the_line_and_takes_no_place() -> None:
    admission = Admission(at_once=1)
    await admission.enter(ONE)
    gone, stays = (asyncio.create_task(admission.enter(ONE)) for _ in range(2))
    await settled()
    gone.cancel()
    await settled()
    assert admission.waiting == 1
    admission.leave()
    await stays
    # One that is let in at the moment in which it gives up passes its place on.
    unlucky, next_one = (asyncio.create_task(admission.enter(TWO)) for _ in range(2))
    await settled()
    admission.leave()
    unlucky.cancel()
    await next_one
    assert admission.waiting == 0
    assert unlucky.cancelled()


async def test_who_would_wait_too_long_is_asked_to_come_back_one_after_another() -> None:
    admission = Admission(at_once=1, patience=0.5)
    await admission.enter(ONE)
    waiting = [asyncio.create_task(admission.enter(ONE)) for _ in range(400)]
    await settled()
    asked = [error.retry_after for error in await _refusals(waiting)]
    assert len(waiting) - len(asked) == pytest.approx(167, abs=2)
    assert asked == sorted(asked)
    assert asked[0] == 1
    assert asked[-1] == 2
    assert max(asked) <= LONGEST
    # Nobody is let in: the others are refused once they have waited so long.
    assert len(await _refusals(waiting, all_of_them=True)) == len(waiting)
    assert admission.waiting == 0
    admission.leave()
    await admission.enter(TWO)


async def _refusals(
    waiting: list[asyncio.Task[None]], *, all_of_them: bool = False
) -> list[Unavailable]:
    if all_of_them:
        await asyncio.wait(waiting)
    errors = [task.exception() for task in waiting if task.done()]
    assert all(isinstance(error, Unavailable) for error in errors)
    return [error for error in errors if isinstance(error, Unavailable)]


async def test_the_line_moves_slowly_while_the_process_is_busy_and_fast_while_it_is_not() -> None:
    """What else the process is called for goes before the line."""
    admission = Admission(at_once=8)
    for _ in range(8):
        await admission.enter(ONE)
    let_in: list[float] = []
    loop = asyncio.get_running_loop()

    async def visit() -> None:
        await admission.enter(ONE)
        let_in.append(loop.time())
        admission.leave()

    visits = [asyncio.create_task(visit()) for _ in range(200)]
    await settled()
    for _ in range(8):
        admission.leave()
    for _ in range(10):
        until = time.process_time() + 0.03
        while time.process_time() < until:
            pass  # other calls keep the process busy
        await settled()
    busy = len(let_in)
    assert 1 <= busy <= 12
    await asyncio.gather(*visits)
    assert len({round(at, 3) for at in let_in[busy:]}) < 150, "some were let in together"


async def test_those_who_have_waited_too_long_are_refused_a_few_at_a_time() -> None:
    """Thousands that came together would otherwise all be answered at one moment."""
    admission = Admission(at_once=1, patience=0.05)
    await admission.enter(ONE)
    refused: list[float] = []
    loop = asyncio.get_running_loop()

    async def visit() -> None:
        with pytest.raises(Unavailable):
            await admission.enter(ONE)
        refused.append(loop.time())

    await asyncio.gather(*(visit() for _ in range(3 * SENT_AWAY)))
    assert refused[-1] - refused[0] > 1.5 * TURN
    assert admission.waiting == 0
