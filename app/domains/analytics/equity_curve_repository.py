"""The SQL of equity curves. One statement computes the whole curve, buckets included."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domains.analytics.equity_series import REPORTED
from app.domains.analytics.selection import Selection, blocks, raw_days
from app.domains.analytics.undeleted import kept
from app.domains.trading.marks import Mark

DAY = timedelta(days=1)


class Buckets(NamedTuple):
    """`number` adjacent buckets of one width, beginning at `origin`."""

    origin: datetime
    width: timedelta
    number: int


class Point(NamedTuple):
    """The state at the end of a bucket in which something happened; `at` is the last event
    in it.
    """

    settle: str
    at: datetime
    equity: Decimal | None
    net_pnl: Decimal
    funding: Decimal
    reset: bool


class CurveRepository:
    """The curves of one account; every statement names it. Only reads."""

    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def extent(
        self, selection: Selection, marks: Sequence[Mark]
    ) -> tuple[datetime, datetime] | None:
        """Return the first and last time of what the curve shows; `None` if there is nothing."""
        ends = []
        for table, at in (("trades", "closed_at"), ("funding", "at"), ("equity_snapshots", "at")):
            left = kept(marks, selection.environment, table, at)
            for order in ("", "DESC"):
                ends.append(f"""(
                    SELECT {at} AS at FROM {table}
                    WHERE {selection.of_whom(table)} AND {selection.within(at)} AND {left}
                    ORDER BY {at} {order} LIMIT 1
                )""")  # noqa: S608, PERF401  # built from constants only
        query = f"SELECT min(at) AS first, max(at) AS last FROM ({' UNION ALL '.join(ends)}) AS e"  # noqa: S608  # as above
        row = (await self._execute(query, **selection.values)).one()
        return None if row.first is None else (row.first, row.last)

    async def points(
        self, selection: Selection, buckets: Buckets, marks: Sequence[Mark]
    ) -> list[Point]:
        """Return the points of each settle asset in order of time, at most one for each bucket.

        Precomputed days are used only if buckets consist of whole days. Equity is the sum of the
        last known values of all keys, including snapshots before the first bucket. Each key's
        snapshots are read from the newest on, the last of a bucket and then the last before it: as
        many as there are buckets with any.
        """
        environment = selection.environment
        by_days = buckets.width % DAY == timedelta(0)

        def left(table: str, at: str) -> str:
            return kept(marks, environment, table, at)

        origin = "CAST(:origin AS timestamptz)"
        number = f"floor(extract(epoch FROM {{at}} - {origin}) / CAST(:width AS numeric))::bigint"
        if by_days:
            stale = raw_days(selection, kept(marks, environment, "trade_days", "first_at"))
            days = f"raw_days AS MATERIALIZED ({stale}),"
            earned = blocks(selection, selection.scope, left, {"n": number})
        else:
            days = ""
            earned = " UNION ALL ".join(
                f"""
                SELECT {number.format(at=f"{table}.{at}")} AS n, {table}.settle, {pnl} AS pnl,
                    {funding} AS funding, {at} AS last_at
                FROM {table}
                WHERE {selection.of_whom(table)} AND {selection.within(at)} AND {left(table, at)}
                """  # noqa: S608  # built from constants only
                for table, at, pnl, funding in (
                    ("trades", "closed_at", "pnl", "0"),
                    ("funding", "at", "amount", "amount"),
                )
            )
        own = f"""
            taken.account_id = :account AND taken.environment = :environment
            {"" if selection.bot_id is None else "AND taken.bot_id = :bot"}
            AND {kept(marks, environment, "taken", "at")}
        """
        newest = "ORDER BY taken.at DESC, taken.bot_id DESC, taken.id DESC LIMIT 1"
        begin = origin if selection.since is None else "CAST(:since AS timestamptz)"
        end = f"{origin} + CAST(:count AS integer) * CAST(:step AS interval)"
        if selection.until is not None:
            end = f"least(CAST(:until AS timestamptz), {end})"
        bucket = f"CASE WHEN taken.at < {begin} THEN -1 ELSE {number.format(at='taken.at')} END"
        query = f"""
        WITH RECURSIVE {REPORTED}, {days}
        series AS (
            SELECT DISTINCT key_id, settle FROM reported
            WHERE true {"" if selection.key_id is None else "AND key_id = :key"}
                {"" if selection.bot_id is None else "AND bot_id = :bot"}
        ),
        taken AS (
            SELECT series.key_id, series.settle, found.* FROM series CROSS JOIN LATERAL (
                SELECT {bucket} AS n, taken.at, taken.equity FROM equity_snapshots AS taken
                WHERE {own} AND taken.key_id = series.key_id AND taken.settle = series.settle
                    AND taken.at < {end}
                {newest}
            ) AS found
            UNION ALL
            SELECT later.key_id, later.settle, found.* FROM taken AS later CROSS JOIN LATERAL (
                SELECT {bucket} AS n, taken.at, taken.equity FROM equity_snapshots AS taken
                WHERE {own} AND taken.key_id = later.key_id AND taken.settle = later.settle
                    AND later.n >= 0
                    AND taken.at < greatest({begin}, {origin} + later.n * CAST(:step AS interval))
                {newest}
            ) AS found
        ),
        changed AS (
            SELECT settle, n, at,
                equity - lag(equity, 1, 0::numeric) OVER (
                    PARTITION BY settle, key_id ORDER BY n
                ) AS change
            FROM taken
        ),
        worth AS (
            SELECT settle, n, max(at) AS at, sum(change) AS change FROM changed GROUP BY settle, n
        ),
        earned AS (
            SELECT settle, n, max(last_at) AS at, sum(pnl) AS pnl, sum(funding) AS funding
            FROM ({earned}) AS earned
            WHERE settle <> '' GROUP BY settle, n
        ),
        begun AS (
            SELECT DISTINCT taken.settle, {number.format(at="taken.at")} AS n
            FROM equity_snapshots AS taken
            WHERE {selection.of_whom("taken")} AND {selection.within("taken.at")} AND reset
                AND {kept(marks, environment, "taken", "at")}
        ),
        whole AS (
            SELECT settle, n, greatest(worth.at, earned.at) AS at,
                sum(change) OVER so_far AS equity,
                coalesce(sum(pnl) OVER so_far, 0) AS net_pnl,
                coalesce(sum(funding) OVER so_far, 0) AS funding
            FROM worth FULL JOIN earned USING (settle, n)
            WINDOW so_far AS (PARTITION BY settle ORDER BY n)
        )
        SELECT settle, at, equity, net_pnl, funding, begun.n IS NOT NULL AS reset
        FROM whole LEFT JOIN begun USING (settle, n) WHERE n >= 0 ORDER BY settle, n
        """  # noqa: S608  # constants, and ids and times of marks
        rows = await self._execute(
            query,
            **selection.values,
            origin=buckets.origin,
            width=buckets.width // timedelta(seconds=1),
            step=buckets.width,
            count=buckets.number,
            **({"edges": selection.edges} if by_days else {}),
        )
        return [Point._make(row) for row in rows]

    async def _execute(self, query: str, **values: Any) -> Any:
        return await self._session.execute(text(query), {"account": self._account_id, **values})
