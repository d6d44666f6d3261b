"""Reports of deleted positions restore nothing, whether or not the rows are purged."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from app.db.models import Position, PurgedPosition
from app.domains.deletion.purge_repository import PurgeRepository
from app.domains.deletion.scopes import marks_of
from app.domains.operations import claims
from app.domains.trading.kinds import KINDS, slices
from app.domains.trading.tombstones import REMEMBERED
from app.worker.housekeeping import lapse_openings
from app.worker.purging import purge_deleted
from tests.support.positions import Trader, trader
from tests.support.purging import fill
from tests.support.waiting import until_waiting
from tests.support.world import World

LONG_AGO = (datetime.now(UTC) - timedelta(days=1)).isoformat()


def now(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**later)).isoformat()


async def delete_all(trading: Trader, *, purge: bool = True, **scope: Any) -> None:
    answer = await trading.user.post("/v1/data-deletions", {"scope": "all", **scope})
    assert answer.status_code == 202, answer.text
    if purge:
        assert await purge_deleted(trading.world.context.database.sessions) == 1


async def remembered(world: World) -> int:
    async with world.context.database.sessions() as session:
        return await session.scalar(select(func.count()).select_from(PurgedPosition)) or 0


async def listed(trading: Trader) -> list[tuple[str, str | None]]:
    answer = await trading.user.get("/v1/positions?environment=testnet")
    return [(row["status"], row["close_reason"]) for row in answer.json()["items"]]


@pytest.mark.parametrize("purge", [True, False])
async def test_a_late_report_of_what_was_deleted_is_refused_and_an_opening_is_of_now(
    world: World, purge: bool
) -> None:
    trading = await trader(world)
    await trading.report("open", entry_price="1")
    await trading.report("closed", exit_price="2")
    await delete_all(trading, purge=purge)

    for late in (
        {"status": "open"},
        {"status": "closed"},
        {"status": "closed", "revision": 9, "exit_price": "2"},
        {"status": "closed", "closed_at": now()},
        {"status": "open", "opened_at": LONG_AGO},
        {"status": "closed", "opened_at": LONG_AGO, "closed_at": now()},
        # A wrong clock: the service's own time replaces it and proves nothing.
        {"status": "open", "opened_at": now(hours=1)},
    ):
        assert (await trading.refused(**late))["code"] == "data_deleted", late
    assert await remembered(world) == purge

    opening = await trading.report("opening", side="short")
    assert (opening["status"], opening["side"]) == ("opening", "short")
    assert await listed(trading) == [("opening", None)]
    assert (await trading.report("open", side="short"))["status"] == "open"


async def test_an_id_that_is_used_again_is_of_what_began_after_the_deletion(world: World) -> None:
    trading = await trader(world)
    for name in ("p1", "p2"):
        await trading.report("closed", name)
    await delete_all(trading)

    opened = await trading.report("open", opened_at=now())
    closed = await trading.report("closed", "p2", opened_at=now(), closed_at=now())

    assert (opened["status"], closed["status"]) == ("open", "closed")


async def test_what_was_deleted_with_its_key_does_not_come_back_with_another(world: World) -> None:
    trading = await trader(world)
    other = await trading.user.add_key("trade_2")
    await trading.report("closed", opened_at=LONG_AGO)
    await trading.assign(other)
    answer = await trading.user.delete(f"/v1/keys/{trading.key['id']}?associated_data=delete")
    assert answer.status_code == 202
    for _ in range(2):
        for late in ({}, {"opened_at": LONG_AGO}):
            for status in ("open", "closed"):
                assert (await trading.refused(status, **late))["code"] == "data_deleted"
        await purge_deleted(world.context.database.sessions)


async def test_one_that_was_kept_and_had_ended_before_the_deletion_goes_with_its_report(
    world: World,
) -> None:
    trading = await trader(world)
    await trading.report("open", opened_at=LONG_AGO)
    await delete_all(trading)
    assert await listed(trading) == [("open", None)]

    ended = {"closed_at": LONG_AGO, "exit_price": "2", "opened_at": now()}
    closed = await trading.report("closed", **ended)

    assert (closed["status"], closed["exit_price"]) == ("closed", "2")
    assert await trading.rows() == []
    # No event mentions it, although its times are reversed.
    assert await trading.events() == []
    bot = (await trading.user.get(f"/v1/bots/{trading.bot.id}")).json()
    assert bot["open_positions"] == 0
    for status in ("open", "closed"):
        assert (await trading.refused(status))["code"] == "data_deleted"


async def test_one_that_ended_after_the_deletion_goes_once_it_turns_out_to_have_ended_before(
    world: World,
) -> None:
    trading = await trader(world)
    for name in ("reported", "by-hand"):
        await trading.report("open", name, opened_at=LONG_AGO)
    await delete_all(trading)
    await trading.report("closed", "reported")
    await trading.close_by_hand("by-hand")
    assert len(await trading.rows()) == 2

    for name in ("reported", "by-hand"):
        assert (await trading.report("closed", name, closed_at=LONG_AGO))["status"] == "closed"

    assert await trading.rows() == []


async def test_a_reservation_that_a_deletion_kept_is_shown_when_it_lapses_and_later(
    world: World,
) -> None:
    trading = await trader(world)
    await trading.report("opening")
    await delete_all(trading)
    sessions = world.context.database.sessions
    async with sessions.begin() as session:
        # Two hours later: it was created before the deletion and lapsed after it.
        await session.execute(text("UPDATE deletion_marks SET cutoff = now() - interval '2 hours'"))
        await session.execute(
            update(Position).values(
                updated_at=func.statement_timestamp() - timedelta(hours=2, minutes=1),
                expires_at=func.statement_timestamp() - timedelta(hours=2) + timedelta(minutes=1),
            )
        )
    assert await listed(trading) == [("closed", "lapsed")]
    assert await lapse_openings(sessions) == 1
    assert await listed(trading) == [("closed", "lapsed")]


async def test_what_the_user_closed_and_deleted_is_reported_under_another_id(world: World) -> None:
    trading = await trader(world)
    await trading.report("open", opened_at=LONG_AGO)
    await trading.close_by_hand()
    await delete_all(trading)

    assert (await trading.refused("open"))["code"] == "data_deleted"
    assert (await trading.report("open", "p2"))["status"] == "open"


async def test_a_position_that_is_kept_can_be_closed_by_hand_where_a_clock_was_ahead(
    world: World,
) -> None:
    trading = await trader(world)
    await trading.report("open")
    ahead = datetime.now(UTC) + timedelta(minutes=4)
    database = world.context.database
    await fill(database, trading.bot.account_id, trading.key["id"], rows=1, at=ahead)
    await delete_all(trading)

    assert (await trading.close_by_hand()).status_code == 200

    assert await listed(trading) == [("closed", "by_hand")]


async def test_a_report_that_tells_no_time_is_of_later_than_a_cut_off_that_lies_ahead(
    world: World,
) -> None:
    trading = await trader(world)
    await trading.report("open", "kept", opened_at=LONG_AGO)
    ahead = datetime.now(UTC) + timedelta(minutes=4)
    await fill(
        world.context.database,
        trading.bot.account_id,
        trading.key["id"],
        rows=1,
        at=ahead,
        tables=("trades",),
    )
    await delete_all(trading)

    assert (await trading.report("open", "new"))["status"] == "open"
    for name, times in (("kept", {"opened_at": LONG_AGO}), ("ended", {}), ("new", {})):
        assert (await trading.report("closed", name, **times))["status"] == "closed"

    assert await listed(trading) == [("closed", "reported")] * 3
    assert (await trading.refused("closed", "late", closed_at=now()))["code"] == "data_deleted"


async def test_only_recent_positions_are_remembered_by_a_digest_and_with_their_bot(
    world: World,
) -> None:
    trading = await trader(world)
    for name in ("recent", "old"):
        await trading.report("closed", name)
    sessions = world.context.database.sessions
    async with sessions.begin() as session:
        old = func.statement_timestamp() - REMEMBERED - timedelta(minutes=1)
        await session.execute(
            update(Position).where(Position.id == "old").values(updated_at=old, closed_at=old)
        )
    await delete_all(trading)
    async with sessions() as session:
        whole = text("SELECT purged_positions::text FROM purged_positions")
        (row,) = (await session.scalars(whole)).all()
    assert "recent" not in row

    await trading.unassign()
    await trading.user.delete(f"/v1/bots/{trading.bot.id}")

    assert await remembered(world) == 0


async def test_a_report_that_waits_for_the_purge_of_its_position_brings_nothing_back(
    busy_world: World,
) -> None:
    trading = await trader(busy_world)
    await trading.report("closed")
    await delete_all(trading, purge=False)
    database = busy_world.context.database
    positions = next(kind for kind in KINDS if kind.name == "positions")
    async with database.sessions.begin() as session:
        claimed = await claims.claim_next(session, 60)
    assert claimed is not None
    async with database.sessions() as purging:
        for part in slices(positions, marks_of(claimed.scope)):
            await PurgeRepository(session=purging, claimed=claimed).purge(positions, part, None, 10)
        reporting = asyncio.create_task(trading.put("open"))
        await until_waiting(database, task=reporting)
        await purging.commit()
        answer = await reporting

    assert (answer.status_code, answer.json()["code"]) == (409, "data_deleted")
    assert await trading.rows() == []
