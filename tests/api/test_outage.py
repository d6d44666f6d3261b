"""A database that is unavailable, slow, full or not ready: 503, and the reason at /readyz."""

import asyncio
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.keyring import SealingKeyring
from app.custody.role_keys import ApiKeys
from app.db.engine import open_database
from app.db.models import Key
from app.domains.events.stream import EventStreams
from app.main import use_context
from tests.support.database import Server, execute
from tests.support.variants import add_unchecked, changed, narrow
from tests.support.world import Bot, Json, Person, World

SOMETHING = str(uuid4())
WITHOUT_DATABASE = {"/v1/exchanges"}


def example(document: Json, operation: Json) -> Json | None:
    """Return the example body of an operation, `None` if it takes none."""
    if "requestBody" not in operation:
        return None
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    if "anyOf" in schema:  # an optional body
        schema = schema["anyOf"][0]
    name = schema["$ref"].rpartition("/")[2]
    body: Json = document["components"]["schemas"][name]["examples"][0]
    return body


async def requests(world: World, user: Person, bot: Person) -> list[tuple[Person, str, str, Any]]:
    """Return a request, by a permitted caller, to every route that needs the database."""
    document = (await world.http.get("/openapi.json")).json()
    return [
        (
            bot if path.startswith("/v1/runtime/") else user,
            method.upper(),
            re.sub(r"\{\w+\}", SOMETHING, path),
            example(document, operation),
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/v1/") and path not in WITHOUT_DATABASE
    ]


async def test_without_a_database_every_route_says_503_and_when_to_come_back(
    world: World, tmp_path: Path
) -> None:
    bot = await world.user().mint((await world.user().add_bot())["id"])
    gone = open_database(
        f"postgresql:///botkeys?host={tmp_path}", application_name="botkeys-tests", pool_size=1
    )
    streams = EventStreams(gone.autocommit)
    async with changed(world, database=gone, event_streams=streams) as cut_off:
        user, there = cut_off.user(), Bot(cut_off.http, bot.token)
        every = await requests(cut_off, user, there)
        for caller, method, path, body in [*every, (user, "POST", "/v1/bots", {"name": ""})]:
            for headers in ({}, {"Idempotency-Key": "one"}):
                answer = await caller.call(method, path, body, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), path
                assert answer.headers["retry-after"] == str(answer.json()["retry_after"])
        alive = await cut_off.http.get("/livez")
        ready = await cut_off.http.get("/readyz")
        exchanges = await user.get("/v1/exchanges")
        refused = await cut_off.http.get("/v1/keys")

    assert len(every) > 15
    assert alive.status_code == 200
    assert (ready.status_code, ready.json()) == (
        503,
        {
            "status": "unavailable",
            "checks": {
                "database": "unreachable",
                "migrations": "unknown",
                "grants": "unknown",
                "master_key": "ok",
                "issuer": "ok",
            },
        },
    )
    assert exchanges.status_code == 200
    assert refused.status_code == 401


async def test_a_server_that_ended_all_connections_is_found_again(
    busy_world: World, server: Server
) -> None:
    user = busy_world.user()
    await user.add_bot()
    name = busy_world.context.database.engine.url.database
    await execute(
        server.superuser,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608  # a name of ours
    )

    answers = [await user.get("/v1/bots") for _ in range(3)]

    assert answers[0].status_code in {200, 503}
    assert [answer.status_code for answer in answers[1:]] == [200, 200]


async def test_a_statement_that_waits_too_long_for_a_lock_is_an_outage(
    busy_world: World, server: Server
) -> None:
    user = busy_world.user()
    key = await add_unchecked(user)
    async with (
        busy_world.context.database.sessions() as other,
        narrow(busy_world, server, statement_timeout=0.2, pool_timeout=30) as hasty,
    ):
        keys = select(Key.id).where(Key.account_id == busy_world.account_id())
        await other.execute(keys.with_for_update())
        answer = await hasty.user().patch(f"/v1/keys/{key['id']}", {"label": "new"})
        await other.rollback()
        async with asyncio.timeout(60):
            while True:  # such a short limit that a busy machine may need a second attempt
                again = await hasty.user().patch(f"/v1/keys/{key['id']}", {"label": "new"})
                if again.status_code == 200:
                    break

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_no_free_connection_is_an_outage_that_passes(
    busy_world: World, server: Server
) -> None:
    async with narrow(busy_world, server, pool_timeout=30) as one:
        pool: Any = one.context.database.engine.pool
        async with one.context.database.engine.connect():
            pool._timeout = 0.05
            busy = await one.user().get("/v1/keys")
        free = await one.user().get("/v1/keys")

    assert (busy.status_code, busy.json()["code"]) == (503, "unavailable")
    assert free.status_code == 200


async def test_a_connection_is_given_back_whatever_becomes_of_a_request(
    busy_world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> Any:
        raise RuntimeError("a fault of ours")

    async with narrow(busy_world, server, pool_timeout=30) as one:
        user = one.user()
        for _ in range(3):
            assert (await user.post("/v1/bots", {"name": ""})).status_code == 422
            assert (await user.get(f"/v1/keys/{SOMETHING}")).status_code == 404
            assert (await one.http.get("/v1/keys")).status_code == 401
            with monkeypatch.context() as broken:
                broken.setattr("app.domains.bots.serializers.BotDocuments.bot", crash)
                assert (await user.post("/v1/bots", {"name": "x"})).status_code == 500
            waiting = asyncio.create_task(user.get("/v1/keys"))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert (await user.get("/v1/keys")).status_code == 200


async def _readiness(world: World) -> httpx.Response:
    """Look again without waiting for a second."""
    use_context(world.app, world.context)
    return await world.http.get("/readyz")


async def test_readiness_tells_which_check_fails(
    busy_world: World, server: Server, tmp_path: Path
) -> None:
    ready = await busy_world.http.get("/readyz")
    name = busy_world.context.database.engine.url.database
    assert name is not None
    await execute(server.url(name, superuser=True), "UPDATE alembic_version SET version_num = 'x'")
    behind = await _readiness(busy_world)
    await execute(
        server.url(name, superuser=True), "UPDATE alembic_version SET version_num = '0005'"
    )
    older = await _readiness(busy_world)
    await execute(
        server.url(name, superuser=True), "UPDATE alembic_version SET version_num = '9999'"
    )
    newer = await _readiness(busy_world)
    await execute(server.url(name, superuser=True), "DELETE FROM alembic_version")
    empty = await _readiness(busy_world)
    folder = KeyFolder(tmp_path / "keys")
    folder.create_missing({KeyKind.MASTER})
    assert busy_world.context.api is not None
    keyring = SealingKeyring(folder)
    api = ApiKeys(keyring, busy_world.context.api.fingerprint)
    for path in folder.path.glob("master-*"):
        path.unlink()
    keyring.sealers()
    async with changed(busy_world, api=api) as keyless:
        without_key = await keyless.http.get("/readyz")

    assert (ready.status_code, ready.json()) == (
        200,
        {
            "status": "ok",
            "checks": dict.fromkeys(
                ("database", "migrations", "grants", "master_key", "issuer"), "ok"
            ),
        },
    )
    assert (behind.status_code, behind.json()["checks"]["migrations"]) == (503, "not at head")
    assert (older.status_code, older.json()["checks"]["migrations"]) == (503, "not at head")
    assert (newer.status_code, newer.json()["checks"]["migrations"]) == (200, "ok")
    assert (empty.status_code, empty.json()["checks"]["migrations"]) == (503, "not at head")
    assert without_key.status_code == 503
    assert without_key.json()["checks"]["master_key"] == "KeyFileMissing"
