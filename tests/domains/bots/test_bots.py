"""Bots: create, list, get, rename, pause, delete."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import func, insert

from app.db.models import Presence
from app.domains.bots.schemas import Bot as BotDocument
from app.domains.bots.schemas import BotPage
from tests.support.world import World


async def test_a_new_bot_has_neither_key_nor_heartbeat(world: World) -> None:
    answer = await world.user().post("/v1/bots", {"name": " Grid BTC "})

    assert answer.status_code == 201
    bot = answer.json()
    assert set(bot) == set(BotDocument.model_fields)
    BotDocument.model_validate(bot)
    assert answer.headers["location"] == f"/v1/bots/{bot['id']}"
    assert answer.headers["etag"] == '"1"'
    assert bot["name"] == "Grid BTC"
    assert bot["paused"] is False
    assert bot["online"] is False
    assert bot["last_heartbeat_at"] is None
    assert bot["key"] is None
    assert bot["open_positions"] == 0


async def test_a_bot_is_renamed_and_paused(world: World) -> None:
    user = world.user()
    bot = await user.add_bot()
    path = f"/v1/bots/{bot['id']}"

    renamed = await user.patch(path, {"name": "Trend ETH"})
    paused = await user.patch(path, {"paused": True}, headers={"If-Match": renamed.headers["etag"]})
    resumed = await user.patch(path, {"paused": False})

    assert renamed.json()["name"] == "Trend ETH"
    assert renamed.headers["etag"] == '"2"'
    assert paused.json()["paused"] is True
    assert resumed.json()["paused"] is False
    assert (await user.get(path)).json() == resumed.json()


async def test_a_change_of_nothing_leaves_the_tag_as_it_was(world: World) -> None:
    user = world.user()
    bot = await user.add_bot()

    for change in ({}, {"name": bot["name"]}, {"paused": False}):
        answer = await user.patch(f"/v1/bots/{bot['id']}", change)
        assert answer.headers["etag"] == '"1"'
        assert answer.json() == bot


async def test_what_is_no_bot_is_refused(world: World) -> None:
    user = world.user()
    bodies: list[Any] = [{}, {"name": ""}, {"name": " "}, {"name": "x" * 101}, {"name": None}, []]
    bodies += [{"name": "x", "paused": True}, {"name": "zero\0"}, {"name": 5}]

    for body in bodies:
        answer = await user.post("/v1/bots", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), body

    assert (await user.get("/v1/bots")).json() == {"items": [], "next_cursor": None}


async def test_bots_are_listed_newest_first_in_pages(world: World) -> None:
    user = world.user()
    bots = [await user.add_bot(f"bot {number}") for number in range(5)]

    names: list[str] = []
    query = "?limit=2"
    for _ in range(3):
        page = (await user.get(f"/v1/bots{query}")).json()
        BotPage.model_validate(page)
        names += [item["name"] for item in page["items"]]
        await user.add_bot("made meanwhile")
        query = f"?limit=2&cursor={page['next_cursor']}"

    assert names == [bot["name"] for bot in reversed(bots)]
    assert page["next_cursor"] is None


async def test_a_bot_is_online_while_its_lease_lasts(world: World) -> None:
    user = world.user()
    bot = await user.mint((await user.add_bot())["id"])
    gone = await user.mint((await user.add_bot())["id"])
    now = func.statement_timestamp()
    async with world.context.database.sessions() as session:
        for whose, lease in ((bot, timedelta(minutes=1)), (gone, timedelta(seconds=-1))):
            await session.execute(
                insert(Presence).values(
                    account_id=whose.account_id,
                    bot_id=whose.id,
                    last_heartbeat_at=now,
                    lease_until=now + lease,
                )
            )
        await session.commit()

    online = (await user.get(f"/v1/bots/{bot.id}")).json()
    offline = (await user.get(f"/v1/bots/{gone.id}")).json()

    assert (online["online"], offline["online"]) == (True, False)
    assert online["last_heartbeat_at"] is not None


async def test_a_deleted_bot_is_gone_and_its_token_dead(world: World) -> None:
    user = world.user()
    bot, document, _ = await user.ready_bot()

    answer = await user.delete(f"/v1/bots/{document['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await user.get(f"/v1/bots/{document['id']}")).status_code == 404
    assert (await user.delete(f"/v1/bots/{document['id']}")).status_code == 404
    assert (await bot.get("/v1/runtime/config")).status_code == 401


async def test_if_match_is_honoured_on_every_change_of_a_bot(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    bot = await user.add_bot()
    path = f"/v1/bots/{bot['id']}"
    stale = {"If-Match": '"7"'}

    answers = [
        await user.patch(path, {"paused": True}, headers=stale),
        await user.put(f"{path}/key", {"key_id": key["id"]}, headers=stale),
        await user.delete(f"{path}/key", headers=stale),
        await user.delete(path, headers=stale),
    ]

    assert [answer.json()["code"] for answer in answers] == ["precondition_failed"] * 4
    assert (await user.get(path)).json() == bot


async def test_a_bot_that_is_not_there_is_not_found(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    path = f"/v1/bots/{uuid4()}"

    answers = [
        await user.get(path),
        await user.patch(path, {"paused": True}),
        await user.delete(path),
        await user.put(f"{path}/key", {"key_id": key["id"]}),
        await user.delete(f"{path}/key"),
        await user.post(f"{path}/token"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 6


async def test_a_former_token_dies_at_once(world: World) -> None:
    user = world.user()
    document = await user.add_bot()

    first = await user.mint(document["id"])
    assert (await first.get("/v1/runtime/config")).status_code == 200
    second = await user.mint(document["id"])

    assert (await first.get("/v1/runtime/config")).status_code == 401
    assert (await second.get("/v1/runtime/config")).status_code == 200
    assert first.token != second.token


async def test_minting_changes_neither_the_bot_nor_its_tag(world: World) -> None:
    user = world.user()
    document = await user.add_bot()

    answer = await user.post(f"/v1/bots/{document['id']}/token")

    assert answer.status_code == 201
    assert set(answer.json()) == {"token"}
    assert answer.headers["cache-control"] == "no-store"
    again = await user.get(f"/v1/bots/{document['id']}")
    assert again.headers["etag"] == '"1"'
    assert answer.json()["token"] not in again.text
