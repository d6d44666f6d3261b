"""The worker continues, whatever happens, until it is asked to stop."""

import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import func, insert, select

from app.db.engine import open_database
from app.db.failures import CommitLost
from app.db.models import Account, IdempotencyRecord
from app.pipeline.idempotency import RETENTION
from app.worker import loop as run
from app.worker.loop import Task, catalogue_tasks, purge_tasks, work
from tests.support.world import World


async def test_what_is_due_is_done_again_and_again_until_it_is_asked_to_stop(
    busy_world: World,
) -> None:
    database, stop = busy_world.context.database, asyncio.Event()
    working = asyncio.create_task(
        work([task._replace(seconds=0.01) for task in purge_tasks(database)], stop)
    )

    for _ in range(2):
        account_id = uuid4()
        async with database.sessions.begin() as session:
            new = insert(Account).values(account_id=account_id, issuer="", subject="")
            await session.execute(new)
            aged = func.statement_timestamp() - 2 * RETENTION
            await session.execute(
                insert(IdempotencyRecord).values(
                    account_id=account_id,
                    idempotency_key="old",
                    request_hash=b"",
                    claimed_until=aged,
                    created_at=aged,
                )
            )
        async with asyncio.timeout(60), database.sessions() as session:
            count = select(func.count()).select_from(IdempotencyRecord)
            while await session.scalar(count):  # noqa: ASYNC110  # the worker sends no signal
                await asyncio.sleep(0.01)
    stop.set()
    async with asyncio.timeout(60):
        await working


async def test_a_database_that_is_away_is_tried_again_at_the_next_turn(
    busy_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = open_database(
        f"postgresql:///botkeys?host={tmp_path}", application_name="botkeys-tests", pool_size=1
    )
    stop, turns = asyncio.Event(), asyncio.Semaphore(0)

    class Counting:
        def warning(self, event: str, **_: object) -> None:
            assert event == "worker_turn_failed"
            turns.release()

    monkeypatch.setattr(run, "log", Counting())
    tasks = [*catalogue_tasks(gone, busy_world.context.catalogues), *purge_tasks(gone)]
    working = asyncio.create_task(work([task._replace(seconds=0.01) for task in tasks], stop))

    async with asyncio.timeout(60):
        for _ in range(6):
            await turns.acquire()
        stop.set()
        await working

    assert working.exception() is None


async def test_no_error_of_the_driver_ends_the_worker() -> None:
    stop, turns = asyncio.Event(), 0
    errors = [
        asyncpg.ConnectionDoesNotExistError("closed at once"),
        asyncpg.TargetServerAttributeNotMatched("a standby"),
        ConnectionResetError(),
        CommitLost(),
    ]

    async def fail() -> None:
        nonlocal turns
        turns += 1
        if turns > len(errors):
            stop.set()
        else:
            raise errors[turns - 1]

    async with asyncio.timeout(60):
        await work([Task("fails", 0.001, fail)], stop)

    assert turns == len(errors) + 1
