"""Trades that arrive while their day is being recomputed are not lost, over real connections."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from app.db.base import new_id
from app.db.engine import Database
from app.db.models import Operation, StaleDay
from app.domains.analytics.grouping import Grouping
from app.domains.analytics.repository import AnalyticsRepository
from app.domains.analytics.rollups import recompute
from app.domains.analytics.selection import Selection
from app.domains.deletion.scopes import stored
from app.domains.trading.marks import Mark
from app.worker.rollups import mark_cut, recompute_due
from tests.support import ledger
from tests.support.database import Server, execute
from tests.support.ledger import START, Deal
from tests.support.trading_data import new_desk
from tests.support.world import World

DEAL = Deal(
    environment="live",
    key=ledger.KEYS[0],
    bot=ledger.BOTS[0],
    symbol="BTCUSDT",
    settle="USDT",
    pnl=Decimal(1),
    fees=Decimal(0),
    opened=START,
    at=START + timedelta(hours=1),
)
DAY = START.date()
AT_ONCE = timedelta(0)


async def account_of(database: Database) -> UUID:
    async with database.sessions.begin() as session:
        return await ledger.add_account(session)


async def shown(database: Database, account: UUID) -> Decimal:
    """Return the realised P&L that a user sees."""
    async with database.read_sessions() as session:
        analytics = AnalyticsRepository(session=session, account_id=account)
        rows = await analytics.sums(Selection("live"), Grouping(), await analytics.marks())
    return sum((row.pnl for row in rows), Decimal(0))


async def stale(database: Database) -> int:
    async with database.read_sessions() as session:
        return int(await session.scalar(select(func.count()).select_from(StaleDay)) or 0)


async def test_a_trade_that_is_committed_after_its_day_was_recomputed_is_seen(
    copied_database: Database,
) -> None:
    account = await account_of(copied_database)
    async with copied_database.sessions.begin() as ingest:
        await ledger.add_deals(ingest, account, [DEAL])
        async with copied_database.sessions.begin() as worker:
            assert await recompute(worker, account, "live", [DAY])
        assert await shown(copied_database, account) == 0

    assert await shown(copied_database, account) == 1
    assert await recompute_due(copied_database.sessions, wait=AT_ONCE) == 1
    assert await shown(copied_database, account) == 1


async def test_a_trade_that_is_committed_while_its_day_is_recomputed_is_seen(
    copied_database: Database,
) -> None:
    account = await account_of(copied_database)
    async with copied_database.sessions.begin() as ingest:
        await ledger.add_deals(ingest, account, [DEAL])
    async with copied_database.sessions.begin() as worker:
        assert await recompute(worker, account, "live", [DAY])
        async with copied_database.sessions.begin() as ingest:
            await ledger.add_deals(ingest, account, [DEAL])
        async with copied_database.sessions.begin() as other:
            assert not await recompute(other, account, "live", [DAY])

    assert await stale(copied_database) == 1
    assert await shown(copied_database, account) == 2
    await recompute_due(copied_database.sessions, wait=AT_ONCE)
    assert await shown(copied_database, account) == 2


async def test_workers_and_bots_that_go_on_all_the_time_end_at_the_right_sum(
    copied_database: Database,
) -> None:
    account = await account_of(copied_database)
    over = asyncio.Event()

    async def trading(number: int) -> None:
        for step in range(8):
            at = DEAL.at + timedelta(days=step % 2, seconds=number)
            async with copied_database.sessions.begin() as session:
                await ledger.add_deals(session, account, [replace(DEAL, at=at)])

    async def working() -> None:
        while not over.is_set():
            await recompute_due(copied_database.sessions, wait=AT_ONCE)

    workers = [asyncio.create_task(working()) for _ in range(2)]
    await asyncio.gather(*map(trading, range(6)))
    assert await shown(copied_database, account) == 48
    over.set()
    await asyncio.gather(*workers)

    await recompute_due(copied_database.sessions, wait=AT_ONCE)
    assert await stale(copied_database) == 0
    assert await shown(copied_database, account) == 48


async def test_a_day_that_changes_all_the_time_is_left_alone_for_a_while(
    database: Database,
) -> None:
    account = await account_of(database)
    async with database.sessions.begin() as session:
        await ledger.add_deals(session, account, [DEAL])

    assert await recompute_due(database.sessions) == 0
    assert await shown(database, account) == 1


async def test_a_past_day_is_recomputed_once_nothing_has_changed_it_for_a_moment(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await account_of(database)
    today = replace(DEAL, at=datetime.now(UTC))
    async with database.sessions.begin() as session:
        await ledger.add_deals(session, account, [DEAL, today])
    assert await recompute_due(database.sessions) == 0

    monkeypatch.setattr("app.worker.rollups.QUIET", timedelta(0))
    assert await recompute_due(database.sessions) == 1
    assert await recompute_due(database.sessions) == 0
    assert await recompute_due(database.sessions, wait=AT_ONCE) == 1
    assert await shown(database, account) == 2


async def _analyze(database: Database, server: Server) -> None:
    async with database.sessions() as session:
        name = await session.scalar(select(func.current_database()))
    await execute(server.url(str(name), superuser=True), "ANALYZE trades")


@pytest.mark.one_server("What a statement reads on another node is not in its plan or counters.")
async def test_an_account_that_statistics_do_not_know_is_read_by_day(
    copied_database: Database, server: Server
) -> None:
    """Otherwise each day reads all trades of the account: they are some 700 days long."""
    known, new = [await account_of(copied_database) for _ in range(2)]
    days = [DEAL.at + timedelta(days=number) for number in range(30)]
    async with copied_database.sessions.begin() as session:
        await ledger.add_deals(session, known, [replace(DEAL, at=at) for at in days])
    await _analyze(copied_database, server)
    async with copied_database.sessions.begin() as session:
        await ledger.add_deals(session, new, [replace(DEAL, at=at) for at in days])

    async with copied_database.sessions.begin() as session:
        # As with a large table: otherwise this one is read as a whole.
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        await session.execute(text("SET LOCAL enable_bitmapscan = off"))
        assert await recompute(session, new, "live", [at.date() for at in days])
        read = await session.scalar(
            text(
                "SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))"
                " FROM pg_index WHERE indrelid = 'trades'::regclass"
            )
        )
    assert read == len(days)


async def test_days_of_which_something_was_deleted_are_recomputed(database: Database) -> None:
    account = await account_of(database)
    later = replace(DEAL, at=DEAL.at + timedelta(days=1))
    async with database.sessions.begin() as session:
        await ledger.add_deals(session, account, [DEAL, later])
    await recompute_due(database.sessions, wait=AT_ONCE)
    async with database.sessions.begin() as session:
        mark = Mark("live", DEAL.key, later.at)
        await ledger.add_mark(session, account, mark)
        scope = stored([mark])
        session.add(Operation(account_id=account, id=new_id(), kind="delete_data", scope=scope))

    assert await shown(database, account) == 1
    assert await mark_cut(database.sessions) == 1
    assert await mark_cut(database.sessions) == 0
    assert await recompute_due(database.sessions, wait=AT_ONCE) == 1
    assert await mark_cut(database.sessions) == 0
    assert await shown(database, account) == 1


async def test_what_a_bot_reports_of_a_day_that_was_recomputed_is_in_the_summary(
    world: World,
) -> None:
    desk = await new_desk(world, selected_environment="testnet")
    bot, _, _ = await desk.user.ready_bot()
    for number in (1, 2):
        trade = {
            "id": f"t{number}",
            "symbol": "OLD-USDT-SWAP",
            "contract_type": "linear",
            "contract_size": "1",
            "settle": "USDT",
            "side": "long",
            "quantity": "1",
            "entry_price": "10",
            "exit_price": "12",
            "opened_at": START.isoformat(),
            "closed_at": DEAL.at.isoformat(),
        }
        answer = await bot.post("/v1/runtime/trades", {"items": [trade]})
        assert answer.json()["results"][0]["status"] == "stored", answer.text

        for _ in range(2):
            found = (await desk.user.get("/v1/analytics/summary")).json()
            assert [item["realised_pnl"] for item in found["items"]] == [str(2 * number)]
            await recompute_due(world.context.database.sessions, wait=AT_ONCE)
        assert await stale(world.context.database) == 0
