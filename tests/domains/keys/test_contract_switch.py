"""Switching a key between linear and inverse."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select

from app.db.failures import Overtaken, is_conflict
from app.db.models import AuditEvent, KeyLabel, Presence
from app.domains.keys.contract_switch import ContractSwitch
from botkeys.exchanges.model import ContractType
from tests.support.assets import BTC, add_asset, assets_of, key_with_instruments, refusal
from tests.support.catalogue import OKX_INVERSE, instrument, list_instruments
from tests.support.positions import A_SECOND_AGO, IN_A_MINUTE, add_position
from tests.support.variants import add_unchecked
from tests.support.world import Bot, Json, World

INVERSE = {"contract_type": "inverse"}
LINEAR = {"contract_type": "linear"}
BTC_USD = "BTC-USD-SWAP"


async def store_heartbeat(world: World, bot: Bot, lease: timedelta) -> None:
    """Store a heartbeat of the bot."""
    async with world.context.database.sessions.begin() as session:
        now = func.statement_timestamp()
        await session.execute(
            insert(Presence).values(
                account_id=bot.account_id,
                bot_id=bot.id,
                last_heartbeat_at=now,
                lease_until=now + lease,
            )
        )


async def symbols(world: World, key: Json) -> list[str]:
    page = (await world.user().get(assets_of(key))).json()
    return [item["symbol"] for item in page["items"]]


async def test_a_switch_shows_the_other_instruments_and_assets_and_keeps_both(
    world: World,
) -> None:
    user = world.user()
    key = await key_with_instruments(world)
    inverse = instrument(BTC_USD, contract_type=ContractType.INVERSE)
    await list_instruments(world, OKX_INVERSE, inverse)
    linear = await add_asset(user, key, leverage="7")
    path = f"/v1/keys/{key['id']}"

    switched = await user.patch(path, {**INVERSE, "label": "coin-margined"})

    assert switched.status_code == 200
    assert switched.headers["etag"] == '"2"'
    assert (switched.json()["contract_type"], switched.json()["label"]) == (
        "inverse",
        "coin-margined",
    )
    listed = (await user.get(f"{path}/instruments")).json()["items"]
    assert [item["symbol"] for item in listed] == [BTC_USD]
    assert await symbols(world, key) == []
    for method, body in (("GET", None), ("PATCH", {"leverage": "1"}), ("DELETE", None)):
        answer = await user.call(method, f"{assets_of(key)}/{BTC}", body)
        assert refusal(answer) == (404, "not_found")
    added = await add_asset(user, key, symbol=BTC_USD)
    assert (added["contract_type"], added["settle"]) == ("inverse", "BTC")

    assert (await user.patch(path, LINEAR)).status_code == 200
    assert (await user.get(assets_of(key))).json()["items"] == [linear]
    await user.patch(path, INVERSE)
    assert await symbols(world, key) == [BTC_USD]


async def test_a_switch_is_recorded_and_the_key_s_label_follows(world: World) -> None:
    user = world.user()
    key = await add_unchecked(user)

    await user.patch(f"/v1/keys/{key['id']}", INVERSE)

    async with world.context.database.sessions() as session:
        label = await session.scalar(
            select(KeyLabel.contract_type).where(KeyLabel.key_id == UUID(key["id"]))
        )
        details = await session.scalar(
            select(AuditEvent.details).where(AuditEvent.action == "key.change")
        )
    assert label == "inverse"
    assert details == {"contract_type": "inverse"}


@pytest.mark.parametrize("exchange", ["gemini", "woox"])
async def test_a_contract_type_that_the_exchange_does_not_offer_is_refused(
    world: World, exchange: str
) -> None:
    """Rule R2."""
    user = world.user()
    key = await user.add_key(exchange=exchange, verify=False)

    answer = await user.patch(f"/v1/keys/{key['id']}", {**INVERSE, "label": "renamed as well"})

    assert refusal(answer) == (422, "contract_type_not_offered")
    assert answer.json()["contract_types"] == ["linear"]
    assert (await user.get(f"/v1/keys/{key['id']}")).json() == key


async def test_a_bot_that_is_online_keeps_the_contract_type(world: World) -> None:
    """Rule R9."""
    user = world.user()
    bot, document, key = await user.ready_bot()
    path = f"/v1/keys/{key['id']}"
    await store_heartbeat(world, bot, IN_A_MINUTE)

    refused = await user.patch(path, INVERSE)
    same = await user.patch(path, {**LINEAR, "label": "renamed"})

    assert refusal(refused) == (409, "bot_online")
    assert refused.json()["bot"] == {"id": document["id"], "name": document["name"]}
    assert (same.status_code, same.json()["label"]) == (200, "renamed")
    await user.delete(f"/v1/bots/{document['id']}/key")
    assert (await user.patch(path, INVERSE)).status_code == 200


async def test_a_bot_that_is_offline_lets_its_key_be_switched(world: World) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    await store_heartbeat(world, bot, A_SECOND_AGO)

    answer = await user.patch(f"/v1/keys/{key['id']}", INVERSE)

    assert answer.status_code == 200
    assert (await bot.get("/v1/runtime/config")).json()["key"]["contract_type"] == "inverse"


@pytest.mark.parametrize(
    ("status", "expires_in", "blocks"),
    [
        ("open", None, True),
        ("opening", IN_A_MINUTE, True),
        ("opening", A_SECOND_AGO, False),
        ("closed", None, False),
    ],
)
async def test_a_position_of_any_bot_on_the_key_keeps_the_contract_type(
    world: World, status: str, expires_in: timedelta | None, blocks: bool
) -> None:
    """Rule R9."""
    user = world.user()
    former, document, key = await user.ready_bot()
    await user.delete(f"/v1/bots/{document['id']}/key")
    await add_position(
        world, former.account_id, document["id"], key["id"], status=status, expires_in=expires_in
    )

    answer = await user.patch(f"/v1/keys/{key['id']}", INVERSE)

    if blocks:
        assert refusal(answer) == (409, "open_positions")
        assert answer.json()["count"] == 1
        present = (await user.get(f"/v1/keys/{key['id']}")).json()
        assert present == {**key, "open_positions": 1}
    else:
        assert answer.status_code == 200


async def test_a_switch_fetches_the_catalogue_that_it_leads_to(busy_world: World) -> None:
    user = busy_world.user()
    key = await key_with_instruments(busy_world)

    await user.patch(f"/v1/keys/{key['id']}", INVERSE)
    await asyncio.gather(*busy_world.context.catalogues._starting)

    calls = busy_world.simulator.calls("okx", "testnet")
    page = (await user.get(f"/v1/keys/{key['id']}/instruments?search=btc")).json()
    assert BTC_USD in [item["symbol"] for item in page["items"]]
    assert busy_world.simulator.calls("okx", "testnet") == calls


async def test_a_switch_whose_bot_was_another_by_the_time_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    await store_heartbeat(world, bot, IN_A_MINUTE)
    lock_bot, calls = ContractSwitch.lock_bot, 0

    async def nobody_at_first(switch: ContractSwitch, key_id: UUID) -> Any:
        nonlocal calls
        calls += 1
        return None if calls == 1 else await lock_bot(switch, key_id)

    monkeypatch.setattr(ContractSwitch, "lock_bot", nobody_at_first)

    answer = await user.patch(f"/v1/keys/{key['id']}", INVERSE)

    assert refusal(answer) == (409, "bot_online")
    assert calls == 2
    assert is_conflict(Overtaken())
