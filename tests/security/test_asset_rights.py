"""Trading assets and the contract switch, with no more database rights than each role has."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db import notifications
from app.db.failures import sqlstate
from tests.support.catalogue import BINANCE
from tests.support.split import Split


async def test_the_role_api_may_do_all_that_assets_and_a_switch_need(split: Split) -> None:
    user = split.user("alice")
    key = await split.add_key("alice", 1)
    bot = await split.add_bot("alice", key["id"])
    path = f"/v1/keys/{key['id']}"
    assets = f"{path}/assets"

    done = [
        await user.post(assets, {"symbol": "BTCUSDT", "leverage": "10"}),
        await user.patch(f"{assets}/BTCUSDT", {"leverage": "5", "margin_mode": "isolated"}),
        await user.get(assets),
        await bot.post("/v1/runtime/heartbeat"),
        await user.patch(path, {"contract_type": "inverse"}),
        await user.delete(f"/v1/bots/{bot.id}/key"),
        await user.patch(path, {"contract_type": "inverse"}),
        await user.patch(path, {"contract_type": "linear"}),
        await user.delete(f"{assets}/BTCUSDT"),
    ]

    statuses = [answer.status_code for answer in done]
    assert statuses == [201, 200, 200, 200, 409, 200, 200, 200, 204], [a.text for a in done]
    assert done[4].json()["code"] == "bot_online"


async def test_the_catalogue_worker_may_notify_bots_and_see_neither_them_nor_their_assets(
    split: Split,
) -> None:
    key = await split.add_key("alice", 1)
    await split.add_bot("alice", key["id"])
    asset = {"symbol": "BTCUSDT", "leverage": "10"}
    added = await split.user("alice").post(f"/v1/keys/{key['id']}/assets", asset)
    assert added.status_code == 201, added.text
    async with split.superuser.sessions() as session:
        await session.execute(text("SET LOCAL ROLE botkeys_catalogue"))
        counts = [
            await session.scalar(
                notifications.OF_CATALOGUE, {**BINANCE.columns, "symbols": symbols}
            )
            for symbols in (None, ["BTCUSDT"], ["ETHUSDT"])
        ]
        with pytest.raises(DBAPIError) as refused:
            await session.execute(text("SELECT account_id FROM trading_assets"))
        await session.rollback()
    assert counts == [1, 1, 0]
    assert sqlstate(refused.value) == "42501"
