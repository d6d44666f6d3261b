"""What a release leaves behind: a record before the release, the key's last release, an event."""

import asyncio
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from sqlalchemy import func, select, update

from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.keyring import ReleasingKeyring
from app.custody.role_keys import RuntimeKeys
from app.db.models import AuditEvent, BotEvent, KeyCredential, Release
from app.domains.audit.chain import verify
from tests.domains.conftest import Asking
from tests.support.variants import changed
from tests.support.world import Bot, World


class CrashingKeyring:
    """Crashes when the data key would be opened."""

    def releaser(self) -> Any:
        raise RuntimeError("a fault while sealing")


def with_keyring(world: World, keyring: Any) -> Any:
    assert world.context.runtime is not None
    keys = RuntimeKeys(cast("ReleasingKeyring", keyring), world.context.runtime.token)
    return changed(world, runtime=keys)


async def recorded(world: World, bot: Bot) -> tuple[int, int]:
    """Return how many releases, and how many allowed releases in the audit log, the bot has."""
    async with world.context.database.sessions() as session:
        releases = await session.scalar(
            select(func.count()).select_from(Release).where(Release.bot_id == bot.id)
        )
        entries = await session.scalar(
            select(func.count())
            .select_from(AuditEvent)
            .where(
                AuditEvent.account_id == bot.account_id,
                AuditEvent.action == "key.release",
                AuditEvent.outcome == "allowed",
                AuditEvent.actor_id == str(bot.id),
            )
        )
    return releases or 0, entries or 0


async def test_a_release_is_shown_on_the_key_with_time_and_address(
    world: World, asking: Asking
) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    before = (await user.get(f"/v1/keys/{key['id']}")).json()

    await asking.ask(bot)

    after = await user.get(f"/v1/keys/{key['id']}")
    assert before["last_release"] is None
    assert after.json()["last_release"]["from"] == "127.0.0.1"
    assert after.json()["last_release"]["at"].endswith("Z")
    assert after.json()["updated_at"] == before["updated_at"]
    assert after.headers["etag"] == '"1"'
    assert await recorded(world, bot) == (1, 1)


async def test_a_release_is_committed_before_anything_is_opened(
    busy_world: World, asking: Asking
) -> None:
    """Rule R31."""
    bot, _, _ = await busy_world.user().ready_bot()

    async with with_keyring(busy_world, CrashingKeyring()) as broken:
        answer = await asking.ask(replace(bot, http=broken.http))

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "a fault while sealing" not in answer.text
    assert await recorded(busy_world, bot) == (1, 1)


async def test_an_unknown_master_key_is_an_outage_that_is_recorded(
    world: World, asking: Asking
) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    async with world.context.database.sessions() as session:
        await session.execute(
            update(KeyCredential)
            .where(KeyCredential.key_id == UUID(key["id"]))
            .values(master_key_version=99)
        )
        await session.commit()

    answer = await asking.ask(bot)

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "master key" in answer.json()["detail"]
    assert await recorded(world, bot) == (1, 1)


async def test_another_master_key_of_the_same_number_opens_nothing(
    world: World, asking: Asking, tmp_path: Any
) -> None:
    bot, _, _ = await world.user().ready_bot()
    folder = KeyFolder(tmp_path / "keys")
    folder.create_missing({KeyKind.MASTER})

    async with with_keyring(world, ReleasingKeyring(folder)) as wrong:
        answer = await asking.ask(replace(bot, http=wrong.http))

    assert (answer.status_code, answer.json()["code"]) == (409, "credentials_unreadable")
    assert await recorded(world, bot) == (1, 1)


async def events_of(world: World, bot: Bot) -> list[BotEvent]:
    async with world.context.database.sessions() as session:
        found = await session.scalars(select(BotEvent).where(BotEvent.bot_id == bot.id))
        return list(found)


async def test_a_release_to_a_new_address_raises_one_event(world: World, asking: Asking) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()

    await asking.ask(bot)
    await asking.ask(bot)
    assert await events_of(world, bot) == []
    async with changed(world, address="203.0.113.7") as elsewhere:
        for _ in range(3):
            assert (await asking.ask(replace(bot, http=elsewhere.http))).status_code == 200
    await asking.ask(bot)

    (event,) = await events_of(world, bot)
    assert event.kind == "release_from_new_address"
    assert event.level == "warning"
    assert event.data == {"address": "203.0.113.7"}
    assert event.key_id == UUID(key["id"])
    assert event.environment == "testnet"
    last = (await user.get(f"/v1/keys/{key['id']}")).json()["last_release"]
    assert last["from"] == "127.0.0.1"


async def test_a_refused_release_is_in_the_audit_log_and_nowhere_else(
    world: World, asking: Asking
) -> None:
    user = world.user()
    bot = await user.mint((await user.add_bot())["id"])

    await asking.ask(bot)

    newest = (await user.get("/v1/audit-events?limit=1")).json()["items"][0]
    assert newest["action"] == "key.release"
    assert (newest["outcome"], newest["code"]) == ("refused", "no_key")
    assert (newest["actor"], newest["actor_id"]) == ("bot", str(bot.id))
    assert await recorded(world, bot) == (0, 0)


async def test_the_audit_log_tells_of_a_release_who_what_and_from_where(
    world: World, asking: Asking
) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()

    answer = await asking.ask(bot)

    entry = (await user.get("/v1/audit-events?limit=1")).json()["items"][0]
    assert entry["target"] == "key"
    assert entry["target_id"] == key["id"]
    assert entry["environment"] == "testnet"
    assert entry["address"] == "127.0.0.1"
    assert entry["request_id"] == answer.headers["x-request-id"]
    assert entry["details"] == {
        "release_id": answer.json()["release_id"],
        "suite": "x25519",
        "version": 1,
    }


async def test_releases_to_all_bots_of_an_account_at_once_are_one_chain(busy_world: World) -> None:
    user = busy_world.user()
    bots = []
    for variant in ("trade", "trade_2"):
        key, document = await user.add_key(variant), await user.add_bot(variant)
        await user.assign(document["id"], key["id"])
        bots.append(await user.mint(document["id"]))

    answers = await asyncio.gather(*(Asking().ask(bot) for bot in bots * 6))

    assert [answer.status_code for answer in answers] == [200] * 12
    for bot in bots:
        assert await recorded(busy_world, bot) == (6, 6)
    async with busy_world.context.database.sessions() as session:
        chain = await verify(session, busy_world.context.audit, bots[0].account_id)
    assert chain.broken_at is None
    assert chain.sealed
