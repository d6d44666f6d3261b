"""What bots report in batches: a verdict for each item, and rows that contain all of it."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, update

from app.db.models import CatalogueInstrument, KeyLabel
from app.domains.ingest.items import MAX_ITEMS
from app.domains.ingest.schemas import BatchVerdicts, TradeBatch
from app.simulator.faults import FaultKind
from tests.support.batches import AN_HOUR_AGO, KINDS, NOW, item, mark, report, rows, statuses
from tests.support.catalogue import OKX, instrument, list_instruments
from tests.support.positions import SYMBOL, Trader, trader
from tests.support.world import Json, World

SIZE = {"GONE": "1", "ODD": "0.01"}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_item_is_stored_once_with_all_that_its_key_is(world: World, kind: str) -> None:
    trading = await trader(world)
    sent = [item(kind, name) for name in ("b", "a", "c")]

    first = await report(trading.bot, kind, *sent[:2])
    again = await report(trading.bot, kind, *sent)

    assert statuses(first) == ["stored", "stored"]
    assert statuses(again) == ["duplicate", "duplicate", "stored"]
    stored = await rows(world, kind)
    assert set(stored) == {"a", "b", "c"}
    for row in stored.values():
        assert row["account_id"] == trading.bot.account_id
        assert (row["bot_id"], row["key_id"]) == (trading.bot.id, UUID(trading.key["id"]))
        assert (row["exchange"], row["environment"], row["contract_type"]) == (
            "okx",
            "testnet",
            "linear",
        )


async def test_every_member_of_an_item_is_stored(world: World) -> None:
    bot = (await trader(world)).bot
    data: Json = {"why": {"rsi": [70.5, 2**63], "ok": True, "none": None}, "é": "\\u0000"}
    more: dict[str, Json] = {
        "trades": {
            "fees": "-0.25",
            "leverage": 10,
            "margin_mode": "cross",
            "position_id": "p1",
            "exit_reason": "take profit",
        },
        "equity-snapshots": {"balance": 1e4, "unrealised_pnl": "-3.5", "settle": "XBT"},
        "signals": {"direction": "flat", "score": "0.75", "acted": False, "data": data},
        "events": {"level": "error", "data": data},
    }
    expected: dict[str, Json] = {
        **more,
        "trades": {**more["trades"], "fees": Decimal("-0.25"), "leverage": Decimal(10)},
        "equity-snapshots": {
            "balance": Decimal(10000),
            "unrealised_pnl": Decimal("-3.5"),
            "settle": "BTC",
            "reset": False,
        },
        "signals": {**more["signals"], "score": Decimal("0.75")},
    }
    for kind, members in more.items():
        assert statuses(await report(bot, kind, item(kind, "1", **members))) == ["stored"]
        row = (await rows(world, kind))["1"]
        assert {name: row[name] for name in expected[kind]} == expected[kind]
        assert row["closed_at" if kind == "trades" else "at"] == AN_HOUR_AGO


@pytest.mark.parametrize("kind", KINDS)
async def test_one_bad_item_keeps_no_other_from_being_stored(world: World, kind: str) -> None:
    bot = (await trader(world)).bot
    good = item(kind, "good")
    without_id = {name: value for name, value in good.items() if name != "id"}
    bad: list[Any] = [
        "text",
        7,
        None,
        [],
        {},
        without_id,
        *({**good, "id": odd} for odd in (None, 5, "", "a b", "a/b", "x" * 201, "a\x00", "\ud800")),
        {**good, "id": "typo", "qantity": "1"},
        {**good, "id": "typos", "qantity": "1", "quantitty": "1"},
        *({**good, "id": f"no-{name}", name: None} for name in without_id),
        *({**good, "id": f"odd-{name}", name: {"a": "s3cr3t"}} for name in without_id),
    ]

    results = await report(bot, kind, *bad, good)

    assert statuses(results) == [*["invalid_item"] * len(bad), "stored"]
    assert set(await rows(world, kind)) == {"good"}
    assert [result["id"] for result in results[:14]] == [None] * 14
    found = {result["id"]: result["detail"] for result in results[14:-1]}
    assert found["typo"].startswith("item: No such member. There are `")
    assert found["typos"] == f"{found['typo']}, 2 times"
    assert all(f"{name}" in found[f"no-{name}"] for name in without_id)
    assert "s3cr3t" not in json.dumps(results)


async def test_texts_come_back_as_they_were_sent(world: World) -> None:
    bot = (await trader(world)).bot
    odd = ['"', "\\", '\\"', "{a,b}", "NULL", "null", "'", "%s :id $1", "é👩‍👩‍👧 中", "a  b"]
    sent = [
        item("events", f"e{n}", kind=text, message=text, data={text: [text, "\n\\n"]})
        for n, text in enumerate(odd)
    ]
    names = ['"', "\\", "{a,b}", "NULL", "null"]

    assert set(statuses(await report(bot, "events", *sent))) == {"stored"}
    assert set(statuses(await report(bot, "signals", *(item("signals", n) for n in names)))) == {
        "stored"
    }

    stored = await rows(world, "events")
    kept = [(row["kind"], row["message"], row["data"]) for _, row in sorted(stored.items())]
    assert kept == [(text, text, {text: [text, "\n\\n"]}) for text in odd]
    assert set(await rows(world, "signals")) == set(names)


LONGEST = "9" * 20 + "." + "9" * 40
BAD_NUMBERS = ["NaN", "Infinity", "-1", "0", "1_0", "1e999", "9" * 41, "٣", "", True, [], 10**60]


async def test_numbers_are_finite_above_zero_and_bounded(world: World) -> None:
    bot = (await trader(world)).bot
    bad = [
        item("trades", f"{name}-{number}", **{name: odd})
        for name in ("quantity", "entry_price", "exit_price", "leverage", "contract_size")
        for number, odd in enumerate(BAD_NUMBERS)
    ]
    raw = item("trades", "raw", quantity=float("nan"))

    results = await report(bot, "trades", *bad, raw, item("trades", "long", quantity=LONGEST))

    assert statuses(results) == [*["invalid_item"] * (len(bad) + 1), "stored"]


def nested(levels: int) -> Json:
    """Return an object with so many levels; of an odd number, every second one is an array."""
    inner: Any = {"a": 1}
    for level in range(levels - 1):
        inner = [inner] if levels % 2 and level % 2 == 0 else {"a": inner}
    document: Json = inner
    return document


BAD_DATA: dict[str, Any] = {
    "list": [1],
    "text": "{}",
    "nul": {"a": ["b\x00"]},
    "nul-name": {"a\x00": 1},
    "surrogate": {"a": "\ud800"},
    "surrogate-name": {"\ud800": 1},
    "nan": {"a": float("nan")},
    "infinite": {"a": [float("inf")]},
    "long-number": {"a": 2**64},
    "deep": nested(21),
    "deeper": nested(28),
    "large": {"a": "x" * 16_377},
}


@pytest.mark.parametrize("kind", ["signals", "events"])
async def test_data_is_an_object_that_the_database_can_keep_as_it_is(
    world: World, kind: str
) -> None:
    bot = (await trader(world)).bot
    good = {
        "empty": {},
        "sum": {"a": [0.1 + 0.2]},
        "deepest": nested(20),
        "largest": {"a": "x" * 16_376},
    }
    sent = {**BAD_DATA, **good}

    results = await report(bot, kind, *(item(kind, name, data=sent[name]) for name in sent))

    assert statuses(results) == [*["invalid_item"] * len(BAD_DATA), *["stored"] * len(good)]
    assert {name: row["data"] for name, row in (await rows(world, kind)).items()} == good


async def test_a_message_may_have_lines_and_tabs_and_is_exported_as_it_was_sent(
    world: World,
) -> None:
    bot = (await trader(world)).bot
    sent = ['Traceback:\n\tFile "a.py", line 1\n', "of Windows:\r\n\t\\n\\\n, y\r\n", "\n\tfirst"]
    found = [item("events", f"e{n}", message=text) for n, text in enumerate(sent)]

    assert set(statuses(await report(bot, "events", *found))) == {"stored"}

    stored = await rows(world, "events")
    assert [row["message"] for _, row in sorted(stored.items())] == sent
    asked = {"Accept": "text/csv"}
    file = await world.user().get("/v1/bot-events?environment=testnet", headers=asked)
    lines = list(csv.DictReader(io.StringIO(file.text, newline="")))
    shown = sorted((line["id"], line["message"]) for line in lines if line["id"] in stored)
    assert [text for _, text in shown] == [*sent[:2], f"'{sent[2]}"]
    assert '"Traceback:\n\tFile ""a.py"", line 1\n"' in file.text


async def test_a_symbol_and_a_name_are_more_than_white_space(world: World) -> None:
    bot = (await trader(world)).bot
    for kind, member in (
        ("trades", "symbol"),
        ("trades", "exit_reason"),
        ("trades", "settle"),
        ("signals", "symbol"),
        ("signals", "name"),
        ("events", "kind"),
    ):
        bad = [item(kind, f"{member}-{n}", **{member: " " * n}) for n in (1, 3)]
        assert statuses(await report(bot, kind, *bad)) == ["invalid_item"] * 2, (kind, member)


async def test_texts_are_bounded_and_hold_no_control_characters(world: World) -> None:
    bot = (await trader(world)).bot
    bad = [
        item("events", "kind", kind="k" * 101),
        item("events", "message", message="m" * 2001),
        item("events", "empty", message=""),
        item("events", "control", message="a\x1b[2J"),
        item("events", "overwritten", message="a\rb"),
        item("events", "half-broken", message="a\r\r\n\nb"),
        item("events", "next-line", message="a\x85b"),
        item("events", "separated", message="a\u2028b"),
        item("events", "kind-in-lines", kind="a\nb"),
        item("events", "turning", message="\u202eabc"),
    ]
    longest = item("events", "longest", kind="k" * 100, message="é" * 2000)

    assert statuses(await report(bot, "events", *bad, longest)) == [
        *["invalid_item"] * len(bad),
        "stored",
    ]


async def test_times_may_be_long_past_and_hardly_ahead_and_never_backwards(world: World) -> None:
    bot = (await trader(world)).bot
    past = datetime.fromisoformat("1999-12-31T23:59:59+01:00")
    now = datetime.now(UTC)
    sent = {
        "past": item("trades", "past", past),
        "ahead": item("trades", "ahead", now + timedelta(minutes=4)),
        "too far ahead": item("trades", "far", now + timedelta(minutes=10)),
        "never": item("trades", "never", closed_at="9999-12-31T23:59:59.999999Z"),
        "backwards": item("trades", "backwards", opened_at=now.isoformat()),
        "no zone": item("trades", "zone", closed_at="2026-11-01T10:00:00"),
        "a number": item("trades", "number", closed_at=1_700_000_000),
    }

    results = await report(bot, "trades", *sent.values())

    assert dict(zip(sent, statuses(results), strict=True)) == {
        "past": "stored",
        "ahead": "stored",
        "too far ahead": "clock_ahead",
        "never": "clock_ahead",
        "backwards": "invalid_item",
        "no zone": "invalid_item",
        "a number": "invalid_item",
    }
    assert (await rows(world, "trades"))["past"]["closed_at"] == past
    assert statuses(
        await report(bot, "signals", item("signals", "1", NOW + timedelta(hours=1)))
    ) == ["clock_ahead"]


@pytest.mark.parametrize("kind", KINDS)
async def test_of_an_id_that_stands_twice_in_a_batch_the_first_is_stored(
    world: World, kind: str
) -> None:
    bot = (await trader(world)).bot
    first, other = item(kind, "1"), item(kind, "1", AN_HOUR_AGO - timedelta(days=1))
    invalid, ahead = {"id": "2"}, item(kind, "2", NOW + timedelta(days=1))

    results = await report(bot, kind, first, invalid, other, ahead, item(kind, "2"), first)

    assert statuses(results) == [
        "stored",
        "invalid_item",
        "id_reused",
        "clock_ahead",
        "stored",
        "duplicate",
    ]
    row = (await rows(world, kind))["1"]
    assert row["closed_at" if kind == "trades" else "at"] == AN_HOUR_AGO


async def test_a_batch_may_be_empty_and_holds_a_thousand_items_at_most(world: World) -> None:
    bot = (await trader(world)).bot
    thousand = [item("signals", f"s{number}") for number in range(MAX_ITEMS)]

    assert await report(bot, "signals") == []
    too_many = await bot.post("/v1/runtime/signals", {"items": [*thousand, thousand[0]]})
    results = await report(bot, "signals", *thousand)

    assert (too_many.status_code, too_many.json()["code"]) == (422, "invalid_request")
    assert set(statuses(results)) == {"stored"}
    assert len(await rows(world, "signals")) == MAX_ITEMS


async def test_a_thousand_full_trades_fit_the_limit_and_a_thousand_full_events_do_not(
    world: World,
) -> None:
    trading = await trader(world)
    long = "x" * 100
    trade = item(
        "trades",
        "1" * 200,
        symbol=long,
        exit_reason=long,
        position_id="p" * 200,
        **dict.fromkeys(
            ("quantity", "entry_price", "exit_price", "fees", "contract_size"), LONGEST
        ),
    )
    event = item("events", "1", data={"a": "x" * 16_376})
    limit = world.context.settings.body_limit

    assert len(json.dumps({"items": [trade] * MAX_ITEMS})) < limit
    refused = await trading.bot.post("/v1/runtime/events", {"items": [event] * MAX_ITEMS})
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
    assert str(limit) in refused.json()["detail"]


async def test_a_batch_may_name_any_key_that_the_bot_ever_had(world: World) -> None:
    trading = await trader(world)
    await trading.unassign()
    second = await trading.user.add_key("other_account")
    await trading.assign(second)
    never = await trading.user.add_key("trade_2")

    for kind in KINDS:
        results = await report(trading.bot, kind, item(kind, "old"), key_id=trading.key["id"])
        assert statuses(results) == ["stored"]
        assert statuses(await report(trading.bot, kind, item(kind, "new"))) == ["stored"]
        keys = {name: str(row["key_id"]) for name, row in (await rows(world, kind)).items()}
        assert keys == {"old": trading.key["id"], "new": second["id"]}
        for unknown in (never["id"], str(uuid4())):
            body = {"items": [item(kind, "1")], "key_id": unknown}
            refused = await trading.bot.post(f"/v1/runtime/{kind}", body)
            assert (refused.status_code, refused.json()["code"]) == (409, "key_not_assigned")
    await trading.unassign()
    for kind in KINDS:
        for items in ([], [item(kind, "1")]):
            refused = await trading.bot.post(f"/v1/runtime/{kind}", {"items": items})
            assert (refused.status_code, refused.json()["code"]) == (409, "no_key")


async def test_a_key_that_was_deleted_without_its_data_can_still_be_named(world: World) -> None:
    trading = await trader(world)
    await trading.unassign()
    deleted = await trading.user.delete(f"/v1/keys/{trading.key['id']}")
    assert deleted.status_code == 200, deleted.text

    results = await report(trading.bot, "trades", item("trades", "1"), key_id=trading.key["id"])

    assert statuses(results) == ["stored"]
    row = (await rows(world, "trades"))["1"]
    assert (row["exchange"], row["settle"], row["pnl"]) == ("okx", "USDT", Decimal("20.01"))


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_is_taken_for_a_key_that_was_deleted_with_its_data(
    world: World, kind: str
) -> None:
    trading = await trader(world)
    await trading.unassign()
    key_id = trading.key["id"]
    await mark(world, trading.bot, key_id=UUID(key_id), cutoff="infinity")
    async with world.context.database.sessions.begin() as session:
        await session.execute(delete(KeyLabel).where(KeyLabel.key_id == UUID(key_id)))

    results = await report(trading.bot, kind, item(kind, "1"), {}, key_id=key_id)

    assert statuses(results) == ["data_deleted", "invalid_item"]
    assert await rows(world, kind) == {}


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_older_than_a_deletion_is_refused(world: World, kind: str) -> None:
    """Rule R25."""
    trading = await trader(world)
    before = AN_HOUR_AGO - timedelta(microseconds=1)
    assert statuses(await report(trading.bot, kind, item(kind, "before", before))) == ["stored"]
    await mark(world, trading.bot, environment="testnet", cutoff=AN_HOUR_AGO)
    await mark(world, trading.bot, environment="live", cutoff=NOW)
    await mark(world, trading.bot, key_id=uuid4(), cutoff="infinity")

    results = await report(
        trading.bot,
        kind,
        item(kind, "before", before),
        item(kind, "late", before),
        item(kind, "kept"),
        # The row of this id is deleted, but not purged yet.
        item(kind, "before"),
    )

    assert statuses(results) == ["data_deleted", "data_deleted", "stored", "data_deleted"]
    assert set(await rows(world, kind)) == {"before", "kept"}


async def test_a_deletion_of_another_account_refuses_nothing(world: World) -> None:
    trading, other = await trader(world), await trader(world, "bob", key=await bobs_key(world))
    await mark(world, other.bot, cutoff=NOW)

    assert statuses(await report(trading.bot, "trades", item("trades", "1"))) == ["stored"]
    assert statuses(await report(other.bot, "trades", item("trades", "1"))) == ["data_deleted"]


async def bobs_key(world: World) -> Json:
    await list_instruments(world, OKX, instrument(SYMBOL))
    return await world.user("bob").add_key()


async def earned(world: World, trading: Trader, **changes: Any) -> tuple[Any, ...]:
    """Return contract type, contract size, settle asset and P&L of a trade reported like this."""
    name = uuid4().hex
    assert statuses(await report(trading.bot, "trades", item("trades", name, **changes))) == [
        "stored"
    ]
    row = (await rows(world, "trades"))[name]
    return row["contract_type"], row["contract_size"], row["settle"], row["pnl"]


async def test_a_settle_asset_is_one_asset_in_whatever_case_it_is_reported(world: World) -> None:
    trading = await trader(world)
    odd = replace(instrument("ODD"), settle="usdt")
    await list_instruments(world, OKX, instrument(), odd)
    for symbol in ("GONE", "ODD"):
        for settle in ("usdt", "USDt", "Usdt"):
            stated = {"contract_type": "linear", "contract_size": SIZE[symbol], "settle": settle}
            assert (await earned(world, trading, symbol=symbol, **stated))[2] == "USDT"
    looks = {"usd": "USD", "xbt": "BTC", "XBt": "BTC", "uBTC": "UBTC", "USDT": "USDT"}
    items = [item("equity-snapshots", settle, settle=settle) for settle in looks]
    assert set(statuses(await report(trading.bot, "equity-snapshots", *items))) == {"stored"}
    stored = await rows(world, "equity-snapshots")
    assert {name: row["settle"] for name, row in stored.items()} == looks
    summary = (await trading.user.get("/v1/analytics/summary?environment=testnet")).json()
    assert [(sums["settle"], sums["trades"]) for sums in summary["items"]] == [("USDT", 6)]


async def test_a_delisted_contract_is_still_known(world: World) -> None:
    trading = await trader(world)
    async with world.context.database.sessions.begin() as session:
        await session.execute(update(CatalogueInstrument).values(listed=False))

    assert (await earned(world, trading))[3] == Decimal("20.01")


async def test_a_catalogue_that_was_never_fetched_is_fetched_first(world: World) -> None:
    bot, _, _ = await world.user().ready_bot()

    assert statuses(await report(bot, "trades", item("trades", "1"))) == ["stored"]

    row = (await rows(world, "trades"))["1"]
    assert (row["settle"], row["contract_size"]) == ("USDT", Decimal("0.01"))
    assert row["pnl"] == Decimal("20.01")


async def test_an_exchange_that_is_down_keeps_no_trade_from_being_stored(world: World) -> None:
    bot, _, _ = await world.user().ready_bot()
    world.simulator.faults.set("okx", "testnet", FaultKind.HTML)

    assert statuses(await report(bot, "trades", item("trades", "1"))) == ["stored"]

    row = (await rows(world, "trades"))["1"]
    assert (row["contract_size"], row["settle"], row["pnl"]) == (None, None, None)


async def test_a_bot_that_is_gone_or_has_a_new_token_reports_nothing(world: World) -> None:
    trading = await trader(world)
    old = trading.bot
    await trading.user.mint(str(old.id))
    for kind in KINDS:
        refused = await old.post(f"/v1/runtime/{kind}", {"items": [item(kind, "1")]})
        assert refused.status_code == 401
        assert await rows(world, kind) == {}


def test_the_answers_are_as_documented() -> None:
    BatchVerdicts.model_validate({"results": [{"id": "1", "status": "stored"}]})
    assert TradeBatch.model_json_schema()["properties"]["items"]["maxItems"] == MAX_ITEMS
