"""The contract of a trade: its instrument decides, never what its key trades now."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from app.db.models import CatalogueInstrument
from app.domains.ingest import bulk_insert, repository
from app.simulator.faults import FaultKind
from app.worker.rollups import recompute_due
from botkeys.exchanges.model import ContractType, Instrument
from tests.support.batches import AN_HOUR_AGO, item, report, rows, statuses
from tests.support.catalogue import OKX, OKX_INVERSE, instrument, list_instruments
from tests.support.positions import SYMBOL, Trader, trader
from tests.support.world import Json, World

BTC = instrument(SYMBOL)
ETH = replace(instrument("ETH-USDT-SWAP"), base="ETH")
COIN = instrument("BTC-USD-SWAP", contract_type=ContractType.INVERSE)
SIZE = Decimal("0.01")


def trade(name: str, **changes: Any) -> Json:
    """Return a long trade of 0.5 from 90000 to 91000."""
    return item(
        "trades",
        name,
        AN_HOUR_AGO,
        **{"quantity": "0.5", "entry_price": "90000", "exit_price": "91000", **changes},
    )


async def verdict(trading: Trader, sent: Json, **members: Any) -> Json:
    (result,) = await report(trading.bot, "trades", sent, **members)
    return result


async def contract(world: World, name: str) -> tuple[Any, ...]:
    row = (await rows(world, "trades"))[name]
    return tuple(row[column] for column in ("contract_type", "contract_size", "settle", "pnl"))


async def listed(world: World, *instruments: Instrument) -> Trader:
    trading = await trader(world)
    linear = [each for each in instruments if each.contract_type is ContractType.LINEAR]
    inverse = [each for each in instruments if each.contract_type is ContractType.INVERSE]
    await list_instruments(world, OKX, BTC, *linear)
    await list_instruments(world, OKX_INVERSE, COIN, *inverse)
    return trading


async def test_a_bot_that_counts_otherwise_than_the_exchange_is_refused(world: World) -> None:
    """Rule R55. 500 is what the bot means, and 5 what would be computed with the listed size."""
    trading = await listed(world)

    found = await verdict(trading, trade("coins", contract_size="1", settle="USDT"))

    assert (found["status"], found["code"]) == ("refused", "contract_size_differs")
    assert "has the size 0.01" in found["detail"]
    assert await rows(world, "trades") == {}
    stated = {"contract_type": "linear", "contract_size": "0.010", "settle": "usdt"}
    assert await verdict(trading, trade("agreed", **stated)) == {
        "id": "agreed",
        "status": "stored",
    }
    assert await contract(world, "agreed") == ("linear", SIZE, "USDT", Decimal(5))


@pytest.mark.parametrize(
    ("symbol", "stated", "code"),
    [
        (SYMBOL, {"contract_type": "inverse"}, "contract_differs"),
        (SYMBOL, {"contract_type": "quanto"}, "contract_differs"),
        (SYMBOL, {"settle": "USDC"}, "settle_differs"),
        (SYMBOL, {"contract_size": "0.0100000001"}, "contract_size_differs"),
        (SYMBOL, {"contract_size": "1", "settle": "USDC"}, "settle_differs"),
        ("BTC-USD-SWAP", {"contract_type": "linear"}, "contract_differs"),
        ("BTC-USD-SWAP", {"settle": "USD"}, "settle_differs"),
    ],
)
async def test_what_contradicts_the_instrument_is_refused(
    world: World, symbol: str, stated: Json, code: str
) -> None:
    """Rule R55."""
    trading = await listed(world)
    assert (await verdict(trading, trade("1", symbol=symbol, **stated)))["code"] == code
    assert await rows(world, "trades") == {}


async def test_of_an_id_in_a_large_batch_the_first_that_fits_its_contract_is_stored(
    world: World,
) -> None:
    """Its rows are inserted in parts, and an item is refused in any of them."""
    trading = await listed(world)
    names = [f"{number:03}" for number in range(300)]
    wrong = {"contract_size": "1"}
    sent = [
        *(trade(name, **wrong) for name in names[::3]),
        *(trade(name) for name in names),
        *(trade(name, quantity="7") for name in names[::2]),
        *(trade(name, **wrong) for name in names[::5]),
    ]

    results = await report(trading.bot, "trades", *sent)

    assert statuses(results) == [
        *["contract_size_differs"] * 100,
        *["stored"] * 300,
        *["id_reused"] * 150,
        *["contract_size_differs"] * 60,
    ]
    stored = await rows(world, "trades")
    assert sorted(stored) == names
    assert {row["quantity"] for row in stored.values()} == {Decimal("0.5")}


async def test_nothing_of_a_large_batch_is_stored_if_its_second_part_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    trading = await listed(world)
    names = [f"{number:03}" for number in range(300)]
    with monkeypatch.context() as patch:
        patch.setattr(repository, "array_text", _broken_by("299"))
        items = {"items": list(map(trade, names))}
        answer = await trading.bot.post("/v1/runtime/trades", items)
        assert answer.status_code == 500
    assert await rows(world, "trades") == {}

    assert statuses(await report(trading.bot, "trades", *map(trade, names))) == ["stored"] * 300


def _broken_by(name: str) -> Callable[[Sequence[Any]], str]:
    def array_text(values: Sequence[Any]) -> str:
        if name in values:
            raise LookupError
        return bulk_insert.array_text(values)

    return array_text


async def test_a_delisted_contract_is_what_it_was_whatever_its_key_trades_now(
    world: World,
) -> None:
    """Rule R55."""
    old = replace(instrument("OLD-USDT-SWAP"), base="OLD", contract_size=Decimal(1))
    trading = await listed(world, old)
    await list_instruments(world, OKX, BTC)
    changed = await trading.user.patch(
        f"/v1/keys/{trading.key['id']}", {"contract_type": "inverse"}
    )
    assert changed.status_code == 200, changed.text
    prices = {"quantity": "1000", "entry_price": "2", "exit_price": "4"}

    assert statuses([await verdict(trading, trade("b", symbol=old.symbol, **prices))]) == ["stored"]

    assert await contract(world, "b") == ("linear", Decimal(1), "USDT", Decimal(2000))
    async with world.context.database.sessions() as session:
        row = await session.get_one(CatalogueInstrument, (*OKX.columns.values(), "OLD-USDT-SWAP"))
        assert (row.listed, row.delisted_at is not None) == (False, True)


async def test_an_unknown_symbol_is_what_the_trade_states_and_never_what_the_key_trades(
    world: World,
) -> None:
    """Rule R55. As an inverse contract the same trade would have earned 250."""
    trading = await listed(world)
    prices = {"quantity": "1000", "entry_price": "2", "exit_price": "4"}
    stated = {"contract_size": "1", "settle": "USDT"}
    sent = trade("b", symbol="OLDUSDT", **prices, **stated)

    for kind in ("inverse", "linear"):
        path = f"/v1/keys/{trading.key['id']}"
        assert (await trading.user.patch(path, {"contract_type": kind})).status_code == 200
        found = await verdict(trading, sent | {"id": kind})
        assert (found["status"], found["pnl_unknown"]) == ("stored", "unknown_contract")
        assert "`contract_type`" in found["detail"]
        assert await contract(world, kind) == (None, None, None, None)

    for kind, pnl in {"linear": 2000, "inverse": 250, "quanto": 2000}.items():
        name = f"as-{kind}"
        assert statuses([await verdict(trading, sent | {"id": name, "contract_type": kind})]) == [
            "stored"
        ]
        assert await contract(world, name) == (kind, Decimal(1), "USDT", Decimal(pnl))


async def test_the_spelling_of_libraries_is_the_exchanges_symbol(world: World) -> None:
    """Rule R56."""
    trading = await listed(world)
    spelled = {
        "BTC/USDT:USDT": SYMBOL,
        "XBT/USDT:USDT": SYMBOL,
        "btc/usdt:usdt": SYMBOL,
        "btc-usdt-swap": SYMBOL,
        "BTC/USD:BTC": "BTC-USD-SWAP",
        "BTC/USD:XBT": "BTC-USD-SWAP",
    }
    for number, symbol in enumerate(spelled):
        found = await verdict(trading, trade(str(number), symbol=symbol))
        assert found == {"id": str(number), "status": "stored"}
        # The same again in the exchange's own spelling.
        own = await verdict(trading, trade(str(number), symbol=spelled[symbol]))
        assert own["status"] == "duplicate"
    stored = await rows(world, "trades")
    assert [stored[str(number)]["symbol"] for number in range(6)] == list(spelled.values())


async def test_a_signal_is_of_the_exchanges_symbol_too(world: World) -> None:
    """Rule R56."""
    trading = await listed(world)
    sent = [item("signals", str(n), symbol=s) for n, s in enumerate(["btc/usdt:usdt", "n/a"])]

    assert statuses(await report(trading.bot, "signals", *sent)) == ["stored", "stored"]
    assert statuses(await report(trading.bot, "signals", *sent)) == ["duplicate", "duplicate"]

    found = await rows(world, "signals")
    assert (found["0"]["symbol"], found["1"]["symbol"]) == (SYMBOL, "n/a")


async def test_a_name_of_two_instruments_is_refused_with_both(world: World) -> None:
    """Rule R56."""
    trading = await listed(world, replace(BTC, symbol="BTC-USDT-OTHER"))
    for kind in ("trades", "signals"):
        sent = item(kind, "1", symbol="BTC/USDT:USDT")
        (found,) = await report(trading.bot, kind, sent)
        assert found["code"] == "ambiguous_symbol"
        assert "BTC-USDT-OTHER or BTC-USDT-SWAP" in found["detail"]
    # What is listed has the name, once the other is not any more.
    await list_instruments(world, OKX, BTC)
    assert (await verdict(trading, trade("1", symbol="BTC/USDT:USDT")))["status"] == "stored"
    assert (await contract(world, "1"))[2] == "USDT"


async def test_a_symbol_that_becomes_known_completes_what_was_stored_without_pnl(
    world: World,
) -> None:
    """Rule R57. The same trade, first in a spelling that nobody knows yet."""
    trading = await listed(world)
    first = trade("t1", symbol="ETH/USDT:USDT", quantity="0.50")

    assert (await verdict(trading, first))["pnl_unknown"] == "unknown_contract"
    again = await verdict(trading, first)
    assert (again["status"], again["pnl_unknown"]) == ("duplicate", "unknown_contract")
    await list_instruments(world, OKX, BTC, ETH)
    completed = await verdict(trading, trade("t1", symbol="ETH-USDT-SWAP"))
    later = await report(trading.bot, "trades", first, trade("t1", symbol="ETH-USDT-SWAP"))

    assert completed == {"id": "t1", "status": "completed"}
    assert statuses(later) == ["duplicate", "duplicate"]
    assert (await rows(world, "trades"))["t1"]["symbol"] == "ETH-USDT-SWAP"
    assert await contract(world, "t1") == ("linear", SIZE, "USDT", Decimal(5))


async def test_the_exchanges_own_symbol_completes_what_was_stored_under_a_name_of_nothing(
    world: World,
) -> None:
    """Rule R57. It is what the verdict advises."""
    trading = await listed(world, ETH)
    first = trade("1", symbol="BTC/USDT")
    stated = {"contract_type": "linear", "contract_size": "1", "settle": "USDT"}

    assert "own symbol" in (await verdict(trading, first))["detail"]
    others = [
        trade("1", symbol="GONE", **stated),
        trade("1", symbol="BTC/USD", **stated),
        trade("1", symbol=SYMBOL, quantity="0.51"),
    ]
    assert statuses(await report(trading.bot, "trades", *others)) == ["id_reused"] * 3
    assert await verdict(trading, trade("1", symbol=SYMBOL)) == {"id": "1", "status": "completed"}
    assert (await rows(world, "trades"))["1"]["symbol"] == SYMBOL
    assert await contract(world, "1") == ("linear", SIZE, "USDT", Decimal(5))
    assert statuses([await verdict(trading, trade("1", symbol="ETH-USDT-SWAP"))]) == ["id_reused"]


async def test_a_known_symbol_that_awaits_its_catalogue_is_not_replaced(world: World) -> None:
    """Rule R57. What was stored while nothing was known is of the instrument that it names."""
    trading = await listed(world)
    assert "pnl_unknown" in await verdict(trading, trade("1", symbol="ETH-USDT-SWAP"))
    await list_instruments(world, OKX, BTC, ETH)
    assert statuses([await verdict(trading, trade("1"))]) == ["id_reused"]
    assert statuses([await verdict(trading, trade("1", symbol="ETH-USDT-SWAP"))]) == ["completed"]


async def test_a_contract_that_is_stated_later_completes_a_trade_once(world: World) -> None:
    """Rule R57."""
    trading = await listed(world)
    bare = trade("1", symbol="GONE")
    stated = {"contract_type": "linear", "contract_size": "2", "settle": "USDC"}
    whole = bare | stated
    half = bare | {"contract_type": "linear", "settle": "USDC"}

    results = await report(trading.bot, "trades", bare, half, whole, whole, bare, half)
    others = [
        whole | {name: other}
        for name, other in (("contract_type", "quanto"), ("contract_size", "3"), ("settle", "USDT"))
    ]
    later = await report(trading.bot, "trades", *others, whole)

    assert [result["status"] for result in results] == [
        "stored",
        "duplicate",
        "completed",
        "duplicate",
        "duplicate",
        "duplicate",
    ]
    assert statuses(later) == ["id_reused"] * 3 + ["duplicate"]
    assert await contract(world, "1") == ("linear", Decimal(2), "USDC", Decimal(1000))


async def test_an_id_with_other_contents_is_refused_and_nothing_of_it_is_stored(
    world: World,
) -> None:
    """Rule R57."""
    trading = await listed(world)
    sent = trade("1", fees="1.00", leverage="10", exit_reason="target", margin_mode="cross")
    assert statuses([await verdict(trading, sent)]) == ["stored"]
    before = await rows(world, "trades")
    moved = AN_HOUR_AGO - timedelta(seconds=1)
    other: Json = {
        "symbol": "BTC-USD-SWAP",
        "side": "short",
        "quantity": "0.51",
        "entry_price": "90000.1",
        "exit_price": "91000.01",
        "fees": "1.01",
        "leverage": None,
        "margin_mode": "isolated",
        "position_id": "p",
        "opened_at": (moved - timedelta(hours=1)).isoformat(),
        "closed_at": moved.isoformat(),
        "exit_reason": "stop",
    }

    results = await report(
        trading.bot, "trades", *(sent | {name: value} for name, value in other.items())
    )

    assert statuses(results) == ["id_reused"] * len(other)
    same = sent | {
        "fees": "1e0",
        "leverage": 10,
        "quantity": 0.5,
        "entry_price": "90000.000",
        "closed_at": AN_HOUR_AGO.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    assert statuses([await verdict(trading, same)]) == ["duplicate"]
    assert await rows(world, "trades") == before


async def test_data_are_compared_as_they_are_stored(world: World) -> None:
    """Rule R57."""
    trading = await listed(world)
    numbers: Json = {"a": [1e23, 1.0, 0.1 + 0.2, 2**60], "b": {"c": None, "d": "é"}}
    sent = item("signals", "1", data=numbers, score="0.50")
    turned: Json = {"b": {"d": "é", "c": None}, "a": [10**23 * 1.0, 1, 0.1 + 0.2, 2**60]}

    results = await report(
        trading.bot,
        "signals",
        sent,
        sent | {"data": turned, "score": 0.5},
        sent | {"data": {"a": [1e23]}},
        sent | {"data": None},
    )

    assert statuses(results) == ["stored", "duplicate", "id_reused", "id_reused"]


async def test_a_trade_is_completed_with_the_key_that_it_was_stored_for(world: World) -> None:
    """Rule R57. Another key's exchange may list another contract under the symbol."""
    trading = await listed(world)
    bare = trade("1", symbol="GONE")
    stated = {"contract_type": "linear", "contract_size": "1", "settle": "USDT"}
    assert statuses([await verdict(trading, bare)]) == ["stored"]
    await trading.unassign()
    await trading.assign(await trading.user.add_key("other_account"))

    elsewhere = await verdict(trading, bare | stated)
    named = await verdict(trading, bare | stated, key_id=trading.key["id"])

    assert (elsewhere["status"], elsewhere["pnl_unknown"]) == ("duplicate", "other_key")
    assert named["status"] == "completed"
    assert statuses([await verdict(trading, bare | stated)]) == ["duplicate"]


