"""The SQL of summaries. Each is one statement, so that days, marks and trades are consistent."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.clock import NOW
from app.db.driver import SessionExecutor
from app.db.models import Account
from app.domains.analytics.drawdown_sql import SUMS, folded
from app.domains.analytics.equity_series import REPORTED
from app.domains.analytics.grouping import Grouping, member
from app.domains.analytics.selection import Selection, blocks, cut_days, raw_days, steps_of_days
from app.domains.analytics.undeleted import kept
from app.domains.trading.directory import stored_symbols
from app.domains.trading.marks import Mark, read_marks


class Sums(NamedTuple):
    """The sums of the trades and funding of one group and settle asset, which is empty if unknown.

    `pnl` is net: it includes `funding`.
    `since` is the first trade of the stretch with the largest drawdown; the stretch begins at its
    peak if `peak_at` is `None`. `held` is in seconds, without the `untimed` trades, whose opening
    is not known. `other_fees` maps assets onto the fees of these trades that were charged in them.
    """

    member: str
    settle: str
    trades: int
    wins: int
    losses: int
    pnl: Decimal
    funding: Decimal
    gross_profit: Decimal
    gross_loss: Decimal
    fees: Decimal
    held: Decimal
    untimed: int
    other_fees: dict[str, str] | None
    first_opened: datetime | None
    first_at: datetime
    last_at: datetime
    drawdown: Decimal
    peak_at: datetime | None
    trough_at: datetime | None
    since: datetime


class Peak(NamedTuple):
    """A request for the equity of a selection: at `at`, or else the first value until `until`."""

    settle: str
    key_id: UUID | None
    bot_id: UUID | None
    at: datetime
    until: datetime


class AnalyticsRepository:
    """The summaries of one account; every statement names it. Only reads."""

    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def preferences(self) -> tuple[str, str]:
        """Return the selected environment and the time zone; defaults for an account
        without a row.
        """
        query = select(Account.selected_environment, Account.timezone).where(
            Account.account_id == self._account_id
        )
        row = (await self._session.execute(query)).one_or_none()
        return ("live", "UTC") if row is None else (row[0], row[1])

    async def now(self) -> datetime:
        """Return the time of the database's clock."""
        now: datetime = (await self._session.execute(select(NOW))).scalar_one()
        return now

    async def symbols(self, environment: str, key_id: UUID | None, name: str) -> tuple[str, ...]:
        """Return the symbols under which data may be stored that a name means."""
        executor = SessionExecutor(self._session)
        return await stored_symbols(executor, self._account_id, environment, key_id, name)

    async def marks(self) -> list[Mark]:
        return await read_marks(self._session, self._account_id)

    async def sums(
        self, selection: Selection, grouping: Grouping, marks: Sequence[Mark]
    ) -> list[Sums]:
        """Return the sums by group and settle asset. A reset of test funds begins a new stretch."""
        environment = selection.environment
        snapshots_left = kept(marks, environment, "equity_snapshots", "at")
        days_left = kept(marks, environment, "trade_days", "first_at")
        who = grouping.of_snapshots
        source = blocks(
            selection,
            selection.scope | grouping.scope,
            lambda table, at: kept(marks, environment, table, at),
            {"member": grouping.expression, "who": who},
        )
        cuts = f"""
            SELECT {who.format(of="equity_snapshots")} AS who, settle,
                array_agg(DISTINCT at ORDER BY at) AS times
            FROM equity_snapshots
            WHERE {selection.of_whom("equity_snapshots", symbols=False)} AND reset
                AND {snapshots_left}
            GROUP BY 1, 2
        """  # noqa: S608  # constants, and ids and times of marks
        days_of_cuts = "SELECT (at AT TIME ZONE 'UTC')::date FROM cuts, unnest(times) AS at"
        of_page = "WHERE member = ANY(CAST(:members AS text[]))" if grouping.members else ""
        placed = f"""
            SELECT found.*, coalesce(width_bucket(first_at, cuts.times), 0) AS stretch
            FROM ({source}) AS found LEFT JOIN cuts USING (who, settle) {of_page}
        """  # noqa: S608  # as above
        by_depth = "ORDER BY drawdown DESC, first_at"
        query = f"""
        WITH cuts AS MATERIALIZED ({cuts}),
        raw_days AS MATERIALIZED ({raw_days(selection, days_left, days_of_cuts)}),
        stretches AS ({folded(placed, "member, settle, stretch")})
        SELECT member, settle, {SUMS}, min(first_opened) AS first_opened, min(first_at) AS first_at,
            max(last_at) AS last_at, max(drawdown) AS drawdown,
            (array_agg(peak_at {by_depth}))[1] AS peak_at,
            (array_agg(trough_at {by_depth}))[1] AS trough_at,
            (array_agg(first_at {by_depth}))[1] AS since
        FROM stretches GROUP BY member, settle ORDER BY member, settle
        """  # noqa: S608  # as above
        edges = selection.edges + cut_days(grouping.bounds)
        rows = await self._all(query, **selection.values, **grouping.values, edges=edges)
        return [Sums(**row) for row in rows]

    async def members(
        self, selection: Selection, kind: str, after: str | None, limit: int
    ) -> list[str]:
        """Return the keys, bots or symbols that may have traded, in order, as text."""
        grouping = Grouping(kind)  # type: ignore[arg-type]  # one of three
        name = member(kind)
        scope = selection.scope | grouping.scope
        beyond = "" if after is None else f"AND {name} > :after"
        since_marked = steps_of_days(
            "stale",
            lambda table, _: (
                f"{selection.of_whom(table)} AND {selection.touched('stale.day')}"
                f" {beyond.format(of=table)}"
            ),
        )
        query = f"""
        WITH stale AS MATERIALIZED (
            SELECT DISTINCT day FROM stale_days
            WHERE account_id = :account AND environment = :environment
        )
        SELECT {name.format(of="trade_days")} AS member FROM trade_days
        WHERE {selection.of_whom("trade_days")} AND scope = {scope}
            AND {selection.touched("day")} {beyond.format(of="trade_days")}
        UNION
        SELECT {name.format(of="trades")} FROM {since_marked}
        ORDER BY 1 LIMIT :limit
        """  # noqa: S608  # built from constants only
        more = {} if after is None else {"after": after}
        rows = await self._all(query, **selection.values, **more, limit=limit)
        return [row["member"] for row in rows]

    async def days(self, selection: Selection, limit: int) -> list[date]:
        """Return the UTC days on which there may be trades, newest first."""
        query = f"""
        SELECT day FROM trade_days
        WHERE {selection.of_whom("trade_days")} AND scope = {selection.scope}
            AND {selection.touched("day")}
        UNION
        SELECT day FROM stale_days
        WHERE account_id = :account AND environment = :environment AND {selection.touched("day")}
        ORDER BY day DESC LIMIT :limit
        """  # noqa: S608  # built from constants only
        return [row["day"] for row in await self._all(query, **selection.values, limit=limit)]

    async def equity(
        self, environment: str, peaks: Sequence[Peak], marks: Sequence[Mark]
    ) -> list[Decimal | None]:
        """Return for each peak the equity summed over its keys; `None` if nothing is known.

        A key contributes its last value known at `at`, or else its first value until `until`.
        """
        if not peaks:
            return []
        own = f"""
            taken.account_id = :account AND taken.environment = :environment
            AND taken.key_id = series.key_id AND taken.settle = wanted.settle
            AND (wanted.bot_id IS NULL OR taken.bot_id = wanted.bot_id)
            AND {kept(marks, environment, "taken", "at")}
        """
        query = f"""
        WITH RECURSIVE {REPORTED},
        wanted AS (
            SELECT * FROM unnest(
                CAST(:settles AS text[]), CAST(:keys AS uuid[]), CAST(:bots AS uuid[]),
                CAST(:ats AS timestamptz[]), CAST(:untils AS timestamptz[])
            ) WITH ORDINALITY AS wanted (settle, key_id, bot_id, at, until, number)
        ),
        series AS (SELECT DISTINCT key_id, settle FROM reported)
        SELECT number, sum(found.equity) AS equity
        FROM wanted JOIN series ON series.settle = wanted.settle
            AND (wanted.key_id IS NULL OR series.key_id = wanted.key_id)
        CROSS JOIN LATERAL (
            SELECT equity FROM (
                (SELECT taken.equity, 0 AS place FROM equity_snapshots AS taken
                 WHERE {own} AND taken.at <= wanted.at
                 ORDER BY taken.at DESC, taken.bot_id DESC, taken.id DESC LIMIT 1)
                UNION ALL
                (SELECT taken.equity, 1 FROM equity_snapshots AS taken
                 WHERE {own} AND taken.at > wanted.at AND taken.at <= wanted.until
                 ORDER BY taken.at, taken.bot_id, taken.id LIMIT 1)
            ) AS either ORDER BY place LIMIT 1
        ) AS found
        GROUP BY number
        """  # noqa: S608  # constants, and ids and times of marks
        rows = await self._all(
            query,
            environment=environment,
            settles=[peak.settle for peak in peaks],
            keys=[peak.key_id for peak in peaks],
            bots=[peak.bot_id for peak in peaks],
            ats=[peak.at for peak in peaks],
            untils=[peak.until for peak in peaks],
        )
        known = {row["number"]: row["equity"] for row in rows}
        return [known.get(number + 1) for number in range(len(peaks))]

    async def names(self, kind: str, ids: Sequence[UUID]) -> dict[UUID, str]:
        """Return labels of keys, deleted or not, or names of bots that still exist."""
        table, key, label = (
            ("key_labels", "key_id", "label") if kind == "key" else ("bots", "id", "name")
        )
        query = f"""
        SELECT {key} AS id, {label} AS name FROM {table}
        WHERE account_id = :account AND {key} = ANY(CAST(:ids AS uuid[]))
        """  # noqa: S608  # built from constants only
        return {row["id"]: row["name"] for row in await self._all(query, ids=list(ids))}

    async def _all(self, query: str, **values: Any) -> list[dict[str, Any]]:
        rows = await self._session.execute(text(query), {"account": self._account_id, **values})
        return [dict(row) for row in rows.mappings()]
