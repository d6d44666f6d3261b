"""A bot's report about its credentials becomes the key's verification, with events, once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, func, select, text, update

from app.db.models import BotEvent, Key
from tests.support.waiting import until_waiting
from tests.support.world import Bot, Json, World

HEALTH = {"clock_ahead", "credentials_rejected", "credentials_accepted", "permissions_changed"} | {
    "credentials_unclear",
    "withdrawal_permission",
    "key_expiry_changed",
}


def now(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**later)).isoformat()


async def report(bot: Bot, **changes: Any) -> httpx.Response:
    look = {"version": 1, "status": "ok", "checked_at": now(), **changes}
    return await bot.post("/v1/runtime/heartbeat", {"credentials": look})


async def shown(world: World, key: Json) -> Json:
    document: Json = (await world.user().get(f"/v1/keys/{key['id']}")).json()
    return document


async def revision(world: World, key: Json) -> str:
    return str((await world.user().get(f"/v1/keys/{key['id']}")).headers["etag"])


async def recorded_events(world: World) -> list[BotEvent]:
    async with world.context.database.sessions() as session:
        query = select(BotEvent).where(BotEvent.kind.in_(HEALTH)).order_by(BotEvent.at)
        return list((await session.scalars(query)).all())


async def long_ago(world: World) -> None:
    """Pretend the keys were checked an hour ago, when they were added."""
    async with world.context.database.sessions.begin() as session:
        before = func.statement_timestamp() - timedelta(hours=1)
        await session.execute(update(Key).values(verification_checked_at=before))


async def test_a_rejection_is_shown_recorded_and_blocks_until_the_key_is_accepted_again(
    world: World,
) -> None:
    """Rule R23."""
    bot, _, key = await world.user().ready_bot()
    await long_ago(world)
    looked = now()

    answer = await report(bot, status="rejected", reason="ip_not_allowed", checked_at=looked)

    assert answer.status_code == 200, answer.text
    document = await shown(world, key)
    verification = document["verification"]
    assert (verification["status"], verification["reason"]) == ("rejected", "ip_not_allowed")
    assert datetime.fromisoformat(verification["checked_at"]) == datetime.fromisoformat(looked)
    config = (await bot.get("/v1/runtime/config")).json()
    assert "credentials_rejected" in config["blocked_by"]
    assert answer.json()["config_version"] == config["version"]
    [rejected] = await recorded_events(world)
    assert (rejected.kind, rejected.level) == ("credentials_rejected", "error")
    assert (rejected.bot_id, str(rejected.key_id), rejected.environment) == (
        bot.id,
        key["id"],
        "testnet",
    )
    assert "OKX" in rejected.message
    assert rejected.data is not None
    assert rejected.data["before"]["status"] == "verified"
    assert rejected.data["after"]["reason"] == "ip_not_allowed"

    await report(bot)

    verification = (await shown(world, key))["verification"]
    assert (verification["status"], verification["reason"]) == ("verified", None)
    assert [(event.kind, event.level) for event in (await recorded_events(world))[1:]] == [
        ("credentials_accepted", "info")
    ]
    config = (await bot.get("/v1/runtime/config")).json()
    assert "credentials_rejected" not in config["blocked_by"]


async def test_causes_that_the_exchange_does_not_distinguish_are_shown(world: World) -> None:
    bot, _, key = await world.user().ready_bot()
    possible = ["invalid_key", "ip_not_allowed"]

    await report(bot, status="rejected", reason="refused", possible=possible)

    verification = (await shown(world, key))["verification"]
    assert (verification["reason"], verification["possible"]) == ("refused", possible)


async def test_an_unclear_answer_is_shown_with_its_code_and_blocks_nothing(world: World) -> None:
    """Rule R23."""
    bot, _, key = await world.user().ready_bot()
    before = (await bot.get("/v1/runtime/config")).json()

    answer = await report(bot, status="unknown", reason="refused", exchange_code="54321")

    assert answer.status_code == 200, answer.text
    config = (await bot.get("/v1/runtime/config")).json()
    assert config["blocked_by"] == before["blocked_by"]
    document = await shown(world, key)
    verification = document["verification"]
    assert (verification["status"], verification["reason"]) == ("unknown", "refused")
    assert verification["exchange_code"] == "54321"
    assert document["permissions"] == key["permissions"]
    [unclear] = await recorded_events(world)
    assert (unclear.kind, unclear.level) == ("credentials_unclear", "warning")
    assert unclear.data is not None
    assert unclear.data["after"]["code"] == "54321"

    await report(bot)

    verification = (await shown(world, key))["verification"]
    assert (verification["status"], verification["exchange_code"]) == ("verified", None)


async def test_an_unclear_answer_takes_back_no_rejection(world: World) -> None:
    """Rule R23."""
    bot, _, key = await world.user().ready_bot()
    await report(bot, status="rejected", reason="account", exchange_code="50027")

    answer = await report(bot, status="unknown", reason="address_refused", exchange_code="403")

    assert answer.json()["may_open_positions"] is False
    verification = (await shown(world, key))["verification"]
    assert (verification["status"], verification["reason"]) == ("rejected", "account")
    assert verification["exchange_code"] == "50027"


async def test_a_look_that_finds_nothing_new_moves_its_time_alone(world: World) -> None:
    bot, _, key = await world.user().ready_bot()
    await long_ago(world)
    before, tag = await shown(world, key), await revision(world, key)
    same = {**before["permissions"], "withdraw": None}

    await report(bot, permissions=same)

    after = await shown(world, key)
    assert after["verification"]["checked_at"] > before["verification"]["checked_at"]
    before["verification"]["checked_at"] = after["verification"]["checked_at"]
    assert after == before
    assert await revision(world, key) == tag
    assert await recorded_events(world) == []


async def test_changed_permissions_are_recorded_with_the_values_before_and_after(
    world: World,
) -> None:
    bot, _, key = await world.user().ready_bot()
    tag = await revision(world, key)

    await report(bot, permissions={"trade": "no", "withdraw": "yes"})

    permissions = (await shown(world, key))["permissions"]
    assert permissions == {**key["permissions"], "trade": "no", "withdraw": "yes"}
    assert await revision(world, key) != tag
    events = {event.kind: event for event in await recorded_events(world)}
    assert {kind: event.level for kind, event in events.items()} == {
        "permissions_changed": "warning",
        "withdrawal_permission": "warning",
    }
    assert events["permissions_changed"].data == {
        "before": {"trade": "yes", "withdraw": "no"},
        "after": {"trade": "no", "withdraw": "yes"},
    }
    config = (await bot.get("/v1/runtime/config")).json()
    assert "key_cannot_trade" in config["blocked_by"]


async def test_permissions_that_were_unknown_are_learned_without_a_warning(world: World) -> None:
    user = world.user()
    key = (await user.post("/v1/keys", world.unchecked_key())).json()
    document = await user.add_bot()
    await user.assign(document["id"], key["id"])
    bot = await user.mint(document["id"])

    await report(bot, permissions={"read": "yes", "trade": "yes"})

    levels = {event.kind: event.level for event in await recorded_events(world)}
    assert levels == {"credentials_accepted": "info", "permissions_changed": "info"}


async def test_another_expiry_is_stored_and_will_be_announced_again(world: World) -> None:
    bot, _, key = await world.user().ready_bot()
    async with world.context.database.sessions.begin() as session:
        await session.execute(update(Key).values(expiry_announced=7))
    until = now(days=90)

    await report(bot, expires_at=until)
    await report(bot)

    assert datetime.fromisoformat((await shown(world, key))["expires_at"]) == (
        datetime.fromisoformat(until)
    )
    async with world.context.database.sessions() as session:
        assert await session.scalar(select(Key.expiry_announced)) is None
    await report(bot, expires_at=None)
    assert (await shown(world, key))["expires_at"] is None
    assert [event.kind for event in await recorded_events(world)] == ["key_expiry_changed"] * 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": 2}, "of credentials that the key does not have"),
        ({"checked_at": now(days=-2)}, "older than what the bot reported before"),
    ],
    ids=["another version", "an older look"],
)
async def test_a_report_about_the_past_changes_nothing(
    world: World, changes: Json, why: str
) -> None:
    bot, _, key = await world.user().ready_bot()
    await report(bot)
    before = await shown(world, key)

    answer = await report(bot, status="rejected", reason="expired", **changes)

    assert answer.status_code == 200, why
    assert await shown(world, key) == before
    assert await recorded_events(world) == []


async def test_of_two_reports_of_one_second_the_later_counts(world: World) -> None:
    """Rule R23."""
    bot, _, key = await world.user().ready_bot()
    second = datetime.now(UTC).replace(microsecond=0).isoformat()

    await report(bot, checked_at=second)
    await report(bot, status="rejected", reason="expired", checked_at=second)

    assert (await shown(world, key))["verification"]["status"] == "rejected"


async def test_a_bot_with_a_slow_clock_is_heard_after_a_key_was_added_or_replaced(
    world: World,
) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    rejected = {"status": "rejected", "reason": "expired"}

    await report(bot, checked_at=now(seconds=-40), **rejected)
    assert (await shown(world, key))["verification"]["status"] == "rejected"

    new = world.credentials["okx"]["testnet"]["trade_2"]
    assert (await user.put(f"/v1/keys/{key['id']}/credentials", new)).status_code == 200
    assert (await shown(world, key))["verification"]["status"] == "verified"
    await report(bot, version=2, checked_at=now(minutes=-2), **rejected)
    assert (await shown(world, key))["verification"]["status"] == "rejected"


async def test_a_look_is_never_shown_as_one_of_the_future(world: World) -> None:
    bot, _, key = await world.user().ready_bot()

    await report(bot, checked_at=now(minutes=4))

    looked = datetime.fromisoformat((await shown(world, key))["verification"]["checked_at"])
    assert looked <= datetime.now(UTC)


async def test_a_bot_without_a_key_has_nothing_to_tell(world: World) -> None:
    user = world.user()
    bot = await user.mint((await user.add_bot())["id"])

    assert (await report(bot)).status_code == 200
    assert await recorded_events(world) == []


async def test_a_clock_that_is_ahead_costs_neither_heartbeat_nor_report(world: World) -> None:
    """The service's time counts instead, so that reports of the corrected clock count again."""
    bot, _, key = await world.user().ready_bot()

    answer = await report(bot, status="rejected", reason="expired", checked_at=now(hours=6))

    assert answer.status_code == 200
    bots = (await world.user().get("/v1/bots")).json()["items"]
    assert [each["online"] for each in bots] == [True]
    verification = (await shown(world, key))["verification"]
    assert verification["status"] == "rejected"
    assert datetime.fromisoformat(verification["checked_at"]) <= datetime.now(UTC)
    assert [event.kind for event in await recorded_events(world)].count("clock_ahead") == 1

    assert (await report(bot, checked_at=now())).status_code == 200
    assert (await shown(world, key))["verification"]["status"] == "verified"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "rejected"},
        {"status": "rejected", "reason": "mood"},
        {"status": "unreachable"},
        {"status": "unknown"},
        {"status": "unknown", "reason": "permission"},
        {"status": "rejected", "reason": "address_refused"},
        {"exchange_code": "two of my words"},
        {"exchange_code": "5" * 11},
        {"checked_at": "2026-11-22T10:00:00"},
        {"permissions": {"trade": "maybe"}},
        {"expires_at": "9999-12-31T23:59:59-14:00"},
        {"expires_at": "9999-12-31T23:59:59Z"},
    ],
    ids=[
        "no reason",
        "an unknown reason",
        "no status of theirs",
        "unknown without a reason",
        "unknown for a reason to reject",
        "rejected for a reason of unknown",
        "a code of several words",
        "a code without end",
        "no zone",
        "no answer",
        "no end",
        "hardly an end",
    ],
)
async def test_what_makes_no_sense_is_refused(world: World, changes: Json) -> None:
    bot, _, _ = await world.user().ready_bot()

    answer = await report(bot, **changes)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert not any("datetime." in fault["msg"] for fault in answer.json()["errors"])


