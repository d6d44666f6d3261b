"""The time that a statement writes after it waited for a lock."""

import asyncio
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnySelect, new_id
from app.db.clock import NOW
from app.db.engine import Database
from app.db.models import Account
from tests.support.waiting import until_waiting

_LOCK = select(Account.account_id)
_TIME = select(func.clock_timestamp())


async def add_account(database: Database) -> UUID:
    account = new_id()
    new = insert(Account).values(account_id=account, issuer="i", subject="s", timezone="UTC")
    async with database.sessions.begin() as session:
        await session.execute(new)
    return account


async def behind_a_lock(
    database: Database, account: UUID, statement: AnySelect, session: AsyncSession
) -> tuple[datetime, list[tuple[UUID, datetime]]]:
    """Run the statement while another transaction has locked the account; return the time just
    before that one was committed, and the statement's rows.
    """
    async with database.sessions() as holder:
        await holder.execute(_LOCK.where(Account.account_id == account).with_for_update())
        waiting = asyncio.create_task(session.execute(statement))
        await until_waiting(database)
        released = (await holder.execute(_TIME)).scalar_one()
        await holder.commit()
    return released, [tuple(row) for row in await waiting]


async def test_a_statement_that_waits_has_a_time_before_the_wait(copied_database: Database) -> None:
    account = await add_account(copied_database)
    lock = select(Account.account_id, NOW).where(Account.account_id == account).with_for_update()
    async with copied_database.sessions.begin() as session:
        released, rows = await behind_a_lock(copied_database, account, lock, session)

    ((_, early),) = rows
    assert early < released


async def test_a_statement_after_the_lock_writes_a_time_after_the_wait(
    copied_database: Database,
) -> None:
    account = await add_account(copied_database)
    lock = _LOCK.where(Account.account_id == account).with_for_update()
    async with copied_database.sessions.begin() as session:
        released, _ = await behind_a_lock(copied_database, account, lock, session)
        written = await session.execute(
            update(Account)
            .where(Account.account_id == account)
            .values(closing_at=NOW, tokens_from=NOW)
            .returning(Account.closing_at, Account.tokens_from)
        )
        one, other = written.one()

    assert one == other
    assert one is not None
    assert one > released
