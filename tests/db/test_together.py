"""A statement that many send at the same time goes in one round trip; each gets its own answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select

from app.db.driver import Rows, Statement
from app.db.failures import CommitLost
from app.db.together import BATCH, NUMBER, Together

STATEMENT = Statement(select(NUMBER))


class Held:
    """Executes when the test allows it: a row for each name, none for `nothing`."""

    def __init__(self) -> None:
        self.sent: list[list[str]] = []
        self.gate = asyncio.Semaphore(0)
        self.error: Exception | None = None

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        return await self.fetch_many(statement, [parameters])

    async def fetch_many(self, statement: Statement, many: Sequence[dict[str, Any]]) -> Rows:
        assert statement is STATEMENT
        self.sent.append([parameters["name"] for parameters in many])
        await self.gate.acquire()
        if self.error is not None:
            raise self.error
        if any(parameters["name"] == "at fault" for parameters in many):
            raise asyncpg.CheckViolationError
        named = [one for one in many if one["name"] != "nothing"]
        return [(one["name"], one["number"]) for one in reversed(named)]

    def go_on(self) -> None:
        for _ in range(100):
            self.gate.release()


async def asking(together: Together, *names: str) -> list[asyncio.Task[Rows]]:
    tasks = [asyncio.create_task(together.fetch(name=name)) for name in names]
    await asyncio.sleep(0)
    return tasks


async def held_up(executor: Held) -> tuple[Together, asyncio.Task[Rows]]:
    """Return what waits for a first execution, so that others gather."""
    together = Together(executor, STATEMENT, at_once=1)
    (first,) = await asking(together, "first")
    await asyncio.sleep(0)
    return together, first


async def test_who_asks_meanwhile_shares_a_round_trip_and_gets_rows_of_its_own() -> None:
    executor = Held()
    together, first = await held_up(executor)
    some = [f"number {number}" for number in range(BATCH)]
    tasks = await asking(together, "nothing", *some)

    executor.go_on()

    assert [list(map(tuple, await task)) for task in [first, *tasks]] == [
        [("first",)],
        [],
        *[[(name,)] for name in some],
    ]
    assert executor.sent == [["first"], ["nothing", *some[:-1]], some[-1:]]


async def test_only_the_one_at_fault_fails() -> None:
    executor = Held()
    together, _ = await held_up(executor)
    tasks = await asking(together, "one", "at fault", "another")

    executor.go_on()

    one, fault, another = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(fault, asyncpg.CheckViolationError)
    assert [one, another] == [[("one",)], [("another",)]]


async def test_a_lost_commit_is_everybodys_who_was_in_it() -> None:
    executor = Held()
    together, _ = await held_up(executor)
    tasks = await asking(together, "one", "another")
    executor.error = CommitLost()

    executor.go_on()

    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, CommitLost)
    assert executor.sent == [["first"], ["one", "another"]]


async def test_what_nobody_waits_for_any_more_is_not_sent() -> None:
    executor = Held()
    together, _ = await held_up(executor)
    gone, here = await asking(together, "gone", "here")
    gone.cancel()

    executor.go_on()

    assert list(map(tuple, await here)) == [("here",)]
    assert executor.sent == [["first"], ["here"]]


async def test_closing_lets_nobody_wait() -> None:
    together, first = await held_up(Held())
    (waiting,) = await asking(together, "waiting")

    await together.close()

    for task in (first, waiting):
        with pytest.raises(asyncio.CancelledError):
            await task
