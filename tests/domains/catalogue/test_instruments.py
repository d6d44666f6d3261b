"""The instruments of a key."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
from sqlalchemy import text

from app.domains.catalogue.cursors import RankCursors
from app.domains.catalogue.refresher import CatalogueRefresher, Intervals
from app.domains.catalogue.repository import CatalogueKey
from app.simulator import FaultKind
from botkeys.exchanges.model import ContractType, Environment
from tests.support.catalogue import instrument, list_instruments
from tests.support.world import World

OKX = CatalogueKey("okx", Environment.TESTNET, None, ContractType.LINEAR)
BINANCE = CatalogueKey("binance", Environment.TESTNET, None, ContractType.LINEAR)


async def test_a_first_look_fetches_at_once(world: World) -> None:
    user = world.user()
    key = await user.add_key()

    page = (await user.get(f"/v1/keys/{key['id']}/instruments?limit=5")).json()

    assert len(page["items"]) == 5
    assert page["stale"] is False
    assert page["fetched_at"] is not None
    assert page["reason"] is None
    first = page["items"][0]
    assert Decimal(first["price"]) > 0
    assert Decimal(first["tick_size"]) > 0
    assert first["margin_modes"] == ["cross", "isolated"]
    assert first["added"] is False


async def test_a_look_right_after_adding_a_key_waits_for_the_fetch_that_adding_began(
    busy_world: World,
) -> None:
    busy_world.simulator.faults.set(
        "okx", "testnet", FaultKind.SLOW, seconds=0.3, path="/api/v5/public"
    )
    user = busy_world.user()
    key = await user.add_key()

    page = (await user.get(f"/v1/keys/{key['id']}/instruments")).json()

    assert page["items"]
    assert page["stale"] is False


async def test_adding_key_after_key_asks_the_exchange_once(world: World) -> None:
    catalogues = world.context.catalogues
    path = "/fapi/v1/exchangeInfo"
    before = world.simulator.calls("binance", "testnet", path)

    for _ in range(5):
        await catalogues.fetch_if_new(BINANCE)

    assert world.simulator.calls("binance", "testnet", path) - before == 1


async def test_adding_key_after_key_does_not_hammer_an_exchange_that_is_down(world: World) -> None:
    catalogues = world.context.catalogues
    world.simulator.faults.set("binance", "testnet", FaultKind.HTML)
    before = world.simulator.calls("binance", "testnet")
    await catalogues.fetch_if_new(BINANCE)
    after_one = world.simulator.calls("binance", "testnet")

    for _ in range(5):
        await catalogues.fetch_if_new(BINANCE)

    assert after_one > before
    assert world.simulator.calls("binance", "testnet") == after_one


async def test_pages_follow_one_another_without_gap_or_repeat(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    path = f"/v1/keys/{key['id']}/instruments"
    whole = [item["symbol"] for item in (await user.get(f"{path}?limit=200")).json()["items"]]

    symbols: list[str] = []
    cursor = ""
    while True:
        page = (await user.get(f"{path}?limit=7{cursor}")).json()
        symbols += [item["symbol"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert symbols == whole
    assert symbols == sorted(symbols)
    assert len(symbols) >= 30


async def test_a_search_finds_both_spellings_and_beginnings_first(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    path = f"/v1/keys/{key['id']}/instruments"

    bitcoin = (await user.get(f"{path}?search=btc")).json()["items"]
    other = (await user.get(f"{path}?search=xBT")).json()["items"]
    middle = (await user.get(f"{path}?search=e")).json()["items"]

    assert bitcoin == other
    assert bitcoin[0]["base"] == "BTC"
    begins = [
        any(word.lower().startswith("e") for word in (i["symbol"], i["base"], i["quote"]))
        for i in middle
    ]
    assert begins == sorted(begins, reverse=True)
    assert len(set(begins)) == 2


@pytest.mark.parametrize("pair", ["BTC/USDT", "btcusdt", "XBT/USDT", "xbtusdt"])
async def test_a_pair_is_found_as_people_write_it_from_the_next_refresh_on(
    world: World, pair: str
) -> None:
    user = world.user()
    key = await user.add_key(verify=False)
    path = f"/v1/keys/{key['id']}/instruments?search={quote(pair)}"
    await list_instruments(world, OKX, instrument("BTC-USDT-SWAP"))
    as_before = text("UPDATE instruments SET search_text = 'btc-usdt-swap btc usdt xbt'")
    async with world.context.database.sessions.begin() as session:
        await session.execute(as_before)
    assert (await user.get(path)).json()["items"] == []

    await list_instruments(world, OKX, instrument("BTC-USDT-SWAP"))

    assert [item["symbol"] for item in (await user.get(path)).json()["items"]] == ["BTC-USDT-SWAP"]


async def test_a_wildcard_is_searched_for_as_it_stands(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    path = f"/v1/keys/{key['id']}/instruments"
    assert (await user.get(path)).json()["items"]
    for wildcard in ("%25", "%5C", "%3F"):
        assert (await user.get(f"{path}?search={wildcard}")).json()["items"] == []


async def test_a_cursor_of_another_search_is_refused(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    path = f"/v1/keys/{key['id']}/instruments"
    cursor = (await user.get(f"{path}?limit=2")).json()["next_cursor"]

    answer = await user.get(f"{path}?limit=2&search=btc&cursor={cursor}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_made_up_cursor_whose_symbol_the_database_cannot_hold_is_refused(
    world: World,
) -> None:
    user = world.user()
    key = await user.add_key(verify=False)
    listed = RankCursors("instruments", key_id=key["id"], search="")
    cursor = listed.following((0, "a\0b"))

    answer = await user.get(f"/v1/keys/{key['id']}/instruments?cursor={cursor}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_an_exchange_that_is_down_leaves_the_old_data_and_says_so(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    path = f"/v1/keys/{key['id']}/instruments"
    before = (await user.get(path)).json()
    world.simulator.faults.set("okx", "testnet", FaultKind.HTML)

    await world.context.catalogues.refresh(OKX, everything=True)
    after = (await user.get(path)).json()

    assert (after["stale"], after["reason"]) == (True, "bad_answer")
    assert after["fetched_at"] == before["fetched_at"]
    assert after["items"] == before["items"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(FaultKind.REFUSED, "refused"), (FaultKind.FIREWALL, "address_refused")],
)
async def test_an_exchange_that_refuses_its_listing_is_not_called_silent(
    world: World, kind: FaultKind, reason: str
) -> None:
    key = await world.user().add_key()
    world.simulator.faults.set("okx", "testnet", kind)

    page = (await world.user().get(f"/v1/keys/{key['id']}/instruments")).json()

    assert (page["stale"], page["reason"]) == (True, reason)


async def test_a_first_look_that_fails_is_an_empty_page_with_its_reason(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    path = f"/v1/keys/{key['id']}/instruments"
    world.simulator.faults.set("okx", "testnet", FaultKind.TRUNCATED)

    page = (await user.get(path)).json()
    calls = world.simulator.calls("okx", "testnet")
    again = (await user.get(path)).json()

    assert page["items"] == []
    assert (page["fetched_at"], page["stale"], page["reason"]) == (None, True, "bad_answer")
    assert again == page
    assert world.simulator.calls("okx", "testnet") == calls, "it was asked again at once"


async def test_what_is_delisted_is_kept_and_not_shown(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    path = f"/v1/keys/{key['id']}/instruments?limit=200"
    before = [item["symbol"] for item in (await user.get(path)).json()["items"]]
    async with world.context.database.sessions.begin() as session:
        await session.execute(
            text(
                "INSERT INTO instruments (exchange, environment, region, contract_type, symbol, "
                "base, quote, settle, contract_size, tick_size, lot_size, min_quantity, "
                "max_leverage, margin_modes, listed, search_text) "
                "SELECT exchange, environment, region, contract_type, 'GONE', base, quote, "
                "settle, contract_size, tick_size, lot_size, min_quantity, max_leverage, "
                "margin_modes, listed, 'gone' FROM instruments WHERE exchange = 'okx' LIMIT 1"
            )
        )

    await world.context.catalogues.refresh(OKX, everything=True)

    assert [item["symbol"] for item in (await user.get(path)).json()["items"]] == before
    async with world.context.database.sessions() as session:
        listed = await session.scalar(text("SELECT listed FROM instruments WHERE symbol = 'GONE'"))
    assert listed is False


async def test_refreshing_by_hand_is_limited(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    path = f"/v1/keys/{key['id']}/instruments/refresh"

    first = await user.post(path)
    second = await user.post(path)

    assert first.status_code == 200
    assert first.json()["stale"] is False
    assert (second.status_code, second.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(second.headers["retry-after"]) <= 10


async def test_leverage_that_only_a_signed_call_tells_is_learned_from_a_key(world: World) -> None:
    user = world.user()
    unsure = (await user.post("/v1/keys", world.unchecked_key())).json()
    path = f"/v1/keys/{unsure['id']}/instruments?search=btcusdt"
    assert (await user.get(path)).json()["items"][0]["max_leverage"] is None

    key = await user.add_key(exchange="binance")

    learned = (await user.get(f"/v1/keys/{key['id']}/instruments?search=btcusdt")).json()
    assert Decimal(learned["items"][0]["max_leverage"]) > 1
    assert (await user.get(path)).json()["items"][0]["max_leverage"] is None


async def test_all_who_look_first_share_one_flight(busy_world: World) -> None:
    """Across processes too: the second refresher stands for another process."""
    before = busy_world.simulator.calls("binance", "testnet", "/fapi/v1/exchangeInfo")
    user = busy_world.user()
    key = (await user.post("/v1/keys", busy_world.unchecked_key())).json()
    context = busy_world.context
    every = Intervals(prices=timedelta(minutes=1), instruments=timedelta(hours=1))
    here, there = (CatalogueRefresher(context.database, context.exchanges, every) for _ in range(2))

    await asyncio.gather(*(refresher.refresh(BINANCE) for refresher in [here, there] * 10))

    page = (await user.get(f"/v1/keys/{key['id']}/instruments")).json()
    assert len(page["items"]) > 0
    after = busy_world.simulator.calls("binance", "testnet", "/fapi/v1/exchangeInfo")
    assert after - before == 1
