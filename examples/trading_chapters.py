"""Chapters of the demo in which a bot trades: a separate process, from its start to its death."""

import os
import signal

from examples.bot_process import BotProcess, start_bot
from examples.scene import Scene
from examples.story import Json, StepFailed
from examples.waiting import eventually

SYMBOL = "BTC-USDT-SWAP"
_EAGER = ("--tick", "0.25", "--window", "2", "--threshold", "0", "--heartbeat", "0.5")
_SHORTEST_HOLD = 3.0


async def choose_assets(scene: Scene) -> None:
    story, path = scene.story, f"/v1/keys/{scene.keys['okx']}"
    answer = await scene.call("GET", f"{path}/instruments?search=btc-usdt&limit=1")
    story.call(answer, 200, "items[].symbol", "items[].price", "items[].max_leverage", "fetched_at")
    highest = answer.json()["items"][0]["max_leverage"]
    above = {"symbol": SYMBOL, "leverage": str(int(highest) + 1)}
    answer = await scene.call("POST", f"{path}/assets", above)
    story.call(answer, 422, "code", "max_leverage")
    story.check(
        (answer.json()["code"], answer.json()["max_leverage"]) == ("leverage_above_max", highest),
        f"the exchange allows {highest} times on {SYMBOL}: {above['leverage']} is refused",
    )
    answer = await scene.call("POST", f"{path}/assets", {"symbol": SYMBOL, "leverage": "10"})
    story.call(answer, 201, "symbol", "leverage", "margin_mode", "may_open_positions")
    story.check(answer.json()["margin_mode"] == "cross", "a new asset is on cross margin")
    answer = await scene.call("POST", f"{path}/assets", {"symbol": "NO-SUCH-SWAP", "leverage": "1"})
    story.call(answer, 422, "code")
    story.check(answer.json()["code"] == "unknown_symbol", "what OKX does not list is no asset")


async def start_trading(scene: Scene) -> None:
    story = scene.story
    hold = _hold(scene)
    story.command(f"python -m examples.bot --token-file … --hold {hold} …")
    bot = await _start(scene, hold)
    await _narrate(scene, bot, "configuration: ")
    opened = await _narrate(scene, bot, "opened ")
    position = await eventually(lambda: _newest(scene, "open"))
    answer = await scene.call("GET", f"/v1/bots/{scene.bot_id}")
    story.call(answer, 200, "name", "online", "last_heartbeat_at", "open_positions")
    story.check(answer.json()["online"], "its heartbeats show it online")
    story.check(
        position["symbol"] == SYMBOL and position["entry_price"] in opened,
        "the position is the one that the bot opened, with its price",
    )
    story.check(
        (position["margin_mode"], position["leverage"]) == ("cross", "10"),
        "margin mode and leverage are those that Alice chose",
    )


async def refuse_while_open(scene: Scene) -> None:
    bot, key = f"/v1/bots/{scene.bot_id}", f"/v1/keys/{scene.keys['okx']}"
    for method, path, body, code, claim in (
        ("PUT", f"{bot}/key", {"key_id": scene.keys["binance"]}, "open_positions", "a key swap"),
        ("DELETE", f"{bot}/key", None, "open_positions", "taking the key away"),
        ("DELETE", bot, None, "open_positions", "deleting the bot"),
        ("PATCH", key, {"contract_type": "inverse"}, "bot_online", "another contract type"),
        (
            "PATCH",
            f"{key}/assets/{SYMBOL}",
            {"margin_mode": "isolated"},
            "position_open",
            "another margin mode",
        ),
        ("DELETE", f"{key}/assets/{SYMBOL}", None, "position_open", "removing the asset"),
    ):
        answer = await scene.call(method, path, body)
        scene.story.call(answer, 409, "code")
        scene.story.check(answer.json()["code"] == code, f"{claim} is refused: {code}")
    await _newest(scene, "open")
    scene.story.check(True, "and the position is open all the while")


