"""Histories that other programs and exchanges wrote (rules R58 and R59).

The fixtures have the members that the documentation of each format lists.
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.imports import CSV, as_csv, at, bring, freqtrade, refused, send, trades
from tests.support.world import Json, User, World

OKX_BTC = "BTC-USDT-SWAP"


async def test_trades_of_freqtrade_become_trades_of_the_key(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    await user.get(f"/v1/keys/{key['id']}/instruments?limit=1")
    rows = [
        freqtrade(),
        freqtrade(trade_id=8, is_open=True, close_timestamp=None, close_rate=None),
        freqtrade(trade_id=9, pair="BTC/USDT"),
        freqtrade(trade_id=10, exchange="bybit"),
        freqtrade(trade_id=11, amount="NaN"),
        freqtrade(trade_id=12, pair="LUNA/USDT:USDT", fee_close_currency="BNB"),
    ]
    file = json.dumps({"trades": rows, "trades_count": len(rows), "offset": 0}).encode()
    operation = await bring(world, user, file, key_id=key["id"], format="freqtrade")
    counts = operation["receipt"]["imported"]
    assert (counts["stored"], counts["skipped"]) == (2, 1), operation
    assert counts["refused"] == {"invalid_item": 2, "exchange_differs": 1}
    assert counts["sums"] == {
        "USDT": {"trades": 2, "pnl": "910.5", "fees": "67.25", "other_fees": {"BNB": "22.25"}}
    }
    shown = {one["symbol"]: one for one in await trades(user)}
    assert set(shown) == {OKX_BTC, "LUNA/USDT:USDT"}
    known = shown[OKX_BTC]
    assert (known["side"], known["pnl"], known["settle"], known["fees"]) == (
        "short",
        "455.25",
        "USDT",
        "44.75",
    )
    assert (known["opened_at"], known["closed_at"]) == (
        "2025-11-20T09:13:20Z",
        "2025-11-20T10:53:20Z",
    )
    assert (known["bot"], known["exit_reason"], known["contract_type"]) == (None, "roi", "linear")
    assert shown["LUNA/USDT:USDT"]["quantity"] is None
    assert shown["LUNA/USDT:USDT"]["other_fees"] == [{"asset": "BNB", "amount": "22.25"}]

    again = await bring(world, user, file, key_id=key["id"], format="freqtrade")
    assert again["receipt"]["imported"]["duplicate"] == 2


async def test_a_quantity_is_unknown_if_the_contract_had_another_size(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    await user.get(f"/v1/keys/{key['id']}/instruments?limit=1")
    async with world.context.database.sessions.begin() as session:
        changed = "UPDATE instruments SET contract_changed_at = :at WHERE symbol = :name"
        at_time = datetime.fromtimestamp(at(9000) / 1000, UTC)
        await session.execute(text(changed), {"at": at_time, "name": OKX_BTC})
    rows = [
        freqtrade(),
        freqtrade(trade_id=8, close_date="2025-11-20 12:53:20", close_timestamp=at(13200)),
    ]
    operation = await bring(
        world, user, json.dumps(rows).encode(), key_id=key["id"], format="freqtrade"
    )
    assert operation["receipt"]["imported"]["stored"] == 2
    after, before = await trades(user)
    assert (after["quantity"] is None, before["quantity"]) == (False, None)
    assert after["pnl"] == before["pnl"] == "455.25"


async def test_a_backtest_s_trades_come_as_json_or_as_csv(world: World) -> None:
    user = world.user()
    key, bot = await user.add_key(), await user.add_bot()
    row = {
        "pair": "ETH/USDT:USDT",
        "stake_amount": 100.0,
        "amount": 0.1,
        "open_date": "2025-11-20 09:00:00+00:00",
        "close_date": "2025-11-20 11:00:00+00:00",
        "open_rate": 3000.5,
        "close_rate": 3010.0,
        "fee_open": 0.0005,
        "fee_close": 0.0005,
        "trade_duration": 120,
        "profit_ratio": 0.003,
        "profit_abs": 1.5e-05,
        "exit_reason": "exit_signal",
        "is_open": False,
        "is_short": False,
        "leverage": 1.0,
    }
    result = {"metadata": {}, "strategy": {"Sample": {"results": [1], "trades": [row]}}}
    query = {"key_id": key["id"], "bot_id": bot["id"], "format": "freqtrade"}
    first = await bring(world, user, json.dumps(result).encode(), **query)
    assert first["receipt"]["imported"]["stored"] == 1, first
    second = await bring(world, user, b"\xef\xbb\xbf" + as_csv([row]), CSV, **query)
    assert second["receipt"]["imported"]["duplicate"] == 1, await refused(user, second)
    (shown,) = await trades(user)
    assert (shown["pnl"], shown["bot"]["id"]) == ("0.000015", bot["id"])


def closed(**changes: Any) -> Json:
    """Return a row of Bybit's closed P&L."""
    return {
        "symbol": "ETHUSDT",
        "orderType": "Market",
        "leverage": "3",
        "updatedTime": str(at(60)),
        "side": "Sell",
        "orderId": "5a373bfe-188d-4913-9c81-d57ab5be8068",
        "closedPnl": "-44.5",
        "openFee": "0.7",
        "closeFee": "0.8",
        "avgEntryPrice": "1195",
        "avgExitPrice": "1180.666666666666666666",
        "qty": "3",
        "cumEntryValue": "3585",
        "createdTime": str(at(0)),
        "orderPrice": "122.56",
        "closedSize": "3",
        "execType": "Trade",
        "fillCount": "4",
        "cumExitValue": "3542",
        **changes,
    }


