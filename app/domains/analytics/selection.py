"""The trades, funding and snapshots that a query covers, and the SQL that finds them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from app.db.models.rollup import BY_BOT, BY_KEY, BY_SYMBOL
from app.domains.analytics.drawdown_sql import BLOCK, STEPS

Conditions = Callable[[str, str], str]
"""Conditions for the rows of a table, given its name and that of its time."""

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Selection:
    """A selection. `since` (inclusive) and `until` (exclusive) bound when a trade closed or a
    snapshot was taken; `None` means unbounded. `symbols` are all that the requested one means; none
    means all symbols.
    """

    environment: str
    key_id: UUID | None = None
    bot_id: UUID | None = None
    symbols: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def scope(self) -> int:
        return (
            BY_KEY * (self.key_id is not None)
            | BY_BOT * (self.bot_id is not None)
            | BY_SYMBOL * bool(self.symbols)
        )

    @property
    def values(self) -> dict[str, Any]:
        """Return the parameters of the conditions, except the account."""
        named: dict[str, Any] = {
            "key": self.key_id,
            "bot": self.bot_id,
            "symbols": list(self.symbols) or None,
            "since": self.since,
            "until": self.until,
        }
        given = {name: value for name, value in named.items() if value is not None}
        if self.since is not None:
            given["first_day"] = self.since.astimezone(UTC).date()
        if self.until is not None:
            given["last_day"] = (self.until.astimezone(UTC) - _MICROSECOND).date()
        return {"environment": self.environment, **given}

    @property
    def edges(self) -> list[date]:
        """Return the UTC days that the period cuts."""
        return cut_days(at for at in (self.since, self.until) if at is not None)

    def of_whom(self, name: str, *, symbols: bool = True) -> str:
        """Return the condition for this account, environment, key, bot and symbol.

        `name` is a table or an alias.
        """
        conditions = [f"{name}.account_id = :account", f"{name}.environment = :environment"]
        if self.key_id is not None:
            conditions.append(f"{name}.key_id = :key")
        if self.bot_id is not None:
            conditions.append(f"{name}.bot_id = :bot")
        if self.symbols and symbols:
            conditions.append(f"{name}.symbol = ANY(CAST(:symbols AS text[]))")
        return " AND ".join(conditions)

    def within(self, moment: str) -> str:
        conditions = ["true"]
        if self.since is not None:
            conditions.append(f"{moment} >= :since")
        if self.until is not None:
            conditions.append(f"{moment} < :until")
        return " AND ".join(conditions)

    def touched(self, day: str) -> str:
        """Return the condition for a UTC day that at least partly lies in the period."""
        conditions = ["true"]
        if self.since is not None:
            conditions.append(f"{day} >= :first_day")
        if self.until is not None:
            conditions.append(f"{day} <= :last_day")
        return " AND ".join(conditions)


def cut_days(times: Any) -> list[date]:
    """Return the UTC days that these times divide in two; midnight divides none."""
    in_utc = (at.astimezone(UTC) for at in times)
    return sorted({at.date() for at in in_utc if at.time() != time(0)})


def raw_days(selection: Selection, left: str, *more: str) -> str:
    """Return a query for the UTC days that must be added up from the trades themselves.

    These are days that are stale, that the period cuts (`:edges`), or whose rows still include what
    a mark covers; and all days if there are several symbols. `left` is `kept` for trade_days and
    first_at; `more` are further queries.
    """
    queries = [
        "SELECT day FROM stale_days WHERE account_id = :account AND environment = :environment",
        "SELECT unnest(CAST(:edges AS date[]))",
        *more,
    ]
    if len(selection.symbols) > 1:
        # The curves of two symbols on one day cannot be joined: their trades alternate.
        queries.append(
            f"SELECT day FROM trade_days WHERE {selection.of_whom('trade_days')}"  # noqa: S608  # constants only
            f" AND scope = {selection.scope}"
        )
    if left != "(true)":
        queries.append(
            "SELECT day FROM trade_days WHERE account_id = :account"  # noqa: S608  # constants only
            f" AND environment = :environment AND scope = {BY_KEY} AND NOT {left}"
        )
    union = " UNION ".join(queries)
    return f"SELECT day FROM ({union}) AS days WHERE {selection.touched('day')}"  # noqa: S608  # as above


_STEPS = (
    ("trades", "closed_at", "pnl, CAST(NULL AS numeric), fees, other_fees, opened_at"),
    ("funding", "at", "amount, amount, 0, CAST(NULL AS jsonb), CAST(NULL AS timestamptz)"),
)
"""The tables whose rows are steps of a curve: their time, and what adding up takes of a row."""


def steps_of_days(days: str, conditions: Conditions) -> str:
    """Return what follows FROM: all days of `days`, each with its trades and funding payments, as
    `trades`, under the conditions for a table and its time. `funding` is null for trades.

    OFFSET 0 keeps the planner from scanning all rows first because it cannot estimate the days.
    The order keeps it to an index by time. Of an account that statistics do not know yet it expects
    one row, and would read all of the account's rows by the primary key for each day.
    """
    parts = " UNION ALL ".join(
        f"""
        (SELECT key_id, bot_id, symbol, settle, {columns}, {at} FROM {table}
        WHERE {conditions(table, at)}
            AND {table}.{at} >= {days}.day::timestamp AT TIME ZONE 'UTC'
            AND {table}.{at} < ({days}.day + 1)::timestamp AT TIME ZONE 'UTC'
        ORDER BY {table}.{at} DESC)
        """  # noqa: S608  # built from constants only
        for table, at, columns in _STEPS
    )
    return f"""{days} CROSS JOIN LATERAL (
        {parts} OFFSET 0
    ) AS trades (
        key_id, bot_id, symbol, settle, pnl, funding, fees, other_fees, opened_at, closed_at
    )"""


def blocks(selection: Selection, scope: int, left: Conditions, columns: dict[str, str]) -> str:
    """Return a query for the blocks (`drawdown_sql`) of a selection, by whole days where possible.

    `columns` are further columns: expressions with `{of}` for the table, and `{at}` for a time in
    the block. The query needs `raw_days` beside it. `left` is `kept` for a table and its time.
    """
    of_days, of_trades = [
        ", ".join(
            f"{expression.format(of=table, at=at)} AS {name}"
            for name, expression in columns.items()
        )
        for table, at in (("trade_days", "trade_days.first_at"), ("trades", "trades.closed_at"))
    ]
    numbers = ", ".join(str(number + 1) for number in range(len(columns)))

    def wanted(table: str, at: str) -> str:
        return f"{selection.of_whom(table)} AND {selection.within(at)} AND {left(table, at)}"

    return f"""
    SELECT {of_days}, trade_days.settle, {", ".join(BLOCK)}
    FROM trade_days
    WHERE {selection.of_whom("trade_days")} AND trade_days.scope = {scope}
        AND {selection.touched("trade_days.day")}
        AND trade_days.day NOT IN (SELECT day FROM raw_days)
    UNION ALL
    SELECT {of_trades}, coalesce(trades.settle, '') AS settle, {STEPS}
    FROM {steps_of_days("raw_days", wanted)}
    GROUP BY {numbers}, {len(columns) + 1}, trades.closed_at
    """  # noqa: S608  # built from constants only
