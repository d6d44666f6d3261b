"""Connections to a server that died, or takes no writes, leave the pool."""

import asyncpg
import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import DBAPIError

from app.db.driver import Statement
from app.db.engine import Database
from app.db.failures import is_outage

_PID = Statement(select(func.pg_backend_pid()))
_END = text("SELECT pg_terminate_backend(:pid, 5000)")
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
