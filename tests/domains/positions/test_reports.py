"""Positions as bots report them: permission to open, and facts in whatever order they arrive."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import ANY
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from app.db.models import Account, BotEvent, Key, Position, TradingAsset
from app.domains.bots.opening_rules import OpeningConditions, asset_blocked_by, blocked_by
from app.domains.catalogue.repository import CatalogueKey
from app.domains.positions.errors import REFUSALS
from app.worker.housekeeping import lapse_openings
from botkeys.exchanges.model import ContractType, Environment, MarginMode
from tests.support.catalogue import OKX, OKX_INVERSE, instrument, list_instruments
from tests.support.positions import SYMBOL, Trader, add_asset, let_lapse, trader
from tests.support.world import World

LAPSED, BY_HAND, REPORTED = ("closed", "lapsed"), ("closed", "by_hand"), ("closed", "reported")
OPENING, OPEN = ("opening", None), ("open", None)

STATES = ("absent", "reserved", "lapsed", "marked as lapsed", "open", "by hand", "closed")

AFTER: dict[str, dict[str, tuple[str, str | None]]] = {
    "opening": dict(zip(STATES, (*[OPENING] * 4, OPEN, BY_HAND, REPORTED), strict=True)),
    "open": dict(zip(STATES, (*[OPEN] * 6, REPORTED), strict=True)),
    "closed": dict.fromkeys(STATES, REPORTED),
}
"""The expected state after a report, by the state before it."""


async def make(trading: Trader, state: str) -> None:
    if state in {"reserved", "lapsed", "marked as lapsed"}:
        await trading.report("opening")
    if state in {"open", "by hand", "closed"}:
        await trading.report("open")
    if state == "closed":
        await trading.report("closed")
    if state == "by hand":
        assert (await trading.close_by_hand()).status_code == 200
    if "lapsed" in state:
        await let_lapse(trading.world, 7200)
    if state == "marked as lapsed":
        assert await lapse_openings(trading.world.context.database.sessions) == 1


def states_of(document: dict[str, Any]) -> tuple[str, str | None]:
    return document["status"], document["close_reason"]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("status", list(AFTER))
async def test_a_report_has_its_effect_and_repeated_it_has_no_other(
    world: World, status: str, state: str
) -> None:
    trading = await trader(world)
    await make(trading, state)

    first = await trading.report(status)
    again = await trading.report(status)

    assert states_of(first) == AFTER[status][state]
    if status == "opening":
        assert (first.pop("expires_at") is None) == (again.pop("expires_at") is None)
        first.pop("updated_at"), again.pop("updated_at")
    assert again == first
    held = (await trading.user.get(f"/v1/bots/{trading.bot.id}")).json()["open_positions"]
    assert held == (first["status"] != "closed")


async def test_a_position_has_what_its_asset_says_unless_the_bot_says_otherwise(
    world: World,
) -> None:
    trading = await trader(world)

    taken_over = await trading.report("opening")
    stated = await trading.report("open", "p2", leverage=3, margin_mode="isolated", fees="-0.25")

    assert taken_over["key"] == {"id": trading.key["id"], "label": trading.key["label"]}
    assert taken_over["bot"] == {"id": str(trading.bot.id), "name": trading.document["name"]}
    assert (taken_over["exchange"], taken_over["environment"]) == ("okx", "testnet")
    assert (taken_over["contract_type"], taken_over["symbol"]) == ("linear", SYMBOL)
    assert (taken_over["leverage"], taken_over["margin_mode"]) == ("10", "cross")
    assert (stated["leverage"], stated["margin_mode"], stated["fees"]) == ("3", "isolated", "-0.25")


async def test_a_reservation_holds_for_a_minute_and_shows_as_lapsed_after_it(
    world: World,
) -> None:
    """Rule R19."""
    trading = await trader(world)
    reserved = await trading.report("opening")
    until = datetime.fromisoformat(reserved["expires_at"])
    made = datetime.fromisoformat(reserved["created_at"])
    assert timedelta(seconds=59) < until - made < timedelta(seconds=90)

    await let_lapse(world)

    listed = (await trading.user.get("/v1/positions?environment=testnet")).json()["items"]
    assert [states_of(item) for item in listed] == [LAPSED]
    assert listed[0]["expires_at"] is None
    assert listed[0]["closed_at"] < reserved["expires_at"]
    await trading.unassign()
    problem = await trading.refused("opening")
    assert problem["code"] == "no_key"


async def test_a_reservation_that_lapsed_takes_the_margin_mode_that_is_set_now(
    world: World,
) -> None:
    trading = await trader(world)
    await trading.report("opening")
    await let_lapse(world)
    path = f"/v1/keys/{trading.key['id']}/assets/{SYMBOL}"
    changed = await trading.user.patch(path, {"margin_mode": "isolated", "leverage": "5"})
    assert changed.status_code == 200, changed.text

    renewed = await trading.report("opening")

    assert (renewed["margin_mode"], renewed["leverage"]) == ("isolated", "5")


async def test_what_a_report_leaves_out_stays(world: World) -> None:
    trading = await trader(world)
    await trading.report("opening", leverage="7", opened_at=None)
    opened = await trading.report("open", entry_price="97012.50", fees="1", revision=3)
    more = await trading.report("open", quantity="0.75")
    closed = await trading.report("closed", quantity=0, exit_price=98100)

    assert (opened["leverage"], opened["entry_price"]) == ("7", "97012.5")
    assert (more["entry_price"], more["quantity"], more["revision"]) == ("97012.5", "0.75", 3)
    assert (closed["entry_price"], closed["fees"]) == ("97012.5", "1")
    assert (closed["exit_price"], closed["quantity"]) == ("98100", "0")
    assert closed["opened_at"] == opened["opened_at"] is not None
    assert closed["closed_at"] is not None


async def test_a_report_with_a_lower_revision_changes_nothing(world: World) -> None:
    """Rule R21."""
    trading = await trader(world)
    stored = await trading.report("open", revision=5, entry_price="1")

    for status in ("opening", "open", "closed"):
        assert await trading.report(status, revision=4, entry_price="2") == stored
    assert (await trading.report("open", revision=5, entry_price="2"))["entry_price"] == "2"
    later = await trading.report("open", revision=2**53, entry_price="3")
    assert (later["revision"], later["entry_price"]) == (2**53, "3")
    assert (await trading.report("closed", revision=0))["status"] == "open"


async def test_a_late_opening_does_not_renew_a_reservation(world: World) -> None:
    trading = await trader(world)
    await trading.report("opening", revision=2)
    await let_lapse(world)

    assert states_of(await trading.report("opening", revision=1)) == LAPSED


async def test_closed_is_final_and_can_be_completed(world: World) -> None:
    """Rule R22."""
    trading = await trader(world)
    closed = await trading.report("closed", revision=2, closed_at="2026-01-02T03:04:05Z")

    assert await trading.report("open", revision=3) == closed
    assert await trading.report("closed", revision=1, exit_price="5") == closed
    completed = await trading.report(
        "closed", quantity="9", exit_price="5", fees="0.1", entry_price="4"
    )
    moved = await trading.report("closed", closed_at="2026-01-02T04:04:05+01:00", revision=4)

    changed = {"exit_price": "5", "fees": "0.1"}
    assert completed == {**closed, **changed, "updated_at": completed["updated_at"]}
    assert moved["closed_at"] == closed["closed_at"] == "2026-01-02T03:04:05Z"
    assert moved["revision"] == 4


@pytest.mark.parametrize("later", [5, None])
async def test_what_was_closed_by_hand_is_reopened_by_a_later_report_with_an_event(
    world: World, later: int | None
) -> None:
    """Rule R22."""
    trading = await trader(world)
    await trading.report("open", revision=4)
    await trading.close_by_hand()
    for revision in (3, 4):
        assert states_of(await trading.report("open", revision=revision)) == BY_HAND

    reopened = await trading.report("open", revision=later)

    assert states_of(reopened) == OPEN
    assert reopened["closed_at"] is None
    kinds = [kind for kind, _, _ in await trading.events()]
    assert kinds == ["position_closed_by_hand", "position_reopened"]


async def test_what_the_bot_itself_reported_closed_after_a_hand_did_stays_closed(
    world: World,
) -> None:
    trading = await trader(world)
    await trading.report("open")
    by_hand = (await trading.close_by_hand()).json()

    confirmed = await trading.report("closed", exit_price="1")

    assert states_of(confirmed) == REPORTED
    assert confirmed["closed_at"] == by_hand["closed_at"]
    assert states_of(await trading.report("open")) == REPORTED


async def set_rows(
    trading: Trader, table: type[Account | Key | TradingAsset], **columns: Any
) -> None:
    async with trading.world.context.database.sessions.begin() as session:
        await session.execute(update(table).values(**columns))


async def list_symbols(trading: Trader, *symbols: str, **members: Any) -> None:
    listed = [instrument(symbol, **members) for symbol in symbols]
    await list_instruments(trading.world, OKX, *listed)


async def add_another_asset(trading: Trader) -> None:
    await list_symbols(trading, SYMBOL, "ETH-USDT-SWAP")
    await add_asset(trading.user, trading.key, "ETH-USDT-SWAP")


def asset(trading: Trader) -> str:
    return f"/v1/keys/{trading.key['id']}/assets/{SYMBOL}"


Steps = Callable[[Trader], list[Awaitable[Any]]]

CAUSES: dict[str, Steps] = {
    "account_closing": lambda t: [set_rows(t, Account, closing_at=func.statement_timestamp())],
    "frozen": lambda t: [t.user.post("/v1/freezes", {"scope": "account"})],
    "bot_paused": lambda t: [t.user.patch(f"/v1/bots/{t.bot.id}", {"paused": True})],
    "no_key": lambda t: [t.unassign()],
    "key_inactive": lambda t: [t.deactivate()],
    "key_cannot_trade": lambda t: [set_rows(t, Key, permission_trade="no")],
    "withdrawal_permission": lambda t: [set_rows(t, Key, permission_withdraw="yes")],
    "unverified": lambda t: [set_rows(t, Key, unverified=True)],
    "credentials_rejected": lambda t: [set_rows(t, Key, verification_status="rejected")],
    "no_trading_assets": lambda t: [t.user.delete(asset(t))],
    "catalogue_unknown": lambda t: [set_rows(t, Key, region="elsewhere")],
    "unknown_asset": lambda t: [add_another_asset(t), t.user.delete(asset(t))],
    "asset_disabled": lambda t: [
        add_another_asset(t),
        t.user.patch(asset(t), {"enabled": False}),
    ],
    "asset_delisted": lambda t: [list_symbols(t, "ETH-USDT-SWAP")],
    "leverage_above_max": lambda t: [list_symbols(t, SYMBOL, max_leverage="9")],
}
"""How to cause each reason without any other."""


async def cause(trading: Trader, reason: str) -> None:
    for step in CAUSES[reason](trading):
        await step


def test_every_reason_that_can_block_an_opening_has_a_problem_of_its_own() -> None:
    bad = OpeningConditions(
        account_closing=True,
        frozen=True,
        paused=True,
        has_key=True,
        key_active=False,
        key_trades="no",
        can_withdraw=True,
        unverified=True,
        credentials_rejected=True,
        enabled_assets=0,
        catalogue_known=False,
    )
    of_asset = asset_blocked_by(
        enabled=False, delisted=True, leverage=Decimal(2), max_leverage=Decimal(1)
    )
    reasons = {*blocked_by(bad), *blocked_by(replace(bad, has_key=False)), *of_asset}

    assert {*reasons, "unknown_asset"} == set(REFUSALS) == set(CAUSES)


@pytest.mark.parametrize("reason", list(REFUSALS))
async def test_an_opening_is_refused_for_each_reason_and_an_open_position_is_not(
    world: World, reason: str
) -> None:
    """Rule R18."""
    trading = await trader(world)
    await trading.report("opening", "reserved")
    await trading.report("open", "before")
    await trading.report("closed", "before")
    await let_lapse(world)
    await cause(trading, reason)
    reasons = [reason, "unknown_asset"] if reason == "no_trading_assets" else [reason]

    for name in ("reserved", "new"):
        problem = await trading.refused("opening", name)
        assert (problem["status"], problem["code"]) == (409, reason)
        assert problem["blocked_by"] == reasons
    if reason == "no_key":
        await trading.refused("open", "fact")
    fact = await trading.report("open", "fact", key_id=trading.key["id"])

    assert states_of(fact) == OPEN
    data = {"position_id": "fact", "symbol": SYMBOL, "blocked_by": reasons}
    assert await trading.events() == [("position_unexpected", "warning", data)]
    await trading.report("open", "fact", entry_price="2")
    assert len(await trading.events()) == 1


async def test_all_reasons_are_listed_in_their_order(world: World) -> None:
    """Rule R18."""
    trading = await trader(world)
    reasons = ["frozen", "bot_paused", "key_inactive", "asset_disabled", "asset_delisted"]
    for reason in reversed(reasons):
        await cause(trading, reason)
    await list_symbols(trading, "ETH-USDT-SWAP")

    assert (await trading.refused("opening"))["blocked_by"] == reasons


async def test_a_refused_repeat_leaves_the_reservation_to_lapse(world: World) -> None:
    trading = await trader(world)
    reserved = await trading.report("opening")
    await trading.deactivate()

    assert (await trading.refused("opening"))["code"] == "key_inactive"
    opened = await trading.report("open")

    assert states_of(opened) == OPEN
    assert opened["created_at"] == reserved["created_at"]
    assert await trading.events() == []


async def test_a_deactivated_key_goes_on_serving_what_is_open(world: World) -> None:
    """Rule R20. Exit rules keep working: reports, configuration and credentials."""
    trading = await trader(world)
    await trading.report("open")
    await trading.deactivate()
    public_key = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"

    assert (await trading.refused("opening", "another"))["code"] == "key_inactive"
    assert (await trading.report("open", quantity="0.25"))["quantity"] == "0.25"
    config = (await trading.bot.get("/v1/runtime/config")).json()
    released = await trading.bot.post(
        "/v1/runtime/credentials", {"suite": "x25519", "public_key": public_key}
    )
    assert (await trading.report("closed"))["status"] == "closed"

    assert config["blocked_by"] == ["key_inactive"]
    assert config["endpoints"]["rest"] == world.simulator.hosts["okx"]["testnet"]
    assert [asset["symbol"] for asset in config["assets"]] == [SYMBOL]
    assert released.status_code == 200
    assert await trading.events() == []


async def test_a_position_keeps_the_key_of_its_first_report(world: World) -> None:
    """Rule R21."""
    trading = await trader(world)
    await trading.report("opening")
    await let_lapse(world)
    other = await trading.user.add_key("trade_2")
    await add_asset(trading.user, other)
    await trading.assign(other)

    assert (await trading.refused("opening"))["code"] == "key_not_assigned"
    late = await trading.report("open", key_id=other["id"])
    new = await trading.report("opening", "p2", key_id=other["id"])

    assert (late["key"]["id"], new["key"]["id"]) == (trading.key["id"], other["id"])
    data = {"position_id": "p1", "symbol": SYMBOL, "blocked_by": ["key_not_assigned"]}
    assert await trading.events() == [("position_unexpected", "warning", data)]


async def test_a_report_may_name_a_key_that_the_bot_had_and_no_other(world: World) -> None:
    trading = await trader(world)
    other = await trading.user.add_key("trade_2")
    await trading.assign(other)
    stranger = await world.user("bob").add_key("trade_2")
    never = await trading.user.add_key("other_account")

    former = await trading.report("closed", key_id=trading.key["id"])

    assert former["key"]["id"] == trading.key["id"]
    assert (former["margin_mode"], former["leverage"]) == ("cross", "10")
    for key_id in (never["id"], stranger["id"], str(uuid4())):
        for status in ("opening", "open", "closed"):
            problem = await trading.refused(status, "p2", key_id=key_id)
            assert problem["code"] == "key_not_assigned"
    problem = await trading.refused("opening", "p2", key_id=trading.key["id"])
    assert problem["code"] == "key_not_assigned"


async def test_late_reports_of_a_deleted_key_are_kept_under_its_label(world: World) -> None:
    trading = await trader(world)
    await trading.unassign()
    assert (await trading.user.delete(f"/v1/keys/{trading.key['id']}")).status_code == 200

    assert (await trading.refused("closed"))["code"] == "no_key"
    late = await trading.report("closed", key_id=trading.key["id"])

    assert late["key"] == {"id": trading.key["id"], "label": trading.key["label"]}
    assert (late["exchange"], late["environment"]) == ("okx", "testnet")
    assert late["contract_type"] == "linear"


@pytest.mark.parametrize("member", [{"symbol": "ETH-USDT-SWAP"}, {"side": "short"}])
async def test_one_id_is_one_position(world: World, member: dict[str, str]) -> None:
    trading = await trader(world)
    await trading.report("open")

    for status in ("opening", "open", "closed"):
        problem = await trading.refused(status, **member)
        assert (problem["code"], problem["symbol"]) == ("position_conflict", SYMBOL)


async def test_two_bots_may_use_the_same_id(world: World) -> None:
    first = await trader(world)
    second = await trader(world, key=await first.user.add_key("trade_2"))

    await first.report("open")
    other = await second.report("closed", side="short")

    assert other["bot"]["id"] == str(second.bot.id)
    assert [(row.status, row.side) for row in await first.rows()] in (
        [("open", "long"), ("closed", "short")],
        [("closed", "short"), ("open", "long")],
    )


async def recorded_events(trading: Trader) -> list[tuple[str, str]]:
    """Return kind and level of the events about what was reported."""
    async with trading.world.context.database.sessions() as session:
        kinds = select(BotEvent.kind, BotEvent.level).order_by(BotEvent.at)
        rows = await session.execute(kinds.where(BotEvent.data["position_id"].is_not(None)))
        return [(row.kind, row.level) for row in rows]


async def test_a_clock_that_is_ahead_gets_no_permission(world: World) -> None:
    trading = await trader(world)
    near = datetime.now(UTC) + timedelta(minutes=4)

    for ahead in (timedelta(minutes=6), timedelta(days=365 * 7000)):
        problem = await trading.refused("opening", opened_at=(near + ahead).isoformat())
        assert (problem["status"], problem["code"]) == (422, "clock_ahead")
    opening = await trading.report("opening", opened_at=near.isoformat())
    assert datetime.fromisoformat(opening["opened_at"]) == near


async def test_a_fact_with_a_clock_that_is_ahead_is_recorded_with_the_service_s_time(
    world: World,
) -> None:
    """Rule R20."""
    trading = await trader(world)
    ahead = (datetime.now(UTC) + timedelta(minutes=6)).isoformat()
    event = ("clock_ahead", "warning")

    opened = await trading.report("open", opened_at=ahead)
    assert await trading.report("open", opened_at=ahead) == opened
    assert await recorded_events(trading) == [event]
    closed = await trading.report("closed", opened_at=ahead, closed_at=ahead)
    assert await trading.report("closed", opened_at=ahead, closed_at=ahead) == closed
    assert await recorded_events(trading) == [event] * 2
    missed = await trading.report("closed", "missed", opened_at=ahead, closed_at=ahead)

    for at in (opened["opened_at"], closed["closed_at"], missed["opened_at"], missed["closed_at"]):
        assert abs(datetime.fromisoformat(at) - datetime.now(UTC)) < timedelta(minutes=1)
    assert closed["opened_at"] == opened["opened_at"]
    assert await recorded_events(trading) == [event] * 3


async def test_a_position_that_closed_before_it_opened_is_recorded_with_an_event(
    world: World,
) -> None:
    trading = await trader(world)
    times = {"opened_at": "2026-11-20T10:00:00Z", "closed_at": "2026-11-20T09:00:00Z"}

    closed = await trading.report("closed", **times)
    assert await trading.report("closed", **times, fees="1") == {
        **closed,
        "fees": "1",
        "updated_at": ANY,
    }

    assert {name: closed[name] for name in times} == times
    assert await recorded_events(trading) == [("position_times_reversed", "warning")]


async def test_a_late_fact_is_of_the_contract_type_that_lists_its_symbol(world: World) -> None:
    trading = await trader(world)
    coin = instrument("BTC-USD-SWAP", contract_type=ContractType.INVERSE)
    await list_instruments(world, OKX_INVERSE, coin)

    late = await trading.report("closed", "late", symbol="BTC-USD-SWAP")
    unknown = await trading.report("open", "unknown", symbol="NOBODY-KNOWS")
    problem = await trading.refused("opening", symbol="BTC-USD-SWAP")

    assert (late["contract_type"], unknown["contract_type"]) == ("inverse", "linear")
    assert problem["code"] == "unknown_asset"


async def test_the_leverage_that_an_opening_names_is_bound_by_the_symbol_s_maximum(
    world: World,
) -> None:
    trading = await trader(world)

    problem = await trading.refused("opening", leverage="101")

    assert (problem["status"], problem["code"]) == (409, "leverage_above_max")
    assert problem["blocked_by"] == ["leverage_above_max"]
    assert (await trading.report("opening", leverage="100"))["leverage"] == "100"


async def test_an_opening_asks_for_nothing_that_the_exchange_does_not_have(world: World) -> None:
    deribit = CatalogueKey("deribit", Environment.TESTNET, None, ContractType.LINEAR)
    symbol = "BTC_USDC-PERPETUAL"
    await list_instruments(world, deribit, instrument(symbol, margin_modes=(MarginMode.CROSS,)))
    user = world.user()
    bot, _, key = await user.ready_bot(exchange="deribit")
    assets = f"/v1/keys/{key['id']}/assets"
    assert (await user.post(assets, {"symbol": symbol})).status_code == 201
    trading = Trader(world, user, bot, {}, key)

    for wrong, code in (
        ({"margin_mode": "isolated"}, "margin_mode_not_supported"),
        ({"leverage": "7"}, "leverage_not_settable"),
    ):
        problem = await trading.refused("opening", symbol=symbol, **wrong)
        assert (problem["status"], problem["code"]) == (422, code)
        # As a fact it is recorded.
        await trading.report("open", code, symbol=symbol, **wrong)
    allowed = await trading.report("opening", symbol=symbol, margin_mode="cross")
    assert (allowed["margin_mode"], allowed["leverage"]) == ("cross", None)


async def test_an_opening_has_a_margin_mode_that_its_symbol_has(world: World) -> None:
    """Rule R16."""
    trading = await trader(world)
    await list_symbols(trading, SYMBOL, margin_modes=(MarginMode.CROSS,))

    problem = await trading.refused("opening", margin_mode="isolated")

    assert (problem["status"], problem["margin_modes"]) == (422, ["cross"])


BAD: dict[str, list[Any]] = {
    "quantity": [0, "-1", "NaN", "1e400", "0e-400", "9" * 41, "1_0", "", None],
    "entry_price": ["0", -1, True, "inf", [], "1e-41", "٣"],
    "leverage": ["0"],
    "margin_mode": ["both"],
    "fees": ["1e41", "+1", "1" * 21, "0." + "1" * 41],
    "revision": [-1, 2**53 + 1, "x", 0.5],
    "symbol": ["", " ", "x" * 101, "a\x00b", "a\x1bb", 1],
    "side": ["both"],
    "key_id": ["x"],
    "opened_at": [
        "2026-11-22",
        "2026-11-22T10:00:00",
        1700000000,
        "1700000000",
        "0001-01-01T00:00Z",
        "0001-01-01T00:00:00+14:00",
    ],
}


async def test_what_cannot_be_is_refused(world: World) -> None:
    trading = await trader(world)
    for member, values in BAD.items():
        for value in values:
            problem = await trading.refused("open", **{member: value})
            assert problem["code"] == "invalid_request", value
            [fault] = problem["errors"]
            assert fault["loc"] == ["body", member], value
            assert "datetime." not in fault["msg"]
    for status in ("lapsed", "OPEN", ""):
        assert (await trading.refused(status))["errors"][0]["loc"] == ["body", "status"]


async def test_amounts_are_kept_to_the_last_digit(world: World) -> None:
    trading = await trader(world)
    long = "1234567890123456789." + "0" * 20 + "1"
    for sent, kept in ((long, long), ("1e-8", "0.00000001"), (1e-08, "0.00000001"), (3, "3")):
        assert (await trading.report("open", quantity=sent))["quantity"] == kept
    for sent, kept in (("-0", "0"), ("0E-8", "0"), ("1E+3", "1000"), ("-0.10", "-0.1")):
        assert (await trading.report("open", fees=sent))["fees"] == kept


async def test_an_id_that_cannot_be_seen_or_sent_is_refused_with_the_rule(world: World) -> None:
    trading = await trader(world)
    hidden = ["%00", "a%00b", "a%20b", "%0A", "%ff", "%E2%80%AE", "%C2%A0"]
    for rule, names in (
        ("1 to 200 visible characters", hidden),
        ("at most 200 characters", ["x" * 201]),
        ("a URL path cannot end with", ["%2E", "%2E%2E"]),
    ):
        for name in names:
            [fault] = (await trading.refused("open", name))["errors"]
            assert fault["loc"] == ["path", "position_id"]
            assert rule in fault["msg"], name


async def test_an_id_may_be_any_visible_text(world: World) -> None:
    trading = await trader(world)
    for sent, kept in (("a:b.c~1", "a:b.c~1"), ("%D1%84%23%3F", "ф#?"), ("x" * 200, "x" * 200)):
        assert (await trading.report("open", sent))["id"] == kept
    assert (await trading.put("open", "a%2Fb")).status_code == 404


async def test_nothing_of_reports_stands_in_the_audit_log(world: World) -> None:
    trading = await trader(world)
    before = (await trading.user.get("/v1/audit-events")).json()
    await trading.report("opening")
    await trading.refused("opening", side="short")

    assert (await trading.user.get("/v1/audit-events")).json() == before


async def test_a_bot_reaches_its_own_positions_alone(world: World) -> None:
    trading, other = await trader(world), await trader(world, "bob")
    await trading.report("open")

    assert (await other.report("closed", side="short"))["bot"]["id"] == str(other.bot.id)

    async with world.context.database.sessions() as session:
        kept = select(Position.status).where(Position.bot_id == UUID(str(trading.bot.id)))
        assert (await session.scalars(kept)).all() == ["open"]
