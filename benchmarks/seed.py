"""`python -m benchmarks.seed`: an account with a million trades and a million equity snapshots.

They are written with COPY: a year of ten bots, the same in every run, ready for analytics. To look
at them: `botkeys token --account seeded`. If `make run` is running, its database is used.

`make bench` has no use for a year of its own days: it repeats a part of one, with what the days of
that part add up to.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from itertools import islice
from typing import Annotated, Any

import asyncpg
import typer
from sqlalchemy import Column, Date, DateTime, insert, text

from app.auth.development_issuer import DevelopmentIssuer
from app.auth.principal import account_id
from app.db.embedded import ClusterInUse, EmbeddedPostgres
from app.db.engine import Database, open_database
from app.db.migrate import migrate
from app.db.models import Account, Bot, KeyLabel, Trade, TradeDay
from app.domains.analytics.rollups import add_up
from app.process.data_folder import DataFolder
from app.settings import Settings
from benchmarks.bulk import filling
from benchmarks.seed_rows import (
    BOTS,
    SNAPSHOT_COLUMNS,
    TRADE_COLUMNS,
    UNTIL,
    YEAR,
    Places,
    snapshots,
    trades,
)

MILLION = 1_000_000
ACCOUNT = "seeded"
_LINES_AT_ONCE = 5_000
_DAYS_AT_ONCE = 14
_PATIENCE = 600.0
PARTS = 8
PART = timedelta(days=46)
"""Of what is repeated, `PARTS` times: a year, and three days."""


class AlreadySeeded(Exception):
    """The account exists already: choose another name."""


async def seed(database_url: str, account: str, trade_count: int, snapshot_count: int) -> None:
    """Fill a new account of the development issuer; raise `AlreadySeeded` if it exists."""
    places = Places(account_id(DevelopmentIssuer.issuer, account))
    async with _opened(database_url) as database:
        await _add_account(database, places, account)
        await asyncio.gather(
            _copy(database_url, "trades", TRADE_COLUMNS, trades(places, trade_count)),
            _copy(
                database_url,
                "equity_snapshots",
                SNAPSHOT_COLUMNS,
                snapshots(places, snapshot_count),
            ),
        )
        async with database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in ("trades", "equity_snapshots"):
                await connection.execute(text(f"VACUUM ANALYZE {table}"))
        await _add_up_days(database, places, YEAR + timedelta(days=1))


async def seed_repeated(database_url: str, account: str, trade_count: int) -> None:
    """Fill a new account with `PARTS` times the same trades, each `PART` before the next.

    `database_url` is that of the tables' owner; nobody else may use them meanwhile.
    """
    places = Places(account_id(DevelopmentIssuer.issuer, account))
    async with _opened(database_url) as database:
        await _add_account(database, places, account)
        lines = trades(places, trade_count // PARTS, PART)
        async with filling(database_url, "trades") as connection:
            await connection.copy_to_table("trades", source=_chunks(lines), columns=TRADE_COLUMNS)
            await connection.execute(_repeat(Trade.__table__, "id"), places.account)
        await _add_up_days(database, places, PART)
        async with filling(database_url, "trade_days") as connection:
            await connection.execute(_repeat(TradeDay.__table__), places.account)


def _repeat(table: Any, name: str | None = None) -> str:
    """Return the statement that adds the earlier parts; `name` is a text that is unique."""
    columns = table.columns

    def moved(column: Column[Any]) -> str:
        if isinstance(column.type, Date):
            return f"{column.name} - part * {PART.days}"
        if isinstance(column.type, DateTime):
            return f"{column.name} - part * interval '{PART.days} days'"
        return f"{column.name} || '/' || part" if column.name == name else column.name

    return f"""
        INSERT INTO {table.name} ({", ".join(column.name for column in columns)})
        SELECT {", ".join(map(moved, columns))}
        FROM {table.name} CROSS JOIN generate_series(1, {PARTS - 1}) AS part
        WHERE account_id = $1
    """  # noqa: S608  # our own names


@asynccontextmanager
async def _opened(database_url: str) -> AsyncIterator[Database]:
    database = open_database(
        database_url,
        application_name="botkeys-seed",
        pool_size=None,
        statement_timeout=_PATIENCE,
    )
    try:
        yield database
    finally:
        await database.close()


async def _add_account(database: Database, places: Places, account: str) -> None:
    place = {"account_id": places.account}
    async with database.sessions.begin() as session:
        known = await session.get(Account, places.account)
        if known is not None:
            raise AlreadySeeded(account)
        issuer = DevelopmentIssuer.issuer
        await session.execute(insert(Account).values(**place, issuer=issuer, subject=account))
        for number in range(BOTS):
            await session.execute(
                insert(Bot).values(**place, id=places.bots[number], name=f"Bot {number}")
            )
            await session.execute(
                insert(KeyLabel).values(
                    **place,
                    key_id=places.keys[number],
                    label=f"Key {number}",
                    exchange="okx",
                    environment="live",
                    contract_type="linear",
                )
            )


async def _copy(
    database_url: str, table: str, columns: tuple[str, ...], lines: Iterator[str]
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.copy_to_table(table, source=_chunks(lines), columns=columns)
    finally:
        await connection.close()


async def _chunks(lines: Iterator[str]) -> AsyncIterator[bytes]:
    while chunk := "".join(islice(lines, _LINES_AT_ONCE)):
        yield chunk.encode()


async def _add_up_days(database: Database, places: Places, span: timedelta) -> None:
    """Compute the rollups as a worker does for reported trades, in two halves at once."""
    days: list[date] = [(UNTIL - timedelta(days=back)).date() for back in range(span.days, -1, -1)]

    async def some(of: list[date]) -> None:
        for begin in range(0, len(of), _DAYS_AT_ONCE):
            async with database.sessions.begin() as session:
                await session.execute(text("SET LOCAL work_mem = '64MB'"))
                await add_up(session, places.account, "live", of[begin : begin + _DAYS_AT_ONCE])

    half = len(days) // 2
    await asyncio.gather(some(days[:half]), some(days[half:]))
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE trade_days"))


@asynccontextmanager
async def _database_url(given: str | None) -> AsyncIterator[str]:
    """Yield the URL of the given database, or of the embedded one, started unless it is running."""
    settings = Settings()
    if given is None and settings.database_url is not None:
        given = settings.database_url.get_secret_value()
    if given is not None:
        yield given
        return
    folder = DataFolder(settings.data_dir)
    folder.prepare()
    postgres = EmbeddedPostgres(folder.postgres)
    owner = postgres.url("botkeys_owner")
    try:
        await postgres.start()
    except ClusterInUse:
        yield owner
        return
    try:
        await migrate(owner)
        yield owner
    finally:
        await postgres.stop()


def main(
    *,
    trade_count: Annotated[int, typer.Option("--trades", min=0)] = MILLION,
    snapshot_count: Annotated[int, typer.Option("--snapshots", min=0)] = MILLION,
    account: Annotated[str, typer.Option(help="As in `botkeys token --account`.")] = ACCOUNT,
    database_url: Annotated[
        str | None,
        typer.Option(help="Default: BOTKEYS_DATABASE_URL, or else the embedded database."),
    ] = None,
) -> None:
    """Make an account with a year of trading."""

    async def run() -> None:
        async with _database_url(database_url) as url:
            await seed(url, account, trade_count, snapshot_count)

    began = time.perf_counter()
    try:
        asyncio.run(run())
    except AlreadySeeded:
        print(f"There is an account '{account}' already: name another with --account.")
        raise typer.Exit(1) from None
    seconds = time.perf_counter() - began
    print(f"{trade_count:,} trades and {snapshot_count:,} snapshots in {seconds:.0f} s.")
    print(f"A token: botkeys token --account {account}")


if __name__ == "__main__":
    typer.run(main)
