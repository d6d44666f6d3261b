"""GET /v1/keys/{key_id}/releases: what a user sees of the releases of a key."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from app.db.base import new_id
from app.db.models import Release
from tests.support.routes import one_time_key
from tests.support.world import Bot, Json, User, World

HOME = "203.0.113.7"


async def released(world: World, user: User, key: Json, bot: Json, *rows: Any) -> None:
    """Store releases, each given as its time and its address."""
    account = (await user.mint(bot["id"])).account_id
    async with world.context.database.sessions.begin() as session:
        for at, address in rows:
            await session.execute(
                insert(Release).values(
                    account_id=account,
                    id=new_id(),
                    bot_id=UUID(bot["id"]),
                    key_id=UUID(key["id"]),
                    version=1,
                    suite="x25519",
                    address=address,
                    at=at,
                )
            )


async def read(user: User, key: Json, more: str = "") -> Json:
    answer = await user.get(f"/v1/keys/{key['id']}/releases{more}")
    assert answer.status_code == 200, answer.text
    document: Json = answer.json()
    return document


async def ask(bot: Bot) -> Json:
    answer = await bot.post("/v1/runtime/credentials", one_time_key())
    assert answer.status_code == 200, answer.text
    document: Json = answer.json()
    return document


async def test_a_release_is_listed_with_its_bot_and_address(world: World) -> None:
    user = world.user()
    bot, assigned, key = await user.ready_bot()
    assert await read(user, key) == {"items": [], "next_cursor": None}

    first, second = await ask(bot), await ask(bot)

    listed = (await read(user, key))["items"]
    assert [each["id"] for each in listed] == [second["release_id"], first["release_id"]]
    shown = (await user.get(f"/v1/keys/{key['id']}")).json()["last_release"]
    assert listed[0]["from"] == shown["from"]
    apart = datetime.fromisoformat(shown["at"]) - datetime.fromisoformat(listed[0]["at"])
    assert abs(apart) < timedelta(seconds=1)
    assert listed[0]["bot"] == {"id": assigned["id"], "name": assigned["name"]}
    assert (listed[0]["version"], listed[0]["suite"]) == (1, "x25519")


async def test_pages_follow_each_other_also_where_times_are_equal(world: World) -> None:
    user = world.user()
    key, bot = await user.add_key(), await user.add_bot()
    now = datetime.now(UTC)
    times = [now, now, now - timedelta(hours=1), now - timedelta(hours=1), now]
    await released(world, user, key, bot, *((at, HOME) for at in times))
    whole = (await read(user, key))["items"]
    assert len(whole) == len(times)
    assert [each["at"] for each in whole] == sorted((each["at"] for each in whole), reverse=True)

    paged: list[Json] = []
    more = "?limit=2"
    while True:
        page = await read(user, key, more)
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        more = f"?limit=2&cursor={page['next_cursor']}"
    assert paged == whole


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
async def test_days_are_those_of_the_account(world: World, zone: str) -> None:
    user = world.user()
    key, bot = await user.add_key(), await user.add_bot()
    await user.patch("/v1/account", {"timezone": zone})
    here = ZoneInfo(zone)
    today = datetime.now(here).replace(hour=0, minute=0, second=0, microsecond=0)
    noon = timedelta(hours=12)
    await released(
        world,
        user,
        key,
        bot,
        (datetime.now(UTC), HOME),
        *((today - timedelta(days=3) + noon, HOME) for _ in range(4)),
        (today - timedelta(days=3), HOME),
        (today - timedelta(days=3) - timedelta(seconds=1), HOME),
        (today - timedelta(days=29), HOME),
        (today - timedelta(days=29) - timedelta(seconds=1), HOME),
    )

    summary = await read(user, key, "/summary")

    assert summary["timezone"] == zone
    days = [each["day"] for each in summary["days"]]
    # The day may end while this runs.
    assert len(days) == 30
    assert days == sorted(days)
    counted = {each["day"]: each["count"] for each in summary["days"] if each["count"]}
    assert counted == {
        f"{today:%Y-%m-%d}": 1,
        f"{today - timedelta(days=3):%Y-%m-%d}": 5,
        f"{today - timedelta(days=4):%Y-%m-%d}": 1,
        f"{today - timedelta(days=29):%Y-%m-%d}": 1,
    }


async def test_addresses_are_listed_once_the_most_recent_first(world: World) -> None:
    user = world.user()
    key, bot = await user.add_key(), await user.add_bot()
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    await released(
        world, user, key, bot, (now - 5 * hour, "192.0.2.1"), (now - 4 * hour, HOME),
        (now - 3 * hour, "2001:db8::1"), (now - 2 * hour, HOME),
    )  # fmt: skip

    addresses = (await read(user, key, "/summary"))["addresses"]

    assert [(each["from"], each["count"]) for each in addresses] == [
        (HOME, 2),
        ("2001:db8::1", 1),
        ("192.0.2.1", 1),
    ]
    assert addresses[0]["first_at"] < addresses[1]["last_at"] < addresses[0]["last_at"]


async def test_releases_of_another_key_or_account_are_not_shown(world: World) -> None:
    """Rule R28."""
    user = world.user()
    bot, _, key = await user.ready_bot()
    await ask(bot)
    other = await user.add_key("trade_2")

    assert (await read(user, other))["items"] == []
    assert (await read(user, other, "/summary"))["addresses"] == []
    for path in (f"/v1/keys/{key['id']}/releases", f"/v1/keys/{uuid4()}/releases"):
        for more in ("", "/summary"):
            assert (await world.user("bob").get(f"{path}{more}")).status_code == 404


async def test_a_key_that_never_was_released_has_thirty_days_of_none(world: World) -> None:
    user = world.user()
    summary = await read(user, await user.add_key(), "/summary")

    assert [each["count"] for each in summary["days"]] == [0] * 30
    assert summary["addresses"] == []
    assert summary["days"][-1]["day"] in {
        f"{datetime.now(UTC) - timedelta(minutes=minutes):%Y-%m-%d}" for minutes in (0, 1)
    }


async def test_releases_are_read_with_the_scope_of_keys(world: World) -> None:
    key = await world.user().add_key()
    for more in ("", "/summary"):
        path = f"/v1/keys/{key['id']}/releases{more}"
        assert (await world.user(scopes="keys:read").get(path)).status_code == 200
        assert (await world.user(scopes="bots:read audit:read").get(path)).status_code == 403
