"""The margin mode that all symbols of a Bybit account share."""

import asyncio
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.db.migrate import alembic_config
from app.domains.catalogue.repository import CatalogueKey
from botkeys.exchanges.model import ContractType, Environment
from tests.support.assets import add_asset, assets_of, refusal
from tests.support.catalogue import OKX, instrument, list_instruments
from tests.support.positions import Trader
from tests.support.world import Json, User, World

BYBIT = CatalogueKey("bybit", Environment.TESTNET, None, ContractType.LINEAR)
SYMBOLS = ("BTCPERP", "BTCUSDT", "ETHUSDT", "SOLUSDT")
BTC, ETH = "BTCUSDT", "ETHUSDT"


async def at_bybit(world: World) -> User:
    await list_instruments(world, BYBIT, *map(instrument, SYMBOLS))
    return world.user()


async def modes(user: User, *keys: Json) -> dict[str, set[str]]:
    found = {}
    for key in keys:
        page = (await user.get(assets_of(key))).json()
        found[key["id"]] = {item["margin_mode"] for item in page["items"]}
    return found


async def stored(world: World) -> list[tuple[str, str]]:
    async with world.context.database.sessions() as session:
        query = "SELECT symbol, margin_mode FROM trading_assets ORDER BY symbol"
        return [tuple(row) for row in await session.execute(text(query))]


async def test_a_second_asset_has_the_margin_mode_of_the_first(world: World) -> None:
    """Rule R16."""
    user = await at_bybit(world)
    key = await user.add_key(exchange="bybit")
    await add_asset(user, key, symbol="BTCPERP", margin_mode="isolated")

    refused = await user.post(
        assets_of(key), {"symbol": BTC, "leverage": "10", "margin_mode": "cross"}
    )
    taken = await add_asset(user, key, symbol=BTC)
    same = await add_asset(user, key, symbol=ETH, margin_mode="isolated")

    assert refusal(refused) == (409, "margin_mode_differs")
    assert refused.json()["margin_mode"] == "isolated"
    assert taken["margin_mode"] == same["margin_mode"] == "isolated"


async def test_a_change_of_one_asset_changes_all_of_the_exchange_account(world: World) -> None:
    """Rule R16."""
    user = await at_bybit(world)
    first = await user.add_key(exchange="bybit")
    second = await user.add_key("trade_2", exchange="bybit")
    stranger = await user.add_key("other_account", exchange="bybit")
    for key in (first, stranger):
        await add_asset(user, key, symbol=BTC)
    await add_asset(user, second, symbol=ETH)
    before = await user.get(f"{assets_of(second)}/{ETH}")

    path = f"{assets_of(first)}/{BTC}"
    answer = await user.patch(path, {"margin_mode": "isolated", "leverage": "3"})
    again = await user.patch(path, {"margin_mode": "isolated"})
    after = await user.get(f"{assets_of(second)}/{ETH}")

    changed = answer.json()
    assert (changed["margin_mode"], changed["leverage"]) == ("isolated", "3")
    assert changed["also_changed"] == [
        {"key_id": second["id"], "contract_type": "linear", "symbol": ETH}
    ]
    assert again.json()["also_changed"] == []
    assert await modes(user, first, second, stranger) == {
        first["id"]: {"isolated"},
        second["id"]: {"isolated"},
        stranger["id"]: {"cross"},
    }
    assert before.headers["etag"] != after.headers["etag"]


async def test_no_mode_changes_while_a_position_is_open_with_any_key_of_the_account(
    world: World,
) -> None:
    """Rule R17."""
    user = await at_bybit(world)
    bot, document, key = await user.ready_bot(exchange="bybit")
    other = await user.add_key("trade_2", exchange="bybit")
    await add_asset(user, key, symbol=BTC)
    await add_asset(user, other, symbol=ETH)
    trading = Trader(world, user, bot, document, key)
    path = f"{assets_of(other)}/{ETH}"

    differs = await trading.refused("opening", symbol=BTC, margin_mode="isolated")
    await trading.report("opening", symbol=BTC)
    held = await user.patch(path, {"margin_mode": "isolated"})
    leverage = await user.patch(path, {"leverage": "2"})
    await trading.report("closed", symbol=BTC)
    free = await user.patch(path, {"margin_mode": "isolated"})

    assert (differs["code"], differs["margin_modes"]) == ("margin_mode_not_supported", ["cross"])
    assert refusal(held) == (409, "position_open")
    assert held.json()["count"] == 1
    assert (leverage.status_code, free.status_code) == (200, 200)
    assert await modes(user, key, other) == {key["id"]: {"isolated"}, other["id"]: {"isolated"}}


