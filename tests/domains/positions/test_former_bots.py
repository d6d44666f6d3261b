"""A bot that has lost a key cannot lock it for the next bot by reporting positions with it."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, update

from app.db.models import Assignment
from app.domains.positions.reports import GRACE
from tests.support.positions import SYMBOL, Trader, let_lapse, trader
from tests.support.world import Json, World


async def pass_grace(world: World, *, over: timedelta = timedelta(seconds=1)) -> None:
    """Let all bots have lost their former keys longer ago than the grace time, by this much."""
    async with world.context.database.sessions.begin() as session:
        ago = func.statement_timestamp() - GRACE - over
        await session.execute(
            update(Assignment).where(Assignment.ended_at.is_not(None)).values(ended_at=ago)
        )


async def successor_of(trading: Trader) -> Trader:
    """Return a bot that has got the key of this one."""
    bot = await trading.user.add_bot("Successor")
    assigned = await trading.user.assign(bot["id"], trading.key["id"])
    assert assigned.status_code == 200, assigned.text
    return replace(trading, bot=await trading.user.mint(bot["id"]), document=assigned.json())


async def late_open(trading: Trader, name: str = "late", **members: object) -> Json:
    return await trading.report("open", name, key_id=trading.key["id"], **members)


def code(answer: httpx.Response) -> str:
    return str(answer.status_code if answer.is_success else answer.json()["code"])


async def attempts(trading: Trader) -> dict[str, str]:
    """Try everything that an open position with the key stands in the way of."""
    user, key = trading.user, f"/v1/keys/{trading.key['id']}"
    asset, other = f"{key}/assets/{SYMBOL}", trading.world.credentials["okx"]["testnet"]
    unproven = {**other["other_account"], "verify": False, "confirm_same_account": True}
    found = {
        "margin mode": await user.patch(asset, {"margin_mode": "isolated"}),
        "replacement": await user.put(f"{key}/credentials", unproven),
        "contract type": await user.patch(key, {"contract_type": "inverse"}),
        "back": await user.patch(key, {"contract_type": "linear"}),
        "asset": await user.delete(asset),
    }
    return {name: code(answer) for name, answer in found.items()}


LOCKED = {
    "margin mode": "position_open",
    "replacement": "open_positions",
    "contract type": "open_positions",
    "back": "200",
    "asset": "position_open",
}
FREE = {
    "margin mode": "200",
    "replacement": "200",
    "contract type": "200",
    "back": "200",
    "asset": "204",
}


async def test_a_late_open_is_recorded_and_noted_and_locks_nothing(world: World) -> None:
    """Rule R42."""
    former = await trader(world)
    await former.unassign()
    await pass_grace(world)
    successor = await successor_of(former)

    recorded = await late_open(former)
    again = await late_open(former, quantity="0.7")

    assert (recorded["status"], again["status"], again["quantity"]) == ("open", "open", "0.7")
    [(kind, level, data)] = await former.events()
    assert (kind, level) == ("position_unexpected", "warning")
    assert (data["blocked_by"], data["locks_key"]) == (["no_key"], False)
    await successor.report("opening", "own")
    await successor.report("closed", "own")
    assert await attempts(successor) == FREE
    await successor.unassign()
    deleted = await former.user.delete(f"/v1/keys/{former.key['id']}")
    assert deleted.status_code == 200, deleted.text
    closed = await late_open(former) | await former.report("closed", "late")
    assert closed["status"] == "closed"


async def test_what_turns_out_to_be_open_within_the_grace_time_locks_until_it_is_closed(
    world: World,
) -> None:
    """Rule R42."""
    former = await trader(world)
    await former.unassign()
    await pass_grace(world, over=timedelta(seconds=-30))
    successor = await successor_of(former)

    await late_open(former)
    at_once = await attempts(successor)
    await pass_grace(world)
    await late_open(former)
    later = await attempts(successor)
    await former.close_by_hand("late")
    await late_open(former)

    assert at_once == later == LOCKED
    assert [kind for kind, _, _ in await former.events()][-1] == "position_reopened"
    assert await attempts(successor) == FREE


async def test_closed_by_hand_and_reopened_by_a_former_bot_locks_nothing(world: World) -> None:
    """Rules R22 and R42."""
    former = await trader(world)
    await former.report("opening")
    await former.report("open")
    await former.close_by_hand()
    await former.unassign()
    await pass_grace(world)
    successor = await successor_of(former)

    reopened = await former.report("open")

    assert reopened["status"] == "open"
    kind, level, data = (await former.events())[-1]
    assert (kind, level, data["locks_key"]) == ("position_reopened", "warning", False)
    assert await attempts(successor) == FREE


async def test_a_reservation_that_lapsed_before_the_key_was_lost_has_the_same_grace(
    world: World,
) -> None:
    """Rules R19 and R42."""
    former = await trader(world)
    for name in ("in-time", "late"):
        await former.report("opening", name)
    await let_lapse(world)
    await former.unassign()
    successor = await successor_of(former)

    await former.report("open", "in-time")
    locked = await attempts(successor)
    await former.report("closed", "in-time")
    await pass_grace(world)
    await former.report("open", "late")

    assert locked == LOCKED
    assert await attempts(successor) == FREE


async def test_a_bot_that_was_given_another_key_does_not_lock_the_former_one(
    world: World,
) -> None:
    """Rule R42."""
    former = await trader(world)
    other = await former.user.add_key("trade_2")
    await former.assign(other)
    await pass_grace(world)
    successor = await successor_of(former)

    await late_open(former)

    assert await attempts(successor) == FREE
    # It stands in the way of its own bot only, until it is closed.
    swap = await former.user.delete(f"/v1/bots/{former.bot.id}/key")
    assert (swap.status_code, swap.json()["code"]) == (409, "open_positions")
    assert (await former.close_by_hand("late")).status_code == 200
    assert (await former.user.delete(f"/v1/bots/{former.bot.id}/key")).status_code == 200


async def test_a_bot_that_gets_its_key_back_locks_it_with_what_it_holds(world: World) -> None:
    """Rules R13 and R42."""
    former = await trader(world)
    await former.unassign()
    await pass_grace(world)
    await late_open(former)

    await former.assign(former.key)

    assert await attempts(former) == LOCKED
    answer = await former.user.delete(f"/v1/bots/{former.bot.id}/key")
    assert (answer.status_code, answer.json()["code"]) == (409, "open_positions")


async def test_a_key_deleted_with_its_data_takes_the_late_position_along(world: World) -> None:
    """Rules R25 and R42."""
    former = await trader(world)
    await former.unassign()
    await pass_grace(world)
    await late_open(former)

    deleted = await former.user.delete(f"/v1/keys/{former.key['id']}?associated_data=delete")
    listed = (await former.user.get("/v1/positions?environment=testnet")).json()
    again = [await former.put("open", name, key_id=former.key["id"]) for name in ("late", "new")]

    assert deleted.status_code == 202, deleted.text
    assert listed["items"] == []
    assert [code(answer) for answer in again] == ["data_deleted", "data_deleted"]


@pytest.mark.parametrize("round_number", range(3))
async def test_late_reports_never_stand_in_the_way_of_a_concurrent_change(
    busy_world: World, round_number: int
) -> None:
    """Rule R42, over real connections."""
    former = await trader(busy_world, f"former-{round_number}")
    await former.unassign()
    await pass_grace(busy_world)
    successor = await successor_of(former)

    reports = [late_open(former, f"late-{number}") for number in range(8)]
    changed, *recorded = await asyncio.gather(attempts(successor), *reports)

    assert changed == FREE
    assert {position["status"] for position in recorded} == {"open"}