async def test_of_two_reports_at_once_the_later_look_stays_and_each_change_has_one_event(
    busy_world: World,
) -> None:
    bot, _, key = await busy_world.user().ready_bot()
    await long_ago(busy_world)
    start = datetime.now(UTC) - timedelta(minutes=10)
    reports = [
        {"checked_at": (start + timedelta(seconds=n)).isoformat(), **changes}
        for n, changes in enumerate(
            [{"status": "rejected", "reason": "expired"}, {"status": "ok"}] * 8
        )
    ]

    answers = await asyncio.gather(*(report(bot, **changes) for changes in reversed(reports)))

    assert {answer.status_code for answer in answers} == {200}
    document = await shown(busy_world, key)
    assert document["verification"]["status"] == "verified"
    looked = datetime.fromisoformat(document["verification"]["checked_at"])
    assert looked == start + timedelta(seconds=15)
    kinds = [event.kind for event in await recorded_events(busy_world)]
    # Only changes cause an event: the same one never occurs twice in a row.
    assert kinds == ["credentials_rejected", "credentials_accepted"] * (len(kinds) // 2)
    assert await revision(busy_world, key) == f'"{1 + len(kinds)}"'


async def test_a_token_that_dies_while_its_report_waits_reports_nothing(busy_world: World) -> None:
    bot, _, key = await busy_world.user().ready_bot()
    before = await shown(busy_world, key)
    sessions = busy_world.context.database.sessions
    async with asyncio.timeout(60), sessions() as holding:
        held = text("SELECT 1 FROM bots WHERE account_id = :account FOR UPDATE")
        await holding.execute(held, {"account": bot.account_id})
        waiting = asyncio.create_task(report(bot, status="rejected", reason="expired"))
        await until_waiting(busy_world.context.database)
        await holding.execute(text("UPDATE bot_tokens SET token_hash = sha256('another')"))
        await holding.commit()
        answer = await waiting

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    after = await shown(busy_world, key)
    # Other tests fetch the catalogue that all share, which is among what blocks.
    assert {**after, "blocked_by": []} == {**before, "blocked_by": []}


async def test_only_a_change_is_notified(world: World) -> None:
    """Every connected process rereads the bot's configuration on a notification."""
    bot, _, _ = await world.user().ready_bot()
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = world.context.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        await report(bot)
        assert not any("pg_notify" in statement for statement in statements)
        await report(bot, status="rejected", reason="expired")
        assert sum("pg_notify" in statement for statement in statements) == 1
    finally:
        event.remove(engine, "before_cursor_execute", note)
