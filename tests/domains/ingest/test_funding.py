"""Funding payments, as bots report them."""

from decimal import Decimal
from typing import Any

import pytest

from tests.support.batches import item, report, statuses
from tests.support.positions import SYMBOL, Trader, trader
from tests.support.world import Json, World


def payment(name: str, **changes: Any) -> Json:
    return item("funding", name, **changes)


async def listed(bot: Trader, query: str = "") -> list[Json]:
    answer = await bot.user.get(f"/v1/funding?environment=testnet{query}")
    items: list[Json] = answer.json()["items"]
    return items


async def test_a_payment_is_stored_once_under_the_exchanges_own_symbol(world: World) -> None:
    bot = await trader(world)

    results = await report(
        bot.bot,
        "funding",
        payment("f1", amount="-1.25"),
        payment("f2", symbol="BTC/USDT:USDT", amount="0.50"),
        payment("f1", amount="-1.250"),
        payment("f1", amount="3"),
    )

    assert statuses(results) == ["stored", "stored", "duplicate", "id_reused"]
    rows = {row["id"]: row for row in await listed(bot)}
    assert rows.keys() == {"f1", "f2"}
    assert {row["symbol"] for row in rows.values()} == {SYMBOL}
    assert [rows[name]["amount"] for name in ("f1", "f2")] == ["-1.25", "0.5"]
    assert rows["f1"]["bot"]["id"] == str(bot.bot.id)
    found = await listed(bot, f"&symbol={SYMBOL.lower()}")
    assert len(found) == 2


async def test_a_payment_in_another_asset_than_the_contracts_is_refused(world: World) -> None:
    bot = await trader(world)

    results = await report(bot.bot, "funding", payment("f1", settle="BTC"))

    assert statuses(results) == ["settle_differs"]
    assert "USDT" in str(results[0]["detail"])
    assert await listed(bot) == []


async def test_a_payment_of_a_symbol_that_nobody_knows_is_kept_as_it_was_reported(
    world: World,
) -> None:
    bot = await trader(world)

    assert statuses(await report(bot.bot, "funding", payment("f1", symbol="OLD-USDT"))) == [
        "stored"
    ]
    (row,) = await listed(bot)
    assert (row["symbol"], row["settle"]) == ("OLD-USDT", "USDT")


@pytest.mark.parametrize(
    "changes", [{"amount": "NaN"}, {"amount": None}, {"settle": ""}, {"symbol": ""}]
)
async def test_a_malformed_payment_is_refused_alone(world: World, changes: Json) -> None:
    bot = await trader(world)

    results = await report(bot.bot, "funding", payment("f1", **changes), payment("f2"))

    assert statuses(results) == ["invalid_item", "stored"]


async def test_the_summary_counts_payments_at_once(world: World) -> None:
    """The day of a payment is stale, and added up from the payments themselves until then."""
    bot = await trader(world)
    await report(bot.bot, "funding", payment("f1", amount="-1.25"), payment("f2", amount="0.5"))

    answer = await bot.user.get("/v1/analytics/summary?environment=testnet")

    (figures,) = answer.json()["items"]
    assert Decimal(figures["funding"]) == Decimal(figures["net_pnl"]) == Decimal("-0.75")
    assert (figures["realised_pnl"], figures["trades"], figures["win_rate"]) == ("0", 0, None)
