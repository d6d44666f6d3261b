"""Quotas under concurrent additions, on as many connections."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import func, insert, select, update

from app.db.models import AuditHead, Bot, Key, TradingAsset, Webhook
from app.domains.accounts import quotas
from tests.support.variants import changed
from tests.support.world import World

AT_ONCE = 12
MOST = 3


async def stored(world: World, table: Any) -> int:
    async with world.context.database.sessions() as session:
        return (await session.execute(select(func.count()).select_from(table))).scalar_one()


def held(answers: list[httpx.Response], code: str) -> bool:
    """Return whether as many additions succeeded as there may be, and the others say why not."""
    refused = [answer.json() for answer in answers if answer.status_code != 201]
    return (
        len(answers) - len(refused) == MOST
        and {(problem["code"], problem["limit"]) for problem in refused} == {(code, MOST)}
        and {problem["status"] for problem in refused} == {409}
    )


async def test_bots_added_at_once_stay_within_the_quota(busy_world: World) -> None:
    """Rule R40."""
    async with changed(busy_world, settings={"bots_per_account": MOST}) as world:
        user = world.user()
        answers = await asyncio.gather(
            *(user.post("/v1/bots", {"name": str(n)}) for n in range(AT_ONCE))
        )
        assert held(answers, "bot_quota_reached")
        assert await stored(world, Bot) == MOST
        await user.delete(f"/v1/bots/{answers_id(answers)}")
        assert (await user.post("/v1/bots", {"name": "again"})).status_code == 201


async def test_what_was_counted_is_not_counted_again_until_it_passes_the_quota(
    busy_world: World,
) -> None:
    """Rule R40. An addition counts as more than there are once something was deleted."""
    async with changed(busy_world, settings={"bots_per_account": MOST}) as world:
        user = world.user()

        async def add(name: str) -> httpx.Response:
            return await user.post("/v1/bots", {"name": name})

        first = await add("a")
        await user.delete(f"/v1/bots/{first.json()['id']}")
        assert [(await add(name)).status_code for name in "bc"] == [201, 201]
        assert await _at_most(world) == 3
        answers = await asyncio.gather(*(add(str(n)) for n in range(AT_ONCE)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * (AT_ONCE - 1)
        assert await stored(world, Bot) == await _at_most(world) == MOST


async def test_bots_that_another_release_added_are_counted_after_a_day(world: World) -> None:
    async with changed(world, settings={"bots_per_account": MOST}) as here:
        user = here.user()
        added = await user.post("/v1/bots", {"name": "counted"})
        assert added.status_code == 201
        async with here.context.database.sessions.begin() as session:
            account_id = (await session.execute(select(Bot.account_id))).scalar_one()
            rows = [{"account_id": account_id, "id": uuid4(), "name": str(n)} for n in range(MOST)]
            await session.execute(insert(Bot), rows)
            before = func.now() - quotas.COUNTED_EVERY
            await session.execute(update(AuditHead).values(counted_at=before))

        refused = await user.post("/v1/bots", {"name": "beyond"})

        assert refused.json()["code"] == "bot_quota_reached"
        assert await stored(here, Bot) == 1 + MOST


async def _at_most(world: World) -> int | None:
    async with world.context.database.sessions() as session:
        return (await session.execute(select(AuditHead.bots_at_most))).scalar_one()


def answers_id(answers: list[httpx.Response]) -> str:
    return next(str(a.json()["id"]) for a in answers if a.status_code == 201)


async def test_webhooks_added_at_once_stay_within_the_quota(busy_world: World) -> None:
    """Rule R40."""
    async with changed(busy_world, settings={"webhooks_per_account": MOST}) as world:
        user = world.user()
        bodies = [{"url": f"https://example.com/{number}"} for number in range(AT_ONCE)]
        answers = await asyncio.gather(*(user.post("/v1/webhooks", body) for body in bodies))
        assert held(answers, "webhook_quota_reached")
        assert await stored(world, Webhook) == MOST
        await user.delete(f"/v1/webhooks/{answers_id(answers)}")
        added = await user.post("/v1/webhooks", bodies[0])
        # Of changes that are based on one state, one is made: the webhook is locked before.
        path, based = added.headers["location"], {"If-Match": added.headers["etag"]}
        changes = [{"url": f"https://example.com/changed/{number}"} for number in range(AT_ONCE)]
        answers = await asyncio.gather(
            *(user.patch(path, change, headers=based) for change in changes)
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * (AT_ONCE - 1)


async def test_keys_added_at_once_stay_within_the_quota(busy_world: World) -> None:
    """Rule R40."""
    async with changed(busy_world, settings={"keys_per_account": MOST}) as world:
        user = world.user()
        answers = await asyncio.gather(
            *(user.post("/v1/keys", world.unchecked_key(n)) for n in range(AT_ONCE))
        )
        assert held(answers, "key_quota_reached")
        assert await stored(world, Key) == MOST
        other = await world.user("bob").post("/v1/keys", world.unchecked_key(1))
        assert other.status_code == 201


async def test_a_key_beyond_the_quota_is_refused_before_its_exchange_is_asked(
    world: World,
) -> None:
    async with changed(world, settings={"keys_per_account": 1}) as here:
        user = here.user()
        await user.post("/v1/keys", here.unchecked_key(1))
        # The exchange would refuse it.
        refused = await user.post("/v1/keys", here.new_key("revoked"))
        assert refused.json()["code"] == "key_quota_reached"


async def test_assets_added_at_once_stay_within_the_quota(busy_world: World) -> None:
    """Rule R40."""
    async with changed(busy_world, settings={"assets_per_key": MOST}) as world:
        user = world.user()
        key = await user.add_key()
        page = (await user.get(f"/v1/keys/{key['id']}/instruments?limit={AT_ONCE}")).json()
        symbols = [item["symbol"] for item in page["items"]]
        assert len(symbols) > MOST
        path = f"/v1/keys/{key['id']}/assets"
        answers = await asyncio.gather(
            *(user.post(path, {"symbol": symbol, "leverage": "1"}) for symbol in symbols)
        )
        assert held(answers, "asset_quota_reached")
        assert await stored(world, TradingAsset) == MOST
