"""`Idempotency-Key`: a repeated write is answered again and not executed again."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import Response
from sqlalchemy import func, select, update

from app.db.models import AuditEvent, IdempotencyRecord, Key
from app.errors import RequestInProgress
from app.pipeline.idempotency import CLAIM, RETENTION, Claim, IdempotencyRepository
from app.simulator.faults import FaultKind
from scripts.check_references import ROOT
from tests.support.held import HeldExchanges, held
from tests.support.variants import add_unchecked
from tests.support.world import User, World


def keyed(key: str = "one") -> dict[str, str]:
    return {"Idempotency-Key": key}


async def count(world: World, table: Any, *where: Any) -> int:
    async with world.context.database.sessions() as session:
        query = select(func.count()).select_from(table).where(*where)
        return await session.scalar(query) or 0


async def alter_records(world: World, **columns: Any) -> None:
    async with world.context.database.sessions() as session:
        await session.execute(update(IdempotencyRecord).values(**columns))
        await session.commit()


def same(first: httpx.Response, second: httpx.Response) -> bool:
    """Return whether both are the same response but for the request's id and the replay mark."""
    own = {"x-request-id", "idempotency-replayed"}
    headers = [
        {name: value for name, value in answer.headers.items() if name not in own}
        for answer in (first, second)
    ]
    return (
        first.status_code == second.status_code
        and first.content == second.content
        and headers[0] == headers[1]
        and "idempotency-replayed" not in first.headers
        and second.headers["idempotency-replayed"] == "true"
        and first.headers["x-request-id"] != second.headers["x-request-id"]
    )


async def test_a_repeated_creation_is_answered_again_in_the_same_words(world: World) -> None:
    user, body = world.user(), world.new_key()

    first = await user.post("/v1/keys", body, headers=keyed())
    second = await user.post("/v1/keys", body, headers=keyed())

    assert first.status_code == 201
    assert same(first, second)
    assert second.headers["location"] == f"/v1/keys/{first.json()['id']}"
    assert second.headers["etag"] == '"1"'
    assert await count(world, Key) == 1
    assert await count(world, AuditEvent, AuditEvent.action == "key.add") == 1


async def test_changes_assignments_and_deletions_are_answered_again_too(world: World) -> None:
    user = world.user()
    key, bot = await add_unchecked(user), await user.add_bot()
    requests: list[tuple[str, str, Any]] = [
        ("PATCH", f"/v1/keys/{key['id']}", {"label": "renamed"}),
        ("PUT", f"/v1/bots/{bot['id']}/key", {"key_id": key["id"]}),
        ("PATCH", f"/v1/bots/{bot['id']}", {"paused": True}),
        ("DELETE", f"/v1/bots/{bot['id']}/key", None),
        ("DELETE", f"/v1/keys/{key['id']}", None),
        ("DELETE", f"/v1/bots/{bot['id']}", None),
    ]

    for number, (method, path, body) in enumerate(requests):
        first = await user.call(method, path, body, headers=keyed(f"n{number}"))
        second = await user.call(method, path, body, headers=keyed(f"n{number}"))
        assert first.status_code < 300
        assert same(first, second), (method, path)


async def test_a_replay_tells_what_was_answered_then_not_what_holds_now(world: World) -> None:
    user = world.user()
    first = await user.post("/v1/bots", {"name": "first"}, headers=keyed())
    await user.patch(f"/v1/bots/{first.json()['id']}", {"name": "second"})

    assert (await user.post("/v1/bots", {"name": "first"}, headers=keyed())).json() == first.json()


async def test_a_key_belongs_to_one_request(world: World) -> None:
    user = world.user()
    bot = (await user.post("/v1/bots", {"name": "one"}, headers=keyed())).json()
    others: list[tuple[str, str, Any]] = [
        ("POST", "/v1/bots", {"name": "two"}),
        ("POST", "/v1/keys", {"name": "one"}),
        ("DELETE", f"/v1/freezes/{bot['id']}", None),
        ("PATCH", f"/v1/bots/{bot['id']}", {"name": "one"}),
        ("DELETE", f"/v1/bots/{bot['id']}", None),
    ]

    for method, path, body in others:
        answer = await user.call(method, path, body, headers=keyed())
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")

    assert (await user.get("/v1/bots")).json()["items"] == [bot]


