"""How workers share operations, and what happens to one that cannot continue."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.engine import Database
from app.db.models import Operation
from app.domains.deletion.purge_repository import PurgeRepository
from app.domains.operations import claims
from app.domains.trading.kinds import DataKind, Slice
from app.worker.purging import PurgeLimits, purge_deleted
from tests.support.purging import each, fill, left
from tests.support.waiting import cancel_waiting
from tests.support.world import World


async def operations(world: World) -> list[Operation]:
    async with world.context.database.sessions() as session:
        query = select(Operation).order_by(Operation.created_at)
        return list((await session.scalars(query)).all())


async def test_a_mistake_of_ours_fails_the_operation_with_a_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.user().post("/v1/data-deletions", {"scope": "all"})

    async def broken(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(PurgeRepository, "any_left", broken)
    assert await purge_deleted(world.context.database.sessions) == 1
    (operation,) = await operations(world)
    assert (operation.status, operation.claim) == ("failed", None)
    assert operation.error is not None
    assert operation.error.endswith(".")


async def test_several_workers_and_short_turns_end_all_operations_with_exact_receipts(
    busy_world: World,
) -> None:
    database = busy_world.context.database
    accounts = []
    for name in ("alice", "bob", "carol"):
        user = busy_world.user(name)
        bot, _, key = await user.ready_bot()
        await fill(database, bot.account_id, key["id"], rows=20)
        accounts.append(bot.account_id)
    for name in ("alice", "bob", "carol"):
        await busy_world.user(name).post("/v1/data-deletions", {"scope": "all"})

    await asyncio.gather(
        *(purge_deleted(database.sessions, PurgeLimits(batch=3, turn=0)) for _ in range(2))
    )

    for account_id, operation in zip(accounts, await operations(busy_world), strict=True):
        assert await left(database, account_id) == each(0)
        assert operation.status == "succeeded"
        assert operation.receipt == {"deleted": each(20), "kept": {"positions": 0}}


@pytest.mark.parametrize("of_one_time", [1, 3, 4, 9])
async def test_rows_of_one_time_are_counted_and_deleted_once_however_batches_are_cut(
    world: World, of_one_time: int
) -> None:
    user, database = world.user(), world.context.database
    bot, _, key = await user.ready_bot()
    newest = datetime.now(UTC) - timedelta(hours=1)
    times = [newest - timedelta(seconds=n) for n in range(5)]
    for at in times:
        rows = of_one_time if at == times[2] else 2
        await fill(database, bot.account_id, key["id"], rows=rows, at=at, step=0)
    before = await left(database, bot.account_id)
    answer = await user.post("/v1/data-deletions", {"scope": "all"})

    assert await purge_deleted(database.sessions, PurgeLimits(3, at_once=1)) == 1

    operation = (await user.get(answer.headers["location"])).json()
    assert operation["receipt"]["deleted"] == before
    assert operation["done"] == operation["total"] == sum(before.values())
    assert await left(database, bot.account_id) == each(0)


async def test_turns_make_progress_where_no_batch_holds_the_rows_of_one_time(
    busy_world: World,
) -> None:
    database, at = busy_world.context.database, datetime.now(UTC) - timedelta(hours=1)
    for name in ("alice", "bob"):
        user = busy_world.user(name)
        bot, _, key = await user.ready_bot()
        await fill(database, bot.account_id, key["id"], rows=7, at=at, step=0)
        await user.post("/v1/data-deletions", {"scope": "all"})

    async with asyncio.timeout(30):
        assert await purge_deleted(database.sessions, PurgeLimits(batch=3, turn=0)) == 2

    for operation in await operations(busy_world):
        assert operation.receipt == {"deleted": each(7), "kept": {"positions": 0}}


async def test_one_that_is_claimed_is_left_alone_until_its_claim_lapses(world: World) -> None:
    user, sessions = world.user(), world.context.database.sessions
    answer = await user.post("/v1/data-deletions", {"scope": "all"})
    path = answer.headers["location"]
    for seconds, ended in [(60, 0), (-1, 1)]:
        until = text(f"statement_timestamp() + {seconds} * interval '1 second'")
        await _hold(sessions, status="running", claim=uuid4(), claimed_until=until)
        assert (await user.get(path)).json()["stalled"] is (seconds < 0)
        assert await purge_deleted(sessions) == ended
    assert (await user.get(path)).json()["stalled"] is False


async def test_a_planned_batch_that_takes_too_long_is_deleted_in_smaller_ones(
    busy_world: World,
) -> None:
    """Another batch goes on meanwhile, and each row is counted once."""
    database = busy_world.context.database
    user = busy_world.user()
    bot, _, key = await user.ready_bot()
    await fill(database, bot.account_id, key["id"], rows=700, tables=("trades",))
    await user.post("/v1/data-deletions", {"scope": "all"})
    held = text("SELECT FROM trades WHERE account_id = :account AND id = 'r200' FOR SHARE")

    async with asyncio.timeout(60), database.sessions() as holding:
        await holding.execute(held, {"account": bot.account_id})
        purging = asyncio.create_task(
            purge_deleted(database.sessions, PurgeLimits(batch=150, at_once=2))
        )
        while not await cancel_waiting(database):  # noqa: ASYNC110  # no event there
            await asyncio.sleep(0.01)
        await holding.rollback()
        assert await purging == 1

    (operation,) = await operations(busy_world)
    assert operation.receipt == {
        "deleted": {**each(0), "trades": 700},
        "kept": {"positions": 0},
    }
    assert operation.done == operation.total == 700
    assert await left(database, bot.account_id) == each(0)


async def test_batches_are_deleted_at_the_same_time(busy_world: World) -> None:
    """While one waits for a row, the others go on."""
    database = busy_world.context.database
    user = busy_world.user()
    bot, _, key = await user.ready_bot()
    await fill(database, bot.account_id, key["id"], rows=20, tables=("trades",))
    await user.post("/v1/data-deletions", {"scope": "all"})
    held = text("SELECT FROM trades WHERE account_id = :account AND id = 'r1' FOR SHARE")

    async with asyncio.timeout(60), database.sessions() as holding:
        await holding.execute(held, {"account": bot.account_id})
        purging = asyncio.create_task(purge_deleted(database.sessions, PurgeLimits(batch=5)))
        # The other batches do not wait.
        await _at_most_left(database, bot.account_id, 10)
        await holding.rollback()
        assert await purging == 1

    assert await left(database, bot.account_id) == each(0)


class _Counting:
    """Holds the count of the trades that fill no batch until `go_on`, and keeps each total."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = asyncio.Event()
        self.totals: list[int] = []
        count, set_total = PurgeRepository.count_beyond, claims.set_total

        async def counting(
            repository: PurgeRepository, kind: DataKind, part: Slice, cut: datetime | None
        ) -> int:
            if cut is not None:
                await self.go_on.wait()
            return await count(repository, kind, part, cut)

        async def setting(session: AsyncSession, claimed: claims.Claimed, total: int) -> None:
            self.totals.append(total)
            await set_total(session, claimed, total)

        monkeypatch.setattr(PurgeRepository, "count_beyond", counting)
        monkeypatch.setattr(claims, "set_total", setting)


