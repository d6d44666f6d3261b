"""The usual release, one statement: what is committed while it waits for its locks counts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import BatchExecutor, Rows, Statement
from app.domains.audit.chain import verify
from app.domains.runtime.release.at_once import FREE_ONLY, GRANT, READY, ReleaseBatches
from app.domains.runtime.release.service import ReleaseService
from tests.domains.conftest import Asking
from tests.support.variants import changed
from tests.support.waiting import until_waiting
from tests.support.world import Bot, World


@dataclass
class Waiting:
    """A release that waits for its bot, which `holding` has locked."""

    holding: AsyncSession
    answer: "asyncio.Task[httpx.Response]"


@asynccontextmanager
async def waiting_release(world: World, bot: Bot) -> AsyncIterator[Waiting]:
    sessions = world.context.database.sessions
    async with sessions() as holding:
        held = text("SELECT id FROM bots WHERE account_id = :account AND id = :id FOR UPDATE")
        await holding.execute(held, {"account": bot.account_id, "id": bot.id})
        answer = asyncio.create_task(Asking().ask(bot))
        await until_waiting(world.context.database)
        yield Waiting(holding, answer)
        await holding.commit()
    await answer


async def is_whole(world: World, bot: Bot) -> bool:
    async with world.context.database.sessions() as session:
        chain = await verify(session, world.context.audit, bot.account_id)
    return chain.broken_at is None and chain.sealed


async def test_the_usual_release_needs_no_further_statement(busy_world: World) -> None:
    bot, _, _ = await busy_world.user().ready_bot()

    with patch.object(ReleaseService, "_grant", side_effect=AssertionError):
        answers = [await Asking().ask(bot) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert await is_whole(busy_world, bot)


_RELEASED = """
    INSERT INTO releases (account_id, id, bot_id, key_id, version, suite, address)
    SELECT account_id, gen_random_uuid(), id, key_id, 1, 'x25519', '127.0.0.1'
    FROM bots, generate_series(1, 12) WHERE id = :id
"""
_MOVED = "UPDATE audit_heads SET sequence = sequence + 1 WHERE account_id = :account"


@pytest.mark.parametrize(
    ("meanwhile", "status", "code"),
    [
        (["UPDATE bots SET key_id = NULL WHERE id = :id"], 409, "no_key"),
        (
            ["UPDATE bot_tokens SET token_hash = sha256('another') WHERE bot_id = :id"],
            401,
            "unauthenticated",
        ),
        ([_RELEASED, _MOVED], 429, "rate_limited"),
    ],
    ids=["unassigned", "minted", "released"],
)
async def test_what_is_committed_while_a_release_waits_refuses_it(
    busy_world: World, meanwhile: list[str], status: int, code: str
) -> None:
    """Rule R31."""
    bot, _, _ = await busy_world.user().ready_bot()
    names: dict[str, Any] = {"id": bot.id, "account": bot.account_id}

    async with waiting_release(busy_world, bot) as waiting:
        for change in meanwhile:
            await waiting.holding.execute(
                text(change), {name: names[name] for name in names if f":{name}" in change}
            )

    answer = waiting.answer.result()
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_release_follows_what_was_recorded_while_it_waited(busy_world: World) -> None:
    user = busy_world.user()
    bot, _, _ = await user.ready_bot()

    async with waiting_release(busy_world, bot) as waiting:
        await user.add_bot("another")

    assert waiting.answer.result().status_code == 200
    newest = (await user.get("/v1/audit-events?limit=2")).json()["items"]
    assert [entry["action"] for entry in newest] == ["key.release", "bot.add"]
    assert await is_whole(busy_world, bot)


async def test_releases_of_an_account_take_turns_and_none_is_decided_twice(
    busy_world: World,
) -> None:
    user = busy_world.user()
    bots = []
    for variant in ("trade", "trade_2"):
        key, document = await user.add_key(variant), await user.add_bot(variant)
        await user.assign(document["id"], key["id"])
        bots.append(await user.mint(document["id"]))

    with patch.object(ReleaseService, "_grant", side_effect=AssertionError):
        answers = await asyncio.gather(*(Asking().ask(bot) for bot in bots * 4))

    assert [answer.status_code for answer in answers] == [200] * 8
    assert await is_whole(busy_world, bots[0])


class Counting:
    """Counts what goes to the database in one round trip."""

    def __init__(self, inner: BatchExecutor) -> None:
        self._inner = inner
        self.sizes: dict[Statement, list[int]] = {READY: [], FREE_ONLY: [], GRANT: []}

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        self.sizes[statement].append(1)
        return await self._inner.fetch(statement, **parameters)

    async def fetch_many(self, statement: Statement, many: Sequence[dict[str, Any]]) -> Rows:
        self.sizes[statement].append(len(many))
        return await self._inner.fetch_many(statement, many)


async def test_releases_of_several_accounts_share_round_trips_and_wait_for_none_of_them(
    busy_world: World,
) -> None:
    """A bot that somebody has locked holds up its own release, and no other account's."""
    bots = [(await busy_world.user(f"owner {number}").ready_bot())[0] for number in range(8)]
    locked = bots[0]
    sessions = busy_world.context.database.sessions
    counting = Counting(busy_world.context.database.autocommit)
    batches = ReleaseBatches(counting)

    async with changed(busy_world, release_batches=batches) as world:
        here = [replace(bot, http=world.http) for bot in bots]
        async with sessions() as holding:
            held = text("SELECT id FROM bots WHERE account_id = :account AND id = :id FOR UPDATE")
            await holding.execute(held, {"account": locked.account_id, "id": locked.id})
            answers = [asyncio.create_task(Asking().ask(bot)) for bot in here]
            assert {(await answer).status_code for answer in answers[1:]} == {200}
            assert not answers[0].done()
        assert (await answers[0]).status_code == 200
        await batches.close()

    assert sum(counting.sizes[READY]) == sum(counting.sizes[FREE_ONLY]) == len(bots)
    assert max(counting.sizes[READY]) > 1
    assert max(counting.sizes[FREE_ONLY]) > 1
    assert counting.sizes[GRANT] == [1]
    for bot in bots:
        assert await is_whole(busy_world, bot)