async def test_each_account_has_keys_of_its_own(world: World) -> None:
    alice = await world.user("alice").post("/v1/bots", {"name": "x"}, headers=keyed())
    bob = await world.user("bob").post("/v1/bots", {"name": "x"}, headers=keyed())

    assert (alice.status_code, bob.status_code) == (201, 201)
    assert alice.json()["id"] != bob.json()["id"]
    assert "idempotency-replayed" not in bob.headers


async def test_a_refusal_is_not_kept_and_the_same_request_may_succeed_later(world: World) -> None:
    user = world.user()
    key, bot = await add_unchecked(user, active=False), await user.add_bot()
    path, body = f"/v1/bots/{bot['id']}/key", {"key_id": key["id"]}

    refused = await user.put(path, body, headers=keyed())
    await user.patch(f"/v1/keys/{key['id']}", {"active": True})
    taken = await user.put(path, body, headers=keyed())

    assert refused.json()["code"] == "key_inactive"
    assert taken.status_code == 200
    assert "idempotency-replayed" not in taken.headers


async def test_after_a_refusal_the_key_is_free_for_another_request(world: World) -> None:
    user = world.user()

    refused = await user.post("/v1/bots", {"name": ""}, headers=keyed())
    taken = await user.post("/v1/bots", {"name": "better"}, headers=keyed())

    assert (refused.status_code, taken.status_code) == (422, 201)


async def test_a_refusal_of_the_exchange_is_asked_for_again(world: World) -> None:
    user, body = world.user(), world.new_key("revoked")
    calls = world.simulator.calls("okx", "testnet")

    for _ in range(2):
        assert (await user.post("/v1/keys", body, headers=keyed())).status_code == 422

    assert world.simulator.calls("okx", "testnet") >= calls + 2


async def test_a_request_in_progress_is_answered_so_and_when_to_come_back(world: World) -> None:
    user = world.user()
    await user.post("/v1/bots", {"name": "x"}, headers=keyed())
    await alter_records(world, status=None, headers=None, body=None)

    answer = await user.post("/v1/bots", {"name": "x"}, headers=keyed())

    assert (answer.status_code, answer.json()["code"]) == (409, "request_in_progress")
    assert int(answer.headers["retry-after"]) > 0


async def test_the_claim_of_a_request_that_died_lapses(world: World) -> None:
    user = world.user()
    await user.post("/v1/bots", {"name": "x"}, headers=keyed())
    await alter_records(
        world,
        status=None,
        headers=None,
        body=None,
        claimed_until=func.statement_timestamp() - timedelta(seconds=1),
    )

    answer = await user.post("/v1/bots", {"name": "x"}, headers=keyed())

    assert answer.status_code == 201
    assert "idempotency-replayed" not in answer.headers


async def test_an_answer_is_kept_for_a_day(world: World) -> None:
    user = world.user()
    first = await user.post("/v1/bots", {"name": "x"}, headers=keyed())
    await alter_records(
        world,
        created_at=func.statement_timestamp() - RETENTION + timedelta(minutes=1),
        claimed_until=func.statement_timestamp() - CLAIM,
    )
    kept = await user.post("/v1/bots", {"name": "x"}, headers=keyed())
    await alter_records(world, created_at=func.statement_timestamp() - RETENTION - CLAIM)
    again = await user.post("/v1/bots", {"name": "x"}, headers=keyed())

    assert timedelta(hours=24) == RETENTION
    assert kept.json() == first.json()
    assert again.json()["id"] != first.json()["id"]


async def test_a_token_is_minted_again_and_never_kept(world: World) -> None:
    user = world.user()
    bot = await user.add_bot()

    tokens = [
        await user.post(f"/v1/bots/{bot['id']}/token", headers=keyed("token")) for _ in range(2)
    ]

    assert [answer.status_code for answer in tokens] == [201, 201]
    assert tokens[0].json()["token"] != tokens[1].json()["token"]
    assert await count(world, IdempotencyRecord) == 0


