"""The list of bots: what a row has, filters, orders and pages."""

from typing import Any

import pytest
from sqlalchemy import func, update

from app.db.models import Bot, Key
from app.domains.bots.schemas import BotPage
from tests.support.catalogue import OKX, instrument, list_instruments
from tests.support.positions import add_asset, add_position
from tests.support.variants import add_unchecked
from tests.support.world import Json, User, World


async def listed(user: User, query: str = "") -> list[Json]:
    answer = await user.get(f"/v1/bots{query}")
    assert answer.status_code == 200, answer.text
    BotPage.model_validate(answer.json())
    items: list[Json] = answer.json()["items"]
    return items


async def names(user: User, query: str = "") -> list[str]:
    return [item["name"] for item in await listed(user, query)]


async def pages(user: User, path: str, query: str) -> list[Json]:
    """Return the items of all pages, following all cursors."""
    found: list[Json] = []
    cursor = ""
    while True:
        answer = await user.get(f"{path}?{query}{cursor}")
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer.json()['next_cursor']}"


SITUATIONS: dict[str, dict[str, Any]] = {
    "key_inactive": {"active": False},
    "key_cannot_trade": {"permission_trade": "no"},
    "withdrawal_permission": {"permission_withdraw": "yes"},
    "unverified": {"unverified": True},
    "credentials_rejected": {"verification_status": "rejected"},
}


async def test_config_lists_and_single_answers_name_the_same_reasons(world: World) -> None:
    """Rule R18."""
    user = world.user()
    await list_instruments(world, OKX, instrument("BTC-USDT-SWAP"))
    bot, document, key = await user.ready_bot()
    single = f"/v1/bots/{document['id']}"

    async def everywhere() -> list[str]:
        """Return the reasons, which must be the same in five answers and in two filters."""
        config: list[str] = (await bot.get("/v1/runtime/config")).json()["blocked_by"]
        [of_bot] = await listed(user)
        [of_key] = (await user.get("/v1/keys")).json()["items"]
        one_key = (await user.get(f"/v1/keys/{key['id']}")).json()
        assert of_bot["blocked_by"] == config
        assert (await user.get(single)).json()["blocked_by"] == config
        assert of_key["blocked_by"] == one_key["blocked_by"] == config
        assert len(await listed(user, "?blocked=true")) == bool(config)
        assert len(await listed(user, "?blocked=false")) == (not config)
        return config

    assert await everywhere() == ["no_trading_assets"]
    await add_asset(user, key, "BTC-USDT-SWAP")
    assert await everywhere() == []
    for reason, columns in SITUATIONS.items():
        async with world.context.database.sessions.begin() as session:
            before = (
                await session.execute(Key.__table__.select().where(Key.__table__.c.id == key["id"]))
            ).one()
            kept = {name: getattr(before, name) for name in columns}
            await session.execute(update(Key).values(**columns))
        assert await everywhere() == [reason]
        async with world.context.database.sessions.begin() as session:
            await session.execute(update(Key).values(**kept))
    await user.patch(single, {"paused": True})
    assert await everywhere() == ["bot_paused"]
    for scope in ({"scope": "account"}, {"scope": "exchange", "exchange": "okx"}):
        freeze = (await user.post("/v1/freezes", scope)).json()
        assert await everywhere() == ["frozen", "bot_paused"]
        await user.delete(f"/v1/freezes/{freeze['id']}")
    await user.post("/v1/freezes", {"scope": "key", "key_id": key["id"]})
    assert await everywhere() == ["frozen", "bot_paused"]


async def test_a_bot_without_a_key_is_blocked_by_that(world: World) -> None:
    user = world.user()
    await user.add_bot()

    assert [item["blocked_by"] for item in await listed(user, "?blocked=true")] == [["no_key"]]


