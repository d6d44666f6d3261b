"""Deadlocks and serialization failures are retried, and never answered with 500."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.db.engine import open_database
from app.db.models import AuditEvent, AuditHead, Bot, IdempotencyRecord, Key
from app.domains.bots.repository import BotRepository
from app.pipeline.request_pipeline import ATTEMPTS
from tests.support.database import SET_ON_NODES, Server
from tests.support.variants import add_unchecked
from tests.support.waiting import until_waiting
from tests.support.world import World


class Conflict(Exception):
    def __init__(self, code: str) -> None:
        self.sqlstate = code


class Failing:
    """`BotRepository.add`, failing the first few times."""

    def __init__(self, code: str, times: int) -> None:
        self.code, self.left, self.calls = code, times, 0
        self._add = BotRepository.add

    async def __call__(self, repository: BotRepository, *arguments: Any) -> None:
        self.calls += 1
        await self._add(repository, *arguments)
        if self.left:
            self.left -= 1
            raise DBAPIError("INSERT", {}, Conflict(self.code))

    def install(self, patch: pytest.MonkeyPatch) -> None:
        async def add(repository: BotRepository, *arguments: Any) -> None:
            await self(repository, *arguments)

        patch.setattr(BotRepository, "add", add)


async def entries(world: World, action: str) -> int:
    async with world.context.database.sessions() as session:
        query = select(func.count()).select_from(AuditEvent).where(AuditEvent.action == action)
        return await session.scalar(query) or 0


@pytest.mark.parametrize("code", ["40P01", "40001"])
async def test_a_conflict_is_tried_again_and_done_once(
    world: World, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    failing = Failing(code, times=2)
    failing.install(monkeypatch)
    user = world.user()

    answer = await user.post("/v1/bots", {"name": "x"}, headers={"Idempotency-Key": "one"})
    replayed = await user.post("/v1/bots", {"name": "x"}, headers={"Idempotency-Key": "one"})

    assert answer.status_code == 201
    assert failing.calls == 3
    assert replayed.json() == answer.json()
    assert len((await user.get("/v1/bots")).json()["items"]) == 1
    assert await entries(world, "bot.add") == 1


async def test_conflicts_without_end_are_an_outage_that_changed_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing("40P01", times=1000)
    failing.install(monkeypatch)
    user = world.user()

    answer = await user.post("/v1/bots", {"name": "x"}, headers={"Idempotency-Key": "one"})

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert failing.calls == ATTEMPTS
    assert (await user.get("/v1/bots")).json()["items"] == []
    async with world.context.database.sessions() as session:
        assert (await session.scalars(select(IdempotencyRecord.status))).all() == []


async def test_a_failure_that_is_no_conflict_is_not_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing("22012", times=1)
    failing.install(monkeypatch)

    answer = await world.user().post("/v1/bots", {"name": "x"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert failing.calls == 1


async def test_a_real_deadlock_is_sat_out(busy_world: World, server: Server) -> None:
    user = busy_world.user()
    key, bot = await add_unchecked(user), await user.add_bot()
    name = busy_world.context.database.engine.url.database
    assert name is not None
    superuser = open_database(
        server.url(name, superuser=True), application_name="botkeys-tests", pool_size=None
    )

    async with (
        busy_world.context.database.sessions() as holding,
        superuser.sessions() as other,
        asyncio.timeout(60),
    ):
        # The connection that detects the deadlock is aborted, so this one must not detect it.
        await other.execute(SET_ON_NODES)
        await other.execute(text("SET LOCAL deadlock_timeout = '1h'"))
        account = busy_world.account_id()
        head = select(AuditHead.sequence).where(AuditHead.account_id == account)
        await other.execute(head.with_for_update())
        keys = select(Key.id).where(Key.account_id == account)
        await holding.execute(keys.with_for_update())
        request = asyncio.create_task(user.assign(bot["id"], key["id"]))
        await until_waiting(busy_world.context.database)
        # The request holds the bot and waits for the key.
        of_bot = select(Bot.id).where(Bot.account_id == account, Bot.id == UUID(bot["id"]))
        waiting = asyncio.create_task(other.execute(of_bot.with_for_update()))
        await until_waiting(busy_world.context.database, number=2)
        # It gets the key, and then waits for the audit head, and so for the one that waits for it.
        await holding.rollback()
        await waiting
        await other.commit()
        answer = await request
    await superuser.close()

    assert answer.status_code == 200, answer.text
    assert answer.json()["key"]["id"] == key["id"]
    assert answer.headers["etag"] == '"2"'
    assert await entries(busy_world, "bot.assign_key") == 1
    async with busy_world.context.database.sessions() as session:
        deadlocks = text(
            "SELECT pg_stat_get_db_deadlocks(oid) FROM pg_database"
            " WHERE datname = current_database()"
        )
        await session.execute(text("SELECT pg_stat_force_next_flush()"))
        # Citus looks for deadlocks by itself, and counts none.
        assert await session.scalar(deadlocks) == (1 if server.cluster is None else 0)