async def test_a_key_that_moves_to_another_exchange_account_takes_its_mode(world: World) -> None:
    """Rule R16."""
    user = await at_bybit(world)
    first = await user.add_key(exchange="bybit")
    moved = await user.add_key("other_account", exchange="bybit", verify=False)
    await add_asset(user, first, symbol=BTC, margin_mode="isolated")
    await add_asset(user, moved, symbol=ETH, margin_mode="cross")
    body = world.new_key("trade_2", exchange="bybit")
    answer = await user.put(
        f"/v1/keys/{moved['id']}/credentials",
        {
            "api_key": body["api_key"],
            "api_secret": body["api_secret"],
            "confirm_same_account": True,
        },
    )

    assert answer.status_code == 200, answer.text
    assert await modes(user, first, moved) == {first["id"]: {"isolated"}, moved["id"]: {"isolated"}}


async def test_without_any_asset_another_mode_is_taken(world: World) -> None:
    """Rule R16."""
    user = await at_bybit(world)
    key = await user.add_key(exchange="bybit")
    await add_asset(user, key, symbol=BTC)
    await user.delete(f"{assets_of(key)}/{BTC}")

    assert (await add_asset(user, key, symbol=ETH, margin_mode="isolated"))["margin_mode"] == (
        "isolated"
    )


async def test_elsewhere_each_asset_has_its_own(world: World) -> None:
    """Rule R16."""
    user = world.user()
    symbols = ("BTC-USDT-SWAP", "ETH-USDT-SWAP")
    await list_instruments(world, OKX, *map(instrument, symbols))
    key = await user.add_key()

    await add_asset(user, key, symbol=symbols[0], margin_mode="isolated")
    await add_asset(user, key, symbol=symbols[1], margin_mode="cross")
    path = f"{assets_of(key)}/{symbols[0]}"
    answer = await user.patch(path, {"margin_mode": "cross"})

    assert answer.json()["also_changed"] == []


async def test_crossing_additions_and_changes_leave_one_mode(busy_world: World) -> None:
    """Rule R16: over real connections, with two keys of one exchange account."""
    user = await at_bybit(busy_world)
    keys = [await user.add_key(name, exchange="bybit") for name in ("trade", "trade_2")]
    wanted = ("cross", "isolated")

    def additions() -> Any:
        for at, symbol in enumerate(SYMBOLS):
            for key in keys:
                body = {"symbol": symbol, "leverage": "2", "margin_mode": wanted[at % 2]}
                yield user.post(assets_of(key), body)

    added = await asyncio.gather(*additions())
    assert {answer.status_code for answer in added} <= {201, 409}
    assert len(set().union(*(await modes(user, *keys)).values())) == 1
    known = [
        (key, item["symbol"])
        for key in keys
        for item in (await user.get(assets_of(key))).json()["items"]
    ]
    changed = await asyncio.gather(
        *(
            user.patch(f"{assets_of(key)}/{symbol}", {"margin_mode": wanted[at % 2]})
            for at, (key, symbol) in enumerate(known * 2)
        ),
        *additions(),
    )
    assert {answer.status_code for answer in changed} <= {200, 201, 409}
    shown = await modes(user, *keys)
    assert len(set().union(*shown.values())) == 1
    assert {mode for _, mode in await stored(busy_world)} == set().union(*shown.values())


def choosing() -> str:
    """Return the statement of the migration that chooses a margin mode for each account."""
    for script in ScriptDirectory.from_config(alembic_config()).walk_revisions():
        statement: str | None = getattr(script.module, "CHOOSE_MARGIN_MODES", None)
        if statement is not None:
            return statement
    raise LookupError


@pytest.mark.parametrize("in_use", [False, True], ids=("the last change", "an open position"))
async def test_assets_that_differed_get_one_mode_and_keep_what_they_held(
    world: World, *, in_use: bool
) -> None:
    """Rule R16: such assets were stored by the release before."""
    user = await at_bybit(world)
    bot, document, key = await user.ready_bot(exchange="bybit")
    other = await user.add_key("trade_2", exchange="bybit")
    await add_asset(user, key, symbol=BTC)
    await add_asset(user, other, symbol=ETH)
    if in_use:
        await Trader(world, user, bot, document, key).report("open", symbol=BTC)
    async with world.context.database.sessions.begin() as session:
        await session.execute(text("UPDATE keys SET margin_mode = NULL"))
        await session.execute(
            text(
                "UPDATE trading_assets SET margin_mode = 'isolated',"
                " updated_at = statement_timestamp() WHERE symbol = 'ETHUSDT'"
            )
        )
        await session.execute(text(choosing()))

    shown = await modes(user, key, other)
    expected = "cross" if in_use else "isolated"
    assert set().union(*shown.values()) == {expected}
    assert await stored(world) == [(BTC, "cross"), (ETH, "isolated")]
