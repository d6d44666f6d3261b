"""Adding trading assets, reading them, changing them and removing them."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from app.db.models import AuditEvent
from app.domains.assets.schemas import Asset
from tests.support.assets import BODY, BTC, ETH, add_asset, assets_of, key_with_instruments, refusal
from tests.support.catalogue import OKX, instrument, list_instruments
from tests.support.world import World


async def test_an_added_asset_is_shown_with_what_the_catalogue_says(world: World) -> None:
    user = world.user()
    key = await key_with_instruments(world)

    answer = await user.post(assets_of(key), {"symbol": BTC, "leverage": 12.5})

    assert answer.status_code == 201
    assert answer.headers["location"] == f"{assets_of(key)}/{BTC}"
    assert answer.headers["etag"] == '"1"'
    document = answer.json()
    assert set(document) == set(Asset.model_fields)
    Asset.model_validate(document)
    assert datetime.fromisoformat(document.pop("created_at")).tzinfo is not None
    assert datetime.fromisoformat(document.pop("updated_at")).tzinfo is not None
    assert document == {
        "symbol": BTC,
        "contract_type": "linear",
        "environment": "testnet",
        "exchange": "okx",
        "base": "BTC",
        "quote": "USDT",
        "settle": "USDT",
        "price": "97012.5",
        "volume_24h": "1840223114.2",
        "leverage": "12.5",
        "max_leverage": "100",
        "margin_mode": "cross",
        "margin_modes": ["cross", "isolated"],
        "enabled": True,
        "listed": True,
        "tick_size": "0.1",
        "lot_size": "0.01",
        "min_quantity": "0.02",
        "contract_size": "0.01",
        "contract_changed_at": None,
        "may_open_positions": True,
        "open_positions": 0,
        "blocked_by": [],
    }
    read = await user.get(answer.headers["location"])
    assert read.json() == answer.json()
    assert read.headers["etag"] == '"1"'


async def test_assets_are_listed_by_symbol_page_by_page(world: World) -> None:
    user = world.user()
    symbols = [f"COIN{number:02}" for number in range(7)]
    await list_instruments(world, OKX, *map(instrument, symbols))
    key = await user.add_key(verify=False)
    other = await user.add_key("trade_2", verify=False)
    for symbol in reversed(symbols):
        await add_asset(user, key, symbol=symbol)

    found: list[str] = []
    cursor = ""
    while True:
        page = (await user.get(f"{assets_of(key)}?limit=3{cursor}")).json()
        found += [item["symbol"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert found == symbols
    assert (await user.get(assets_of(other))).json() == {"items": [], "next_cursor": None}


async def test_leverage_margin_mode_and_enabled_are_changed_and_the_tag_moves(world: World) -> None:
    user = world.user()
    key = await key_with_instruments(world)
    before = await add_asset(user, key)

    answer = await user.patch(
        f"{assets_of(key)}/{BTC}", {"leverage": "3", "margin_mode": "isolated", "enabled": False}
    )

    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    after = answer.json()
    assert after["updated_at"] > before["updated_at"]
    assert after == {
        **before,
        "leverage": "3",
        "margin_mode": "isolated",
        "enabled": False,
        "may_open_positions": False,
        "blocked_by": ["asset_disabled"],
        "updated_at": after["updated_at"],
        "also_changed": [],
    }
    stored = (await user.get(f"{assets_of(key)}/{BTC}")).json()
    assert {**stored, "also_changed": []} == after


@pytest.mark.parametrize(
    "change",
    [
        {},
        {
            "leverage": "10.00",
            "margin_mode": "cross",
            "enabled": True,
        },
        {"leverage": None},
    ],
)
async def test_a_change_of_nothing_leaves_the_asset_s_tag_as_it_was(
    world: World, change: dict[str, Any]
) -> None:
    user = world.user()
    key = await key_with_instruments(world)
    before = await add_asset(user, key)

    answer = await user.patch(f"{assets_of(key)}/{BTC}", change)

    assert answer.status_code == 200
    assert answer.headers["etag"] == '"1"'
    assert answer.json() == {**before, "also_changed": []}


async def test_a_removed_asset_is_gone_and_may_be_added_again(world: World) -> None:
    user = world.user()
    key = await key_with_instruments(world)
    await add_asset(user, key)
    path = f"{assets_of(key)}/{BTC}"

    removed = await user.delete(path)

    assert (removed.status_code, removed.content) == (204, b"")
    assert refusal(await user.get(path)) == (404, "not_found")
    assert refusal(await user.delete(path)) == (404, "not_found")
    assert refusal(await user.patch(path, {"enabled": True})) == (404, "not_found")
    await add_asset(user, key)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_if_match_is_honoured_for_assets(world: World, method: str) -> None:
    user = world.user()
    key = await key_with_instruments(world)
    await add_asset(user, key)
    path, body = f"{assets_of(key)}/{BTC}", {"leverage": "5"} if method == "PATCH" else None

    for tag in ('"2"', 'W/"1"'):
        answer = await user.call(method, path, body, headers={"If-Match": tag})
        assert refusal(answer) == (412, "precondition_failed")
    assert (await user.call(method, path, body, headers={"If-Match": '"1"'})).is_success


async def test_what_was_done_to_assets_is_in_the_audit_log(world: World) -> None:
    user = world.user()
    key = await key_with_instruments(world)
    await add_asset(user, key)
    path = f"{assets_of(key)}/{BTC}"
    await user.patch(path, {"leverage": "3.50", "margin_mode": "isolated"})
    await user.delete(path)

    async with world.context.database.sessions() as session:
        entries = (
            await session.execute(
                select(
                    AuditEvent.action,
                    AuditEvent.target,
                    AuditEvent.target_id,
                    AuditEvent.environment,
                    AuditEvent.details,
                )
                .where(AuditEvent.action.startswith("asset."))
                .order_by(AuditEvent.sequence)
            )
        ).all()

    of_key = {"key_id": key["id"], "contract_type": "linear"}
    same = ("asset", BTC, "testnet")
    assert [tuple(entry) for entry in entries] == [
        ("asset.add", *same, {**of_key, "leverage": "10", "margin_mode": "cross", "enabled": True}),
        ("asset.change", *same, {**of_key, "leverage": "3.5", "margin_mode": "isolated"}),
        ("asset.remove", *same, of_key),
    ]


async def test_another_account_neither_sees_nor_changes_assets(world: World) -> None:
    key = await key_with_instruments(world)
    asset = await add_asset(world.user(), key)
    bob, path = world.user("bob"), f"{assets_of(key)}/{BTC}"

    for method, address, body in [
        ("GET", assets_of(key), None),
        ("POST", assets_of(key), {**BODY, "symbol": ETH}),
        ("GET", path, None),
        ("PATCH", path, {"leverage": "1"}),
        ("DELETE", path, None),
    ]:
        assert refusal(await bob.call(method, address, body)) == (404, "not_found")

    assert (await world.user().get(assets_of(key))).json()["items"] == [asset]


async def test_deleting_a_key_deletes_its_assets(world: World) -> None:
    user = world.user()
    key = await key_with_instruments(world)
    await add_asset(user, key)

    assert (await user.delete(f"/v1/keys/{key['id']}")).status_code == 200

    assert refusal(await user.get(assets_of(key))) == (404, "not_found")


async def test_instruments_say_which_of_them_are_assets(world: World) -> None:
    user = world.user()
    key = await key_with_instruments(world)
    other = await user.add_key("trade_2", verify=False)
    await add_asset(user, key)

    def added(page: dict[str, Any]) -> dict[str, bool]:
        return {item["symbol"]: item["added"] for item in page["items"]}

    ours = (await user.get(f"/v1/keys/{key['id']}/instruments")).json()
    theirs = (await user.get(f"/v1/keys/{other['id']}/instruments")).json()
    assert added(ours) == {BTC: True, ETH: False}
    assert added(theirs) == {BTC: False, ETH: False}


async def test_the_bot_s_configuration_has_the_key_s_assets(world: World) -> None:
    user = world.user()
    key = await key_with_instruments(world)
    bot = await user.add_bot()
    await user.assign(bot["id"], key["id"])
    machine = await user.mint(bot["id"])
    asset = await add_asset(user, key)
    await add_asset(user, key, symbol=ETH, enabled=False)

    config = (await machine.get("/v1/runtime/config")).json()

    assert [item["symbol"] for item in config["assets"]] == [BTC, ETH]
    assert config["assets"][0].items() <= asset.items()
    assert config["assets"][1]["blocked_by"] == ["asset_disabled"]
    assert config["blocked_by"] == ["unverified"]  # the key was added without a check
