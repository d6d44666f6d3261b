"""The worker's sweep: expired rows are deleted, in batches that several workers may share."""

import asyncio
from datetime import timedelta
from hashlib import sha256
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.models import Account, Bot, IdempotencyRecord, Operation, PurgedPosition, Release
from app.domains.trading.tombstones import REMEMBERED
from app.pipeline.idempotency import RETENTION
from app.worker import housekeeping
from app.worker.housekeeping import OPERATIONS_KEPT, RELEASES_KEPT, sweep
from tests.support.world import World

Sessions = async_sessionmaker[AsyncSession]
MARGIN = timedelta(minutes=1)


async def fill(sessions: Sessions, *, old: int, young: int) -> None:
    """Add rows of each kind that have expired, and others that have not quite."""
    account_id, bot_id = uuid4(), uuid4()
    now = func.statement_timestamp()
    ages = [(True, MARGIN)] * old + [(False, -MARGIN)] * young
    async with sessions.begin() as session:
        await session.execute(insert(Account).values(account_id=account_id, issuer="", subject=""))
        await session.execute(insert(Bot).values(account_id=account_id, id=bot_id, name="x"))
        for _, margin in ages:
            await session.execute(
                insert(IdempotencyRecord).values(
                    account_id=account_id,
                    idempotency_key=str(uuid4()),
                    request_hash=b"",
                    claimed_until=now,
                    created_at=now - RETENTION - margin,
                )
            )
            await session.execute(
                insert(Release).values(
                    account_id=account_id,
                    id=uuid4(),
                    bot_id=bot_id,
                    key_id=uuid4(),
                    version=1,
                    suite="x25519",
                    address="127.0.0.1",
                    at=now - RELEASES_KEPT - margin,
                )
            )
            await session.execute(
                insert(Operation).values(
                    account_id=account_id,
                    id=uuid4(),
                    kind="delete_data",
                    status="succeeded",
                    scope={},
                    finished_at=now - OPERATIONS_KEPT - margin,
                )
            )
            await session.execute(
                insert(PurgedPosition).values(
                    account_id=account_id,
                    bot_id=bot_id,
                    digest=sha256(uuid4().bytes).digest(),
                    purged_at=now - REMEMBERED - margin,
                )
            )


async def left(sessions: Sessions) -> tuple[int, ...]:
    """Return the numbers of records, releases, operations and tombstones."""
    async with sessions() as session:
        return tuple(
            [
                await session.scalar(select(func.count()).select_from(table)) or 0
                for table in (IdempotencyRecord, Release, Operation, PurgedPosition)
            ]
        )


async def test_only_what_is_over_goes(world: World) -> None:
    sessions = world.context.database.sessions
    await fill(sessions, old=3, young=2)

    assert await sweep(sessions) == 12

    assert await left(sessions) == (2, 2, 2, 2)
    assert await sweep(sessions) == 0


async def test_more_than_one_batch_goes_in_one_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", 3)
    sessions = world.context.database.sessions
    await fill(sessions, old=8, young=1)

    assert await sweep(sessions) == 32
    assert await left(sessions) == (1, 1, 1, 1)


async def test_several_workers_share_the_work(
    busy_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", 4)
    sessions = busy_world.context.database.sessions
    await fill(sessions, old=30, young=1)

    swept = await asyncio.gather(*(sweep(sessions) for _ in range(4)))

    assert sum(swept) == 120
    assert await left(sessions) == (1, 1, 1, 1)
