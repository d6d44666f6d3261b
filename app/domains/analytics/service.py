"""The results of an account's trading: summaries, equity curves and what today brought."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from app.api.pagination import foreign_cursor
from app.domains.analytics.buckets import buckets_for
from app.domains.analytics.calendar import MOST_DAYS, end_of, periods_of, start_of
from app.domains.analytics.equity_curve_repository import CurveRepository, Point
from app.domains.analytics.grouping import PERIODS, GroupBy, Grouping
from app.domains.analytics.repository import AnalyticsRepository, Peak, Sums
from app.domains.analytics.selection import Selection
from app.domains.analytics.serializers import Figures
from app.domains.trading.marks import Mark
from app.kit.exact import subtracted

Group = TypeVar("Group")


@dataclass(frozen=True, slots=True)
class SummaryPage:
    """A page of figures. `names` are those of the keys or bots they are grouped by."""

    figures: Sequence[Figures]
    trades_without_pnl: int
    names: dict[UUID, str]
    next_after: str | None


class AnalyticsService:
    """The analytics of one account. Only reads, and leaves out what a deletion mark covers."""

    def __init__(
        self,
        *,
        summaries: AnalyticsRepository,
        curves: CurveRepository,
    ) -> None:
        self._summaries = summaries
        self._curves = curves

    async def environment(self, requested: str | None) -> str:
        """Return the requested environment, or by default the one that the account selected."""
        return (await self.settings(requested, None))[0]

    async def settings(self, requested: str | None, group_by: GroupBy | None) -> tuple[str, str]:
        """Return the environment, and the time zone of the periods, empty if there are none."""
        if requested is not None and group_by not in PERIODS:
            return requested, ""
        selected, zone = await self._summaries.preferences()
        return requested or selected, zone if group_by in PERIODS else ""

    async def understood(self, selection: Selection) -> Selection:
        """Return the selection with all symbols that its one means. Raises `AmbiguousSymbol`."""
        if not selection.symbols:
            return selection
        (name,) = selection.symbols
        symbols = await self._summaries.symbols(selection.environment, selection.key_id, name)
        return replace(selection, symbols=symbols)

    async def summary(self, selection: Selection, after: str | None = None) -> SummaryPage:
        """Return the only page. Raises `InvalidRequest` if another one is requested."""
        if after is not None:
            raise foreign_cursor()
        marks = await self._summaries.marks()
        rows = await self._summaries.sums(selection, Grouping(), marks)
        return await self._page(selection, Grouping(), rows, marks)

    async def grouped(
        self, selection: Selection, group_by: GroupBy, zone: str, after: str | None, limit: int
    ) -> SummaryPage:
        """Return a page of groups: keys, bots and symbols in order, periods of the zone newest
        first.

        `after` is a group's name. Raises `InvalidRequest` if it cannot be one.
        """
        marks = await self._summaries.marks()
        if group_by in PERIODS:
            return await self._by_period(selection, group_by, ZoneInfo(zone), after, limit, marks)
        if after is not None and group_by != "symbol":
            after = str(_id(after))
        rows: list[Sums] = []
        order: list[str] = []
        size = limit + 1
        while True:
            members = await self._summaries.members(selection, group_by, after, size)
            if members:
                grouping = Grouping(group_by, members)
                rows += await self._summaries.sums(selection, grouping, marks)
                order += members
            filled = {row.member for row in rows if row.settle}
            if len(filled) > limit or len(members) < size:
                break
            after, size = members[-1], 2 * size
        last = _last([name for name in order if name in filled], limit)
        if last is not None:
            of_page = set(order[: order.index(last) + 1])
            rows = [row for row in rows if row.member in of_page]
        page = await self._page(selection, Grouping(group_by), rows, marks)
        return replace(page, next_after=last)

    async def _by_period(
        self,
        selection: Selection,
        unit: GroupBy,
        zone: ZoneInfo,
        after: str | None,
        limit: int,
        marks: Sequence[Mark],
    ) -> SummaryPage:
        before = _narrower(selection, until=None if after is None else _time(after))
        found: list[tuple[datetime, Sums]] = []
        filled: list[datetime] = []
        size = limit + 1
        # A UTC day overlaps two days in most zones, and trades may lie in only one of them.
        while len(filled) <= limit:
            days = await self._summaries.days(before, size * MOST_DAYS[unit] + 1)
            starts = [
                start
                for start in periods_of(days, unit, zone)
                if (before.until is None or start < before.until)
                and (before.since is None or end_of(start, unit, zone) > before.since)
            ]
            chosen = sorted(starts[:size])
            if not chosen:
                break
            bounds = _bounds(chosen, unit, zone)
            narrow = _narrower(selection, since=bounds[0], until=bounds[-1])
            rows = await self._summaries.sums(narrow, Grouping(unit, bounds=bounds), marks)
            found += [(bounds[int(row.member) - 1], row) for row in rows]
            filled = sorted({start for start, row in found if row.settle}, reverse=True)
            before, size = _narrower(selection, until=chosen[0]), 2 * size
        last = _last(filled, limit)
        of_page = [(start, row) for start, row in found if last is None or start >= last]
        bounds = _bounds([start for start, _ in of_page], unit, zone)
        rows = [row._replace(member=str(bounds.index(start) + 1)) for start, row in of_page]
        page = await self._page(selection, Grouping(unit, bounds=bounds), rows, marks)
        return replace(page, next_after=None if last is None else last.isoformat())

    async def _page(
        self,
        selection: Selection,
        grouping: Grouping,
        rows: Sequence[Sums],
        marks: Sequence[Mark],
    ) -> SummaryPage:
        filled = [row for row in rows if row.settle]
        if grouping.kind in PERIODS:
            filled.sort(key=lambda row: (-int(row.member), row.settle))
        fallen = [row for row in filled if row.drawdown > 0]
        peaks = [_peak(selection, grouping, row) for row in fallen]
        known = await self._summaries.equity(selection.environment, peaks, marks)
        equity = {(row.member, row.settle): total for row, total in zip(fallen, known, strict=True)}
        names = {}
        if grouping.kind in ("key", "bot"):
            ids = {UUID(row.member) for row in filled}
            names = await self._summaries.names(grouping.kind, sorted(ids))
        return SummaryPage(
            [
                Figures(row, equity.get((row.member, row.settle)), selection, grouping)
                for row in filled
            ],
            sum(row.trades for row in rows if not row.settle),
            names,
            None,
        )

    async def curve(self, selection: Selection, points: int) -> list[Point]:
        """Return at most `points` points for each settle asset, in order of time."""
        marks = await self._summaries.marks()
        extent = await self._curves.extent(selection, marks)
        if extent is None:
            return []
        return await self._curves.points(selection, buckets_for(*extent, points), marks)

    async def today(self, requested: str | None) -> dict[str, Any]:
        """Return the environment and its P&L of today, which is the account's own: it begins at
        midnight in its time zone.
        """
        selected, name = await self._summaries.preferences()
        environment = requested or selected
        today = start_of(await self._summaries.now(), "day", ZoneInfo(name))
        selection = Selection(environment, since=today)
        marks = await self._summaries.marks()
        sums = await self._summaries.sums(selection, Grouping(), marks)
        return {
            "environment": environment,
            "timezone": name,
            "today_since": today,
            "pnl_today": [
                {
                    "settle": row.settle,
                    "realised_pnl": subtracted(row.pnl, row.funding),
                    "funding": row.funding,
                    "trades": row.trades,
                }
                for row in sums
                if row.settle
            ],
        }


def _peak(selection: Selection, grouping: Grouping, row: Sums) -> Peak:
    group = UUID(row.member) if grouping.kind in ("key", "bot") else None
    return Peak(
        row.settle,
        group if grouping.kind == "key" else selection.key_id,
        group if grouping.kind == "bot" else selection.bot_id,
        row.peak_at or row.since,
        row.trough_at or row.since,
    )


def _last(filled: Sequence[Group], limit: int) -> Group | None:
    """Return the page's last group if another page follows. Only groups with an item fill pages."""
    return filled[limit - 1] if len(filled) > limit else None


def _bounds(starts: Sequence[datetime], unit: str, zone: ZoneInfo) -> list[datetime]:
    return sorted({*starts, *(end_of(start, unit, zone) for start in starts)})


def _narrower(
    selection: Selection, *, since: datetime | None = None, until: datetime | None = None
) -> Selection:
    """Return the part of the selection between these times."""
    starts = [at for at in (selection.since, since) if at is not None]
    ends = [at for at in (selection.until, until) if at is not None]
    return replace(selection, since=max(starts, default=None), until=min(ends, default=None))


def _id(after: str) -> UUID:
    try:
        return UUID(after)
    except ValueError:
        raise foreign_cursor() from None


def _time(after: str) -> datetime:
    try:
        return datetime.fromisoformat(after).astimezone(UTC)
    except (ValueError, OverflowError):
        raise foreign_cursor() from None
