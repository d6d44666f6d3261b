"""A worker is killed during a purge: another one takes over."""

import asyncio
import json
import signal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.db.engine import Database, open_database
from app.domains.deletion.scopes import stored
from app.domains.trading.marks import FOREVER, Mark
from tests.processes.conftest import Run
from tests.processes.logins import Logins
from tests.processes.running import BOTKEYS, PATIENCE, Running, environment, long
from tests.support.purging import TABLES, each, fill, left
from tests.support.world import Json

CLAIM = 1.0
"""Seconds after which another worker takes over a dead worker's operation."""


async def account_with_data(database: Database, rows: int) -> UUID:
    """Add a closed account with so many rows of each kind, which only need to be purged."""
    account_id = uuid4()
    scope = stored([Mark(None, None, FOREVER)], scope="account")
    async with database.sessions.begin() as session:
        new = text("INSERT INTO accounts (account_id, issuer, subject) VALUES (:account, '', 'a')")
        await session.execute(new, {"account": account_id})
    await fill(database, account_id, str(uuid4()), rows=rows)
    async with database.sessions.begin() as session:
        operation = text(
            "INSERT INTO operations (account_id, id, kind, scope, receipt) VALUES (:account,"
            " gen_random_uuid(), 'close_account', CAST(:scope AS jsonb), '{\"deleted\": {}}')"
        )
        await session.execute(operation, {"account": account_id, "scope": json.dumps(scope)})
        mark = text(
            "INSERT INTO deletion_marks (account_id, id, cutoff)"
            " VALUES (:account, gen_random_uuid(), 'infinity')"
        )
        await session.execute(mark, {"account": account_id})
    return account_id


async def operation_of(database: Database, account_id: UUID) -> Json:
    query = text("SELECT * FROM operations WHERE account_id = :account")
    async with database.sessions() as session:
        return dict((await session.execute(query, {"account": account_id})).one()._mapping)


async def until(database: Database, account_id: UUID, done: int, worker: Running) -> None:
    async with asyncio.timeout(PATIENCE):
        while (now := await operation_of(database, account_id))["done"] < done:
            assert worker.process.poll() is None, worker.text
            assert now["status"] in {"queued", "running"}
            await asyncio.sleep(0.002)


async def its_end(database: Database, account_id: UUID) -> Json:
    async with asyncio.timeout(PATIENCE):
        while True:
            now = await operation_of(database, account_id)
            if now["finished_at"] is not None:
                return now
            await asyncio.sleep(0.01)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("rows", "deaths"), [(400, 1), long(2000, 8)])
async def test_a_purge_that_is_killed_is_taken_on_and_ends_at_zero_rows(
    production_logins: Logins, run: Run, rows: int, deaths: int
) -> None:
    name = await production_logins.migrated()
    database = open_database(
        production_logins.postgres.url("postgres", name), application_name="test", pool_size=2
    )
    settings = environment(
        database_url=production_logins.url("purge", name), purge_batch=5, operation_claim=CLAIM
    )
    try:
        account_id = await account_with_data(database, rows)
        total = len(TABLES) * rows
        for death in range(1, deaths + 1):
            worker = run(BOTKEYS, "worker", "--task", "purge", env=settings)
            await until(database, account_id, total * death // (deaths + 2), worker)
            worker.send(signal.SIGKILL)
            worker.wait()
            now = await operation_of(database, account_id)
            assert now["status"] == "running"
            assert now["done"] == total - sum((await left(database, account_id)).values())

        workers = [run(BOTKEYS, "worker", "--task", "purge", env=settings) for _ in range(2)]
        ended = await its_end(database, account_id)
        assert await left(database, account_id) == each(0)
        assert (ended["status"], ended["done"], ended["total"]) == ("succeeded", total, total)
        assert ended["receipt"] == {"deleted": each(rows)}
        for worker in workers:
            worker.send(signal.SIGTERM)
            assert worker.wait() == 0
            assert worker.is_clean, worker.text
    finally:
        await database.close()
