"""Hot reads straight through the driver, which must do here what SQLAlchemy otherwise does."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import BigInteger, Text, TextClause, bindparam, column, func, insert, select, text

from app.db.driver import (
    AutocommitExecutor,
    Executor,
    SessionExecutor,
    Statement,
    driver_connection,
)
from app.db.engine import Database
from app.db.failures import is_outage
from app.db.models import MasterKeyVersion
from tests.support.world import World

_PID = Statement(select(func.pg_backend_pid()))
_SLEEP = Statement(select(func.pg_sleep(bindparam("seconds"))))
_DIVISION = Statement(
    select(bindparam("one", type_=BigInteger) / bindparam("by", type_=BigInteger))
)


_END_ALL_OTHERS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND datname = current_database() AND usename = current_user"
)


def test_parameters_are_sent_in_the_order_of_the_text() -> None:
    query = Statement(
        select(column("c"))
        .where(column("a") == bindparam("second", type_=Text))
        .where(column("b") == bindparam("first", type_=Text))
        .limit(bindparam("most", type_=BigInteger))
    )
    assert query.arguments({"first": "1", "second": "2", "most": 3}) == ["2", "1", 3]
    assert "$3" in query.text


def test_a_statement_is_compiled_once_and_not_before_it_is_needed() -> None:
    compiled = []

    class Noted(TextClause):
        def compile(self, *args: Any, **options: Any) -> Any:
            compiled.append(self)
            return super().compile(*args, **options)

    query = Statement(Noted("SELECT :one"), writes=True)
    assert query.writes
    assert compiled == []
    assert not hasattr(query, "unknown")
    assert (query.text, query.arguments({"one": 1}), query.identifies) == ("SELECT $1", [1], False)
    assert len(compiled) == 1


async def test_a_connection_that_the_server_ended_is_replaced_unseen(
    copied_database: Database,
) -> None:
    executor = copied_database.autocommit
    ended = asyncio.Event()
    async with copied_database.engine.connect() as other:
        async with copied_database.engine.connect() as idle:
            driver = await driver_connection(idle)
            driver.add_termination_listener(lambda _: ended.set())
            before = driver.get_server_pid()
        await other.execute(_END_ALL_OTHERS)
        await ended.wait()

        ((pid,),) = await executor.fetch(_PID)

    assert pid != before


async def test_a_connection_lost_while_reading_is_an_outage_and_the_next_read_works(
    copied_database: Database,
) -> None:
    executor = copied_database.autocommit
    reading = asyncio.create_task(_fails(executor, seconds=30.0))
    await _until_sleeping(copied_database)

    async with copied_database.engine.connect() as other:
        await other.execute(_END_ALL_OTHERS)

    assert is_outage(await reading)
    assert len(await executor.fetch(_PID)) == 1


async def test_an_error_of_the_statement_leaves_the_connection_in_order(
    copied_database: Database,
) -> None:
    executor = copied_database.autocommit
    ((before,),) = await executor.fetch(_PID)

    with pytest.raises(asyncpg.DivisionByZeroError):
        await executor.fetch(_DIVISION, one=1, by=0)

    assert await executor.fetch(_PID) == [(before,)]


async def test_a_read_that_was_given_up_hands_its_connection_to_nobody(
    copied_database: Database,
) -> None:
    executor = copied_database.autocommit
    reading = asyncio.create_task(executor.fetch(_SLEEP, seconds=30.0))
    await _until_sleeping(copied_database)

    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    async with asyncio.timeout(60):
        assert len(await executor.fetch(_PID)) == 1


async def test_before_a_pooler_each_read_is_a_transaction(copied_database: Database) -> None:
    executor = AutocommitExecutor(copied_database.engine, in_transaction=True)
    times = Statement(select(func.now(), func.transaction_timestamp()))
    ((now, began),) = await executor.fetch(times)
    assert now == began

    with pytest.raises(asyncpg.DivisionByZeroError):
        await executor.fetch(_DIVISION, one=1, by=0)

    assert len(await executor.fetch(times)) == 1


async def test_a_json_column_comes_out_of_a_hot_read_as_it_went_in(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    async with world.context.database.sessions.begin() as session:
        await session.execute(
            text('UPDATE keys SET verification_possible = \'["expired", "permission"]\'')
        )

    one = (await user.get(f"/v1/keys/{key['id']}")).json()
    (listed,) = (await user.get("/v1/keys")).json()["items"]
    (searched,) = (await user.get("/v1/keys?exchange=okx")).json()["items"]

    assert listed["verification"]["possible"] == ["expired", "permission"]
    assert one == listed == searched


async def _fails(executor: Executor, seconds: float) -> BaseException:
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)) as raised:
        await executor.fetch(_SLEEP, seconds=seconds)
    return raised.value


async def _until_sleeping(database: Database) -> None:
    """Wait until the server runs the test's statement."""
    asleep = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE wait_event = 'PgSleep' AND datname = current_database()"
    )
    async with asyncio.timeout(60), database.engine.connect() as connection:
        while not await connection.scalar(asleep):
            await connection.rollback()


async def test_what_goes_past_sqlalchemy_is_in_the_sessions_transaction(
    copied_database: Database,
) -> None:
    names = ("version", "fingerprint")
    add = Statement(insert(MasterKeyVersion).values({name: bindparam(name) for name in names}))
    async with copied_database.sessions() as session:
        executor = SessionExecutor(session)
        await executor.fetch(add, version=1, fingerprint="f")
        assert await session.scalar(select(func.count()).select_from(MasterKeyVersion)) == 1
        await session.rollback()
        await executor.fetch(add, version=2, fingerprint="f")
        await session.commit()
        assert list(await session.scalars(select(MasterKeyVersion.version))) == [2]
