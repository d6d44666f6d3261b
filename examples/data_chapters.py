"""Chapters of the demo about trading data: separated, recomputed, exported, deleted."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import httpx

from botkeys.client import BotClient, MayNotOpen, Position, ReportsRefused
from botkeys.client.sse import EventParser
from examples.chapters import okx_key
from examples.scene import Scene
from examples.story import Json
from examples.trading_chapters import SYMBOL

_TESTNET = "environment=testnet"
_LIVE = "environment=live"
_EVENTS = "text/event-stream"
_ROUND_TRIPS = (
    ("long", "3", "97012.5", "98100.1", "0.73"),
    ("short", "2", "98100.1", "98345.7", "0.49"),
    ("long", "1", "98345.7", "98345.8", "-0.05"),
)


async def read_data(scene: Scene) -> None:
    story = scene.story
    closed = await scene.call("GET", f"/v1/positions?{_TESTNET}&symbol={SYMBOL}")
    (position,) = (p for p in closed.json()["items"] if p["close_reason"] == "reported")
    answer = await scene.call("GET", f"/v1/trades?{_TESTNET}")
    story.call(answer, 200, "items[].symbol", "items[].pnl", "items[].exit_reason")
    (trade,) = answer.json()["items"]
    story.check(
        (trade["position_id"], trade["exit_reason"]) == (position["id"], "time"),
        "the round trip is there, with the reason for its end; the killed bot's last one is none",
    )
    answer = await scene.call("GET", f"/v1/equity-snapshots?{_TESTNET}")
    story.call(answer, 200, "items[].equity")
    first = answer.json()["items"][-1]
    story.check(
        (first["balance"], first["settle"]) == ("10000", "USDT"),
        "and so is what the bot had on paper when it began",
    )
    story.say("bot: client.record_trade(position, …)   # three more round trips, reported twice")
    trips = [_round_trip(scene.keys["okx"], *trip) for trip in _ROUND_TRIPS]
    for _ in range(2):
        async with scene.client() as client:
            await _report(client, trips)
    answer = await scene.call("GET", f"/v1/trades?{_TESTNET}")
    story.call(answer, 200, "items[].pnl")
    trades = answer.json()["items"]
    story.check(len(trades) == 1 + len(trips), "what was reported twice is stored once")
    answer = await scene.call("GET", f"/v1/trades?{_TESTNET}", accept="text/csv")
    story.call(answer, 200)
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    story.check(
        [row["id"] for row in rows] == [trade["id"] for trade in trades],
        "as CSV the list is the same, in one file",
    )


async def recompute(scene: Scene) -> None:
    story, key = scene.story, f"/v1/keys/{scene.keys['okx']}"
    answer = await scene.call("GET", f"{key}/instruments?search={SYMBOL}&limit=1")
    size = Fraction(answer.json()["items"][0]["contract_size"])
    trades = (await scene.call("GET", f"/v1/trades?{_TESTNET}")).json()["items"]
    gains = [_gain(trade, size) for trade in trades]
    story.check(
        [Fraction(trade["pnl"]) for trade in trades] == gains,
        f"each P&L is what the demo computes in fractions, {float(size)} BTC to the contract",
    )
    answer = await scene.call("GET", f"/v1/analytics/summary?{_TESTNET}")
    story.call(
        answer,
        200,
        "items[].settle",
        "items[].trades",
        "items[].realised_pnl",
        "items[].win_rate",
        "items[].profit_factor",
        "items[].largest_drawdown.value",
    )
    (summary,) = answer.json()["items"]
    lost = -sum(gain for gain in gains if gain < 0)
    story.check(
        (Fraction(summary["realised_pnl"]), Fraction(summary["gross_loss"])) == (sum(gains), lost),
        "and their sum is the realised P&L of the summary, exact to the last digit",
    )
    answer = await scene.call("GET", f"/v1/analytics/equity-curve?{_TESTNET}&points=10")
    story.call(answer, 200, "items[].points[].equity")
    last = answer.json()["items"][0]["points"][-1]
    story.check(
        Fraction(last["realised_pnl_cumulative"]) == sum(gains), "where the equity curve ends too"
    )
    answer = await scene.call("GET", f"/v1/dashboard?{_TESTNET}")
    story.call(answer, 200, "open_positions", "bots", "keys", "pnl_today")
    story.check(
        (answer.json()["open_positions"], answer.json()["bots"]["total"]) == (0, 2),
        "the dashboard counts what there is",
    )


async def keep_apart(scene: Scene) -> None:
    story = scene.story
    credentials = scene.variants["okx"]["live"]["trade"]
    scene.plant("the live OKX key", credentials)
    answer = await scene.call(
        "POST", "/v1/keys", {**okx_key("OKX for real", credentials), "environment": "live"}
    )
    story.call(answer, 201, "label", "environment")
    key_id = scene.keys["live"] = answer.json()["id"]
    bot = f"/v1/bots/{scene.second_bot_id}"
    token = scene.planted["token of the second bot"] = (
        await scene.call("POST", f"{bot}/token")
    ).json()["token"]
    answer = await scene.call("PUT", f"{bot}/key", {"key_id": key_id})
    story.call(answer, 200, "name", "key.environment")
    async with BotClient(
        scene.service.runtime_url, token, key_id=key_id, environment="live"
    ) as client:
        await _report(client, [_round_trip(key_id, *trip) for trip in _ROUND_TRIPS[:2]])
        client.record_equity(Decimal("25000.5"), "USDT")
    live = await scene.call("GET", f"/v1/trades?{_LIVE}")
    story.call(live, 200, "items[].environment", "items[].key.label")
    testnet = await scene.call("GET", f"/v1/trades?{_TESTNET}")
    story.call(testnet, 200, "items[].environment", "items[].key.label")
    story.check(
        [_environments(live), _environments(testnet)] == [{"live"}, {"testnet"}],
        "live and testnet stand in no answer together",
    )
    answer = await scene.call("GET", "/v1/account")
    story.call(answer, 200, "environments_with_data", "selected_environment")
    story.check(
        answer.json()["environments_with_data"] == ["live", "testnet"],
        "the account shows that both hold data, for the switch of a dashboard",
    )
    answer = await scene.call("PATCH", "/v1/account", {"selected_environment": "testnet"})
    story.call(answer, 200, "selected_environment")
    answer = await scene.call("GET", "/v1/trades")
    story.check(
        answer.json() == testnet.json(), "what names no environment is of the selected one now"
    )


async def freeze(scene: Scene) -> None:
    story = scene.story
    target = {"scope": "key", "key_id": scene.keys["okx"]}
    answer = await scene.call("POST", "/v1/freezes", {**target, "reason": "Something is odd"})
    story.call(answer, 201, "scope", "environment", "reason")
    frozen = answer.headers["Location"]
    async with scene.client() as client:
        try:
            await client.open_position(SYMBOL, "long", Decimal(1))
            reasons: tuple[str, ...] = ()
        except MayNotOpen as refused:
            reasons = refused.reasons
        story.check(reasons == ("frozen",), "one call, and the bot may open nothing: frozen")
        answer = await scene.call("DELETE", frozen)
        story.call(answer, 204)
        opening = await client.open_position(SYMBOL, "long", Decimal(1))
        story.check(opening.status == "opening", "lifted, and it may again")
        client.close_position(opening, exit_price=None)


async def delete_with_data(scene: Scene) -> None:
    story, key = scene.story, f"/v1/keys/{scene.keys['live']}"
    bot = f"/v1/bots/{scene.second_bot_id}"
    story.call(await scene.call("DELETE", f"{bot}/key"), 200, "name", "key")
    preview = await scene.call("GET", f"{key}/deletion-preview")
    story.call(preview, 200, "counts")
    answer = await scene.call("DELETE", f"{key}?associated_data=delete")
    story.call(answer, 202, "kind", "scope", "receipt")
    story.check(
        answer.json()["receipt"]["deleted"]["credentials"] == 1,
        "the credentials are gone with the answer",
    )
    shown = [
        (await scene.call("GET", f"/v1/{kind}?{_LIVE}")).json()["items"]
        for kind in ("trades", "equity-snapshots", "positions", "analytics/summary")
    ]
    story.check(shown == [[]] * 4, "and nothing shows its data, whatever is still stored")
    token = scene.planted["token of the second bot"]
    async with BotClient(scene.service.runtime_url, token) as client:
        refused = await _report_late(client, _round_trip(scene.keys["live"], *_ROUND_TRIPS[2]))
    story.check(
        refused == ["data_deleted"], "a late report of the bot brings nothing back: data_deleted"
    )
    stream = await scene.call("GET", f"{answer.headers['location']}/stream", accept=_EVENTS)
    story.call(stream, 200)
    updates = [json.loads(event.data) for event in EventParser().feed(stream.content)]
    for operation in updates:
        story.say(f"   {operation['status']}: {operation['done']} of {operation['total']} rows")
    done = updates[-1]
    story.check(done["status"] == "succeeded", "its stream ends when the operation has")
    counted = {name: done["receipt"]["deleted"][name] for name in preview.json()["counts"]}
    story.say(f"receipt: {counted}")
    story.check(
        counted == preview.json()["counts"], "the receipt counts what the preview had counted"
    )
    del scene.keys["live"]
    answer = await scene.call("GET", f"/v1/trades?{_TESTNET}")
    story.check(
        len(answer.json()["items"]) == 1 + len(_ROUND_TRIPS), "nothing of testnet went with it"
    )


def _round_trip(
    key_id: str, side: str, quantity: str, entry: str, exit_price: str, fees: str
) -> Position:
    now = datetime.now(UTC)
    return Position.model_validate(
        {
            "symbol": SYMBOL,
            "side": side,
            "status": "closed",
            "quantity": quantity,
            "entry_price": entry,
            "exit_price": exit_price,
            "fees": fees,
            "key": {"id": key_id},
            "opened_at": now - timedelta(minutes=10),
            "closed_at": now,
        }
    )


async def _report(client: BotClient, trips: list[Position]) -> None:
    for trip in trips:
        client.record_trade(trip, exit_reason="target")
    await client.flush()


async def _report_late(client: BotClient, trip: Position) -> list[str]:
    try:
        await _report(client, [trip])
    except ReportsRefused as refused:
        return [refusal.code for refusal in refused.refusals]
    return []


def _gain(trade: Json, size: Fraction) -> Fraction:
    """Return the P&L of a linear contract as exchanges define it, computed by the demo itself."""
    entry, exit_price, quantity, fees = (
        Fraction(trade[name]) for name in ("entry_price", "exit_price", "quantity", "fees")
    )
    moved = exit_price - entry if trade["side"] == "long" else entry - exit_price
    return moved * quantity * size - fees


def _environments(answer: httpx.Response) -> set[str]:
    return {item["environment"] for item in answer.json()["items"]}
