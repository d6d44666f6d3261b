"""Trading assets and the contract switch, with no more rights than the role `api` has."""

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
