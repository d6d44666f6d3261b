"""Closing an account: at once for its callers, completely when the operation ends."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text, update

from app.auth.errors import AccountClosing
from app.db.models import Account, IdempotencyRecord, Operation
from app.domains.accounts.status import OPEN, AccountStatus, AccountStatusCache
from app.domains.trading.kinds import KINDS
from app.process.closure_watch import watched_closures
from app.worker.purging import PurgeLimits, purge_deleted
from tests.support.positions import add_position
from tests.support.purging import each, fill, left
from tests.support.world import Json, User, World


async def closed(user: User, query: str = "") -> Json:
    answer = await user.delete(f"/v1/account{query}")
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/operations/{answer.json()['id']}"
    document: Json = answer.json()
    return document


async def let_time_pass(world: World) -> None:
    """Pretend the account was closed a minute ago: tokens are issued by the second."""
    async with world.context.database.sessions.begin() as session:
        for account in (await session.scalars(select(Account))).all():
            if account.tokens_from is not None:
                account.tokens_from -= timedelta(minutes=1)
            world.context.account_statuses.forget(account.account_id)


async def test_another_process_refuses_the_tokens_as_soon_as_it_is_notified(
    busy_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule R27. That process would not look again for a minute."""
    database = busy_world.context.database
    statuses = AccountStatusCache(database.autocommit, seconds=60)
    user = busy_world.user()
    await user.add_bot()
    claims = await busy_world.context.verifier.verify(user.token)
    principal = busy_world.context.verifier.principal(claims, None)

    async def status() -> AccountStatus:
        return statuses.known(principal.account_id) or await statuses.read(principal.account_id)

    heard = asyncio.Event()
    forget = statuses.forget

    def hear(account_id: UUID) -> None:
        forget(account_id)
        heard.set()

    monkeypatch.setattr(statuses, "forget", hear)
    async with asyncio.timeout(20), watched_closures(statuses, database.engine.url):
        while await listeners(busy_world) == 0:  # noqa: ASYNC110  # nothing here notices it
            await asyncio.sleep(0.01)
        assert await status() is OPEN
        assert statuses.known(principal.account_id) is OPEN
        await closed(user)
        await heard.wait()
        with pytest.raises(AccountClosing):
            (await status()).require_open(principal)


def test_what_a_missed_notification_may_have_changed_is_forgotten() -> None:
    statuses = AccountStatusCache(Stored(), seconds=60)
    account_id = uuid4()
    assert asyncio.run(statuses.read(account_id)) is OPEN
    statuses.closed("nonsense")
    statuses.closed(str(uuid4()))
    assert statuses.known(account_id) is OPEN
    statuses.forget_all()
    assert statuses.known(account_id) is None


class Stored:
    """An executor that finds no account."""

    async def fetch(self, *_: Any, **__: Any) -> list[Any]:
        return []


async def listeners(world: World) -> int:
    """Return how many connections to this database have begun to listen for closures."""
    async with world.context.database.sessions() as session:
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'botkeys-listen' AND state = 'idle' AND query ~ 'LISTEN'"
        )
        return await session.scalar(waiting) or 0


