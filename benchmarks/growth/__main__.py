"""`python -m benchmarks.growth`: how each call and each sweep grows, up to a million keys.

It needs some 8 GB in its folder, which is removed at the end. The JSON has a curve for each thing
that is measured: `{name, kind, grows, accepted, points}`, with a point for each size: `{keys,
buffers, rows, seconds, of_tables}`.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from app.db.embedded import EmbeddedPostgres
from app.db.engine import open_database
from app.db.migrate import migrate
from app.process.development import SERVICE_ROLES
from app.process.startup import start_logging
from benchmarks import results
from benchmarks.growth.curves import Curve, measure
from benchmarks.output import report_drawn
from benchmarks.plots import draw_growth
from benchmarks.report import machine

SERVER = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "1GB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


def growth(
    *,
    sizes: Annotated[str, typer.Option(help="Numbers of keys, ascending.")] = (
        "1000,10000,100000,1000000"
    ),
    output: Annotated[Path, typer.Option(help="Where the JSON goes, and a plot beside it.")] = (
        results.LAST_GROWTH
    ),
    folder: Annotated[
        Path | None, typer.Option(help="Where the database is kept meanwhile.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List everything, not only what grows.")
    ] = False,
) -> None:
    """Measure an installation at each size; exit with 1 if anything outgrows the logarithm."""
    console = Console(width=None if os.isatty(1) else 160)
    wanted = [int(size) for size in sizes.split(",")]
    began = time.perf_counter()

    def report(what: str) -> None:
        console.print(f"{time.perf_counter() - began:6.0f} s  {what}")

    start_logging("error")
    place = Path(tempfile.mkdtemp(prefix="botkeys-growth-", dir=folder))
    try:
        with EmbeddedPostgres(place / "postgres", settings=SERVER) as postgres:
            curves, version = uvloop.run(_run(postgres, place, wanted, report))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    document: dict[str, Any] = {
        "machine": machine(version),
        "sizes": wanted,
        "curves": [curve.document() for curve in curves],
    }
    results.write(output, document)
    growing = [curve for curve in curves if curve.grows and curve.accepted is None]
    console.print(table(curves if everything else growing, wanted))
    console.print(f"{len(growing)} of {len(curves)} outgrow the logarithm. Written to {output}.")
    report_drawn(console, draw_growth(document, output.with_suffix("")))
    raise typer.Exit(int(bool(growing)))


async def _run(
    postgres: EmbeddedPostgres, place: Path, sizes: list[int], report: Any
) -> tuple[list[Curve], str]:
    owner = postgres.url("botkeys_owner")
    await migrate(owner)
    version = await _grant(postgres)
    return await measure(postgres.url(), owner, place / "service", sizes, report), version


async def _grant(postgres: EmbeddedPostgres) -> str:
    """Give the service's login the rights of all roles, and let the owner fill the tables; return
    the server's version.
    """
    database = open_database(
        postgres.url("postgres"), application_name="botkeys-growth", pool_size=None
    )
    async with database.engine.begin() as connection:
        await connection.execute(text(f"GRANT {', '.join(SERVICE_ROLES)} TO botkeys_service"))
        right = "SET ON PARAMETER session_replication_role"
        await connection.execute(text(f"GRANT {right} TO botkeys_owner"))
        version = await connection.scalar(text("SHOW server_version"))
    await database.close()
    return str(version)


def table(curves: list[Curve], sizes: list[int]) -> Table:
    made = Table(title="Buffers touched, by the number of keys", title_justify="left")
    made.add_column("what")
    for size in sizes:
        made.add_column(f"{size:,}", justify="right")
    made.add_column("ms", justify="right")
    made.add_column("most of it in")
    for curve in sorted(curves, key=lambda one: (one.kind, one.name)):
        costs = [curve.costs.get(size) for size in sizes]
        last = costs[-1]
        made.add_row(
            f"{curve.kind}: {curve.name}",
            *("" if cost is None else f"{cost.buffers:,}" for cost in costs),
            "" if last is None else f"{last.seconds * 1000:.1f}",
            ""
            if last is None
            else ", ".join(f"{name} {count:,}" for name, count in list(last.of_tables.items())[:3]),
        )
    return made


if __name__ == "__main__":
    typer.run(growth)
