"""A bot may fetch its credentials twelve times an hour, however many requests run at once."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert, select

from app.api.shares import Share
from app.db.models import Release
from app.domains.runtime.release.at_once import ReleaseBatches
from botkeys.client import BotClient
from botkeys.client.errors import RateLimited
from botkeys.transport.client import ASGITransport, HttpTransport, TransportLimits
from tests.domains.conftest import Asking
from tests.support.variants import changed
from tests.support.world import Bot, Json, World


async def past_releases(
    world: World, bot: Bot, key: Json, *ages: timedelta, address: str = "127.0.0.1"
) -> None:
    """Add releases of the given ages, as if the bot had requested them then."""
    async with world.context.database.sessions() as session:
        for age in ages:
            await session.execute(
                insert(Release).values(
                    account_id=bot.account_id,
                    id=uuid4(),
                    bot_id=bot.id,
                    key_id=UUID(key["id"]),
                    version=1,
                    suite="x25519",
                    address=address,
                    at=func.statement_timestamp() - age,
                )
            )
        await session.commit()


async def test_the_thirteenth_in_an_hour_is_refused_with_the_time_to_wait(
    world: World, asking: Asking
) -> None:
    """Rule R31."""
    bot, _, _ = await world.user().ready_bot()

    answers = [await asking.ask(bot) for _ in range(13)]

    assert [answer.status_code for answer in answers] == [200] * 12 + [429]
    last = answers[-1]
    assert last.json()["code"] == "rate_limited"
    assert last.headers["retry-after"] == str(last.json()["retry_after"])
    assert 3500 < last.json()["retry_after"] <= 3600
    assert "12 times per hour" in last.json()["detail"]


async def test_the_wait_ends_when_the_oldest_is_an_hour_old(world: World, asking: Asking) -> None:
    bot, _, key = await world.user().ready_bot()
    recent = [timedelta(minutes=10)] * 11
    await past_releases(world, bot, key, timedelta(minutes=59), *recent)

    refused = await asking.ask(bot)

    assert refused.status_code == 429
    assert 50 <= refused.json()["retry_after"] <= 60


async def test_releases_of_more_than_an_hour_ago_do_not_count(world: World, asking: Asking) -> None:
    bot, _, key = await world.user().ready_bot()
    await past_releases(world, bot, key, *[timedelta(minutes=61)] * 20)

    assert (await asking.ask(bot)).status_code == 200


async def test_refused_requests_use_nothing_up(world: World, asking: Asking) -> None:
    bot, _, _ = await world.user().ready_bot()

    for _ in range(15):
        await bot.post("/v1/runtime/credentials", {"suite": "x25519", "public_key": "AAAA"})

    assert (await asking.ask(bot)).status_code == 200


async def test_each_bot_has_a_limit_of_its_own_which_a_new_key_or_token_does_not_reset(
    world: World, asking: Asking
) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    await past_releases(world, bot, key, *[timedelta(minutes=1)] * 12)
    new = await user.add_key("trade_2")
    await user.assign(document["id"], new["id"])
    minted = await user.mint(document["id"])
    other = await user.mint((await user.add_bot("other"))["id"])
    await user.assign(str(other.id), key["id"])

    assert (await asking.ask(minted)).status_code == 429
    assert (await asking.ask(other)).status_code == 200


async def test_the_limit_is_a_setting(world: World, asking: Asking) -> None:
    bot, _, _ = await world.user().ready_bot()

    async with changed(world, settings={"releases_per_hour": 1}) as strict:
        answers = [await asking.ask(replace(bot, http=strict.http)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]


async def test_the_client_learns_how_long_to_wait(world: World) -> None:
    bot, _, key = await world.user().ready_bot()
    await past_releases(world, bot, key, *[timedelta(minutes=30)] * 12)

    limits = TransportLimits(attempts=1)
    async with (
        HttpTransport(limits, transport=ASGITransport(world.app)) as http,
        BotClient("https://botkeys.test", bot.token, transport=http) as client,
    ):
        with pytest.raises(RateLimited) as caught:
            await client.credentials()

    assert caught.value.retry_after is not None
    assert 1700 < caught.value.retry_after <= 1800


async def test_of_thirty_at_once_through_two_processes_twelve_succeed(busy_world: World) -> None:
    bot, _, _ = await busy_world.user().ready_bot()
    askings = [Asking() for _ in range(30)]

    batches = ReleaseBatches(busy_world.context.database.autocommit)
    async with changed(busy_world, release_batches=batches, release_turns=Share(1)) as second:
        there = replace(bot, http=second.http)
        answers = await asyncio.gather(
            *(asking.ask(bot if number % 2 else there) for number, asking in enumerate(askings))
        )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 12 + [429] * 18
    async with busy_world.context.database.sessions() as session:
        stored = await session.scalar(select(func.count()).select_from(Release))
    assert stored == 12