async def test_a_completed_trade_counts_in_every_figure(world: World) -> None:
    """Rule R57."""
    trading = await listed(world)
    known = trade("known", exit_price="89000")
    early = (AN_HOUR_AGO - timedelta(minutes=1)).isoformat()
    bare = trade("bare", symbol="GONE", closed_at=early, opened_at=early)
    await report(trading.bot, "trades", known, bare)
    query = "environment=testnet"

    async def figures() -> tuple[Any, ...]:
        summary = (await trading.user.get(f"/v1/analytics/summary?{query}")).json()
        curve = (await trading.user.get(f"/v1/analytics/equity-curve?{query}&points=2000")).json()
        (sums,), (line,) = summary["items"], curve["items"]
        return (
            summary["trades_without_pnl"],
            sums["trades"],
            sums["realised_pnl"],
            sums["largest_drawdown"]["value"],
            [point["realised_pnl_cumulative"] for point in line["points"]],
        )

    assert await figures() == (1, 1, "-5", "5", ["-5"])
    await recompute_due(world.context.database.sessions, wait=timedelta(0))
    stated = {"contract_type": "linear", "contract_size": "0.004", "settle": "USDT"}
    assert statuses([await verdict(trading, bare | stated)]) == ["completed"]

    expected = (0, 2, "-3", "5", ["2", "-3"])
    assert await figures() == expected
    await recompute_due(world.context.database.sessions, wait=timedelta(0))
    assert await figures() == expected


