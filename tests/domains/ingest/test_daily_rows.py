"""How many rows a bot may store on a day."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select, update

from app.db.models import IngestDay, Signal
from tests.support.batches import KINDS, item
from tests.support.positions import trader
from tests.support.variants import changed
from tests.support.world import Bot, World

MOST = 5


async def sent(bot: Bot, kind: str, *names: str) -> httpx.Response:
    return await bot.post(f"/v1/runtime/{kind}", {"items": [item(kind, name) for name in names]})


async def counted(world: World) -> list[int]:
    async with world.context.database.sessions() as session:
        return list(await session.scalars(select(IngestDay.stored)))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_batch_beyond_the_day_s_rows_is_refused_as_a_whole(world: World, kind: str) -> None:
    """Rule R48."""
    trading = await trader(world)
    async with changed(world, settings={"rows_per_bot_and_day": MOST}) as here:
        bot = Bot(here.http, trading.bot.token)
        assert (await sent(bot, kind, "a", "b", "c")).status_code == 200
        # What was stored before does not count again.
        assert (await sent(bot, kind, "a", "b", "c", "d")).status_code == 200
        refused = await sent(bot, kind, "e", "f")
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (429, "daily_rows_exceeded")
        assert problem["limit"] == MOST
        assert 0 < problem["retry_after"] == int(refused.headers["retry-after"]) <= 86_400
        assert await counted(world) == [4]
        assert (await sent(bot, kind, "e")).status_code == 200


async def test_all_kinds_count_together_for_each_bot_and_day(world: World) -> None:
    first, second = await trader(world), await trader(world, "bob")
    async with changed(world, settings={"rows_per_bot_and_day": 4}) as here:
        bot, other = Bot(here.http, first.bot.token), Bot(here.http, second.bot.token)
        for kind in KINDS[:4]:
            assert (await sent(bot, kind, "a")).status_code == 200
        assert (await sent(bot, KINDS[0], "b")).status_code == 429
        assert (await sent(other, KINDS[0], "b")).status_code == 200
        await shift(world, -timedelta(days=1))
        assert (await sent(bot, KINDS[0], "b")).status_code == 200
    assert await counted(world) == [1, 1]


async def shift(world: World, by: timedelta) -> None:
    async with world.context.database.sessions.begin() as session:
        await session.execute(update(IngestDay).values(day=IngestDay.day + by.days))


async def test_batches_sent_at_once_stay_within_the_day_s_rows(busy_world: World) -> None:
    """Rule R48."""
    trading = await trader(busy_world)
    async with changed(busy_world, settings={"rows_per_bot_and_day": MOST}) as here:
        bot = Bot(here.http, trading.bot.token)
        answers = await asyncio.gather(
            *(sent(bot, "signals", f"{n}-a", f"{n}-b") for n in range(10))
        )
    stored = [answer for answer in answers if answer.status_code == 200]
    assert len(stored) == MOST // 2
    assert {answer.status_code for answer in answers} == {200, 429}
    async with busy_world.context.database.sessions() as session:
        rows = await session.scalar(select(func.count()).select_from(Signal))
    assert rows == len(stored) * 2