async def test_closed_pnl_of_bybit_is_taken_as_bybit_computed_it(world: World) -> None:
    user = world.user()
    key = await user.add_key(exchange="bybit")
    rows = [
        closed(),
        closed(orderId="short-1", closedPnl="41.5"),
        closed(orderId="even-1", avgExitPrice="1195", closedPnl="-1.5"),
        closed(orderId="coin-1", symbol="NOBODYKNOWS"),
        closed(orderId="bad/1"),
    ]
    answer = {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": rows}}
    file = json.dumps(answer).encode()
    operation = await bring(world, user, file, key_id=key["id"], format="bybit_closed_pnl")
    counts = operation["receipt"]["imported"]
    assert counts["refused"] == {"unknown_contract": 1, "invalid_item": 1}, operation
    assert counts["sums"]["USDT"] == {"trades": 3, "pnl": "-4.5", "fees": "4.5"}
    sides = {one["pnl"]: one["side"] for one in await trades(user)}
    assert sides == {"-44.5": "long", "41.5": "short", "-1.5": None}
    assert {one["opened_at"] for one in await trades(user)} == {None}
    other = await user.add_key()
    wrong = await send(user, file, key_id=other["id"], format="bybit_closed_pnl")
    assert (wrong.status_code, wrong.json()["errors"][0]["type"]) == (
        422,
        "format_of_another_exchange",
    )


def income(second: int, kind: str, amount: str, **changes: Any) -> Json:
    """Return a row of Binance's income history."""
    return {
        "symbol": "BTCUSDT",
        "incomeType": kind,
        "income": amount,
        "asset": "USDT",
        "info": kind,
        "time": at(second),
        "tranId": 9_689_322_392_000 + second,
        "tradeId": str(second),
        **changes,
    }


def fill(second: int, side: str, pnl: str, fee: str, **changes: Any) -> Json:
    """Return a row of Binance's history of fills."""
    return {
        "buyer": side == "BUY",
        "commission": fee,
        "commissionAsset": "USDT",
        "id": second,
        "maker": False,
        "orderId": 25_851_813 + second,
        "price": "7819.01",
        "qty": "0.002",
        "quoteQty": "15.63802",
        "realizedPnl": pnl,
        "side": side,
        "positionSide": "BOTH",
        "symbol": "BTCUSDT",
        "time": at(second),
        **changes,
    }


async def _binance(world: World) -> tuple[User, Json]:
    user = world.user()
    return user, await user.add_key(exchange="binance")


async def test_binance_s_two_histories_tell_the_same_trades(world: World) -> None:
    user, key = await _binance(world)
    incomes = [
        income(1, "COMMISSION", "-0.1"),
        income(1, "COMMISSION", "-0.001", asset="BNB"),
        income(2, "FUNDING_FEE", "-0.5", tradeId=""),
        income(3, "REALIZED_PNL", "10"),
        income(3, "COMMISSION", "-0.2"),
        income(4, "TRANSFER", "100", symbol="", tradeId=""),
        income(5, "REALIZED_PNL", "-4"),
        income(4, "REALIZED_PNL", "1"),
    ]
    query = {"key_id": key["id"], "format": "binance_income"}
    first = await bring(world, user, json.dumps(incomes).encode(), **query)
    counts = first["receipt"]["imported"]
    assert (counts["stored"], counts["skipped"]) == (3, 4), first
    assert counts["refused"] == {"unordered": 1}
    assert counts["sums"]["USDT"] == {
        "trades": 2,
        "pnl": "5.7",
        "fees": "0.3",
        "other_fees": {"BNB": "0.001"},
        "funding": "-0.5",
    }
    first_row = {one["id"]: one for one in await trades(user)}["binance-BTCUSDT-3"]
    assert (first_row["pnl"], first_row["fees"], first_row["side"]) == ("9.7", "0.3", None)

    fills = [
        fill(1, "BUY", "0", "0.1"),
        fill(3, "SELL", "10", "0.2"),
        fill(5, "SELL", "-4", "0"),
        fill(6, "BUY", "2", "0.00001", commissionAsset="BNB", positionSide="SHORT"),
    ]
    query["format"] = "binance_trades"
    second = await bring(world, user, json.dumps(fills).encode(), **query)
    counts = second["receipt"]["imported"]
    assert (counts["stored"], counts["duplicate"], counts["skipped"]) == (1, 2, 1), second
    last = {one["id"]: one for one in await trades(user)}["binance-BTCUSDT-6"]
    assert (last["side"], last["quantity"], last["exit_price"]) == ("short", "0.002", "7819.01")
    assert (last["entry_price"], last["fees"], last["pnl"]) == (None, "0", "2")
    assert last["other_fees"] == [{"asset": "BNB", "amount": "0.00001"}]


async def test_amounts_of_a_history_keep_all_their_digits(world: World) -> None:
    """Decimals in Python round to 28 digits by default."""
    user, key = await _binance(world)
    tiny = "0.0000000000000000000000000000000000000001"
    fee = f"12345678901234567890.{tiny[2:]}"
    incomes = [
        income(1, "COMMISSION", "-12345678901234567890"),
        income(2, "COMMISSION", f"-{tiny}"),
        income(3, "REALIZED_PNL", "1"),
    ]
    await bring(
        world, user, json.dumps(incomes).encode(), key_id=key["id"], format="binance_income"
    )
    (found,) = await trades(user)
    assert (found["fees"], found["pnl"]) == (fee, f"-12345678901234567889.{tiny[2:]}")


async def test_funding_of_the_income_history_becomes_funding(world: World) -> None:
    """Rule R58. With a bot named, a payment that the bot has reported is the same one."""
    user = world.user()
    bot, _, key = await user.ready_bot(exchange="binance")
    rows = [
        income(1, "FUNDING_FEE", "-0.5", tradeId="", tranId=71),
        income(2, "FUNDING_FEE", "0.25", tradeId="", tranId=72),
        income(3, "FUNDING_FEE", "1", tradeId="", tranId=""),
        income(4, "REALIZED_PNL", "10"),
    ]
    reported = {
        "id": "71",
        "at": datetime.fromtimestamp(at(1) / 1000, UTC).isoformat(),
        "symbol": "BTCUSDT",
        "amount": "-0.50",
        "settle": "USDT",
    }
    assert (await bot.post("/v1/runtime/funding", {"items": [reported]})).status_code == 200
    query = {"key_id": key["id"], "format": "binance_income"}
    file = json.dumps(rows).encode()

    async def listed() -> dict[str, Json]:
        answer = await user.get("/v1/funding?environment=testnet")
        return {one["id"]: one for one in answer.json()["items"]}

    tried = await bring(world, user, file, dry_run=True, bot_id=bot.id, **query)
    counts = tried["receipt"]["imported"]
    assert (counts["stored"], counts["duplicate"]) == (2, 1), tried
    assert counts["refused"] == {"invalid_item": 1}
    assert set(await listed()) == {"71"}

    named = await bring(world, user, file, bot_id=bot.id, **query)
    assert named["receipt"] == tried["receipt"]
    assert counts["sums"] == {"USDT": {"trades": 1, "pnl": "10", "fees": "0", "funding": "0.25"}}
    new = (await listed())["72"]
    assert (new["amount"], new["import_id"], new["bot"]["id"]) == (
        "0.25",
        named["id"],
        str(bot.id),
    )
    again = await bring(world, user, file, bot_id=bot.id, **query)
    assert again["receipt"]["imported"]["duplicate"] == 3

    aside = await bring(world, user, file, **query)
    assert aside["receipt"]["imported"]["stored"] == 3
    assert {one["bot"] is None for one in (await listed()).values()} == {True, False}
    summary = (await user.get("/v1/analytics/summary?environment=testnet")).json()
    assert [one["funding"] for one in summary["items"]] == ["-0.5"]


async def test_fees_in_more_assets_than_a_trade_may_have_are_refused(world: World) -> None:
    user, key = await _binance(world)
    rows = [income(1, "COMMISSION", "-1", asset=f"A{number}") for number in range(11)]
    rows.append(income(2, "REALIZED_PNL", "10"))
    operation = await bring(
        world, user, json.dumps(rows).encode(), key_id=key["id"], format="binance_income"
    )
    assert operation["receipt"]["imported"]["refused"] == {"invalid_item": 1}
    (shown,) = await trades(user)
    assert len(shown["other_fees"]) == 10


def exported(**changes: str) -> Json:
    """Return a row of closed P&L as Bybit's website exports it now."""
    return {
        "Market": "ETHUSDT",
        "Order Quantity": "2.0000",
        "Entry Price": "100",
        "Exit Price": "110",
        "Opening Fee": "0.11",
        "Closing Fee": "0.121",
        "Funding Fee": "0.02",
        "cumClosedPzOpenFeeInfo": '{"USDT":"0.11"}',
        "cumClosedPzTradeFeeInfo": '{"USDT":"0.121","MNT":0.0500}',
        "Trade Type": "Trade",
        "Realized P&L": "19.749",
        "Trade time": "12:00 2026-01-10",
        **changes,
    }


async def test_closed_pnl_of_bybit_s_website_needs_the_zone_of_its_times(world: World) -> None:
    user = world.user()
    key = await user.add_key(exchange="bybit")
    plain = {"cumClosedPzOpenFeeInfo": "", "cumClosedPzTradeFeeInfo": ""}
    rows = [
        exported(),
        exported(),
        exported(**{"Realized P&L": "-20.231", "Trade time": "2026-01-10 13:00:30"} | plain),
        exported(**{"Trade time": "10/01/2026"}),
        exported(cumClosedPzOpenFeeInfo="[1]"),
        exported(**{"Order Quantity": "none"}),
    ]
    query = {"key_id": key["id"], "format": "bybit_closed_pnl"}
    without = await bring(world, user, as_csv(rows), CSV, **query)
    assert without["receipt"]["imported"]["refused"] == {"invalid_item": 6}
    assert "`time_zone`" in (await refused(user, without))[0]["detail"]

    query["time_zone"] = "Europe/Prague"
    operation = await bring(world, user, as_csv(rows), CSV, **query)
    counts = operation["receipt"]["imported"]
    assert (counts["stored"], counts["refused"]) == (3, {"invalid_item": 3}), operation
    short, *longs = await trades(user)
    assert [one["closed_at"] for one in (short, *longs)] == [
        "2026-01-10T12:00:30Z",
        *["2026-01-10T11:00:00Z"] * 2,
    ]
    assert (short["side"], short["fees"], short["pnl"]) == ("short", "0.231", "-20.231")
    assert short["other_fees"] == []
    for one in longs:
        assert (one["side"], one["quantity"], one["exit_price"]) == ("long", "2", "110")
        assert (one["fees"], one["pnl"]) == ("0.231", "19.749")
        assert one["other_fees"] == [{"asset": "MNT", "amount": "0.05"}]
    again = await bring(world, user, as_csv(rows), CSV, **query)
    assert again["receipt"]["imported"]["duplicate"] == 3


@pytest.mark.parametrize(
    ("row", "at_time"),
    [
        (
            {
                "Contracts": "ETHUSDT",
                "Closing Direction": "Sell",
                "Qty": "2",
                "Entry Price": "100",
                "Exit Price": "110",
                "Closed P&L": "19.749",
                "Exit Type": "Trade",
                "Trade Time(UTC+0)": "2026-01-10 11:00:00",
            },
            "2026-01-10T11:00:00Z",
        ),
        (
            {
                "Uid": "1",
                "Contracts": "ETHUSDT",
                "Trade Type": "SELL",
                "Qty": "2",
                "Entry Price": "100",
                "Realized P&L": "19.749",
                "Filled Price": "110",
                "Exit Type": "Trade",
                "Filled/Settlement Time(UTC-5:30)": "11:00 2026-01-10",
                "Create Time": "10:00 2026-01-10",
            },
            "2026-01-10T16:30:00Z",
        ),
        (closed(), None),
    ],
    ids=["first", "second", "of the API"],
)
async def test_closed_pnl_of_bybit_comes_as_csv_in_every_spelling(
    world: World, row: Json, at_time: str | None
) -> None:
    user = world.user()
    key = await user.add_key(exchange="bybit")
    query = {"key_id": key["id"], "format": "bybit_closed_pnl"}
    operation = await bring(world, user, as_csv([row]), CSV, **query)
    assert operation["receipt"]["imported"]["stored"] == 1, await refused(user, operation)
    (shown,) = await trades(user)
    assert (shown["symbol"], shown["side"], shown["settle"]) == ("ETHUSDT", "long", "USDT")
    if at_time is not None:
        assert (shown["closed_at"], shown["pnl"]) == (at_time, "19.749")


async def test_a_csv_file_of_another_kind_is_refused_with_what_it_lacks(world: World) -> None:
    user = world.user()
    key = await user.add_key(exchange="bybit")
    answer = await send(user, b"Market,Price\n", CSV, key_id=key["id"], format="bybit_closed_pnl")
    assert answer.status_code == 422
    assert "lacks the columns Entry Price" in answer.text


@pytest.mark.parametrize("name", ["binance_income", "binance_trades"])
async def test_an_exchange_s_answer_has_no_csv(world: World, name: str) -> None:
    user = world.user()
    key = await user.add_key(exchange=name.partition("_")[0])
    answer = await send(user, b"a,b\n", CSV, key_id=key["id"], format=name)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