async def test_each_filter_leaves_what_it_names(world: World) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    await user.patch(f"/v1/bots/{document['id']}", {"name": "Grid ÄTH"})
    await bot.post("/v1/runtime/heartbeat")
    await add_position(world, bot.account_id, document["id"], key["id"])
    idle = await user.add_bot("Idle")
    await user.patch(f"/v1/bots/{idle['id']}", {"paused": True})
    live = await add_unchecked(user, 7, environment="live")
    other = await user.add_bot("Live")
    await user.assign(other["id"], live["id"])
    await world.user("bob").add_bot("Idle of another")

    assert await names(user) == ["Live", "Idle", "Grid ÄTH"]
    assert await names(user, "?environment=live") == ["Live"]
    assert await names(user, "?environment=testnet") == ["Grid ÄTH"]
    assert await names(user, "?assigned=false") == ["Idle"]
    assert await names(user, "?assigned=true") == ["Live", "Grid ÄTH"]
    assert await names(user, "?online=true") == ["Grid ÄTH"]
    assert await names(user, "?online=false") == ["Live", "Idle"]
    assert await names(user, "?paused=true") == ["Idle"]
    assert await names(user, "?search=äth") == ["Grid ÄTH"]
    assert await names(user, "?search=%25") == []
    assert await names(user, "?online=true&paused=true") == []
    [grid] = await listed(user, "?online=true")
    assert grid["open_positions"] == 1
    assert grid["key"]["contract_type"] == "linear"


SORTS = {
    "/v1/bots": ("name", "created_at"),
    "/v1/keys": ("label", "created_at", "exchange", "expires_at"),
}
_LABELS = ["b", "A", "a", "Z", "ä", "B", "c_", "Ключ"]


@pytest.mark.parametrize(
    ("path", "sort"), [(path, sort) for path, sorts in SORTS.items() for sort in sorts]
)
@pytest.mark.parametrize("limit", [1, 3])
async def test_sorted_pages_hold_every_row_once_in_order(
    world: World, path: str, sort: str, limit: int
) -> None:
    """Rule R78."""
    user = world.user()
    for number, label in enumerate(_LABELS, 1):
        if path == "/v1/bots":
            await user.add_bot(label)
        else:
            exchange = ("okx", "bybit", "binance")[number % 3]
            extra = {"api_passphrase": "phrase"} if exchange == "okx" else {}
            key = world.unchecked_key(number) | {"label": label}
            if exchange != "okx":
                key["exchange"] = exchange
            answer = await user.post(
                "/v1/keys", key | (extra if exchange == key["exchange"] else {})
            )
            assert answer.status_code == 201, answer.text
    async with world.context.database.sessions.begin() as session:
        ids = [item["id"] for item in (await user.get(path)).json()["items"]]
        table = Bot if path == "/v1/bots" else Key
        await session.execute(
            update(table).where(table.id.in_(ids[:3])).values(created_at=func.now())
        )
        if path == "/v1/keys":
            expiring = update(Key).where(Key.id.in_(ids[:4]))
            await session.execute(expiring.values(expires_at=func.now()))
            await session.execute(
                update(Key).where(Key.id == ids[4]).values(expires_at=Key.created_at)
            )

    def rank(item: Json) -> tuple[Any, str]:
        value = item[sort]
        if sort in {"name", "label"}:
            value = value.lower()
        return (value or "infinity", item["id"])

    whole = sorted((await user.get(f"{path}?limit=200")).json()["items"], key=rank)
    up = await pages(user, path, f"sort={sort}&limit={limit}")
    down = await pages(user, path, f"sort=-{sort}&limit={limit}")

    assert [item["id"] for item in up] == [item["id"] for item in whole]
    assert [item["id"] for item in down] == [item["id"] for item in reversed(whole)]
    assert len(whole) == len(_LABELS)


async def test_a_cursor_of_another_order_is_refused_and_says_so(world: World) -> None:
    """Rule R78."""
    user = world.user()
    for name in ("a", "b"):
        await user.add_bot(name)
    cursors = {
        sort: (await user.get(f"/v1/bots?limit=1{sort}")).json()["next_cursor"]
        for sort in ("", "&sort=name", "&sort=-name", "&sort=created_at")
    }

    for sort in cursors:
        for other, cursor in cursors.items():
            answer = await user.get(f"/v1/bots?limit=1{sort}&cursor={cursor}")
            if other == sort:
                assert answer.status_code == 200
            else:
                assert answer.status_code == 422
                assert "in this order" in answer.json()["errors"][0]["msg"]
