"""Perpetuals that a region's exchange lists as something else, from the key to the profit."""

from decimal import Decimal

from tests.support.batches import item, report
from tests.support.world import World

SYMBOL = "BTC-USD_UM_XPERP-310404"


async def test_an_x_perp_of_the_region_eea_is_listed_added_and_valued(world: World) -> None:
    """Rule R54."""
    user = world.user()
    key = await user.add_key(environment="live", region="eea")
    path = f"/v1/keys/{key['id']}"

    listed = (await user.get(f"{path}/instruments?search=BTC")).json()["items"]
    added = await user.post(f"{path}/assets", {"symbol": SYMBOL, "leverage": "10"})
    bot = await user.add_bot()
    assert (await user.assign(bot["id"], key["id"])).status_code == 200
    running = await user.mint(bot["id"])
    prices = {"entry_price": "90000", "exit_price": "91000"}
    (verdict,) = await report(
        running, "trades", item("trades", "one", symbol=SYMBOL, quantity="100", **prices)
    )
    (trade,) = (await user.get("/v1/trades?environment=live")).json()["items"]

    found = {row["symbol"]: row for row in listed}
    assert set(found) == {SYMBOL}  # neither a swap nor a contract that is delivered soon
    ends = found[SYMBOL]["expires_at"]
    assert (ends, found[SYMBOL]["contract_size"]) == ("2031-04-04T08:00:00Z", "0.0001")
    assert added.status_code == 201, added.text
    assert (added.json()["blocked_by"], verdict["status"]) == ([], "stored")
    assert (Decimal(trade["pnl"]), trade["settle"]) == (Decimal(10), "USDC")


async def test_a_swap_has_no_end(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    listed = (await user.get(f"/v1/keys/{key['id']}/instruments?search=BTC-USDT")).json()["items"]
    assert [row["expires_at"] for row in listed if row["symbol"] == "BTC-USDT-SWAP"] == [None]
