"""Deleting trading data in bulk: what is covered, kept, hidden and refused."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.domains.deletion.repository import DeletionRepository
from app.domains.deletion.schemas import DeletionPreview
from app.domains.operations.schemas import Operation, OperationPhase
from app.domains.trading.kinds import KINDS
from app.domains.trading.marks import FOREVER, Mark
from app.worker.purging import PurgeLimits, purge_deleted
from tests.support.positions import add_position
from tests.support.purging import each, fill, left
from tests.support.world import Bot, Json, User, World

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=100)
YESTERDAY = (NOW - timedelta(days=1)).isoformat()


def _now() -> str:
    return datetime.now(UTC).isoformat()


async def with_data(world: World) -> tuple[User, Bot, str]:
    """Add five rows to each table: 3 of testnet, 2 of them old, and 2 of live with another key."""
    user, database = world.user(), world.context.database
    bot, _, key = await user.ready_bot()
    await fill(database, bot.account_id, key["id"], rows=1)
    await fill(database, bot.account_id, key["id"], rows=2, at=LONG_AGO)
    await fill(database, bot.account_id, str(uuid4()), rows=2, environment="live")
    return user, bot, key["id"]


@pytest.mark.parametrize(
    ("members", "stay"),
    [
        pytest.param({"scope": "all"}, 0, id="all"),
        pytest.param({"scope": "environment", "environment": "testnet"}, 2, id="testnet"),
        pytest.param({"scope": "environment", "environment": "live"}, 3, id="live"),
        pytest.param({"scope": "keys", "key_ids": ["the key"]}, 2, id="keys"),
        pytest.param({"scope": "before", "before": YESTERDAY}, 3, id="before"),
        pytest.param(
            {"scope": "before", "before": YESTERDAY, "environment": "live"}, 5, id="before-live"
        ),
        pytest.param(
            {"scope": "before", "before": YESTERDAY, "key_ids": ["the key"]}, 3, id="before-keys"
        ),
    ],
)
async def test_what_is_in_the_scope_goes_and_the_rest_stays(
    world: World, members: Json, stay: int
) -> None:
    user, bot, key_id = await with_data(world)
    wanted = {**members, **({"key_ids": [key_id]} if "key_ids" in members else {})}

    counted = await user.post("/v1/data-deletions", {**wanted, "dry_run": True})
    assert counted.status_code == 200
    DeletionPreview.model_validate(counted.json())
    assert counted.json() == {"counts": each(5 - stay), "exact": True, "kept": {"positions": 0}}
    answer = await user.post("/v1/data-deletions", wanted)
    assert answer.status_code == 202
    Operation.model_validate(answer.json())
    again = await user.post("/v1/data-deletions", {**wanted, "dry_run": True})
    assert again.json()["counts"] == each(0)

    assert await purge_deleted(world.context.database.sessions, PurgeLimits(1, at_once=1)) == 1

    ended = (await user.get(answer.headers["location"])).json()
    assert ended["status"] == "succeeded"
    assert ended["done"] == ended["total"] == len(KINDS) * (5 - stay)
    assert ended["receipt"] == {"deleted": each(5 - stay), "kept": {"positions": 0}}
    assert await left(world.context.database, bot.account_id) == each(stay)


async def test_held_positions_are_kept_and_counted_as_kept(world: World) -> None:
    """Rule R26."""
    user, bot, key_id = await with_data(world)
    await add_position(world, bot.account_id, str(bot.id), key_id, name="held")
    answer = await user.post("/v1/data-deletions", {"scope": "all"})
    assert answer.json()["receipt"]["kept"] == {"positions": 1}
    await purge_deleted(world.context.database.sessions)
    assert await left(world.context.database, bot.account_id) == {**each(0), "positions": 1}


async def test_what_is_reported_late_is_refused_and_what_is_new_is_stored(world: World) -> None:
    user = world.user()
    bot, _, _ = await user.ready_bot()
    await user.post("/v1/data-deletions", {"scope": "all"})
    position = {"symbol": "BTC-USDT-SWAP", "side": "long", "quantity": "1"}
    past = {"opened_at": YESTERDAY}
    for late in (
        {**position, "status": "closed", "closed_at": YESTERDAY},
        {**position, "status": "closed", **past},
    ):
        answer = await bot.put("/v1/runtime/positions/late", late)
        assert (answer.status_code, answer.json()["code"]) == (409, "data_deleted")
    # An unknown open position: had it been known, the deletion would have kept it.
    for name, times in (("new", {}), ("unknown", past)):
        report = {**position, "status": "open", **times}
        answer = await bot.put(f"/v1/runtime/positions/{name}", report)
        assert (answer.status_code, answer.json()["status"]) == (200, "open")


async def test_a_report_of_a_position_that_is_being_purged_brings_nothing_back(
    world: World,
) -> None:
    user = world.user()
    bot, _, _ = await user.ready_bot()
    body = {"symbol": "BTC-USDT-SWAP", "side": "long", "quantity": "1", "status": "closed"}
    assert (await bot.put("/v1/runtime/positions/p1", body)).status_code == 200
    await user.post("/v1/data-deletions", {"scope": "all"})
    for report in (
        {**body, "exit_price": "5"},
        {**body, "status": "open", "revision": 1},
        {**body, "side": "short"},
    ):
        answer = await bot.put("/v1/runtime/positions/p1", report)
        assert (answer.status_code, answer.json()["code"]) == (409, "data_deleted")
    assert (await user.post("/v1/positions/p1/close")).status_code == 404


async def test_an_answer_that_showed_what_was_deleted_is_not_given_again(world: World) -> None:
    user = world.user()
    bot, _, _ = await user.ready_bot()
    body = {"symbol": "BTC-USDT-SWAP", "side": "long", "quantity": "1", "status": "open"}
    await bot.put("/v1/runtime/positions/p1", body)
    once = {"headers": {"Idempotency-Key": "one"}}
    select = {"selected_environment": "testnet"}
    assert (await user.post("/v1/positions/p1/close", **once)).status_code == 200
    headers = {"Idempotency-Key": "two"}
    assert (await user.patch("/v1/account", select, headers=headers)).json()["data"]

    await user.post("/v1/data-deletions", {"scope": "all"})

    assert (await user.post("/v1/positions/p1/close", **once)).status_code == 404
    assert (await user.patch("/v1/account", select, headers=headers)).json()["data"] == []


async def test_a_position_that_outlived_a_deletion_is_opened_again_as_before(world: World) -> None:
    user = world.user()
    bot, _, _ = await user.ready_bot()
    body = {"symbol": "BTC-USDT-SWAP", "side": "long", "quantity": "1", "status": "open"}
    path = "/v1/runtime/positions/p1"
    assert (await bot.put(path, {**body, "opened_at": YESTERDAY})).status_code == 200
    await user.post("/v1/data-deletions", {"scope": "all"})
    assert (await user.post("/v1/positions/p1/close")).json()["status"] == "closed"

    answer = await bot.put(path, {**body, "opened_at": YESTERDAY})

    assert (answer.status_code, answer.json()["status"]) == (200, "open")


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"scope": "all"}, id="all"),
        pytest.param({"scope": "environment", "environment": "testnet"}, id="testnet"),
        pytest.param({"scope": "keys", "key_ids": ["both"]}, id="keys"),
    ],
)
async def test_what_a_clock_ahead_reported_is_deleted_too_and_no_other_bot_is_refused(
    world: World, members: Json
) -> None:
    user, database = world.user(), world.context.database
    hasty, _, key = await user.ready_bot()
    punctual, _, other = await user.ready_bot("trade_2")
    ahead = datetime.now(UTC) + timedelta(minutes=4)
    for at in (None, ahead):
        await fill(database, hasty.account_id, key["id"], rows=2, at=at)
    both = {"key_ids": [key["id"], other["id"]]}
    wanted = {**members, **(both if "key_ids" in members else {})}
    preview = (await user.post("/v1/data-deletions", {**wanted, "dry_run": True})).json()
    assert preview == {"counts": each(4), "exact": True, "kept": {"positions": 0}}

    answer = await user.post("/v1/data-deletions", wanted)

    for bot, verdict in ((punctual, "stored"), (hasty, "refused")):
        event = {"id": "e1", "at": _now(), "kind": "note", "level": "info", "message": "Hello"}
        verdicts = (await bot.post("/v1/runtime/events", {"items": [event]})).json()
        assert [result["status"] for result in verdicts["results"]] == [verdict]
    assert (await user.get("/v1/bot-events?environment=testnet")).json()["items"][1:] == []
    await purge_deleted(database.sessions, PurgeLimits(1, at_once=1))
    ended = (await user.get(answer.headers["location"])).json()
    assert ended["receipt"] == {"deleted": preview["counts"], "kept": preview["kept"]}
    assert ended["done"] == ended["total"] == 4 * len(KINDS)
    assert await left(database, hasty.account_id) == {**each(0), "bot_events": 1}


@pytest.mark.parametrize(("environment", "status"), [("live", 422), ("testnet", 200)])
async def test_keys_of_which_none_is_of_the_environment_are_refused(
    world: World, environment: str, status: int
) -> None:
    user, _, key_id = await with_data(world)
    wanted = {"scope": "before", "before": YESTERDAY, "key_ids": [key_id], "dry_run": True}

    answer = await user.post("/v1/data-deletions", {**wanted, "environment": environment})

    assert answer.status_code == status
    if status == 422:
        assert [error["loc"] for error in answer.json()["errors"]] == [["body", "key_ids"]]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"scope": "all", "environment": "live"}, id="too-much"),
        pytest.param({"scope": "environment"}, id="no-environment"),
        pytest.param({"scope": "keys"}, id="no-keys"),
        pytest.param({"scope": "keys", "key_ids": []}, id="none-of-the-keys"),
        pytest.param({"scope": "before"}, id="no-time"),
        pytest.param({"scope": "before", "before": "2999-01-01T00:00:00Z"}, id="future"),
        pytest.param({"scope": "before", "before": "2026-01-01T00:00:00"}, id="no-zone"),
        pytest.param({"scope": "before", "before": 1767225600}, id="time-as-number"),
        pytest.param({"scope": "before", "before": "1767225600"}, id="time-as-digits"),
        pytest.param({"scope": "some"}, id="no-such-scope"),
    ],
)
async def test_a_scope_that_makes_no_sense_is_refused(world: World, wrong: Json) -> None:
    answer = await world.user().post("/v1/data-deletions", wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_unknown_keys_are_named_and_another_account_s_are_unknown(world: World) -> None:
    mine, theirs = await world.user().add_key(), await world.user("bob").add_key("trade_2")
    wanted = {"scope": "keys", "key_ids": [mine["id"], theirs["id"]]}
    answer = await world.user().post("/v1/data-deletions", wanted)
    assert (answer.status_code, answer.json()["key_ids"]) == (404, [theirs["id"]])


async def test_a_deleted_key_can_be_named_until_its_data_are_gone(world: World) -> None:
    user, bot, key_id = await with_data(world)
    await user.delete(f"/v1/bots/{bot.id}")
    await user.delete(f"/v1/keys/{key_id}")
    wanted = {"scope": "keys", "key_ids": [key_id]}
    assert (await user.post("/v1/data-deletions", wanted)).status_code == 202
    await purge_deleted(world.context.database.sessions)
    assert (await user.post("/v1/data-deletions", wanted)).status_code == 404
    async with world.context.database.sessions() as session:
        label = text("SELECT count(*) FROM key_labels WHERE key_id = :key")
        assert await session.scalar(label, {"key": UUID(key_id)}) == 0


async def test_a_later_deletion_moves_the_cut_off_on_and_an_earlier_one_does_not(
    world: World,
) -> None:
    user, bot, _ = await with_data(world)
    cutoffs: list[Any] = []
    for wanted in ({"scope": "before", "before": YESTERDAY}, {"scope": "all"}) * 2:
        await user.post("/v1/data-deletions", wanted)
        async with world.context.database.sessions() as session:
            query = text("SELECT cutoff FROM deletion_marks WHERE account_id = :account")
            cutoffs.append((await session.scalars(query, {"account": bot.account_id})).one())
    assert cutoffs == sorted(cutoffs)
    assert cutoffs[1] == cutoffs[2]


def test_an_operation_tells_that_it_counted_and_then_which_rows_went() -> None:
    words, _ = get_args(OperationPhase.__value__)
    phases = ("counted", *(kind.name for kind in KINDS))
    assert get_args(words)[: len(phases)] == phases


async def test_each_of_many_keys_is_deleted_up_to_its_own_latest_time(world: World) -> None:
    """More keys than one statement reads."""
    bot, _, _ = await world.user().ready_bot()
    keys = {uuid4(): minutes for minutes in range(1, 41)}
    row = text(
        "INSERT INTO equity_snapshots (account_id, bot_id, id, key_id, exchange, environment,"
        " contract_type, at, equity, balance, unrealised_pnl, settle, reset)"
        " VALUES (:account, :bot, :name, :key, 'bybit', 'testnet', 'linear', :at, 1, 1, 0, 'USDT',"
        " false)"
    )
    now = datetime.now(UTC)
    async with world.context.database.sessions.begin() as session:
        for key, minutes in keys.items():
            at = now + timedelta(minutes=minutes)
            of = {"account": bot.account_id, "bot": bot.id}
            await session.execute(row, of | {"name": str(key), "key": key, "at": at})
        deletions = DeletionRepository(session=session, account_id=bot.account_id)
        ends = await deletions.up_to_now([Mark("testnet", key, FOREVER) for key in keys])

    just_after = timedelta(microseconds=1)
    assert {mark.key_id: mark.cutoff for mark in ends} == {
        key: now + timedelta(minutes=minutes) + just_after for key, minutes in keys.items()
    }
