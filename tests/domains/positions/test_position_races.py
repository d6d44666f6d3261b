"""Concurrent reports of positions and changes, over real connections."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import httpx
from sqlalchemy import func, insert, select, update

from app.db.driver import SessionExecutor
from app.db.models import Bot, BotToken, Position, TradingAsset
from app.domains.positions.report_repository import PositionReportRepository
from tests.support.positions import SYMBOL, Trader, add_asset, let_lapse, trader
from tests.support.waiting import until_waiting
from tests.support.world import World

ROUNDS = 5


async def test_first_reports_of_one_position_at_once_make_one_row(busy_world: World) -> None:
    trading = await trader(busy_world)

    for status in ("opening", "open", "closed"):
        answers = await asyncio.gather(
            *(trading.put(status, status, revision=number) for number in range(15))
        )
        assert {answer.status_code for answer in answers} == {200}
    rows = await trading.rows()

    assert {(row.id, row.revision) for row in rows} == {
        ("opening", 14),
        ("open", 14),
        ("closed", 14),
    }


async def test_whatever_order_a_position_s_reports_come_in_it_ends_closed(
    busy_world: World,
) -> None:
    trading = await trader(busy_world)

    for number in range(ROUNDS):
        name = f"p{number}"
        answers = await asyncio.gather(
            trading.put("opening", name, revision=1),
            trading.put("open", name, revision=2, entry_price="1"),
            trading.put("closed", name, revision=3, exit_price="2"),
            trading.put("open", name, revision=2, entry_price="1"),
            trading.put("closed", name, revision=3, exit_price="2"),
        )
        assert {answer.status_code for answer in answers} == {200}
        stored = await trading.report("closed", name, revision=3, exit_price="2")
        assert (stored["status"], stored["exit_price"]) == ("closed", "2")


async def test_first_reports_that_name_different_keys_agree_on_one(busy_world: World) -> None:
    trading = await trader(busy_world)
    other = await trading.user.add_key("trade_2")
    await trading.assign(other)
    keys = {trading.key["id"], other["id"]}

    for number in range(ROUNDS):
        answers = await asyncio.gather(
            *(trading.put("open", f"p{number}", key_id=key_id) for key_id in (*keys, *keys))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["key"]["id"] for answer in answers}) == 1


@dataclass(slots=True)
class Change:
    """A change that a reservation prevents, and how to undo it."""

    do: Callable[[Trader], Awaitable[httpx.Response]]
    undo: Callable[[Trader], Awaitable[object]]


def asset(trading: Trader) -> str:
    return f"/v1/keys/{trading.key['id']}/assets/{SYMBOL}"


async def swap(trading: Trader) -> httpx.Response:
    keys = (await trading.user.get("/v1/keys?assigned=false")).json()["items"]
    return await trading.user.assign(str(trading.bot.id), keys[0]["id"])


KEPT_OUT = {
    "unassign": Change(
        lambda t: t.user.delete(f"/v1/bots/{t.bot.id}/key"),
        lambda t: t.assign(t.key),
    ),
    "swap": Change(swap, lambda t: t.assign(t.key)),
    "margin mode": Change(
        lambda t: t.user.patch(asset(t), {"margin_mode": "isolated"}),
        lambda t: t.user.patch(asset(t), {"margin_mode": "cross"}),
    ),
    "removal": Change(
        lambda t: t.user.delete(asset(t)),
        lambda t: add_asset(t.user, t.key),
    ),
}


async def test_a_reservation_and_what_it_keeps_out_never_both_succeed(busy_world: World) -> None:
    """Rule R19."""
    trading = await trader(busy_world)
    await trading.user.add_key("trade_2")
    for name, change in KEPT_OUT.items():
        for number in range(ROUNDS):
            opened, changed = await asyncio.gather(
                trading.put("opening", f"{name}-{number}".replace(" ", "-")), change.do(trading)
            )
            outcome = (name, opened.status_code, changed.status_code)
            if name == "margin mode" and changed.is_success:
                # The change came first: the reservation is made in the new mode.
                assert opened.json()["margin_mode"] == "isolated", outcome
            else:
                assert opened.is_success != changed.is_success, outcome
            assert {opened.status_code, changed.status_code} <= {200, 204, 409}
            await let_lapse(busy_world)
            if changed.is_success:
                await change.undo(trading)


async def test_no_position_is_opened_after_a_bot_was_paused_or_its_key_deactivated(
    busy_world: World,
) -> None:
    """Rule R18."""
    trading = await trader(busy_world)
    path = {"key": f"/v1/keys/{trading.key['id']}", "bot": f"/v1/bots/{trading.bot.id}"}
    stopping = {"key": ("active", False), "bot": ("paused", True)}
    for number in range(ROUNDS):
        for what, (member, value) in stopping.items():
            opened, stopped = await asyncio.gather(
                trading.put("opening", f"{what}-{number}"),
                trading.user.patch(path[what], {member: value}),
            )
            assert stopped.status_code == 200
            again = await trading.put("opening", f"{what}-{number}")
            assert (again.status_code, opened.status_code) in {(409, 200), (409, 409)}
            if opened.is_success:
                made = opened.json()["updated_at"]
                assert made < stopped.json()["updated_at"]
            await trading.user.patch(path[what], {member: not value})


async def test_a_bot_is_deleted_or_holds_a_position_and_never_both(busy_world: World) -> None:
    """Rule R13."""
    user = busy_world.user()
    for _ in range(ROUNDS):
        trading = await trader(busy_world)
        opened, deleted = await asyncio.gather(
            trading.put("opening"), user.delete(f"/v1/bots/{trading.bot.id}")
        )
        assert (opened.status_code, deleted.status_code) in {(200, 409), (401, 204)}
        await let_lapse(busy_world)
        await user.delete(f"/v1/bots/{trading.bot.id}")
        assert (await user.delete(f"/v1/keys/{trading.key['id']}")).status_code == 200


async def test_a_token_that_is_replaced_while_its_report_waits_reports_nothing(
    busy_world: World,
) -> None:
    trading = await trader(busy_world)
    database = busy_world.context.database
    async with database.sessions() as minting, database.read_sessions() as looking:
        bots = select(Bot.id).where(Bot.account_id == trading.bot.account_id)
        await minting.execute(bots.with_for_update())
        reporting = asyncio.create_task(trading.put("open"))
        await until_waiting(database, task=reporting)
        await minting.execute(update(BotToken).values(token_hash=b"\x00" * 32))
        await minting.commit()
        answer = await reporting

        assert (answer.status_code, answer.json()["reason"]) == (401, "revoked")
        assert await looking.scalar(select(func.count()).select_from(Position)) == 0


async def test_an_asset_that_is_added_while_an_opening_waits_is_locked_before_it_counts(
    busy_world: World,
) -> None:
    trading, other = await trader(busy_world), "ETH-USDT-SWAP"
    account_id, database = trading.bot.account_id, busy_world.context.database
    async with database.sessions() as adding, database.sessions() as opening:
        bots = select(Bot.id).where(Bot.account_id == account_id)
        await adding.execute(bots.with_for_update())
        positions = PositionReportRepository(
            executor=SessionExecutor(opening), account_id=account_id, bot_id=trading.bot.id
        )
        locking = asyncio.create_task(positions.lock_all("p1", None, other))
        await until_waiting(database, task=locking)
        await adding.execute(
            insert(TradingAsset).values(
                account_id=account_id,
                key_id=UUID(trading.key["id"]),
                contract_type="linear",
                symbol=other,
                leverage=5,
                margin_mode="cross",
                enabled=True,
            )
        )
        await adding.commit()
        locked = await locking
        rows, _ = await positions.config_rows()
        again = await positions.lock_all("p1", None, other)

        assert locked is not None
        assert again is not None
        assert [row.symbol for row in rows] == [SYMBOL, other]
        assert (locked.exists, [*map(str, locked.keys)]) == (False, [trading.key["id"]])
        assert not locked.holds(rows, other)
        assert again.holds(rows, other)
        assert again.holds(rows, "unknown")
