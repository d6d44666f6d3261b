"""Orders that rest at the exchange keep the key, its contract type and margin modes as they are."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, update

from app.db.models import RestingOrders
from app.domains.catalogue.repository import CatalogueKey
from botkeys.exchanges.model import ContractType, Environment
from tests.support.assets import add_asset, assets_of
from tests.support.catalogue import instrument, list_instruments
from tests.support.positions import SYMBOL, Trader, trader
from tests.support.world import Json, World

OTHER = "ETH-USDT-SWAP"
Change = Callable[[Trader], Coroutine[Any, Any, httpx.Response]]


async def report(bot: Trader, *counts: tuple[str, int], **members: Any) -> httpx.Response:
    orders = [{"symbol": symbol, "count": count} for symbol, count in counts]
    return await bot.bot.put("/v1/runtime/orders", {"orders": orders, **members})


async def let_lapse(world: World) -> None:
    async with world.context.database.sessions.begin() as session:
        now = func.statement_timestamp()
        await session.execute(update(RestingOrders).values(expires_at=now))


async def unassign(bot: Trader) -> httpx.Response:
    return await bot.user.delete(f"/v1/bots/{bot.bot.id}/key")


async def swap(bot: Trader) -> httpx.Response:
    keys = (await bot.user.get("/v1/keys?assigned=false")).json()["items"]
    key = keys[0] if keys else await bot.user.add_key(variant="trade_2")
    return await bot.user.assign(str(bot.bot.id), key["id"])


async def delete_bot(bot: Trader) -> httpx.Response:
    return await bot.user.delete(f"/v1/bots/{bot.bot.id}")


async def switch(bot: Trader) -> httpx.Response:
    return await bot.user.patch(f"/v1/keys/{bot.key['id']}", {"contract_type": "inverse"})


async def change_mode(bot: Trader) -> httpx.Response:
    path = f"/v1/keys/{bot.key['id']}/assets/{SYMBOL}"
    return await bot.user.patch(path, {"margin_mode": "isolated"})


async def remove_asset(bot: Trader) -> httpx.Response:
    return await bot.user.delete(f"/v1/keys/{bot.key['id']}/assets/{SYMBOL}")


async def replace_unproven(bot: Trader) -> httpx.Response:
    body = {
        "api_key": "another-key-0001",
        "api_secret": "another-secret-0001:pass",
        "verify": False,
        "confirm_same_account": True,
    }
    return await bot.user.put(f"/v1/keys/{bot.key['id']}/credentials", body)


CHANGES = (unassign, swap, delete_bot, switch, change_mode, remove_asset, replace_unproven)


@pytest.mark.parametrize("change", CHANGES)
async def test_what_exchanges_refuse_while_orders_rest_is_refused(
    world: World, change: Change
) -> None:
    """R60."""
    bot = await trader(world)
    assert (await report(bot, (SYMBOL, 2))).status_code == 200

    refused = await change(bot)
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["count"]) == (409, "open_orders", 2)

    assert (await report(bot)).status_code == 200
    assert (await change(bot)).is_success


@pytest.mark.parametrize("change", CHANGES)
async def test_a_count_that_is_not_reported_again_lapses(world: World, change: Change) -> None:
    """R60: a bot that is gone locks nothing for long."""
    bot = await trader(world)
    assert (await report(bot, (SYMBOL, 2))).status_code == 200
    await let_lapse(world)

    assert (await change(bot)).is_success


async def test_orders_on_one_symbol_leave_the_others_alone(world: World) -> None:
    """R60: a key is locked by all, an asset by its own."""
    bot = await trader(world)
    assert (await report(bot, (OTHER, 3))).status_code == 200

    assert (await change_mode(bot)).is_success
    assert (await unassign(bot)).json()["count"] == 3
    assert (await bot.user.get(f"/v1/bots/{bot.bot.id}")).json()["open_orders"] == 3


async def test_a_report_replaces_the_one_before_it_and_says_until_when_it_counts(
    world: World,
) -> None:
    bot = await trader(world)
    await report(bot, (SYMBOL, 2), (OTHER, 1))
    answer = await report(bot, (OTHER, 4))

    document: Json = answer.json()
    assert document["key_id"] == bot.key["id"]
    assert document["orders"] == [{"symbol": OTHER, "count": 4}]
    left = datetime.fromisoformat(document["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=4) < left < timedelta(minutes=6)
    assert (await bot.user.get(f"/v1/bots/{bot.bot.id}")).json()["open_orders"] == 4
    assert (await report(bot)).json()["expires_at"] is None


@pytest.mark.parametrize(
    "orders",
    [
        [{"symbol": SYMBOL, "count": 0}],
        [{"symbol": SYMBOL, "count": 10_001}],
        [{"symbol": SYMBOL, "count": 1}, {"symbol": SYMBOL, "count": 2}],
        [{"symbol": f"S{number}", "count": 1} for number in range(501)],
    ],
)
async def test_a_report_that_cannot_be_right_changes_nothing(
    world: World, orders: list[Json]
) -> None:
    bot = await trader(world)
    await report(bot, (SYMBOL, 2))

    answer = await bot.bot.put("/v1/runtime/orders", {"orders": orders})

    assert answer.status_code == 422
    assert (await unassign(bot)).json()["count"] == 2


async def test_orders_of_another_key_are_refused(world: World) -> None:
    """R60: a report that was under way during a swap does not count for the new key."""
    bot = await trader(world)
    other = await bot.user.add_key(variant="trade_2")

    refused = await report(bot, (SYMBOL, 1), key_id=other["id"])
    await bot.unassign()
    without = await report(bot, (SYMBOL, 1))

    for answer in (refused, without):
        assert (answer.status_code, answer.json()["code"]) == (409, "key_not_assigned")


async def test_an_account_with_one_margin_mode_keeps_it_while_any_order_rests(
    world: World,
) -> None:
    """R60: also an order on another symbol, placed with another key of the exchange account."""
    bybit = CatalogueKey("bybit", Environment.TESTNET, None, ContractType.LINEAR)
    await list_instruments(world, bybit, instrument("BTCUSDT"), instrument("ETHUSDT"))
    user = world.user()
    key, second = [await user.add_key(name, exchange="bybit") for name in ("trade", "trade_2")]
    await add_asset(user, key, symbol="BTCUSDT")
    bot = await user.mint((await user.add_bot())["id"])
    await user.assign(str(bot.id), second["id"])
    path, isolated = f"{assets_of(key)}/BTCUSDT", {"margin_mode": "isolated"}
    counted: Json = {"orders": [{"symbol": "ETHUSDT", "count": 2}]}
    assert (await bot.put("/v1/runtime/orders", counted)).status_code == 200

    refused = await user.patch(path, isolated)

    assert (refused.status_code, refused.json()["code"]) == (409, "open_orders")
    assert (await bot.put("/v1/runtime/orders", {"orders": []})).status_code == 200
    assert (await user.patch(path, isolated)).status_code == 200