async def deactivate(scene: Scene) -> None:
    story, bot = scene.story, _bot(scene)
    printed, position = len(bot.lines), await _newest(scene, "open")
    answer = await scene.call("PATCH", f"/v1/keys/{scene.keys['okx']}", {"active": False})
    story.call(answer, 200, "label", "active")
    change = await _narrate(scene, bot, "configuration: ", after=printed)
    story.check(
        "key_inactive" in change, "the bot learns on its stream that the key was deactivated"
    )
    still = await _newest(scene, "open")
    story.check(still["id"] == position["id"], "what is open stays open")
    await _narrate(scene, bot, "closed ", after=printed)
    closed = await eventually(lambda: _newest(scene, "closed"))
    story.check(
        closed["id"] == position["id"] and closed["close_reason"] == "reported",
        "the bot's exit rule went on: it closed the position by itself",
    )
    refused = await _narrate(scene, bot, "may not open ", after=printed)
    story.check("key_inactive" in refused, "and a new position is refused: key_inactive")


async def die(scene: Scene) -> None:
    story, bot = scene.story, _bot(scene)
    printed = len(bot.lines)
    answer = await scene.call("PATCH", f"/v1/keys/{scene.keys['okx']}", {"active": True})
    story.call(answer, 200, "active")
    await _narrate(scene, bot, "opened ", after=printed)
    position = await eventually(lambda: _newest(scene, "open"))
    story.command(f"kill -9 {bot.pid}")
    status = await bot.interrupt(signal.SIGKILL)
    story.check(status == -signal.SIGKILL, "the bot is dead, its position is not")
    events = await eventually(lambda: _offline(scene))
    story.say(f"bot events: {', '.join(events)}")
    story.check(events[-1] == "offline", "nobody asked, and yet the bot was found to be offline")
    answer = await scene.call("GET", f"/v1/bots/{scene.bot_id}")
    story.call(answer, 200, "online", "last_heartbeat_at", "open_positions")
    story.check(
        not answer.json()["online"] and answer.json()["open_positions"] == 1,
        "Alice sees a bot that is offline with an open position",
    )
    answer = await scene.call("POST", f"/v1/positions/{position['id']}/close")
    story.call(answer, 200, "status", "close_reason")
    story.check(
        (answer.json()["status"], answer.json()["close_reason"]) == ("closed", "by_hand"),
        "Alice closes it by hand",
    )
    answer = await scene.call("GET", "/v1/positions?environment=testnet")
    story.call(answer, 200, "items[].status", "items[].close_reason")


def _hold(scene: Scene) -> str:
    """Return for how many seconds the bot keeps its position open.

    It is longer on a slow machine: all refusals must be tried before the position closes.
    """
    return f"{max(_SHORTEST_HOLD, scene.service.start_seconds):.0f}"


async def _start(scene: Scene, hold: str) -> BotProcess:
    token = scene.service.data.parent / "bot.token"
    file = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as stream:
        stream.write(scene.bot_token)
    options = ("--key-id", scene.keys["okx"], "--exchange", "okx", "--hold", hold, *_EAGER)
    scene.bot = await start_bot(scene.service.runtime_url, token, *options)
    return scene.bot


def _bot(scene: Scene) -> BotProcess:
    if scene.bot is None:
        raise StepFailed("the bot was not started")
    return scene.bot


async def _narrate(scene: Scene, bot: BotProcess, beginning: str, *, after: int = 0) -> str:
    line = await bot.says(beginning, after=after)
    scene.story.say(f"bot: {line}")
    return line


async def _newest(scene: Scene, status: str) -> Json:
    """Return the most recent position; raise `StepFailed` if it has another status."""
    answer = await scene.call("GET", "/v1/positions?environment=testnet&limit=1")
    if not answer.is_success:
        raise StepFailed(f"the list of positions answered {answer.status_code}")
    positions = answer.json()["items"]
    if not positions or positions[0]["status"] != status:
        raise StepFailed(f"no position is {status}")
    position: Json = positions[0]
    return position


async def _offline(scene: Scene) -> list[str]:
    answer = await scene.call("GET", f"/v1/bot-events?environment=testnet&bot_id={scene.bot_id}")
    if not answer.is_success:
        raise StepFailed(f"the list of bot events answered {answer.status_code}")
    events = [event["kind"] for event in reversed(answer.json()["items"])]
    if events[-1:] != ["offline"]:
        raise StepFailed(f"no event says that the bot is offline: {', '.join(events)}")
    return events
