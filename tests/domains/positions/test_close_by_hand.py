"""Closing the position of a dead bot."""

from tests.support.positions import let_lapse, trader
from tests.support.world import World


async def test_a_position_closed_by_hand_frees_key_and_bot(world: World) -> None:
    trading = await trader(world)
    opened = await trading.report("open", entry_price="1")
    kept = await trading.user.delete(f"/v1/bots/{trading.bot.id}")
    assert (kept.status_code, kept.json()["code"]) == (409, "open_positions")

    closed = await trading.close_by_hand()

    assert closed.status_code == 200
    document = closed.json()
    assert (document["status"], document["close_reason"]) == ("closed", "by_hand")
    assert document["closed_at"] == document["updated_at"] > opened["updated_at"]
    changed = ("status", "close_reason", "closed_at", "updated_at")
    assert {**document, **{name: opened[name] for name in changed}} == opened
    data = {"position_id": "p1", "symbol": opened["symbol"]}
    assert await trading.events() == [("position_closed_by_hand", "info", data)]
    await trading.unassign()
    assert (await trading.user.delete(f"/v1/bots/{trading.bot.id}")).status_code == 204


async def test_it_is_recorded_once(world: World) -> None:
    trading = await trader(world)
    await trading.report("open")
    first = await trading.close_by_hand()

    again = await trading.close_by_hand()

    assert (again.status_code, again.content) == (200, first.content)
    entries = (await trading.user.get("/v1/audit-events")).json()["items"]
    entries = [entry for entry in entries if entry["action"] == "position.close"]
    assert len(entries) == len(await trading.events()) == 1
    assert (entries[0]["target"], entries[0]["target_id"]) == ("position", "p1")
    assert entries[0]["environment"] == "testnet"
    assert entries[0]["details"] == {"bot_id": str(trading.bot.id), "symbol": "BTC-USDT-SWAP"}


async def test_a_reservation_can_be_closed_and_one_that_lapsed_stays_lapsed(
    world: World,
) -> None:
    trading = await trader(world)
    await trading.report("opening", "lapsed")
    await let_lapse(world)
    await trading.report("opening", "held")

    held = (await trading.close_by_hand("held")).json()
    lapsed = (await trading.close_by_hand("lapsed")).json()

    assert (held["close_reason"], held["expires_at"]) == ("by_hand", None)
    assert (lapsed["status"], lapsed["close_reason"]) == ("closed", "lapsed")


async def test_an_online_bot_s_position_can_be_closed_too(world: World) -> None:
    trading = await trader(world)
    await trading.bot.post("/v1/runtime/heartbeat")
    await trading.report("open")

    assert (await trading.close_by_hand()).json()["status"] == "closed"


async def test_of_several_bots_positions_the_bot_must_be_named(world: World) -> None:
    first = await trader(world)
    second = await trader(world, key=await first.user.add_key("trade_2"))
    await first.report("open")
    await second.report("open")
    path = "/v1/positions/p1/close"

    ambiguous = await first.user.post(path)
    named = await first.user.post(f"{path}?bot_id={second.bot.id}")
    other = await world.user("bob").post(f"{path}?bot_id={second.bot.id}")

    assert (ambiguous.status_code, ambiguous.json()["code"]) == (409, "position_ambiguous")
    wanted = {(str(trading.bot.id), trading.document["name"]) for trading in (first, second)}
    assert {(bot["id"], bot["name"]) for bot in ambiguous.json()["bots"]} == wanted
    assert named.json()["bot"]["id"] == str(second.bot.id)
    assert [row.status for row in await first.rows() if row.bot_id == first.bot.id] == ["open"]
    assert (other.status_code, other.json()["code"]) == (404, "not_found")

    # Only one of them is held now: that one is closed, and returned again when closed again.
    left = await first.user.post(path)
    again = await first.user.post(path)
    assert (left.status_code, left.json()["bot"]["id"]) == (200, str(first.bot.id))
    assert left.json()["close_reason"] == "by_hand"
    assert again.content == left.content


async def test_what_is_not_there_cannot_be_closed(world: World) -> None:
    trading = await trader(world)
    await trading.report("open")

    assert (await trading.close_by_hand("p2")).status_code == 404
    assert (await world.user("bob").post("/v1/positions/p1/close")).status_code == 404
    assert (await trading.close_by_hand("a%00")).status_code == 422
