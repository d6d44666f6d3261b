"""Daily sums of trades and funding (`trade_days`): marked as stale, then recomputed.

A day without a row here and without a mark in `stale_days` has neither. Every transaction that
changes them therefore marks their days. Recomputing a day first deletes its marks and reads the
trades only in the next statement, so whatever is committed in between keeps its mark.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, Date, Delete, Text, Uuid, bindparam, delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import Statement
from app.db.models import StaleDay, TradeDay
from app.db.models.rollup import BY_BOT, BY_KEY, BY_SYMBOL, SCOPES
from app.domains.analytics.drawdown_sql import BLOCK, STEPS, folded
from app.domains.analytics.selection import steps_of_days
from app.domains.analytics.undeleted import kept
from app.domains.trading.marks import FOREVER, Mark, read_marks
from botkeys.exchanges.model import Environment

_MARK = text(
    """
    INSERT INTO stale_days (account_id, environment, day)
    SELECT :account, :environment, day FROM unnest(:days) AS marked (day)
    """
).bindparams(
    bindparam("account", type_=Uuid()),
    bindparam("environment", type_=Text()),
    bindparam("days", type_=ARRAY(Date())),
)
MARK_STALE = Statement(_MARK)
"""Marks days like `mark_stale`, for those who send through the driver."""


def utc_days(times: Iterable[datetime]) -> list[date]:
    """Return the UTC days of these times, each once and in order."""
    return sorted({at.astimezone(UTC).date() for at in times})


async def mark_stale(
    session: AsyncSession, account_id: UUID, environment: str, days: Collection[date]
) -> None:
    """Record in this transaction that trades of these UTC days change. Waits for no lock."""
    if days:
        await session.execute(
            _MARK, {"account": account_id, "environment": environment, "days": list(days)}
        )


def start_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


async def recompute(
    session: AsyncSession, account_id: UUID, environment: str, days: Sequence[date]
) -> bool:
    """Recompute these days. Returns `False` if another process does so for this account now."""
    if not await session.scalar(_TAKE, {"place": f"{account_id}/{environment}"}):
        return False
    for model in (StaleDay, TradeDay):
        await session.execute(_of_days(model, account_id, environment, days))
    await add_up(session, account_id, environment, days)
    return True


async def add_up(
    session: AsyncSession, account_id: UUID, environment: str, days: Sequence[date]
) -> None:
    """Insert the rows of days that have none and that nobody else recomputes."""
    place = {"account": account_id, "environment": environment, "days": list(days)}
    marks = await read_marks(session, account_id)
    left = {table: kept(marks, environment, table, at) for table, at in _TIMES.items()}
    await session.execute(text(_RECOMPUTE.format(**left)), place)


_TAKE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('trade_days/' || :place, 0))")

_WHOSE = "scope, key_id, bot_id, symbol, settle, day"
_NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"
_EACH = f"""
    SELECT scope, trades.day,
        CASE WHEN scope & {BY_KEY} > 0 THEN trades.key_id ELSE {_NOBODY} END AS key_id,
        CASE WHEN scope & {BY_BOT} > 0 THEN trades.bot_id ELSE {_NOBODY} END AS bot_id,
        CASE WHEN scope & {BY_SYMBOL} > 0 THEN trades.symbol ELSE '' END AS symbol,
        coalesce(trades.settle, '') AS settle,
        {STEPS}
    FROM traded AS trades JOIN pairs USING (day, key_id, bot_id)
    CROSS JOIN generate_series(0, {SCOPES}) AS scope
    WHERE scope & 3 = 1 OR scope & 3 = 3 AND many_bots OR scope & 3 = 2 AND many_keys
        OR scope & 3 = 0 AND NOT one_key
    GROUP BY 1, 2, 3, 4, 5, 6, trades.closed_at
