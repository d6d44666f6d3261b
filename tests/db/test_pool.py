"""Connections to a server that died, or takes no writes, leave the pool."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import DBAPIError

from app.db.driver import Statement
from app.db.engine import Database
from app.db.failures import is_outage
from app.db.pool import LeanPool

_PID = Statement(select(func.pg_backend_pid()))
_END = text("SELECT pg_terminate_backend(CAST(:pid AS int), 5000)")
_READ_ONLY = Statement(text("SET default_transaction_read_only = on"))
_WRITE = Statement(text("CREATE TEMPORARY TABLE written ()"))


async def pids(database: Database, count: int) -> list[int]:
    """Return the processes of this many connections, all of which are back in the pool."""
    lent = [await database.engine.connect() for _ in range(count)]
    found = [await one.scalar(text("SELECT pg_backend_pid()")) for one in lent]
    for one in lent:
        await one.close()
    return [pid for pid in found if pid is not None]


async def test_where_one_connection_is_dead_all_are_replaced(copied_database: Database) -> None:
    before = await pids(copied_database, 3)
    async with copied_database.sessions() as session:
        mine = await session.scalar(select(func.pg_backend_pid()))
        async with copied_database.engine.connect() as other:
            await other.execute(_END, {"pid": mine})
        with pytest.raises(DBAPIError) as lost:
            await session.execute(select(1))

    assert is_outage(lost.value)
    assert not set(before) & set(await pids(copied_database, 3))


async def test_a_connection_that_takes_no_writes_leaves_the_pool(copied_database: Database) -> None:
    ((before,),) = await copied_database.autocommit.fetch(_PID)
    await copied_database.autocommit.fetch(_READ_ONLY)

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await copied_database.autocommit.fetch(_WRITE)

    ((after,),) = await copied_database.autocommit.fetch(_PID)
    assert before != after


async def test_a_server_that_closes_every_new_connection_is_an_outage(
    copied_database: Database,
) -> None:
    @event.listens_for(copied_database.engine.sync_engine, "connect")
    def close(_connection: object, entry: object) -> None:
        entry.driver_connection.terminate()  # type: ignore[attr-defined]

    with pytest.raises(Exception) as refused:  # noqa: PT011  # whatever it is
        await copied_database.autocommit.fetch(_PID)

    assert is_outage(refused.value)


async def test_what_is_lent_comes_back_however_it_ends(copied_database: Database) -> None:
    pool = copied_database.engine.sync_engine.pool
    assert isinstance(pool, LeanPool)
    ((first,),) = await copied_database.autocommit.fetch(_PID)

    with pytest.raises(asyncpg.DivisionByZeroError):
        await copied_database.autocommit.fetch(Statement(text("SELECT 1 / 0")))
    ((same,),) = await copied_database.autocommit.fetch(_PID)
    given_up = copied_database.transactions()
    await given_up.fetch(_PID)
    sleeping = asyncio.create_task(given_up.fetch(Statement(text("SELECT pg_sleep(30)"))))
    await asyncio.sleep(0)
    sleeping.cancel()
    await asyncio.gather(sleeping, return_exceptions=True)
    await given_up.rollback()

    assert same == first
    assert (pool.checkedout(), pool.checkedin()) == (0, 1)


async def test_more_callers_than_connections_wait_for_their_turn(
    copied_database: Database,
) -> None:
    pool = copied_database.engine.sync_engine.pool
    assert isinstance(pool, LeanPool)

    rows = await asyncio.gather(*(copied_database.autocommit.fetch(_PID) for _ in range(100)))

    assert 1 < len({pid for ((pid,),) in rows}) <= pool.size()
    assert pool.checkedout() == 0