async def _delete_twelve_trades(world: World) -> UUID:
    """Have twelve trades deleted; return their account."""
    user = world.user()
    bot, _, key = await user.ready_bot()
    await fill(world.context.database, bot.account_id, key["id"], rows=12, tables=("trades",))
    await user.post("/v1/data-deletions", {"scope": "all"})
    return bot.account_id


async def test_planned_batches_are_deleted_while_the_rest_is_counted(
    busy_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, account_id = busy_world.context.database, await _delete_twelve_trades(busy_world)
    counting = _Counting(monkeypatch)

    async with asyncio.timeout(60):
        purging = asyncio.create_task(purge_deleted(database.sessions, PurgeLimits(batch=5)))
        await _at_most_left(database, account_id, 2)
        (operation,) = await operations(busy_world)
        assert (operation.done, operation.total, operation.phase) == (10, 10, "trades")
        counting.go_on.set()
        assert await purging == 1

    (operation,) = await operations(busy_world)
    assert operation.receipt == {"deleted": {**each(0), "trades": 12}, "kept": {"positions": 0}}
    assert operation.done == operation.total == 12
    assert counting.totals == [12]


async def test_an_operation_whose_worker_ended_while_it_counted_is_counted_again(
    busy_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, account_id = busy_world.context.database, await _delete_twelve_trades(busy_world)
    counting = _Counting(monkeypatch)

    async with asyncio.timeout(60):
        purging = asyncio.create_task(purge_deleted(database.sessions, PurgeLimits(batch=5)))
        await _at_most_left(database, account_id, 2)
        purging.cancel()
        await asyncio.wait([purging])
        assert counting.totals == []
        counting.go_on.set()
        await _hold(database.sessions, claimed_until=datetime.now(UTC))
        assert await purge_deleted(database.sessions) == 1

    (operation,) = await operations(busy_world)
    assert operation.done == operation.total == 12
    assert counting.totals == [12]


async def test_an_operation_that_was_counted_is_not_counted_again(
    busy_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = busy_world.context.database
    await _delete_twelve_trades(busy_world)
    counting = _Counting(monkeypatch)
    await _hold(database.sessions, phase="trades", done=3, total=15)

    assert await purge_deleted(database.sessions, PurgeLimits(batch=5)) == 1

    assert counting.totals == []
    (operation,) = await operations(busy_world)
    assert operation.done == operation.total == 15


async def _at_most_left(database: Database, account_id: UUID, rows: int) -> None:
    """Wait until no more than so many trades are left."""
    while (await left(database, account_id))["trades"] > rows:  # noqa: ASYNC110  # no event there
        await asyncio.sleep(0.01)


async def _hold(sessions: async_sessionmaker[AsyncSession], **columns: Any) -> None:
    """Change the operation as a worker leaves it that ends."""
    async with sessions.begin() as session:
        await session.execute(
            update(Operation).values(columns).execution_options(synchronize_session=False)
        )


async def test_each_of_very_many_keys_may_have_data_of_the_next_minutes(busy_world: World) -> None:
    """Each makes a mark of its own: no statement may grow with their number."""
    database = busy_world.context.database
    user = busy_world.user()
    bot, _, _ = await user.ready_bot()
    row = text(
        "INSERT INTO equity_snapshots (account_id, bot_id, id, key_id, exchange, environment,"
        " contract_type, at, equity, balance, unrealised_pnl, settle, reset)"
        " SELECT :account, :bot, n::text, gen_random_uuid(), 'bybit', 'testnet', 'linear',"
        " now() + interval '1 minute', 1, 1, 0, 'USDT', false FROM generate_series(1, 300) AS n"
    )
    async with database.sessions.begin() as session:
        await session.execute(row, {"account": bot.account_id, "bot": bot.id})
    await user.post("/v1/data-deletions", {"scope": "all"})

    assert await purge_deleted(database.sessions) == 1

    (operation,) = await operations(busy_world)
    assert operation.receipt is not None
    assert operation.receipt["deleted"]["equity_snapshots"] == 300
    assert operation.status == "succeeded"


async def test_an_operation_without_marks_succeeds(world: World) -> None:
    await world.user().post("/v1/data-deletions", {"scope": "all"})
    sessions = world.context.database.sessions
    async with sessions.begin() as session:
        await session.execute(update(Operation).values(scope={"marks": []}))

    assert await purge_deleted(sessions) == 1

    (operation,) = await operations(world)
    assert operation.status == "succeeded"
