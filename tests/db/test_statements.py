"""The service's statements: none needs more than PostgreSQL 15."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event

from app.domains.catalogue.repository import CatalogueRepository
from tests.support.catalogue import BINANCE, instrument, list_instruments
from tests.support.postgresql import newer_than_15
from tests.support.variants import add_unchecked
from tests.support.world import World

BODY = {"suite": "x25519", "public_key": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}


@contextmanager
def listening(world: World) -> Iterator[list[str]]:
    """Record the statements that the service sends in the meantime."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = world.context.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def everything(world: World) -> None:
    """Call each route at least once, including its refusals."""
    user = world.user()
    one, two = await add_unchecked(user, 1), await add_unchecked(user, 2)
    await user.post("/v1/keys", world.unchecked_key(1))
    await user.post("/v1/keys", world.unchecked_key(3), headers={"Idempotency-Key": "one"})
    await user.post("/v1/keys", world.unchecked_key(3), headers={"Idempotency-Key": "one"})
    query = "environment=testnet&exchange=binance&active=true&assigned=false&search=x&limit=1"
    await user.get(f"/v1/keys?{query}")
    await user.get(f"/v1/keys/{one['id']}")
    await user.patch(f"/v1/keys/{one['id']}", {"label": "new"})
    await list_instruments(world, BINANCE, instrument("BTCUSDT"))
    assets = f"/v1/keys/{one['id']}/assets"
    await user.post(assets, {"symbol": "BTCUSDT", "leverage": "5"})
    await user.get(assets)
    await user.patch(f"{assets}/BTCUSDT", {"leverage": "6", "margin_mode": "isolated"})
    await user.delete(f"{assets}/BTCUSDT")
    bot = await user.add_bot()
    machine = await user.mint(bot["id"])
    await user.get("/v1/bots?limit=1")
    await user.patch(f"/v1/bots/{bot['id']}", {"paused": True})
    await user.assign(bot["id"], one["id"])
    await user.assign(bot["id"], two["id"])
    await machine.get("/v1/runtime/config")
    look = {"version": 1, "status": "rejected", "reason": "expired"}
    look["checked_at"] = datetime.now(UTC).isoformat()
    await machine.post("/v1/runtime/heartbeat", {"credentials": look})
    await machine.post("/v1/runtime/credentials", BODY)
    report = {"symbol": "BTCUSDT", "side": "long", "quantity": "1"}
    for status in ("opening", "open", "closed"):
        await machine.put("/v1/runtime/positions/one", {**report, "status": status})
    await user.patch(f"/v1/keys/{two['id']}", {"contract_type": "inverse"})
    await user.delete(f"/v1/keys/{two['id']}")
    await user.delete(f"/v1/bots/{bot['id']}/key")
    await user.delete(f"/v1/keys/{two['id']}")
    await user.delete(f"/v1/bots/{bot['id']}")
    await user.get("/v1/audit-events?limit=1")
    async with world.context.database.sessions.begin() as session:
        await CatalogueRepository(session=session).notify_bots(BINANCE)
        await CatalogueRepository(session=session).notify_bots(BINANCE, ["BTCUSDT"])


async def test_no_statement_uses_what_postgresql_15_does_not_have(world: World) -> None:
    with listening(world) as statements:
        await everything(world)

    assert statements
    for statement in set(statements):
        assert newer_than_15(statement) == [], statement