async def test_an_exchange_that_is_down_is_why_a_trade_has_no_pnl(world: World) -> None:
    """Rule R57. Reported again once the instruments are known, it is completed."""
    bot, _, _ = await world.user().ready_bot()
    world.simulator.faults.set("okx", "testnet", FaultKind.HTML)
    (found,) = await report(bot, "trades", item("trades", "1"))
    assert (found["status"], found["pnl_unknown"]) == ("stored", "catalogue_unknown")

    await list_instruments(world, OKX, BTC)
    (again,) = await report(bot, "trades", item("trades", "1"))

    assert again["status"] == "completed"
    assert (await contract(world, "1"))[3] == Decimal("20.01")


async def test_the_other_catalogue_of_the_exchange_is_fetched_for_a_symbol_of_it(
    world: World,
) -> None:
    trading = await trader(world)
    results = await report(
        trading.bot, "trades", trade("1", symbol="BTC-USD-SWAP", quantity="90000")
    )
    assert results == [{"id": "1", "status": "stored"}]
    assert (await contract(world, "1"))[0::2] == ("inverse", "BTC")


async def test_a_trade_is_computed_with_the_size_at_its_time(world: World) -> None:
    """Rules R49 and R55."""
    trading = await listed(world)
    await list_instruments(world, OKX, replace(BTC, contract_size=Decimal("0.1")))
    async with world.context.database.sessions() as session:
        at = await session.scalar(select(func.max(CatalogueInstrument.contract_changed_at)))
    assert at is not None
    week, minute = timedelta(days=7), timedelta(minutes=1)
    former, now = {"contract_size": "0.01"}, {"contract_size": "0.1"}

    def trip(name: str, opened: datetime, closed: datetime, **stated: str) -> Json:
        times = {"opened_at": opened.isoformat(), "closed_at": closed.isoformat()}
        return trade(name, **times, **stated)

    sent = [
        (trip("long before", at - 2 * week, at - week), "0.01"),
        (trip("long before, agreed", at - 2 * week, at - week, **former), "0.01"),
        (trip("just before", at - week, at - minute), "0.01"),
        (trip("noticed late", at - week, at - minute, **now), "0.1"),
        (trip("after", at + minute, at + minute), "0.1"),
        (trip("open meanwhile", at - minute, at + minute), "0.1"),
        (trip("open meanwhile, counted before", at - minute, at + minute, **former), "0.01"),
        (trip("long before, with the present size", at - 2 * week, at - week, **now), None),
        (trip("after, with the former size", at + minute, at + minute, **former), None),
    ]
    named = {each["id"]: each | {"id": str(n)} for n, (each, _) in enumerate(sent)}

    results = await report(trading.bot, "trades", *named.values())

    stored = await rows(world, "trades")
    for (name, each), (_, size), found in zip(named.items(), sent, results, strict=True):
        if size is None:
            assert found.get("code") == "contract_size_differs", name
        else:
            assert found["status"] == "stored", name
            assert stored[each["id"]]["contract_size"] == Decimal(size), name
