"""Lapsed openings are stored as closed, and nothing visible changes."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app.db.models import Position
from app.worker import housekeeping
from app.worker.housekeeping import lapse_openings, sweep
from tests.support.positions import let_lapse, trader
from tests.support.waiting import until_waiting
from tests.support.world import World

AN_HOUR = 3600


async def test_what_lapsed_long_ago_is_marked_and_shows_as_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", 2)
    trading = await trader(world)
    for name in ("a", "b", "c"):
        await trading.report("opening", name)
    await let_lapse(world, AN_HOUR + 60)
    await trading.report("opening", "young")
    await trading.report("open", "open")
    shown = (await trading.user.get("/v1/positions?environment=testnet")).json()

    assert await sweep(world.context.database.sessions) == 3
    assert await sweep(world.context.database.sessions) == 0

    marked = {
        row.id: (row.status, row.close_reason, row.expires_at) for row in await trading.rows()
    }
    assert [marked[name] for name in ("a", "b", "c")] == [("closed", "lapsed", None)] * 3
    assert (marked["young"][0], marked["open"][0]) == ("opening", "open")
    assert (await trading.user.get("/v1/positions?environment=testnet")).json() == shown


async def test_within_the_hour_it_is_left_alone(world: World) -> None:
    trading = await trader(world)
    await trading.report("opening")
    await let_lapse(world, AN_HOUR - 60)

    assert await lapse_openings(world.context.database.sessions) == 0


async def test_an_opening_that_is_renewed_meanwhile_is_not_closed(busy_world: World) -> None:
    trading = await trader(busy_world)
    await trading.report("opening")
    await let_lapse(busy_world, AN_HOUR + 60)
    sessions = busy_world.context.database.sessions

    async with sessions() as renewing, busy_world.context.database.read_sessions() as looking:
        until = func.statement_timestamp() + timedelta(minutes=1)
        await renewing.execute(update(Position).values(expires_at=until))
        lapsing = asyncio.create_task(lapse_openings(sessions))
        await until_waiting(busy_world.context.database, task=lapsing)
        await renewing.commit()
        assert await lapsing == 0
        assert await looking.scalar(select(Position.status)) == "opening"
