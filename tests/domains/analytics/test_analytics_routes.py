"""Summary, equity curve and dashboard, as a user asks for them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from app.api.schemas import Document
from app.domains.analytics.calendar import start_of
from app.domains.analytics.schemas import EquityCurve, Summary
from app.domains.overview.schemas import Dashboard
from app.domains.trading.marks import FOREVER, Mark
from tests.support import ledger
from tests.support.ledger import START, Deal, Look
from tests.support.positions import add_position
from tests.support.trading_data import Desk, new_desk
from tests.support.world import Json, World

HOUR = timedelta(hours=1)
FIRST, SECOND = ledger.KEYS[:2]


def deal(hours: float, pnl: str, **changes: Any) -> Deal:
    """Return a trade of one hour that closed this many hours after `START`."""
    at = START + hours * HOUR
    values: dict[str, Any] = {
        "environment": "live",
        "key": FIRST,
        "bot": ledger.BOTS[0],
        "symbol": "BTCUSDT",
        "settle": "USDT",
        "fees": Decimal("0.5"),
        "opened": at - HOUR,
        **changes,
    }
    return Deal(pnl=Decimal(pnl), at=at, **values)


def look(hours: float, equity: str, **changes: Any) -> Look:
    values: dict[str, Any] = {
        "environment": "live",
        "key": FIRST,
        "bot": ledger.BOTS[0],
        "settle": "USDT",
        "reset": False,
        **changes,
    }
    return Look(equity=Decimal(equity), at=START + hours * HOUR, **values)


async def desk_with(world: World, deals: list[Deal], *looks: Look, **columns: Any) -> Desk:
    desk = await new_desk(world, **columns)
    async with world.context.database.sessions.begin() as session:
        await ledger.add_deals(session, desk.account_id, deals)
        await ledger.add_looks(session, desk.account_id, looks)
    return desk


async def get_document(desk: Desk, path: str, schema: type[Document], **query: Any) -> Json:
    answer = await desk.user.get(f"/v1/{path}?{urlencode(query)}")
    assert answer.status_code == 200, answer.text
    schema.model_validate(answer.json())
    document: Json = answer.json()
    return document


async def summary(desk: Desk, **query: Any) -> Json:
    return await get_document(desk, "analytics/summary", Summary, **query)


async def test_a_summary_tells_all_figures_of_each_settle_asset(world: World) -> None:
    desk = await desk_with(
        world,
        [
            deal(1, "100"),
            deal(5, "-30"),
            deal(9, "-30.5"),
            deal(13, "0"),
            deal(25, "0.00000001", settle="BTC"),
            deal(26, "0", settle=None),
        ],
        look(0.5, "1000"),
        look(7, "2", settle="BTC"),
    )

    found = await summary(desk)

    assert {name: found[name] for name in found if name != "items"} == {
        "environment": "live",
        "from": None,
        "to": None,
        "group_by": None,
        "trades_without_pnl": 1,
        "next_cursor": None,
    }
    nobody = {"key": None, "bot": None, "symbol": None, "period": None}
    assert found["items"] == [
        {
            **nobody,
            "settle": "BTC",
            "trades": 1,
            "realised_pnl": "0.00000001",
            "funding": "0",
            "net_pnl": "0.00000001",
            "fees": "0.5",
            "other_fees": [],
            "gross_profit": "0.00000001",
            "gross_loss": "0",
            "win_rate": "1",
            "profit_factor": None,
            "average_win": "0.00000001",
            "average_loss": None,
            "largest_drawdown": None,
            "exposure": "1",
            "trades_without_opening": 0,
            "trades_per_day": "24",
        },
        {
            **nobody,
            "settle": "USDT",
            "trades": 4,
            "realised_pnl": "39.5",
            "funding": "0",
            "net_pnl": "39.5",
            "fees": "2",
            "other_fees": [],
            "gross_profit": "100",
            "gross_loss": "60.5",
            "win_rate": "0.25",
            "profit_factor": "1.652893",
            "average_win": "100",
            "average_loss": "30.25",
            "largest_drawdown": {
                "value": "60.5",
                "percent": "6.05",
                "peak_at": "2026-11-01T01:00:00Z",
                "trough_at": "2026-11-01T09:00:00Z",
            },
            "exposure": "0.307692",
            "trades_without_opening": 0,
            "trades_per_day": "7.384615",
        },
    ]


async def test_rates_are_of_the_period_that_was_asked_for(world: World) -> None:
    desk = await desk_with(world, [deal(1, "1"), deal(30, "1"), deal(48, "1")])

    query = {"from": START.isoformat(), "to": (START + 48 * HOUR).isoformat()}
    found = await summary(desk, **query)

    assert (found["from"], found["to"]) == ("2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z")
    (item,) = found["items"]
    assert (item["trades"], item["trades_per_day"], item["exposure"]) == (2, "1", "0.041667")


async def test_a_drawdown_begins_again_where_test_funds_were_reset(world: World) -> None:
    deals = [deal(1, "-5"), deal(2, "-4"), deal(3, "-4")]
    desk = await desk_with(world, deals, look(0, "100"), look(2, "50", reset=True))

    (item,) = (await summary(desk))["items"]

    assert item["largest_drawdown"] == {
        "value": "8",
        "percent": "16",
        "peak_at": None,
        "trough_at": "2026-11-01T03:00:00Z",
    }


@pytest.mark.parametrize("group_by", ["key", "bot", "symbol"])
async def test_groups_come_in_pages_with_their_names(world: World, group_by: str) -> None:
    deals = [
        deal(n, "1", key=key, bot=bot, symbol=symbol)
        for n, (key, bot, symbol) in enumerate(
            zip(ledger.KEYS, [*ledger.BOTS, ledger.BOTS[0]], ["A", "B", "C"], strict=True)
        )
    ]
    desk = await desk_with(world, deals)

    names, query = [], {"group_by": group_by, "limit": 1}
    page = await summary(desk, **query)
    while page["next_cursor"]:
        names += [item[group_by] for item in page["items"]]
        page = await summary(desk, **query, cursor=page["next_cursor"])
    names += [item[group_by] for item in page["items"]]

    assert (
        names
        == {
            "key": [{"id": str(key), "label": None} for key in ledger.KEYS],
            "bot": [{"id": str(bot), "name": None} for bot in ledger.BOTS],
            "symbol": ["A", "B", "C"],
        }[group_by]
    )


async def test_a_group_tells_the_label_of_its_key_and_the_name_of_its_bot(world: World) -> None:
    desk = await new_desk(world)
    bot = await desk.user.add_bot("Grid BTC")
    async with world.context.database.sessions.begin() as session:
        one = deal(1, "1", key=desk.keys["live"], bot=UUID(bot["id"]))
        await ledger.add_deals(session, desk.account_id, [one])

    by_key = (await summary(desk, group_by="key"))["items"][0]
    by_bot = (await summary(desk, group_by="bot"))["items"][0]

    assert by_key["key"] == {"id": str(desk.keys["live"]), "label": "live key"}
    assert by_bot["bot"] == {"id": bot["id"], "name": "Grid BTC"}


@pytest.mark.parametrize(
    ("unit", "zone", "expected"),
    [
        (
            "day",
            "UTC",
            [("2026-12-01", 1), ("2026-11-03", 1), ("2026-11-02", 1), ("2026-11-01", 1)],
        ),
        ("day", "Asia/Tokyo", [("2026-11-30", 1), ("2026-11-02", 2), ("2026-10-31", 1)]),
        ("week", "UTC", [("2026-11-30", 1), ("2026-11-02", 2), ("2026-10-26", 1)]),
        ("month", "UTC", [("2026-12-01", 1), ("2026-11-01", 3)]),
        ("month", "America/New_York", [("2026-12-01", 1), ("2026-11-01", 2), ("2026-10-01", 1)]),
    ],
)
async def test_periods_are_those_of_the_accounts_time_zone_newest_first(
    world: World, unit: str, zone: str, expected: list[tuple[str, int]]
) -> None:
    deals = [deal(1, "1"), deal(40, "2"), deal(50, "3"), deal(30 * 24 + 10, "4")]
    desk = await desk_with(world, deals, timezone=zone)

    listed: list[tuple[str, int]] = []
    page: Json = {"next_cursor": None}
    for turn in range(6):
        query = {"cursor": page["next_cursor"]} if turn else {}
        page = await summary(desk, group_by=unit, limit=2, **query)
        listed += [(item["period"]["from"][:10], item["trades"]) for item in page["items"]]
        if not page["next_cursor"]:
            break

    assert listed == expected


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "America/New_York"])
async def test_no_page_of_periods_is_empty_and_no_cursor_leads_nowhere(
    world: World, zone: str
) -> None:
    closings = [12, 36, 37, 9 * 24 + 12, 9 * 24 + 13, 20 * 24 + 12]
    deals = [deal(hours, "1") for hours in closings]
    desk = await desk_with(world, [*deals, deal(15 * 24 + 12, "0", settle=None)], timezone=zone)

    listed: list[Any] = []
    without = 0
    page: Json = {"next_cursor": None}
    while not listed or page["next_cursor"]:
        query = {"cursor": page["next_cursor"]} if listed else {}
        page = await summary(desk, group_by="day", limit=1, **query)
        assert len(page["items"]) == 1
        listed.append(page["items"][0]["trades"])
        without += page["trades_without_pnl"]

    assert (listed, without) == ([1, 2, 2, 1], 1)


async def test_what_was_deleted_is_in_no_figure(world: World) -> None:
    desk = await desk_with(
        world,
        [deal(1, "1"), deal(2, "2", key=SECOND), deal(30, "4")],
        look(1, "100"),
        look(1, "50", key=SECOND),
    )
    await desk.mark(Mark(None, SECOND, FOREVER), Mark("live", None, START + 1.5 * HOUR))

    (item,) = (await summary(desk))["items"]
    assert item["realised_pnl"] == "4"
    curve = await get_document(desk, "analytics/equity-curve", EquityCurve)
    assert curve["items"] == [
        {
            "settle": "USDT",
            "points": [
                {
                    "at": "2026-11-02T06:00:00Z",
                    "equity": None,
                    "realised_pnl_cumulative": "4",
                    "funding_cumulative": "0",
                    "net_pnl_cumulative": "4",
                    "reset": False,
                }
            ],
        }
    ]


async def test_the_environment_is_the_selected_one_unless_another_is_named(world: World) -> None:
    deals = [deal(1, "1"), deal(1, "7", environment="testnet")]
    desk = await desk_with(world, deals, selected_environment="testnet")

    for path, schema in (("analytics/summary", Summary), ("dashboard", Dashboard)):
        assert (await get_document(desk, path, schema))["environment"] == "testnet"
    assert (await summary(desk))["items"][0]["realised_pnl"] == "7"
    assert (await summary(desk, environment="live"))["items"][0]["realised_pnl"] == "1"


async def test_a_curve_adds_up_what_is_last_known_of_each_key(world: World) -> None:
    desk = await desk_with(
        world,
        [deal(2, "5"), deal(4, "-1")],
        look(1, "100"),
        look(2, "40", key=SECOND),
        look(3, "110"),
        look(4, "10", key=SECOND, reset=True),
    )

    curve = await get_document(desk, "analytics/equity-curve", EquityCurve)

    assert [tuple(point.values()) for point in curve["items"][0]["points"]] == [
        ("2026-11-01T01:00:00Z", "100", "0", "0", "0", False),
        ("2026-11-01T02:00:00Z", "140", "5", "0", "5", False),
        ("2026-11-01T03:00:00Z", "150", "5", "0", "5", False),
        ("2026-11-01T04:00:00Z", "120", "4", "0", "4", True),
    ]
    one = await get_document(desk, "analytics/equity-curve", EquityCurve, points=1)
    assert [tuple(point.values()) for point in one["items"][0]["points"]] == [
        ("2026-11-01T04:00:00Z", "120", "4", "0", "4", True)
    ]
    until = "2026-11-01T03:30:00Z"  # its bucket extends beyond, to the reset
    cut = await get_document(desk, "analytics/equity-curve", EquityCurve, points=1, to=until)
    assert [tuple(point.values()) for point in cut["items"][0]["points"]] == [
        ("2026-11-01T03:00:00Z", "150", "5", "0", "5", False)
    ]


async def test_funding_is_a_figure_of_its_own_and_part_of_the_net(world: World) -> None:
    """It is no trade, but the curve and its largest fall count it."""
    desk = await desk_with(
        world, [deal(1, "10"), deal(2, "-4", payment=True, fees=Decimal(0), opened=None)]
    )

    (item,) = (await summary(desk))["items"]
    (series,) = (await get_document(desk, "analytics/equity-curve", EquityCurve))["items"]
    (day,) = (await summary(desk, group_by="day"))["items"]

    for figures in (item, day):
        assert (figures["realised_pnl"], figures["funding"]) == ("10", "-4")
        assert (figures["net_pnl"], figures["trades"]) == ("6", 1)
        assert (figures["win_rate"], figures["gross_loss"]) == ("1", "0")
        assert figures["largest_drawdown"]["value"] == "4"
    last = series["points"][-1]
    assert last["realised_pnl_cumulative"] == "10"
    assert (last["funding_cumulative"], last["net_pnl_cumulative"]) == ("-4", "6")


async def test_figures_have_all_the_digits_that_their_amounts_have(world: World) -> None:
    """Decimals in Python round to 28 digits by default."""
    long, tiny = "12345678901234567890.5", "0.0000000000000000000000000000000000000001"
    payment = deal(2, f"-{tiny}", payment=True, fees=Decimal(0), opened=None)
    desk = await desk_with(world, [deal(1, long), payment])

    (item,) = (await summary(desk))["items"]
    (series,) = (await get_document(desk, "analytics/equity-curve", EquityCurve))["items"]

    net = f"12345678901234567890.4{'9' * 39}"
    assert (item["realised_pnl"], item["funding"], item["net_pnl"]) == (long, f"-{tiny}", net)
    last = series["points"][-1]
    assert (last["realised_pnl_cumulative"], last["net_pnl_cumulative"]) == (long, net)


async def test_an_account_without_data_has_no_figures(world: World) -> None:
    desk = await new_desk(world)

    assert (await summary(desk))["items"] == []
    for group_by in ("key", "day"):
        assert (await summary(desk, group_by=group_by))["items"] == []
    assert (await get_document(desk, "analytics/equity-curve", EquityCurve))["items"] == []


@pytest.mark.parametrize("group_by", ["key", "month"])
async def test_a_cursor_of_another_list_is_refused(world: World, group_by: str) -> None:
    desk = await desk_with(world, [deal(1, "1"), deal(1, "1", symbol="A")])
    page = await summary(desk, group_by="symbol", limit=1)

    query = urlencode({"group_by": group_by, "cursor": page["next_cursor"]})
    answer = await desk.user.get(f"/v1/analytics/summary?{query}")

    assert (answer.status_code, answer.json()["errors"][0]["type"]) == (422, "cursor_invalid")


async def test_the_dashboard_counts_the_environment_and_todays_trades(world: World) -> None:
    # In a zone where it is noon, so that midnight does not fall into the test. (GMT+5 is five hours
    # behind.)
    zone = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
    desk = await new_desk(world, timezone=zone)
    bot, _, key = await desk.user.ready_bot()
    await bot.post("/v1/runtime/heartbeat")
    idle = await desk.user.add_bot("Idle")
    await add_position(world, desk.account_id, idle["id"], key["id"])
    async with world.context.database.sessions.begin() as session:
        now: datetime = (await session.execute(select(func.statement_timestamp()))).scalar_one()
        today = start_of(now, "day", ZoneInfo(zone))
        deals = [
            Deal("testnet", FIRST, bot.id, "BTCUSDT", "USDT", Decimal(pnl), Decimal(0), at, at)
            for pnl, at in (("3", today), ("50", today - timedelta(microseconds=1)))
        ]
        await ledger.add_deals(session, desk.account_id, deals)

    document = await get_document(desk, "dashboard", Dashboard, environment="testnet")
    del document["environments"]
    del document["keys"]["states"]
    assert document == {
        "environment": "testnet",
        "timezone": zone,
        "today_since": today.isoformat().replace("+00:00", "Z"),
        "open_positions": 1,
        "bots": {"total": 2, "online": 1, "blocked": 2},
        "keys": {"total": 1, "active": 1, "expiring": 0},
        "pnl_today": [{"settle": "USDT", "realised_pnl": "3", "funding": "0", "trades": 1}],
    }
    live = await get_document(desk, "dashboard", Dashboard)
    assert (live["open_positions"], live["keys"]["total"], live["pnl_today"]) == (0, 0, [])
