"""Whatever was recomputed, and when: responses equal a plain calculation over all trades."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.domains.analytics.buckets import buckets_for
from app.domains.analytics.equity_curve_repository import CurveRepository
from app.domains.analytics.grouping import Grouping
from app.domains.analytics.repository import AnalyticsRepository
from app.domains.analytics.rollups import recompute
from app.domains.analytics.selection import Selection
from app.domains.trading.marks import Mark
from tests.support import ledger
from tests.support.ledger import DEALS, LOOKS, MARKS, MOMENTS, SELECTIONS, START, Deal, Look

DAYS = [(START + timedelta(days=day)).date() for day in range(5)]
STEPS = st.one_of(
    st.tuples(st.just("trade"), st.lists(DEALS, max_size=6)),
    st.tuples(st.just("trade"), st.lists(DEALS, max_size=6)),
    st.tuples(st.just("recompute"), st.lists(st.sampled_from(DAYS), min_size=1, unique=True)),
    st.tuples(st.just("recompute"), st.just(DAYS)),
    st.tuples(st.just("mark"), MARKS),
)
GROUPINGS = st.one_of(
    st.sampled_from([Grouping(), Grouping("symbol"), Grouping("key"), Grouping("bot")]),
    st.lists(MOMENTS, min_size=2, max_size=5, unique=True).map(
        lambda bounds: Grouping("day", bounds=sorted(bounds))
    ),
)
LEAN = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class History:
    """What was done to one account, in the database and in a plain model beside it."""

    def __init__(self, session: AsyncSession, account: UUID) -> None:
        self.session = session
        self.account = account
        self.deals: list[Deal] = []
        self.marks: list[Mark] = []

    async def take(self, step: str, given: Any) -> None:
        if step == "trade":
            await ledger.add_deals(self.session, self.account, given)
            self.deals += given
        elif step == "mark":
            if (given.environment, given.key_id) not in {
                (mark.environment, mark.key_id) for mark in self.marks
            }:
                await ledger.add_mark(self.session, self.account, given)
                self.marks.append(given)
        else:
            for environment in ledger.ENVIRONMENTS:
                assert await recompute(self.session, self.account, environment, given)


async def sums_of(
    session: AsyncSession,
    account: UUID,
    selection: Selection,
    grouping: Grouping,
    marks: list[Mark],
) -> dict[tuple[str, str], tuple[Any, ...]]:
    rows = await AnalyticsRepository(session=session, account_id=account).sums(
        selection, grouping, marks
    )
    return {
        (row.member, row.settle): (*row[2:16], row.drawdown, row.peak_at, row.trough_at)
        for row in rows
    }


def within_bounds(selection: Selection, grouping: Grouping) -> Selection:
    """Narrow the selection as the service does for a page of periods."""
    if not grouping.bounds:
        return selection
    since, until = grouping.bounds[0], grouping.bounds[-1]
    return Selection(
        selection.environment,
        selection.key_id,
        selection.bot_id,
        selection.symbols,
        max(since, selection.since or since),
        min(until, selection.until or until),
    )


@LEAN
@given(
    st.lists(STEPS, max_size=8),
    st.lists(LOOKS, max_size=3),
    st.lists(st.tuples(SELECTIONS, GROUPINGS), min_size=4, max_size=4),
)
async def test_sums_and_drawdowns_equal_a_plain_calculation(
    database: Database,
    steps: list[tuple[str, Any]],
    looks: list[Look],
    questions: list[tuple[Selection, Grouping]],
) -> None:
    async with database.sessions() as session:
        history = History(session, await ledger.add_account(session))
        await ledger.add_looks(session, history.account, looks)
        for step, what in steps:
            await history.take(step, what)
        for asked, grouping in questions:
            selection = within_bounds(asked, grouping)
            deals = ledger.seen(history.deals, selection, history.marks)
            shown = ledger.seen(looks, selection, history.marks, timed=False)
            expected = ledger.sums(
                deals,
                shown,
                ledger.group_of(grouping),
                lambda look, name, kind=grouping.kind: {  # type: ignore[misc]
                    "key": str(look.key) == name,
                    "bot": str(look.bot) == name,
                }.get(kind, True),
            )
            found = await sums_of(session, history.account, selection, grouping, history.marks)
            assert found == expected, (selection, grouping)
        await session.rollback()


def plain_curve(
    deals: list[Deal], looks: list[Look], before: list[Look], ends: list[tuple[datetime, datetime]]
) -> dict[str, list[tuple[Any, ...]]]:
    """Return by settle asset (time, equity, P&L, funding, reset) of each bucket that is not
    empty.
    """
    curves: dict[str, list[tuple[Any, ...]]] = {}
    rows: list[Any] = [*deals, *looks]
    for settle in {row.settle for row in rows if row.settle}:
        points = []
        for low, high in ends:
            times = [r.at for r in rows if r.settle == settle and low <= r.at < high]
            if times:
                earned = [d for d in deals if d.settle == settle and d.at < high]
                points.append(
                    (
                        max(times),
                        ledger.equity_at([*before, *looks], settle, max(times)),
                        sum((Fraction(d.pnl) for d in earned), ledger.ZERO),
                        sum((Fraction(d.pnl) for d in earned if d.payment), ledger.ZERO),
                        any(k.reset and k.settle == settle and k.at in times for k in looks),
                    )
                )
        curves[settle] = points
    return curves


@LEAN
@given(
    st.lists(STEPS, max_size=6),
    st.lists(LOOKS, max_size=8),
    st.lists(st.tuples(SELECTIONS, st.sampled_from([1, 2, 5, 30])), min_size=3, max_size=3),
)
async def test_curves_equal_a_plain_calculation(
    database: Database,
    steps: list[tuple[str, Any]],
    looks: list[Look],
    questions: list[tuple[Selection, int]],
) -> None:
    async with database.sessions() as session:
        history = History(session, await ledger.add_account(session))
        await ledger.add_looks(session, history.account, looks)
        for step, what in steps:
            await history.take(step, what)
        for asked, points in questions:
            selection = Selection("live", asked.key_id, asked.bot_id, (), asked.since, asked.until)
            curves = CurveRepository(session=session, account_id=history.account)
            deals = ledger.seen(history.deals, selection, history.marks)
            shown = ledger.seen(looks, selection, history.marks)
            extent = await curves.extent(selection, history.marks)
            times = [row.at for row in [*deals, *shown]]
            assert extent == ((min(times), max(times)) if times else None)
            if extent is None:
                continue
            buckets = buckets_for(*extent, points)
            ends = [
                (buckets.origin + n * buckets.width, buckets.origin + (n + 1) * buckets.width)
                for n in range(buckets.number)
            ]
            before = [
                look
                for look in ledger.seen(looks, selection, history.marks, timed=False)
                if selection.since is not None and look.at < selection.since
            ]
            found: dict[str, list[tuple[Any, ...]]] = {}
            for settle, *point in await curves.points(selection, buckets, history.marks):
                found.setdefault(settle, []).append(tuple(point))
            assert found == plain_curve(deals, shown, before, ends), (selection, points)
        await session.rollback()


async def test_a_day_that_was_recomputed_is_not_added_up_again(database: Database) -> None:
    async with database.sessions() as session:
        account = await ledger.add_account(session)
        deal = Deal("live", ledger.KEYS[0], ledger.BOTS[0], "BTCUSDT", "USDT", *_AMOUNTS, *_TIMES)
        await ledger.add_deals(session, account, [deal])
        await recompute(session, account, "live", DAYS)
        await ledger.add_deals(session, account, [deal])
        await session.execute(
            text("DELETE FROM stale_days WHERE account_id = :account"), {"account": account}
        )
        found = await sums_of(session, account, Selection("live"), Grouping(), [])
        assert found["", "USDT"][3] == 5
        await session.rollback()


_AMOUNTS = (Decimal(5), Decimal(1))
_TIMES = (START, START + timedelta(hours=1))
