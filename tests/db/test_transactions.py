"""Transactions without a session, which must do here what SQLAlchemy otherwise does."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import bindparam, func, insert, select, text

from app.db.driver import Statement
from app.db.engine import Database
from app.db.models import MasterKeyVersion
from app.db.transactions import DriverTransaction, Transaction

_NAMES = ("version", "fingerprint")
_ADD = Statement(insert(MasterKeyVersion).values({name: bindparam(name) for name in _NAMES}))
_VERSIONS = Statement(select(MasterKeyVersion.version).order_by(MasterKeyVersion.version))
_PID = Statement(select(func.pg_backend_pid()))
_SLEEP = Statement(select(func.pg_sleep(30)))
_END = text("SELECT pg_terminate_backend(CAST(:pid AS int), 5000)")


async def add(transaction: Transaction, version: int) -> None:
    await transaction.fetch(_ADD, version=version, fingerprint="f")


async def stored(database: Database) -> list[int]:
    return [version for (version,) in await database.autocommit.fetch(_VERSIONS)]


async def test_what_is_committed_stays_and_what_is_not_goes(copied_database: Database) -> None:
    transaction = copied_database.transactions()
    assert isinstance(transaction, DriverTransaction)

    await add(transaction, 1)
    assert transaction.begun
    assert await stored(copied_database) == []
    await transaction.commit()
    assert not transaction.begun
    await add(transaction, 2)
    await transaction.rollback()
    await add(transaction, 3)
    await transaction.commit()

    assert await stored(copied_database) == [1, 3]


async def test_after_a_statement_that_failed_nothing_is_committed(
    copied_database: Database,
) -> None:
    transaction = copied_database.transactions()
    await add(transaction, 1)
    with pytest.raises(asyncpg.UniqueViolationError):
        await add(transaction, 1)

    with pytest.raises(RuntimeError, match="cannot be committed"):
        await transaction.commit()

    assert await stored(copied_database) == []


async def test_a_lost_connection_is_reported_once_and_not_lent_again(
    copied_database: Database,
) -> None:
    transaction = copied_database.transactions()
    ((pid,),) = await transaction.fetch(_PID)
    async with copied_database.engine.connect() as other:
        await other.execute(_END, {"pid": pid})

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await add(transaction, 1)
    await transaction.rollback()

    await add(transaction, 2)
    await transaction.commit()
    assert await stored(copied_database) == [2]


async def test_a_statement_that_was_given_up_leaves_nothing_open(copied_database: Database) -> None:
    transaction = copied_database.transactions()
    await add(transaction, 1)
    sleeping = asyncio.create_task(transaction.fetch(_SLEEP))
    await asyncio.sleep(0)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping

    await transaction.rollback()

    # If the row were still locked, inserting it would block.
    async with asyncio.timeout(20):
        await add(transaction, 1)
    await transaction.commit()
    assert await stored(copied_database) == [1]