async def test_reading_takes_no_notice_of_a_key(world: World) -> None:
    user = world.user()
    for _ in range(2):
        answer = await user.get("/v1/bots", headers=keyed())
        assert "idempotency-replayed" not in answer.headers
    assert await count(world, IdempotencyRecord) == 0


async def test_a_key_is_1_to_255_visible_ascii_characters(world: World) -> None:
    user = world.user()

    for key, status in [("x" * 255, 201), ("!~", 201), ("x" * 256, 422), ("a b", 422), ("", 422)]:
        answer = await user.post("/v1/bots", {"name": "x"}, headers=keyed(key))
        assert answer.status_code == status, key
        if status == 422:
            assert answer.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]


async def test_a_key_is_sent_once(world: World) -> None:
    user = world.user()
    headers = [
        ("Authorization", f"Bearer {user.token}"),
        ("Idempotency-Key", "one"),
        ("Idempotency-Key", "two"),
    ]

    answer = await world.http.post("/v1/bots", json={"name": "Grid"}, headers=headers)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]
    assert await count(world, IdempotencyRecord) == 0


async def test_neither_key_nor_body_is_stored_in_clear(world: World) -> None:
    user = world.user()
    await add_unchecked(user)
    await user.post("/v1/keys", world.unchecked_key(2), headers=keyed("PLANTED-in-a-header"))

    async with world.context.database.sessions() as session:
        (row,) = (await session.execute(select(IdempotencyRecord.__table__))).all()
    assert "PLANTED" not in str(row)
    assert world.unchecked_key(2)["api_secret"] not in str(row)


async def test_of_twenty_at_once_one_is_done(busy_world: World) -> None:
    user = busy_world.user()

    answers = await asyncio.gather(
        *(user.post("/v1/bots", {"name": "x"}, headers=keyed()) for _ in range(20))
    )

    done = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    fresh = [answer for answer in done if "idempotency-replayed" not in answer.headers]
    assert len(fresh) == 1
    assert {answer.json()["id"] for answer in done} == {fresh[0].json()["id"]}
    assert all(answer.json()["code"] == "request_in_progress" for answer in refused)
    assert len((await user.get("/v1/bots")).json()["items"]) == 1


def checks(world: World) -> float:
    """Return the number of successful key checks at OKX."""
    labels = {"exchange": "okx", "outcome": "verified"}
    registry = world.context.metrics.registry
    return registry.get_sample_value("botkeys_key_checks_total", labels) or 0


async def test_of_twenty_at_once_the_exchange_is_asked_for_one(busy_world: World) -> None:
    user, body = busy_world.user(), busy_world.new_key()
    busy_world.simulator.faults.set("okx", "testnet", FaultKind.SLOW, seconds=0.5, times=1)
    before = checks(busy_world)

    answers = await asyncio.gather(
        *(user.post("/v1/keys", body, headers=keyed()) for _ in range(20))
    )

    assert sorted({answer.status_code for answer in answers}) in ([201], [201, 409])
    assert await count(busy_world, Key) == 1
    assert checks(busy_world) == before + 1


async def test_a_crash_gives_the_key_back_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = world.user()

    def crash(*_: Any) -> Any:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as broken:
        broken.setattr("app.domains.bots.serializers.BotDocuments.bot", crash)
        crashed = await user.post("/v1/bots", {"name": "x"}, headers=keyed())
    again = await user.post("/v1/bots", {"name": "x"}, headers=keyed())

    assert (crashed.status_code, crashed.json()["code"]) == (500, "internal_error")
    assert again.status_code == 201
    assert len((await user.get("/v1/bots")).json()["items"]) == 1


async def overtake(
    world: World, exchanges: HeldExchanges, user: User, body: Any
) -> tuple[httpx.Response, httpx.Response]:
    """Send a request so slow that its claim lapses and its repetition takes the key."""
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(user.post("/v1/keys", body, headers=keyed()))
        await exchanges.asked.wait()
        lapsed = func.statement_timestamp() - timedelta(seconds=1)
        await alter_records(world, claimed_until=lapsed)
        repeated = await user.post("/v1/keys", body, headers=keyed())
        exchanges.go.set()
    return slow.result(), repeated


