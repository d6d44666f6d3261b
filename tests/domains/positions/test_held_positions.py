"""What a bot reads back after a restart: the positions that it holds, and nobody else's."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text

from app.domains.positions.report_statements import HELD
from app.domains.positions.schemas import PositionPage
from botkeys.client import BotClient
from botkeys.transport.client import ASGITransport, HttpTransport, Rate, TransportLimits
from tests.support.positions import IN_A_MINUTE, SYMBOL, add_position, let_lapse, trader
from tests.support.world import Bot, Json, World


async def held(bot: Bot, **query: Any) -> Json:
    words = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
    answer = await bot.get(f"/v1/runtime/positions?{words}")
    assert answer.status_code == 200, answer.text
    document: Json = answer.json()
    PositionPage.model_validate(document)
    return document


async def ids(bot: Bot) -> list[str]:
    return [item["id"] for item in (await held(bot))["items"]]


async def test_a_bot_reads_back_what_it_reported(world: World) -> None:
    """R63."""
    trading = await trader(world)
    opening = await trading.report("opening", "b", revision=7)
    opened = await trading.report("open", "a", entry_price="97012.5", revision=3)

    assert await held(trading.bot) == {"items": [opened, opening], "next_cursor": None}


async def test_what_ended_is_not_held(world: World) -> None:
    """R63."""
    trading = await trader(world)
    for name in ("closed", "by-hand", "lapsed"):
        await trading.report("opening", name)
    await trading.report("closed", "closed")
    assert (await trading.close_by_hand("by-hand")).status_code == 200
    assert await ids(trading.bot) == ["lapsed"]
    await let_lapse(world)
    assert await ids(trading.bot) == []
    await trading.report("open", "by-hand")
    assert await ids(trading.bot) == ["by-hand"]


async def test_a_former_key_s_position_is_still_held(world: World) -> None:
    trading = await trader(world)
    await trading.report("opening", "p1", symbol=SYMBOL)
    await let_lapse(world)
    await trading.unassign()
    position = await trading.report("open", "p1", key_id=trading.key["id"])
    assert (await held(trading.bot))["items"] == [position]


async def test_nobody_reads_the_positions_of_another_bot_or_account(world: World) -> None:
    """R28, R63."""
    trading, other = await trader(world), await trader(world, "bob")
    await trading.report("open", "alice's")
    await other.report("open", "bob's")
    sibling = await trading.user.mint((await trading.user.add_bot("Other"))["id"])
    named = await held(sibling, bot_id=trading.bot.id)

    assert named == {"items": [], "next_cursor": None}
    assert await ids(trading.bot) == ["alice's"]
    assert await ids(other.bot) == ["bob's"]
    assert (await trading.user.get("/v1/runtime/positions")).status_code == 403


async def test_pages_follow_each_other_and_miss_nothing(world: World) -> None:
    trading = await trader(world)
    names = sorted(f"p{number}" for number in range(5))
    for name in names:
        await trading.report("open", name)
    page = await held(trading.bot, limit=2)
    found = [item["id"] for item in page["items"]]
    # What the cursor names may be closed meanwhile.
    await trading.report("closed", found[-1])
    while page["next_cursor"] is not None:
        page = await held(trading.bot, limit=2, cursor=page["next_cursor"])
        found += [item["id"] for item in page["items"]]

    assert found == names
    for query in ("cursor=abc", "limit=0", "limit=201"):
        answer = await trading.bot.get(f"/v1/runtime/positions?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_what_is_held_is_found_by_its_own_index(world: World) -> None:
    trading = await trader(world)
    bot, key = str(trading.bot.id), trading.key["id"]
    account = trading.bot.account_id
    await add_position(world, account, bot, key, status="opening", expires_in=IN_A_MINUTE)
    async with world.context.database.sessions() as session:
        copied = text(
            "INSERT INTO positions (account_id, bot_id, id, key_id, exchange, environment,"
            " contract_type, symbol, side, status, quantity, close_reason)"
            " SELECT account_id, bot_id, 'c' || n, key_id, exchange, environment, contract_type,"
            " symbol, side, 'closed', 1, 'reported' FROM positions, generate_series(1, 3000) AS n"
        )
        await session.execute(copied)
        await session.execute(text("ANALYZE positions"))
        values = {"account": account, "bot": trading.bot.id, "after": "", "limit": 51}
        raw = await (await session.connection()).get_raw_connection()
        driver = raw.driver_connection
        assert driver is not None
        plan = await driver.fetch(f"EXPLAIN {HELD.text}", *HELD.arguments(values))
        lines = [line for (line,) in plan]
    assert any("ix_positions_held" in line for line in lines), lines
    assert await ids(trading.bot) == ["p1"]


@pytest.mark.parametrize("behind", [timedelta(0), timedelta(hours=1)])
async def test_a_bot_that_was_killed_goes_on_with_what_it_held(
    world: World, behind: timedelta
) -> None:
    """R21, R63: also with a clock that was set back meanwhile."""
    trading = await trader(world)
    limits = TransportLimits(attempts=1, rate_per_host=Rate(10_000, 1.0))
    transport = ASGITransport(world.app)
    async with HttpTransport(limits, transport=transport) as http:
        killed = BotClient("https://botkeys.test", trading.bot.token, transport=http)
        opening = await killed.open_position(SYMBOL, "long", Decimal("0.5"))
        killed.opened(opening, entry_price=Decimal(97_000))
        await killed.flush(5)
        resting = await killed.open_position(SYMBOL, "long", Decimal("0.1"))
        del killed

        async with BotClient(
            "https://botkeys.test",
            trading.bot.token,
            transport=http,
            clock=lambda: datetime.now(UTC) - behind,
        ) as restarted:
            positions = {position.id: position for position in await restarted.positions()}
            assert {name: one.status for name, one in positions.items()} == {
                opening.id: "open",
                resting.id: "opening",
            }
            assert positions[opening.id].entry_price == 97_000
            assert positions[resting.id].expires_at == resting.expires_at
            before = len(await trading.rows())
            restarted.close_position(positions[opening.id], exit_price=Decimal(98_000))
            await restarted.renew(positions[resting.id])
            await restarted.flush(5)
            assert [one.id for one in await restarted.positions()] == [resting.id]

    rows = {row.id: row for row in await trading.rows()}
    assert len(rows) == before
    closed = rows[opening.id]
    assert (closed.status, closed.exit_price) == ("closed", Decimal(98_000))
    assert closed.revision > (positions[opening.id].revision or 0)
