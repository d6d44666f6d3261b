"""A contract that changes at the exchange: marked, and known to each key that trades it."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

from app.db.models import BotEvent, CatalogueInstrument
from tests.support.catalogue import OKX, instrument, list_instruments
from tests.support.positions import SYMBOL, add_asset, trader
from tests.support.world import World

OTHER = "ETH-USDT-SWAP"
BTC, ETH = instrument(SYMBOL), instrument(OTHER)


async def events(world: World) -> list[BotEvent]:
    async with world.context.database.sessions() as session:
        query = select(BotEvent).where(BotEvent.kind == "contract_changed").order_by(BotEvent.at)
        return list(await session.scalars(query))


async def marked(world: World) -> set[str]:
    """Return the symbols whose contract is marked as changed."""
    async with world.context.database.sessions() as session:
        table = CatalogueInstrument
        query = select(table.symbol).where(table.contract_changed_at.is_not(None))
        return set(await session.scalars(query))


async def test_a_size_that_moves_marks_the_instrument_and_raises_an_event_for_each_key(
    world: World,
) -> None:
    """Rule R49."""
    alice = await trader(world)
    bob = await world.user("bob").add_key("other_account")
    await list_instruments(world, OKX, BTC, ETH)
    await add_asset(world.user("bob"), bob)
    await add_asset(world.user("bob"), bob, OTHER)
    assert (await events(world), await marked(world)) == ([], set())

    await list_instruments(world, OKX, replace(BTC, contract_size=Decimal("0.1")), ETH)

    found = {str(event.key_id): event for event in await events(world)}
    assert set(found) == {alice.key["id"], bob["id"]}
    assert found[alice.key["id"]].bot_id == alice.bot.id
    assert found[bob["id"]].bot_id is None
    for event in found.values():
        assert event.level == "warning"
        assert event.data == {
            "symbol": SYMBOL,
            "contract_size": "0.1",
            "former_contract_size": "0.01",
            "settle": "USDT",
            "former_settle": "USDT",
        }
    assert await marked(world) == {SYMBOL}
    shown = await alice.user.get("/v1/bot-events?environment=testnet&kind=contract_changed")
    assert [item["data"]["symbol"] for item in shown.json()["items"]] == [SYMBOL]
    assets = (await alice.user.get(f"/v1/keys/{alice.key['id']}/assets")).json()["items"]
    config = (await alice.bot.get("/v1/runtime/config")).json()["assets"]
    for documents in (assets, config):
        moved = {item["symbol"]: item["contract_changed_at"] for item in documents}
        at = datetime.fromisoformat(moved.pop(SYMBOL))
        assert all(abs(at - event.at) < timedelta(minutes=1) for event in found.values())
        assert set(moved.values()) <= {None}


async def test_what_a_contract_is_settled_in_counts_and_nothing_else_of_it(world: World) -> None:
    """Rule R49."""
    await trader(world)
    await list_instruments(world, OKX, replace(BTC, tick_size=Decimal("0.5")))
    await list_instruments(world, OKX, replace(BTC, contract_size=Decimal("0.010")))
    assert (await events(world), await marked(world)) == ([], set())

    await list_instruments(world, OKX, replace(BTC, settle="USDC"))

    (event,) = await events(world)
    assert event.data is not None
    assert (event.data["former_settle"], event.data["settle"]) == ("USDT", "USDC")
    assert "settled in USDC" in event.message
    assert await marked(world) == {SYMBOL}


async def test_a_symbol_that_nobody_trades_is_marked_only(world: World) -> None:
    """Rule R49."""
    await trader(world)
    await list_instruments(world, OKX, BTC, ETH)
    await list_instruments(world, OKX, BTC, replace(ETH, contract_size=Decimal(10)))
    assert await events(world) == []
    assert await marked(world) == {OTHER}
