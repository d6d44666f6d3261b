"""`python -m benchmarks.seed`: an account with a million trades and a million equity snapshots.

They are written with COPY: a year of ten bots, the same in every run, ready for analytics. To look
at them: `botkeys token --account seeded`. If `make run` is running, its database is used.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from itertools import islice
from typing import Annotated

import asyncpg
import typer
from sqlalchemy import insert, text

from app.auth.development_issuer import DevelopmentIssuer
from app.auth.principal import account_id
from app.db.embedded import ClusterInUse, EmbeddedPostgres
from app.db.engine import Database, open_database
from app.db.migrate import migrate
from app.db.models import Account, Bot, KeyLabel
from app.domains.analytics.rollups import add_up
from app.process.data_folder import DataFolder
from app.settings import Settings
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


class AlreadySeeded(Exception):
    """The account exists already: choose another name."""


async def seed(database_url: str, account: str, trade_count: int, snapshot_count: int) -> None:
    """Fill a new account of the development issuer; raise `AlreadySeeded` if it exists."""
    places = Places(account_id(DevelopmentIssuer.issuer, account))
    database = open_database(
        database_url,
        application_name="botkeys-seed",
        pool_size=None,
        statement_timeout=_PATIENCE,
    )
    try:
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
        await _add_up_days(database, places)
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
    async def chunks() -> AsyncIterator[bytes]:
        while chunk := "".join(islice(lines, _LINES_AT_ONCE)):
            yield chunk.encode()

    connection = await asyncpg.connect(database_url)
    try:
        await connection.copy_to_table(table, source=chunks(), columns=columns)
    finally:
        await connection.close()


async def _add_up_days(database: Database, places: Places) -> None:
    """Compute the rollups as a worker does for reported trades, in two halves at once."""
    days: list[date] = [
        (UNTIL - timedelta(days=back)).date() for back in range(YEAR.days + 1, -1, -1)
    ]

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