async def test_bots_tokens_keys_and_secrets_are_gone_when_the_answer_arrives(world: World) -> None:
    user = world.user()
    bot, _, _ = await user.ready_bot()
    await user.post("/v1/freezes", {"scope": "account"})
    await user.post("/v1/webhooks", {"url": "https://example.com/hook"})

    operation = await closed(user)

    assert operation["kind"] == "close_account"
    assert operation["receipt"]["deleted"] == {
        **each(0),
        "bots": 1,
        "keys": 1,
        "credentials": 1,
        "trading_assets": 0,
        "freezes": 1,
        "webhooks": 1,
    }
    assert (await bot.get("/v1/runtime/config")).status_code == 401
    async with world.context.database.sessions() as session:
        for table in ("bots", "bot_tokens", "keys", "key_credentials", "freezes"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608


async def test_meanwhile_its_tokens_read_that_operation_and_nothing_else(world: World) -> None:
    """Rule R27."""
    user = world.user()
    await user.add_key()
    other = (await user.post("/v1/data-deletions", {"scope": "all"})).headers["location"]
    assert (await user.get("/v1/keys")).status_code == 200
    operation = await closed(user)
    path = f"/v1/operations/{operation['id']}"

    for caller in (user, world.user()):
        assert (await caller.get(path)).json()["status"] == "queued"
        stream = await caller.get(f"{path}/stream")
        assert (stream.status_code, '"status":"queued"' in stream.text) == (200, True)
        for method, refused in [
            ("GET", "/v1/keys"),
            ("GET", "/v1/account"),
            ("GET", "/v1/operations"),
            ("GET", other),
            ("POST", f"{path}/cancel"),
            ("DELETE", "/v1/account"),
            ("POST", "/v1/bots"),
        ]:
            answer = await caller.call(
                method, refused, {"name": "A"} if "bots" in refused else None
            )
            assert (answer.status_code, answer.json()["code"]) == (403, "account_closing"), refused
            assert answer.json()["operation_id"] == operation["id"]
    assert (await world.user("bob").get("/v1/keys")).status_code == 200


async def test_afterwards_its_tokens_are_dead_and_a_newer_one_starts_an_empty_account(
    world: World,
) -> None:
    """Rule R27."""
    user, database = world.user(), world.context.database
    bot, _, key = await user.ready_bot()
    await user.patch("/v1/account", {"timezone": "Europe/Berlin"})
    await fill(database, bot.account_id, key["id"], rows=3)
    await add_position(world, bot.account_id, str(bot.id), key["id"], name="held")
    operation = await closed(user, "?force=true")

    assert await purge_deleted(database.sessions, PurgeLimits(2, at_once=1)) == 1

    assert await left(database, bot.account_id) == each(0)
    ended = (await user.get(f"/v1/operations/{operation['id']}")).json()
    assert (ended["status"], ended["done"]) == ("succeeded", 3 * len(KINDS) + 1)
    for method, path in [("GET", "/v1/keys"), ("POST", "/v1/bots"), ("DELETE", "/v1/account")]:
        dead = await user.call(method, path, {"name": "A"} if method == "POST" else None)
        assert (dead.status_code, dead.json()["reason"]) == (401, "account_closed")

    await let_time_pass(world)
    newer = world.user()
    assert (await newer.get("/v1/operations")).json()["items"] == []
    account = (await newer.get("/v1/account")).json()
    assert (account["timezone"], account["environments_with_data"]) == ("UTC", [])
    _, _, key = await newer.ready_bot()
    await fill(database, bot.account_id, key["id"], rows=1, at=None)
    preview = await newer.get(f"/v1/keys/{key['id']}/deletion-preview")
    assert preview.json()["counts"] == each(1)


async def test_open_positions_are_in_the_way_unless_it_is_forced(world: World) -> None:
    """Rule R26."""
    user = world.user()
    bot, _, key = await user.ready_bot()
    await add_position(world, bot.account_id, str(bot.id), key["id"])
    answer = await user.delete("/v1/account")
    assert (answer.status_code, answer.json()["code"]) == (409, "open_positions")
    assert answer.json()["count"] == 1
    assert (await user.get("/v1/keys")).json()["items"] != []
    await closed(user, "?force=true")


async def test_deletions_that_are_under_way_end_with_it(world: World) -> None:
    user, database = world.user(), world.context.database
    bot, _, key = await user.ready_bot()
    await fill(database, bot.account_id, key["id"])
    await user.post("/v1/data-deletions", {"scope": "all"})
    await closed(user)
    assert await purge_deleted(database.sessions) == 1
    async with database.sessions() as session:
        assert (await session.scalars(select(Operation.kind))).all() == ["close_account"]


async def test_a_closure_that_failed_is_begun_again_by_asking_again(world: World) -> None:
    user, sessions = world.user(), world.context.database.sessions
    await user.add_key()
    operation = await closed(user)
    async with sessions.begin() as session:
        failed: dict[str, Any] = {"status": "failed", "error": "A mistake of ours."}
        await session.execute(update(Operation).values(failed))
    assert (await closed(user))["id"] == operation["id"]
    assert await purge_deleted(sessions) == 1
    assert (await user.get("/v1/keys")).status_code == 401


async def answers_kept(world: World) -> int:
    async with world.context.database.sessions() as session:
        kept = await session.scalar(select(func.count()).select_from(IdempotencyRecord))
        return kept or 0


async def test_a_repeated_request_is_answered_again_until_the_account_is_closed(
    world: World,
) -> None:
    user, sessions = world.user(), world.context.database.sessions
    await user.post("/v1/bots", {"name": "A"}, headers={"Idempotency-Key": "a-bot"})
    key = {"Idempotency-Key": "once"}

    first = await user.delete("/v1/account", headers=key)
    again = await user.delete("/v1/account", headers=key)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    for name in ("location", "etag", "content-type"):
        assert again.headers[name] == first.headers[name]
    for query, other, status, code in [
        ("", {}, 403, "account_closing"),
        ("", {"Idempotency-Key": "twice"}, 403, "account_closing"),
        ("?force=true", key, 422, "idempotency_key_reused"),
    ]:
        refused = await user.delete(f"/v1/account{query}", headers=other)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert await answers_kept(world) == 1

    assert await purge_deleted(sessions) == 1
    dead = await user.delete("/v1/account", headers=key)
    assert (dead.status_code, dead.json()["reason"]) == (401, "account_closed")
    assert await answers_kept(world) == 0


async def test_it_is_closed_as_it_was_when_it_was_looked_at_or_not_at_all(world: World) -> None:
    user, sessions = world.user(), world.context.database.sessions
    seen = {"If-Match": (await user.get("/v1/account")).headers["etag"]}
    await user.patch("/v1/account", {"timezone": "Europe/Prague"})
    await user.add_key()

    for tag in (seen, {"If-Match": '"foreign"'}):
        answer = await user.delete("/v1/account", headers={**tag, "Idempotency-Key": "once"})
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert len((await user.get("/v1/keys")).json()["items"]) == 1
    assert (await user.get("/v1/operations")).json()["items"] == []

    seen = {"If-Match": (await user.get("/v1/account")).headers["etag"]}
    assert (await user.delete("/v1/account", headers=seen)).status_code == 202
    async with sessions.begin() as session:
        await session.execute(update(Operation).values({"status": "failed", "error": "x"}))
    again = await user.delete("/v1/account", headers={"If-Match": '"foreign"'})
    assert again.status_code == 412
    assert await purge_deleted(sessions) == 0
    assert (await user.delete("/v1/account", headers=seen)).status_code == 202


@pytest.mark.parametrize("scopes", ["keys:write data:delete", "account:admin"])
async def test_it_takes_the_scope_of_its_own(world: World, scopes: str) -> None:
    await world.user().add_key()
    answer = await world.user(scopes=scopes).delete("/v1/account")
    assert answer.status_code == (202 if scopes == "account:admin" else 403)


async def test_the_audit_log_alone_is_kept(world: World) -> None:
    user, sessions = world.user(), world.context.database.sessions
    await user.add_key()
    await closed(user)
    await purge_deleted(sessions)
    async with sessions() as session:
        query = text("SELECT action FROM audit_events ORDER BY sequence")
        assert (await session.scalars(query)).all() == ["key.add", "account.close"]
    await let_time_pass(world)
    entries = (await world.user().get("/v1/audit-events")).json()["items"]
    assert [entry["action"] for entry in entries] == ["account.close", "key.add"]
