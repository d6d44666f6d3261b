"""The commit precedes the response: a failed commit is never answered with 2xx."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.db.models import AuditEvent, Bot, IdempotencyRecord
from tests.support.database import WITH_TRIGGERS, Server, execute
from tests.support.variants import add_unchecked
from tests.support.world import World


async def refuse_at_commit(world: World, server: Server, table: str, code: str) -> None:
    """Make every transaction that touches the table fail when it commits."""
    name = world.context.database.engine.url.database
    assert name is not None
    await execute(
        server.url(name, superuser=True),
        WITH_TRIGGERS,
        f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'PLANTED' USING ERRCODE = '{code}'; END $$""",
        f"""CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE OR DELETE ON {table}
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()""",
    )


async def rows(world: World, table: Any, *where: Any) -> int:
    async with world.context.database.sessions() as session:
        return await session.scalar(select(func.count()).select_from(table).where(*where)) or 0


@pytest.mark.parametrize(
    ("code", "status"), [("P0001", 500), ("23505", 500), ("40001", 503), ("53100", 503)]
)
async def test_a_creation_that_cannot_be_committed_is_not_answered_as_done(
    busy_world: World, server: Server, code: str, status: int
) -> None:
    await refuse_at_commit(busy_world, server, "bots", code)

    answer = await busy_world.user().post(
        "/v1/bots", {"name": "x"}, headers={"Idempotency-Key": "one"}
    )

    assert answer.status_code == status
    assert "location" not in answer.headers
    assert "PLANTED" not in answer.text
    assert await rows(busy_world, Bot) == 0
    assert await rows(busy_world, AuditEvent, AuditEvent.outcome == "allowed") == 0
    assert await rows(busy_world, IdempotencyRecord) == 0


async def test_nor_is_a_deletion(busy_world: World, server: Server) -> None:
    user = busy_world.user()
    key = await add_unchecked(user)
    await refuse_at_commit(busy_world, server, "keys", "P0001")

    answer = await user.delete(f"/v1/keys/{key['id']}")

    assert answer.status_code == 500
    # The key's catalogue may have been fetched since.
    present = (await user.get(f"/v1/keys/{key['id']}")).json()
    assert {**present, "blocked_by": None} == {**key, "blocked_by": None}


async def test_nor_is_a_release(busy_world: World, server: Server) -> None:
    bot, _, _ = await busy_world.user().ready_bot()
    await refuse_at_commit(busy_world, server, "releases", "P0001")
    body = {"suite": "x25519", "public_key": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}

    answer = await bot.post("/v1/runtime/credentials", body)

    assert answer.status_code == 500
    assert "sealed_data_key" not in answer.text


async def test_without_the_audit_entry_nothing_is_done(busy_world: World, server: Server) -> None:
    await refuse_at_commit(busy_world, server, "audit_events", "P0001")

    answer = await busy_world.user().post("/v1/bots", {"name": "x"})

    assert answer.status_code == 500
    assert await rows(busy_world, Bot) == 0


async def test_a_refusal_undoes_what_was_done_before_it_and_is_recorded(world: World) -> None:
    user = world.user()
    key, bot = await add_unchecked(user), await user.add_bot()
    await user.assign(bot["id"], key["id"])

    refused = await user.delete(f"/v1/keys/{key['id']}", headers={"X-Request-ID": "a-refusal"})

    assert refused.status_code == 409
    newest = (await user.get("/v1/audit-events?limit=1")).json()["items"][0]
    assert newest["action"] == "key.delete"
    assert (newest["outcome"], newest["code"]) == ("refused", "key_assigned")
    assert refused.headers["x-request-id"] == "a-refusal"
    assert UUID(newest["request_id"])
    assert newest["details"]["client_request_id"] == "a-refusal"
    assert newest["actor"] == "user"
    assert await rows(world, AuditEvent, AuditEvent.action == "key.delete") == 1
    assert (await user.get(f"/v1/keys/{key['id']}")).status_code == 200
