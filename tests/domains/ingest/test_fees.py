"""Fees in one amount or by asset: only the settle asset's lower the P&L (rules R57 and R62)."""

from datetime import timedelta
from typing import Any

import pytest

from app.worker.rollups import recompute_due
from tests.support.batches import AN_HOUR_AGO, item, report, statuses
from tests.support.catalogue import OKX, instrument, list_instruments
from tests.support.positions import SYMBOL, Trader, trader
from tests.support.world import Json, World

GONE = {"symbol": "GONE"}
STATED = {"contract_type": "linear", "contract_size": "1", "settle": "USDT"}


def fee(asset: str, amount: Any) -> Json:
    return {"asset": asset, "amount": amount}


def trade(name: str, fees: Any, **changes: Any) -> Json:
    """Return a trade that earned 10 USDT before fees."""
    prices = {"quantity": "1", "entry_price": "1000", "exit_price": "2000"}
    return item("trades", name, AN_HOUR_AGO, **prices, fees=fees, **changes)


BOTH = [fee("usdt", "1.5"), fee("KCS", "-0.20"), fee("bnb", "0.0021")]


async def listed(world: World) -> Trader:
    trading = await trader(world)
    await list_instruments(world, OKX, instrument(SYMBOL))
    return trading


async def verdict(trading: Trader, sent: Json) -> str:
    (found,) = statuses(await report(trading.bot, "trades", sent))
    return found


async def shown(trading: Trader) -> dict[str, tuple[Any, ...]]:
    rows = (await trading.user.get("/v1/trades?environment=testnet")).json()["items"]
    return {row["id"]: (row["pnl"], row["fees"], row["other_fees"]) for row in rows}


async def test_fees_in_the_settle_asset_lower_the_pnl_and_no_others_do(world: World) -> None:
    trading = await listed(world)
    sent = {
        "amount": "1.5",
        "list": BOTH,
        "only others": [fee("BNB", "1")],
        "none": [],
        "nothing": [fee("BNB", "0"), fee("USDT", 0)],
    }

    for name, fees in sent.items():
        assert await verdict(trading, trade(name.replace(" ", "-"), fees)) == "stored"

    others = [fee("BNB", "0.0021"), fee("KCS", "-0.2")]
    assert await shown(trading) == {
        "amount": ("8.5", "1.5", []),
        "list": ("8.5", "1.5", others),
        "only-others": ("10", "0", [fee("BNB", "1")]),
        "none": ("10", "0", []),
        "nothing": ("10", "0", []),
    }


async def test_a_repeat_is_the_same_in_any_order_and_form_with_the_same_amounts(
    world: World,
) -> None:
    """Rule R57."""
    trading = await listed(world)
    assert await verdict(trading, trade("one", BOTH)) == "stored"
    assert await verdict(trading, trade("two", "1.5")) == "stored"
    before = await shown(trading)

    for name, fees, expected in (
        ("one", BOTH[::-1], "duplicate"),
        ("one", [*BOTH[1:], fee("USDT", 1.50), fee("XBT", "0.0")], "duplicate"),
        ("one", [*BOTH[:2], fee("BNB", "0.0022")], "id_reused"),
        ("one", BOTH[:2], "id_reused"),
        ("one", [*BOTH, fee("BTC", "1")], "id_reused"),
        ("one", [*BOTH[1:], fee("USDT", "1.6")], "id_reused"),
        ("one", "1.5", "id_reused"),
        ("two", [fee("USDT", "1.50")], "duplicate"),
        ("two", [fee("USDC", "1.5")], "id_reused"),
        ("two", BOTH, "id_reused"),
    ):
        assert await verdict(trading, trade(name, fees)) == expected, (name, fees)

    assert await shown(trading) == before


async def test_fees_by_asset_are_held_until_the_settle_asset_is_known(world: World) -> None:
    """Rule R57. The repeat that completes the trade says the same fees."""
    trading = await listed(world)
    held = [fee("BNB", "0.0021"), fee("KCS", "-0.2"), fee("USDT", "1.5")]
    assert await verdict(trading, trade("one", BOTH, **GONE)) == "stored"
    assert await shown(trading) == {"one": (None, "0", held)}
    assert await verdict(trading, trade("one", BOTH[::-1], **GONE)) == "duplicate"
    assert await verdict(trading, trade("one", BOTH[1:], **GONE, **STATED)) == "id_reused"
    assert await shown(trading) == {"one": (None, "0", held)}

    assert await verdict(trading, trade("one", BOTH, **GONE, **STATED)) == "completed"

    completed = {"one": ("998.5", "1.5", held[:2])}
    assert await shown(trading) == completed
    assert await verdict(trading, trade("one", BOTH, **GONE)) == "duplicate"
    assert await verdict(trading, trade("one", BOTH[1:], **GONE)) == "id_reused"
    assert await verdict(trading, trade("one", BOTH, **GONE, **STATED)) == "duplicate"
    assert await shown(trading) == completed


@pytest.mark.parametrize(
    ("fees", "fault"),
    [
        ("NaN", "fees: must be a number"),
        ("1e30", "fees: must be a number"),
        (None, "fees: "),
        ({"asset": "BNB", "amount": "1"}, "fees: "),
        ([fee("BNB", "NaN")], "fees.0.amount: must be a number"),
        ([fee("", "1")], "fees.0.asset: must be the name of an asset"),
        ([fee("BNB", "1"), {"asset": "KCS"}], "fees.1.amount: Field required"),
        ([fee("BNB", "1") | {"secret": "x"}], "fees.0: "),
        (["1"], "fees.0: must be a JSON object"),
        ([fee("BTC", "1"), fee("XBT", "1")], "fees: must name each asset once"),
        ([fee(f"A{number}", "1") for number in range(11)], "fees: "),
    ],
)
async def test_malformed_fees_are_refused_with_their_place(
    world: World, fees: Any, fault: str
) -> None:
    trading = await listed(world)

    (result,) = await report(trading.bot, "trades", trade("one", fees))

    assert result["code"] == "invalid_item"
    assert result["detail"].startswith(fault), result
    assert "NaN" not in result["detail"]
    assert await shown(trading) == {}


async def test_the_summary_adds_other_fees_up_by_asset_and_settle_asset(world: World) -> None:
    """Rule R62. The same from the trades themselves and from sums of the day."""
    trading = await listed(world)
    await report(
        trading.bot,
        "trades",
        trade("one", BOTH),
        trade("two", [fee("BNB", "0.1")]),
        trade("three", "1"),
        trade("coin", [fee("BTC", "1"), fee("USDT", "2")], **GONE, **STATED | {"settle": "BTC"}),
        trade("unknown", [fee("USDT", "5")], symbol="LOST"),
    )

    async def figures() -> dict[str, tuple[Any, ...]]:
        answer = await trading.user.get("/v1/analytics/summary?environment=testnet")
        return {
            one["settle"]: (one["net_pnl"], one["fees"], one["other_fees"])
            for one in answer.json()["items"]
        }

    expected = {
        "BTC": ("999", "1", [fee("USDT", "2")]),
        "USDT": ("27.5", "2.5", [fee("BNB", "0.1021"), fee("KCS", "-0.2")]),
    }
    assert await figures() == expected
    await recompute_due(world.context.database.sessions, wait=timedelta(0))
    assert await figures() == expected