async def test_a_request_whose_claim_was_taken_over_changes_nothing(busy_world: World) -> None:
    async with held(busy_world) as (world, exchanges):
        user = world.user()
        body = world.new_key()
        slow, repeated = await overtake(world, exchanges, user, body)
        third = await user.post("/v1/keys", body, headers=keyed())

    assert repeated.status_code == 201
    assert slow.status_code == 409
    assert same(repeated, third)
    assert await count(busy_world, Key) == 1


async def test_a_lapsed_claim_can_neither_keep_an_answer_nor_give_the_key_back(
    world: World,
) -> None:
    account_id = (await world.user().mint((await world.user().add_bot())["id"])).account_id
    asked = Claim(account_id, "one", b"the same request")
    async with world.context.database.sessions() as session:
        repository = IdempotencyRepository(session=session)
        former = await repository.claim(asked)
        await alter_records(world, claimed_until=func.statement_timestamp() - timedelta(seconds=1))
        present = await repository.claim(asked)
        assert isinstance(former, Claim)
        assert isinstance(present, Claim)

        with pytest.raises(RequestInProgress):
            await repository.store(former, Response(b"too late", 201))
        await repository.release(former)
        await repository.store(present, Response(b"done", 201))
        replayed = await repository.claim(asked)

    assert isinstance(replayed, Response)
    assert replayed.body == b"done"


async def test_a_refused_request_does_not_give_back_the_key_of_its_successor(
    busy_world: World,
) -> None:
    await busy_world.user().post("/v1/bots", {"name": "x"}, headers=keyed())
    later = func.statement_timestamp() + timedelta(seconds=30)
    successor = {"claimed_until": later, "created_at": func.statement_timestamp()}
    body = busy_world.new_key("withdraw")

    async with held(busy_world) as (world, exchanges), asyncio.TaskGroup() as group:
        slow = group.create_task(world.user().post("/v1/keys", body, headers=keyed("two")))
        await exchanges.asked.wait()
        await alter_records(busy_world, **successor)
        exchanges.go.set()

    assert slow.result().json()["code"] == "withdrawal_permission"
    in_progress = await count(busy_world, IdempotencyRecord, IdempotencyRecord.status.is_(None))
    assert in_progress == 1


def test_no_endpoint_or_service_checks_scopes_itself() -> None:
    """Rule R46. It is not called for a repeated request: the pipeline checks scopes before."""
    checks = re.compile(r"\.require\(\*?Scope|MissingScope|\buser\.scopes|principal\.scopes")
    files = sorted((ROOT / "app/domains").rglob("*.py"))
    assert len(files) > 100
    assert [path for path in files if checks.search(path.read_text("utf-8"))] == []


async def test_the_claim_of_a_slow_request_is_renewed_and_never_taken(
    busy_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R37: only the claim of a request whose process died lapses."""
    monkeypatch.setattr("app.pipeline.claim_lease.RENEWAL", 0.02)
    async with held(busy_world) as (world, exchanges), asyncio.TaskGroup() as group:
        user, body = world.user(), world.new_key()
        slow = group.create_task(user.post("/v1/keys", body, headers=keyed()))
        await exchanges.asked.wait()
        await alter_records(
            busy_world, claimed_until=func.statement_timestamp() + timedelta(seconds=0.5)
        )
        async with asyncio.timeout(60):
            while await _left(busy_world) < 1:  # noqa: ASYNC110  # a row has no event
                await asyncio.sleep(0.01)
        repeated = await user.post("/v1/keys", body, headers=keyed())
        exchanges.go.set()

    assert repeated.json()["code"] == "request_in_progress"
    assert slow.result().status_code == 201
    assert await count(busy_world, Key) == 1


async def test_a_claim_that_is_not_renewed_is_free_after_five_seconds(world: World) -> None:
    user = world.user()
    await user.post("/v1/bots", {"name": "x"}, headers=keyed())
    assert await _left(world) <= 5


async def _left(world: World) -> float:
    """Return the seconds that are left of the only claim."""
    async with world.context.database.sessions() as session:
        left = func.extract("epoch", IdempotencyRecord.claimed_until - func.statement_timestamp())
        return float(await session.scalar(select(left)) or 0)
