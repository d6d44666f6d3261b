"""The service's own exports are taken back whole, and give the same figures (rules R58 and R59)."""

import json
from typing import Any

import pytest

from tests.support.batches import item, report
from tests.support.imports import CSV, JSON, NDJSON, bring, exported, refused, send, store, trades
from tests.support.world import Json, User, World

KEPT = ("stored_at", "import_id")
"""What an imported row has of its own."""


async def _export(user: User, media_type: str, **query: str) -> bytes:
    headers = {"Authorization": f"Bearer {user.token}", "Accept": media_type}
    params = {"environment": "testnet", **query}
    answer = await user.http.get("/v1/trades", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content


def _content(items: list[Json]) -> list[Json]:
    return [{name: value for name, value in one.items() if name not in KEPT} for one in items]


async def _figures(user: User) -> Any:
    summary = (await user.get("/v1/analytics/summary?environment=testnet")).json()
    curve = (await user.get("/v1/analytics/equity-curve?environment=testnet")).json()
    return summary["items"], curve["items"]


@pytest.mark.parametrize("media_type", [JSON, NDJSON, CSV])
async def test_an_export_is_taken_back_whole_and_gives_the_same_figures(
    world: World, media_type: str
) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    names = ["plain", "=formula", "'=quoted", "-1", "ünï"]
    for name in names:
        await report(bot, "trades", item("trades", name, exit_reason=f'{name};=x, "so"'))
    fees = [{"asset": asset, "amount": "0.5"} for asset in ("USDT", "KCS", "BNB")]
    for symbol in ("BTC-USDT-SWAP", "GONE"):
        names.append(symbol)
        await report(bot, "trades", item("trades", symbol, symbol=symbol, fees=fees))
    before, figures = await trades(user), await _figures(user)
    file = await _export(user, media_type)

    again = await bring(world, user, file, media_type, key_id=key["id"])
    receipt = again["receipt"]["imported"]
    assert (receipt["stored"], receipt["duplicate"]) == (0, len(names)), again
    assert await trades(user) == before

    other = world.user("bob")
    their_key = await other.add_key("other_account")
    taken = await bring(world, other, file, media_type, key_id=their_key["id"])
    assert taken["receipt"]["imported"]["stored"] == len(names), taken
    theirs = await trades(other)
    for one, mine in zip(_content(theirs), _content(before), strict=True):
        one["key"], mine["key"] = None, None
        one["bot"]["name"], mine["bot"]["name"] = None, None
        assert one == mine
    assert all(one["import_id"] == taken["id"] for one in theirs)
    assert await _figures(other) == figures


async def test_a_refused_row_is_reported_and_every_other_one_stored(world: World) -> None:
    user = world.user()
    key, other = await user.add_key(), await user.add_key("other_account")
    faults = {
        "invalid_item": exported("bad", key, quantity="NaN"),
        "clock_ahead": exported("soon", key, closed_at="2099-01-01T00:00:00Z"),
        "exchange_differs": exported("far", key, exchange="bybit"),
        "environment_differs": exported("live", key, environment="live"),
        "key_differs": exported("other", other),
        "pnl_differs": exported("pnl", key, pnl="499"),
    }
    items = [exported("good", key), *faults.values(), exported("good", key, fees="9", pnl="491")]
    file = json.dumps({"items": items}).encode()

    tried = await bring(world, user, file, key_id=key["id"], dry_run=True)
    assert await trades(user) == []
    operation = await bring(world, user, file, key_id=key["id"])

    for one in (tried, operation):
        counts = one["receipt"]["imported"]
        assert one["status"] == "succeeded"
        assert one["done"] == one["total"] == counts["read"] == len(items)
        assert counts["refused"] == dict.fromkeys(faults, 1)
        assert (counts["stored"], counts["duplicate"], counts["repeated"]) == (1, 1, 1)
        assert counts["sums"] == {"USDT": {"trades": 1, "pnl": "498.75", "fees": "1.25"}}
        rows = await refused(user, one)
        assert [(row["line"], row["code"]) for row in rows] == list(enumerate(faults, start=2))
        assert "NaN" not in str(rows)
    assert [one["id"] for one in await trades(user)] == ["good"]


async def test_with_abort_one_refused_row_keeps_all_out(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    good = [exported(f"t{number}", key) for number in range(3)]
    bad = [*good, {"id": "x"}]
    query = {"key_id": key["id"], "on_error": "abort"}

    aborted = await bring(world, user, json.dumps(bad).encode(), **query)
    assert (aborted["status"], await trades(user)) == ("failed", [])
    assert aborted["receipt"]["imported"]["stored"] == 0 or aborted["error"]
    assert [row["line"] for row in await refused(user, aborted)] == [4]

    stored = await bring(world, user, json.dumps(good).encode(), **query)
    assert (stored["status"], len(await trades(user))) == ("succeeded", 3)
    assert stored["receipt"]["imported"]["stored"] == stored["done"] == 3


async def test_what_a_file_does_not_say_stays_null_and_is_counted(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    nothing = dict.fromkeys(("side", "quantity", "entry_price", "exit_price", "opened_at"))
    less = exported("less", key, **nothing, contract_size=None)
    file = json.dumps([less, exported("whole", key)]).encode()
    await bring(world, user, file, key_id=key["id"])

    shown = {one["id"]: one for one in await trades(user)}
    assert {shown["less"][name] for name in (*nothing, "bot", "contract_size")} == {None}
    (figures, _) = await _figures(user)
    assert (figures[0]["trades"], figures[0]["trades_without_opening"]) == (2, 1)
    assert figures[0]["realised_pnl"] == "997.5"
    by_bot = await user.get("/v1/analytics/summary?environment=testnet&group_by=bot")
    assert [one["bot"] for one in by_bot.json()["items"]] == [None]
    file = await _export(user, CSV)
    again = await bring(world, user, file, CSV, key_id=key["id"])
    assert again["receipt"]["imported"]["duplicate"] == 2, again


async def test_a_second_file_is_refused_alike_while_the_first_arrives_and_after(
    world: World,
) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    file = json.dumps([exported("one", key)]).encode()
    world.context.imports.take(bot.account_id)
    while_it_arrives = await send(user, file, key_id=key["id"])
    world.context.imports.give_back(bot.account_id)
    assert (await send(user, file, key_id=key["id"])).status_code == 202
    afterwards = await send(user, file, key_id=key["id"])
    for refused_file in (while_it_arrives, afterwards):
        assert (refused_file.status_code, refused_file.json()["code"]) == (
            409,
            "import_in_progress",
        )
        assert refused_file.headers["retry-after"] == "5"


async def test_an_account_has_one_import_at_a_time(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    file = json.dumps([exported("one", key)]).encode()
    first = await send(user, file, key_id=key["id"])
    assert first.status_code == 202
    second = await send(user, file, key_id=key["id"])
    assert (second.status_code, second.json()["code"]) == (409, "import_in_progress")
    assert await store(world) == 1
    assert (await bring(world, user, file, key_id=key["id"]))["status"] == "succeeded"
