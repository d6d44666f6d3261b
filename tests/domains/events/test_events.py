"""The events of an account: which there are, who may read them, how they are listed."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert, update

from app.db.models import Presence, Release
from app.domains.events.log import EventLog
from app.domains.events.types import DESCRIBED, EventType
from app.worker.presence import announce_offline
from tests.domains.conftest import Asking
from tests.support.imports import exported, send, store
from tests.support.positions import trader
from tests.support.world import Json, User, World


async def events(user: User, query: str = "") -> list[Json]:
    """Return all events that match, oldest first, by pages of three."""
    found: list[Json] = []
    cursor = ""
    while True:
        answer = await user.get(f"/v1/events?limit=3{query}{cursor}")
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return found[::-1]
        cursor = f"&cursor={answer.json()['next_cursor']}"


def types(found: list[Json]) -> list[str]:
    return [event["type"] for event in found]


async def test_each_change_of_keys_and_bots_is_an_event_in_order(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    await user.patch(f"/v1/keys/{key['id']}", {"label": "Renamed", "active": True})
    bot = await user.add_bot("Grid")
    await user.assign(bot["id"], key["id"])
    await user.assign(bot["id"], key["id"])
    await user.mint(bot["id"])
    await user.patch(f"/v1/bots/{bot['id']}", {"paused": True})
    frozen = await user.post("/v1/freezes", {"scope": "key", "key_id": key["id"], "reason": "Why"})
    await user.post("/v1/freezes", {"scope": "key", "key_id": key["id"]})
    await user.delete(frozen.headers["location"])
    await user.delete(f"/v1/bots/{bot['id']}")
    await user.delete(f"/v1/keys/{key['id']}")

    found = await events(user)
    of_adding = [event for event in found if event["type"].startswith("key.address")]
    rest = [event for event in found if event not in of_adding]
    assert types(rest) == [
        "key.added",
        "key.changed",
        "bot.added",
        "assignment.changed",
        "bot.token_minted",
        "bot.changed",
        "freeze.added",
        "freeze.lifted",
        "assignment.changed",
        "bot.deleted",
        "key.deleted",
    ]
    assert rest[1]["data"] == {
        "label": "Renamed",
        "exchange": "okx",
        "contract_type": "linear",
        "active": True,
        "changed": ["label"],
    }
    named = {"name": "Grid", "label": "Renamed"}
    assert [rest[at]["data"] for at in (3, 8)] == [
        {**named, "assigned": True},
        {**named, "assigned": False},
    ]
    assert (rest[3]["key_id"], rest[3]["bot_id"]) == (key["id"], bot["id"])
    assert rest[6]["data"]["reason"] == "Why"
    assert {event["environment"] for event in rest if "key_id" in event} == {"testnet"}
    assert "key_id" not in rest[2]


async def test_a_list_is_limited_by_type_key_bot_environment_and_time(world: World) -> None:
    user = world.user()
    _, bot, key = await user.ready_bot()
    other = await user.add_key("other_account", environment="live")
    found = await events(user)

    async def are(query: str, **members: Any) -> None:
        wanted = [
            event for event in found if all(event.get(n) == value for n, value in members.items())
        ]
        assert wanted
        assert wanted != found
        assert await events(user, query) == wanted

    await are("&type=bot.added", type="bot.added")
    await are(f"&key_id={other['id']}", key_id=other["id"])
    await are(f"&key_id={key['id']}", key_id=key["id"])
    await are(f"&bot_id={bot['id']}", bot_id=bot["id"])
    await are("&environment=live", environment="live")
    at = found[2]["at"].replace("+", "%2B")
    assert await events(user, f"&from={at}") == found[2:]
    assert await events(user, f"&to={at}") == found[:2]
    assert (await user.get("/v1/events?type=key.lost")).status_code == 422


@pytest.mark.parametrize("missing", ["data:read", "keys:read", "bots:read"])
async def test_events_are_for_who_may_read_keys_bots_and_data(world: World, missing: str) -> None:
    scopes = " ".join({"data:read", "keys:read", "bots:read"} - {missing})
    user = world.user(scopes=scopes)
    for path in ("/v1/events", "/v1/events/stream"):
        answer = await user.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


async def test_a_bot_that_opens_and_closes_a_position_writes_each_once(world: World) -> None:
    trading = await trader(world)
    for status in ("opening", "opening", "open", "open", "closed", "closed"):
        await trading.report(status)
    found = await events(trading.user)
    (opened,) = [event for event in found if event["type"] == "position.opened"]
    (closed,) = [event for event in found if event["type"] == "position.closed"]
    assert opened["bot_id"] == closed["bot_id"] == str(trading.bot.id)
    assert closed["data"]["reason"] == "reported"
    assert set(closed["data"]) == {"position_id", "symbol", "side", "reason"}


async def test_a_position_that_should_not_be_open_is_an_event_with_the_reasons(
    world: World,
) -> None:
    trading = await trader(world)
    await trading.user.post("/v1/freezes", {"scope": "account"})
    await trading.report("open")
    (event,) = await events(trading.user, "&type=position.unexpected")
    assert event["data"]["reasons"] == ["frozen"]
    assert event["data"]["kind"] == "position_unexpected"


async def test_what_a_bot_learns_of_its_key_is_an_event_when_it_changes(world: World) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    before = await events(user)
    at = 0

    async def report(**members: Any) -> list[Json]:
        nonlocal at
        at += 1
        look = {"version": 1, "checked_at": f"2026-11-22T10:00:{at:02}Z", **members}
        answer = await bot.post("/v1/runtime/heartbeat", {"credentials": look})
        assert answer.status_code == 200, answer.text
        return [event for event in await events(user) if event.get("bot_id") == str(bot.id)]

    known = len(await report(status="ok"))
    found = (await report(status="rejected", reason="expired"))[known:]
    assert types(found) == ["key.credentials_rejected"]
    assert found[0]["data"]["reason"] == "expired"
    assert len(await report(status="rejected", reason="expired")) == known + 1
    found = (await report(status="ok", permissions={"withdraw": "yes"}))[known + 1 :]
    assert types(found) == [
        "key.credentials_restored",
        "key.permissions_changed",
        "key.withdrawal_permission",
    ]
    assert found[1]["data"]["after"] == {"withdraw": "yes"}
    assert all(event["key_id"] == key["id"] for event in found)
    assert len(before) > 0


async def test_a_release_to_a_new_address_is_an_event(world: World, asking: Asking) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    async with world.context.database.sessions.begin() as session:
        elsewhere = {"suite": "x25519", "version": 1, "address": "203.0.113.7"}
        named = {"account_id": bot.account_id, "bot_id": bot.id, "key_id": UUID(key["id"])}
        await session.execute(insert(Release).values(id=uuid4(), **named, **elsewhere))
    for _ in range(2):
        assert (await asking.ask(bot)).status_code == 200
    (event,) = await events(user, "&type=key.released_from_new_address")
    assert event["data"] == {"label": key["label"], "exchange": "okx", "address": "127.0.0.1"}


async def test_of_openings_that_are_refused_alike_the_first_is_an_event(world: World) -> None:
    trading = await trader(world)
    await trading.user.post("/v1/freezes", {"scope": "account"})
    for status in ("opening", "opening"):
        assert (await trading.refused(status))["code"] == "frozen"
    (event,) = await events(trading.user, "&type=opening.refused")
    assert (event["bot_id"], event["key_id"]) == (str(trading.bot.id), trading.key["id"])
    assert event["data"] == {
        "symbol": "BTC-USDT-SWAP",
        "side": "long",
        "code": "frozen",
        "blocked_by": ["frozen"],
    }


async def test_of_releases_that_are_refused_alike_the_first_is_an_event(
    world: World, asking: Asking
) -> None:
    user = world.user()
    bot = await user.mint((await user.add_bot())["id"])
    for _ in range(2):
        assert (await asking.ask(bot)).json()["code"] == "no_key"
    (event,) = await events(user, "&type=release.refused")
    assert (event["bot_id"], event["data"]) == (str(bot.id), {"code": "no_key"})


async def test_an_import_is_queued_and_ends_as_events(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    answer = await send(user, json.dumps([exported("one", key)]).encode(), key_id=key["id"])
    assert answer.status_code == 202, answer.text
    assert await store(world) == 1
    named = {"operation_id": answer.json()["id"], "kind": "import_trades"}
    *earlier, finished = await events(user)
    # More than one where storing takes seconds.
    progress = [one for one in earlier if named.items() <= one["data"].items()]
    queued = progress[0]
    assert earlier[-len(progress) :] == progress
    assert {one["type"] for one in progress} == {"operation.progress"}
    assert queued["data"] == {**named, "status": "running", "done": 0, "total": 1}
    assert finished["type"] == "operation.finished"
    assert finished["data"] == {**named, "status": "succeeded"}
    assert queued["environment"] == finished["environment"] == "testnet"


async def test_a_bot_that_comes_and_goes_is_an_event_with_its_name(world: World) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    for _ in range(2):
        assert (await bot.post("/v1/runtime/heartbeat")).status_code == 200
    (online,) = await events(user, "&type=bot.online")
    async with world.context.database.sessions.begin() as session:
        ago = func.statement_timestamp() - timedelta(seconds=1)
        await session.execute(update(Presence).values(lease_until=ago))
    assert await announce_offline(world.context.database.sessions) == 1
    (offline,) = await events(user, "&type=bot.offline")
    for event in (online, offline):
        assert (event["bot_id"], event["key_id"]) == (document["id"], key["id"])
        assert event["data"] == {"name": document["name"]}
    assert (await bot.post("/v1/runtime/heartbeat")).status_code == 200
    assert types(await events(user))[-3:] == ["bot.online", "bot.offline", "bot.online"]


async def test_a_repeated_request_writes_its_event_once(world: World) -> None:
    user = world.user()
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        answer = await user.post("/v1/bots", {"name": "One"}, headers=headers)
        assert answer.status_code == 201, answer.text
    assert types(await events(user)) == ["bot.added"]


async def test_a_refused_change_leaves_no_event(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    before = await events(user)
    assert (await user.post("/v1/keys", world.new_key())).status_code == 409
    refused = await user.patch(f"/v1/keys/{key['id']}", {"contract_type": "quanto"})
    assert refused.status_code == 422
    assert await events(user) == before


def test_every_type_is_described() -> None:
    assert DESCRIBED.keys() == set(EventType)


async def test_what_a_type_does_not_describe_is_never_written(world: World) -> None:
    user = world.user()
    bot = await user.mint((await user.add_bot())["id"])
    log = EventLog(world.context.database.autocommit, bot.account_id)
    with pytest.raises(ValueError, match="secret"):
        await log.add(EventType.BOT_ADDED, name="Grid", secret="x")
