"""Concurrent assignments over real connections: one wins, and no rule is broken."""

import asyncio
from uuid import UUID

from sqlalchemy import func, select

from app.db.models import AuditEvent, Bot
from tests.support.variants import add_unchecked
from tests.support.world import World


async def test_of_fifty_bots_that_want_one_key_one_gets_it(busy_world: World) -> None:
    """Rule R12."""
    user = busy_world.user()
    key = await add_unchecked(user)
    bots = [await user.add_bot(f"bot {number}") for number in range(50)]

    answers = await asyncio.gather(*(user.assign(bot["id"], key["id"]) for bot in bots))

    winners = [answer for answer in answers if answer.status_code == 200]
    losers = [answer for answer in answers if answer.status_code != 200]
    assert len(winners) == 1
    winner = {name: winners[0].json()[name] for name in ("id", "name")}
    assert [answer.status_code for answer in losers] == [409] * 49
    assert all(answer.json()["code"] == "key_assigned" for answer in losers)
    assert all(answer.json()["bot"] == winner for answer in losers)
    async with busy_world.context.database.sessions() as session:
        holders = (await session.scalars(select(Bot.id).where(Bot.key_id == UUID(key["id"])))).all()
    assert [str(holder) for holder in holders] == [winner["id"]]
    assert (await user.get(f"/v1/keys/{key['id']}")).json()["bot"] == winner


async def test_one_assignment_fired_at_once_is_done_once(busy_world: World) -> None:
    user = busy_world.user()
    key, bot = await add_unchecked(user), await user.add_bot()

    answers = await asyncio.gather(*(user.assign(bot["id"], key["id"]) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["etag"] for answer in answers} == {'"2"'}
    async with busy_world.context.database.sessions() as session:
        entries = await session.scalar(
            select(func.count())
            .select_from(AuditEvent)
            .where(AuditEvent.action == "bot.assign_key")
        )
    assert entries == 1


async def test_two_bots_that_want_each_others_keys_are_both_refused_and_never_hang(
    busy_world: World,
) -> None:
    user = busy_world.user()
    keys = [await add_unchecked(user, number) for number in (1, 2)]
    bots = [await user.add_bot(f"bot {number}") for number in (1, 2)]
    for bot, key in zip(bots, keys, strict=True):
        await user.assign(bot["id"], key["id"])

    for _ in range(10):
        answers = await asyncio.gather(
            *(
                user.assign(bot["id"], key["id"])
                for bot, key in zip(bots, reversed(keys), strict=True)
            )
        )
        assert [answer.json()["code"] for answer in answers] == ["key_assigned"] * 2


async def test_two_bots_that_swap_through_a_third_key_never_meet_an_error(
    busy_world: World,
) -> None:
    user = busy_world.user()
    keys = [(await add_unchecked(user, number))["id"] for number in (1, 2, 3)]
    bots = [(await user.add_bot(f"bot {number}"))["id"] for number in (1, 2)]
    for bot, key in zip(bots, keys, strict=False):
        await user.assign(bot, key)

    for _ in range(6):
        answers = await asyncio.gather(*(user.assign(bot, key) for bot in bots for key in keys))
        assert {answer.status_code for answer in answers} <= {200, 409}
    held = [(await user.get(f"/v1/bots/{bot}")).json()["key"]["id"] for bot in bots]
    assert len(set(held)) == len(bots)