"""  # noqa: S608  # built from constants only, here and below
_TIMES = {"trades": "closed_at", "funding": "at"}
_TRADED = steps_of_days(
    "wanted",
    lambda table, _: f"account_id = :account AND environment = :environment AND {{{table}}}",
)
_BLOCK = ", ".join(BLOCK)
# On most days a key has one bot and a bot one key, and often there is one key alone: curves that
# coincide are computed once.
_RECOMPUTE = f"""
    WITH wanted AS MATERIALIZED (SELECT unnest(CAST(:days AS date[])) AS day),
    traded AS MATERIALIZED (SELECT wanted.day, trades.* FROM {_TRADED}),
    pairs AS MATERIALIZED (
        SELECT day, key_id, bot_id,
            count(*) OVER (PARTITION BY day, key_id) > 1 AS many_bots,
            count(*) OVER (PARTITION BY day, bot_id) > 1 AS many_keys,
            count(*) OVER (PARTITION BY day) = count(*) OVER (PARTITION BY day, key_id) AS one_key
        FROM (SELECT DISTINCT day, key_id, bot_id FROM traded) AS met
    ),
    recomputed AS MATERIALIZED ({folded(_EACH, _WHOSE)}),
    of_keys AS (
        SELECT {_WHOSE}, {_BLOCK} FROM recomputed WHERE scope & 3 = 3
        UNION ALL
        SELECT scope | {BY_BOT}, key_id, pairs.bot_id, symbol, settle, day, {_BLOCK}
        FROM recomputed JOIN pairs USING (day, key_id) WHERE scope & 3 = 1 AND NOT many_bots
    )
    INSERT INTO trade_days (account_id, environment, {_WHOSE}, {_BLOCK})
    SELECT CAST(:account AS uuid), CAST(:environment AS text), {_WHOSE}, {_BLOCK} FROM (
        SELECT {_WHOSE}, {_BLOCK} FROM recomputed WHERE scope & 3 < 3
        UNION ALL
        SELECT scope - {BY_KEY}, {_NOBODY}, bot_id, symbol, settle, day, {_BLOCK}
        FROM recomputed JOIN (SELECT DISTINCT day FROM pairs WHERE one_key) AS alone USING (day)
        WHERE scope & 3 = 1
        UNION ALL
        SELECT {_WHOSE}, {_BLOCK} FROM of_keys
        UNION ALL
        SELECT scope - {BY_KEY}, {_NOBODY}, bot_id, symbol, settle, day, {_BLOCK}
        FROM of_keys JOIN pairs USING (day, key_id, bot_id) WHERE NOT many_keys
    ) AS complete
"""  # noqa: S608


def _of_days(
    model: type[TradeDay | StaleDay], account_id: UUID, environment: str, days: Collection[date]
) -> Delete:
    return (
        delete(model)
        .where(
            model.account_id == account_id,
            model.environment == environment,
            model.day.in_(days),
        )
        .execution_options(synchronize_session=False)
    )


async def mark_cut_days(session: AsyncSession, account_id: UUID, mark: Mark, limit: int) -> int:
    """Mark days as stale if this deletion mark covers part of them; return how many.

    Queries detect such days themselves; marking them makes the queries fast again.
    """
    days, stale = TradeDay.__table__, StaleDay.__table__
    known = select(stale.c.day).where(
        stale.c.account_id == account_id,
        *(stale.c[name] == days.c[name] for name in ("environment", "day")),
    )
    # So the key's days, or the days up to the cut-off, are a range of an index.
    environments = [*Environment] if mark.environment is None else [mark.environment]
    query = (
        select(days.c.environment, days.c.day)
        .distinct()
        .where(
            days.c.account_id == account_id,
            days.c.environment.in_(environments),
            days.c.scope == BY_KEY,
            ~known.exists(),
        )
        .limit(limit)
    )
    if mark.key_id is not None:
        query = query.where(days.c.key_id == mark.key_id)
    if mark.cutoff != FOREVER:
        last = mark.cutoff.astimezone(UTC).date()
        query = query.where(days.c.first_at < mark.cutoff, days.c.day <= last)
    rows = (await session.execute(query)).all()
    for environment, day in rows:
        await mark_stale(session, account_id, environment, [day])
    return len(rows)


WAIT = timedelta(minutes=1)
"""How long a day that receives trades stays stale at least. Otherwise it would be recomputed
continuously. Until then queries add up its trades themselves.
"""

QUIET = timedelta(seconds=5)
"""How long nothing must change for a past day to be recomputed before `WAIT` is over: history that
was brought or deleted is not followed by more, as today's trades are.
"""
