"""A bot's configuration: its content, its version, and the reasons that block new positions."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, update

from app.db.models import Account, Key
from app.domains.bots.config_row_loader import ConfigRowLoader
from app.domains.bots.config_rows import ConfigRow
from app.domains.bots.opening_rules import OpeningConditions, blocked_by
from app.domains.runtime.config.schemas import Config
from botkeys.client import BotClient
from botkeys.transport.client import ASGITransport, HttpTransport, TransportLimits
from tests.support.world import Bot, World

ORDER = [
    "account_closing",
    "frozen",
    "bot_paused",
    "key_inactive",
    "key_cannot_trade",
    "withdrawal_permission",
    "unverified",
    "credentials_rejected",
    "no_trading_assets",
    "catalogue_unknown",
]
FREE = {
    "account_closing": False,
    "frozen": False,
    "paused": False,
    "has_key": True,
    "key_active": True,
    "key_trades": "yes",
    "can_withdraw": False,
    "unverified": False,
    "credentials_rejected": False,
    "enabled_assets": 1,
    "catalogue_known": True,
}
CAUSES: dict[str, dict[str, Any]] = {
    "account_closing": {"account_closing": True},
    "frozen": {"frozen": True},
    "bot_paused": {"paused": True},
    "key_inactive": {"key_active": False},
    "key_cannot_trade": {"key_trades": "no"},
    "withdrawal_permission": {"can_withdraw": True},
    "unverified": {"unverified": True},
    "credentials_rejected": {"credentials_rejected": True},
    "no_trading_assets": {"enabled_assets": 0},
    "catalogue_unknown": {"catalogue_known": False},
}


async def config(bot: Bot) -> dict[str, Any]:
    answer = await bot.get("/v1/runtime/config")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    assert set(document) == set(Config.model_fields)
    Config.model_validate(document)
    assert answer.headers["etag"] == f'"{document["version"]}"'
    return document


def test_every_reason_is_listed_in_the_order_of_the_contract() -> None:
    """Rule R18."""
    for number in range(len(ORDER) + 1):
        for reasons in combinations(ORDER, number):
            situation = dict(FREE)
            for reason in reasons:
                situation.update(CAUSES[reason])
            assert blocked_by(OpeningConditions(**situation)) == list(reasons)  # type: ignore[arg-type]  # a mixed dict


def test_a_bot_without_a_key_is_blocked_by_that_alone() -> None:
    situation = {**FREE, "has_key": False, "key_active": False, "enabled_assets": 0}
    assert blocked_by(OpeningConditions(**situation)) == ["no_key"]  # type: ignore[arg-type]  # as above
    paused = {**situation, "paused": True}
    assert blocked_by(OpeningConditions(**paused)) == ["bot_paused", "no_key"]  # type: ignore[arg-type]  # as above


def test_what_is_not_known_of_a_key_blocks_nothing() -> None:
    situation = {**FREE, "key_trades": "unknown"}
    assert blocked_by(OpeningConditions(**situation)) == []  # type: ignore[arg-type]  # as above


async def test_a_bot_without_a_key_has_a_config(world: World) -> None:
    user = world.user()
    bot = await user.mint((await user.add_bot())["id"])

    document = await config(bot)

    assert document["key"] is None
    assert document["blocked_by"] == ["no_key"]
    assert document["may_open_positions"] is False
    assert document["endpoints"] == {"rest": None, "websocket": None}
    assert document["assets"] == []


async def test_the_config_tells_key_and_endpoints(world: World) -> None:
    bot, _, key = await world.user().ready_bot()

    document = await config(bot)

    assert document["key"] == {
        "id": key["id"],
        "label": key["label"],
        "exchange": "okx",
        "environment": "testnet",
        "contract_type": "linear",
        "version": 1,
    }
    assert document["endpoints"]["rest"] == world.simulator.hosts["okx"]["testnet"]
    assert document["blocked_by"] == ["no_trading_assets", "catalogue_unknown"]


async def test_all_reasons_of_a_real_bot_stand_in_order(world: World) -> None:
    user = world.user()
    key = await user.add_key("readonly")
    document = await user.add_bot()
    await user.assign(document["id"], key["id"])
    bot = await user.mint(document["id"])
    await user.patch(f"/v1/keys/{key['id']}", {"active": False})
    await user.patch(f"/v1/bots/{document['id']}", {"paused": True})
    await user.post("/v1/freezes", {"scope": "account"})
    async with world.context.database.sessions() as session:
        rejected = update(Key).where(Key.id == UUID(key["id"]))
        await session.execute(
            rejected.values(
                verification_status="rejected", permission_withdraw="yes", unverified=True
            )
        )
        closing = update(Account).where(Account.account_id == bot.account_id)
        await session.execute(closing.values(closing_at=func.statement_timestamp()))
        await session.commit()

    answer = await config(bot)

    assert answer["blocked_by"] == ORDER
    assert answer["may_open_positions"] is False


async def test_the_version_moves_when_the_content_does_and_comes_back_with_it(
    world: World,
) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    other = await user.add_key("trade_2")
    first = await config(bot)
    seen = {first["version"]}
    steps = [
        user.patch(f"/v1/bots/{document['id']}", {"paused": True}),
        user.patch(f"/v1/keys/{key['id']}", {"active": False}),
        user.patch(f"/v1/keys/{key['id']}", {"label": "renamed"}),
        user.assign(document["id"], other["id"]),
        user.delete(f"/v1/bots/{document['id']}/key"),
    ]
    for step in steps:
        assert (await step).status_code == 200
        version = (await config(bot))["version"]
        assert version not in seen
        seen.add(version)

    await user.patch(f"/v1/bots/{document['id']}", {"paused": False})
    await user.patch(f"/v1/keys/{key['id']}", {"active": True, "label": key["label"]})
    await user.assign(document["id"], key["id"])
    assert await config(bot) == first


async def test_the_version_stays_when_nothing_that_concerns_the_bot_changes(world: World) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    before = await config(bot)

    await user.patch(f"/v1/bots/{document['id']}", {"name": "another name"})
    await user.patch(f"/v1/keys/{key['id']}", {"label": key["label"]})
    await user.add_key("trade_2")
    await user.add_bot("another")
    body = {"suite": "x25519", "public_key": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}
    assert (await bot.post("/v1/runtime/credentials", body)).status_code == 200

    assert await config(bot) == before


async def test_an_unchanged_config_is_not_sent_again(world: World) -> None:
    user = world.user()
    bot, document, _ = await user.ready_bot()
    tag = (await bot.get("/v1/runtime/config")).headers["etag"]

    for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = await bot.get("/v1/runtime/config", headers={"If-None-Match": header})
        assert (answer.status_code, answer.content) == (304, b""), header
        assert answer.headers["etag"] == tag
    for header in ('"other"', tag.strip('"'), f'"x{tag[1:]}'):
        answer = await bot.get("/v1/runtime/config", headers={"If-None-Match": header})
        assert answer.status_code == 200, header

    await user.patch(f"/v1/bots/{document['id']}", {"paused": True})
    answer = await bot.get("/v1/runtime/config", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.headers["etag"] != tag


async def test_the_client_follows_the_config_and_drops_a_key_that_was_taken_away(
    world: World,
) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()

    async with (
        HttpTransport(TransportLimits(attempts=1), transport=ASGITransport(world.app)) as http,
        BotClient("https://botkeys.test", bot.token, transport=http) as client,
    ):
        released = await client.credentials()
        first = await client.config()
        unchanged = await client.config()
        kept = released.forgotten
        await user.patch(f"/v1/keys/{key['id']}", {"active": False})
        blocked = await client.config()
        still_kept = released.forgotten
        await user.delete(f"/v1/bots/{document['id']}/key")
        without = await client.config()

    assert unchanged is first
    assert (kept, still_kept) == (False, False)
    assert blocked.blocked_by == ("key_inactive", "no_trading_assets", "catalogue_unknown")
    assert without.key is None
    assert released.forgotten


async def test_a_configuration_that_changes_while_it_is_read_is_tagged_with_its_own_version(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its document is no longer kept, but what it comes to is."""
    user = world.user()
    bot, document, _ = await user.ready_bot()
    first = await bot.get("/v1/runtime/config")
    world.context.config_cache._documents.clear()
    read = ConfigRowLoader.read

    async def paused_meanwhile(
        self: ConfigRowLoader, account_id: UUID, bot_id: UUID
    ) -> Sequence[ConfigRow]:
        answer = await user.patch(f"/v1/bots/{document['id']}", {"paused": True})
        assert answer.status_code == 200, answer.text
        return await read(self, account_id, bot_id)

    monkeypatch.setattr(ConfigRowLoader, "read", paused_meanwhile)
    second = await bot.get("/v1/runtime/config", headers={"If-None-Match": '"another"'})
    assert second.json()["blocked_by"][0] == "bot_paused"
    assert second.headers["etag"] == f'"{second.json()["version"]}"' != first.headers["etag"]
