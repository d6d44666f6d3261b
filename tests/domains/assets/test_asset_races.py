"""Concurrent changes of trading assets and contract types, over real connections."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Bot, Key, Presence, TradingAsset
from app.domains.bots.repository import BotRepository
from app.domains.keys.contract_switch import ContractSwitch
from app.domains.keys.repository import KeyRepository
from tests.support.assets import BODY, BTC, add_asset, assets_of, key_with_instruments, refusal
from tests.support.positions import add_position
from tests.support.waiting import until_waiting
from tests.support.world import Bot as Machine
from tests.support.world import World

INVERSE = {"contract_type": "inverse"}
Write = Callable[[AsyncSession], Awaitable[Any]]


async def crossing(world: World, hold: Write, request: Awaitable[httpx.Response]) -> httpx.Response:
    """Return the answer to a request that had to wait until what `hold` locked was committed."""
    sessions = world.context.database.sessions
    async with asyncio.timeout(60), sessions() as holding:
        await hold(holding)
        waiting = asyncio.ensure_future(request)
        await until_waiting(world.context.database, task=waiting)
        await holding.commit()
        return await waiting


async def test_of_ten_additions_of_one_symbol_one_is_taken(busy_world: World) -> None:
    user = busy_world.user()
    key = await key_with_instruments(busy_world)

    answers = await asyncio.gather(
        *(user.post(assets_of(key), {**BODY, "leverage": n + 1}) for n in range(10))
    )

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    [taken] = [answer.json() for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert {answer.json()["code"] for answer in refused} == {"asset_already_added"}
    assert (await user.get(assets_of(key))).json()["items"] == [taken]


async def test_of_many_changes_with_the_same_tag_one_wins(busy_world: World) -> None:
    user = busy_world.user()
    key = await key_with_instruments(busy_world)
    await add_asset(user, key)
    path = f"{assets_of(key)}/{BTC}"

    answers = await asyncio.gather(
        *(user.patch(path, {"leverage": n + 1}, headers={"If-Match": '"1"'}) for n in range(8))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


@pytest.mark.parametrize("removing", [False, True])
async def test_an_opening_that_shares_the_asset_is_seen_by_what_waited_for_it(
    busy_world: World, removing: bool
) -> None:
    """Rule R17."""
    user = busy_world.user()
    bot, document, key = await user.ready_bot()
    await key_with_instruments(busy_world, variant="trade_2")
    await add_asset(user, key)
    path = f"{assets_of(key)}/{BTC}"

    async def opening(session: AsyncSession) -> None:
        account = TradingAsset.account_id == bot.account_id
        asset = select(TradingAsset.symbol).where(account, TradingAsset.symbol == BTC)
        await session.execute(asset.with_for_update(read=True))
        await add_position(busy_world, bot.account_id, document["id"], key["id"])

    change = user.delete(path) if removing else user.patch(path, {"margin_mode": "isolated"})
    answer = await crossing(busy_world, opening, change)

    assert refusal(answer) == (409, "position_open")
    assert (await user.get(path)).json()["margin_mode"] == "cross"


async def test_an_asset_removed_meanwhile_is_not_found(busy_world: World) -> None:
    user = busy_world.user()
    key = await key_with_instruments(busy_world)
    await add_asset(user, key)

    async def removing(session: AsyncSession) -> None:
        await session.execute(text("DELETE FROM trading_assets"))

    change = user.patch(f"{assets_of(key)}/{BTC}", {"leverage": "5"})
    assert refusal(await crossing(busy_world, removing, change)) == (404, "not_found")


async def test_an_asset_added_while_the_key_is_switched_belongs_to_the_new_type(
    busy_world: World,
) -> None:
    user = busy_world.user()
    key = await key_with_instruments(busy_world)

    async def switching(session: AsyncSession) -> None:
        await session.execute(text("UPDATE keys SET contract_type = 'inverse'"))

    added = await crossing(busy_world, switching, user.post(assets_of(key), BODY))

    assert refusal(added) in {(409, "catalogue_unknown"), (422, "unknown_symbol")}
    assert (await user.get(assets_of(key))).json()["items"] == []


async def first_heartbeat(session: AsyncSession, bot: Machine) -> None:
    now = func.statement_timestamp()
    await session.execute(
        insert(Presence).values(
            account_id=bot.account_id,
            bot_id=bot.id,
            last_heartbeat_at=now,
            lease_until=now + timedelta(seconds=30),
        )
    )


async def test_a_switch_waits_for_a_first_heartbeat_and_sees_it(busy_world: World) -> None:
    """Rule R9."""
    user = busy_world.user()
    bot, _, key = await user.ready_bot()

    async def beating(session: AsyncSession) -> None:
        await first_heartbeat(session, bot)

    switch = user.patch(f"/v1/keys/{key['id']}", INVERSE)
    assert refusal(await crossing(busy_world, beating, switch)) == (409, "bot_online")


async def test_a_switch_waits_for_a_heartbeat_that_prolongs_the_lease(busy_world: World) -> None:
    user = busy_world.user()
    bot, _, key = await user.ready_bot()
    async with busy_world.context.database.sessions.begin() as session:
        await first_heartbeat(session, bot)
        await session.execute(text("UPDATE presence SET lease_until = statement_timestamp()"))

    async def beating(session: AsyncSession) -> None:
        later = "UPDATE presence SET lease_until = statement_timestamp() + interval '30 seconds'"
        await session.execute(text(later))

    switch = user.patch(f"/v1/keys/{key['id']}", INVERSE)
    assert refusal(await crossing(busy_world, beating, switch)) == (409, "bot_online")


@pytest.mark.parametrize("heard_before", [False, True])
async def test_a_heartbeat_waits_for_a_switch(busy_world: World, heard_before: bool) -> None:
    user = busy_world.user()
    bot, _, key = await user.ready_bot()
    if heard_before:
        assert (await bot.post("/v1/runtime/heartbeat")).is_success

    async def switching(session: AsyncSession) -> None:
        reader = busy_world.context.database.autocommit
        keys = KeyRepository(session=session, executor=reader, account_id=bot.account_id)
        bots = BotRepository(session=session, account_id=bot.account_id)
        await ContractSwitch(keys, bots).lock_bot(UUID(key["id"]))

    answer = await crossing(busy_world, switching, bot.post("/v1/runtime/heartbeat"))
    assert answer.status_code == 200


async def test_a_switch_meets_the_bot_that_was_assigned_meanwhile(busy_world: World) -> None:
    """That bot is online: the switch must restart and take its locks too."""
    user = busy_world.user()
    key = await key_with_instruments(busy_world)
    bot = await user.mint((await user.add_bot())["id"])
    async with busy_world.context.database.sessions.begin() as session:
        await first_heartbeat(session, bot)

    async def assigning(session: AsyncSession) -> None:
        for of_account in (
            select(Bot.id).where(Bot.account_id == bot.account_id),
            select(Key.id).where(Key.account_id == bot.account_id),
        ):
            await session.execute(of_account.with_for_update())
        await session.execute(text("UPDATE bots SET key_id = :key"), {"key": key["id"]})

    switch = user.patch(f"/v1/keys/{key['id']}", INVERSE)
    assert refusal(await crossing(busy_world, assigning, switch)) == (409, "bot_online")


async def test_switches_assignments_and_additions_at_once_never_fail(busy_world: World) -> None:
    user = busy_world.user()
    key = await key_with_instruments(busy_world)
    bots = [await user.add_bot(f"bot {number}") for number in (1, 2)]
    path = f"/v1/keys/{key['id']}"

    for _ in range(3):
        answers = await asyncio.gather(
            *(user.patch(path, {"contract_type": kind}) for kind in ("inverse", "linear") * 2),
            *(user.assign(bot["id"], key["id"]) for bot in bots),
            *(user.delete(f"/v1/bots/{bot['id']}/key") for bot in bots),
            *(user.post(assets_of(key), BODY) for _ in range(2)),
            user.delete(f"{assets_of(key)}/{BTC}"),
        )
        assert {answer.status_code for answer in answers} <= {200, 201, 204, 404, 409, 422}
